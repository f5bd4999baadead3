//! From the files that a user names to a list of canonical objects.
//!
//! Splits documents and `List`s, brings old API versions up to date, and takes out what only a server writes.

mod check;
mod upgrade;

pub(super) use upgrade::SET_BY_SERVER;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::finding::{Code, Finding, Findings};
use crate::source::{
    Files, KeyPath, Limits, Mapping, Memory, Node, Origin, PathKind, Position, Sources, Value,
    decode, parse,
};

/// What to load.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Files and folders (`-f`); `-` is `stdin`. Of a folder, all `.yaml`, `.yml` and `.json` files, sorted.
    pub files: Vec<PathBuf>,
    /// Go into sub-folders as well (`-R`).
    pub recursive: bool,
    /// Text of standard input, for a file named `-`, or of another source such as `kubectl kustomize`.
    pub stdin: Option<String>,
    /// How that text is called in messages; `<stdin>` where empty.
    pub stdin_name: String,
    /// Texts that were read before, each with what it is called in messages: objects of a running cluster.
    pub texts: Vec<(String, String)>,
    /// What was found when those were read.
    pub found: Findings,
    /// Where relative paths begin; absolute.
    pub working_dir: PathBuf,
    /// Bounds on each file.
    pub limits: Limits,
}

/// One object.
#[derive(Debug, Clone)]
pub struct Object {
    /// The canonical object: a current `apiVersion`, nothing that only a server writes.
    pub node: Node,
    /// `apiVersion`, brought up to date.
    pub api_version: String,
    /// `kind`
    pub kind: String,
    /// `metadata.name`; made from `generateName` with a finding where that stands instead.
    pub name: String,
    /// `metadata.namespace`, if written.
    pub namespace: Option<String>,
    /// Where the object begins.
    pub origin: Origin,
}

/// Loads objects, in source order.
///
/// # Errors
/// All findings so far, at least one of severity error, when the input cannot be understood.
pub fn load(
    options: &LoadOptions,
    files: &dyn Files,
    sources: &mut Sources,
    findings: &mut Findings,
) -> Result<Vec<Object>, Findings> {
    let mut loader = Loader {
        options,
        files,
        sources,
        findings: options.found.clone(),
        objects: Vec::new(),
        seen: BTreeSet::new(),
        begin: None,
    };
    for file in &options.files {
        loader.path(file);
    }
    for (name, text) in &options.texts {
        loader.text(name, text.clone());
    }
    loader.finish(findings)
}

/// Loads the objects of documents that were read already.
///
/// # Errors
/// As [`load`].
pub fn load_nodes(
    documents: impl IntoIterator<Item = Node>,
    sources: &mut Sources,
    findings: &mut Findings,
) -> Result<Vec<Object>, Findings> {
    let options = LoadOptions::default();
    let mut loader = Loader {
        options: &options,
        files: &Memory::default(),
        sources,
        findings: Findings::default(),
        objects: Vec::new(),
        seen: BTreeSet::new(),
        begin: None,
    };
    for document in documents {
        loader.document(document, 0);
    }
    loader.finish(findings)
}

struct Loader<'a> {
    options: &'a LoadOptions,
    files: &'a dyn Files,
    sources: &'a mut Sources,
    findings: Findings,
    objects: Vec<Object>,
    /// Group, kind, namespace and name of the objects so far.
    seen: BTreeSet<(String, String, String, String)>,
    /// Where the first text begins.
    begin: Option<Position>,
}

/// The names under which kustomize looks for its file.
fn is_kustomization(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    matches!(
        name,
        Some("kustomization.yaml" | "kustomization.yml" | "Kustomization")
    )
}

impl Loader<'_> {
    fn finish(self, findings: &mut Findings) -> Result<Vec<Object>, Findings> {
        let Loader {
            findings: own,
            objects,
            begin,
            ..
        } = self;
        findings.extend(own);
        if !findings.has_errors() && objects.is_empty() {
            let finding = Finding::new(
                Code("no-objects"),
                "there is no Kubernetes object in the input",
            );
            findings.push(match begin {
                Some(at) => finding.at_position(at),
                None => finding,
            });
        }
        if findings.has_errors() {
            Err(std::mem::take(findings))
        } else {
            Ok(objects)
        }
    }

    fn path(&mut self, path: &Path) {
        if path.as_os_str() == "-" {
            let name = match self.options.stdin_name.as_str() {
                "" => "<stdin>",
                name => name,
            };
            let text = self.options.stdin.clone().unwrap_or_default();
            self.text(name, text);
            return;
        }
        let full = self.options.working_dir.join(path);
        match self.files.kind(&full) {
            PathKind::Directory => self.folder(path, 0),
            // kubectl refuses it as well, for another reason: many have neither `apiVersion` nor `kind`.
            _ if is_kustomization(path) => {
                let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
                let folder = folder.unwrap_or(Path::new("."));
                let message = format!(
                    "`{}` is a kustomization; -k {} renders it",
                    path.display(),
                    folder.display()
                );
                let at = self.sources.add(path.display().to_string(), "");
                self.findings.push(
                    Finding::new(Code("kustomization-as-file"), message)
                        .at_position(Position::start_of(at)),
                );
            }
            _ => self.file(path),
        }
    }

    fn folder(&mut self, path: &Path, depth: usize) {
        let full = self.options.working_dir.join(path);
        let names = match self.files.list(&full) {
            Ok(names) => names,
            Err(error) => {
                self.findings.push(Finding::new(
                    Code("unreadable-file"),
                    format!("`{}`: {error}", path.display()),
                ));
                return;
            }
        };
        for name in names {
            let inner = path.join(&name);
            if is_kustomization(Path::new(&name)) {
                let message = format!(
                    "`{}` is left out; -k {} renders it",
                    inner.display(),
                    path.display()
                );
                self.findings
                    .push(Finding::new(Code("kustomization-skipped"), message));
                continue;
            }
            let extension = inner
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            match self.files.kind(&self.options.working_dir.join(&inner)) {
                PathKind::File(_) if matches!(extension, "yaml" | "yml" | "json") => {
                    self.file(&inner)
                }
                PathKind::Directory if self.options.recursive && depth < 32 => {
                    self.folder(&inner, depth + 1)
                }
                _ => {}
            }
        }
    }

    fn file(&mut self, path: &Path) {
        let full = self.options.working_dir.join(path);
        let name = path.display().to_string();
        let content = self
            .files
            .read(&full, self.options.limits.bytes as u64)
            .map_err(|error| {
                let at = Position::start_of(self.sources.add(name.clone(), ""));
                (at, format!("`{name}`: {error}"))
            })
            .and_then(|bytes| {
                decode(bytes, &name, self.sources)
                    .map_err(|at| (at, format!("`{name}` is not a text from here on")))
            });
        match content {
            Ok(text) => self.text(&name, text),
            Err((at, message)) => {
                let finding = Finding::new(Code("unreadable-file"), message);
                self.findings.push(finding.at_position(at));
            }
        }
    }

    fn text(&mut self, name: &str, text: String) {
        let file = self.sources.add(name, text.clone());
        self.begin.get_or_insert(Position::start_of(file));
        match parse(file, &text, &self.options.limits) {
            Ok(nodes) => {
                for node in nodes {
                    self.document(node, 0);
                }
            }
            Err(finding) => {
                let template = text.contains("{{") && text.contains("}}");
                if template {
                    let at = finding.at.unwrap_or(Position::start_of(file));
                    let message = "this is a template of Helm, not a manifest; render it first: `helm template NAME CHART`";
                    self.findings
                        .push(Finding::new(Code("helm-template"), message).at_position(at));
                } else {
                    self.findings.push(*finding);
                }
            }
        }
    }

    fn document(&mut self, mut node: Node, depth: usize) {
        let origin = Origin::new(node.at, KeyPath::root());
        let Value::Mapping(map) = &mut node.value else {
            let message = format!(
                "a Kubernetes object is a mapping, but this is {}",
                node.describe()
            );
            self.findings.add(Code("wrong-type"), &origin, message);
            return;
        };
        let text =
            |map: &Mapping, key: &str| map.get(key).and_then(Node::as_text).map(str::to_owned);
        let (api_version, kind) = (text(map, "apiVersion"), text(map, "kind"));
        let (Some(mut api_version), Some(kind)) = (api_version, kind) else {
            let message = if map.get("services").is_some() {
                "this is a Compose file; `docker migrate convert -f FILE` converts it"
            } else {
                "there is no `apiVersion` and `kind`, so this is not a Kubernetes object"
            };
            self.findings.add(Code("not-kubernetes"), &origin, message);
            return;
        };
        if api_version.starts_with("kustomize.config.k8s.io/") {
            let message = format!("this {kind} is read by kustomize only; -k FOLDER renders it");
            self.findings
                .add(Code("kustomization-as-file"), &origin, message);
            return;
        }
        let is_list = kind == "List" || (kind.ends_with("List") && map.get("items").is_some());
        if is_list {
            let message = format!("this `{api_version}` {kind} is split into its items");
            self.findings.add(Code("list-split"), &origin, message);
            if let Some(Value::Sequence(items)) = map.remove("items").map(|e| e.node.value) {
                for item in items {
                    if depth < 8 {
                        self.document(item, depth + 1);
                    }
                }
            }
            return;
        }
        if let Some(current) = upgrade::current_version(&api_version, &kind) {
            let key_at = map.0.get("apiVersion").map_or(origin.at, |e| e.node.at);
            let message =
                format!("`{api_version}` is an old version of {kind} and is read as `{current}`");
            self.findings.add(
                Code("old-api-version"),
                &Origin::new(key_at, KeyPath::root().key("apiVersion")),
                message,
            );
            upgrade::upgrade(&kind, &api_version, map);
            map.set("apiVersion", key_at, Node::string(current, key_at));
            current.clone_into(&mut api_version);
        }
        let removed = upgrade::strip(map);
        let metadata = map.get("metadata").and_then(Node::as_mapping);
        let mut name = metadata.and_then(|m| text(m, "name"));
        let namespace = metadata.and_then(|m| text(m, "namespace"));
        let generated = metadata.and_then(|m| text(m, "generateName"));
        if name.is_none()
            && let Some(prefix) = generated
        {
            let invented = format!("{}-{}", prefix.trim_end_matches('-'), self.objects.len());
            let message = format!(
                "the name is generated by the server from `{prefix}`; `{invented}` is used here"
            );
            self.findings.add(
                Code("name-generated"),
                &Origin::new(node.at, KeyPath::root().join("metadata.generateName")),
                message,
            );
            name = Some(invented);
        }
        let Some(name) = name.filter(|n| !n.is_empty()) else {
            let message = format!("this {kind} has no `metadata.name`");
            self.findings.add(
                Code("no-name"),
                &Origin::new(node.at, KeyPath::root().join("metadata.name")),
                message,
            );
            return;
        };
        if !removed.is_empty() {
            let message = format!(
                "{kind} `{name}`: what only a server writes is left out: {}",
                removed.join(", ")
            );
            self.findings.add(Code("server-fields"), &origin, message);
        }
        check::check(&node, &kind, &name, &mut self.findings);
        let group = api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
            .to_owned();
        let key = (
            group,
            kind.clone(),
            namespace.clone().unwrap_or_default(),
            name.clone(),
        );
        if !self.seen.insert(key) {
            // Folders of manifests repeat a namespace or a ServiceAccount in each file; kubectl applies it twice.
            let twin = self.objects.iter().find(|known| {
                known.kind == kind && known.name == name && known.namespace == namespace
            });
            if twin.is_some_and(|twin| {
                twin.api_version == api_version && twin.node.to_json() == node.to_json()
            }) {
                let message = format!("{kind} `{name}` is there twice, with the same content");
                self.findings.add(Code("object-repeated"), &origin, message);
                return;
            }
            let message = format!("{kind} `{name}` is there twice");
            self.findings
                .add(Code("duplicate-object"), &origin, message);
            return;
        }
        self.objects.push(Object {
            node,
            api_version,
            kind,
            name,
            namespace,
            origin,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kustomizations_are_rendered_with_k() {
        let texts = [
            ("/app/kustomization.yaml", "resources: [web.yaml]\n"),
            (
                "/app/prod.yaml",
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [web.yaml]\n",
            ),
        ];
        let mut files = Memory::default();
        for (path, text) in texts {
            files.add(PathBuf::from(path), text.as_bytes().to_vec());
        }
        for (path, option) in [("kustomization.yaml", "-k . "), ("prod.yaml", "-k FOLDER ")] {
            let options = LoadOptions {
                files: vec![path.into()],
                working_dir: "/app".into(),
                ..LoadOptions::default()
            };
            let mut findings = Findings::default();
            let errors = load(&options, &files, &mut Sources::default(), &mut findings);
            let errors = errors.unwrap_err();
            let codes: Vec<_> = errors.as_slice().iter().map(|f| f.code.0).collect();
            assert_eq!(codes, ["kustomization-as-file"], "{path}");
            assert!(errors.as_slice()[0].message.contains(option));
        }
    }
}

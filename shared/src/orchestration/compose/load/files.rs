//! From one file to canonical documents: parsing, versions and interpolation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::canonical::{self, Canon};
use super::legacy::{first_version, looks_like_service, volume_drivers};
use super::project;
use crate::finding::{Code, Finding, Findings};
use crate::source::{
    Files, KeyPath, Limits, Mapping, Node, Origin, Position, Sources, Value, decode, parse,
};

/// Files that may include or extend one another in a chain.
pub(super) const MAX_CHAIN: usize = 50;

/// Reads files and resolves what they refer to.
pub(super) struct Assembler<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) sources: &'a mut Sources,
    pub(super) findings: &'a mut Findings,
    pub(super) limits: Limits,
    pub(super) allow_outside: bool,
    /// Project folder, absolute.
    pub(super) directory: PathBuf,
    pub(super) home: Option<String>,
    pub(super) stdin: Option<&'a str>,
    /// Variables that were found missing already.
    pub(super) warned: BTreeSet<String>,
    /// Files that are being included, for cycles.
    pub(super) including: Vec<PathBuf>,
    /// Version that the first file declares.
    pub(super) version: Option<String>,
}

impl Assembler<'_> {
    /// The documents of a file in canonical form, `extends` and `include` resolved. Relative paths in it begin at
    /// `base`, relative to the project folder.
    pub(super) fn documents(
        &mut self,
        file: &Path,
        base: &str,
        variables: &BTreeMap<String, String>,
    ) -> Vec<Node> {
        let nodes = self.read(file, None);
        self.assemble(nodes, file, base, variables)
    }

    /// As [`Self::documents`], of what was parsed already.
    pub(super) fn assemble(
        &mut self,
        nodes: Vec<Node>,
        file: &Path,
        base: &str,
        variables: &BTreeMap<String, String>,
    ) -> Vec<Node> {
        let mut documents = Vec::new();
        for node in nodes {
            let Some((mut node, v1)) = self.prepare(node, variables) else {
                continue;
            };
            self.canonical(&mut node, base, v1);
            self.extends(&mut node, file, base, variables);
            documents.extend(self.includes(node, base, variables));
        }
        documents
    }

    /// The parsed documents of a file; an error is a finding.
    pub(super) fn read(&mut self, file: &Path, asked: Option<&Origin>) -> Vec<Node> {
        let shown = if file.as_os_str() == "-" {
            "<stdin>".to_owned()
        } else {
            file.strip_prefix(&self.directory)
                .unwrap_or(file)
                .display()
                .to_string()
        };
        let text = if file.as_os_str() == "-" {
            Ok(self.stdin.unwrap_or_default().to_owned())
        } else {
            let bytes = self.files.read(file, self.limits.bytes as u64);
            bytes
                .map_err(|error| {
                    let message = format!("`{shown}`: {error}");
                    let finding = Finding::new(Code("unreadable-file"), message);
                    match asked {
                        Some(origin) => finding.at(origin),
                        None => {
                            let file = self.sources.add(shown.clone(), "");
                            finding.at_position(Position::start_of(file))
                        }
                    }
                })
                .and_then(|bytes| {
                    decode(bytes, &shown, self.sources).map_err(|at| {
                        let message = format!("`{shown}` is not a text from here on");
                        Finding::new(Code("unreadable-file"), message).at_position(at)
                    })
                })
        };
        let text = match text {
            Ok(text) => text,
            Err(finding) => {
                self.findings.push(finding);
                return Vec::new();
            }
        };
        let id = self.sources.add(shown, text.clone());
        match parse(id, &text, &self.limits) {
            Ok(nodes) => nodes,
            Err(finding) => {
                self.findings.push(*finding);
                Vec::new()
            }
        }
    }

    /// Takes the version out, interpolates, and gives the first version its `services`. Returns whether it is one.
    pub(super) fn prepare(
        &mut self,
        mut node: Node,
        variables: &BTreeMap<String, String>,
    ) -> Option<(Node, bool)> {
        let at = node.at;
        let Value::Mapping(map) = &mut node.value else {
            let origin = Origin::new(at, KeyPath::root());
            let message = format!(
                "a Compose file is a mapping, but this is {}",
                node.describe()
            );
            self.findings.add(Code("wrong-type"), &origin, message);
            return None;
        };
        if map.get("apiVersion").is_some() && map.get("kind").is_some() {
            let origin = Origin::new(at, KeyPath::root());
            let message =
                "this is a Kubernetes object; `kubectl migrate convert -f FILE` converts it";
            self.findings.add(Code("not-compose"), &origin, message);
            return None;
        }
        let version_is_service = map.get("version").is_some_and(|v| v.as_mapping().is_some());
        if !version_is_service && let Some(entry) = map.remove("version") {
            let text = project::text_of(Some(&entry.node)).unwrap_or_default();
            let origin = Origin::new(entry.key_at, KeyPath::root().key("version"));
            let message = format!(
                "version {text} only tells which keys are allowed; today's specification has none"
            );
            self.findings
                .add(Code("resolved-by-loader"), &origin, message);
            if text.starts_with('1') {
                let message = format!(
                    "`version: {text}` is not a version; files of the first version declare none"
                );
                self.findings.add(Code("bad-version"), &origin, message);
            }
            if let Some(first) = &self.version
                && *first != text
            {
                let message =
                    format!("the files declare different versions: `{first}` and `{text}`");
                self.findings.add(Code("versions-differ"), &origin, message);
            }
            self.version.get_or_insert(text);
        }
        let sections = [
            "services", "include", "networks", "volumes", "configs", "secrets", "name", "models",
        ];
        let v1 = self.version.is_none()
            && !map.is_empty()
            && !sections.iter().any(|key| map.get(key).is_some())
            && map.iter().all(|(_, entry)| looks_like_service(&entry.node));
        super::interpolate::interpolate(&mut node, variables, &mut self.warned, self.findings);
        if v1 {
            self.version = Some("1".to_owned());
            let mut root = Mapping::default();
            let services = Node {
                tag: None,
                ..node.clone()
            };
            root.set("services", at, services);
            node.value = Value::Mapping(root);
        }
        Some((node, v1 || self.version.as_deref() == Some("1")))
    }

    pub(super) fn canonical(&mut self, node: &mut Node, base: &str, v1: bool) {
        let mut canon = Canon {
            findings: self.findings,
            base: base.to_owned(),
            home: self.home.clone(),
        };
        canonical::document(&mut canon, node);
        if v1 {
            first_version(node);
        }
        for (at, path) in volume_drivers(node) {
            let message =
                format!("`{path}` becomes the driver of the named volumes of this service");
            self.findings
                .add(Code("resolved-by-loader"), &Origin::new(at, path), message);
        }
    }

    pub(super) fn shown(&self, file: &Path) -> String {
        file.strip_prefix(&self.directory)
            .unwrap_or(file)
            .display()
            .to_string()
    }
}

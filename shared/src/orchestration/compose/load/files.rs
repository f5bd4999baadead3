//! From one file to canonical documents: parsing, versions, interpolation, `extends` and `include`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::canonical::{self, Canon};
use super::{merge, outside, outside_error, project};
use crate::finding::{Code, Finding, Findings};
use crate::source::{
    Files, KeyPath, Kind, Limits, Mapping, Node, Origin, Position, Sources, Value, normalize, parse,
};

/// Files that may include or extend one another in a chain.
const MAX_CHAIN: usize = 50;

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
    fn read(&mut self, file: &Path, asked: Option<&Origin>) -> Vec<Node> {
        let shown = if file.as_os_str() == "-" {
            "<stdin>".to_owned()
        } else {
            file.strip_prefix(&self.directory)
                .unwrap_or(file)
                .display()
                .to_string()
        };
        let content = if file.as_os_str() == "-" {
            Ok(self.stdin.unwrap_or_default().to_owned())
        } else {
            let bytes = self
                .files
                .read(file, self.limits.bytes as u64)
                .map_err(|e| e.to_string());
            bytes.and_then(|bytes| {
                String::from_utf8(bytes).map_err(|e| {
                    let line = e.as_bytes()[..e.utf8_error().valid_up_to()]
                        .iter()
                        .filter(|b| **b == b'\n')
                        .count()
                        + 1;
                    format!("it is not UTF-8 (line {line})")
                })
            })
        };
        let text = match content {
            Ok(text) => text,
            Err(error) => {
                let mut finding =
                    Finding::new(Code("unreadable-file"), format!("`{shown}`: {error}"));
                finding = match asked {
                    Some(origin) => finding.at(origin),
                    None => finding.at_position(Position::start_of(self.sources.add(shown, ""))),
                };
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
    fn prepare(
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

    fn canonical(&mut self, node: &mut Node, base: &str, v1: bool) {
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

    /// Resolves `extends` of all services of a document.
    fn extends(
        &mut self,
        node: &mut Node,
        file: &Path,
        base: &str,
        variables: &BTreeMap<String, String>,
    ) {
        let Value::Mapping(root) = &mut node.value else {
            return;
        };
        let Some(services) = root.get("services").and_then(Node::as_mapping) else {
            return;
        };
        if !services.iter().any(|(_, e)| {
            e.node
                .as_mapping()
                .is_some_and(|s| s.get("extends").is_some())
        }) {
            return;
        }
        let services = services.clone();
        let mut resolved = services.clone();
        for (name, entry) in &mut resolved.0 {
            let mut chain = vec![(file.to_owned(), name.clone())];
            let path = KeyPath::root().key("services").key(name);
            let service = entry.node.clone();
            entry.node =
                self.extended(service, &path, &services, file, base, variables, &mut chain);
        }
        if let Some(entry) = root.0.get_mut("services") {
            entry.node.value = Value::Mapping(resolved);
        }
    }

    /// One service with all that it extends beneath.
    #[expect(
        clippy::too_many_arguments,
        reason = "the surroundings of a service change along the chain"
    )]
    fn extended(
        &mut self,
        mut service: Node,
        path: &KeyPath,
        siblings: &Mapping,
        file: &Path,
        base: &str,
        variables: &BTreeMap<String, String>,
        chain: &mut Vec<(PathBuf, String)>,
    ) -> Node {
        let Value::Mapping(map) = &mut service.value else {
            return service;
        };
        let Some(extends) = map.remove("extends") else {
            return service;
        };
        let origin = Origin::new(extends.key_at, path.key("extends"));
        let text = |key: &str| project::text_of(extends.node.as_mapping().and_then(|m| m.get(key)));
        let Some(wanted) = text("service") else {
            self.findings.add(
                Code("bad-extends"),
                &origin,
                "`extends` does not name a `service`",
            );
            return service;
        };
        let other_file = text("file");
        let (target, target_base) = match &other_file {
            None => (file.to_owned(), base.to_owned()),
            Some(name) => {
                let relative = Path::new(base).join(name);
                let relative_text = relative.to_string_lossy().into_owned();
                if !self.allow_outside && outside(&relative_text) {
                    outside_error(name, &origin, self.findings);
                    return service;
                }
                let folder = normalize(relative.parent().unwrap_or(Path::new("")));
                (
                    normalize(&self.directory.join(&relative)),
                    folder.to_string_lossy().into_owned(),
                )
            }
        };
        let link = (target.clone(), wanted.clone());
        if chain.contains(&link) || chain.len() > MAX_CHAIN {
            let names: Vec<_> = chain
                .iter()
                .map(|(_, n)| n.as_str())
                .chain([wanted.as_str()])
                .collect();
            let message = format!("`extends` runs in a circle: {}", names.join(" -> "));
            self.findings.add(Code("extends-cycle"), &origin, message);
            return service;
        }
        chain.push(link);
        let loaded;
        let others = if other_file.is_none() {
            Some(siblings)
        } else {
            loaded = self.other_file(&target, &target_base, &origin, variables);
            loaded.as_ref()
        };
        let Some(parent) = others.and_then(|others| others.get(&wanted)).cloned() else {
            if others.is_some() {
                let message = format!(
                    "there is no service `{wanted}` to extend in `{}`",
                    self.shown(&target)
                );
                self.findings.add(Code("bad-extends"), &origin, message);
            }
            return service;
        };
        let siblings = others.cloned().unwrap_or_default();
        let mut result = self.extended(
            parent,
            path,
            &siblings,
            &target,
            &target_base,
            variables,
            chain,
        );
        let message = format!(
            "`{wanted}` of `{}` is merged into this service",
            self.shown(&target)
        );
        self.findings
            .add(Code("resolved-by-loader"), &origin, message);
        result = merge::settle(result);
        merge::merge(&mut result, service, path, self.findings);
        result
    }

    /// The canonical services of a file that is extended.
    fn other_file(
        &mut self,
        file: &Path,
        base: &str,
        origin: &Origin,
        variables: &BTreeMap<String, String>,
    ) -> Option<Mapping> {
        let version = self.version.take();
        let mut services = None;
        for node in self.read(file, Some(origin)) {
            let Some((mut node, v1)) = self.prepare(node, variables) else {
                continue;
            };
            self.canonical(&mut node, base, v1);
            if let Some(found) = node
                .as_mapping()
                .and_then(|m| m.get("services"))
                .and_then(Node::as_mapping)
            {
                services = Some(found.clone());
            }
        }
        self.version = version;
        services
    }

    /// A document, and before it the documents that it includes, each with its own folder and variables.
    fn includes(
        &mut self,
        mut node: Node,
        base: &str,
        variables: &BTreeMap<String, String>,
    ) -> Vec<Node> {
        let Value::Mapping(root) = &mut node.value else {
            return vec![node];
        };
        let Some(include) = root.remove("include") else {
            return vec![node];
        };
        let path = KeyPath::root().key("include");
        let Some(items) = include.node.as_sequence() else {
            let origin = Origin::new(include.key_at, path);
            self.findings
                .add(Code("wrong-type"), &origin, "`include` must be a list");
            return vec![node];
        };
        let mut out: Vec<Node> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let origin = Origin::new(item.at, path.index(index));
            for included in self.include_one(item, &origin, base, variables) {
                for other in out.iter().chain([&node]) {
                    self.conflicts(other, &included, &origin);
                }
                out.push(included);
            }
        }
        out.push(node);
        out
    }

    fn include_one(
        &mut self,
        item: &Node,
        origin: &Origin,
        base: &str,
        variables: &BTreeMap<String, String>,
    ) -> Vec<Node> {
        let map = item.as_mapping();
        let list = |key: &str| -> Vec<String> {
            match map.and_then(|m| m.get(key)).map(|n| &n.value) {
                Some(Value::Scalar(s)) if s.kind != Kind::Null => vec![s.text.clone()],
                Some(Value::Sequence(items)) => items
                    .iter()
                    .filter_map(Node::as_text)
                    .map(str::to_owned)
                    .collect(),
                _ => Vec::new(),
            }
        };
        for key in ["project_directory", "env_file"] {
            if let Some(entry) = map.and_then(|m| m.0.get(key)) {
                let origin = Origin::new(entry.node.at, origin.path.key(key));
                let message = format!(
                    "`{key}: {}` only says how the file is read",
                    list(key).join(", ")
                );
                self.findings
                    .add(Code("resolved-by-loader"), &origin, message);
            }
        }
        let mut paths = list("path");
        if let Some(text) = item.as_text() {
            paths.push(text.to_owned());
        }
        let Some(first) = paths.first() else {
            self.findings
                .add(Code("wrong-type"), origin, "an include names a `path`");
            return Vec::new();
        };
        if let Some(remote) = paths
            .iter()
            .find(|p| p.contains("://") || p.starts_with("oci:") || p.starts_with("git@"))
        {
            let message = format!("`{remote}` is remote; download it and include the file");
            self.findings.add(Code("include-remote"), origin, message);
            return Vec::new();
        }
        let folder = match list("project_directory").first() {
            Some(folder) => normalize(&Path::new(base).join(folder)),
            None => normalize(
                Path::new(base)
                    .join(first)
                    .parent()
                    .unwrap_or(Path::new("")),
            ),
        };
        let mut own = BTreeMap::new();
        let env_files = list("env_file");
        let explicit = !env_files.is_empty();
        let env_files = if explicit {
            env_files
        } else {
            vec![folder.join(".env").to_string_lossy().into_owned()]
        };
        for name in env_files {
            let relative = if explicit {
                Path::new(base).join(&name)
            } else {
                PathBuf::from(&name)
            };
            if name == "/dev/null" {
                continue;
            }
            if !self.allow_outside && outside(&relative.to_string_lossy()) {
                outside_error(&name, origin, self.findings);
                continue;
            }
            let full = self.directory.join(&relative);
            if explicit || matches!(self.files.kind(&full), crate::source::PathKind::File(_)) {
                project::read_env_file(
                    &full,
                    &mut own,
                    variables,
                    self.files,
                    self.sources,
                    self.findings,
                );
            }
        }
        // The including project's variables win.
        own.extend(variables.clone());
        let folder = folder.to_string_lossy().into_owned();
        let mut merged: Option<Node> = None;
        for name in &paths {
            let relative = Path::new(base).join(name);
            if !self.allow_outside && outside(&relative.to_string_lossy()) {
                outside_error(name, origin, self.findings);
                continue;
            }
            let full = normalize(&self.directory.join(relative));
            if self.including.contains(&full) || self.including.len() > MAX_CHAIN {
                let message = format!("`include` runs in a circle through `{}`", self.shown(&full));
                self.findings.add(Code("include-cycle"), origin, message);
                continue;
            }
            let message = format!("`{}` is included", self.shown(&full));
            self.findings
                .add(Code("resolved-by-loader"), origin, message);
            self.including.push(full.clone());
            let version = self.version.take();
            let before = self.findings.count(crate::finding::Severity::Error);
            let documents = self.documents(&full, &folder, &own);
            if documents.is_empty()
                && self.findings.count(crate::finding::Severity::Error) == before
            {
                let message = format!("`{}` is empty", self.shown(&full));
                self.findings
                    .add(Code("resolved-by-loader"), origin, message);
            }
            self.version = version;
            self.including.pop();
            for document in documents {
                match &mut merged {
                    None => merged = Some(document),
                    Some(below) => merge::merge(below, document, &KeyPath::root(), self.findings),
                }
            }
        }
        let mut merged = merged;
        if let Some(Value::Mapping(root)) = merged.as_mut().map(|n| &mut n.value) {
            // The name of an included project has no effect.
            root.remove("name");
        }
        merged.into_iter().collect()
    }

    /// The same resource in two places, with different content, is an error.
    fn conflicts(&mut self, a: &Node, b: &Node, origin: &Origin) {
        for section in ["services", "networks", "volumes", "configs", "secrets"] {
            let of = |node: &Node| {
                node.as_mapping()
                    .and_then(|m| m.get(section))
                    .and_then(Node::as_mapping)
                    .cloned()
            };
            let (Some(a), Some(b)) = (of(a), of(b)) else {
                continue;
            };
            for (name, entry) in b.iter() {
                if let Some(other) = a.get(name)
                    && !other.says_the_same(&entry.node)
                {
                    let message =
                        format!("`{section}.{name}` is defined differently in an included file");
                    self.findings.add(Code("include-conflict"), origin, message);
                }
            }
        }
    }

    fn shown(&self, file: &Path) -> String {
        file.strip_prefix(&self.directory)
            .unwrap_or(file)
            .display()
            .to_string()
    }
}

/// Whether a top-level value may be a service of a file of the first version.
fn looks_like_service(node: &Node) -> bool {
    node.as_mapping().is_some_and(|map| {
        [
            "image",
            "build",
            "extends",
            "command",
            "environment",
            "ports",
            "volumes",
            "links",
        ]
        .iter()
        .any(|key| map.get(key).is_some())
    })
}

/// `volume_driver` of a service, which only the first two versions have, becomes the driver of its named volumes.
fn volume_drivers(node: &mut Node) -> Vec<(Position, KeyPath)> {
    let mut consumed = Vec::new();
    let mut drivers: Vec<(String, Node)> = Vec::new();
    let Value::Mapping(root) = &mut node.value else {
        return consumed;
    };
    if let Some(Value::Mapping(services)) = root.0.get_mut("services").map(|e| &mut e.node.value) {
        for (name, entry) in &mut services.0 {
            let Value::Mapping(service) = &mut entry.node.value else {
                continue;
            };
            let Some(driver) = service.remove("volume_driver") else {
                continue;
            };
            consumed.push((
                driver.key_at,
                KeyPath::root()
                    .key("services")
                    .key(name)
                    .key("volume_driver"),
            ));
            for item in service
                .get("volumes")
                .and_then(Node::as_sequence)
                .unwrap_or_default()
            {
                let map = item.as_mapping();
                let text = |key: &str| map.and_then(|m| m.get(key)).and_then(Node::as_text);
                if text("type") == Some("volume")
                    && let Some(source) = text("source")
                {
                    drivers.push((source.to_owned(), driver.node.clone()));
                }
            }
        }
    }
    if let Some(Value::Mapping(volumes)) = root.0.get_mut("volumes").map(|e| &mut e.node.value) {
        for (name, driver) in drivers {
            let Some(entry) = volumes.0.get_mut(&name) else {
                continue;
            };
            if entry.node.is_null() {
                entry.node.value = Value::Mapping(Mapping::default());
            }
            if let Value::Mapping(volume) = &mut entry.node.value
                && volume.get("driver").is_none()
            {
                volume.set("driver", driver.at, driver);
            }
        }
    }
    consumed
}

/// What only files of the first version mean: `container:NAME` may name a service, and volumes are declared nowhere.
fn first_version(node: &mut Node) {
    let Value::Mapping(root) = &mut node.value else {
        return;
    };
    let Some(Value::Mapping(mut services)) = root.get("services").map(|n| n.value.clone()) else {
        return;
    };
    let names: BTreeSet<String> = services.0.keys().cloned().collect();
    let mut volumes: Vec<(String, Position)> = Vec::new();
    for entry in services.0.values_mut() {
        let Value::Mapping(service) = &mut entry.node.value else {
            continue;
        };
        if let Some(mode) = service.0.get_mut("network_mode")
            && let Some(name) = mode
                .node
                .as_text()
                .and_then(|t| t.strip_prefix("container:"))
                .map(str::to_owned)
            && names.contains(&name)
        {
            mode.node.value = canonical::string_value(format!("service:{name}"));
        }
        if let Some(Value::Sequence(items)) =
            service.0.get_mut("volumes_from").map(|e| &mut e.node.value)
        {
            for item in items {
                let Some(text) = item.as_text() else { continue };
                let name = text.split(':').next().unwrap_or(text);
                if !names.contains(name) {
                    item.value = canonical::string_value(format!("container:{text}"));
                }
            }
        }
        for item in service
            .get("volumes")
            .and_then(Node::as_sequence)
            .unwrap_or_default()
        {
            let map = item.as_mapping();
            let text = |key: &str| map.and_then(|m| m.get(key)).and_then(Node::as_text);
            if text("type") == Some("volume")
                && let Some(source) = text("source")
            {
                volumes.push((source.to_owned(), item.at));
            }
        }
    }
    if let Some(entry) = root.0.get_mut("services") {
        entry.node.value = Value::Mapping(services);
    }
    if volumes.is_empty() {
        return;
    }
    let mut declared = Mapping::default();
    for (name, at) in volumes {
        // The engine makes them under this very name, without the project's.
        let mut volume = Mapping::default();
        volume.set("name", at, Node::string(&name, at));
        declared.set(name, at, Node::mapping(volume, at));
    }
    let at = node.at;
    if let Value::Mapping(root) = &mut node.value {
        root.set("volumes", at, Node::mapping(declared, at));
    }
}

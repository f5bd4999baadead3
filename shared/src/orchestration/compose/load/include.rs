//! `include`: whole projects that become part of this one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::{Assembler, MAX_CHAIN};
use super::{merge, outside, outside_error, project};
use crate::finding::{Code, Severity};
use crate::source::{KeyPath, Kind, Node, Origin, PathKind, Value, normalize};

impl Assembler<'_> {
    /// A document, and before it the documents that it includes, each with its own folder and variables.
    pub(super) fn includes(
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
            if explicit || matches!(self.files.kind(&full), PathKind::File(_)) {
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
            let before = self.findings.count(Severity::Error);
            let documents = self.documents(&full, &folder, &own);
            if documents.is_empty() && self.findings.count(Severity::Error) == before {
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
}

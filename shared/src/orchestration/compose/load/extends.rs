//! `extends`: a service that builds upon another one, of the same file or of another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::{Assembler, MAX_CHAIN};
use super::{merge, outside, outside_error, project};
use crate::finding::Code;
use crate::source::{KeyPath, Mapping, Node, Origin, Value, normalize};

impl Assembler<'_> {
    /// Resolves `extends` of all services of a document.
    pub(super) fn extends(
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
        for (name, entry) in resolved.0.iter_mut() {
            let mut chain = vec![(file.to_owned(), name.to_owned())];
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
}

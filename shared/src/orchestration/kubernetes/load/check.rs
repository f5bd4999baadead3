//! What an API server refuses and what would be dangerous to carry: names and keys that are paths, paths that leave
//! their volume, two containers of one name.

use std::collections::BTreeSet;

use crate::finding::{Code, Findings};
use crate::source::{KeyPath, Mapping, Node, Origin, Trail, Value};

/// Checks one object.
pub(super) fn check(node: &Node, kind: &str, name: &str, findings: &mut Findings) {
    let Some(map) = node.as_mapping() else {
        return;
    };
    let metadata = map.get("metadata").and_then(Node::as_mapping);
    let place = metadata.and_then(|m| m.get("name")).unwrap_or(node);
    let origin = Origin::new(place.at, KeyPath::root().key("metadata").key("name"));
    if name.contains("{{") {
        let message =
            "this name is a template of Helm; render the chart first: `helm template NAME CHART`";
        findings.add(Code("helm-template"), &origin, message);
    } else if name.contains(['/', '%', ' ']) || name == "." || name == ".." {
        let message = format!("`{name}` is no name that Kubernetes takes");
        findings.add(Code("bad-name"), &origin, message);
    }
    if matches!(kind, "ConfigMap" | "Secret") {
        for section in ["data", "stringData", "binaryData"] {
            let entries = map.get(section).and_then(Node::as_mapping);
            for (key, entry) in entries.into_iter().flat_map(Mapping::iter) {
                if !is_key(key) {
                    let path = KeyPath::root().key(section).key(key);
                    let message = format!("`{key}` is no key that Kubernetes takes in a {kind}");
                    findings.add(Code("bad-name"), &Origin::new(entry.key_at, path), message);
                }
            }
        }
        return;
    }
    walk(node, &Trail::root(), findings);
}

/// Letters, digits, `-`, `_` and `.`; not the names of folders.
fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key != "."
        && !key.starts_with("..")
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn walk(node: &Node, path: &Trail<'_>, findings: &mut Findings) {
    match &node.value {
        Value::Mapping(map) => {
            one_name_each(map, path, findings);
            one_choice_each(map, path, findings);
            for (key, entry) in map.iter() {
                let below = path.key(key);
                if (key == "subPath" || key == "path" && map.get("key").is_some())
                    && let Some(text) = entry.node.as_text()
                    && text.split('/').any(|part| part == "..")
                {
                    let message = format!("`{text}` leaves its volume");
                    let origin = Origin::new(entry.node.at, below.path());
                    findings.add(Code("path-leaves-volume"), &origin, message);
                }
                walk(&entry.node, &below, findings);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &path.index(index), findings);
            }
        }
        Value::Scalar(_) => {}
    }
}

fn one_name_each(map: &Mapping, path: &Trail<'_>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for key in ["containers", "initContainers"] {
        let items = map.get(key).and_then(Node::as_sequence);
        for (index, item) in items.unwrap_or_default().iter().enumerate() {
            let name = item.as_mapping().and_then(|m| m.get("name"));
            if let Some(text) = name.and_then(Node::as_text)
                && !seen.insert(text)
            {
                let origin = Origin::new(item.at, path.key(key).index(index).path());
                let message = format!("two containers of this Pod are called `{text}`");
                findings.add(Code("duplicate-container"), &origin, message);
            }
        }
    }
}

/// A probe or hook asks in one way, and a volume comes from one place.
fn one_choice_each(map: &Mapping, path: &Trail<'_>, findings: &mut Findings) {
    const WAYS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    let mut check = |node: &Node, path: &Trail<'_>, counts: &dyn Fn(&str) -> bool, what: &str| {
        let Some(map) = node.as_mapping() else { return };
        let set: Vec<_> = map
            .iter()
            .filter(|(key, entry)| counts(key) && !entry.node.is_null())
            .map(|(key, _)| format!("`{key}`"))
            .collect();
        if set.len() > 1 {
            let message = format!("{what} has {}; only one of them can be", set.join(" and "));
            findings.add(
                Code("several-choices"),
                &Origin::new(node.at, path.path()),
                message,
            );
        }
    };
    // Custom resources have fields of these names as well; a container has a name and an image.
    if map.get("name").is_some() && map.get("image").is_some() {
        for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if let Some(probe) = map.get(key) {
                check(probe, &path.key(key), &|key| WAYS.contains(&key), "a probe");
            }
        }
        let hooks = map.get("lifecycle").and_then(Node::as_mapping);
        for (key, hook) in hooks.into_iter().flat_map(Mapping::iter) {
            let parent = path.key("lifecycle");
            check(
                &hook.node,
                &parent.key(key),
                &|key| WAYS.contains(&key),
                "a hook",
            );
        }
    }
    if map.get("containers").is_some() {
        let volumes = map.get("volumes").and_then(Node::as_sequence);
        for (index, volume) in volumes.unwrap_or_default().iter().enumerate() {
            let parent = path.key("volumes");
            check(
                volume,
                &parent.index(index),
                &|key| key != "name",
                "a volume",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Limits, Sources, parse};

    fn codes(kind: &str, name: &str, text: &str) -> Vec<&'static str> {
        let file = Sources::default().add("t", text);
        let node = parse(file, text, &Limits::default()).unwrap().remove(0);
        let mut findings = Findings::default();
        check(&node, kind, name, &mut findings);
        findings.as_slice().iter().map(|f| f.code.0).collect()
    }

    #[test]
    fn names_and_keys() {
        for (name, found) in [
            ("web", &[][..]),
            ("system:node", &[]),
            ("../x", &["bad-name"]),
            ("{{ .Release.Name }}", &["helm-template"]),
        ] {
            assert_eq!(codes("Service", name, "metadata: {}"), found, "{name}");
        }
        assert_eq!(
            codes(
                "ConfigMap",
                "x",
                "data: {../a: b, .a: c, a..b: d, 'a b': e}"
            ),
            ["bad-name", "bad-name"]
        );
    }

    #[test]
    fn one_choice_of_several() {
        for (spec, found) in [
            (
                "containers: [{name: a, image: b, livenessProbe: {exec: {}, grpc: {}}}]",
                &["several-choices"][..],
            ),
            (
                "containers: [{name: a, image: b, livenessProbe: {exec: {}, grpc: null}}]",
                &[],
            ),
            (
                "containers: [{name: a, image: b, lifecycle: {preStop: {sleep: {}, exec: {}}}}]",
                &["several-choices"],
            ),
            (
                "containers: [], volumes: [{name: a, emptyDir: {}, hostPath: {}}]",
                &["several-choices"],
            ),
            ("containers: [], volumes: [{name: a, emptyDir: {}}]", &[]),
        ] {
            assert_eq!(
                codes("Pod", "x", &format!("spec: {{{spec}}}")),
                found,
                "{spec}"
            );
        }
    }

    #[test]
    fn paths_and_containers() {
        assert_eq!(
            codes(
                "Pod",
                "x",
                "spec: {containers: [{name: a, volumeMounts: [{subPath: a/../b}]}, {name: a}]}"
            ),
            ["duplicate-container", "path-leaves-volume"]
        );
        assert_eq!(
            codes(
                "Pod",
                "x",
                "spec: {initContainers: [{name: a}], containers: [{name: a}], volumes: [{configMap: {items: [{key: a, path: ../b}]}}]}"
            ),
            ["duplicate-container", "path-leaves-volume"]
        );
        assert!(
            codes(
                "Pod",
                "x",
                "spec: {containers: [{name: a, volumeMounts: [{subPath: a..b}], livenessProbe: {httpGet: {path: /../x}}}]}"
            )
            .is_empty()
        );
    }
}

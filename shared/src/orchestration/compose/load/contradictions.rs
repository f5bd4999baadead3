//! Keys of which each makes the other meaningless, and circles of mounts; the original program refuses them.

use std::collections::BTreeSet;

use crate::finding::{Code, Findings};
use crate::source::{KeyPath, Mapping, Node, Origin};

/// Sources of a config or secret, of which there may be one.
const SOURCES: [&str; 3] = ["file", "environment", "content"];

/// Whether a key says how something is made, which nobody does for what is external. Of an external network docker
/// takes such keys, and ignores them.
fn says_what_it_is(section: &str, key: &str) -> bool {
    match section {
        "volumes" => ["driver", "driver_opts"].contains(&key),
        "networks" => false,
        _ => SOURCES.contains(&key),
    }
}

/// Checks the sections, the builds and `volumes_from`.
pub(super) fn check(root: &Mapping, findings: &mut Findings) {
    for section in ["configs", "secrets", "volumes", "networks"] {
        for (name, node, path) in items(root, section) {
            let Some(map) = node.as_mapping() else {
                continue;
            };
            let external = map.get("external").and_then(Node::as_scalar);
            if external.and_then(crate::source::Scalar::as_bool) == Some(true)
                && let Some((key, entry)) = map
                    .iter()
                    .find(|(key, entry)| !entry.node.is_null() && says_what_it_is(section, key))
            {
                let message =
                    format!("`{name}` is external, so that `{key}` has no say; keep one of them");
                let origin = Origin::new(entry.key_at, path.key(key));
                findings.add(Code("keys-exclude"), &origin, message);
            }
            if section == "volumes" || section == "networks" {
                continue;
            }
            let sources: Vec<_> = map
                .iter()
                .filter(|(key, _)| SOURCES.contains(key))
                .collect();
            if let [(first, _), (second, entry), ..] = sources.as_slice() {
                let message = format!("`{name}` takes its content from `{first}` and `{second}`");
                let origin = Origin::new(entry.key_at, path.key(second));
                findings.add(Code("keys-exclude"), &origin, message);
            }
        }
    }
    for (name, node, path) in items(root, "services") {
        let build = node.as_mapping().and_then(|s| s.get("build"));
        let build = build.and_then(Node::as_mapping);
        if let Some(build) = build
            && build.get("dockerfile").is_some_and(|n| !n.is_null())
            && let Some(entry) = build.0.get("dockerfile_inline")
            && !entry.node.is_null()
        {
            let message = format!("`{name}` has both `dockerfile` and `dockerfile_inline`");
            let origin = Origin::new(entry.key_at, path.key("build").key("dockerfile_inline"));
            findings.add(Code("keys-exclude"), &origin, message);
        }
    }
    mounts_in_a_circle(root, findings);
}

fn items<'r>(
    root: &'r Mapping,
    section: &'static str,
) -> impl Iterator<Item = (&'r str, &'r Node, KeyPath)> {
    let map = root.get(section).and_then(Node::as_mapping);
    map.into_iter()
        .flat_map(Mapping::iter)
        .map(move |(name, entry)| {
            let path = KeyPath::root().key(section).key(name);
            (name, &entry.node, path)
        })
}

/// Services that take their mounts from one another have none of their own in the end.
fn mounts_in_a_circle(root: &Mapping, findings: &mut Findings) {
    let services = root.get("services").and_then(Node::as_mapping);
    let sources = |name: &str| -> Vec<&str> {
        let service = services
            .and_then(|s| s.get(name))
            .and_then(Node::as_mapping);
        let list = service.and_then(|s| s.get("volumes_from"));
        list.and_then(Node::as_sequence)
            .unwrap_or_default()
            .iter()
            .filter_map(Node::as_text)
            .filter(|text| !text.starts_with("container:"))
            .map(|text| text.split(':').next().unwrap_or(text))
            .collect()
    };
    let mut reported = BTreeSet::new();
    for (name, node, path) in items(root, "services") {
        if reported.contains(name) {
            continue;
        }
        let mut seen = BTreeSet::new();
        let mut next = sources(name);
        while let Some(other) = next.pop() {
            if other == name {
                let origin = Origin::new(node.at, path.key("volumes_from"));
                let message = format!("`{name}` takes its mounts from itself, by way of others");
                findings.add(Code("dependency-cycle"), &origin, message);
                reported.extend(seen.iter().copied());
                break;
            }
            if seen.insert(other) {
                next.extend(sources(other));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Limits, Sources, Value, parse};

    fn codes(text: &str) -> Vec<&'static str> {
        let file = Sources::default().add("t", text);
        let node = parse(file, text, &Limits::default()).unwrap().remove(0);
        let Value::Mapping(root) = node.value else {
            panic!("not a mapping")
        };
        let mut findings = Findings::default();
        check(&root, &mut findings);
        findings.as_slice().iter().map(|f| f.code.0).collect()
    }

    #[test]
    fn one_source_each() {
        assert_eq!(
            codes("configs: {a: {file: x, content: y}}"),
            ["keys-exclude"]
        );
        assert_eq!(
            codes("secrets: {a: {file: x, environment: y}, b: {file: x}}"),
            ["keys-exclude"]
        );
        assert_eq!(
            codes("configs: {a: {external: true, file: x}}"),
            ["keys-exclude"]
        );
        assert_eq!(
            codes("volumes: {a: {external: true, driver: x}}"),
            ["keys-exclude"]
        );
        assert!(codes("networks: {a: {external: true, driver: x}}").is_empty());
        assert!(
            codes("volumes: {a: {external: true, name: x}, b: {external: false, driver: x}}")
                .is_empty()
        );
        assert_eq!(
            codes("services: {a: {build: {dockerfile: x, dockerfile_inline: y}}}"),
            ["keys-exclude"]
        );
    }

    #[test]
    fn circles_of_mounts() {
        assert_eq!(
            codes("services: {a: {volumes_from: [b]}, b: {volumes_from: ['a:ro']}}"),
            ["dependency-cycle"]
        );
        assert_eq!(
            codes("services: {a: {volumes_from: [a]}}"),
            ["dependency-cycle"]
        );
        assert!(
            codes(
                "services: {a: {volumes_from: [b, c]}, b: {volumes_from: [c]}, c: {volumes_from: ['container:a']}}"
            )
            .is_empty()
        );
    }
}

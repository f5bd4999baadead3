//! Merging of files (Compose specification, 13-merge).

use crate::finding::{Code, Findings};
use crate::source::{KeyPath, Node, Origin, Tag, Value};

/// Lays `over` on `base`. Both are in canonical form. What loses is noted at its own place.
pub(super) fn merge(base: &mut Node, over: Node, path: &KeyPath, findings: &mut Findings) {
    if over.is_tagged(&Tag::Override) {
        lost(base, path, findings);
        *base = untagged(over);
        return;
    }
    if over.is_null() {
        // Nothing says nothing, here or there.
        let origin = Origin::new(over.at, path.clone());
        let message = format!("`{path}` is empty and changes nothing of an earlier definition");
        findings.add(Code("overridden-by-merge"), &origin, message);
        return;
    }
    match (&mut base.value, over.value) {
        (Value::Mapping(below), Value::Mapping(above)) => {
            for (key, entry) in above.0 {
                let path = path.key(&key);
                if entry.node.is_tagged(&Tag::Reset) {
                    if let Some(old) = below.remove(&key) {
                        lost(&old.node, &path, findings);
                    }
                    let origin = Origin::new(entry.key_at, path);
                    findings.add(
                        Code("resolved-by-loader"),
                        &origin,
                        format!("`{}` is reset", origin.path),
                    );
                    continue;
                }
                match below.0.get_mut(&key) {
                    Some(old) => merge(&mut old.node, entry.node, &path, findings),
                    None => {
                        below.0.insert(
                            key,
                            crate::source::Entry {
                                key_at: entry.key_at,
                                node: settle(entry.node),
                            },
                        );
                    }
                }
            }
        }
        (Value::Sequence(below), Value::Sequence(above)) => match list_rule(path) {
            ListRule::Replace => {
                if !below.is_empty() {
                    lost(base, path, findings);
                }
                base.value = Value::Sequence(above);
                base.at = over.at;
            }
            ListRule::Append => {
                for item in above {
                    match below.iter().position(|old| old.says_the_same(&item)) {
                        Some(index) => lost(&item, &path.index(index), findings),
                        None => below.push(item),
                    }
                }
            }
            ListRule::ByKey(keys) => {
                for item in above {
                    let id = identity(&item, keys);
                    match below.iter().position(|old| identity(old, keys) == id) {
                        // Keys of the earlier one would make something of the two that neither says.
                        Some(index) => {
                            if below[index].says_the_same(&item) {
                                lost(&item, &path.index(index), findings);
                            } else {
                                lost(&below[index], &path.index(index), findings);
                                below[index] = settle(item);
                            }
                        }
                        None => below.push(settle(item)),
                    }
                }
            }
        },
        (_, value) => {
            let new = Node {
                value,
                at: over.at,
                tag: None,
            };
            lost(base, path, findings);
            *base = new;
        }
    }
}

/// Resets and overrides that meet nothing below them.
pub(super) fn settle(node: Node) -> Node {
    let mut node = untagged(node);
    match &mut node.value {
        Value::Mapping(map) => {
            map.0.retain(|_, entry| !entry.node.is_tagged(&Tag::Reset));
            for entry in map.0.values_mut() {
                let inner = std::mem::replace(&mut entry.node, Node::plain("", entry.key_at));
                entry.node = settle(inner);
            }
        }
        Value::Sequence(items) => {
            for item in items {
                let inner = std::mem::replace(item, Node::plain("", item.at));
                *item = settle(inner);
            }
        }
        Value::Scalar(_) => {}
    }
    node
}

fn untagged(mut node: Node) -> Node {
    if matches!(node.tag.as_deref(), Some(Tag::Override | Tag::Reset)) {
        node.tag = None;
    }
    node
}

fn lost(node: &Node, path: &KeyPath, findings: &mut Findings) {
    let origin = Origin::new(node.at, path.clone());
    let message = format!("`{path}` is overridden or repeated by a later file or definition");
    findings.add(Code("overridden-by-merge"), &origin, message);
}

enum ListRule {
    Replace,
    Append,
    /// Items with equal values of these keys stand for the same; the later one replaces the earlier one as a whole.
    ByKey(&'static [&'static str]),
}

fn list_rule(path: &KeyPath) -> ListRule {
    match path.last_key() {
        Some("command" | "entrypoint" | "test") => ListRule::Replace,
        Some("ports") => ListRule::ByKey(&["host_ip", "target", "published", "protocol"]),
        Some("volumes" | "configs" | "secrets") => ListRule::ByKey(&["target"]),
        _ => ListRule::Append,
    }
}

fn identity(node: &Node, keys: &[&str]) -> Vec<Option<String>> {
    let Some(map) = node.as_mapping() else {
        return vec![node.as_text().map(str::to_owned)];
    };
    let value = |key: &str| map.get(key).and_then(Node::as_text).map(str::to_owned);
    let mut id: Vec<_> = keys.iter().map(|key| value(key)).collect();
    // Without a target, a config or secret is known by its source; a port's protocol is tcp.
    if keys == ["target"] && id[0].is_none() {
        id.push(value("source"));
    }
    if let Some(protocol) = keys.iter().position(|key| *key == "protocol") {
        id[protocol].get_or_insert_with(|| "tcp".to_owned());
    }
    id
}

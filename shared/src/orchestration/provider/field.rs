//! Fields of objects by paths such as `spec.listeners[protocol=HTTPS].certificates[*].CertificateId`.

use serde_json::Value as Json;

use crate::source::{KeyPath, Node, Value};

use super::edit;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    /// All items of a list, or those with a field of this value.
    Each(Option<(String, String)>),
}

fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, rest) = part
            .split_once('[')
            .map_or((part, ""), |(key, rest)| (key, rest));
        if !key.is_empty() {
            steps.push(Step::Key(key.to_owned()));
        }
        if let Some(filter) = rest.strip_suffix(']') {
            let filter = filter.split_once('=');
            steps.push(Step::Each(
                filter.map(|(k, v)| (k.to_owned(), v.to_owned())),
            ));
        }
    }
    steps
}

/// All nodes at a path with their key paths.
pub(super) fn select<'n>(root: &'n Node, path: &str) -> Vec<(KeyPath, &'n Node)> {
    let mut found = vec![(KeyPath::root(), root)];
    for step in steps(path) {
        let mut next = Vec::new();
        for (at, node) in found {
            match (&step, &node.value) {
                (Step::Key(key), Value::Mapping(map)) => {
                    if let Some(child) = map.get(key) {
                        next.push((at.key(key), child));
                    }
                }
                (Step::Each(filter), Value::Sequence(items)) => {
                    for (index, item) in items.iter().enumerate() {
                        if passes(item, filter.as_ref()) {
                            next.push((at.index(index), item));
                        }
                    }
                }
                _ => {}
            }
        }
        found = next;
    }
    found
}

fn passes(item: &Node, filter: Option<&(String, String)>) -> bool {
    filter.is_none_or(|(key, wanted)| {
        let value = item.as_mapping().and_then(|m| m.get(key));
        value.and_then(Node::as_text) == Some(wanted)
    })
}

/// Sets a value at each place of a path. The items of a list value go to the items of the last list of the path, which
/// are made; earlier lists must be there. Returns whether there was a place.
pub(super) fn put(root: &mut Node, path: &str, value: &Json) -> bool {
    let steps = steps(path);
    let mut bases = vec![(KeyPath::root(), 0)];
    let last_list = match value {
        Json::Array(_) => steps.iter().rposition(|s| matches!(s, Step::Each(None))),
        _ => None,
    };
    for (depth, step) in steps.iter().enumerate() {
        let mut next = Vec::new();
        for (at, item) in bases {
            match step {
                Step::Key(key) => next.push((at.key(key), item)),
                Step::Each(_) if last_list == Some(depth) => {
                    let count = value.as_array().map_or(0, Vec::len);
                    next.extend((0..count).map(|index| (at.index(index), index)));
                }
                Step::Each(filter) => {
                    let list = edit::get(root, &at).and_then(Node::as_sequence);
                    for (index, node) in list.unwrap_or_default().iter().enumerate() {
                        if passes(node, filter.as_ref()) {
                            next.push((at.index(index), item));
                        }
                    }
                }
            }
        }
        bases = next;
    }
    let place = root.at;
    for (at, item) in &bases {
        let one = match (last_list, value) {
            (Some(_), Json::Array(items)) => items.get(*item).unwrap_or(&Json::Null),
            _ => value,
        };
        edit::set(root, at, Node::from_json(one, place));
    }
    !bases.is_empty()
}

/// All scalars below a node with their paths.
pub(super) fn leaves(node: &Node, path: &KeyPath, found: &mut Vec<(KeyPath, Node)>) {
    match &node.value {
        Value::Mapping(map) if !map.is_empty() => {
            for (key, entry) in map.iter() {
                leaves(&entry.node, &path.key(key), found);
            }
        }
        Value::Sequence(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &path.index(index), found);
            }
        }
        _ => found.push((path.clone(), node.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::source::{Position, Sources};

    #[test]
    fn lists_are_made_and_filtered() {
        let at = Position::start_of(Sources::default().add("x", ""));
        let start = json!({"l": [{"p": "HTTP"}, {"p": "HTTPS"}]});
        let mut node = Node::from_json(&start, at);
        assert!(put(&mut node, "l[p=HTTPS].c[*].id", &json!(["a", "b"])));
        assert!(put(&mut node, "l[*].t", &json!(5)));
        assert!(!put(&mut node, "none[*].t", &json!(5)));
        assert!(put(&mut node, "z.m[*].v", &json!(["x"])));
        let end = json!({
            "l": [{"p": "HTTP", "t": 5}, {"p": "HTTPS", "c": [{"id": "a"}, {"id": "b"}], "t": 5}],
            "z": {"m": [{"v": "x"}]},
        });
        assert_eq!(node.to_json(), end);
        let found = select(&node, "l[*].c[*].id");
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].0.to_string(), "l[1].c[1].id");
    }
}

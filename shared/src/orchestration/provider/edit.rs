//! The difference between an object and what became of it, key by key.

use serde_json::Value as Json;

use crate::source::{Entry, KeyPath, Mapping, Node, PathStep, Position, Value};

/// A key of an object of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceKey {
    /// The object's index in the input.
    pub object: usize,
    /// The key.
    pub path: KeyPath,
}

/// One change to one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Where. An item of a list may stand one behind its last: it is appended.
    pub path: KeyPath,
    /// What.
    pub change: Change,
    /// The source's keys that the new value was made of, of this object or others. A key that was renamed or moved is
    /// a removal at one path and a value set at another that comes from it. Empty for what the target needs of itself.
    pub from: Vec<SourceKey>,
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It has a new value; `old` is `None` for a new key or item.
    Set {
        /// The value before.
        old: Option<Json>,
        /// The value now.
        new: Json,
    },
    /// It is gone.
    Remove {
        /// The value before.
        old: Json,
    },
}

/// What turns one node into the other, smallest values first; items of lists are removed from the last to the first.
#[must_use]
pub fn difference(before: &Node, after: &Node) -> Vec<Edit> {
    let mut edits = Vec::new();
    node(before, after, &KeyPath::root(), &mut edits);
    edits
}

/// Makes the changes.
pub fn apply(target: &mut Node, edits: &[Edit]) {
    for edit in edits {
        match &edit.change {
            Change::Set { new, .. } => set(target, &edit.path, Node::from_json(new, target.at)),
            Change::Remove { .. } => {
                remove(target, &edit.path);
            }
        }
    }
}

/// The node at a path.
pub(crate) fn get<'n>(root: &'n Node, path: &KeyPath) -> Option<&'n Node> {
    let Some((above, step)) = path.split_last() else {
        return Some(root);
    };
    let at = get(root, above)?;
    match step {
        PathStep::Key(key) => at.as_mapping()?.get(key),
        PathStep::Index(index) => at.as_sequence()?.get(index),
    }
}

/// The node at a path, for changing.
pub(super) fn get_mut<'n>(root: &'n mut Node, path: &KeyPath) -> Option<&'n mut Node> {
    let mut at = root;
    for step in path.steps() {
        at = match (step, &mut at.value) {
            (PathStep::Key(key), Value::Mapping(map)) => &mut map.0.get_mut(key)?.node,
            (PathStep::Index(index), Value::Sequence(items)) => items.get_mut(index)?,
            _ => return None,
        };
    }
    Some(at)
}

/// Puts a node at a path; mappings on the way are made, and an item behind the last one is appended.
pub(super) fn set(root: &mut Node, path: &KeyPath, new: Node) {
    let place = root.at;
    let mut at = root;
    for step in path.steps() {
        if at.is_null() {
            let empty = match step {
                PathStep::Key(_) => Value::Mapping(Mapping::default()),
                PathStep::Index(_) => Value::Sequence(Vec::new()),
            };
            at.value = empty;
        }
        at = match (step, &mut at.value) {
            (PathStep::Key(key), Value::Mapping(map)) => {
                let made = || Entry {
                    key_at: place,
                    node: Node::plain("", place),
                };
                &mut map.0.get_or_insert_with(key, made).node
            }
            (PathStep::Index(index), Value::Sequence(items)) => {
                if index >= items.len() {
                    items.push(Node::plain("", place));
                }
                let last = items.len() - 1;
                &mut items[index.min(last)]
            }
            // A scalar where the path goes on: nothing of that shape can be set below it.
            _ => return,
        };
    }
    *at = new;
}

/// Takes a node out of its mapping or list.
pub(super) fn remove(root: &mut Node, path: &KeyPath) -> Option<Node> {
    let steps = path.steps();
    let last = steps.last()?;
    match (last, &mut get_mut(root, &path.parent())?.value) {
        (PathStep::Key(key), Value::Mapping(map)) => map.remove(key).map(|e| e.node),
        (PathStep::Index(index), Value::Sequence(items)) => {
            (*index < items.len()).then(|| items.remove(*index))
        }
        _ => None,
    }
}

fn node(before: &Node, after: &Node, path: &KeyPath, edits: &mut Vec<Edit>) {
    match (&before.value, &after.value) {
        (Value::Mapping(old), Value::Mapping(new)) if !new.is_empty() || old.is_empty() => {
            mapping(old, new, path, edits);
        }
        (Value::Sequence(old), Value::Sequence(new)) if !new.is_empty() || old.is_empty() => {
            sequence(old, new, path, edits);
        }
        (old, new) if old == new => {}
        _ => edits.push(changed(path, Some(before), after)),
    }
}

fn mapping(old: &Mapping, new: &Mapping, path: &KeyPath, edits: &mut Vec<Edit>) {
    for (key, entry) in old.iter() {
        let after = new.get(key);
        // Most is as it was, and needs no path.
        if after == Some(&entry.node) {
            continue;
        }
        let path = path.key(key);
        match after {
            Some(after) => node(&entry.node, after, &path, edits),
            None => edits.push(gone(&path, &entry.node)),
        }
    }
    for (key, entry) in new.iter().filter(|(key, _)| old.get(key).is_none()) {
        edits.push(changed(&path.key(key), None, &entry.node));
    }
}

fn sequence(old: &[Node], new: &[Node], path: &KeyPath, edits: &mut Vec<Edit>) {
    // Items keep their place in the file, which tells a removed one from a changed one; items without places of
    // their own are told apart by their content.
    let same = |a: &Node, b: &Node| a == b || (a.at == b.at && distinct(old) && distinct(new));
    let mut kept = Vec::new();
    let mut removed = Vec::new();
    let mut next = 0;
    for (index, item) in old.iter().enumerate() {
        match new[next..].iter().position(|n| same(item, n)) {
            Some(0) => {
                kept.push((index, next));
                next += 1;
            }
            _ if new.len() - next >= old.len() - index => {
                // As many items as before: this one changed.
                kept.push((index, next));
                next += 1;
            }
            _ => removed.push(index),
        }
    }
    for (index, position) in kept {
        node(&old[index], &new[position], &path.index(index), edits);
    }
    for index in removed.iter().rev() {
        edits.push(gone(&path.index(*index), &old[*index]));
    }
    let base = old.len() - removed.len();
    for (offset, item) in new[next..].iter().enumerate() {
        edits.push(changed(&path.index(base + offset), None, item));
    }
}

/// Whether each item has a place of its own.
fn distinct(items: &[Node]) -> bool {
    let places: std::collections::BTreeSet<Position> = items.iter().map(|i| i.at).collect();
    places.len() == items.len()
}

fn changed(path: &KeyPath, before: Option<&Node>, after: &Node) -> Edit {
    Edit {
        path: path.clone(),
        change: Change::Set {
            old: before.map(Node::to_json),
            new: after.to_json(),
        },
        from: Vec::new(),
    }
}

fn gone(path: &KeyPath, before: &Node) -> Edit {
    Edit {
        path: path.clone(),
        change: Change::Remove {
            old: before.to_json(),
        },
        from: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::source::{Limits, Sources, parse};

    fn from_text(text: &str) -> Node {
        let file = Sources::default().add("x", text);
        parse(file, text, &Limits::default())
            .unwrap_or_default()
            .remove(0)
    }

    #[test]
    fn applying_the_difference_gives_the_other() {
        let values = [
            json!({"a": 1, "b": {"c": [1, 2, 3]}}),
            json!({"a": 2, "b": {"c": [1, 3]}}),
            json!({"b": {"c": [3, 1, 2, 4]}, "d": {}}),
            json!({"b": {"c": []}, "d": {"e": [{"x": 1}, {"y": 2}]}}),
            json!({"b": {"c": [[]]}, "d": {"e": [{"y": 3}]}}),
            json!({"b": {}, "d": {"e": [{"y": 3}, {"z": null}]}}),
        ];
        for before in &values {
            for after in &values {
                let mut node = from_text(&before.to_string());
                let target = from_text(&after.to_string());
                let edits = difference(&node, &target);
                apply(&mut node, &edits);
                assert_eq!(&node.to_json(), after, "{before} {edits:?}");
            }
        }
    }

    #[test]
    fn a_removed_item_is_one_removal() {
        let before = from_text("x:\n- {name: a, v: 1}\n- {name: b, v: 2}\n- {name: c, v: 3}\n");
        let mut after = before.clone();
        remove(&mut after, &KeyPath::root().key("x").index(0));
        set(
            &mut after,
            &KeyPath::root().key("x").index(1).key("v"),
            Node::plain("4", before.at),
        );
        let paths: Vec<String> = difference(&before, &after)
            .iter()
            .map(|e| e.path.to_string())
            .collect();
        assert_eq!(paths, ["x[2].v", "x[0]"]);
    }
}

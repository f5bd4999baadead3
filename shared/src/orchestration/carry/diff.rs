//! The difference of two documents, with enough memory to notice later edits.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::source::{
    Mapping, Node, PathStep, Position, Sources, Trail, Value as NodeValue, reread,
};

/// One place where a document differs from another.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Keys (strings) and positions in lists (numbers) from the root of the document.
    pub path: Vec<Value>,
    /// What should stand there; `None` if nothing should.
    pub value: Option<Value>,
    /// Fingerprint of what stands there without this change; `None` if nothing does.
    pub was: Option<String>,
}

impl Change {
    /// The change as compact JSON: `{"path": [...], "value": ..., "was": ...}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("path".into(), Value::Array(self.path.clone()));
        if let Some(value) = &self.value {
            map.insert("value".into(), value.clone());
        }
        if let Some(was) = &self.was {
            map.insert("was".into(), json!(was));
        }
        Value::Object(map)
    }

    /// The change from its JSON form; `None` if it is not one.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        let map = value.as_object()?;
        let path = map.get("path")?.as_array()?.clone();
        if !path.iter().all(|step| step.is_string() || step.is_u64()) {
            return None;
        }
        Some(Self {
            path,
            value: map.get("value").cloned(),
            was: match map.get("was") {
                None => None,
                Some(was) => Some(was.as_str()?.to_owned()),
            },
        })
    }

    /// The path for people: `spec.containers[0].tty`.
    #[must_use]
    pub fn display_path(&self) -> String {
        let mut out = String::new();
        for step in &self.path {
            match step {
                Value::String(key) => {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    out.push_str(key);
                }
                other => {
                    out.push('[');
                    out.push_str(&other.to_string());
                    out.push(']');
                }
            }
        }
        out
    }
}

/// The changes that turn `have` into `want`.
#[must_use]
pub fn diff(want: &Value, have: &Value) -> Vec<Change> {
    let at = Position::start_of(Sources::default().add("", ""));
    diff_nodes(&reread(want, at), &reread(have, at))
}

/// As [`diff`], of documents as they were read.
#[must_use]
pub fn diff_nodes(want: &Node, have: &Node) -> Vec<Change> {
    let mut changes = Vec::new();
    walk(want, have, &Trail::root(), &mut changes);
    changes
}

fn walk(want: &Node, have: &Node, path: &Trail<'_>, changes: &mut Vec<Change>) {
    match (&want.value, &have.value) {
        (NodeValue::Mapping(want), NodeValue::Mapping(have)) => {
            walk_keys(want, have, |_| true, path, changes);
        }
        (NodeValue::Sequence(want_items), NodeValue::Sequence(have_items))
            if same_shape(want_items, have_items) =>
        {
            for (index, (value, other)) in want_items.iter().zip(have_items).enumerate() {
                walk(value, other, &path.index(index), changes);
            }
        }
        _ if equal(want, have) => {}
        _ => changes.push(Change {
            path: steps(path),
            value: Some(want.to_json()),
            was: Some(fingerprint(&have.to_json())),
        }),
    }
}

/// The changes between two mappings, as far as their own keys are `wanted`.
pub(super) fn walk_keys(
    want: &Mapping,
    have: &Mapping,
    wanted: impl Fn(&str) -> bool,
    path: &Trail<'_>,
    changes: &mut Vec<Change>,
) {
    for (key, entry) in want.iter().filter(|(key, _)| wanted(key)) {
        match have.get(key) {
            Some(other) => walk(&entry.node, other, &path.key(key), changes),
            None => changes.push(Change {
                path: steps(&path.key(key)),
                value: Some(entry.node.to_json()),
                was: None,
            }),
        }
    }
    for (key, entry) in have.iter().filter(|(key, _)| wanted(key)) {
        if want.get(key).is_none() {
            changes.push(Change {
                path: steps(&path.key(key)),
                value: None,
                was: Some(fingerprint(&entry.node.to_json())),
            });
        }
    }
}

/// The steps of a path as they stand in a change.
fn steps(path: &Trail<'_>) -> Vec<Value> {
    let path = path.path();
    let steps = path.steps().into_iter();
    steps
        .map(|step| match step {
            PathStep::Key(key) => json!(key),
            PathStep::Index(index) => json!(index),
        })
        .collect()
}

/// Whether two lists can be compared item by item: equally long, and named items in the same order. Other lists are
/// replaced as a whole, so that an item that a person inserts cannot shift the carried values.
fn same_shape(want: &[Node], have: &[Node]) -> bool {
    want.len() == have.len()
        && want
            .iter()
            .zip(have)
            .all(|(a, b)| match (a.as_mapping(), b.as_mapping()) {
                (Some(a), Some(b)) => match (a.get("name"), b.get("name")) {
                    (Some(a), Some(b)) => equal(a, b),
                    (a, b) => a.is_none() && b.is_none(),
                },
                _ => equal(a, b),
            })
}

/// Whether two nodes are the same value: `010` and `8` are.
fn equal(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (NodeValue::Scalar(a), NodeValue::Scalar(b)) => a == b || a.to_json() == b.to_json(),
        (NodeValue::Sequence(a), NodeValue::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (NodeValue::Mapping(a), NodeValue::Mapping(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, entry)| b.get(key).is_some_and(|b| equal(&entry.node, b)))
        }
        _ => false,
    }
}

/// Why a change was not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Somebody has changed the value since; the live value stays.
    Edited,
    /// The surroundings of the value are gone.
    Gone,
}

/// Applies changes to a document. Returns those that do not fit any more; the live value stays there.
pub fn apply(document: &mut Value, changes: &[Change]) -> Vec<(Change, Refused)> {
    let mut refused = Vec::new();
    for change in changes {
        if let Err(reason) = apply_one(document, change) {
            refused.push((change.clone(), reason));
        }
    }
    refused
}

fn apply_one(document: &mut Value, change: &Change) -> Result<(), Refused> {
    let Some((last, parents)) = change.path.split_last() else {
        return if change.was.as_deref() == Some(fingerprint(document).as_str()) {
            *document = change.value.clone().unwrap_or(Value::Null);
            Ok(())
        } else {
            Err(Refused::Edited)
        };
    };
    let mut parent = document;
    for step in parents {
        parent = child(parent, step).ok_or(Refused::Gone)?;
    }
    let live = child(parent, last);
    match (&live, &change.was) {
        (None, None) => {}
        (Some(live), Some(was)) if fingerprint(live) == *was => {}
        // Somebody has meanwhile written the very value that was carried.
        (Some(live), _) if change.value.as_ref() == Some(&**live) => return Ok(()),
        (None, Some(_)) if change.value.is_none() => return Ok(()),
        _ => return Err(Refused::Edited),
    }
    match (parent, last, &change.value) {
        (Value::Object(map), Value::String(key), Some(value)) => {
            map.insert(key.clone(), value.clone());
        }
        (Value::Object(map), Value::String(key), None) => {
            map.shift_remove(key);
        }
        (Value::Array(items), Value::Number(index), Some(value)) => {
            let slot = index
                .as_u64()
                .and_then(|i| usize::try_from(i).ok())
                .and_then(|i| items.get_mut(i));
            *slot.ok_or(Refused::Gone)? = value.clone();
        }
        _ => return Err(Refused::Gone),
    }
    Ok(())
}

fn child<'v>(parent: &'v mut Value, step: &Value) -> Option<&'v mut Value> {
    match (parent, step) {
        (Value::Object(map), Value::String(key)) => map.get_mut(key),
        (Value::Array(items), Value::Number(index)) => {
            items.get_mut(usize::try_from(index.as_u64()?).ok()?)
        }
        _ => None,
    }
}

/// Twelve hexadecimal digits that change when a value does; the order of keys does not matter.
#[must_use]
pub fn fingerprint(value: &Value) -> String {
    use std::fmt::Write as _;
    let mut hasher = Sha256::new();
    feed(value, &mut hasher);
    hasher
        .finalize()
        .iter()
        .take(6)
        .fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

fn feed(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Object(map) => {
            hasher.update(b"{");
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            for (key, value) in keys {
                hasher.update(json!(key).to_string().as_bytes());
                hasher.update(b":");
                feed(value, hasher);
                hasher.update(b",");
            }
            hasher.update(b"}");
        }
        Value::Array(items) => {
            hasher.update(b"[");
            for item in items {
                feed(item, hasher);
                hasher.update(b",");
            }
            hasher.update(b"]");
        }
        scalar => hasher.update(scalar.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(want: &Value, have: &Value) -> Value {
        let changes: Vec<_> = diff(want, have)
            .iter()
            .map(|c| Change::from_json(&c.to_json()).unwrap())
            .collect();
        let mut document = have.clone();
        assert_eq!(apply(&mut document, &changes), []);
        document
    }

    #[test]
    fn changes_lead_back_to_the_source() {
        let cases = [
            (json!({"a": 1}), json!({"a": 1})),
            (json!({"a": 1, "b": {"c": 2}}), json!({"b": {}, "d": 3})),
            (json!({"l": [1, 2, 3]}), json!({"l": [1, 2]})),
            (
                json!({"l": [{"name": "x", "v": 1}]}),
                json!({"l": [{"name": "x", "v": 2, "w": 3}]}),
            ),
            (json!({"l": [{"name": "x"}]}), json!({"l": [{"name": "y"}]})),
            (json!({"a": null}), json!({})),
            (json!({"a": {"b": 1}}), json!({"a": [1]})),
            (json!([1]), json!({"a": 1})),
        ];
        for (want, have) in cases {
            assert_eq!(round(&want, &have), want);
        }
    }

    #[test]
    fn an_edit_wins() {
        let want = json!({"grace": "1500ms", "ulimits": 5, "gone": {"x": 1}});
        let have = json!({"grace": "2s", "gone": {}});
        let changes = diff(&want, &have);
        let mut edited = json!({"grace": "9s", "ulimits": 7});
        let refused = apply(&mut edited, &changes);
        assert_eq!(edited, json!({"grace": "9s", "ulimits": 7}));
        let reasons: Vec<_> = refused
            .iter()
            .map(|(c, r)| (c.display_path(), r.clone()))
            .collect();
        assert_eq!(
            reasons,
            [
                ("grace".to_owned(), Refused::Edited),
                ("ulimits".to_owned(), Refused::Edited),
                ("gone.x".to_owned(), Refused::Gone)
            ]
        );
    }

    #[test]
    fn key_order_is_no_edit() {
        assert_eq!(
            fingerprint(&json!({"a": 1, "b": 2})),
            fingerprint(&json!({"b": 2, "a": 1}))
        );
        assert_ne!(fingerprint(&json!(["1"])), fingerprint(&json!([1])));
    }
}

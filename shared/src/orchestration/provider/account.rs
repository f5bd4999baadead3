//! The account: what stood in an object and stands there no more has gone elsewhere, or a finding says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::catalog::Catalog;
use super::context::Trail;
use super::edit::{Change, Edit};
use super::row::plain;
use super::{ObjectRef, edit};
use crate::finding::{Code, Finding, Findings};
use crate::source::{KeyPath, Node, Origin, PathStep, Value};

/// Names each key that was taken out or got another value without a word about it. `became` says of each object whether it
/// is still there, and what changed in it.
pub(super) fn account<'e>(
    before: &[Arc<Node>],
    refs: &[ObjectRef],
    became: impl Iterator<Item = (bool, &'e Vec<Edit>)>,
    (trail, mut carried): (&Trail, BTreeSet<(usize, String)>),
    to: &Catalog,
    findings: &mut Findings,
) {
    let written = trail.values().flatten();
    carried.extend(written.map(|key| (key.object, key.path.to_string())));
    let mut said: BTreeSet<(String, String)> = BTreeSet::new();
    for finding in findings.as_slice() {
        let who = finding.message.split(": ").next().unwrap_or_default();
        said.insert((who.to_owned(), finding.path.clone()));
    }
    let mut new = Vec::new();
    for (object, (is_kept, edits)) in refs.iter().zip(became) {
        let old = &before[object.index];
        let name = object.to_string();
        let mut lines: Vec<(KeyPath, String)> = Vec::new();
        if is_kept {
            for edit in edits {
                let (Some(node), becomes) = (edit::get(old, &edit.path), &edit.change) else {
                    continue;
                };
                leaves(node, &edit.path, &mut |path, value| {
                    let what = match becomes {
                        Change::Set { new, .. } if path == edit.path => {
                            format!("(`{value}`) becomes `{}` at {}", plain(new), to.title)
                        }
                        _ => format!("(`{value}`) is left out at {}", to.title),
                    };
                    lines.push((path, what));
                });
            }
        } else {
            let what = format!(
                "of `{}`; the object is left out, and what it says has gone elsewhere or is named here",
                object.api_version
            );
            lines.push((KeyPath::root().key("apiVersion"), what));
            if let Some(map) = old.as_mapping() {
                for (key, entry) in map.iter().filter(|(key, _)| !is_name(key)) {
                    leaves(
                        &entry.node,
                        &KeyPath::root().key(key),
                        &mut |path, value| {
                            lines.push((path, format!("(`{value}`) is left out with the object")));
                        },
                    );
                }
            }
        }
        for (path, what) in lines {
            let text = path.to_string();
            if carried.contains(&(object.index, text.clone()))
                || said.contains(&(name.clone(), text.clone()))
                || item_is_said(&path, |item| {
                    said.contains(&(name.clone(), item.to_string()))
                })
            {
                continue;
            }
            let key = path.last_key().unwrap_or(&text);
            let message = format!("{name}: `{key}` {what}");
            let mut finding = Finding::new(Code("provider-setting-replaced"), message);
            finding.path = text;
            if let Some(node) = edit::get(old, &path) {
                finding = finding.at(&Origin::new(node.at, path.clone()));
            }
            new.push(finding);
        }
    }
    for finding in new {
        findings.push(finding);
    }
}

/// Whether a finding is about the whole item of a list that a path leads into.
fn item_is_said(path: &KeyPath, said: impl Fn(&KeyPath) -> bool) -> bool {
    let mut at = path.clone();
    while !at.is_root() {
        if matches!(at.steps().last(), Some(PathStep::Index(_))) && said(&at) {
            return true;
        }
        at = at.parent();
    }
    false
}

/// What tells which object it is, and says nothing else.
fn is_name(key: &str) -> bool {
    matches!(key, "apiVersion" | "kind" | "metadata")
}

/// Each scalar below a node, with its path.
fn leaves(node: &Node, path: &KeyPath, take: &mut dyn FnMut(KeyPath, String)) {
    match &node.value {
        Value::Mapping(map) => {
            for (key, entry) in map.iter() {
                leaves(&entry.node, &path.key(key), take);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &path.index(index), take);
            }
        }
        Value::Scalar(scalar) => take(path.clone(), scalar.text.clone()),
    }
}

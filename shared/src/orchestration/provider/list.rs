//! Objects inside of a `List` are objects like any other.

use std::sync::Arc;

use super::edit::apply;
use super::{Change, Converted, Edit, ObjectRef, Outcome, SourceKey};
use crate::source::{KeyPath, Node, PathStep};

/// Where an object of the flat input came from: the object, and the item of its list.
type Origin = (usize, Option<usize>);

/// The items of a list; `None` for what is none.
fn items(node: &Node) -> Option<&[Node]> {
    let map = node.as_mapping()?;
    let text = |key: &str| map.get(key).and_then(Node::as_text);
    let is_list = text("kind") == Some("List") && text("apiVersion") == Some("v1");
    let items = map.get("items").filter(|_| is_list)?.as_sequence()?;
    items
        .iter()
        .all(|item| item.as_mapping().is_some())
        .then_some(items)
}

/// Converts with the items of lists in their place, and puts them back.
pub(super) fn flat(
    objects: &[Arc<Node>],
    convert: impl Fn(&[Arc<Node>]) -> Converted,
) -> Converted {
    if objects.iter().all(|object| items(object).is_none()) {
        return convert(objects);
    }
    let mut nodes = Vec::new();
    let mut origins: Vec<Origin> = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        match items(object) {
            Some(items) => {
                nodes.extend(items.iter().cloned().map(Arc::new));
                origins.extend((0..items.len()).map(|item| (index, Some(item))));
            }
            None => {
                nodes.push(Arc::clone(object));
                origins.push((index, None));
            }
        }
    }
    let mut converted = convert(&nodes);
    let mut outcomes: Vec<Outcome> = objects
        .iter()
        .enumerate()
        .map(|(index, object)| Outcome {
            object: ObjectRef::of(index, object),
            node: Some(Arc::clone(object)),
            edits: Vec::new(),
        })
        .collect();
    let mut removed: Vec<(usize, Edit)> = Vec::new();
    for (inner, (outer, item)) in std::mem::take(&mut converted.outcomes)
        .into_iter()
        .zip(&origins)
    {
        let outcome = &mut outcomes[*outer];
        let Some(item) = *item else {
            outcome.node = inner.node;
            outcome.edits = inner.edits;
            for edit in &mut outcome.edits {
                edit.from
                    .iter_mut()
                    .for_each(|key| *key = moved(key, &origins));
            }
            continue;
        };
        if inner.node.is_none() {
            let old = nodes[inner.object.index].to_json();
            let path = KeyPath::root().key("items").index(item);
            let edit = Edit {
                path,
                change: Change::Remove { old },
                from: Vec::new(),
            };
            removed.push((*outer, edit));
        }
        for mut edit in inner.edits {
            edit.path = below(Some(item), &edit.path);
            edit.from
                .iter_mut()
                .for_each(|key| *key = moved(key, &origins));
            outcome.edits.push(edit);
        }
    }
    // From the last to the first, so that the places of the others stay.
    for (outer, edit) in removed.into_iter().rev() {
        outcomes[outer].edits.push(edit);
    }
    for outcome in &mut outcomes {
        if items(&objects[outcome.object.index]).is_some() {
            let mut node = Node::clone(&objects[outcome.object.index]);
            apply(&mut node, &outcome.edits);
            outcome.node = Some(Arc::new(node));
        }
    }
    converted.outcomes = outcomes;
    for (index, added) in converted.added.iter_mut().enumerate() {
        added.object.index = objects.len() + index;
        added.because.iter_mut().for_each(|at| *at = origins[*at].0);
        added.because.dedup();
    }
    for missing in &mut converted.missing {
        let (outer, item) = origins[missing.object.index];
        missing.object.index = outer;
        missing.path = below(item, &missing.path);
    }
    converted
}

/// A path of an item as one of the list.
fn below(item: Option<usize>, path: &KeyPath) -> KeyPath {
    let Some(item) = item else {
        return path.clone();
    };
    let start = KeyPath::root().key("items").index(item);
    path.steps().iter().fold(start, |at, step| match step {
        PathStep::Key(key) => at.key(key),
        PathStep::Index(index) => at.index(*index),
    })
}

fn moved(key: &SourceKey, origins: &[Origin]) -> SourceKey {
    let (outer, item) = origins.get(key.object).copied().unwrap_or((0, None));
    SourceKey {
        object: outer,
        path: below(item, &key.path),
    }
}

//! The images of a chart: which ones it needs, and their names at the target.
//!
//! A new name is one more edit of a converted object, so the output layer finds the value or the line behind it as it
//! does for everything else.

use std::sync::Arc;

use crate::finding::Findings;
use crate::images::inventory::{self, Needed};
use crate::images::rewrite::Rules;
use crate::orchestration::kubernetes::load::Object;
use crate::orchestration::provider::{
    Change, Converted, Edit, ObjectRef, SourceKey, apply, node_at,
};
use crate::source::{KeyPath, Node, Origin};

/// The images that rendered objects need, and the Secrets by which they are pulled.
pub(crate) fn needed(nodes: &[Arc<Node>]) -> (Vec<Needed>, Vec<serde_json::Value>) {
    let objects: Vec<Object> = nodes
        .iter()
        .enumerate()
        .map(|(index, node)| object(index, node))
        .collect();
    // What happens to other fields is not the subject here.
    let needed = inventory::of_objects(&objects, &mut Findings::default());
    (needed, inventory::pull_secrets(&objects))
}

/// Lets converted objects refer to the images of the target.
pub(crate) fn rewrite(mut converted: Converted, rules: &Rules) -> Converted {
    if rules.is_empty() {
        return converted;
    }
    for (index, outcome) in converted.outcomes.iter_mut().enumerate() {
        let Some(node) = &mut outcome.node else {
            continue;
        };
        let asked = inventory::of_objects(&[object(index, node)], &mut Findings::default());
        let paths = asked.iter().flat_map(|image| &image.origins);
        for path in paths.map(|origin| origin.path.clone()) {
            let Some(old) = node_at(node, &path).and_then(Node::as_text) else {
                continue;
            };
            // What is no image stays, and was said to be none.
            let Ok(Some(new)) = rules.rewrite(old) else {
                continue;
            };
            let edit = Edit {
                path: path.clone(),
                change: Change::Set {
                    old: Some(old.into()),
                    new: new.into(),
                },
                from: vec![SourceKey {
                    object: index,
                    path,
                }],
            };
            apply(Arc::make_mut(node), std::slice::from_ref(&edit));
            outcome.edits.retain(|other| other.path != edit.path);
            outcome.edits.push(edit);
        }
    }
    converted
}

fn object(index: usize, node: &Node) -> Object {
    let names = ObjectRef::of(index, node);
    Object {
        node: node.clone(),
        api_version: names.api_version,
        kind: names.kind,
        name: names.name,
        namespace: names.namespace,
        origin: Origin::new(node.at, KeyPath::root()),
    }
}

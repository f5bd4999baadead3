//! Schemas of values, widened for the values that the files have now.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::schema;
use crate::orchestration::chart::work::Work;
use crate::orchestration::chart::yaml::{Step, Tree, parse_tree};

/// Widens the schemas of a chart for the values that its files have now. Gives the files that changed.
pub(crate) fn widen_schemas(before: &Work, after: &mut Work) -> Vec<String> {
    let mut widened = BTreeSet::new();
    let mut changes: Vec<(String, Vec<Step>, Json)> = Vec::new();
    for folder in after.chart.chart_folders() {
        let path = super::join(&folder, "values.yaml");
        changes.extend(
            changed_leaves(before.chart.text(&path), after.chart.text(&path))
                .into_iter()
                .map(|(leaf, value)| (folder.clone(), leaf, value)),
        );
    }
    for (old, new) in before.user.iter().zip(&after.user) {
        changes.extend(
            changed_leaves(Some(&old.text), Some(&new.text))
                .into_iter()
                .map(|(leaf, value)| (String::new(), leaf, value)),
        );
    }
    for (folder, leaf, value) in changes {
        let mut folder = folder;
        let mut path = leaf.as_slice();
        loop {
            let file = super::join(&folder, "values.schema.json");
            if let Some(text) = after.chart.text(&file)
                && let Some(new) = schema::allow(text, path, &value)
            {
                after.chart.set_text(&file, new);
                widened.insert(file);
            }
            let Some((Step::Key(name), below)) = path.split_first() else {
                break;
            };
            let Some(next) = after.chart.subchart_folder(&folder, name) else {
                break;
            };
            folder = next;
            path = below;
        }
    }
    widened.into_iter().collect()
}

fn changed_leaves(before: Option<&str>, after: Option<&str>) -> Vec<(Vec<Step>, Json)> {
    let tree = |text: Option<&str>| text.and_then(|text| parse_tree(text).ok().flatten());
    let (before, Some(after)) = (tree(before), tree(after)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    after.scalars(&mut Vec::new(), &mut |path, scalar| {
        let value = scalar.to_json();
        let old = before
            .as_ref()
            .and_then(|tree| tree.get(path))
            .map(Tree::to_json);
        if old.as_ref() != Some(&value) {
            found.push((path.to_vec(), value));
        }
    });
    found
}

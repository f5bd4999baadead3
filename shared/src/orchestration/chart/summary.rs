//! How much of a chart stayed alive.

use super::input::ChartFiles;
use super::work::Work;
use super::yaml::{Item, Step, Tree, parse_tree};

/// Counts of one conversion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Provider that the chart was made for.
    pub from: String,
    /// Provider that it is made for now.
    pub to: String,
    /// Templates that render objects.
    pub templates: usize,
    /// Those that still are templates, unchanged or edited.
    pub live_templates: usize,
    /// Files that differ from the original.
    pub changed_files: Vec<String>,
    /// Values of the chart.
    pub values: usize,
    /// Those that still have their effect: they are there, and templates that used them still do.
    pub live_values: usize,
    /// Objects that were rendered with the default values.
    pub objects: usize,
    /// How often helm was run.
    pub helm_runs: usize,
    /// What was seen of the provider, with `--from auto`.
    pub seen: Vec<String>,
}

/// Counts the values, and those that still have their effect. Keys of annotations and labels belong to a provider's
/// language and are not counted.
pub(crate) fn count_values(before: &Work, after: &Work) -> (usize, usize) {
    let mut all = 0;
    let mut live = 0;
    for folder in before.chart.chart_folders() {
        let file = if folder.is_empty() {
            "values.yaml".to_owned()
        } else {
            format!("{folder}/values.yaml")
        };
        let tree =
            |work: &Work| -> Option<Tree> { parse_tree(work.chart.text(&file)?).ok().flatten() };
        let Some(old) = tree(before) else { continue };
        let new = tree(after);
        let old_templates = template_text(&before.chart, &folder);
        let new_templates = template_text(&after.chart, &folder);
        let mut paths = Vec::new();
        leaves(&old, &mut Vec::new(), &mut paths);
        for path in paths {
            all += 1;
            let there = new.as_ref().is_some_and(|tree| tree.get(&path).is_some());
            let used = (1..=path.len()).rev().find_map(|depth| {
                let name = reference(&path[..depth])?;
                old_templates.contains(&name).then_some(name)
            });
            if there && used.is_none_or(|name| new_templates.contains(&name)) {
                live += 1;
            }
        }
    }
    (all, live)
}

fn reference(path: &[Step]) -> Option<String> {
    let mut out = String::from(".Values");
    for step in path {
        let Step::Key(key) = step else { return None };
        out.push('.');
        out.push_str(key);
    }
    Some(out)
}

fn template_text(chart: &ChartFiles, folder: &str) -> String {
    let prefix = if folder.is_empty() {
        "templates/".to_owned()
    } else {
        format!("{folder}/templates/")
    };
    chart
        .files
        .range(prefix.clone()..)
        .take_while(|(path, _)| path.starts_with(&prefix))
        .filter_map(|(path, _)| chart.text(path))
        .collect()
}

fn leaves(tree: &Tree, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    match &tree.item {
        Item::Mapping { entries, .. } if !entries.is_empty() => {
            for entry in entries {
                if entry.key.contains('/') {
                    continue;
                }
                path.push(Step::Key(entry.key.clone()));
                leaves(&entry.value, path, found);
                path.pop();
            }
        }
        _ => found.push(path.clone()),
    }
}

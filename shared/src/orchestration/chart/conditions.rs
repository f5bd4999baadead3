//! Conditions of the converted chart that still ask for words of the source.

use super::input::ChartFiles;
use super::output::plan::condition::compared;
use super::yaml::{Item, Step, Tree, parse_tree};

/// The conditions that compare a converted value with a text that no values file of the chart has: what the text stood
/// for at the source is not known.
pub(crate) fn kept(before: &ChartFiles, after: &ChartFiles) -> Vec<String> {
    let mut found = Vec::new();
    let is_values = |path: &&String| *path == "values.yaml" || path.ends_with("/values.yaml");
    for path in before.files.keys().filter(is_values) {
        let folder = path.trim_end_matches("values.yaml");
        let tree = |chart: &ChartFiles| parse_tree(chart.text(path)?).ok().flatten();
        let (Some(old), Some(new)) = (tree(before), tree(after)) else {
            continue;
        };
        let mut changed = Vec::new();
        differing(&old, &new, &mut Vec::new(), &mut changed);
        for (leaf, value) in changed {
            let Some(Step::Key(key)) = leaf.last() else {
                continue;
            };
            let templates = after.files.keys();
            for file in templates.filter(|f| f.starts_with(&format!("{folder}templates/"))) {
                let text = after.text(file).unwrap_or_default();
                for (number, line) in text.lines().enumerate() {
                    for word in compared(line, key) {
                        // A word that was converted, or that this conversion wrote.
                        let known = word == value
                            || before
                                .text(file)
                                .is_none_or(|t| !t.contains(&format!("\"{word}\"")));
                        if !known {
                            found.push(format!(
                                "`{file}`, line {}: `{key}` was converted, and is still compared with `{word}`",
                                number + 1
                            ));
                        }
                    }
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Values that have another text now, with that text.
fn differing(old: &Tree, new: &Tree, path: &mut Vec<Step>, found: &mut Vec<(Vec<Step>, String)>) {
    match &old.item {
        Item::Mapping { entries, .. } => {
            for entry in entries {
                let step = Step::Key(entry.key.clone());
                if let Some(other) = new.get(std::slice::from_ref(&step)) {
                    path.push(step);
                    differing(&entry.value, other, path, found);
                    path.pop();
                }
            }
        }
        _ => {
            if let (Some(was), Some(is)) = (old.text(), new.text())
                && was != is
            {
                found.push((path.clone(), is.to_owned()));
            }
        }
    }
}

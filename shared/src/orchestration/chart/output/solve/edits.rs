//! The changes of a round, made in the files of the chart.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::super::super::identify::TextRef;
use super::super::super::work::{Variant, Work};
use super::super::super::yaml::{YamlEdit, edit_yaml, parse_tree};
use super::super::lines;
use super::super::plan::condition::{Literal, replaced};
use super::super::plan::{Op, State};

/// Makes the changes.
pub(super) fn apply(work: &mut Work, ops: &[Op], states: &[State]) {
    let variants: Vec<Variant> = states.iter().map(|state| state.variant.clone()).collect();
    apply_for(work, ops, &variants);
}

pub(super) fn apply_for(work: &mut Work, ops: &[Op], variants: &[Variant]) {
    let mut by_text: BTreeMap<&TextRef, Vec<lines::LineEdit>> = BTreeMap::new();
    let mut literals: BTreeMap<&str, Vec<&Literal>> = BTreeMap::new();
    for op in ops {
        match op {
            Op::Lines(text, edit) => by_text.entry(text).or_default().push(edit.clone()),
            Op::Literal(literal) => literals.entry(&literal.file).or_default().push(literal),
            Op::Value(..) | Op::NewFile(..) | Op::RemoveFile(..) => {}
        }
    }
    // A word more or less leaves all lines in their places.
    for (path, literals) in literals {
        if let Some(old) = work.chart.text(path) {
            let new = replaced(old, &literals);
            work.chart.set_text(path, new);
        }
    }
    for (text, edits) in by_text {
        match text {
            TextRef::File(path) => {
                if let Some(old) = work.chart.text(path) {
                    let (new, _) = lines::apply(old, &edits);
                    work.chart.set_text(path, new);
                }
            }
            TextRef::Value(leaf) => {
                let found = variants
                    .iter()
                    .find_map(|variant| work.definer(variant, leaf));
                let Some((file, path)) = found else { continue };
                let Some(values) = work.values_text(&file) else {
                    continue;
                };
                let old = parse_tree(&values)
                    .ok()
                    .flatten()
                    .and_then(|tree| Some(tree.get(&path)?.text()?.to_owned()));
                let Some(old) = old else { continue };
                let (new, _) = lines::apply(&old, &edits);
                let edit = YamlEdit::Set(path, Json::from(new));
                if let Ok(text) = edit_yaml(&values, &[edit]) {
                    work.set_values_text(&file, text);
                }
            }
        }
    }
    let mut last = None;
    for op in ops {
        match op {
            Op::Value(file, edit) => {
                // Each object asks for a value that feeds many.
                if last.replace((file, edit)) == Some((file, edit)) {
                    continue;
                }
                let Some(text) = work.values_text(file) else {
                    continue;
                };
                // What cannot be changed in place stays open, and the next step tries the template.
                if let Ok(text) = edit_yaml(&text, std::slice::from_ref(edit)) {
                    work.set_values_text(file, text);
                }
            }
            Op::NewFile(path, text) => {
                let mut name = path.clone();
                let mut number = 2;
                while work.chart.text(&name).is_some_and(|there| there != text) {
                    name = format!("{}-{number}.yaml", path.trim_end_matches(".yaml"));
                    number += 1;
                }
                work.chart.set_text(&name, text.clone());
            }
            Op::RemoveFile(path) => {
                work.chart.files.remove(path);
            }
            Op::Lines(..) | Op::Literal(..) => {}
        }
    }
}

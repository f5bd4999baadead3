//! Where each key of a rendering comes from: the line of a template, and the value behind it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::super::super::ChartError;
use super::super::super::compare::Change;
use super::super::super::desk::Form;
use super::super::super::identify::{Leaf, Marked, Place, Probe, TextRef, mark_chart};
use super::super::super::render::{Document, Identity, pair};
use super::super::super::work::{Rendering, Work, complete_values};
use super::super::super::yaml::{Item, Step, Tree};
use super::super::lines;
use super::super::plan::State;
use super::Job;
use crate::parallel;

/// Finds out where things come from.
pub(super) fn probe(
    job: &Job<'_>,
    work: &Work,
    states: &mut [State],
    renderings: &[Rendering],
) -> Result<(), ChartError> {
    let (marked, chart) = mark_chart(&work.chart);
    let defaults = renderings
        .first()
        .map(|r| r.values.clone())
        .unwrap_or_default();
    let mut marks = Vec::new();
    let mut probes = Vec::new();
    // What one variant has to change must fit the others as well.
    let (texts, keys) = looked_for(states);
    let mut values = Vec::new();
    for rendering in renderings {
        let all = complete_values(&rendering.values, &defaults);
        let mut own = marked.clone();
        values.push(mark_texts(&all, &mut Vec::new(), &mut own));
        marks.push(own);
        let mut probe = Probe::default();
        let marked_values = probe.mark(&all, &|path, value| wanted(path, value, &texts, &keys));
        values.push(marked_values);
        probes.push(probe);
    }
    let results = job.desks.with(Form::Probed, &chart, &[], |disk| {
        Ok(parallel::tasks(states.len() * 2, |index| {
            let state = &states[index / 2];
            if index % 2 == 1 && probes[index / 2].is_empty() {
                return Err(ChartError::Input(String::new()));
            }
            disk.render_values(job.helm, &state.variant, job.capabilities, &values[index])
        }))
    })?;
    let mut results = results.into_iter();
    for (index, state) in states.iter_mut().enumerate() {
        let (by_line, by_value) = (results.next(), results.next());
        if let Some(Ok(rendering)) = by_line {
            state.places = places_of(&marks[index], &state.documents, &rendering.documents);
            find_doubled(&marks[index], state, &rendering.documents);
        }
        if let Some(Ok(rendering)) = by_value {
            let partners = partners(&state.documents, &rendering.documents);
            let found = parallel::each(&partners, |partner| {
                let (probe, partner) = (&probes[index], &rendering.documents[(*partner)?]);
                Some((probe.document(partner), maps_of(probe, partner)))
            });
            for (document, found) in found.into_iter().enumerate() {
                if let Some((sources, maps)) = found {
                    state.sources[document] = sources;
                    state.maps[document] = maps;
                }
            }
        }
    }
    Ok(())
}

/// The texts that have to change, and the keys that have to go.
fn looked_for(states: &[State]) -> (Vec<String>, BTreeSet<String>) {
    let mut texts = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for difference in states.iter().flat_map(|s| &s.differences).flatten() {
        if let Some(Step::Key(key)) = difference.path.last() {
            keys.insert(key.clone());
        }
        let have = match &difference.change {
            Change::Replace { have, .. } | Change::Remove { have } => have,
            Change::Add { .. } => continue,
        };
        collect(have, &mut texts, &mut keys);
    }
    (texts.into_iter().collect(), keys)
}

fn collect(value: &Json, texts: &mut BTreeSet<String>, keys: &mut BTreeSet<String>) {
    match value {
        Json::Object(map) => {
            for (key, inner) in map {
                keys.insert(key.clone());
                collect(inner, texts, keys);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect(item, texts, keys)),
        scalar => {
            if let Some(text) = lines::text_of(scalar) {
                texts.insert(text);
            }
        }
    }
}

fn wanted(path: &[Step], value: &Json, texts: &[String], keys: &BTreeSet<String>) -> bool {
    let named = matches!(path.last(), Some(Step::Key(key)) if key.contains(['/', '.']) && keys.contains(key));
    match value {
        Json::String(text) => {
            !text.is_empty()
                && !text.contains('\n')
                && (named
                    || texts
                        .iter()
                        .any(|t| t == text || (text.len() > 2 && t.contains(text.as_str()))))
        }
        Json::Number(number) => {
            let text = number.to_string();
            named || texts.contains(&text)
        }
        Json::Bool(_) => named,
        _ => false,
    }
}

/// Marks the lines of values with several lines, which often are YAML.
fn mark_texts(value: &Json, path: &mut Vec<Step>, marked: &mut Marked) -> Json {
    match value {
        Json::Object(map) => Json::Object(
            map.iter()
                .map(|(key, inner)| {
                    path.push(Step::Key(key.clone()));
                    let inner = mark_texts(inner, path, marked);
                    path.pop();
                    (key.clone(), inner)
                })
                .collect(),
        ),
        Json::Array(items) => Json::Array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    path.push(Step::Index(index));
                    let item = mark_texts(item, path, marked);
                    path.pop();
                    item
                })
                .collect(),
        ),
        Json::String(text) if text.contains('\n') => {
            Json::String(marked.mark(text, &TextRef::Value(path.clone())))
        }
        other => other.clone(),
    }
}

/// For each document, the places of its keys, from the same document of a marked rendering.
pub(super) fn places_of(
    marked: &Marked,
    documents: &[Document],
    rendered: &[Document],
) -> Vec<BTreeMap<Vec<Step>, Place>> {
    parallel::each(&partners(documents, rendered), |partner| {
        partner.map_or_else(BTreeMap::new, |p| marked.places(&rendered[p]))
    })
}

/// The lines that write what stands more than once.
fn find_doubled(marked: &Marked, state: &mut State, rendered: &[Document]) {
    let found = partners(&state.documents, rendered);
    for (doubled, partner) in state.doubled.iter_mut().zip(found) {
        let Some(partner) = partner
            .map(|p| &rendered[p])
            .filter(|_| !doubled.is_empty())
        else {
            continue;
        };
        let lines: Vec<&str> = partner.text.lines().collect();
        for (twice, key) in doubled.iter_mut().zip(partner.doubled()) {
            if twice.path == key.path {
                let line = lines.get(key.line);
                twice.place = line.and_then(|line| marked.place(line)).cloned();
            }
        }
    }
}

/// What documents are paired by.
pub(super) fn names(documents: &[Document]) -> Vec<(&Identity, &str)> {
    let documents = documents.iter();
    documents
        .map(|d| (d.identity(), d.source.as_str()))
        .collect()
}

/// For each document, the same one of another rendering.
pub(super) fn partners(documents: &[Document], rendered: &[Document]) -> Vec<Option<usize>> {
    pair(&names(documents), &names(rendered))
}

fn maps_of(probe: &Probe, document: &Document) -> BTreeMap<Vec<Step>, BTreeSet<Leaf>> {
    let mut found = BTreeMap::new();
    let mut stack: Vec<(Vec<Step>, &Tree)> = document
        .tree
        .iter()
        .map(|tree| (Vec::new(), tree.as_ref()))
        .collect();
    while let Some((path, tree)) = stack.pop() {
        let deeper = |step: Step| {
            let mut path = path.clone();
            path.push(step);
            path
        };
        match &tree.item {
            Item::Mapping { entries, .. } => {
                let maps = probe.maps_in(tree);
                if !maps.is_empty() {
                    found.insert(path.clone(), maps);
                }
                for entry in entries {
                    stack.push((deeper(Step::Key(entry.key.clone())), &entry.value));
                }
            }
            Item::Sequence { items, .. } => {
                for (index, item) in items.iter().enumerate() {
                    stack.push((deeper(Step::Index(index)), item));
                }
            }
            Item::Scalar { .. } => {}
        }
    }
    found
}

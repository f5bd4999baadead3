//! Where each key of a rendering comes from: the line of a template, and the value behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::super::super::ChartError;
use super::super::super::compare::Change;
use super::super::super::desk::Form;
use super::super::super::identify::{Leaf, Marked, Places, Probe, Source, TextRef, mark_chart};
use super::super::super::input::ChartFiles;
use super::super::super::render::{Document, Identity, pair};
use super::super::super::target::Target;
use super::super::super::work::{Rendering, Variant, Work, complete_values};
use super::super::super::yaml::{Item, Step, Tree};
use super::super::lines;
use super::super::plan::State;
use super::law::count;
use super::{Base, Job, Surroundings, state};
use crate::parallel;

/// The marks of a chart, the chart with them, and what it rendered in each variant.
type Seen<'s> = ((&'s Marked, &'s ChartFiles), &'s [Base]);

/// What helm is asked about the variants: for each of them, by the marks of lines and by those of values.
struct Questions {
    /// The marks of lines, those in values among them.
    marks: Vec<Marked>,
    probes: Vec<Probe>,
    /// The values to render with, two for each variant.
    values: Vec<Json>,
    /// What the lines told already.
    by_lines: Vec<Option<ByLine>>,
}

/// What a rendering with marks at its lines tells: the documents with their marks, and where the keys come from.
type ByLine = (Arc<Vec<Document>>, Vec<Arc<Places>>);

/// What a rendering with values that are marks tells of each document: where its scalars come from, and its maps.
type ByValue = (
    BTreeMap<Vec<Step>, Vec<Source>>,
    BTreeMap<Vec<Step>, BTreeSet<Leaf>>,
);

/// What one question told.
enum Told {
    Lines(ByLine),
    Values(Vec<Option<ByValue>>),
}

impl Questions {
    fn new(
        marked: &Marked,
        states: &[State],
        renderings: &[Rendering],
        seen: Option<Seen<'_>>,
    ) -> Self {
        let defaults = renderings
            .first()
            .map(|r| r.values.clone())
            .unwrap_or_default();
        let mut questions = Self {
            marks: Vec::new(),
            probes: Vec::new(),
            values: Vec::new(),
            by_lines: Vec::new(),
        };
        // What one variant has to change must fit the others as well.
        let (texts, keys) = looked_for(states);
        for (index, rendering) in renderings.iter().enumerate() {
            let all = complete_values(&rendering.values, &defaults);
            let mut own = marked.clone();
            let lines = mark_texts(&all, &mut Vec::new(), &mut own);
            questions.values.push(lines);
            // Without texts of several lines among the values, what was seen is what would be seen again.
            let base = seen.and_then(|(_, bases)| bases.get(index));
            let as_seen = base.filter(|_| own.texts() == marked.texts());
            let by_line =
                as_seen.and_then(|base| Some((base.marked.clone()?, base.places.clone())));
            questions.by_lines.push(by_line);
            questions.marks.push(own);
            let mut probe = Probe::default();
            let marked_values = probe.mark(&all, &|path, value| wanted(path, value, &texts, &keys));
            questions.values.push(marked_values);
            questions.probes.push(probe);
        }
        questions
    }

    /// Asks helm what nobody has told before, and makes of each rendering what `read` does. Two answers for each variant,
    /// and none where nothing is asked.
    fn ask<T: Send>(
        &self,
        job: &Job<'_>,
        chart: &ChartFiles,
        states: &[State],
        early: &Answers,
        read: impl Fn(usize, Arc<Vec<Document>>) -> T + Sync,
    ) -> Result<Vec<Option<T>>, ChartError> {
        job.desks.with(Form::Probed, chart, &[], |disk| {
            Ok(parallel::tasks(states.len() * 2, |index| {
                let (variant, values) = (&states[index / 2].variant, &self.values[index]);
                let is_told = if index % 2 == 0 {
                    self.by_lines[index / 2].is_some()
                } else {
                    self.probes[index / 2].is_empty()
                };
                if is_told {
                    return None;
                }
                let documents = match early.to(variant, values) {
                    Some(documents) => documents,
                    None => {
                        let rendering =
                            disk.render_values(job.helm, variant, job.capabilities, values);
                        rendering.ok()?.documents
                    }
                };
                Some(read(index, documents))
            }))
        })
    }

    /// What a rendering tells of a variant.
    fn told(&self, index: usize, state: &State, documents: Arc<Vec<Document>>) -> Told {
        let partners = partners(&state.documents, &documents);
        if index.is_multiple_of(2) {
            let marked = &self.marks[index / 2];
            let places = parallel::each(&partners, |partner| {
                let place = |p: usize| Arc::new(marked.places(&documents[p]));
                partner.map(place).unwrap_or_default()
            });
            return Told::Lines((documents, places));
        }
        let probe = &self.probes[index / 2];
        let pairs: Vec<_> = state.documents.iter().zip(partners).collect();
        Told::Values(parallel::each(&pairs, |(document, partner)| {
            let partner = &documents[(*partner)?];
            // What is the same with marks as without has none.
            let is_same = Arc::ptr_eq(&document.value, &partner.value);
            (!is_same).then(|| (probe.document(partner), maps_of(probe, partner)))
        }))
    }
}

/// What helm rendered for questions that were likely to be asked, with what was asked: the variant and its values.
#[derive(Debug, Default)]
pub(crate) struct Answers(Vec<(String, Json, Arc<Vec<Document>>)>);

impl Answers {
    /// Asks about the original chart what [`probe`] is going to ask, as far as these variants tell.
    pub(crate) fn early<'t>(
        around: &Surroundings<'_>,
        bases: &[Base],
        targets: impl Iterator<Item = &'t Target>,
    ) -> Result<Self, ChartError> {
        let (marked, chart) = around.marks();
        let renderings: Vec<Rendering> = bases.iter().map(|b| b.rendering.clone()).collect();
        let both = bases.iter().zip(targets);
        let states: Vec<State> = both
            .map(|(base, target)| state(&base.rendering, base, target))
            .collect();
        if count(&states) == 0 {
            return Ok(Self::default());
        }
        let questions = Questions::new(marked, &states, &renderings, Some((around.marks(), bases)));
        let nothing = Self::default();
        let answers = questions.ask(around.job, chart, &states, &nothing, |_, told| told)?;
        let asked = questions.values.into_iter().zip(answers).enumerate();
        let known = asked.filter_map(|(index, (values, documents))| {
            Some((states[index / 2].variant.name.clone(), values, documents?))
        });
        Ok(Self(known.collect()))
    }

    fn to(&self, variant: &Variant, values: &Json) -> Option<Arc<Vec<Document>>> {
        let mut all = self.0.iter();
        let found = all.find(|(name, asked, _)| *name == variant.name && asked == values);
        found.map(|(_, _, documents)| Arc::clone(documents))
    }
}

/// Finds out where things come from. Nothing has to be marked again for a chart that was `seen` with its marks, and
/// nothing asked again that has an `early` answer.
pub(super) fn probe(
    job: &Job<'_>,
    work: &Work,
    states: &mut [State],
    renderings: &[Rendering],
    seen: Option<(Seen<'_>, &Answers)>,
) -> Result<(), ChartError> {
    let made;
    let (marked, chart) = match seen {
        Some(((marks, _), _)) => marks,
        None => {
            made = mark_chart(&work.chart);
            (&made.0, &made.1)
        }
    };
    let nothing = Answers::default();
    let early = seen.map_or(&nothing, |(_, early)| early);
    let questions = Questions::new(marked, states, renderings, seen.map(|(seen, _)| seen));
    let read = |index: usize, documents| questions.told(index, &states[index / 2], documents);
    let results = questions.ask(job, chart, states, early, read)?;
    let mut results = results.into_iter();
    let asked = questions.marks.iter().zip(questions.by_lines);
    for (state, (marks, before)) in states.iter_mut().zip(asked) {
        let (by_line, by_value) = (results.next().flatten(), results.next().flatten());
        if let Some(Told::Lines((documents, places))) = before.map(Told::Lines).or(by_line) {
            state.places = places;
            find_doubled(marks, state, &documents);
        }
        if let Some(Told::Values(found)) = by_value {
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
            Json::String(marked.mark(text, TextRef::Value(path.clone())))
        }
        other => other.clone(),
    }
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
        let lines: Vec<&str> = partner.printed.lines().collect();
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

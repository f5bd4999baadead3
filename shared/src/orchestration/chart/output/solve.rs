//! From the rendering to the chart: change, render again, compare, until the law holds.
//!
//! The number of renderings is bounded: each round renders each variant at most three times (as it is, with marked
//! templates, with marked values), and there are at most [`ROUNDS`] rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Mutex;

use serde_json::Value as Json;

use super::super::compare::{Change, Difference, compare};
use super::super::identify::{Marked, Place, Probe, TextRef, mark_chart};
use super::super::render::{Document, Identity, pair};
use super::super::target::{Convert, FileTable, Target, describe, nodes, target};
use super::super::work::{OnDisk, Rendering, Variant, Work, complete_values};
use super::super::yaml::{Item, Step, edit_yaml};
use super::super::{ChartError, Helm};
use super::flat;
use super::lines;
use super::plan::condition::{Literal, replaced};
use super::plan::{Attempts, Op, Planner, State};
use crate::source::Node;

/// Most rounds of changes.
const ROUNDS: usize = 7;

/// What all steps need.
pub(crate) struct Job<'j> {
    /// Helm.
    pub helm: &'j Helm,
    /// `--kube-version`, `--api-versions`
    pub capabilities: &'j [OsString],
    /// Name of the target, for new files.
    pub target: &'j str,
    /// How the user named the chart, for messages.
    pub chart_name: &'j str,
}

/// A variant as the original chart renders it.
#[derive(Debug)]
pub(crate) struct Base {
    /// The variant.
    pub variant: Variant,
    /// The rendering.
    pub rendering: Rendering,
    /// For each document, paths that differ at each rendering, or follow from the text of other templates.
    pub ignored: Vec<BTreeSet<Vec<Step>>>,
    /// The documents for the conversion.
    pub nodes: Vec<Node>,
}

/// What became of the chart.
#[derive(Debug)]
pub(crate) struct Solution {
    /// The chart and values files.
    pub work: Work,
    /// Templates that had to become text: file, and why.
    pub flattened: Vec<(String, String)>,
    /// What optional variants still lack: variant, object and path.
    pub open: Vec<(String, String)>,
    /// Schemas that had to allow a converted value.
    pub schemas: Vec<String>,
}

/// Renders the original chart in all variants. Optional variants that do not render are left out.
pub(crate) fn render_bases(
    job: &Job<'_>,
    work: &Work,
    variants: &[Variant],
    files: &mut FileTable,
) -> Result<Vec<Base>, ChartError> {
    let plain = OnDisk::write(&work.chart, &work.user, true, true)?;
    let mut marked = Marked::default();
    let marked_chart = mark_chart(&work.chart, &mut marked);
    let marked_disk = OnDisk::write(&marked_chart, &work.user, false, true)?;
    let renderings = parallel(variants.len() * 3, |index| {
        let disk = if index % 3 == 2 { &marked_disk } else { &plain };
        disk.render(job.helm, &variants[index / 3], job.capabilities)
    });
    let mut bases = Vec::new();
    let mut renderings = renderings.into_iter();
    for variant in variants {
        let (first, second, third) = (renderings.next(), renderings.next(), renderings.next());
        let rendering = match first {
            Some(Ok(rendering)) => rendering,
            Some(Err(error)) if variant.required => {
                return Err(renamed(error, &plain, work, job.chart_name));
            }
            _ => continue,
        };
        let mut ignored = vec![BTreeSet::new(); rendering.documents.len()];
        if let Some(Ok(second)) = second {
            note_changes(&rendering, &second, &mut ignored, |_, _| true);
        }
        let mut places = vec![BTreeMap::new(); rendering.documents.len()];
        if let Some(Ok(third)) = third {
            note_changes(&rendering, &third, &mut ignored, is_digest);
            places = places_of(&marked, &rendering.documents, &third.documents);
        }
        let text_of = |path: &str| {
            let name = format!("{}/{path}", job.chart_name.trim_end_matches('/'));
            work.chart.text(path).map(|text| (name, text.to_owned()))
        };
        let nodes = nodes(
            &rendering.documents,
            &places,
            &rendering.text,
            files,
            &text_of,
        );
        bases.push(Base {
            variant: variant.clone(),
            rendering,
            ignored,
            nodes,
        });
    }
    Ok(bases)
}

/// What each base shall be.
pub(crate) fn targets(bases: &[Base], convert: &Convert<'_>, lenient: &Convert<'_>) -> Vec<Target> {
    bases
        .iter()
        .map(|base| {
            let convert = if base.variant.required {
                convert
            } else {
                lenient
            };
            target(&base.rendering.documents, &base.nodes, convert)
        })
        .collect()
}

/// Changes the chart until it renders what it shall.
pub(crate) fn solve(
    job: &Job<'_>,
    original: &Work,
    bases: &[Base],
    targets: &[Target],
) -> Result<Solution, ChartError> {
    let mut work = original.clone();
    let mut attempts = Attempts::new();
    let mut best: Option<(usize, Work)> = None;
    let mut schemas = BTreeSet::new();
    let mut last = Round::default();
    let mut states = Vec::new();
    for round in 0..=ROUNDS {
        let (next, disk) = look(job, &work, bases, targets, round == 0)?;
        states = next;
        let open = count(&states);
        if open == 0 {
            break;
        }
        // A step that made it worse is taken back, and made again template by template; what was tried is remembered.
        let mut disk = disk;
        if let Some((before, kept)) = &best
            && open > *before
        {
            work = one_by_one(job, kept, *before, &last, (bases, targets))?;
            let (next, again) = look(job, &work, bases, targets, false)?;
            states = next;
            disk = again;
            if count(&states) == 0 {
                break;
            }
        }
        best = Some((count(&states), work.clone()));
        if round == ROUNDS {
            break;
        }
        probe(job, &work, &mut states, &disk)?;
        let ops = Planner::new(&work, &states, &mut attempts, job.target).plan();
        if ops.is_empty() {
            // Differences that were tried too often have no step left.
            if attempts.values().all(|n| *n > 5) || round > 4 {
                break;
            }
            continue;
        }
        let all: Vec<Op> = ops.iter().map(|(_, op)| op.clone()).collect();
        apply(&mut work, &all, &states);
        last = Round {
            ops,
            variants: states.iter().map(|s| s.variant.clone()).collect(),
        };
        schemas.extend(super::super::session::widen_schemas(original, &mut work));
    }
    let mut flattened = Vec::new();
    if count_required(&states) > 0 {
        for (file, why) in flat::flatten_open(job, &mut work, original, &states) {
            flattened.push((file, why));
        }
        (states, _) = look(job, &work, bases, targets, false)?;
        if count_required(&states) > 0 {
            return Err(law_broken(&states));
        }
    }
    let open = states
        .iter()
        .filter(|state| !state.variant.required)
        .flat_map(|state| {
            open_paths(state)
                .into_iter()
                .map(|path| (state.variant.name.clone(), path))
        })
        .collect();
    Ok(Solution {
        work,
        flattened,
        open,
        schemas: schemas.into_iter().collect(),
    })
}

/// The changes of one round, each with the template that it is for.
#[derive(Debug, Default)]
struct Round {
    ops: Vec<(String, Op)>,
    variants: Vec<Variant>,
}

/// Most templates for which a step that failed as a whole is made again on its own.
const MOST_PARTS: usize = 16;

/// Makes the changes for one template after the other, and keeps those that help.
fn one_by_one(
    job: &Job<'_>,
    kept: &Work,
    before: usize,
    step: &Round,
    (bases, targets): (&[Base], &[Target]),
) -> Result<Work, ChartError> {
    let mut work = kept.clone();
    let mut open = before;
    let sources: BTreeSet<&str> = step.ops.iter().map(|(source, _)| source.as_str()).collect();
    if sources.len() < 2 {
        return Ok(work);
    }
    for source in sources.into_iter().take(MOST_PARTS) {
        let ops: Vec<Op> = step
            .ops
            .iter()
            .filter(|(of, _)| of == source)
            .map(|(_, op)| op.clone())
            .collect();
        let mut tried = work.clone();
        apply_for(&mut tried, &ops, &step.variants);
        super::super::session::widen_schemas(kept, &mut tried);
        let (states, _) = look(job, &tried, bases, targets, false)?;
        let now = count(&states);
        if now < open {
            open = now;
            work = tried;
        }
    }
    Ok(work)
}

/// Renders the work and compares.
fn look(
    job: &Job<'_>,
    work: &Work,
    bases: &[Base],
    targets: &[Target],
    unchanged: bool,
) -> Result<(Vec<State>, Vec<Rendering>), ChartError> {
    let renderings: Vec<Rendering> = if unchanged {
        bases.iter().map(|base| base.rendering.clone()).collect()
    } else {
        let disk = OnDisk::write(&work.chart, &work.user, true, true)?;
        let results = parallel(bases.len(), |index| {
            disk.render(job.helm, &bases[index].variant, job.capabilities)
        });
        let mut renderings = Vec::new();
        for (result, base) in results.into_iter().zip(bases) {
            match result {
                Ok(rendering) => renderings.push(rendering),
                // A change that broke the template: nothing is as it shall be.
                Err(ChartError::Helm { .. }) => renderings.push(Rendering {
                    documents: Vec::new(),
                    text: String::new(),
                    values: base.rendering.values.clone(),
                }),
                Err(error) => return Err(error),
            }
        }
        renderings
    };
    let states = renderings
        .iter()
        .zip(bases.iter().zip(targets))
        .map(|(rendering, (base, target))| state(rendering, base, target))
        .collect();
    Ok((states, renderings))
}

fn state(rendering: &Rendering, base: &Base, target: &Target) -> State {
    let documents = rendering.documents.clone();
    let left: Vec<(Identity, &str)> = documents
        .iter()
        .map(|d| (d.identity(), d.source.as_str()))
        .collect();
    let right: Vec<(Identity, &str)> = target
        .wanted
        .iter()
        .map(|w| (w.identity.clone(), w.source.as_str()))
        .collect();
    let pairs = pair(&left, &right);
    let nothing = BTreeSet::new();
    let differences = documents
        .iter()
        .zip(&pairs)
        .map(|(document, pair)| match pair {
            Some(index) => {
                let wanted = &target.wanted[*index];
                let ignored = wanted
                    .base
                    .and_then(|base_index| base.ignored.get(base_index))
                    .unwrap_or(&nothing);
                compare(&document.value, &wanted.value, ignored)
            }
            None => Vec::new(),
        })
        .collect();
    let count = documents.len();
    State {
        variant: base.variant.clone(),
        documents,
        wanted: target.wanted.clone(),
        pairs,
        differences,
        places: vec![BTreeMap::new(); count],
        sources: vec![BTreeMap::new(); count],
        maps: vec![BTreeMap::new(); count],
    }
}

/// Finds out where things come from.
fn probe(
    job: &Job<'_>,
    work: &Work,
    states: &mut [State],
    renderings: &[Rendering],
) -> Result<(), ChartError> {
    let mut marked = Marked::default();
    let chart = mark_chart(&work.chart, &mut marked);
    let disk = OnDisk::write(&chart, &[], false, false)?;
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
    let results = parallel(states.len() * 2, |index| {
        let state = &states[index / 2];
        if index % 2 == 1 && probes[index / 2].is_empty() {
            return Err(ChartError::Input(String::new()));
        }
        disk.render_values(job.helm, &state.variant, job.capabilities, &values[index])
    });
    let mut results = results.into_iter();
    for (index, state) in states.iter_mut().enumerate() {
        let (by_line, by_value) = (results.next(), results.next());
        if let Some(Ok(rendering)) = by_line {
            state.places = places_of(&marks[index], &state.documents, &rendering.documents);
        }
        if let Some(Ok(rendering)) = by_value {
            let partners = partners(&state.documents, &rendering.documents);
            for (document, partner) in partners.iter().enumerate() {
                let Some(partner) = partner.map(|p| &rendering.documents[p]) else {
                    continue;
                };
                state.sources[document] = probes[index].document(partner);
                state.maps[document] = maps_of(&probes[index], partner);
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
fn places_of(
    marked: &Marked,
    documents: &[Document],
    rendered: &[Document],
) -> Vec<BTreeMap<Vec<Step>, Place>> {
    partners(documents, rendered)
        .into_iter()
        .map(|partner| partner.map_or_else(BTreeMap::new, |p| marked.places(&rendered[p])))
        .collect()
}

fn partners(documents: &[Document], rendered: &[Document]) -> Vec<Option<usize>> {
    let list = |documents: &[Document]| -> Vec<(Identity, String)> {
        documents
            .iter()
            .map(|d| (d.identity(), d.source.clone()))
            .collect()
    };
    let (left, right) = (list(documents), list(rendered));
    let left: Vec<_> = left.iter().map(|(i, s)| (i.clone(), s.as_str())).collect();
    let right: Vec<_> = right.iter().map(|(i, s)| (i.clone(), s.as_str())).collect();
    pair(&left, &right)
}

fn maps_of(
    probe: &Probe,
    document: &Document,
) -> BTreeMap<Vec<Step>, BTreeSet<super::super::identify::Leaf>> {
    let mut found = BTreeMap::new();
    let mut stack: Vec<(Vec<Step>, &super::super::yaml::Tree)> = document
        .tree
        .iter()
        .map(|tree| (Vec::new(), tree))
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

/// Notes the paths at which two renderings of the same differ.
fn note_changes(
    first: &Rendering,
    second: &Rendering,
    ignored: &mut [BTreeSet<Vec<Step>>],
    counts: impl Fn(&Json, &Json) -> bool,
) {
    let nothing = BTreeSet::new();
    for (index, partner) in partners(&first.documents, &second.documents)
        .into_iter()
        .enumerate()
    {
        let Some(partner) = partner else { continue };
        for Difference { path, change } in compare(
            &first.documents[index].value,
            &second.documents[partner].value,
            &nothing,
        ) {
            if let Change::Replace { have, want } = &change
                && counts(have, want)
            {
                ignored[index].insert(path);
            }
        }
    }
}

/// Whether both are digests, which follow from other texts (`checksum/config`).
fn is_digest(a: &Json, b: &Json) -> bool {
    let digest = |value: &Json| {
        value.as_str().is_some_and(|text| {
            (32..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
        })
    };
    digest(a) && digest(b)
}

/// The law for a chart of rendered manifests.
pub(crate) fn check_flat(
    rendering: &Rendering,
    base: &Base,
    target: &Target,
) -> Result<(), ChartError> {
    let mut target = target.clone();
    for wanted in &mut target.wanted {
        // Templates have other names there.
        wanted.source.clear();
    }
    let mut rendering = rendering.clone();
    for document in &mut rendering.documents {
        document.source.clear();
    }
    let state = state(&rendering, base, &target);
    if open_in(&state) == 0 {
        Ok(())
    } else {
        Err(law_broken(&[state]))
    }
}

fn missing(state: &State) -> usize {
    let paired: BTreeSet<usize> = state.pairs.iter().flatten().copied().collect();
    let absent = state.wanted.len() - paired.len();
    let extra = state.pairs.iter().filter(|p| p.is_none()).count();
    absent * 3 + extra * 3
}

fn open_in(state: &State) -> usize {
    state.differences.iter().map(Vec::len).sum::<usize>() + missing(state)
}

fn count(states: &[State]) -> usize {
    states.iter().map(open_in).sum()
}

fn count_required(states: &[State]) -> usize {
    states
        .iter()
        .filter(|state| state.variant.required)
        .map(open_in)
        .sum()
}

/// What is open in a variant, in words.
pub(crate) fn open_paths(state: &State) -> Vec<String> {
    let mut open = Vec::new();
    for (document, differences) in state.documents.iter().zip(&state.differences) {
        for difference in differences {
            let mut line = format!(
                "{} ({})",
                describe(&document.identity(), &difference.path),
                document.source
            );
            let short = |value: &Json| value.to_string().chars().take(80).collect::<String>();
            match &difference.change {
                Change::Replace { have, want } => {
                    line.push_str(&format!(": {} instead of {}", short(have), short(want)));
                }
                Change::Remove { have } => line.push_str(&format!(": {} is left", short(have))),
                Change::Add { want } => line.push_str(&format!(": {} is missing", short(want))),
            }
            open.push(line);
        }
    }
    let paired: BTreeSet<usize> = state.pairs.iter().flatten().copied().collect();
    for (index, wanted) in state.wanted.iter().enumerate() {
        if !paired.contains(&index) {
            open.push(format!(
                "{}/{} is missing",
                wanted.identity.kind, wanted.identity.name
            ));
        }
    }
    for (document, pair) in state.documents.iter().zip(&state.pairs) {
        if pair.is_none() {
            let identity = document.identity();
            open.push(format!(
                "{}/{} ({}) is left",
                identity.kind, identity.name, document.source
            ));
        }
    }
    open
}

fn law_broken(states: &[State]) -> ChartError {
    let mut message = String::from(
        "the converted chart does not render what the rendered chart converts to, so it was not written:",
    );
    let mut lines = 0;
    for state in states.iter().filter(|state| state.variant.required) {
        for path in open_paths(state) {
            if lines < 10 {
                message.push_str(&format!("\n  with {}: {path}", state.variant.name));
            }
            lines += 1;
        }
    }
    if lines > 10 {
        message.push_str(&format!("\n  and {} more", lines - 10));
    }
    message.push_str("\nUse --flat for a chart of rendered manifests, or convert for one set of values at a time");
    ChartError::Law(message)
}

/// Makes the changes.
fn apply(work: &mut Work, ops: &[Op], states: &[State]) {
    let variants: Vec<Variant> = states.iter().map(|state| state.variant.clone()).collect();
    apply_for(work, ops, &variants);
}

fn apply_for(work: &mut Work, ops: &[Op], variants: &[Variant]) {
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
                let old = super::super::yaml::parse_tree(&values)
                    .ok()
                    .flatten()
                    .and_then(|tree| Some(tree.get(&path)?.text()?.to_owned()));
                let Some(old) = old else { continue };
                let (new, _) = lines::apply(&old, &edits);
                let edit = super::super::yaml::YamlEdit::Set(path, Json::from(new));
                if let Ok(text) = edit_yaml(&values, &[edit]) {
                    work.set_values_text(&file, text);
                }
            }
        }
    }
    for op in ops {
        match op {
            Op::Value(file, edit) => {
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

/// Helm's message with the user's own paths in the place of those of our copies.
pub(crate) fn renamed(
    error: ChartError,
    disk: &OnDisk,
    work: &Work,
    chart_name: &str,
) -> ChartError {
    let ChartError::Helm { message, .. } = error else {
        return error;
    };
    let mut message = message.replace(&disk.folder().display().to_string(), chart_name);
    for (path, file) in disk.values_files().iter().zip(&work.user) {
        message = message.replace(&path.display().to_string(), &file.name);
    }
    ChartError::Helm {
        command: format!("helm template {chart_name}"),
        message,
    }
}

/// Runs `count` tasks on as many threads as there are processors, in order of their numbers.
pub(crate) fn parallel<T: Send>(count: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let workers = std::thread::available_parallelism()
        .map_or(2, std::num::NonZero::get)
        .clamp(1, 8)
        .min(count.max(1));
    let next = Mutex::new(0_usize);
    let results: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let index = {
                        let mut next = next
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner);
                        let index = *next;
                        *next += 1;
                        index
                    };
                    if index >= count {
                        return;
                    }
                    let result = task(index);
                    results
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

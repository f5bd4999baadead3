//! From the rendering to the chart: change, render again, compare, until the law holds.
//!
//! The number of renderings is bounded: each round renders each variant at most three times (as it is, with marked
//! templates, with marked values), and there are at most [`ROUNDS`] rounds.

mod bases;
mod edits;
mod law;
mod origins;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::{Arc, OnceLock};

use super::super::chance;
use super::super::compare::compare;
use super::super::desk::{Desks, Form};
use super::super::helm::{Running, for_people};
use super::super::identify::{Marked, Places, mark_chart};
use super::super::input::ChartFiles;
use super::super::render::{Document, Doubled, Identity, pair};
use super::super::target::Target;
use super::super::work::{OnDisk, Rendering, Variant, Work};
use super::super::yaml::Step;
use super::super::{ChartError, Helm};
use super::flat::{self, Flattened};
use super::plan::{Attempts, Op, State, Twice, plan};
use super::single::flatten_objects;
use crate::parallel;
use crate::source::Node;

use edits::{apply, apply_for};
use law::{count, count_required, is_broken, law_broken};
use origins::{names, probe};

pub(crate) use bases::{Refused, Takes, bases, take};
pub(crate) use law::{check_flat, open_paths};
pub(crate) use origins::Answers;

/// Most rounds of changes.
const ROUNDS: usize = 7;

/// What all steps need.
pub(crate) struct Job<'j> {
    /// Helm.
    pub helm: &'j Helm,
    /// `--kube-version`, `--api-versions`
    pub capabilities: &'j [OsString],
    /// The folders that it is rendered in.
    pub desks: Desks,
    /// Name of the target, for new files.
    pub target: &'j str,
    /// How the user named the chart, for messages.
    pub chart_name: &'j str,
}

/// The original chart, and what its renderings are made of.
pub(crate) struct Surroundings<'s> {
    /// What stays the same.
    pub job: &'s Job<'s>,
    /// The original chart.
    pub original: &'s Work,
    /// Whether it can render something else each time.
    pub by_chance: bool,
    marks: OnceLock<(Marked, ChartFiles)>,
}

impl<'s> Surroundings<'s> {
    /// Of a chart.
    pub(crate) fn new(job: &'s Job<'s>, original: &'s Work) -> Self {
        Self {
            job,
            original,
            by_chance: chance::is_possible(&original.chart, &original.user),
            marks: OnceLock::new(),
        }
    }

    /// The marks of the original chart, and the chart with them.
    pub(crate) fn marks(&self) -> (&Marked, &ChartFiles) {
        let (marks, chart) = self.marks.get_or_init(|| mark_chart(&self.original.chart));
        (marks, chart)
    }

    /// Gives the marks back where nobody waits for that.
    pub(crate) fn free(self) {
        parallel::free(self.marks);
    }
}

/// A variant as the original chart renders it.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// The variant.
    pub variant: Variant,
    /// The rendering.
    pub rendering: Rendering,
    /// For each document, paths that differ at each rendering, or follow from the text of other templates.
    pub ignored: Vec<BTreeSet<Vec<Step>>>,
    /// The documents for the conversion.
    pub nodes: Vec<Arc<Node>>,
    /// What the chart with marks renders, where helm renders it.
    pub marked: Option<Arc<Vec<Document>>>,
    /// For each document, the lines that its keys come from, as far as those marks tell.
    pub places: Vec<Arc<Places>>,
}

/// What became of the chart.
#[derive(Debug)]
pub(crate) struct Solution {
    /// The chart and values files.
    pub work: Work,
    /// What had to become text.
    pub flattened: Vec<Flattened>,
    /// What optional variants still lack: variant, object and path.
    pub open: Vec<(String, String)>,
    /// Keys that stand twice still, since values decide whether they do: object and path.
    pub doubled: BTreeSet<String>,
    /// Schemas that had to allow a converted value.
    pub schemas: Vec<String>,
    /// A lint of this very chart that has begun already.
    pub lint: Option<Running>,
}

/// Changes the chart until it renders what it shall.
pub(crate) fn solve(
    around: &Surroundings<'_>,
    bases: &[Base],
    targets: &[Target],
    early: &Answers,
) -> Result<Solution, ChartError> {
    let (job, original) = (around.job, around.original);
    let mut work = original.clone();
    let mut attempts = Attempts::default();
    let mut best: Option<(usize, Work)> = None;
    let mut schemas = BTreeSet::new();
    let mut last = Round::default();
    let mut states;
    let mut lint = None;
    let mut round = 0;
    loop {
        let unchanged = best.is_none();
        // Most charts are as they shall be after the first changes, and linting takes as long as all else together.
        let linted = (round == 1).then(|| begin_lint(job, &work)).transpose()?;
        let (next, disk) = look(job, &work, bases, targets, unchanged)?;
        states = next;
        let open = count(&states);
        if open == 0 {
            lint = linted;
            break;
        }
        drop(linted);
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
        if round >= ROUNDS {
            break;
        }
        let seen = unchanged.then_some(((around.marks(), bases), early));
        probe(job, &work, &mut states, &disk, seen)?;
        // Where nothing can be done in one way, the next one is tried with what was seen. Differences that were tried
        // too often have no step left.
        let ops = loop {
            let ops = plan(&work, &states, &mut attempts, job.target);
            if !ops.is_empty() || round > 4 || attempts.values().all(|n| *n > 5) {
                break ops;
            }
            round += 1;
        };
        if ops.is_empty() {
            break;
        }
        let all: Vec<Op> = ops.iter().map(|(_, op)| op.clone()).collect();
        apply(&mut work, &all, &states);
        last = Round {
            ops,
            variants: states.iter().map(|s| s.variant.clone()).collect(),
        };
        schemas.extend(super::widen::widen_schemas(original, &mut work));
        round += 1;
    }
    let mut flattened = Vec::new();
    if count_required(&states) > 0 {
        // First the objects alone, so that what else their templates render stays alive.
        let (mut here, disk) = look(job, &work, bases, targets, false)?;
        probe(job, &work, &mut here, &disk, None)?;
        let mut tried = work.clone();
        let objects = flatten_objects(job.target, &mut tried, &here);
        if !objects.is_empty() {
            let (after, _) = look(job, &tried, bases, targets, false)?;
            if count_required(&after) < count_required(&states) {
                (work, states, flattened) = (tried, after, objects);
            }
        }
    }
    if is_broken(&states) {
        flattened.extend(flat::flatten_open(job, &mut work, original, &states));
        (states, _) = look(job, &work, bases, targets, false)?;
        if is_broken(&states) {
            return Err(law_broken(&states));
        }
    }
    let doubled = states
        .iter()
        .filter(|state| state.variant.required)
        .flat_map(law::doubled_paths)
        .collect();
    let open = open_of(&states);
    Ok(Solution {
        work,
        flattened,
        open,
        doubled,
        schemas: schemas.into_iter().collect(),
        lint,
    })
}

/// Begins to lint a chart.
pub(crate) fn begin_lint(job: &Job<'_>, work: &Work) -> Result<Running, ChartError> {
    let (chart, user) = (&work.chart, &work.user);
    job.desks
        .with(Form::Plain, chart, user, |disk| job.helm.lint(disk.chart()))
}

/// What helm complains about; nothing when it is content.
pub(crate) fn end_lint(
    job: &Job<'_>,
    work: &Work,
    lint: Running,
) -> Result<Option<String>, ChartError> {
    let Err(error) = lint.end() else {
        return Ok(None);
    };
    let (chart, user) = (&work.chart, &work.user);
    let renamed = |disk: &OnDisk| Ok(renamed(error, disk, work, job.chart_name));
    match job.desks.with(Form::Plain, chart, user, renamed)? {
        ChartError::Helm { message, .. } => Ok(Some(message)),
        _ => Ok(None),
    }
}

/// What variants lack that were not solved for.
pub(crate) fn open_in(
    job: &Job<'_>,
    work: &Work,
    bases: &[Base],
    targets: &[Target],
) -> Result<Vec<(String, String)>, ChartError> {
    let (states, _) = look(job, work, bases, targets, false)?;
    Ok(open_of(&states))
}

/// What optional variants lack.
fn open_of(states: &[State]) -> Vec<(String, String)> {
    let optional = states.iter().filter(|state| !state.variant.required);
    let lines = optional.flat_map(|state| {
        let paths = open_paths(state).into_iter();
        paths.map(|path| (state.variant.name.clone(), path))
    });
    lines.collect()
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
        super::widen::widen_schemas(kept, &mut tried);
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
        let results = job
            .desks
            .with(Form::Plain, &work.chart, &work.user, |disk| {
                Ok(parallel::tasks(bases.len(), |index| {
                    disk.render(job.helm, &bases[index].variant, job.capabilities)
                }))
            })?;
        let mut renderings = Vec::new();
        for (result, base) in results.into_iter().zip(bases) {
            match result {
                Ok(rendering) => renderings.push(rendering),
                // A change that broke the template: nothing is as it shall be.
                Err(ChartError::Helm { .. }) => renderings.push(Rendering {
                    documents: Arc::default(),
                    text: String::new(),
                    values: base.rendering.values.clone(),
                }),
                Err(error) => return Err(error),
            }
        }
        renderings
    };
    let states = parallel::tasks(bases.len(), |index| {
        state(&renderings[index], &bases[index], &targets[index])
    });
    Ok((states, renderings))
}

fn state(rendering: &Rendering, base: &Base, target: &Target) -> State {
    let right: Vec<(&Identity, &str)> = target
        .wanted
        .iter()
        .map(|w| (&w.identity, w.source.as_str()))
        .collect();
    let pairs = pair(&names(&rendering.documents), &right);
    paired(rendering, base, target, pairs)
}

/// The state where it is known which document shall become what.
fn paired(rendering: &Rendering, base: &Base, target: &Target, pairs: Vec<Option<usize>>) -> State {
    let documents = Arc::clone(&rendering.documents);
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
                if Arc::ptr_eq(&document.value, &wanted.value) {
                    return Vec::new();
                }
                compare(&document.value, &wanted.value, ignored)
            }
            None => Vec::new(),
        })
        .collect();
    let count = documents.len();
    let doubled = documents
        .iter()
        .zip(&pairs)
        .map(|(document, pair)| match pair {
            Some(_) => document.doubled(),
            None => &[],
        })
        .map(|keys| {
            let twice = |key: &Doubled| Twice {
                path: key.path.clone(),
                place: None,
            };
            keys.iter().map(twice).collect()
        })
        .collect();
    State {
        variant: base.variant.clone(),
        documents,
        wanted: Arc::clone(&target.wanted),
        pairs,
        differences,
        doubled,
        places: vec![Arc::default(); count],
        sources: vec![BTreeMap::new(); count],
        maps: vec![BTreeMap::new(); count],
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
    let mut message = message.replace(&disk.chart().display().to_string(), chart_name);
    for (path, file) in disk.values_files().iter().zip(&work.user) {
        message = message.replace(&path.display().to_string(), &file.name);
    }
    let message = for_people(&message);
    ChartError::Helm {
        command: format!("helm template {chart_name}"),
        message,
    }
}

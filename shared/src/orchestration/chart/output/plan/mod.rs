//! What to change so that the chart renders what it shall: one step of many, each checked by rendering.

mod add;
pub(crate) mod condition;
mod facts;
pub(crate) mod hoist;
mod instances;
mod objects;
mod origin;
mod remove;
mod rename;
mod replace;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use serde_json::Value as Json;

use crate::orchestration::chart::compare::{Change, Difference};
use crate::orchestration::chart::helm::RELEASE;
use crate::orchestration::chart::identify::{Leaf, Place, Places, Source, TextRef};
use crate::orchestration::chart::output::lines::{LineEdit, balance, text_of, unfolded};
use crate::orchestration::chart::render::{Document, Identity};
use crate::orchestration::chart::target::Wanted;
use crate::orchestration::chart::work::{ValuesRef, Variant, Work};
use crate::orchestration::chart::yaml::{Step, YamlEdit};
use crate::parallel;
use condition::Literal;
use facts::{Facts, User};

/// One variant as it is now, beside what it shall be.
#[derive(Debug)]
pub(crate) struct State {
    /// The variant.
    pub variant: Variant,
    /// What it renders now.
    pub documents: Arc<Vec<Document>>,
    /// What it shall render.
    pub wanted: Arc<Vec<Wanted>>,
    /// For each document, the index of what it shall be.
    pub pairs: Vec<Option<usize>>,
    /// For each document, the differences.
    pub differences: Vec<Vec<Difference>>,
    /// For each document, the keys that stand more than once.
    pub doubled: Vec<Vec<Twice>>,
    /// For each document, the lines that its keys come from.
    pub places: Vec<Arc<Places>>,
    /// For each document, the values that its scalars come from.
    pub sources: Vec<BTreeMap<Vec<Step>, Vec<Source>>>,
    /// For each document, the maps of values that fill its mappings of annotations.
    pub maps: Vec<BTreeMap<Vec<Step>, BTreeSet<Leaf>>>,
}

/// A key that stands more than once, and the line that writes it where it does not count.
#[derive(Debug, Clone)]
pub(crate) struct Twice {
    /// Where.
    pub path: Vec<Step>,
    /// The line; nothing before it was looked for, or if no line has it.
    pub place: Option<Place>,
}

/// One change to the chart or to a values file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// A value.
    Value(ValuesRef, YamlEdit),
    /// Lines of a template, or of a value with several lines.
    Lines(Arc<TextRef>, LineEdit),
    /// A word of a condition.
    Literal(Literal),
    /// A new file.
    NewFile(String, String),
    /// A file goes.
    RemoveFile(String),
}

/// A difference, by object and path.
type Tried = (Identity, Vec<Step>);

/// How often each difference was tried already.
pub(crate) type Attempts = HashMap<Tried, usize, RandomState>;

/// So many documents are worth a task of their own.
const DOCUMENTS_AT_ONCE: usize = 128;

/// A question of [`Planner::value_fits`]: the variant, the value, what it would become, and in which file.
type Fit = (usize, Leaf, String, ValuesRef);

/// What is planned for some documents of a variant, or for its objects as a whole. Nothing in it depends on what is planned
/// for others.
struct Planner<'p> {
    /// What the changes follow from.
    facts: &'p Facts<'p>,
    /// What was asked of [`Planner::attempt`].
    asked: HashSet<Tried, RandomState>,
    /// What [`Planner::value_fits`] found for a value that feeds many objects, each of which asks.
    fits: RefCell<BTreeMap<Fit, bool>>,
    ops: Ops,
    /// The template that is looked at.
    source: String,
}

impl<'p> std::ops::Deref for Planner<'p> {
    type Target = Facts<'p>;

    fn deref(&self) -> &Facts<'p> {
        self.facts
    }
}

/// Changes, each with the template that it is for, and each of them once.
#[derive(Default)]
struct Ops {
    list: Vec<(String, Op)>,
    /// Which of them are for a template.
    of: HashMap<String, Vec<usize>, RandomState>,
}

impl Ops {
    fn push(&mut self, source: &str, op: Op) {
        let known = self.of.entry_ref(source).or_default();
        if !known.iter().any(|index| self.list[*index].1 == op) {
            known.push(self.list.len());
            self.list.push((source.to_owned(), op));
        }
    }
}

/// The changes of one round, each with the template that it is for. What was tried is noted in `attempts`.
pub(crate) fn plan(
    work: &Work,
    states: &[State],
    attempts: &mut Attempts,
    target: &str,
) -> Vec<(String, Op)> {
    let facts = Facts::new(work, states, attempts, target);
    let mut tasks: Vec<(usize, Option<Range<usize>>)> = Vec::new();
    for (index, state) in states.iter().enumerate() {
        let count = state.documents.len();
        let begins = (0..count).step_by(DOCUMENTS_AT_ONCE);
        let parts = begins.map(|begin| begin..count.min(begin + DOCUMENTS_AT_ONCE));
        tasks.extend(parts.map(|part| (index, Some(part))));
        tasks.push((index, None));
    }
    let planned = parallel::tasks(tasks.len(), |index| {
        let (state, documents) = tasks[index].clone();
        Planner::planned(&facts, state, documents)
    });
    drop(facts);
    let mut ops = Ops::default();
    let mut asked: HashSet<Tried, RandomState> = HashSet::default();
    for (planned, here) in planned {
        for (source, op) in planned.list {
            ops.push(&source, op);
        }
        asked.extend(here);
    }
    for key in asked {
        *attempts.entry(key).or_default() += 1;
    }
    ops.list
}

impl<'p> Planner<'p> {
    /// The changes for some documents of a variant, or for its objects as a whole, and what was tried.
    fn planned(
        facts: &'p Facts<'p>,
        state: usize,
        documents: Option<Range<usize>>,
    ) -> (Ops, HashSet<Tried, RandomState>) {
        let mut planner = Self {
            facts,
            asked: HashSet::default(),
            fits: RefCell::default(),
            ops: Ops::default(),
            source: String::new(),
        };
        match documents {
            Some(documents) => documents.for_each(|document| planner.document(state, document)),
            None => planner.objects(state),
        }
        (planner.ops, planner.asked)
    }

    /// Counts one more round in which something was tried, and says how many there were before.
    pub(super) fn attempt(&mut self, identity: &Identity, path: &[Step]) -> usize {
        let key = (identity.clone(), path.to_vec());
        let level = self.attempts.get(&key).copied().unwrap_or(0);
        self.asked.insert(key);
        level
    }

    /// How often something was tried before this round.
    pub(super) fn tried(&self, identity: &Identity, path: &[Step]) -> usize {
        let key = (identity.clone(), path.to_vec());
        self.attempts.get(&key).copied().unwrap_or(0)
    }

    pub(super) fn push(&mut self, op: Op) {
        self.ops.push(&self.source, op);
    }

    pub(super) fn document(&mut self, state: usize, document: usize) {
        let here = &self.states[state];
        let Some(wanted) = here.pairs[document] else {
            return;
        };
        let identity = here.documents[document].identity();
        self.source.clone_from(&here.documents[document].source);
        let differences = &here.differences[document];
        let mut done: BTreeSet<&[Step]> = BTreeSet::new();
        // A key that comes from one that goes takes its place.
        for difference in differences {
            let Change::Add { want } = &difference.change else {
                continue;
            };
            let Some((Step::Key(key), parent)) = difference.path.split_last() else {
                continue;
            };
            let origins = here.wanted[wanted].from.get(&difference.path);
            let gone: Vec<(&Difference, &Json)> = differences
                .iter()
                .filter_map(|other| match &other.change {
                    Change::Remove { have }
                        if other.path.len() == difference.path.len()
                            && other.path.starts_with(parent)
                            && !done.contains(other.path.as_slice())
                            && origins.is_some_and(|o| o.contains(&other.path)) =>
                    {
                        Some((other, have))
                    }
                    _ => None,
                })
                .collect();
            // Of several, the one with the very value.
            let best = gone
                .iter()
                .find(|(_, have)| text_of(have).is_some() && text_of(have) == text_of(want))
                .or_else(|| gone.first());
            if let Some((other, have)) = best
                && self.tried(identity, &difference.path) < 2
                && self.rename(state, document, &other.path, have, key, want)
            {
                self.attempt(identity, &difference.path);
                self.attempt(identity, &other.path);
                done.insert(&other.path);
                done.insert(&difference.path);
            }
        }
        for twice in &here.doubled[document] {
            self.once(state, twice);
        }
        for difference in differences {
            if done.contains(difference.path.as_slice()) || self.unfold(state, document, difference)
            {
                continue;
            }
            let level = self.attempt(identity, &difference.path);
            match &difference.change {
                Change::Replace { have, want } => {
                    self.replace(state, document, &difference.path, have, want, level);
                }
                Change::Remove { .. } => self.remove(state, document, &difference.path, level),
                Change::Add { want } => {
                    let near: Vec<Vec<Step>> = here.wanted[wanted]
                        .from
                        .get(&difference.path)
                        .cloned()
                        .unwrap_or_default();
                    self.add(state, document, &difference.path, want, &near, level);
                }
            }
        }
    }

    /// Gives each key of a mapping in braces a line of its own, where one has to come or go.
    fn unfold(&mut self, state: usize, document: usize, difference: &Difference) -> bool {
        let path = &difference.path;
        if matches!(difference.change, Change::Replace { .. })
            || self.place(state, document, path).is_some()
        {
            return false;
        }
        let near = (1..path.len())
            .rev()
            .find_map(|depth| self.place(state, document, &path[..depth]));
        let Some(place) = near.cloned() else {
            return false;
        };
        let text = self.text(state, &place).unwrap_or_default();
        let line = text.split_inclusive('\n').nth(place.line);
        let Some(new) = line.and_then(unfolded) else {
            return false;
        };
        self.lines(&place, place.line..place.line + 1, new);
        true
    }

    pub(super) fn lines(&mut self, place: &Place, range: Range<usize>, new: String) {
        self.push(Op::Lines(
            Arc::clone(&place.text),
            LineEdit {
                start: range.start,
                end: range.end,
                new,
            },
        ));
    }

    /// All that comes from a line: variant, document and path.
    pub(super) fn users_of(&self, place: &Place) -> impl Iterator<Item = User<'p>> {
        self.facts.lines.of(place)
    }
}

/// The value with one name for the release, whichever it was rendered with.
pub(crate) fn neutral(value: &Json, release: &str) -> Json {
    match value {
        Json::String(text) => Json::from(text.replace(release, RELEASE)),
        Json::Array(items) => items.iter().map(|item| neutral(item, release)).collect(),
        Json::Object(map) => map
            .iter()
            .map(|(key, inner)| (key.clone(), neutral(inner, release)))
            .collect(),
        other => other.clone(),
    }
}

/// Whether two values are the same but for the name of the release that each of them was rendered with.
pub(crate) fn alike(a: (&Json, &str), b: (&Json, &str)) -> bool {
    let ((one, first), (other, second)) = (a, b);
    match (one, other) {
        (Json::String(x), Json::String(y)) => {
            let plain = !x.contains(first) && !y.contains(second);
            (plain && x == y) || (!plain && x.replace(first, RELEASE) == y.replace(second, RELEASE))
        }
        (Json::Array(x), Json::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| alike((x, first), (y, second)))
        }
        (Json::Object(x), Json::Object(y)) => {
            let same = |(key, x): (&String, &Json)| {
                y.get(key).is_some_and(|y| alike((x, first), (y, second)))
            };
            x.len() == y.len() && x.iter().all(same)
        }
        _ => one == other,
    }
}

/// How many scalars a value has.
pub(super) fn scalars(value: &Json) -> usize {
    match value {
        Json::Object(map) => map.values().map(scalars).sum(),
        Json::Array(items) => items.iter().map(scalars).sum(),
        _ => 1,
    }
}

/// The value at a path.
pub(crate) fn at<'v>(value: &'v Json, path: &[Step]) -> Option<&'v Json> {
    path.iter().try_fold(value, |at, step| match step {
        Step::Key(key) => at.get(key),
        Step::Index(index) => at.get(index),
    })
}

/// Whether lines open as many actions as they close.
pub(crate) fn balanced(lines: &[&str]) -> bool {
    let mut depth = 0;
    for line in lines {
        depth += balance(line);
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// A file name for an object.
pub(crate) fn file_name(identity: &Identity, release: &str) -> String {
    let name: String = identity
        .name
        .replace(release, "release")
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!(
        "{}-{}",
        identity.kind.to_ascii_lowercase(),
        name.trim_matches('-')
    )
}

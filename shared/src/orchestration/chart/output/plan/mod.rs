//! What to change so that the chart renders what it shall: one step of many, each checked by rendering.

mod add;
pub(crate) mod condition;
pub(crate) mod hoist;
mod instances;
mod objects;
mod origin;
mod remove;
mod rename;
mod replace;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde_json::Value as Json;

use crate::orchestration::chart::compare::{Change, Difference};
use crate::orchestration::chart::helm::RELEASE;
use crate::orchestration::chart::identify::{Leaf, Place, Places, Source, TextRef};
use crate::orchestration::chart::output::lines::{LineEdit, balance, text_of, unfolded};
use crate::orchestration::chart::render::{Document, Identity};
use crate::orchestration::chart::target::Wanted;
use crate::orchestration::chart::work::{ValuesRef, Variant, Work};
use crate::orchestration::chart::yaml::{Step, YamlEdit};
use condition::Literal;

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
    Lines(TextRef, LineEdit),
    /// A word of a condition.
    Literal(Literal),
    /// A new file.
    NewFile(String, String),
    /// A file goes.
    RemoveFile(String),
}

/// How often a difference was tried already, by object and path.
pub(crate) type Attempts = BTreeMap<(Identity, Vec<Step>), usize>;

/// What comes from a place or a value: variant, document and path.
pub(super) type User<'p> = (usize, usize, &'p [Step]);

/// For each place or value, what comes from it.
type Users<'p, Of> = HashMap<&'p Of, Vec<User<'p>>, RandomState>;

/// A question of [`Planner::value_fits`]: the variant, the value, what it would become, and in which file.
type Fit = (usize, Leaf, String, ValuesRef);

/// All that the planner looks at.
pub(crate) struct Planner<'p> {
    /// The chart as it is now.
    pub work: &'p Work,
    /// The variants.
    pub states: &'p [State],
    /// How often each difference was tried.
    pub attempts: &'p mut Attempts,
    /// Name of the target, for new files.
    pub target: &'p str,
    asking: Vec<condition::Asking<'p>>,
    users: Users<'p, Place>,
    leaves: Users<'p, Leaf>,
    /// What was asked of [`Planner::attempt`] in this round: the same for all variants.
    levels: Attempts,
    /// What [`Planner::value_fits`] found for a value that feeds many objects, each of which asks.
    fits: RefCell<BTreeMap<Fit, bool>>,
    /// The changes, each with the template that it is for.
    ops: Vec<(String, Op)>,
    /// The template that is looked at.
    source: String,
}

impl<'p> Planner<'p> {
    /// A planner for one round.
    pub(crate) fn new(
        work: &'p Work,
        states: &'p [State],
        attempts: &'p mut Attempts,
        target: &'p str,
    ) -> Self {
        let mut users: Users<'_, Place> = HashMap::default();
        let mut leaves: Users<'_, Leaf> = HashMap::default();
        for (state_index, state) in states.iter().enumerate() {
            for (document, places) in state.places.iter().enumerate() {
                for (path, place) in places.iter() {
                    users
                        .entry(place)
                        .or_default()
                        .push((state_index, document, path));
                }
            }
            for (document, sources) in state.sources.iter().enumerate() {
                for (path, parts) in sources {
                    for part in parts {
                        if let Source::Value(leaf) = part {
                            leaves
                                .entry(leaf)
                                .or_default()
                                .push((state_index, document, path));
                        }
                    }
                }
            }
        }
        Self {
            work,
            states,
            attempts,
            target,
            asking: condition::asking(&work.chart),
            users,
            leaves,
            levels: Attempts::new(),
            fits: RefCell::default(),
            ops: Vec::new(),
            source: String::new(),
        }
    }

    /// The changes of this round.
    pub(crate) fn plan(mut self) -> Vec<(String, Op)> {
        for state in 0..self.states.len() {
            for document in 0..self.states[state].documents.len() {
                self.document(state, document);
            }
            self.objects(state);
        }
        self.ops
    }

    /// Counts one more round in which something was tried, and says how many there were before.
    pub(super) fn attempt(&mut self, identity: &Identity, path: &[Step]) -> usize {
        let key = (identity.clone(), path.to_vec());
        if let Some(level) = self.levels.get(&key) {
            return *level;
        }
        let count = self.attempts.entry(key.clone()).or_default();
        let level = *count;
        *count += 1;
        self.levels.insert(key, level);
        level
    }

    /// How often something was tried before this round.
    pub(super) fn tried(&self, identity: &Identity, path: &[Step]) -> usize {
        let key = (identity.clone(), path.to_vec());
        self.levels
            .get(&key)
            .or_else(|| self.attempts.get(&key))
            .copied()
            .unwrap_or(0)
    }

    pub(super) fn push(&mut self, op: Op) {
        let op = (self.source.clone(), op);
        if !self.ops.contains(&op) {
            self.ops.push(op);
        }
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

    pub(super) fn lines(&mut self, place: &Place, range: std::ops::Range<usize>, new: String) {
        self.push(Op::Lines(
            place.text.clone(),
            LineEdit {
                start: range.start,
                end: range.end,
                new,
            },
        ));
    }

    /// All that comes from a line: variant, document and path.
    pub(super) fn users_of(&self, place: &Place) -> Vec<User<'p>> {
        self.users.get(place).cloned().unwrap_or_default()
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

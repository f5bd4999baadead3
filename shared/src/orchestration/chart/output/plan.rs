//! What to change so that the chart renders what it shall: one step of many, each checked by rendering.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::super::compare::{Change, Difference};
use super::super::helm::{NAMESPACE, RELEASE};
use super::super::identify::{Leaf, Place, Source, TextRef};
use super::super::render::{Document, Identity};
use super::super::target::Wanted;
use super::super::work::{ValuesRef, Variant, Work};
use super::super::yaml::{Step, YamlEdit};
use super::lines::{
    Line, LineEdit, balance, block, entry_lines, from_root, item_block, text_of, with_filter,
    with_key, with_quotes, with_value,
};

/// One variant as it is now, beside what it shall be.
#[derive(Debug)]
pub(crate) struct State {
    /// The variant.
    pub variant: Variant,
    /// What it renders now.
    pub documents: Vec<Document>,
    /// What it shall render.
    pub wanted: Vec<Wanted>,
    /// For each document, the index of what it shall be.
    pub pairs: Vec<Option<usize>>,
    /// For each document, the differences.
    pub differences: Vec<Vec<Difference>>,
    /// For each document, the lines that its keys come from.
    pub places: Vec<BTreeMap<Vec<Step>, Place>>,
    /// For each document, the values that its scalars come from.
    pub sources: Vec<BTreeMap<Vec<Step>, Vec<Source>>>,
    /// For each document, the maps of values that fill its mappings of annotations.
    pub maps: Vec<BTreeMap<Vec<Step>, BTreeSet<Leaf>>>,
}

/// One change to the chart or to a values file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// A value.
    Value(ValuesRef, YamlEdit),
    /// Lines of a template, or of a value with several lines.
    Lines(TextRef, LineEdit),
    /// A new file.
    NewFile(String, String),
    /// A file goes.
    RemoveFile(String),
}

/// How often a difference was tried already, by object and path.
pub(crate) type Attempts = BTreeMap<(Identity, Vec<Step>), usize>;

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
    users: BTreeMap<&'p Place, Vec<(usize, usize, &'p [Step])>>,
    leaves: BTreeMap<&'p Leaf, Vec<(usize, usize, &'p [Step])>>,
    /// What was asked of [`Planner::attempt`] in this round: the same for all variants.
    levels: Attempts,
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
        let mut users: BTreeMap<&Place, Vec<(usize, usize, &[Step])>> = BTreeMap::new();
        let mut leaves: BTreeMap<&Leaf, Vec<(usize, usize, &[Step])>> = BTreeMap::new();
        for (state_index, state) in states.iter().enumerate() {
            for (document, places) in state.places.iter().enumerate() {
                for (path, place) in places {
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
            users,
            leaves,
            levels: Attempts::new(),
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
    fn attempt(&mut self, identity: &Identity, path: &[Step]) -> usize {
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
    fn tried(&self, identity: &Identity, path: &[Step]) -> usize {
        let key = (identity.clone(), path.to_vec());
        self.levels
            .get(&key)
            .or_else(|| self.attempts.get(&key))
            .copied()
            .unwrap_or(0)
    }

    fn push(&mut self, op: Op) {
        let op = (self.source.clone(), op);
        if !self.ops.contains(&op) {
            self.ops.push(op);
        }
    }

    fn document(&mut self, state: usize, document: usize) {
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
                && self.tried(&identity, &difference.path) < 2
                && self.rename(state, document, &other.path, have, key, want)
            {
                self.attempt(&identity, &difference.path);
                self.attempt(&identity, &other.path);
                done.insert(&other.path);
                done.insert(&difference.path);
            }
        }
        for difference in differences {
            if done.contains(difference.path.as_slice()) {
                continue;
            }
            let level = self.attempt(&identity, &difference.path);
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

    // ---- what things mean elsewhere -------------------------------------------------------------------------------

    /// What a path of a document shall be; `None` if the document is paired with nothing.
    pub(super) fn wanted(
        &self,
        state: usize,
        document: usize,
        path: &[Step],
    ) -> Option<Option<&'p Json>> {
        let here = &self.states[state];
        let wanted = &here.wanted[here.pairs[document]?];
        Some(at(&wanted.value, path))
    }

    /// What a path of a document is now.
    pub(super) fn now(&self, state: usize, document: usize, path: &[Step]) -> Option<&'p Json> {
        at(&self.states[state].documents[document].value, path)
    }

    /// Whether two variants want the same, apart from the name of the release.
    fn same(&self, here: usize, want: &Json, other: usize, value: &Json) -> bool {
        want == value
            || (here != other
                && neutral(want, &self.states[here].variant.release)
                    == neutral(value, &self.states[other].variant.release))
    }

    /// Whether a text follows from the name of the release, which no value can hold.
    pub(super) fn holds_release(&self, state: usize, value: &Json) -> bool {
        value
            .to_string()
            .contains(self.states[state].variant.release.as_str())
    }

    /// Whether everything that a value feeds shall be `text`, or is gone then.
    fn value_fits(&self, state: usize, leaf: &Leaf, text: &str, file: &ValuesRef) -> bool {
        self.leaves
            .get(leaf)
            .into_iter()
            .flatten()
            .all(|(other, document, path)| {
                if *other != state
                    && self
                        .work
                        .definer(&self.states[*other].variant, leaf)
                        .is_none_or(|(f, _)| f != *file)
                {
                    return true;
                }
                match self.wanted(*other, *document, path) {
                    None | Some(None) => true,
                    Some(Some(want)) => {
                        let parts = &self.states[*other].sources[*document][*path];
                        match (text_of(want), parts.as_slice()) {
                            (Some(want), [Source::Value(_)]) => want == text,
                            (Some(want), parts) => self
                                .new_value(*other, parts, leaf, &want)
                                .is_some_and(|new| new == text),
                            _ => false,
                        }
                    }
                }
            })
    }

    /// What a value has to be so that a text of several parts becomes what is wanted; the other parts stay.
    fn new_value(&self, state: usize, parts: &[Source], leaf: &Leaf, want: &str) -> Option<String> {
        let mut before = String::new();
        let mut after = String::new();
        let mut seen = false;
        for part in parts {
            match part {
                Source::Value(other) if other == leaf && !seen => seen = true,
                Source::Value(other) => {
                    let text = self.value_text(state, other)?;
                    if seen { &mut after } else { &mut before }.push_str(&text);
                }
                Source::Text(text) => if seen { &mut after } else { &mut before }.push_str(text),
            }
        }
        let rest = want.strip_prefix(before.as_str())?;
        rest.strip_suffix(after.as_str()).map(str::to_owned)
    }

    /// The text of a value as it is now.
    fn value_text(&self, state: usize, leaf: &Leaf) -> Option<String> {
        let (file, path) = self.work.definer(&self.states[state].variant, leaf)?;
        let text = self.work.values_text(&file)?;
        let tree = super::super::yaml::parse_tree(&text).ok()??;
        text_of(&tree.get(&path)?.to_json())
    }

    /// Whether all that comes from a line passes a test; documents that shall not be there do not count.
    fn line_fits(
        &self,
        place: &Place,
        test: impl Fn(&Self, usize, usize, &'p [Step]) -> bool,
    ) -> bool {
        self.users
            .get(place)
            .into_iter()
            .flatten()
            .all(|(state, document, path)| {
                self.states[*state].pairs[*document].is_none()
                    || test(self, *state, *document, path)
            })
    }

    pub(super) fn place(&self, state: usize, document: usize, path: &[Step]) -> Option<&'p Place> {
        self.states[state].places[document].get(path)
    }

    /// The lines of the text of a place.
    pub(super) fn text(&self, state: usize, place: &Place) -> Option<String> {
        self.work.text(&place.text, &self.states[state].variant)
    }

    /// The path in the values that a part of a document comes from whole.
    fn value_path(&self, state: usize, document: usize, path: &[Step]) -> Option<Leaf> {
        let sources = &self.states[state].sources[document];
        let mut found: Option<Leaf> = None;
        for (below, parts) in sources.range(path.to_vec()..) {
            if !below.starts_with(path) {
                break;
            }
            let [Source::Value(leaf)] = parts.as_slice() else {
                return None;
            };
            let relative = &below[path.len()..];
            let whole = leaf.strip_suffix(relative)?;
            if found
                .as_ref()
                .is_some_and(|other| other.as_slice() != whole)
            {
                return None;
            }
            found = Some(whole.to_vec());
        }
        found
    }

    /// The values path of a key or item that comes from the values with its name: `service.annotations["a/b"]`.
    fn value_entry(&self, state: usize, document: usize, path: &[Step]) -> Option<Leaf> {
        // A key that is written in a template stands there, and not in the values.
        if let (Some(place), Some(Step::Key(key))) =
            (self.place(state, document, path), path.last())
            && self
                .text(state, place)
                .and_then(|text| {
                    let line = text.split_inclusive('\n').nth(place.line)?.to_owned();
                    Line::of(&line).key_text().map(|written| written == key)
                })
                .unwrap_or(false)
        {
            return None;
        }
        if let Some(Step::Index(_)) = path.last()
            && let Some(item) = self.value_item(state, document, path)
        {
            return Some(item);
        }
        let leaf = self.value_path(state, document, path)?;
        let same = match (leaf.last(), path.last()) {
            (Some(Step::Key(a)), Some(Step::Key(b))) => a == b,
            (Some(Step::Index(_)), Some(Step::Index(_))) => true,
            _ => false,
        };
        same.then_some(leaf)
    }

    /// The item of a list of values that everything in an item of a document comes from.
    fn value_item(&self, state: usize, document: usize, path: &[Step]) -> Option<Leaf> {
        let mut found: Option<&[Step]> = None;
        for (below, parts) in self.states[state].sources[document].range(path.to_vec()..) {
            if !below.starts_with(path) {
                break;
            }
            for part in parts {
                let Source::Value(leaf) = part else { continue };
                let end = leaf
                    .iter()
                    .rposition(|step| matches!(step, Step::Index(_)))?;
                let item = &leaf[..=end];
                if found.is_some_and(|other| other != item) {
                    return None;
                }
                found = Some(item);
            }
        }
        found.map(<[Step]>::to_vec)
    }

    /// The map or list of values that a mapping or list of a document comes from, to the last of its scalars.
    fn value_whole(&self, state: usize, document: usize, path: &[Step]) -> Option<Leaf> {
        let now = self.now(state, document, path)?;
        if !now.is_object() && !now.is_array() {
            return None;
        }
        let known = self.states[state].sources[document]
            .range(path.to_vec()..)
            .take_while(|(below, _)| below.starts_with(path))
            .count();
        (known == scalars(now)).then_some(())?;
        self.value_path(state, document, path)
    }

    fn set_value(&mut self, state: usize, leaf: &[Step], value: Json) -> bool {
        let Some((file, path)) = self.work.definer(&self.states[state].variant, leaf) else {
            return false;
        };
        self.push(Op::Value(file, YamlEdit::Set(path, value)));
        true
    }

    // ---- changes ----------------------------------------------------------------------------------------------------

    fn replace(
        &mut self,
        state: usize,
        document: usize,
        path: &[Step],
        have: &Json,
        want: &Json,
        level: usize,
    ) {
        if level == 0 && self.replace_value(state, document, path, want) {
            return;
        }
        if level <= 1 && self.replace_text(state, document, path, have, want, level) {
            return;
        }
        if level <= 2 && self.replace_filter(state, document, path, have, want) {
            return;
        }
        if level <= 3 {
            self.replace_literal(have, want);
        }
    }

    fn replace_value(&mut self, state: usize, document: usize, path: &[Step], want: &Json) -> bool {
        let here = &self.states[state];
        let Some(parts) = here.sources[document].get(path) else {
            // A list or mapping that comes from the values whole.
            if let Some(leaf) = self
                .value_path(state, document, path)
                .filter(|_| want.is_array() || want.is_object())
            {
                return self.set_value(state, &leaf, want.clone());
            }
            return false;
        };
        let Some(want_text) = text_of(want) else {
            return false;
        };
        // A value cannot hold the name of the release.
        if want_text.contains(here.variant.release.as_str()) {
            return false;
        }
        for part in parts {
            let Source::Value(leaf) = part else { continue };
            let Some(text) = self.new_value(state, parts, leaf, &want_text) else {
                continue;
            };
            let Some((file, local)) = self.work.definer(&here.variant, leaf) else {
                continue;
            };
            if !self.value_fits(state, leaf, &text, &file) {
                continue;
            }
            let value = self.typed(state, leaf, want, &text, parts.len() == 1);
            self.push(Op::Value(file, YamlEdit::Set(local, value)));
            return true;
        }
        false
    }

    /// A text as a value of the type that the old value has, if it can be one.
    fn typed(&self, state: usize, leaf: &Leaf, want: &Json, text: &str, whole: bool) -> Json {
        let old = self
            .work
            .definer(&self.states[state].variant, leaf)
            .and_then(|(file, path)| {
                let tree =
                    super::super::yaml::parse_tree(&self.work.values_text(&file)?).ok()??;
                Some(tree.get(&path)?.to_json())
            });
        match old {
            Some(Json::Number(_)) => text
                .parse::<i64>()
                .map_or_else(|_| Json::from(text), Json::from),
            Some(Json::Bool(_)) if text == "true" || text == "false" => Json::Bool(text == "true"),
            Some(Json::String(_)) => Json::from(text),
            _ if whole => want.clone(),
            _ => Json::from(text),
        }
    }

    fn replace_text(
        &mut self,
        state: usize,
        document: usize,
        path: &[Step],
        have: &Json,
        want: &Json,
        level: usize,
    ) -> bool {
        let Some(place) = self.place(state, document, path) else {
            return self.replace_around(state, document, path, have, want);
        };
        if !self.line_fits(place, |p, s, d, other| {
            // The line of an item is that of its first key as well.
            other.len() != path.len()
                || (p.now(s, d, other).is_some()
                    && matches!(p.wanted(s, d, other), Some(Some(value)) if p.same(state, want, s, value)))
        }) {
            return false;
        }
        let Some(text) = self.text(state, place) else {
            return false;
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let Some(line) = lines.get(place.line) else {
            return false;
        };
        let release = self.states[state].variant.release.clone();
        let right = text_of(have).or_else(|| have.is_null().then(String::new));
        if right.is_some()
            && right == want.as_str().map(str::to_owned)
            && let Some(new) = with_quotes(line)
        {
            self.lines(place, place.line..place.line + 1, new);
            return true;
        }
        if let Some(new) = with_value(line, have, want, &release) {
            let new = self.named_like(state, document, &new);
            self.lines(place, place.line..place.line + 1, new);
            return true;
        }
        if level == 0
            && !have.is_object()
            && !have.is_array()
            && !line.contains("|\n")
            && Line::of(line).value.contains("{{")
        {
            return false;
        }
        // The whole block becomes text.
        let Some(Step::Key(key)) = path.last() else {
            return false;
        };
        let parts = Line::of(line);
        if parts.is_item() || parts.key_text() != Some(key) {
            return false;
        }
        let range = block(&lines, place.line);
        if !balanced(&lines[range.clone()]) {
            return false;
        }
        let new = self.named_like(
            state,
            document,
            &entry_lines(key, want, parts.column(), &release),
        );
        self.lines(place, range, new);
        true
    }

    /// A scalar without a line of its own, in a list in brackets for example: the nearest line above has it.
    fn replace_around(
        &mut self,
        state: usize,
        document: usize,
        path: &[Step],
        have: &Json,
        want: &Json,
    ) -> bool {
        let (Some(have), Some(want_text)) = (text_of(have), text_of(want)) else {
            return false;
        };
        let Some(place) = (0..path.len())
            .rev()
            .find_map(|depth| self.place(state, document, &path[..depth]))
        else {
            return false;
        };
        let Some(text) = self.text(state, place) else {
            return false;
        };
        let Some(line) = text.split_inclusive('\n').nth(place.line) else {
            return false;
        };
        match super::lines::replace_part(line, &have, &want_text) {
            Some(new) => {
                self.lines(place, place.line..place.line + 1, new);
                true
            }
            None => false,
        }
    }

    fn replace_filter(
        &mut self,
        state: usize,
        document: usize,
        path: &[Step],
        have: &Json,
        want: &Json,
    ) -> bool {
        let Some(place) = self.place(state, document, path) else {
            return false;
        };
        // Other values may come out of the same line: they must not be changed by the filter.
        if !self.line_fits(place, |p, s, d, other| match p.wanted(s, d, other) {
            Some(Some(wanted)) => p
                .now(s, d, other)
                .is_some_and(|now| (now == have) == (wanted == want)),
            _ => true,
        }) {
            return false;
        }
        let Some(text) = self.text(state, place) else {
            return false;
        };
        let Some(line) = text.split_inclusive('\n').nth(place.line) else {
            return false;
        };
        match with_filter(line, have, want, &self.names(state, document)) {
            Some(new) => {
                self.lines(place, place.line..place.line + 1, new);
                true
            }
            None => false,
        }
    }

    /// Last before giving up: the text stands in quotes in a named template, exactly once in the whole chart.
    fn replace_literal(&mut self, have: &Json, want: &Json) {
        let (Some(have), Some(want)) = (text_of(have), text_of(want)) else {
            return;
        };
        if have.len() < 4 || want.contains(['"', '\\', '{', '`']) {
            return;
        }
        let mut hits = Vec::new();
        for path in self.work.chart.files.keys() {
            if !super::super::identify::mark::is_template(path)
                || self.work.chart.archives.contains_key(path)
            {
                continue;
            }
            let text = self.work.chart.text(path).unwrap_or_default();
            for (number, line) in text.split_inclusive('\n').enumerate() {
                let quoted = format!("\"{have}\"");
                let new = if line.trim() == have {
                    line.replace(&have, &want)
                } else if line.contains("{{") && line.contains(&quoted) {
                    line.replace(&quoted, &format!("\"{want}\""))
                } else {
                    continue;
                };
                hits.push((path.clone(), number, new));
            }
        }
        if hits.len() > 4 {
            return;
        }
        for (path, line, new) in hits {
            let place = Place {
                text: TextRef::File(path),
                line,
            };
            self.lines(&place, line..line + 1, new);
        }
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

    /// A key gets another name, and its value stays alive.
    fn rename(
        &mut self,
        state: usize,
        document: usize,
        old: &[Step],
        have: &Json,
        key: &str,
        want: &Json,
    ) -> bool {
        let (Some(have_text), Some(want_text)) = (text_of(have), text_of(want)) else {
            return false;
        };
        if let Some(leaf) = self.value_entry(state, document, old) {
            if self.holds_release(state, want) {
                return false;
            }
            let Some((file, local)) = self.work.definer(&self.states[state].variant, &leaf) else {
                return false;
            };
            let archived =
                matches!(&file, ValuesRef::Chart(_)) && local != leaf[leaf.len() - local.len()..];
            if archived {
                return false;
            }
            self.push(Op::Value(
                file,
                YamlEdit::Rename(local, key.to_owned(), want.clone()),
            ));
            return true;
        }
        let Some(place) = self.place(state, document, old) else {
            return false;
        };
        let Some(Step::Key(old_key)) = old.last() else {
            return false;
        };
        let mut new_path = old.to_vec();
        new_path.pop();
        new_path.push(Step::Key(key.to_owned()));
        let fits = self.line_fits(place, |p, s, d, other| {
            let mut renamed = other.to_vec();
            renamed.pop();
            renamed.push(Step::Key(key.to_owned()));
            p.wanted(s, d, other) == Some(None)
                && matches!(p.wanted(s, d, &renamed), Some(Some(_)))
                && p.now(s, d, &renamed).is_none()
        });
        if !fits {
            return false;
        }
        let Some(text) = self.text(state, place) else {
            return false;
        };
        let Some(line) = text.split_inclusive('\n').nth(place.line) else {
            return false;
        };
        let parts = Line::of(line);
        if parts.key_text() != Some(old_key) || parts.value.is_empty() {
            return false;
        }
        let Some(renamed) = with_key(line, key) else {
            return false;
        };
        if have_text == want_text {
            self.lines(place, place.line..place.line + 1, renamed);
            return true;
        }
        let release = self.states[state].variant.release.clone();
        // The value behind it changes as well, if it feeds nothing else.
        let parts_of = self.states[state].sources[document].get(old).cloned();
        // A setting of its own does not become part of another that holds several.
        let alike = !want_text.contains(['{', '[']) || have_text.contains(['{', '[']);
        if let Some(parts) = parts_of.filter(|_| alike) {
            for part in &parts {
                let Source::Value(leaf) = part else { continue };
                let Some(new) = self.new_value(state, &parts, leaf, &want_text) else {
                    continue;
                };
                let alone = self.leaves.get(leaf).is_some_and(|users| {
                    users
                        .iter()
                        .all(|(s, d, path)| self.place(*s, *d, path) == Some(place))
                });
                let Some((file, local)) = self.work.definer(&self.states[state].variant, leaf)
                else {
                    continue;
                };
                if !alone {
                    continue;
                }
                let value = self.typed(state, leaf, want, &new, parts.len() == 1);
                self.push(Op::Value(file, YamlEdit::Set(local, value)));
                self.lines(place, place.line..place.line + 1, renamed);
                return true;
            }
        }
        // Text in the template.
        let same = self.line_fits(place, |p, s, d, other| {
            let mut new = other.to_vec();
            new.pop();
            new.push(Step::Key(key.to_owned()));
            matches!(p.wanted(s, d, &new), Some(Some(value)) if p.same(state, want, s, value))
        });
        if same && let Some(new) = with_value(&renamed, have, want, &release) {
            let new = self.named_like(state, document, &new);
            self.lines(place, place.line..place.line + 1, new);
            return true;
        }
        let filtered = with_filter(&renamed, have, want, &self.names(state, document));
        if let Some(new) = filtered {
            self.lines(place, place.line..place.line + 1, new);
            return true;
        }
        false
    }

    fn remove(&mut self, state: usize, document: usize, path: &[Step], level: usize) {
        if level == 0
            && let Some(leaf) = self.value_whole(state, document, path)
        {
            // The template leaves out what is empty, as a rule; if not, its lines go in the next round.
            let empty = match self.now(state, document, path) {
                Some(Json::Array(_)) => Json::Array(Vec::new()),
                _ => Json::Object(serde_json::Map::new()),
            };
            let has = self.work.definer(&self.states[state].variant, &leaf);
            let in_place = has.is_some_and(|(file, local)| {
                self.work.values_text(&file).is_some_and(|text| {
                    super::super::yaml::parse_tree(&text)
                        .ok()
                        .flatten()
                        .is_some_and(|tree| tree.get(&local).is_some())
                })
            });
            if in_place && self.alone(state, &leaf) && self.set_value(state, &leaf, empty) {
                return;
            }
        }
        if level == 0
            && let Some(leaf) = self.value_entry(state, document, path)
            && let Some((file, local)) = self.work.definer(&self.states[state].variant, &leaf)
        {
            // What an archive sets can only be switched off from above.
            let above = self.work.values_text(&file).is_some_and(|text| {
                super::super::yaml::parse_tree(&text)
                    .ok()
                    .flatten()
                    .is_none_or(|tree| tree.get(&local).is_none())
            });
            let edit = if above {
                YamlEdit::Set(local, Json::Null)
            } else {
                YamlEdit::Remove(local)
            };
            self.push(Op::Value(file, edit));
            return;
        }
        if level > 2 {
            return;
        }
        let Some(place) = self.place(state, document, path) else {
            return;
        };
        let fits = self.line_fits(place, |p, s, d, other| {
            matches!(p.wanted(s, d, other), Some(None))
                || p.states[s].differences[d].iter().any(|difference| {
                    other.starts_with(&difference.path)
                        && matches!(difference.change, Change::Remove { .. })
                })
        });
        if !fits {
            return;
        }
        let Some(text) = self.text(state, place) else {
            return;
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        if place.line >= lines.len() {
            return;
        }
        let line = Line::of(lines[place.line]);
        let range = match path.last() {
            Some(Step::Index(_)) if line.is_item() => item_block(&lines, place.line),
            Some(Step::Key(key)) if line.key_text() == Some(key) && !line.is_item() => {
                block(&lines, place.line)
            }
            Some(Step::Key(key)) if line.key_text() == Some(key) => {
                // The first key of an item: the next line takes the dash.
                let range = block(&lines, place.line);
                let Some(next) = lines.get(range.end) else {
                    return;
                };
                let next_parts = Line::of(next);
                if next_parts.column() != line.column()
                    || next_parts.is_item()
                    || next.contains("{{-")
                {
                    return;
                }
                let new = format!("{}{}", line.prefix, &next[next_parts.prefix.len()..]);
                self.lines(place, place.line..range.end + 1, new);
                return;
            }
            _ => return,
        };
        if balanced(&lines[range.clone()]) {
            self.lines(place, range, String::new());
        }
    }

    fn add(
        &mut self,
        state: usize,
        document: usize,
        path: &[Step],
        want: &Json,
        near: &[Vec<Step>],
        level: usize,
    ) {
        let Some((Step::Key(key), parent)) = path.split_last() else {
            if level <= 2 {
                self.add_item(state, document, path, want);
            }
            return;
        };
        if level == 0 && self.add_value(state, document, parent, key, want) {
            return;
        }
        if level > 3 {
            return;
        }
        let release = self.states[state].variant.release.clone();
        let here = &self.states[state];
        // Beside a key that it comes from, else beside its siblings, else below the key of the mapping.
        let mut anchors: Vec<&[Step]> = near
            .iter()
            .filter(|origin| origin.len() == path.len() && origin.starts_with(parent))
            .map(Vec::as_slice)
            .collect();
        let siblings: Vec<&Vec<Step>> = here.places[document]
            .keys()
            .filter(|other| other.len() == path.len() && other.starts_with(parent))
            .collect();
        let mut below: Vec<&[Step]> = siblings.iter().map(|s| s.as_slice()).collect();
        // Where a removed sibling stood, the same conditions hold.
        below.sort_by_key(|other| {
            !here.differences[document]
                .iter()
                .any(|d| d.path == *other && matches!(d.change, Change::Remove { .. }))
        });
        anchors.extend(below.iter().filter(|other| {
            here.differences[document]
                .iter()
                .any(|d| d.path == **other && matches!(d.change, Change::Remove { .. }))
        }));
        let parent_place = (!parent.is_empty())
            .then(|| self.place(state, document, parent))
            .flatten();
        let tries: Vec<(&[Step], bool)> = anchors
            .iter()
            .map(|anchor| (*anchor, false))
            .chain(parent_place.map(|_| (parent, true)))
            .chain(below.iter().map(|sibling| (*sibling, false)))
            .collect();
        for (anchor, inside) in tries.into_iter().skip(level.saturating_sub(1)) {
            let Some(place) = self.place(state, document, anchor) else {
                continue;
            };
            let fits = self.line_fits(place, |p, s, d, other| {
                let mut new = if inside {
                    other.to_vec()
                } else {
                    other[..other.len().saturating_sub(1)].to_vec()
                };
                new.push(Step::Key(key.clone()));
                p.now(s, d, &new).is_none()
                    && matches!(p.wanted(s, d, &new), Some(Some(value)) if p.same(state, want, s, value))
            });
            if !fits {
                continue;
            }
            let Some(text) = self.text(state, place) else {
                continue;
            };
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let Some(line) = lines.get(place.line) else {
                continue;
            };
            let parts = Line::of(line);
            if inside {
                if self.add_inside(state, document, place, &lines, parent, key, want) {
                    return;
                }
                continue;
            }
            if parts.is_item() {
                // Behind the first key of an item.
                let range = block(&lines, place.line);
                if range.len() == 1 {
                    let new = self.named_like(
                        state,
                        document,
                        &entry_lines(key, want, parts.column(), &release),
                    );
                    self.lines(place, range.end..range.end, new);
                    return;
                }
                continue;
            }
            if parts.key.is_empty() {
                continue;
            }
            let new = self.named_like(
                state,
                document,
                &entry_lines(key, want, parts.column(), &release),
            );
            self.lines(place, place.line..place.line, new);
            return;
        }
        let beside: Vec<Vec<Step>> = below.iter().map(|path| path.to_vec()).collect();
        if self.add_for_some((state, document), &beside, key) || parent.is_empty() {
            return;
        }
        let parent = parent.to_vec();
        self.add_chosen((state, document), &parent, key, true);
    }

    /// All that comes from a line: variant, document and path.
    pub(super) fn users_of(&self, place: &Place) -> Vec<(usize, usize, &'p [Step])> {
        self.users.get(place).cloned().unwrap_or_default()
    }

    /// Puts a key directly below the key of its mapping.
    fn add_inside(
        &mut self,
        state: usize,
        document: usize,
        place: &Place,
        lines: &[&str],
        parent: &[Step],
        key: &str,
        want: &Json,
    ) -> bool {
        let line = lines[place.line];
        let parts = Line::of(line);
        let Some(Step::Key(name)) = parent.last() else {
            return false;
        };
        if parts.key_text() != Some(name) {
            return false;
        }
        let release = self.states[state].variant.release.clone();
        let depth = |path: &[Step]| {
            let document = &self.states[state].documents[document];
            let tree = document.tree.as_ref()?;
            let entry = tree.entry_at(path)?;
            let start = document.text[..entry.key_span.start]
                .rfind('\n')
                .map_or(0, |at| at + 1);
            Some(entry.key_span.start - start)
        };
        let step = self
            .now(state, document, parent)
            .and_then(Json::as_object)
            .and_then(|map| map.keys().next())
            .and_then(|child| {
                let mut below = parent.to_vec();
                below.push(Step::Key(child.clone()));
                depth(&below)?.checked_sub(depth(parent)?)
            })
            .filter(|step| *step > 0)
            .unwrap_or(2);
        let new = entry_lines(key, want, parts.column() + step, &release);
        let new = self.named_like(state, document, &new);
        match parts.value {
            "" => self.lines(place, place.line + 1..place.line + 1, new),
            "{}" | "null" | "~" => {
                let head = format!("{}{}:{}\n", parts.prefix, parts.key, parts.tail);
                self.lines(place, place.line..place.line + 1, format!("{head}{new}"));
            }
            value if value.starts_with("{{") && value.contains("indent") => {
                self.lines(place, place.line + 1..place.line + 1, new);
            }
            _ => return false,
        }
        true
    }

    /// Puts a key into the map of values that fills the mapping.
    fn add_value(
        &mut self,
        state: usize,
        document: usize,
        parent: &[Step],
        key: &str,
        want: &Json,
    ) -> bool {
        if self.holds_release(state, want) {
            return false;
        }
        let here = &self.states[state];
        // A sibling that comes from a map of values.
        let sibling = here.sources[document].keys().find_map(|path| {
            if path.len() != parent.len() + 1 || !path.starts_with(parent) {
                return None;
            }
            let leaf = self.value_entry(state, document, path)?;
            Some(leaf[..leaf.len() - 1].to_vec())
        });
        let mut whole = parent.to_vec();
        let mut values = want.clone();
        let map = sibling.or_else(|| {
            // Or a map of values that would fill it, if something stood in it.
            let from = |path: &[Step]| {
                here.maps[document].get(path).and_then(|maps| {
                    maps.iter()
                        .filter(|map| self.feeds_only_this(state, document, map))
                        .max_by_key(|map| map.len())
                        .cloned()
                })
            };
            from(parent).or_else(|| {
                // The mapping itself is missing.
                whole.push(Step::Key(key.to_owned()));
                let found = from(&whole);
                if found.is_some() {
                    values = Json::Null;
                }
                found
            })
        });
        let Some(map) = map else { return false };
        if !self.fits_map(
            state,
            document,
            &map,
            if values.is_null() { &whole } else { parent },
            key,
            want,
            values.is_null(),
        ) {
            return false;
        }
        if values.is_null() {
            let Some(entries) = want.as_object() else {
                return false;
            };
            for (key, value) in entries {
                let mut leaf = map.clone();
                leaf.push(Step::Key(key.clone()));
                self.put(state, &map, leaf, value.clone());
            }
            return true;
        }
        let mut leaf = map.clone();
        leaf.push(Step::Key(key.to_owned()));
        self.put(state, &map, leaf, values);
        true
    }

    /// Sets a new key in the file that defines the map.
    fn put(&mut self, state: usize, map: &[Step], leaf: Leaf, value: Json) {
        match self.work.definer(&self.states[state].variant, map) {
            Some((file, local)) => {
                let mut path = local;
                path.extend(leaf[map.len()..].iter().cloned());
                self.push(Op::Value(file, YamlEdit::Set(path, value)));
            }
            None => self.push(Op::Value(
                ValuesRef::Chart("values.yaml".into()),
                YamlEdit::Set(leaf, value),
            )),
        }
    }

    /// Whether all that comes from a part of the values is to be removed.
    fn alone(&self, state: usize, part: &[Step]) -> bool {
        self.leaves
            .iter()
            .filter(|(leaf, _)| leaf.starts_with(part))
            .flat_map(|(_, users)| users)
            .filter(|(other, ..)| *other == state)
            .all(|(s, d, path)| matches!(self.wanted(*s, *d, path), None | Some(None)))
    }

    /// Whether a map of values fills one mapping only, in each variant.
    fn feeds_only_this(&self, state: usize, document: usize, map: &Leaf) -> bool {
        let mut users = 0;
        for maps in &self.states[state].maps {
            users += maps.values().filter(|m| m.contains(map)).count();
        }
        let _ = document;
        users == 1
    }

    /// Whether all that a map of values fills wants the new key.
    fn fits_map(
        &self,
        state: usize,
        document: usize,
        map: &Leaf,
        parent: &[Step],
        key: &str,
        want: &Json,
        whole: bool,
    ) -> bool {
        let here = &self.states[state];
        let _ = document;
        here.maps.iter().enumerate().all(|(other, maps)| {
            maps.iter()
                .filter(|(_, m)| m.contains(map))
                .all(|(path, _)| {
                    if here.pairs[other].is_none() {
                        return true;
                    }
                    let mut at = path.clone();
                    if !whole {
                        at.push(Step::Key(key.to_owned()));
                    }
                    let _ = parent;
                    match self.wanted(state, other, &at) {
                        Some(Some(value)) => {
                            value == want
                                || (whole
                                    && want.as_object().is_some_and(|w| {
                                        w.iter().all(|(k, v)| value.get(k) == Some(v))
                                    }))
                        }
                        _ => false,
                    }
                })
        })
    }

    fn add_item(&mut self, state: usize, document: usize, path: &[Step], want: &Json) {
        let Some((Step::Index(index), parent)) = path.split_last() else {
            return;
        };
        if let Some(leaf) = self.value_path(state, document, parent)
            && let Some(Some(all)) = self.wanted(state, document, parent)
        {
            self.set_value(state, &leaf, all.clone());
            return;
        }
        let Some(last) = index.checked_sub(1) else {
            return;
        };
        let mut before = parent.to_vec();
        before.push(Step::Index(last));
        let Some(place) = self.place(state, document, &before) else {
            return;
        };
        let Some(text) = self.text(state, place) else {
            return;
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let Some(line) = lines.get(place.line) else {
            return;
        };
        if !Line::of(line).is_item() {
            return;
        }
        let range = item_block(&lines, place.line);
        let column = line.len() - line.trim_start().len();
        let release = self.states[state].variant.release.clone();
        let text = crate::source::emit(&Json::Array(vec![want.clone()]));
        let pad = " ".repeat(column);
        let mut new = String::new();
        for line in text.lines() {
            new.push_str(&format!("{pad}{line}\n"));
        }
        self.lines(
            place,
            range.end..range.end,
            super::lines::as_template(&new, &release),
        );
    }

    // ---- whole objects ----------------------------------------------------------------------------------------------

    fn objects(&mut self, state: usize) {
        let here = &self.states[state];
        let paired: BTreeSet<usize> = here.pairs.iter().flatten().copied().collect();
        for (index, wanted) in here.wanted.iter().enumerate() {
            if !paired.contains(&index) && wanted.base.is_none() {
                self.source.clone_from(&wanted.source);
                let level = self.attempt(&wanted.identity, &[]);
                self.add_object(state, wanted, level);
            }
        }
        for document in 0..here.documents.len() {
            if here.pairs[document].is_none() {
                let identity = here.documents[document].identity();
                self.source.clone_from(&here.documents[document].source);
                if self.attempt(&identity, &[]) == 0 {
                    self.remove_object(state, document);
                }
            }
        }
    }

    /// Puts an object that the target needs into the chart.
    fn add_object(&mut self, state: usize, wanted: &Wanted, level: usize) {
        let release = self.states[state].variant.release.clone();
        let text = super::lines::as_template(&crate::source::emit(&wanted.value), &release);
        if level == 0 && self.add_before_cause(state, wanted, &text) {
            return;
        }
        if level > 1 {
            return;
        }
        let folder = self
            .work
            .chart
            .file_of_source(&wanted.source)
            .and_then(|file| file.rsplit_once("templates/").map(|(f, _)| f.to_owned()))
            .unwrap_or_default();
        let folder = if self.work.chart.archive_of(&format!("{folder}x")).is_some() {
            String::new()
        } else {
            folder
        };
        let name = file_name(&wanted.identity, &release);
        self.push(Op::NewFile(
            format!("{folder}templates/{}-{name}.yaml", self.target),
            text,
        ));
    }

    /// The name of an object, if it follows from the release, and the expression that gives it.
    fn name_of(&self, state: usize, document: usize) -> Option<(String, String)> {
        let here = &self.states[state];
        let name = here.documents[document].identity().name;
        if !name.contains(here.variant.release.as_str()) {
            return None;
        }
        let path = [Step::Key("metadata".into()), Step::Key("name".into())];
        let place = self.place(state, document, &path)?;
        let source = self.text(state, place)?;
        let line = source.split_inclusive('\n').nth(place.line)?;
        let value = Line::of(line).value;
        let inner = value.strip_prefix("{{")?.strip_suffix("}}")?;
        if inner.contains("}}") {
            return None;
        }
        let expression = inner.trim_matches(['-', ' ']);
        let expression = expression.trim_end_matches("| quote").trim_end();
        Some((name, from_root(expression)?))
    }

    /// The names that new text of a document may hold, and the expressions that give them; longest first.
    fn names(&self, state: usize, document: usize) -> Vec<(String, String)> {
        let release = self.states[state].variant.release.clone();
        let mut names: Vec<_> = self.name_of(state, document).into_iter().collect();
        names.push((release, "$.Release.Name".into()));
        names.push((NAMESPACE.into(), "$.Release.Namespace".into()));
        names
    }

    /// New text of a document with its name as the template gives it.
    pub(super) fn named_like(&self, state: usize, document: usize, text: &str) -> String {
        match self.name_of(state, document) {
            Some((name, expression)) => {
                let name = super::lines::as_template(&name, &self.states[state].variant.release);
                text.replace(&name, &format!("{{{{ {expression} }}}}"))
            }
            None => text.to_owned(),
        }
    }

    /// The line of the first key of a document.
    pub(super) fn first_line(&self, state: usize, document: usize) -> Option<&'p Place> {
        self.states[state].places[document]
            .iter()
            .filter(|(path, _)| path.len() == 1)
            .map(|(_, place)| place)
            .min_by_key(|place| place.line)
    }

    /// The lines of an object that the target has no use for go; conditions around them stay.
    fn remove_object(&mut self, state: usize, document: usize) {
        let here = &self.states[state];
        let Some(file) = self
            .work
            .chart
            .file_of_source(&here.documents[document].source)
        else {
            return;
        };
        let owner = TextRef::File(file.clone());
        let Some(text) = self.work.chart.text(&file) else {
            return;
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut ranges = Vec::new();
        for (path, place) in &here.places[document] {
            if path.len() != 1 {
                continue;
            }
            if place.text != owner || place.line >= lines.len() {
                return;
            }
            let shared = self
                .users
                .get(place)
                .into_iter()
                .flatten()
                .any(|(s, d, _)| self.states[*s].pairs[*d].is_some());
            if shared {
                return;
            }
            let range = block(&lines, place.line);
            if !balanced(&lines[range.clone()]) {
                return;
            }
            ranges.push((place.clone(), range));
        }
        let gone: BTreeSet<usize> = ranges.iter().flat_map(|(_, r)| r.clone()).collect();
        let rest = lines
            .iter()
            .enumerate()
            .filter(|(number, _)| !gone.contains(number))
            .map(|(_, line)| line.trim());
        let nothing_left = rest.clone().all(|line| {
            line.is_empty() || line.starts_with('#') || line == "---" || line.starts_with("{{")
        }) && !text.contains("define ");
        if nothing_left {
            self.push(Op::RemoveFile(file));
            return;
        }
        for (place, range) in ranges {
            self.lines(&place, range, String::new());
        }
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

/// How many scalars a value has.
fn scalars(value: &Json) -> usize {
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
fn balanced(lines: &[&str]) -> bool {
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

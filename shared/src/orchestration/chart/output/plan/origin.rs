//! Where things come from, and what else they mean.

use serde_json::Value as Json;

use crate::orchestration::chart::helm::NAMESPACE;
use crate::orchestration::chart::identify::{Leaf, Place, Source};
use crate::orchestration::chart::output::lines::{Line, from_root, text_of};
use crate::orchestration::chart::work::{ValuesRef, with_tree};
use crate::orchestration::chart::yaml::Step;

use super::instances::value_expression;
use super::{Planner, alike, at, scalars};

impl<'p> Planner<'p> {
    /// What a path of a document shall be; `None` if the document is paired with nothing.
    #[expect(
        clippy::option_option,
        reason = "not found, found without a value, found with one"
    )]
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
    pub(super) fn same(&self, here: usize, want: &Json, other: usize, value: &Json) -> bool {
        let release = |state: usize| self.states[state].variant.release.as_str();
        want == value || (here != other && alike((want, release(here)), (value, release(other))))
    }

    /// Whether a text follows from the name of the release, which no value can hold.
    pub(super) fn holds_release(&self, state: usize, value: &Json) -> bool {
        value
            .to_string()
            .contains(self.states[state].variant.release.as_str())
    }

    /// Whether everything that a value feeds shall be `text`, or is gone then.
    pub(super) fn value_fits(
        &self,
        state: usize,
        leaf: &Leaf,
        text: &str,
        file: &ValuesRef,
    ) -> bool {
        let asked = (state, leaf.clone(), text.to_owned(), file.clone());
        if let Some(fits) = self.fits.borrow().get(&asked) {
            return *fits;
        }
        let fits = self.fits_all(state, leaf, text, file);
        self.fits.borrow_mut().insert(asked, fits);
        fits
    }

    fn fits_all(&self, state: usize, leaf: &Leaf, text: &str, file: &ValuesRef) -> bool {
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
    pub(super) fn new_value(
        &self,
        state: usize,
        parts: &[Source],
        leaf: &Leaf,
        want: &str,
    ) -> Option<String> {
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
    pub(super) fn value_text(&self, state: usize, leaf: &Leaf) -> Option<String> {
        let (file, path) = self.work.definer(&self.states[state].variant, leaf)?;
        let text = self.work.values_text(&file)?;
        with_tree(&text, |tree| text_of(&tree?.get(&path)?.to_json()))
    }

    /// Whether all that comes from a line passes a test; documents that shall not be there do not count.
    pub(super) fn line_fits(
        &self,
        place: &Place,
        test: impl Fn(&Self, usize, usize, &'p [Step]) -> bool,
    ) -> bool {
        self.users_of(place).all(|(state, document, path)| {
            self.states[state].pairs[document].is_none() || test(self, state, document, path)
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
    pub(super) fn value_path(&self, state: usize, document: usize, path: &[Step]) -> Option<Leaf> {
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
    pub(super) fn value_entry(&self, state: usize, document: usize, path: &[Step]) -> Option<Leaf> {
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
    pub(super) fn value_item(&self, state: usize, document: usize, path: &[Step]) -> Option<Leaf> {
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
    pub(super) fn value_whole(&self, state: usize, document: usize, path: &[Step]) -> Option<Leaf> {
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

    /// A text as a value of the type that the old value has, if it can be one.
    pub(super) fn typed(
        &self,
        state: usize,
        leaf: &Leaf,
        want: &Json,
        text: &str,
        whole: bool,
    ) -> Json {
        let old = self
            .work
            .definer(&self.states[state].variant, leaf)
            .and_then(|(file, path)| {
                let text = self.work.values_text(&file)?;
                with_tree(&text, |tree| Some(tree?.get(&path)?.to_json()))
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

    /// Whether all that comes from a part of the values is to be removed.
    pub(super) fn alone(&self, state: usize, part: &[Step]) -> bool {
        let file_in = |index: usize| {
            self.work
                .definer(&self.states[index].variant, part)
                .map(|(file, _)| file)
        };
        let here = file_in(state);
        self.leaves
            .iter()
            .filter(|(leaf, _)| leaf.starts_with(part))
            .flat_map(|(_, users)| users)
            .filter(|(other, ..)| *other == state || file_in(*other) == here)
            .all(|(s, d, path)| matches!(self.wanted(*s, *d, path), None | Some(None)))
    }

    /// The name of an object, if it follows from the release, and the expression that gives it.
    pub(super) fn name_of(&self, state: usize, document: usize) -> Option<(String, String)> {
        let here = &self.states[state];
        let name = here.documents[document].identity().name.clone();
        if !name.contains(here.variant.release.as_str()) {
            return None;
        }
        let path = [Step::Key("metadata".into()), Step::Key("name".into())];
        let place = self.place(state, document, &path)?;
        let source = self.text(state, place)?;
        let line = source.split_inclusive('\n').nth(place.line)?;
        let value = Line::of(line).value;
        // What a helper makes of the release and the chart is not what their names side by side are.
        if value.contains("include ")
            && value.matches("{{").count() + usize::from(!value.ends_with("}}")) > 1
        {
            return Some((name, from_root(&value_expression(value)?)?));
        }
        let inner = value.strip_prefix("{{")?.strip_suffix("}}")?;
        if inner.contains("}}") {
            return None;
        }
        let expression = inner.trim_matches(['-', ' ']);
        let expression = expression.trim_end_matches("| quote").trim_end();
        Some((name, from_root(expression)?))
    }

    /// The names that new text of a document may hold, and the expressions that give them; longest first.
    pub(super) fn names(&self, state: usize, document: usize) -> Vec<(String, String)> {
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
                let name = crate::orchestration::chart::output::lines::as_template(
                    &name,
                    &self.states[state].variant.release,
                );
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

    /// Whether a map of values fills one mapping only, in each variant.
    pub(super) fn feeds_only_this(&self, state: usize, map: &Leaf) -> bool {
        let mut users = 0;
        for maps in &self.states[state].maps {
            users += maps.values().filter(|m| m.contains(map)).count();
        }
        users == 1
    }
}

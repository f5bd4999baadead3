//! Another value: in the values, in the line, by a filter, in a named template.

use serde_json::Value as Json;

use crate::orchestration::chart::identify::{Place, Source, TextRef};
use crate::orchestration::chart::output::lines::{
    Line, block, entry_lines, text_of, with_filter, with_quotes, with_value,
};
use crate::orchestration::chart::work::ValuesRef;
use crate::orchestration::chart::yaml::{Step, YamlEdit};

use super::{Op, Planner, balanced};

impl Planner<'_> {
    pub(super) fn replace(
        &mut self,
        state: usize,
        document: usize,
        path: &[Step],
        have: &Json,
        want: &Json,
        level: usize,
    ) {
        if level <= 1 && self.replace_value(state, document, path, want) {
            return;
        }
        if level == 0 && have.is_null() && self.fill(state, document, path, want) {
            return;
        }
        // A value that conditions ask for stays, and what is made of it changes.
        if level <= 1
            && self.asked_for(state, document, path, want)
            && self.replace_filter(state, document, path, have, want)
        {
            return;
        }
        if level <= 2 && self.replace_text(state, document, path, have, want, level) {
            return;
        }
        if level <= 2 && self.replace_filter(state, document, path, have, want) {
            return;
        }
        if level <= 3 {
            self.replace_literal(have, want);
        }
    }

    /// Puts keys below a key that has nothing, or nothing but conditions that do not hold.
    fn fill(&mut self, state: usize, document: usize, path: &[Step], want: &Json) -> bool {
        let Some(entries) = want.as_object() else {
            return false;
        };
        let is_open = self.place(state, document, path).is_some_and(|place| {
            let text = self.text(state, place);
            let line = text
                .as_deref()
                .and_then(|text| text.lines().nth(place.line));
            line.is_some_and(|line| Line::of(line).value.is_empty())
        });
        if !is_open {
            return false;
        }
        for (key, value) in entries {
            let mut below = path.to_vec();
            below.push(Step::Key(key.clone()));
            self.add(state, document, &below, value, &[], 0);
        }
        true
    }

    pub(super) fn replace_value(
        &mut self,
        state: usize,
        document: usize,
        path: &[Step],
        want: &Json,
    ) -> bool {
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
            // What stands in a map of values leaves it, and is added to the template in the next round.
            if let Some(leaf) = self.value_entry(state, document, path)
                && let Some((file, local)) = self.work.definer(&here.variant, &leaf)
                && matches!(local.last(), Some(Step::Key(_)))
            {
                self.push(Op::Value(file, YamlEdit::Remove(local)));
                return true;
            }
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
                // Another variant wants another value: the values file of this one sets its own.
                let Some(own) = here.variant.own_file().map(ValuesRef::User) else {
                    continue;
                };
                if file != own
                    && self.value_fits(state, leaf, &text, &own)
                    && self.follow(state, leaf, &text)
                {
                    let value = self.typed(state, leaf, want, &text, parts.len() == 1);
                    self.push(Op::Value(own, YamlEdit::Set(leaf.clone(), value)));
                    return true;
                }
                continue;
            }
            if !self.follow(state, leaf, &text) {
                continue;
            }
            let value = self.typed(state, leaf, want, &text, parts.len() == 1);
            self.push(Op::Value(file, YamlEdit::Set(local, value)));
            return true;
        }
        false
    }

    /// Lets the conditions follow a value; `false` if they cannot.
    pub(super) fn follow(&mut self, state: usize, leaf: &[Step], new: &str) -> bool {
        let Some(old) = self.value_text(state, &leaf.to_vec()) else {
            return true;
        };
        self.conditions(&leaf.to_vec(), &old, new)
    }

    /// Whether the value behind a text cannot change for the sake of a condition.
    fn asked_for(&self, state: usize, document: usize, path: &[Step], want: &Json) -> bool {
        let Some(want) = text_of(want) else {
            return false;
        };
        let parts = self.states[state].sources[document].get(path);
        parts.into_iter().flatten().any(|part| {
            let Source::Value(leaf) = part else {
                return false;
            };
            let old = self.value_text(state, leaf);
            old.is_some_and(|old| self.condition_places(leaf, &old, &want).is_none())
        })
    }

    pub(super) fn replace_text(
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
    pub(super) fn replace_around(
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
        match crate::orchestration::chart::output::lines::replace_part(line, &have, &want_text) {
            Some(new) => {
                self.lines(place, place.line..place.line + 1, new);
                true
            }
            None => false,
        }
    }

    pub(super) fn replace_filter(
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
        // Other values may come out of the same line: those that are the same must become the same, and the filter lets
        // all others through.
        if !self.line_fits(place, |p, s, d, other| match p.wanted(s, d, other) {
            Some(Some(wanted)) => p
                .now(s, d, other)
                .is_some_and(|now| now != have || wanted == want),
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
    pub(super) fn replace_literal(&mut self, have: &Json, want: &Json) {
        let (Some(have), Some(want)) = (text_of(have), text_of(want)) else {
            return;
        };
        if have.len() < 4 || want.contains(['"', '\\', '{', '`']) {
            return;
        }
        let mut hits = Vec::new();
        for path in self.work.chart.files.keys() {
            if !crate::orchestration::chart::identify::mark::is_template(path)
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
                text: TextRef::File(path).into(),
                line,
            };
            self.lines(&place, line..line + 1, new);
        }
    }

    pub(super) fn set_value(&mut self, state: usize, leaf: &[Step], value: Json) -> bool {
        let Some((file, path)) = self.work.definer(&self.states[state].variant, leaf) else {
            return false;
        };
        self.push(Op::Value(file, YamlEdit::Set(path, value)));
        true
    }
}

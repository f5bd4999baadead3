//! Keys, items and objects that the target has no use for.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::orchestration::chart::compare::Change;
use crate::orchestration::chart::identify::{Source, TextRef};
use crate::orchestration::chart::output::lines::{Line, block, is_asked_for, item_block};
use crate::orchestration::chart::work::defines;
use crate::orchestration::chart::yaml::{Step, YamlEdit};

use super::{Op, Planner, Twice, balanced};

impl Planner<'_> {
    pub(super) fn remove(&mut self, state: usize, document: usize, path: &[Step], level: usize) {
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
                self.work
                    .values_text(&file)
                    .is_some_and(|text| defines(&text, &local))
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
            let above = self
                .work
                .values_text(&file)
                .is_some_and(|text| !defines(&text, &local));
            let edit = if above {
                YamlEdit::Set(local, Json::Null)
            } else {
                YamlEdit::Remove(local)
            };
            self.push(Op::Value(file, edit));
            return;
        }
        if level == 0 && self.empty_value(state, document, path) {
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
            // Another variant has something in it still: what this one has goes, and a key without content is none.
            let keys = match self.now(state, document, path) {
                Some(Json::Object(map)) if path.last().is_some_and(may_be_empty) => map.keys(),
                _ => return,
            };
            for key in keys {
                let mut inner = path.to_vec();
                inner.push(Step::Key(key.clone()));
                self.remove(state, document, &inner, level.max(1));
            }
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

    /// A key that stands more than once: the line goes that does not count, if it never does.
    pub(super) fn once(&mut self, state: usize, twice: &Twice) {
        let (Some(place), Some(Step::Key(key))) = (&twice.place, twice.path.last()) else {
            return;
        };
        if self.users_of(place).next().is_some() {
            return;
        }
        let Some(text) = self.text(state, place) else {
            return;
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let Some(line) = lines.get(place.line).map(|line| Line::of(line)) else {
            return;
        };
        let range = block(&lines, place.line);
        if line.key_text() == Some(key) && !line.is_item() && balanced(&lines[range.clone()]) {
            self.lines(place, range, String::new());
        }
    }

    /// Empties the value of a key that the template writes only if there is one: the line stays for other values.
    fn empty_value(&mut self, state: usize, document: usize, path: &[Step]) -> bool {
        let here = &self.states[state];
        let Some([Source::Value(leaf)]) = here.sources[document].get(path).map(Vec::as_slice)
        else {
            return false;
        };
        let leaf = leaf.clone();
        let asked = self.place(state, document, path).is_some_and(|place| {
            let Some(text) = self.text(state, place) else {
                return false;
            };
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            place.line < lines.len() && is_asked_for(&lines, place.line)
        });
        if !asked || !self.alone(state, &leaf) || !self.follow(state, &leaf, "") {
            return false;
        }
        let has = self.work.definer(&here.variant, &leaf);
        let in_place = has.is_some_and(|(file, local)| {
            let text = self.work.values_text(&file).unwrap_or_default();
            defines(&text, &local)
        });
        in_place && self.set_value(state, &leaf, Json::from(""))
    }

    /// The lines of an object that the target has no use for go; conditions around them stay.
    pub(super) fn remove_object(&mut self, state: usize, document: usize) {
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
        for (path, place) in here.places[document].iter() {
            if path.len() != 1 {
                continue;
            }
            if *place.text != owner || place.line >= lines.len() {
                return;
            }
            let mut users = self.users_of(place);
            let shared = users.any(|(s, d, _)| self.states[s].pairs[d].is_some());
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

/// Mappings that Kubernetes takes for absent when they are empty.
fn may_be_empty(step: &Step) -> bool {
    matches!(step, Step::Key(key) if matches!(key.as_str(), "annotations" | "labels" | "nodeSelector"))
}

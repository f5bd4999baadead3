//! Keys and items that the target needs.

use serde_json::Value as Json;

use crate::orchestration::chart::compare::Change;
use crate::orchestration::chart::identify::{Leaf, Place};
use crate::orchestration::chart::output::lines::{
    Line, beside, block, enclosing_loop, entry_lines, item_block, otherwise,
};
use crate::orchestration::chart::work::ValuesRef;
use crate::orchestration::chart::yaml::{Step, YamlEdit};

use super::{Op, Planner};

impl Planner<'_> {
    pub(super) fn add(
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
                if range.len() == 1 && beside(&lines, range.end, parts.column(), key).is_none() {
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
            if let Some(there) = beside(&lines, place.line, parts.column(), key) {
                // A mapping gets more; another value stands where the one that is there does not.
                if !want.is_object()
                    && let Some(edit) = otherwise(&lines, there, &new)
                {
                    self.lines(place, edit.start..edit.end, edit.new);
                    return;
                }
                continue;
            }
            // A loop that writes keys would write this one as often as it turns.
            let mut at = place.line;
            if parts.key.contains("{{")
                && let Some(loop_line) = enclosing_loop(&lines, place.line)
                && parent_place.is_some_and(|p| p.text == place.text && p.line < loop_line)
            {
                at = loop_line;
            }
            self.lines(place, at..at, new);
            return;
        }
        let beside: Vec<Vec<Step>> = below.iter().map(|path| path.to_vec()).collect();
        if self.add_for_some((state, document), &beside, key) || parent.is_empty() {
            return;
        }
        let parent = parent.to_vec();
        if self.add_chosen((state, document), &parent, key, true) {
            return;
        }
        let _ = self.hoist_key((state, document), &parent, key, true)
            || beside
                .iter()
                .any(|anchor| self.hoist_key((state, document), anchor, key, false));
    }

    /// Puts a key directly below the key of its mapping.
    #[expect(
        clippy::too_many_arguments,
        reason = "where, what, and the text around it"
    )]
    pub(super) fn add_inside(
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
        if beside(lines, place.line + 1, parts.column() + step, key).is_some() {
            return false;
        }
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
    pub(super) fn add_value(
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
                        .filter(|map| self.feeds_only_this(state, map))
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
        let whole = values.is_null();
        let own = if self.fits_map(state, &map, key, want, (whole, false)) {
            None
        } else if self.fits_map(state, &map, key, want, (whole, true)) {
            // Another variant wants nothing of it: the values file of this one sets its own.
            match self.states[state].variant.own_file() {
                Some(file) => Some(ValuesRef::User(file)),
                None => return false,
            }
        } else {
            return false;
        };
        if values.is_null() {
            let Some(entries) = want.as_object() else {
                return false;
            };
            for (key, value) in entries {
                let mut leaf = map.clone();
                leaf.push(Step::Key(key.clone()));
                self.put(state, &map, leaf, value.clone(), own.as_ref());
            }
            return true;
        }
        let mut leaf = map.clone();
        leaf.push(Step::Key(key.to_owned()));
        self.put(state, &map, leaf, values, own.as_ref());
        true
    }

    /// Sets a new key in the file that defines the map.
    pub(super) fn put(
        &mut self,
        state: usize,
        map: &[Step],
        leaf: Leaf,
        value: Json,
        own: Option<&ValuesRef>,
    ) {
        if let Some(file) = own {
            self.push(Op::Value(file.clone(), YamlEdit::Set(leaf, value)));
            return;
        }
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

    /// Whether all that a map of values fills wants the new key.
    pub(super) fn fits_map(
        &self,
        state: usize,
        map: &Leaf,
        key: &str,
        want: &Json,
        (whole, own): (bool, bool),
    ) -> bool {
        let file_in = |index: usize| {
            self.work
                .definer(&self.states[index].variant, map)
                .map(|(file, _)| file)
        };
        let here = file_in(state);
        (0..self.states.len())
            .filter(|index| *index == state || (!own && file_in(*index) == here))
            .all(|index| self.map_wants(state, index, map, (key, want), whole))
    }

    /// Whether all that a map of values fills in one variant wants the new key.
    fn map_wants(
        &self,
        state: usize,
        index: usize,
        map: &Leaf,
        (key, want): (&str, &Json),
        whole: bool,
    ) -> bool {
        let there = &self.states[index];
        there.maps.iter().enumerate().all(|(document, maps)| {
            maps.iter()
                .filter(|(_, filled)| filled.contains(map))
                .all(|(path, _)| {
                    if there.pairs[document].is_none() {
                        return true;
                    }
                    let mut at = path.clone();
                    if !whole {
                        at.push(Step::Key(key.to_owned()));
                    }
                    match self.wanted(index, document, &at) {
                        Some(Some(value)) => {
                            self.same(state, want, index, value)
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

    pub(super) fn add_item(&mut self, state: usize, document: usize, path: &[Step], want: &Json) {
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
            crate::orchestration::chart::output::lines::as_template(&new, &release),
        );
    }
}

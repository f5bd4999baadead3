//! A key gets another name, and its value stays alive.

use serde_json::Value as Json;

use crate::orchestration::chart::identify::Source;
use crate::orchestration::chart::output::lines::{
    Line, text_of, with_filter, with_key, with_value,
};
use crate::orchestration::chart::work::ValuesRef;
use crate::orchestration::chart::yaml::{Step, YamlEdit};

use super::{Op, Planner};

impl Planner<'_> {
    /// A key gets another name, and its value stays alive.
    pub(super) fn rename(
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
                if !alone || !self.follow(state, leaf, &new) {
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
}

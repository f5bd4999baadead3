//! One object that no step reaches becomes text where it stands. What else its template renders stays alive, and so do
//! the conditions around it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value as Json;

use super::super::helm::RELEASE;
use super::super::identify::{Place, TextRef};
use super::super::render::Identity;
use super::super::work::Work;
use super::flat::{Flattened, secret, text_of, why_open};
use super::lines::{Line, LineEdit, apply, block};
use super::plan::{State, balanced, file_name, neutral};

/// Writes the objects that still differ as text. `states` know the lines behind their keys.
pub(crate) fn flatten_objects(target: &str, work: &mut Work, states: &[State]) -> Vec<Flattened> {
    let mut flattened = Vec::new();
    let mut edits: BTreeMap<String, Vec<LineEdit>> = BTreeMap::new();
    let mut done: BTreeSet<Identity> = BTreeSet::new();
    for state in states.iter().filter(|state| state.variant.required) {
        for (index, document) in state.documents.iter().enumerate() {
            let Some(why) = why_open(state, index) else {
                continue;
            };
            let identity = document.identity();
            if !done.insert(identity.clone()) {
                continue;
            }
            let Some(wanted) = wanted_of(states, identity) else {
                continue;
            };
            let Some((file, range)) = lines_of(work, states, identity) else {
                continue;
            };
            let new = wanted.map_or_else(String::new, |value| text_of(value, RELEASE));
            edits.entry(file.clone()).or_default().push(LineEdit {
                start: range.start,
                end: range.end,
                new,
            });
            flattened.push(Flattened {
                file,
                object: Some(identity.clone()),
                why,
                secrets: wanted.into_iter().filter_map(secret).collect(),
            });
        }
    }
    for (file, edits) in edits {
        if let Some(text) = work.chart.text(&file) {
            let (text, _) = apply(text, &edits);
            work.chart.set_text(&file, text);
        }
    }
    flattened.extend(added(target, work, states));
    flattened
}

/// Objects that the target needs besides and that found no place: a file of their own.
fn added(target: &str, work: &mut Work, states: &[State]) -> Vec<Flattened> {
    let required: Vec<&State> = states.iter().filter(|s| s.variant.required).collect();
    let mut made = Vec::new();
    for state in &required {
        let paired: BTreeSet<usize> = state.pairs.iter().flatten().copied().collect();
        for (index, wanted) in state.wanted.iter().enumerate() {
            let everywhere = required.iter().all(|other| {
                let mut all = other.wanted.iter();
                all.any(|w| w.identity == wanted.identity && w.value == wanted.value)
            });
            let file = format!(
                "templates/{target}-{}.yaml",
                file_name(&wanted.identity, RELEASE)
            );
            if paired.contains(&index)
                || wanted.base.is_some()
                || !everywhere
                || work.chart.files.contains_key(&file)
            {
                continue;
            }
            work.chart.set_text(&file, text_of(&wanted.value, RELEASE));
            made.push(Flattened {
                file,
                object: Some(wanted.identity.clone()),
                why: "it has no place in a template".to_owned(),
                secrets: secret(&wanted.value).into_iter().collect(),
            });
        }
    }
    made
}

/// What an object shall be in all variants that render it; nothing, if they differ, or if one wants none of it.
#[expect(
    clippy::option_option,
    reason = "not the same everywhere, the same without an object, the same with one"
)]
fn wanted_of<'s>(states: &'s [State], identity: &Identity) -> Option<Option<&'s Json>> {
    let mut found: Option<Option<&Json>> = None;
    for state in states.iter().filter(|s| s.variant.required) {
        let mut here = (0..state.documents.len())
            .filter(|index| state.documents[*index].identity() == identity);
        let Some(index) = here.next() else {
            // Another variant wants it, and what is around it does not let it through.
            let missed = state.wanted.iter().any(|w| w.identity == *identity);
            if missed {
                return None;
            }
            continue;
        };
        if here.next().is_some() {
            return None;
        }
        let wanted = state.pairs[index].map(|pair| state.wanted[pair].value.as_ref());
        match found {
            Some(other) if other != wanted => return None,
            _ => found = Some(wanted),
        }
    }
    found
}

/// The lines of one template that write an object and nothing else.
fn lines_of(work: &Work, states: &[State], identity: &Identity) -> Option<(String, Range<usize>)> {
    let same = |state: &State, document: usize| {
        let own = state.documents[document].identity();
        let name = |name: &str| neutral(&Json::from(name), &state.variant.release);
        own.kind == identity.kind && name(&own.name) == identity.name.as_str()
    };
    let mut places: BTreeSet<&Place> = BTreeSet::new();
    for state in states {
        for (document, all) in state.places.iter().enumerate() {
            if same(state, document) {
                places.extend(
                    all.iter()
                        .filter(|(path, _)| path.len() == 1)
                        .map(|(_, p)| p),
                );
            }
        }
    }
    let alone = states.iter().all(|state| {
        state.places.iter().enumerate().all(|(document, all)| {
            same(state, document) || !all.values().any(|place| places.contains(place))
        })
    });
    let TextRef::File(file) = &*places.first()?.text else {
        return None;
    };
    let own = |place: &&Place| matches!(&*place.text, TextRef::File(other) if other == file);
    if !alone || !places.iter().all(own) {
        return None;
    }
    let text = work.chart.text(file)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut range: Option<Range<usize>> = None;
    for place in &places {
        let line = lines.get(place.line).map(|line| Line::of(line))?;
        if line.column() != 0 {
            return None;
        }
        let own = block(&lines, place.line);
        let next = match range {
            None => own,
            Some(before) => {
                // What stands between two keys must be of the same object.
                let between = lines.get(before.end..own.start).unwrap_or_default();
                let foreign = |line: &&str| {
                    let line = line.trim();
                    !(line.is_empty() || line.starts_with('#') || line.starts_with("{{"))
                };
                if between.iter().any(foreign) {
                    return None;
                }
                before.start..own.end.max(before.end)
            }
        };
        range = Some(next);
    }
    let range = range?;
    balanced(&lines[range.clone()]).then(|| (file.clone(), range))
}

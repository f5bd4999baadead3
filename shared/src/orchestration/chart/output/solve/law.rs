//! The law: what the converted chart renders is what was rendered, converted.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::super::super::ChartError;
use super::super::super::compare::Change;
use super::super::super::helm::for_people;
use super::super::super::render::pair;
use super::super::super::target::{Target, describe};
use super::super::super::work::Rendering;
use super::super::plan::State;
use super::{Base, paired};

/// The law for a chart of rendered manifests.
pub(crate) fn check_flat(
    rendering: &Rendering,
    base: &Base,
    target: &Target,
) -> Result<(), ChartError> {
    // Templates have other names there.
    let have = rendering.documents.iter();
    let have: Vec<_> = have.map(|document| (document.identity(), "")).collect();
    let want: Vec<_> = target.wanted.iter().map(|w| (&w.identity, "")).collect();
    let state = paired(rendering, base, target, pair(&have, &want));
    if open_in(&state) == 0 {
        Ok(())
    } else {
        Err(law_broken(&[state]))
    }
}

fn missing(state: &State) -> usize {
    let paired: BTreeSet<usize> = state.pairs.iter().flatten().copied().collect();
    let absent = state.wanted.len() - paired.len();
    let extra = state.pairs.iter().filter(|p| p.is_none()).count();
    absent * 3 + extra * 3
}

fn open_in(state: &State) -> usize {
    let twice = state.doubled.iter().map(Vec::len).sum::<usize>();
    state.differences.iter().map(Vec::len).sum::<usize>() + twice + missing(state)
}

pub(super) fn count(states: &[State]) -> usize {
    states.iter().map(open_in).sum()
}

pub(super) fn count_required(states: &[State]) -> usize {
    states
        .iter()
        .filter(|state| state.variant.required)
        .map(open_in)
        .sum()
}

/// Whether a variant does not render what it shall. A key that stands twice breaks nothing that was whole before: it is
/// worth a step, and an object as text, but not a whole template.
pub(super) fn is_broken(states: &[State]) -> bool {
    let mut required = states.iter().filter(|state| state.variant.required);
    required.any(|state| missing(state) > 0 || state.differences.iter().any(|d| !d.is_empty()))
}

/// The keys that stand twice in a variant, in words.
pub(super) fn doubled_paths(state: &State) -> Vec<String> {
    let all = state.documents.iter().zip(&state.doubled);
    let words = all.flat_map(|(document, doubled)| {
        let who = document.identity();
        doubled.iter().map(move |twice| describe(who, &twice.path))
    });
    words.collect()
}

/// What is open in a variant, in words.
pub(crate) fn open_paths(state: &State) -> Vec<String> {
    let mut open = Vec::new();
    for (document, differences) in state.documents.iter().zip(&state.differences) {
        for difference in differences {
            let mut line = format!(
                "{} ({})",
                describe(document.identity(), &difference.path),
                document.source
            );
            let short = |value: &Json| value.to_string().chars().take(80).collect::<String>();
            match &difference.change {
                Change::Replace { have, want } => {
                    line.push_str(&format!(": {} instead of {}", short(have), short(want)));
                }
                Change::Remove { have } => line.push_str(&format!(": {} is left", short(have))),
                Change::Add { want } => line.push_str(&format!(": {} is missing", short(want))),
            }
            open.push(line);
        }
    }
    let paired: BTreeSet<usize> = state.pairs.iter().flatten().copied().collect();
    for (index, wanted) in state.wanted.iter().enumerate() {
        if !paired.contains(&index) {
            open.push(format!(
                "{}/{} is missing",
                wanted.identity.kind, wanted.identity.name
            ));
        }
    }
    for (document, pair) in state.documents.iter().zip(&state.pairs) {
        if pair.is_none() {
            let identity = document.identity();
            open.push(format!(
                "{}/{} ({}) is left",
                identity.kind, identity.name, document.source
            ));
        }
    }
    open
}

pub(super) fn law_broken(states: &[State]) -> ChartError {
    let mut message = String::from(
        "the converted chart does not render what the rendered chart converts to, so it was not written:",
    );
    let mut lines = 0;
    for state in states.iter().filter(|state| state.variant.required) {
        for path in open_paths(state) {
            if lines < 10 {
                message.push_str(&format!("\n  with {}: {path}", state.variant.name));
            }
            lines += 1;
        }
    }
    if lines > 10 {
        message.push_str(&format!("\n  and {} more", lines - 10));
    }
    message.push_str("\nUse --flat for a chart of rendered manifests, or convert for one set of values at a time");
    ChartError::Law(for_people(&message))
}

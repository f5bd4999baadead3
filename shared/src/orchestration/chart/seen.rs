//! Which provider a chart was made for, and what was seen of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ChartError;
use super::options::Choice;
use crate::orchestration::provider::{Detection, Provider, detect};
use crate::source::Node;

/// Which provider it is; with what was seen of it, if it was looked for.
pub(crate) fn source_provider(
    choice: &Choice,
    nodes: &[Arc<Node>],
) -> Result<(Option<Provider>, Vec<String>), ChartError> {
    if let Choice::Provider(provider) = choice {
        return Ok((Some(provider.clone()), Vec::new()));
    }
    let detection = detect(nodes);
    if detection.is_neutral() {
        return Ok((None, Vec::new()));
    }
    let seen = sightings(&detection);
    match detection.provider() {
        Some(provider) => Ok((Some(provider.clone()), seen)),
        None => Err(ChartError::Usage(format!(
            "the chart has marks of more than one provider; say which one it was made for with --from:\n  {}",
            seen.join("\n  ")
        ))),
    }
}

fn sightings(detection: &Detection) -> Vec<String> {
    let mut lines = Vec::new();
    for candidate in &detection.candidates {
        let mut whats = BTreeSet::new();
        for sighting in &candidate.sightings {
            if whats.insert(sighting.what.clone()) && whats.len() <= 5 {
                lines.push(format!(
                    "{}: {} in {}",
                    candidate.provider.name(),
                    sighting.what,
                    sighting.object
                ));
            }
        }
    }
    lines
}

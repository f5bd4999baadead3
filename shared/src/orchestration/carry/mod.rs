//! What a target cannot say travels along, so that the way back gives the source again.
//!
//! Nothing here knows a single key of Compose or field of Kubernetes. After a conversion its output is read back and
//! written in the source's own format; the difference to the source is exactly what the target could not say
//! ([`diff`]). That difference is packed into the output (annotations in Kubernetes, [`compose`]; a top-level `x-`
//! field in Compose, [`kubernetes`]) and applied when the output is converted back. A value that a person has changed
//! in between is recognised by its fingerprint and wins over the carried one.

pub mod compose;
mod diff;
pub mod kubernetes;
mod secrets;

pub use diff::{Change, Refused, apply, diff, diff_nodes, fingerprint};

use serde_json::Value;

use crate::finding::{Code, Finding, Findings};

/// One finding for each change that does not fit any more.
fn report_refused(subject: &str, refused: &[(Change, Refused)], findings: &mut Findings) {
    for (change, reason) in refused {
        let path = match (subject, change.display_path()) {
            (subject, path) if path.is_empty() => subject.to_owned(),
            ("", path) => path,
            (subject, path) => format!("{subject}.{path}"),
        };
        let message = match reason {
            Refused::Edited => {
                format!("`{path}` was changed after the conversion; the live value is kept")
            }
            Refused::Gone => format!("`{path}` was carried along, but what it belonged to is gone"),
        };
        let mut finding = Finding::new(Code("carried-but-edited"), message);
        finding.path = path;
        findings.push(finding);
    }
}

/// The changes of a packet; entries that are none (edited by hand, another version) become findings.
fn read_changes(subject: &str, value: &Value, findings: &mut Findings) -> Vec<Change> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let changes: Vec<_> = items.iter().filter_map(Change::from_json).collect();
    if changes.len() != items.len() || !value.is_array() {
        let message = format!("what was carried along for `{subject}` cannot be understood");
        findings.push(Finding::new(Code("carried-not-understood"), message));
    }
    changes
}

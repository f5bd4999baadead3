//! What can go wrong in a run: afterwards the target is as it was, or the run can be gone on with, and the message says
//! which.

mod cluster;
mod disk;
mod images;
mod kills;

use std::process::Output;

use super::text;

/// The run has ended with this code, and has said all of this.
#[track_caller]
pub(super) fn ended(output: &Output, code: i32, says: &[&str]) -> String {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for expected in says {
        assert!(said.contains(expected), "no `{expected}` in\n{said}");
    }
    said
}

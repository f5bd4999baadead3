//! From the model to a Compose file or a Swarm stack.

use crate::finding::Findings;
use crate::orchestration::model::Application;
use crate::orchestration::output::Output;

/// Writes the one Compose document and the files that it refers to.
#[must_use]
pub fn write(application: &Application, options: &super::ComposeOptions, findings: &mut Findings) -> Output {
    let _ = (application, options, findings);
    Output::default()
}

//! From the model to Kubernetes objects.

use super::KubernetesOptions;
use crate::finding::Findings;
use crate::orchestration::model::Application;
use crate::orchestration::output::Output;
use crate::source::Files;

/// Writes objects in the order in which they should be applied. `files` and `directory` (the project folder) are
/// for bind mounts whose content becomes a ConfigMap.
#[must_use]
pub fn write(
    application: &Application,
    options: &KubernetesOptions,
    files: &dyn Files,
    directory: &std::path::Path,
    findings: &mut Findings,
) -> Output {
    let _ = (application, options, files, directory, findings);
    Output::default()
}

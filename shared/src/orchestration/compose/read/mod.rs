//! From the canonical Compose document to the model.

use super::load::Project;
use crate::orchestration::model::Application;
use crate::source::{Files, Ledger};

/// Reads a loaded project. Problems of the input are findings of severity error in the ledger; the application
/// then is as good as it could be made.
#[must_use]
pub fn read(project: &Project, files: &dyn Files, ledger: &mut Ledger) -> Application {
    let _ = (files, ledger);
    Application::new(project.dialect)
}

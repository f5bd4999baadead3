//! Objects of the same names that are there already.

use serde_json::Value;

use crate::application::target::kubernetes::{Kubernetes, MANAGER};
use crate::application::target::{Check, OnConflict};
use crate::orchestration::output::Output;

/// Whether a run of ours has made an object.
pub(in crate::application::target) fn is_own(object: &Value) -> bool {
    let mut managers = object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten();
    managers.any(|entry| entry["manager"] == MANAGER)
        || object["metadata"]["labels"]["app.kubernetes.io/managed-by"] == MANAGER
}

/// Objects of the same name that are there already.
pub(super) fn existing(
    cluster: &Kubernetes,
    output: &Output,
    conflict: OnConflict,
    is_own: &dyn Fn(&Value) -> bool,
    checks: &mut Vec<Check>,
) {
    let live = match cluster.live(output) {
        Ok(live) => live,
        Err(error) => {
            checks.push(Check::not_checked("existing objects", error.message));
            return;
        }
    };
    let mut own = 0;
    let mut foreign = Vec::new();
    for (name, object) in live {
        let Some(object) = object else { continue };
        let labels = &object["metadata"]["labels"];
        if is_own(&object) {
            own += 1;
        } else {
            let owner = labels["app.kubernetes.io/managed-by"]
                .as_str()
                .map(|by| format!(" (of {by})"));
            foreign.push(format!("{}{}", name.short(), owner.unwrap_or_default()));
        }
    }
    if own > 0 {
        checks.push(Check::ok(
            "existing objects",
            format!("{own} of an earlier run, which will be brought up to date"),
        ));
    }
    if foreign.is_empty() {
        return;
    }
    let seen = format!("not ours: {}", foreign.join(", "));
    checks.push(match conflict {
        OnConflict::Fail => Check::blocked(
            "existing objects",
            seen,
            "Choose another namespace, or say what to do: --on-conflict skip or --on-conflict overwrite",
        ),
        OnConflict::Skip => Check::warning("existing objects", seen, "They are left as they are (--on-conflict skip)."),
        OnConflict::Overwrite => Check::warning(
            "existing objects",
            seen,
            "They are changed (--on-conflict overwrite); `rollback` brings them back.",
        ),
    });
}

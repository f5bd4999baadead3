//! What is looked at before helm is called: all that is looked at in every cluster, and the release.

use super::super::kubernetes::preflight as cluster;
use super::release::{Revision, standing};
use super::{Check, DESCRIPTION, Helm, OnConflict};
use crate::application::target::Verdict;
use crate::application::{Journal, Target as _};
use crate::host::helm;
use crate::orchestration::output::Output;

/// Looks at cluster and release.
pub(super) fn checks(target: &Helm, output: &Output, conflict: OnConflict) -> Vec<Check> {
    let mut checks = Vec::new();
    match helm::version(&helm::program()) {
        Some(version) => checks.push(Check::ok("helm", version)),
        None => {
            checks.push(Check::blocked(
                "helm",
                "it does not tell its version",
                "Install Helm 3 or 4 (https://helm.sh/docs/intro/install/), or set HELM_BIN to its path.",
            ));
            return checks;
        }
    }
    let seen = cluster::checks(&target.cluster, output, conflict, &|object| {
        target.owns(object)
    });
    let reachable = !seen
        .iter()
        .any(|check| check.subject == "cluster" && check.verdict == Verdict::Blocked);
    checks.extend(seen);
    if !reachable {
        return checks;
    }
    let foreign = checks
        .iter()
        .any(|check| check.subject == "existing objects" && check.verdict == Verdict::Warning);
    if conflict == OnConflict::Skip && foreign {
        checks.push(Check::blocked(
            "existing objects",
            "helm cannot leave single objects out (--on-conflict skip)",
            "Choose another namespace or --release NAME, or --on-conflict overwrite to take them over.",
        ));
    }
    checks.push(match target.history() {
        Ok(history) => release(target, &history, conflict),
        Err(error) => Check::not_checked("release", error.message),
    });
    checks
}

fn release(target: &Helm, history: &[Revision], conflict: OnConflict) -> Check {
    let name = target.release();
    let Some(newest) = history.last().filter(|one| one.status != "uninstalled") else {
        return Check::ok("release", format!("{name} is new"));
    };
    if newest.is_open() {
        return open(target, newest);
    }
    let at = standing(history).unwrap_or(newest);
    let seen = format!(
        "{name} is there: revision {} of {}, {}",
        at.revision, at.chart, at.status
    );
    if newest.is_of(&target.chart) || newest.description.starts_with(DESCRIPTION) {
        return Check::warning(
            "release",
            seen,
            format!(
                "It is upgraded; `rollback` brings back revision {}.",
                at.revision
            ),
        );
    }
    match conflict {
        OnConflict::Overwrite => Check::warning(
            "release",
            seen,
            "It becomes another chart (--on-conflict overwrite); `rollback` brings it back.",
        ),
        OnConflict::Fail | OnConflict::Skip => Check::blocked(
            "release",
            format!("{seen}: another chart than `{}`", target.chart),
            "Choose another name with --release NAME, or --on-conflict overwrite.",
        ),
    }
}

/// Helm is at the release, or was killed: what a run of ours left open it may end.
fn open(target: &Helm, newest: &Revision) -> Check {
    let name = target.release();
    let seen = format!(
        "{name} is {} at revision {}",
        newest.status, newest.revision
    );
    let address = target.address();
    let runs = Journal::all().unwrap_or_default();
    let ours = runs
        .iter()
        .flatten()
        .any(|journal| journal.record.address == address && journal.record.status.is_resumable());
    if ours {
        Check::warning(
            "release",
            format!("{seen}, left by a run that was ended"),
            "What that run began is taken back first.",
        )
    } else {
        Check::blocked(
            "release",
            format!("{seen}: somebody else is at it, or helm was ended there"),
            format!(
                "Wait for it, or end it: helm rollback {name}, or helm uninstall {name} if nothing of it ever ran"
            ),
        )
    }
}

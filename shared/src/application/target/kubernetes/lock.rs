//! The lock of an application in its namespace: a ConfigMap, so that it works from every machine.

use std::time::Duration;

use serde_json::{Value, json};

use super::reads::CONFIG_MAP;
use super::{Failure, Kubernetes, NOT_VALIDATED, ObjectName};
use crate::application::Journal;

/// Marks locks.
const LABEL: &str = "migrate.dev/lock";
/// A lock that is older belongs to a run that died.
const LIFE: Duration = Duration::from_mins(30);

fn name(cluster: &Kubernetes) -> String {
    format!("migrate-lock-{}", cluster.application)
}

/// The lock of an application, held by a run.
pub(super) fn object(cluster: &Kubernetes, run: &str) -> Value {
    let until = jiff::Timestamp::now() + LIFE;
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name(cluster), "labels": {LABEL: "true"}},
        "data": {"run": run, "until": until.to_string()},
    })
}

/// The lock as it is there.
fn held(cluster: &Kubernetes) -> Result<Value, Failure> {
    let held = cluster.get(&ObjectName::of_kind(CONFIG_MAP, &name(cluster)))?;
    Ok(held.unwrap_or_default())
}

/// Takes the lock of an application.
///
/// # Errors
/// Somebody else has it, or the cluster refuses.
pub(super) fn take(cluster: &Kubernetes, run: &str) -> Result<(), Failure> {
    let lock = object(cluster, run);
    let text = lock.to_string();
    let Err(error) = cluster.call_with(
        &["create", NOT_VALIDATED, "--filename=-", "--output=name"],
        &text,
    ) else {
        return Ok(());
    };
    if !error.message.contains("AlreadyExists") {
        return Err(error);
    }
    let held = held(cluster)?;
    let holder = held["data"]["run"].as_str().unwrap_or_default();
    let alive = held["data"]["until"]
        .as_str()
        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .is_some_and(|until| until > jiff::Timestamp::now());
    if holder == run || !alive || Journal::is_over(holder) || held.is_null() {
        // Replacing with the version that was seen fails if somebody else was faster.
        let mut lock = lock;
        lock["metadata"]["resourceVersion"] = held["metadata"]["resourceVersion"].clone();
        return cluster
            .call_with(
                &["replace", "--filename=-", "--output=name"],
                &lock.to_string(),
            )
            .map(drop);
    }
    Err(Failure::refused(format!(
        "another run ({holder}) is changing `{}` there; wait for it, or remove its lock if it died: kubectl delete configmap {} --namespace {}",
        cluster.application,
        name(cluster),
        cluster.namespace()
    )))
}

/// Gives it back, if this run has it.
pub(super) fn release(cluster: &Kubernetes, run: &str) {
    if held(cluster).is_ok_and(|held| held["data"]["run"] == run) {
        // It ends by itself if this fails.
        let _ = cluster.call(&[
            "delete",
            "configmap",
            &name(cluster),
            "--ignore-not-found",
            "--wait=false",
        ]);
    }
}

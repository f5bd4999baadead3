//! What is looked at in a cluster before anything is changed. Needs no more rights than those for the namespace: what
//! these do not allow to see is said not to be checked.

use std::collections::BTreeSet;

use serde_json::Value;

use super::reads::{NAMESPACE, QUOTA, resource};
use super::{Kubernetes, ObjectName};
use crate::application::target::{Check, OnConflict};
use crate::orchestration::convert::to_yaml;
use crate::orchestration::output::Output;

mod existing;
mod place;
mod references;

pub(in crate::application::target) use existing::is_own;

/// Looks at a cluster.
pub(in crate::application::target) fn checks(
    cluster: &Kubernetes,
    output: &Output,
    conflict: OnConflict,
    is_own: &dyn Fn(&Value) -> bool,
) -> Vec<Check> {
    let mut checks = Vec::new();
    match cluster.version() {
        Ok(Some(version)) => checks.push(Check::ok("cluster", format!("Kubernetes {version}"))),
        Ok(None) => {
            checks.push(unreachable("it does not tell its version"));
            return checks;
        }
        Err(error) => {
            checks.push(unreachable(&error.message));
            return checks;
        }
    }
    let objects: Vec<&Value> = output
        .documents
        .iter()
        .map(|document| &document.value)
        .collect();
    let namespace_is_new = namespace(cluster, &mut checks);
    permissions(cluster, &objects, &mut checks);
    // A namespace that is new may need what is outside of it, such as a volume, under a name that another has.
    existing::existing(cluster, output, conflict, is_own, &mut checks);
    if !namespace_is_new {
        references::references(cluster, &objects, &mut checks);
        admission(cluster, &objects, &mut checks);
        quota(cluster, &objects, &mut checks);
    }
    place::classes(cluster, &objects, &mut checks);
    place::nodes(cluster, &objects, &mut checks);
    place::node_ports(cluster, &objects, &mut checks);
    checks
}

fn unreachable(reason: &str) -> Check {
    Check::blocked(
        "cluster",
        reason,
        "Choose the cluster with --kube-context NAME; `kubectl config get-contexts` lists them.",
    )
}

/// Whether the namespace is there. Returns whether it has to be made.
fn namespace(cluster: &Kubernetes, checks: &mut Vec<Check>) -> bool {
    let name = cluster.namespace();
    match cluster.get(&ObjectName::of_kind(NAMESPACE, &name)) {
        Ok(None) => {
            let allowed = cluster.may(&[("create", NAMESPACE)]) == [true];
            checks.push(if allowed {
                Check::ok("namespace", format!("{name} will be made"))
            } else {
                Check::blocked(
                    "namespace",
                    format!("{name} is not there, and you may not make it"),
                    format!("Ask for it: kubectl create namespace {name}"),
                )
            });
            true
        }
        Ok(_) => {
            checks.push(Check::ok("namespace", format!("{name} is there")));
            false
        }
        Err(_) => {
            checks.push(Check::not_checked(
                "namespace",
                format!("{name}: namespaces may not be seen"),
            ));
            false
        }
    }
}

fn permissions(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
    let kinds: BTreeSet<String> = objects
        .iter()
        .filter_map(|object| Some(ObjectName::of(object)?.kind))
        .collect();
    let wanted: Vec<(&str, &str)> = kinds
        .iter()
        .flat_map(|kind| ["create", "patch"].map(|verb| (verb, kind.as_str())))
        .collect();
    let missing: Vec<String> = wanted
        .iter()
        .zip(cluster.may(&wanted))
        .filter(|(_, allowed)| !allowed)
        .map(|((verb, kind), _)| format!("{verb} {}", resource(kind)))
        .collect();
    checks.push(if missing.is_empty() {
        Check::ok(
            "permissions",
            format!("you may write all {} kinds", kinds.len()),
        )
    } else {
        Check::blocked(
            "permissions",
            format!("you may not: {}", missing.join(", ")),
            "Ask the cluster's administrator for a Role with these verbs.",
        )
    });
}

/// What the API server and its admission say of the objects, without storing them.
fn admission(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
    let (waiting, asked): (Vec<&Value>, Vec<&Value>) =
        objects.iter().partition(|o| waits_for_account(o, objects));
    for pod in waiting {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        checks.push(Check::not_checked(
            "admission",
            format!("pod/{name} is not asked about before its ServiceAccount is made"),
        ));
    }
    if asked.is_empty() {
        return;
    }
    let text = to_yaml(asked.iter().copied());
    let manager = format!("--field-manager={}", super::MANAGER);
    let arguments = [
        "apply",
        "--server-side",
        "--dry-run=server",
        "--force-conflicts",
        &manager,
        "--filename=-",
        "--output=name",
    ];
    checks.push(match cluster.call_with(&arguments, &text) {
        Ok(_) => Check::ok(
            "admission",
            format!("the cluster accepts all {} objects", asked.len()),
        ),
        Err(error) => Check::blocked(
            "admission",
            error.message,
            "Change what the message names, at the source or by an option.",
        ),
    });
}

/// Whether this is a Pod whose `ServiceAccount` comes along: the cluster refuses it until that is there, and what is only
/// tried is not there. Controllers are accepted without.
fn waits_for_account(object: &Value, objects: &[&Value]) -> bool {
    let account = object.pointer("/spec/serviceAccountName");
    object["kind"] == "Pod"
        && account.is_some()
        && objects.iter().any(|other| {
            other["kind"] == "ServiceAccount" && other.pointer("/metadata/name") == account
        })
}

/// Resource quotas against what the application asks for.
fn quota(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
    let Ok(quotas) = cluster.list(QUOTA, false) else {
        checks.push(Check::not_checked(
            "quota",
            "resource quotas may not be seen",
        ));
        return;
    };
    let pods: i64 = objects
        .iter()
        .filter(|object| pod_spec(object).is_some())
        .map(|object| object["spec"]["replicas"].as_i64().unwrap_or(1))
        .sum();
    for quota in quotas {
        let name = quota["metadata"]["name"].as_str().unwrap_or_default();
        let number = |kind: &str| {
            quota["status"][kind]["pods"]
                .as_str()
                .and_then(|text| text.parse::<i64>().ok())
        };
        if let (Some(hard), Some(used)) = (number("hard"), number("used"))
            && used + pods > hard
        {
            checks.push(Check::blocked(
                format!("quota {name}"),
                format!("{pods} pods are needed, {} of {hard} are free", hard - used),
                "Ask for a higher quota, or choose another namespace.",
            ));
        }
    }
}

/// The specification of the Pods that an object makes.
fn pod_spec(object: &Value) -> Option<&Value> {
    match object["kind"].as_str()? {
        "Pod" => object.get("spec"),
        "CronJob" => object.pointer("/spec/jobTemplate/spec/template/spec"),
        _ => object.pointer("/spec/template/spec"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::waits_for_account;

    #[test]
    fn only_a_pod_waits_for_an_account_that_comes_along() {
        let account = json!({"kind": "ServiceAccount", "metadata": {"name": "a"}});
        let pod = |name| json!({"kind": "Pod", "spec": {"serviceAccountName": name}});
        let (own, foreign) = (pod("a"), pod("b"));
        let plain = json!({"kind": "Pod", "spec": {}});
        let controller = json!({"kind": "Deployment", "spec": {"template": {"spec": {"serviceAccountName": "a"}}}});
        let all = [&account, &own, &foreign, &plain, &controller];
        let waiting = all.map(|object| waits_for_account(object, &all));
        assert_eq!(waiting, [false, true, false, false, false]);
    }
}

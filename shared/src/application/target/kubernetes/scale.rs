//! Scaling workloads to nothing and back.

use serde_json::{Value, json};

use super::{Failure, Kubernetes, ObjectName, Output, Scale, names};

/// Kinds with replicas.
const SCALABLE: [&str; 4] = [
    "Deployment",
    "StatefulSet",
    "ReplicationController",
    "ReplicaSet",
];

/// Replicas of workloads, and which CronJobs are not suspended.
pub(super) fn scales(cluster: &Kubernetes, workloads: &Output) -> Result<Value, Failure> {
    let mut objects = Vec::new();
    for name in names(workloads) {
        let Some(live) = cluster.get(&name)? else {
            continue;
        };
        let kind = live["kind"].as_str().unwrap_or_default();
        let mut object = json!({
            "apiVersion": live["apiVersion"],
            "kind": kind,
            "metadata": {"name": live["metadata"]["name"], "namespace": live["metadata"]["namespace"]},
        });
        if SCALABLE.contains(&kind) {
            object["replicas"] = json!(live["spec"]["replicas"].as_u64().unwrap_or(1));
        } else if kind == "CronJob" {
            object["suspend"] = json!(live["spec"]["suspend"] == true);
        }
        objects.push(object);
    }
    Ok(json!({"objects": objects}))
}

pub(super) fn scale(
    cluster: &Kubernetes,
    scales: &Value,
    scale: Scale,
) -> Result<Vec<String>, Failure> {
    let mut done = Vec::new();
    for object in scales["objects"].as_array().into_iter().flatten() {
        let Some(name) = ObjectName::of(object) else {
            continue;
        };
        let short = name.short();
        let namespace = name.namespace.as_ref().map(|n| format!("--namespace={n}"));
        let call = |arguments: &[&str]| {
            let mut arguments = arguments.to_vec();
            arguments.extend(namespace.as_deref());
            cluster.call(&arguments)
        };
        if let Some(replicas) = object["replicas"].as_u64() {
            if replicas == 0 {
                continue;
            }
            let wanted = match scale {
                Scale::Down => 0,
                Scale::Back => replicas,
            };
            let option = format!("--replicas={wanted}");
            call(&["scale", &option, &name.kind, &name.name])?;
            done.push(format!("scaled {short} to {wanted}"));
        } else if let Some(suspended) = object["suspend"].as_bool() {
            if suspended {
                continue;
            }
            let wanted = scale == Scale::Down;
            let patch = json!({"spec": {"suspend": wanted}}).to_string();
            call(&[
                "patch",
                &name.kind,
                &name.name,
                "--type=merge",
                "--patch",
                &patch,
            ])?;
            done.push(if wanted {
                format!("suspended {short}")
            } else {
                format!("{short} runs again")
            });
        } else if scale == Scale::Down {
            done.push(format!("left {short}: its kind has no scale"));
        }
    }
    Ok(done)
}

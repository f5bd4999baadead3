//! Whether an object of a cluster is ready, and why not.

use serde_json::Value;

use super::{Kubernetes, ObjectName};

/// Last lines of a log that are shown.
const LOG_LINES: &str = "--tail=8";
/// Pods whose reasons are shown, for each object.
const MOST_PODS: usize = 3;

/// How an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// As it was asked for.
    Ready,
    /// Not yet.
    Waiting(String),
    /// It will not become ready by itself.
    Failed(String),
}

/// Whether an object becomes ready at all; others are done when they exist.
pub(super) fn is_watched(name: &ObjectName) -> bool {
    let kind = name.kind.split('.').next().unwrap_or_default();
    matches!(
        kind,
        "Deployment"
            | "StatefulSet"
            | "DaemonSet"
            | "ReplicaSet"
            | "ReplicationController"
            | "Pod"
            | "Job"
    )
}

/// How an object is (kubectl, `polymorphichelpers/rollout_status.go`, for the first three kinds).
pub(super) fn state(object: &Value) -> State {
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64);
    let spec = number("/spec/replicas").unwrap_or(1);
    let status = |field: &str| number(&format!("/status/{field}")).unwrap_or(0);
    let seen = status("observedGeneration") >= number("/metadata/generation").unwrap_or(0);
    let of = |have: i64, want: i64| {
        if have >= want {
            State::Ready
        } else {
            State::Waiting(format!("{have} of {want} ready"))
        }
    };
    match object["kind"].as_str().unwrap_or_default() {
        _ if !seen && object["kind"] != "Pod" && object["kind"] != "Job" => {
            State::Waiting("no controller of the cluster has looked at it yet".into())
        }
        "Deployment" => {
            let late = object["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|condition| {
                    condition["type"] == "Progressing"
                        && condition["reason"] == "ProgressDeadlineExceeded"
                });
            if late {
                return State::Failed("it makes no progress".into());
            }
            of(
                status("updatedReplicas").min(status("availableReplicas")),
                spec,
            )
        }
        "StatefulSet" => of(
            status("readyReplicas").min(status("updatedReplicas").max(status("currentReplicas"))),
            spec,
        ),
        "ReplicaSet" | "ReplicationController" => of(status("readyReplicas"), spec),
        "DaemonSet" => of(
            status("numberReady").min(status("updatedNumberScheduled")),
            status("desiredNumberScheduled"),
        ),
        "Job" => {
            if status("failed") > number("/spec/backoffLimit").unwrap_or(6) {
                State::Failed("it has failed".into())
            } else {
                of(
                    status("succeeded"),
                    number("/spec/completions").unwrap_or(1),
                )
            }
        }
        "Pod" => match object["status"]["phase"].as_str() {
            Some("Succeeded") => State::Ready,
            Some("Failed") => State::Failed("it has failed".into()),
            _ => {
                let ready = object["status"]["conditions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
                if ready {
                    State::Ready
                } else {
                    State::Waiting("not ready".into())
                }
            }
        },
        _ => State::Ready,
    }
}

/// Why an object is not ready: what its containers wait for, its events, the last lines of its logs.
pub(super) fn reasons(cluster: &Kubernetes, name: &ObjectName) -> Vec<String> {
    let mut out = Vec::new();
    out.extend(events(cluster, &name.name));
    let object = cluster.get(name).ok().flatten().unwrap_or_default();
    let selector = match &object["spec"]["selector"] {
        Value::Object(selector) => selector
            .get("matchLabels")
            .and_then(Value::as_object)
            .unwrap_or(selector)
            .iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
            .collect::<Vec<_>>()
            .join(","),
        _ => String::new(),
    };
    if selector.is_empty() {
        return out;
    }
    let selector = format!("--selector={selector}");
    let pods = cluster
        .json(&["get", "pods", &selector, "--output=json"])
        .unwrap_or_default();
    let mut shown = 0;
    for pod in pods["items"].as_array().into_iter().flatten() {
        if state(pod) == State::Ready || shown == MOST_PODS {
            continue;
        }
        shown += 1;
        let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
        out.extend(containers(cluster, pod, pod_name));
        out.extend(events(cluster, pod_name));
    }
    out.dedup();
    out
}

fn containers(cluster: &Kubernetes, pod: &Value, pod_name: &str) -> Vec<String> {
    let mut out = Vec::new();
    let scheduled = pod["status"]["conditions"].as_array().into_iter().flatten();
    for condition in scheduled {
        if condition["type"] == "PodScheduled" && condition["status"] == "False" {
            let message = condition["message"].as_str().unwrap_or_default();
            out.push(format!("pod {pod_name} has no node: {message}"));
        }
    }
    let statuses = ["initContainerStatuses", "containerStatuses"];
    for status in statuses
        .iter()
        .flat_map(|key| pod["status"][key].as_array().into_iter().flatten())
    {
        let container = status["name"].as_str().unwrap_or_default();
        let waiting = &status["state"]["waiting"];
        if let Some(reason) = waiting["reason"].as_str() {
            let message = waiting["message"].as_str().unwrap_or_default();
            out.push(
                format!("pod {pod_name}, container {container}: {reason} {message}")
                    .trim()
                    .to_owned(),
            );
        }
        let ended = [
            &status["state"]["terminated"],
            &status["lastState"]["terminated"],
        ];
        let ended = ended
            .into_iter()
            .find(|ended| ended["exitCode"].as_i64().is_some_and(|code| code != 0));
        if let Some(ended) = ended {
            out.push(format!(
                "pod {pod_name}, container {container}: ended with exit code {}",
                ended["exitCode"]
            ));
            let previous = status["lastState"]["terminated"].is_object();
            let mut arguments = vec!["logs", pod_name, "--container", container, LOG_LINES];
            if previous {
                arguments.push("--previous");
            }
            let log = cluster.call(&arguments).unwrap_or_default();
            out.extend(log.lines().map(|line| format!("  log: {line}")));
        } else if status["ready"] == false && status["state"]["running"].is_object() {
            out.push(format!(
                "pod {pod_name}, container {container}: it runs, but its readiness probe fails"
            ));
        }
    }
    out
}

/// Warnings about an object.
fn events(cluster: &Kubernetes, name: &str) -> Vec<String> {
    let selector = format!("--field-selector=type=Warning,involvedObject.name={name}");
    let events = cluster
        .json(&["get", "events", &selector, "--output=json"])
        .unwrap_or_default();
    let mut lines: Vec<String> = events["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|event| {
            Some(format!(
                "event: {}: {}",
                event["reason"].as_str()?,
                event["message"].as_str()?.trim()
            ))
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines.truncate(5);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deployment_is_ready_when_all_are_new_and_available() {
        let object = |observed: i64, updated: i64, available: i64| {
            json!({
                "kind": "Deployment",
                "metadata": {"generation": 2},
                "spec": {"replicas": 3},
                "status": {"observedGeneration": observed, "updatedReplicas": updated, "availableReplicas": available},
            })
        };
        assert_eq!(state(&object(2, 3, 3)), State::Ready);
        assert_eq!(
            state(&object(2, 3, 1)),
            State::Waiting("1 of 3 ready".into())
        );
        assert_eq!(
            state(&object(2, 1, 3)),
            State::Waiting("1 of 3 ready".into())
        );
        assert_eq!(
            state(&object(1, 3, 3)),
            State::Waiting("no controller of the cluster has looked at it yet".into())
        );
    }

    #[test]
    fn a_job_that_has_failed_too_often_is_hopeless() {
        let job = json!({"kind": "Job", "spec": {"backoffLimit": 0}, "status": {"failed": 1}});
        assert!(matches!(state(&job), State::Failed(_)));
        let pod = json!({"kind": "Pod", "status": {"phase": "Succeeded"}});
        assert_eq!(state(&pod), State::Ready);
    }
}

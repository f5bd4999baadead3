//! The nodes of a cluster pull images: on each runs a Pod for a moment, whose containers have these images and a program
//! that none of them has. The kubelet pulls an image before it finds that out, which works for images without a shell as
//! well, and nothing of the image ever runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams,
};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::NotPulled;
use crate::images::presync::rules::Cluster;
use crate::images::presync::trigger;

/// How often the Pods are looked at.
const POLL: Duration = Duration::from_millis(300);
/// Longest that nodes may take.
const LONGEST: Duration = Duration::from_mins(20);
/// Marks our Pods, with the number of their batch.
const LABEL: &str = "app.kubernetes.io/name=migrate-pull";
const BATCH: &str = "migrate.io/batch";
/// No image has it.
const PROGRAM: &str = "/migrate-only-pulls-this-image";

fn api(client: &Client, namespace: Option<&str>, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Lets every node that takes Pods pull images; gives those that one of them could not pull.
///
/// # Errors
/// The cluster does not answer, or does not allow it.
pub(super) async fn pull(
    cluster: &Cluster,
    images: &[String],
    stop: &CancellationToken,
) -> Result<Vec<NotPulled>, String> {
    let client = trigger::client(cluster).await?;
    let namespace = cluster.pulls_in();
    let pods = api(&client, Some(namespace), "Pod");
    remove(&pods, &ListParams::default().labels(LABEL)).await;
    let all = api(&client, None, "Node")
        .list(&ListParams::default())
        .await;
    let all = all.map_err(|error| format!("nodes cannot be listed: {error}"))?;
    let batch = format!("{:08x}", rand::random::<u32>());
    let ours = ListParams::default().labels(&format!("{LABEL},{BATCH}={batch}"));
    let mut result = Ok(());
    for (index, node) in all.items.iter().filter(|node| takes_pods(node)).enumerate() {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let made = match serde_json::from_value(pod(&batch, index, name, images)) {
            Ok(pod) => pods.create(&PostParams::default(), &pod).await,
            Err(error) => return Err(error.to_string()),
        };
        if let Err(error) = made {
            result = Err(format!(
                "a Pod for {name} cannot be made in {namespace}: {error}"
            ));
            break;
        }
    }
    let mut failed = BTreeMap::new();
    if result.is_ok() {
        result = until_pulled(&pods, &ours, &mut failed, stop).await;
    }
    remove(&pods, &ours).await;
    result.map(|()| failed.into_iter().collect())
}

/// Waits until all nodes have pulled all images or given up.
async fn until_pulled(
    pods: &Api<DynamicObject>,
    ours: &ListParams,
    failed: &mut BTreeMap<String, String>,
    stop: &CancellationToken,
) -> Result<(), String> {
    let begun = Instant::now();
    while !stop.is_cancelled() {
        let list = pods.list(ours).await.map_err(|error| error.to_string())?;
        let mut waiting = 0;
        for pod in &list.items {
            waiting += look(&pod.data, failed);
        }
        if waiting == 0 {
            return Ok(());
        }
        if begun.elapsed() > LONGEST {
            return Err(format!("{waiting} pulls do not end"));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// How many images of a Pod are still being pulled; notes those that cannot be.
fn look(pod: &Value, failed: &mut BTreeMap<String, String>) -> usize {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let node = text(&pod["spec"]["nodeName"]);
    let wanted = pod["spec"]["containers"].as_array().map_or(0, Vec::len);
    let states = pod["status"]["containerStatuses"].as_array();
    // The kubelet refused the whole Pod.
    if pod["status"]["phase"] == "Failed" && states.is_none() {
        let reason = format!("{node}: {}", text(&pod["status"]["message"]));
        for container in pod["spec"]["containers"].as_array().into_iter().flatten() {
            failed.insert(text(&container["image"]), reason.clone());
        }
        return 0;
    }
    let mut ended = 0;
    for state in states.into_iter().flatten() {
        let waiting = &state["state"]["waiting"];
        match waiting["reason"].as_str() {
            // Its image is there, and the program is not.
            None | Some("CreateContainerError" | "RunContainerError") => ended += 1,
            Some("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName") => {
                ended += 1;
                let name = &state["name"];
                let mut containers = pod["spec"]["containers"].as_array().into_iter().flatten();
                if let Some(container) = containers.find(|one| one["name"] == *name) {
                    let reason = format!("{node}: {}", text(&waiting["message"]));
                    failed.insert(text(&container["image"]), reason);
                }
            }
            Some(_) => {}
        }
    }
    wanted - ended.min(wanted)
}

fn takes_pods(node: &DynamicObject) -> bool {
    let ready = node.data["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Ready" && one["status"] == "True");
    ready && node.data["spec"]["unschedulable"] != true
}

/// A Pod that even the strictest of the Pod Security Standards (`restricted`) allows.
fn pod(batch: &str, index: usize, node: &str, images: &[String]) -> Value {
    let little = json!({"cpu": "1m", "memory": "8Mi"});
    let containers: Vec<Value> = images
        .iter()
        .enumerate()
        .map(|(number, image)| {
            json!({
                "name": format!("image-{number}"),
                "image": image,
                // The node may have an older image of this name.
                "imagePullPolicy": "Always",
                "command": [PROGRAM],
                "resources": {"requests": little, "limits": {"cpu": "100m", "memory": "64Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                },
            })
        })
        .collect();
    let (key, value) = LABEL.split_once('=').unwrap_or_default();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("migrate-pull-{batch}-{index}"),
            "labels": {key: value, BATCH: batch},
        },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65_532,
                "runAsGroup": 65_532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": containers,
        },
    })
}

/// Removes Pods of ours. Those that are left are removed before the next batch.
async fn remove(pods: &Api<DynamicObject>, which: &ListParams) {
    let Ok(list) = pods.list(which).await else {
        return;
    };
    let at_once = DeleteParams::default().grace_period(0);
    for pod in &list.items {
        if let Some(name) = &pod.metadata.name
            && let Err(error) = pods.delete(name, &at_once).await
        {
            tracing::debug!(name, %error, "a Pod is left");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_ends_when_each_image_is_there_or_cannot_be_had() {
        let images = ["a/x:1".to_owned(), "a/y:1".to_owned()];
        let mut object = pod("1", 0, "node-1", &images);
        let mut failed = BTreeMap::new();
        assert_eq!(look(&object, &mut failed), 2);
        object["status"] = json!({"phase": "Pending", "containerStatuses": [
            {"name": "image-0", "state": {"terminated": {"reason": "StartError"}}},
            {"name": "image-1", "state": {"waiting": {"reason": "ContainerCreating"}}},
        ]});
        assert_eq!(look(&object, &mut failed), 1);
        object["status"]["containerStatuses"][1]["state"] =
            json!({"waiting": {"reason": "ErrImagePull", "message": "no such tag"}});
        assert_eq!(look(&object, &mut failed), 0);
        assert_eq!(failed["a/y:1"], "node-1: no such tag");
        object["status"] = json!({"phase": "Failed", "message": "OutOfpods"});
        failed.clear();
        assert_eq!(look(&object, &mut failed), 0);
        assert_eq!(failed.len(), 2);
    }
}

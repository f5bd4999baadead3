//! Takes out of an object what the cluster has put into it: its state, and the defaults that the API server fills in.
//!
//! A value goes only if it equals the server's default, so that what stays means the same. Empty objects with a meaning
//! of their own stay: a `podSelector: {}` selects all, an `emptyDir: {}` is a volume.

use serde_json::{Map, Value, json};

use super::pod;
use crate::orchestration::kubernetes::load::SET_BY_SERVER;

/// Annotations that controllers and clients write about the state of an object.
const ANNOTATIONS: [&str; 15] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubectl.kubernetes.io/restartedAt",
    "deployment.kubernetes.io/",
    "deprecated.daemonset.template.generation",
    "pv.kubernetes.io/",
    "volume.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "endpoints.kubernetes.io/",
    "control-plane.alpha.kubernetes.io/leader",
    "batch.kubernetes.io/job-tracking",
    "autoscaling.alpha.kubernetes.io/",
    "cni.projectcalico.org/",
    "k8s.v1.cni.cncf.io/network-status",
    "k8s.ovn.org/",
    "kubernetes.io/limit-ranger",
];
/// Labels that controllers give to what they make.
const LABELS: [&str; 9] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
];

type Object = Map<String, Value>;

/// Cleans an object of any kind that is read.
pub(super) fn strip(object: &mut Value) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    fields.shift_remove("status");
    if let Some(metadata) = object_mut(fields, "metadata") {
        self::metadata(metadata);
    }
    match kind.as_str() {
        "ServiceAccount" => {
            // Tokens of old clusters.
            fields.shift_remove("secrets");
        }
        "Secret" => drop_default(fields, "type", &json!("Opaque")),
        _ => {}
    }
    let Some(spec) = object_mut(fields, "spec") else {
        return;
    };
    match kind.as_str() {
        "Pod" => {
            bare_pod(spec);
            pod::strip(spec);
        }
        "Deployment" => deployment(spec),
        "StatefulSet" => stateful_set(spec),
        "DaemonSet" => {
            drop_default(spec, "revisionHistoryLimit", &json!(10));
            let default = json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}, "type": "RollingUpdate"});
            drop_default(spec, "updateStrategy", &default);
        }
        "Job" => job(spec, true),
        "CronJob" => {
            drop_default(spec, "concurrencyPolicy", &json!("Allow"));
            drop_default(spec, "suspend", &json!(false));
            drop_default(spec, "failedJobsHistoryLimit", &json!(1));
            drop_default(spec, "successfulJobsHistoryLimit", &json!(3));
            if let Some(template) = object_mut(spec, "jobTemplate") {
                if let Some(metadata) = object_mut(template, "metadata") {
                    self::metadata(metadata);
                }
                drop_default(template, "metadata", &json!({}));
                if let Some(spec) = object_mut(template, "spec") {
                    job(spec, false);
                    self::template(spec);
                }
            }
        }
        "Service" => service(spec),
        "PersistentVolumeClaim" => claim(spec),
        "NetworkPolicy" => network_policy(spec),
        _ => {}
    }
    self::template(spec);
}

fn template(spec: &mut Object) {
    let Some(template) = object_mut(spec, "template") else {
        return;
    };
    if let Some(metadata) = object_mut(template, "metadata") {
        self::metadata(metadata);
    }
    if let Some(spec) = object_mut(template, "spec") {
        pod::strip(spec);
    }
}

fn metadata(metadata: &mut Object) {
    // What controllers write there besides.
    let of_controllers = ["ownerReferences", "finalizers", "generateName"];
    for key in SET_BY_SERVER.into_iter().chain(of_controllers) {
        metadata.shift_remove(key);
    }
    for (section, prefixes) in [("annotations", &ANNOTATIONS[..]), ("labels", &LABELS[..])] {
        if let Some(entries) = object_mut(metadata, section) {
            entries.retain(|key, _| {
                !prefixes.iter().any(|prefix| {
                    key == prefix || (prefix.ends_with('/') && key.starts_with(prefix))
                })
            });
        }
        drop_default(metadata, section, &json!({}));
    }
}

fn deployment(spec: &mut Object) {
    drop_default(spec, "progressDeadlineSeconds", &json!(600));
    drop_default(spec, "revisionHistoryLimit", &json!(10));
    let default = json!({
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
        "type": "RollingUpdate",
    });
    drop_default(spec, "strategy", &default);
}

fn stateful_set(spec: &mut Object) {
    drop_default(spec, "podManagementPolicy", &json!("OrderedReady"));
    drop_default(spec, "revisionHistoryLimit", &json!(10));
    let default = json!({"rollingUpdate": {"partition": 0}, "type": "RollingUpdate"});
    drop_default(spec, "updateStrategy", &default);
    let default = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
    drop_default(spec, "persistentVolumeClaimRetentionPolicy", &default);
    for template in objects_mut(spec, "volumeClaimTemplates") {
        for key in ["status", "apiVersion", "kind"] {
            template.shift_remove(key);
        }
        if let Some(metadata) = object_mut(template, "metadata") {
            self::metadata(metadata);
        }
        if let Some(spec) = object_mut(template, "spec") {
            claim(spec);
        }
    }
}

fn job(spec: &mut Object, is_started: bool) {
    for (key, default) in [
        ("backoffLimit", json!(6)),
        ("completionMode", json!("NonIndexed")),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
        ("suspend", json!(false)),
    ] {
        drop_default(spec, key, &default);
    }
    // The server makes a selector of its own for each Job that is started.
    if is_started && spec.get("manualSelector") != Some(&json!(true)) {
        spec.shift_remove("selector");
        spec.shift_remove("manualSelector");
    }
}

fn bare_pod(spec: &mut Object) {
    // The scheduler's choice, and what admission adds to every Pod.
    spec.shift_remove("nodeName");
    spec.shift_remove("ephemeralContainers");
    if let Some(tolerations) = spec.get_mut("tolerations").and_then(Value::as_array_mut) {
        tolerations.retain(|toleration| {
            let key = toleration["key"].as_str().unwrap_or_default();
            !([
                "node.kubernetes.io/not-ready",
                "node.kubernetes.io/unreachable",
            ]
            .contains(&key)
                && toleration["tolerationSeconds"] == 300)
        });
    }
    drop_default(spec, "tolerations", &json!([]));
    let tokens: Vec<String> = objects_mut(spec, "volumes")
        .filter_map(|volume| volume.get("name")?.as_str().map(str::to_owned))
        .filter(|name| name.starts_with("kube-api-access-"))
        .collect();
    if tokens.is_empty() {
        return;
    }
    let is_token = |value: &Value| {
        let name = value["name"].as_str().unwrap_or_default();
        tokens.iter().any(|token| token == name)
    };
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| !is_token(volume));
    }
    drop_default(spec, "volumes", &json!([]));
    for section in ["initContainers", "containers"] {
        for container in objects_mut(spec, section) {
            if let Some(mounts) = container
                .get_mut("volumeMounts")
                .and_then(Value::as_array_mut)
            {
                mounts.retain(|mount| !is_token(mount));
            }
            drop_default(container, "volumeMounts", &json!([]));
        }
    }
}

fn service(spec: &mut Object) {
    let kind = spec
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("ClusterIP")
        .to_owned();
    // `None` makes a Service headless; an address is the cluster's own.
    if spec.get("clusterIP") != Some(&json!("None")) {
        spec.shift_remove("clusterIP");
    }
    spec.shift_remove("clusterIPs");
    spec.shift_remove("healthCheckNodePort");
    if spec.get("ipFamilyPolicy") == Some(&json!("SingleStack")) {
        spec.shift_remove("ipFamilyPolicy");
        spec.shift_remove("ipFamilies");
    }
    for (key, default) in [
        ("type", json!("ClusterIP")),
        ("sessionAffinity", json!("None")),
        ("internalTrafficPolicy", json!("Cluster")),
        ("externalTrafficPolicy", json!("Cluster")),
        ("allocateLoadBalancerNodePorts", json!(true)),
    ] {
        drop_default(spec, key, &default);
    }
    for port in objects_mut(spec, "ports") {
        drop_default(port, "protocol", &json!("TCP"));
        // Behind a load balancer nobody knows the port of the nodes; that of a NodePort is what clients use.
        if kind != "NodePort" {
            port.shift_remove("nodePort");
        }
    }
}

fn claim(spec: &mut Object) {
    spec.shift_remove("volumeName");
    drop_default(spec, "volumeMode", &json!("Filesystem"));
}

fn network_policy(spec: &mut Object) {
    for direction in ["ingress", "egress"] {
        for rule in objects_mut(spec, direction) {
            for port in objects_mut(rule, "ports") {
                drop_default(port, "protocol", &json!("TCP"));
            }
        }
    }
}

pub(super) fn drop_default(fields: &mut Object, key: &str, default: &Value) {
    if fields.get(key) == Some(default) {
        // Not swap_remove: the order of the keys is the order of the file.
        fields.shift_remove(key);
    }
}

pub(super) fn object_mut<'f>(fields: &'f mut Object, key: &str) -> Option<&'f mut Object> {
    fields.get_mut(key)?.as_object_mut()
}

pub(super) fn objects_mut<'f>(
    fields: &'f mut Object,
    key: &str,
) -> impl Iterator<Item = &'f mut Object> {
    fields
        .get_mut(key)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

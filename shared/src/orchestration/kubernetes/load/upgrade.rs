//! Old API versions, brought up to date, and fields that only a server writes.

use crate::source::{Entry, Mapping, Node, Position, Value};

/// The current `apiVersion` of a kind, where an old group or version was written.
pub(super) fn current_version(api_version: &str, kind: &str) -> Option<&'static str> {
    let current = match kind {
        "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet" => "apps/v1",
        "Ingress" | "NetworkPolicy" | "IngressClass" => "networking.k8s.io/v1",
        "CronJob" | "Job" => "batch/v1",
        "PodDisruptionBudget" => "policy/v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => {
            "rbac.authorization.k8s.io/v1"
        }
        "StorageClass" => "storage.k8s.io/v1",
        "PriorityClass" => "scheduling.k8s.io/v1",
        _ => return None,
    };
    let group = |v: &str| {
        v.split_once('/')
            .map_or(String::new(), |(g, _)| g.to_owned())
    };
    let old_group = matches!(
        group(api_version).as_str(),
        "extensions" | "apps" | "batch" | "policy" | "autoscaling"
    ) || group(api_version) == group(current);
    (api_version != current && old_group && api_version != "autoscaling/v1").then_some(current)
}

/// Brings the fields of an object with an old version into today's places.
pub(super) fn upgrade(kind: &str, from: &str, object: &mut Mapping) {
    let at = object.iter().next().map(|(_, e)| e.key_at);
    let Some(at) = at else { return };
    match kind {
        "Ingress" => ingress(object),
        "Deployment" | "DaemonSet" | "ReplicaSet"
            if from.starts_with("extensions/") || from.contains("beta") =>
        {
            default_selector(object, at);
        }
        _ => {}
    }
}

/// The old versions filled the selector from the template's labels.
fn default_selector(object: &mut Mapping, at: Position) {
    let Some(spec) = map_mut(object, "spec") else {
        return;
    };
    spec.remove("rollbackTo");
    spec.remove("templateGeneration");
    if spec.get("selector").is_some() {
        return;
    }
    let labels = spec
        .get("template")
        .and_then(Node::as_mapping)
        .and_then(|t| t.get("metadata"))
        .and_then(Node::as_mapping)
        .and_then(|m| m.get("labels"))
        .cloned();
    if let Some(labels) = labels {
        let mut selector = Mapping::default();
        selector.set("matchLabels", at, labels);
        spec.set("selector", at, Node::mapping(selector, at));
    }
}

/// `serviceName` and `servicePort` moved into `service`.
fn ingress(object: &mut Mapping) {
    let Some(spec) = map_mut(object, "spec") else {
        return;
    };
    if let Some(mut backend) = spec.remove("backend") {
        ingress_backend(&mut backend.node);
        spec.0.insert("defaultBackend".into(), backend);
    }
    let Some(Value::Sequence(rules)) = spec.0.get_mut("rules").map(|e| &mut e.node.value) else {
        return;
    };
    for rule in rules {
        let Value::Mapping(rule) = &mut rule.value else {
            continue;
        };
        let Some(http) = map_mut(rule, "http") else {
            continue;
        };
        let Some(Value::Sequence(paths)) = http.0.get_mut("paths").map(|e| &mut e.node.value)
        else {
            continue;
        };
        for path in paths {
            let at = path.at;
            let Value::Mapping(path) = &mut path.value else {
                continue;
            };
            if let Some(backend) = path.0.get_mut("backend") {
                ingress_backend(&mut backend.node);
            }
            if path.get("pathType").is_none() {
                path.set("pathType", at, Node::string("ImplementationSpecific", at));
            }
        }
    }
}

fn ingress_backend(node: &mut Node) {
    let at = node.at;
    let Value::Mapping(backend) = &mut node.value else {
        return;
    };
    let (Some(name), port) = (backend.remove("serviceName"), backend.remove("servicePort")) else {
        return;
    };
    let mut service = Mapping::default();
    service.0.insert("name".into(), name);
    if let Some(Entry { key_at, node: port }) = port {
        let key = if port.as_scalar().is_some_and(|s| s.as_integer().is_some()) {
            "number"
        } else {
            "name"
        };
        let mut inner = Mapping::default();
        inner.set(key, key_at, port);
        service.set("port", key_at, Node::mapping(inner, key_at));
    }
    backend.set("service", at, Node::mapping(service, at));
}

/// Takes out what only a server writes; returns the names of those fields.
pub(super) fn strip(object: &mut Mapping) -> Vec<String> {
    let mut removed = Vec::new();
    if object.remove("status").is_some() {
        removed.push("status".to_owned());
    }
    let mut from_server = false;
    if let Some(metadata) = map_mut(object, "metadata") {
        strip_metadata(metadata, "metadata", &mut removed);
        // Each object that a server gives has one, and nobody writes it by hand.
        from_server = removed.iter().any(|key| key == "metadata.resourceVersion");
        if let Some(annotations) = map_mut(metadata, "annotations") {
            for key in [
                "kubectl.kubernetes.io/last-applied-configuration",
                "deployment.kubernetes.io/revision",
            ] {
                if annotations.remove(key).is_some() {
                    removed.push(format!("metadata.annotations.\"{key}\""));
                }
            }
        }
    }
    let template = map_mut(object, "spec")
        .and_then(|s| map_mut(s, "template"))
        .and_then(|t| map_mut(t, "metadata"));
    if let Some(metadata) = template
        && metadata.get("creationTimestamp").is_some_and(Node::is_null)
    {
        metadata.remove("creationTimestamp");
        removed.push("spec.template.metadata.creationTimestamp".to_owned());
    }
    if from_server && object.get("kind").and_then(Node::as_text) == Some("Service") {
        strip_addresses(object, &mut removed);
    }
    removed
}

/// The addresses that a server gave to a Service; that there is none (`None`) was the user's choice.
fn strip_addresses(service: &mut Mapping, removed: &mut Vec<String>) {
    let Some(spec) = map_mut(service, "spec") else {
        return;
    };
    let none = spec.get("clusterIP").and_then(Node::as_text) == Some("None");
    for key in ["clusterIP", "clusterIPs"] {
        if !(none && key == "clusterIP") && spec.remove(key).is_some() {
            removed.push(format!("spec.{key}"));
        }
    }
}

/// What a server writes into the metadata of every object.
pub(in crate::orchestration::kubernetes) const SET_BY_SERVER: [&str; 8] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "selfLink",
];

fn strip_metadata(metadata: &mut Mapping, path: &str, removed: &mut Vec<String>) {
    for key in SET_BY_SERVER {
        if metadata.remove(key).is_some() {
            removed.push(format!("{path}.{key}"));
        }
    }
}

fn map_mut<'m>(map: &'m mut Mapping, key: &str) -> Option<&'m mut Mapping> {
    match &mut map.0.get_mut(key)?.node.value {
        Value::Mapping(map) => Some(map),
        _ => None,
    }
}

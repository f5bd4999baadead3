//! Objects of a cluster by their names, and what is kept of them.

use serde_json::{Value, json};

use crate::orchestration::output::Output;

/// Kinds that our conversions write and that stand in a namespace.
const NAMESPACED: [&str; 19] = [
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Job",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "Pod",
    "PodDisruptionBudget",
    "ReplicaSet",
    "ReplicationController",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
];

/// An object as kubectl names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct ObjectName {
    /// `deployments.apps`, as far as it is known: `Deployment.v1.apps`.
    pub(in super::super) kind: String,
    pub(in super::super) name: String,
    pub(in super::super) namespace: Option<String>,
}

impl ObjectName {
    pub(in super::super) fn of(object: &Value) -> Option<Self> {
        let api = object["apiVersion"].as_str()?;
        let kind = object["kind"].as_str()?;
        // kubectl takes KIND.VERSION.GROUP.
        let kind = match api.split_once('/') {
            Some((group, version)) => format!("{kind}.{version}.{group}"),
            None => format!("{kind}.{api}."),
        };
        Some(Self {
            kind,
            name: object["metadata"]["name"].as_str()?.to_owned(),
            namespace: object["metadata"]["namespace"].as_str().map(str::to_owned),
        })
    }

    /// An object of a kind that is named as here, where objects without a namespace stand.
    pub(in super::super) fn of_kind(kind: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace: None,
        }
    }

    /// Whether it certainly stands in this namespace, which is that of all that name none.
    pub(super) fn is_within(&self, namespace: &str) -> bool {
        let kind = self.kind.split('.').next().unwrap_or_default();
        NAMESPACED.contains(&kind) && self.namespace.as_deref().is_none_or(|own| own == namespace)
    }

    /// As an object without content.
    pub(in super::super) fn to_json(&self) -> Value {
        let mut parts = self.kind.splitn(3, '.');
        let kind = parts.next().unwrap_or_default();
        let version = parts.next().unwrap_or_default();
        let api = match parts.next() {
            Some(group) if !group.is_empty() => format!("{group}/{version}"),
            _ => version.to_owned(),
        };
        let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": self.name}});
        if let Some(namespace) = &self.namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        object
    }

    /// Whether a live object is the one that this names. `default` is the namespace of names without one.
    pub(in super::super) fn is(&self, live: &Self, default: Option<&str>) -> bool {
        let wanted = self.namespace.as_deref().or(default);
        self.kind == live.kind
            && self.name == live.name
            // Objects of the whole cluster have none, and without a default kubectl has chosen it.
            && (wanted.is_none() || live.namespace.is_none() || live.namespace.as_deref() == wanted)
    }

    /// `deployment/web`
    pub(in super::super) fn short(&self) -> String {
        let kind = self
            .kind
            .split('.')
            .next()
            .unwrap_or(&self.kind)
            .to_lowercase();
        format!("{kind}/{}", self.name)
    }
}

/// The objects of an output.
pub(in super::super) fn names(output: &Output) -> Vec<ObjectName> {
    output
        .documents
        .iter()
        .filter_map(|document| ObjectName::of(&document.value))
        .collect()
}

/// What is kept of an object for undoing: without what a server adds, and without the content of Secrets, which must
/// not lie on a disk.
pub(in super::super) fn kept(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "managedFields",
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "selfLink",
        ] {
            metadata.remove(field);
        }
    }
    if object["kind"] == "Secret" {
        object = json!({
            "apiVersion": object["apiVersion"],
            "kind": "Secret",
            "metadata": {"name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"]},
            "secret": true,
        });
    }
    object
}

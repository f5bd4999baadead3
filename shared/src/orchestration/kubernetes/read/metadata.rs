//! Labels and annotations.

use super::Reader;
use crate::orchestration::model::Metadata;
use crate::orchestration::names;
use crate::source::{Fields, Item, Mapping, Node};

/// Whether a kind runs containers.
pub(super) fn is_workload(kind: &str) -> bool {
    matches!(
        kind,
        "Deployment"
            | "ReplicaSet"
            | "ReplicationController"
            | "DaemonSet"
            | "StatefulSet"
            | "Pod"
            | "Job"
            | "CronJob"
    )
}

/// An annotation of an object.
pub(super) fn annotation<'n>(object: &'n Node, key: &str) -> Option<&'n str> {
    mapping(object, "metadata")?
        .get("annotations")?
        .as_mapping()?
        .get(key)?
        .as_text()
}

/// A mapping below a node.
pub(super) fn mapping<'n>(node: &'n Node, key: &str) -> Option<&'n Mapping> {
    node.as_mapping()?.get(key)?.as_mapping()
}

/// Labels that the writer makes anew for every object.
const OWN_LABELS: [&str; 4] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
];

impl Reader<'_> {
    /// Takes `metadata`: name and namespace are known already.
    pub(super) fn metadata(&mut self, fields: &mut Fields<'_>) -> Metadata {
        let Some(item) = fields.take("metadata") else {
            return Metadata::default();
        };
        self.object_meta(&item)
    }

    pub(super) fn object_meta(&mut self, item: &Item<'_>) -> Metadata {
        let mut metadata = Metadata::default();
        let Some(mut fields) = item.fields("ObjectMeta", self.ledger) else {
            return metadata;
        };
        for key in ["name", "namespace", "generateName"] {
            fields.take(key);
        }
        if let Some(item) = fields.take("labels") {
            let ours = item
                .node
                .as_mapping()
                .and_then(|m| m.get("app.kubernetes.io/managed-by"))
                .and_then(Node::as_text)
                == Some("migrate");
            for (name, item) in item.entries(self.ledger) {
                let own = ours && OWN_LABELS.contains(&name.value.as_str());
                if let Some(text) = item.text(self.ledger)
                    && !own
                    && !name.value.starts_with(names::DOMAIN)
                {
                    metadata.labels.insert(name.value, text);
                }
            }
        }
        if let Some(item) = fields.take("annotations") {
            for (name, item) in item.entries(self.ledger) {
                if let Some(text) = item.text(self.ledger)
                    && (!name.value.starts_with(names::DOMAIN) || name.value == names::SERVICES)
                {
                    metadata.annotations.insert(name.value, text);
                }
            }
        }
        fields.finish(self.ledger);
        metadata
    }
}

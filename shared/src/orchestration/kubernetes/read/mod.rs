//! From canonical objects to the model.

mod binding;
mod container;
mod ingress;
mod metadata;
mod placement;
mod pod;
mod probe;
mod references;
mod service;
mod storage;
mod volumes;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use super::load::Object;
use crate::finding::Code;
use crate::orchestration::model::{Application, Dialect, WholeObject};
use crate::orchestration::names;
use crate::source::{Item, KeyPath, Ledger, Node, Origin, Sourced};

/// What every part of the reader needs.
struct Reader<'a> {
    ledger: &'a mut Ledger,
    application: Application,
    /// Model names of claims, configs and secrets whose object has another name (`names::ORIGINAL_NAME`).
    originals: BTreeMap<(String, String), String>,
    /// Services that wait for all units to be known.
    services: Vec<service::Pending>,
}

/// Kinds of Kubernetes' own that the model does not hold, but the mapping table knows.
const KNOWN_KINDS: [&str; 22] = [
    "NetworkPolicy",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "StorageClass",
    "Namespace",
    "PriorityClass",
    "LimitRange",
    "ResourceQuota",
    "IngressClass",
    "RuntimeClass",
    "Endpoints",
    "EndpointSlice",
    "CustomResourceDefinition",
    "PersistentVolume",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "PodTemplate",
];

/// Reads objects. Problems of the input are findings of severity error in the ledger; the application then is as
/// good as it could be made.
#[must_use]
pub fn read(objects: &[Object], ledger: &mut Ledger) -> Application {
    let mut reader = Reader {
        ledger,
        application: Application::new(Dialect::Kubernetes),
        originals: BTreeMap::new(),
        services: Vec::new(),
    };
    reader.application_name(objects);
    for object in objects {
        if matches!(
            object.kind.as_str(),
            "PersistentVolumeClaim" | "ConfigMap" | "Secret"
        ) && let Some(original) = metadata::annotation(&object.node, names::ORIGINAL_NAME)
        {
            let kind = if object.kind == "PersistentVolumeClaim" {
                "volume"
            } else {
                object.kind.as_str()
            };
            reader
                .originals
                .insert((kind.to_owned(), object.name.clone()), original.to_owned());
        }
    }
    let volumes = binding::Bindings::of(objects);
    let mut unit_names: BTreeSet<(String, String)> = BTreeSet::new();
    for object in objects {
        let item = Item::root(&object.node);
        let owned = object
            .node
            .as_mapping()
            .and_then(|m| m.get("metadata"))
            .and_then(Node::as_mapping);
        let owned = owned
            .and_then(|m| m.get("ownerReferences"))
            .is_some_and(|o| {
                o.as_sequence().is_some_and(|owners| {
                    owners.iter().any(|o| {
                        o.as_mapping()
                            .and_then(|m| m.get("controller"))
                            .and_then(Node::as_text)
                            == Some("true")
                    })
                })
            });
        if owned && matches!(object.kind.as_str(), "Pod" | "ReplicaSet" | "Job") {
            let message = format!(
                "{} `{}` belongs to a controller, which makes it again",
                object.kind, object.name
            );
            reader
                .ledger
                .add(Code("owned-object"), &object.origin, message);
            continue;
        }
        // Other groups have kinds of the same names (a Service of Knative, for example).
        if !is_native(&object.api_version) {
            reader.whole(object);
            continue;
        }
        match object.kind.as_str() {
            "Deployment"
            | "ReplicaSet"
            | "ReplicationController"
            | "DaemonSet"
            | "StatefulSet"
            | "Pod"
            | "Job"
            | "CronJob" => {
                if let Some(mut unit) = reader.workload(object, &item) {
                    let scope = unit
                        .namespace
                        .as_ref()
                        .map_or_else(String::new, |n| n.value.clone());
                    if !unit_names.insert((scope.clone(), unit.name.value.clone())) {
                        let other = format!("{}-{}", unit.name.value, object.kind.to_lowercase());
                        let message = format!(
                            "there are two workloads `{}`; this one is called `{other}`",
                            unit.name.value
                        );
                        reader
                            .ledger
                            .add(Code("two-workloads"), &object.origin, message);
                        unit.name.value.clone_from(&other);
                        unit_names.insert((scope, other));
                    }
                    reader.application.units.push(unit);
                }
            }
            "Service" => reader.service(object, &item),
            "Ingress" if object.api_version == "networking.k8s.io/v1" => {
                reader.ingress(object, &item)
            }
            "ConfigMap" | "Secret" => reader.file_object(object, &item),
            "PersistentVolumeClaim" => reader.claim(object, &item, &volumes),
            "PersistentVolume" if volumes.is_held(object) => {}
            "NetworkPolicy"
                if metadata::annotation(&object.node, names::ROLE) == Some(names::ROLE_NETWORK) =>
            {
                // Made from a Compose network; the Pods' labels say the same.
            }
            _ => reader.whole(object),
        }
    }
    reader.connect_services(objects);
    reader.autoscaled(objects);
    reader.networks();
    let Reader {
        application,
        ledger,
        ..
    } = reader;
    let mut application = application;
    application.leftovers = std::mem::take(&mut ledger.leftovers);
    application
}

/// Whether an API version belongs to Kubernetes itself.
fn is_native(api_version: &str) -> bool {
    match api_version.split_once('/') {
        None => true,
        Some((group, _)) => group.ends_with(".k8s.io") || !group.contains('.'),
    }
}

impl Reader<'_> {
    fn error(&mut self, code: &'static str, origin: &Origin, message: impl Into<String>) {
        self.ledger.add(Code(code), origin, message);
    }

    fn whole(&mut self, object: &Object) {
        self.application.whole.push(WholeObject {
            api_version: object.api_version.clone(),
            kind: object.kind.clone(),
            name: object.name.clone(),
            known: is_native(&object.api_version) && KNOWN_KINDS.contains(&object.kind.as_str()),
            value: object.node.to_json(),
            origin: object.origin.clone(),
        });
    }

    /// The name of the application: `app.kubernetes.io/part-of`, where all agree, else that of the first workload.
    fn application_name(&mut self, objects: &[Object]) {
        let label = |object: &Object| {
            let labels = object
                .node
                .as_mapping()?
                .get("metadata")?
                .as_mapping()?
                .get("labels")?
                .as_mapping()?;
            let node = labels.get("app.kubernetes.io/part-of")?;
            let origin = Origin::new(
                node.at,
                KeyPath::root()
                    .join("metadata.labels")
                    .key("app.kubernetes.io/part-of"),
            );
            Some(Sourced::new(node.as_text()?.to_owned(), origin))
        };
        let part_of: Vec<_> = objects.iter().filter_map(label).collect();
        if let Some(first) = part_of.first()
            && part_of.iter().all(|p| p.value == first.value)
        {
            self.application.name = Some(first.clone());
            return;
        }
        let namespaces: BTreeSet<_> = objects
            .iter()
            .filter_map(|o| o.namespace.as_deref())
            .collect();
        let workload = |o: &&Object| metadata::is_workload(&o.kind);
        let name = match (namespaces.len(), namespaces.first()) {
            (1, Some(namespace)) if *namespace != "default" => Some((*namespace).to_owned()),
            _ => objects.iter().find(workload).map(|o| o.name.clone()),
        };
        self.application.name = name
            .zip(objects.first())
            .map(|(name, o)| Sourced::new(name, o.origin.clone()));
    }

    /// A HorizontalPodAutoscaler brings its workload to its minimum at once.
    fn autoscaled(&mut self, objects: &[Object]) {
        for object in objects
            .iter()
            .filter(|o| o.kind == "HorizontalPodAutoscaler")
        {
            let Some(spec) = object
                .node
                .as_mapping()
                .and_then(|m| m.get("spec"))
                .and_then(Node::as_mapping)
            else {
                continue;
            };
            let target = spec.get("scaleTargetRef").and_then(Node::as_mapping);
            let name = target.and_then(|t| t.get("name")).and_then(Node::as_text);
            let minimum = spec
                .get("minReplicas")
                .and_then(Node::as_scalar)
                .and_then(|s| s.as_integer());
            let minimum = minimum.and_then(|m| u32::try_from(m).ok()).unwrap_or(1);
            for unit in &mut self.application.units {
                // With no replicas at all, the autoscaler stands still.
                let own = unit.replicas.as_ref().map(|own| own.value);
                let below = own.is_none_or(|own| own > 0 && own < minimum);
                if Some(unit.name.value.as_str()) == name && below {
                    unit.replicas = Some(Sourced::new(minimum, object.origin.clone()));
                }
            }
        }
    }

    /// Networks that Pods name in labels.
    fn networks(&mut self) {
        let mut seen = BTreeSet::new();
        for unit in &self.application.units {
            for attachment in &unit.networks {
                if seen.insert(attachment.network.value.clone())
                    && attachment.network.value != "default"
                {
                    self.application
                        .networks
                        .push(crate::orchestration::model::Network {
                            name: attachment.network.clone(),
                            real_name: None,
                            external: None,
                            internal: None,
                            metadata: crate::orchestration::model::Metadata::default(),
                            origin: attachment.network.origin.clone(),
                        });
                }
            }
        }
    }

    /// The model name of a claim, config or secret.
    fn model_name(&self, kind: &str, name: &str) -> String {
        let key = (kind.to_owned(), name.to_owned());
        self.originals
            .get(&key)
            .cloned()
            .unwrap_or_else(|| name.to_owned())
    }
}

//! The objects written so far, their order, and their file names.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::orchestration::model::WholeObject;
use crate::orchestration::output::{Document, Output};
use crate::source::KeyPath;

/// The order in which objects should be applied: each before those that refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Namespace,
    Definition,
    Account,
    Data,
    Storage,
    Policy,
    Service,
    Workload,
    Route,
    Rest,
}

#[derive(Debug, Default)]
pub(super) struct Documents {
    written: Vec<(Rank, Document)>,
    names: BTreeSet<String>,
}

impl Documents {
    /// Adds an object. `subjects` are the parts of a Compose file that it stands for; among the documents of one
    /// output, each part has one document at most.
    pub(super) fn add(&mut self, rank: Rank, object: &impl Serialize, subjects: Vec<String>) {
        // Typed objects are plain data: they always are JSON.
        let value = serde_json::to_value(object).unwrap_or_default();
        self.add_value(rank, value, subjects);
    }

    pub(super) fn add_value(&mut self, rank: Rank, value: Value, subjects: Vec<String>) {
        let text = |pointer: &str| {
            value
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let stem = format!(
            "{}-{}",
            text("/metadata/name"),
            text("/kind").to_ascii_lowercase()
        );
        let name = self.file_name(&stem);
        self.written.push((
            rank,
            Document {
                name,
                value,
                subjects,
            },
        ));
    }

    /// Adds an object that the model kept whole, as it is.
    pub(super) fn whole(&mut self, object: &WholeObject) {
        let WholeObject {
            api_version: _,
            kind,
            name,
            known: _,
            value,
            origin: _,
        } = object;
        let rank = match kind.as_str() {
            "Namespace" => Rank::Namespace,
            "CustomResourceDefinition"
            | "StorageClass"
            | "PriorityClass"
            | "RuntimeClass"
            | "IngressClass" => Rank::Definition,
            "ServiceAccount" | "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding"
            | "LimitRange" | "ResourceQuota" => Rank::Account,
            "ConfigMap" | "Secret" => Rank::Data,
            "PersistentVolume" | "PersistentVolumeClaim" => Rank::Storage,
            "NetworkPolicy" => Rank::Policy,
            "Service" | "Endpoints" | "EndpointSlice" => Rank::Service,
            "Deployment"
            | "ReplicaSet"
            | "ReplicationController"
            | "DaemonSet"
            | "StatefulSet"
            | "Pod"
            | "Job"
            | "CronJob" => Rank::Workload,
            "Ingress" => Rank::Route,
            _ => Rank::Rest,
        };
        let name = self.file_name(&format!("{name}-{}", kind.to_ascii_lowercase()));
        let document = Document {
            name,
            value: value.clone(),
            subjects: Vec::new(),
        };
        self.written.push((rank, document));
    }

    pub(super) fn finish(mut self) -> Output {
        self.written.sort_by_key(|(rank, _)| *rank);
        Output {
            documents: self
                .written
                .into_iter()
                .map(|(_, document)| document)
                .collect(),
            files: Vec::new(),
        }
    }

    fn file_name(&mut self, stem: &str) -> String {
        let stem: String = stem
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let mut name = stem.clone();
        let mut number = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{stem}-{number}");
            number += 1;
        }
        name
    }
}

/// The part of a Compose file, as [`Document::subjects`] names it: `services.web`.
pub(super) fn subject(section: &str, name: &str) -> String {
    KeyPath::root().key(section).key(name).to_string()
}

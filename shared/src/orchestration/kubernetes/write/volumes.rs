//! The volumes of one Pod.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{EmptyDirVolumeSource, Volume};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;

use crate::orchestration::names::{is_label, short_hash, to_label, with_suffix};
use crate::orchestration::quantity::bytes_to_kubernetes;

/// Volumes in the order of their first use; what is used twice stands once.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    written: Vec<Value>,
    by_key: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

impl Volumes {
    /// Keeps a name for a claim that each instance gets for itself; such volumes are not listed in the Pod.
    pub(super) fn reserve(&mut self, name: &str) -> String {
        let label = to_label(name);
        self.used.insert(label.clone());
        label
    }

    /// Whether the volume of this name is a claim.
    pub(super) fn is_claim(&self, name: &str) -> bool {
        self.written
            .iter()
            .any(|v| v["name"] == name && v.get("persistentVolumeClaim").is_some())
    }

    /// The name of the volume with this key, made by `volume` if it is not there yet.
    pub(super) fn add(
        &mut self,
        key: String,
        wanted: &str,
        volume: impl FnOnce(Volume) -> Volume,
    ) -> String {
        self.add_value(key, wanted, |name| {
            let volume = volume(Volume {
                name: name.to_owned(),
                ..Volume::default()
            });
            serde_json::to_value(volume).unwrap_or_default()
        })
    }

    /// The same for a volume that only exists as plain value.
    pub(super) fn add_value(
        &mut self,
        key: String,
        wanted: &str,
        volume: impl FnOnce(&str) -> Value,
    ) -> String {
        if let Some(name) = self.by_key.get(&key) {
            return name.clone();
        }
        let digits =
            wanted.starts_with(|c: char| c.is_ascii_digit()) && is_label(&format!("x{wanted}"));
        let mut name = if digits {
            wanted.to_owned()
        } else {
            to_label(wanted)
        };
        if self.used.contains(&name) {
            name = with_suffix(&name, &short_hash(key.as_bytes()));
        }
        self.used.insert(name.clone());
        self.written.push(volume(&name));
        self.by_key.insert(key, name.clone());
        name
    }

    pub(super) fn finish(self) -> Vec<Value> {
        self.written
    }
}

pub(super) fn empty(volume: Volume, medium: Option<&str>, size: Option<u64>) -> Volume {
    Volume {
        empty_dir: Some(EmptyDirVolumeSource {
            medium: medium.map(str::to_owned),
            size_limit: size
                .filter(|size| *size > 0)
                .map(|size| Quantity(bytes_to_kubernetes(size))),
        }),
        ..volume
    }
}

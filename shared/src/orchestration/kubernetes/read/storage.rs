//! Claims, volumes, ConfigMaps and Secrets.

use std::collections::BTreeMap;

use base64::Engine as _;

use super::Reader;
use super::binding::Bindings;
use super::metadata::annotation;
use crate::orchestration::kubernetes::load::Object;
use crate::orchestration::model::{
    AccessMode, FileObject, ObjectData, ObjectKind, Volume, VolumeBacking,
};
use crate::orchestration::names;
use crate::orchestration::quantity::bytes_from_kubernetes;
use crate::source::{Item, Origin, Sourced};

/// What a claim asks for.
#[derive(Default)]
pub(super) struct Claim {
    pub(super) size: Option<Sourced<u64>>,
    pub(super) size_limit: Option<Sourced<u64>>,
    pub(super) access: Vec<Sourced<AccessMode>>,
    pub(super) class: Option<Sourced<String>>,
    pub(super) block: Option<Sourced<bool>>,
    pub(super) volume: Option<Sourced<String>>,
}

impl Reader<'_> {
    pub(super) fn claim(&mut self, object: &Object, item: &Item<'_>, volumes: &Bindings<'_>) {
        let Some(mut fields) = item.fields("PersistentVolumeClaim", self.ledger) else {
            return;
        };
        fields.take("apiVersion");
        fields.take("kind");
        let metadata = self.metadata(&mut fields);
        let claim = fields
            .take("spec")
            .map(|spec| self.claim_spec(&spec))
            .unwrap_or_default();
        fields.finish(self.ledger);
        self.application.volumes.push(Volume {
            name: Sourced::new(
                self.model_name("volume", &object.name),
                object.origin.clone(),
            ),
            namespace: object
                .namespace
                .clone()
                .map(|n| Sourced::new(n, object.origin.clone())),
            real_name: annotation(&object.node, names::REAL_NAME)
                .map(|n| Sourced::new(n.to_owned(), object.origin.clone())),
            external: false,
            backing: volumes.backing(object).unwrap_or(VolumeBacking::Default),
            size: claim.size,
            size_limit: claim.size_limit,
            access: claim.access,
            class: claim.class,
            block: claim.block,
            metadata,
            origin: object.origin.clone(),
        });
    }

    pub(super) fn claim_spec(&mut self, item: &Item<'_>) -> Claim {
        let mut claim = Claim::default();
        let Some(mut spec) = item.fields("PersistentVolumeClaimSpec", self.ledger) else {
            return claim;
        };
        for text in spec.texts("accessModes", self.ledger) {
            let mode = match text.value.as_str() {
                "ReadWriteOnce" => AccessMode::ReadWriteOnce,
                "ReadOnlyMany" => AccessMode::ReadOnlyMany,
                "ReadWriteMany" => AccessMode::ReadWriteMany,
                "ReadWriteOncePod" => AccessMode::ReadWriteOncePod,
                other => {
                    self.error(
                        "bad-field",
                        &text.origin,
                        format!("`{other}` is not an access mode"),
                    );
                    continue;
                }
            };
            claim.access.push(Sourced::new(mode, text.origin));
        }
        claim.class = spec.text("storageClassName", self.ledger);
        claim.volume = spec.text("volumeName", self.ledger);
        claim.block = spec
            .text("volumeMode", self.ledger)
            .map(|t| t.map(|m| m == "Block"));
        if let Some(mut resources) =
            spec.fields("resources", "VolumeResourceRequirements", self.ledger)
        {
            for (key, into) in [
                ("requests", &mut claim.size),
                ("limits", &mut claim.size_limit),
            ] {
                let Some(item) = resources.take(key) else {
                    continue;
                };
                for (name, item) in item.entries(self.ledger) {
                    let Some(text) = item.text(self.ledger) else {
                        continue;
                    };
                    match bytes_from_kubernetes(&text.value) {
                        Some(bytes) if name.value == "storage" => {
                            *into = Some(Sourced::new(bytes, text.origin))
                        }
                        _ => {
                            let message = format!(
                                "`{}: {}` is not a size of storage",
                                name.value, text.value
                            );
                            self.ledger.add(
                                crate::finding::Code("bad-quantity"),
                                &text.origin,
                                message,
                            );
                        }
                    }
                }
            }
            resources.finish(self.ledger);
        }
        spec.finish(self.ledger);
        claim
    }

    pub(super) fn file_object(&mut self, object: &Object, item: &Item<'_>) {
        let secret = object.kind == "Secret";
        let Some(mut fields) = item.fields(object.kind.clone(), self.ledger) else {
            return;
        };
        fields.take("apiVersion");
        fields.take("kind");
        let metadata = self.metadata(&mut fields);
        let mut data: BTreeMap<String, ObjectData> = BTreeMap::new();
        for (key, encoded) in [
            ("data", secret),
            ("binaryData", true),
            ("stringData", false),
        ] {
            if key == if secret { "binaryData" } else { "stringData" } {
                continue;
            }
            let Some(item) = fields.take(key) else {
                continue;
            };
            for (name, item) in item.entries(self.ledger) {
                let text = item.text(self.ledger).map(|t| t.value).unwrap_or_default();
                let bytes = if encoded {
                    let clean: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                    match base64::engine::general_purpose::STANDARD.decode(clean) {
                        Ok(bytes) => bytes,
                        Err(_) => {
                            let message = format!(
                                "`{}` of {} `{}` is not base64",
                                name.value, object.kind, object.name
                            );
                            self.error("bad-base64", &item.origin(), message);
                            continue;
                        }
                    }
                } else {
                    text.into_bytes()
                };
                if data.contains_key(&name.value) {
                    let message = format!("`data.{}` is overridden by `{key}`", name.value);
                    self.error("overridden-by-merge", &item.origin(), message);
                }
                data.insert(
                    name.value,
                    ObjectData {
                        bytes,
                        file: None,
                        variable: None,
                        origin: item.origin(),
                    },
                );
            }
        }
        let secret_type = if secret {
            fields.text("type", self.ledger)
        } else {
            None
        };
        let immutable = fields.boolean("immutable", self.ledger);
        fields.finish(self.ledger);
        let original = annotation(&object.node, names::ORIGINAL_NAME);
        let name = original.unwrap_or(&object.name).to_owned();
        self.application.objects.push(FileObject {
            kind: if secret {
                ObjectKind::Secret
            } else {
                ObjectKind::Config
            },
            name: Sourced::new(name, object.origin.clone()),
            namespace: object
                .namespace
                .clone()
                .map(|n| Sourced::new(n, object.origin.clone())),
            real_name: annotation(&object.node, names::REAL_NAME)
                .map(|n| Sourced::new(n.to_owned(), Origin::clone(&object.origin))),
            external: false,
            data,
            immutable,
            secret_type,
            metadata,
            origin: object.origin.clone(),
        });
    }
}

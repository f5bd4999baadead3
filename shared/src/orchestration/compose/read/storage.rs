//! Top-level volumes, configs and secrets.

use std::collections::BTreeMap;

use super::{Reader, is_given};
use crate::orchestration::model::{
    AccessMode, FileObject, Metadata, ObjectData, ObjectKind, Volume, VolumeBacking,
};
use crate::orchestration::quantity::bytes_from_compose;
use crate::source::{Fields, Item, Sourced};

/// What a Kubernetes object may hold at most (API validation of ConfigMap and Secret).
const MAX_OBJECT: u64 = 1 << 20;

/// From here on, a size without a unit is one in bytes.
const SMALLEST_PLAIN_SIZE: u64 = 1 << 20;

impl Reader<'_> {
    pub(super) fn volumes(&mut self, item: &Item<'_>) -> Vec<Volume> {
        let mut volumes = Vec::new();
        for (name, item) in item.entries(self.ledger) {
            let mut volume = Volume {
                origin: item.origin(),
                ..Volume::new(name)
            };
            if let Some(mut fields) = item.fields("volumes.*", self.ledger) {
                volume.real_name = fields.text("name", self.ledger).filter(is_given);
                volume.external = fields
                    .boolean("external", self.ledger)
                    .is_some_and(|e| e.value);
                volume.metadata.labels = self.labels(&mut fields);
                self.backing(&mut fields, &mut volume);
                if let Some(item) = fields.take("x-cluster-spec") {
                    self.cluster_spec(&item, &mut volume);
                }
                self.leave_extensions(&mut fields, "volumes.*.x-*");
                fields.finish(self.ledger);
            }
            volumes.push(volume);
        }
        volumes
    }

    /// The driver `local` with options of `mount(8)` is NFS, a path of the node or memory.
    fn backing(&mut self, fields: &mut Fields<'_>, volume: &mut Volume) {
        let driver = fields.text("driver", self.ledger);
        let item = fields.take("driver_opts");
        let mut options: BTreeMap<String, Sourced<String>> = BTreeMap::new();
        if let Some(item) = &item {
            for (name, item) in item.entries(self.ledger) {
                let value = item
                    .text(self.ledger)
                    .unwrap_or_else(|| item.sourced(String::new()));
                options.insert(name.value, value);
            }
        }
        let text = |key: &str| options.get(key).map(|o| o.value.as_str());
        let local = driver.as_ref().is_none_or(|d| d.value == "local");
        let mount_options: Vec<&str> = text("o")
            .unwrap_or_default()
            .split(',')
            .filter(|o| !o.is_empty())
            .collect();
        let origin = item
            .as_ref()
            .map_or_else(|| volume.origin.clone(), Item::origin);
        volume.size = options.get("size").and_then(|size| {
            let bytes = bytes_from_compose(&size.value)?;
            // Drivers count in units of their own; a few bytes are never meant.
            let unit = size.value.contains(|c: char| c.is_ascii_alphabetic());
            let in_bytes = unit || (local && bytes >= SMALLEST_PLAIN_SIZE);
            if !in_bytes {
                let message = format!(
                    "`size: {}` of `{}` has no unit, so it is not taken for bytes",
                    size.value, volume.name.value
                );
                self.error("size-without-unit", &size.origin, message);
                return None;
            }
            Some(Sourced::new(bytes, size.origin.clone()))
        });
        volume.backing = match (local, text("type"), text("device")) {
            (true, Some("nfs" | "nfs4"), Some(device)) => {
                let server = mount_options.iter().find_map(|o| o.strip_prefix("addr="));
                let (host, path) = device
                    .split_once(":/")
                    .map_or(("", device), |(host, path)| (host, path));
                VolumeBacking::Nfs {
                    server: server.unwrap_or(host).to_owned(),
                    path: format!("/{}", path.trim_start_matches([':', '/'])),
                    options: mount_options
                        .iter()
                        .filter(|o| !o.starts_with("addr=") && !matches!(**o, "ro" | "rw"))
                        .map(ToString::to_string)
                        .collect(),
                    read_only: mount_options.contains(&"ro"),
                    origin,
                }
            }
            (true, Some("tmpfs"), _) => VolumeBacking::Memory {
                size: mount_options
                    .iter()
                    .find_map(|o| bytes_from_compose(o.strip_prefix("size=")?)),
                options: mount_options
                    .iter()
                    .filter(|o| {
                        o.strip_prefix("size=")
                            .is_none_or(|size| bytes_from_compose(size).is_none())
                    })
                    .map(ToString::to_string)
                    .collect(),
                origin,
            },
            (true, _, Some(device)) if mount_options.contains(&"bind") => VolumeBacking::HostPath {
                path: device.to_owned(),
                origin,
            },
            _ if driver.is_none() && options.is_empty() => VolumeBacking::Default,
            _ => VolumeBacking::Driver {
                name: driver,
                options,
            },
        };
    }

    fn cluster_spec(&mut self, item: &Item<'_>, volume: &mut Volume) {
        let Some(mut fields) = item.fields("volumes.*.x-cluster-spec", self.ledger) else {
            return;
        };
        if let Some(mut access) = fields.fields(
            "access_mode",
            "volumes.*.x-cluster-spec.access_mode",
            self.ledger,
        ) {
            let scope = access.text("scope", self.ledger);
            let sharing = access.text("sharing", self.ledger);
            let mode = match (
                scope.as_ref().map(|s| s.value.as_str()),
                sharing.as_ref().map(|s| s.value.as_str()),
            ) {
                (Some("multi"), Some("readonly")) => AccessMode::ReadOnlyMany,
                (Some("multi"), _) => AccessMode::ReadWriteMany,
                _ => AccessMode::ReadWriteOnce,
            };
            if let Some(text) = sharing.or(scope) {
                volume.access.push(Sourced::new(mode, text.origin));
            }
            if access.contains("block_volume") {
                volume.block = access.take("block_volume").map(|i| i.sourced(true));
            }
            access.finish(self.ledger);
        }
        if let Some(mut range) = fields.fields(
            "capacity_range",
            "volumes.*.x-cluster-spec.capacity_range",
            self.ledger,
        ) {
            for (key, into) in [
                ("required_bytes", &mut volume.size),
                ("limit_bytes", &mut volume.size_limit),
            ] {
                if let Some(text) = range.text(key, self.ledger)
                    && let Some(bytes) = bytes_from_compose(&text.value)
                {
                    *into = Some(Sourced::new(bytes, text.origin));
                }
            }
            range.finish(self.ledger);
        }
        fields.finish(self.ledger);
    }

    pub(super) fn objects(&mut self, item: &Item<'_>, kind: ObjectKind) -> Vec<FileObject> {
        let section = if kind == ObjectKind::Config {
            "configs"
        } else {
            "secrets"
        };
        let mut objects = Vec::new();
        for (name, item) in item.entries(self.ledger) {
            let Some(mut fields) = item.fields(format!("{section}.*"), self.ledger) else {
                continue;
            };
            let real_name = fields.text("name", self.ledger).filter(is_given);
            let external = fields
                .boolean("external", self.ledger)
                .is_some_and(|e| e.value);
            let labels = self.labels(&mut fields);
            let file = fields.text("file", self.ledger);
            let content = fields.text("content", self.ledger);
            let variable = fields.text("environment", self.ledger);
            let from_driver = fields.contains("driver");
            self.leave_extensions(&mut fields, &format!("{section}.*.x-*"));
            fields.finish(self.ledger);
            let data = if let Some(file) = file {
                self.object_file(&file)
            } else if let Some(content) = content {
                Some(ObjectData {
                    bytes: content.value.into_bytes(),
                    file: None,
                    variable: None,
                    origin: content.origin,
                })
            } else if let Some(variable) = variable {
                let value = self.project.environment.get(&variable.value).cloned();
                if value.is_none() {
                    let message = format!(
                        "the variable `{}` is not set, so `{section}.{}` has no content",
                        variable.value, name.value
                    );
                    self.error("object-without-content", &variable.origin, message);
                }
                value.map(|value| ObjectData {
                    bytes: value.into_bytes(),
                    file: None,
                    variable: Some(variable.value),
                    origin: variable.origin,
                })
            } else {
                if !external && !from_driver {
                    let message = format!(
                        "`{section}.{}` has no content; give it `file`, `environment` or `external: true`",
                        name.value
                    );
                    self.error("object-without-content", &item.origin(), message);
                }
                None
            };
            objects.push(FileObject {
                kind,
                namespace: None,
                real_name,
                external: external || from_driver,
                data: data.into_iter().map(|d| (name.value.clone(), d)).collect(),
                immutable: None,
                secret_type: None,
                metadata: Metadata {
                    labels,
                    annotations: BTreeMap::new(),
                },
                origin: item.origin(),
                name,
            });
        }
        objects
    }

    fn object_file(&mut self, file: &Sourced<String>) -> Option<ObjectData> {
        let path = self.project.directory.join(&file.value);
        match self.files.read(&path, MAX_OBJECT) {
            Ok(bytes) => Some(ObjectData {
                bytes,
                file: Some(file.value.clone()),
                variable: None,
                origin: file.origin.clone(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                let message = format!(
                    "`{}` has more than 1 MiB, which no ConfigMap or Secret can hold",
                    file.value
                );
                self.error("object-too-large", &file.origin, message);
                None
            }
            Err(error) => {
                let reason = match error.kind() {
                    std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                    _ => error.to_string(),
                };
                self.error(
                    "unreadable-file",
                    &file.origin,
                    format!("`{}`: {reason}", file.value),
                );
                None
            }
        }
    }
}

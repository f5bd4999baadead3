//! Volumes of a Pod, and where containers mount them.

use std::collections::BTreeMap;

use super::Reader;
use crate::orchestration::model::{
    BindKind, FieldFile, Metadata, Mount, MountSource, ObjectItem, ObjectKind, ObjectMount,
    Propagation, SharedMedium, Unit, Volume, VolumeBacking,
};
use crate::orchestration::quantity::bytes_from_kubernetes;
use crate::source::{Fields, Item, Origin, Sourced};

/// The volumes of a Pod by name, and which of them are mounted.
#[derive(Default)]
pub(super) struct PodVolumes {
    by_name: BTreeMap<String, PodVolume>,
}

struct PodVolume {
    source: MountSource,
    read_only: Option<Sourced<bool>>,
    origin: Origin,
    used: bool,
}

impl Reader<'_> {
    pub(super) fn pod_volumes(&mut self, item: &Item<'_>, unit: &Unit, volumes: &mut PodVolumes) {
        for item in item.items(self.ledger) {
            let Some(mut fields) = item.fields("VolumeSource", self.ledger) else {
                continue;
            };
            let name = fields
                .text("name", self.ledger)
                .map(|t| t.value)
                .unwrap_or_default();
            let mut read_only = None;
            let source = self.volume_source(&mut fields, &name, unit, &mut read_only);
            fields.finish(self.ledger);
            volumes.by_name.insert(
                name,
                PodVolume {
                    source,
                    read_only,
                    origin: item.origin(),
                    used: false,
                },
            );
        }
    }

    fn volume_source(
        &mut self,
        fields: &mut Fields<'_>,
        name: &str,
        unit: &Unit,
        read_only: &mut Option<Sourced<bool>>,
    ) -> MountSource {
        if let Some(mut claim) = fields.fields(
            "persistentVolumeClaim",
            "PersistentVolumeClaimVolumeSource",
            self.ledger,
        ) {
            let claim_name = claim
                .text("claimName", self.ledger)
                .map(|t| t.value)
                .unwrap_or_default();
            *read_only = claim.boolean("readOnly", self.ledger);
            claim.finish(self.ledger);
            return MountSource::Volume(self.model_name("volume", &claim_name));
        }
        if let Some(mut empty) = fields.fields("emptyDir", "EmptyDirVolumeSource", self.ledger) {
            let medium = match empty
                .text("medium", self.ledger)
                .as_ref()
                .map(|t| t.value.as_str())
            {
                None | Some("") => SharedMedium::Disk,
                Some("Memory") => SharedMedium::Memory,
                Some(_) => SharedMedium::Other,
            };
            let size = empty
                .text("sizeLimit", self.ledger)
                .and_then(|t| bytes_from_kubernetes(&t.value));
            empty.finish(self.ledger);
            return MountSource::Shared {
                name: name.to_owned(),
                medium,
                size,
            };
        }
        if let Some(mut host) = fields.fields("hostPath", "HostPathVolumeSource", self.ledger) {
            let path = host
                .text("path", self.ledger)
                .map(|t| t.value)
                .unwrap_or_default();
            let kind = match host
                .text("type", self.ledger)
                .as_ref()
                .map(|t| t.value.as_str())
            {
                Some("Directory") => BindKind::Directory,
                Some("DirectoryOrCreate") => BindKind::DirectoryOrCreate,
                Some("File") => BindKind::File,
                Some("FileOrCreate") => BindKind::FileOrCreate,
                Some("Socket") => BindKind::Socket,
                Some("CharDevice") => BindKind::CharDevice,
                Some("BlockDevice") => BindKind::BlockDevice,
                _ => BindKind::Unknown,
            };
            host.finish(self.ledger);
            return MountSource::Bind {
                path,
                kind,
                relative: None,
                selinux: None,
            };
        }
        for (key, kind, table) in [
            ("configMap", ObjectKind::Config, "ConfigMapVolumeSource"),
            ("secret", ObjectKind::Secret, "SecretVolumeSource"),
        ] {
            if let Some(mut object) = fields.fields(key, table, self.ledger) {
                let source = self.object_source(&mut object, kind);
                object.finish(self.ledger);
                return MountSource::Object(source);
            }
        }
        if let Some(mut projected) =
            fields.fields("projected", "ProjectedVolumeSource", self.ledger)
        {
            let mode: Option<Sourced<u32>> = projected.integer("defaultMode", self.ledger);
            let mut sources = Vec::new();
            for item in projected.items("sources", self.ledger) {
                let Some(mut one) = item.fields("VolumeProjection", self.ledger) else {
                    continue;
                };
                for (key, kind, table) in [
                    ("configMap", ObjectKind::Config, "ConfigMapProjection"),
                    ("secret", ObjectKind::Secret, "SecretProjection"),
                ] {
                    if let Some(mut object) = one.fields(key, table, self.ledger) {
                        let mut source = self.object_source(&mut object, kind);
                        object.finish(self.ledger);
                        source.mode = source.mode.or_else(|| mode.clone());
                        sources.push(MountSource::Object(source));
                    }
                }
                if let Some(mut down) =
                    one.fields("downwardAPI", "DownwardAPIProjection", self.ledger)
                {
                    let mode = mode.as_ref().map(|mode| mode.value);
                    sources.push(MountSource::Fields(self.field_files(&mut down, mode)));
                    down.finish(self.ledger);
                }
                one.finish(self.ledger);
            }
            projected.finish(self.ledger);
            return MountSource::Projected(sources);
        }
        if let Some(mut down) = fields.fields("downwardAPI", "DownwardAPIVolumeSource", self.ledger)
        {
            let mode: Option<Sourced<u32>> = down.integer("defaultMode", self.ledger);
            let files = self.field_files(&mut down, mode.map(|mode| mode.value));
            down.finish(self.ledger);
            return MountSource::Fields(files);
        }
        if let Some(item) = fields.take("nfs")
            && let Some(mut nfs) = item.fields("NFSVolumeSource", self.ledger)
        {
            let volume = format!("{}-{name}", unit.name.value);
            let backing = VolumeBacking::Nfs {
                server: nfs
                    .text("server", self.ledger)
                    .map(|t| t.value)
                    .unwrap_or_default(),
                path: nfs
                    .text("path", self.ledger)
                    .map(|t| t.value)
                    .unwrap_or_default(),
                options: Vec::new(),
                read_only: nfs
                    .boolean("readOnly", self.ledger)
                    .is_some_and(|r| r.value),
                origin: item.origin(),
            };
            nfs.finish(self.ledger);
            self.application.volumes.push(Volume {
                name: Sourced::new(volume.clone(), item.origin()),
                namespace: unit.namespace.clone(),
                real_name: None,
                external: false,
                backing,
                size: None,
                size_limit: None,
                access: Vec::new(),
                class: None,
                block: None,
                metadata: Metadata::default(),
                origin: item.origin(),
            });
            return MountSource::Volume(volume);
        }
        if let Some(mut image) = fields.fields("image", "ImageVolumeSource", self.ledger) {
            let source = MountSource::Image {
                reference: image
                    .text("reference", self.ledger)
                    .map(|t| t.value)
                    .unwrap_or_default(),
                pull: image.text("pullPolicy", self.ledger).map(|t| t.value),
            };
            image.finish(self.ledger);
            return source;
        }
        if let Some(item) = fields.take("ephemeral") {
            let message = format!("`{name}` is an anonymous volume without size or class");
            self.error("ephemeral-claim", &item.origin(), message);
            return MountSource::Anonymous;
        }
        let rest = fields.take_rest(|_| true);
        match rest.into_iter().next() {
            Some((kind, item)) => {
                self.ledger
                    .leave(format!("VolumeSource.{}", kind.value), &item);
                MountSource::Other {
                    kind: kind.value,
                    value: item.node.to_json(),
                }
            }
            None => MountSource::Shared {
                name: name.to_owned(),
                medium: SharedMedium::Disk,
                size: None,
            },
        }
    }

    fn object_source(&mut self, fields: &mut Fields<'_>, kind: ObjectKind) -> ObjectMount {
        let name = fields
            .text("name", self.ledger)
            .or_else(|| fields.text("secretName", self.ledger));
        let mode = fields.integer("defaultMode", self.ledger);
        let optional = fields.boolean("optional", self.ledger);
        let items = fields
            .items("items", self.ledger)
            .iter()
            .filter_map(|item| {
                let mut fields = item.fields("KeyToPath", self.ledger)?;
                let key = fields
                    .text("key", self.ledger)
                    .map(|t| t.value)
                    .unwrap_or_default();
                let path = fields
                    .text("path", self.ledger)
                    .map_or_else(|| key.clone(), |t| t.value);
                let mode: Option<Sourced<u32>> = fields.integer("mode", self.ledger);
                fields.finish(self.ledger);
                Some(ObjectItem {
                    key,
                    path,
                    mode: mode.map(|m| m.value),
                    origin: item.origin(),
                })
            })
            .collect();
        let name = name.map(|t| t.value).unwrap_or_default();
        let table = if kind == ObjectKind::Config {
            "ConfigMap"
        } else {
            "Secret"
        };
        ObjectMount {
            kind,
            object: self.model_name(table, &name),
            items,
            single: false,
            mode,
            uid: None,
            gid: None,
            optional,
        }
    }

    fn field_files(&mut self, fields: &mut Fields<'_>, mode: Option<u32>) -> Vec<FieldFile> {
        let mut files = Vec::new();
        for item in fields.items("items", self.ledger) {
            let Some(mut file) = item.fields("DownwardAPIVolumeFile", self.ledger) else {
                continue;
            };
            let path = file
                .text("path", self.ledger)
                .map(|t| t.value)
                .unwrap_or_default();
            let own: Option<Sourced<u32>> = file.integer("mode", self.ledger);
            if let Some(value) = self.field_value(&mut file) {
                files.push(FieldFile {
                    path,
                    value,
                    mode: own.map(|own| own.value).or(mode),
                });
            }
            file.finish(self.ledger);
        }
        files
    }

    pub(super) fn volume_mount(
        &mut self,
        item: &Item<'_>,
        volumes: &mut PodVolumes,
    ) -> Option<Mount> {
        let mut fields = item.fields("VolumeMount", self.ledger)?;
        let name = fields.text("name", self.ledger);
        let target = fields.text("mountPath", self.ledger);
        let own_read_only = fields.boolean("readOnly", self.ledger);
        let subpath = fields
            .text("subPath", self.ledger)
            .filter(|s| !s.value.is_empty());
        let propagation = fields.text("mountPropagation", self.ledger).map(|text| {
            text.map(|t| match t.as_str() {
                "HostToContainer" => Propagation::FromHost,
                "Bidirectional" => Propagation::Both,
                _ => Propagation::Private,
            })
        });
        fields.finish(self.ledger);
        let (Some(name), Some(target)) = (name, target) else {
            self.error(
                "bad-field",
                &item.origin(),
                format!("`{}` needs a `name` and a `mountPath`", item.path),
            );
            return None;
        };
        let mut mount = Mount {
            target,
            source: MountSource::Volume(name.value.clone()),
            read_only: own_read_only,
            subpath,
            propagation,
            no_copy: None,
            volume_name: Some(name.clone()),
            origin: item.origin(),
        };
        // A name that no volume has is a claim template of a StatefulSet, or a mistake that Kubernetes reports.
        if let Some(volume) = volumes.by_name.get_mut(&name.value) {
            volume.used = true;
            mount.source = volume.source.clone();
            mount.read_only = mount.read_only.or_else(|| volume.read_only.clone());
        }
        // One key at a path of its own: the subPath names the file.
        if let MountSource::Object(object) = &mut mount.source
            && let Some(subpath) = &mount.subpath
        {
            let item = object
                .items
                .iter()
                .find(|i| i.path == subpath.value)
                .cloned();
            match item {
                Some(item) => object.items = vec![item],
                None if object.items.is_empty() => {
                    object.items = vec![ObjectItem {
                        key: subpath.value.clone(),
                        path: subpath.value.clone(),
                        mode: None,
                        origin: subpath.origin.clone(),
                    }];
                }
                None => return Some(mount),
            }
            object.single = true;
            mount.subpath = None;
        }
        Some(mount)
    }

    /// Volumes that no container mounts do nothing, but are said.
    pub(super) fn unused_volumes(&mut self, volumes: PodVolumes) {
        for (name, volume) in volumes.by_name {
            if !volume.used {
                self.error(
                    "unused-volume",
                    &volume.origin,
                    format!("the volume `{name}` is mounted by no container"),
                );
            }
        }
    }
}

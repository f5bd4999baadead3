//! Files of configs and secrets, and fields of the instance as files.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIProjection, DownwardAPIVolumeFile,
    KeyToPath, ObjectFieldSelector, ResourceFieldSelector, SecretProjection, SecretVolumeSource,
    VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Value, json};

use super::objects;
use super::pod::Pod;
use crate::finding::{Code, Findings};
use crate::orchestration::model::{
    Container, EnvValue, FieldFile, MountSource, ObjectItem, ObjectKind, ObjectMount,
};
use crate::orchestration::names::to_label;
use crate::source::Origin;

pub(super) fn object(
    object: &ObjectMount,
    target: &str,
    wanted: Option<&str>,
    entry: &mut VolumeMount,
    pod: &mut Pod<'_, '_, '_>,
    findings: &mut Findings,
) {
    let ObjectMount {
        kind,
        object: name,
        items,
        single,
        mode: file_mode,
        uid,
        gid,
        optional,
    } = object;
    let plan = pod.plan;
    for owner in [uid, gid]
        .into_iter()
        .flatten()
        .filter(|owner| owner.value != "0")
    {
        let message = format!(
            "the files of `{name}` belong to root, not to {}",
            owner.value
        );
        findings.add(Code("file-of-root"), &owner.origin, message);
    }
    // Docker's default is 0444, Kubernetes' is 0644.
    let default_mode = match file_mode {
        Some(file_mode) => mode(file_mode.value, &file_mode.origin, findings),
        None => plan.docker.then_some(0o444),
    };
    let mut keys: Vec<_> = items
        .iter()
        .map(|item| self::item(item, findings))
        .collect();
    if *single {
        let wanted = items.first().map(|item| item.key.as_str());
        let key = objects::only_key(plan, *kind, name, wanted);
        let path = keys
            .first()
            .map_or_else(|| file_name(target), |item| item.path.clone());
        keys = vec![KeyToPath {
            key: objects::key(&key),
            mode: keys.first().and_then(|item| item.mode),
            path: path.clone(),
        }];
        entry.sub_path = Some(path);
    }
    let given = plan.object_name(*kind, name);
    let optional = optional.as_ref().map(|o| o.value);
    let prefix = match kind {
        ObjectKind::Config => "config",
        ObjectKind::Secret => "secret",
    };
    let wanted = wanted.map_or_else(|| format!("{prefix}-{}", to_label(name)), str::to_owned);
    let key = format!(
        "{prefix}/{given}/{default_mode:?}/{optional:?}/{}",
        json!(keys)
    );
    let keys = Some(keys).filter(|keys| !keys.is_empty());
    entry.name = pod.volumes.add(key, &wanted, |mut volume| {
        match kind {
            ObjectKind::Config => {
                volume.config_map = Some(ConfigMapVolumeSource {
                    default_mode,
                    items: keys,
                    name: given,
                    optional,
                });
            }
            ObjectKind::Secret => {
                volume.secret = Some(SecretVolumeSource {
                    default_mode,
                    items: keys,
                    optional,
                    secret_name: Some(given),
                });
            }
        }
        volume
    });
    if plan.docker {
        entry.read_only = Some(true);
    }
}

pub(super) fn projection(
    source: &MountSource,
    container: &Container,
    origin: &Origin,
    pod: &Pod<'_, '_, '_>,
    findings: &mut Findings,
) -> Option<Value> {
    let projection = match source {
        MountSource::Object(ObjectMount {
            kind,
            object,
            items,
            single: _,
            mode: _,
            uid: _,
            gid: _,
            optional,
        }) => {
            let keys: Vec<_> = items
                .iter()
                .map(|item| self::item(item, findings))
                .collect();
            let items = Some(keys).filter(|keys| !keys.is_empty());
            let name = pod.plan.object_name(*kind, object);
            let optional = optional.as_ref().map(|o| o.value);
            match kind {
                ObjectKind::Config => VolumeProjection {
                    config_map: Some(ConfigMapProjection {
                        items,
                        name,
                        optional,
                    }),
                    ..VolumeProjection::default()
                },
                ObjectKind::Secret => VolumeProjection {
                    secret: Some(SecretProjection {
                        items,
                        name,
                        optional,
                    }),
                    ..VolumeProjection::default()
                },
            }
        }
        MountSource::Fields(fields) => VolumeProjection {
            downward_api: Some(DownwardAPIProjection {
                items: Some(self::fields(fields, container, origin, findings)),
            }),
            ..VolumeProjection::default()
        },
        MountSource::Other { kind, value } => return Some(json!({kind: value})),
        _ => {
            let message = "a part of a joined folder can only be a config, a secret or fields";
            findings.add(Code("mount-impossible"), origin, message);
            return None;
        }
    };
    Some(json!(projection))
}

pub(super) fn fields(
    fields: &[FieldFile],
    container: &Container,
    origin: &Origin,
    findings: &mut Findings,
) -> Vec<DownwardAPIVolumeFile> {
    let mut files = Vec::new();
    for FieldFile { path, value, mode } in fields {
        let mut file = DownwardAPIVolumeFile {
            path: path.clone(),
            mode: mode.and_then(|mode| i32::try_from(mode).ok()),
            ..DownwardAPIVolumeFile::default()
        };
        match value {
            EnvValue::Resource {
                resource,
                container: of,
                divisor,
            } => {
                let of = of.as_ref().unwrap_or(&container.name.value);
                file.resource_field_ref = Some(ResourceFieldSelector {
                    container_name: Some(to_label(of)),
                    divisor: divisor.clone().map(Quantity),
                    resource: resource.clone(),
                });
            }
            EnvValue::Field(field) if field.starts_with("metadata.") => {
                file.field_ref = Some(ObjectFieldSelector {
                    api_version: None,
                    field_path: field.clone(),
                });
            }
            other => {
                let field = match other {
                    EnvValue::Field(field) => field.as_str(),
                    _ => path,
                };
                let message = format!("an instance has no field `{field}` that can be a file");
                findings.add(Code("env-field"), origin, message);
                continue;
            }
        }
        files.push(file);
    }
    files
}

pub(super) fn item(item: &ObjectItem, findings: &mut Findings) -> KeyToPath {
    let ObjectItem {
        key,
        path,
        mode: item_mode,
        origin,
    } = item;
    let relative: Vec<_> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "." | ".."))
        .collect();
    let relative = if relative.is_empty() {
        objects::key(key)
    } else {
        relative.join("/")
    };
    if relative != *path && !path.is_empty() {
        let message = format!("`{path}` cannot lead out of the folder and is `{relative}`");
        findings.add(Code("mount-target"), origin, message);
    }
    KeyToPath {
        key: objects::key(key),
        mode: item_mode.and_then(|m| mode(m, origin, findings)),
        path: relative,
    }
}

pub(super) fn mode(mode: u32, origin: &Origin, findings: &mut Findings) -> Option<i32> {
    if mode > 0o777 {
        let message = format!("the mode {mode:04o} is cut to {:04o}", mode & 0o777);
        findings.add(Code("file-mode"), origin, message);
    }
    i32::try_from(mode & 0o777).ok()
}

pub(super) fn file_name(path: &str) -> String {
    path.rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or("file")
        .to_owned()
}

//! What is mounted into a container.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeSource, HostPathVolumeSource,
    PersistentVolumeClaimVolumeSource, ProjectedVolumeSource, VolumeDevice, VolumeMount,
};
use serde_json::{Value, json};

use super::binds::{Bind, Held};
use super::pod::Pod;
use super::usage::{VolumePlan, pods};
use super::volumes::empty;
use super::{files, fill, placeholders};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{
    Container, Dialect, Mount, MountSource, Propagation, SharedMedium, User, VolumeBacking,
};
use crate::orchestration::names::{is_label, is_subdomain, to_label};
use crate::source::{Sourced, is_private};

/// The mounts of one container.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) mounts: Vec<VolumeMount>,
    pub(super) devices: Vec<VolumeDevice>,
}

pub(super) fn mounts(
    container: &Container,
    pod: &mut Pod<'_, '_, '_>,
    findings: &mut Findings,
) -> Mounts {
    let mut written = Mounts::default();
    let mut targets: BTreeSet<String> = BTreeSet::new();
    for mount in &container.mounts {
        let target = target(&mount.target.value);
        if target.is_empty() {
            let message = "a mount has no path in the container and is left out";
            findings.add(Code("mount-target"), &mount.origin, message);
            continue;
        }
        if !targets.insert(target.clone()) {
            let message =
                format!("`{target}` is mounted already, and the second mount is left out");
            findings.add(Code("mount-target"), &mount.target.origin, message);
            continue;
        }
        self::mount(mount, target, container, pod, &mut written, findings);
    }
    if let Some(size) = &container.shm_size
        && targets.insert("/dev/shm".to_owned())
    {
        let key = format!("shm/{}", size.value);
        let name = pod
            .volumes
            .add(key, "dshm", |v| empty(v, Some("Memory"), Some(size.value)));
        written.mounts.push(VolumeMount {
            mount_path: "/dev/shm".to_owned(),
            name,
            ..VolumeMount::default()
        });
    }
    written
}

fn mount(
    mount: &Mount,
    target: String,
    container: &Container,
    pod: &mut Pod<'_, '_, '_>,
    written: &mut Mounts,
    findings: &mut Findings,
) {
    let Mount {
        target: _,
        source,
        read_only,
        subpath,
        propagation,
        no_copy,
        volume_name,
        origin,
    } = mount;
    let wanted = volume_name.as_ref().map(|name| name.value.as_str());
    let mut entry = VolumeMount {
        mount_path: target.clone(),
        read_only: read_only.as_ref().map(|r| r.value),
        sub_path: subpath.as_ref().and_then(|path| sub_path(path, findings)),
        ..VolumeMount::default()
    };
    if let Some(propagation) = propagation {
        entry.mount_propagation = Some(self::propagation(propagation, container, findings));
    }
    let no_copy = no_copy.as_ref().is_some_and(|n| n.value);
    match source {
        MountSource::Volume(name) | MountSource::Cluster(name) => {
            if matches!(source, MountSource::Cluster(_)) && name.starts_with("group:") {
                let message =
                    format!("`{name}` is a group of volumes, which Kubernetes does not have");
                findings.add(Code("mount-impossible"), origin, message);
                return;
            }
            let (volume, fresh) = volume(name, wanted, pod, findings);
            let block = pod
                .plan
                .volume(name)
                .is_some_and(|v| v.volume.block.as_ref().is_some_and(|b| b.value));
            if block {
                written.devices.push(VolumeDevice {
                    device_path: target,
                    name: volume,
                });
                return;
            }
            if fresh && !no_copy {
                fill::copy_up(
                    &volume,
                    &target,
                    entry.sub_path.as_deref(),
                    container,
                    origin,
                    pod,
                    findings,
                );
            }
            entry.name = volume;
        }
        MountSource::Shared { name, medium, size } => {
            let medium = match medium {
                SharedMedium::Disk => None,
                SharedMedium::Memory => Some("Memory"),
                SharedMedium::Other => {
                    let message =
                        format!("`{name}` lies on the node's disk, since its medium is not known");
                    findings.add(Code("volume-medium"), origin, message);
                    None
                }
            };
            entry.name = pod
                .volumes
                .add(format!("shared/{name}"), wanted.unwrap_or(name), |v| {
                    empty(v, medium, *size)
                });
        }
        MountSource::Anonymous => {
            let name = format!("anonymous-{}", path_label(&target));
            let key = format!("anonymous/{}/{target}", container.name.value);
            entry.name = pod
                .volumes
                .add(key, wanted.unwrap_or(&name), |v| empty(v, None, None));
            // A Swarm keeps none either: each task has its own.
            if pod.plan.application.dialect == Dialect::Compose {
                let message =
                    format!("`{target}` has no name, so its content is lost with the Pod");
                findings.add(Code("anonymous-volume"), origin, message);
            }
            if !no_copy && pod.plan.docker {
                let volume = entry.name.clone();
                fill::copy_up(&volume, &target, None, container, origin, pod, findings);
            }
        }
        MountSource::Bind {
            path,
            kind,
            relative,
            selinux,
        } => {
            placeholders::mount(path, pod.unit, origin, pod.plan, findings);
            let bind = Bind {
                path,
                relative: relative.as_deref(),
                kind: *kind,
                read_only: read_only.as_ref().is_some_and(|r| r.value),
                pods: pods(pod.unit, pod.plan.options),
                origin,
            };
            let Some(place) = self::bind(
                &bind,
                container.user.as_ref(),
                wanted,
                &mut entry,
                pod,
                findings,
            ) else {
                return;
            };
            match (selinux, place) {
                (Some(selinux), BindPlace::Node) => {
                    let message = format!(
                        "files on the nodes keep their labels, whatever `{selinux}` asks for"
                    );
                    findings.add(Code("selinux-label"), origin, message);
                }
                (Some(selinux), BindPlace::Volume) => {
                    let message =
                        format!("the cluster labels the volume itself, as `{selinux}` does");
                    findings.add(Code("selinux-relabel"), origin, message);
                }
                (None, _) => {}
            }
        }
        MountSource::Tmpfs {
            size,
            mode,
            options,
        } => {
            let name = format!("tmpfs-{}", path_label(&target));
            let key = format!("tmpfs/{}/{target}", container.name.value);
            entry.name = pod.volumes.add(key, wanted.unwrap_or(&name), |v| {
                empty(v, Some("Memory"), *size)
            });
            if let Some(mode) = mode.filter(|mode| mode & 0o777 != 0o777) {
                let message = format!("`{target}` has the mode 0777, not {mode:04o}");
                findings.add(Code("tmpfs-options"), origin, message);
            }
            if !options.is_empty() {
                let message = format!(
                    "`{target}`: {} cannot be said of a volume in memory",
                    options.join(", ")
                );
                findings.add(Code("tmpfs-options"), origin, message);
            }
        }
        MountSource::Image { reference, pull } => {
            if reference.trim().is_empty() {
                let message = "there is no image whose files could be mounted";
                findings.add(Code("mount-impossible"), origin, message);
                return;
            }
            let sub_path = entry.sub_path.take();
            entry.name = fill::image(
                reference,
                pull.as_deref(),
                sub_path.as_deref(),
                origin,
                pod,
                findings,
            );
            entry.read_only = Some(true);
        }
        MountSource::Object(object) => {
            files::object(object, &target, wanted, &mut entry, pod, findings);
        }
        MountSource::Projected(sources) => {
            let projections: Vec<_> = sources
                .iter()
                .filter_map(|source| files::projection(source, container, origin, pod, findings))
                .collect();
            let mode = sources.iter().find_map(|source| match source {
                MountSource::Object(object) => object
                    .mode
                    .as_ref()
                    .and_then(|m| files::mode(m.value, origin, findings)),
                _ => None,
            });
            let key = format!("projected/{}", json!(projections));
            entry.name = pod
                .volumes
                .add_value(key, wanted.unwrap_or("projected"), |name| {
                    let source = ProjectedVolumeSource {
                        default_mode: mode,
                        sources: None,
                    };
                    let mut volume = json!({"name": name, "projected": source});
                    volume["projected"]["sources"] = Value::Array(projections);
                    volume
                });
        }
        MountSource::Fields(fields) => {
            let items = files::fields(fields, container, origin, findings);
            let key = format!("fields/{}", json!(items));
            entry.name = pod
                .volumes
                .add(key, wanted.unwrap_or("fields"), |mut volume| {
                    volume.downward_api = Some(DownwardAPIVolumeSource {
                        default_mode: None,
                        items: Some(items),
                    });
                    volume
                });
        }
        MountSource::Pipe(path) => {
            let message = format!("the named pipe `{path}` cannot be mounted");
            findings.add(Code("mount-impossible"), origin, message);
            return;
        }
        MountSource::Other { kind, value } => {
            let key = format!("other/{kind}/{value}");
            entry.name = pod.volumes.add_value(
                key,
                wanted.unwrap_or(kind),
                |name| json!({"name": name, kind: value}),
            );
        }
    }
    written.mounts.push(entry);
}

/// The Pod's volume for a volume of the application, and whether it is one that begins empty.
fn volume(
    name: &str,
    wanted: Option<&str>,
    pod: &mut Pod<'_, '_, '_>,
    findings: &mut Findings,
) -> (String, bool) {
    if let Some(claim) = pod.claims.get(name) {
        // Those of a stack are volumes of Docker.
        return (claim.clone(), pod.plan.docker);
    }
    let plan = pod.plan;
    let key = format!("volume/{name}");
    let wanted = wanted.unwrap_or(name);
    let Some(VolumePlan {
        claim,
        volume,
        usage,
        own: _,
    }) = plan.volume(name)
    else {
        let claim = if is_subdomain(name) {
            name.to_owned()
        } else {
            to_label(name)
        };
        let volume = pod.volumes.add(key, wanted, |mut v| {
            v.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim,
                read_only: None,
            });
            v
        });
        return (volume, false);
    };
    if let VolumeBacking::Memory {
        size,
        options,
        origin: at,
    } = &volume.backing
        && !volume.external
    {
        if !options.is_empty() {
            let message = format!(
                "`{name}`: {} cannot be said of a volume in memory",
                options.join(", ")
            );
            findings.add(Code("tmpfs-options"), at, message);
        }
        if usage.access() != crate::orchestration::model::AccessMode::ReadWriteOnce {
            let message =
                format!("`{name}` lies in the memory of each Pod and is not shared between Pods");
            findings.add(Code("memory-volume"), at, message);
        }
        let name = pod
            .volumes
            .add(key, wanted, |v| empty(v, Some("Memory"), *size));
        return (name, false);
    }
    let copied = matches!(
        volume.backing,
        VolumeBacking::Default | VolumeBacking::Driver { .. }
    );
    let fresh = plan.docker && copied && !volume.external;
    let name = pod.volumes.add(key, wanted, |mut v| {
        v.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.clone(),
            read_only: None,
        });
        v
    });
    (name, fresh)
}

/// Where the files of a bind mount lie in the cluster.
enum BindPlace {
    /// In a ConfigMap or a claim.
    Volume,
    /// On the node.
    Node,
}

/// Where the files come from, or `None` if the mount cannot be made.
fn bind(
    bind: &Bind<'_>,
    user: Option<&Sourced<User>>,
    wanted: Option<&str>,
    entry: &mut VolumeMount,
    pod: &mut Pod<'_, '_, '_>,
    findings: &mut Findings,
) -> Option<BindPlace> {
    let plan = pod.plan;
    let held = pod.binds.resolve(bind, plan, findings);
    match held {
        Held::Map {
            name,
            file,
            items,
            mut mode,
        } => {
            if let Some(private) = mode.filter(|mode| is_private(*mode)) {
                let root = user.is_none_or(|user| user.value.is_root());
                let then = if root {
                    "it keeps the mode, but belongs to root"
                } else {
                    "it belongs to root in the Pod, so all may read it there"
                };
                let path = bind.relative.unwrap_or(bind.path);
                let message = format!("`{path}` has the mode {private:04o} here: {then}");
                findings.add(Code("private-file"), bind.origin, message);
                mode = mode.filter(|_| root);
            }
            let mode = mode.and_then(|mode| i32::try_from(mode).ok());
            entry.name = pod.volumes.add(
                format!("bind/{name}/{mode:?}"),
                wanted.unwrap_or(&name),
                |mut v| {
                    v.config_map = Some(ConfigMapVolumeSource {
                        default_mode: mode,
                        items,
                        name: name.clone(),
                        optional: None,
                    });
                    v
                },
            );
            entry.sub_path = join(file, entry.sub_path.take());
            // The kubelet mounts them so in any case.
            entry.read_only = Some(true);
            Some(BindPlace::Volume)
        }
        Held::Claim { name, file } => {
            entry.name =
                pod.volumes
                    .add(format!("bind/{name}"), wanted.unwrap_or(&name), |mut v| {
                        v.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource {
                            claim_name: name.clone(),
                            read_only: None,
                        });
                        v
                    });
            entry.sub_path = join(file, entry.sub_path.take());
            Some(BindPlace::Volume)
        }
        Held::Node(kind) => {
            if bind.path.is_empty() || bind.path.split(['/', '\\']).any(|part| part == "..") {
                let message = format!("`{}` cannot be a path of the node", bind.path);
                findings.add(Code("mount-impossible"), bind.origin, message);
                return None;
            }
            let wanted =
                wanted.map_or_else(|| format!("host-{}", path_label(bind.path)), str::to_owned);
            let key = format!("host/{}/{kind:?}", bind.path);
            entry.name = pod.volumes.add(key, &wanted, |mut v| {
                v.host_path = Some(HostPathVolumeSource {
                    path: bind.path.to_owned(),
                    type_: kind.map(str::to_owned),
                });
                v
            });
            Some(BindPlace::Node)
        }
    }
}

fn propagation(
    propagation: &Sourced<Propagation>,
    container: &Container,
    findings: &mut Findings,
) -> String {
    let privileged = container
        .security
        .privileged
        .as_ref()
        .is_some_and(|p| p.value);
    let mut both = || {
        if privileged {
            return "Bidirectional";
        }
        let message =
            "mounts of the container do not spread to the node, since it is not privileged";
        findings.add(Code("mount-propagation"), &propagation.origin, message);
        "HostToContainer"
    };
    let word = match &propagation.value {
        Propagation::Private => "None",
        Propagation::FromHost => "HostToContainer",
        Propagation::Both => both(),
        Propagation::Other(form) => {
            let word = match form.as_str() {
                "shared" => both(),
                "slave" => "HostToContainer",
                _ => "None",
            };
            let message = format!("`{form}` also spreads to mounts below it");
            findings.add(Code("mount-propagation"), &propagation.origin, message);
            word
        }
    };
    word.to_owned()
}

/// A path inside of a volume: relative, and never out of it.
fn sub_path(path: &Sourced<String>, findings: &mut Findings) -> Option<String> {
    let parts: Vec<_> = path
        .value
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        let message = format!(
            "`{}` leads out of the volume, so the whole volume is mounted",
            path.value
        );
        findings.add(Code("mount-target"), &path.origin, message);
        return None;
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn join(first: Option<String>, second: Option<String>) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("{first}/{second}")),
        (first, second) => first.or(second),
    }
}

/// The path without a slash at its end, as two mounts are compared.
fn target(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" if path.starts_with('/') => "/".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// A path as part of a volume's name.
fn path_label(path: &str) -> String {
    let label = path.trim_matches(['/', '\\', '.']);
    if label.is_empty() {
        return "root".to_owned();
    }
    let label = to_label(label);
    if is_label(&label) {
        label
    } else {
        "path".to_owned()
    }
}

/// Names of claims that each instance gets for itself, by the name that mounts use.
pub(super) type Claims = BTreeMap<String, String>;

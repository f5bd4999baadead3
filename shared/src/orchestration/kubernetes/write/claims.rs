//! Claims, and a PersistentVolume for each where the source says what they stand on.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    HostPathVolumeSource, NFSVolumeSource, PersistentVolume, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, PersistentVolumeSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::documents::{Documents, Rank, subject};
use super::metadata;
use super::plan::Plan;
use super::usage::{Usage, VolumePlan};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{
    AccessMode, ClaimTemplate, MountSource, Unit, Volume, VolumeBacking,
};
use crate::orchestration::names::{REAL_NAME, is_subdomain};
use crate::orchestration::quantity::bytes_to_kubernetes;
use crate::source::{Origin, Sourced};

pub(super) fn write(
    volumes: &[Volume],
    plan: &Plan<'_>,
    documents: &mut Documents,
    findings: &mut Findings,
) {
    let mut written = BTreeSet::new();
    for volume in volumes {
        let Volume {
            name,
            namespace,
            real_name,
            external,
            backing,
            size,
            size_limit,
            access,
            class,
            block,
            metadata: user,
            origin,
        } = volume;
        let Some(VolumePlan {
            claim,
            volume: _,
            usage,
            own,
        }) = plan.volume(&name.value)
        else {
            continue;
        };
        if *own {
            // The StatefulSet makes them; see `own`.
            continue;
        }
        if *external {
            if plan.docker {
                let message = format!("the claim `{claim}` has to be in the namespace");
                findings.add(Code("external-volume"), origin, message);
            }
            continue;
        }
        if !written.insert((namespace.as_ref().map(|n| &n.value), claim)) {
            let message = format!("`{}` is the claim `{claim}` as well", name.value);
            findings.add(Code("object-twice"), origin, message);
            continue;
        }
        if let VolumeBacking::Memory { .. } = backing {
            // An `emptyDir` in each Pod; see `mounts`.
            continue;
        }
        let mut meta = metadata::new(claim, namespace.as_ref(), None, plan);
        metadata::original(&mut meta, &name.value);
        if let Some(real) = real_name {
            metadata::annotate(&mut meta, REAL_NAME, &real.value);
        }
        metadata::add_user(&mut meta, user, findings);
        let modes = modes(access, *usage, &name.value, origin, findings);
        let size = self::size(size.as_ref(), &name.value, origin, plan, findings);
        let mut spec = PersistentVolumeClaimSpec {
            access_modes: Some(modes.clone()),
            resources: Some(VolumeResourceRequirements {
                limits: size_limit
                    .as_ref()
                    .map(|limit| quantity("storage", limit.value.max(size))),
                requests: Some(quantity("storage", size)),
            }),
            storage_class_name: storage_class(class.as_ref(), backing, origin, plan, findings),
            volume_mode: block
                .as_ref()
                .map(|b| if b.value { "Block" } else { "Filesystem" }.to_owned()),
            ..PersistentVolumeClaimSpec::default()
        };
        if let Some(mut volume) = persistent_volume(backing, claim, plan, findings) {
            volume.1.access_modes = Some(modes);
            volume.1.capacity = Some(quantity("storage", size));
            spec.storage_class_name = Some(String::new());
            spec.volume_name.clone_from(&volume.0.name);
            let volume = PersistentVolume {
                metadata: volume.0,
                spec: Some(volume.1),
                status: None,
            };
            documents.add(Rank::Storage, &volume, Vec::new());
        }
        let object = PersistentVolumeClaim {
            metadata: meta,
            spec: Some(spec),
            status: None,
        };
        documents.add(
            Rank::Storage,
            &object,
            vec![subject("volumes", &name.value)],
        );
    }
}

/// What each instance of a unit has for itself although the source names one volume.
pub(super) fn own(unit: &Unit, plan: &Plan<'_>) -> Vec<ClaimTemplate> {
    let mut templates: Vec<ClaimTemplate> = Vec::new();
    for mount in unit.containers.iter().flat_map(|c| &c.mounts) {
        let MountSource::Volume(name) = &mount.source else {
            continue;
        };
        let Some(VolumePlan { volume, own, .. }) = plan.volume(name) else {
            continue;
        };
        if *own && !templates.iter().any(|t| t.name.value == *name) {
            templates.push(ClaimTemplate {
                name: volume.name.clone(),
                size: volume.size.clone(),
                access: volume.access.clone(),
                class: volume.class.clone(),
                metadata: volume.metadata.clone(),
                origin: volume.origin.clone(),
            });
        }
    }
    templates
}

/// A claim that each instance of a StatefulSet gets for itself.
pub(super) fn template(
    claim: &ClaimTemplate,
    name: &str,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> PersistentVolumeClaim {
    let ClaimTemplate {
        name: own,
        size,
        access,
        class,
        metadata: user,
        origin,
    } = claim;
    let mut meta = ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    metadata::original(&mut meta, &own.value);
    metadata::add_user(&mut meta, user, findings);
    let size = self::size(size.as_ref(), &own.value, origin, plan, findings);
    PersistentVolumeClaim {
        metadata: meta,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(modes(
                access,
                Usage::default(),
                &own.value,
                origin,
                findings,
            )),
            resources: Some(VolumeResourceRequirements {
                limits: None,
                requests: Some(quantity("storage", size)),
            }),
            storage_class_name: storage_class(
                class.as_ref(),
                &VolumeBacking::Default,
                origin,
                plan,
                findings,
            ),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

/// A claim that stands for a bind mount.
pub(super) fn for_bind(meta: ObjectMeta, usage: Usage, plan: &Plan<'_>) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: meta,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![mode_name(usage.access()).to_owned()]),
            resources: Some(VolumeResourceRequirements {
                limits: None,
                requests: Some(quantity("storage", plan.options.storage_size.max(1))),
            }),
            storage_class_name: plan.options.storage_class.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

fn quantity(name: &str, bytes: u64) -> BTreeMap<String, Quantity> {
    BTreeMap::from([(name.to_owned(), Quantity(bytes_to_kubernetes(bytes)))])
}

fn size(
    size: Option<&Sourced<u64>>,
    name: &str,
    origin: &Origin,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> u64 {
    match size {
        Some(size) if size.value > 0 => size.value,
        _ => {
            let size = plan.options.storage_size.max(1);
            let shown = bytes_to_kubernetes(size);
            let message = format!("`{name}` has no size in the source and asks for {shown}");
            findings.add(Code("storage-size"), origin, message);
            size
        }
    }
}

fn modes(
    access: &[Sourced<AccessMode>],
    usage: Usage,
    name: &str,
    origin: &Origin,
    findings: &mut Findings,
) -> Vec<String> {
    if access.is_empty() {
        let mode = usage.access();
        if mode == AccessMode::ReadWriteMany {
            let message = format!("`{name}` is used by several Pods and asks for ReadWriteMany");
            findings.add(Code("volume-shared"), origin, message);
        }
        return vec![mode_name(mode).to_owned()];
    }
    let single = access
        .iter()
        .find(|mode| mode.value == AccessMode::ReadWriteOncePod);
    if let Some(single) = single.filter(|_| {
        access
            .iter()
            .any(|mode| mode.value != AccessMode::ReadWriteOncePod)
    }) {
        let message = "ReadWriteOncePod excludes the other access modes, which are left out";
        findings.add(Code("access-mode"), &single.origin, message);
        return vec![mode_name(AccessMode::ReadWriteOncePod).to_owned()];
    }
    let mut modes: Vec<String> = Vec::new();
    for mode in access {
        let name = mode_name(mode.value);
        if !modes.iter().any(|m| m == name) {
            modes.push(name.to_owned());
        }
    }
    modes
}

fn mode_name(mode: AccessMode) -> &'static str {
    match mode {
        AccessMode::ReadWriteOnce => "ReadWriteOnce",
        AccessMode::ReadOnlyMany => "ReadOnlyMany",
        AccessMode::ReadWriteMany => "ReadWriteMany",
        AccessMode::ReadWriteOncePod => "ReadWriteOncePod",
    }
}

fn storage_class(
    class: Option<&Sourced<String>>,
    backing: &VolumeBacking,
    origin: &Origin,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> Option<String> {
    if let Some(class) = class {
        if class.value.is_empty() || is_subdomain(&class.value) {
            return Some(class.value.clone());
        }
        let message = format!("`{}` cannot be the name of a storage class", class.value);
        findings.add(Code("storage-class"), &class.origin, message);
    }
    if let VolumeBacking::Driver { name, options } = backing {
        let driver = name.as_ref().map_or("local", |name| name.value.as_str());
        if let Some(class) = plan.options.driver_classes.get(driver) {
            return Some(class.clone());
        }
        if driver != "local" && driver != "default" {
            let at = name.as_ref().map_or(origin, |name| &name.origin);
            let message = format!("no storage class is known for the volume driver `{driver}`");
            findings.add(Code("driver-without-class"), at, message);
        } else {
            // The size is the claim's own, or was named where it was read.
            for (key, option) in options.iter().filter(|(key, _)| *key != "size") {
                let message = format!("the driver's option `{key}` has no counterpart");
                findings.add(Code("volume-option"), &option.origin, message);
            }
        }
    }
    plan.options.storage_class.clone()
}

/// A volume of the cluster for a claim to bind.
fn persistent_volume(
    backing: &VolumeBacking,
    claim: &str,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> Option<(ObjectMeta, PersistentVolumeSpec)> {
    let mut spec = PersistentVolumeSpec {
        persistent_volume_reclaim_policy: Some("Retain".to_owned()),
        storage_class_name: Some(String::new()),
        ..PersistentVolumeSpec::default()
    };
    match backing {
        VolumeBacking::Default | VolumeBacking::Driver { .. } | VolumeBacking::Memory { .. } => {
            return None;
        }
        VolumeBacking::Nfs {
            server,
            path,
            options,
            read_only,
            origin,
        } => {
            if server.is_empty()
                || !path.starts_with('/')
                || path.split('/').any(|part| part == "..")
            {
                let message =
                    format!("`{server}:{path}` is not an NFS server and an absolute path");
                findings.add(Code("volume-option"), origin, message);
                return None;
            }
            spec.nfs = Some(NFSVolumeSource {
                path: path.clone(),
                read_only: read_only.then_some(true),
                server: server.clone(),
            });
            spec.mount_options = Some(options.clone()).filter(|options| !options.is_empty());
        }
        VolumeBacking::HostPath { path, origin } => {
            if path.is_empty() || path.split('/').any(|part| part == "..") {
                let message = format!("`{path}` cannot be a path of the node");
                findings.add(Code("volume-option"), origin, message);
                return None;
            }
            let message =
                format!("`{path}` has to be there on each node, and each node has its own");
            findings.add(Code("bind-node-path"), origin, message);
            spec.host_path = Some(HostPathVolumeSource {
                path: path.clone(),
                type_: plan.docker.then(|| "Directory".to_owned()),
            });
        }
    }
    // Such volumes have no namespace, so the application's name tells them apart.
    let meta = ObjectMeta {
        namespace: None,
        ..metadata::new(&format!("{}-{claim}", plan.instance), None, None, plan)
    };
    Some((meta, spec))
}

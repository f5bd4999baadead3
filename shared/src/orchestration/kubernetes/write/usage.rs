//! Who uses which volume, in how many Pods.

use std::collections::{BTreeMap, BTreeSet};

use super::placeholders::{self, Spread};
use super::plan::{Names, real_name, renamed};
use crate::finding::{Code, Findings};
use crate::orchestration::kubernetes::{ControllerChoice, KubernetesOptions};
use crate::orchestration::model::{
    AccessMode, Application, Dialect, MountSource, Unit, UnitKind, Volume, VolumeBacking,
};

/// What a volume is called, and who uses it.
#[derive(Debug, Clone)]
pub(super) struct VolumePlan<'a> {
    pub(super) claim: String,
    pub(super) volume: &'a Volume,
    pub(super) usage: Usage,
    /// Each instance of the one unit that uses it has one for itself.
    pub(super) own: bool,
}

/// How many Pods use something.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    writers: u64,
    readers: u64,
}

impl Usage {
    pub(super) fn add(&mut self, pods: u64, writes: bool) {
        let count = if writes {
            &mut self.writers
        } else {
            &mut self.readers
        };
        *count = count.saturating_add(pods);
    }

    pub(super) fn access(self) -> AccessMode {
        if self.writers == 0 && self.readers > 0 {
            AccessMode::ReadOnlyMany
        } else if self.writers.saturating_add(self.readers) > 1 {
            AccessMode::ReadWriteMany
        } else {
            AccessMode::ReadWriteOnce
        }
    }
}

/// How many Pods of a unit there can be at once.
pub(super) fn pods(unit: &Unit, options: &KubernetesOptions) -> u64 {
    let replicas = unit
        .replicas
        .as_ref()
        .map_or(1, |r| u64::from(r.value).max(1));
    match &unit.kind {
        // As many as nodes.
        UnitKind::Daemon => u64::MAX,
        UnitKind::Service(_) => match options.controller {
            ControllerChoice::DaemonSet => u64::MAX,
            ControllerChoice::Pod => 1,
            ControllerChoice::Auto
            | ControllerChoice::Replicas(_)
            | ControllerChoice::StatefulSet => replicas,
        },
        UnitKind::Job(job) => job
            .parallelism
            .as_ref()
            .map_or(replicas, |p| u64::from(p.value).max(1)),
        UnitKind::Stateful(_) => replicas,
        UnitKind::Cron(_) | UnitKind::Bare => 1,
    }
}

/// The claims of all volumes.
pub(super) fn volumes<'a>(
    application: &'a Application,
    options: &KubernetesOptions,
    findings: &mut Findings,
) -> BTreeMap<&'a str, VolumePlan<'a>> {
    let wanted = |volume: &'a Volume| real_name(&volume.name, volume.real_name.as_ref());
    let mut names = Names::reserve(application.volumes.iter().map(wanted));
    let mut planned = BTreeMap::new();
    for volume in &application.volumes {
        let usage = Usage::default();
        let key = volume.name.value.as_str();
        let (claim, own) = match placeholders::volume(volume, application.dialect) {
            Some((spread, wanted)) => {
                let claim = names.name(&wanted);
                let own = spread == Spread::Tasks && can_be_own(volume, application, options);
                apart(volume, spread, &claim, own, findings);
                (claim, own)
            }
            None => {
                let claim = names.name(wanted(volume));
                if claim != wanted(volume) {
                    renamed(&volume.name, wanted(volume), &claim, findings);
                }
                (claim, false)
            }
        };
        let plan = VolumePlan {
            claim,
            volume,
            usage,
            own,
        };
        planned.insert(key, plan);
    }
    let mut told = BTreeSet::new();
    for unit in &application.units {
        let own: BTreeSet<_> = match &unit.kind {
            UnitKind::Stateful(settings) => settings
                .claims
                .iter()
                .map(|c| c.name.value.as_str())
                .collect(),
            _ => BTreeSet::new(),
        };
        let mut used = BTreeMap::new();
        for mount in unit
            .containers
            .iter()
            .flat_map(|container| &container.mounts)
        {
            if let MountSource::Volume(name) | MountSource::Cluster(name) = &mount.source
                && !own.contains(name.as_str())
            {
                let writes = !mount.read_only.as_ref().is_some_and(|r| r.value);
                *used.entry(name.as_str()).or_insert(false) |= writes;
            }
        }
        for (name, writes) in used {
            if let Some(volume) = planned.get_mut(name) {
                let pods = pods(unit, options);
                volume.usage.add(pods, writes);
                if pods > 1 && told.insert(name) && of_each_node(volume, application.dialect) {
                    let message = format!(
                        "`{name}` is a volume of its own on each node of the Swarm, and the instances of `{}` run on several; here all Pods share the claim `{}`",
                        unit.name.value, volume.claim
                    );
                    findings.add(Code("volume-of-each-node"), &volume.volume.origin, message);
                }
            }
        }
    }
    planned
}

/// Whether a Swarm has a volume on each node under one name: the driver `local` keeps it on the node's own disk.
fn of_each_node(volume: &VolumePlan<'_>, dialect: Dialect) -> bool {
    let Volume {
        backing,
        external,
        real_name,
        name,
        ..
    } = volume.volume;
    // Names with placeholders have been told apart already.
    let placeholder = real_name.as_ref().unwrap_or(name).value.contains("{{");
    let local = match backing {
        VolumeBacking::Default => true,
        VolumeBacking::Driver { name, .. } => {
            name.as_ref().is_none_or(|driver| driver.value == "local")
        }
        VolumeBacking::Nfs { .. }
        | VolumeBacking::HostPath { .. }
        | VolumeBacking::Memory { .. } => false,
    };
    dialect == Dialect::Swarm && local && !external && !placeholder && !volume.own
}

/// Whether each instance can have a claim of its own: a StatefulSet gives it one, and no other unit uses the volume.
fn can_be_own(volume: &Volume, application: &Application, options: &KubernetesOptions) -> bool {
    let uses = |unit: &&Unit| {
        let mut mounts = unit.containers.iter().flat_map(|c| &c.mounts);
        mounts.any(|m| matches!(&m.source, MountSource::Volume(name) if *name == volume.name.value))
    };
    let mut users = application.units.iter().filter(uses);
    let only = users.next().filter(|_| users.next().is_none());
    options.controller == ControllerChoice::StatefulSet
        && !volume.external
        && only.is_some_and(|unit| matches!(unit.kind, UnitKind::Service(_)))
}

/// Says what becomes of the volumes that a name with placeholders stands for.
fn apart(volume: &Volume, spread: Spread, claim: &str, own: bool, findings: &mut Findings) {
    let name = volume.real_name.as_ref().unwrap_or(&volume.name);
    if own {
        let message = format!(
            "`{}` is a claim of each instance, by the StatefulSet's template",
            name.value
        );
        findings.add(Code("claim-of-each-instance"), &name.origin, message);
        return;
    }
    let each = match spread {
        Spread::Tasks => "for each task",
        Spread::Nodes => "on each node",
    };
    let message = format!(
        "`{}` is a volume of its own {each} of the Swarm; here all Pods share the claim `{claim}`",
        name.value
    );
    findings.add(Code("volume-of-each-task"), &name.origin, message);
}

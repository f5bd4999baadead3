//! What several objects have to agree on: names and labels.

use std::collections::{BTreeMap, BTreeSet};

use super::aliases::{self, Group};
use super::mentions::Mentions;
use super::usage::{VolumePlan, volumes};
use crate::finding::{Code, Findings};
use crate::orchestration::kubernetes::KubernetesOptions;
use crate::orchestration::model::{
    Application, DependencyCondition, Dialect, FileObject, NameKind, NetworkMode, ObjectKind, Unit,
};
use crate::orchestration::names::{
    ALIAS_LABEL_PREFIX, LABEL_MAX, LabelNames, is_subdomain, short_hash, to_label, with_suffix,
};
use crate::source::Sourced;

pub(super) struct Plan<'a> {
    pub(super) application: &'a Application,
    pub(super) options: &'a KubernetesOptions,
    /// The source is Compose or Swarm, whose defaults have to be filled in.
    pub(super) docker: bool,
    /// Value of the label that all objects have.
    pub(super) instance: String,
    /// As `application.units`.
    pub(super) units: Vec<UnitPlan>,
    index: BTreeMap<&'a str, usize>,
    labels: BTreeMap<String, usize>,
    objects: BTreeMap<ObjectKind, BTreeMap<&'a str, ObjectPlan<'a>>>,
    volumes: BTreeMap<&'a str, VolumePlan<'a>>,
    networks: BTreeMap<&'a str, String>,
    /// Services under other names than the units' own.
    pub(super) groups: Vec<Group<'a>>,
    /// Names that Services have.
    pub(super) service_names: BTreeSet<String>,
}

/// What a unit is called, and what others want of it.
#[derive(Debug, Clone, Default)]
pub(super) struct UnitPlan {
    /// Name of the workload.
    pub(super) object: String,
    /// Value of the name label; for Compose and Swarm also the name of its Service.
    pub(super) label: String,
    /// Labels that its Pods have because of shared aliases and networks.
    pub(super) pod_labels: BTreeMap<String, String>,
    /// Other units of the same alias as its own name: the Service selects this label instead.
    pub(super) shared_label: Option<String>,
    /// Another unit needs it to run.
    pub(super) wanted_running: bool,
    /// Another unit waits for its end.
    pub(super) wanted_completed: bool,
}

/// What a config or secret is called.
#[derive(Debug, Clone)]
pub(super) struct ObjectPlan<'a> {
    pub(super) name: String,
    pub(super) object: &'a FileObject,
}

/// Names that objects of one kind have, each given once.
#[derive(Debug, Default)]
pub(super) struct Names {
    used: BTreeSet<String>,
}

impl Names {
    /// Legal names stay as they are, so they are taken first.
    pub(super) fn reserve<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Self {
            used: names
                .filter(|n| is_subdomain(n))
                .map(str::to_owned)
                .collect(),
        }
    }

    pub(super) fn name(&mut self, wanted: &str) -> String {
        if is_subdomain(wanted) {
            return wanted.to_owned();
        }
        let mut name = to_label(wanted);
        if self.used.contains(&name) {
            name = with_suffix(&name, &short_hash(wanted.as_bytes()));
        }
        self.used.insert(name.clone());
        name
    }
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        application: &'a Application,
        options: &'a KubernetesOptions,
        findings: &mut Findings,
    ) -> Self {
        let docker = application.dialect != Dialect::Kubernetes;
        let instance = application
            .name
            .as_ref()
            .map_or_else(|| "application".to_owned(), |name| to_label(&name.value));
        let index: BTreeMap<_, _> = application
            .units
            .iter()
            .enumerate()
            .map(|(i, unit)| (unit.name.value.as_str(), i))
            .collect();
        let mentions = Mentions::new(application);
        let mut plan = Self {
            application,
            options,
            docker,
            instance,
            units: units(application, docker, &mentions, findings),
            index,
            labels: BTreeMap::new(),
            objects: objects(application, docker, findings),
            volumes: volumes(application, options, findings),
            networks: BTreeMap::new(),
            groups: Vec::new(),
            service_names: BTreeSet::new(),
        };
        plan.labels = plan
            .units
            .iter()
            .enumerate()
            .map(|(i, unit)| (unit.label.clone(), i))
            .collect();
        plan.dependencies();
        plan.attach_networks();
        if docker {
            plan.service_names = plan.units.iter().map(|unit| unit.label.clone()).collect();
        }
        let names = application.names.iter().map(|name| name.name.value.clone());
        let legal: Vec<_> = names
            .filter(|name| crate::orchestration::names::is_label(name))
            .collect();
        plan.service_names.extend(legal);
        plan.groups = aliases::groups(&plan, &mentions, findings);
        plan.label_groups();
        plan
    }

    /// Index of a unit in `application.units` and `units`.
    pub(super) fn unit(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The unit that has this label, and in Compose a Service of this name.
    pub(super) fn unit_by_label(&self, label: &str) -> Option<usize> {
        self.labels.get(label).copied()
    }

    pub(super) fn volume(&self, name: &str) -> Option<&VolumePlan<'a>> {
        self.volumes.get(name)
    }

    pub(super) fn object(&self, kind: ObjectKind, name: &str) -> Option<&ObjectPlan<'a>> {
        self.objects.get(&kind)?.get(name)
    }

    /// The name of a config or secret as other objects refer to it.
    pub(super) fn object_name(&self, kind: ObjectKind, name: &str) -> String {
        match self.object(kind, name) {
            Some(object) => object.name.clone(),
            None if is_subdomain(name) => name.to_owned(),
            None => to_label(name),
        }
    }

    /// The last part of a network's label on Pods.
    pub(super) fn network(&self, name: &str) -> Option<&str> {
        self.networks.get(name).map(String::as_str)
    }

    fn dependencies(&mut self) {
        for unit in &self.application.units {
            for dependency in &unit.dependencies {
                let Some(target) = self.index.get(dependency.unit.value.as_str()) else {
                    continue;
                };
                let target = &mut self.units[*target];
                match dependency.condition {
                    DependencyCondition::Started | DependencyCondition::Healthy => {
                        target.wanted_running = true
                    }
                    DependencyCondition::Completed => target.wanted_completed = true,
                }
            }
        }
    }

    fn attach_networks(&mut self) {
        use crate::orchestration::names::NETWORK_LABEL_PREFIX;
        // 63 characters of the label's name, without `network-`.
        const ROOM: usize = LABEL_MAX - 8;
        let application = self.application;
        if !self.docker {
            return;
        }
        let attached = application.units.iter().flat_map(|unit| &unit.networks);
        let any_attached = attached.clone().next().is_some();
        let names = application
            .networks
            .iter()
            .map(|network| network.name.value.as_str())
            .chain(attached.map(|a| a.network.value.as_str()))
            .chain(["default"]);
        let mut labels = LabelNames::reserve(names.clone());
        for name in names {
            self.networks.entry(name).or_insert_with(|| {
                let label = labels.label(name);
                if label.len() > ROOM {
                    let head: String = label.chars().take(ROOM - 9).collect();
                    format!(
                        "{}-{}",
                        head.trim_end_matches('-'),
                        short_hash(name.as_bytes())
                    )
                } else {
                    label
                }
            });
        }
        let default_matters = any_attached || self.options.network_policies;
        for (unit, planned) in application.units.iter().zip(&mut self.units) {
            if !has_network(unit) {
                continue;
            }
            let names: Vec<_> = unit
                .networks
                .iter()
                .map(|a| a.network.value.as_str())
                .collect();
            let names = if names.is_empty() && default_matters {
                vec!["default"]
            } else {
                names
            };
            for name in names {
                if let Some(label) = self.networks.get(name) {
                    planned
                        .pod_labels
                        .insert(format!("{NETWORK_LABEL_PREFIX}{label}"), "true".to_owned());
                }
            }
        }
    }

    /// Gives the Pods of units that share a name a label in common.
    fn label_groups(&mut self) {
        for group in &mut self.groups {
            let mut units = group.units();
            // An alias that is another unit's own name: both answer to it.
            let own = self
                .labels
                .get(&group.name)
                .copied()
                .filter(|_| self.docker);
            if let Some(own) = own
                && !units.contains(&own)
            {
                units.push(own);
            }
            if units.len() < 2 {
                continue;
            }
            let label = alias_label(&group.name);
            for unit in &units {
                self.units[*unit]
                    .pod_labels
                    .insert(label.clone(), "true".to_owned());
            }
            if let Some(own) = own {
                self.units[own].shared_label = Some(label.clone());
            }
            group.label = Some(label);
        }
        for name in &self.application.names {
            if name.kind != NameKind::Service || name.units.len() < 2 {
                continue;
            }
            for unit in &name.units {
                if let Some(unit) = self.index.get(unit.as_str()) {
                    let label = alias_label(&name.name.value);
                    self.units[*unit]
                        .pod_labels
                        .insert(label, "true".to_owned());
                }
            }
        }
    }
}

/// The label of all Pods that a name of several units leads to.
pub(super) fn alias_label(name: &str) -> String {
    // 63 characters of the label's name, without `alias-`.
    const ROOM: usize = LABEL_MAX - 6;
    let label = to_label(name);
    if label.len() <= ROOM {
        return format!("{ALIAS_LABEL_PREFIX}{label}");
    }
    let head: String = label.chars().take(ROOM - 9).collect();
    format!(
        "{ALIAS_LABEL_PREFIX}{}-{}",
        head.trim_end_matches('-'),
        short_hash(name.as_bytes())
    )
}

/// Whether a unit has a network of its own, under which it can have names.
pub(super) fn has_network(unit: &Unit) -> bool {
    !matches!(
        unit.settings.network_mode.as_ref().map(|mode| &mode.value),
        Some(NetworkMode::None)
    )
}

fn units(
    application: &Application,
    docker: bool,
    mentions: &Mentions<'_>,
    findings: &mut Findings,
) -> Vec<UnitPlan> {
    let names = || {
        application
            .units
            .iter()
            .map(|unit| unit.name.value.as_str())
    };
    let mut labels = LabelNames::reserve(names());
    application
        .units
        .iter()
        .map(|unit| {
            let name = &unit.name;
            let label = labels.label(&name.value);
            // Only Services need the narrower form; a name that Kubernetes gave a workload stays.
            let object = if !docker && is_subdomain(&name.value) {
                name.value.clone()
            } else {
                label.clone()
            };
            if object != name.value {
                let mut message = format!(
                    "`{}` is called `{object}`, and its DNS name changes with it",
                    name.value
                );
                if let Some(places) = mentions.of(&name.value).filter(|_| docker) {
                    message = format!("{message}; the old one still stands in {places}");
                }
                findings.add(Code("name-changed"), &name.origin, message);
            }
            UnitPlan {
                object,
                label,
                ..UnitPlan::default()
            }
        })
        .collect()
}

fn objects<'a>(
    application: &'a Application,
    docker: bool,
    findings: &mut Findings,
) -> BTreeMap<ObjectKind, BTreeMap<&'a str, ObjectPlan<'a>>> {
    let mut planned: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for kind in [ObjectKind::Config, ObjectKind::Secret] {
        let of_kind = || {
            application
                .objects
                .iter()
                .filter(move |object| object.kind == kind)
        };
        let mut names = Names::reserve(
            of_kind().map(|object| real_name(&object.name, object.real_name.as_ref())),
        );
        for object in of_kind() {
            let wanted = real_name(&object.name, object.real_name.as_ref());
            let mut name = names.name(wanted);
            if docker && !object.external {
                let hash = content_hash(object);
                let room = 253 - hash.len() - 1;
                let head: String = name.chars().take(room).collect();
                name = format!("{}-{hash}", head.trim_end_matches(['-', '.']));
            } else if name != wanted {
                renamed(&object.name, wanted, &name, findings);
            }
            let of_kind = planned.entry(kind).or_default();
            of_kind.insert(object.name.value.as_str(), ObjectPlan { name, object });
        }
    }
    planned
}

pub(super) fn real_name<'n>(
    name: &'n Sourced<String>,
    real: Option<&'n Sourced<String>>,
) -> &'n str {
    real.map_or(&name.value, |real| &real.value)
}

pub(super) fn renamed(name: &Sourced<String>, wanted: &str, given: &str, findings: &mut Findings) {
    findings.add(
        Code("object-renamed"),
        &name.origin,
        format!("`{wanted}` is called `{given}`, since Kubernetes does not allow its name"),
    );
}

/// A new content gives a new name, so that a rollout follows and an old version keeps what it had.
fn content_hash(object: &FileObject) -> String {
    let mut bytes = Vec::new();
    for (key, data) in &object.data {
        for part in [key.as_bytes(), &data.bytes] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
    }
    short_hash(&bytes)
}

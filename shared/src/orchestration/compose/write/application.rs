//! What concerns the whole application or a whole unit.

use std::collections::{BTreeMap, BTreeSet};

use super::names::list;
use super::plan::UnitPlan;
use super::writer::Writer;
use crate::orchestration::model::{MountSource, Unit, UnitKind, WholeObject};
use crate::orchestration::names::DOMAIN;

impl Writer<'_> {
    /// The project's name in the form that Compose accepts.
    pub(super) fn project_name(&mut self) -> Option<String> {
        let given = self.app.name.as_ref();
        let name = match given {
            Some(name) => name.value.as_str(),
            None => self.namespaces().into_iter().exactly_one().filter(|name| *name != "default")?,
        };
        let mut legal: String = name
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-') { c } else { '-' })
            .collect();
        let start = legal.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(legal.len());
        legal.drain(..start);
        if legal.is_empty() {
            return None;
        }
        if let Some(given) = given.filter(|given| given.value != legal) {
            let message = format!("the project is called `{legal}` instead of `{}`", given.value);
            self.note("project-renamed", &given.origin, message);
        }
        Some(legal)
    }

    fn namespaces(&self) -> BTreeSet<&str> {
        self.app
            .units
            .iter()
            .filter_map(|unit| unit.namespace.as_ref().map(|n| n.value.as_str()))
            .collect()
    }

    /// Findings that are made once.
    pub(super) fn report_application(&mut self) {
        let app = self.app;
        let namespaces = self.namespaces();
        if namespaces.len() > 1 {
            let message = format!("the namespaces {} become one application", list(&namespaces.iter().collect::<Vec<_>>()));
            self.note_all("namespaces-merged", message);
        }
        self.report_name_clashes();
        if !self.from_kubernetes() {
            return;
        }
        let silent = app.units.iter().filter(|unit| unit.settings.service_links.is_none()).count();
        let services = app.names.iter().any(|name| name.kind == crate::orchestration::model::NameKind::Service);
        if silent > 0 && services {
            let message = "variables such as `WEB_SERVICE_HOST`, which Kubernetes makes from Services, are not set";
            self.note_all("service-links", message);
        }
        let mounts_volume = app.units.iter().flat_map(|u| &u.containers).flat_map(|c| &c.mounts).any(|mount| {
            matches!(mount.source, MountSource::Volume(_) | MountSource::Shared { .. }) && mount.no_copy.is_none()
        });
        if mounts_volume {
            let message = "Docker fills a fresh volume with what the image has at its mount point; Kubernetes leaves it empty";
            self.note_all("volume-copy-up", message);
        }
        if self.is_swarm() && app.units.iter().any(|u| u.placement.tolerate_control_plane.is_none()) {
            let message = "Swarm runs tasks on managers, too; Kubernetes keeps its control plane free";
            self.note_all("tasks-on-managers", message);
        }
    }

    /// Services of the same name in several namespaces: in one application, the name leads to all of them.
    fn report_name_clashes(&mut self) {
        let mut spaces: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for name in &self.app.names {
            if let Some(space) = &name.namespace {
                spaces.entry(&name.name.value).or_default().insert(&space.value);
            }
        }
        let clashes: Vec<_> = spaces
            .into_iter()
            .filter(|(_, spaces)| spaces.len() > 1)
            .map(|(name, spaces)| format!("`{name}` is a Service in {}", list(&spaces.into_iter().collect::<Vec<_>>())))
            .collect();
        for message in clashes {
            self.note_all("name-in-several-namespaces", message);
        }
    }

    /// Findings about a unit, made once for all of its services.
    pub(super) fn report_unit(&mut self, unit: &Unit, planned: &UnitPlan) {
        let name = &unit.name.value;
        let unread: Vec<_> = unit
            .metadata
            .annotations
            .keys()
            .chain(unit.instance_metadata.annotations.keys())
            .filter(|key| key.contains('/') && !key.starts_with(DOMAIN))
            .collect();
        if !unread.is_empty() {
            let message = format!("nothing reads the annotations of `{name}` any more: {}", list(&unread));
            self.note("annotations-without-reader", &unit.origin, message);
        }
        if planned.own_keys && !self.from_kubernetes() {
            return;
        }
        let UnitKind::Stateful(settings) = &unit.kind else { return };
        let replicas = unit.replicas.as_ref().map_or(1, |r| r.value);
        let unrolled = planned.instances.first().is_some_and(|i| i.ordinal.is_some());
        if replicas > 1 && !unrolled && !settings.claims.is_empty() && !self.is_swarm() {
            let claims: Vec<_> = settings.claims.iter().map(|claim| claim.name.value.as_str()).collect();
            let message = format!("the {replicas} instances of `{name}` share the volumes {}", list(&claims));
            self.note("stateful-shared-storage", &unit.origin, message);
        }
        if let Some(parallel) = settings.parallel.as_ref().filter(|p| !p.value || self.is_swarm() || !unrolled) {
            let message = format!("how the instances of `{name}` start one after another has no place");
            self.note("pod-management-policy", &parallel.origin, message);
        }
        if let Some(ordinal) = settings.first_ordinal.as_ref().filter(|_| !unrolled) {
            let message = format!("the first ordinal {} of `{name}` has no place", ordinal.value);
            self.note("first-ordinal", &ordinal.origin, message);
        }
    }

    /// Objects that no part of the model holds.
    pub(super) fn report_whole_objects(&mut self) {
        let app = self.app;
        for object in &app.whole {
            let WholeObject {
                api_version,
                kind,
                name,
                known,
                value: _,
                origin,
            } = object;
            let (code, message) = match kind.as_str() {
                _ if !known => (
                    "kind-not-converted",
                    format!("{kind} `{name}` ({api_version}) is kept beside the Compose file as it was"),
                ),
                "HorizontalPodAutoscaler" | "VerticalPodAutoscaler" => (
                    "autoscaler-not-converted",
                    format!("{kind} `{name}`: the number of instances stays fixed"),
                ),
                "NetworkPolicy" => (
                    "network-policy-not-converted",
                    format!("NetworkPolicy `{name}`: the traffic that it forbids is allowed"),
                ),
                "PodDisruptionBudget" => (
                    "disruption-budget-not-converted",
                    format!("PodDisruptionBudget `{name}`: a node that is drained takes all of its instances at once"),
                ),
                "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" | "ServiceAccount" => (
                    "access-control-not-converted",
                    format!("{kind} `{name}`: there is no Kubernetes API to have rights to"),
                ),
                "ResourceQuota" | "LimitRange" => (
                    "quota-not-converted",
                    format!("{kind} `{name}`: its bounds and defaults are not applied"),
                ),
                "Namespace" => (
                    "namespace-not-converted",
                    format!("Namespace `{name}`: the project's or stack's name takes its place"),
                ),
                "StorageClass" | "PersistentVolume" | "VolumeSnapshot" | "VolumeSnapshotClass" | "CSIDriver" => (
                    "storage-object-not-converted",
                    format!("{kind} `{name}`: Docker's volume drivers know nothing of it"),
                ),
                _ => (
                    "cluster-object-not-converted",
                    format!("{kind} `{name}` ({api_version}) has no counterpart"),
                ),
            };
            self.note(code, origin, message);
        }
    }
}

/// The only item of an iterator.
trait ExactlyOne: Iterator + Sized {
    /// The item, if there is exactly one.
    fn exactly_one(mut self) -> Option<Self::Item> {
        let first = self.next()?;
        self.next().is_none().then_some(first)
    }
}

impl<I: Iterator> ExactlyOne for I {}

//! What concerns the whole application or a whole unit.

use std::collections::{BTreeMap, BTreeSet};

use super::names::list;
use super::plan::UnitPlan;
use super::writer::Writer;
use crate::orchestration::model::{Application, MountSource, Unit, UnitKind};
use crate::orchestration::names::DOMAIN;

impl Writer<'_> {
    /// The project's name in the form that Compose accepts.
    pub(super) fn project_name(&mut self) -> Option<String> {
        let legal = self.legal_project_name()?;
        let given = self.app.name.as_ref();
        if let Some(given) = given.filter(|given| given.value != legal) {
            let message = format!(
                "the project is called `{legal}` instead of `{}`",
                given.value
            );
            self.note("project-renamed", &given.origin, message);
        }
        Some(legal)
    }

    /// As [`Self::project_name`], without a finding.
    pub(super) fn legal_project_name(&self) -> Option<String> {
        let name = match self.app.name.as_ref() {
            Some(name) => name.value.as_str(),
            None => self
                .namespaces()
                .into_iter()
                .exactly_one()
                .filter(|name| *name != "default")?,
        };
        let mut legal: String = name
            .to_lowercase()
            .chars()
            .map(|c| {
                if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-') {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let start = legal
            .find(|c: char| c.is_ascii_alphanumeric())
            .unwrap_or(legal.len());
        legal.drain(..start);
        (!legal.is_empty()).then_some(legal)
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
            let message = format!(
                "the namespaces {} become one application",
                list(&namespaces.iter().collect::<Vec<_>>())
            );
            self.note_all("namespaces-flattened", message);
        }
        self.report_name_clashes();
        if !self.from_kubernetes() {
            return;
        }
        let silent = app
            .units
            .iter()
            .filter(|unit| unit.settings.service_links.is_none())
            .count();
        let services = app
            .names
            .iter()
            .any(|name| name.kind == crate::orchestration::model::NameKind::Service);
        if silent > 0 && services {
            let message = "variables such as `WEB_SERVICE_HOST`, which Kubernetes makes from Services, are not set";
            let code = if reads_service_variables(app) {
                "service-variables"
            } else {
                "service-variables-unread"
            };
            self.note_all(code, message);
        }
        let mounts_volume = app
            .units
            .iter()
            .flat_map(|u| &u.containers)
            .flat_map(|c| &c.mounts)
            .any(|mount| {
                matches!(
                    mount.source,
                    MountSource::Volume(_) | MountSource::Shared { .. }
                ) && mount.no_copy.is_none()
            });
        if mounts_volume {
            let message = "Docker fills a fresh volume with what the image has at its mount point; Kubernetes leaves it empty";
            self.note_all("volume-filled-by-image", message);
        }
        if self.is_swarm()
            && app
                .units
                .iter()
                .any(|u| u.placement.tolerate_control_plane.is_none())
        {
            let message =
                "Swarm runs tasks on managers, too; Kubernetes keeps its control plane free";
            self.note_all("taints", message);
        }
    }

    /// Services of the same name in several namespaces: in one application, the name leads to all of them.
    fn report_name_clashes(&mut self) {
        let mut spaces: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for name in &self.app.names {
            if let Some(space) = &name.namespace {
                spaces
                    .entry(&name.name.value)
                    .or_default()
                    .insert(&space.value);
            }
        }
        let clashes: Vec<_> = spaces
            .into_iter()
            .filter(|(_, spaces)| spaces.len() > 1)
            .map(|(name, spaces)| {
                format!(
                    "`{name}` is a Service in {}",
                    list(&spaces.into_iter().collect::<Vec<_>>())
                )
            })
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
            let message = format!(
                "nothing reads the annotations of `{name}` any more: {}",
                list(&unread)
            );
            self.note("annotations-without-controller", &unit.origin, message);
        }
        if planned.own_keys && !self.from_kubernetes() {
            return;
        }
        let UnitKind::Stateful(settings) = &unit.kind else {
            return;
        };
        let replicas = unit.replicas.as_ref().map_or(1, |r| r.value);
        let unrolled = planned
            .instances
            .first()
            .is_some_and(|i| i.ordinal.is_some());
        if replicas > 1 && !unrolled && !settings.claims.is_empty() && !self.is_swarm() {
            let claims: Vec<_> = settings
                .claims
                .iter()
                .map(|claim| claim.name.value.as_str())
                .collect();
            let message = format!(
                "the {replicas} instances of `{name}` share the volumes {}",
                list(&claims)
            );
            self.note("stateful-shared-storage", &unit.origin, message);
        }
        if let Some(parallel) = settings.parallel.as_ref().filter(|p| !p.value && !unrolled) {
            let message = format!("all instances of `{name}` start at once");
            let code = if self.is_swarm() {
                "ordered-replicas-in-swarm"
            } else {
                "replica-identity"
            };
            self.note(code, &parallel.origin, message);
        }
        if let Some(ordinal) = settings.first_ordinal.as_ref().filter(|_| !unrolled) {
            let message = format!(
                "the instances of `{name}` are not numbered from {}",
                ordinal.value
            );
            self.note("replica-identity", &ordinal.origin, message);
        }
    }
}

/// Whether a text of the application has the name of a variable that Kubernetes makes from a Service.
fn reads_service_variables(app: &Application) -> bool {
    app.texts().any(|text| {
        ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_", "_TCP_ADDR"]
            .iter()
            .any(|part| text.contains(part))
    })
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

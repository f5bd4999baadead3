//! A Pod: what its containers share, and the containers themselves.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container as KubernetesContainer, PodSpec, SeccompProfile};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::binds::Binds;
use super::mounts::Claims;
use super::plan::{Plan, UnitPlan};
use super::volumes::Volumes;
use super::{container, metadata, placement, services, settings, wait};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{Container, Role, Unit};
use crate::orchestration::names::{
    CONTAINERS, HELPERS, LABEL_MAX, NETWORKS, SERVICES, WAIT, is_subdomain, short_hash, to_label,
    with_suffix,
};
use crate::source::{Origin, Sourced};

/// A Pod while it is written.
pub(super) struct Pod<'p, 'a, 'f> {
    pub(super) plan: &'p Plan<'a>,
    pub(super) unit: &'p Unit,
    pub(super) binds: &'p mut Binds<'f>,
    pub(super) volumes: Volumes,
    /// Claims that each instance gets for itself.
    pub(super) claims: Claims,
    /// Init containers that the source does not have.
    pub(super) helpers: Vec<KubernetesContainer>,
    /// Volumes that a helper fills, or whose filling was reported.
    pub(super) copied: BTreeSet<String>,
    pub(super) images: usize,
    pub(super) port_names: BTreeSet<String>,
    pub(super) host_ports: BTreeSet<(i32, String, Option<String>)>,
    /// Seconds that stopping may take.
    pub(super) grace: Option<u64>,
    /// The Pod has a user namespace of its own.
    pub(super) own_users: bool,
    names: BTreeSet<String>,
}

/// A Pod's metadata and spec. The volumes stand apart, since some only exist as plain values.
pub(super) struct Template {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: PodSpec,
    pub(super) volumes: Vec<Value>,
}

/// What the workload around a Pod says about it.
pub(super) struct Frame<'w> {
    pub(super) restart: &'static str,
    /// One on each node.
    pub(super) everywhere: bool,
    /// Names of the claims of a StatefulSet.
    pub(super) claims: Vec<&'w str>,
}

impl Pod<'_, '_, '_> {
    /// A name for a container that no other container of the Pod has.
    pub(super) fn container_name(&mut self, wanted: &str) -> String {
        let mut name = if is_dns_label(wanted) {
            wanted.to_owned()
        } else {
            to_label(wanted)
        };
        if self.names.contains(&name) {
            name = with_suffix(&name, &short_hash(wanted.as_bytes()));
        }
        self.names.insert(name.clone());
        name
    }
}

pub(super) fn template(
    unit: &Unit,
    planned: &UnitPlan,
    plan: &Plan<'_>,
    binds: &mut Binds<'_>,
    frame: &Frame<'_>,
    findings: &mut Findings,
) -> Template {
    let mut volumes = Volumes::default();
    let claims = frame
        .claims
        .iter()
        .map(|name| ((*name).to_owned(), volumes.reserve(name)))
        .collect();
    let mut spec = PodSpec {
        restart_policy: Some(frame.restart.to_owned())
            .filter(|policy| policy != "Always" || !plan.docker),
        ..PodSpec::default()
    };
    let grace = settings::settings(unit, plan, &mut spec, findings);
    let mut pod = Pod {
        plan,
        unit,
        binds,
        volumes,
        claims,
        helpers: Vec::new(),
        copied: BTreeSet::new(),
        images: 0,
        port_names: BTreeSet::new(),
        host_ports: BTreeSet::new(),
        grace,
        own_users: spec.host_users == Some(false),
        names: BTreeSet::new(),
    };
    let mut meta = ObjectMeta {
        labels: Some(metadata::labels(Some(&planned.label), plan)),
        ..ObjectMeta::default()
    };
    meta.labels
        .get_or_insert_default()
        .extend(planned.pod_labels.clone());
    metadata::add_user(&mut meta, &unit.instance_metadata, findings);
    networks(unit, plan, &mut meta);
    services_of(unit, plan, &mut meta);

    let names = container_names(unit, &mut pod, &mut meta);
    let waiting = wait::containers(unit, &mut pod, findings);
    if !waiting.entries.is_empty() {
        metadata::annotate(&mut meta, WAIT, waiting.entries.join(","));
    }
    let mut init = Vec::new();
    let mut group = None;
    for (container, name) in unit.containers.iter().zip(names) {
        if container.role == Role::PreStart && plan.docker {
            let message = format!("`{name}` runs before each instance, not once for the service");
            findings.add(Code("pre-start"), &container.origin, message);
        }
        let written = container::container(container, name, &mut pod, findings);
        if group.is_none() {
            group = claim_group(container, &written, &pod);
        }
        match container.role {
            Role::Main | Role::Sidecar => spec.containers.push(written),
            Role::NativeSidecar | Role::Init | Role::PreStart => init.push(written),
        }
    }
    let Pod {
        helpers, volumes, ..
    } = pod;
    let before: Vec<_> = waiting.containers.into_iter().chain(helpers).collect();
    if !before.is_empty() {
        let names: Vec<_> = before
            .iter()
            .map(|container| container.name.as_str())
            .collect();
        metadata::annotate(&mut meta, HELPERS, names.join(","));
    }
    let init: Vec<_> = before.into_iter().chain(init).collect();
    spec.init_containers = Some(init).filter(|init| !init.is_empty());
    if let Some((group, origin)) = group
        && unit.settings.volume_group.is_none()
    {
        spec.security_context.get_or_insert_default().fs_group = Some(group);
        let message = format!("the files of its claims belong to the group {group}");
        findings.add(Code("claim-group"), origin, message);
    }
    platform(&unit.containers, &mut spec, findings);
    seccomp(unit, plan, &mut spec);
    let selector = services::selector(planned, plan);
    placement::apply(
        unit,
        &selector,
        frame.everywhere,
        plan.application.dialect,
        &mut spec,
        findings,
    );
    Template {
        metadata: meta,
        spec,
        volumes: volumes.finish(),
    }
}

/// Names of the containers in source order; legal ones stay.
fn container_names(unit: &Unit, pod: &mut Pod<'_, '_, '_>, meta: &mut ObjectMeta) -> Vec<String> {
    let mut given = vec![String::new(); unit.containers.len()];
    let legal_first = |container: &Container| !is_dns_label(&container.name.value);
    let mut order: Vec<_> = unit.containers.iter().enumerate().collect();
    order.sort_by_key(|(_, container)| legal_first(container));
    for (index, container) in order {
        given[index] = pod.container_name(&container.name.value);
    }
    let changed: Vec<_> = unit
        .containers
        .iter()
        .zip(&given)
        .filter(|(container, given)| {
            container.name.value != **given && container.name.value != unit.name.value
        })
        .map(|(container, given)| format!("{given}={}", container.name.value))
        .collect();
    if !changed.is_empty() {
        metadata::annotate(meta, CONTAINERS, changed.join(","));
    }
    given
}

fn networks(unit: &Unit, plan: &Plan<'_>, meta: &mut ObjectMeta) {
    let changed: Vec<_> = unit
        .networks
        .iter()
        .filter_map(|attachment| {
            let label = plan.network(&attachment.network.value)?;
            (label != attachment.network.value)
                .then(|| format!("{label}={}", attachment.network.value))
        })
        .collect();
    if !changed.is_empty() {
        metadata::annotate(meta, NETWORKS, changed.join(","));
    }
}

/// Several services in one Pod keep their own names on the way back.
fn services_of(unit: &Unit, plan: &Plan<'_>, meta: &mut ObjectMeta) {
    let names: Vec<_> = unit
        .containers
        .iter()
        .filter(|c| matches!(c.role, Role::Main | Role::Sidecar | Role::NativeSidecar))
        .map(|c| c.name.value.as_str())
        .collect();
    if plan.docker && names.len() > 1 {
        metadata::annotate(meta, SERVICES, names.join(","));
    }
}

/// The group that has to own the claims of a container that does not run as root: a fresh claim belongs to root, while
/// Docker gives a fresh volume to whom the folder in the image belongs to.
fn claim_group<'c>(
    container: &'c Container,
    written: &KubernetesContainer,
    pod: &Pod<'_, '_, '_>,
) -> Option<(i64, &'c Origin)> {
    let user = container.user.as_ref().filter(|_| pod.plan.docker)?;
    let context = written.security_context.as_ref()?;
    let uid = context.run_as_user.filter(|uid| *uid != 0)?;
    let mut mounts = written.volume_mounts.iter().flatten();
    let writes = mounts.any(|mount| {
        let own = pod.claims.values().any(|claim| *claim == mount.name);
        mount.read_only != Some(true) && (own || pod.volumes.is_claim(&mount.name))
    });
    writes.then(|| (context.run_as_group.unwrap_or(uid), &user.origin))
}

/// Docker applies its seccomp profile where nothing is said; Kubernetes none.
fn seccomp(unit: &Unit, plan: &Plan<'_>, spec: &mut PodSpec) {
    let confined = |container: &Container| {
        !container
            .security
            .privileged
            .as_ref()
            .is_some_and(|p| p.value)
    };
    let windows = spec.node_selector.as_ref().is_some_and(|selector| {
        selector
            .get("kubernetes.io/os")
            .is_some_and(|os| os == "windows")
    });
    if plan.docker && !windows && unit.containers.iter().any(confined) {
        spec.security_context
            .get_or_insert_default()
            .seccomp_profile = Some(SeccompProfile {
            localhost_profile: None,
            type_: "RuntimeDefault".to_owned(),
        });
    }
}

fn platform(containers: &[Container], spec: &mut PodSpec, findings: &mut Findings) {
    let mut chosen: Option<&Sourced<String>> = None;
    for platform in containers
        .iter()
        .filter_map(|container| container.platform.as_ref())
    {
        if let Some(first) = chosen {
            if first.value != platform.value {
                let message = format!(
                    "the containers of one Pod run on one node, which is `{}`",
                    first.value
                );
                findings.add(Code("platform"), &platform.origin, message);
            }
            continue;
        }
        chosen = Some(platform);
        let mut parts = platform.value.split('/');
        let os = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut selector = BTreeMap::new();
        // A single word is an operating system or a processor.
        match (os.as_str(), parts.next()) {
            ("linux" | "windows" | "darwin" | "freebsd", architecture) => {
                selector.insert("kubernetes.io/os".to_owned(), os);
                if let Some(architecture) = architecture {
                    selector.insert(
                        "kubernetes.io/arch".to_owned(),
                        placement::architecture(architecture),
                    );
                }
            }
            (_, None) => {
                selector.insert(
                    "kubernetes.io/arch".to_owned(),
                    placement::architecture(&os),
                );
            }
            (_, Some(_)) => {}
        }
        selector.retain(|_, value| crate::orchestration::names::is_label_value(value));
        if selector.is_empty() || parts.next().is_some() {
            let message = format!("`{}` is more than the labels of a node say", platform.value);
            findings.add(Code("platform"), &platform.origin, message);
        }
        spec.node_selector.get_or_insert_default().extend(selector);
    }
    if spec.node_selector.as_ref().is_some_and(BTreeMap::is_empty) {
        spec.node_selector = None;
    }
}

/// Whether a text is a DNS label (RFC 1123, which allows a digit at the beginning).
pub(super) fn is_dns_label(name: &str) -> bool {
    name.len() <= LABEL_MAX && !name.contains('.') && is_subdomain(name)
}

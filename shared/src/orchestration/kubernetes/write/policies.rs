//! Policies for networks that separate units.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::documents::{Documents, Rank, subject};
use super::metadata::{self, INSTANCE};
use super::plan::{Plan, has_network};
use super::publish::is_loopback;
use super::{ports, services};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{Network, NetworkMode, Protocol};
use crate::orchestration::names::{
    LABEL_MAX, NETWORK_LABEL_PREFIX, ROLE_ISOLATED, ROLE_NETWORK, ROLE_PUBLISHED, short_hash,
    with_suffix,
};

pub(super) fn write(
    networks: &[Network],
    plan: &Plan<'_>,
    documents: &mut Documents,
    findings: &mut Findings,
) {
    if !plan.docker {
        return;
    }
    isolated(plan, documents, findings);
    for network in networks {
        let Network {
            name,
            real_name: _,
            external,
            internal,
            metadata: _,
            origin: _,
        } = network;
        if let Some(external) = external.as_ref().filter(|e| e.value) {
            let message = format!(
                "units of other applications are reached as NAME.NAMESPACE, not through `{}`",
                name.value
            );
            findings.add(Code("external-network"), &external.origin, message);
        }
        if let Some(internal) = internal
            .as_ref()
            .filter(|i| i.value && !plan.options.network_policies)
        {
            let message = format!("units of `{}` reach the outside all the same", name.value);
            findings.add(Code("internal-network"), &internal.origin, message);
        }
    }
    if plan.options.network_policies {
        policies(networks, plan, documents, findings);
    } else {
        flat(plan, findings);
    }
}

/// Units without a network at all.
fn isolated(plan: &Plan<'_>, documents: &mut Documents, findings: &mut Findings) {
    let mut names = BTreeSet::new();
    for (unit, planned) in plan.application.units.iter().zip(&plan.units) {
        let Some(mode) = unit
            .settings
            .network_mode
            .as_ref()
            .filter(|m| m.value == NetworkMode::None)
        else {
            continue;
        };
        let name = fresh(&mut names, &planned.label, "isolated");
        let mut meta = metadata::new(&name, unit.namespace.as_ref(), Some(&planned.label), plan);
        metadata::role(&mut meta, ROLE_ISOLATED);
        let policy = NetworkPolicy {
            metadata: meta,
            spec: Some(NetworkPolicySpec {
                egress: None,
                ingress: None,
                pod_selector: Some(LabelSelector {
                    match_expressions: None,
                    match_labels: Some(services::selector(planned, plan)),
                }),
                policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            }),
        };
        documents.add(Rank::Policy, &policy, Vec::new());
        let message = "a NetworkPolicy keeps it apart, if the cluster's network enforces it";
        findings.add(Code("network-none"), &mode.origin, message);
    }
}

/// Says so if networks keep units apart that are together in a cluster.
fn flat(plan: &Plan<'_>, findings: &mut Findings) {
    let mut common: Option<BTreeSet<&str>> = None;
    let mut place = None;
    for unit in plan
        .application
        .units
        .iter()
        .filter(|unit| has_network(unit))
    {
        let mut own: BTreeSet<_> = unit
            .networks
            .iter()
            .map(|a| a.network.value.as_str())
            .collect();
        if own.is_empty() {
            own.insert("default");
        }
        place = place.or(unit.networks.first().map(|a| &a.network.origin));
        common = Some(match common {
            Some(common) => common.intersection(&own).copied().collect(),
            None => own,
        });
    }
    if let (Some(common), Some(place)) = (common, place)
        && common.is_empty()
    {
        let message = "all units reach each other, whatever their networks";
        findings.add(Code("network-isolation"), place, message);
    }
}

fn policies(
    networks: &[Network],
    plan: &Plan<'_>,
    documents: &mut Documents,
    findings: &mut Findings,
) {
    let known: BTreeMap<_, _> = networks
        .iter()
        .map(|n| (n.name.value.as_str(), n))
        .collect();
    let attached = plan
        .application
        .units
        .iter()
        .flat_map(|unit| &unit.networks);
    let mut used: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    let lone = plan
        .application
        .units
        .iter()
        .any(|unit| unit.networks.is_empty() && has_network(unit));
    let declared = networks.iter().map(|n| n.name.value.as_str());
    for name in declared
        .chain(attached.map(|a| a.network.value.as_str()))
        .chain(lone.then_some("default"))
    {
        if seen.insert(name) {
            used.push(name);
        }
    }
    let is_internal = |name: &str| {
        known
            .get(name)
            .is_some_and(|n| n.internal.as_ref().is_some_and(|internal| internal.value))
    };
    let any_internal = used.iter().any(|name| is_internal(name));
    let mut names = BTreeSet::new();
    for name in used {
        let Some(label) = plan.network(name) else {
            continue;
        };
        let own = LabelSelector {
            match_expressions: None,
            match_labels: Some(BTreeMap::from([
                (format!("{NETWORK_LABEL_PREFIX}{label}"), "true".to_owned()),
                (INSTANCE.to_owned(), plan.instance.clone()),
            ])),
        };
        let object = fresh(&mut names, "network", label);
        let mut meta = metadata::new(&object, None, None, plan);
        metadata::role(&mut meta, ROLE_NETWORK);
        metadata::original(&mut meta, name);
        let mut subjects = Vec::new();
        if let Some(network) = known.get(name) {
            metadata::add_user(&mut meta, &network.metadata, findings);
            subjects.push(subject("networks", name));
        }
        let peer = || NetworkPolicyPeer {
            pod_selector: Some(own.clone()),
            ..NetworkPolicyPeer::default()
        };
        let internal = is_internal(name);
        let egress = if internal {
            Some(vec![
                NetworkPolicyEgressRule {
                    ports: None,
                    to: Some(vec![peer()]),
                },
                // Names have to be resolved all the same.
                NetworkPolicyEgressRule {
                    ports: Some(vec![port(53, Protocol::Udp), port(53, Protocol::Tcp)]),
                    to: None,
                },
            ])
        } else {
            // A unit that also is in an internal network gets out through this one.
            any_internal.then(|| vec![NetworkPolicyEgressRule::default()])
        };
        let mut types = vec!["Ingress".to_owned()];
        if egress.is_some() {
            types.push("Egress".to_owned());
        }
        let policy = NetworkPolicy {
            metadata: meta,
            spec: Some(NetworkPolicySpec {
                egress,
                ingress: Some(vec![NetworkPolicyIngressRule {
                    from: Some(vec![peer()]),
                    ports: None,
                }]),
                pod_selector: Some(own.clone()),
                policy_types: Some(types),
            }),
        };
        documents.add(Rank::Policy, &policy, subjects);
    }
    published(plan, documents);
}

/// What is published can be reached from anywhere.
fn published(plan: &Plan<'_>, documents: &mut Documents) {
    let mut names = BTreeSet::new();
    for (unit, planned) in plan.application.units.iter().zip(&plan.units) {
        let mut seen = BTreeSet::new();
        let ports: Vec<_> = unit
            .containers
            .iter()
            .flat_map(|container| &container.ports)
            .filter(|p| {
                p.published
                    .iter()
                    .any(|p| !p.host_ip.as_ref().is_some_and(is_loopback))
            })
            .filter(|p| seen.insert((p.target, p.transport())))
            .map(|p| port(p.target, p.transport()))
            .collect();
        if ports.is_empty() || !has_network(unit) {
            continue;
        }
        let name = fresh(&mut names, &planned.label, "published");
        let mut meta = metadata::new(&name, unit.namespace.as_ref(), Some(&planned.label), plan);
        metadata::role(&mut meta, ROLE_PUBLISHED);
        let policy = NetworkPolicy {
            metadata: meta,
            spec: Some(NetworkPolicySpec {
                egress: None,
                ingress: Some(vec![NetworkPolicyIngressRule {
                    from: None,
                    ports: Some(ports),
                }]),
                pod_selector: Some(LabelSelector {
                    match_expressions: None,
                    match_labels: Some(services::selector(planned, plan)),
                }),
                policy_types: Some(vec!["Ingress".to_owned()]),
            }),
        };
        documents.add(Rank::Policy, &policy, Vec::new());
    }
}

/// `head-tail`, shortened where it is too long, and different for different pairs.
fn fresh(names: &mut BTreeSet<String>, head: &str, tail: &str) -> String {
    let mut name = with_suffix(head, tail);
    if head.len() + tail.len() + 1 > LABEL_MAX || names.contains(&name) {
        name = with_suffix(&name, &short_hash(format!("{head}/{tail}").as_bytes()));
    }
    names.insert(name.clone());
    name
}

fn port(number: u16, protocol: Protocol) -> NetworkPolicyPort {
    NetworkPolicyPort {
        end_port: None,
        port: Some(IntOrString::Int(i32::from(number))),
        protocol: Some(ports::text(protocol)),
    }
}

//! Services: the names under which units are reached, and their ways in from outside.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::aliases::{Group, networks_of};
use super::documents::{Documents, Rank};
use super::metadata::{self, INSTANCE, NAME};
use super::plan::{Plan, UnitPlan, alias_label, has_network};
use super::{own_name, ports};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{Name, NameKind, Probe, Protocol, Publication, PublishMode};
use crate::orchestration::names::{
    ALIAS_NETWORKS, LINK_FROM, ROLE_NAME, is_label, is_subdomain, short_hash, to_label, with_suffix,
};
use crate::source::Sourced;

pub(super) fn write(plan: &Plan<'_>, documents: &mut Documents, findings: &mut Findings) {
    let mut writer = Writer {
        plan,
        node_ports: BTreeSet::new(),
        names: plan.service_names.clone(),
        own: plan
            .application
            .names
            .iter()
            .filter(|name| name.kind == NameKind::Unit)
            .map(|name| (name.name.value.as_str(), name))
            .collect(),
        by_service: publications_by_service(plan),
        asking: if plan.docker {
            own_name::asking(plan.application)
        } else {
            Vec::new()
        },
    };
    if plan.docker {
        for (index, planned) in plan.units.iter().enumerate() {
            writer.unit(index, planned, documents, findings);
        }
    }
    for group in &plan.groups {
        writer.group(group, documents, findings);
    }
    for name in &plan.application.names {
        match &name.kind {
            NameKind::Service => writer.service(name, documents, findings),
            NameKind::External(target) => writer.external(name, target, documents, findings),
            NameKind::Unit
            | NameKind::Alias { .. }
            | NameKind::ContainerName
            | NameKind::Link { .. } => {}
        }
    }
}

pub(super) struct Writer<'p, 'a> {
    pub(super) plan: &'p Plan<'a>,
    pub(super) node_ports: BTreeSet<u16>,
    names: BTreeSet<String>,
    /// What the source says of units' own names.
    own: BTreeMap<&'a str, &'a Name>,
    by_service: BTreeMap<&'a str, Vec<(u16, Protocol, &'a Publication)>>,
    /// Docker's health checks that ask their own unit by a name, by unit.
    asking: Vec<Option<(&'a str, &'a Probe)>>,
}

/// Publications by the Kubernetes Service that they belong to.
fn publications_by_service<'a>(
    plan: &Plan<'a>,
) -> BTreeMap<&'a str, Vec<(u16, Protocol, &'a Publication)>> {
    let mut map: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for unit in &plan.application.units {
        for port in unit
            .containers
            .iter()
            .flat_map(|container| &container.ports)
        {
            for publication in &port.published {
                if let Some(service) = &publication.service {
                    map.entry(service).or_default().push((
                        port.target,
                        port.transport(),
                        publication,
                    ));
                }
            }
        }
    }
    map
}

impl Writer<'_, '_> {
    fn unit(
        &mut self,
        index: usize,
        planned: &UnitPlan,
        documents: &mut Documents,
        findings: &mut Findings,
    ) {
        let plan = self.plan;
        let unit = &plan.application.units[index];
        if !has_network(unit) {
            return;
        }
        let own = self.own.get(unit.name.value.as_str()).copied();
        let mut meta = metadata::new(
            &planned.label,
            unit.namespace.as_ref(),
            Some(&planned.label),
            plan,
        );
        metadata::role(&mut meta, ROLE_NAME);
        metadata::original(&mut meta, &unit.name.value);
        let mut ports = ports::ports_of(unit, findings);
        let mut headless = ports.is_empty();
        if let Some(Name {
            name: _,
            namespace: _,
            kind: _,
            units: _,
            ports: named,
            headless: wanted,
            metadata: user,
            origin: _,
        }) = own
        {
            metadata::add_user(&mut meta, user, findings);
            if !named.is_empty() {
                ports = ports::named_ports(named, &[unit], findings);
            }
            headless = wanted
                .as_ref()
                .map_or(headless, |h| h.value || ports.is_empty());
        }
        let selector = match &planned.shared_label {
            Some(label) => shared(label, plan),
            None => selector(planned, plan),
        };
        let mut object = service(meta, selector, ports, headless, None);
        if let Some((name, probe)) = self.asking[index] {
            let message = format!(
                "the health check goes through the name `{name}` of the service itself, so the names lead to instances that are not ready as well"
            );
            findings.add(Code("health-by-own-name"), &probe.origin, message);
            answer_always(&mut object);
        }
        documents.add(Rank::Service, &object, Vec::new());
        self.publish(unit, planned, documents, findings);
    }

    fn group(&mut self, group: &Group<'_>, documents: &mut Documents, findings: &mut Findings) {
        let plan = self.plan;
        let indices = group.units();
        let Some(first) = group.members.first() else {
            return;
        };
        // The unit's own Service answers already.
        if plan.docker && plan.unit_by_label(&group.name).is_some() {
            return;
        }
        let units: Vec<_> = indices
            .iter()
            .map(|unit| &plan.application.units[*unit])
            .collect();
        let only = (indices.len() == 1).then(|| &plan.units[first.unit]);
        let namespace = units.iter().find_map(|unit| unit.namespace.as_ref());
        let mut meta = metadata::new(
            &group.name,
            namespace,
            only.map(|unit| unit.label.as_str()),
            plan,
        );
        metadata::role(&mut meta, first.role);
        if let Some(networks) = networks_of(group, plan) {
            metadata::annotate(&mut meta, ALIAS_NETWORKS, networks);
        }
        if let Some(from) = group.members.iter().find_map(|member| member.link_from) {
            metadata::annotate(&mut meta, LINK_FROM, from);
        }
        let declared = group.members.iter().find_map(|member| member.declared);
        let mut ports = Vec::new();
        let mut wanted = None;
        if let Some(Name {
            name: _,
            namespace: _,
            kind: _,
            units: _,
            ports: named,
            headless,
            metadata: user,
            origin: _,
        }) = declared
        {
            metadata::add_user(&mut meta, user, findings);
            ports = ports::named_ports(named, &units, findings);
            wanted = headless.as_ref().map(|headless| headless.value);
        }
        if ports.is_empty() {
            ports = ports::all_ports(&units, findings);
        }
        let headless = wanted.unwrap_or(false) || ports.is_empty();
        let selector = match &group.label {
            Some(label) => shared(label, plan),
            None => selector(&plan.units[first.unit], plan),
        };
        let mut object = service(meta, selector, ports, headless, None);
        let asks = |index: &usize| self.asking.get(*index).is_some_and(Option::is_some);
        if indices.iter().any(asks) {
            answer_always(&mut object);
        }
        documents.add(Rank::Service, &object, Vec::new());
    }

    /// A Service that the source has itself.
    fn service(&mut self, name: &Name, documents: &mut Documents, findings: &mut Findings) {
        let Name {
            name: own,
            namespace,
            kind: _,
            units,
            ports,
            headless,
            metadata: user,
            origin,
        } = name;
        let plan = self.plan;
        let label = self.legal(own, findings);
        if plan.docker && plan.unit_by_label(&label).is_some() && units.len() == 1 {
            // A unit's own name: its Service is there already.
            return;
        }
        let indices: Vec<_> = units.iter().filter_map(|unit| plan.unit(unit)).collect();
        let members: Vec<_> = indices
            .iter()
            .map(|unit| &plan.application.units[*unit])
            .collect();
        let only = match indices.as_slice() {
            [one] => Some(&plan.units[*one]),
            _ => None,
        };
        let mut meta = metadata::new(
            &label,
            namespace.as_ref(),
            only.map(|unit| unit.label.as_str()),
            plan,
        );
        metadata::add_user(&mut meta, user, findings);
        let mut service_ports = ports::named_ports(ports, &members, findings);
        if service_ports.is_empty() {
            service_ports = ports::all_ports(&members, findings);
        }
        let mut kind = None;
        for (target, protocol, publication) in self
            .by_service
            .get(own.value.as_str())
            .cloned()
            .unwrap_or_default()
        {
            let entry = service_ports.iter_mut().find(|port| {
                port.protocol == Some(ports::text(protocol))
                    && ports::target_of(port, &members, protocol) == Some(target)
            });
            let node = match publication.mode {
                PublishMode::NodePort => {
                    kind = kind.or(Some("NodePort"));
                    publication.port.map(|range| range.first)
                }
                PublishMode::LoadBalancer(node) => {
                    kind = Some("LoadBalancer");
                    node
                }
                PublishMode::Ingress | PublishMode::Host => None,
            };
            if let (Some(entry), Some(node)) = (entry, node) {
                entry.node_port = self
                    .node_port(node, &publication.origin, findings)
                    .map(i32::from);
            }
        }
        let headless = headless.as_ref().is_some_and(|h| h.value);
        let selector = match indices.as_slice() {
            [] => BTreeMap::new(),
            [one] => selector(&plan.units[*one], plan),
            _ => shared(&alias_label(&own.value), plan),
        };
        if service_ports.is_empty() && !headless {
            let message = format!(
                "`{}` has no port, so it resolves to the instances themselves",
                own.value
            );
            findings.add(Code("service-without-port"), origin, message);
        }
        let headless = headless || service_ports.is_empty();
        documents.add(
            Rank::Service,
            &service(meta, selector, service_ports, headless, kind),
            Vec::new(),
        );
    }

    /// A name that leads out of the application.
    fn external(
        &mut self,
        name: &Name,
        target: &str,
        documents: &mut Documents,
        findings: &mut Findings,
    ) {
        let Name {
            name: own,
            namespace,
            kind: _,
            units: _,
            ports,
            headless: _,
            metadata: user,
            origin,
        } = name;
        let label = self.legal(own, findings);
        if self.plan.docker && self.plan.unit_by_label(&label).is_some() {
            let message = format!("`{}` is the name of a unit already", own.value);
            findings.add(Code("alias-impossible"), &own.origin, message);
            return;
        }
        let mut meta = metadata::new(&label, namespace.as_ref(), None, self.plan);
        metadata::original(&mut meta, &own.value);
        metadata::add_user(&mut meta, user, findings);
        let addresses: Vec<std::net::IpAddr> = target
            .split([',', ' '])
            .filter(|part| !part.is_empty())
            .map_while(|part| part.parse().ok())
            .collect();
        let count = target
            .split([',', ' '])
            .filter(|part| !part.is_empty())
            .count();
        let service_ports = ports::named_ports(ports, &[], findings);
        if !addresses.is_empty() && addresses.len() == count {
            for (family, wanted) in [("IPv4", true), ("IPv6", false)] {
                let own: Vec<_> = addresses.iter().filter(|a| a.is_ipv4() == wanted).collect();
                if own.is_empty() {
                    continue;
                }
                let mut slice = metadata::new(
                    &with_suffix(&label, &family.to_ascii_lowercase()),
                    namespace.as_ref(),
                    None,
                    self.plan,
                );
                slice
                    .labels
                    .get_or_insert_default()
                    .insert("kubernetes.io/service-name".to_owned(), label.clone());
                let slice = EndpointSlice {
                    address_type: family.to_owned(),
                    endpoints: vec![Endpoint {
                        addresses: own.iter().map(ToString::to_string).collect(),
                        ..Endpoint::default()
                    }],
                    metadata: slice,
                    ports: Some(
                        service_ports
                            .iter()
                            .map(|port| EndpointPort {
                                app_protocol: port.app_protocol.clone(),
                                name: port.name.clone(),
                                port: Some(port.port),
                                protocol: port.protocol.clone(),
                            })
                            .collect::<Vec<_>>(),
                    )
                    .filter(|ports| !ports.is_empty()),
                };
                documents.add(Rank::Service, &slice, Vec::new());
            }
            let object = service(meta, BTreeMap::new(), service_ports, true, None);
            documents.add(Rank::Service, &object, Vec::new());
        } else if is_subdomain(target) && target.contains(|c: char| c.is_ascii_alphabetic()) {
            let object = Service {
                metadata: meta,
                spec: Some(ServiceSpec {
                    external_name: Some(target.to_owned()),
                    ports: Some(service_ports).filter(|ports| !ports.is_empty()),
                    type_: Some("ExternalName".to_owned()),
                    ..ServiceSpec::default()
                }),
                status: None,
            };
            documents.add(Rank::Service, &object, Vec::new());
        } else {
            let message = format!(
                "`{}` leads to `{target}`, which is neither a DNS name nor an address",
                own.value
            );
            findings.add(Code("alias-impossible"), origin, message);
        }
    }

    fn legal(&self, name: &Sourced<String>, findings: &mut Findings) -> String {
        if is_label(&name.value) {
            return name.value.clone();
        }
        let label = to_label(&name.value);
        let label = if self.names.contains(&label) {
            with_suffix(&label, &short_hash(name.value.as_bytes()))
        } else {
            label
        };
        findings.add(
            Code("name-changed"),
            &name.origin,
            format!(
                "`{}` is called `{label}`, and its DNS name changes with it",
                name.value
            ),
        );
        label
    }

    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        if self.names.contains(&name) {
            name = with_suffix(wanted, &short_hash(wanted.as_bytes()));
        }
        self.names.insert(name.clone());
        name
    }
}

pub(super) fn service(
    metadata: ObjectMeta,
    selector: BTreeMap<String, String>,
    ports: Vec<ServicePort>,
    headless: bool,
    kind: Option<&str>,
) -> Service {
    Service {
        metadata,
        spec: Some(ServiceSpec {
            cluster_ip: headless.then(|| "None".to_owned()),
            ports: Some(ports).filter(|ports| !ports.is_empty()),
            selector: Some(selector).filter(|selector| !selector.is_empty()),
            type_: kind.filter(|_| !headless).map(str::to_owned),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// As Docker's DNS does, whether an instance is healthy or not.
fn answer_always(service: &mut Service) {
    if let Some(spec) = &mut service.spec {
        spec.publish_not_ready_addresses = Some(true);
    }
}

/// The labels that exactly the Pods of a unit have.
pub(super) fn selector(unit: &UnitPlan, plan: &Plan<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([
        (NAME.to_owned(), unit.label.clone()),
        (INSTANCE.to_owned(), plan.instance.clone()),
    ])
}

fn shared(label: &str, plan: &Plan<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([
        (label.to_owned(), "true".to_owned()),
        (INSTANCE.to_owned(), plan.instance.clone()),
    ])
}

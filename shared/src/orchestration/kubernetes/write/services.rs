//! Services: the names under which units are reached, and their ways in from outside.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::documents::{Documents, Rank};
use super::metadata::{self, INSTANCE, NAME};
use super::plan::{Plan, UnitPlan, alias_label, has_network};
use super::{container, routes};
use crate::finding::{Code, Findings};
use crate::orchestration::kubernetes::Publish;
use crate::orchestration::model::{
    Name, NameKind, NamePort, NetworkMode, Port, PortRef, Protocol, Publication, PublishMode, Role,
    Unit,
};
use crate::orchestration::names::{
    ALIAS_NETWORKS, LINK_FROM, ROLE_ALIAS, ROLE_CONTAINER_NAME, ROLE_LINK, ROLE_NAME,
    ROLE_PUBLISHED, ROLE_PUBLISHED_ANY, is_label, is_subdomain, short_hash, to_label, with_suffix,
};
use crate::source::{Origin, Sourced};

/// The node ports that an API server gives out unless it is told otherwise (`--service-node-port-range`).
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// One name beside the units' own, and all units that have it.
pub(super) struct Group<'a> {
    pub(super) name: String,
    members: Vec<Member<'a>>,
    /// The label that all its Pods have, where there are several units.
    pub(super) label: Option<String>,
}

struct Member<'a> {
    role: &'static str,
    unit: usize,
    networks: BTreeSet<&'a str>,
    link_from: Option<&'a str>,
    declared: Option<&'a Name>,
}

impl Group<'_> {
    pub(super) fn units(&self) -> Vec<usize> {
        let units: BTreeSet<_> = self.members.iter().map(|member| member.unit).collect();
        units.into_iter().collect()
    }
}

/// Gathers aliases, container names and aliases of links by name, in the order in which they first stand.
pub(super) fn groups<'a>(plan: &Plan<'a>, findings: &mut Findings) -> Vec<Group<'a>> {
    let mut found: Vec<(&'a Sourced<String>, Member<'a>)> = Vec::new();
    let member = |role, unit| Member {
        role,
        unit,
        networks: BTreeSet::new(),
        link_from: None,
        declared: None,
    };
    for (index, unit) in plan.application.units.iter().enumerate() {
        if !has_network(unit) {
            continue;
        }
        for attachment in &unit.networks {
            for alias in &attachment.aliases {
                let mut member = member(ROLE_ALIAS, index);
                member.networks.insert(&attachment.network.value);
                found.push((alias, member));
            }
        }
        if let Some(name) = &unit.settings.instance_name {
            found.push((name, member(ROLE_CONTAINER_NAME, index)));
        }
    }
    for name in &plan.application.names {
        let (role, networks, link_from): (_, &[String], _) = match &name.kind {
            NameKind::Alias { networks } => (ROLE_ALIAS, networks, None),
            NameKind::ContainerName => (ROLE_CONTAINER_NAME, &[], None),
            NameKind::Link { from } => (ROLE_LINK, &[], Some(from.as_str())),
            NameKind::Unit | NameKind::Service | NameKind::External(_) => continue,
        };
        for unit in &name.units {
            let Some(index) = plan.unit(unit) else {
                continue;
            };
            let mut member = member(role, index);
            member.networks.extend(networks.iter().map(String::as_str));
            member.link_from = link_from;
            member.declared = Some(name);
            found.push((&name.name, member));
        }
    }
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, member) in found {
        if !is_label(&name.value) {
            // A name that is the unit's own needs no second Service; the change of that name was reported already.
            if plan.application.units[member.unit].name.value != name.value {
                let message = format!(
                    "`{}` cannot be the name of a Service, so it does not resolve",
                    name.value
                );
                findings.add(Code("alias-impossible"), &name.origin, message);
            }
            continue;
        }
        if member.role == ROLE_LINK {
            let message = format!(
                "`{}` resolves for all units, not only for the linking one",
                name.value
            );
            findings.add(Code("alias-wider"), &name.origin, message);
        }
        let index = *by_name.entry(&name.value).or_insert_with(|| {
            groups.push(Group {
                name: name.value.clone(),
                members: Vec::new(),
                label: None,
            });
            groups.len() - 1
        });
        let members = &mut groups[index].members;
        match members
            .iter_mut()
            .find(|m| m.unit == member.unit && m.role == member.role)
        {
            Some(known) => {
                known.networks.extend(member.networks);
                known.declared = known.declared.or(member.declared);
            }
            None => members.push(member),
        }
    }
    groups
}

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
    };
    if plan.docker {
        for (unit, planned) in plan.application.units.iter().zip(&plan.units) {
            writer.unit(unit, planned, documents, findings);
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

struct Writer<'p, 'a> {
    plan: &'p Plan<'a>,
    node_ports: BTreeSet<u16>,
    names: BTreeSet<String>,
    /// What the source says of units' own names.
    own: BTreeMap<&'a str, &'a Name>,
    by_service: BTreeMap<&'a str, Vec<(u16, Protocol, &'a Publication)>>,
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

/// The ports of all containers of a unit that run for long, each once.
pub(super) fn unit_ports(unit: &Unit) -> Vec<&Port> {
    let mut seen = BTreeSet::new();
    unit.containers
        .iter()
        .filter(|container| {
            matches!(
                container.role,
                Role::Main | Role::Sidecar | Role::NativeSidecar
            )
        })
        .flat_map(|container| &container.ports)
        .filter(|port| seen.insert((port.target, port.transport())))
        .collect()
}

impl Writer<'_, '_> {
    fn unit(
        &mut self,
        unit: &Unit,
        planned: &UnitPlan,
        documents: &mut Documents,
        findings: &mut Findings,
    ) {
        if !has_network(unit) {
            return;
        }
        let plan = self.plan;
        let own = self.own.get(unit.name.value.as_str()).copied();
        let mut meta = metadata::new(
            &planned.label,
            unit.namespace.as_ref(),
            Some(&planned.label),
            plan,
        );
        metadata::role(&mut meta, ROLE_NAME);
        metadata::original(&mut meta, &unit.name.value);
        let mut ports = ports_of(unit, findings);
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
                ports = self.named_ports(named, &[unit], findings);
            }
            headless = wanted
                .as_ref()
                .map_or(headless, |h| h.value || ports.is_empty());
        }
        let selector = match &planned.shared_label {
            Some(label) => shared(label, plan),
            None => selector(planned, plan),
        };
        documents.add(
            Rank::Service,
            &service(meta, selector, ports, headless, None),
            Vec::new(),
        );
        self.publish(unit, planned, documents, findings);
    }

    /// The Services that publish ports to the outside.
    fn publish(
        &mut self,
        unit: &Unit,
        planned: &UnitPlan,
        documents: &mut Documents,
        findings: &mut Findings,
    ) {
        let host = unit
            .settings
            .network_mode
            .as_ref()
            .is_some_and(|mode| mode.value == NetworkMode::Host);
        let mut kinds: BTreeMap<Kind, Vec<ServicePort>> = BTreeMap::new();
        let mut http = Vec::new();
        let ports = unit
            .containers
            .iter()
            .flat_map(|container| &container.ports);
        for (port, publication) in
            ports.flat_map(|port| port.published.iter().map(move |p| (port, p)))
        {
            let Publication {
                port: range,
                host_ip,
                mode,
                service: _,
                origin,
            } = publication;
            if *mode == PublishMode::Host {
                // A port of the node: the container's `hostPort`.
                continue;
            }
            if host {
                let message = format!("port {} is a port of the node already", port.target);
                findings.add(Code("port-on-host-network"), origin, message);
                continue;
            }
            if let Some(ip) = host_ip
                && !reachable(ip, port, findings)
            {
                continue;
            }
            let number = range.map(|range| {
                if !range.is_one() {
                    let message = format!("of the ports {range}, {} is published", range.first);
                    findings.add(Code("port-range"), origin, message);
                }
                range.first
            });
            let (kind, outside, node_port) = match mode {
                PublishMode::Ingress | PublishMode::Host => {
                    let kind = self.kind(port, number, planned, origin, findings);
                    if kind == Kind::Http
                        && let Some(number) = number
                    {
                        http.push((number, origin));
                    }
                    let node = (kind == Kind::NodePort)
                        .then(|| number.and_then(|n| self.node_port(n, origin, findings)))
                        .flatten();
                    (kind, number, node)
                }
                PublishMode::NodePort => {
                    let node = number.and_then(|n| self.node_port(n, origin, findings));
                    (Kind::FixedNodePort, None, node)
                }
                PublishMode::LoadBalancer(node) => {
                    let node = node.and_then(|n| self.node_port(n, origin, findings));
                    (Kind::FixedLoadBalancer, number, node)
                }
            };
            let outside = outside.unwrap_or(port.target);
            let list = kinds.entry(kind).or_default();
            let protocol = port.transport();
            if list
                .iter()
                .any(|p| p.port == i32::from(outside) && p.protocol == Some(text(protocol)))
            {
                let message =
                    format!("port {outside} is published twice, and only the first is kept");
                findings.add(Code("port-twice"), origin, message);
                continue;
            }
            let mut entry = service_port(port, outside, findings);
            entry.node_port = node_port.map(i32::from);
            list.push(entry);
        }
        for (kind, ports) in kinds {
            let (suffix, role) = match kind {
                Kind::LoadBalancer | Kind::NodePort | Kind::ClusterIp | Kind::Http => {
                    ("published", Some(ROLE_PUBLISHED))
                }
                Kind::Any => ("published-any", Some(ROLE_PUBLISHED_ANY)),
                Kind::FixedNodePort => ("nodeport", None),
                Kind::FixedLoadBalancer => ("loadbalancer", None),
            };
            // An Ingress and a load balancer of one unit are two Services.
            let suffix = if kind == Kind::Http { "http" } else { suffix };
            let name = self.fresh(&with_suffix(&planned.label, suffix));
            let mut meta = metadata::new(
                &name,
                unit.namespace.as_ref(),
                Some(&planned.label),
                self.plan,
            );
            if let Some(role) = role {
                metadata::role(&mut meta, role);
            }
            if kind == Kind::Http {
                routes::published(&name, unit, planned, &http, self.plan, documents, findings);
            }
            let kind = match kind {
                Kind::LoadBalancer | Kind::FixedLoadBalancer => "LoadBalancer",
                Kind::NodePort | Kind::FixedNodePort => "NodePort",
                Kind::Any if self.plan.options.publish != Publish::ClusterIp => "NodePort",
                Kind::Any | Kind::ClusterIp | Kind::Http => "ClusterIP",
            };
            let selector = selector(planned, self.plan);
            documents.add(
                Rank::Service,
                &service(meta, selector, ports, false, Some(kind)),
                Vec::new(),
            );
        }
    }

    fn kind(
        &self,
        port: &Port,
        number: Option<u16>,
        planned: &UnitPlan,
        origin: &Origin,
        findings: &mut Findings,
    ) -> Kind {
        let Some(number) = number else {
            return Kind::Any;
        };
        match self.plan.options.publish {
            Publish::LoadBalancer => Kind::LoadBalancer,
            Publish::NodePort => Kind::NodePort,
            Publish::ClusterIp => Kind::ClusterIp,
            Publish::Ingress => match speaks_http(port, number) {
                Some(said) => {
                    if !said {
                        let message = format!(
                            "port {number} of `{}` is taken for HTTP by its number",
                            planned.label
                        );
                        findings.add(Code("http-by-number"), origin, message);
                    }
                    Kind::Http
                }
                None => Kind::LoadBalancer,
            },
        }
    }

    /// A number that the API server accepts as node port, or nothing, so that it chooses one.
    fn node_port(&mut self, number: u16, origin: &Origin, findings: &mut Findings) -> Option<u16> {
        if NODE_PORTS.contains(&number) && self.node_ports.insert(number) {
            return Some(number);
        }
        let message =
            format!("{number} cannot be the port of the nodes, so the cluster chooses one");
        findings.add(Code("node-port"), origin, message);
        None
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
            ports = self.named_ports(named, &units, findings);
            wanted = headless.as_ref().map(|headless| headless.value);
        }
        if ports.is_empty() {
            ports = all_ports(&units, findings);
        }
        let headless = wanted.unwrap_or(false) || ports.is_empty();
        let selector = match &group.label {
            Some(label) => shared(label, plan),
            None => selector(&plan.units[first.unit], plan),
        };
        documents.add(
            Rank::Service,
            &service(meta, selector, ports, headless, None),
            Vec::new(),
        );
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
        let mut service_ports = self.named_ports(ports, &members, findings);
        if service_ports.is_empty() {
            service_ports = all_ports(&members, findings);
        }
        let mut kind = None;
        for (target, protocol, publication) in self
            .by_service
            .get(own.value.as_str())
            .cloned()
            .unwrap_or_default()
        {
            let entry = service_ports.iter_mut().find(|port| {
                port.protocol == Some(text(protocol))
                    && target_of(port, &members, protocol) == Some(target)
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
        let service_ports = self.named_ports(ports, &[], findings);
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

    fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        if self.names.contains(&name) {
            name = with_suffix(wanted, &short_hash(wanted.as_bytes()));
        }
        self.names.insert(name.clone());
        name
    }

    fn named_ports(
        &self,
        ports: &[NamePort],
        units: &[&Unit],
        findings: &mut Findings,
    ) -> Vec<ServicePort> {
        let mut written = Vec::new();
        for port in ports {
            let NamePort {
                name,
                port: number,
                target,
                protocol,
                app_protocol,
                origin,
            } = port;
            let target = match target {
                PortRef::Number(number) => IntOrString::Int(i32::from(*number)),
                PortRef::Name(name) => target_by_name(name, units),
            };
            push(
                &mut written,
                ServicePort {
                    app_protocol: app_protocol
                        .clone()
                        .filter(|p| app_protocol_ok(p, origin, findings)),
                    name: name.as_ref().map(|name| port_label(name)),
                    node_port: None,
                    port: i32::from(*number),
                    protocol: Some(text(*protocol)),
                    target_port: Some(target),
                },
            );
        }
        finish_ports(written)
    }
}

/// The kinds of Services that publish; the order decides which is written first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    LoadBalancer,
    NodePort,
    ClusterIp,
    Http,
    Any,
    FixedNodePort,
    FixedLoadBalancer,
}

/// Whether a port speaks HTTP, and whether the source says so itself.
fn speaks_http(port: &Port, number: u16) -> Option<bool> {
    if port.transport() != Protocol::Tcp {
        return None;
    }
    match &port.app_protocol {
        Some(said) => {
            let said = said.value.to_ascii_lowercase();
            matches!(
                said.as_str(),
                "http" | "ws" | "grpc" | "kubernetes.io/h2c" | "kubernetes.io/ws" | "h2c"
            )
            .then_some(true)
        }
        None => [number, port.target]
            .iter()
            .any(|n| matches!(n, 80 | 3000 | 5000 | 8000 | 8080 | 8888))
            .then_some(false),
    }
}

/// Whether a port bound to this address is to be reached from outside of the node.
fn reachable(ip: &Sourced<String>, port: &Port, findings: &mut Findings) -> bool {
    let text = ip.value.trim_start_matches('[').trim_end_matches(']');
    let parsed: Option<std::net::IpAddr> = text.parse().ok();
    if text == "localhost" || parsed.is_some_and(|ip| ip.is_loopback()) {
        let message = format!(
            "port {} is bound to {text} and stays inside of the cluster",
            port.target
        );
        findings.add(Code("port-loopback"), &ip.origin, message);
        return false;
    }
    if !(text.is_empty() || text == "*" || parsed.is_some_and(|ip| ip.is_unspecified())) {
        let message = format!(
            "port {} is published on all addresses, not only on {text}",
            port.target
        );
        findings.add(Code("port-address"), &ip.origin, message);
    }
    true
}

fn service(
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

fn networks_of(group: &Group<'_>, plan: &Plan<'_>) -> Option<String> {
    let first = group.members.first()?;
    if group
        .members
        .iter()
        .all(|member| member.networks == first.networks)
    {
        let networks: Vec<_> = first.networks.iter().copied().collect();
        return (!networks.is_empty()).then(|| networks.join(","));
    }
    let entries: Vec<_> = group
        .members
        .iter()
        .flat_map(|member| {
            let unit = &plan.application.units[member.unit].name.value;
            member
                .networks
                .iter()
                .map(move |network| format!("{unit}/{network}"))
        })
        .collect();
    Some(entries.join(","))
}

fn ports_of(unit: &Unit, findings: &mut Findings) -> Vec<ServicePort> {
    all_ports(&[unit], findings)
}

fn all_ports(units: &[&Unit], findings: &mut Findings) -> Vec<ServicePort> {
    let mut ports = Vec::new();
    for port in units.iter().flat_map(|unit| unit_ports(unit)) {
        push(&mut ports, service_port(port, port.target, findings));
    }
    finish_ports(ports)
}

fn service_port(port: &Port, number: u16, findings: &mut Findings) -> ServicePort {
    let Port {
        target,
        protocol: _,
        name,
        app_protocol,
        published: _,
        origin: _,
    } = port;
    ServicePort {
        app_protocol: app_protocol
            .as_ref()
            .filter(|p| app_protocol_ok(&p.value, &p.origin, findings))
            .map(|p| p.value.clone()),
        name: Some(name.as_ref().map_or_else(
            || format!("{}-{number}", port.transport().as_str()),
            |name| port_label(&name.value),
        )),
        node_port: None,
        port: i32::from(number),
        protocol: Some(text(port.transport())),
        target_port: Some(IntOrString::Int(i32::from(*target))),
    }
}

/// Each number and protocol stands once.
fn push(ports: &mut Vec<ServicePort>, port: ServicePort) {
    if !ports
        .iter()
        .any(|p| p.port == port.port && p.protocol == port.protocol)
    {
        ports.push(port);
    }
}

/// Names have to be there when there are several ports, and to differ.
fn finish_ports(mut ports: Vec<ServicePort>) -> Vec<ServicePort> {
    let mut used = BTreeSet::new();
    let several = ports.len() > 1;
    for port in &mut ports {
        let generated = format!(
            "{}-{}",
            port.protocol
                .as_deref()
                .unwrap_or("TCP")
                .to_ascii_lowercase(),
            port.port
        );
        let name = port.name.take().unwrap_or_else(|| {
            if several {
                generated.clone()
            } else {
                String::new()
            }
        });
        let name = if used.contains(&name) {
            generated
        } else {
            name
        };
        used.insert(name.clone());
        port.name = Some(name).filter(|name| !name.is_empty());
    }
    ports
}

/// The nearest DNS label for a port's name in a Service.
fn port_label(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let legal = lower.len() <= 63
        && !lower.is_empty()
        && lower
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !lower.starts_with('-')
        && !lower.ends_with('-');
    if legal { lower } else { to_label(name) }
}

fn target_by_name(name: &str, units: &[&Unit]) -> IntOrString {
    let port = units
        .iter()
        .flat_map(|unit| {
            unit.containers
                .iter()
                .flat_map(|container| &container.ports)
        })
        .find(|port| port.name.as_ref().is_some_and(|n| n.value == name));
    match (container::port_name(name), port) {
        (Some(name), _) => IntOrString::String(name),
        (None, Some(port)) => IntOrString::Int(i32::from(port.target)),
        (None, None) => IntOrString::String(to_label(name).chars().take(15).collect()),
    }
}

fn target_of(port: &ServicePort, units: &[&Unit], protocol: Protocol) -> Option<u16> {
    match port.target_port.as_ref()? {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => units
            .iter()
            .flat_map(|unit| {
                unit.containers
                    .iter()
                    .flat_map(|container| &container.ports)
            })
            .find(|p| {
                p.transport() == protocol && p.name.as_ref().is_some_and(|n| n.value == *name)
            })
            .map(|p| p.target),
    }
}

fn app_protocol_ok(protocol: &str, origin: &Origin, findings: &mut Findings) -> bool {
    let ok = crate::orchestration::names::is_metadata_key(protocol);
    if !ok {
        let message = format!("`{protocol}` cannot be the application protocol of a port");
        findings.add(Code("port-protocol"), origin, message);
    }
    ok
}

/// Kubernetes' word for a transport protocol.
pub(super) fn text(protocol: Protocol) -> String {
    protocol.as_str().to_ascii_uppercase()
}

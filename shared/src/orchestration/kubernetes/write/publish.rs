//! Ways in from outside: published ports.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ServicePort;

use super::documents::{Documents, Rank};
use super::plan::UnitPlan;
use super::services::{Writer, selector, service};
use super::{metadata, ports, routes};
use crate::finding::{Code, Findings};
use crate::orchestration::kubernetes::Publish;
use crate::orchestration::model::{
    Dialect, NetworkMode, Port, Protocol, Publication, PublishMode, Unit,
};
use crate::orchestration::names::{ROLE_PUBLISHED, ROLE_PUBLISHED_ANY, with_suffix};
use crate::source::{Origin, Sourced};

/// The node ports that an API server gives out unless it is told otherwise (`--service-node-port-range`).
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

impl Writer<'_, '_> {
    /// The Services that publish ports to the outside.
    pub(super) fn publish(
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
                && !reachable(ip, port, self.plan.application.dialect, findings)
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
                .any(|p| p.port == i32::from(outside) && p.protocol == Some(ports::text(protocol)))
            {
                let message =
                    format!("port {outside} is published twice, and only the first is kept");
                findings.add(Code("port-twice"), origin, message);
                continue;
            }
            let mut entry = ports::service_port(port, outside, findings);
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
            let ports = ports::finish_ports(ports);
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
    pub(super) fn node_port(
        &mut self,
        number: u16,
        origin: &Origin,
        findings: &mut Findings,
    ) -> Option<u16> {
        if NODE_PORTS.contains(&number) && self.node_ports.insert(number) {
            return Some(number);
        }
        let message =
            format!("{number} cannot be the port of the nodes, so the cluster chooses one");
        findings.add(Code("node-port"), origin, message);
        None
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

/// Whether an address leads to the own machine only.
pub(super) fn is_loopback(ip: &Sourced<String>) -> bool {
    let text = ip.value.trim_start_matches('[').trim_end_matches(']');
    text == "localhost"
        || text
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Whether a port bound to this address is to be reached from outside of the node.
fn reachable(ip: &Sourced<String>, port: &Port, dialect: Dialect, findings: &mut Findings) -> bool {
    let text = ip.value.trim_start_matches('[').trim_end_matches(']');
    let parsed: Option<std::net::IpAddr> = text.parse().ok();
    if is_loopback(ip) {
        let message = if dialect == Dialect::Swarm {
            // Nothing that the file wants to hide is opened to the world, even where it was open.
            format!(
                "port {} stays inside of the cluster, as {text} says; the Swarm publishes it on every address all the same",
                port.target
            )
        } else {
            format!(
                "port {} is bound to {text} and stays inside of the cluster",
                port.target
            )
        };
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

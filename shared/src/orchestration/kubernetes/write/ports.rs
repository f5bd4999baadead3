//! Ports of Services.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::container;
use crate::finding::{Code, Findings};
use crate::orchestration::model::{NamePort, Port, PortRef, Protocol, Role, Unit};
use crate::orchestration::names::to_label;
use crate::source::Origin;

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

pub(super) fn ports_of(unit: &Unit, findings: &mut Findings) -> Vec<ServicePort> {
    all_ports(&[unit], findings)
}

pub(super) fn all_ports(units: &[&Unit], findings: &mut Findings) -> Vec<ServicePort> {
    let mut ports = Vec::new();
    for port in units.iter().flat_map(|unit| unit_ports(unit)) {
        push(&mut ports, service_port(port, port.target, findings));
    }
    finish_ports(ports)
}

pub(super) fn service_port(port: &Port, number: u16, findings: &mut Findings) -> ServicePort {
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
pub(super) fn push(ports: &mut Vec<ServicePort>, port: ServicePort) {
    if !ports
        .iter()
        .any(|p| p.port == port.port && p.protocol == port.protocol)
    {
        ports.push(port);
    }
}

/// Names have to be there when there are several ports, and to differ.
pub(super) fn finish_ports(mut ports: Vec<ServicePort>) -> Vec<ServicePort> {
    let several = ports.len() > 1;
    let mut used: BTreeSet<String> = BTreeSet::new();
    for port in &mut ports {
        let protocol = port
            .protocol
            .as_deref()
            .unwrap_or("TCP")
            .to_ascii_lowercase();
        let generated = format!("{protocol}-{}", port.port);
        let Some(mut name) = port
            .name
            .take()
            .or_else(|| several.then(|| generated.clone()))
        else {
            continue;
        };
        let mut attempt = 1;
        while !used.insert(name.clone()) {
            name = if attempt == 1 {
                generated.clone()
            } else {
                format!("{generated}-{attempt}")
            };
            attempt += 1;
        }
        port.name = Some(name);
    }
    ports
}

/// The nearest DNS label for a port's name in a Service.
pub(super) fn port_label(name: &str) -> String {
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

pub(super) fn target_by_name(name: &str, units: &[&Unit]) -> IntOrString {
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

pub(super) fn target_of(port: &ServicePort, units: &[&Unit], protocol: Protocol) -> Option<u16> {
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

pub(super) fn app_protocol_ok(protocol: &str, origin: &Origin, findings: &mut Findings) -> bool {
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

pub(super) fn named_ports(
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

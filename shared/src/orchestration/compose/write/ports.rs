//! Ports, inside and outside.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::document::{Map, put, put_list, put_some, unique};
use super::names::Endpoint;
use super::plan::runs_on;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{NetworkMode, Port, Protocol, Publication, PublishMode};

/// Which services publish a port: address, service and whether it is bound on single nodes.
#[derive(Debug, Default)]
pub(super) struct Published(HashMap<(u16, Protocol), Vec<Claim>>);

#[derive(Debug)]
struct Claim {
    address: String,
    service: String,
    target: u16,
    host: bool,
}

impl Published {
    /// Claims a port; gives the service that has it already.
    fn claim(
        &mut self,
        port: u16,
        protocol: Protocol,
        claim: Claim,
        swarm: bool,
    ) -> Option<String> {
        let all = |address: &str| address.is_empty() || address == "0.0.0.0" || address == "::";
        let claims = self.0.entry((port, protocol)).or_default();
        let clash = claims.iter().find(|other| {
            let same = other.service == claim.service && other.target == claim.target;
            let meets =
                other.address == claim.address || all(&other.address) || all(&claim.address);
            // In a swarm, two services may bind the same port of different nodes.
            let apart = swarm && other.host && claim.host;
            !same && meets && !apart
        });
        let service = clash.map(|other| other.service.clone());
        // One clash is enough to know; a list of thousands would be searched again and again.
        if service.is_none() {
            claims.push(claim);
        }
        service
    }
}

impl<'a> Writer<'a> {
    /// `ports` and `expose`.
    pub(super) fn write_ports(&mut self, site: &Site<'a>, service: &mut Map) {
        if !runs_on(site.container) || self.joins(site) {
            return;
        }
        let mode = site.unit.settings.network_mode.as_ref().map(|m| &m.value);
        let mut listed = Vec::new();
        let mut exposed = Vec::new();
        let mut seen = HashSet::new();
        let mut taken = HashMap::new();
        let containers = site
            .unit
            .containers
            .iter()
            .enumerate()
            .filter(|(at, container)| {
                runs_on(container) && (*at == site.at || (site.is_main() && !self.is_swarm()))
            });
        let containers: Vec<_> = containers.map(|(_, container)| container).collect();
        for port in containers.iter().flat_map(|container| &container.ports) {
            let Port {
                target,
                protocol,
                name,
                app_protocol,
                published,
                origin,
            } = port;
            if let Some(mode @ (NetworkMode::Host | NetworkMode::None)) = mode {
                self.note_port_without_network(site, port, *mode == NetworkMode::Host);
                continue;
            }
            if published.is_empty() {
                let suffix = match protocol.as_ref().map(|p| p.value) {
                    None | Some(Protocol::Tcp) => String::new(),
                    Some(other) => format!("/{}", other.as_str()),
                };
                let label = name
                    .as_ref()
                    .map(|n| format!(" ({})", n.value))
                    .unwrap_or_default();
                let speaks = app_protocol
                    .as_ref()
                    .map(|a| format!(", {}", a.value))
                    .unwrap_or_default();
                if self.is_swarm() {
                    let message = format!(
                        "port {target}{suffix}{label}{speaks} of `{}` is reachable without being listed",
                        site.key()
                    );
                    self.note("names-of-ports", origin, message);
                } else {
                    exposed.push(format!("{target}{suffix}"));
                    if name.is_some() || app_protocol.is_some() {
                        let message = format!(
                            "port {target}{suffix} of `{}` loses its name{label}{speaks}",
                            site.key()
                        );
                        self.note("names-of-ports", origin, message);
                    }
                }
                continue;
            }
            for publication in published {
                if self.is_taken(site, port, publication, &mut taken) {
                    continue;
                }
                if let Some(map) = self.publication(site, port, publication)
                    && seen.insert(Value::Object(map.clone()).to_string())
                {
                    listed.push(Value::Object(map));
                }
            }
        }
        put_list(service, "ports", listed);
        put_list(service, "expose", unique(exposed));
    }

    /// Whether another way in has the port already: a port of the node and one of a Service are the same in Docker.
    fn is_taken<'p>(
        &mut self,
        site: &Site<'a>,
        port: &Port,
        publication: &'p Publication,
        taken: &mut HashMap<(u16, Protocol), &'p PublishMode>,
    ) -> bool {
        let one = publication
            .port
            .filter(|port| port.is_one() && port.first > 0);
        let Some(outside) = one.filter(|_| self.from_kubernetes()) else {
            return false;
        };
        let mode = &publication.mode;
        let first = *taken
            .entry((outside.first, port.transport()))
            .or_insert(mode);
        let host = |mode: &PublishMode| *mode == PublishMode::Host;
        if host(first) == host(mode) {
            return false;
        }
        let nodes = if self.is_swarm() && host(first) {
            ", on the nodes of its tasks"
        } else {
            ""
        };
        let message = format!(
            "port {outside} of `{}` is asked for as a port of the node and by a Service: it is published once{nodes}",
            site.key()
        );
        self.note("port-published-once", &publication.origin, message);
        true
    }

    fn note_port_without_network(&mut self, site: &Site<'a>, port: &Port, host: bool) {
        for publication in &port.published {
            let same = publication
                .port
                .is_none_or(|p| p.is_one() && p.first == port.target);
            if host && same {
                continue;
            }
            let outside = publication
                .port
                .map_or_else(|| "a port".to_owned(), |p| format!("port {p}"));
            let message = if host {
                format!(
                    "`{}` uses the host's network: it answers on port {} and not on {outside}",
                    site.key(),
                    port.target
                )
            } else {
                format!(
                    "`{}` has no network: {outside} is not published",
                    site.key()
                )
            };
            self.note("port-without-network", &publication.origin, message);
        }
    }

    /// One published port in long form.
    fn publication(
        &mut self,
        site: &Site<'a>,
        port: &Port,
        publication: &Publication,
    ) -> Option<Map> {
        let Publication {
            port: outside,
            host_ip,
            mode,
            service: _,
            origin,
        } = publication;
        let swarm = self.is_swarm();
        let key = site.key();
        if !site.is_first() {
            let message = format!(
                "only the first instance of `{}` publishes port {}",
                site.unit.name.value, port.target
            );
            self.note("published-by-first-instance", origin, message);
            return None;
        }
        let mut map = Map::new();
        if !swarm {
            put_some(
                &mut map,
                "name",
                port.name.as_ref().map(|n| n.value.clone()),
            );
        }
        put(&mut map, "target", port.target);
        if let Some(outside) = outside {
            if swarm {
                if !outside.is_one() {
                    let message = format!(
                        "a stack publishes `{key}` on port {} instead of one of {outside}",
                        outside.first
                    );
                    self.note("port-range-not-in-stack", origin, message);
                }
                put(&mut map, "published", outside.first);
            } else {
                put(&mut map, "published", outside.to_string());
            }
        }
        if let Some(address) = host_ip {
            if swarm {
                let message = format!(
                    "port {} of `{key}` is open on every address, not only on {}",
                    port.target, address.value
                );
                self.note("host-address-in-swarm", &address.origin, message);
            } else {
                put(&mut map, "host_ip", address.value.clone());
            }
        }
        put_some(
            &mut map,
            "protocol",
            port.protocol.as_ref().map(|p| p.value.as_str()),
        );
        if let Some(spoken) = &port.app_protocol {
            if swarm {
                let message = format!(
                    "what port {} of `{key}` speaks ({}) has no key in a stack",
                    port.target, spoken.value
                );
                self.note("names-of-ports", &spoken.origin, message);
            } else {
                put(&mut map, "app_protocol", spoken.value.clone());
            }
        }
        let mut host = false;
        match mode {
            PublishMode::Host => host = true,
            PublishMode::LoadBalancer(Some(node)) => {
                let message = format!(
                    "the node port {node} beside the load balancer of `{key}` is not published"
                );
                self.note("load-balancer-detail", origin, message);
            }
            PublishMode::Ingress | PublishMode::NodePort | PublishMode::LoadBalancer(None) => {}
        }
        if let PublishMode::LoadBalancer(_) = mode
            && self.from_kubernetes()
        {
            let outside = outside.map_or_else(|| "a port".to_owned(), |o| format!("port {o}"));
            let place = if swarm { "each node" } else { "the host" };
            self.note(
                "way-in",
                origin,
                format!("`{key}` is reached on {outside} of {place} instead of a load balancer"),
            );
        }
        let instances =
            self.reach.get(site.index).and_then(|r| r.endpoint) == Some(Endpoint::Instances);
        if swarm && instances && !host {
            host = true;
            let message = format!(
                "port {} of `{key}` is published on the nodes of its tasks only",
                port.target
            );
            self.note("headless-port-by-node", origin, message);
        }
        if host {
            put(&mut map, "mode", "host");
        }
        if let Some(outside) = outside.filter(|o| o.is_one() && o.first > 0) {
            let claim = Claim {
                address: host_ip
                    .as_ref()
                    .map(|h| h.value.clone())
                    .unwrap_or_default(),
                service: key.to_owned(),
                target: port.target,
                host,
            };
            if let Some(other) = self
                .published
                .claim(outside.first, port.transport(), claim, swarm)
            {
                let message = format!("port {outside} is published by both `{other}` and `{key}`");
                self.note("published-port-clash", origin, message);
            }
            if !swarm && site.replicas() > 1 {
                let message = format!(
                    "the {} instances of `{key}` cannot all have port {outside} of the host",
                    site.replicas()
                );
                self.note("published-port-of-replicas", origin, message);
            }
        }
        Some(map)
    }
}

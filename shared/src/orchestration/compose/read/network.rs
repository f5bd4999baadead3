//! Ports of a service, and networks.

use super::service::Service;
use super::{Reader, is_given};
use crate::orchestration::model::{
    Attachment, Container, Network, NetworkMode, Port, PortRange, Protocol, Publication,
    PublishMode,
};
use crate::source::{Fields, Item, Sourced};

impl Reader<'_> {
    pub(super) fn ports(&mut self, fields: &mut Fields<'_>, container: &mut Container) {
        for item in fields.items("ports", self.ledger) {
            self.port(&item, container);
        }
        for item in fields.items("expose", self.ledger) {
            let Some(text) = item.text(self.ledger) else {
                continue;
            };
            let (number, protocol) = match text.value.split_once('/') {
                Some((number, protocol)) => (number, Protocol::named(protocol)),
                None => (text.value.as_str(), None),
            };
            let Some(target) = number.parse().ok().filter(|n| *n > 0) else {
                self.error(
                    "bad-port",
                    &text.origin,
                    format!("`{}` is not a port", text.value),
                );
                continue;
            };
            let there = container
                .ports
                .iter()
                .any(|p| p.target == target && p.transport() == protocol.unwrap_or_default());
            if !there {
                container.ports.push(Port {
                    target,
                    protocol: protocol.map(|p| Sourced::new(p, text.origin.clone())),
                    name: None,
                    app_protocol: None,
                    published: Vec::new(),
                    origin: text.origin,
                });
            }
        }
    }

    fn port(&mut self, item: &Item<'_>, container: &mut Container) {
        let Some(mut fields) = item.fields("services.*.ports[]", self.ledger) else {
            return;
        };
        let target: Option<Sourced<u16>> = fields.integer("target", self.ledger);
        let published = fields.text("published", self.ledger);
        let protocol = fields.text("protocol", self.ledger).and_then(|text| {
            let protocol = Protocol::named(&text.value);
            protocol.map(|p| Sourced::new(p, text.origin))
        });
        let name = fields.text("name", self.ledger);
        let app_protocol = fields.text("app_protocol", self.ledger);
        let host_ip = fields.text("host_ip", self.ledger);
        let mode = fields.text("mode", self.ledger);
        fields.finish(self.ledger);
        let Some(target) = target else { return };
        if target.value == 0 {
            self.error(
                "bad-port",
                &target.origin,
                "0 is not a port number; ports are 1 to 65535",
            );
            return;
        }
        let range = published.as_ref().and_then(|text| {
            let (first, last) = text
                .value
                .split_once('-')
                .unwrap_or((&text.value, &text.value));
            Some(PortRange {
                first: first.trim().parse().ok()?,
                last: last.trim().parse().ok()?,
            })
        });
        let publication = Publication {
            port: range.filter(|r| r.first > 0),
            host_ip,
            mode: match mode.as_ref().map(|m| m.value.as_str()) {
                Some("host") => PublishMode::Host,
                None | Some("ingress") => PublishMode::Ingress,
                Some(other) => {
                    let message =
                        format!("`{other}` is not a mode of a port; it is ingress or host");
                    self.error("bad-value", &item.origin(), message);
                    PublishMode::Ingress
                }
            },
            service: None,
            origin: item.origin(),
        };
        let transport = protocol.as_ref().map_or(Protocol::Tcp, |p| p.value);
        let same = container.ports.iter_mut().find(|p| {
            p.target == target.value
                && p.transport() == transport
                && p.name.as_ref().map(|n| &n.value) == name.as_ref().map(|n| &n.value)
        });
        match same {
            Some(port) => {
                port.published.push(publication);
                if port.app_protocol.is_none() {
                    port.app_protocol = app_protocol;
                }
            }
            None => container.ports.push(Port {
                target: target.value,
                protocol,
                name,
                app_protocol,
                published: vec![publication],
                origin: item.origin(),
            }),
        }
    }

    pub(super) fn networks(&mut self, item: &Item<'_>) -> Vec<Network> {
        let mut networks = Vec::new();
        for (name, item) in item.entries(self.ledger) {
            let mut network = Network {
                origin: item.origin(),
                name,
                real_name: None,
                external: None,
                internal: None,
                metadata: crate::orchestration::model::Metadata::default(),
            };
            if let Some(mut fields) = item.fields("networks.*", self.ledger) {
                network.real_name = fields.text("name", self.ledger).filter(is_given);
                network.external = fields.boolean("external", self.ledger);
                network.internal = fields.boolean("internal", self.ledger);
                network.metadata.labels = self.labels(&mut fields);
                if let Some(item) = fields.take("driver") {
                    self.driver(&item);
                }
                self.leave_extensions(&mut fields, "networks.*.x-*");
                fields.finish(self.ledger);
            }
            networks.push(network);
        }
        networks
    }

    /// The drivers that an engine has for itself and for a Swarm do what every cluster's network does.
    fn driver(&mut self, item: &Item<'_>) {
        match item.node.as_text() {
            None | Some("") => {}
            Some(driver @ ("bridge" | "overlay" | "default")) => {
                let message = format!("the cluster's network stands for the driver `{driver}`");
                self.error("network-plain", &item.origin(), message);
            }
            Some(_) => self.ledger.leave("networks.*.driver", item),
        }
    }

    /// An external network that every engine has by itself (`host`, `none`) is a mode of the services that use it: the
    /// only one that a stack can give them.
    pub(super) fn predefined_networks(networks: &mut Vec<Network>, services: &mut [Service]) {
        let mode = |network: &Network| {
            let external = network.external.as_ref().is_some_and(|e| e.value);
            let name = network.real_name.as_ref().unwrap_or(&network.name);
            match name.value.as_str() {
                "host" if external => Some(NetworkMode::Host),
                "none" if external => Some(NetworkMode::None),
                _ => None,
            }
        };
        networks.retain(|network| {
            let Some(mode) = mode(network) else {
                return true;
            };
            let is_it = |attachment: &Attachment| attachment.network.value == network.name.value;
            for Service { unit, .. } in services.iter_mut() {
                let Some(at) = unit.networks.iter().position(is_it) else {
                    continue;
                };
                let attachment = unit.networks.remove(at);
                unit.settings.network_mode =
                    Some(Sourced::new(mode.clone(), attachment.network.origin));
            }
            false
        });
    }

    pub(super) fn labels(
        &mut self,
        fields: &mut Fields<'_>,
    ) -> std::collections::BTreeMap<String, Sourced<String>> {
        let Some(item) = fields.take("labels") else {
            return std::collections::BTreeMap::new();
        };
        let entries = item.entries(self.ledger);
        entries
            .into_iter()
            .map(|(name, item)| {
                let value = item
                    .text(self.ledger)
                    .unwrap_or_else(|| item.sourced(String::new()));
                (name.value, value)
            })
            .collect()
    }

    pub(super) fn leave_extensions(&mut self, fields: &mut Fields<'_>, row: &str) {
        for (key, item) in fields.take_rest(|key| key.starts_with("x-") && key != "x-cluster-spec")
        {
            let _ = key;
            self.ledger.leave(row, &item);
        }
    }
}

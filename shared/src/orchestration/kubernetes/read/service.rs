//! Services: names and ways in.

use std::collections::BTreeMap;

use super::Reader;
use super::metadata::{annotation, is_workload};
use super::pod::template_of;
use crate::orchestration::kubernetes::load::Object;
use crate::orchestration::model::{
    Metadata, Name, NameKind, NamePort, Port, PortRange, PortRef, Protocol, Publication,
    PublishMode,
};
use crate::orchestration::names;
use crate::source::{Item, Mapping, Node, Sourced};

/// A Service that waits for all units to be known.
pub(super) struct Pending {
    name: Sourced<String>,
    namespace: Option<String>,
    role: Option<String>,
    alias_networks: Option<String>,
    link_from: Option<String>,
    selector: BTreeMap<String, String>,
    has_selector: bool,
    ports: Vec<ServicePort>,
    kind: String,
    headless: Option<Sourced<bool>>,
    external: Option<String>,
    metadata: Metadata,
}

struct ServicePort {
    port: NamePort,
    node_port: Option<u16>,
}

impl Reader<'_> {
    pub(super) fn service(&mut self, object: &Object, item: &Item<'_>) {
        let Some(mut fields) = item.fields("Service", self.ledger) else {
            return;
        };
        fields.take("apiVersion");
        fields.take("kind");
        let metadata = self.metadata(&mut fields);
        let mark = |key: &str| annotation(&object.node, key).map(str::to_owned);
        let mut pending = Pending {
            name: Sourced::new(
                mark(names::ORIGINAL_NAME).unwrap_or_else(|| object.name.clone()),
                object.origin.clone(),
            ),
            namespace: object.namespace.clone(),
            role: mark(names::ROLE),
            alias_networks: mark(names::ALIAS_NETWORKS),
            link_from: mark(names::LINK_FROM),
            selector: BTreeMap::new(),
            has_selector: false,
            ports: Vec::new(),
            kind: "ClusterIP".to_owned(),
            headless: None,
            external: None,
            metadata,
        };
        if let Some(mut spec) = fields.fields("spec", "ServiceSpec", self.ledger) {
            if let Some(item) = spec.take("selector") {
                pending.has_selector = !item.node.is_null();
                for (name, item) in item.entries(self.ledger) {
                    if let Some(text) = item.text(self.ledger) {
                        pending.selector.insert(name.value, text.value);
                    }
                }
            }
            if let Some(kind) = spec.text("type", self.ledger) {
                pending.kind = kind.value;
            }
            pending.external = spec.text("externalName", self.ledger).map(|t| t.value);
            let headless = spec
                .take("clusterIP")
                .filter(|i| i.node.as_text() == Some("None"));
            match headless {
                Some(item) => {
                    pending.headless = Some(item.sourced(true));
                    // The same once more, as a server writes it.
                    let again = spec.take("clusterIPs");
                    if again.is_some_and(|list| !says_none(list.node)) {
                        spec.leave("clusterIPs", self.ledger);
                    }
                }
                None => {
                    if spec.contains("clusterIP") {
                        spec.leave("clusterIP", self.ledger);
                    }
                }
            }
            for item in spec.items("ports", self.ledger) {
                pending.ports.extend(self.service_port(&item));
            }
            spec.finish(self.ledger);
        }
        fields.finish(self.ledger);
        self.services.push(pending);
    }

    fn service_port(&mut self, item: &Item<'_>) -> Option<ServicePort> {
        let mut fields = item.fields("ServicePort", self.ledger)?;
        let port: Option<Sourced<u16>> = fields.integer("port", self.ledger);
        let target = fields.text("targetPort", self.ledger);
        let protocol = fields
            .text("protocol", self.ledger)
            .and_then(|t| Protocol::named(&t.value));
        let name = fields.text("name", self.ledger).map(|t| t.value);
        let app_protocol = fields.text("appProtocol", self.ledger).map(|t| t.value);
        let node_port: Option<Sourced<u16>> = fields.integer("nodePort", self.ledger);
        fields.finish(self.ledger);
        let port = port?;
        Some(ServicePort {
            port: NamePort {
                name,
                port: port.value,
                target: match target {
                    None => PortRef::Number(port.value),
                    Some(text) => text
                        .value
                        .parse()
                        .map_or(PortRef::Name(text.value), PortRef::Number),
                },
                protocol: protocol.unwrap_or_default(),
                app_protocol,
                origin: item.origin(),
            },
            node_port: node_port.map(|n| n.value).filter(|n| *n > 0),
        })
    }

    /// Finds the units of each Service, and turns it into a name and publications.
    pub(super) fn connect_services(&mut self, objects: &[Object]) {
        let labels = template_labels(objects);
        let mut index: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
        for (place, unit) in self.application.units.iter().enumerate() {
            let namespace = unit.namespace.as_ref().map(|n| n.value.clone());
            index
                .entry((unit.name.value.clone(), namespace))
                .or_insert(place);
        }
        for service in std::mem::take(&mut self.services) {
            let units: Vec<usize> = if service.selector.is_empty() {
                Vec::new()
            } else {
                let matches = |l: &BTreeMap<String, String>| {
                    service.selector.iter().all(|(k, v)| l.get(k) == Some(v))
                };
                labels
                    .candidates(&service.selector)
                    .filter(|(_, l)| l.namespace == service.namespace && matches(&l.labels))
                    .filter_map(|(_, l)| index.get(&(l.name.clone(), service.namespace.clone())))
                    .copied()
                    .collect()
            };
            self.connect(service, &units, objects);
        }
    }

    fn connect(&mut self, service: Pending, units: &[usize], objects: &[Object]) {
        let unit_names: Vec<String> = units
            .iter()
            .map(|i| self.application.units[*i].name.value.clone())
            .collect();
        let origin = service.name.origin.clone();
        if let Some(external) = &service.external {
            self.push_name(&service, NameKind::External(external.clone()), unit_names);
            return;
        }
        if service.has_selector && units.is_empty() {
            let message = format!(
                "the Service `{}` selects no workload of the input",
                service.name.value
            );
            self.error("service-without-workload", &origin, message);
        }
        if !service.has_selector {
            let addresses =
                endpoint_addresses(objects, &service.name.value, service.namespace.as_deref());
            // What the name says needs no word of its own.
            let used: Vec<_> = addresses.iter().map(|(object, _)| *object).collect();
            self.application.whole.retain(|whole| {
                !used
                    .iter()
                    .any(|object| object.kind == whole.kind && object.origin == whole.origin)
            });
            let addresses: Vec<_> = addresses.into_iter().map(|(_, address)| address).collect();
            self.push_name(
                &service,
                NameKind::External(addresses.join(",")),
                Vec::new(),
            );
            return;
        }
        let role = service.role.as_deref();
        if role == Some(names::ROLE_PUBLISHED) || role == Some(names::ROLE_PUBLISHED_ANY) {
            for &unit in units {
                for port in &service.ports {
                    let publication = Publication {
                        port: (role == Some(names::ROLE_PUBLISHED))
                            .then(|| PortRange::one(port.port.port)),
                        host_ip: None,
                        mode: PublishMode::Ingress,
                        service: Some(service.name.value.clone()),
                        origin: port.port.origin.clone(),
                    };
                    self.publish(unit, port, publication);
                }
            }
            return;
        }
        if matches!(service.kind.as_str(), "NodePort" | "LoadBalancer") {
            for &unit in units {
                for port in &service.ports {
                    let (number, mode) = if service.kind == "NodePort" {
                        (port.node_port, PublishMode::NodePort)
                    } else {
                        (
                            Some(port.port.port),
                            PublishMode::LoadBalancer(port.node_port),
                        )
                    };
                    let publication = Publication {
                        port: number.map(PortRange::one),
                        host_ip: None,
                        mode,
                        service: Some(service.name.value.clone()),
                        origin: port.port.origin.clone(),
                    };
                    self.publish(unit, port, publication);
                }
            }
        }
        match role {
            Some(names::ROLE_NAME) => {
                // Ports that a container only exposes are known from here alone.
                for &unit in units {
                    for port in &service.ports {
                        self.find_port(unit, port);
                    }
                }
                if service.headless.is_some() && !service.ports.is_empty() {
                    self.push_name(&service, NameKind::Unit, unit_names);
                }
            }
            Some(names::ROLE_ALIAS) => {
                let networks = service.alias_networks.clone().unwrap_or_default();
                for &unit in units {
                    let own = self.application.units[unit].name.value.clone();
                    for entry in networks.split(',').filter(|n| !n.is_empty()) {
                        let network = match entry.split_once('/') {
                            Some((for_unit, network)) if for_unit == own => network,
                            Some(_) => continue,
                            None => entry,
                        };
                        self.alias(unit, network, &service.name);
                    }
                }
            }
            Some(names::ROLE_CONTAINER_NAME) => {
                for &unit in units {
                    self.application.units[unit].settings.instance_name =
                        Some(service.name.clone());
                }
            }
            Some(names::ROLE_LINK) => {
                let from = service.link_from.clone().unwrap_or_default();
                self.push_name(&service, NameKind::Link { from }, unit_names);
            }
            _ => self.push_name(&service, NameKind::Service, unit_names),
        }
    }

    fn push_name(&mut self, service: &Pending, kind: NameKind, units: Vec<String>) {
        self.application.names.push(Name {
            name: service.name.clone(),
            namespace: service
                .namespace
                .clone()
                .map(|n| Sourced::new(n, service.name.origin.clone())),
            kind,
            units,
            ports: service.ports.iter().map(|p| p.port.clone()).collect(),
            headless: service.headless.clone(),
            metadata: service.metadata.clone(),
            origin: service.name.origin.clone(),
        });
    }

    fn alias(&mut self, unit: usize, network: &str, alias: &Sourced<String>) {
        let unit = &mut self.application.units[unit];
        match unit
            .networks
            .iter_mut()
            .find(|a| a.network.value == network)
        {
            Some(attachment) => attachment.aliases.push(alias.clone()),
            None => unit.networks.push(crate::orchestration::model::Attachment {
                network: Sourced::new(network.to_owned(), alias.origin.clone()),
                aliases: vec![alias.clone()],
            }),
        }
    }

    fn publish(&mut self, unit: usize, port: &ServicePort, publication: Publication) {
        if let Some((container, index)) = self.find_port(unit, port) {
            self.application.units[unit].containers[container].ports[index]
                .published
                .push(publication);
        }
    }

    /// The container port that a Service port leads to; one that no container declares is added to the main one.
    fn find_port(&mut self, unit: usize, port: &ServicePort) -> Option<(usize, usize)> {
        let containers = &mut self.application.units[unit].containers;
        for (c, container) in containers.iter().enumerate() {
            let found = container
                .ports
                .iter()
                .position(|p| match &port.port.target {
                    PortRef::Number(number) => {
                        p.target == *number && p.transport() == port.port.protocol
                    }
                    PortRef::Name(name) => p.name.as_ref().is_some_and(|n| n.value == *name),
                });
            if let Some(index) = found {
                return Some((c, index));
            }
        }
        let PortRef::Number(number) = port.port.target else {
            let PortRef::Name(name) = &port.port.target else {
                return None;
            };
            let message = format!("no container has a port called `{name}`");
            self.error("port-name-unknown", &port.port.origin, message);
            return None;
        };
        if number == 0 {
            return None;
        }
        let main = containers.first_mut()?;
        main.ports.push(Port {
            target: number,
            protocol: (port.port.protocol != Protocol::Tcp)
                .then(|| Sourced::new(port.port.protocol, port.port.origin.clone())),
            name: None,
            app_protocol: None,
            published: Vec::new(),
            origin: port.port.origin.clone(),
        });
        Some((0, main.ports.len() - 1))
    }
}

/// Labels of the Pods of each workload, found by one of their labels.
struct TemplateLabels {
    all: Vec<Template>,
    by_label: BTreeMap<(String, String), Vec<usize>>,
}

struct Template {
    name: String,
    namespace: Option<String>,
    labels: BTreeMap<String, String>,
}

fn template_labels(objects: &[Object]) -> TemplateLabels {
    let mut index = TemplateLabels {
        all: Vec::new(),
        by_label: BTreeMap::new(),
    };
    for object in objects.iter().filter(|o| is_workload(&o.kind)) {
        let labels = template_of(&object.node)
            .and_then(|t| super::metadata::mapping(t, "metadata"))
            .and_then(|m| m.get("labels"))
            .and_then(Node::as_mapping);
        let labels: BTreeMap<String, String> = labels
            .into_iter()
            .flat_map(Mapping::iter)
            .filter_map(|(k, e)| Some((k.to_owned(), e.node.as_text()?.to_owned())))
            .collect();
        for (key, value) in &labels {
            index
                .by_label
                .entry((key.clone(), value.clone()))
                .or_default()
                .push(index.all.len());
        }
        index.all.push(Template {
            name: annotation(&object.node, names::ORIGINAL_NAME)
                .unwrap_or(&object.name)
                .to_owned(),
            namespace: object.namespace.clone(),
            labels,
        });
    }
    index
}

impl TemplateLabels {
    /// Workloads that have the rarest label of a selector.
    fn candidates(
        &self,
        selector: &BTreeMap<String, String>,
    ) -> impl Iterator<Item = (usize, &Template)> {
        let rarest = selector
            .iter()
            .map(|(k, v)| {
                self.by_label
                    .get(&(k.clone(), v.clone()))
                    .map_or(&[][..], Vec::as_slice)
            })
            .min_by_key(|list| list.len())
            .unwrap_or_default();
        rarest.iter().map(|i| (*i, &self.all[*i]))
    }
}

/// Addresses behind a Service that selects nothing, each with the object that has it.
fn endpoint_addresses<'o>(
    objects: &'o [Object],
    name: &str,
    namespace: Option<&str>,
) -> Vec<(&'o Object, String)> {
    let list = |node: Option<&'o Node>| node.and_then(Node::as_sequence).unwrap_or_default();
    let key = |node: &'o Node, key: &str| node.as_mapping().and_then(|m| m.get(key));
    let mut addresses = Vec::new();
    for object in objects
        .iter()
        .filter(|o| o.namespace.as_deref() == namespace)
    {
        let slice = object.kind == "EndpointSlice"
            && super::metadata::mapping(&object.node, "metadata")
                .and_then(|m| m.get("labels"))
                .and_then(Node::as_mapping)
                .and_then(|l| l.get("kubernetes.io/service-name"))
                .and_then(Node::as_text)
                == Some(name);
        if slice {
            for endpoint in list(key(&object.node, "endpoints")) {
                let texts = list(key(endpoint, "addresses")).iter();
                let texts = texts.filter_map(Node::as_text);
                addresses.extend(texts.map(|text| (object, text.to_owned())));
            }
        } else if object.kind == "Endpoints" && object.name == name {
            for subset in list(key(&object.node, "subsets")) {
                for address in list(key(subset, "addresses")) {
                    let ip = key(address, "ip").and_then(Node::as_text);
                    addresses.extend(ip.map(|ip| (object, ip.to_owned())));
                }
            }
        }
    }
    addresses
}

/// Whether a list of addresses says that there is none.
fn says_none(list: &Node) -> bool {
    let items = list.as_sequence().unwrap_or_default();
    !items.is_empty() && items.iter().all(|item| item.as_text() == Some("None"))
}

//! Names under which services are reached: aliases, container names, links.

use std::collections::HashSet;
use std::net::IpAddr;

use super::plan::runs_on;
use super::writer::Writer;
use crate::orchestration::model::{
    Application, Container, EnvValue, MountSource, Name, NameKind, NamePort, NetworkMode, PortRef,
    Unit, UnitKind,
};
use crate::source::Origin;

/// How a unit is reached beside its own key.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Aliases of its services.
    pub(super) aliases: Vec<Alias>,
    /// A fixed container name.
    pub(super) container_name: Option<String>,
    /// Links that it has to others: key of the other service and alias.
    pub(super) links: Vec<(String, String)>,
    /// `endpoint_mode`, if something is said of it.
    pub(super) endpoint: Option<Endpoint>,
    /// Whether a Service leads to it, be it under its own key.
    pub(super) service: bool,
}

/// A name for an address outside of the application.
#[derive(Debug)]
pub(super) struct Outside<'a> {
    /// The name.
    pub(super) name: String,
    /// Namespace in which it holds.
    pub(super) namespace: Option<&'a str>,
    /// The address.
    pub(super) address: String,
}

/// An alias of one of the services of a unit.
#[derive(Debug)]
pub(super) struct Alias {
    /// The alias.
    pub(super) name: String,
    /// Networks; empty means all that the unit takes part in.
    pub(super) networks: Vec<String>,
    /// Container whose service has it.
    pub(super) container: usize,
}

/// How the name of a service resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// To one address.
    Vip,
    /// To the instances.
    Instances,
}

/// Containers of a unit that listen on one of some ports.
pub(super) fn listeners(unit: &Unit, ports: &[NamePort]) -> Vec<usize> {
    let listens = |container: &Container| {
        container.ports.iter().any(|port| {
            ports.iter().any(|wanted| match &wanted.target {
                PortRef::Number(number) => *number == port.target,
                PortRef::Name(name) => port.name.as_ref().is_some_and(|n| n.value == *name),
            })
        })
    };
    unit.containers
        .iter()
        .enumerate()
        .filter(|(_, container)| runs_on(container) && listens(container))
        .map(|(index, _)| index)
        .collect()
}

/// The namespace of objects that name none, unless `kubectl` is told another one.
const DEFAULT_NAMESPACE: &str = "default";

/// Whether something asks for names with the namespace `default`: a text that has it, or a container that is told its
/// namespace and can put such a name together.
pub(super) fn names_default(app: &Application) -> bool {
    let with_default = |text: &str| {
        text.match_indices(".default").any(|(at, found)| {
            let rest = &text[at + found.len()..];
            let before = text[..at].chars().next_back();
            before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, ')' | '}'))
                && (rest.starts_with(".svc")
                    || !rest.starts_with(|c: char| {
                        c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
                    }))
        })
    };
    let is_namespace =
        |value: &EnvValue| matches!(value, EnvValue::Field(field) if field == "metadata.namespace");
    let field = |source: &MountSource| match source {
        MountSource::Fields(files) => files.iter().any(|file| is_namespace(&file.value)),
        _ => false,
    };
    let mut containers = app.units.iter().flat_map(|unit| &unit.containers);
    app.texts().any(with_default)
        || containers.any(|container| {
            container.environment.iter().any(|v| is_namespace(&v.value))
                || container.mounts.iter().any(|mount| match &mount.source {
                    MountSource::Projected(sources) => sources.iter().any(field),
                    source => field(source),
                })
        })
}

impl<'a> Writer<'a> {
    /// The namespace that names are built with.
    pub(super) fn space_of_names<'s>(&self, namespace: Option<&'s str>) -> Option<&'s str> {
        namespace.or(self.named_default.then_some(DEFAULT_NAMESPACE))
    }

    /// Finds out which names lead to which services.
    pub(super) fn resolve_names(&mut self) {
        self.reach = self.app.units.iter().map(|_| Reach::default()).collect();
        let app = self.app;
        for name in &app.names {
            self.resolve_name(name);
        }
        for index in 0..app.units.len() {
            self.name_instances(index);
        }
    }

    fn resolve_name(&mut self, name: &'a Name) {
        let Name {
            name: text,
            namespace,
            kind,
            units,
            ports,
            headless,
            metadata,
            origin,
        } = name;
        let label = text.value.as_str();
        let space = namespace.as_ref().map(|n| n.value.as_str());
        let mut found = Vec::new();
        for unit in units {
            let indexes = self.plan.find(self.app, unit, space);
            if indexes.is_empty() {
                self.note(
                    "name-without-service",
                    origin,
                    format!("`{label}` leads to `{unit}`, which is not there"),
                );
            }
            found.extend(indexes);
        }
        found.sort_unstable();
        found.dedup();
        let first = found.first().copied();

        let keys: Vec<_> = metadata
            .labels
            .keys()
            .chain(metadata.annotations.keys())
            .cloned()
            .collect();
        let keys: Vec<_> = keys
            .into_iter()
            .filter(|key| !key.starts_with(crate::orchestration::names::DOMAIN))
            .collect();
        if !keys.is_empty() && *kind == NameKind::Service {
            let message = format!(
                "labels and annotations of Service `{label}` have no place: {}",
                list(&keys)
            );
            self.note("name-metadata", origin, message);
        }

        match kind {
            NameKind::External(target) => {
                self.name_outside(label, space, target, origin);
                return;
            }
            NameKind::Link { from } => {
                let Some(target) = first else { return };
                let key = self
                    .plan
                    .units
                    .get(target)
                    .map(|p| p.key().to_owned())
                    .unwrap_or_default();
                if self.is_swarm() {
                    self.add_alias(target, label, &[]);
                    let message = format!(
                        "the link `{label}` of `{from}` becomes an alias that all services see"
                    );
                    self.note("link-as-alias", origin, message);
                } else {
                    for index in self.plan.find(self.app, from, space) {
                        if let Some(reach) = self.reach.get_mut(index) {
                            reach.links.push((key.clone(), label.to_owned()));
                        }
                    }
                }
                return;
            }
            NameKind::ContainerName => {
                if let Some(target) = first {
                    if self.is_swarm() {
                        self.add_alias(target, label, &[]);
                        let message = format!("the container name `{label}` becomes an alias");
                        self.note("container-name-as-alias", origin, message);
                    } else if let Some(reach) = self.reach.get_mut(target) {
                        reach.container_name = Some(label.to_owned());
                    }
                }
                return;
            }
            NameKind::Alias { networks } => {
                for index in &found {
                    self.add_alias(*index, label, networks);
                }
                return;
            }
            NameKind::Unit | NameKind::Service => {}
        }

        let headless_value = headless.as_ref().is_some_and(|h| h.value);
        self.note_ports(label, ports, &found, origin);
        for index in found {
            if *kind == NameKind::Service {
                self.add_service_name(index, label, space, ports, origin);
                self.set_endpoint(index, label, headless_value, origin);
            } else if let Some(headless) = headless {
                self.set_endpoint(index, label, headless.value, &headless.origin);
                if !headless.value
                    && let Some(reach) = self.reach.get_mut(index)
                {
                    reach.endpoint.get_or_insert(Endpoint::Vip);
                }
            }
        }
    }

    /// A name for what is outside of the application.
    fn name_outside(&mut self, label: &str, space: Option<&'a str>, target: &str, origin: &Origin) {
        if target.is_empty() {
            let message = format!("`{label}` selects nothing, and no addresses are given for it");
            self.note("external-name", origin, message);
            return;
        }
        let addresses: Vec<&str> = target.split(',').collect();
        if !addresses.iter().all(|a| a.parse::<IpAddr>().is_ok()) {
            let message =
                format!("`{label}` leads to `{target}`, which is outside of the application");
            self.note("external-name", origin, message);
            return;
        }
        let message = format!("`{label}` leads to {} by `/etc/hosts`", list(&addresses));
        self.note("manual-endpoints", origin, message);
        for address in addresses {
            let mut names = vec![label.to_owned()];
            if let Some(space) = self.space_of_names(space) {
                names.extend(with_namespace(label, space));
            }
            let named = |name| Outside {
                name,
                namespace: space,
                address: address.to_owned(),
            };
            self.outside.extend(names.into_iter().map(named));
        }
    }

    /// A Kubernetes Service: its name, with and without the namespace.
    fn add_service_name(
        &mut self,
        index: usize,
        label: &str,
        space: Option<&str>,
        ports: &[NamePort],
        origin: &Origin,
    ) {
        if let Some(reach) = self.reach.get_mut(index) {
            reach.service = true;
        }
        let owners = self.owners(index, ports);
        if let (Some(instance), true) = (
            self.plan.units.get(index).and_then(|p| p.instances.first()),
            owners.len() > 1,
        ) {
            let keys: Vec<_> = owners.iter().map(|owner| instance.key(*owner)).collect();
            let message = format!(
                "`{label}` leads to {} in turn, each of which answers on its own ports only",
                list(&keys)
            );
            self.note("name-of-several-services", origin, message);
        }
        for container in owners {
            let Some(key) = self.plan.units.get(index).map(|p| {
                let main = p.instances.first();
                main.map_or_else(String::new, |i| i.key(container).to_owned())
            }) else {
                continue;
            };
            let unrolled = self
                .plan
                .units
                .get(index)
                .is_some_and(|p| p.instances.len() > 1);
            if key != label || unrolled {
                self.push_alias(index, label, &[], container);
            }
            if let Some(space) = self.space_of_names(space) {
                for name in with_namespace(label, space) {
                    self.push_alias(index, &name, &[], container);
                }
            }
        }
    }

    /// Containers whose services answer for some ports. In Compose, all share the main container's network.
    fn owners(&self, index: usize, ports: &[NamePort]) -> Vec<usize> {
        let main = self.plan.units.get(index).map_or(0, |p| p.main);
        let Some(unit) = self.app.units.get(index) else {
            return vec![main];
        };
        if !self.is_swarm() || unit.containers.len() < 2 {
            return vec![main];
        }
        let owners = listeners(unit, ports);
        if owners.is_empty() {
            vec![main]
        } else {
            owners
        }
    }

    fn add_alias(&mut self, index: usize, name: &str, networks: &[String]) {
        let main = self.plan.units.get(index).map_or(0, |p| p.main);
        self.push_alias(index, name, networks, main);
    }

    fn push_alias(&mut self, index: usize, name: &str, networks: &[String], container: usize) {
        if let Some(reach) = self.reach.get_mut(index) {
            reach.aliases.push(Alias {
                name: name.to_owned(),
                networks: networks.to_vec(),
                container,
            });
        }
    }

    /// Headless names resolve to the instances: always in Compose, by choice in Swarm.
    fn set_endpoint(&mut self, index: usize, label: &str, headless: bool, origin: &Origin) {
        let swarm = self.is_swarm();
        let Some(reach) = self.reach.get_mut(index) else {
            return;
        };
        let wanted = if headless {
            Endpoint::Instances
        } else {
            Endpoint::Vip
        };
        match reach.endpoint {
            // An ordinary Service needs no word: one address is the default of Swarm, and Compose has no choice.
            None if headless
                && (swarm
                    || self.app.dialect != crate::orchestration::model::Dialect::Kubernetes) =>
            {
                reach.endpoint = Some(wanted);
            }
            Some(before) if before != wanted && swarm => {
                reach.endpoint = Some(Endpoint::Vip);
                let message = format!(
                    "`{label}` and another name of this service differ in being headless; both get one address"
                );
                self.note("endpoint-mode-mixed", origin, message);
            }
            _ => {}
        }
    }

    /// Ports under a name: they have to be the container's own, for nothing translates between them.
    fn note_ports(&mut self, label: &str, ports: &[NamePort], found: &[usize], origin: &Origin) {
        let without_network = |index: &usize| {
            let unit = self.app.units.get(*index);
            let mode = unit.and_then(|unit| unit.settings.network_mode.as_ref());
            mode.is_some_and(|m| matches!(m.value, NetworkMode::Host | NetworkMode::None))
        };
        let answers = !found.iter().all(without_network);
        let mut plain = Vec::new();
        for port in ports {
            let NamePort {
                name,
                port: number,
                target,
                protocol,
                app_protocol,
                origin,
            } = port;
            let resolved = match target {
                PortRef::Number(number) => Some(*number),
                PortRef::Name(wanted) => found
                    .iter()
                    .find_map(|index| self.port_by_name(*index, wanted)),
            };
            match resolved {
                Some(resolved) if resolved != *number && answers => {
                    let message = format!(
                        "`{label}:{number}` does not answer: the container listens on {resolved}, and clients have to use `{label}:{resolved}`"
                    );
                    self.note("service-port-differs", origin, message);
                }
                Some(_) => {}
                None if found.is_empty() => {}
                None => {
                    let PortRef::Name(wanted) = target else {
                        continue;
                    };
                    let message =
                        format!("no container behind `{label}` has a port named `{wanted}`");
                    self.note("port-name-unknown", origin, message);
                }
            }
            let mut text = format!("{number}/{}", protocol.as_str());
            for extra in [name, app_protocol].into_iter().flatten() {
                text.push(' ');
                text.push_str(extra);
            }
            plain.push(text);
        }
        if !plain.is_empty() {
            let message = if answers {
                format!(
                    "`{label}` answers on every port of its containers, not only on {}",
                    list(&plain)
                )
            } else {
                format!("`{label}` answers nowhere, on none of {}", list(&plain))
            };
            self.note("name-has-all-ports", origin, message);
        }
    }

    /// Number of a container port by its name.
    pub(super) fn port_by_name(&self, index: usize, name: &str) -> Option<u16> {
        let unit = self.app.units.get(index)?;
        unit.containers
            .iter()
            .flat_map(|container| &container.ports)
            .find(|port| port.name.as_ref().is_some_and(|n| n.value == name))
            .map(|port| port.target)
    }

    /// Names of the instances of a StatefulSet.
    fn name_instances(&mut self, index: usize) {
        let app = self.app;
        let Some(unit) = app.units.get(index) else {
            return;
        };
        let UnitKind::Stateful(settings) = &unit.kind else {
            return;
        };
        let Some(service) = settings
            .service_name
            .as_ref()
            .filter(|s| !s.value.is_empty())
        else {
            return;
        };
        let planned = self.plan.units.get(index);
        let unrolled =
            planned.is_some_and(|p| p.instances.first().is_some_and(|i| i.ordinal.is_some()));
        if unrolled {
            // Each instance gets its names where its service is written.
            return;
        }
        if unit.replicas.as_ref().map_or(1, |r| r.value) > 1 {
            let message = format!(
                "the instances of `{}` have no names of their own such as `{}-0.{}`",
                unit.name.value, unit.name.value, service.value
            );
            self.note("replica-identity", &service.origin, message);
            return;
        }
        let first = settings.first_ordinal.as_ref().map_or(0, |o| o.value);
        let space = self.space_of_names(unit.namespace.as_ref().map(|n| n.value.as_str()));
        for name in instance_names(&unit.name.value, first, &service.value, space) {
            self.add_alias(index, &name, &[]);
        }
    }

    /// Aliases of a service in one network, without doubles and without its own key.
    pub(super) fn aliases_in(
        &self,
        index: usize,
        container: usize,
        network: &str,
        key: &str,
    ) -> Vec<String> {
        let Some(reach) = self.reach.get(index) else {
            return Vec::new();
        };
        let mut seen = HashSet::new();
        reach
            .aliases
            .iter()
            .filter(|alias| alias.container == container)
            .filter(|alias| {
                alias.networks.is_empty() || alias.networks.iter().any(|n| n == network)
            })
            .map(|alias| alias.name.clone())
            .filter(|name| name != key && seen.insert(name.clone()))
            .collect()
    }
}

/// The DNS names of one instance of a StatefulSet.
pub(super) fn instance_names(
    unit: &str,
    ordinal: u32,
    service: &str,
    namespace: Option<&str>,
) -> Vec<String> {
    let base = format!("{unit}-{ordinal}.{service}");
    let mut names = vec![base.clone()];
    if let Some(space) = namespace {
        names.extend(with_namespace(&base, space));
    }
    names
}

/// A name with its namespace, in the three forms that a cluster's DNS answers.
fn with_namespace(name: &str, space: &str) -> impl Iterator<Item = String> {
    let full = format!("{name}.{space}");
    ["", ".svc", ".svc.cluster.local"]
        .into_iter()
        .map(move |suffix| format!("{full}{suffix}"))
}

/// Items as text: `a`, `b`.
pub(super) fn list<S: AsRef<str>>(items: &[S]) -> String {
    items
        .iter()
        .map(|item| format!("`{}`", item.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

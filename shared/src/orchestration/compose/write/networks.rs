//! Networks.

use std::collections::HashMap;

use serde_json::Value;

use super::document::{Map, put, put_list, put_map, unique};
use super::keys::{Keys, legal};
use super::names::{instance_names, list};
use super::plan::runs_on;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{
    Application, Attachment, NameKind, Network, NetworkMode, UnitKind,
};
use crate::orchestration::names::DOMAIN;
use crate::source::Origin;

/// The network that Compose makes for services that name none.
const DEFAULT: &str = "default";

/// The networks of the document.
#[derive(Debug, Default)]
pub(super) struct Networks {
    keys: Keys,
    by_name: HashMap<String, String>,
    extra: Vec<(String, Map)>,
}

impl Networks {
    /// The networks that the model lists.
    pub(super) fn new(app: &Application) -> Self {
        let mut networks = Self::default();
        for network in &app.networks {
            networks.key(&network.name.value);
        }
        networks
    }

    /// The key of a network; a new name gets one.
    fn key(&mut self, name: &str) -> String {
        if let Some(key) = self.by_name.get(name) {
            return key.clone();
        }
        let key = self.keys.give(&[legal(name)]);
        self.by_name.insert(name.to_owned(), key.clone());
        key
    }

    /// The key of a network that has to be in the document, with what it says if the model does not list it.
    fn ensure(&mut self, name: &str, map: impl FnOnce() -> Map) -> String {
        let known = self.by_name.contains_key(name);
        let key = self.key(name);
        if !known && name != DEFAULT {
            self.extra.push((key.clone(), map()));
        }
        key
    }
}

impl<'a> Writer<'a> {
    /// `network_mode`, `networks`, `ports`, `expose`.
    pub(super) fn write_networking(&mut self, site: &Site<'a>, service: &mut Map) {
        self.write_ports(site, service);
        if self.joins(site) {
            put(
                service,
                "network_mode",
                format!("service:{}", site.main_key()),
            );
            return;
        }
        if let Some(mode) = &site.unit.settings.network_mode
            && self.write_network_mode(site, &mode.value, &mode.origin, service)
        {
            return;
        }
        let mut networks = Map::new();
        let answers = runs_on(site.container);
        for Attachment { network, aliases } in &site.unit.networks {
            let name = network.value.as_str();
            let key = self.networks.ensure(name, Map::new);
            let mut names = Vec::new();
            if answers {
                if site.is_main() {
                    names.extend(aliases.iter().map(|a| a.value.clone()));
                }
                names.extend(self.names_of(site, name));
            }
            networks.insert(key, alias_map(names));
        }
        if networks.is_empty() && answers {
            let names = self.names_of(site, DEFAULT);
            if !names.is_empty() {
                let key = self.networks.ensure(DEFAULT, Map::new);
                networks.insert(key, alias_map(names));
            }
        }
        put_map(service, "networks", networks);
    }

    /// All names of a service in one network.
    fn names_of(&self, site: &Site<'a>, network: &str) -> Vec<String> {
        let mut names = self.aliases_in(site.index, site.at, network, site.key());
        if let (UnitKind::Stateful(settings), Some(ordinal), true) =
            (&site.unit.kind, site.instance.ordinal, site.is_main())
        {
            let unit = &site.unit.name.value;
            if let Some(service) = settings
                .service_name
                .as_ref()
                .filter(|s| !s.value.is_empty())
            {
                let space = self.space_of_names(site.namespace());
                names.extend(instance_names(unit, ordinal, &service.value, space));
            }
        }
        names
    }

    /// Writes a network mode; false if the ordinary networks are used after all.
    fn write_network_mode(
        &mut self,
        site: &Site<'a>,
        mode: &NetworkMode,
        origin: &Origin,
        service: &mut Map,
    ) -> bool {
        let swarm = self.is_swarm();
        let key = site.key();
        let reach = self.reach.get(site.index);
        let unreached = matches!(mode, NetworkMode::Host | NetworkMode::None)
            && reach.is_some_and(|reach| reach.service || !reach.aliases.is_empty());
        if unreached && site.is_main() {
            let message =
                format!("no name leads to `{key}`: it takes part in no network of the application");
            self.note(
                if swarm {
                    "host-network-in-swarm"
                } else {
                    "name-without-network"
                },
                origin,
                message,
            );
        }
        if *mode == NetworkMode::Host && site.is_main() && site.is_first() {
            self.note_names_from_host(site);
        }
        if !swarm {
            let word = match mode {
                NetworkMode::Host => "host",
                NetworkMode::None => "none",
                NetworkMode::Bridge => "bridge",
                NetworkMode::Other(other) => other,
            };
            put(service, "network_mode", word);
            return true;
        }
        // A stack ignores `network_mode`, but takes part in the engine's own networks by name.
        let real = match mode {
            NetworkMode::Host => "host",
            NetworkMode::None => "none",
            NetworkMode::Bridge | NetworkMode::Other(_) => {
                let word = match mode {
                    NetworkMode::Other(other) => other,
                    _ => "bridge",
                };
                let message = format!("the network mode `{word}` of `{key}` has no key in a stack");
                self.note("network-mode-not-in-stack", origin, message);
                return false;
            }
        };
        let name = self.networks.ensure(&format!("{real}net"), || {
            let mut map = Map::new();
            put(&mut map, "name", real);
            put(&mut map, "external", true);
            map
        });
        let mut networks = Map::new();
        networks.insert(name, Value::Null);
        put_map(service, "networks", networks);
        true
    }

    /// A container on the network of the host asks the host's own name server.
    fn note_names_from_host(&mut self, site: &Site<'a>) {
        let Some(asked) = &site.unit.settings.dns_on_host else {
            return;
        };
        let names = self.app.names.iter();
        let names: Vec<_> = names
            .filter(|name| name.kind == NameKind::Service)
            .filter(|name| !name.units.contains(&site.unit.name.value))
            .map(|name| name.name.value.as_str())
            .collect();
        if asked.value && !names.is_empty() {
            let shown = names.get(..3).unwrap_or(&names);
            let more = names.len() - shown.len();
            let message = format!(
                "`{}` is on the network of the host, where {}{} do not resolve",
                site.key(),
                list(shown),
                if more > 0 {
                    format!(" and {more} more names")
                } else {
                    String::new()
                }
            );
            self.note("names-from-host-network", &asked.origin, message);
        }
    }

    /// Top-level `networks`.
    pub(super) fn write_networks(&mut self) -> Map {
        let app = self.app;
        let mut networks = Map::new();
        for network in &app.networks {
            let Network {
                name,
                real_name,
                external,
                internal,
                metadata,
                origin,
            } = network;
            let key = self.networks.key(&name.value);
            if key != name.value {
                self.note(
                    "network-renamed",
                    &name.origin,
                    format!("network `{}` is written as `{key}`", name.value),
                );
            }
            let mut map = Map::new();
            if let Some(real) = real_name {
                put(&mut map, "name", real.value.clone());
            }
            let outside = external.as_ref().is_some_and(|e| e.value);
            if let Some(external) = external {
                put(&mut map, "external", external.value);
            }
            let mut labels = Map::new();
            for (key, value) in metadata.labels.iter().chain(&metadata.annotations) {
                if !key.starts_with(DOMAIN) {
                    put(&mut labels, key, value.value.clone());
                }
            }
            if outside && (internal.is_some() || !labels.is_empty()) {
                let message = format!(
                    "network `{}` exists already; what is said of it is left out",
                    name.value
                );
                self.note("external-detail", origin, message);
            } else {
                if let Some(internal) = internal {
                    put(&mut map, "internal", internal.value);
                }
                put_map(&mut map, "labels", labels);
            }
            networks.insert(key, Value::Object(map));
        }
        for (key, map) in std::mem::take(&mut self.networks.extra) {
            networks.insert(key, Value::Object(map));
        }
        networks
    }
}

/// A service's part in a network.
fn alias_map(names: Vec<String>) -> Value {
    if names.is_empty() {
        return Value::Null;
    }
    let mut map = Map::new();
    put_list(&mut map, "aliases", unique(names));
    Value::Object(map)
}

//! One service.

use std::time::Duration;

use super::Reader;
use crate::orchestration::model::{
    Attachment, Build, Container, Dependency, DependencyCondition, DeviceRequest, HostAlias,
    IpcMode, Name, NameKind, NetworkMode, PidMode, PullPolicy, Role, Unit,
};
use crate::orchestration::quantity::duration_from_compose;
use crate::source::{Fields, Item, Node, Sourced};

/// What would have a home in the model, but has no effect in a stack (docker/cli `UnsupportedProperties`).
const IGNORED_BY_STACKS: [&str; 9] = [
    "domainname",
    "ipc",
    "links",
    "network_mode",
    "pid",
    "privileged",
    "security_opt",
    "shm_size",
    "userns_mode",
];

/// Whether `deploy.restart_policy` has a condition.
fn restarts_by_deploy(service: &Node) -> bool {
    service
        .below(&["deploy", "restart_policy", "condition"])
        .is_some_and(|node| !node.is_null())
}

/// A service before services that share namespaces are put together.
pub(super) struct Service {
    /// The unit with its one main container.
    pub(super) unit: Unit,
    /// The service whose namespaces it joins.
    pub(super) joins: Option<Sourced<String>>,
    /// It joins for other namespaces only and keeps its own network, with its names and ports.
    pub(super) keeps_network: bool,
    /// Services whose mounts it takes over, and whether read-only.
    pub(super) volumes_from: Vec<Sourced<(String, Option<bool>)>>,
}

impl Reader<'_> {
    /// Reads one service; names beside its own go into `names`.
    pub(super) fn service(
        &mut self,
        name: Sourced<String>,
        item: &Item<'_>,
        names: &mut Vec<Name>,
    ) -> Option<Service> {
        let heeded = self.heeded_by_a_stack(item);
        let heeded = heeded.as_ref().map(|node| Item {
            node,
            path: item.path.clone(),
        });
        let item = heeded.as_ref().unwrap_or(item);
        let mut fields = item.fields("services.*", self.ledger)?;
        let mut unit = Unit::new(name.clone());
        let mut container = Container::new(name.clone(), Role::Main);
        unit.origin = item.origin();
        container.origin = item.origin();
        let mut joins = None;
        self.image(&mut fields, &mut container);
        self.process(&mut fields, &mut unit, &mut container);
        self.restart(&mut fields, &mut unit, restarts_by_deploy(item.node));
        self.dependencies(&mut fields, &mut unit);
        self.sharing(&mut fields, &mut unit, &mut joins);
        self.attachments(&mut fields, &mut unit);
        self.ports(&mut fields, &mut container);
        self.links(&mut fields, &mut unit, names);
        self.dns(&mut fields, &mut unit);
        let volumes_from = self.volumes_from(&mut fields, &mut unit);
        self.mounts(&mut fields, &mut container);
        self.health(&mut fields, &mut container);
        self.security(&mut fields, &mut unit, &mut container);
        self.resources(&mut fields, &mut container);
        self.deploy(&mut fields, &mut unit, &mut container, names);
        let hooks = self.hooks(&mut fields, &name, &mut container);
        for (_, item) in fields.take_rest(|key| key.starts_with("x-")) {
            self.ledger.leave("services.*.x-*", &item);
        }
        fields.finish(self.ledger);
        unit.containers.push(container);
        unit.containers.extend(hooks);
        let mode = item
            .node
            .as_mapping()
            .and_then(|map| map.get("network_mode"));
        let mode = mode.and_then(Node::as_text);
        let keeps_network = mode.is_none_or(|mode| matches!(mode, "" | "bridge" | "default"));
        Some(Service {
            unit,
            joins,
            keeps_network,
            volumes_from,
        })
    }

    /// The service without the keys that `docker stack deploy` takes no notice of, since they say nothing of what ran;
    /// `None` where there are none.
    fn heeded_by_a_stack(&mut self, item: &Item<'_>) -> Option<Node> {
        let map = item.node.as_mapping().filter(|_| self.swarm())?;
        let ignored = IGNORED_BY_STACKS
            .iter()
            .filter_map(|key| Some((*key, map.get(key).filter(|node| !node.is_null())?)));
        let ignored: Vec<_> = ignored.collect();
        if ignored.is_empty() {
            return None;
        }
        let mut heeded = map.clone();
        for (key, node) in ignored {
            let path = item.path.key(key);
            self.ledger
                .leave(format!("services.*.{key}"), &Item { node, path });
            heeded.remove(key);
        }
        Some(Node::mapping(heeded, item.node.at))
    }

    fn image(&mut self, fields: &mut Fields<'_>, container: &mut Container) {
        container.image = fields.text("image", self.ledger);
        if let Some(item) = fields.take("build")
            && let Some(mut build) = item.fields("services.*.build", self.ledger)
        {
            let mut text = |key: &str| build.text(key, self.ledger).map(|t| t.value);
            container.build = Some(Build {
                context: text("context"),
                dockerfile: text("dockerfile"),
                target: text("target"),
                origin: item.origin(),
            });
            build.finish(self.ledger);
        }
        container.pull = fields.text("pull_policy", self.ledger).and_then(|text| {
            let policy = match text.value.as_str() {
                "always" => PullPolicy::Always,
                "missing" | "if_not_present" => PullPolicy::Missing,
                "never" => PullPolicy::Never,
                "build" => PullPolicy::Build,
                other
                    if matches!(other, "refresh" | "daily" | "weekly")
                        || other.starts_with("every_") =>
                {
                    PullPolicy::Refresh(other.to_owned())
                }
                other => {
                    let message = format!(
                        "`{other}` is not a pull policy; it is always, missing, never or build"
                    );
                    self.error("bad-value", &text.origin, message);
                    return None;
                }
            };
            Some(Sourced::new(policy, text.origin))
        });
        container.platform = fields.text("platform", self.ledger);
    }

    fn dependencies(&mut self, fields: &mut Fields<'_>, unit: &mut Unit) {
        let Some(item) = fields.take("depends_on") else {
            return;
        };
        for (name, item) in item.entries(self.ledger) {
            let Some(mut fields) = item.fields("services.*.depends_on.*", self.ledger) else {
                continue;
            };
            let condition = fields.text("condition", self.ledger);
            let condition = match condition.as_ref().map(|c| c.value.as_str()) {
                Some("service_healthy") => DependencyCondition::Healthy,
                Some("service_completed_successfully") => DependencyCondition::Completed,
                _ => DependencyCondition::Started,
            };
            unit.dependencies.push(Dependency {
                unit: Sourced::new(name.value, item.origin()),
                condition,
                implicit: false,
                restart: fields.boolean("restart", self.ledger),
                required: fields.boolean("required", self.ledger),
            });
            fields.finish(self.ledger);
        }
    }

    /// Whose namespaces it uses.
    fn sharing(
        &mut self,
        fields: &mut Fields<'_>,
        unit: &mut Unit,
        joins: &mut Option<Sourced<String>>,
    ) {
        let mode_of = |reader: &mut Self, fields: &mut Fields<'_>, key: &str| {
            let text = fields.text(key, reader.ledger)?;
            let service = reader.shared_with(&text.value);
            Some((text, service))
        };
        let settings = &mut unit.settings;
        let mut join = |text: &Sourced<String>, service: &str| {
            let same = joins
                .as_ref()
                .is_none_or(|j: &Sourced<String>| j.value == service);
            if same {
                *joins = Some(Sourced::new(service.to_owned(), text.origin.clone()));
            }
            same
        };
        if let Some((text, service)) = mode_of(self, fields, "network_mode") {
            settings.network_mode = match text.value.as_str() {
                "host" => Some(NetworkMode::Host),
                "none" => Some(NetworkMode::None),
                "bridge" | "default" => Some(NetworkMode::Bridge),
                other => match &service {
                    Some(service) if join(&text, service) => None,
                    _ => Some(NetworkMode::Other(other.to_owned())),
                },
            }
            .map(|mode| Sourced::new(mode, text.origin.clone()));
        }
        if let Some((text, service)) = mode_of(self, fields, "pid") {
            let mode = match text.value.as_str() {
                "host" => PidMode::Host,
                other => match &service {
                    Some(service) if join(&text, service) => PidMode::Shared,
                    _ => PidMode::Other(other.to_owned()),
                },
            };
            settings.pid = Some(Sourced::new(mode, text.origin));
        }
        if let Some((text, service)) = mode_of(self, fields, "ipc") {
            let mode = match text.value.as_str() {
                "host" => IpcMode::Host,
                "shareable" => IpcMode::Shared,
                "private" => IpcMode::Private,
                other => match &service {
                    Some(service) if join(&text, service) => IpcMode::Shared,
                    _ => IpcMode::Other(other.to_owned()),
                },
            };
            settings.ipc = Some(Sourced::new(mode, text.origin));
        }
    }

    fn attachments(&mut self, fields: &mut Fields<'_>, unit: &mut Unit) {
        let Some(item) = fields.take("networks") else {
            return;
        };
        for (network, item) in item.entries(self.ledger) {
            let mut attachment = Attachment {
                network: Sourced::new(network.value, item.origin()),
                aliases: Vec::new(),
            };
            if let Some(mut fields) = item.fields("services.*.networks.*", self.ledger) {
                attachment.aliases = fields.texts("aliases", self.ledger);
                fields.finish(self.ledger);
            }
            unit.networks.push(attachment);
        }
    }

    fn links(&mut self, fields: &mut Fields<'_>, unit: &mut Unit, names: &mut Vec<Name>) {
        for text in fields.texts("links", self.ledger) {
            let (service, alias) = text
                .value
                .split_once(':')
                .unwrap_or((&text.value, &text.value));
            if alias != service {
                names.push(Name {
                    name: Sourced::new(alias.to_owned(), text.origin.clone()),
                    namespace: None,
                    kind: NameKind::Link {
                        from: unit.name.value.clone(),
                    },
                    units: vec![service.to_owned()],
                    ports: Vec::new(),
                    headless: None,
                    metadata: crate::orchestration::model::Metadata::default(),
                    origin: text.origin.clone(),
                });
            }
            if !unit.dependencies.iter().any(|d| d.unit.value == service) {
                unit.dependencies.push(Dependency {
                    unit: Sourced::new(service.to_owned(), text.origin.clone()),
                    condition: DependencyCondition::Started,
                    implicit: true,
                    restart: None,
                    required: None,
                });
            }
        }
    }

    fn dns(&mut self, fields: &mut Fields<'_>, unit: &mut Unit) {
        let settings = &mut unit.settings;
        settings.dns_servers = fields.texts("dns", self.ledger);
        settings.dns_search = fields.texts("dns_search", self.ledger);
        settings.dns_options = fields
            .texts("dns_opt", self.ledger)
            .into_iter()
            .map(|text| {
                text.map(|t| match t.split_once(':') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (t, None),
                })
            })
            .collect();
        if let Some(item) = fields.take("extra_hosts") {
            for (name, item) in item.entries(self.ledger) {
                for address in item.items_or_one(self.ledger) {
                    if let Some(text) = address.text(self.ledger) {
                        settings.host_aliases.push(HostAlias {
                            name: Sourced::new(name.value.clone(), text.origin),
                            address: text.value,
                        });
                    }
                }
            }
        }
    }

    fn volumes_from(
        &mut self,
        fields: &mut Fields<'_>,
        unit: &mut Unit,
    ) -> Vec<Sourced<(String, Option<bool>)>> {
        let Some(item) = fields.take("volumes_from") else {
            return Vec::new();
        };
        let mut sources = Vec::new();
        for item in item.items(self.ledger) {
            let Some(text) = item.text(self.ledger) else {
                continue;
            };
            let mut source = text.value.clone();
            if let Some(rest) = source.strip_prefix("container:") {
                let (container, mode) = rest.split_once(':').unwrap_or((rest, ""));
                let Some(service) = self.containers.get(container) else {
                    self.ledger.leave("services.*.volumes_from[]", &item);
                    continue;
                };
                source = match mode {
                    "" => service.clone(),
                    mode => format!("{service}:{mode}"),
                };
            }
            let (service, mode) = match source.split_once(':') {
                Some((service, mode)) => (service, Some(mode == "ro")),
                None => (source.as_str(), None),
            };
            if !unit.dependencies.iter().any(|d| d.unit.value == service) {
                unit.dependencies.push(Dependency {
                    unit: Sourced::new(service.to_owned(), text.origin.clone()),
                    condition: DependencyCondition::Started,
                    implicit: true,
                    restart: None,
                    required: None,
                });
            }
            sources.push(Sourced::new(
                (service.to_owned(), mode),
                text.origin.clone(),
            ));
        }
        sources
    }

    /// A duration in canonical text.
    pub(super) fn duration(
        &mut self,
        fields: &mut Fields<'_>,
        key: &str,
    ) -> Option<Sourced<Duration>> {
        let text = fields.text(key, self.ledger)?;
        match duration_from_compose(&text.value) {
            Some(duration) => Some(Sourced::new(duration, text.origin)),
            None => {
                let message = format!(
                    "`{}` is not a duration; write it with units, such as 90s",
                    text.value
                );
                self.error("bad-duration", &text.origin, message);
                None
            }
        }
    }

    /// One request for devices (`gpus`, `deploy.resources.reservations.devices`).
    pub(super) fn device(&mut self, item: &Item<'_>, table: &str) -> Option<DeviceRequest> {
        let mut fields = item.fields(table, self.ledger)?;
        let driver = fields.text("driver", self.ledger).map(|t| t.value);
        let count = fields.text("count", self.ledger);
        let request = DeviceRequest {
            name: driver.clone().unwrap_or_else(|| "nvidia".to_owned()),
            count: count.and_then(|t| match t.value.as_str() {
                "all" | "-1" => None,
                number => number.parse().ok(),
            }),
            driver,
            capabilities: fields
                .texts("capabilities", self.ledger)
                .into_iter()
                .map(|t| t.value)
                .collect(),
            ids: fields
                .texts("device_ids", self.ledger)
                .into_iter()
                .map(|t| t.value)
                .collect(),
            generic: false,
            origin: item.origin(),
        };
        fields.finish(self.ledger);
        Some(request)
    }
}

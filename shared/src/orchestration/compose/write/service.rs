//! One unit: a service for each of its containers.

use serde_json::Value;

use super::document::{Map, put, put_list, put_map};
use super::names::list;
use super::plan::{Instance, UnitPlan, runs_on};
use super::writer::Writer;
use crate::orchestration::model::{
    Container, Dependency, DependencyCondition, MountSource, NetworkMode, Role, Unit, UnitKind,
    User,
};

/// Where the writer is: one container of one instance of one unit.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    /// Index of the unit.
    pub(super) index: usize,
    /// The unit.
    pub(super) unit: &'a Unit,
    /// Its plan.
    pub(super) planned: &'a UnitPlan,
    /// The instance.
    pub(super) instance: &'a Instance,
    /// Index of the container.
    pub(super) at: usize,
    /// The container.
    pub(super) container: &'a Container,
}

impl<'a> Site<'a> {
    /// The service key.
    pub(super) fn key(&self) -> &'a str {
        self.instance.key(self.at)
    }

    /// The main container's service key.
    pub(super) fn main_key(&self) -> &'a str {
        self.instance.key(self.planned.main)
    }

    /// Whether this is the main container.
    pub(super) fn is_main(&self) -> bool {
        self.at == self.planned.main
    }

    /// Whether this is the only or the first instance.
    pub(super) fn is_first(&self) -> bool {
        self.planned
            .instances
            .first()
            .is_none_or(|first| first.ordinal == self.instance.ordinal)
    }

    /// Kubernetes namespace of the unit.
    pub(super) fn namespace(&self) -> Option<&'a str> {
        self.unit.namespace.as_ref().map(|n| n.value.as_str())
    }

    /// The user of the container where it is known not to be root: its number, or that it is some other one.
    pub(super) fn other_than_root(&self) -> Option<String> {
        let user = self.container.user.as_ref().map(|user| &user.value);
        let number = match user {
            Some(User::Numeric { uid, gid: _ }) => *uid,
            Some(User::Named(_)) => return None,
            None => None,
        };
        let checked = self.container.security.run_as_non_root.as_ref();
        match number {
            Some(0) => None,
            Some(number) => Some(format!("user {number}")),
            None if checked.is_some_and(|checked| checked.value) => {
                Some("the user of the image".to_owned())
            }
            None => None,
        }
    }

    /// How many instances one service of the unit has.
    pub(super) fn replicas(&self) -> u32 {
        if self.instance.ordinal.is_some() {
            1
        } else {
            self.unit.replicas.as_ref().map_or(1, |r| r.value)
        }
    }
}

impl<'a> Writer<'a> {
    /// Writes the services of a unit.
    pub(super) fn write_unit(&mut self, index: usize, services: &mut Map) {
        let app = self.app;
        let plan = self.plan;
        let (Some(unit), Some(planned)) = (app.units.get(index), plan.units.get(index)) else {
            return;
        };
        let Unit {
            name,
            namespace: _,
            kind: _,
            replicas: _,
            containers,
            metadata: _,
            instance_metadata: _,
            restart: _,
            rollout: _,
            placement: _,
            settings: _,
            networks: _,
            dependencies: _,
            origin,
        } = unit;
        if containers.is_empty() {
            self.note(
                "no-container",
                origin,
                format!("`{}` has no container", name.value),
            );
            return;
        }
        self.report_unit(unit, planned);
        for instance in &planned.instances {
            for (at, container) in containers.iter().enumerate() {
                let site = Site {
                    index,
                    unit,
                    planned,
                    instance,
                    at,
                    container,
                };
                let service = self.write_service(&site);
                services.insert(site.key().to_owned(), Value::Object(service));
            }
        }
    }

    /// Whether a container's service uses the main container's network namespace.
    pub(super) fn joins(&self, site: &Site<'_>) -> bool {
        !self.is_swarm() && !site.is_main() && runs_on(site.container)
    }

    fn write_service(&mut self, site: &Site<'a>) -> Map {
        let mut service = Map::new();
        self.note_role(site);
        self.write_image(site, &mut service);
        if !self.is_swarm()
            && let Some(profile) = site.planned.profile
        {
            put(&mut service, "profiles", vec![profile]);
        }
        let variables = self.variables(site);
        self.write_process(site, &variables, &mut service);
        self.write_environment(site, variables, &mut service);
        self.write_dependencies(site, &mut service);
        self.write_networking(site, &mut service);
        self.write_settings(site, &mut service);
        self.write_mounts(site, &mut service);
        self.write_health(site, &mut service);
        self.write_hooks(site, &mut service);
        let mut deploy = Map::new();
        self.write_mode(site, &mut deploy);
        self.write_restart(site, &mut service, &mut deploy);
        self.write_security(site, &mut service);
        self.write_metadata(site, &mut service, &mut deploy);
        self.write_schedule(site, &mut service, &mut deploy);
        self.write_resources(site, &mut service, &mut deploy);
        self.write_rollout(site, &mut deploy);
        self.write_placement(site, &mut deploy);
        put_map(&mut service, "deploy", deploy);
        service
    }

    /// What it means that a container of a Pod becomes a service of its own.
    fn note_role(&mut self, site: &Site<'a>) {
        let (unit, own, key) = (
            &site.unit.name.value,
            &site.container.name.value,
            site.key(),
        );
        let origin = &site.container.name.origin;
        let swarm = self.is_swarm();
        match site.container.role {
            Role::Main if site.is_main() => {}
            Role::Main | Role::Sidecar | Role::NativeSidecar if swarm => {
                // A global service has a task on each node, and the network of the host is the same for all.
                let same_node = site.unit.kind == UnitKind::Daemon;
                let mode = site.unit.settings.network_mode.as_ref();
                let same_network = mode.is_some_and(|mode| mode.value == NetworkMode::Host);
                let (code, says) = match (same_node, same_network) {
                    (true, true) => (
                        "sidecar-on-each-node",
                        "they share each node and its localhost",
                    ),
                    (true, false) => (
                        "sidecar-in-swarm",
                        "they share each node, but not localhost",
                    ),
                    (false, true) => (
                        "sidecar-in-swarm",
                        "they share localhost only where both run on one node",
                    ),
                    (false, false) => (
                        "sidecar-in-swarm",
                        "they share neither localhost nor a node",
                    ),
                };
                let message = format!(
                    "`{own}` and the main container of `{unit}` become two services: {says}"
                );
                self.note(code, origin, message);
            }
            Role::NativeSidecar => {
                let message = format!(
                    "`{own}` starts after the main container of `{unit}` instead of before it"
                );
                self.note("native-sidecar-order", origin, message);
            }
            Role::Main | Role::Sidecar => {}
            Role::Init | Role::PreStart if swarm => {
                let message = match &site.unit.kind {
                    UnitKind::Cron(_) => format!(
                        "`{own}` becomes the service `{key}`, which nothing starts when `{unit}` is due"
                    ),
                    UnitKind::Daemon => format!(
                        "`{own}` becomes the job `{key}`, which runs once on each node, and `{unit}` does not wait for it"
                    ),
                    _ if site.replicas() > 1 => format!(
                        "`{own}` becomes the job `{key}`, which runs once for all {} instances of `{unit}`, and none of them waits for it{}",
                        site.replicas(),
                        prepared(site)
                    ),
                    _ => format!(
                        "`{own}` becomes the job `{key}`, and `{unit}` does not wait for it"
                    ),
                };
                self.note("init-containers-in-swarm", origin, message);
            }
            Role::Init | Role::PreStart => {
                let message = format!(
                    "`{own}` becomes service `{key}`, which runs once before `{unit}` at each `docker compose up`"
                );
                self.note("init-container-as-service", origin, message);
            }
        }
        if self.joins(site) && site.replicas() > 1 && site.is_first() {
            let message = format!(
                "`{key}` joins the first of {} instances of `{unit}` only",
                site.replicas()
            );
            self.note("sidecar-of-one-instance", origin, message);
        }
    }

    fn write_dependencies(&mut self, site: &Site<'a>, service: &mut Map) {
        if self.is_swarm() {
            if site.is_main() && site.is_first() {
                for dependency in &site.unit.dependencies {
                    let message = format!(
                        "`{}` does not wait for `{}`",
                        site.unit.name.value, dependency.unit.value
                    );
                    self.note("start-order-in-swarm", &dependency.unit.origin, message);
                }
            }
            return;
        }
        let mut depends = Map::new();
        let starts_early = matches!(site.container.role, Role::Init | Role::PreStart);
        if starts_early || site.is_main() {
            // Init containers run one after the other, and the main container after the last of them.
            let before = if site.is_main() {
                site.unit.containers.len()
            } else {
                site.at
            };
            let previous = site
                .unit
                .containers
                .iter()
                .enumerate()
                .take(before)
                .rfind(|(_, c)| matches!(c.role, Role::Init | Role::PreStart));
            if let Some((at, _)) = previous {
                let mut entry = Map::new();
                put(&mut entry, "condition", "service_completed_successfully");
                depends.insert(site.instance.key(at).to_owned(), Value::Object(entry));
            }
            if previous.is_none() {
                self.write_previous_instance(site, &mut depends);
            }
            if previous.is_none() || site.is_main() {
                for dependency in &site.unit.dependencies {
                    self.write_dependency(site, dependency, &mut depends);
                }
            }
        }
        put_map(service, "depends_on", depends);
    }

    /// Unrolled instances start one after the other, unless they may all start at once.
    fn write_previous_instance(&self, site: &Site<'a>, depends: &mut Map) {
        let UnitKind::Stateful(settings) = &site.unit.kind else {
            return;
        };
        if settings.parallel.as_ref().is_some_and(|p| p.value) {
            return;
        }
        let Some(ordinal) = site.instance.ordinal else {
            return;
        };
        let before = site
            .planned
            .instances
            .first()
            .and_then(|first| first.ordinal)
            .and_then(|first| ordinal.checked_sub(first))
            .and_then(|position| position.checked_sub(1))
            .and_then(|position| site.planned.instances.get(position as usize));
        if let Some(before) = before {
            let healthy = site.unit.main().is_some_and(|main| !main.probes.is_empty());
            let mut entry = Map::new();
            put(
                &mut entry,
                "condition",
                if healthy {
                    "service_healthy"
                } else {
                    "service_started"
                },
            );
            depends.insert(
                before.key(site.planned.main).to_owned(),
                Value::Object(entry),
            );
        }
    }

    fn write_dependency(&mut self, site: &Site<'a>, dependency: &Dependency, depends: &mut Map) {
        let Dependency {
            unit,
            condition,
            implicit,
            restart,
            required,
        } = dependency;
        let found = self.plan.find(self.app, &unit.value, site.namespace());
        if found.is_empty() {
            let message = format!(
                "`{}` waits for `{}`, which is not there",
                site.unit.name.value, unit.value
            );
            self.note("dependency-missing", &unit.origin, message);
            return;
        }
        for index in found {
            let plan = self.plan;
            let Some(planned) = plan.units.get(index) else {
                continue;
            };
            if plan.broken.contains(&(site.index, index)) {
                let message = format!(
                    "`{}` and `{}` wait for each other",
                    site.unit.name.value, unit.value
                );
                self.note("mutual-dependency", &unit.origin, message);
                continue;
            }
            for instance in &planned.instances {
                let key = instance.key(planned.main);
                let linked = self
                    .reach
                    .get(site.index)
                    .is_some_and(|reach| reach.links.iter().any(|(target, _)| target == key));
                if *implicit && linked {
                    continue;
                }
                let mut entry = Map::new();
                let word = match condition {
                    DependencyCondition::Started => "service_started",
                    DependencyCondition::Healthy => "service_healthy",
                    DependencyCondition::Completed => "service_completed_successfully",
                };
                put(&mut entry, "condition", word);
                if let Some(restart) = restart {
                    put(&mut entry, "restart", restart.value);
                }
                if let Some(required) = required {
                    put(&mut entry, "required", required.value);
                } else if planned.profile.is_some() && site.planned.profile != planned.profile {
                    put(&mut entry, "required", false);
                }
                depends
                    .entry(key.to_owned())
                    .or_insert(Value::Object(entry));
            }
        }
    }

    /// Labels and annotations.
    fn write_metadata(&mut self, site: &Site<'a>, service: &mut Map, deploy: &mut Map) {
        if !site.is_main() {
            return;
        }
        let own = |key: &str| !key.starts_with(crate::orchestration::names::DOMAIN);
        let mut labels = Map::new();
        for (key, value) in site
            .unit
            .instance_metadata
            .labels
            .iter()
            .filter(|(key, _)| own(key))
        {
            put(&mut labels, key, value.value.clone());
        }
        let mut annotations = Map::new();
        for (key, value) in site
            .unit
            .instance_metadata
            .annotations
            .iter()
            .filter(|(key, _)| own(key))
        {
            let home = if self.is_swarm() {
                &mut labels
            } else {
                &mut annotations
            };
            put(home, key, value.value.clone());
        }
        let mut deploy_labels = Map::new();
        let metadata = &site.unit.metadata;
        for (key, value) in metadata
            .labels
            .iter()
            .chain(&metadata.annotations)
            .filter(|(key, _)| own(key))
        {
            put(&mut deploy_labels, key, value.value.clone());
        }
        if let Some(routes) = self.route_labels.get(&site.index) {
            let home = if self.is_swarm() {
                &mut deploy_labels
            } else {
                &mut labels
            };
            for (key, value) in routes {
                put(home, key, value.clone());
            }
        }
        put_map(service, "labels", labels);
        put_map(service, "annotations", annotations);
        put_map(deploy, "labels", deploy_labels);
        let links: Vec<_> = self.reach.get(site.index).map_or_else(Vec::new, |reach| {
            reach
                .links
                .iter()
                .map(|(key, alias)| Value::String(format!("{key}:{alias}")))
                .collect()
        });
        put_list(service, "links", links);
    }
}

/// What a single run of an init container means for the volumes that each instance has for itself.
fn prepared(site: &Site<'_>) -> String {
    let UnitKind::Stateful(settings) = &site.unit.kind else {
        return String::new();
    };
    let own = |name: &String| {
        settings
            .claims
            .iter()
            .any(|claim| claim.name.value == *name)
    };
    let mounts = site.container.mounts.iter();
    let claims: Vec<_> = mounts
        .filter_map(|mount| match &mount.source {
            MountSource::Volume(name) if own(name) => Some(name),
            _ => None,
        })
        .collect();
    if claims.is_empty() {
        return String::new();
    }
    format!("; of the volumes {} it prepares one at most", list(&claims))
}

//! Which services there will be, and under which keys.

use std::collections::{HashMap, HashSet};

use super::keys::{Keys, SWARM_SERVICE_MAX, legal, swarm_service};
use crate::finding::{Code, Findings};
use crate::orchestration::compose::{ComposeOptions, ComposeTarget};
use crate::orchestration::model::{
    Application, Container, Controller, Dialect, NameKind, Role, Unit, UnitKind,
};
use crate::orchestration::names::SERVICES;

/// All units with the keys of their services.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// One for each unit, in the same order.
    pub(super) units: Vec<UnitPlan>,
    /// Dependencies between units that close a circle, which Compose refuses.
    pub(super) broken: HashSet<(usize, usize)>,
    by_name: HashMap<String, Vec<usize>>,
}

/// One unit.
#[derive(Debug, Default)]
pub(super) struct UnitPlan {
    /// Index of the main container.
    pub(super) main: usize,
    /// One in most cases; one for each replica of an unrolled StatefulSet.
    pub(super) instances: Vec<Instance>,
    /// Whether the containers are Compose services by origin.
    pub(super) own_keys: bool,
    /// Profile that keeps it from being started, in Compose.
    pub(super) profile: Option<&'static str>,
    /// What the keys of the other containers begin with, where it is not the main one's key.
    base: Option<String>,
}

/// One set of services for a unit.
#[derive(Debug, Clone, Default)]
pub(super) struct Instance {
    /// Ordinal of an instance with an identity of its own.
    pub(super) ordinal: Option<u32>,
    /// Service key of each container.
    pub(super) keys: Vec<String>,
}

impl Plan {
    /// Gives each container of each unit its key.
    pub(super) fn new(
        app: &Application,
        options: &ComposeOptions,
        findings: &mut Findings,
    ) -> Self {
        let swarm = options.target == ComposeTarget::Swarm;
        let kubernetes = app.dialect == Dialect::Kubernetes;
        let room = SWARM_SERVICE_MAX
            .saturating_sub(app.name.as_ref().map_or(0, |name| name.value.len() + 1))
            .max(16);
        let key_of = |name: &str| {
            if swarm {
                swarm_service(name, room)
            } else {
                legal(name)
            }
        };

        // Workload names are no DNS names in Kubernetes, service keys are: a key must not answer for a Service that
        // leads somewhere else.
        let mut reached: HashMap<&str, HashSet<&str>> = HashMap::new();
        if kubernetes {
            for name in app
                .names
                .iter()
                .filter(|name| name.kind == NameKind::Service)
            {
                reached
                    .entry(name.name.value.as_str())
                    .or_default()
                    .extend(name.units.iter().map(String::as_str));
            }
        }

        // In a stack each container has an address of its own, so a Service that only leads to ports of sidecars must
        // not lead to the main one.
        let mut beside: HashSet<usize> = HashSet::new();
        if swarm {
            beside = only_beside(app);
        }

        let mut keys = Keys::default();
        let mut plan = Self::default();
        for (index, unit) in app.units.iter().enumerate() {
            let main = unit
                .containers
                .iter()
                .position(|c| c.role == Role::Main)
                .unwrap_or(0);
            let name = unit.name.value.as_str();
            let foreign = reached.get(name).is_some_and(|units| !units.contains(name));
            let namespace = unit.namespace.as_ref().map(|n| n.value.as_str());
            let mut wanted = Vec::with_capacity(4);
            let beside = beside.contains(&index) && !is_marked(unit);
            if let (true, Some(own)) = (beside, unit.containers.get(main)) {
                wanted.push(key_of(&format!("{name}-{}", own.name.value)));
            }
            let foreign = foreign || beside;
            if !foreign {
                wanted.push(key_of(name));
            }
            if !foreign && let Some(namespace) = namespace {
                wanted.push(key_of(&format!("{name}-{namespace}")));
            }
            wanted.push(key_of(&format!("{name}-{}", kind_word(&unit.kind))));

            let mut instances = Vec::new();
            match ordinals(unit, options) {
                Some(ordinals) => {
                    let base = wanted.first().cloned().unwrap_or_default();
                    for ordinal in ordinals {
                        let key = keys.give(&[key_of(&format!("{base}-{ordinal}"))]);
                        instances.push(Instance {
                            ordinal: Some(ordinal),
                            keys: vec![key],
                        });
                    }
                }
                None => {
                    let key = keys.give(&wanted);
                    if key != name {
                        let message = format!("`{name}` is written as service `{key}`");
                        findings.add(Code("service-renamed"), &unit.name.origin, message);
                    }
                    instances.push(Instance {
                        ordinal: None,
                        keys: vec![key],
                    });
                }
            }
            plan.by_name.entry(name.to_owned()).or_default().push(index);
            plan.units.push(UnitPlan {
                main,
                instances,
                own_keys: !kubernetes || is_marked(unit),
                profile: profile(&unit.kind),
                base: beside.then(|| key_of(name)),
            });
        }

        // The other containers come second, so that a unit's name never is lost to a sidecar.
        for (unit, planned) in app.units.iter().zip(&mut plan.units) {
            for instance in &mut planned.instances {
                let main = instance.keys.pop().unwrap_or_default();
                for (index, container) in unit.containers.iter().enumerate() {
                    if index == planned.main {
                        instance.keys.push(main.clone());
                        continue;
                    }
                    let own = container.name.value.as_str();
                    let base = planned.base.as_ref().unwrap_or(&main);
                    let composed = key_of(&format!("{base}-{own}"));
                    let wanted = if planned.own_keys && instance.ordinal.is_none() {
                        vec![key_of(own), composed]
                    } else {
                        vec![composed]
                    };
                    let key = keys.give(&wanted);
                    if Some(&key) != wanted.first() {
                        let message = format!(
                            "container `{own}` of `{}` is written as service `{key}`",
                            unit.name.value
                        );
                        findings.add(Code("service-renamed"), &container.name.origin, message);
                    }
                    instance.keys.push(key);
                }
                if unit.containers.is_empty() {
                    instance.keys.push(main);
                }
            }
        }
        plan.broken = plan.cycles(app);
        plan
    }

    /// The dependencies that close a circle: a depth-first search that keeps its own stack.
    fn cycles(&self, app: &Application) -> HashSet<(usize, usize)> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done,
        }
        let edges: Vec<Vec<usize>> = app
            .units
            .iter()
            .map(|unit| {
                let namespace = unit.namespace.as_ref().map(|n| n.value.as_str());
                let targets = unit.dependencies.iter();
                targets
                    .flat_map(|d| self.find(app, &d.unit.value, namespace))
                    .collect()
            })
            .collect();
        let mut broken = HashSet::new();
        let mut states = vec![State::New; edges.len()];
        for start in 0..edges.len() {
            if states[start] != State::New {
                continue;
            }
            states[start] = State::Open;
            let mut stack = vec![(start, edges[start].iter())];
            while let Some((from, rest)) = stack.last_mut() {
                let from = *from;
                match rest.next() {
                    Some(&to) => match states[to] {
                        State::New => {
                            states[to] = State::Open;
                            stack.push((to, edges[to].iter()));
                        }
                        State::Open => {
                            broken.insert((from, to));
                        }
                        State::Done => {}
                    },
                    None => {
                        states[from] = State::Done;
                        stack.pop();
                    }
                }
            }
        }
        broken
    }

    /// The units of that name, as far as the namespaces allow it.
    pub(super) fn find(
        &self,
        app: &Application,
        name: &str,
        namespace: Option<&str>,
    ) -> Vec<usize> {
        let Some(found) = self.by_name.get(name) else {
            return Vec::new();
        };
        found
            .iter()
            .copied()
            .filter(|index| {
                let own = app
                    .units
                    .get(*index)
                    .and_then(|unit| unit.namespace.as_ref());
                match (own, namespace) {
                    (Some(own), Some(namespace)) => own.value == namespace,
                    _ => true,
                }
            })
            .collect()
    }
}

impl UnitPlan {
    /// Key of the main container's service in the first instance.
    pub(super) fn key(&self) -> &str {
        self.instances
            .first()
            .map_or("", |instance| instance.key(self.main))
    }
}

impl Instance {
    /// Key of a container's service.
    pub(super) fn key(&self, container: usize) -> &str {
        self.keys.get(container).map_or("", String::as_str)
    }
}

/// Ordinals of the services that an unrolled StatefulSet becomes.
fn ordinals(unit: &Unit, options: &ComposeOptions) -> Option<std::ops::Range<u32>> {
    let UnitKind::Stateful(settings) = &unit.kind else {
        return None;
    };
    let replicas = unit.replicas.as_ref().map_or(1, |r| r.value);
    if !options.unroll_stateful || replicas < 2 {
        return None;
    }
    let first = settings.first_ordinal.as_ref().map_or(0, |o| o.value);
    Some(first..first.saturating_add(replicas))
}

/// Units whose own name is that of a Service, or of several, none of which leads to a port of the main container.
fn only_beside(app: &Application) -> HashSet<usize> {
    let mut units: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    for (index, unit) in app.units.iter().enumerate() {
        let namespace = unit.namespace.as_ref().map(|n| n.value.as_str());
        units.insert((&unit.name.value, namespace), index);
    }
    let (mut beside, mut main) = (HashSet::new(), HashSet::new());
    for name in &app.names {
        let own = name.name.value.as_str();
        let namespace = name.namespace.as_ref().map(|n| n.value.as_str());
        let Some(&index) = units.get(&(own, namespace)) else {
            continue;
        };
        if name.kind != NameKind::Service || !name.units.iter().any(|unit| unit == own) {
            continue;
        }
        let Some(unit) = app.units.get(index) else {
            continue;
        };
        let listeners = super::names::listeners(unit, &name.ports);
        let to_main = |index: &usize| {
            let container = unit.containers.get(*index);
            container.is_some_and(|container| container.role == Role::Main)
        };
        if listeners.is_empty() || listeners.iter().any(to_main) {
            main.insert(index);
        } else {
            beside.insert(index);
        }
    }
    beside.difference(&main).copied().collect()
}

/// Whether the containers of a unit were Compose services once.
fn is_marked(unit: &Unit) -> bool {
    unit.instance_metadata.annotations.contains_key(SERVICES)
        || unit.metadata.annotations.contains_key(SERVICES)
}

/// The profile of what does not start by itself.
fn profile(kind: &UnitKind) -> Option<&'static str> {
    match kind {
        UnitKind::Cron(_) => Some("cron"),
        UnitKind::Job(job) if job.suspend.as_ref().is_some_and(|s| s.value) => Some("suspended"),
        _ => None,
    }
}

/// What a unit is called when its name alone does not tell it apart.
pub(super) fn kind_word(kind: &UnitKind) -> &'static str {
    match kind {
        UnitKind::Service(None) => "service",
        UnitKind::Service(Some(Controller::Deployment)) => "deployment",
        UnitKind::Service(Some(Controller::ReplicaSet)) => "replicaset",
        UnitKind::Service(Some(Controller::ReplicationController)) => "replicationcontroller",
        UnitKind::Daemon => "daemonset",
        UnitKind::Stateful(_) => "statefulset",
        UnitKind::Job(_) => "job",
        UnitKind::Cron(_) => "cronjob",
        UnitKind::Bare => "pod",
    }
}

/// Whether a container runs beside others for the whole life of the unit.
pub(super) fn runs_on(container: &Container) -> bool {
    matches!(
        container.role,
        Role::Main | Role::Sidecar | Role::NativeSidecar
    )
}

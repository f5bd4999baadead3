//! `Application`: the SwarmNetes object, the one thing that all readers fill and all writers use.
//!
//! It is built around what scales together (a [`Unit`]), so that a Pod with several containers fits as well as a
//! Compose service. Absent is not default: what a source left out is `None`, and a writer fills in the source's
//! default where the target's differs. Writers destructure these types without `..`, so that a new field does not
//! compile until each writer has decided about it.

mod container;
mod health;
mod mount;
mod network;
mod placement;
mod schedule;
mod storage;
mod unit;

pub use container::{
    Build, Capabilities, Command, ComposedWord, Container, DeviceRequest, EnvFrom, EnvValue,
    EnvVar, Hook, HookAction, PullPolicy, Resources, Role, Security, User,
};
pub use health::{Check, Probe, Purpose, START_INTERVAL, Timings};
pub use mount::{
    BindKind, FieldFile, Mount, MountSource, ObjectItem, ObjectKind, ObjectMount, Propagation,
    SharedMedium,
};
pub use network::{
    Attachment, Name, NameKind, NamePort, Network, Port, PortRange, PortRef, Protocol, Publication,
    PublishMode, Route, RouteBackend,
};
pub use placement::{NodeAttribute, Operator, Placement, Predicate, Spread};
pub use schedule::{
    Amount, ClaimTemplate, Concurrency, CronSettings, JobSettings, Restart, RestartCondition,
    Rollout, RolloutStrategy, StatefulSettings,
};
pub use storage::{AccessMode, FileObject, ObjectData, Volume, VolumeBacking};
pub use unit::{
    Controller, Dependency, DependencyCondition, HostAlias, IpcMode, Metadata, NetworkMode,
    PidMode, Unit, UnitKind, UnitSettings,
};

use crate::source::{Leftover, Origin, Sourced};

/// Which world a source comes from: decides what its silence means (defaults).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// A Compose file, as `docker compose` understands it.
    Compose,
    /// A stack file, as `docker stack deploy` understands it.
    Swarm,
    /// Kubernetes objects.
    Kubernetes,
}

/// One application, free of any orchestrator's syntax.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// The world that it was described in.
    pub dialect: Dialect,
    /// Project or stack name.
    pub name: Option<Sourced<String>>,
    /// What scales together, in source order.
    pub units: Vec<Unit>,
    /// Names under which units are reached, beside the unit names of Compose.
    pub names: Vec<Name>,
    /// HTTP routes from outside (Ingress).
    pub routes: Vec<Route>,
    /// Networks that separate units.
    pub networks: Vec<Network>,
    /// Storage that outlives a unit.
    pub volumes: Vec<Volume>,
    /// Configs and secrets.
    pub objects: Vec<FileObject>,
    /// Whole objects that no part of the model can hold.
    pub whole: Vec<WholeObject>,
    /// Single nodes that the model has no home for.
    pub leftovers: Vec<Leftover>,
}

/// An object of a kind that the model does not hold (HPA, RBAC, custom resources), kept as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeObject {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// Whether the kind is one of Kubernetes' own that the mapping table knows.
    pub known: bool,
    /// The object, without what a cluster added.
    pub value: serde_json::Value,
    /// Where it stood.
    pub origin: Origin,
}

impl Application {
    /// An empty application.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            name: None,
            units: Vec::new(),
            names: Vec::new(),
            routes: Vec::new(),
            networks: Vec::new(),
            volumes: Vec::new(),
            objects: Vec::new(),
            whole: Vec::new(),
            leftovers: Vec::new(),
        }
    }

    /// All that units are told: the texts of variables, the words of commands, and the content of configs and secrets.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let containers = self.units.iter().flat_map(|unit| &unit.containers);
        let told = containers.flat_map(|container| {
            let variables = container.environment.iter();
            let variables = variables.filter_map(|variable| match &variable.value {
                EnvValue::Literal(text) | EnvValue::Composed(text) => Some(text.as_str()),
                EnvValue::Object { .. }
                | EnvValue::Field(_)
                | EnvValue::Resource { .. }
                | EnvValue::Unset => None,
            });
            let words = container.entrypoint.iter().chain(&container.command);
            variables.chain(words.flat_map(|words| &words.value).map(String::as_str))
        });
        let content = self.objects.iter().flat_map(|object| object.data.values());
        told.chain(content.filter_map(|data| std::str::from_utf8(&data.bytes).ok()))
    }

    /// The unit of that name.
    #[must_use]
    pub fn unit(&self, name: &str) -> Option<&Unit> {
        self.units.iter().find(|unit| unit.name.value == name)
    }
}

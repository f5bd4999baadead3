//! What scales together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Attachment, Container, CronSettings, JobSettings, Placement, Restart, Rollout, StatefulSettings,
};
use crate::source::{Origin, Sourced};

/// A set of containers that start, scale and stop together: a Compose service with those that share its network
/// namespace, or a Pod with its controller.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Service key in Compose, `metadata.name` of the controller in Kubernetes.
    pub name: Sourced<String>,
    /// Kubernetes namespace, if the source names one.
    pub namespace: Option<Sourced<String>>,
    /// What kind of work it does.
    pub kind: UnitKind,
    /// How many instances; `None` where the source is silent.
    pub replicas: Option<Sourced<u32>>,
    /// The containers; the main one first, then in source order.
    pub containers: Vec<Container>,
    /// Labels and annotations of the unit itself (`deploy.labels`, the controller's metadata).
    pub metadata: Metadata,
    /// Labels and annotations of each instance (service `labels` and `annotations`, the Pod template's metadata).
    pub instance_metadata: Metadata,
    /// What happens when it ends.
    pub restart: Option<Restart>,
    /// How a new version replaces the old one.
    pub rollout: Rollout,
    /// Where it may run.
    pub placement: Placement,
    /// What all containers of an instance share.
    pub settings: UnitSettings,
    /// Networks it takes part in; empty means the default network.
    pub networks: Vec<Attachment>,
    /// What it waits for at start.
    pub dependencies: Vec<Dependency>,
    /// Where it stood.
    pub origin: Origin,
}

/// What kind of work a unit does.
#[derive(Debug, Clone, PartialEq)]
pub enum UnitKind {
    /// Runs all the time, any number of equal instances.
    Service(Option<Controller>),
    /// One instance on each node.
    Daemon,
    /// Instances with an identity and storage of their own.
    Stateful(StatefulSettings),
    /// Runs to its end.
    Job(JobSettings),
    /// A job that starts by the clock.
    Cron(CronSettings),
    /// A single instance without a controller (a bare Pod).
    Bare,
}

/// The Kubernetes controller that the source named for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// `Deployment`
    Deployment,
    /// `ReplicaSet`
    ReplicaSet,
    /// `ReplicationController`
    ReplicationController,
}

/// Labels and annotations with their places.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    /// Labels by key.
    pub labels: BTreeMap<String, Sourced<String>>,
    /// Annotations by key.
    pub annotations: BTreeMap<String, Sourced<String>>,
}

/// What all containers of one instance share. `None` where the source is silent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UnitSettings {
    /// Host name inside the containers.
    pub hostname: Option<Sourced<String>>,
    /// Domain (`domainname`, `subdomain`).
    pub domain: Option<Sourced<String>>,
    /// A fixed container name (`container_name`), which also is a DNS name in Compose.
    pub instance_name: Option<Sourced<String>>,
    /// Whose network namespace is used.
    pub network_mode: Option<Sourced<NetworkMode>>,
    /// Whose process namespace is used.
    pub pid: Option<Sourced<PidMode>>,
    /// Whose IPC namespace is used.
    pub ipc: Option<Sourced<IpcMode>>,
    /// Whether the user namespace is the host's.
    pub host_users: Option<Sourced<bool>>,
    /// An init process that reaps children (`init`, `shareProcessNamespace`).
    pub init: Option<Sourced<bool>>,
    /// Name servers.
    pub dns_servers: Vec<Sourced<String>>,
    /// Search domains.
    pub dns_search: Vec<Sourced<String>>,
    /// Resolver options: name and value.
    pub dns_options: Vec<Sourced<(String, Option<String>)>>,
    /// Whether the resolver settings replace the cluster's instead of adding to them (`dnsPolicy: None`).
    pub dns_only_own: Option<Sourced<bool>>,
    /// Whether names of the application resolve on the network of the host, too (`dnsPolicy: ClusterFirstWithHostNet`).
    pub dns_on_host: Option<Sourced<bool>>,
    /// Extra lines of `/etc/hosts`.
    pub host_aliases: Vec<HostAlias>,
    /// Time between the stop signal and the kill.
    pub stop_grace: Option<Sourced<Duration>>,
    /// Kernel parameters.
    pub sysctls: BTreeMap<String, Sourced<String>>,
    /// Additional groups: numbers, or names in Compose.
    pub groups: Vec<Sourced<String>>,
    /// Group that owns the volumes (`fsGroup`).
    pub volume_group: Option<Sourced<i64>>,
    /// OCI runtime or RuntimeClass.
    pub runtime: Option<Sourced<String>>,
    /// Secrets for pulling images.
    pub pull_secrets: Vec<Sourced<String>>,
    /// The service account, and whether its token is mounted.
    pub service_account: Option<Sourced<String>>,
    /// Whether the token of the service account is mounted.
    pub mount_token: Option<Sourced<bool>>,
    /// Whether variables for each Service are injected.
    pub service_links: Option<Sourced<bool>>,
}

/// Whose network namespace an instance uses. Sharing with another service makes one unit of both instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// The node's.
    Host,
    /// None at all.
    None,
    /// The engine's default bridge.
    Bridge,
    /// That of a container outside of the application, or another mode, verbatim.
    Other(String),
}

/// Whose process namespace an instance uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PidMode {
    /// The node's.
    Host,
    /// One for all containers of the unit.
    Shared,
    /// Another mode, verbatim.
    Other(String),
}

/// Whose IPC namespace an instance uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IpcMode {
    /// The node's.
    Host,
    /// One for all containers of the unit.
    Shared,
    /// Its own.
    Private,
    /// Another mode, verbatim.
    Other(String),
}

/// One address with its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAlias {
    /// The name.
    pub name: Sourced<String>,
    /// The address, or `host-gateway`.
    pub address: String,
}

/// A unit that has to be there first.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependency {
    /// Name of the unit.
    pub unit: Sourced<String>,
    /// What has to be true of it.
    pub condition: DependencyCondition,
    /// Whether the condition was written, or follows from a short form or another key.
    pub implicit: bool,
    /// Restart when the dependency is restarted.
    pub restart: Option<Sourced<bool>>,
    /// Whether a missing dependency is an error.
    pub required: Option<Sourced<bool>>,
}

/// What has to be true of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyCondition {
    /// It was started.
    Started,
    /// Its health check succeeds.
    Healthy,
    /// It ended with exit code 0.
    Completed,
}

impl Unit {
    /// A service without any settings.
    #[must_use]
    pub fn new(name: Sourced<String>) -> Self {
        let origin = name.origin.clone();
        Self {
            name,
            namespace: None,
            kind: UnitKind::Service(None),
            replicas: None,
            containers: Vec::new(),
            metadata: Metadata::default(),
            instance_metadata: Metadata::default(),
            restart: None,
            rollout: Rollout::default(),
            placement: Placement::default(),
            settings: UnitSettings::default(),
            networks: Vec::new(),
            dependencies: Vec::new(),
            origin,
        }
    }

    /// The container that gives the unit its purpose.
    #[must_use]
    pub fn main(&self) -> Option<&Container> {
        use super::Role;
        self.containers.iter().find(|c| c.role == Role::Main)
    }
}

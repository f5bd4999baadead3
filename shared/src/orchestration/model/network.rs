//! Ports, names and networks.

use std::collections::BTreeMap;

use super::Metadata;
use crate::source::{Origin, Sourced};

/// A port that a container listens on.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Port number in the container.
    pub target: u16,
    /// Transport protocol; `None` means TCP by default.
    pub protocol: Option<Sourced<Protocol>>,
    /// Its name.
    pub name: Option<Sourced<String>>,
    /// What is spoken on it.
    pub app_protocol: Option<Sourced<String>>,
    /// Ways in from outside of the application.
    pub published: Vec<Publication>,
    /// Where it stood.
    pub origin: Origin,
}

/// Transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

/// A way in from outside of the application.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// Port outside; `None` lets the platform choose.
    pub port: Option<PortRange>,
    /// Address that it is bound to, if not all.
    pub host_ip: Option<Sourced<String>>,
    /// By what it is published.
    pub mode: PublishMode,
    /// The Kubernetes Service that publishes it.
    pub service: Option<String>,
    /// Where it stood.
    pub origin: Origin,
}

/// By what a port is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishMode {
    /// The source does not say: a published port of Compose, routed to any instance.
    Ingress,
    /// On the node where the instance runs.
    Host,
    /// A port of each node, chosen or given; Kubernetes `NodePort`.
    NodePort,
    /// A load balancer of the provider; with its node port, if given.
    LoadBalancer(Option<u16>),
}

/// One port, or a range of which one is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    /// First port.
    pub first: u16,
    /// Last port; equal to the first for one port.
    pub last: u16,
}

/// A name under which units are reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// The name.
    pub name: Sourced<String>,
    /// Kubernetes namespace, if the source names one.
    pub namespace: Option<Sourced<String>>,
    /// Why it exists.
    pub kind: NameKind,
    /// Units that it leads to.
    pub units: Vec<String>,
    /// Ports under this name; empty means each container port under its own number.
    pub ports: Vec<NamePort>,
    /// Resolves to the instances themselves instead of one address (`dnsrr`, headless).
    pub headless: Option<Sourced<bool>>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Where it stood.
    pub origin: Origin,
}

/// Why a name exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameKind {
    /// The service's own name in Compose; only made where something is to be said of it (`endpoint_mode`).
    Unit,
    /// An alias on some networks.
    Alias {
        /// The networks; empty means all.
        networks: Vec<String>,
    },
    /// A fixed container name.
    ContainerName,
    /// The alias of a link: visible to the linking unit only.
    Link {
        /// The linking unit.
        from: String,
    },
    /// A Kubernetes Service.
    Service,
    /// Leads outside: the target's DNS name, or addresses.
    External(String),
}

/// A port under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamePort {
    /// Its name.
    pub name: Option<String>,
    /// Number under which it is reached.
    pub port: u16,
    /// Port of the container.
    pub target: PortRef,
    /// Transport protocol.
    pub protocol: Protocol,
    /// What is spoken on it.
    pub app_protocol: Option<String>,
    /// Where it stood.
    pub origin: Origin,
}

/// A container port by number or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortRef {
    /// By number.
    Number(u16),
    /// By the name of the container's port.
    Name(String),
}

/// An HTTP route from outside to a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Name of the Ingress.
    pub ingress: Sourced<String>,
    /// Kubernetes namespace, if the source names one.
    pub namespace: Option<Sourced<String>>,
    /// Host name; `None` is any.
    pub host: Option<String>,
    /// Path; `None` is any.
    pub path: Option<String>,
    /// `Prefix`, `Exact` or `ImplementationSpecific`.
    pub path_type: Option<String>,
    /// Where it leads.
    pub backend: RouteBackend,
    /// Ingress class.
    pub class: Option<String>,
    /// Secret with the certificate for this host.
    pub tls_secret: Option<String>,
    /// Whether TLS is asked for.
    pub tls: bool,
    /// Annotations of the Ingress.
    pub annotations: BTreeMap<String, Sourced<String>>,
    /// Where it stood.
    pub origin: Origin,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteBackend {
    /// The name (Kubernetes Service).
    pub name: String,
    /// Its port.
    pub port: PortRef,
}

/// A unit's part in a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// The network's name.
    pub network: Sourced<String>,
    /// Names of the unit in this network.
    pub aliases: Vec<Sourced<String>>,
}

/// A network that separates units.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The name that units use.
    pub name: Sourced<String>,
    /// The real name, where it differs.
    pub real_name: Option<Sourced<String>>,
    /// Exists already and is only referred to.
    pub external: Option<Sourced<bool>>,
    /// No way out.
    pub internal: Option<Sourced<bool>>,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Where it stood.
    pub origin: Origin,
}

impl PortRange {
    /// One port.
    #[must_use]
    pub fn one(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    /// Whether it is one port.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.first == self.last
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_one() {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl Port {
    /// The protocol, TCP where the source is silent.
    #[must_use]
    pub fn transport(&self) -> Protocol {
        self.protocol.as_ref().map_or(Protocol::Tcp, |p| p.value)
    }
}

impl Protocol {
    /// Lower-case name as Compose writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// By its name in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "tcp" => Some(Self::Tcp),
            "udp" => Some(Self::Udp),
            "sctp" => Some(Self::Sctp),
            _ => None,
        }
    }
}

//! Where a unit may run.

use crate::source::{Origin, Sourced};

/// Where a unit may run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placement {
    /// Alternatives of which one must hold; within one, all predicates must hold. Empty: any node.
    pub required: Vec<Vec<Predicate>>,
    /// Spread over the values of a node attribute; the first is the outermost.
    pub spread: Vec<Spread>,
    /// At most so many instances on a node.
    pub max_per_node: Option<Sourced<u32>>,
    /// The control plane's nodes are allowed although they are tainted.
    pub tolerate_control_plane: Option<Sourced<bool>>,
}

/// Something that must hold of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    /// What is looked at.
    pub attribute: NodeAttribute,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub values: Vec<String>,
    /// Where it stood.
    pub origin: Origin,
}

/// What of a node is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeAttribute {
    /// Swarm's id of the node.
    Id,
    /// Its host name.
    Hostname,
    /// Its address.
    Ip,
    /// `manager` or `worker`; in Kubernetes, whether it belongs to the control plane.
    Role,
    /// Operating system.
    Os,
    /// Processor, in Kubernetes' words (`amd64`, `arm64`).
    Architecture,
    /// A label of the node.
    Label(String),
    /// A label of the node's engine (Swarm only).
    EngineLabel(String),
}

/// How a node attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal to one of the values.
    In,
    /// Equal to none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
    /// Greater than the value.
    GreaterThan,
    /// Less than the value.
    LessThan,
}

/// Spreading instances over the values of a node attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// The attribute.
    pub attribute: NodeAttribute,
    /// Allowed difference between the fullest and the emptiest.
    pub max_skew: Option<u32>,
    /// Refuse to schedule rather than break it.
    pub hard: Option<bool>,
    /// Where it stood.
    pub origin: Origin,
}

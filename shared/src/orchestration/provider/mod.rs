//! The conversion layer of HelmConvert: Kubernetes objects for one cloud provider become objects for another.
//!
//! A provider is data: one catalog file says where it writes each attribute of storage, load balancers, Ingresses and
//! pods, and how it spells the values. [`convert`] reads the attributes of an object through the catalog of the source
//! into a neutral model and writes them through the catalog of the target, so that N providers need N catalogs. An
//! object without anything of the source provider stays as it is, byte for byte.
//!
//! What comes back besides the objects is what an editor of charts needs: each key that changed with its old and new
//! value and the keys that it came from ([`Edit`]), what was added and removed, what could not be known ([`Missing`])
//! and what is no longer the same (findings).

mod account;
mod action;
mod attribute;
pub mod catalog;
mod check;
mod companion;
mod context;
mod detect;
mod edit;
mod engine;
mod explain;
mod field;
mod foreign;
mod ingress;
mod known;
mod list;
mod listener;
mod mapping;
mod node_words;
mod pattern;
mod pod;
mod rewrite;
mod row;
mod schedule;
mod secret;
mod service;
mod settings;
mod storage;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::finding::Findings;
use crate::source::Node;

pub use detect::{Candidate, Detection, Sighting, detect, detect_among};
pub(crate) use edit::get as node_at;
pub use edit::{Change, Edit, SourceKey, apply, difference};
pub use engine::convert;
pub use explain::explain;
pub use known::Provider;
pub use mapping::{Mapping, Missing};

/// An object of the input or the output by its names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Its place in the list that [`convert`] was given; for added objects, counted on behind the last one.
    pub index: usize,
    /// `apiVersion`
    pub api_version: String,
    /// `kind`
    pub kind: String,
    /// `metadata.namespace`, if written.
    pub namespace: Option<String>,
    /// `metadata.name`, empty where there is none.
    pub name: String,
}

impl ObjectRef {
    /// The names of an object.
    #[must_use]
    pub fn of(index: usize, node: &Node) -> Self {
        let text = |node: Option<&Node>| node.and_then(Node::as_text).map(str::to_owned);
        let map = node.as_mapping();
        let metadata = map
            .and_then(|m| m.get("metadata"))
            .and_then(Node::as_mapping);
        Self {
            index,
            api_version: text(map.and_then(|m| m.get("apiVersion"))).unwrap_or_default(),
            kind: text(map.and_then(|m| m.get("kind"))).unwrap_or_default(),
            namespace: text(metadata.and_then(|m| m.get("namespace"))),
            name: text(metadata.and_then(|m| m.get("name"))).unwrap_or_default(),
        }
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Whether a load balancer can be reached from the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exposure {
    /// From the provider's private network alone.
    #[default]
    Internal,
    /// From the internet.
    Public,
}

/// Which Ingress controller of the target takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IngressChoice {
    /// The target provider's own from the source provider's own; ingress-nginx, which each provider has, stays.
    #[default]
    Counterpart,
    /// The target provider's own, from ingress-nginx as well.
    Native,
    /// ingress-nginx.
    Nginx,
}

/// Choices of a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Missing ids are warnings and their placeholders stay in the output (`--allow-missing`).
    pub allow_missing: bool,
    /// What a load balancer becomes whose exposure the source does not tell, such as one known by its id alone.
    pub unknown_exposure: Exposure,
    /// Mbit/s of a public load balancer where the source names none and the target must have one.
    pub bandwidth: u32,
    /// The controller for the source provider's own Ingresses.
    pub ingress: IngressChoice,
    /// A disk may have less throughput than asked for if its IOPS suffice.
    pub less_throughput: bool,
    /// The namespace of objects that name none, where an object without a namespace has to name it.
    pub namespace: Option<String>,
    /// A Service behind an Ingress becomes `NodePort` where the target's own controller reaches no other.
    pub node_port_backends: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow_missing: false,
            unknown_exposure: Exposure::Internal,
            bandwidth: 5,
            ingress: IngressChoice::Counterpart,
            less_throughput: false,
            namespace: None,
            node_port_backends: true,
        }
    }
}

/// What became of one object of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Which one it is, by its names in the input.
    pub object: ObjectRef,
    /// The object now; `None` if the target has no use for it.
    pub node: Option<Arc<Node>>,
    /// What changed in it, in the order in which [`apply`] takes it; empty if nothing did.
    pub edits: Vec<Edit>,
}

/// An object that the target needs besides.
#[derive(Debug, Clone, PartialEq)]
pub struct Added {
    /// Its names; the index counts on behind the input's objects.
    pub object: ObjectRef,
    /// The object.
    pub node: Node,
    /// The objects of the input that need it, by index. Never empty.
    pub because: Vec<usize>,
}

/// What [`convert`] returns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Converted {
    /// One for each object of the input, in its order.
    pub outcomes: Vec<Outcome>,
    /// Objects that came in addition.
    pub added: Vec<Added>,
    /// What was dropped, clamped, or behaves differently; ids that are missing as well.
    pub findings: Findings,
    /// What the target needs and nobody but a person knows. Placeholders stand in the output for each.
    pub missing: Vec<Missing>,
}

impl Converted {
    /// The output: the input's objects in their order without those removed, then the added ones.
    pub fn objects(&self) -> impl Iterator<Item = &Node> {
        let kept = self.outcomes.iter().filter_map(|o| o.node.as_deref());
        kept.chain(self.added.iter().map(|a| &a.node))
    }

    /// The objects that the target has no use for.
    pub fn removed(&self) -> impl Iterator<Item = &ObjectRef> {
        let gone = self.outcomes.iter().filter(|o| o.node.is_none());
        gone.map(|o| &o.object)
    }
}

//! What became of each node.

use super::{FileId, Item, KeyPath, Node, Position};
use crate::finding::{Code, Finding, Findings};

/// Where a value of the model came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The place in the file.
    pub at: Position,
    /// The key path in the source.
    pub path: KeyPath,
}

/// A value of the model with the place that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it stood.
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// A value with its place.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced {
            value: f(self.value),
            origin: self.origin,
        }
    }

    /// The value by reference with a copy of its place.
    pub fn as_deref_value(&self) -> &T {
        &self.value
    }
}

impl Origin {
    /// A place.
    #[must_use]
    pub fn new(at: Position, path: KeyPath) -> Self {
        Self { at, path }
    }

    /// The beginning of a file, for what belongs to no single key.
    #[must_use]
    pub fn file(file: FileId) -> Self {
        Self {
            at: Position::start_of(file),
            path: KeyPath::root(),
        }
    }
}

/// A node that the model has no home for. The writer looks it up in the mapping table of the source's format and
/// says what that means for its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Row of the mapping table: `services.*.ulimits` in Compose, `PodSpec.schedulerName` in Kubernetes.
    pub row: String,
    /// Its value where it is a single one, or a list of single ones joined by commas.
    pub value: Option<String>,
    /// Where it stood.
    pub origin: Origin,
}

/// The value of a scalar, or of a list of scalars.
fn plain(node: &Node) -> Option<String> {
    match node.as_sequence() {
        Some(items) => {
            let texts: Option<Vec<_>> = items.iter().map(Node::as_text).collect();
            texts.map(|texts| texts.join(","))
        }
        None => node.as_text().map(str::to_owned),
    }
}

/// The account that a reader keeps: what went wrong, and what nobody took.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What the reader itself has to say.
    pub findings: Findings,
    /// Nodes that the model has no home for.
    pub leftovers: Vec<Leftover>,
}

impl Ledger {
    /// An empty account.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finding about the node at `origin`.
    pub fn add(&mut self, code: Code, origin: &Origin, message: impl Into<String>) {
        self.findings.push(Finding::new(code, message).at(origin));
    }

    /// Records that the model has no home for this node.
    pub fn leave(&mut self, row: impl Into<String>, item: &Item<'_>) {
        self.leftovers.push(Leftover {
            row: row.into(),
            value: plain(item.node),
            origin: item.origin(),
        });
    }

    /// A wrong type at `item`: an error of the input.
    pub fn wrong_type(&mut self, item: &Item<'_>, expected: &str) {
        let message = format!(
            "`{}` must be {expected}, but is {}",
            item.path,
            item.node.describe()
        );
        self.add(Code("wrong-type"), &item.origin(), message);
    }
}

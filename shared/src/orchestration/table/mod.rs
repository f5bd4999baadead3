//! The mapping tables: what each key of Compose and each field of Kubernetes becomes.
//!
//! Readers and writers decide what they convert; these tables say what it means when they do not. They are data
//! ([`compose/keys.tsv`], [`kubernetes/fields.tsv`], [`kubernetes/kinds.tsv`]) with one row for each path of the
//! Compose schemas and each field of the Kubernetes API, so that the verb `explain`, the findings and the list of what
//! is not supported cannot drift apart. A row names the finding code that holds consequence and remedy.
//!
//! [`compose/keys.tsv`]: crate::orchestration::compose
//! [`kubernetes/fields.tsv`]: crate::orchestration::kubernetes
//! [`kubernetes/kinds.tsv`]: crate::orchestration::kubernetes

mod explain;
mod report;
mod rows;
mod search;
mod suggest;
#[cfg(test)]
mod tests;

use std::fmt;

pub use explain::{Explained, explain, explain_text};
pub use report::{Target, report_leftovers, report_whole};
pub use rows::{compose_key, kubernetes_field, kubernetes_kind};

use crate::finding::Code;

/// What becomes of a key or field in the other world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The target says the same.
    Exact,
    /// The target says nearly the same.
    Approximate,
    /// The target cannot say it, and it has an effect at run time.
    Unsupported,
    /// The target need not say it: it has no effect there.
    NoEffect,
    /// It is used up before the conversion: files are merged, objects are put together.
    Loader,
    /// It concerns the building of images only.
    Build,
}

/// What `docker stack deploy` does with a key of a stack file (schema 3.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stack {
    /// It does what the key says.
    Honoured,
    /// It prints that it ignores the key.
    Ignored,
    /// It prints that the key is deprecated, and ignores it.
    Deprecated,
    /// It refuses the file.
    Forbidden,
    /// The key is not part of the schema: it refuses the file.
    SchemaError,
    /// It accepts the key, does nothing with it, and says nothing.
    Dropped,
}

/// A key of a Compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeKey {
    /// Path as in the schema: `services.*.ports[].target`.
    pub path: &'static str,
    /// Schema versions that know it.
    pub versions: &'static str,
    /// Types that its value may have.
    pub value: &'static str,
    /// What becomes of it in Kubernetes.
    pub kubernetes: Treatment,
    /// What `docker stack deploy` does with it.
    pub stack: Stack,
}

/// A field of the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesField {
    /// API type and field: `PodSpec.hostNetwork`.
    pub field: &'static str,
    /// Type of its value; `[]` is a list of it.
    pub value: &'static str,
    /// What becomes of it in a Compose file.
    pub compose: Treatment,
    /// What becomes of it in a stack file.
    pub swarm: Treatment,
}

/// What becomes of a key or field in one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Treatment {
    /// How faithful it is.
    pub verdict: Verdict,
    /// What it becomes there.
    pub into: Option<&'static str>,
    /// What that means; `None` where the target says the same.
    pub code: Option<Code>,
}

/// A kind of Kubernetes objects that the model does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesKind {
    /// `kind`
    pub kind: &'static str,
    /// API groups that have it; the core group is `core`.
    pub groups: &'static str,
    /// What it means to lose it in Compose.
    pub compose: Code,
    /// What it means to lose it in Swarm.
    pub swarm: Code,
    /// What is different without it, as the end of a sentence.
    pub effect: &'static str,
}

impl Verdict {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "exact" => Self::Exact,
            "approximate" => Self::Approximate,
            "unsupported" => Self::Unsupported,
            "no-effect" => Self::NoEffect,
            "loader" => Self::Loader,
            "build" => Self::Build,
            _ => return None,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "the same",
            Self::Approximate => "nearly the same",
            Self::Unsupported => "no counterpart",
            Self::NoEffect => "no effect",
            Self::Loader => "used up before the conversion",
            Self::Build => "for building images only",
        })
    }
}

impl Stack {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "ok" => Self::Honoured,
            "ignored" => Self::Ignored,
            "deprecated" => Self::Deprecated,
            "forbidden" => Self::Forbidden,
            "schema-error" => Self::SchemaError,
            "dropped" => Self::Dropped,
            _ => return None,
        })
    }

    /// Whether the file is accepted, but the key does nothing.
    #[must_use]
    pub fn is_without_effect(self) -> bool {
        matches!(self, Self::Ignored | Self::Deprecated | Self::Dropped)
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Honoured => "honoured",
            Self::Ignored => "ignored, with a message",
            Self::Deprecated => "ignored as deprecated, with a message",
            Self::Forbidden => "forbidden, the file is refused",
            Self::SchemaError => "not in the schema, the file is refused",
            Self::Dropped => "ignored without a message",
        })
    }
}

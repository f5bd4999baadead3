//! The attributes of the neutral model.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use indexmap::IndexMap;
use serde::Deserialize;

use super::catalog::{Effect, OneOrMany, When};
use super::edit::SourceKey;
use super::pattern::glob;
use crate::source::Position;

/// What the neutral model knows about an attribute.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Meaning {
    /// What it is, in a few words.
    pub(super) what: String,
    /// The kind of id that its value is.
    pub(super) id: Option<String>,
    /// The value is a list, separated by commas.
    #[serde(default)]
    pub(super) list: bool,
    /// How much it matters when the target has no counterpart.
    pub(super) lost: Effect,
    /// The value that each provider has anyway.
    pub(super) default: Option<String>,
}

static MEANINGS: LazyLock<IndexMap<String, Meaning>> =
    LazyLock::new(|| serde_yaml::from_str(include_str!("attributes.yaml")).unwrap_or_default());

static UNKNOWN: LazyLock<Meaning> = LazyLock::new(|| Meaning {
    what: "a setting of the provider".to_owned(),
    id: None,
    list: false,
    lost: Effect::Warning,
    default: None,
});

/// What an attribute is. A user's catalog may have attributes of its own.
pub(super) fn meaning(name: &str) -> &'static Meaning {
    MEANINGS.get(name).unwrap_or(&UNKNOWN)
}

/// Whether the neutral model has an attribute of this name.
pub(super) fn is_known(name: &str) -> bool {
    MEANINGS.contains_key(name)
}

/// A value with the keys of the source that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) value: String,
    pub(super) from: Vec<SourceKey>,
    pub(super) at: Option<Position>,
    /// It is an id of the target already.
    pub(super) mapped: bool,
}

impl Attribute {
    /// A value that the target needs of itself.
    pub(super) fn made(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            from: Vec::new(),
            at: None,
            mapped: false,
        }
    }
}

/// The neutral attributes of one object, in the order in which they were read, and the names of those whose words
/// nobody knows: what holds without a word does not hold for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bag(
    pub(super) IndexMap<String, Attribute>,
    pub(super) BTreeSet<String>,
);

impl Bag {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|a| a.value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn set(&mut self, name: &str, attribute: Attribute) {
        self.0.insert(name.to_owned(), attribute);
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Attribute> {
        self.0.shift_remove(name)
    }

    /// Whether the conditions hold.
    pub(super) fn fits(&self, when: &When) -> bool {
        when.iter().all(|(name, wanted)| {
            let value = self.get(name);
            match wanted {
                None => value.is_none(),
                Some(OneOrMany::One(one)) => value.is_some_and(|v| glob(one, v)),
                Some(OneOrMany::Many(many)) => {
                    value.is_some_and(|v| many.iter().any(|one| glob(one, v)))
                }
            }
        })
    }
}

//! The conversion of a chart's objects, as the user wants it.

use std::collections::BTreeSet;

use super::helm::{NAMESPACE, from_people};
use super::images;
use super::options::ChartOptions;
use super::output::solve::Base;
use super::target::{Target, target};
use crate::images::rewrite::Rules;
use crate::orchestration::provider::{Converted, Mapping, Options, Outcome, Provider, convert};
use crate::parallel;

/// Converts the objects of variants.
#[derive(Debug)]
pub(super) struct Converter<'c> {
    to: &'c Provider,
    map: Mapping,
    strict: Options,
    lenient: Options,
    rules: &'c Rules,
}

/// What the objects of a variant convert to.
#[derive(Debug)]
pub(super) struct Conversion {
    /// What they shall be, under the names of images that the user wants.
    pub(super) target: Target,
    /// What the provider is the cause of.
    pub(super) changes: BTreeSet<Change>,
}

/// An object that changes, by kind and name, and how: a switch may change no more than the value of a key.
pub(super) type Change = (String, String, String);

impl<'c> Converter<'c> {
    pub(super) fn new(options: &'c ChartOptions, rules: &'c Rules) -> Self {
        // The templates write the namespace of the release in place of this name.
        let strict = Options {
            namespace: Some(NAMESPACE.to_owned()),
            ..options.options.clone()
        };
        Self {
            to: &options.to,
            map: options.map.spelled(from_people),
            lenient: Options {
                allow_missing: true,
                ..strict.clone()
            },
            strict,
            rules,
        }
    }

    /// What each variant converts to; what is missing gets a name that says so.
    pub(super) fn all(&self, bases: &[Base], from: &Provider) -> Vec<Conversion> {
        parallel::tasks(bases.len(), |index| {
            self.convert(&bases[index], from, &self.lenient)
        })
    }

    /// What a variant converts to; what is missing is an error, unless the user allowed it.
    pub(super) fn strict(&self, base: &Base, from: &Provider) -> Conversion {
        self.convert(base, from, &self.strict)
    }

    /// Whether the two differ.
    pub(super) fn is_strict(&self) -> bool {
        !self.strict.allow_missing
    }

    fn convert(&self, base: &Base, from: &Provider, options: &Options) -> Conversion {
        let converted = convert(&base.nodes, from, self.to, &self.map, options);
        let changes = changes(&converted);
        let converted = images::rewrite(converted, self.rules);
        Conversion {
            target: target(&base.rendering.documents, converted),
            changes,
        }
    }
}

fn changes(converted: &Converted) -> BTreeSet<Change> {
    let is_changed = |outcome: &&Outcome| outcome.node.is_none() || !outcome.edits.is_empty();
    let changed = converted.outcomes.iter().filter(is_changed);
    let said = changed.map(|outcome| {
        let edits: Vec<_> = outcome.edits.iter().map(|e| (&e.path, &e.change)).collect();
        let object = &outcome.object;
        let (kind, name) = (object.kind.clone(), object.name.clone());
        (kind, name, format!("{edits:?}"))
    });
    said.collect()
}

//! What the original chart renders, read and converted while helm renders what else there is to try.

use std::sync::Arc;

use serde_json::Value as Json;

use super::ChartError;
use super::helm::{NAMESPACE, from_people};
use super::images;
use super::optional::{Tried, try_out};
use super::options::{ChartOptions, Choice};
use super::output::solve::{self, Base, Refused, Surroundings, Takes};
use super::target::FileTable;
use super::variants;
use super::work::{Rendering, Variant, values_of};
use crate::images::inventory::Needed;
use crate::orchestration::provider::{Converted, Mapping, Options, Provider, convert};
use crate::parallel;
use crate::source::Node;

/// The conversion of objects, as the user wants it.
#[derive(Debug)]
pub(super) struct Converter<'c> {
    to: &'c Provider,
    map: Mapping,
    strict: Options,
    lenient: Options,
}

impl<'c> Converter<'c> {
    pub(super) fn new(options: &'c ChartOptions) -> Self {
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
        }
    }

    /// What is missing gets a name that says so.
    pub(super) fn lenient(&self, nodes: &[Arc<Node>], from: &Provider) -> Converted {
        convert(nodes, from, self.to, &self.map, &self.lenient)
    }

    /// What is missing is an error, unless the user allowed it.
    pub(super) fn strict(&self, nodes: &[Arc<Node>], from: &Provider) -> Converted {
        convert(nodes, from, self.to, &self.map, &self.strict)
    }

    /// Whether the two differ.
    pub(super) fn is_strict(&self) -> bool {
        !self.strict.allow_missing
    }
}

/// What the original chart renders with all values that the law must hold for.
pub(super) struct Originals {
    pub(super) bases: Vec<Base>,
    pub(super) refused: Vec<Refused>,
    /// The images that it asks for with all values files and options together, and the Secrets by which they are pulled.
    pub(super) needed: (Vec<Needed>, Vec<Json>),
    /// What else was tried, and what the objects of `bases` convert to, where it was known early for which provider the
    /// chart was made.
    pub(super) early: Option<(Tried, Vec<Converted>)>,
}

/// Renders and reads the original chart.
pub(super) fn originals(
    around: &Surroundings<'_>,
    options: &ChartOptions,
    converter: &Converter<'_>,
    files: &mut FileTable,
) -> Result<Originals, ChartError> {
    let required = variants::required(&around.original.user);
    let printed = solve::take(around, &required, |text| text)?;
    let known = around.job.desks.known();
    let early = early(options, &required, &printed);
    let read = || {
        let takes = parallel::consume(printed, |take| Ok(Rendering::read(take?, known)));
        solve::bases(around, &required, takes, files)
    };
    let Some((from, variant, values)) = early else {
        let (bases, refused) = read()?;
        return Ok(Originals {
            needed: needed(&bases),
            bases,
            refused,
            early: None,
        });
    };
    let (tried, read) = parallel::both(
        || try_out(around, &variant.files, &values, from),
        || {
            let (bases, refused) = read()?;
            let converted = solve::conversions(&bases, &|nodes| converter.lenient(nodes, from));
            let needed = needed(&bases);
            Ok::<_, ChartError>((bases, refused, converted, needed))
        },
    );
    let (bases, refused, converted, needed) = read?;
    Ok(Originals {
        bases,
        refused,
        needed,
        early: Some((tried?, converted)),
    })
}

/// The last of the variants that must hold has all values files and options together.
fn needed(bases: &[Base]) -> (Vec<Needed>, Vec<Json>) {
    let given = bases.iter().rfind(|base| base.variant.required);
    given
        .map(|base| images::needed(&base.nodes))
        .unwrap_or_default()
}

/// All that trying variants takes, if it is there before the renderings are read: the provider, the first variant, and
/// its values. Where helm refuses one, an error may be all that comes of it.
fn early<'e>(
    options: &'e ChartOptions,
    required: &'e [Variant],
    printed: &Takes<String>,
) -> Option<(&'e Provider, &'e Variant, Json)> {
    let Choice::Provider(from) = &options.from else {
        return None;
    };
    let plain: Vec<&String> = printed.iter().step_by(3).flatten().collect();
    let is_whole = !options.flat && plain.len() == required.len();
    let (first, text) = (required.first()?, plain.first()?);
    is_whole.then(|| (from, first, values_of(text)))
}

/// Tries variants and converts the bases where only what they render told the provider.
pub(super) fn try_late(
    around: &Surroundings<'_>,
    bases: &[Base],
    from: &Provider,
    converter: &Converter<'_>,
) -> Result<(Option<Tried>, Vec<Converted>), ChartError> {
    let (tried, converted) = parallel::both(
        || {
            let first = bases.first()?;
            let (files, values) = (&first.variant.files, &first.rendering.values);
            Some(try_out(around, files, values, from))
        },
        || solve::conversions(bases, &|nodes| converter.lenient(nodes, from)),
    );
    Ok((tried.transpose()?, converted))
}

//! What the original chart renders, read and converted while helm renders what else there is to try.

use std::sync::mpsc::channel;

use serde_json::Value as Json;

use super::ChartError;
use super::converter::{Conversion, Converter};
use super::images;
use super::optional::{Tried, try_out};
use super::options::{ChartOptions, Choice};
use super::output::solve::{self, Answers, Base, Refused, Surroundings, Takes};
use super::target::FileTable;
use super::variants;
use super::work::{Rendering, Variant, values_of};
use crate::images::inventory::Needed;
use crate::orchestration::provider::Provider;
use crate::parallel;

/// With so many objects, reading them takes longer than helm's start.
const MANY_OBJECTS: usize = 100;

/// What the original chart renders with all values that the law must hold for.
pub(super) struct Originals {
    pub(super) bases: Vec<Base>,
    pub(super) refused: Vec<Refused>,
    /// What was begun besides, where it was known early for which provider the chart was made.
    pub(super) early: Option<Early>,
}

/// What is known of a chart once the variants that nobody asked for are rendered.
pub(super) struct Early {
    /// These variants.
    pub(super) tried: Tried,
    /// What is known of the others.
    pub(super) asked: Asked,
}

/// What is known of the variants that must hold.
#[derive(Default)]
pub(super) struct Asked {
    /// What their objects convert to.
    pub(super) conversions: Vec<Conversion>,
    /// What helm said already of where they come from.
    pub(super) answers: Answers,
    /// The images that they need ([`needed`]).
    pub(super) needed: Images,
}

impl Asked {
    /// What is known before helm is asked.
    pub(super) fn of(bases: &[Base], from: &Provider, converter: &Converter<'_>) -> Self {
        let (needed, conversions) = parallel::both(|| needed(bases), || converter.all(bases, from));
        Self {
            conversions,
            needed,
            ..Self::default()
        }
    }
}

/// The images that a chart asks for, and the Secrets by which they are pulled.
type Images = (Vec<Needed>, Vec<Json>);

/// Renders and reads the original chart.
pub(super) fn originals(
    around: &Surroundings<'_>,
    options: &ChartOptions,
    converter: &Converter<'_>,
    files: &mut FileTable,
) -> Result<Originals, ChartError> {
    let required = variants::required(&around.original.user);
    let known = around.job.desks.known();
    if options.flat {
        let takes = solve::take(around, &required, |text| Rendering::read(text, known))?;
        let (bases, refused) = solve::bases(around, &required, takes, files)?;
        return Ok(Originals {
            bases,
            refused,
            early: None,
        });
    }
    let printed = solve::take(around, &required, |text| text)?;
    let early = early(options, &required, &printed);
    let read = |files: &mut FileTable| {
        // One after the other: what is the same in all of them is read once, on all processors.
        let takes = printed.into_iter();
        let takes = takes.map(|take| Ok(Rendering::read(take?, known)));
        solve::bases(around, &required, takes.collect(), files)
    };
    let Some((from, variant, values)) = early else {
        let (bases, refused) = read(files)?;
        return Ok(Originals {
            bases,
            refused,
            early: None,
        });
    };
    let (give, given) = channel();
    let (tried, read) = parallel::both(
        || {
            let given = given;
            let files = || given.recv().ok();
            try_out(around, &variant.files, &values, from, converter, files)
        },
        || {
            let (bases, refused) = read(files)?;
            // Nobody takes them where nothing can be tried. An error above leaves nobody waiting: it drops the sender.
            let _ = give.send(files);
            drop(give);
            let asked = ask(around, &bases, from, converter)?;
            Ok::<_, ChartError>((bases, refused, asked))
        },
    );
    let (bases, refused, asked) = read?;
    Ok(Originals {
        bases,
        refused,
        early: Some(Early {
            tried: tried?,
            asked,
        }),
    })
}

/// What a chart asks for with all values files and options together, which the last of the variants that must hold has.
pub(super) fn needed(bases: &[Base]) -> Images {
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
    let is_whole = plain.len() == required.len();
    let (first, text) = (required.first()?, plain.first()?);
    is_whole.then(|| (from, first, values_of(text)))
}

/// Tries variants and converts the bases where only what they render told the provider.
pub(super) fn try_late(
    around: &Surroundings<'_>,
    bases: &[Base],
    from: &Provider,
    converter: &Converter<'_>,
    files: &mut FileTable,
) -> Result<Option<Early>, ChartError> {
    let Some(first) = bases.first() else {
        return Ok(None);
    };
    let (given, values) = (&first.variant.files, &first.rendering.values);
    let (tried, asked) = parallel::both(
        || try_out(around, given, values, from, converter, || Some(files)),
        || ask(around, bases, from, converter),
    );
    Ok(Some(Early {
        tried: tried?,
        asked: asked?,
    }))
}

/// Converts bases, and asks helm where they come from. What other variants show can make other questions of these, so that
/// it has to be worth while.
fn ask(
    around: &Surroundings<'_>,
    bases: &[Base],
    from: &Provider,
    converter: &Converter<'_>,
) -> Result<Asked, ChartError> {
    let mut asked = Asked::of(bases, from, converter);
    if bases.iter().any(|base| base.nodes.len() >= MANY_OBJECTS) {
        let targets = asked.conversions.iter().map(|c| &c.target);
        asked.answers = Answers::early(around, bases, targets)?;
    }
    Ok(asked)
}

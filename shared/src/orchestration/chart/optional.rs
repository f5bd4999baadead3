//! The renderings that nobody asked for: with parts switched on that are off by default, and with another name of the
//! release.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::ChartError;
use super::helm::RELEASE;
use super::identify::Marked;
use super::input::ChartFiles;
use super::output::plan::neutral;
use super::output::solve::{self, Base, Job};
use super::target::{Convert, FileTable, Target};
use super::variants;
use super::work::Work;
use crate::orchestration::provider::{Converted, Provider};
use crate::parallel;

/// What the renderings of the original chart are made of.
pub(crate) struct Surroundings<'s> {
    /// What stays the same.
    pub job: &'s Job<'s>,
    /// The original chart.
    pub original: &'s Work,
    /// Its marks, and the chart with them.
    pub marks: (&'s Marked, &'s ChartFiles),
}

/// Adds the variants for which the law should hold as well: those that show provider parts that the others do not.
/// Gives what each of the variants converts to.
pub(crate) fn with_optional(
    around: &Surroundings<'_>,
    bases: &mut Vec<Base>,
    files: &mut FileTable,
    from: &Provider,
    convert: &Convert<'_>,
) -> Result<Vec<Converted>, ChartError> {
    let Some(first) = bases.first() else {
        return Ok(Vec::new());
    };
    let values = &first.rendering.values;
    let mut tried = variants::optional(values);
    tried.extend(variants::exposures(values, from));
    // Without the values that the chart asks for, nothing can be tried.
    for variant in &mut tried {
        variant.files.clone_from(&first.variant.files);
    }
    let (mut conversions, more) = parallel::both(
        || solve::conversions(bases, convert),
        || solve::render_bases(around.job, around.original, around.marks, &tried, files),
    );
    let (more, _) = more?;
    let converted = solve::conversions(&more, convert);
    // What changes, and how: a switch may change no more than the value of a key.
    let changed = |converted: &Converted| -> BTreeSet<(String, String, String)> {
        converted
            .outcomes
            .iter()
            .filter(|outcome| outcome.node.is_none() || !outcome.edits.is_empty())
            .map(|outcome| {
                let edits: Vec<_> = outcome.edits.iter().map(|e| (&e.path, &e.change)).collect();
                let object = &outcome.object;
                (
                    object.kind.clone(),
                    object.name.clone(),
                    format!("{edits:?}"),
                )
            })
            .collect()
    };
    let mut known: BTreeSet<(String, String, String)> =
        conversions.iter().flat_map(changed).collect();
    let more: Vec<_> = more
        .into_iter()
        .zip(converted)
        .map(|(base, converted)| (changed(&converted), base, converted))
        .collect();
    // Where one of the words changes something, each of them has to be converted.
    let is_exposure = |base: &Base| variants::is_exposure(&base.variant);
    let exposes = more
        .iter()
        .any(|(here, base, _)| is_exposure(base) && !here.is_subset(&known));
    for (here, base, converted) in more {
        let renamed = base.variant.release != RELEASE;
        let is_new = if is_exposure(&base) {
            exposes
        } else {
            !here.is_subset(&known)
        };
        if (renamed && !here.is_empty()) || (!renamed && is_new) {
            known.extend(here);
            bases.push(base);
            conversions.push(converted);
        }
    }
    Ok(conversions)
}

/// Leaves out the rendering with another name of the release where the conversion makes more of that name than a
/// template could say, such as a digest of it in the name of a class.
pub(crate) fn without_odd_releases(bases: &mut Vec<Base>, targets: &mut Vec<Target>) {
    let values = |base: &Base, target: &Target| -> Vec<Json> {
        target
            .wanted
            .iter()
            .map(|wanted| neutral(&wanted.value, &base.variant.release))
            .collect()
    };
    let Some(usual) = bases
        .first()
        .zip(targets.first())
        .map(|(b, t)| values(b, t))
    else {
        return;
    };
    for index in (0..bases.len()).rev() {
        let base = &bases[index];
        if base.variant.release != RELEASE
            && let odd = values(base, &targets[index])
            && (odd.len() != usual.len() || odd.iter().zip(&usual).any(|(a, b)| a != b))
        {
            bases.remove(index);
            targets.remove(index);
        }
    }
}

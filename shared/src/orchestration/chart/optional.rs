//! The renderings that nobody asked for: with parts switched on that are off by default, and with another name of the
//! release.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::ChartError;
use super::converter::{Change, Conversion, Converter};
use super::helm::RELEASE;
use super::output::plan::alike;
use super::output::solve::{self, Base, Surroundings};
use super::target::{FileTable, Target};
use super::variants;
use super::work::Rendering;
use crate::orchestration::provider::Provider;
use crate::parallel;

/// Variants that nobody asked for, and what their objects convert to.
#[derive(Default)]
pub(super) struct Tried {
    bases: Vec<Base>,
    conversions: Vec<Conversion>,
}

/// Renders the chart in the variants that its values suggest, on top of values files. They are read when `files` gives the
/// table of files, which is when what was asked for has been read.
pub(super) fn try_out<'f>(
    around: &Surroundings<'_>,
    given: &[usize],
    values: &Json,
    from: &Provider,
    converter: &Converter<'_>,
    files: impl FnOnce() -> Option<&'f mut FileTable>,
) -> Result<Tried, ChartError> {
    let mut variants = variants::optional(values);
    variants.extend(variants::exposures(values, from));
    // Without the values that the chart asks for, nothing can be tried.
    for variant in &mut variants {
        variant.files = given.to_vec();
    }
    let known = around.job.desks.known();
    let takes = solve::take(around, &variants, |text| Rendering::read(text, known))?;
    let Some(files) = files() else {
        return Ok(Tried::default());
    };
    let (bases, _) = solve::bases(around, &variants, takes, files)?;
    let conversions = converter.all(&bases, from);
    Ok(Tried { bases, conversions })
}

/// Adds the variants for which the law should hold as well: those that show provider parts that the others do not; and
/// what each of them converts to.
pub(super) fn add_optional(tried: Tried, bases: &mut Vec<Base>, conversions: &mut Vec<Conversion>) {
    let known = conversions.iter().flat_map(|c| c.changes.clone());
    let mut known: BTreeSet<Change> = known.collect();
    let Tried {
        bases: more,
        conversions: converted,
    } = tried;
    // Where one of the words changes something, each of them has to be converted.
    let is_exposure = |base: &Base| variants::is_exposure(&base.variant);
    let exposes = more
        .iter()
        .zip(&converted)
        .any(|(base, here)| is_exposure(base) && !here.changes.is_subset(&known));
    for (base, here) in more.into_iter().zip(converted) {
        let renamed = base.variant.release != RELEASE;
        let is_new = if is_exposure(&base) {
            exposes
        } else {
            !here.changes.is_subset(&known)
        };
        if (renamed && !here.changes.is_empty()) || (!renamed && is_new) {
            known.extend(here.changes.clone());
            bases.push(base);
            conversions.push(here);
        }
    }
}

/// Leaves out the rendering with another name of the release where the conversion makes more of that name than a
/// template could say, such as a digest of it in the name of a class.
pub(crate) fn without_odd_releases(bases: &mut Vec<Base>, targets: &mut Vec<Target>) {
    let Some((usual, first)) = bases.first().zip(targets.first()) else {
        return;
    };
    let (release, usual) = (usual.variant.release.clone(), Arc::clone(&first.wanted));
    for index in (0..bases.len()).rev() {
        let here = bases[index].variant.release.as_str();
        let wanted = &targets[index].wanted;
        let same = || {
            let pairs: Vec<_> = wanted.iter().zip(usual.iter()).collect();
            parallel::each(&pairs, |(a, b)| {
                alike((&a.value, here), (&b.value, &release))
            })
        };
        if here != RELEASE && (wanted.len() != usual.len() || same().contains(&false)) {
            bases.remove(index);
            targets.remove(index);
        }
    }
}

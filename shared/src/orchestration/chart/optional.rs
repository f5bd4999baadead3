//! The renderings that nobody asked for: with parts switched on that are off by default, and with another name of the
//! release.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::ChartError;
use super::helm::RELEASE;
use super::output::plan::alike;
use super::output::solve::{self, Base, Surroundings, Takes};
use super::target::{Convert, FileTable, Target};
use super::variants;
use super::work::{Rendering, Variant};
use crate::orchestration::provider::{Converted, Provider};
use crate::parallel;

/// Variants that nobody asked for, and what helm made of them.
pub(crate) struct Tried {
    variants: Vec<Variant>,
    takes: Takes<Rendering>,
}

/// Renders the chart in the variants that its values suggest, on top of values files.
pub(crate) fn try_out(
    around: &Surroundings<'_>,
    files: &[usize],
    values: &Json,
    from: &Provider,
) -> Result<Tried, ChartError> {
    let mut variants = variants::optional(values);
    variants.extend(variants::exposures(values, from));
    // Without the values that the chart asks for, nothing can be tried.
    for variant in &mut variants {
        variant.files = files.to_vec();
    }
    let known = around.job.desks.known();
    let takes = solve::take(around, &variants, |text| Rendering::read(text, known))?;
    Ok(Tried { variants, takes })
}

/// Adds the variants for which the law should hold as well: those that show provider parts that the others do not; and
/// what each of them converts to.
pub(crate) fn add_optional(
    around: &Surroundings<'_>,
    tried: Tried,
    bases: &mut Vec<Base>,
    conversions: &mut Vec<Converted>,
    files: &mut FileTable,
    convert: &Convert<'_>,
) -> Result<(), ChartError> {
    let Tried { variants, takes } = tried;
    let (more, _) = solve::bases(around, &variants, takes, files)?;
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
    Ok(())
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

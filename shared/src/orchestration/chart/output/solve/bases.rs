//! The renderings of the original chart, and what differs between them by itself.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;

use super::super::super::ChartError;
use super::super::super::compare::{Change, Difference, compare};
use super::super::super::desk::Form;
use super::super::super::target::{FileTable, Marks, nodes};
use super::super::super::work::{OnDisk, Rendering, Variant};
use super::super::super::yaml::Step;
use super::origins::partners;
use super::{Base, Surroundings, renamed};
use crate::parallel;

/// A variant that helm does not render, and what helm says about it.
pub(crate) type Refused = (String, String);

/// What came of the renderings of variants, three for each: of the chart as it is, of the same once more, and of the one
/// with marks. Without chance in the chart, the second one is an empty error.
pub(crate) type Takes<T> = Vec<Result<T, ChartError>>;

/// Renders the original chart in variants, and makes of each rendering what `develop` does.
pub(crate) fn take<T: Send>(
    around: &Surroundings<'_>,
    variants: &[Variant],
    develop: impl Fn(String) -> T + Sync,
) -> Result<Takes<T>, ChartError> {
    let (job, by_chance) = (around.job, around.by_chance);
    let (chart, user) = (&around.original.chart, &around.original.user);
    let Some(first) = variants.first() else {
        return Ok(Vec::new());
    };
    job.desks.with(Form::Plain, chart, user, |plain| {
        // Helm has begun when the marks are made.
        let begun = Mutex::new(Some(plain.begin(job.helm, first, job.capabilities)?));
        let (_, marked_chart) = around.marks();
        job.desks.with(Form::Marked, marked_chart, user, |marked| {
            Ok(parallel::tasks(variants.len() * 3, |index| {
                if index % 3 == 1 && !by_chance {
                    return Err(ChartError::Input(String::new()));
                }
                let disk = if index % 3 == 2 { marked } else { plain };
                let begun = || {
                    let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
                    begun.take()
                };
                let running = match (index == 0).then(begun).flatten() {
                    Some(running) => running,
                    None => disk.begin(job.helm, &variants[index / 3], job.capabilities)?,
                };
                Ok(develop(running.end()?))
            }))
        })
    })
}

/// What the conversion reads of the renderings of some variants. Optional ones that do not render are left out, and so
/// are those that must hold where the last of them, which has all values, does render: a chart may ask for values that it
/// has no default for.
pub(crate) fn bases(
    around: &Surroundings<'_>,
    variants: &[Variant],
    takes: Takes<Rendering>,
    files: &mut FileTable,
) -> Result<(Vec<Base>, Vec<Refused>), ChartError> {
    let (job, work) = (around.job, around.original);
    let (marked, _) = around.marks();
    let mut bases = Vec::new();
    let mut refused = Vec::new();
    let last = variants.iter().rposition(|variant| variant.required);
    let mut takes = takes.into_iter();
    let threes = std::iter::from_fn(|| Some((takes.next()?, takes.next()?, takes.next()?)));
    for (number, (variant, (first, second, third))) in variants.iter().zip(threes).enumerate() {
        let rendering = match first {
            Ok(rendering) => rendering,
            Err(error) if variant.required => {
                let plain = |disk: &OnDisk| Ok(renamed(error, disk, work, job.chart_name));
                let (chart, user) = (&work.chart, &work.user);
                match job.desks.with(Form::Plain, chart, user, plain)? {
                    ChartError::Helm { message, .. } if last != Some(number) => {
                        refused.push((variant.name.clone(), message));
                    }
                    error => return Err(error),
                }
                continue;
            }
            Err(_) => continue,
        };
        let mut ignored = vec![BTreeSet::new(); rendering.documents.len()];
        if let Ok(second) = second {
            note_changes(&rendering, &second, &mut ignored, |_, _| true);
        }
        let third = third.ok();
        let marks = third.as_ref().map(|third| {
            note_changes(&rendering, third, &mut ignored, is_digest);
            let partners = partners(&rendering.documents, &third.documents).into_iter();
            Marks {
                marked,
                partners: partners
                    .map(|partner| Some(&third.documents[partner?]))
                    .collect(),
            }
        });
        let text_of = |path: &str| {
            let name = format!("{}/{path}", job.chart_name.trim_end_matches('/'));
            work.chart.text(path).map(|text| (name, text.to_owned()))
        };
        let located = nodes(
            &rendering.documents,
            marks.as_ref(),
            &rendering.text,
            files,
            &text_of,
        );
        let (nodes, places) = located.into_iter().unzip();
        bases.push(Base {
            variant: variant.clone(),
            rendering,
            ignored,
            nodes,
            marked: third.map(|third| third.documents),
            places,
        });
    }
    Ok((bases, refused))
}

/// Notes the paths at which two renderings of the same differ.
fn note_changes(
    first: &Rendering,
    second: &Rendering,
    ignored: &mut [BTreeSet<Vec<Step>>],
    counts: impl Fn(&Json, &Json) -> bool,
) {
    let nothing = BTreeSet::new();
    for (index, partner) in partners(&first.documents, &second.documents)
        .into_iter()
        .enumerate()
    {
        let Some(partner) = partner else { continue };
        let (have, want) = (
            &first.documents[index].value,
            &second.documents[partner].value,
        );
        if Arc::ptr_eq(have, want) {
            continue;
        }
        for Difference { path, change } in compare(have, want, &nothing) {
            if let Change::Replace { have, want } = &change
                && counts(have, want)
            {
                ignored[index].insert(path);
            }
        }
    }
}

/// Whether both are digests, which follow from other texts (`checksum/config`).
fn is_digest(a: &Json, b: &Json) -> bool {
    let digest = |value: &Json| {
        value.as_str().is_some_and(|text| {
            (32..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
        })
    };
    digest(a) && digest(b)
}

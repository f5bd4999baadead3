//! The renderings of the original chart, and what differs between them by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::super::super::ChartError;
use super::super::super::chance;
use super::super::super::compare::{Change, Difference, compare};
use super::super::super::desk::Form;
use super::super::super::identify::Marked;
use super::super::super::input::ChartFiles;
use super::super::super::target::{FileTable, Marks, nodes};
use super::super::super::work::{OnDisk, Rendering, Variant, Work};
use super::super::super::yaml::Step;
use super::origins::partners;
use super::{Base, Job, renamed};
use crate::parallel;

/// A variant that helm does not render, and what helm says about it.
pub(crate) type Refused = (String, String);

/// Renders the original chart in all variants. Optional variants that do not render are left out, and so are those that
/// must hold where the last of them, which has all values, does render: a chart may ask for values that it has no
/// default for.
pub(crate) fn render_bases(
    job: &Job<'_>,
    work: &Work,
    (marked, marked_chart): (&Marked, &ChartFiles),
    variants: &[Variant],
    files: &mut FileTable,
) -> Result<(Vec<Base>, Vec<Refused>), ChartError> {
    let (chart, user) = (&work.chart, &work.user);
    job.desks.with(Form::Plain, chart, user, |plain| {
        job.desks
            .with(Form::Marked, marked_chart, user, |marked_disk| {
                rendered(job, work, variants, files, (plain, marked_disk, marked))
            })
    })
}

fn rendered(
    job: &Job<'_>,
    work: &Work,
    variants: &[Variant],
    files: &mut FileTable,
    (plain, marked_disk, marked): (&OnDisk, &OnDisk, &Marked),
) -> Result<(Vec<Base>, Vec<Refused>), ChartError> {
    let by_chance = chance::is_possible(&work.chart, &work.user);
    let renderings = parallel::tasks(variants.len() * 3, |index| {
        if index % 3 == 1 && !by_chance {
            return Err(ChartError::Input(String::new()));
        }
        let disk = if index % 3 == 2 { marked_disk } else { plain };
        disk.render(job.helm, &variants[index / 3], job.capabilities)
    });
    let mut bases = Vec::new();
    let mut refused = Vec::new();
    let last = variants.iter().rposition(|variant| variant.required);
    let mut renderings = renderings.into_iter();
    for (number, variant) in variants.iter().enumerate() {
        let (first, second, third) = (renderings.next(), renderings.next(), renderings.next());
        let rendering = match first {
            Some(Ok(rendering)) => rendering,
            Some(Err(error)) if variant.required => {
                let error = renamed(error, plain, work, job.chart_name);
                match error {
                    ChartError::Helm { message, .. } if last != Some(number) => {
                        refused.push((variant.name.clone(), message));
                    }
                    error => return Err(error),
                }
                continue;
            }
            _ => continue,
        };
        let mut ignored = vec![BTreeSet::new(); rendering.documents.len()];
        if let Some(Ok(second)) = second {
            note_changes(&rendering, &second, &mut ignored, |_, _| true);
        }
        let third = third.and_then(Result::ok);
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
        let nodes = nodes(
            &rendering.documents,
            marks.as_ref(),
            &rendering.text,
            files,
            &text_of,
        );
        bases.push(Base {
            variant: variant.clone(),
            rendering,
            ignored,
            nodes,
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

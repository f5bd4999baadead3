//! The report of a migration as one HTML file: no script, nothing from elsewhere.

use serde_json::json;
use tera::{Context, Tera};

use super::Migration;
use crate::cli::images::size;
use crate::finding::{Finding, Findings, Severity};
use crate::source::Sources;

const TEMPLATE: &str = include_str!("report.html.tera");

/// Colours of the four terms, in their order.
const COLOURS: [&str; 4] = ["#6c8ebf", "#82b366", "#d79b00", "#9673a6"];

/// Writes the report as HTML.
///
/// # Errors
/// The template does not fit, which is a defect of the program.
pub fn to_html(
    findings: &Findings,
    sources: &Sources,
    migration: Option<&Migration>,
) -> Result<String, String> {
    let mut context = Context::new();
    context.insert("version", env!("CARGO_PKG_VERSION"));
    context.insert("application", &migration.map_or("", |m| &m.application));
    context.insert("target", &migration.map_or("", |m| &m.target));
    context.insert("run", &migration.and_then(|m| m.run.clone()));
    context.insert("groups", &groups(findings, sources));
    let counts: Vec<_> = [
        (Severity::Error, "errors"),
        (Severity::Loss, "losses"),
        (Severity::Warning, "warnings"),
        (Severity::Info, "notes"),
    ]
    .iter()
    .map(|(severity, what)| json!({"what": what, "count": findings.count(*severity)}))
    .collect();
    context.insert("counts", &counts);
    let terms = migration.and_then(|migration| migration.terms);
    if let Some(terms) = terms {
        let total = terms.total().max(f64::EPSILON);
        let mut begins = 0.0;
        let bars: Vec<_> = terms
            .named()
            .iter()
            .zip(COLOURS)
            .map(|((name, seconds, what), colour)| {
                let width = seconds / total * 100.0;
                let bar = json!({
                    "name": name,
                    "what": what,
                    "seconds": format!("{seconds:.2}"),
                    "x": format!("{begins:.3}"),
                    "width": format!("{width:.3}"),
                    "colour": colour,
                });
                begins += width;
                bar
            })
            .collect();
        context.insert("terms", &bars);
        context.insert("total", &format!("{:.2}", terms.total()));
        context.insert("images_were_there", &terms.images_were_there);
    }
    let images: Vec<_> = migration
        .iter()
        .flat_map(|migration| &migration.images)
        .map(|image| {
            json!({
                "source": image.source,
                "target": image.target,
                "digest": image.digest.as_ref().map(ToString::to_string),
                "state": match (&image.error, image.up_to_date) {
                    (Some(error), _) => error.to_string(),
                    (None, true) => "was there".to_owned(),
                    (None, false) => format!("{} sent, {} mounted, {} there", size(image.transferred), size(image.mounted), size(image.skipped)),
                },
            })
        })
        .collect();
    context.insert("images", &images);
    Tera::one_off(TEMPLATE, &context, true)
        .map_err(|error| format!("the report cannot be written: {error:?}"))
}

/// Findings by what they mean, the gravest first.
fn groups(findings: &Findings, sources: &Sources) -> Vec<serde_json::Value> {
    let kinds = [
        (
            Severity::Error,
            "error",
            "Wrong",
            "The input has to be mended first.",
        ),
        (
            Severity::Loss,
            "loss",
            "Lost",
            "Has an effect when the application runs, and was not carried over.",
        ),
        (
            Severity::Warning,
            "warning",
            "Approximated",
            "Carried over, but not exactly.",
        ),
        (
            Severity::Info,
            "note",
            "Notes",
            "Without effect when the application runs.",
        ),
    ];
    kinds
        .iter()
        .filter_map(|(severity, class, title, meaning)| {
            let mut codes: Vec<(&str, Vec<&Finding>)> = Vec::new();
            for finding in findings
                .as_slice()
                .iter()
                .filter(|f| f.severity() == *severity)
            {
                match codes.iter_mut().find(|(code, _)| *code == finding.code.0) {
                    Some((_, same)) => same.push(finding),
                    None => codes.push((finding.code.0, vec![finding])),
                }
            }
            if codes.is_empty() {
                return None;
            }
            let codes: Vec<_> = codes
                .into_iter()
                .map(|(code, same)| {
                    let explanation = same.first().map(|finding| finding.explanation());
                    let places: Vec<_> = same
                        .iter()
                        .map(|finding| {
                            json!({
                                "place": finding.place(sources),
                                "path": finding.path,
                                "message": finding.message,
                            })
                        })
                        .collect();
                    json!({
                        "code": code,
                        "title": explanation.map(|e| e.title),
                        "consequence": explanation.map(|e| e.consequence),
                        "remedy": explanation.map(|e| e.remedy),
                        "places": places,
                    })
                })
                .collect();
            Some(json!({"class": class, "title": title, "meaning": meaning, "codes": codes}))
        })
        .collect()
}

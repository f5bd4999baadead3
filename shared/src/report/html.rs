//! The report of a migration as one HTML file: no script, nothing from elsewhere.

use serde_json::json;
use tera::{Context, Tera};

use super::Migration;
use crate::cli::images::{count, size};
use crate::finding::{Finding, Findings, Severity};
use crate::images::sync::ImageOutcome;
use crate::source::Sources;

const TEMPLATE: &str = include_str!("report.html.tera");

/// Classes of the four terms, in their order.
const TERMS: [&str; 4] = ["convert", "replicate", "sync", "run"];

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
    context.insert("is_conversion", &migration.is_none());
    context.insert("target", &migration.map_or("", |m| &m.target));
    context.insert("run", &migration.and_then(|m| m.run.clone()));
    context.insert("groups", &groups(findings, sources));
    let counts: Vec<_> = [
        (Severity::Error, "error", "error", "errors"),
        (Severity::Loss, "loss", "loss", "losses"),
        (
            Severity::Warning,
            "warning",
            "approximation",
            "approximations",
        ),
        (Severity::Info, "note", "note", "notes"),
    ]
    .iter()
    .map(|(severity, class, one, many)| {
        let count = findings.count(*severity);
        let what = if count == 1 { one } else { many };
        json!({"class": class, "what": what, "count": count})
    })
    .collect();
    context.insert("lost", &findings.count(Severity::Loss));
    let failure = migration.map(|migration| migration.failure.as_slice());
    context.insert("failure", &failure.unwrap_or_default());
    context.insert("counts", &counts);
    let terms = migration.and_then(|migration| migration.terms);
    if let Some(terms) = terms {
        let total = terms.total().max(f64::EPSILON);
        let mut begins = 0.0;
        let bars: Vec<_> = terms
            .named()
            .iter()
            .zip(TERMS)
            .map(|((name, seconds, what), class)| {
                let width = seconds / total * 100.0;
                let bar = json!({
                    "name": name,
                    "what": what,
                    "seconds": format!("{seconds:.2}"),
                    "x": format!("{begins:.3}"),
                    "width": format!("{width:.3}"),
                    "class": class,
                    "share": format!("{width:.0}"),
                });
                begins += width;
                bar
            })
            .collect();
        context.insert("terms", &bars);
        context.insert("total", &format!("{:.2}", terms.total()));
        context.insert("images_were_there", &terms.images_were_there);
    }
    images(migration, &mut context);
    Tera::one_off(TEMPLATE, &context, true)
        .map_err(|error| format!("the report cannot be written: {error:?}"))
}

/// The images with their bytes.
fn images(migration: Option<&Migration>, context: &mut Context) {
    let outcomes = migration.map_or(&[][..], |migration| migration.images.as_slice());
    let bytes = |number: u64| {
        if number == 0 {
            "\u{2013}".to_owned()
        } else {
            size(number)
        }
    };
    let images: Vec<_> = outcomes
        .iter()
        .map(|image| {
            let there = if image.up_to_date && image.skipped == 0 {
                "all".to_owned()
            } else {
                bytes(image.skipped)
            };
            json!({
                "source": image.source,
                "target": image.target,
                "digest": image.digest.as_ref().map(ToString::to_string),
                "error": image.error.as_ref().map(ToString::to_string),
                "sent": bytes(image.transferred),
                "mounted": bytes(image.mounted),
                "there": there,
            })
        })
        .collect();
    let total = |part: fn(&ImageOutcome) -> u64| size(outcomes.iter().map(part).sum());
    let line = format!(
        "{}, {} there before; {} sent, {} mounted",
        count(images.len(), "image"),
        outcomes.iter().filter(|image| image.up_to_date).count(),
        total(|image| image.transferred),
        total(|image| image.mounted),
    );
    context.insert("images", &images);
    context.insert("images_line", &line);
}

/// A sentence as HTML, with what stands between backticks as code.
fn with_code(sentence: &str) -> String {
    let escaped = tera::escape_html(sentence);
    let parts: Vec<&str> = escaped.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // A backtick of its own is just a character.
        return escaped;
    }
    let mut html = String::with_capacity(escaped.len());
    for (index, part) in parts.into_iter().enumerate() {
        if index % 2 == 0 {
            html.push_str(part);
        } else {
            html.push_str("<code>");
            html.push_str(part);
            html.push_str("</code>");
        }
    }
    html
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
                                "message": with_code(&finding.message),
                            })
                        })
                        .collect();
                    json!({
                        "code": code,
                        "title": explanation.map(|e| with_code(e.title)),
                        "consequence": explanation.map(|e| with_code(e.consequence)),
                        "remedy": explanation.map(|e| with_code(e.remedy)),
                        "places": places,
                    })
                })
                .collect();
            let count = findings.count(*severity);
            Some(json!({"class": class, "title": title, "meaning": meaning, "count": count, "codes": codes}))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::with_code;

    #[test]
    fn what_stands_between_backticks_is_code() {
        assert_eq!(
            with_code("use `a<b>` or `c`."),
            "use <code>a&lt;b&gt;</code> or <code>c</code>."
        );
        assert_eq!(with_code("one ` alone"), "one ` alone");
    }
}

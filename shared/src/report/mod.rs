//! The report of one migration: for people on a terminal, in a log, in a browser, or as JSON for programs.

mod html;
mod json;
mod text;

use std::io;
use std::path::Path;

pub use html::to_html;
pub use json::to_json;
pub use text::{Style, summary, to_text};

use crate::application::Terms;
use crate::finding::Findings;
use crate::images::sync::ImageOutcome;
use crate::source::Sources;

/// What there is to say of a migration beside its findings.
#[derive(Debug, Clone)]
pub struct Migration {
    /// Name of the application.
    pub application: String,
    /// Where it went.
    pub target: String,
    /// Name of the run.
    pub run: Option<String>,
    /// How long the parts took.
    pub terms: Option<Terms>,
    /// What became of the images.
    pub images: Vec<ImageOutcome>,
}

/// Writes the report of a conversion into a file, with seconds by name.
///
/// # Errors
/// The file cannot be written.
pub fn write_timed(
    path: &Path,
    findings: &Findings,
    sources: &Sources,
    timings: &[(&str, f64)],
) -> io::Result<()> {
    let is_html = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
    if timings.is_empty() || is_html {
        return write(path, findings, sources, None);
    }
    let mut value = to_json(findings, sources);
    let timings = timings.iter();
    value["timings"] = timings
        .map(|(name, seconds)| ((*name).to_owned(), serde_json::json!(seconds)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    fs_err::write(path, format!("{value:#}\n"))
}

/// Writes a report into a file: HTML if its name ends with `.html`, else JSON.
///
/// # Errors
/// The file cannot be written.
pub fn write(
    path: &Path,
    findings: &Findings,
    sources: &Sources,
    migration: Option<&Migration>,
) -> io::Result<()> {
    let is_html = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
    let text = if is_html {
        to_html(findings, sources, migration).map_err(io::Error::other)?
    } else {
        let mut value = to_json(findings, sources);
        if let Some(migration) = migration {
            value["application"] = serde_json::json!(migration.application);
            value["target"] = serde_json::json!(migration.target);
            value["run"] = serde_json::json!(migration.run);
            if let Some(terms) = &migration.terms {
                let mut timings = serde_json::Map::new();
                for (name, seconds, _) in terms.named() {
                    timings.insert(name.to_owned(), serde_json::json!(seconds));
                }
                timings.insert("total".to_owned(), serde_json::json!(terms.total()));
                timings.insert(
                    "images_were_there".to_owned(),
                    serde_json::json!(terms.images_were_there),
                );
                value["timings"] = timings.into();
            }
            let images: Vec<_> = migration
                .images
                .iter()
                .map(|image| {
                    serde_json::json!({
                        "source": image.source,
                        "target": image.target,
                        "digest": image.digest,
                        "up_to_date": image.up_to_date,
                        "transferred": image.transferred,
                        "mounted": image.mounted,
                        "skipped": image.skipped,
                        "seconds": image.elapsed.as_secs_f64(),
                        "error": image.error.as_ref().map(ToString::to_string),
                    })
                })
                .collect();
            value["images"] = images.into();
        }
        format!("{value:#}\n")
    };
    fs_err::write(path, text)
}

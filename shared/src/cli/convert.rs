//! The end of every conversion: write, report, exit code.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, OutputOptions, Printer, WriteError};
use crate::finding::{Findings, Severity};
use crate::orchestration::convert::{Conversion, Failure};
use crate::parallel;
use crate::report;
use crate::source::Sources;

/// What is said about a conversion.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Report")]
pub struct ReportOptions {
    /// Write all findings into this file: .json, or .html for people
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Exit with code 2 when something could only be approximated or was lost
    #[arg(long)]
    pub strict: bool,
    /// Show notes as well: findings without effect at run time
    #[arg(long, short)]
    pub verbose: bool,
    /// Show errors only
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
}

impl ReportOptions {
    /// The printer that these options ask for.
    #[must_use]
    pub fn printer(&self) -> Printer {
        Printer {
            quiet: self.quiet,
            verbose: self.verbose,
        }
    }
}

/// Writes the output, reports the findings, and chooses the exit code. `what` names the output: `Kubernetes objects`.
#[must_use]
pub fn finish(
    result: Result<Conversion, Box<Failure>>,
    output: &OutputOptions,
    options: &ReportOptions,
    what: &str,
) -> Exit {
    let printer = options.printer();
    match result {
        Err(failure) => {
            let style = printer.style();
            printer.complain(&report::to_text(&failure.findings, &failure.sources, style));
            if let Some(summary) = report::summary(&failure.findings, style) {
                printer.complain(&format!("Nothing was converted: {summary}"));
            }
            match write_report(options, &failure.findings, &failure.sources, printer) {
                Ok(()) => Exit::Input,
                Err(exit) => exit,
            }
        }
        Ok(conversion) => succeed(conversion, output, options, what),
    }
}

fn succeed(
    conversion: Conversion,
    output: &OutputOptions,
    options: &ReportOptions,
    what: &str,
) -> Exit {
    let printer = options.printer();
    let Conversion {
        output: documents,
        findings,
        sources,
        name,
        images: _,
        pull_secrets: _,
    } = conversion;
    let place = if let Some(folder) = &output.out_dir {
        match output.write(&documents, folder) {
            Ok(written) => {
                let files = if written.len() == 1 { "file" } else { "files" };
                format!("{} {files} in {}", written.len(), folder.display())
            }
            Err(error) => {
                printer.complain(&format!("error: {error}"));
                return match error {
                    WriteError::Exists(_) => Exit::Refused,
                    WriteError::Outside(_) | WriteError::Io(_) => Exit::Failed,
                };
            }
        }
    } else {
        if let Err(error) = printer.data(&output.text(&documents)) {
            printer.complain(&format!("error: standard output: {error}"));
            return Exit::Failed;
        }
        String::from("standard output")
    };
    let style = printer.style();
    printer.say(&report::to_text(&findings, &sources, style));
    let count = documents.documents.len();
    let mut line = format!("`{name}`: {count} {what}, {place}");
    if output.out_dir.is_none() && !documents.files.is_empty() {
        let paths: Vec<_> = documents.files.iter().map(|f| f.path.as_str()).collect();
        line.push_str(&format!(
            "\nwarning: {} not written; give a folder with --out-dir DIR",
            paths.join(", ")
        ));
    }
    if let Some(summary) = report::summary(&findings, style) {
        line.push_str(&format!("\n{summary}"));
    }
    printer.say(&line);
    if let Err(exit) = write_report(options, &findings, &sources, printer) {
        return exit;
    }
    let worst = findings.worst();
    // The process ends: its memory goes with it.
    parallel::free((documents, findings, sources));
    if options.strict && worst >= Some(Severity::Warning) {
        return Exit::Findings;
    }
    Exit::Done
}

/// Writes the report file, if one is asked for.
///
/// # Errors
/// The exit code, when the file cannot be written; that has been said then.
pub fn write_report(
    options: &ReportOptions,
    findings: &Findings,
    sources: &Sources,
    printer: Printer,
) -> Result<(), Exit> {
    write_timed_report(options, findings, sources, &[], printer)
}

/// Writes the report file, if one is asked for, with seconds by name.
///
/// # Errors
/// The exit code, when the file cannot be written; that has been said then.
pub fn write_timed_report(
    options: &ReportOptions,
    findings: &Findings,
    sources: &Sources,
    timings: &[(&str, f64)],
    printer: Printer,
) -> Result<(), Exit> {
    let Some(path) = &options.report else {
        return Ok(());
    };
    report::write_timed(path, findings, sources, timings).map_err(|error| {
        printer.complain(&format!("error: {error}"));
        Exit::Failed
    })
}

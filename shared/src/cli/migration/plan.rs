//! `plan`: what `run` would do. Changes nothing.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::prepare::{look, prepare, say_findings};
use super::saved::SavedPlan;
use super::{Migration, MigrationOptions};
use crate::cli::{Exit, Printer, block_on_reading};
use crate::finding::Severity;
use crate::images::sync::Engine;

/// What is planned.
#[derive(Debug, Args)]
pub struct PlanArgs<Source: Migration> {
    #[command(flatten)]
    options: MigrationOptions<Source>,
    /// Keep the plan in this file, for `run --plan FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Format of the plan
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Exit with code 2 if there is anything to do or to look at
    #[arg(long)]
    detailed_exitcode: bool,
    /// Show notes as well: findings without effect at run time
    #[arg(long, short)]
    verbose: bool,
}

impl<Source: Migration> PlanArgs<Source> {
    /// What is migrated.
    #[must_use]
    pub fn source(&self) -> &Source {
        self.options.source()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// JSON for programs
    Json,
}

/// Runs the verb. `arguments` are those of the process, without its name.
#[must_use]
pub fn plan<Source: Migration>(args: &PlanArgs<Source>, arguments: &[String]) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: args.verbose,
    };
    let prepared = match prepare(&args.options, printer) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    if args.output == Format::Text {
        say_findings(printer, &prepared.conversion);
    }
    block_on_reading(printer, async {
        let engine = match Engine::new(args.options.transfer.settings()) {
            Ok(engine) => engine,
            Err(error) => return super::prepare::fail(printer, &error),
        };
        let outlook = look(&args.options, &prepared, &engine).await;
        let text = match args.output {
            Format::Text => outlook.to_text(&prepared),
            Format::Json => format!("{:#}\n", outlook.to_json(&prepared)),
        };
        if let Err(error) = printer.data(&text) {
            printer.complain(&format!("error: standard output: {error}"));
            return Exit::Failed;
        }
        if let Some(file) = &args.out {
            let saved = SavedPlan::of(&prepared, &outlook, arguments.to_vec());
            if let Err(error) = saved.write(file) {
                printer.complain(&format!("error: {error}"));
                return Exit::Failed;
            }
            printer.say(&format!(
                "The plan is in {0}; to run it: run --plan {0}",
                file.display()
            ));
        }
        if outlook.is_blocked() {
            printer.complain("A run would fail: see BLOCKED above.");
            return Exit::Failed;
        }
        let something = outlook.images.to_move() > 0
            || prepared.conversion.findings.worst() >= Some(Severity::Warning)
            || !prepared.conversion.output.documents.is_empty();
        if args.detailed_exitcode && something {
            return Exit::Findings;
        }
        Exit::Done
    })
}

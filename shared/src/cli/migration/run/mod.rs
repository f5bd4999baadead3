//! `run`: all three layers, then the application is ready; or the target is as it was.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::prepare::{Outlook, Prepared, fail, look, prepare, say_findings};
use super::saved::SavedPlan;
use super::{Goal, Migration, MigrationOptions, duration};
use crate::application::Journal;
use crate::cli::confirm::confirm;
use crate::cli::images::ProgressMode;
use crate::cli::{Exit, Printer, block_on, unless_stopped};
use crate::host::Host;
use crate::host::interrupt::cancellation;
use crate::host::private::remove_left;
use crate::images::ImageError;
use crate::images::sync::Engine;

mod bundling;
mod change;
mod course;
mod images;

use course::Course;

/// What is run.
#[derive(Debug, Args)]
pub struct RunArgs<Source: Migration> {
    #[command(flatten)]
    options: MigrationOptions<Source>,
    /// Run only if the world is as this plan saw it
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Do not wait until the application is ready
    #[arg(long, help_heading = "Target")]
    no_wait: bool,
    /// How long to wait until the application is ready
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration, help_heading = "Target")]
    timeout: Duration,
    /// Leave the target as it is if the application does not become ready
    #[arg(long, help_heading = "Target")]
    keep: bool,
    /// Scale the source down to nothing once the application is ready at the target
    #[arg(long, help_heading = "Target", conflicts_with = "no_wait")]
    scale_source_down_after_ready: bool,
    /// How progress of images is shown
    #[arg(long, value_enum, default_value_t = ProgressMode::Auto)]
    progress: ProgressMode,
    /// Write a report into this file: .json, or .html for people
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Show notes as well: findings without effect at run time
    #[arg(long, short)]
    verbose: bool,
}

impl<Source: Migration> RunArgs<Source> {
    /// What is migrated.
    #[must_use]
    pub fn source(&self) -> &Source {
        self.options.source()
    }
}

/// Runs the verb. `arguments` are those of the process without its name, for going on later; `earlier` is the run that
/// is gone on with.
#[must_use]
pub fn run<Source: Migration>(
    host: Host,
    args: &RunArgs<Source>,
    arguments: &[String],
    earlier: Option<Journal>,
) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: args.verbose,
    };
    let runner = Runner {
        host,
        printer,
        args,
        arguments,
    };
    match &earlier {
        Some(earlier) => remove_left(earlier.folder()),
        None => remove_left(&std::env::temp_dir()),
    }
    match prepare(&args.options, printer) {
        Ok(prepared) => block_on(printer, runner.run(prepared, earlier)),
        Err(exit) => exit,
    }
}

struct Runner<'r, Source: Migration> {
    host: Host,
    printer: Printer,
    args: &'r RunArgs<Source>,
    arguments: &'r [String],
}

/// The ladder of phases: `[2/4] images ...`.
struct Ladder {
    printer: Printer,
    step: usize,
    steps: usize,
}

impl Ladder {
    fn new(printer: Printer, steps: usize) -> Self {
        Self {
            printer,
            step: 0,
            steps,
        }
    }

    fn begin(&mut self, what: &str) {
        self.step += 1;
        self.printer
            .say(&format!("[{}/{}] {what}", self.step, self.steps));
    }

    fn note(&self, text: &str) {
        self.printer.say(&format!("      {text}"));
    }
}

impl<Source: Migration> Runner<'_, Source> {
    fn complain(&self, text: &str) {
        self.printer.complain(text);
    }

    async fn run(&self, prepared: Prepared, earlier: Option<Journal>) -> Exit {
        say_findings(self.printer, &prepared.conversion);
        let engine = match Engine::new(self.args.options.transfer.settings()) {
            Ok(engine) => engine,
            Err(error) => return fail(self.printer, &error),
        };
        let cancellation = cancellation();
        let outlook = look(&self.args.options, &prepared, &engine);
        let outlook = match unless_stopped(self.printer, &cancellation, outlook).await {
            Ok(outlook) => outlook,
            Err(exit) => return exit,
        };
        self.printer.say(outlook.to_text(&prepared).trim_end());
        if outlook.is_blocked() {
            self.complain("Nothing was changed: see BLOCKED and error above.");
            let mut failure = outlook.obstacles();
            failure.push("Nothing was changed.".to_owned());
            self.report_without_record(&prepared, Vec::new(), None, failure);
            return self.blocked_exit(&outlook);
        }
        if let Some(file) = &self.args.plan
            && let Err(text) = self.check_plan(file, &prepared, &outlook)
        {
            self.complain(&format!("error: {text}"));
            return Exit::Refused;
        }
        if let Err(exit) = self.confirm(&prepared) {
            return exit;
        }
        match &prepared.goal {
            Goal::Bundle(folder, format) => {
                self.bundle(&prepared, folder, format, &engine, &cancellation)
                    .await
            }
            Goal::Target(target) => {
                let course = Course::begin(self, &prepared, target.as_ref(), earlier);
                match course {
                    Ok(course) => course.go(&engine, &cancellation).await,
                    Err(exit) => exit,
                }
            }
        }
    }

    fn blocked_exit(&self, outlook: &Outlook) -> Exit {
        let subjects = ["cluster", "engine"];
        let unreachable = outlook.checks.iter().any(|check| {
            check.verdict == crate::application::Verdict::Blocked
                && subjects.contains(&check.subject.as_str())
        });
        if unreachable {
            return Exit::Unreachable;
        }
        let images = outlook.images.images.iter();
        let errors = images.filter_map(|image| image.failure.as_ref());
        errors.map(ImageError::exit).next().unwrap_or(Exit::Failed)
    }

    fn check_plan(
        &self,
        file: &std::path::Path,
        prepared: &Prepared,
        outlook: &Outlook,
    ) -> Result<(), String> {
        let plan = SavedPlan::read(file)?;
        let now = SavedPlan::of(prepared, outlook, self.arguments.to_vec());
        match plan.difference(&now) {
            None => Ok(()),
            Some(changed) => Err(format!(
                "since {} was made, {changed} has changed; make a new plan",
                file.display()
            )),
        }
    }

    fn confirm(&self, prepared: &Prepared) -> Result<(), Exit> {
        let is_bundle = matches!(prepared.goal, Goal::Bundle(..));
        if self.args.yes || is_bundle {
            return Ok(());
        }
        confirm(
            self.printer,
            "Run this?",
            "To run it without a question: --yes",
        )
    }
}

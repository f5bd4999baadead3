//! `run`: all three layers, then the application is ready; or the target is as it was.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::prepare::{Outlook, Prepared, fail, look, prepare, say_findings};
use super::saved::SavedPlan;
use super::{Goal, Migration, MigrationOptions, bundle, duration};
use crate::application::target::{Failure, OnConflict, Origin, Readiness, Scale};
use crate::application::terms::seconds;
use crate::application::{Journal, Status, Target, Terms};
use crate::cli::confirm::confirm;
use crate::cli::images::{ProgressMode, count, progress, size};
use crate::cli::{Exit, Printer, block_on, unless_stopped};
use crate::host::Host;
use crate::host::interrupt::cancellation;
use crate::images::ImageError;
use crate::images::sync::{Engine, Summary};
use crate::orchestration::output::Output;
use crate::report;

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
                let target = target.as_ref();
                self.migrate(&prepared, target, &engine, &cancellation, earlier)
                    .await
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
            Exit::Unreachable
        } else {
            Exit::Failed
        }
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

    /// Copies the images. `None` if that failed; it was said why.
    async fn images(
        &self,
        prepared: &Prepared,
        engine: &Engine,
        cancellation: &CancellationToken,
        terms: &mut Terms,
    ) -> Result<Summary, Exit> {
        let begun = Instant::now();
        let shown = progress(self.args.progress, self.printer, &prepared.items);
        let summary = engine
            .sync(&prepared.items, &shown.observer, cancellation)
            .await;
        shown.finish();
        terms.image_sync = seconds(begun.elapsed());
        terms.images_were_there =
            !prepared.items.is_empty() && summary.images.iter().all(|image| image.up_to_date);
        let mut exit = None;
        for image in summary.failed() {
            let Some(error) = &image.error else { continue };
            if *error != ImageError::Cancelled {
                self.complain(&format!("error: {}: {error}", image.source));
                if let Some(remedy) = error.remedy() {
                    self.complain(&format!("  {remedy}"));
                }
            }
            exit = exit.or(Some(error.exit()));
        }
        match exit {
            None => Ok(summary),
            Some(exit) => Err(exit),
        }
    }

    async fn bundle(
        &self,
        prepared: &Prepared,
        folder: &std::path::Path,
        format: &str,
        engine: &Engine,
        cancellation: &CancellationToken,
    ) -> Exit {
        let mut terms = Terms {
            convert: prepared.convert_seconds,
            ..Terms::default()
        };
        let mut ladder = Ladder {
            printer: self.printer,
            step: 0,
            steps: 2,
        };
        ladder.begin("images");
        let summary = match self
            .images(prepared, engine, cancellation, &mut terms)
            .await
        {
            Ok(summary) => summary,
            Err(exit) => {
                self.complain("The bundle is not complete; the same command goes on with it.");
                return if exit == Exit::Interrupted {
                    exit
                } else {
                    Exit::Resumable
                };
            }
        };
        ladder.note(&images_line(&summary));
        ladder.begin("orchestration");
        match bundle::write(self.printer, prepared, folder, format, &summary) {
            Ok(seconds) => terms.replicate = seconds,
            Err(exit) => return exit,
        }
        ladder.note(&format!(
            "{} in {}",
            count(prepared.conversion.output.documents.len(), "document"),
            folder.display()
        ));
        self.printer.say(&format!(
            "The bundle is complete. At the target: {} run {} --to-registry HOST[:PORT]",
            self.host.command(),
            folder.display()
        ));
        self.report(prepared, &summary, &terms, None)
    }

    async fn migrate(
        &self,
        prepared: &Prepared,
        target: &dyn Target,
        engine: &Engine,
        cancellation: &CancellationToken,
        earlier: Option<Journal>,
    ) -> Exit {
        let mut terms = Terms {
            convert: prepared.convert_seconds,
            ..Terms::default()
        };
        let name = &prepared.conversion.name;
        let origin = if self.args.scale_source_down_after_ready {
            let origin = self.args.options.source.origin(name);
            if origin.is_none() {
                self.complain(
                    "error: the source is not running, so there is nothing to scale down; leave out --scale-source-down-after-ready",
                );
                return Exit::Usage;
            }
            origin
        } else {
            None
        };
        let journal = match earlier {
            Some(journal) => Ok(journal),
            None => Journal::begin(
                self.host.program(),
                self.arguments.to_vec(),
                name,
                &target.describe(),
                target.address(),
            ),
        };
        let mut journal = match journal {
            Ok(journal) => journal,
            Err(error) => {
                self.complain(&format!("error: {error}"));
                return Exit::Failed;
            }
        };
        let id = journal.record.id.clone();
        self.printer.say(&format!("run {id}"));
        let mut ladder = Ladder {
            printer: self.printer,
            step: 0,
            steps: 3,
        };
        ladder.begin("images");
        let summary = match self
            .images(prepared, engine, cancellation, &mut terms)
            .await
        {
            Ok(summary) => summary,
            Err(exit) => {
                let note = journal.note(|record| record.error = Some("images".into()));
                self.said(note.map_err(|error| error.to_string()));
                self.complain(&format!(
                    "The target's orchestration was not touched. To go on: {} resume {id}",
                    self.host.command()
                ));
                return if exit == Exit::Interrupted || exit == Exit::Authentication {
                    exit
                } else {
                    Exit::Resumable
                };
            }
        };
        ladder.note(&images_line(&summary));
        if let Err(error) = tokio::task::block_in_place(|| target.lock(&id)) {
            self.complain(&format!("error: {error}"));
            return error.exit;
        }
        let exit = tokio::task::block_in_place(|| {
            self.change(
                prepared,
                target,
                cancellation,
                &mut journal,
                &mut ladder,
                &mut terms,
            )
        });
        tokio::task::block_in_place(|| target.unlock(&id));
        if exit != Exit::Done {
            return exit;
        }
        self.printer
            .say(&format!("`{name}` is ready: {}", target.describe()));
        self.printer.say(terms.to_text().trim_end());
        if let Some(origin) = &origin {
            let scaled =
                tokio::task::block_in_place(|| self.scale_source_down(origin, &mut journal));
            if let Err(error) = scaled {
                self.complain(&format!("warning: the source was not scaled down: {error}"));
            }
        }
        self.report(prepared, &summary, &terms, Some(&journal))
    }

    fn said(&self, result: Result<(), String>) {
        if let Err(error) = result {
            self.complain(&format!("error: {error}"));
        }
    }

    /// Scales the source down. What ran there is written down before.
    fn scale_source_down(&self, origin: &Origin, journal: &mut Journal) -> Result<(), String> {
        let text = |error: Failure| error.to_string();
        let scales = origin.place.scales(&origin.workloads).map_err(text)?;
        let source = serde_json::json!({"address": origin.place.address(), "scales": scales});
        journal
            .note(|record| record.source = source)
            .map_err(|error| error.to_string())?;
        let lines = origin.place.scale(&scales, Scale::Down).map_err(text)?;
        for line in lines {
            self.printer.say(&format!("source: {line}"));
        }
        Ok(())
    }

    /// Changes the target: every step is written down before it is done.
    fn change(
        &self,
        prepared: &Prepared,
        target: &dyn Target,
        cancellation: &CancellationToken,
        journal: &mut Journal,
        ladder: &mut Ladder,
        terms: &mut Terms,
    ) -> Exit {
        let output = &prepared.conversion.output;
        let program = self.host.command();
        let id = journal.record.id.clone();
        let mut begun = Instant::now();
        ladder.begin("orchestration");
        // A run that is gone on with has seen the target before it changed it.
        let before = if journal.record.before == Value::Null {
            match target.snapshot(output) {
                Ok(before) => before,
                Err(error) => return self.failed(&error),
            }
        } else {
            journal.record.before.clone()
        };
        let conflict = self.conflict(journal);
        let noted = journal.note(|record| {
            record.before = before;
            // As long as the tool has not said what it changed, it can be anything.
            record.changed = everything(output);
            record.status = Status::Deploying;
            record.error = None;
        });
        if let Err(error) = noted {
            self.complain(&format!("error: {error}"));
            return Exit::Failed;
        }
        let deployed = target.deploy(output, journal.folder(), conflict);
        terms.replicate = seconds(begun.elapsed());
        let changed = match deployed {
            Ok(changed) => changed,
            Err(error) => {
                self.complain(&format!("error: {error}"));
                return self.undo(target, journal, error.exit);
            }
        };
        let noted = journal.note(|record| {
            record.changed = changed;
            record.status = Status::Waiting;
        });
        if let Err(error) = noted {
            self.complain(&format!("error: {error}"));
            return Exit::Failed;
        }
        ladder.note(&count(output.documents.len(), "document"));
        begun = Instant::now();
        ladder.begin("start until ready");
        if !self.args.no_wait {
            let mut say = |line: &str| {
                if !line.is_empty() {
                    ladder.note(line);
                }
            };
            match target.wait(output, self.args.timeout, cancellation, &mut say) {
                Ok(Readiness::Ready) => {}
                Ok(Readiness::Cancelled) => {
                    self.complain(&format!(
                        "Stopped. The application is starting at the target. To go on: {program} resume {id}. To undo it: {program} rollback {id}"
                    ));
                    return Exit::Interrupted;
                }
                Ok(Readiness::NotReady(reasons)) => {
                    for reason in &reasons {
                        self.complain(&format!("not ready: {}", reason.what));
                        for why in &reason.why {
                            self.complain(&format!("  {why}"));
                        }
                    }
                    return self.undo(target, journal, Exit::Failed);
                }
                Err(error) => {
                    self.complain(&format!("error: {error}"));
                    self.complain(&format!(
                        "Whether it is ready is not known. To look again: {program} resume {id}. To undo it: {program} rollback {id}"
                    ));
                    return Exit::Resumable;
                }
            }
        }
        terms.run = seconds(begun.elapsed());
        let noted = journal.note(|record| {
            record.status = Status::Done;
            record.terms = *terms;
        });
        self.said(noted.map_err(|error| error.to_string()));
        Exit::Done
    }

    /// What was there of this run itself is no conflict.
    fn conflict(&self, journal: &Journal) -> OnConflict {
        if journal.record.status == Status::Images && journal.record.changed == Value::Null {
            self.args.options.on_conflict
        } else {
            OnConflict::Overwrite
        }
    }

    fn failed(&self, error: &Failure) -> Exit {
        self.complain(&format!("error: {error}"));
        self.complain("Nothing was changed.");
        error.exit
    }

    /// Brings the target back to what it was, unless it is to be kept.
    fn undo(&self, target: &dyn Target, journal: &mut Journal, exit: Exit) -> Exit {
        let program = self.host.command();
        let id = journal.record.id.clone();
        if self.args.keep {
            let noted = journal.note(|record| record.status = Status::Failed);
            self.said(noted.map_err(|error| error.to_string()));
            self.complain(&format!(
                "The target was left as it is (--keep). To go on: {program} resume {id}. To undo it: {program} rollback {id}"
            ));
            return exit;
        }
        match target.undo(&journal.record.before, &journal.record.changed, true) {
            Ok(_) => {
                let noted = journal.note(|record| {
                    record.status = Status::Undone;
                    record.before = Value::Null;
                    record.changed = Value::Null;
                });
                self.said(noted.map_err(|error| error.to_string()));
                self.complain(&format!(
                    "The target is as it was before. What was copied stays; to try again: {program} resume {id}"
                ));
            }
            Err(error) => {
                let noted = journal.note(|record| record.status = Status::Failed);
                self.said(noted.map_err(|error| error.to_string()));
                self.complain(&format!(
                    "error: it could not be undone: {error}\nTo try again: {program} rollback {id}"
                ));
            }
        }
        exit
    }

    fn report(
        &self,
        prepared: &Prepared,
        summary: &Summary,
        terms: &Terms,
        journal: Option<&Journal>,
    ) -> Exit {
        let Some(path) = &self.args.report else {
            return Exit::Done;
        };
        let migration = report::Migration {
            application: prepared.conversion.name.clone(),
            target: match &prepared.goal {
                Goal::Target(target) => target.describe(),
                Goal::Bundle(folder, _) => format!("bundle {}", folder.display()),
            },
            run: journal.map(|journal| journal.record.id.clone()),
            terms: Some(*terms),
            images: summary.images.clone(),
        };
        match report::write(
            path,
            &prepared.conversion.findings,
            &prepared.conversion.sources,
            Some(&migration),
        ) {
            Ok(()) => Exit::Done,
            Err(error) => {
                self.complain(&format!("error: {error}"));
                Exit::Failed
            }
        }
    }
}

/// All objects of an output, as [`Target::undo`] takes them.
fn everything(output: &Output) -> Value {
    let objects: Vec<Value> = output
        .documents
        .iter()
        .map(|document| {
            let value = &document.value;
            serde_json::json!({
                "apiVersion": value["apiVersion"],
                "kind": value["kind"],
                "metadata": {"name": value["metadata"]["name"], "namespace": value["metadata"]["namespace"]},
            })
        })
        .collect();
    serde_json::json!({"objects": objects})
}

fn images_line(summary: &Summary) -> String {
    if summary.images.is_empty() {
        return "none to copy".to_owned();
    }
    let there = summary
        .images
        .iter()
        .filter(|image| image.up_to_date)
        .count();
    let total = |bytes: fn(&crate::images::sync::ImageOutcome) -> u64| -> u64 {
        summary.images.iter().map(bytes).sum()
    };
    format!(
        "{}, {there} there before; {} sent, {} mounted",
        count(summary.images.len(), "image"),
        size(summary.transferred()),
        size(total(|image| image.mounted))
    )
}

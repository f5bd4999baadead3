//! One run that changes a target, from its first record to its report.

use tokio_util::sync::CancellationToken;

use super::images::images_line;
use super::{Ladder, Migration, Prepared, Runner};
use crate::application::journal::JournalError;
use crate::application::target::{self, Failure, Origin, Scale};
use crate::application::{Journal, Target, Terms};
use crate::cli::Exit;
use crate::images::sync::{Engine, Summary};
use crate::report;

/// A run and how far it is.
pub(super) struct Course<'c, Source: Migration> {
    pub(super) runner: &'c Runner<'c, Source>,
    pub(super) prepared: &'c Prepared,
    pub(super) target: &'c dyn Target,
    /// Where the application runs now, if it is to be scaled down there.
    origin: Option<Origin>,
    pub(super) journal: Journal,
    pub(super) ladder: Ladder,
    pub(super) terms: Terms,
    images: Summary,
    /// What went wrong, for the report.
    failure: Vec<String>,
}

impl<'c, Source: Migration> Course<'c, Source> {
    /// Writes the first record, or takes the one of the run that is gone on with.
    pub(super) fn begin(
        runner: &'c Runner<'c, Source>,
        prepared: &'c Prepared,
        target: &'c dyn Target,
        earlier: Option<Journal>,
    ) -> Result<Self, Exit> {
        let name = &prepared.conversion.name;
        let origin = if runner.args.scale_source_down_after_ready {
            let origin = runner.args.options.source.origin(name);
            if origin.is_none() {
                runner.complain(
                    "error: the source is not running, so there is nothing to scale down; leave out --scale-source-down-after-ready",
                );
                return Err(Exit::Usage);
            }
            origin
        } else {
            None
        };
        let journal = match earlier {
            Some(journal) => {
                target::end_left(journal.folder());
                Ok(journal)
            }
            None => Journal::begin(
                runner.host.program(),
                runner.arguments.to_vec(),
                name,
                &target.describe(),
                target.address(),
            ),
        };
        let journal = journal.map_err(|error| {
            runner.complain(&format!("error: the state of the run: {error}"));
            runner.complain("Nothing was changed.");
            Exit::Failed
        })?;
        target::note_in(journal.folder());
        runner.printer.say(&format!("run {}", journal.record.id));
        Ok(Self {
            runner,
            prepared,
            target,
            origin,
            journal,
            ladder: Ladder::new(runner.printer, 3),
            terms: Terms {
                convert: prepared.convert_seconds,
                ..Terms::default()
            },
            images: Summary::default(),
            failure: Vec::new(),
        })
    }

    pub(super) fn complain(&mut self, text: &str) {
        self.runner.complain(text);
        self.failure.push(text.to_owned());
    }

    /// Names a failure; the exit code is its own.
    pub(super) fn failed(&mut self, error: &Failure) -> Exit {
        self.complain(&format!("error: {error}"));
        error.exit
    }

    /// `docker migrate resume RUN`
    pub(super) fn again(&self, verb: &str) -> String {
        format!(
            "{} {verb} {}",
            self.runner.host.command(),
            self.journal.record.id
        )
    }

    /// Says that something could not be written down, without ending the run for it.
    pub(super) fn noted(&mut self, result: Result<(), JournalError>) {
        if let Err(error) = result {
            self.complain(&format!("error: the state of the run: {error}"));
        }
    }

    /// Goes through all phases, and reports how it went.
    pub(super) async fn go(mut self, engine: &Engine, cancellation: &CancellationToken) -> Exit {
        let exit = self.phases(engine, cancellation).await;
        let migration = report::Migration {
            application: self.prepared.conversion.name.clone(),
            target: self.target.describe(),
            run: Some(self.journal.record.id.clone()),
            terms: Some(self.terms),
            images: std::mem::take(&mut self.images.images),
            failure: self.failure,
        };
        let reported = self.runner.report(self.prepared, &migration);
        if exit == Exit::Done { reported } else { exit }
    }

    async fn phases(&mut self, engine: &Engine, cancellation: &CancellationToken) -> Exit {
        self.ladder.begin("images");
        let runner = self.runner;
        let (images, failed) = runner
            .images(self.prepared, engine, cancellation, &mut self.terms)
            .await;
        self.images = images;
        if let Some(exit) = failed {
            let note = self
                .journal
                .note(|record| record.error = Some("images".into()));
            self.noted(note);
            let resume = self.again("resume");
            self.complain(&format!(
                "The target's orchestration was not touched. To go on: {resume}"
            ));
            return match exit {
                Exit::Interrupted | Exit::Authentication => exit,
                _ => Exit::Resumable,
            };
        }
        self.ladder.note(&images_line(&self.images));
        let exit = tokio::task::block_in_place(|| self.change(cancellation));
        if exit != Exit::Done {
            return exit;
        }
        let name = &self.prepared.conversion.name;
        self.runner
            .printer
            .say(&format!("`{name}` is ready: {}", self.target.describe()));
        self.runner.printer.say(self.terms.to_text().trim_end());
        if let Some(origin) = self.origin.take() {
            let scaled = tokio::task::block_in_place(|| self.scale_source_down(&origin));
            if let Err(error) = scaled {
                self.complain(&format!("warning: the source was not scaled down: {error}"));
            }
        }
        Exit::Done
    }

    /// Scales the source down. What ran there is written down before.
    fn scale_source_down(&mut self, origin: &Origin) -> Result<(), String> {
        let text = |error: Failure| error.to_string();
        let scales = origin.place.scales(&origin.workloads).map_err(text)?;
        let source = serde_json::json!({"address": origin.place.address(), "scales": scales});
        self.journal
            .note(|record| record.source = source)
            .map_err(|error| error.to_string())?;
        let lines = origin.place.scale(&scales, Scale::Down).map_err(text)?;
        for line in lines {
            self.runner.printer.say(&format!("source: {line}"));
        }
        Ok(())
    }
}

//! The phases of a run that change the target: every step is written down before it is done.

use std::time::Instant;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Migration;
use super::course::Course;
use crate::application::Status;
use crate::application::journal::JournalError;
use crate::application::target::{Deployment, Failure, OnConflict, Readiness, Undo};
use crate::application::terms::seconds;
use crate::cli::Exit;
use crate::cli::images::count;
use crate::orchestration::output::Output;

impl<Source: Migration> Course<'_, Source> {
    /// Changes the target, with its lock.
    pub(super) fn change(&mut self, cancellation: &CancellationToken) -> Exit {
        let begun = Instant::now();
        self.ladder.begin("orchestration");
        if let Err(exit) = self.look_before_locking() {
            return exit;
        }
        let id = self.journal.record.id.clone();
        if let Err(error) = self.target.lock(&id) {
            let exit = self.failed(&error);
            self.untouched();
            return exit;
        }
        let exit = match self.deploy(begun) {
            Ok(()) => self.wait(cancellation),
            Err(exit) => exit,
        };
        self.target.unlock(&id);
        exit
    }

    /// Taking the lock makes things too, a namespace for example.
    fn look_before_locking(&mut self) -> Result<(), Exit> {
        if !self.journal.record.before.is_null() {
            // A run that is gone on with has seen the target before it changed it.
            return Ok(());
        }
        let before = match self.target.snapshot(&self.prepared.conversion.output) {
            Ok(before) => before,
            Err(error) => {
                let exit = self.failed(&error);
                self.untouched();
                return Err(exit);
            }
        };
        let noted = self.journal.note(|record| {
            record.before = before;
            record.status = Status::Images;
        });
        noted.map_err(|error| self.no_state(&error))
    }

    fn untouched(&mut self) {
        let resume = self.again("resume");
        self.complain(&format!(
            "The application at the target was not touched. To go on: {resume}"
        ));
    }

    /// The state cannot be written before a step, so the step is not done.
    fn no_state(&mut self, error: &JournalError) -> Exit {
        self.complain(&format!("error: the state of the run: {error}"));
        let resume = self.again("resume");
        self.complain(&format!(
            "Nothing is changed that was not written down before. Make room, then go on: {resume}"
        ));
        Exit::Resumable
    }

    fn deploy(&mut self, begun: Instant) -> Result<(), Exit> {
        let output = &self.prepared.conversion.output;
        let record = &self.journal.record;
        let conflict = self.conflict(record.status);
        let mut before = record.before.clone();
        if record.status == Status::Images {
            let made = before["namespace_is_new"] == true;
            before = match self.target.snapshot(output) {
                Ok(before) => before,
                Err(error) => {
                    let exit = self.failed(&error);
                    self.untouched();
                    return Err(exit);
                }
            };
            if made {
                before["namespace_is_new"] = json!(true);
            }
        }
        let noted = self.journal.note(|record| {
            record.before = before;
            // As long as the tool has not said what it changed, it can be anything.
            record.changed = everything(output);
            record.status = Status::Deploying;
            record.error = None;
        });
        noted.map_err(|error| self.no_state(&error))?;
        let args = self.runner.args;
        let deployed = self.target.deploy(&Deployment {
            output,
            folder: self.journal.folder(),
            conflict,
            patience: (!args.no_wait).then_some(args.timeout),
        });
        self.terms.replicate = seconds(begun.elapsed());
        let changed = match deployed {
            Ok(changed) => changed,
            Err(error) => {
                let exit = self.failed(&error);
                return Err(self.undo(exit, &error.message));
            }
        };
        let noted = self.journal.note(|record| {
            record.changed = changed;
            record.status = Status::Waiting;
        });
        // What may be changed is written down, so that this one is no loss.
        self.noted(noted);
        self.ladder.note(&count(output.documents.len(), "document"));
        Ok(())
    }

    fn wait(&mut self, cancellation: &CancellationToken) -> Exit {
        self.ladder.begin("start until ready");
        if !self.runner.args.no_wait
            && let Err(exit) = self.until_ready(cancellation)
        {
            return exit;
        }
        let terms = self.terms;
        let noted = self.journal.note(|record| {
            record.status = Status::Done;
            record.terms = terms;
        });
        match noted {
            Ok(()) => Exit::Done,
            Err(error) => {
                let resume = self.again("resume");
                self.complain(&format!("error: the state of the run: {error}"));
                self.complain(&format!(
                    "The application is at the target, and that could not be written down. Make room, then: {resume}"
                ));
                Exit::Resumable
            }
        }
    }

    fn until_ready(&mut self, cancellation: &CancellationToken) -> Result<(), Exit> {
        let (resume, rollback) = (self.again("resume"), self.again("rollback"));
        let mut say = |line: &str| {
            if !line.is_empty() {
                self.ladder.note(line);
            }
        };
        let begun = Instant::now();
        let ended = self.target.wait(
            &self.prepared.conversion.output,
            self.runner.args.timeout,
            cancellation,
            &mut say,
        );
        // The report of a run that fails tells how long it was waited for.
        self.terms.run = seconds(begun.elapsed());
        match ended {
            Ok(Readiness::Ready) => Ok(()),
            Ok(Readiness::Cancelled) => {
                self.complain(&format!(
                    "Stopped. The application is starting at the target. To go on: {resume}. To undo it: {rollback}"
                ));
                Err(Exit::Interrupted)
            }
            Ok(Readiness::NotReady(reasons)) => {
                let mut first = None;
                for reason in &reasons {
                    self.complain(&format!("not ready: {}", reason.what));
                    for why in &reason.why {
                        self.complain(&format!("  {why}"));
                    }
                    first = first.or(Some(format!("not ready: {}", reason.what)));
                }
                Err(self.undo(Exit::Failed, &first.unwrap_or_default()))
            }
            Err(error) => {
                self.failed(&error);
                self.complain(&format!(
                    "Whether it is ready is not known. To look again: {resume}. To undo it: {rollback}"
                ));
                Err(Exit::Resumable)
            }
        }
    }

    /// What was there of this run itself is no conflict.
    fn conflict(&self, status: Status) -> OnConflict {
        if status == Status::Images {
            self.runner.args.options.on_conflict
        } else {
            OnConflict::Overwrite
        }
    }

    /// Brings the target back to what it was, unless it is to be kept.
    fn undo(&mut self, exit: Exit, why: &str) -> Exit {
        let (resume, rollback) = (self.again("resume"), self.again("rollback"));
        if self.runner.args.keep {
            let noted = self.journal.note(|record| {
                record.status = Status::Failed;
                record.error = Some(why.to_owned());
            });
            self.noted(noted);
            self.complain(&format!(
                "The target was left as it is (--keep). To go on: {resume}. To undo it: {rollback}"
            ));
            return exit;
        }
        let record = &self.journal.record;
        match self.target.undo(&Undo {
            before: &record.before,
            changed: &record.changed,
            force: true,
            // What was made a moment ago holds nothing yet.
            keep_data: false,
        }) {
            Ok(lines) => {
                let left = lines.iter().filter(|line| line.starts_with("left "));
                for line in left {
                    self.complain(line);
                }
                let noted = self.journal.note(|record| {
                    record.status = Status::Undone;
                    record.before = Value::Null;
                    record.changed = Value::Null;
                    record.error = Some(why.to_owned());
                });
                self.noted(noted);
                self.complain(&format!(
                    "The target is as it was before. What was copied stays; to try again: {resume}"
                ));
                exit
            }
            Err(error) => self.not_undone(&error, why),
        }
    }

    fn not_undone(&mut self, error: &Failure, why: &str) -> Exit {
        let (resume, rollback) = (self.again("resume"), self.again("rollback"));
        let noted = self.journal.note(|record| {
            record.status = Status::Failed;
            record.error = Some(why.to_owned());
        });
        self.noted(noted);
        self.complain(&format!("error: it could not be undone: {error}"));
        self.complain(&format!(
            "The target may be changed. When it answers again, go on: {resume}; or undo it: {rollback}"
        ));
        Exit::Resumable
    }
}

/// All objects of an output, as [`crate::application::Target::undo`] takes them.
fn everything(output: &Output) -> Value {
    let objects: Vec<Value> = output
        .documents
        .iter()
        .map(|document| {
            let value = &document.value;
            json!({
                "apiVersion": value["apiVersion"],
                "kind": value["kind"],
                "metadata": {"name": value["metadata"]["name"], "namespace": value["metadata"]["namespace"]},
            })
        })
        .collect();
    json!({"objects": objects})
}

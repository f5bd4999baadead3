//! Where an application is started: looked at before anything is changed, changed by the native tool, watched, undone.

pub mod compose;
mod connection;
pub mod docker;
pub mod helm;
pub mod kubernetes;
mod process;
pub mod swarm;
mod tools;
mod wait;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use process::{Failure, run, run_with_input};
pub use tools::{end_left, note_in};

use crate::orchestration::output::Output;

/// How a check of the target ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it has to be.
    Ok,
    /// Could not be found out, with these rights for example.
    NotChecked,
    /// It works, but not as one might expect.
    Warning,
    /// The run would fail.
    Blocked,
}

/// Something that was looked at before the target is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What: `namespace`, `storage class fast`.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::new(subject, Verdict::Ok, seen, None)
    }

    /// It could not be found out.
    pub fn not_checked(subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::new(subject, Verdict::NotChecked, seen, None)
    }

    /// It works, but is worth a look.
    pub fn warning(
        subject: impl Into<String>,
        seen: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(subject, Verdict::Warning, seen, Some(remedy.into()))
    }

    /// The run would fail.
    pub fn blocked(
        subject: impl Into<String>,
        seen: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(subject, Verdict::Blocked, seen, Some(remedy.into()))
    }

    fn new(
        subject: impl Into<String>,
        verdict: Verdict,
        seen: impl Into<String>,
        remedy: Option<String>,
    ) -> Self {
        Self {
            subject: subject.into(),
            verdict,
            seen: seen.into(),
            remedy,
        }
    }
}

/// What to do about objects that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnConflict {
    /// Change nothing and say so
    Fail,
    /// Leave those as they are
    Skip,
    /// Change them; `rollback` brings the old ones back
    Overwrite,
}

/// Which way to scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// To nothing.
    Down,
    /// To what it was.
    Back,
}

/// Where an application runs before it is migrated.
#[derive(Debug)]
pub struct Origin {
    /// The place.
    pub place: Box<dyn Target>,
    /// What runs there, where the place does not know itself what belongs to the application.
    pub workloads: Output,
}

/// What is not ready, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// `deployment/web`
    pub what: String,
    /// Reasons, events and log lines.
    pub why: Vec<String>,
}

/// How waiting ended.
#[derive(Debug)]
pub enum Readiness {
    /// All is ready.
    Ready,
    /// The time is up, or something cannot become ready.
    NotReady(Vec<NotReady>),
    /// The user asked to stop.
    Cancelled,
}

/// What is handed to a native tool, and how.
#[derive(Debug, Clone, Copy)]
pub struct Deployment<'d> {
    /// The application.
    pub output: &'d Output,
    /// The folder of the run, for files that the tool has to read.
    pub folder: &'d Path,
    /// What to do about what is there already.
    pub conflict: OnConflict,
    /// How long will be waited until the application is ready; `None` if nobody waits.
    pub patience: Option<Duration>,
}

/// What is taken back, and how.
#[derive(Debug, Clone, Copy)]
pub struct Undo<'u> {
    /// What [`Target::snapshot`] saw before the run.
    pub before: &'u Value,
    /// What [`Target::deploy`] said that it changed.
    pub changed: &'u Value,
    /// Take back what somebody else has changed since, as well.
    pub force: bool,
    /// The application may have run: what it has written stays.
    pub keep_data: bool,
}

/// Something that an application can be started on. All calls block.
pub trait Target: std::fmt::Debug + Send {
    /// For people: `Kubernetes context dc2, namespace shop`.
    fn describe(&self) -> String;

    /// What [`open`] needs to find it again; nothing secret.
    fn address(&self) -> Value;

    /// Whether its tool makes the objects of files, so that the documents are only what it is expected to make.
    fn renders(&self) -> bool {
        false
    }

    /// Takes out what the target sees to itself.
    fn trim(&self, _: &mut Output) {}

    /// Looks at the target. Changes nothing.
    fn preflight(&self, output: &Output, conflict: OnConflict) -> Vec<Check>;

    /// Keeps others from changing the same application at the same time.
    ///
    /// # Errors
    /// Somebody else is at it, or the target refuses.
    fn lock(&self, run: &str) -> Result<(), Failure>;

    /// Lets others at it again.
    fn unlock(&self, run: &str);

    /// What is there of all that will be changed, for [`Target::undo`].
    ///
    /// # Errors
    /// The target cannot be asked.
    fn snapshot(&self, output: &Output) -> Result<Value, Failure>;

    /// Hands the application to the native tool. Returns what was changed, for [`Target::undo`].
    ///
    /// # Errors
    /// The tool fails.
    fn deploy(&self, deployment: &Deployment<'_>) -> Result<Value, Failure>;

    /// Waits until all is ready. `say` is told what is waited for when that changes.
    ///
    /// # Errors
    /// The target cannot be asked.
    fn wait(
        &self,
        output: &Output,
        limit: Duration,
        cancellation: &CancellationToken,
        say: &mut dyn FnMut(&str),
    ) -> Result<Readiness, Failure>;

    /// Brings back what was there before, and removes what was not. Returns what it did, a line each. Unless forced,
    /// what somebody else has changed since is left alone, with an error.
    ///
    /// # Errors
    /// The target refuses.
    fn undo(&self, undo: &Undo<'_>) -> Result<Vec<String>, Failure>;

    /// How many of everything run there now, for [`Target::scale`]. `workloads` are those that are meant, where the place
    /// does not know itself what belongs to the application.
    ///
    /// # Errors
    /// The place cannot be asked.
    fn scales(&self, workloads: &Output) -> Result<Value, Failure>;

    /// Scales what runs there down to nothing, without removing anything, or back to what `scales` says. Returns what it
    /// did, a line each.
    ///
    /// # Errors
    /// The place refuses.
    fn scale(&self, scales: &Value, scale: Scale) -> Result<Vec<String>, Failure>;
}

/// The target of an earlier run.
#[must_use]
pub fn open(address: &Value) -> Option<Box<dyn Target>> {
    match address["kind"].as_str()? {
        "kubernetes" => Some(Box::new(kubernetes::Kubernetes::from_address(address)?)),
        "helm" => Some(Box::new(helm::Helm::from_address(address)?)),
        "swarm" => Some(Box::new(swarm::Swarm::from_address(address)?)),
        "compose" => Some(Box::new(compose::Compose::from_address(address)?)),
        _ => None,
    }
}

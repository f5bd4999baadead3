//! What the queue holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::images::Digest;
use crate::images::store::Name;

/// One image on its way to one target. Events for the same key fold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey {
    /// Name of the source in the rules.
    pub source: String,
    /// Repository at the source. Images that a cluster uses carry the registry's host before it: `host/repository`.
    pub repository: String,
    /// Tag, or digest.
    pub name: Name,
    /// Name of the target in the rules.
    pub target: String,
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl JobKey {
    /// As text, for the file. None of the parts can hold a space.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{} {} {} {}",
            self.source, self.repository, self.name, self.target
        )
    }

    /// What [`Self::text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split(' ').collect();
        let [source, repository, name, target] = parts.as_slice() else {
            return None;
        };
        Some(Self {
            source: (*source).to_owned(),
            repository: (*repository).to_owned(),
            name: name
                .parse()
                .map_or_else(|_| Name::Tag((*name).to_owned()), Name::Digest),
            target: (*target).to_owned(),
        })
    }

    /// A short name for people to type: twelve hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        Digest::of(self.text().as_bytes()).short().to_owned()
    }

    /// The tag, if it is one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match &self.name {
            Name::Tag(tag) => Some(tag),
            Name::Digest(_) => None,
        }
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.tag().is_some() { ':' } else { '@' };
        write!(
            f,
            "{}/{}{separator}{} to {}",
            self.source, self.repository, self.name, self.target
        )
    }
}

/// How an image came to our notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// A registry's event.
    Webhook,
    /// A Docker engine's event.
    Engine,
    /// A workload in a Kubernetes cluster.
    Kubernetes,
    /// A service of a Swarm.
    Swarm,
    /// A comparison of both sides.
    Reconcile,
    /// Somebody asked for it.
    Hand,
}

impl Via {
    /// Its name, for logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Engine => "engine",
            Self::Kubernetes => "kubernetes",
            Self::Swarm => "swarm",
            Self::Reconcile => "reconcile",
            Self::Hand => "hand",
        }
    }
}

/// Something that may have changed. Never trusted for content: the registries are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Name of the source in the rules.
    pub source: String,
    /// Repository there.
    pub repository: String,
    /// Tag or digest.
    pub name: Name,
    /// The digest that was reported.
    pub digest: Option<Digest>,
    /// It was reported as deleted.
    pub deleted: bool,
    /// How it came.
    pub via: Via,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// To be worked on.
    Pending,
    /// Being worked on. After a crash it is pending again; the sync engine goes on where it was.
    Copying,
    /// Waits for its next try.
    Waiting,
}

/// What is known about a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The rule that asked for it.
    pub rule: String,
    /// Higher comes first.
    pub priority: i32,
    /// Where it stands.
    pub state: JobState,
    /// How it came to our notice last.
    pub via: Via,
    /// The digest of the newest event.
    pub digest: Option<Digest>,
    /// The newest event says that it was deleted.
    pub deleted: bool,
    /// Events that folded into it.
    pub events: u64,
    /// When the first of them came, in milliseconds since 1970.
    pub since_ms: u64,
    /// Failed tries since the newest event.
    pub attempts: u32,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

impl Job {
    /// A job for a hint.
    #[must_use]
    pub fn new(hint: &Hint, rule: &str, priority: i32, now_ms: u64) -> Self {
        Self {
            rule: rule.to_owned(),
            priority,
            state: JobState::Pending,
            via: hint.via,
            digest: hint.digest.clone(),
            deleted: hint.deleted,
            events: 1,
            since_ms: now_ms,
            attempts: 0,
            last_error: None,
        }
    }
}

/// An image that failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    /// The job as it was.
    pub job: Job,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The image, as `source/repository:tag to target`.
    pub image: String,
    /// The rule.
    pub rule: String,
    /// `copied`, `up to date`, `deleted`, `skipped`.
    pub what: String,
    /// Why, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its digest.
    pub digest: Option<Digest>,
    /// Bytes that crossed the network.
    pub transferred: u64,
    /// Bytes that the target had or mounted.
    pub saved: u64,
    /// From the first event to available, in milliseconds.
    pub lag_ms: u64,
    /// How long the work took, in milliseconds.
    pub took_ms: u64,
    /// When it ended, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What is remembered of a tag that was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTag {
    /// The digest that both sides had.
    pub digest: Digest,
    /// The rule.
    pub rule: String,
}

/// How the work on a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// Done.
    Done {
        /// For the history; the queue fills in lag and time.
        done: Box<Done>,
        /// What both sides have now; `None` forgets the tag.
        known: Option<KnownTag>,
    },
    /// Failed, and is tried again.
    Retry {
        /// After this pause.
        pause: std::time::Duration,
        /// Why.
        reason: String,
        /// Whether it counts as a try: it does not when the host is known to be down, or we are stopping.
        counts: bool,
    },
    /// Failed for good.
    Dead {
        /// Why.
        reason: String,
        /// What to do about it.
        remedy: Option<String>,
    },
}

//! What all parts of a running daemon share.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::Notify;

use super::health::Metrics;
use super::nodes::Nodes;
use super::queue::{Hint, Job, JobKey, Queue, QueueError, Recorded};
use super::rules::{OriginKind, Rules};
use super::stores::{Stores, locate};
use super::worker::Breakers;
use crate::images::ImageError;
use crate::images::store::Name;
use crate::images::sync::{Engine, Rate, Settings};

/// The state of a running daemon.
#[derive(Debug)]
pub struct Live {
    rules: RwLock<Arc<Rules>>,
    rules_file: PathBuf,
    rules_trouble: Mutex<Option<String>>,
    /// What is to be copied.
    pub queue: Queue,
    /// Figures.
    pub metrics: Metrics,
    /// Clients of registries.
    pub stores: Stores,
    /// What nodes are to pull.
    pub nodes: Nodes,
    /// Which hosts are down.
    pub breakers: Breakers,
    /// Moves images.
    pub engine: Engine,
    /// How fast.
    pub rate: Arc<Rate>,
    /// When it started.
    pub started: Instant,
    wanted: Mutex<BTreeSet<String>>,
    wake: Notify,
    instances: Mutex<HashMap<String, String>>,
    compared: Mutex<BTreeMap<String, Comparison>>,
    copying: Mutex<BTreeMap<String, Progress>>,
    /// Deletions are counted one after another.
    pub(super) deleting: tokio::sync::Mutex<()>,
}

/// How the last comparison of a source went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// When it ended, in milliseconds since 1970.
    pub at_ms: u64,
    /// Images that were looked at.
    pub images: usize,
    /// Images that a target lacked.
    pub missing: usize,
    /// Why it is not whole.
    pub error: Option<String>,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes of all blobs.
    pub size: u64,
    /// Bytes that are there.
    pub done: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// The state at the start.
    ///
    /// # Errors
    /// The engine's folder cannot be made.
    pub fn new(rules: Rules, rules_file: &Path, queue: Queue) -> Result<Self, ImageError> {
        let rate = Arc::new(Rate::default());
        let engine = Engine::new(Settings {
            images: 1,
            rate: Arc::clone(&rate),
            state: Some(rules.state.join("transfers")),
            ..Settings::default()
        })?;
        Ok(Self {
            rules: RwLock::new(Arc::new(rules)),
            rules_file: rules_file.to_owned(),
            rules_trouble: Mutex::default(),
            queue,
            metrics: Metrics::default(),
            stores: Stores::default(),
            nodes: Nodes::default(),
            breakers: Breakers::default(),
            engine,
            rate,
            started: Instant::now(),
            wanted: Mutex::default(),
            wake: Notify::new(),
            instances: Mutex::default(),
            compared: Mutex::default(),
            copying: Mutex::default(),
            deleting: tokio::sync::Mutex::default(),
        })
    }

    /// The rules that hold now.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&rules)
    }

    /// Other rules hold from now on.
    pub fn set_rules(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        self.stores.forget_all();
    }

    /// The file that the rules come from.
    #[must_use]
    pub fn rules_file(&self) -> &Path {
        &self.rules_file
    }

    /// Why the rules file as it is now could not be used.
    #[must_use]
    pub fn rules_trouble(&self) -> Option<String> {
        lock(&self.rules_trouble).clone()
    }

    /// The rules file cannot be used, or can again.
    pub fn set_rules_trouble(&self, trouble: Option<String>) {
        *lock(&self.rules_trouble) = trouble;
    }

    /// Puts what hints mean into the queue, and waits until it is on disk.
    ///
    /// # Errors
    /// It is not on disk.
    pub async fn record(&self, hints: Vec<Hint>) -> Result<Recorded, QueueError> {
        let rules = self.rules();
        let now_ms = self.queue.clock().now_ms();
        let mut jobs = Vec::new();
        for hint in hints {
            for hint in self.deletions(&rules, hint) {
                self.jobs_for(&rules, &hint, now_ms, &mut jobs);
            }
        }
        let recorded = self.queue.record(jobs).await?;
        self.metrics.folded(recorded.folded);
        Ok(recorded)
    }

    /// A deletion by digest means the tags that had it.
    fn deletions(&self, rules: &Rules, hint: Hint) -> Vec<Hint> {
        let Name::Digest(digest) = &hint.name else {
            return vec![hint];
        };
        if !hint.deleted {
            return vec![hint];
        }
        if rules.rules.iter().all(|rule| rule.deletes.is_none()) {
            self.metrics.event_ignored("deletion");
            return Vec::new();
        }
        let mut names: Vec<Name> = self
            .queue
            .known_tags()
            .into_iter()
            .filter(|(key, known)| {
                key.source == hint.source
                    && key.repository == hint.repository
                    && known.digest == *digest
            })
            .map(|(key, _)| key.name)
            .collect();
        names.sort();
        names.dedup();
        names
            .into_iter()
            .map(|name| Hint {
                name,
                ..hint.clone()
            })
            .collect()
    }

    fn jobs_for(&self, rules: &Rules, hint: &Hint, now_ms: u64, jobs: &mut Vec<(JobKey, Job)>) {
        let Some(origin) = rules.sources.get(&hint.source) else {
            self.metrics.event_ignored("no source");
            return;
        };
        // Names at a source with a prefix are counted from there.
        let repository = match &origin.kind {
            OriginKind::Registry(registry) if !registry.prefix.is_empty() => {
                match hint
                    .repository
                    .strip_prefix(&registry.prefix)
                    .and_then(|rest| rest.strip_prefix('/'))
                {
                    Some(rest) => rest.to_owned(),
                    None => {
                        self.metrics.event_ignored("no rule");
                        return;
                    }
                }
            }
            _ => hint.repository.clone(),
        };
        let Some(located) = locate(rules, &hint.source, &repository) else {
            self.metrics.event_ignored("no registry");
            return;
        };
        let tag = match &hint.name {
            Name::Tag(tag) => Some(tag.as_str()),
            Name::Digest(_) => None,
        };
        let targets = rules.targets_of(&hint.source, &located.name, tag);
        if targets.is_empty() {
            self.metrics.event_ignored("no rule");
        }
        for (target, rule) in targets {
            if hint.deleted && rule.deletes.is_none() {
                self.metrics.event_ignored("deletion");
                continue;
            }
            // An image that a cluster pulls from the target itself is there.
            if rules.targets[target].registry.host == located.host
                && !matches!(origin.kind, OriginKind::Registry(_))
            {
                continue;
            }
            let key = JobKey {
                source: hint.source.clone(),
                repository: repository.clone(),
                name: hint.name.clone(),
                target: target.to_owned(),
            };
            jobs.push((key, Job::new(hint, &rule.name, rule.priority, now_ms)));
        }
    }

    /// A registry says which run of it speaks. Another run than before may have lost events: it is compared.
    pub fn instance_seen(&self, source: &str, instance: &str) {
        let mut instances = lock(&self.instances);
        let before = instances.insert(source.to_owned(), instance.to_owned());
        drop(instances);
        if before.is_some_and(|before| before != instance) {
            tracing::info!(
                source,
                "the registry was restarted; both sides are compared"
            );
            self.want_comparison(source);
        }
    }

    /// Asks for a comparison of a source.
    pub fn want_comparison(&self, source: &str) {
        lock(&self.wanted).insert(source.to_owned());
        self.wake.notify_waiters();
    }

    /// Asks for a comparison of all sources.
    pub fn want_all_comparisons(&self) {
        for source in self.rules().sources.keys() {
            self.want_comparison(source);
        }
    }

    /// Waits until a comparison of a source is wanted.
    pub async fn comparison_wanted(&self, source: &str) {
        loop {
            let wake = self.wake.notified();
            tokio::pin!(wake);
            wake.as_mut().enable();
            if lock(&self.wanted).remove(source) {
                return;
            }
            wake.await;
        }
    }

    /// A comparison has ended.
    pub fn compared(&self, source: &str, comparison: Comparison) {
        lock(&self.compared).insert(source.to_owned(), comparison);
    }

    /// How the last comparisons went, by source.
    #[must_use]
    pub fn comparisons(&self) -> BTreeMap<String, Comparison> {
        lock(&self.compared).clone()
    }

    /// How far the copies are, by key as text.
    #[must_use]
    pub fn copying(&self) -> BTreeMap<String, Progress> {
        lock(&self.copying).clone()
    }

    /// A copy has gone on, or has ended.
    pub(super) fn set_progress(&self, key: &str, change: impl FnOnce(&mut Progress)) {
        change(lock(&self.copying).entry(key.to_owned()).or_default());
    }

    pub(super) fn end_progress(&self, key: &str) {
        lock(&self.copying).remove(key);
    }
}

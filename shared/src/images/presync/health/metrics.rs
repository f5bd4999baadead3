//! Figures for Prometheus (OpenMetrics text).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::super::live::Live;
use super::super::queue::Finish;
use super::super::stores::Requests;
use crate::images::sync::BlobOutcome;

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;
type Gauges = Family<Labels, Gauge>;

/// Seconds from an event to the image being available.
const LAG: [f64; 14] = [
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0,
];

/// All figures.
pub struct Metrics {
    registry: Registry,
    lag: Family<Labels, Histogram>,
    jobs: Gauges,
    dead: Gauge,
    finished: Counters,
    retries: Counters,
    transfer_retries: Counter,
    bytes: Counters,
    events: Counters,
    ignored: Counters,
    refused: Counters,
    folded: Counter,
    comparisons: Counters,
    pulled: Counters,
    requests: Counters,
    down: Gauges,
    writable: Gauge,
    rules_valid: Gauge,
    rebuilds: Gauge,
    limit: Gauge,
    counted: Mutex<Requests>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("migrate_images"),
            lag: Family::new_with_constructor(|| Histogram::new(LAG)),
            jobs: Family::default(),
            dead: Gauge::default(),
            finished: Family::default(),
            retries: Family::default(),
            transfer_retries: Counter::default(),
            bytes: Family::default(),
            events: Family::default(),
            ignored: Family::default(),
            refused: Family::default(),
            folded: Counter::default(),
            comparisons: Family::default(),
            pulled: Family::default(),
            requests: Family::default(),
            down: Family::default(),
            writable: Gauge::default(),
            rules_valid: Gauge::default(),
            rebuilds: Gauge::default(),
            limit: Gauge::default(),
            counted: Mutex::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "lag_seconds",
            "From the first event about an image to the image at the target",
            self.lag.clone(),
        );
        r.register(
            "queue_jobs",
            "Images in the queue by state",
            self.jobs.clone(),
        );
        r.register(
            "dead_letters",
            "Images that failed for good and wait for a person",
            self.dead.clone(),
        );
        r.register(
            "finished",
            "Jobs that ended, by rule and result",
            self.finished.clone(),
        );
        r.register(
            "retries",
            "Jobs that failed and are tried again, by rule",
            self.retries.clone(),
        );
        r.register(
            "transfer_retries",
            "Transfers that broke and went on",
            self.transfer_retries.clone(),
        );
        r.register(
            "bytes",
            "Bytes of blobs by what became of them",
            self.bytes.clone(),
        );
        r.register(
            "events",
            "Events of registries by format",
            self.events.clone(),
        );
        r.register(
            "events_ignored",
            "Events that lead to nothing, by reason",
            self.ignored.clone(),
        );
        r.register(
            "event_requests_refused",
            "Requests to the receiver that were refused, by reason",
            self.refused.clone(),
        );
        r.register(
            "events_folded",
            "Events about an image that was in the queue already",
            self.folded.clone(),
        );
        r.register(
            "comparisons",
            "Comparisons of both sides by source and result",
            self.comparisons.clone(),
        );
        r.register(
            "node_pulls",
            "Images that the nodes of a target pulled beforehand, or could not, by result",
            self.pulled.clone(),
        );
        r.register(
            "registry_requests",
            "Requests to registries by status; 0 is no answer",
            self.requests.clone(),
        );
        r.register(
            "host_down",
            "1 for a host that does not answer",
            self.down.clone(),
        );
        r.register(
            "queue_writable",
            "1 if the last write to the queue reached the disk",
            self.writable.clone(),
        );
        r.register(
            "rules_valid",
            "1 if the rules file as it is now could be used",
            self.rules_valid.clone(),
        );
        r.register(
            "queue_rebuilds",
            "How often a damaged queue was written anew while running",
            self.rebuilds.clone(),
        );
        r.register(
            "rate_limit_bytes",
            "Bytes that may be sent in a second now; 0 is no limit",
            self.limit.clone(),
        );
    }

    /// An image is available that events reported.
    pub fn available_after(&self, rule: &str, lag: Duration) {
        self.lag
            .get_or_create(&vec![("rule", rule.to_owned())])
            .observe(lag.as_secs_f64());
    }

    /// A job ended.
    pub fn finished(&self, rule: &str, finish: &Finish) {
        let rule = ("rule", rule.to_owned());
        let result = match finish {
            Finish::Done { done, .. } => done.what.replace(' ', "_"),
            Finish::Dead { .. } => "failed".to_owned(),
            Finish::Retry { counts, .. } => {
                if *counts {
                    self.retries.get_or_create(&vec![rule]).inc();
                }
                return;
            }
        };
        self.finished
            .get_or_create(&vec![rule, ("result", result)])
            .inc();
    }

    /// A transfer broke and goes on.
    pub fn transfer_retried(&self) {
        self.transfer_retries.inc();
    }

    /// A blob is at the target.
    pub fn bytes(&self, outcome: BlobOutcome, size: u64) {
        let kind = match outcome {
            BlobOutcome::Transferred => "transferred",
            BlobOutcome::Mounted => "mounted",
            BlobOutcome::Skipped => "skipped",
        };
        self.bytes
            .get_or_create(&vec![("kind", kind.to_owned())])
            .inc_by(size);
    }

    /// Events came.
    pub fn events(&self, format: &str, count: usize) {
        self.events
            .get_or_create(&vec![("format", format.to_owned())])
            .inc_by(count as u64);
    }

    /// An event leads to nothing.
    pub fn event_ignored(&self, reason: &str) {
        self.ignored
            .get_or_create(&vec![("reason", reason.to_owned())])
            .inc();
    }

    /// A request to the receiver was refused.
    pub fn request_refused(&self, reason: &str) {
        self.refused
            .get_or_create(&vec![("reason", reason.to_owned())])
            .inc();
    }

    /// Events folded into jobs that were there.
    pub fn folded(&self, count: usize) {
        self.folded.inc_by(count as u64);
    }

    /// A comparison ended.
    pub fn compared(&self, source: &str, whole: bool) {
        let result = if whole { "whole" } else { "in_part" };
        self.comparisons
            .get_or_create(&vec![
                ("source", source.to_owned()),
                ("result", result.to_owned()),
            ])
            .inc();
    }

    /// The nodes of a target have pulled so many images, and could not pull so many others.
    pub fn pulled(&self, target: &str, done: usize, failed: usize) {
        for (result, count) in [("pulled", done), ("failed", failed)] {
            self.pulled
                .get_or_create(&vec![
                    ("target", target.to_owned()),
                    ("result", result.to_owned()),
                ])
                .inc_by(count as u64);
        }
    }

    /// All figures as text.
    #[must_use]
    pub fn text(&self, live: &Live) -> String {
        let depth = live.queue.depth();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for (state, count) in [
            ("ready", depth.ready),
            ("waiting", depth.delayed),
            ("copying", depth.running),
        ] {
            self.jobs
                .get_or_create(&vec![("state", state.to_owned())])
                .set(number(count));
        }
        self.dead.set(number(depth.dead));
        self.writable.set(i64::from(live.queue.trouble().is_none()));
        self.rules_valid
            .set(i64::from(live.rules_trouble().is_none()));
        self.rebuilds
            .set(i64::try_from(live.queue.rebuilds()).unwrap_or(i64::MAX));
        self.limit.set(
            live.rate
                .limit()
                .map_or(0, |limit| i64::try_from(limit).unwrap_or(i64::MAX)),
        );
        self.down.clear();
        for (host, _) in live.breakers.down() {
            self.down.get_or_create(&vec![("host", host)]).set(1);
        }
        self.count_requests(live.stores.requests());
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// The clients count for themselves; what was added since the last look is added here.
    fn count_requests(&self, now: Requests) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        for ((host, method, status), count) in &now {
            let key = (host.clone(), method.clone(), *status);
            let before = counted.get(&key).copied().unwrap_or(0);
            self.requests
                .get_or_create(&vec![
                    ("host", host.clone()),
                    ("method", method.clone()),
                    ("status", status.to_string()),
                ])
                .inc_by(count.saturating_sub(before));
        }
        *counted = now;
    }
}

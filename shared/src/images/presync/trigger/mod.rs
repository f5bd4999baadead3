//! What tells that an image may be new, besides the events of registries.
//!
//! Every source has one task. It compares both sides at the start, when something asks for it, and at an interval with
//! jitter; between that, engines and clusters are listened to.

mod compare;
mod engine;
mod kubernetes;
mod swarm;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::live::{Comparison, Live};
use super::queue::{Hint, Via};
use super::rules::{OriginKind, Rules};
use super::worker::jittered;
use crate::images::rewrite::ImageName;
use crate::images::store::Name;

pub use compare::{Candidate, Difference, candidates, compare, differences};
pub(super) use engine::connect;
pub use kubernetes::client;

/// Pause before a listener that lost its connection tries again; doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Runs the triggers of all sources until cancelled.
pub async fn run(live: Arc<Live>, stop: CancellationToken) {
    let rules = live.rules();
    let mut tasks = JoinSet::new();
    for (name, origin) in &rules.sources {
        let pause = match origin.poll {
            Some(poll) => poll.min(rules.reconcile.interval),
            None => rules.reconcile.interval,
        };
        tasks.spawn(comparisons(
            Arc::clone(&live),
            name.clone(),
            pause,
            rules.reconcile.jitter,
            stop.clone(),
        ));
        match &origin.kind {
            OriginKind::Registry(_) => {}
            OriginKind::Engine(engine) => {
                tasks.spawn(engine::listen(
                    Arc::clone(&live),
                    name.clone(),
                    engine.clone(),
                    stop.clone(),
                ));
            }
            OriginKind::Swarm(engine) => {
                tasks.spawn(swarm::listen(
                    Arc::clone(&live),
                    name.clone(),
                    engine.clone(),
                    stop.clone(),
                ));
            }
            OriginKind::Kubernetes(cluster) => {
                tasks.spawn(kubernetes::listen(
                    Arc::clone(&live),
                    name.clone(),
                    cluster.clone(),
                    stop.clone(),
                ));
            }
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Compares a source at the start, when asked, and at an interval.
async fn comparisons(
    live: Arc<Live>,
    source: String,
    pause: Duration,
    jitter: f64,
    stop: CancellationToken,
) {
    loop {
        let rules = live.rules();
        let comparison = tokio::select! {
            () = stop.cancelled() => return,
            comparison = compare(&live, &rules, &source) => comparison,
        };
        report(&live, &source, &comparison);
        let failed = comparison.error.is_some();
        live.compared(&source, comparison);
        // What could not be looked at is looked at soon again.
        let pause = if failed {
            pause.min(LONGEST_PAUSE)
        } else {
            pause
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(jittered(pause, jitter)) => {}
            () = live.comparison_wanted(&source) => {}
        }
    }
}

fn report(live: &Live, source: &str, comparison: &Comparison) {
    live.metrics.compared(source, comparison.error.is_none());
    match &comparison.error {
        None => tracing::info!(
            source,
            images = comparison.images,
            missing = comparison.missing,
            "compared"
        ),
        Some(error) => tracing::warn!(
            source,
            images = comparison.images,
            missing = comparison.missing,
            error,
            "compared in part"
        ),
    }
}

/// How a source's hints are named in metrics.
fn via(rules: &Rules, source: &str) -> Via {
    match rules.sources.get(source).map(|origin| &origin.kind) {
        Some(OriginKind::Engine(_)) => Via::Engine,
        Some(OriginKind::Kubernetes(_)) => Via::Kubernetes,
        Some(OriginKind::Swarm(_)) => Via::Swarm,
        _ => Via::Reconcile,
    }
}

/// Whether this is the bare id of an image, which no registry knows.
fn is_id(image: &str) -> bool {
    image.starts_with("sha256:")
}

/// What an image name that an engine or cluster uses hints at; `None` for what is no reference.
fn hint(image: &str, source: &str, via: Via) -> Option<Hint> {
    let (repository, name) = parse_image(image)?;
    Some(Hint {
        source: source.to_owned(),
        repository,
        name,
        digest: None,
        deleted: false,
        via,
    })
}

/// An image name of an engine or cluster: `host/repository`, and tag or digest. `None` for what is no reference, such
/// as the bare id of an image.
fn parse_image(image: &str) -> Option<(String, Name)> {
    if is_id(image) || image.is_empty() {
        return None;
    }
    // With both tag and digest, the tag is only a comment.
    let name: ImageName = image.parse().ok()?;
    Some((name.place(), name.asked()))
}

/// Waits before the next try to connect; the pause doubles.
async fn rest(pause: &mut Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(jittered(*pause, 0.2)) => {}
    }
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_engines_are_completed() {
        let parsed =
            |text: &str| parse_image(text).map(|(repository, name)| format!("{repository} {name}"));
        assert_eq!(
            parsed("redis").as_deref(),
            Some("docker.io/library/redis latest")
        );
        assert_eq!(
            parsed("10.0.0.1:5000/shop/web:v1").as_deref(),
            Some("10.0.0.1:5000/shop/web v1")
        );
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(
            parsed(&format!("r.example/a:v1@{digest}")),
            Some(format!("r.example/a {digest}"))
        );
        assert_eq!(parsed(&digest), None);
        assert_eq!(parsed("UPPER CASE"), None);
    }
}

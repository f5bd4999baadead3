//! The nodes of a target pull an image as soon as their registry has it: a migration then waits neither for the link nor
//! for the nodes, whose pulls are most of the time that an application takes to start.
//!
//! What a node has not pulled beforehand it pulls when the application starts; so nothing here is kept on disk, and a
//! failure is said and not tried for ever.

mod engine;
mod kubernetes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::live::Live;
use super::rules;

/// Images that come within this time are pulled together.
const SETTLE: Duration = Duration::from_millis(200);
/// Pauses before what failed is tried again.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

/// An image that a node could not pull: its name, and why.
type NotPulled = (String, String);

/// Images that have come, by target.
type Batch = BTreeMap<String, BTreeSet<String>>;

/// What the nodes of all targets are to pull.
#[derive(Debug)]
pub struct Nodes {
    send: UnboundedSender<(String, String)>,
    receive: Mutex<Option<UnboundedReceiver<(String, String)>>>,
}

impl Default for Nodes {
    fn default() -> Self {
        let (send, receive) = unbounded_channel();
        Self {
            send,
            receive: Mutex::new(Some(receive)),
        }
    }
}

impl Nodes {
    /// A target has an image now: `HOST/REPOSITORY:TAG`, as its nodes name it.
    pub(super) fn has_come(&self, target: &str, image: String) {
        // Nobody listens while the daemon ends.
        let _ = self.send.send((target.to_owned(), image));
    }
}

/// Lets nodes pull what comes until cancelled.
pub(super) async fn run(live: Arc<Live>, stop: CancellationToken) {
    let receive = live
        .nodes
        .receive
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(mut receive) = receive else { return };
    loop {
        let first = tokio::select! {
            () = stop.cancelled() => return,
            first = receive.recv() => first,
        };
        let Some((target, image)) = first else { return };
        tokio::time::sleep(SETTLE).await;
        let mut batch = Batch::new();
        batch.entry(target).or_default().insert(image);
        while let Ok((target, image)) = receive.try_recv() {
            batch.entry(target).or_default().insert(image);
        }
        let pulls = batch.into_iter().map(|(target, images)| {
            let images = images.into_iter().collect();
            pull(&live, target, images, &stop)
        });
        futures_util::future::join_all(pulls).await;
    }
}

/// Lets the nodes of one target pull images, and again what they could not.
async fn pull(live: &Live, target: String, images: Vec<String>, stop: &CancellationToken) {
    let mut left = images;
    for pause in PAUSES.into_iter().map(Some).chain([None]) {
        let rules = live.rules();
        let Some(nodes) = rules.targets.get(&target).and_then(|to| to.nodes.as_ref()) else {
            return;
        };
        let begun = Instant::now();
        let failed = match once(nodes, &left, stop).await {
            Ok(failed) => failed,
            Err(reason) => left.iter().map(|i| (i.clone(), reason.clone())).collect(),
        };
        if stop.is_cancelled() {
            return;
        }
        let done = left.len() - failed.len();
        live.metrics.pulled(&target, done, failed.len());
        tracing::info!(
            target_name = target,
            images = done,
            took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "the nodes have pulled what came"
        );
        for (image, reason) in &failed {
            tracing::warn!(target_name = target, image, reason, "a node cannot pull it");
        }
        left = failed.into_iter().map(|(image, _)| image).collect();
        let Some(pause) = pause.filter(|_| !left.is_empty()) else {
            return;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn once(
    nodes: &rules::Nodes,
    images: &[String],
    stop: &CancellationToken,
) -> Result<Vec<NotPulled>, String> {
    match nodes {
        rules::Nodes::Engines(engines) => {
            let pulls = engines.iter().map(|engine| engine::pull(engine, images));
            let stopped = stop.cancelled();
            let all = tokio::select! {
                all = futures_util::future::join_all(pulls) => all,
                () = stopped => return Ok(Vec::new()),
            };
            let mut failed: BTreeMap<String, String> = BTreeMap::new();
            for result in all {
                failed.extend(result?);
            }
            Ok(failed.into_iter().collect())
        }
        rules::Nodes::Cluster(cluster) => kubernetes::pull(cluster, images, stop).await,
    }
}

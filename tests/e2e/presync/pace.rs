//! How fast: bytes by the hour, and an end that comes soon whatever is being copied.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use migrate::images::Digest;
use migrate::images::presync::live::Live;
use migrate::images::presync::queue::{Clock, Hint, Queue, Via};
use migrate::images::presync::rules::read;
use migrate::images::presync::worker;
use migrate::images::store::Name;
use tests::lab::Registry;
use tokio_util::sync::CancellationToken;

use super::harness::{
    COMPONENTS, Daemon, PATIENCE, Ports, committed, digest, durable_registry_is_here, layer, push,
    registries_are_here, silent_registry,
};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// A worker of the daemon in this process, whose wall clock we set.
struct Desk {
    now: Arc<AtomicU64>,
    live: Arc<Live>,
    source: Registry,
    target: Registry,
    folder: tempfile::TempDir,
    stop: CancellationToken,
}

impl Desk {
    fn open(windows: &str) -> Self {
        let source = silent_registry();
        // One that keeps the bytes of an upload that broke off.
        let target = Registry::durable(&COMPONENTS, None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "version: 1
state: state
sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2}}]
limits: {{utc_offset: '+08:00', bandwidth: [{windows}]}}
",
            source.address(),
            target.address()
        );
        let rules = read("rules.yaml", &text, folder.path()).rules.unwrap();
        let now = Arc::new(AtomicU64::new(0));
        let clock = {
            let now = Arc::clone(&now);
            Clock::new(move || now.load(Ordering::Relaxed))
        };
        let (queue, _) = Queue::open(&rules.state, clock).unwrap();
        let live = Live::new(rules, Path::new("rules.yaml"), queue).unwrap();
        Self {
            now,
            live: Arc::new(live),
            source,
            target,
            folder,
            stop: CancellationToken::new(),
        }
    }

    /// It is this hour in the time zone of the rules.
    fn set_hour(&self, local: u64) {
        let utc = (local + 24 - 8) % 24;
        self.now.store(20_000 * DAY + utc * HOUR, Ordering::Relaxed);
    }

    async fn pushed(&self, tag: &str, bytes: usize) {
        push(
            &layer(self.folder.path(), tag, bytes),
            &format!("{}/app:{tag}", self.source.address()),
        );
        let hint = Hint {
            source: "dc1".to_owned(),
            repository: "app".to_owned(),
            name: Name::Tag(tag.to_owned()),
            digest: None::<Digest>,
            deleted: false,
            via: Via::Webhook,
        };
        self.live.record(vec![hint]).await.unwrap();
    }

    /// The workers begin, on a thread of their own.
    fn works(&self) -> tokio::task::JoinHandle<()> {
        let (live, stop) = (Arc::clone(&self.live), self.stop.clone());
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || runtime.block_on(worker::work(live, stop)))
    }

    fn has(&self, tag: &str) -> bool {
        digest(&self.target.address(), "app", tag).is_some()
    }

    async fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hour_decides_how_much_is_copied() {
    if !registries_are_here() || !durable_registry_is_here() {
        return;
    }
    let desk = Desk::open(
        "{hours: '08:00-12:00', rate: paused}, {hours: '12:00-20:00', rate: 500kB}, {hours: '20:00-08:00', rate: unlimited}",
    );
    desk.set_hour(9);
    let working = desk.works();
    desk.pushed("morning", 1000).await;
    desk.wait("the image waits", |desk| {
        desk.live.queue.depth().delayed == 1
    })
    .await;
    let (_, job, _) = desk.live.queue.jobs(1).remove(0);
    assert_eq!(
        job.last_error.as_deref(),
        Some("the rules allow no copies at this hour")
    );
    assert_eq!(job.attempts, 0, "waiting for an hour is no failure");
    assert!(!desk.has("morning"));

    desk.set_hour(13);
    desk.live.queue.retry(|_| true).await.unwrap();
    desk.wait("the image of the morning arrives", |desk| {
        desk.has("morning")
    })
    .await;
    let begun = Instant::now();
    desk.pushed("noon", 1_500_000).await;
    desk.wait("the image of noon arrives", |desk| desk.has("noon"))
        .await;
    let took = begun.elapsed();
    // What the rate allows at once goes off the time that 1.5 MB take at 500 kB a second.
    assert!(took > Duration::from_millis(1500), "{took:?}");
    assert_eq!(desk.live.rate.limit(), Some(500_000));

    desk.set_hour(21);
    desk.pushed("evening", 1000).await;
    desk.wait("the image of the evening arrives", |desk| {
        desk.has("evening")
    })
    .await;
    assert_eq!(desk.live.rate.limit(), None);
    desk.stop.cancel();
    working.await.unwrap();
}

/// A copy that takes long does not go on into hours in which nothing is copied, and loses nothing by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_stops_when_its_hour_ends_and_goes_on_in_the_next() {
    if !registries_are_here() || !durable_registry_is_here() {
        return;
    }
    let desk =
        Desk::open("{hours: '07:00-08:00', rate: 300kB}, {hours: '08:00-12:00', rate: paused}");
    desk.set_hour(7);
    let working = desk.works();
    desk.pushed("large", 8_000_000).await;
    desk.wait("it has begun", |desk| {
        desk.live.copying().values().any(|copy| copy.done > 600_000)
    })
    .await;
    desk.set_hour(8);
    desk.wait("it waits", |desk| desk.live.queue.depth().delayed == 1)
        .await;
    assert!(!desk.has("large"));
    desk.set_hour(13);
    desk.live.queue.retry(|_| true).await.unwrap();
    desk.wait("it arrives and is noted", |desk| {
        desk.has("large") && !desk.live.queue.history(1).is_empty()
    })
    .await;
    let log = desk.target.log();
    let uploads = committed(&log);
    assert!(uploads.values().all(|times| *times == 1), "{uploads:?}");
    let done = &desk.live.queue.history(1)[0];
    assert!(
        done.transferred < 8_000_000,
        "what was sent before is not sent again: {}",
        done.transferred
    );
    desk.stop.cancel();
    working.await.unwrap();
}

#[test]
fn a_stop_comes_soon_and_the_next_start_goes_on_at_the_same_byte() {
    if !registries_are_here() || !durable_registry_is_here() {
        return;
    }
    let source = silent_registry();
    let target = Registry::durable(&COMPONENTS, None).unwrap();
    let rules = |rate: &str| {
        format!(
            "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2}}]
limits: {{bandwidth: [{{rate: {rate}}}]}}",
            source.address(),
            target.address()
        )
    };
    let size = 12_000_000;
    let folder = tempfile::tempdir().unwrap();
    push(
        &layer(folder.path(), "large", size),
        &format!("{}/app:v1", source.address()),
    );
    let mut daemon = Daemon::start(Ports::new(), &rules("400kB"));
    daemon.wait("a part of it is copied", |daemon| {
        let (_, page) = daemon.get("/");
        (5..100).any(|percent| page.contains(&format!("{percent} % of")))
    });
    let (code, took) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(digest(&target.address(), "app", "v1"), None);
    daemon.write_rules(&rules("unlimited"));
    daemon.resume();
    daemon.wait("it arrives", |_| {
        digest(&target.address(), "app", "v1").is_some()
    });
    daemon.wait("it is counted", |daemon| {
        daemon.figure("migrate_images_finished_total", "copied") == Some(1.0)
    });
    let (_, list) = daemon.queue(&["list", "--output", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let sent = list["history"][0]["transferred"].as_u64().unwrap();
    assert!(
        sent < size as u64 * 97 / 100,
        "{sent} of {size} bytes were sent again"
    );
    assert!(committed(&target.log()).values().all(|times| *times == 1));
}

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::images::Digest;
use crate::images::store::Name;

fn key(tag: &str) -> JobKey {
    JobKey {
        source: "dc1".to_owned(),
        repository: "shop/web".to_owned(),
        name: Name::Tag(tag.to_owned()),
        target: "dc2".to_owned(),
    }
}

fn job(digest: &str) -> Job {
    let hint = Hint {
        source: "dc1".to_owned(),
        repository: "shop/web".to_owned(),
        name: Name::Tag("x".to_owned()),
        digest: Some(Digest::of(digest.as_bytes())),
        deleted: false,
        via: Via::Webhook,
    };
    Job::new(&hint, "rule", 0, 1000)
}

fn done() -> Finish {
    Finish::Done {
        done: Box::new(Done {
            image: "image".to_owned(),
            rule: "rule".to_owned(),
            what: "copied".to_owned(),
            note: None,
            digest: None,
            transferred: 1,
            saved: 0,
            lag_ms: 0,
            took_ms: 0,
            at_ms: 0,
        }),
        known: Some(KnownTag {
            digest: Digest::of(b"1"),
            rule: "rule".to_owned(),
        }),
    }
}

fn open(folder: &Path) -> Queue {
    // The thread of a queue that was dropped just now may still have the file.
    wait_until_free(folder);
    Queue::open(folder, Clock::new(|| 5000)).unwrap().0
}

fn retry(pause: Duration) -> Finish {
    Finish::Retry {
        pause,
        reason: "down".to_owned(),
        counts: true,
    }
}

#[tokio::test]
async fn what_was_recorded_survives() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    let recorded = queue
        .record(vec![
            (key("a"), job("1")),
            (key("b"), job("1")),
            (key("a"), job("2")),
        ])
        .await
        .unwrap();
    assert_eq!((recorded.new, recorded.folded), (2, 1));
    let (taken, _) = queue.take().await;
    assert_eq!(taken, key("a"));
    drop(queue);
    let queue = open(folder.path());
    assert_eq!(
        queue.depth().ready,
        2,
        "what was being copied is pending again"
    );
    let (taken, job) = queue.take().await;
    assert_eq!(taken, key("a"));
    assert_eq!(job.events, 2);
    assert_eq!(
        job.digest,
        Some(Digest::of(b"2")),
        "the newest digest counts"
    );
    queue.finish(&taken, done()).await.unwrap();
    assert_eq!(queue.known_tag(&taken).unwrap().digest, Digest::of(b"1"));
    drop(queue);
    let queue = open(folder.path());
    assert_eq!(queue.depth().ready, 1);
    assert_eq!(queue.history(10).len(), 1);
    assert_eq!(queue.known_tags().len(), 1);
}

#[tokio::test]
async fn an_event_during_the_copy_starts_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    queue.record(vec![(key("a"), job("1"))]).await.unwrap();
    let (taken, _) = queue.take().await;
    queue.record(vec![(key("a"), job("2"))]).await.unwrap();
    queue.finish(&taken, done()).await.unwrap();
    let (taken, again) = queue.take().await;
    assert_eq!(again.digest, Some(Digest::of(b"2")));
    queue.finish(&taken, done()).await.unwrap();
    assert_eq!(queue.depth(), Depth::default());
}

#[tokio::test]
async fn an_event_about_what_is_being_copied_starts_no_other_copy() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    let arrived = || {
        let mut finish = done();
        if let Finish::Done { done, .. } = &mut finish {
            done.digest = Some(Digest::of(b"1"));
        }
        finish
    };
    queue.record(vec![(key("a"), job("1"))]).await.unwrap();
    let (taken, _) = queue.take().await;
    queue.record(vec![(key("a"), job("1"))]).await.unwrap();
    queue.finish(&taken, arrived()).await.unwrap();
    assert_eq!(queue.depth(), Depth::default());

    // Of several events one that reports no digest, or another one, is enough.
    for other in [None, Some(Digest::of(b"2"))] {
        queue.record(vec![(key("a"), job("1"))]).await.unwrap();
        let (taken, _) = queue.take().await;
        let mut news = job("1");
        news.digest.clone_from(&other);
        queue.record(vec![(key("a"), news)]).await.unwrap();
        if other.is_none() {
            queue.record(vec![(key("a"), job("1"))]).await.unwrap();
        }
        queue.finish(&taken, arrived()).await.unwrap();
        assert_eq!(queue.depth().ready, 1, "{other:?}");
        let (taken, _) = queue.take().await;
        queue.finish(&taken, arrived()).await.unwrap();
        assert_eq!(queue.depth(), Depth::default());
    }
}

#[tokio::test]
async fn the_same_news_again_are_not_written_again() {
    let mut book = Book::default();
    let now = Instant::now();
    let first = book.put(key("a"), job("1"), now).unwrap();
    assert!(first.new && first.ready);
    let (changes, number) = book.changes();
    assert_eq!((changes.len(), number), (1, first.noted));
    let again = book.put(key("a"), job("1"), now).unwrap();
    assert!(!again.new && !again.ready);
    assert_eq!(again.noted, first.noted, "on disk with the first");
    assert!(book.changes().0.is_empty());
    let news = book.put(key("a"), job("2"), now).unwrap();
    assert!(news.noted > first.noted);
    assert_eq!(book.changes().0.len(), 1);
}

#[tokio::test]
async fn a_failed_job_waits_unless_there_are_news() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    queue.record(vec![(key("a"), job("1"))]).await.unwrap();
    let (taken, _) = queue.take().await;
    queue
        .finish(&taken, retry(Duration::from_mins(10)))
        .await
        .unwrap();
    queue.record(vec![(key("a"), job("1"))]).await.unwrap();
    assert_eq!(queue.depth().delayed, 1, "the same event again is no news");
    queue.record(vec![(key("a"), job("2"))]).await.unwrap();
    assert_eq!(queue.depth().ready, 1);
    let (taken, _) = queue.take().await;
    queue
        .finish(&taken, retry(Duration::from_millis(20)))
        .await
        .unwrap();
    let (_, job) = queue.take().await;
    assert_eq!(job.attempts, 1, "news began the count anew");
}

#[tokio::test]
async fn dead_letters_are_kept_retried_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    for tag in ["a", "b"] {
        queue.record(vec![(key(tag), job("1"))]).await.unwrap();
        let (taken, _) = queue.take().await;
        let dead = Finish::Dead {
            reason: format!("{tag} is gone"),
            remedy: None,
        };
        queue.finish(&taken, dead).await.unwrap();
    }
    drop(queue);
    let queue = open(folder.path());
    assert_eq!(queue.dead(10)[0].1.reason, "b is gone");
    assert_eq!(queue.retry(|k| k.id() == key("a").id()).await.unwrap(), 1);
    assert_eq!(queue.depth().ready, 1);
    assert_eq!(queue.drop_jobs(|_| true).await.unwrap(), 2);
    drop(queue);
    assert_eq!(open(folder.path()).depth(), Depth::default());
}

#[tokio::test]
async fn higher_priority_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    let mut urgent = job("1");
    urgent.priority = 5;
    queue
        .record(vec![
            (key("a"), job("1")),
            (key("b"), urgent),
            (key("c"), job("1")),
        ])
        .await
        .unwrap();
    let mut order = Vec::new();
    for _ in 0..3 {
        order.push(queue.take().await.0.name.to_string());
    }
    assert_eq!(order, ["b", "a", "c"]);
}

#[tokio::test]
async fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let _queue = open(folder.path());
    let error = Queue::open(folder.path(), Clock::system()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }));
    assert!(error.to_string().contains(&std::process::id().to_string()));
}

#[tokio::test]
async fn a_damaged_file_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queue.redb");
    for damage in [b"not a database".to_vec(), vec![0_u8; 64 << 10]] {
        let queue = open(folder.path());
        queue.record(vec![(key("a"), job("1"))]).await.unwrap();
        drop(queue);
        wait_until_free(folder.path());
        fs_err::write(&file, &damage).unwrap();
        let (queue, opened) = Queue::open(folder.path(), Clock::system()).unwrap();
        assert_eq!(fs_err::read(opened.rebuilt.unwrap()).unwrap(), damage);
        assert_eq!(queue.depth(), Depth::default());
        queue.record(vec![(key("a"), job("1"))]).await.unwrap();
        drop(queue);
        wait_until_free(folder.path());
    }
}

/// Every single page of the file overwritten in turn: opening says so or works, and never ends the process.
#[tokio::test]
async fn any_damaged_page_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path());
    let jobs = (0..200)
        .map(|n| (key(&format!("t{n}")), job("1")))
        .collect();
    queue.record(jobs).await.unwrap();
    drop(queue);
    wait_until_free(folder.path());
    let file = folder.path().join("queue.redb");
    let whole = fs_err::read(&file).unwrap();
    let pages = whole.len().div_ceil(4096).min(40);
    for page in 0..pages {
        let mut damaged = whole.clone();
        let end = (page * 4096 + 4096).min(damaged.len());
        damaged[page * 4096..end].fill(0xA5);
        fs_err::write(&file, &damaged).unwrap();
        let (queue, _) = Queue::open(folder.path(), Clock::system()).unwrap();
        queue.record(vec![(key("new"), job("1"))]).await.unwrap();
        drop(queue);
        wait_until_free(folder.path());
    }
}

/// The writer's thread lets go of the file when it sees that the last sender is gone.
fn wait_until_free(folder: &Path) {
    let mut tries = 0;
    while let Err(OpenError::InUse { .. }) = Store::open(folder, &Clock::system()) {
        std::thread::sleep(Duration::from_millis(5));
        tries += 1;
        assert!(tries < 1000);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_changes_only_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(1_000_000_000));
    let clock = {
        let now = Arc::clone(&now);
        Clock::new(move || now.load(Ordering::Relaxed))
    };
    let (queue, _) = Queue::open(folder.path(), clock).unwrap();
    queue
        .record(vec![(key("a"), job("1")), (key("b"), job("1"))])
        .await
        .unwrap();
    for jump in [0, u64::MAX / 2] {
        now.store(jump, Ordering::Relaxed);
        let (taken, _) = queue.take().await;
        let lag = queue.finish(&taken, done()).await.unwrap();
        assert!(lag < Duration::from_hours(1), "{lag:?}");
    }
    assert_eq!(queue.depth(), Depth::default());
}

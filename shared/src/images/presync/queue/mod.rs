//! The durable queue: what is to be copied, what failed for good, what was done.
//!
//! Memory is what the daemon works by, the file is what survives it. A change is told to the caller as done only when
//! it is in the file; many changes share one `fsync`: while one commit runs, the next one gathers. The job is the
//! event on disk: events for the same image fold into its job, so a flood costs no more room than the images in it.
//!
//! Nothing here depends on the wall clock but what people read. Pauses are counted by the monotonic clock and begin
//! anew after a restart.

mod book;
mod clock;
mod job;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking::Guarded;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use clock::Clock;
pub use job::{Dead, Done, Finish, Hint, Job, JobKey, JobState, KnownTag, Via};
pub use store::{OpenError, Opened, StoreError};

use book::{Book, Pending};
use store::Store;
use writer::Writer;

/// Jobs at the same time. Beyond it, events are refused, and the sender tries again.
pub const MOST_JOBS: usize = 500_000;
/// Dead letters that are kept; the oldest go first.
pub const MOST_DEAD: usize = 10_000;
/// Lines of history that are kept.
pub const MOST_HISTORY: usize = 1_000;

/// Why something could not be put into the queue.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The file cannot be written: the disk is full, or worse.
    #[error("the queue cannot be written: {0}")]
    NotDurable(String),
    /// Too many jobs.
    #[error("the queue is full: {MOST_JOBS} images are waiting")]
    Full,
}

/// What came of putting hints into the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// New jobs.
    pub new: usize,
    /// Hints that folded into jobs that were there.
    pub folded: usize,
}

/// Numbers about the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Jobs that can be worked on now.
    pub ready: usize,
    /// Jobs that wait for their next try.
    pub delayed: usize,
    /// Jobs that are worked on.
    pub running: usize,
    /// Images that failed for good.
    pub dead: usize,
}

/// The queue. Cheap to clone; one process has it open at a time.
#[derive(Debug, Clone)]
pub struct Queue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    book: Guarded<Book>,
    writer: Writer,
    changed: Notify,
    clock: Clock,
}

impl Queue {
    /// Opens the queue in a folder, which is made if it is not there. A damaged file is set aside, and
    /// [`Opened::rebuilt`] says so: a reconcile finds again what it held.
    ///
    /// # Errors
    /// Another process has it open, or the folder cannot be written.
    pub fn open(folder: &Path, clock: Clock) -> Result<(Self, Opened), OpenError> {
        let (store, opened) = Store::open(folder, &clock)?;
        let mut book = Book::default();
        book.load(&store);
        let shared = Arc::new(Shared {
            book: Guarded::new(book),
            writer: Writer::start(store),
            changed: Notify::new(),
            clock,
        });
        Ok((Self { shared }, opened))
    }

    /// Puts jobs for a hint into the queue, one for each target that a rule names, and waits until they are on disk.
    ///
    /// # Errors
    /// They are not on disk, so the sender has to try again. They are in memory all the same, and are worked on.
    pub async fn record(&self, jobs: Vec<(JobKey, Job)>) -> Result<Recorded, QueueError> {
        if jobs.is_empty() {
            return Ok(Recorded::default());
        }
        let mut recorded = Recorded::default();
        let mut ready = false;
        let mut noted = 0;
        {
            let mut book = self.shared.book.lock();
            let now = Instant::now();
            for (key, job) in jobs {
                let placed = book.put(key, job, now)?;
                if placed.new {
                    recorded.new += 1;
                } else {
                    recorded.folded += 1;
                }
                ready |= placed.ready;
                noted = noted.max(placed.noted);
            }
        }
        if ready {
            self.shared.changed.notify_waiters();
        }
        self.commit_up_to(noted).await?;
        Ok(recorded)
    }

    /// The next job to work on; waits until there is one. The job stays in the file until [`Self::finish`].
    pub async fn take(&self) -> (JobKey, Job) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let next = {
                let mut book = self.shared.book.lock();
                match book.take(Instant::now()) {
                    Ok(taken) => return taken,
                    Err(next) => next,
                }
            };
            match next {
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => changed.await,
            }
        }
    }

    /// Ends the work on a job and waits until that is on disk. Gives how long the image's first event is ago.
    ///
    /// # Errors
    /// It is not on disk: after a crash the job would be done again.
    pub async fn finish(&self, key: &JobKey, finish: Finish) -> Result<Duration, QueueError> {
        let lag = {
            let mut book = self.shared.book.lock();
            book.finish(key, finish, Instant::now(), self.shared.clock.now_ms())
        };
        self.shared.changed.notify_waiters();
        self.commit().await?;
        Ok(lag)
    }

    /// What is known of a tag from the last copy.
    #[must_use]
    pub fn known_tag(&self, key: &JobKey) -> Option<KnownTag> {
        let bytes = self.read(store::TAGS, &key.text())?;
        serde_json::from_slice(&bytes).ok()
    }

    /// All tags of which a copy is known, with what is known.
    #[must_use]
    pub fn known_tags(&self) -> Vec<(JobKey, KnownTag)> {
        self.shared
            .writer
            .all(store::TAGS)
            .into_iter()
            .filter_map(|(key, value)| {
                Some((JobKey::parse(&key)?, serde_json::from_slice(&value).ok()?))
            })
            .collect()
    }

    /// Remembers what both sides of tags have, beyond the jobs that copied them.
    ///
    /// # Errors
    /// It is not on disk.
    pub async fn remember_tags(&self, tags: Vec<(JobKey, KnownTag)>) -> Result<(), QueueError> {
        if tags.is_empty() {
            return Ok(());
        }
        {
            let mut book = self.shared.book.lock();
            for (key, known) in tags {
                book.write(store::TAGS, &key.text(), serde_json::to_vec(&known).ok());
            }
        }
        self.commit().await
    }

    /// Numbers about the queue.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.shared.book.lock().depth()
    }

    /// Jobs in the order in which they are worked on, at most `limit`.
    #[must_use]
    pub fn jobs(&self, limit: usize) -> Vec<(JobKey, Job, Duration)> {
        self.shared.book.lock().jobs(limit, Instant::now())
    }

    /// Images that failed for good, newest first, at most `limit`.
    #[must_use]
    pub fn dead(&self, limit: usize) -> Vec<(JobKey, Dead)> {
        self.shared.book.lock().dead(limit)
    }

    /// What was done, newest first, at most `limit`.
    #[must_use]
    pub fn history(&self, limit: usize) -> Vec<Done> {
        self.shared.book.lock().history(limit)
    }

    /// Puts dead letters and waiting jobs back to be tried at once. `wanted` gets each.
    ///
    /// # Errors
    /// It is not on disk.
    pub async fn retry(&self, wanted: impl Fn(&JobKey) -> bool) -> Result<usize, QueueError> {
        let count = {
            let mut book = self.shared.book.lock();
            book.retry(&wanted, Instant::now(), self.shared.clock.now_ms())?
        };
        self.shared.changed.notify_waiters();
        self.commit().await?;
        Ok(count)
    }

    /// Removes dead letters and jobs that nobody works on. `wanted` gets each.
    ///
    /// # Errors
    /// It is not on disk.
    pub async fn drop_jobs(&self, wanted: impl Fn(&JobKey) -> bool) -> Result<usize, QueueError> {
        let count = self.shared.book.lock().drop_jobs(&wanted);
        self.commit().await?;
        Ok(count)
    }

    /// The wall clock, for what people read.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Whether the last commit reached the disk; else why not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.writer.trouble()
    }

    /// How often the file was found damaged and written anew while the daemon ran.
    #[must_use]
    pub fn rebuilds(&self) -> u64 {
        self.shared.writer.rebuilds()
    }

    /// A record as it is in memory or, if it did not change, in the file.
    fn read(&self, table: store::Table, key: &str) -> Option<Vec<u8>> {
        let pending = self.shared.book.lock().pending(table, key);
        match pending {
            Pending::Unchanged => self.shared.writer.read(table, key),
            Pending::Removed => None,
            Pending::Written(value) => Some(value),
        }
    }

    async fn commit(&self) -> Result<(), QueueError> {
        let noted = self.shared.book.lock().noted();
        self.commit_up_to(noted).await
    }

    /// Waits until the change of this number is on disk.
    async fn commit_up_to(&self, noted: u64) -> Result<(), QueueError> {
        if self.shared.writer.has_committed(noted) {
            return Ok(());
        }
        let shared = self.shared.clone();
        self.shared
            .writer
            .commit(move || shared.book.lock().changes(), {
                let shared = self.shared.clone();
                move || shared.book.lock().everything()
            })
            .await
            .map_err(QueueError::NotDurable)
    }
}

/// A mutex whose holder cannot fail half-way: what it guards is only changed by code that does not panic.
mod parking {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// See the module.
    #[derive(Debug)]
    pub(super) struct Guarded<T>(Mutex<T>);

    impl<T> Guarded<T> {
        pub(super) fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        pub(super) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

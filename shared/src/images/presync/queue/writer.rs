//! Group commit: one thread writes, callers wait for the commit that holds their change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::store::{Change, Store, StoreError, Table};

/// Gives all changes up to now, and the number of the last one.
type Changes = Box<dyn FnOnce() -> (Vec<Change>, u64) + Send>;
type Everything = Box<dyn FnOnce() -> Vec<Change> + Send>;

/// Pause before a commit that failed is tried again, if nobody asks for another one before.
const PAUSE: Duration = Duration::from_secs(1);

/// One caller that waits.
struct Request {
    /// Also those of others: the first caller of a commit brings them all.
    changes: Changes,
    /// Gives everything, for a file that is begun anew.
    everything: Everything,
    answer: oneshot::Sender<Result<(), String>>,
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    requests: mpsc::Sender<Request>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    store: Mutex<Store>,
    trouble: Mutex<Option<String>>,
    rebuilds: AtomicU64,
    /// Number of the last change that is on disk, with all before it.
    committed: AtomicU64,
}

impl Writer {
    pub(super) fn start(store: Store) -> Self {
        let (requests, inbox) = mpsc::channel();
        let state = Arc::new(State {
            store: Mutex::new(store),
            trouble: Mutex::new(None),
            rebuilds: AtomicU64::new(0),
            committed: AtomicU64::new(0),
        });
        let own = Arc::clone(&state);
        // Ends when the last sender is gone.
        thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || own.run(&inbox))
            .map_or_else(
                |error| tracing::error!(%error, "the queue's thread cannot be started"),
                drop,
            );
        Self { requests, state }
    }

    /// Waits until all changes up to now are on disk.
    pub(super) async fn commit(
        &self,
        changes: impl FnOnce() -> (Vec<Change>, u64) + Send + 'static,
        everything: impl FnOnce() -> Vec<Change> + Send + 'static,
    ) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            changes: Box::new(changes),
            everything: Box::new(everything),
            answer,
        };
        let gone = || "its thread has ended".to_owned();
        self.requests.send(request).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Whether the change of this number, and so all before it, is on disk.
    pub(super) fn has_committed(&self, number: u64) -> bool {
        self.state.committed.load(Ordering::Acquire) >= number
    }

    pub(super) fn read(&self, table: Table, key: &str) -> Option<Vec<u8>> {
        self.state.store().get(table, key)
    }

    pub(super) fn all(&self, table: Table) -> Vec<(String, Vec<u8>)> {
        self.state.store().all(table)
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.state.trouble().clone()
    }

    pub(super) fn rebuilds(&self) -> u64 {
        self.state.rebuilds.load(Ordering::Relaxed)
    }
}

impl State {
    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, inbox: &mpsc::Receiver<Request>) {
        // Changes of commits that failed: they are in memory and have to come to disk with the next one.
        let mut unwritten: Vec<Change> = Vec::new();
        let mut last = 0;
        loop {
            // What failed is tried again by itself: while events are refused, nobody may ask for another commit.
            let first = if unwritten.is_empty() {
                match inbox.recv() {
                    Ok(request) => Some(request),
                    Err(mpsc::RecvError) => return,
                }
            } else {
                match inbox.recv_timeout(PAUSE) {
                    Ok(request) => Some(request),
                    Err(mpsc::RecvTimeoutError::Timeout) => None,
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            };
            let mut changes = std::mem::take(&mut unwritten);
            let mut answers = Vec::new();
            let mut everything = None;
            // Whoever came while the last commit ran shares this one; their changes are taken already or come now.
            for request in first.into_iter().chain(inbox.try_iter()) {
                answers.push(request.answer);
                everything = Some(request.everything);
                let (more, number) = (request.changes)();
                changes.extend(more);
                last = number;
            }
            let result = self.write(&changes, everything);
            match &result {
                Ok(()) => {
                    self.committed.store(last, Ordering::Release);
                    if self.trouble().take().is_some() {
                        tracing::info!("the queue can be written again");
                    }
                }
                Err(reason) => {
                    let was = self.trouble().replace(reason.clone());
                    if was.is_none() {
                        tracing::error!(reason, "the queue cannot be written; events are refused");
                    }
                    unwritten = fold(changes);
                }
            }
            for answer in answers {
                // Whoever stopped waiting does not want to know.
                let _ = answer.send(result.clone());
            }
        }
    }

    /// Writes changes. `everything` is for a file that is found damaged; without it that is a failure like others.
    fn write(&self, changes: &[Change], everything: Option<Everything>) -> Result<(), String> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut store = self.store();
        match (store.apply(changes), everything) {
            (Ok(()), _) => Ok(()),
            (Err(StoreError::Damaged(reason)), Some(everything)) => {
                let aside = store.begin_anew().map_err(|error| error.to_string())?;
                let all = everything();
                store.apply(&all).map_err(|error| error.to_string())?;
                store.apply(changes).map_err(|error| error.to_string())?;
                self.rebuilds.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    reason,
                    aside = %aside.display(),
                    "the queue's file was damaged; it was set aside and written anew from memory"
                );
                Ok(())
            }
            (Err(error), _) => Err(error.to_string()),
        }
    }
}

/// Of several changes of one record the last one counts.
fn fold(changes: Vec<Change>) -> Vec<Change> {
    let mut folded = std::collections::BTreeMap::new();
    for change in changes {
        folded.insert((change.table, change.key), change.value);
    }
    folded
        .into_iter()
        .map(|((table, key), value)| Change { table, key, value })
        .collect()
}

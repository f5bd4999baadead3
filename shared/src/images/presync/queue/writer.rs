//! Group commit: one thread writes, callers wait for the commit that holds their change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use tokio::sync::oneshot;

use super::store::{Change, Store, StoreError, Table};

type Changes = Box<dyn FnOnce() -> Vec<Change> + Send>;

/// One caller that waits.
struct Request {
    /// Gives all changes up to now, also those of others: the first caller of a commit brings them all.
    changes: Changes,
    /// Gives everything, for a file that is begun anew.
    everything: Changes,
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
}

impl Writer {
    pub(super) fn start(store: Store) -> Self {
        let (requests, inbox) = mpsc::channel();
        let state = Arc::new(State {
            store: Mutex::new(store),
            trouble: Mutex::new(None),
            rebuilds: AtomicU64::new(0),
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
        changes: impl FnOnce() -> Vec<Change> + Send + 'static,
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
        while let Ok(first) = inbox.recv() {
            let mut changes = std::mem::take(&mut unwritten);
            let mut answers = vec![first.answer];
            let mut everything = first.everything;
            changes.extend((first.changes)());
            // Whoever came while the last commit ran shares this one; their changes are taken already or come now.
            for request in inbox.try_iter() {
                changes.extend((request.changes)());
                answers.push(request.answer);
                everything = request.everything;
            }
            let result = self.write(&changes, everything);
            match &result {
                Ok(()) => {
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

    fn write(&self, changes: &[Change], everything: Changes) -> Result<(), String> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut store = self.store();
        match store.apply(changes) {
            Ok(()) => Ok(()),
            Err(StoreError::Damaged(reason)) => {
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
            Err(StoreError::Failed(reason)) => Err(reason),
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

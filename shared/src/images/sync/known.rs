//! Which repository of a target has which blob, so that a blob is sent once and mounted everywhere else.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::images::{Digest, Platform};

/// Blobs that are remembered. Beyond it all is forgotten but what is on its way: a process can live for years, and what
/// is forgotten only costs a question.
const MOST: usize = 20_000;

/// At most this share of the time goes into writing what is known: one part in so many.
const SHARE_OF_TIME: u32 = 50;

/// What is known of the blobs of one target.
#[derive(Debug, Default)]
pub(super) struct Known {
    blobs: Mutex<HashMap<Digest, Blob>>,
    /// Indexes (`repository@digest`) that were written without some of their platforms, with those that are there.
    partial: Mutex<Partial>,
    /// When it is worth writing again.
    next_keep: Mutex<Option<Instant>>,
}

/// Platforms by index.
pub(super) type Partial = BTreeMap<String, BTreeSet<String>>;

#[derive(Debug, Default)]
struct Blob {
    /// Repositories that have it: seen in this process.
    confirmed: BTreeSet<String>,
    /// Repositories that had it some time ago.
    hints: BTreeSet<String>,
    /// It is on its way to one of them.
    sending: bool,
    /// Repositories that it is being mounted into.
    mounting: HashSet<String>,
    changed: Arc<Notify>,
}

/// What to do about a blob for a repository.
#[derive(Debug)]
pub(super) enum Claim {
    /// Nothing: the repository has it.
    Present,
    /// Mount it from this repository, then [`Known::mounted`].
    Mount(String),
    /// Send it, then [`Known::sent`]. With a repository that may have it.
    Send(Option<String>),
    /// Somebody else is at it: wait, then claim again.
    Wait(Arc<Notify>),
}

impl Known {
    fn with<T>(&self, digest: &Digest, change: impl FnOnce(&mut Blob) -> T) -> T {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        if blobs.len() >= MOST && !blobs.contains_key(digest) {
            blobs.retain(|_, blob| blob.sending || !blob.mounting.is_empty());
        }
        change(blobs.entry(digest.clone()).or_default())
    }

    /// Whether it is worth writing what is known: not after each of many images one by one.
    pub(super) fn keep_is_due(&self) -> bool {
        let next = self
            .next_keep
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        next.is_none_or(|next| next <= Instant::now())
    }

    /// It was written, which took so long.
    pub(super) fn was_kept(&self, took: Duration) {
        let next = Instant::now().checked_add(took.saturating_mul(SHARE_OF_TIME));
        *self
            .next_keep
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = next;
    }

    pub(super) fn claim(&self, digest: &Digest, repository: &str, mounts: bool) -> Claim {
        self.with(digest, |blob| {
            if blob.confirmed.contains(repository) {
                return Claim::Present;
            }
            if blob.mounting.contains(repository) {
                return Claim::Wait(Arc::clone(&blob.changed));
            }
            if mounts && let Some(from) = blob.confirmed.first() {
                blob.mounting.insert(repository.to_owned());
                return Claim::Mount(from.clone());
            }
            if blob.sending {
                return Claim::Wait(Arc::clone(&blob.changed));
            }
            blob.sending = true;
            let hint = blob.hints.iter().find(|hint| *hint != repository);
            Claim::Send(hint.filter(|_| mounts).cloned())
        })
    }

    /// Whether a claim would still have to wait. Asked after a waiter has registered, so that no change is missed.
    pub(super) fn is_busy(&self, digest: &Digest, repository: &str, mounts: bool) -> bool {
        self.with(digest, |blob| {
            !blob.confirmed.contains(repository)
                && (blob.mounting.contains(repository)
                    || (blob.sending && (!mounts || blob.confirmed.is_empty())))
        })
    }

    /// The end of a [`Claim::Mount`]. On failure the repository that should have had it is not asked again.
    pub(super) fn mounted(&self, digest: &Digest, repository: &str, from: &str, done: bool) {
        self.with(digest, |blob| {
            blob.mounting.remove(repository);
            if done {
                blob.confirmed.insert(repository.to_owned());
            } else {
                blob.confirmed.remove(from);
                blob.hints.remove(from);
            }
            blob.changed.notify_waiters();
        });
    }

    /// The end of a [`Claim::Send`].
    pub(super) fn sent(&self, digest: &Digest, repository: &str, done: bool) {
        self.with(digest, |blob| {
            blob.sending = false;
            if done {
                blob.confirmed.insert(repository.to_owned());
            }
            blob.changed.notify_waiters();
        });
    }

    /// A repository may have a blob.
    pub(super) fn hint(&self, digest: &Digest, repository: &str) {
        self.with(digest, |blob| blob.hints.insert(repository.to_owned()));
    }

    /// A repository that may have a blob, beside this one.
    pub(super) fn elsewhere(&self, digest: &Digest, repository: &str) -> Option<String> {
        self.with(digest, |blob| {
            let mut all = blob.confirmed.iter().chain(&blob.hints);
            all.find(|other| *other != repository).cloned()
        })
    }

    /// The target says that a repository lacks a blob after all.
    pub(super) fn lacks(&self, digest: &Digest, repository: &str) {
        self.with(digest, |blob| {
            blob.confirmed.remove(repository);
            blob.hints.remove(repository);
        });
    }

    fn partial(&self) -> std::sync::MutexGuard<'_, Partial> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An index was written with these platforms only; none means all of its own.
    pub(super) fn wrote_index(&self, repository: &str, digest: &Digest, platforms: &[Platform]) {
        let key = format!("{repository}@{digest}");
        let mut partial = self.partial();
        if platforms.is_empty() {
            partial.remove(&key);
        } else {
            let names = platforms.iter().map(ToString::to_string);
            partial.entry(key).or_default().extend(names);
        }
    }

    /// Whether an index that the target has under the right digest can be taken to have these platforms; none means all
    /// of its own. Its digest does not say: some registries take an index without its images.
    pub(super) fn index_has(
        &self,
        repository: &str,
        digest: &Digest,
        platforms: &[Platform],
    ) -> bool {
        let partial = self.partial();
        match partial.get(&format!("{repository}@{digest}")) {
            Some(there) => {
                !platforms.is_empty()
                    && platforms.iter().all(|one| there.contains(&one.to_string()))
            }
            None => platforms.is_empty(),
        }
    }

    /// Takes over which indexes were incomplete some time ago.
    pub(super) fn recall(&self, partial: Partial) {
        self.partial().extend(partial);
    }

    /// Shows all that is known, for a file: blobs with their repositories, and incomplete indexes.
    pub(super) fn show<T>(
        &self,
        see: impl FnOnce(&BTreeMap<&Digest, Vec<&str>>, &Partial) -> T,
    ) -> T {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let all = blobs
            .iter()
            .map(|(digest, blob)| {
                let repositories = blob.confirmed.union(&blob.hints);
                (digest, repositories.map(String::as_str).collect::<Vec<_>>())
            })
            .filter(|(_, repositories)| !repositories.is_empty())
            .collect();
        see(&all, &self.partial())
    }
}

/// Gives a claim back if the task that holds it is dropped.
#[derive(Debug)]
pub(super) struct Guard<'k> {
    pub(super) known: &'k Known,
    pub(super) digest: &'k Digest,
    pub(super) repository: &'k str,
    /// The repository that is mounted from; `None` if the blob is sent.
    pub(super) from: Option<String>,
    pub(super) done: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        match &self.from {
            Some(from) => self
                .known
                .mounted(self.digest, self.repository, from, self.done),
            None => self.known.sent(self.digest, self.repository, self.done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_sent_once_and_mounted_elsewhere() {
        let known = Known::default();
        let digest = Digest::of(b"layer");
        assert!(matches!(known.claim(&digest, "a", true), Claim::Send(None)));
        assert!(matches!(known.claim(&digest, "b", true), Claim::Wait(_)));
        known.sent(&digest, "a", true);
        assert!(matches!(known.claim(&digest, "a", true), Claim::Present));
        assert!(matches!(known.claim(&digest, "b", true), Claim::Mount(from) if from == "a"));
        assert!(matches!(known.claim(&digest, "b", true), Claim::Wait(_)));
        known.mounted(&digest, "b", "a", false);
        assert!(matches!(known.claim(&digest, "b", true), Claim::Send(None)));
    }

    #[test]
    fn a_long_life_does_not_fill_the_memory() {
        let known = Known::default();
        let busy = Digest::of(b"on its way");
        assert!(matches!(known.claim(&busy, "a", true), Claim::Send(None)));
        for number in 0..MOST + 10 {
            known.hint(&Digest::of(number.to_string().as_bytes()), "a");
        }
        assert!(known.blobs.lock().unwrap().len() <= MOST);
        assert!(matches!(known.claim(&busy, "a", true), Claim::Wait(_)));
    }

    #[test]
    fn a_failed_sender_leaves_the_blob_to_the_next() {
        let known = Known::default();
        let digest = Digest::of(b"layer");
        known.hint(&digest, "old");
        assert!(
            matches!(known.claim(&digest, "a", true), Claim::Send(Some(hint)) if hint == "old")
        );
        known.sent(&digest, "a", false);
        assert!(matches!(
            known.claim(&digest, "b", false),
            Claim::Send(None)
        ));
    }
}

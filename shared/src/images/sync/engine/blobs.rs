//! The blobs of an image: each is sent once for a target, and mounted everywhere else.

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{Engine, Looked, Shared, Tally, or_absent};
use crate::images::store::BeginBlob;
use crate::images::sync::item::{BlobOutcome, Event, Item};
use crate::images::sync::known::{Claim, Guard, Known};
use crate::images::sync::send::Sending;
use crate::images::sync::tree;
use crate::images::{Descriptor, ImageError};

/// Questions about blobs of one image at the same time.
const BLOBS_AT_ONCE: usize = 16;

impl Engine {
    /// Makes sure that all these blobs are in the item's repository.
    pub(super) async fn blobs(
        &self,
        shared: &Shared<'_>,
        index: usize,
        blobs: &[Descriptor],
    ) -> Result<Tally, ImageError> {
        // The largest first: what is left for the end is small.
        let mut ordered: Vec<&Descriptor> = blobs.iter().collect();
        ordered.sort_by_key(|blob| std::cmp::Reverse(blob.size));
        let outcomes: Vec<(BlobOutcome, u64)> = futures_util::stream::iter(ordered)
            .map(|blob| self.blob(shared, index, blob))
            .buffer_unordered(BLOBS_AT_ONCE)
            .try_collect()
            .await?;
        let mut tally = Tally::default();
        for (outcome, bytes) in outcomes {
            match outcome {
                BlobOutcome::Transferred => tally.transferred += bytes,
                BlobOutcome::Mounted => tally.mounted += bytes,
                BlobOutcome::Skipped => tally.skipped += bytes,
            }
        }
        Ok(tally)
    }

    /// Makes sure that a blob is in the item's repository.
    async fn blob(
        &self,
        shared: &Shared<'_>,
        index: usize,
        blob: &Descriptor,
    ) -> Result<(BlobOutcome, u64), ImageError> {
        let item = &shared.items[index];
        let (outcome, bytes) = self.ensure(shared, index, item, blob).await?;
        shared.observer.see(Event::BlobDone {
            item: index,
            digest: blob.digest.clone(),
            size: blob.size,
            outcome,
        });
        Ok((outcome, bytes))
    }

    async fn ensure(
        &self,
        shared: &Shared<'_>,
        index: usize,
        item: &Item,
        blob: &Descriptor,
    ) -> Result<(BlobOutcome, u64), ImageError> {
        let target = item.target.as_ref();
        let repository = item.target_repository.as_str();
        let known = self.known(target.location());
        let sending = Sending {
            senders: &self.senders,
            item,
            index,
            observer: shared.observer,
            turns: if item.source.is_near() && target.is_near() {
                &self.near
            } else {
                &self.turns
            },
        };
        loop {
            match known.claim(&blob.digest, repository, target.mounts()) {
                Claim::Present => return Ok((BlobOutcome::Skipped, blob.size)),
                Claim::Wait(changed) => {
                    // No permit is held here: those who are waited for need one.
                    let notified = changed.notified();
                    tokio::pin!(notified);
                    notified.as_mut().enable();
                    if known.is_busy(&blob.digest, repository, target.mounts()) {
                        notified.await;
                    }
                }
                Claim::Mount(from) => {
                    let mut guard = Guard {
                        known: &known,
                        digest: &blob.digest,
                        repository,
                        from: Some(from.clone()),
                        done: false,
                    };
                    match target.begin_blob(repository, blob, Some(&from)).await? {
                        BeginBlob::Done => {
                            target.saw_mount(true);
                            guard.done = true;
                            return Ok((BlobOutcome::Mounted, blob.size));
                        }
                        // The registry does not mount it: the session is there, so it is sent.
                        BeginBlob::Upload(session) => {
                            target.saw_mount(false);
                            let sent = sending.send(blob, Some(session), None).await?;
                            guard.done = true;
                            return Ok(outcome_of(sent, blob));
                        }
                    }
                }
                Claim::Send(hint) => {
                    let mut guard = Guard {
                        known: &known,
                        digest: &blob.digest,
                        repository,
                        from: None,
                        done: false,
                    };
                    if or_absent(target.has_blob(repository, blob).await)? {
                        guard.done = true;
                        return Ok((BlobOutcome::Skipped, blob.size));
                    }
                    let hint = match hint {
                        Some(hint) => Some(hint),
                        None if target.mounts() => self.neighbour(shared, item, blob, &known).await,
                        None => None,
                    };
                    let sent = sending.send(blob, None, hint.as_deref()).await?;
                    guard.done = true;
                    return Ok(outcome_of(sent, blob));
                }
            }
        }
    }

    /// A repository of the target that probably has a blob: that of an image of this sync which is there already, or,
    /// within one registry, the source itself.
    async fn neighbour(
        &self,
        shared: &Shared<'_>,
        item: &Item,
        blob: &Descriptor,
        known: &Known,
    ) -> Option<String> {
        if item.source.location() == item.target.location() {
            return Some(item.source_repository.clone());
        }
        shared
            .neighbours
            .get_or_init(|| async {
                futures_util::stream::iter(shared.items.iter().zip(shared.looked))
                    .for_each_concurrent(8, |(other, looked)| self.learn_neighbour(other, looked))
                    .await;
            })
            .await;
        known.elsewhere(&blob.digest, &item.target_repository)
    }

    /// The blobs of an image that is at its target already are in its repository.
    async fn learn_neighbour(&self, item: &Item, looked: &Result<Looked, ImageError>) {
        let Ok(looked) = looked else { return };
        if !looked.up_to_date {
            return;
        }
        let source = item.source.as_ref();
        let read = tree::read(
            source,
            &item.source_repository,
            &looked.descriptor,
            self.parts(item),
        );
        // It is a hint: without it the blob is sent.
        if let Ok(tree) = read.await {
            let known = self.known(item.target.location());
            for blob in tree.blobs {
                known.hint(&blob.digest, &item.target_repository);
            }
        }
    }
}

/// Nothing sent means that the target took the blob from a hinted repository.
fn outcome_of(sent: Option<u64>, blob: &Descriptor) -> (BlobOutcome, u64) {
    match sent {
        Some(bytes) => (BlobOutcome::Transferred, bytes),
        None => (BlobOutcome::Mounted, blob.size),
    }
}

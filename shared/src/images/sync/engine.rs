//! The engine: all images at the same time, each blob once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

use super::item::{BlobOutcome, Event, ImageOutcome, Item, Observer, Summary};
use super::known::{Claim, Guard, Known};
use super::rate::Rate;
use super::read::Readers;
use super::send::{Senders, Sending};
use super::state::State;
use super::tree::{self, Tree};
use crate::images::digest::Hasher;
use crate::images::store::{BeginBlob, Name};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// Questions about blobs of one image at the same time.
const BLOBS_AT_ONCE: usize = 16;

/// Blobs on their way at the same time between registries that are near: they fill the network, and one is put into the
/// target's storage while the next ones come. With more of them all would be put there at the end.
const NEAR_AT_ONCE: usize = 3;

/// How an engine works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Images that are worked on at the same time.
    pub images: usize,
    /// Blobs that are sent at the same time.
    pub transfers: usize,
    /// Bytes of blobs that may be in memory, for reading ahead.
    pub memory: u64,
    /// The limit for all bytes that are sent; it can be changed while the engine works.
    pub rate: Arc<Rate>,
    /// Read all blobs of the target again and hash them.
    pub deep: bool,
    /// Folder for what outlives the process.
    pub state: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            images: 16,
            transfers: 8,
            memory: 256 << 20,
            rate: Arc::default(),
            deep: false,
            state: None,
        }
    }
}

/// Moves images. One engine serves any number of syncs; what it learns of a target stays.
#[derive(Debug)]
pub struct Engine {
    pub(super) settings: Settings,
    senders: Senders,
    transfers: Arc<Semaphore>,
    near: Arc<Semaphore>,
    targets: Mutex<HashMap<String, Arc<Known>>>,
}

/// An image after both sides were asked for its digest.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    pub(super) descriptor: Descriptor,
    pub(super) up_to_date: bool,
}

/// What the images of one sync share.
struct Shared<'s> {
    items: &'s [Item],
    looked: &'s [Result<Looked, ImageError>],
    /// Blobs of images that are at the target already: read only if some blob has to be sent.
    neighbours: OnceCell<()>,
    observer: &'s Arc<dyn Observer>,
}

/// Bytes of one image by what became of them.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    transferred: u64,
    mounted: u64,
    skipped: u64,
}

impl Engine {
    /// An engine with these settings.
    ///
    /// # Errors
    /// The folder for the state cannot be made.
    pub fn new(settings: Settings) -> Result<Self, ImageError> {
        Ok(Self {
            senders: Senders {
                readers: Readers::new(settings.memory),
                rate: Arc::clone(&settings.rate),
                state: State::new(settings.state.as_deref())?,
            },
            transfers: Arc::new(Semaphore::new(settings.transfers.max(1))),
            near: Arc::new(Semaphore::new(settings.transfers.clamp(1, NEAR_AT_ONCE))),
            settings,
            targets: Mutex::default(),
        })
    }

    pub(super) fn known(&self, target: &str) -> Arc<Known> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = targets
            .entry(target.to_owned())
            .or_insert_with(|| Arc::new(self.senders.state.known(target)));
        Arc::clone(known)
    }

    /// Brings all items to their targets. A failure of one does not keep the others from going on.
    pub async fn sync(
        &self,
        items: &[Item],
        observer: &Arc<dyn Observer>,
        cancellation: &CancellationToken,
    ) -> Summary {
        let begun = Instant::now();
        let looked = tokio::select! {
            biased;
            () = cancellation.cancelled() => items.iter().map(|_| Err(ImageError::Cancelled)).collect(),
            looked = self.look(items) => looked,
        };
        let shared = Shared {
            items,
            looked: &looked,
            neighbours: OnceCell::new(),
            observer,
        };
        let mut images: Vec<(usize, ImageOutcome)> = futures_util::stream::iter(0..items.len())
            .map(|index| self.image(&shared, index, cancellation))
            .buffer_unordered(self.settings.images.max(1))
            .collect()
            .await;
        images.sort_by_key(|(index, _)| *index);
        let mut targets: Vec<&str> = items.iter().map(|item| item.target.location()).collect();
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            self.senders.state.keep_known(target, &self.known(target));
        }
        Summary {
            images: images.into_iter().map(|(_, outcome)| outcome).collect(),
            elapsed: begun.elapsed(),
        }
    }

    /// Asks both sides for the digests of all images.
    pub(super) async fn look(&self, items: &[Item]) -> Vec<Result<Looked, ImageError>> {
        // The registries' own pace is the limit.
        futures_util::stream::iter(items)
            .map(|item| self.look_at(item))
            .buffered(64)
            .collect()
            .await
    }

    /// Asks both sides for the digest of an image.
    async fn look_at(&self, item: &Item) -> Result<Looked, ImageError> {
        let source = item
            .source
            .resolve(&item.source_repository, &item.source_name);
        let target = item
            .target
            .resolve(&item.target_repository, &item.target_name);
        let (source, target) = tokio::join!(source, target);
        let descriptor = source?.ok_or_else(|| ImageError::NotFound {
            what: match &item.source_name {
                Name::Tag(tag) => format!("image {}:{tag}", item.source_repository),
                Name::Digest(digest) => format!("image {}@{digest}", item.source_repository),
            },
            place: item.source.location().to_owned(),
        })?;
        let up_to_date = target?.is_some_and(|there| there.digest == descriptor.digest)
            && self.known(item.target.location()).index_has(
                &item.target_repository,
                &descriptor.digest,
                &item.platforms,
            );
        Ok(Looked {
            descriptor,
            up_to_date,
        })
    }

    async fn image(
        &self,
        shared: &Shared<'_>,
        index: usize,
        cancellation: &CancellationToken,
    ) -> (usize, ImageOutcome) {
        let item = &shared.items[index];
        let begun = Instant::now();
        let mut outcome = ImageOutcome {
            source: item.source_text(),
            target: item.target_text(),
            digest: None,
            up_to_date: false,
            transferred: 0,
            mounted: 0,
            skipped: 0,
            elapsed: begun.elapsed(),
            error: None,
        };
        let result = match &shared.looked[index] {
            Err(error) => Err(error.clone()),
            Ok(looked) => {
                outcome.digest = Some(looked.descriptor.digest.clone());
                outcome.up_to_date = looked.up_to_date;
                if looked.up_to_date && !item.referrers && !self.settings.deep {
                    Ok(Tally::default())
                } else {
                    shared.observer.see(Event::ImageStarted { item: index });
                    tokio::select! {
                        biased;
                        () = cancellation.cancelled() => Err(ImageError::Cancelled),
                        done = self.bring(shared, index, looked, &mut outcome.digest) => done,
                    }
                }
            }
        };
        match result {
            Ok(tally) => {
                outcome.transferred = tally.transferred;
                outcome.mounted = tally.mounted;
                outcome.skipped = tally.skipped;
            }
            Err(error) => outcome.error = Some(error),
        }
        outcome.elapsed = begun.elapsed();
        shared.observer.see(Event::ImageDone {
            item: index,
            outcome: Box::new(outcome.clone()),
        });
        (index, outcome)
    }

    /// Brings one image, then what refers to it.
    async fn bring(
        &self,
        shared: &Shared<'_>,
        index: usize,
        looked: &Looked,
        digest: &mut Option<Digest>,
    ) -> Result<Tally, ImageError> {
        let item = &shared.items[index];
        let mut tally = Tally::default();
        if !looked.up_to_date || self.settings.deep {
            let tree = tree::read(
                item.source.as_ref(),
                &item.source_repository,
                &looked.descriptor,
                &item.platforms,
            )
            .await?;
            shared.observer.see(Event::ImagePlanned {
                item: index,
                size: tree.size(),
            });
            if !looked.up_to_date {
                self.blobs(shared, index, &tree.blobs, &mut tally).await?;
                self.manifests(shared, index, &tree, &item.target_name, &mut tally)
                    .await?;
            }
            *digest = tree.root().map(|root| root.digest.clone());
            if !looked.up_to_date && digest.as_ref() == Some(&looked.descriptor.digest) {
                self.known(item.target.location()).wrote_index(
                    &item.target_repository,
                    &looked.descriptor.digest,
                    &item.platforms,
                );
            }
            if self.settings.deep {
                self.verify(item, &tree).await?;
            }
        }
        if item.referrers {
            let subjects = vec![looked.descriptor.digest.clone()];
            self.referrers(shared, index, subjects, &mut tally).await?;
        }
        Ok(tally)
    }

    async fn blobs(
        &self,
        shared: &Shared<'_>,
        index: usize,
        blobs: &[Descriptor],
        tally: &mut Tally,
    ) -> Result<(), ImageError> {
        // The largest first: what is left for the end is small.
        let mut ordered: Vec<&Descriptor> = blobs.iter().collect();
        ordered.sort_by_key(|blob| std::cmp::Reverse(blob.size));
        let outcomes: Vec<(BlobOutcome, u64)> = futures_util::stream::iter(ordered)
            .map(|blob| self.blob(shared, index, blob))
            .buffer_unordered(BLOBS_AT_ONCE)
            .try_collect()
            .await?;
        for (outcome, bytes) in outcomes {
            match outcome {
                BlobOutcome::Transferred => tally.transferred += bytes,
                BlobOutcome::Mounted => tally.mounted += bytes,
                BlobOutcome::Skipped => tally.skipped += bytes,
            }
        }
        Ok(())
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
            transfers: if item.source.is_near() && target.is_near() {
                &self.near
            } else {
                &self.transfers
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
                            guard.done = true;
                            return Ok((BlobOutcome::Mounted, blob.size));
                        }
                        // The registry does not mount it: the session is there, so it is sent.
                        BeginBlob::Upload(session) => {
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
                    if target.has_blob(repository, blob).await? {
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

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, ImageError> {
        self.transfers
            .acquire()
            .await
            .map_err(|_| ImageError::Cancelled)
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
            &item.platforms,
        );
        // It is a hint: without it the blob is sent.
        if let Ok(tree) = read.await {
            let known = self.known(item.target.location());
            for blob in tree.blobs {
                known.hint(&blob.digest, &item.target_repository);
            }
        }
    }

    /// Writes the manifests of an image, the name last.
    async fn manifests(
        &self,
        shared: &Shared<'_>,
        index: usize,
        tree: &Tree,
        name: &Name,
        tally: &mut Tally,
    ) -> Result<(), ImageError> {
        let item = &shared.items[index];
        let Some((root, children)) = tree.manifests.split_last() else {
            return Ok(());
        };
        for child in children {
            let name = Name::Digest(child.digest.clone());
            self.manifest(shared, index, tree, &name, child, tally)
                .await?;
        }
        let name = match name {
            Name::Tag(_) => name.clone(),
            // A chosen platform of an index has a digest of its own.
            Name::Digest(_) => Name::Digest(root.digest.clone()),
        };
        self.manifest(shared, index, tree, &name, root, tally)
            .await?;
        let found = item.target.resolve(&item.target_repository, &name).await?;
        match found {
            Some(found) if found.digest == root.digest => Ok(()),
            Some(found) => Err(ImageError::WrongBytes {
                place: item.target.location().to_owned(),
                expected: root.digest.clone(),
                found: found.digest,
            }),
            None => Err(ImageError::Protocol {
                place: item.target.location().to_owned(),
                reason: format!(
                    "{}:{name} was written and is not there",
                    item.target_repository
                ),
            }),
        }
    }

    /// Writes a manifest. If the target lacks blobs after all, they are sent once more.
    async fn manifest(
        &self,
        shared: &Shared<'_>,
        index: usize,
        tree: &Tree,
        name: &Name,
        manifest: &Manifest,
        tally: &mut Tally,
    ) -> Result<(), ImageError> {
        let item = &shared.items[index];
        let put = || {
            item.target
                .put_manifest(&item.target_repository, name, manifest)
        };
        let lacking = match put().await {
            Err(ImageError::BlobsMissing { blobs, .. }) => blobs,
            other => return other,
        };
        let known = self.known(item.target.location());
        let again: Vec<Descriptor> = tree
            .blobs
            .iter()
            .filter(|blob| lacking.is_empty() || lacking.contains(&blob.digest))
            .cloned()
            .collect();
        for blob in &again {
            known.lacks(&blob.digest, &item.target_repository);
        }
        self.blobs(shared, index, &again, tally).await?;
        put().await.map_err(|error| match error {
            ImageError::BlobsMissing { place, .. } if !item.platforms.is_empty() => {
                ImageError::Refused {
                    what: format!(
                        "the index {}:{name} without all of its platforms",
                        item.target_repository
                    ),
                    place,
                    reason: "it takes complete indexes only; copy all platforms, or one alone"
                        .into(),
                }
            }
            other => other,
        })
    }

    /// Signatures and whatever else refers to these manifests, and what refers to that.
    async fn referrers(
        &self,
        shared: &Shared<'_>,
        index: usize,
        subjects: Vec<Digest>,
        tally: &mut Tally,
    ) -> Result<(), ImageError> {
        let item = &shared.items[index];
        let mut open = subjects;
        let mut seen = std::collections::HashSet::new();
        while let Some(subject) = open.pop() {
            if !seen.insert(subject.clone()) {
                continue;
            }
            for referrer in item
                .source
                .referrers(&item.source_repository, &subject)
                .await?
            {
                let digest = &referrer.descriptor.digest;
                let name = match &referrer.tag {
                    Some(tag) => Name::Tag(tag.clone()),
                    None => Name::Digest(digest.clone()),
                };
                let there = item.target.resolve(&item.target_repository, &name).await?;
                if there.is_none_or(|there| there.digest != *digest) {
                    let source = item.source.as_ref();
                    let tree =
                        tree::read(source, &item.source_repository, &referrer.descriptor, &[])
                            .await?;
                    self.blobs(shared, index, &tree.blobs, tally).await?;
                    self.manifests(shared, index, &tree, &name, tally).await?;
                }
                open.push(digest.clone());
            }
        }
        Ok(())
    }

    /// Reads all that the target has of an image and hashes it.
    async fn verify(&self, item: &Item, tree: &Tree) -> Result<(), ImageError> {
        let target: Arc<dyn crate::images::store::Source> = item.target.clone();
        for manifest in &tree.manifests {
            let name = Name::Digest(manifest.digest.clone());
            if target
                .manifest(&item.target_repository, &name)
                .await?
                .is_none()
            {
                return Err(ImageError::NotFound {
                    what: format!("manifest {}@{}", item.target_repository, manifest.digest),
                    place: target.location().to_owned(),
                });
            }
        }
        futures_util::stream::iter(&tree.blobs)
            .map(Ok)
            .try_for_each_concurrent(4, |blob| {
                let target = Arc::clone(&target);
                async move {
                    let _permit = self.permit().await?;
                    let place = target.location().to_owned();
                    let mut hasher = Hasher::new(blob.digest.algorithm());
                    let repository = item.target_repository.clone();
                    let mut bytes = self
                        .senders
                        .readers
                        .open(target, repository, blob.clone(), 0);
                    while let Some(piece) = bytes.next().await {
                        hasher.update(&piece?);
                    }
                    let found = hasher.finish();
                    if found == blob.digest {
                        Ok(())
                    } else {
                        Err(ImageError::WrongBytes {
                            place,
                            expected: blob.digest.clone(),
                            found,
                        })
                    }
                }
            })
            .await
    }
}

/// Nothing sent means that the target took the blob from a hinted repository.
fn outcome_of(sent: Option<u64>, blob: &Descriptor) -> (BlobOutcome, u64) {
    match sent {
        Some(bytes) => (BlobOutcome::Transferred, bytes),
        None => (BlobOutcome::Mounted, blob.size),
    }
}

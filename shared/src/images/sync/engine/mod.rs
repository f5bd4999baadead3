//! The engine: all images at the same time, each blob once.

mod blobs;
mod image;
mod verify;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::StreamExt as _;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

use super::item::{ImageOutcome, Item, Observer, Summary};
use super::known::Known;
use super::rate::Rate;
use super::read::Readers;
use super::send::Senders;
use super::state::State;
use super::tree::Parts;
use super::turns::Turns;
use crate::images::store::Name;
use crate::images::{Descriptor, ImageError};

/// Blobs on their way at the same time between registries that are near. Each can fill the network alone; the second one is
/// there for the moments in which the first has to be asked for. With more of them all would have to be stored at the end.
const NEAR_AT_ONCE: usize = 2;

/// Uploads that are open and wait for their turn, beside those on their way.
const OPENED: usize = 24;

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
    /// Copy layers that may not be distributed as well; else they stay at the servers which their URLs name.
    pub foreign: bool,
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
            foreign: false,
            state: None,
        }
    }
}

/// Moves images. One engine serves any number of syncs; what it learns of a target stays.
#[derive(Debug)]
pub struct Engine {
    pub(super) settings: Settings,
    senders: Senders,
    /// Blobs that are read again.
    reading: Semaphore,
    turns: Arc<Turns>,
    /// Those between registries that are near.
    near: Arc<Turns>,
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

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.transferred += other.transferred;
        self.mounted += other.mounted;
        self.skipped += other.skipped;
    }
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
                opened: Arc::new(Semaphore::new(settings.transfers.max(1) + OPENED)),
            },
            reading: Semaphore::new(settings.transfers.max(1)),
            turns: Arc::new(Turns::new(settings.transfers)),
            near: Arc::new(Turns::trying(settings.transfers.clamp(1, NEAR_AT_ONCE))),
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

    /// Which parts of an image are copied.
    pub(super) fn parts<'i>(&self, item: &'i Item) -> Parts<'i> {
        Parts {
            platforms: &item.platforms,
            foreign: self.settings.foreign,
        }
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
        let is_equal = or_absent(target)?.is_some_and(|there| there.digest == descriptor.digest);
        // Equal digests do not say whether foreign layers are there.
        let up_to_date = is_equal
            && !self.settings.foreign
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
}

/// What a target answers about something that is to be written there next. A registry that was killed while it wrote a
/// tag or the link of a layer answers `500` for it from then on, and is mended by writing it again. If the whole server
/// fails, the writing says so.
fn or_absent<T: Default>(answer: Result<T, ImageError>) -> Result<T, ImageError> {
    match answer {
        Err(ImageError::ServerFailed { .. }) => Ok(T::default()),
        answer => answer,
    }
}

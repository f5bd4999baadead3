//! Sends one blob: from the source through the hash and the limit to the target, on from the byte that the target has.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;

use super::item::{Event, Item, Observer};
use super::rate::Rate;
use super::read::Readers;
use super::state::State;
use super::turns::{self, Turn, Turns};
use crate::images::digest::Hasher;
use crate::images::store::{BeginBlob, ByteStream, Upload};
use crate::images::{Descriptor, Digest, ImageError};

/// The state of the hash is kept every so many bytes, so that an upload goes on with little read twice.
const CHECKPOINT: u64 = 8 << 20;
/// So many of them: a registry can have fewer bytes than we have sent.
const CHECKPOINTS: usize = 8;
/// The file with them is written at most so often.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Smaller blobs begin anew; a file for them would cost more than it saves.
const WORTH_KEEPING: u64 = 4 << 20;
/// Breaks without progress after which a blob is given up.
const PATIENCE: u32 = 6;
/// A blob whose last byte went out so often without being taken is given up.
const WHOLE: u32 = 3;

/// What all senders of an engine share.
#[derive(Debug)]
pub(super) struct Senders {
    pub(super) readers: Readers,
    pub(super) rate: Arc<Rate>,
    pub(super) state: State,
    /// Uploads that are open and wait for their turn.
    pub(super) opened: Arc<Semaphore>,
}

/// Who sends what, and who is told.
pub(super) struct Sending<'s> {
    pub(super) senders: &'s Senders,
    pub(super) item: &'s Item,
    pub(super) index: usize,
    pub(super) observer: &'s Arc<dyn Observer>,
    /// Who goes when.
    pub(super) turns: &'s Arc<Turns>,
}

type Checkpoints = Arc<Mutex<VecDeque<Hasher>>>;

/// How a blob gets to the target.
enum Opened {
    /// The target took it from another repository of its own.
    Mounted,
    /// It arrived with an earlier try whose answer was lost.
    Arrived,
    /// By this upload.
    Upload(Box<dyn Upload>),
}

impl From<BeginBlob> for Opened {
    fn from(begun: BeginBlob) -> Self {
        match begun {
            BeginBlob::Done => Self::Mounted,
            BeginBlob::Upload(upload) => Self::Upload(upload),
        }
    }
}

impl Sending<'_> {
    /// Sends a blob to the item's repository. `session` is an upload that was opened already. Returns the bytes that
    /// were sent, or `None` if the target took the blob from elsewhere.
    pub(super) async fn send(
        &self,
        blob: &Descriptor,
        session: Option<Box<dyn Upload>>,
        mount_from: Option<&str>,
    ) -> Result<Option<u64>, ImageError> {
        let target = self.item.target.as_ref();
        let repository = &self.item.target_repository;
        let state = &self.senders.state;
        let checkpoints = Checkpoints::default();
        let mut token = None;
        if let Some((kept, hashes)) = state.upload(target.location(), repository, &blob.digest) {
            token = Some(kept);
            self.lock(&checkpoints).extend(hashes);
        }
        let forget = || state.forget_upload(target.location(), repository, &blob.digest);
        let mut session = session;
        let (mut failures, mut whole) = (0, 0);
        let mut furthest = 0;
        let mut sent = 0;
        let mut wrong_bytes = false;
        loop {
            // Opened before it has its turn, so that the network is not idle meanwhile.
            let waiting = if turns::is_large(blob.size) {
                self.senders.opened.acquire().await.ok()
            } else {
                None
            };
            let opened = self
                .open(blob, &mut session, token.take(), mount_from, sent > 0)
                .await;
            let error = match opened {
                Ok(Opened::Mounted) => {
                    forget();
                    return Ok(None);
                }
                Ok(Opened::Arrived) => {
                    forget();
                    return Ok(Some(sent));
                }
                Ok(Opened::Upload(upload)) => {
                    let begun_at = upload.offset();
                    if begun_at > furthest {
                        // The target keeps what it gets: however often it breaks, this comes to an end.
                        furthest = begun_at;
                        failures = 0;
                    }
                    let name = upload.token();
                    let turn = self.turns.take(blob.size - begun_at).await;
                    drop(waiting);
                    let (body, progress) = self.body(blob, begun_at, &name, &checkpoints, turn);
                    let begun = Instant::now();
                    let result = upload.finish(body).await;
                    let Progress {
                        bytes: reached,
                        whole_at,
                    } = progress
                        .lock()
                        .map_or_else(|_| Progress::default(), |seen| *seen);
                    sent += reached;
                    match result {
                        Ok(()) => {
                            if let Some(whole) = whole_at {
                                self.turns.saw(reached, whole - begun, whole.elapsed());
                            }
                            forget();
                            return Ok(Some(sent));
                        }
                        Err(error) => {
                            self.observer.see(Event::WentBack {
                                item: self.index,
                                bytes: begun_at + reached,
                            });
                            // An answer, not a connection that broke: all bytes being handed over does not mean that
                            // they arrived.
                            if begun_at + reached >= blob.size
                                && !matches!(error, ImageError::Unreachable { .. })
                            {
                                whole += 1;
                            }
                            if !name.is_empty() && error.is_transient() {
                                token = Some(name);
                            }
                            error
                        }
                    }
                }
                Err(error) => {
                    drop(waiting);
                    error
                }
            };
            let is_wrong = matches!(
                error,
                ImageError::WrongBytes { .. } | ImageError::WrongSize { .. }
            );
            if is_wrong || matches!(error, ImageError::UploadLost { .. }) {
                // Neither this process nor a later one goes on from there.
                token = None;
                self.lock(&checkpoints).clear();
                forget();
            }
            let retry = if is_wrong {
                // A connection or a memory chip can turn a bit; a storage does it again.
                !std::mem::replace(&mut wrong_bytes, true)
            } else {
                error.is_transient() && whole < WHOLE
            };
            failures += 1;
            if !retry || failures > PATIENCE {
                return Err(error);
            }
            let pause = match &error {
                ImageError::RateLimited {
                    retry_after: Some(pause),
                    ..
                } => *pause,
                _ => Duration::from_millis(200) * 2_u32.pow(failures.min(6)),
            };
            self.observer.see(Event::Retry {
                item: self.index,
                reason: error.to_string(),
                pause,
            });
            tokio::time::sleep(pause).await;
        }
    }

    fn lock<'c>(
        &self,
        checkpoints: &'c Checkpoints,
    ) -> std::sync::MutexGuard<'c, VecDeque<Hasher>> {
        checkpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An upload: the one at hand, one that was begun before, or a new one. `again`: bytes of it were sent before.
    async fn open(
        &self,
        blob: &Descriptor,
        session: &mut Option<Box<dyn Upload>>,
        token: Option<String>,
        mount_from: Option<&str>,
        again: bool,
    ) -> Result<Opened, ImageError> {
        let target = self.item.target.as_ref();
        let repository = &self.item.target_repository;
        if let Some(token) = token
            && let Some(upload) = target.resume_blob(repository, blob, &token).await?
        {
            if let Some(fresh) = session.take()
                && upload.offset() == 0
            {
                return Ok(Opened::Upload(fresh));
            }
            return Ok(Opened::Upload(upload));
        }
        // An upload that is over is not always one that failed.
        if again && target.has_blob(repository, blob).await? {
            return Ok(Opened::Arrived);
        }
        match session.take() {
            Some(upload) => Ok(Opened::Upload(upload)),
            None => target
                .begin_blob(repository, blob, mount_from)
                .await
                .map(Opened::from),
        }
    }

    /// The bytes from `offset` on. Reading begins earlier, at the last byte whose hash is known. The last piece is only
    /// handed out when all bytes have the right hash, so that a target never gets a wrong blob whole.
    fn body(
        &self,
        blob: &Descriptor,
        offset: u64,
        token: &str,
        checkpoints: &Checkpoints,
        turn: Turn,
    ) -> (ByteStream, Arc<Mutex<Progress>>) {
        let hasher = {
            let mut kept = self.lock(checkpoints);
            kept.retain(|hasher| hasher.bytes() <= offset);
            let nearest = kept.iter().max_by_key(|hasher| hasher.bytes()).cloned();
            nearest.unwrap_or_else(|| Hasher::new(blob.digest.algorithm()))
        };
        if offset > 0 {
            // What the target has already counts as done.
            self.observer.see(Event::Advanced {
                item: self.index,
                bytes: offset,
            });
        }
        let progress = Arc::new(Mutex::new(Progress::default()));
        let stream = self.senders.readers.open(
            Arc::clone(&self.item.source),
            self.item.source_repository.clone(),
            blob.clone(),
            hasher.bytes(),
        );
        let pump = Pump {
            stream,
            hasher,
            offset,
            blob: blob.clone(),
            place: self.item.source.location().to_owned(),
            rate: Arc::clone(&self.senders.rate),
            observer: Arc::clone(self.observer),
            index: self.index,
            progress: Arc::clone(&progress),
            turn: Some(turn),
            keeper: Keeper {
                checkpoints: Arc::clone(checkpoints),
                state: self.senders.state.clone(),
                target: self.item.target.location().to_owned(),
                repository: self.item.target_repository.clone(),
                digest: blob.digest.clone(),
                token: token.to_owned(),
                last: offset,
                written: None,
            },
        };
        let body = futures_util::stream::try_unfold(pump, |mut pump| async move {
            Ok(pump.next().await?.map(|bytes| (bytes, pump)))
        });
        (body.boxed(), progress)
    }
}

/// How far the body of a request is.
#[derive(Debug, Default, Clone, Copy)]
struct Progress {
    /// Bytes that were handed over.
    bytes: u64,
    /// When the last one was.
    whole_at: Option<Instant>,
}

/// Moves pieces from the source to the body of a request.
struct Pump {
    stream: ByteStream,
    hasher: Hasher,
    /// Bytes before it are hashed but not sent: the target has them.
    offset: u64,
    blob: Descriptor,
    place: String,
    rate: Arc<Rate>,
    observer: Arc<dyn Observer>,
    index: usize,
    progress: Arc<Mutex<Progress>>,
    /// Given back with the last byte: while the target puts the blob into its storage, others can come.
    turn: Option<Turn>,
    keeper: Keeper,
}

impl Pump {
    async fn next(&mut self) -> Result<Option<Bytes>, ImageError> {
        loop {
            let Some(piece) = self.stream.next().await else {
                // An upload that has all bytes but the commit, or an empty blob.
                return self.verified().map(|()| None);
            };
            let mut piece = piece?;
            let begins = self.hasher.bytes();
            self.hasher.update(&piece);
            let ends = self.hasher.bytes();
            if ends >= self.blob.size {
                self.verified()?;
                self.turn = None;
            }
            if ends <= self.offset {
                continue;
            }
            if begins < self.offset {
                let known = usize::try_from(self.offset - begins).unwrap_or(piece.len());
                let _ = piece.split_to(known);
            }
            let bytes = piece.len() as u64;
            self.rate.pass(bytes).await;
            self.keeper.keep(&self.hasher, self.blob.size);
            if let Ok(mut progress) = self.progress.lock() {
                progress.bytes += bytes;
                progress.whole_at = (ends >= self.blob.size).then(Instant::now);
            }
            self.observer.see(Event::Advanced {
                item: self.index,
                bytes,
            });
            return Ok(Some(piece));
        }
    }

    fn verified(&self) -> Result<(), ImageError> {
        if self.hasher.bytes() != self.blob.size {
            return Err(ImageError::WrongSize {
                place: self.place.clone(),
                digest: self.blob.digest.clone(),
                expected: self.blob.size,
                found: self.hasher.bytes(),
            });
        }
        let found = self.hasher.clone().finish();
        if found == self.blob.digest {
            Ok(())
        } else {
            Err(ImageError::WrongBytes {
                place: self.place.clone(),
                expected: self.blob.digest.clone(),
                found,
            })
        }
    }
}

/// Keeps the state of the hash, in memory and in a file.
struct Keeper {
    checkpoints: Checkpoints,
    state: State,
    target: String,
    repository: String,
    digest: Digest,
    token: String,
    last: u64,
    written: Option<Instant>,
}

impl Keeper {
    fn keep(&mut self, hasher: &Hasher, size: u64) {
        if size < WORTH_KEEPING || hasher.bytes() < self.last + CHECKPOINT && self.written.is_some()
        {
            return;
        }
        self.last = hasher.bytes();
        let mut kept = self
            .checkpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        kept.push_back(hasher.clone());
        if kept.len() > CHECKPOINTS {
            // Every second one goes, so that older bytes stay covered as well.
            let mut index = 0;
            kept.retain(|_| {
                index += 1;
                index % 2 == 1 || index > CHECKPOINTS
            });
        }
        let due = self.written.is_none_or(|at| at.elapsed() >= WRITE_EVERY);
        if due && !self.token.is_empty() {
            self.written = Some(Instant::now());
            let hashes: Vec<Hasher> = kept.iter().cloned().collect();
            drop(kept);
            self.state.keep_upload(
                &self.target,
                &self.repository,
                &self.digest,
                &self.token,
                &hashes,
            );
        }
    }
}

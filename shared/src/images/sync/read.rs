//! Reading a blob from its source: a broken connection goes on at the byte it had reached, and a large blob comes over
//! several connections at once.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use crate::images::store::{ByteStream, Source};
use crate::images::{Descriptor, ImageError};

/// Pieces that a large blob is read in.
const PART: u64 = 8 << 20;
/// Pieces of one blob that are read at the same time.
const PARTS: usize = 4;
/// A blob that is smaller is read in one go.
const WORTH_SPLITTING: u64 = 48 << 20;
/// A reader gives up after so many breaks without a byte between.
const PATIENCE: u32 = 5;

/// What all readers of an engine share.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    /// Mebibytes that may be in memory.
    memory: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(memory: u64) -> Self {
        let mebibytes = usize::try_from(memory >> 20).unwrap_or(usize::MAX);
        Self {
            memory: Arc::new(Semaphore::new(mebibytes.clamp(16, Semaphore::MAX_PERMITS))),
        }
    }

    /// The bytes of a blob from `from` to its end.
    pub(super) fn open(
        &self,
        source: Arc<dyn Source>,
        repository: String,
        blob: Descriptor,
        from: u64,
    ) -> ByteStream {
        let whole = from..blob.size;
        if source.serves_ranges() && blob.size.saturating_sub(from) >= WORTH_SPLITTING {
            self.parts(source, repository, blob, whole)
        } else {
            Reader::new(source, repository, blob, whole).stream()
        }
    }

    /// Parts are read ahead by tasks of their own and handed out in order. As soon as it shows that the source sends whole
    /// blobs only, the rest is read in one go.
    fn parts(
        &self,
        source: Arc<dyn Source>,
        repository: String,
        blob: Descriptor,
        whole: Range<u64>,
    ) -> ByteStream {
        let memory = Arc::clone(&self.memory);
        let starts = (0..).map(move |index| whole.start + index * PART);
        let end = blob.size;
        futures_util::stream::iter(starts.take_while(move |start| *start < end))
            .map(move |start| {
                let range = start..(start + PART).min(end);
                let reader =
                    Reader::new(Arc::clone(&source), repository.clone(), blob.clone(), range);
                let memory = Arc::clone(&memory);
                let task = tokio::spawn(read_part(reader, memory));
                AbortOnDropHandle::new(task)
            })
            .buffered(PARTS)
            .scan(false, |ended, part| {
                let goes_on = !std::mem::replace(ended, matches!(&part, Ok(Ok(Part::Rest(_)))));
                std::future::ready(goes_on.then_some(part))
            })
            .flat_map(move |part| match part {
                Ok(Ok(Part::Read { pieces, memory })) => {
                    let pieces = pieces.into_iter().map(move |piece| {
                        // The memory counts until the last byte was handed out.
                        let _ = &memory;
                        Ok(piece)
                    });
                    futures_util::stream::iter(pieces).boxed()
                }
                Ok(Ok(Part::Rest(reader))) => {
                    let mut reader = *reader;
                    reader.range.end = end;
                    reader.stream()
                }
                Ok(Err(error)) => futures_util::stream::iter([Err(error)]).boxed(),
                Err(_) => futures_util::stream::iter([Err(ImageError::Cancelled)]).boxed(),
            })
            .boxed()
    }
}

/// A part of a blob.
enum Part {
    /// In memory.
    Read {
        pieces: Vec<Bytes>,
        memory: Option<OwnedSemaphorePermit>,
    },
    /// Not read: all from here on comes in one go.
    Rest(Box<Reader>),
}

async fn read_part(reader: Reader, memory: Arc<Semaphore>) -> Result<Part, ImageError> {
    // The first part of each blob must not wait for memory that later parts of others hold: a reader that gets none
    // goes on without, one part at a time being the least.
    if !reader.source.serves_ranges() {
        return Ok(Part::Rest(Box::new(reader)));
    }
    let wanted = u32::try_from(PART >> 20).unwrap_or(1);
    let permit =
        tokio::time::timeout(Duration::from_secs(1), memory.acquire_many_owned(wanted)).await;
    let mut stream = reader.stream();
    let mut pieces = Vec::new();
    while let Some(piece) = stream.next().await {
        pieces.push(piece?);
    }
    Ok(Part::Read {
        pieces,
        memory: permit.ok().and_then(Result::ok),
    })
}

/// Reads a range of a blob, over as many connections as it takes.
struct Reader {
    source: Arc<dyn Source>,
    repository: String,
    blob: Descriptor,
    range: Range<u64>,
    stream: Option<ByteStream>,
    breaks: u32,
}

impl Reader {
    fn new(
        source: Arc<dyn Source>,
        repository: String,
        blob: Descriptor,
        range: Range<u64>,
    ) -> Self {
        Self {
            source,
            repository,
            blob,
            range,
            stream: None,
            breaks: 0,
        }
    }

    fn stream(self) -> ByteStream {
        futures_util::stream::try_unfold(self, |mut reader| async move {
            Ok(reader.next().await?.map(|bytes| (bytes, reader)))
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ImageError> {
        while !self.range.is_empty() {
            let piece = match &mut self.stream {
                Some(stream) => stream.next().await,
                None => {
                    let range = self.range.clone();
                    match self.source.blob(&self.repository, &self.blob, range).await {
                        Ok(stream) => {
                            self.stream = Some(stream);
                            continue;
                        }
                        Err(error) => Some(Err(error)),
                    }
                }
            };
            match piece {
                Some(Ok(bytes)) => {
                    self.breaks = 0;
                    self.range.start += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Some(Err(error)) if error.is_transient() && self.breaks < PATIENCE => {
                    self.stream = None;
                    self.breaks += 1;
                    tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(self.breaks)).await;
                }
                Some(Err(error)) => return Err(error),
                None => {
                    return Err(ImageError::WrongSize {
                        place: self.source.location().to_owned(),
                        digest: self.blob.digest.clone(),
                        expected: self.blob.size,
                        found: self.range.start,
                    });
                }
            }
        }
        Ok(None)
    }
}

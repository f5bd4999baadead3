//! Files of an image store: those of a folder, or those in an archive. Both are read the same way.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;

use super::ByteStream;
use crate::images::{Digest, ImageError};

/// Largest JSON file that is read whole, in bytes.
pub(super) const LARGEST_JSON: u64 = 8 << 20;

/// Bytes that are read at once.
const PIECE: usize = 512 << 10;

/// A part of a file.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The file, open.
    pub(super) file: Arc<File>,
    /// Where the part begins.
    pub(super) start: u64,
    /// How long it is.
    pub(super) size: u64,
}

/// Files by their path, separated by `/`.
pub(super) trait Contents: Debug + Send + Sync {
    /// Where they lie, for people.
    fn place(&self) -> &str;

    /// A file; `None` if there is none.
    fn open(&self, path: &str) -> Result<Option<Part>, ImageError>;
}

/// The bytes of a small file.
pub(super) fn read_json(
    contents: &dyn Contents,
    path: &str,
) -> Result<Option<Vec<u8>>, ImageError> {
    let Some(part) = contents.open(path)? else {
        return Ok(None);
    };
    if part.size > LARGEST_JSON {
        return Err(ImageError::Invalid {
            place: contents.place().to_owned(),
            reason: format!(
                "`{path}` has {} bytes; more than {} MiB are not read",
                part.size,
                LARGEST_JSON >> 20
            ),
        });
    }
    part.whole()
        .map(Some)
        .map_err(|error| local(contents.place(), &error))
}

pub(super) fn local(place: &str, error: &io::Error) -> ImageError {
    ImageError::Local(format!("{place}: {error}"))
}

/// The path of a blob in an OCI layout.
pub(super) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

impl Part {
    /// All bytes at once.
    pub(super) fn whole(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.size).map_err(io::Error::other)?];
        let mut done = 0;
        while done < bytes.len() {
            match read_at(&self.file, &mut bytes[done..], self.start + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => done += read,
            }
        }
        Ok(bytes)
    }

    /// The bytes in `range`, piece by piece.
    pub(super) fn stream(self, range: Range<u64>, place: String) -> ByteStream {
        let end = range.end.min(self.size);
        futures_util::stream::try_unfold(range.start, move |at| {
            let (file, start, place) = (Arc::clone(&self.file), self.start, place.clone());
            async move {
                if at >= end {
                    return Ok(None);
                }
                let length = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
                let read = tokio::task::spawn_blocking(move || {
                    let mut bytes = vec![0; length];
                    let read = read_at(&file, &mut bytes, start + at)?;
                    bytes.truncate(read);
                    Ok::<_, io::Error>(bytes)
                });
                let bytes = read
                    .await
                    .map_err(io::Error::other)
                    .and_then(|read| read)
                    .map_err(|error| local(&place, &error))?;
                if bytes.is_empty() {
                    return Err(ImageError::Invalid {
                        place,
                        reason: format!("a file ends {} bytes too early", end - at),
                    });
                }
                let next = at + bytes.len() as u64;
                Ok(Some((Bytes::from(bytes), next)))
            }
        })
        .boxed()
    }

    /// Reads from front to back, for code that may block.
    pub(super) fn reader(&self) -> PartReader {
        PartReader {
            part: self.clone(),
            at: 0,
        }
    }
}

/// A part of a file as a blocking reader.
#[derive(Debug)]
pub(super) struct PartReader {
    part: Part,
    at: u64,
}

impl io::Read for PartReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.part.size - self.at;
        let length = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if length == 0 {
            return Ok(0);
        }
        let read = read_at(
            &self.part.file,
            &mut buffer[..length],
            self.part.start + self.at,
        )?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// The files of a folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) place: String,
}

impl Contents for Folder {
    fn place(&self) -> &str {
        &self.place
    }

    fn open(&self, path: &str) -> Result<Option<Part>, ImageError> {
        let full = self.path.join(path);
        let metadata = match full.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(local(&full.display().to_string(), &error)),
        };
        // A link could lead out of the folder.
        if !metadata.is_file() {
            return Err(ImageError::Invalid {
                place: self.place.clone(),
                reason: format!("`{path}` is no regular file"),
            });
        }
        let file =
            fs_err::File::open(&full).map_err(|error| ImageError::Local(error.to_string()))?;
        Ok(Some(Part {
            file: Arc::new(file.into()),
            start: 0,
            size: metadata.len(),
        }))
    }
}

/// A file without a name, for what is unpacked: it is gone when it is closed.
pub(super) fn spool() -> io::Result<File> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = std::env::temp_dir();
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("migrate-{}-{number}", std::process::id()));
        let mut options = fs_err::OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        {
            use fs_err::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        #[cfg(windows)]
        {
            use fs_err::os::windows::fs::OpenOptionsExt as _;
            // FILE_FLAG_DELETE_ON_CLOSE
            options.custom_flags(0x0400_0000);
        }
        match options.open(&path) {
            Ok(file) => {
                #[cfg(unix)]
                fs_err::remove_file(&path)?;
                return Ok(file.into());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

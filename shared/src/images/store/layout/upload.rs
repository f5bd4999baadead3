//! Writing one blob into a layout, on from the byte where an earlier process stopped.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;

use super::super::contents::blob_path;
use crate::images::digest::Hasher;
use crate::images::store::{ByteStream, Step, Upload};
use crate::images::{Descriptor, ImageError};

/// Folder for blobs that are not whole yet.
const PARTIAL: &str = ".partial";

/// A blob that is being written.
#[derive(Debug)]
pub(super) struct BlobFile {
    file: File,
    path: PathBuf,
    goal: PathBuf,
    location: String,
    blob: Descriptor,
    offset: u64,
    /// Another process writes the same blob: this one is for us alone and cannot be found again.
    private: bool,
}

/// Opens the file of a blob that is not whole; it goes on where it ends.
pub(super) fn begin(
    folder: &Path,
    location: &str,
    blob: &Descriptor,
) -> Result<BlobFile, ImageError> {
    open(folder, location, blob).map_err(|error| ImageError::Local(error.to_string()))
}

fn open(folder: &Path, location: &str, blob: &Descriptor) -> io::Result<BlobFile> {
    let partial = folder.join(PARTIAL);
    fs_err::create_dir_all(&partial)?;
    let goal = folder.join(blob_path(&blob.digest));
    if let Some(parent) = goal.parent() {
        fs_err::create_dir_all(parent)?;
    }
    let name = format!("{}-{}", blob.digest.algorithm().name(), blob.digest.hex());
    let shared = partial.join(&name);
    let file = writable(&shared)?;
    // Who had the lock before may have moved the file to its place: then it is no longer ours to write.
    let (file, path, private) = if file.try_lock().is_ok() && is_still_at(&file, &shared) {
        (file, shared, false)
    } else {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let own = partial.join(format!("{name}.{}-{number}", std::process::id()));
        // A left-over of an earlier process of the same number.
        let _ = fs_err::remove_file(&own);
        (writable(&own)?, own, true)
    };
    let length = file.metadata()?.len();
    // More than there can be: not ours, or damaged.
    let offset = if length > blob.size { 0 } else { length };
    Ok(BlobFile {
        file,
        path,
        goal,
        location: location.to_owned(),
        blob: blob.clone(),
        offset,
        private,
    })
}

#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(own), Ok(there)) => (own.dev(), own.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// A file that is open is not moved there.
#[cfg(not(unix))]
fn is_still_at(_: &File, path: &Path) -> bool {
    path.is_file()
}

fn writable(path: &Path) -> io::Result<File> {
    fs_err::OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map(Into::into)
}

impl BlobFile {
    async fn write(mut self, mut rest: ByteStream) -> Result<(), ImageError> {
        let place = self.path.display().to_string();
        let failed = |error: io::Error| ImageError::Local(format!("{place}: {error}"));
        let algorithm = self.blob.digest.algorithm();
        let offset = self.offset;
        // What is there already is hashed as well.
        let (file, mut hasher) = tokio::task::spawn_blocking(move || {
            let mut hasher = Hasher::new(algorithm);
            self.file.set_len(offset)?;
            self.file.rewind()?;
            let mut buffer = vec![0; 1 << 20];
            loop {
                match self.file.read(&mut buffer)? {
                    0 => return Ok((self, hasher)),
                    read => hasher.update(&buffer[..read]),
                }
            }
        })
        .await
        .map_err(io::Error::other)
        .and_then(|read: io::Result<(Self, Hasher)>| read)
        .map_err(failed)?;
        self = file;
        let mut out = tokio::fs::File::from_std(self.file.try_clone().map_err(failed)?);
        // The position is shared with the file that was read to its end.
        let mut result = Ok(());
        while let Some(piece) = rest.next().await {
            match piece {
                Ok(piece) if hasher.bytes() + piece.len() as u64 > self.blob.size => {
                    result = Err(self.wrong_size(hasher.bytes() + piece.len() as u64));
                    break;
                }
                Ok(piece) => {
                    out.write_all(&piece).await.map_err(failed)?;
                    hasher.update(&piece);
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        out.flush().await.map_err(failed)?;
        result?;
        if hasher.bytes() != self.blob.size {
            return Err(self.wrong_size(hasher.bytes()));
        }
        let found = hasher.finish();
        if found != self.blob.digest {
            self.remove();
            return Err(ImageError::WrongBytes {
                place: self.location.clone(),
                expected: self.blob.digest.clone(),
                found,
            });
        }
        out.sync_all().await.map_err(failed)?;
        match fs_err::rename(&self.path, &self.goal) {
            // Another process has just finished the very same blob.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.goal.is_file() => Ok(()),
            other => other.map_err(failed),
        }
    }

    fn wrong_size(&self, found: u64) -> ImageError {
        ImageError::WrongSize {
            place: self.location.clone(),
            digest: self.blob.digest.clone(),
            expected: self.blob.size,
            found,
        }
    }

    fn remove(&self) {
        // Another process may have been faster.
        let _ = fs_err::remove_file(&self.path);
    }
}

impl Upload for BlobFile {
    fn token(&self) -> String {
        if self.private {
            String::new()
        } else {
            "partial".into()
        }
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn finish(self: Box<Self>, rest: ByteStream) -> Step<'static, ()> {
        async move {
            let private = self.private.then(|| self.path.clone());
            let written = self.write(rest).await;
            if let (Err(_), Some(path)) = (&written, private) {
                // Nobody would find it again.
                let _ = fs_err::remove_file(path);
            }
            written
        }
        .boxed()
    }

    fn cancel(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move { self.remove() }.boxed()
    }
}

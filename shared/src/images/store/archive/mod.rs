//! Images in a single file: an OCI layout as a tar archive, or what `docker save` writes.
//!
//! An archive is read in place: nothing is unpacked, but for a compressed one, which is unpacked into a file without a
//! name. Paths that lead out of it, links out of it, and sizes that are not true are refused before anything is read.

mod convert;
mod docker;
mod pack;
mod tar_index;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};

pub use docker::DockerArchive;
pub(in crate::images::store) use pack::{PackForm, pack};

use self::tar_index::TarIndex;
use super::layout::read::{Reader, fallback_name};
use super::{ByteStream, Name, Referrer, Source, Step, layout};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// An OCI layout in a tar archive, plain or compressed with gzip.
#[derive(Debug)]
pub struct OciArchive {
    location: String,
    reader: Reader,
}

impl OciArchive {
    /// Opens an archive.
    ///
    /// # Errors
    /// It cannot be read, is refused, or holds no OCI layout.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let location = format!("oci-archive:{}", path.display());
        let reader = Reader {
            contents: Arc::new(TarIndex::open(path, &location)?),
            fallback: fallback_name(path),
        };
        reader.check().map_err(|error| match error {
            ImageError::Invalid { place, reason } => ImageError::Invalid {
                place,
                reason: format!(
                    "{reason} (is it one of `docker save`? then write docker-archive:{})",
                    path.display()
                ),
            },
            other => other,
        })?;
        Ok(Self { location, reader })
    }

    /// All images: repository (with its registry) and name.
    ///
    /// # Errors
    /// `index.json` cannot be understood.
    pub fn images(&self) -> Result<Vec<(String, Name)>, ImageError> {
        layout::images(&self.reader)
    }
}

impl Source for OciArchive {
    fn location(&self) -> &str {
        &self.location
    }

    fn resolve<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Descriptor>> {
        async move { self.reader.resolve(repository, name) }.boxed()
    }

    fn manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Manifest>> {
        async move { self.reader.manifest(repository, name) }.boxed()
    }

    fn blob<'a>(
        &'a self,
        _: &'a str,
        blob: &'a Descriptor,
        range: Range<u64>,
    ) -> Step<'a, ByteStream> {
        async move { Ok(self.reader.blob(blob)?.stream(range, self.location.clone())) }.boxed()
    }

    fn tags<'a>(&'a self, repository: &'a str) -> BoxStream<'a, Result<Vec<String>, ImageError>> {
        futures_util::stream::once(async move { layout::tags(&self.reader, repository) }).boxed()
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<String>, ImageError>> {
        futures_util::stream::once(async move { layout::repositories(&self.reader) }).boxed()
    }

    fn referrers<'a>(&'a self, repository: &'a str, digest: &'a Digest) -> Step<'a, Vec<Referrer>> {
        async move { self.reader.referrers(repository, digest) }.boxed()
    }
}

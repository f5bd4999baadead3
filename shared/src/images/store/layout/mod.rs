//! An OCI layout in a folder: a bundle of images that travels without a network.
//!
//! Blobs lie under `blobs/ALGORITHM/HEX`, each once for all images; `index.json` names the images. A blob is written
//! beside its place and takes it when all its bytes are there and right, so that a reader never sees a half one. Several
//! processes can write at the same time.

pub(in crate::images::store) mod read;
#[cfg(test)]
mod tests;
mod upload;

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};

use self::read::{FULL_NAME, REF_NAME, Reader, fallback_name};
pub(in crate::images::store) use super::contents::local;
use super::contents::{Folder, blob_path};
use super::{BeginBlob, ByteStream, Name, Referrer, Source, Step, Target, Upload};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// Name of the file that writers of `index.json` lock.
const LOCK: &str = ".index.lock";

/// An OCI layout in a folder.
#[derive(Debug, Clone)]
pub struct Layout {
    folder: PathBuf,
    location: String,
    reader: Reader,
}

impl Layout {
    /// A layout that is there.
    ///
    /// # Errors
    /// The folder is no OCI layout, or one of another version.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, ImageError> {
        let folder = folder.as_ref();
        let own = Self::at(folder);
        own.reader.check()?;
        Ok(own)
    }

    /// A layout for writing. The folder is made when the first byte is written.
    ///
    /// # Errors
    /// The folder holds something else.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self, ImageError> {
        let folder = folder.as_ref();
        let own = Self::at(folder);
        if folder.join("oci-layout").symlink_metadata().is_ok() {
            own.reader.check()?;
            return Ok(own);
        }
        let is_used = match fs_err::read_dir(folder) {
            Ok(mut entries) => entries.next().is_some() && !folder.join("blobs").is_dir(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(ImageError::Local(error.to_string())),
        };
        if is_used {
            return Err(ImageError::Invalid {
                place: own.location,
                reason: "the folder is not empty and is no OCI layout; choose another one".into(),
            });
        }
        Ok(own)
    }

    /// Makes the folder, if it is not there yet.
    fn make(&self) -> Result<(), ImageError> {
        let marker = self.folder.join("oci-layout");
        if marker.symlink_metadata().is_ok() {
            return Ok(());
        }
        fs_err::create_dir_all(self.folder.join("blobs/sha256"))
            .and_then(|()| replace(&marker, b"{\"imageLayoutVersion\":\"1.0.0\"}"))
            .map_err(|error| ImageError::Local(error.to_string()))
    }

    fn at(folder: &Path) -> Self {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let location = format!("oci:{}", folder.display());
        Self {
            reader: Reader {
                contents: Arc::new(Folder {
                    path: folder.clone(),
                    place: location.clone(),
                }),
                fallback: fallback_name(&folder),
            },
            folder,
            location,
        }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All images: repository (with its registry) and name.
    ///
    /// # Errors
    /// `index.json` cannot be understood.
    pub fn images(&self) -> Result<Vec<(String, Name)>, ImageError> {
        images(&self.reader)
    }

    pub(in crate::images::store) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Writes a blob of which all bytes are at hand.
    fn write_whole(&self, digest: &Digest, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.folder.join(blob_path(digest));
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        replace(&path, bytes)
    }

    /// Changes `index.json` while no other process does.
    fn edit_index(&self, edit: impl FnOnce(&mut Vec<Value>)) -> Result<(), ImageError> {
        let failed = |error: std::io::Error| ImageError::Local(error.to_string());
        self.make()?;
        let lock = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.folder.join(LOCK))
            .map_err(failed)?;
        let lock: File = lock.into();
        lock.lock().map_err(failed)?;
        let mut index = self.reader.index()?;
        let before = index.clone();
        if let Some(object) = index.as_object_mut() {
            let manifests = object.entry("manifests").or_insert_with(|| json!([]));
            if let Some(manifests) = manifests.as_array_mut() {
                edit(manifests);
            }
        }
        if index != before || !self.folder.join("index.json").exists() {
            let text = serde_json::to_vec_pretty(&index).unwrap_or_default();
            replace(&self.folder.join("index.json"), &text).map_err(failed)?;
        }
        // The lock ends with the file.
        drop(lock);
        Ok(())
    }

    fn put(&self, repository: &str, name: &Name, manifest: &Manifest) -> Result<(), ImageError> {
        let invalid = |reason| ImageError::Invalid {
            place: self.location.clone(),
            reason,
        };
        let content = manifest.content().map_err(invalid)?;
        let mut missing = Vec::new();
        for blob in content.blobs.iter().filter(|blob| !blob.is_foreign()) {
            if self.reader.blob(blob).is_err() {
                missing.push(blob.digest.clone());
            }
        }
        if !missing.is_empty() {
            return Err(ImageError::BlobsMissing {
                place: self.location.clone(),
                blobs: missing,
            });
        }
        self.make()?;
        self.write_whole(&manifest.digest, &manifest.bytes)
            .map_err(|error| ImageError::Local(error.to_string()))?;
        let full = match name {
            Name::Tag(tag) => format!("{repository}:{tag}"),
            Name::Digest(digest) => format!("{repository}@{digest}"),
        };
        let entry = json!({
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": manifest.bytes.len(),
            "annotations": { FULL_NAME: full, REF_NAME: full },
        });
        let children: Vec<String> = content
            .manifests
            .iter()
            .map(|child| format!("{repository}@{}", child.digest))
            .collect();
        self.edit_index(|entries| {
            // What an index holds need not be named beside it.
            entries.retain(|other| {
                let own = other["annotations"][FULL_NAME].as_str();
                own.is_none_or(|own| own != full && !children.iter().any(|child| child == own))
            });
            entries.push(entry);
            // The same images always give the same file, whatever came first.
            let key = |entry: &Value| {
                entry["annotations"][FULL_NAME]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            entries.sort_by_key(key);
        })
    }
}

/// All images of a layout that have a name, or are no part of another and about no other.
pub(in crate::images::store) fn images(reader: &Reader) -> Result<Vec<(String, Name)>, ImageError> {
    let mut found = Vec::new();
    for entry in reader.entries()? {
        if let Name::Digest(digest) = &entry.name {
            let manifest = reader.manifest(&entry.repository, &Name::Digest(digest.clone()))?;
            let about_another = manifest
                .and_then(|manifest| manifest.content().ok())
                .is_some_and(|content| content.subject.is_some());
            if about_another {
                continue;
            }
        }
        if let Name::Tag(tag) = &entry.name
            && tag.starts_with("sha256-")
            && tag.len() > 70
        {
            continue;
        }
        found.push((entry.repository, entry.name));
    }
    Ok(found)
}

/// Writes a file whole: beside its place, to the disk, then into its place.
pub(in crate::images::store) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{number}", std::process::id()));
    let beside = path.with_file_name(name);
    let mut file = fs_err::File::create(&beside)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs_err::rename(&beside, path));
    if written.is_err() {
        // The first error counts.
        let _ = fs_err::remove_file(&beside);
    }
    written
}

impl Source for Layout {
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
        futures_util::stream::once(async move { tags(&self.reader, repository) }).boxed()
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<String>, ImageError>> {
        futures_util::stream::once(async move { repositories(&self.reader) }).boxed()
    }

    fn referrers<'a>(&'a self, repository: &'a str, digest: &'a Digest) -> Step<'a, Vec<Referrer>> {
        async move { self.reader.referrers(repository, digest) }.boxed()
    }
}

pub(in crate::images::store) fn tags(
    reader: &Reader,
    repository: &str,
) -> Result<Vec<String>, ImageError> {
    let mut tags: Vec<String> = reader
        .entries()?
        .into_iter()
        .filter(|entry| entry.repository == repository)
        .filter_map(|entry| match entry.name {
            Name::Tag(tag) => Some(tag),
            Name::Digest(_) => None,
        })
        .collect();
    tags.sort();
    tags.dedup();
    Ok(tags)
}

pub(in crate::images::store) fn repositories(reader: &Reader) -> Result<Vec<String>, ImageError> {
    let mut all: Vec<String> = reader
        .entries()?
        .into_iter()
        .map(|entry| entry.repository)
        .collect();
    all.sort();
    all.dedup();
    Ok(all)
}

impl Target for Layout {
    fn has_blob<'a>(&'a self, _: &'a str, blob: &'a Descriptor) -> Step<'a, bool> {
        async move {
            let part = self.reader.contents.open(&blob_path(&blob.digest))?;
            Ok(part.is_some_and(|part| part.size == blob.size))
        }
        .boxed()
    }

    fn begin_blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        _: Option<&'a str>,
    ) -> Step<'a, BeginBlob> {
        async move {
            if self.has_blob(repository, blob).await? {
                return Ok(BeginBlob::Done);
            }
            self.make()?;
            let upload = upload::begin(&self.folder, &self.location, blob)?;
            Ok(BeginBlob::Upload(Box::new(upload)))
        }
        .boxed()
    }

    fn resume_blob<'a>(
        &'a self,
        _: &'a str,
        blob: &'a Descriptor,
        _: &'a str,
    ) -> Step<'a, Option<Box<dyn Upload>>> {
        async move {
            self.make()?;
            let upload = upload::begin(&self.folder, &self.location, blob)?;
            let upload: Box<dyn Upload> = Box::new(upload);
            Ok((upload.offset() > 0).then_some(upload))
        }
        .boxed()
    }

    fn put_manifest<'a>(
        &'a self,
        repository: &'a str,
        name: &'a Name,
        manifest: &'a Manifest,
    ) -> Step<'a, ()> {
        async move {
            let own = self.clone();
            let (repository, name, manifest) =
                (repository.to_owned(), name.clone(), manifest.clone());
            // It waits for other writers.
            tokio::task::spawn_blocking(move || own.put(&repository, &name, &manifest))
                .await
                .map_err(|error| ImageError::Local(error.to_string()))?
        }
        .boxed()
    }

    fn delete_manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, ()> {
        async move {
            let full = match name {
                Name::Tag(tag) => format!("{repository}:{tag}"),
                Name::Digest(digest) => format!("{repository}@{digest}"),
            };
            self.edit_index(|entries| {
                entries.retain(|entry| entry["annotations"][FULL_NAME] != full.as_str());
            })
        }
        .boxed()
    }

    /// All repositories of a layout share its blobs.
    fn mounts(&self) -> bool {
        true
    }
}

//! A folder with images (OCI image specification, "Image Layout"): travels without a network.
//!
//! An image is found by the annotation `org.opencontainers.image.ref.name` in `index.json`, which holds
//! `REPOSITORY:TAG`. Blobs of all repositories lie together, so nothing is there twice.

use std::io::SeekFrom;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

use super::{BeginBlob, ByteStream, Name, Referrer, Source, Step, Target, Upload};
use crate::images::descriptor::media_type;
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// The annotation by which an image is found.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Bytes that are read from a file at once.
const BUFFER: usize = 256 << 10;

/// An OCI layout folder.
#[derive(Debug, Clone)]
pub struct Layout {
    folder: PathBuf,
    location: String,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Layout {
    /// An existing layout.
    ///
    /// # Errors
    /// The folder is none.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, ImageError> {
        let layout = Self::at(folder.into());
        let marker = layout.folder.join("oci-layout");
        let version = fs_err::read(&marker)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
            .and_then(|value| value["imageLayoutVersion"].as_str().map(str::to_owned));
        match version {
            Some(version) if version.starts_with("1.") => Ok(layout),
            Some(version) => {
                Err(layout.invalid(format!("version {version} of the layout is not known")))
            }
            None => {
                Err(layout.invalid("it is no OCI layout: there is no file `oci-layout`".into()))
            }
        }
    }

    /// A layout that is made if the folder does not exist or is empty.
    ///
    /// # Errors
    /// The folder has other things in it, or cannot be made.
    pub fn create(folder: impl Into<PathBuf>) -> Result<Self, ImageError> {
        let folder = folder.into();
        if folder.join("oci-layout").is_file() {
            return Self::open(folder);
        }
        let layout = Self::at(folder);
        let local = |error: std::io::Error| ImageError::Local(error.to_string());
        let is_used =
            fs_err::read_dir(&layout.folder).is_ok_and(|mut entries| entries.next().is_some());
        if is_used {
            return Err(layout.invalid("the folder has other files in it".into()));
        }
        for part in ["blobs/sha256", "blobs/sha512", "ingest"] {
            fs_err::create_dir_all(layout.folder.join(part)).map_err(local)?;
        }
        let index =
            json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": []});
        fs_err::write(layout.folder.join("index.json"), index.to_string()).map_err(local)?;
        // The marker last: a folder without it is no layout.
        let marker = json!({"imageLayoutVersion": "1.0.0"});
        fs_err::write(layout.folder.join("oci-layout"), marker.to_string()).map_err(local)?;
        Ok(layout)
    }

    fn at(folder: PathBuf) -> Self {
        Self {
            location: format!("oci:{}", folder.display()),
            folder,
            lock: Arc::default(),
        }
    }

    fn invalid(&self, reason: String) -> ImageError {
        ImageError::Invalid {
            place: self.location.clone(),
            reason,
        }
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder
            .join("blobs")
            .join(digest.algorithm().name())
            .join(digest.hex())
    }

    async fn read_index(&self) -> Result<Vec<Descriptor>, ImageError> {
        let path = self.folder.join("index.json");
        let bytes = tokio::fs::read(&path)
            .await
            .map_err(|error| ImageError::Local(format!("{}: {error}", path.display())))?;
        let index = Manifest::new(media_type::OCI_INDEX, bytes.into());
        Ok(index
            .content()
            .map_err(|reason| self.invalid(reason))?
            .manifests)
    }

    /// Changes `index.json`: one at a time in this process and in others, and whole or not at all.
    async fn change_index(
        &self,
        change: impl FnOnce(&mut Vec<Descriptor>) + Send,
    ) -> Result<(), ImageError> {
        let _guard = self.lock.lock().await;
        let local = |error: std::io::Error| ImageError::Local(error.to_string());
        let lock_path = self.folder.join("ingest").join("index.lock");
        let file = tokio::task::spawn_blocking(move || {
            if let Some(folder) = lock_path.parent() {
                fs_err::create_dir_all(folder)?;
            }
            let file = fs_err::File::create(lock_path)?.into_parts().0;
            file.lock()?;
            Ok::<_, std::io::Error>(file)
        })
        .await
        .map_err(|_| ImageError::Cancelled)?
        .map_err(local)?;
        let mut manifests = self.read_index().await?;
        change(&mut manifests);
        let index = json!({
            "schemaVersion": 2,
            "mediaType": media_type::OCI_INDEX,
            "manifests": manifests,
        });
        let path = self.folder.join("index.json");
        let partial = self
            .folder
            .join("ingest")
            .join(format!("index.{}", std::process::id()));
        tokio::fs::write(&partial, index.to_string())
            .await
            .map_err(local)?;
        tokio::fs::rename(&partial, &path).await.map_err(local)?;
        drop(file);
        Ok(())
    }

    async fn find(&self, repository: &str, name: &Name) -> Result<Option<Descriptor>, ImageError> {
        match name {
            Name::Tag(tag) => {
                let wanted = ref_name(repository, tag);
                let found = self.read_index().await?.into_iter().find(|entry| {
                    entry
                        .annotations
                        .get(REF_NAME)
                        .is_some_and(|own| *own == wanted || (repository.is_empty() && own == tag))
                });
                Ok(found)
            }
            Name::Digest(digest) => {
                let Ok(data) = tokio::fs::metadata(self.blob_path(digest)).await else {
                    return Ok(None);
                };
                let listed = self.read_index().await?;
                let known = listed.into_iter().find(|entry| entry.digest == *digest);
                Ok(Some(known.unwrap_or_else(|| {
                    Descriptor::new(media_type::OCI_MANIFEST, digest.clone(), data.len())
                })))
            }
        }
    }

    async fn write_blob(&self, digest: &Digest, bytes: &Bytes) -> Result<(), ImageError> {
        let path = self.blob_path(digest);
        if tokio::fs::try_exists(&path).await.unwrap_or(false) {
            return Ok(());
        }
        let local =
            |error: std::io::Error| ImageError::Local(format!("{}: {error}", path.display()));
        let partial =
            self.folder
                .join("ingest")
                .join(format!("{}.{}", digest.hex(), std::process::id()));
        tokio::fs::write(&partial, bytes).await.map_err(local)?;
        tokio::fs::rename(&partial, &path).await.map_err(local)
    }
}

fn ref_name(repository: &str, tag: &str) -> String {
    if repository.is_empty() {
        tag.to_owned()
    } else {
        format!("{repository}:{tag}")
    }
}

impl Source for Layout {
    fn location(&self) -> &str {
        &self.location
    }

    fn resolve<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Descriptor>> {
        self.find(repository, name).boxed()
    }

    fn manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Manifest>> {
        async move {
            let Some(descriptor) = self.find(repository, name).await? else {
                return Ok(None);
            };
            let path = self.blob_path(&descriptor.digest);
            let bytes = match tokio::fs::read(&path).await {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => {
                    return Err(ImageError::Local(format!("{}: {error}", path.display())));
                }
            };
            let mut manifest = Manifest::new(&descriptor.media_type, bytes.into());
            if descriptor.digest.algorithm() == manifest.digest.algorithm()
                && manifest.digest != descriptor.digest
            {
                return Err(ImageError::WrongBytes {
                    place: self.location.clone(),
                    expected: descriptor.digest,
                    found: manifest.digest,
                });
            }
            manifest.digest = descriptor.digest;
            Ok(Some(manifest))
        }
        .boxed()
    }

    fn blob<'a>(
        &'a self,
        _: &'a str,
        blob: &'a Descriptor,
        range: Range<u64>,
    ) -> Step<'a, ByteStream> {
        async move {
            let path = self.blob_path(&blob.digest);
            let mut file = match tokio::fs::File::open(&path).await {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(ImageError::NotFound {
                        what: format!("blob {}", blob.digest),
                        place: self.location.clone(),
                    });
                }
                Err(error) => {
                    return Err(ImageError::Local(format!("{}: {error}", path.display())));
                }
            };
            let local = move |error: std::io::Error| {
                ImageError::Local(format!("{}: {error}", path.display()))
            };
            file.seek(SeekFrom::Start(range.start))
                .await
                .map_err(&local)?;
            let part = file.take(range.end - range.start);
            let stream = ReaderStream::with_capacity(part, BUFFER);
            Ok(stream.map(move |piece| piece.map_err(&local)).boxed())
        }
        .boxed()
    }

    fn tags<'a>(&'a self, repository: &'a str) -> BoxStream<'a, Result<Vec<String>, ImageError>> {
        let tags = async move {
            let prefix = format!("{repository}:");
            let entries = self.read_index().await?;
            let mut tags: Vec<String> = entries
                .iter()
                .filter_map(|entry| entry.annotations.get(REF_NAME)?.strip_prefix(&prefix))
                .map(str::to_owned)
                .collect();
            tags.sort();
            tags.dedup();
            Ok(tags)
        };
        futures_util::stream::once(tags).boxed()
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<String>, ImageError>> {
        let repositories = async move {
            let entries = self.read_index().await?;
            let mut names: Vec<String> = entries
                .iter()
                .filter_map(|entry| entry.annotations.get(REF_NAME)?.rsplit_once(':'))
                .map(|(repository, _)| repository.to_owned())
                .collect();
            names.sort();
            names.dedup();
            Ok(names)
        };
        futures_util::stream::once(repositories).boxed()
    }

    fn referrers<'a>(&'a self, repository: &'a str, digest: &'a Digest) -> Step<'a, Vec<Referrer>> {
        async move {
            let mut found = Vec::new();
            for entry in self.read_index().await? {
                let name = Name::Digest(entry.digest.clone());
                let Some(manifest) = self.manifest(repository, &name).await? else {
                    continue;
                };
                let subject = manifest.content().ok().and_then(|content| content.subject);
                let cosign = format!(
                    "{repository}:{}-{}.",
                    digest.algorithm().name(),
                    digest.hex()
                );
                let tag = entry
                    .annotations
                    .get(REF_NAME)
                    .filter(|own| own.starts_with(&cosign))
                    .and_then(|own| own.rsplit_once(':'))
                    .map(|(_, tag)| tag.to_owned());
                if tag.is_some() || subject.is_some_and(|subject| subject.digest == *digest) {
                    found.push(Referrer {
                        descriptor: manifest.descriptor(),
                        tag,
                    });
                }
            }
            Ok(found)
        }
        .boxed()
    }
}

impl Target for Layout {
    fn has_blob<'a>(&'a self, _: &'a str, blob: &'a Descriptor) -> Step<'a, bool> {
        async move {
            let data = tokio::fs::metadata(self.blob_path(&blob.digest)).await;
            Ok(data.is_ok_and(|data| data.len() == blob.size))
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
            let partial = self.folder.join("ingest").join(blob.digest.hex());
            Ok(BeginBlob::Upload(Box::new(
                Ingest::open(self, blob, partial).await?,
            )))
        }
        .boxed()
    }

    fn resume_blob<'a>(
        &'a self,
        _: &'a str,
        blob: &'a Descriptor,
        token: &'a str,
    ) -> Step<'a, Option<Box<dyn Upload>>> {
        async move {
            let partial = self.folder.join("ingest").join(blob.digest.hex());
            if partial.display().to_string() != token {
                return Ok(None);
            }
            let upload: Box<dyn Upload> = Box::new(Ingest::open(self, blob, partial).await?);
            Ok(Some(upload))
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
            self.write_blob(&manifest.digest, &manifest.bytes).await?;
            let mut entry = manifest.descriptor();
            match name {
                Name::Tag(tag) => {
                    let own = ref_name(repository, tag);
                    entry.annotations.insert(REF_NAME.to_owned(), own.clone());
                    self.change_index(move |manifests| {
                        manifests.retain(|other| other.annotations.get(REF_NAME) != Some(&own));
                        manifests.push(entry);
                    })
                    .await
                }
                // Parts of an index are found through it; what refers to another manifest has to be listed.
                Name::Digest(_) => {
                    let refers = manifest
                        .content()
                        .is_ok_and(|content| content.subject.is_some());
                    if !refers {
                        return Ok(());
                    }
                    self.change_index(move |manifests| {
                        if !manifests.iter().any(|other| other.digest == entry.digest) {
                            manifests.push(entry);
                        }
                    })
                    .await
                }
            }
        }
        .boxed()
    }

    fn delete_manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, ()> {
        async move {
            let name = name.clone();
            let repository = repository.to_owned();
            self.change_index(move |manifests| match name {
                Name::Tag(tag) => {
                    let own = ref_name(&repository, &tag);
                    manifests.retain(|other| other.annotations.get(REF_NAME) != Some(&own));
                }
                Name::Digest(digest) => manifests.retain(|other| other.digest != digest),
            })
            .await
        }
        .boxed()
    }

    fn mounts(&self) -> bool {
        true
    }
}

/// A blob that is being written into a file beside its place.
#[derive(Debug)]
struct Ingest {
    partial: PathBuf,
    path: PathBuf,
    offset: u64,
    file: tokio::fs::File,
}

impl Ingest {
    async fn open(
        layout: &Layout,
        blob: &Descriptor,
        partial: PathBuf,
    ) -> Result<Self, ImageError> {
        let failed =
            |error: std::io::Error| ImageError::Local(format!("{}: {error}", partial.display()));
        let path = layout.blob_path(&blob.digest);
        for folder in [partial.parent(), path.parent()].into_iter().flatten() {
            tokio::fs::create_dir_all(folder).await.map_err(failed)?;
        }
        let open = async |partial: &Path| {
            tokio::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .read(true)
                .open(partial)
                .await
        };
        let mut file = open(&partial).await.map_err(failed)?;
        let mut partial = partial;
        // Another process writes this very blob: it goes its own way.
        let taken = {
            let std_file = file.into_std().await;
            let taken = std_file.try_lock().is_err();
            file = tokio::fs::File::from_std(std_file);
            taken
        };
        if taken {
            partial.set_extension(std::process::id().to_string());
            let failed = |error: std::io::Error| {
                ImageError::Local(format!("{}: {error}", partial.display()))
            };
            file = open(&partial).await.map_err(failed)?;
        }
        let mut offset = file.metadata().await.map_or(0, |data| data.len());
        if offset > blob.size {
            let failed = |error: std::io::Error| {
                ImageError::Local(format!("{}: {error}", partial.display()))
            };
            file.set_len(0).await.map_err(failed)?;
            offset = 0;
        }
        Ok(Self {
            partial,
            path,
            offset,
            file,
        })
    }
}

impl Upload for Ingest {
    fn token(&self) -> String {
        self.partial.display().to_string()
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn finish(self: Box<Self>, rest: ByteStream) -> Step<'static, ()> {
        async move {
            let Self {
                partial,
                path,
                mut file,
                ..
            } = *self;
            let failed = |error: std::io::Error| {
                ImageError::Local(format!("{}: {error}", partial.display()))
            };
            let mut rest = rest;
            while let Some(piece) = rest.next().await {
                let written = match piece {
                    Ok(piece) => file.write_all(&piece).await,
                    Err(error) => {
                        if matches!(
                            error,
                            ImageError::WrongBytes { .. } | ImageError::WrongSize { .. }
                        ) {
                            // Nobody can tell which of its bytes are wrong.
                            let _ = file.set_len(0).await;
                        }
                        let _ = file.flush().await;
                        return Err(error);
                    }
                };
                written.map_err(failed)?;
            }
            file.flush().await.map_err(failed)?;
            file.sync_data().await.map_err(failed)?;
            tokio::fs::rename(&partial, &path).await.map_err(failed)
        }
        .boxed()
    }

    fn cancel(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            // What is left over is found and gone on with later.
            let _ = tokio::fs::remove_file(&self.partial).await;
        }
        .boxed()
    }
}

//! A Docker engine: its images are read as `docker save` writes them.
//!
//! An engine with the containerd image store keeps images as they were pulled, and gives them back byte for byte. An
//! older store keeps unpacked layers: they are compressed anew, so that the manifest's digest is new, while the digest of
//! the configuration stays. Where an image came from a registry, that registry has the exact one: see
//! [`DockerEngine::origins`].

use std::collections::HashMap;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::Docker;
use bollard::errors::Error as EngineError;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::OnceCell;

use super::archive::DockerArchive;
use super::contents::{local, spool};
use super::{ByteStream, Name, Referrer, Source, Step};
use crate::host::docker::{Endpoint, endpoint};
use crate::images::rewrite::ImageName;
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// Seconds that an engine may take for the first byte of an answer: it packs a whole image first.
const PATIENCE: u64 = 600;

type Exported = Arc<OnceCell<Option<Arc<DockerArchive>>>>;

/// A Docker engine.
#[derive(Debug, Clone)]
pub struct DockerEngine {
    docker: Docker,
    location: String,
    exported: Arc<Mutex<HashMap<String, Exported>>>,
}

impl DockerEngine {
    /// The engine that the docker CLI would talk to.
    ///
    /// # Errors
    /// None is named that can be talked to. Whether it answers is seen at the first question.
    pub fn connect() -> Result<Self, ImageError> {
        let endpoint = endpoint(None).map_err(ImageError::Local)?;
        Self::at(&endpoint)
    }

    /// The engine at an endpoint.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn at(endpoint: &Endpoint) -> Result<Self, ImageError> {
        let location = format!("docker-daemon:{}", endpoint.host);
        let docker = endpoint
            .client(PATIENCE)
            .ok_or_else(|| ImageError::Unreachable {
                place: location.clone(),
                reason: "an engine can only be talked to by a socket or TCP; on its own machine, `docker save -o FILE IMAGE` writes what `--from docker-archive:FILE` reads".into(),
            })?
            .map_err(|error| unreachable(&location, &error))?;
        Ok(Self {
            docker,
            location,
            exported: Arc::default(),
        })
    }

    fn failed(&self, error: &EngineError) -> ImageError {
        match error {
            EngineError::DockerResponseServerError {
                status_code,
                message,
            } => ImageError::ServerFailed {
                place: self.location.clone(),
                reason: format!("{status_code} {message}"),
            },
            other => unreachable(&self.location, other),
        }
    }

    /// The API version that both sides know is agreed on once.
    async fn docker(&self) -> Result<Docker, ImageError> {
        self.docker
            .clone()
            .negotiate_version()
            .await
            .map_err(|error| self.failed(&error))
    }

    /// All images with a name: registry and repository, and tag.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn images(&self) -> Result<Vec<(String, Name)>, ImageError> {
        let options: Option<bollard::query_parameters::ListImagesOptions> = None;
        let images = self
            .docker()
            .await?
            .list_images(options)
            .await
            .map_err(|error| self.failed(&error))?;
        let mut names: Vec<(String, Name)> = images
            .into_iter()
            .flat_map(|image| image.repo_tags)
            .filter_map(|tag| tag.parse::<ImageName>().ok())
            .map(|name| (name.place(), name.kept()))
            .collect();
        names.sort_by_key(|(repository, name)| (repository.clone(), name.to_string()));
        Ok(names)
    }

    /// Where the registry has the very image that the engine has under a name: repository with its registry, and digest.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn origins(&self, image: &ImageName) -> Result<Vec<ImageName>, ImageError> {
        let inspected = match self.docker().await?.inspect_image(&image.familiar()).await {
            Ok(inspected) => inspected,
            Err(EngineError::DockerResponseServerError {
                status_code: 404, ..
            }) => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(&error)),
        };
        let mut origins: Vec<ImageName> = inspected
            .repo_digests
            .unwrap_or_default()
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        // The repository that was asked for, first.
        origins.sort_by_key(|origin| origin.place() != image.place());
        Ok(origins)
    }

    /// The image as the engine saves it; `None` if it has none of that name.
    async fn export(
        &self,
        repository: &str,
        name: &Name,
    ) -> Result<Option<Arc<DockerArchive>>, ImageError> {
        let text = match name {
            Name::Tag(tag) => format!("{repository}:{tag}"),
            Name::Digest(digest) => format!("{repository}@{digest}"),
        };
        let familiar = text
            .parse::<ImageName>()
            .map_or_else(|_| text.clone(), |name| name.familiar());
        let cell = {
            let mut exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(exported.entry(familiar.clone()).or_default())
        };
        let archive = cell
            .get_or_try_init(|| async {
                let docker = self.docker().await?;
                match docker.inspect_image(&familiar).await {
                    Ok(_) => {}
                    Err(EngineError::DockerResponseServerError {
                        status_code: 404, ..
                    }) => return Ok(None),
                    Err(error) => return Err(self.failed(&error)),
                }
                let mut file = spool().map_err(|error| local(&self.location, &error))?;
                let mut pieces = Box::pin(docker.export_image(&familiar));
                while let Some(piece) = pieces.next().await {
                    let piece = piece.map_err(|error| self.failed(&error))?;
                    file.write_all(&piece)
                        .map_err(|error| local(&self.location, &error))?;
                }
                DockerArchive::of_file(file, &self.location).map(|archive| Some(Arc::new(archive)))
            })
            .await?;
        Ok(archive.clone())
    }

    /// The archive that holds what a digest names: one of those that were exported.
    fn holder(&self) -> Vec<Arc<DockerArchive>> {
        let exported = self.exported.lock().unwrap_or_else(PoisonError::into_inner);
        exported
            .values()
            .filter_map(|cell| cell.get()?.clone())
            .collect()
    }

    /// Whether the images that were read so far have the digests that they had at their registry.
    #[must_use]
    pub fn keeps_digests(&self) -> bool {
        self.holder().iter().all(|archive| archive.keeps_digests())
    }

    /// Loads an archive of images, as `docker load` does.
    ///
    /// # Errors
    /// The engine does not answer, or refuses.
    pub(in crate::images::store) async fn load(&self, archive: &Path) -> Result<(), ImageError> {
        let file = tokio::fs::File::open(archive)
            .await
            .map_err(|error| ImageError::Local(format!("{}: {error}", archive.display())))?;
        let pieces = tokio_util::io::ReaderStream::with_capacity(file, 1 << 20);
        let options = bollard::query_parameters::ImportImageOptionsBuilder::new()
            .quiet(true)
            .build();
        let docker = self.docker().await?;
        let mut answers = Box::pin(docker.import_image_stream(options, pieces, None));
        while let Some(answer) = answers.next().await {
            let answer = answer.map_err(|error| self.failed(&error))?;
            if let Some(error) = answer.error_detail.and_then(|detail| detail.message) {
                return Err(ImageError::Refused {
                    what: "the images".into(),
                    place: self.location.clone(),
                    reason: error,
                });
            }
        }
        Ok(())
    }

    /// The descriptor of an image that the engine has, where it keeps one (containerd image store).
    pub(in crate::images::store) async fn kept(
        &self,
        repository: &str,
        name: &Name,
    ) -> Result<Option<Descriptor>, ImageError> {
        let Name::Tag(tag) = name else {
            return Ok(None);
        };
        let familiar = format!("{repository}:{tag}")
            .parse::<ImageName>()
            .map(|name| name.familiar())
            .unwrap_or_default();
        let found = match self.docker().await?.inspect_image(&familiar).await {
            Ok(found) => found,
            Err(EngineError::DockerResponseServerError {
                status_code: 404, ..
            }) => return Ok(None),
            Err(error) => return Err(self.failed(&error)),
        };
        let Some(descriptor) = found.descriptor else {
            return Ok(None);
        };
        let digest = descriptor.digest.and_then(|digest| digest.parse().ok());
        let size = descriptor.size.and_then(|size| u64::try_from(size).ok());
        Ok(digest.zip(size).map(|(digest, size)| {
            Descriptor::new(descriptor.media_type.unwrap_or_default(), digest, size)
        }))
    }
}

fn unreachable(place: &str, error: &EngineError) -> ImageError {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        cause = inner.source();
    }
    ImageError::Unreachable {
        place: place.to_owned(),
        reason,
    }
}

impl Source for DockerEngine {
    fn location(&self) -> &str {
        &self.location
    }

    fn resolve<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Descriptor>> {
        async move {
            if let Name::Digest(_) = name {
                for archive in self.holder() {
                    if let Some(found) = archive.resolve(repository, name).await? {
                        return Ok(Some(found));
                    }
                }
            }
            match self.export(repository, name).await? {
                Some(archive) => archive.resolve(repository, name).await,
                None => Ok(None),
            }
        }
        .boxed()
    }

    fn manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Manifest>> {
        async move {
            if let Name::Digest(_) = name {
                for archive in self.holder() {
                    if let Some(found) = archive.manifest(repository, name).await? {
                        return Ok(Some(found));
                    }
                }
                return Ok(None);
            }
            match self.export(repository, name).await? {
                Some(archive) => archive.manifest(repository, name).await,
                None => Ok(None),
            }
        }
        .boxed()
    }

    fn blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        range: Range<u64>,
    ) -> Step<'a, ByteStream> {
        async move {
            for archive in self.holder() {
                match archive.blob(repository, blob, range.clone()).await {
                    Err(ImageError::NotFound { .. }) => {}
                    other => return other,
                }
            }
            Err(ImageError::NotFound {
                what: format!("blob {}", blob.digest),
                place: self.location.clone(),
            })
        }
        .boxed()
    }

    fn tags<'a>(&'a self, repository: &'a str) -> BoxStream<'a, Result<Vec<String>, ImageError>> {
        futures_util::stream::once(async move {
            let images = self.images().await?;
            Ok(images
                .into_iter()
                .filter(|(own, _)| own == repository)
                .filter_map(|(_, name)| match name {
                    Name::Tag(tag) => Some(tag),
                    Name::Digest(_) => None,
                })
                .collect())
        })
        .boxed()
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<String>, ImageError>> {
        futures_util::stream::once(async move {
            let mut all: Vec<String> = self
                .images()
                .await?
                .into_iter()
                .map(|(own, _)| own)
                .collect();
            all.dedup();
            Ok(all)
        })
        .boxed()
    }

    fn referrers<'a>(&'a self, _: &'a str, _: &'a Digest) -> Step<'a, Vec<Referrer>> {
        async move { Ok(Vec::new()) }.boxed()
    }
}

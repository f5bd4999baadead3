//! What `docker save` writes.
//!
//! Old engines write `manifest.json`, configurations and plain layers. Since Docker 25 there is an OCI layout in the
//! same archive; with the containerd image store its layers are those that were pulled, byte for byte, else they are
//! plain and the manifests in it were made for the occasion.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;

use super::convert::{self, Layer};
use super::tar_index::TarIndex;
use crate::images::descriptor::media_type;
use crate::images::rewrite::ImageName;
use crate::images::store::contents::{Contents, local, read_json};
use crate::images::store::layout::read::{Reader, fallback_name};
use crate::images::store::{ByteStream, Name, Referrer, Source, Step, layout};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// Layers that are compressed at the same time.
const AT_ONCE: usize = 2;

/// An image of `manifest.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// An image whose layers are as a registry keeps them.
#[derive(Debug)]
struct Prepared {
    manifest: Manifest,
    config: Bytes,
    config_digest: Digest,
}

/// An archive of `docker save`.
#[derive(Debug)]
pub struct DockerArchive {
    location: String,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// With images as they were pulled.
    Exact(Reader),
    /// With plain layers.
    Plain(Plain),
}

#[derive(Debug)]
struct Plain {
    contents: Arc<dyn Contents>,
    location: String,
    /// Registry and repository, name, and place in the list of images.
    names: Vec<(String, Name, usize)>,
    saved: Vec<Saved>,
    prepared: Vec<OnceCell<Prepared>>,
    /// By their path in the archive.
    layers: Mutex<HashMap<String, Arc<OnceCell<Layer>>>>,
}

impl DockerArchive {
    /// Opens an archive, plain or compressed with gzip.
    ///
    /// # Errors
    /// It cannot be read, is refused, or was not written by `docker save`.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let location = format!("docker-archive:{}", path.display());
        let contents = TarIndex::open(path, &location)?;
        Self::of(Arc::new(contents), location, fallback_name(path))
    }

    /// An archive in a file that is open, such as an engine's answer.
    pub(in crate::images::store) fn of_file(
        file: std::fs::File,
        location: &str,
    ) -> Result<Self, ImageError> {
        let contents = TarIndex::of(file, location)?;
        Self::of(
            Arc::new(contents),
            location.to_owned(),
            fallback_name(Path::new("image")),
        )
    }

    fn of(
        contents: Arc<dyn Contents>,
        location: String,
        fallback: String,
    ) -> Result<Self, ImageError> {
        let reader = Reader {
            contents: Arc::clone(&contents),
            fallback: fallback.clone(),
        };
        if reader.check().is_ok() && has_packed_layers(&reader)? {
            return Ok(Self {
                location,
                form: Form::Exact(reader),
            });
        }
        let Some(text) = read_json(contents.as_ref(), "manifest.json")? else {
            return Err(ImageError::Invalid {
                place: location,
                reason: "there is no `manifest.json` in it, so `docker save` did not write it"
                    .into(),
            });
        };
        let saved: Vec<Saved> =
            serde_json::from_slice(&text).map_err(|error| ImageError::Invalid {
                place: location.clone(),
                reason: format!("its `manifest.json` cannot be understood: {error}"),
            })?;
        let mut names = Vec::new();
        for (index, image) in saved.iter().enumerate() {
            let tags = image.repo_tags.as_deref().unwrap_or_default();
            for tag in tags {
                if let Ok(name) = tag.parse::<ImageName>() {
                    names.push((name.place(), name.kept(), index));
                }
            }
            if tags.is_empty() {
                names.push((fallback.clone(), Name::Tag("latest".into()), index));
            }
        }
        Ok(Self {
            form: Form::Plain(Plain {
                prepared: saved.iter().map(|_| OnceCell::new()).collect(),
                contents,
                location: location.clone(),
                names,
                saved,
                layers: Mutex::default(),
            }),
            location,
        })
    }

    /// Whether images come out with the digests that they had at their registry. Where not, the archive's layers are
    /// plain: they are compressed anew, the manifest's digest is new, the configuration's is the old one.
    #[must_use]
    pub fn keeps_digests(&self) -> bool {
        matches!(self.form, Form::Exact(_))
    }

    /// All images: repository (with its registry) and name.
    ///
    /// # Errors
    /// The archive's index cannot be understood.
    pub fn images(&self) -> Result<Vec<(String, Name)>, ImageError> {
        match &self.form {
            Form::Exact(reader) => layout::images(reader),
            Form::Plain(plain) => Ok(plain
                .names
                .iter()
                .map(|(r, n, _)| (r.clone(), n.clone()))
                .collect()),
        }
    }
}

/// Whether the layers in the layout of an archive are as they were pulled. An engine that keeps them unpacked writes
/// plain ones.
fn has_packed_layers(reader: &Reader) -> Result<bool, ImageError> {
    let entries = reader.entries()?;
    for entry in &entries {
        let mut open = vec![entry.descriptor.digest.clone()];
        while let Some(digest) = open.pop() {
            let Some(manifest) = reader.manifest("", &Name::Digest(digest))? else {
                continue;
            };
            let Ok(content) = manifest.content() else {
                continue;
            };
            if content
                .blobs
                .iter()
                .any(|blob| blob.media_type.ends_with(".tar"))
            {
                return Ok(false);
            }
            open.extend(content.manifests.into_iter().map(|child| child.digest));
        }
    }
    Ok(!entries.is_empty())
}

/// The image behind an entry: of an index of which not all platforms are there, the platform that is. That is what the
/// engine itself would push.
fn present(reader: &Reader, found: Descriptor) -> Result<Descriptor, ImageError> {
    let manifest = reader.manifest("", &Name::Digest(found.digest.clone()))?;
    let Some(content) = manifest.and_then(|manifest| manifest.content().ok()) else {
        return Ok(found);
    };
    let is_whole = |child: &Descriptor| -> Result<bool, ImageError> {
        let manifest = reader.manifest("", &Name::Digest(child.digest.clone()))?;
        Ok(manifest
            .and_then(|manifest| manifest.content().ok())
            .is_some_and(|content| content.blobs.iter().all(|blob| reader.blob(blob).is_ok())))
    };
    let mut whole = Vec::new();
    for child in &content.manifests {
        if is_whole(child)? {
            whole.push(child.clone());
        }
    }
    if whole.len() == content.manifests.len() {
        return Ok(found);
    }
    let images: Vec<_> = whole
        .into_iter()
        .filter(|child| {
            child
                .platform
                .as_ref()
                .is_none_or(|platform| platform.os != "unknown")
        })
        .collect();
    let own = images.iter().find(|child| {
        child
            .platform
            .as_ref()
            .is_some_and(|platform| platform.architecture == super::super::host_architecture())
    });
    match own.or(images.first()) {
        Some(child) => Ok(Descriptor::new(
            &child.media_type,
            child.digest.clone(),
            child.size,
        )),
        None => Err(ImageError::Invalid {
            place: reader.contents.place().to_owned(),
            reason: format!(
                "no platform of the image {} is whole in it; pull the image again and save it anew",
                found.digest
            ),
        }),
    }
}

impl Plain {
    fn place_of(&self, repository: &str, name: &Name) -> Option<usize> {
        let named = self
            .names
            .iter()
            .find(|(r, n, _)| r == repository && n == name);
        named.map(|(_, _, index)| *index)
    }

    async fn image(&self, index: usize) -> Result<&Prepared, ImageError> {
        self.prepared[index]
            .get_or_try_init(|| self.prepare(index))
            .await
    }

    fn invalid(&self, reason: String) -> ImageError {
        ImageError::Invalid {
            place: self.location.clone(),
            reason,
        }
    }

    async fn prepare(&self, index: usize) -> Result<Prepared, ImageError> {
        #[derive(Deserialize)]
        struct Config {
            rootfs: RootFs,
        }
        #[derive(Deserialize)]
        struct RootFs {
            #[serde(default)]
            diff_ids: Vec<Digest>,
        }
        let saved = &self.saved[index];
        let config = read_json(self.contents.as_ref(), &saved.config)?.ok_or_else(|| {
            self.invalid(format!(
                "`manifest.json` names `{}`, which is not in it",
                saved.config
            ))
        })?;
        let parsed: Config = serde_json::from_slice(&config).map_err(|error| {
            self.invalid(format!(
                "`{}` is no image configuration: {error}",
                saved.config
            ))
        })?;
        let paths = saved.layers.clone().unwrap_or_default();
        if paths.len() != parsed.rootfs.diff_ids.len() {
            return Err(self.invalid(format!(
                "`manifest.json` has {} layers for `{}`, which names {}",
                paths.len(),
                saved.config,
                parsed.rootfs.diff_ids.len()
            )));
        }
        let layers: Vec<Layer> = futures_util::stream::iter(paths)
            .map(|path| self.layer(path))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (layer, expected) in layers.iter().zip(&parsed.rootfs.diff_ids) {
            if layer.plain != *expected {
                return Err(ImageError::WrongBytes {
                    place: self.location.clone(),
                    expected: expected.clone(),
                    found: layer.plain.clone(),
                });
            }
        }
        let config_digest = Digest::of(&config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::DOCKER_MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(),
                "digest": config_digest,
            },
            "layers": layers.iter().map(|layer| json!({
                "mediaType": layer.descriptor.media_type,
                "size": layer.descriptor.size,
                "digest": layer.descriptor.digest,
            })).collect::<Vec<_>>(),
        });
        Ok(Prepared {
            manifest: Manifest::new(media_type::DOCKER_MANIFEST, manifest.to_string().into()),
            config: config.into(),
            config_digest,
        })
    }

    async fn layer(&self, path: String) -> Result<Layer, ImageError> {
        // A link and the file that it leads to are the same layer.
        let part = self.contents.open(&path)?.ok_or_else(|| {
            self.invalid(format!(
                "`manifest.json` names the layer `{path}`, which is not in it"
            ))
        })?;
        let key = format!("{}+{}", part.start, part.size);
        let cell = {
            let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(layers.entry(key).or_default())
        };
        let layer = cell
            .get_or_try_init(|| async {
                tokio::task::spawn_blocking(move || convert::layer(&part))
                    .await
                    .map_err(std::io::Error::other)
                    .and_then(|layer| layer)
                    .map_err(|error| local(&self.location, &error))
            })
            .await?;
        Ok(layer.clone())
    }

    fn prepared(&self) -> impl Iterator<Item = &Prepared> {
        self.prepared.iter().filter_map(OnceCell::get)
    }

    async fn manifest(
        &self,
        repository: &str,
        name: &Name,
    ) -> Result<Option<Manifest>, ImageError> {
        match name {
            Name::Tag(_) => match self.place_of(repository, name) {
                Some(index) => Ok(Some(self.image(index).await?.manifest.clone())),
                None => Ok(None),
            },
            Name::Digest(digest) => {
                // Digests are known when the layers have been compressed.
                for index in 0..self.saved.len() {
                    let image = self.image(index).await?;
                    if image.manifest.digest == *digest {
                        return Ok(Some(image.manifest.clone()));
                    }
                }
                Ok(None)
            }
        }
    }

    fn blob(&self, blob: &Descriptor, range: Range<u64>) -> Result<ByteStream, ImageError> {
        if let Some(image) = self
            .prepared()
            .find(|image| image.config_digest == blob.digest)
        {
            let bytes = usize::try_from(range.start)
                .ok()
                .zip(usize::try_from(range.end).ok())
                .and_then(|(start, end)| image.config.get(start..end.min(image.config.len())))
                .map(Bytes::copy_from_slice)
                .unwrap_or_default();
            return Ok(futures_util::stream::iter([Ok(bytes)]).boxed());
        }
        let part = self
            .layers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .filter_map(|cell| cell.get())
            .find(|layer| layer.descriptor.digest == blob.digest)
            .map(|layer| layer.part.clone());
        match part {
            Some(part) => Ok(part.stream(range, self.location.clone())),
            None => Err(ImageError::NotFound {
                what: format!("blob {}", blob.digest),
                place: self.location.clone(),
            }),
        }
    }
}

impl Source for DockerArchive {
    fn location(&self) -> &str {
        &self.location
    }

    fn resolve<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Descriptor>> {
        async move {
            match &self.form {
                Form::Exact(reader) => match reader.resolve(repository, name)? {
                    Some(found) => present(reader, found).map(Some),
                    None => Ok(None),
                },
                Form::Plain(plain) => {
                    let manifest = plain.manifest(repository, name).await?;
                    Ok(manifest.map(|manifest| manifest.descriptor()))
                }
            }
        }
        .boxed()
    }

    fn manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Manifest>> {
        async move {
            match &self.form {
                Form::Exact(reader) => match self.resolve(repository, name).await? {
                    Some(found) => reader.manifest(repository, &Name::Digest(found.digest)),
                    None => Ok(None),
                },
                Form::Plain(plain) => plain.manifest(repository, name).await,
            }
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
            match &self.form {
                Form::Exact(reader) => Ok(reader.blob(blob)?.stream(range, self.location.clone())),
                Form::Plain(plain) => plain.blob(blob, range),
            }
        }
        .boxed()
    }

    fn tags<'a>(&'a self, repository: &'a str) -> BoxStream<'a, Result<Vec<String>, ImageError>> {
        futures_util::stream::once(async move {
            let mut tags: Vec<String> = self
                .images()?
                .into_iter()
                .filter(|(own, _)| own == repository)
                .filter_map(|(_, name)| match name {
                    Name::Tag(tag) => Some(tag),
                    Name::Digest(_) => None,
                })
                .collect();
            tags.sort();
            Ok(tags)
        })
        .boxed()
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<String>, ImageError>> {
        futures_util::stream::once(async move {
            let mut all: Vec<String> = self.images()?.into_iter().map(|(own, _)| own).collect();
            all.sort();
            all.dedup();
            Ok(all)
        })
        .boxed()
    }

    fn referrers<'a>(&'a self, repository: &'a str, digest: &'a Digest) -> Step<'a, Vec<Referrer>> {
        async move {
            match &self.form {
                Form::Exact(reader) => reader.referrers(repository, digest),
                Form::Plain(_) => Ok(Vec::new()),
            }
        }
        .boxed()
    }
}

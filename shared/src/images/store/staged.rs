//! Targets that take all images at once: an archive, or a Docker engine.
//!
//! Images are collected in an OCI layout beside the goal first. When all are there, they are packed and handed over; an
//! interruption leaves the layout, and the next run goes on with it.

use std::ops::Range;
use std::path::PathBuf;

use futures_util::FutureExt as _;
use futures_util::stream::BoxStream;

use super::archive::{PackForm, pack};
use super::{
    BeginBlob, ByteStream, DockerEngine, Layout, Name, Referrer, Source, Step, Target, Upload,
};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// What the images are handed over to.
#[derive(Debug, Clone)]
pub enum Goal {
    /// An OCI layout in a tar archive.
    OciArchive(PathBuf),
    /// An archive that `docker load` reads.
    DockerArchive(PathBuf),
    /// A Docker engine.
    Engine(DockerEngine),
}

/// A target that takes all images at once.
#[derive(Debug, Clone)]
pub struct Staged {
    layout: Layout,
    goal: Goal,
    location: String,
}

impl Staged {
    /// Opens a target. `folder` is where images are collected if the goal has no place beside it.
    ///
    /// # Errors
    /// The archive is there already, or the folder cannot be made.
    pub fn open(goal: Goal, folder: &std::path::Path) -> Result<Self, ImageError> {
        let (location, stage) = match &goal {
            Goal::OciArchive(file) | Goal::DockerArchive(file) => {
                if file.symlink_metadata().is_ok() {
                    return Err(ImageError::Refused {
                        what: "the images".into(),
                        place: file.display().to_string(),
                        reason: "the file is there already; remove it or choose another name"
                            .into(),
                    });
                }
                let kind = match &goal {
                    Goal::OciArchive(_) => "oci-archive",
                    _ => "docker-archive",
                };
                let mut stage = file.as_os_str().to_owned();
                stage.push(".parts");
                (format!("{kind}:{}", file.display()), PathBuf::from(stage))
            }
            Goal::Engine(engine) => {
                let id = Digest::of(engine.location().as_bytes());
                (
                    engine.location().to_owned(),
                    folder.join(format!("engine-{}", id.short())),
                )
            }
        };
        Ok(Self {
            layout: Layout::create(&stage)?,
            goal,
            location,
        })
    }

    /// Hands all images over and removes what was collected. Returns what has to be known about it.
    ///
    /// # Errors
    /// The archive cannot be written, or the engine refuses it. What was collected stays then.
    pub async fn finish(&self) -> Result<Vec<String>, ImageError> {
        if !self.layout.folder().join("oci-layout").exists() {
            // The goal had everything already.
            return Ok(Vec::new());
        }
        let own = self.clone();
        let packed = tokio::task::spawn_blocking(move || match &own.goal {
            Goal::OciArchive(file) => {
                pack(&own.layout, file, PackForm::Oci).map(|notes| (notes, None))
            }
            Goal::DockerArchive(file) => {
                pack(&own.layout, file, PackForm::Docker).map(|notes| (notes, None))
            }
            Goal::Engine(_) => {
                let file = own.layout.folder().with_extension("tar");
                pack(&own.layout, &file, PackForm::Docker).map(|notes| (notes, Some(file)))
            }
        })
        .await
        .map_err(|error| ImageError::Local(error.to_string()))?;
        let (notes, file) = packed?;
        if let (Goal::Engine(engine), Some(file)) = (&self.goal, file) {
            let loaded = engine.load(&file).await;
            fs_err::remove_file(&file).map_err(|error| ImageError::Local(error.to_string()))?;
            loaded?;
        }
        fs_err::remove_dir_all(self.layout.folder())
            .map_err(|error| ImageError::Local(error.to_string()))?;
        Ok(notes)
    }

    /// Where the images are collected.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.layout.folder()
    }
}

impl Source for Staged {
    fn location(&self) -> &str {
        &self.location
    }

    fn resolve<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Descriptor>> {
        async move {
            match (self.layout.resolve(repository, name).await?, &self.goal) {
                (None, Goal::Engine(engine)) => engine.kept(repository, name).await,
                (found, _) => Ok(found),
            }
        }
        .boxed()
    }

    fn manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Manifest>> {
        self.layout.manifest(repository, name)
    }

    fn blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        range: Range<u64>,
    ) -> Step<'a, ByteStream> {
        self.layout.blob(repository, blob, range)
    }

    fn tags<'a>(&'a self, repository: &'a str) -> BoxStream<'a, Result<Vec<String>, ImageError>> {
        self.layout.tags(repository)
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<String>, ImageError>> {
        self.layout.repositories()
    }

    fn referrers<'a>(&'a self, repository: &'a str, digest: &'a Digest) -> Step<'a, Vec<Referrer>> {
        self.layout.referrers(repository, digest)
    }
}

impl Target for Staged {
    fn has_blob<'a>(&'a self, repository: &'a str, blob: &'a Descriptor) -> Step<'a, bool> {
        self.layout.has_blob(repository, blob)
    }

    fn begin_blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        mount_from: Option<&'a str>,
    ) -> Step<'a, BeginBlob> {
        self.layout.begin_blob(repository, blob, mount_from)
    }

    fn resume_blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        token: &'a str,
    ) -> Step<'a, Option<Box<dyn Upload>>> {
        self.layout.resume_blob(repository, blob, token)
    }

    fn put_manifest<'a>(
        &'a self,
        repository: &'a str,
        name: &'a Name,
        manifest: &'a Manifest,
    ) -> Step<'a, ()> {
        self.layout.put_manifest(repository, name, manifest)
    }

    fn delete_manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, ()> {
        self.layout.delete_manifest(repository, name)
    }

    fn mounts(&self) -> bool {
        true
    }
}

//! Where images come from and go to, as options.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use crate::images::credential::CredentialFiles;
use crate::images::registry::{Allowance, Registry, RegistryOptions};
use crate::images::rewrite::ImageName;
use crate::images::store::{
    DockerArchive, DockerEngine, Goal, Layout, Name, OciArchive, Source, Staged, Target,
};
use crate::images::{ImageError, Reference};

/// How registries are reached.
#[derive(Debug, Clone, Args, Default)]
#[command(next_help_heading = "Registries")]
pub struct StoreOptions {
    /// Registry that is spoken to without TLS; those on this machine need not be named
    #[arg(long, value_name = "HOST[:PORT]")]
    pub plain_http: Vec<String>,
    /// Certificates of a private authority, as PEM
    #[arg(long, value_name = "FILE")]
    pub ca_file: Vec<PathBuf>,
    /// Our own certificate and its key, as PEM
    #[arg(long, value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,
    /// Host that is asked in a registry's place
    #[arg(long, value_name = "REGISTRY=HOST", value_parser = pair)]
    pub mirror: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(from, to)| !from.is_empty() && !to.is_empty())
        .map(|(from, to)| (from.to_owned(), to.to_owned()))
        .ok_or_else(|| "REGISTRY=HOST is expected".to_owned())
}

impl StoreOptions {
    /// The options of the registry client.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn registry_options(&self) -> Result<RegistryOptions, ImageError> {
        let read = |path: &PathBuf| {
            fs_err::read(path).map_err(|error| ImageError::Local(error.to_string()))
        };
        Ok(RegistryOptions {
            plain: self.plain_http.iter().cloned().collect::<BTreeSet<_>>(),
            authorities: self.ca_file.iter().map(read).collect::<Result<_, _>>()?,
            identity: self.client_certificate.as_ref().map(read).transpose()?,
            mirrors: self.mirror.iter().cloned().collect(),
            memory: crate::cli::state_folder().map(|folder| folder.join("images").join(MEMORY)),
        })
    }
}

/// What is learned of registries lies in this folder, beside the state of syncs.
const MEMORY: &str = "registries";

/// A store other than the registries that references name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// An OCI layout folder: `oci:DIR`.
    Layout(PathBuf),
    /// An OCI layout in a tar archive: `oci-archive:FILE`.
    OciArchive(PathBuf),
    /// What `docker save` writes and `docker load` reads: `docker-archive:FILE`.
    DockerArchive(PathBuf),
    /// The Docker engine: `docker-daemon:`.
    Engine,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("oci", folder)) if !folder.is_empty() => Ok(Self::Layout(folder.into())),
            Some(("oci-archive", file)) if !file.is_empty() => Ok(Self::OciArchive(file.into())),
            Some(("docker-archive", file)) if !file.is_empty() => {
                Ok(Self::DockerArchive(file.into()))
            }
            Some(("docker-daemon", "")) => Ok(Self::Engine),
            _ => Err(format!(
                "`{text}` is no store; oci:DIR, oci-archive:FILE, docker-archive:FILE or docker-daemon: is expected"
            )),
        }
    }
}

/// All stores of one command, each opened once.
#[derive(Debug)]
pub struct Stores {
    options: RegistryOptions,
    credentials: Arc<CredentialFiles>,
    sources: Mutex<HashMap<String, Registry>>,
    targets: Mutex<HashMap<String, Registry>>,
    opened: Mutex<HashMap<Place, Opened>>,
    staged: Mutex<HashMap<Place, Staged>>,
    nowhere: Mutex<Option<Arc<Layout>>>,
}

/// A store that is read from.
#[derive(Debug, Clone)]
enum Opened {
    Layout(Arc<Layout>),
    OciArchive(Arc<OciArchive>),
    DockerArchive(Arc<DockerArchive>),
    Engine(Arc<DockerEngine>),
}

impl Stores {
    /// Stores with these options, and the credentials of docker and podman.
    ///
    /// # Errors
    /// A file of the options cannot be read.
    pub fn new(options: &StoreOptions) -> Result<Self, ImageError> {
        Ok(Self {
            options: options.registry_options()?,
            credentials: Arc::new(CredentialFiles::from_environment()),
            sources: Mutex::default(),
            targets: Mutex::default(),
            opened: Mutex::default(),
            staged: Mutex::default(),
            nowhere: Mutex::default(),
        })
    }

    /// Keeps what is learned of registries in this folder instead of that of the user's state.
    #[must_use]
    pub fn with_state_in(mut self, folder: Option<&Path>) -> Self {
        if let Some(folder) = folder {
            self.options.memory = Some(folder.join(MEMORY));
        }
        self
    }

    /// Adds the Secrets by which an application pulls its images; the user's own credentials come first.
    pub fn add_pull_secrets(&self, secrets: &[serde_json::Value]) {
        for secret in secrets {
            // One that is damaged helps nobody, and its registry will say so.
            let _ = self.credentials.add_secret(secret);
        }
    }

    /// A registry to read from.
    ///
    /// # Errors
    /// The TLS settings are wrong.
    pub fn source_registry(&self, host: &str) -> Result<Arc<dyn Source>, ImageError> {
        Ok(Arc::new(self.registry(&self.sources, host, false)?))
    }

    /// A registry to write to.
    ///
    /// # Errors
    /// The TLS settings are wrong.
    pub fn target_registry(&self, host: &str) -> Result<Arc<dyn Target>, ImageError> {
        Ok(Arc::new(self.registry(&self.targets, host, true)?))
    }

    fn registry(
        &self,
        known: &Mutex<HashMap<String, Registry>>,
        host: &str,
        writing: bool,
    ) -> Result<Registry, ImageError> {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = known.get(host) {
            return Ok(registry.clone());
        }
        let registry = Registry::new(host, &self.options, self.credentials.clone(), writing)?;
        known.insert(host.to_owned(), registry.clone());
        Ok(registry)
    }

    /// What registries say of the requests that they still allow, by their hosts: sources first.
    #[must_use]
    pub fn allowances(&self) -> Vec<(String, Allowance)> {
        let mut said: Vec<(String, Allowance)> = Vec::new();
        for known in [&self.sources, &self.targets] {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let mut hosts: Vec<_> = known.iter().collect();
            hosts.sort_by_key(|(host, _)| *host);
            for (host, registry) in hosts {
                if let Some(allowance) = registry.allowance()
                    && said.iter().all(|(other, _)| other != host)
                {
                    said.push((host.clone(), allowance));
                }
            }
        }
        said
    }

    /// Where an image is read from, and its repository there. A layout knows an image by the name that it was copied
    /// under: its whole repository with the registry, or without.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn source(
        &self,
        place: Option<&Place>,
        image: &Reference,
    ) -> Result<(Arc<dyn Source>, String), ImageError> {
        match place {
            None => Ok((
                self.source_registry(image.registry())?,
                image.repository().to_owned(),
            )),
            Some(place) => {
                let source: Arc<dyn Source> = match self.open(place)? {
                    Opened::Layout(store) => store,
                    Opened::OciArchive(store) => store,
                    Opened::DockerArchive(store) => store,
                    Opened::Engine(store) => store,
                };
                Ok((source, repository_in_layout(image)))
            }
        }
    }

    fn open(&self, place: &Place) -> Result<Opened, ImageError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = opened.get(place) {
            return Ok(store.clone());
        }
        let store = match place {
            Place::Layout(folder) => Opened::Layout(Arc::new(Layout::open(folder)?)),
            Place::OciArchive(file) => Opened::OciArchive(Arc::new(OciArchive::open(file)?)),
            Place::DockerArchive(file) => {
                Opened::DockerArchive(Arc::new(DockerArchive::open(file)?))
            }
            Place::Engine => Opened::Engine(Arc::new(DockerEngine::connect()?)),
        };
        opened.insert(place.clone(), store.clone());
        Ok(store)
    }

    /// All images of a store: `REGISTRY/REPOSITORY:TAG`, or with a digest where there is no tag.
    ///
    /// # Errors
    /// The store cannot be opened or read.
    pub async fn images(&self, place: &Place) -> Result<Vec<String>, ImageError> {
        let images = match self.open(place)? {
            Opened::Layout(store) => store.images()?,
            Opened::OciArchive(store) => store.images()?,
            Opened::DockerArchive(store) => store.images()?,
            Opened::Engine(store) => store.images().await?,
        };
        let mut names: Vec<String> = images
            .into_iter()
            .map(|(repository, name)| match name {
                Name::Tag(tag) => format!("{repository}:{tag}"),
                Name::Digest(digest) => format!("{repository}@{digest}"),
            })
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Where an image of the engine is as it was pulled: its registry still has it, and can be reached. Its layers come
    /// from there byte for byte, which an engine does not always keep.
    pub async fn origin(
        &self,
        place: Option<&Place>,
        image: &Reference,
    ) -> Option<(Arc<dyn Source>, String, Name)> {
        if place != Some(&Place::Engine) {
            return None;
        }
        let Ok(Opened::Engine(engine)) = self.open(&Place::Engine) else {
            return None;
        };
        let name: ImageName = image.whole().parse().ok()?;
        for origin in engine.origins(&name).await.ok()? {
            let source = self.source_registry(&origin.registry).ok()?;
            let digest = Name::Digest(origin.digest.clone()?);
            if let Ok(Some(_)) = source.resolve(&origin.repository, &digest).await {
                return Some((source, origin.repository, digest));
            }
        }
        None
    }

    /// Whether the images that were read have the digests that they had at their registry.
    #[must_use]
    pub fn keeps_digests(&self) -> bool {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.values().all(|store| match store {
            Opened::DockerArchive(archive) => archive.keeps_digests(),
            Opened::Engine(engine) => engine.keeps_digests(),
            Opened::Layout(_) | Opened::OciArchive(_) => true,
        })
    }

    /// Hands images over to targets that take all at once: archives and engines. Returns what has to be known about it.
    ///
    /// # Errors
    /// One of them cannot be written. What was collected for it stays.
    pub async fn finish(&self) -> Result<Vec<String>, ImageError> {
        let staged: Vec<Staged> = {
            let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
            staged.values().cloned().collect()
        };
        let mut notes = Vec::new();
        for target in staged {
            notes.extend(target.finish().await?);
        }
        Ok(notes)
    }

    /// Where an image is written to, and its repository there.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn target(
        &self,
        place: Option<&Place>,
        image: &Reference,
    ) -> Result<(Arc<dyn Target>, String), ImageError> {
        match place {
            None => Ok((
                self.target_registry(image.registry())?,
                image.repository().to_owned(),
            )),
            Some(Place::Layout(folder)) => Ok((
                Arc::new(Layout::create(folder)?),
                repository_in_layout(image),
            )),
            Some(place) => Ok((Arc::new(self.stage(place)?), repository_in_layout(image))),
        }
    }

    /// A target that has nothing, for looking at images without one: a folder that is never made.
    ///
    /// # Errors
    /// As [`Self::target`].
    pub fn nowhere(&self, image: &Reference) -> Result<(Arc<dyn Target>, String), ImageError> {
        let mut nowhere = self.nowhere.lock().unwrap_or_else(PoisonError::into_inner);
        let layout = if let Some(layout) = &*nowhere {
            Arc::clone(layout)
        } else {
            let name = format!("migrate-nowhere-{}", std::process::id());
            let layout = Arc::new(Layout::create(std::env::temp_dir().join(name))?);
            Arc::clone(nowhere.insert(layout))
        };
        Ok((layout, repository_in_layout(image)))
    }

    fn stage(&self, place: &Place) -> Result<Staged, ImageError> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = staged.get(place) {
            return Ok(target.clone());
        }
        let goal = match place {
            Place::OciArchive(file) | Place::Layout(file) => Goal::OciArchive(file.clone()),
            Place::DockerArchive(file) => Goal::DockerArchive(file.clone()),
            Place::Engine => Goal::Engine(DockerEngine::connect()?),
        };
        let folder = crate::cli::state_folder().unwrap_or_else(std::env::temp_dir);
        let target = Staged::open(goal, &folder.join("images"))?;
        staged.insert(place.clone(), target.clone());
        Ok(target)
    }
}

/// `docker.io/library/redis`: images of several registries lie together.
fn repository_in_layout(image: &Reference) -> String {
    format!("{}/{}", image.registry(), image.repository())
}

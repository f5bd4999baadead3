//! Where images come from and go to, as options.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use crate::images::credential::CredentialFiles;
use crate::images::registry::{Registry, RegistryOptions};
use crate::images::store::{Layout, Source, Target};
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
        })
    }
}

/// A store other than the registries that references name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An OCI layout folder: `oci:DIR`.
    Layout(PathBuf),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("oci", folder)) if !folder.is_empty() => Ok(Self::Layout(folder.into())),
            _ => Err(format!("`{text}` is no store; oci:DIR is expected")),
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
        })
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
            Some(Place::Layout(folder)) => {
                Ok((Arc::new(Layout::open(folder)?), repository_in_layout(image)))
            }
        }
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
        }
    }
}

/// `docker.io/library/redis`: images of several registries lie together.
fn repository_in_layout(image: &Reference) -> String {
    format!("{}/{}", image.registry(), image.repository())
}

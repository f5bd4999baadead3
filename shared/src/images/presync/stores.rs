//! The registries of the rules, each opened once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::rules::{self, OriginKind, Rules};
use crate::images::ImageError;
use crate::images::credential::CredentialFiles;
use crate::images::registry::{Registry, RegistryOptions};

/// Credentials are read anew after this time: those of clouds expire.
const CREDENTIALS_LAST: Duration = Duration::from_mins(30);

/// Requests by registry, method and status.
pub type Requests = BTreeMap<(String, String, u16), u64>;

/// Clients of registries, by host and whether they write.
#[derive(Debug, Default)]
pub struct Stores {
    open: Mutex<HashMap<(String, bool), Client>>,
    /// Requests of clients that were given up.
    past: Mutex<Requests>,
}

#[derive(Debug)]
struct Client {
    registry: Registry,
    opened: Instant,
}

impl Stores {
    /// A registry by its host. Its settings are those of the source or target with this host.
    ///
    /// # Errors
    /// The certificate file cannot be read, or the TLS settings are wrong.
    pub fn registry(
        &self,
        rules: &Rules,
        host: &str,
        writing: bool,
    ) -> Result<Arc<Registry>, ImageError> {
        let key = (host.to_owned(), writing);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = open.get(&key)
            && client.opened.elapsed() < CREDENTIALS_LAST
        {
            return Ok(Arc::new(client.registry.clone()));
        }
        let mut options = RegistryOptions::default();
        if let Some(settings) = settings(rules, host) {
            if settings.plain_http {
                options.plain.insert(host.to_owned());
            }
            if let Some(file) = &settings.ca_file {
                let authority =
                    fs_err::read(file).map_err(|error| ImageError::Local(error.to_string()))?;
                options.authorities.push(authority);
            }
        }
        let credentials = Arc::new(CredentialFiles::from_environment());
        let registry = Registry::new(host, &options, credentials, writing)?;
        let client = Client {
            registry: registry.clone(),
            opened: Instant::now(),
        };
        if let Some(old) = open.insert(key, client) {
            self.keep_counts(host, &old.registry);
        }
        Ok(Arc::new(registry))
    }

    /// Gives up the clients of a host, so that the next ones read credentials and certificates anew.
    pub fn forget(&self, host: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for writing in [false, true] {
            if let Some(old) = open.remove(&(host.to_owned(), writing)) {
                self.keep_counts(host, &old.registry);
            }
        }
    }

    /// Gives up all clients: the rules have changed.
    pub fn forget_all(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for ((host, _), old) in open.drain() {
            self.keep_counts(&host, &old.registry);
        }
    }

    fn keep_counts(&self, host: &str, registry: &Registry) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut past, host, registry);
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut requests = self
            .past
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for ((host, _), client) in open.iter() {
            add(&mut requests, host, &client.registry);
        }
        requests
    }
}

fn add(requests: &mut Requests, host: &str, registry: &Registry) {
    for ((method, status), count) in registry.request_counts() {
        *requests
            .entry((host.to_owned(), method, status))
            .or_default() += count;
    }
}

fn settings<'r>(rules: &'r Rules, host: &str) -> Option<&'r rules::Registry> {
    let sources = rules
        .sources
        .values()
        .filter_map(|origin| match &origin.kind {
            OriginKind::Registry(registry) => Some(registry),
            _ => None,
        });
    let targets = rules.targets.values().map(|target| &target.registry);
    sources
        .chain(targets)
        .find(|registry| registry.host == host)
}

/// An image at the source: `host`, and the repository there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The registry.
    pub host: String,
    /// The repository there.
    pub repository: String,
    /// The repository as rules and targets know it: without the source's prefix or host.
    pub name: String,
}

/// Where a job's image is. Registries are named by the rules; engines and clusters name images with their hosts.
#[must_use]
pub fn locate(rules: &Rules, source: &str, repository: &str) -> Option<Located> {
    match &rules.sources.get(source)?.kind {
        OriginKind::Registry(registry) => Some(Located {
            host: registry.host.clone(),
            repository: registry.repository(repository),
            name: repository.to_owned(),
        }),
        _ => {
            let (host, name) = repository.split_once('/')?;
            Some(Located {
                host: host.to_owned(),
                repository: name.to_owned(),
                name: name.to_owned(),
            })
        }
    }
}

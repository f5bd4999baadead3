//! A registry (OCI distribution specification 1.1; Docker registry HTTP API V2).
//!
//! The client is ours because a sync needs what ready-made ones lack: mounts with the right to read both repositories,
//! uploads that go on where they stopped, manifests byte for byte, tokens that are renewed in time, and the answers'
//! headers (`Retry-After`, `Link`, `OCI-Subject`).

mod allowance;
mod answer;
mod challenge;
mod http;
mod pace;
mod pages;
mod profile;
mod read;
mod referrers;
mod tls;
mod token;
mod upload;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, Response};

pub use allowance::Allowance;
pub use http::RequestCounts;

use self::http::{Http, Request};
use self::profile::Profile;
use self::token::Scopes;
use crate::images::ImageError;
use crate::images::credential::CredentialSource;
use crate::images::descriptor::media_type;
use crate::images::store::Name;

/// How we introduce ourselves; the loop guard of IPS knows our own pushes by it.
pub const USER_AGENT: &str = concat!("migrate/", env!("CARGO_PKG_VERSION"));

/// Largest manifest that is read, in bytes (OCI distribution specification: at least 4 MiB).
const LARGEST_MANIFEST: usize = 8 << 20;
/// A blob of which nothing comes for so long is given up.
const SILENCE: Duration = Duration::from_mins(1);

/// How registries are reached.
#[derive(Debug, Clone, Default)]
pub struct RegistryOptions {
    /// Registries that are spoken to without TLS, by host and port. Those on this machine need not be named.
    pub plain: BTreeSet<String>,
    /// Certificates of further authorities, as PEM.
    pub authorities: Vec<Vec<u8>>,
    /// Our own certificate and its key, as PEM.
    pub identity: Option<Vec<u8>>,
    /// Other hosts that are asked in a registry's place.
    pub mirrors: BTreeMap<String, String>,
    /// Folder for what is learned of registries, so that the next process knows it for some days.
    pub memory: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    Tls,
    Plain,
    /// On this machine: with or without.
    Loopback,
}

impl RegistryOptions {
    fn security(&self, host: &str) -> Security {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        if self.plain.contains(host) {
            Security::Plain
        } else if name == "localhost" || name.starts_with("127.") || name == "[::1]" {
            Security::Loopback
        } else {
            Security::Tls
        }
    }
}

/// One registry.
#[derive(Debug, Clone)]
pub struct Registry {
    http: Arc<Http>,
    profile: Arc<Profile>,
    writing: bool,
    referrers: Arc<referrers::Lock>,
}

impl Registry {
    /// A registry by its host and port, as it stands in references: `docker.io`, `localhost:5000`. With `writing`, its
    /// tokens are asked for with the right to write from the beginning.
    ///
    /// # Errors
    /// The TLS settings are wrong.
    pub fn new(
        host: &str,
        options: &RegistryOptions,
        credentials: Arc<dyn CredentialSource>,
        writing: bool,
    ) -> Result<Self, ImageError> {
        Ok(Self {
            http: Arc::new(Http::new(host, options, credentials)?),
            profile: Arc::new(Profile::of(host, options.memory.as_deref())),
            writing,
            referrers: Arc::default(),
        })
    }

    /// How many requests had which answer so far.
    #[must_use]
    pub fn request_counts(&self) -> RequestCounts {
        self.http.counts()
    }

    /// How many requests it still allows, if it says so.
    #[must_use]
    pub fn allowance(&self) -> Option<Allowance> {
        self.http.allowance()
    }

    fn scopes(&self, repository: &str) -> Scopes {
        if self.writing {
            Scopes::push(repository)
        } else {
            Scopes::pull(repository)
        }
    }

    async fn manifest_request(
        &self,
        method: Method,
        repository: &str,
        name: &Name,
    ) -> Result<Request, ImageError> {
        let url = self
            .http
            .url(&format!("{repository}/manifests/{name}"))
            .await?;
        let what = describe(repository, name);
        Ok(Request::new(method, url, self.scopes(repository), what)
            .accept(&media_type::ACCEPTED.join(", ")))
    }

    fn protocol(&self, reason: impl Into<String>) -> ImageError {
        ImageError::Protocol {
            place: self.http.place.clone(),
            reason: reason.into(),
        }
    }

    /// The whole body of a small answer.
    async fn body(&self, response: Response) -> Result<Bytes, ImageError> {
        let mut response = response;
        let mut bytes = Vec::new();
        loop {
            match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Ok(bytes.into()),
                Ok(Err(error)) => return Err(self.http.unreachable(&error)),
                Err(_) => return Err(self.http.silent()),
            }
            if bytes.len() > LARGEST_MANIFEST {
                return Err(self.protocol(format!(
                    "an answer has more than {} MiB",
                    LARGEST_MANIFEST >> 20
                )));
            }
        }
    }
}

fn describe(repository: &str, name: &Name) -> String {
    match name {
        Name::Tag(tag) => format!("manifest {repository}:{tag}"),
        Name::Digest(digest) => format!("manifest {repository}@{digest}"),
    }
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_or_asked_for() {
        let options = RegistryOptions {
            plain: ["10.0.0.1:5000".to_owned()].into(),
            ..RegistryOptions::default()
        };
        assert_eq!(options.security("10.0.0.1:5000"), Security::Plain);
        assert_eq!(options.security("localhost:5000"), Security::Loopback);
        assert_eq!(options.security("127.0.0.1"), Security::Loopback);
        assert_eq!(options.security("[::1]:5000"), Security::Loopback);
        assert_eq!(options.security("localhost.example"), Security::Tls);
    }
}

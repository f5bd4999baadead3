//! A registry (OCI distribution specification 1.1; Docker registry HTTP API V2).
//!
//! The client is ours because a sync needs what ready-made ones lack: mounts with the right to read both repositories,
//! uploads that go on where they stopped, manifests byte for byte, tokens that are renewed in time, and the answers'
//! headers (`Retry-After`, `Link`, `OCI-Subject`).

mod answer;
mod challenge;
mod http;
mod pace;
mod profile;
mod referrers;
mod tls;
mod token;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, LINK, RANGE};
use reqwest::{Method, Response};
use serde_json::Value;
use url::Url;

pub use http::RequestCounts;

use self::http::{Http, Lane, Request};
use self::profile::Profile;
use self::token::Scopes;
use crate::images::credential::CredentialSource;
use crate::images::descriptor::media_type;
use crate::images::digest::{Algorithm, Hasher};
use crate::images::store::{BeginBlob, ByteStream, Name, Referrer, Source, Step, Target, Upload};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// How we introduce ourselves; the loop guard of IPS knows our own pushes by it.
pub const USER_AGENT: &str = concat!("migrate/", env!("CARGO_PKG_VERSION"));

/// Largest manifest that is read, in bytes (OCI distribution specification: at least 4 MiB).
const LARGEST_MANIFEST: usize = 8 << 20;
/// Entries in one page of a list.
const PAGE: usize = 1000;
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
            profile: Arc::new(Profile::of(host)),
            writing,
            referrers: Arc::default(),
        })
    }

    /// How many requests had which answer so far.
    #[must_use]
    pub fn request_counts(&self) -> RequestCounts {
        self.http.counts()
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

    /// The pages of a list: each has the names under `key`, and links to the next one.
    fn pages<'a>(
        &'a self,
        first: String,
        scopes: Scopes,
        key: &'static str,
        what: String,
    ) -> BoxStream<'a, Result<Vec<String>, ImageError>> {
        futures_util::stream::try_unfold(
            Some(Err(first)),
            move |place: Option<Result<Url, String>>| {
                let (scopes, what) = (scopes.clone(), what.clone());
                async move {
                    let url = match place {
                        None => return Ok(None),
                        Some(Ok(url)) => url,
                        Some(Err(path)) => self.http.url(&path).await?,
                    };
                    let request = Request::new(Method::GET, url, scopes, what);
                    let response = self.http.send(&request, &[200]).await?;
                    let next = next_page(&request.url, response.headers().get(LINK));
                    let body: Value = serde_json::from_slice(&self.body(response).await?)
                        .map_err(|_| self.protocol("its list is no JSON"))?;
                    let names = body[key]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|name| name.as_str().map(str::to_owned))
                        .collect();
                    Ok(Some((names, next.map(Ok))))
                }
            },
        )
        .boxed()
    }
}

fn describe(repository: &str, name: &Name) -> String {
    match name {
        Name::Tag(tag) => format!("manifest {repository}:{tag}"),
        Name::Digest(digest) => format!("manifest {repository}@{digest}"),
    }
}

/// `<URL>; rel="next"` (RFC 8288); the URL can be relative.
fn next_page(asked: &Url, link: Option<&HeaderValue>) -> Option<Url> {
    link?.to_str().ok()?.split(',').find_map(|entry| {
        let (target, parameters) = entry.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters
            .split(';')
            .any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
        let next = asked.join(target).ok()?;
        (is_next && next != *asked).then_some(next)
    })
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name)?.to_str().ok()
}

impl Source for Registry {
    fn location(&self) -> &str {
        &self.http.place
    }

    fn resolve<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Descriptor>> {
        async move {
            let request = self
                .manifest_request(Method::HEAD, repository, name)
                .await?;
            let response = self.http.send(&request, &[200, 404]).await?;
            if response.status().as_u16() == 404 {
                return Ok(None);
            }
            let digest =
                header(&response, "docker-content-digest").and_then(|text| text.parse().ok());
            let size =
                header(&response, CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
            let kind = header(&response, CONTENT_TYPE.as_str()).map(str::to_owned);
            if let (Some(digest), Some(size), Some(kind)) = (digest, size, kind) {
                return Ok(Some(Descriptor::new(kind, digest, size)));
            }
            let manifest = self.manifest(repository, name).await?;
            Ok(manifest.map(|manifest| manifest.descriptor()))
        }
        .boxed()
    }

    fn manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, Option<Manifest>> {
        async move {
            let request = self.manifest_request(Method::GET, repository, name).await?;
            let response = self.http.send(&request, &[200, 404]).await?;
            if response.status().as_u16() == 404 {
                return Ok(None);
            }
            let kind = header(&response, CONTENT_TYPE.as_str())
                .unwrap_or_default()
                .to_owned();
            let claimed: Option<Digest> =
                header(&response, "docker-content-digest").and_then(|text| text.parse().ok());
            let mut manifest = Manifest::new(&kind, self.body(response).await?);
            let expected = match name {
                Name::Digest(digest) => Some(digest.clone()),
                // The digest of a signed schema 1 manifest does not cover its signatures.
                Name::Tag(_) if kind == media_type::DOCKER_SCHEMA_1 => None,
                Name::Tag(_) => claimed,
            };
            if let Some(expected) = expected {
                let found = match expected.algorithm() {
                    Algorithm::Sha256 => manifest.digest.clone(),
                    algorithm @ Algorithm::Sha512 => {
                        let mut hasher = Hasher::new(algorithm);
                        hasher.update(&manifest.bytes);
                        hasher.finish()
                    }
                };
                if found != expected {
                    return Err(ImageError::WrongBytes {
                        place: self.http.place.clone(),
                        expected,
                        found,
                    });
                }
                manifest.digest = expected;
            }
            Ok(Some(manifest))
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
            if range.is_empty() {
                return Ok(futures_util::stream::empty().boxed());
            }
            let path = format!("{repository}/blobs/{}", blob.digest);
            let url = self.http.url(&path).await?;
            let what = format!("blob {} of {repository}", blob.digest);
            let mut request =
                Request::new(Method::GET, url, self.scopes(repository), what).lane(Lane::Data);
            let partial = range.start > 0 || range.end < blob.size;
            if partial
                && let Ok(value) =
                    HeaderValue::from_str(&format!("bytes={}-{}", range.start, range.end - 1))
            {
                request.headers.insert(RANGE, value);
            }
            let response = self.http.send(&request, &[200, 206]).await?;
            // A registry without ranges sends all: what comes before is read and dropped.
            let begins = if response.status().as_u16() == 206 {
                let text = header(&response, CONTENT_RANGE.as_str()).unwrap_or_default();
                text.trim_start_matches("bytes ")
                    .split_once('-')
                    .and_then(|(start, _)| start.parse().ok())
                    .filter(|start| *start <= range.start)
                    .ok_or_else(|| {
                        self.protocol(format!(
                            "it answers `{text}` when asked for bytes from {}",
                            range.start
                        ))
                    })?
            } else {
                0
            };
            Ok(self.exactly(response, range.start - begins, range.end - range.start))
        }
        .boxed()
    }

    fn serves_ranges(&self) -> bool {
        !self.http.is_near()
    }

    fn is_near(&self) -> bool {
        self.http.is_near()
    }

    fn tags<'a>(&'a self, repository: &'a str) -> BoxStream<'a, Result<Vec<String>, ImageError>> {
        self.pages(
            format!("{repository}/tags/list?n={PAGE}"),
            self.scopes(repository),
            "tags",
            format!("tags of {repository}"),
        )
    }

    fn repositories(&self) -> BoxStream<'_, Result<Vec<String>, ImageError>> {
        self.pages(
            format!("_catalog?n={PAGE}"),
            Scopes::catalog(),
            "repositories",
            "list of repositories".into(),
        )
    }

    fn referrers<'a>(&'a self, repository: &'a str, digest: &'a Digest) -> Step<'a, Vec<Referrer>> {
        self.find_referrers(repository, digest).boxed()
    }
}

impl Registry {
    /// The bytes of an answer after `skip`, `length` of them: fewer are an error, more are not taken.
    fn exactly(&self, response: Response, skip: u64, length: u64) -> ByteStream {
        struct State {
            response: Response,
            skip: u64,
            left: u64,
            http: Arc<Http>,
        }
        let state = State {
            response,
            skip,
            left: length,
            http: Arc::clone(&self.http),
        };
        futures_util::stream::try_unfold(state, |mut state| async move {
            while state.left > 0 {
                let mut chunk = match tokio::time::timeout(SILENCE, state.response.chunk()).await {
                    Ok(Ok(Some(chunk))) => chunk,
                    Ok(Ok(None)) => {
                        return Err(ImageError::Unreachable {
                            place: state.http.place.clone(),
                            reason: format!("it ends a blob {} bytes too early", state.left),
                        });
                    }
                    Ok(Err(error)) => return Err(state.http.unreachable(&error)),
                    Err(_) => return Err(state.http.silent()),
                };
                let dropped = state.skip.min(chunk.len() as u64);
                state.skip -= dropped;
                // Both are at most the length of the piece.
                let _ = chunk.split_to(usize::try_from(dropped).unwrap_or(chunk.len()));
                chunk.truncate(usize::try_from(state.left).unwrap_or(usize::MAX));
                state.left -= chunk.len() as u64;
                if !chunk.is_empty() {
                    return Ok(Some((chunk, state)));
                }
            }
            Ok(None)
        })
        .into_stream()
        .boxed()
    }
}

impl Target for Registry {
    fn has_blob<'a>(&'a self, repository: &'a str, blob: &'a Descriptor) -> Step<'a, bool> {
        async move {
            let url = self
                .http
                .url(&format!("{repository}/blobs/{}", blob.digest))
                .await?;
            let what = format!("blob {} of {repository}", blob.digest);
            let request = Request::new(Method::HEAD, url, self.scopes(repository), what);
            let response = self.http.send(&request, &[200, 404]).await?;
            Ok(response.status().as_u16() == 200)
        }
        .boxed()
    }

    fn begin_blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        mount_from: Option<&'a str>,
    ) -> Step<'a, BeginBlob> {
        upload::begin(&self.http, &self.profile, repository, blob, mount_from).boxed()
    }

    fn resume_blob<'a>(
        &'a self,
        repository: &'a str,
        blob: &'a Descriptor,
        token: &'a str,
    ) -> Step<'a, Option<Box<dyn Upload>>> {
        upload::resume(&self.http, &self.profile, repository, blob, token).boxed()
    }

    fn put_manifest<'a>(
        &'a self,
        repository: &'a str,
        name: &'a Name,
        manifest: &'a Manifest,
    ) -> Step<'a, ()> {
        async move {
            let url = self
                .http
                .url(&format!("{repository}/manifests/{name}"))
                .await?;
            let what = describe(repository, name);
            let request = Request::new(Method::PUT, url, Scopes::push(repository), what)
                .body(&manifest.media_type, manifest.bytes.clone());
            let response = self.http.send(&request, &[200, 201, 202, 204]).await?;
            let stored =
                header(&response, "docker-content-digest").and_then(|text| text.parse().ok());
            if let Some(found) = stored.filter(|found: &Digest| {
                found.algorithm() == manifest.digest.algorithm() && *found != manifest.digest
            }) {
                return Err(ImageError::WrongBytes {
                    place: self.http.place.clone(),
                    expected: manifest.digest.clone(),
                    found,
                });
            }
            if header(&response, "oci-subject").is_none() {
                self.keep_referrer(repository, manifest).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn delete_manifest<'a>(&'a self, repository: &'a str, name: &'a Name) -> Step<'a, ()> {
        async move {
            let url = self
                .http
                .url(&format!("{repository}/manifests/{name}"))
                .await?;
            let what = describe(repository, name);
            let request = Request::new(Method::DELETE, url, Scopes::delete(repository), what);
            self.http
                .send(&request, &[200, 202, 204, 404])
                .await
                .map(drop)
        }
        .boxed()
    }

    fn mounts(&self) -> bool {
        self.profile.mounts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_can_be_relative() {
        let asked = Url::parse("http://localhost:5000/v2/a/tags/list?n=2").unwrap();
        let next = |text: &str| {
            next_page(&asked, Some(&HeaderValue::from_str(text).unwrap()))
                .map(|url| url.to_string())
        };
        assert_eq!(
            next("</v2/a/tags/list?last=b&n=2>; rel=\"next\"").as_deref(),
            Some("http://localhost:5000/v2/a/tags/list?last=b&n=2")
        );
        assert_eq!(
            next("</x>; rel=\"prev\", </y>; rel=next").as_deref(),
            Some("http://localhost:5000/y")
        );
        assert_eq!(next("</v2/a/tags/list?n=2>; rel=\"next\""), None);
        assert_eq!(next("nonsense"), None);
    }

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

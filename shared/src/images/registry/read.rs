//! A registry as a source.

use std::ops::Range;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE};
use reqwest::{Method, Response};
use url::Url;

use super::http::{Http, Lane, Request};
use super::token::Scopes;
use super::{Registry, SILENCE, header};
use crate::images::descriptor::media_type;
use crate::images::digest::{Algorithm, Hasher};
use crate::images::store::{ByteStream, Name, Referrer, Source, Step};
use crate::images::{Descriptor, Digest, ImageError, Manifest};

/// Entries in one page of a list.
const PAGE: usize = 1000;

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
            let response = match self.http.send(&request, &[200, 206]).await {
                Err(error @ ImageError::NotFound { .. }) if blob.is_foreign() => {
                    self.elsewhere(blob, &request, error).await?
                }
                other => other?,
            };
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
                if partial && !blob.is_foreign() {
                    self.profile.learn_without_ranges();
                }
                0
            };
            Ok(self.exactly(response, range.start - begins, range.end - range.start))
        }
        .boxed()
    }

    fn serves_ranges(&self) -> bool {
        !self.http.is_near() && self.profile.serves_ranges()
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
    /// The answer of the first server that has a foreign layer, by the URLs of its descriptor. They get no credentials, and
    /// the bytes are hashed as all are.
    async fn elsewhere(
        &self,
        blob: &Descriptor,
        request: &Request,
        missing: ImageError,
    ) -> Result<Response, ImageError> {
        let mut last = missing;
        for url in blob.urls.iter().filter_map(|url| Url::parse(url).ok()) {
            if !matches!(url.scheme(), "https" | "http") {
                continue;
            }
            let mut request = request.clone();
            request.what = format!(
                "layer {} at {}",
                blob.digest,
                url.host_str().unwrap_or_default()
            );
            request.url = url;
            match self.http.send(&request, &[200, 206]).await {
                Ok(response) => return Ok(response),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

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

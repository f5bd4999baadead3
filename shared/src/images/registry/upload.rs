//! Sending a blob (OCI distribution specification, "Pushing Blobs").
//!
//! The state of an upload lies in the URL that the registry gave, always the newest one. After a break the URL that was
//! used is void; a GET of it tells how far the registry got, and gives a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Method, Response};
use url::Url;

use super::answer::failure;
use super::http::{Http, Lane, Request};
use super::profile::{Profile, UploadStyle};
use super::token::Scopes;
use crate::images::store::{BeginBlob, ByteStream, Step, Upload};
use crate::images::{Descriptor, ImageError};

/// A body of which no byte could be sent for so long is given up.
const STALL: Duration = Duration::from_mins(1);
/// After the last byte a registry may take so long to hash the blob and put it into its storage.
const COMMIT: Duration = Duration::from_mins(15);

/// An upload session.
#[derive(Debug)]
pub(super) struct Session {
    http: Arc<Http>,
    profile: Arc<Profile>,
    repository: String,
    blob: Descriptor,
    location: Url,
    offset: u64,
}

/// Opens a session, or mounts the blob from another repository.
pub(super) async fn begin(
    http: &Arc<Http>,
    profile: &Arc<Profile>,
    repository: &str,
    blob: &Descriptor,
    mount_from: Option<&str>,
) -> Result<BeginBlob, ImageError> {
    let mut url = http.url(&format!("{repository}/blobs/uploads/")).await?;
    let mut scopes = Scopes::push(repository);
    if let Some(from) = mount_from.filter(|_| profile.mounts()) {
        url.query_pairs_mut()
            .append_pair("mount", &blob.digest.to_string())
            .append_pair("from", from);
        // Without the right to read there, registries with tokens answer as if the blob were not there.
        scopes = scopes.and(Scopes::pull(from));
    }
    let what = format!("upload to {repository}");
    let request = Request::new(Method::POST, url, scopes, what)
        .body("application/octet-stream", Bytes::new())
        .lane(Lane::Control);
    let response = http.send(&request, &[201, 202]).await?;
    if response.status().as_u16() == 201 {
        return Ok(BeginBlob::Done);
    }
    let session = Session {
        http: Arc::clone(http),
        profile: Arc::clone(profile),
        repository: repository.to_owned(),
        blob: blob.clone(),
        location: location(http, &request.url, &response)?,
        offset: 0,
    };
    if let Some(minimum) = response
        .headers()
        .get("oci-chunk-min-length")
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        && let UploadStyle::Chunks(size) = profile.style()
        && size < minimum
    {
        profile.learn_chunks(minimum, true);
    }
    Ok(BeginBlob::Upload(Box::new(session)))
}

/// Asks how far an upload got. `None` if the registry has given it up.
pub(super) async fn resume(
    http: &Arc<Http>,
    profile: &Arc<Profile>,
    repository: &str,
    blob: &Descriptor,
    token: &str,
) -> Result<Option<Box<dyn Upload>>, ImageError> {
    // Makes sure that the address of the registry is known, which decides about credentials.
    http.url("").await?;
    let Ok(url) = Url::parse(token) else {
        return Ok(None);
    };
    let what = format!("upload to {repository}");
    let request = Request::new(Method::GET, url, Scopes::push(repository), what);
    let response = http
        .send(&request, &[200, 202, 204, 400, 404, 405, 410, 416])
        .await?;
    if !response.status().is_success() {
        return Ok(None);
    }
    // `0-41` are 42 bytes; `0-0` may be none or one, which is taken for none.
    let end = response
        .headers()
        .get("range")
        .and_then(|range| range.to_str().ok())
        .and_then(|range| range.trim_start_matches("bytes=").split_once('-'))
        .and_then(|(_, end)| end.parse::<u64>().ok());
    let offset = match end {
        Some(0) | None => 0,
        Some(end) => end + 1,
    };
    if offset > blob.size {
        return Ok(None);
    }
    Ok(Some(Box::new(Session {
        http: Arc::clone(http),
        profile: Arc::clone(profile),
        repository: repository.to_owned(),
        blob: blob.clone(),
        location: location(http, &request.url, &response).unwrap_or(request.url),
        offset,
    })))
}

/// `Location`, absolute or relative to the request.
fn location(http: &Http, asked: &Url, response: &Response) -> Result<Url, ImageError> {
    response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| asked.join(text).ok())
        .ok_or_else(|| ImageError::Protocol {
            place: http.place.clone(),
            reason: "it accepts an upload without saying where to send it".into(),
        })
}

impl Upload for Session {
    fn token(&self) -> String {
        self.location.to_string()
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn finish(self: Box<Self>, rest: ByteStream) -> Step<'static, ()> {
        async move {
            match self.profile.style() {
                UploadStyle::Put => self.put(rest).await,
                UploadStyle::Patch => self.patch(rest).await,
                UploadStyle::Chunks(size) => self.chunks(rest, size).await,
            }
        }
        .boxed()
    }

    fn cancel(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            let request = Request::new(
                Method::DELETE,
                self.location.clone(),
                Scopes::push(&self.repository),
                "upload",
            );
            // Registries forget uploads by themselves; many have no DELETE.
            let _ = self.http.send(&request, &[200, 202, 204]).await;
        }
        .boxed()
    }
}

impl Session {
    fn length(&self) -> u64 {
        self.blob.size - self.offset
    }

    fn what(&self) -> String {
        format!("blob {} of {}", self.blob.digest, self.repository)
    }

    /// The URL that commits the blob.
    fn commit_url(&self) -> Url {
        let mut url = self.location.clone();
        url.query_pairs_mut()
            .append_pair("digest", &self.blob.digest.to_string());
        url
    }

    /// All bytes and the commit in one request.
    async fn put(self, rest: ByteStream) -> Result<(), ImageError> {
        let (url, length) = (self.commit_url(), self.length());
        let response = self.stream(Method::PUT, url, length, None, rest).await?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(self.refused(response).await)
        }
    }

    /// All bytes in one PATCH, then the commit.
    async fn patch(mut self, rest: ByteStream) -> Result<(), ImageError> {
        let (url, length, offset) = (self.location.clone(), self.length(), self.offset);
        let response = self
            .stream(Method::PATCH, url, length, Some(offset), rest)
            .await?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        self.location = location(&self.http, &self.location, &response)?;
        self.commit().await
    }

    /// A PATCH for each piece, then the commit.
    async fn chunks(mut self, mut rest: ByteStream, size: u64) -> Result<(), ImageError> {
        let mut waiting: Vec<Bytes> = Vec::new();
        let mut bytes = 0;
        loop {
            let next = rest.next().await.transpose()?;
            let ended = next.is_none();
            if let Some(next) = next {
                bytes += next.len() as u64;
                waiting.push(next);
            }
            if bytes >= size || (ended && bytes > 0) {
                let piece =
                    futures_util::stream::iter(std::mem::take(&mut waiting).into_iter().map(Ok))
                        .boxed();
                let url = self.location.clone();
                let response = self
                    .stream(Method::PATCH, url, bytes, Some(self.offset), piece)
                    .await?;
                if !response.status().is_success() {
                    return Err(self.refused(response).await);
                }
                self.location = location(&self.http, &self.location, &response)?;
                self.offset += bytes;
                bytes = 0;
            }
            if ended {
                return self.commit().await;
            }
        }
    }

    async fn commit(self) -> Result<(), ImageError> {
        let request = Request::new(
            Method::PUT,
            self.commit_url(),
            Scopes::push(&self.repository),
            self.what(),
        )
        .body("application/octet-stream", Bytes::new())
        .lane(Lane::Data);
        match self.http.send(&request, &[200, 201, 202, 204]).await {
            Ok(_) => Ok(()),
            // Also where the answer to a first try was lost: then the blob is there, which the sender asks for.
            Err(ImageError::NotFound { place, what }) => Err(ImageError::UploadLost {
                what: self.what(),
                place,
                reason: what,
            }),
            Err(ImageError::Refused {
                place,
                what,
                reason,
            }) => Err(ImageError::UploadLost {
                what,
                place,
                reason,
            }),
            Err(other) => Err(other),
        }
    }

    /// What a refusal in the middle means. Registries disagree about the status of an upload that they know no more: 404,
    /// 416 or 400; the last is also said of bytes that have another digest.
    async fn refused(self, response: Response) -> ImageError {
        let status = response.status().as_u16();
        let error = failure(&self.http.place, &self.what(), response).await;
        let (place, reason) = match error {
            ImageError::NotFound { place, what } => (place, what),
            ImageError::Refused { place, reason, .. } if matches!(status, 400 | 413 | 416) => {
                (place, reason)
            }
            other => return other,
        };
        // A proxy or storage that takes no body of this size: pieces from now on.
        let too_large = status == 413 || status == 400 && !reason.contains("DIGEST_INVALID");
        if too_large && self.offset == 0 {
            self.profile.learn_chunks(0, status == 413);
        }
        ImageError::UploadLost {
            what: self.what(),
            place,
            reason,
        }
    }

    /// Sends a body as it comes. Cannot be sent twice.
    async fn stream(
        &self,
        method: Method,
        url: Url,
        length: u64,
        range_from: Option<u64>,
        body: ByteStream,
    ) -> Result<Response, ImageError> {
        let scopes = Scopes::push(&self.repository);
        let request = Request::new(method.clone(), url, scopes.clone(), self.what());
        let header = self.http.header(&request).await?;
        let progress = Arc::new(Progress::default());
        let seen = Arc::clone(&progress);
        // The client keeps only the text of an error in the body; the error itself is wanted here.
        let broken = Arc::new(std::sync::Mutex::new(None));
        let keep = Arc::clone(&broken);
        let body = body.map(move |piece| match piece {
            Ok(bytes) => {
                seen.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(bytes)
            }
            Err(error) => {
                let text = error.to_string();
                if let Ok(mut slot) = keep.lock() {
                    *slot = Some(error);
                }
                Err(text)
            }
        });
        let mut builder = self
            .http
            .data()
            .request(method.clone(), request.url.clone())
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, length);
        if let Some(from) = range_from
            && length > 0
        {
            builder = builder.header(CONTENT_RANGE, format!("{from}-{}", from + length - 1));
        }
        if let Some(header) = &header {
            builder = builder.header(AUTHORIZATION, header);
        }
        let sending = builder.body(Body::wrap_stream(body)).send();
        let answer = tokio::select! {
            answer = sending => answer,
            () = progress.stalls(length) => return Err(self.http.silent()),
        };
        let inner = broken.lock().ok().and_then(|mut slot| slot.take());
        match (answer, inner) {
            // An answer before the end of the body is the registry's: it counts unless the body itself broke.
            (_, Some(error)) => Err(error),
            (Ok(response), None) => {
                self.http.saw(&method, &response);
                if response.status().as_u16() == 401 {
                    if let Some(header) = &header {
                        self.http.forget(&scopes, header).await;
                    }
                    return Err(ImageError::ServerFailed {
                        place: self.http.place.clone(),
                        reason: "the token ended during the upload".into(),
                    });
                }
                Ok(response)
            }
            (Err(error), None) => Err(self.http.unreachable(&error)),
        }
    }
}

/// How much of a body has been handed to the connection.
#[derive(Debug, Default)]
struct Progress {
    sent: AtomicU64,
}

impl Progress {
    /// Ends when nothing has moved for too long.
    async fn stalls(&self, length: u64) {
        let mut last = 0;
        let mut quiet = Duration::ZERO;
        let step = Duration::from_secs(5);
        loop {
            tokio::time::sleep(step).await;
            let sent = self.sent.load(Ordering::Relaxed);
            quiet = if sent == last {
                quiet + step
            } else {
                Duration::ZERO
            };
            last = sent;
            let limit = if sent >= length { COMMIT } else { STALL };
            if quiet >= limit {
                return;
            }
        }
    }
}

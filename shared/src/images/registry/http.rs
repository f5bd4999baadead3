//! Requests to one registry: authentication, retries, pace.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::OnceCell;
use url::Url;

use super::allowance::Allowance;
use super::answer::{failure, retry_after};
use super::challenge::challenge;
use super::pace::Pace;
use super::token::{Authentication, Scopes};
use super::{RegistryOptions, Security};
use crate::images::ImageError;
use crate::images::credential::CredentialSource;

/// A request is tried so often if the registry fails or cannot be reached.
const ATTEMPTS: u32 = 5;
/// So often if nobody listens at an address of this machine, which is a slip of the pen more often than not.
const CONNECT_ATTEMPTS: u32 = 3;
/// The first pause before another try; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause that a registry's `Retry-After` is waited for here; longer ones are left to the caller.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A connection that is not there after this time is given up.
const CONNECT: Duration = Duration::from_secs(15);
/// A server that sends nothing for so long is given up.
const SILENCE: Duration = Duration::from_mins(1);

/// Microseconds to an answer from which on a registry is far. Below, the windows of one connection (4 to 6 MB by Linux's
/// defaults) carry what a network can, and several only cost memory.
const FAR: u64 = 10_000;

/// Which connections a request uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Small requests: HTTP/2 where the registry speaks it, all on one connection.
    Control,
    /// Bodies of blobs: HTTP/1.1, so that each has a TCP connection and a congestion window of its own, and no window
    /// of HTTP/2 slows an upload down.
    Data,
}

/// One request, which can be sent again.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    pub(super) scopes: Scopes,
    pub(super) lane: Lane,
    /// What is asked for, for messages: `manifest shop/web:1.0`.
    pub(super) what: String,
}

impl Request {
    pub(super) fn new(method: Method, url: Url, scopes: Scopes, what: impl Into<String>) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            scopes,
            lane: Lane::Control,
            what: what.into(),
        }
    }

    pub(super) fn accept(mut self, types: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(types) {
            self.headers.insert(ACCEPT, value);
        }
        self
    }

    pub(super) fn body(mut self, media_type: &str, bytes: Bytes) -> Self {
        if let Ok(value) = HeaderValue::from_str(media_type) {
            self.headers.insert(CONTENT_TYPE, value);
        }
        self.body = Some(bytes);
        self
    }

    pub(super) fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }
}

/// How many requests had which answer: method and status, 0 if there was none.
pub type RequestCounts = BTreeMap<(String, u16), u64>;

/// The connections to one registry.
#[derive(Debug)]
pub(super) struct Http {
    /// `registry.example:5000`, as people write it.
    pub(super) place: String,
    host: String,
    control: reqwest::Client,
    data: reqwest::Client,
    authentication: Authentication,
    pace: Arc<Pace>,
    security: Security,
    base: OnceCell<Url>,
    counts: Mutex<RequestCounts>,
    /// Shortest time to an answer so far, in microseconds.
    nearest: AtomicU64,
}

impl Http {
    pub(super) fn new(
        place: &str,
        options: &RegistryOptions,
        credentials: Arc<dyn CredentialSource>,
    ) -> Result<Self, ImageError> {
        // A process has one; it does not matter who was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let host = match place {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => options.mirrors.get(other).map_or(other, String::as_str),
        };
        let security = options.security(host);
        let client = |lane| {
            options.client(lane).map_err(|reason| {
                ImageError::Local(format!("the TLS settings for {place}: {reason}"))
            })
        };
        let control = client(Lane::Control)?;
        Ok(Self {
            place: place.to_owned(),
            host: host.to_owned(),
            // Without TLS both lanes speak HTTP/1.1, and can use each other's connections.
            data: match security {
                Security::Plain => control.clone(),
                Security::Tls | Security::Loopback => client(Lane::Data)?,
            },
            authentication: Authentication::new(
                place,
                security != Security::Tls,
                credentials,
                control.clone(),
            ),
            control,
            pace: Arc::new(Pace::default()),
            security,
            base: OnceCell::new(),
            counts: Mutex::default(),
            nearest: AtomicU64::new(u64::MAX),
        })
    }

    /// Answers by method and status so far.
    pub(super) fn counts(&self) -> RequestCounts {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many requests the registry still allows, if it says so.
    pub(super) fn allowance(&self) -> Option<Allowance> {
        self.pace.allowance()
    }

    /// Whether a round trip is so short that one connection fills the way.
    pub(super) fn is_near(&self) -> bool {
        self.nearest.load(Ordering::Relaxed) < FAR
    }

    fn count(&self, method: &Method, status: u16) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((method.to_string(), status)).or_default() += 1;
    }

    /// The URL of a path below `/v2/`.
    pub(super) async fn url(&self, path: &str) -> Result<Url, ImageError> {
        let base = self.base.get_or_try_init(|| self.find_base()).await?;
        base.join(path).map_err(|error| ImageError::Invalid {
            place: self.place.clone(),
            reason: format!("`{path}` is no path of a registry: {error}"),
        })
    }

    /// Decides about TLS. A registry on this machine may do without, which it is asked itself.
    async fn find_base(&self) -> Result<Url, ImageError> {
        let url = |scheme: &str| {
            Url::parse(&format!("{scheme}://{}/v2/", self.host)).map_err(|error| {
                ImageError::Invalid {
                    place: self.place.clone(),
                    reason: format!("`{}` is no address of a registry: {error}", self.host),
                }
            })
        };
        match self.security {
            Security::Tls => url("https"),
            Security::Plain => url("http"),
            Security::Loopback => {
                let (plain, tls) = (url("http")?, url("https")?);
                let mut pause = FIRST_PAUSE;
                let mut attempt = 1;
                loop {
                    // A TLS server answers a plain request with 400 (Go) or not at all.
                    let broken = match self.control.get(plain.clone()).send().await {
                        Ok(answer) if answer.status() != StatusCode::BAD_REQUEST => {
                            if answer.status() == StatusCode::UNAUTHORIZED {
                                self.authentication.learn(challenge(answer.headers()));
                            }
                            return Ok(plain);
                        }
                        Ok(_) => return Ok(tls),
                        Err(error) if error.is_connect() && attempt >= CONNECT_ATTEMPTS => {
                            return Err(self.unreachable(&error));
                        }
                        Err(error) => error,
                    };
                    // A certificate that nobody trusts is TLS as well, and said where the first request fails.
                    match self.control.get(tls.clone()).send().await {
                        Ok(_) => return Ok(tls),
                        Err(error) if is_about_certificates(&error) => return Ok(tls),
                        // Neither: it is away, which can pass.
                        Err(_) if attempt >= ATTEMPTS => return Err(self.unreachable(&broken)),
                        Err(_) => tokio::time::sleep(pause).await,
                    }
                    pause *= 2;
                    attempt += 1;
                }
            }
        }
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> ImageError {
        ImageError::Unreachable {
            place: self.place.clone(),
            reason: reason(error),
        }
    }

    /// Sends a request and gives every answer that is not a failure of the moment. Statuses in `wanted` are answers, all
    /// others are errors.
    pub(super) async fn send(
        &self,
        request: &Request,
        wanted: &[u16],
    ) -> Result<Response, ImageError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let error = match self.once(request).await {
                Ok(response) if wanted.contains(&response.status().as_u16()) => {
                    return Ok(response);
                }
                Ok(response) => failure(&self.place, &request.what, response).await,
                Err(error) => error,
            };
            let asked = match &error {
                ImageError::RateLimited { retry_after, .. } => *retry_after,
                _ => None,
            };
            let wait = asked.unwrap_or(pause);
            if !error.is_transient() || attempt >= ATTEMPTS || wait > LONGEST_PAUSE {
                return Err(error);
            }
            tracing::debug!(place = self.place, what = request.what, %error, ?wait, "trying again");
            tokio::time::sleep(wait).await;
            pause *= 2;
            attempt += 1;
        }
    }

    /// Sends a request, once more with a token if the registry asks for one.
    async fn once(&self, request: &Request) -> Result<Response, ImageError> {
        let _permit = self.pace.acquire().await;
        let mut refused = 0;
        loop {
            let header = self.header(request).await?;
            let client = match request.lane {
                Lane::Control => &self.control,
                Lane::Data => &self.data,
            };
            let mut builder = client
                .request(request.method.clone(), request.url.clone())
                .headers(request.headers.clone());
            if let Some(header) = &header {
                builder = builder.header(AUTHORIZATION, header);
            }
            if let Some(body) = &request.body {
                builder = builder.body(body.clone());
            }
            let begun = Instant::now();
            let sent = tokio::time::timeout(SILENCE, builder.send()).await;
            let response = match sent {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => {
                    self.count(&request.method, 0);
                    return Err(self.unreachable(&error));
                }
                Err(_) => {
                    self.count(&request.method, 0);
                    return Err(self.silent());
                }
            };
            let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.nearest.fetch_min(micros, Ordering::Relaxed);
            self.saw(&request.method, &response);
            if response.status() != StatusCode::UNAUTHORIZED || refused == 2 {
                return Ok(response);
            }
            refused += 1;
            // A token can end on the way, or be good for less than was asked for.
            if let Some(header) = &header {
                self.authentication.forget(&request.scopes, header).await;
            }
            if !self.authentication.learn(challenge(response.headers())) {
                return Ok(response);
            }
            if header.is_some() && refused == 2 {
                return Ok(response);
            }
        }
    }

    pub(super) fn silent(&self) -> ImageError {
        ImageError::Unreachable {
            place: self.place.clone(),
            reason: format!("nothing was heard for {} s", SILENCE.as_secs()),
        }
    }

    /// The header for a request, unless it goes to another server: a registry can send us to a storage that must not see
    /// our credentials.
    pub(super) async fn header(
        &self,
        request: &Request,
    ) -> Result<Option<HeaderValue>, ImageError> {
        match self.base.get() {
            Some(base) if base.origin() == request.url.origin() => {
                self.authentication.header(&request.scopes).await
            }
            _ => Ok(None),
        }
    }

    pub(super) fn data(&self) -> &reqwest::Client {
        &self.data
    }

    /// The token of a request that could not be sent twice was refused.
    pub(super) async fn forget(&self, scopes: &Scopes, header: &HeaderValue) {
        self.authentication.forget(scopes, header).await;
    }

    /// Counts an answer, and keeps to the pace that it asks for.
    pub(super) fn saw(&self, method: &Method, response: &Response) {
        self.count(method, response.status().as_u16());
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            let pause = retry_after(response.headers(), std::time::SystemTime::now());
            self.pace.complained(pause);
        } else {
            self.pace.answered();
        }
        if let Some(allowance) = Allowance::of(response.headers(), std::time::SystemTime::now()) {
            self.pace.allowed(allowance);
        }
        for warning in response.headers().get_all("warning") {
            tracing::warn!(place = self.place, warning = ?warning, "the registry warns");
        }
    }
}

impl RegistryOptions {
    /// A client with these settings.
    fn client(&self, lane: Lane) -> Result<reqwest::Client, String> {
        let protocols: &[&[u8]] = match lane {
            Lane::Control => &[b"h2", b"http/1.1"],
            Lane::Data => &[b"http/1.1"],
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(super::tls::config(self, protocols)?)
            .user_agent(super::USER_AGENT)
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(30))
            .pool_idle_timeout(Duration::from_secs(50));
        builder = match lane {
            Lane::Control => builder
                .http2_adaptive_window(true)
                .pool_max_idle_per_host(64),
            Lane::Data => builder.http1_only().pool_max_idle_per_host(64),
        };
        builder.build().map_err(|error| reason(&error))
    }
}

/// Whether the other side speaks TLS and only its certificate, or ours, is not accepted.
fn is_about_certificates(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        // An error of TLS lies within an error of input and output, which hides it from `source`.
        let hidden = inner
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(tls) = hidden.or_else(|| inner.downcast_ref()) {
            return matches!(
                tls,
                rustls::Error::InvalidCertificate(_)
                    | rustls::Error::AlertReceived(_)
                    | rustls::Error::NoCertificatesPresented
            );
        }
        source = inner.source();
    }
    false
}

/// What lies at the bottom of an error of the HTTP library, without the URL, which can hold a signature.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut text = None;
    let mut source = error.source();
    while let Some(inner) = source {
        text = Some(inner.to_string());
        source = inner.source();
    }
    text.unwrap_or_else(|| {
        let kind = if error.is_timeout() {
            "no answer in time"
        } else {
            "the connection broke"
        };
        kind.to_owned()
    })
}

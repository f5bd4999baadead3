//! Proxies that stand before a real registry and break what they are told to break.
//!
//! [`Proxy`] speaks HTTP and knows requests: it answers in the registry's place, cuts bodies, turns bits, and writes down
//! all that passes. [`tcp`] knows bytes only: it delays, throttles and cuts whole connections.

mod allowance;
mod http;
mod rule;
pub mod tcp;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use allowance::Allowance;

pub use rule::{Action, Fault};

/// A request that passed, as it was when its answer ended or broke.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, `PUT`, ...
    pub method: String,
    /// Path with the query.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Range` header.
    pub range: Option<String>,
    /// Status that went back to the client; `None` if there was no answer.
    pub status: Option<u16>,
    /// Bytes of the request's body that went to the registry.
    pub sent: u64,
    /// Bytes of the answer's body that went to the client.
    pub received: u64,
}

impl Seen {
    /// Whether it has this method, and this text in its path.
    #[must_use]
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }

    /// Whether it put a blob into the registry for good.
    #[must_use]
    pub fn commits_a_blob(&self) -> bool {
        self.is("PUT", "/blobs/uploads/") && self.status == Some(201)
    }
}

/// What the proxy and its connections share.
#[derive(Debug)]
struct Shared {
    upstream: String,
    client: reqwest::Client,
    faults: Mutex<Vec<Fault>>,
    seen: Mutex<Vec<Seen>>,
    down: AtomicBool,
    allowance: Mutex<Option<Allowance>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A proxy on loopback with a thread of its own; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy before the server at `upstream` (`127.0.0.1:5000`), which changes nothing until it is told to.
    ///
    /// # Errors
    /// No port is free, or the HTTP client cannot be made.
    pub fn start(upstream: &str) -> Result<Self, String> {
        let listener =
            std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        listener
            .set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        // A process has one; it does not matter who was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client,
            faults: Mutex::default(),
            seen: Mutex::default(),
            down: AtomicBool::new(false),
            allowance: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = http::listen(listener, served) => (),
                    _ = stopped => (),
                }
            });
        });
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Its address: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Breaks something from now on, in addition to what is broken already.
    pub fn add(&self, fault: Fault) {
        lock(&self.shared.faults).push(fault);
    }

    /// Lets so many manifests be read within so long, says what is left, and answers 429 beyond it.
    pub fn allow(&self, manifests: usize, within: std::time::Duration) {
        *lock(&self.shared.allowance) = Some(Allowance::new(manifests, within));
    }

    /// Breaks nothing any more.
    pub fn heal(&self) {
        lock(&self.shared.faults).clear();
        self.set_down(false);
    }

    /// Whether connections are taken and closed at once, as if the server were gone.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::SeqCst);
    }

    /// How often faults have struck so far is at most their number; what is left of them.
    #[must_use]
    pub fn pending(&self) -> usize {
        lock(&self.shared.faults)
            .iter()
            .map(Fault::left)
            .fold(0, usize::saturating_add)
    }

    /// All requests since the last [`Self::forget`], in the order in which they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// Requests of this method with this text in their path.
    #[must_use]
    pub fn count(&self, method: &str, part: &str) -> usize {
        self.seen()
            .iter()
            .filter(|seen| seen.is(method, part))
            .count()
    }

    /// Digests of the blobs that were committed through this proxy, as often as they were.
    #[must_use]
    pub fn committed(&self) -> Vec<String> {
        self.seen()
            .iter()
            .filter(|seen| seen.commits_a_blob())
            .filter_map(|seen| digest_of(&seen.path))
            .collect()
    }

    /// Bytes that were sent into uploads.
    #[must_use]
    pub fn uploaded(&self) -> u64 {
        self.seen()
            .iter()
            .filter(|seen| seen.path.contains("/blobs/uploads/"))
            .map(|seen| seen.sent)
            .sum()
    }

    /// Begins a new list of requests.
    pub fn forget(&self) {
        lock(&self.shared.seen).clear();
    }
}

/// `sha256:...` in the query of a commit.
fn digest_of(path: &str) -> Option<String> {
    let (_, query) = path.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("digest="))
        .map(|digest| digest.replace("%3A", ":"))
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It has ended already if nobody listens.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

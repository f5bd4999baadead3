//! A server that gives out tokens for a registry (distribution, `spec/auth/token` and `spec/auth/oauth`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Who gives the tokens out, and for whom.
const ISSUER: &str = "lab";
const SERVICE: &str = "lab-registry";
/// A registry takes a token for so long after its end (distribution, `registry/auth/token`, `Leeway`).
const LEEWAY: Duration = Duration::from_mins(1);

/// A request for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The scopes, in their order.
    pub scopes: Vec<String>,
    /// Whether a password was shown, or a refresh token.
    pub with: &'static str,
}

/// How long tokens live.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// What is told to the client.
    pub told: Duration,
    /// When the registry stops taking it; `None` is as told, and the registry's leeway on top.
    pub real: Option<Duration>,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            told: Duration::from_mins(1),
            real: None,
        }
    }
}

#[derive(Debug)]
struct Shared {
    key: KeyPair,
    certificate: Vec<u8>,
    user: (String, String),
    refresh: String,
    life: Mutex<Life>,
    asked: Mutex<Vec<Asked>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running token server; it ends when dropped.
#[derive(Debug)]
pub struct TokenServer {
    address: String,
    certificate: PathBuf,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TokenServer {
    /// Starts one that knows one user and one refresh token. Its certificate is written into `folder`.
    ///
    /// # Errors
    /// No port is free, or the certificate cannot be made or written.
    pub fn start(folder: &Path, user: (&str, &str), refresh: &str) -> Result<Self, String> {
        let text = |error: rcgen::Error| error.to_string();
        let key = KeyPair::generate().map_err(text)?;
        let own = CertificateParams::new(vec!["token-server.lab".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .map_err(text)?;
        let certificate = folder.join("token-server.pem");
        fs_err::write(&certificate, own.pem()).map_err(|error| error.to_string())?;
        let shared = Arc::new(Shared {
            certificate: own.der().to_vec(),
            key,
            user: (user.0.to_owned(), user.1.to_owned()),
            refresh: refresh.to_owned(),
            life: Mutex::default(),
            asked: Mutex::default(),
        });
        let listener =
            std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        listener
            .set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        let address = listener
            .local_addr()
            .map_err(|error| error.to_string())?
            .to_string();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = listen(listener, served) => (),
                    _ = stopped => (),
                }
            });
        });
        Ok(Self {
            address,
            certificate,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The part of a registry's configuration that makes it trust this server.
    #[must_use]
    pub fn settings(&self) -> Value {
        json!({"auth": {"token": {
            "realm": format!("http://{}/token", self.address),
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": self.certificate,
        }}})
    }

    /// Changes how long tokens live, from the next one on.
    pub fn set_life(&self, life: Life) {
        *lock(&self.shared.life) = life;
    }

    /// All requests for tokens so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// An `Authorization` header for these scopes, for the test itself.
    #[must_use]
    pub fn header(&self, scopes: &[&str]) -> String {
        let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        format!("Bearer {}", self.shared.token(&scopes).0)
    }
}

impl Drop for TokenServer {
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

async fn listen(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((connection, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(Arc::clone(&shared), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service)
                .await;
        });
    }
}

async fn serve(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let header = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let query = request.uri().query().unwrap_or_default().to_owned();
    let is_form = request.method() == "POST";
    let body = request.into_body().collect().await?.to_bytes();
    let form = String::from_utf8_lossy(&body).into_owned();
    let pairs = pairs(if is_form { &form } else { &query });
    let values = |name: &str| -> Vec<String> {
        pairs
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .collect()
    };
    let scopes: Vec<String> = values("scope")
        .iter()
        .flat_map(|scope| scope.split(' '))
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    let password = BASE64_STANDARD.encode(format!("{}:{}", shared.user.0, shared.user.1));
    let with = if is_form && values("refresh_token") == [shared.refresh.clone()] {
        "refresh token"
    } else if header == Some(format!("Basic {password}")) {
        "password"
    } else {
        lock(&shared.asked).push(Asked {
            scopes,
            with: "nothing",
        });
        return Ok(answer(
            401,
            &json!({"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]}),
        ));
    };
    let (token, told) = shared.token(&scopes);
    lock(&shared.asked).push(Asked { scopes, with });
    let key = if is_form { "access_token" } else { "token" };
    Ok(answer(
        200,
        &json!({key: token, "expires_in": told.as_secs()}),
    ))
}

fn answer(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response
}

/// `a=b&c=d`, decoded.
fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next(), rest.next()].into_iter().flatten();
                let digits: String = digits.map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Shared {
    /// A token for scopes, and how long it is said to live.
    fn token(&self, scopes: &[String]) -> (String, Duration) {
        let life = *lock(&self.life);
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let ends = match life.real {
            Some(real) => now + real.as_secs() - LEEWAY.as_secs(),
            None => now + life.told.as_secs(),
        };
        let access: Vec<Value> = scopes
            .iter()
            .filter_map(|scope| {
                let (kind, rest) = scope.split_once(':')?;
                let (name, actions) = rest.rsplit_once(':')?;
                let actions: Vec<&str> = actions.split(',').collect();
                Some(json!({"type": kind, "name": name, "actions": actions}))
            })
            .collect();
        let head = json!({
            "typ": "JWT", "alg": "ES256",
            "x5c": [BASE64_STANDARD.encode(&self.certificate)],
        });
        let claims = json!({
            "iss": ISSUER, "sub": self.user.0, "aud": SERVICE,
            "nbf": now - 600, "iat": now - 600, "exp": ends, "jti": format!("{now}"),
            "access": access,
        });
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&claims));
        let signature = self
            .key
            .sign(signed.as_bytes())
            .map(|der| fixed(&der))
            .unwrap_or_default();
        let token = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
        (token, life.told)
    }
}

/// A signature as JSON Web Tokens want it, two numbers of 32 bytes, from ASN.1: `30 len 02 len R 02 len S`.
fn fixed(der: &[u8]) -> Vec<u8> {
    let mut rest = der.get(2..).unwrap_or_default();
    let mut all = Vec::new();
    for _ in 0..2 {
        let length = usize::from(rest.get(1).copied().unwrap_or_default());
        let number = rest.get(2..2 + length).unwrap_or_default();
        let number = &number[number.len().saturating_sub(32)..];
        all.extend(std::iter::repeat_n(0, 32 - number.len()));
        all.extend_from_slice(number);
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    all
}

//! A real registry (CNCF distribution) on loopback, which can be killed and started again.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Components, need};

/// How long a registry may take to come up on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running registry. It ends when dropped, and with the thread that started it.
#[derive(Debug)]
pub struct Registry {
    program: PathBuf,
    folder: tempfile::TempDir,
    address: SocketAddr,
    authority: Option<PathBuf>,
    child: Option<Child>,
}

impl Registry {
    /// Starts a registry. `events` is where its notifications go: address, and what they carry as `Authorization`.
    pub fn start(components: &Components, events: Option<(&str, &str)>) -> Result<Self, String> {
        let program = need("docker-registry", components.docker_registry.as_deref())?;
        Self::configured(program, &Self::telling(events))
    }

    /// As [`Self::start`], the distribution project's newest: it survives being killed. An older one writes files in
    /// place, and answers `500` forever about what it was writing.
    pub fn durable(components: &Components, events: Option<(&str, &str)>) -> Result<Self, String> {
        let program = need("registry3", components.registry3.as_deref())?;
        Self::configured(program, &Self::telling(events))
    }

    /// As [`Self::start`], with a certificate authority (PEM) that it trusts as a sender of events.
    pub fn trusting(
        components: &Components,
        events: Option<(&str, &str)>,
        authority: &Path,
    ) -> Result<Self, String> {
        let program = need("docker-registry", components.docker_registry.as_deref())?;
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()?);
        Self::launched(
            address.into(),
            program,
            &Self::telling(events),
            Some(authority),
        )
    }

    fn telling(events: Option<(&str, &str)>) -> Value {
        events.map_or_else(Value::default, |(url, authorization)| {
            serde_json::json!({"notifications": {"endpoints": [{
                "name": "presync",
                "url": url,
                "headers": {"Authorization": [authorization]},
                "timeout": "2s",
                "threshold": 3,
                "backoff": "500ms",
                "ignoredmediatypes": ["application/octet-stream"],
                "ignore": {"actions": ["pull"]},
            }]}})
        })
    }

    /// Starts a registry with further settings (distribution, "Configuring a registry").
    pub fn configured(program: &Path, settings: &Value) -> Result<Self, String> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port()?);
        Self::launched(address.into(), program, settings, None)
    }

    /// As [`Self::configured`], at an address of this machine that nobody else uses.
    pub fn at(address: SocketAddr, program: &Path, settings: &Value) -> Result<Self, String> {
        Self::launched(address, program, settings, None)
    }

    fn launched(
        address: SocketAddr,
        program: &Path,
        settings: &Value,
        authority: Option<&Path>,
    ) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("migrate-registry-")
            .tempdir()
            .map_err(|error| format!("cannot make a folder for the registry: {error}"))?;
        let mut config = serde_json::json!({
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {
                "filesystem": {"rootdirectory": folder.path().join("data")},
                "delete": {"enabled": true},
            },
            "http": {"addr": address.to_string(), "secret": "lab"},
        });
        merge(&mut config, settings);
        write(&folder.path().join("config.yml"), &config.to_string())?;
        let mut registry = Self {
            program: program.to_path_buf(),
            folder,
            address,
            authority: authority.map(Path::to_path_buf),
            child: None,
        };
        registry.resume()?;
        Ok(registry)
    }

    /// Its address: `127.0.0.1:PORT` if it was not told another one.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it logged so far, requests included.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "without a log there is nothing to say"
    )]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it with `SIGKILL`, in the middle of whatever it does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again with the same data and address.
    pub fn resume(&mut self) -> Result<(), String> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .map_err(|error| format!("cannot write the registry's log: {error}"))?;
        let errors = log
            .try_clone()
            .map_err(|error| format!("cannot write the registry's log: {error}"))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(&self.program)
            .arg("serve")
            .arg(self.folder.path().join("config.yml"))
            .env_clear()
            .env("OTEL_TRACES_EXPORTER", "none")
            .envs(self.authority.iter().map(|file| ("SSL_CERT_FILE", file)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", self.program.display()))?;
        self.child = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            if Instant::now() > deadline {
                return Err(format!("the registry does not come up:\n{}", self.log()));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Lays settings over others, key by key.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => (),
        (base, over) => *base = over.clone(),
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no port is free: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "the error names the path")]
fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

//! A registry on loopback: Debian's `docker-registry`, or the distribution project's newest.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Name and password of a registry that wants them.
pub const USER: (&str, &str) = ("tester", "s3cret-pass");
/// The same for the registry, hashed by bcrypt.
const HTPASSWD: &str = "tester:$2y$05$abcdefghijklmnopqrstuuV7fpPozvyqJfnY19y0802WTlXUm6Rjy\n";
/// A registry is there after a second; a busy machine may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running registry, which forgets everything when dropped.
#[derive(Debug)]
pub struct Registry {
    server: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Registry {
    /// Starts a registry and waits until it answers. With `protected`, it wants [`USER`].
    ///
    /// # Errors
    /// It cannot be started, in words.
    pub fn start(program: &Path, protected: bool) -> Result<Self, String> {
        let mut attempt = 1;
        loop {
            match Self::start_once(program, protected) {
                Err(error) if attempt < 4 && error.contains("address already in use") => {
                    attempt += 1
                }
                result => return result,
            }
        }
    }

    fn start_once(program: &Path, protected: bool) -> Result<Self, String> {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_err(|error| error.to_string())?
            .port();
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = |name: &str| folder.path().join(name);
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp: {{addr: '127.0.0.1:{port}', secret: test}}\n",
            path("data").display()
        );
        if protected {
            std::fs::write(path("htpasswd"), HTPASSWD).map_err(|error| error.to_string())?;
            config.push_str(&format!(
                "auth:\n  htpasswd: {{realm: test, path: {}}}\n",
                path("htpasswd").display()
            ));
        }
        std::fs::write(path("config.yml"), config).map_err(|error| error.to_string())?;
        let log = std::fs::File::create(path("log")).map_err(|error| error.to_string())?;
        let server = Command::new(program)
            .arg("serve")
            .arg(path("config.yml"))
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
        let mut own = Self {
            server,
            folder,
            port,
        };
        let deadline = Instant::now() + PATIENCE;
        while !own.answers() {
            let log = || std::fs::read_to_string(own.folder.path().join("log")).unwrap_or_default();
            if let Ok(Some(_)) = own.server.try_wait() {
                return Err(format!("the registry ended: {}", log()));
            }
            if Instant::now() > deadline {
                return Err(format!("the registry does not answer: {}", log()));
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        Ok(own)
    }

    /// `localhost:PORT`
    #[must_use]
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn answers(&self) -> bool {
        self.get("/v2/")
            .is_some_and(|(status, _)| status == 200 || status == 401)
    }

    /// Status and body of a request without credentials.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {}\r\nAccept: {accept}\r\n\r\n",
            self.host()
        )
        .ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// The folder with its data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

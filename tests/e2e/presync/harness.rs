//! A daemon of its own for each test, registries, and pushes.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use tests::lab::registry::free_port;
use tests::lab::{Components, Registry};

pub(super) static COMPONENTS: LazyLock<Components> = LazyLock::new(Components::from_env);

/// How long anything may take on a machine that is busy. Nothing is measured by it.
pub(super) const PATIENCE: Duration = Duration::from_mins(4);

pub(super) const SECRET: &str = "a secret of the tests";

/// Says plainly that real components are missing. Where `MIGRATE_LAB_REQUIRED` is set, that is a failure.
pub(super) fn registries_are_here() -> bool {
    is_here("docker-registry", COMPONENTS.docker_registry.as_deref())
        && is_here("crane", COMPONENTS.crane.as_deref())
}

/// The same of the registry that may be killed.
pub(super) fn durable_registry_is_here() -> bool {
    is_here("registry3", COMPONENTS.registry3.as_deref())
}

fn is_here(name: &str, program: Option<&Path>) -> bool {
    if program.is_none() {
        let required = std::env::var_os("MIGRATE_LAB_REQUIRED").is_some();
        assert!(!required, "{name} is required here");
        println!("NOT TESTED: {name} is missing (tests/lab/components says why)");
    }
    program.is_some()
}

/// Where a daemon will listen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) receiver: u16,
    pub(super) status: u16,
}

impl Ports {
    pub(super) fn new() -> Self {
        Self {
            receiver: free_port().unwrap(),
            status: free_port().unwrap(),
        }
    }

    /// A registry whose events go to the daemon as those of `source`.
    pub(super) fn registry(self, source: &str) -> Registry {
        Registry::start(&COMPONENTS, Some((&self.url(source), &authorization()))).unwrap()
    }

    /// The same for a registry that will be killed.
    pub(super) fn durable_registry(self, source: &str) -> Registry {
        Registry::durable(&COMPONENTS, Some((&self.url(source), &authorization()))).unwrap()
    }

    fn url(self, source: &str) -> String {
        format!("http://127.0.0.1:{}/events/{source}", self.receiver)
    }
}

fn authorization() -> String {
    format!("Bearer {SECRET}")
}

/// A registry that tells nobody.
pub(super) fn silent_registry() -> Registry {
    Registry::start(&COMPONENTS, None).unwrap()
}

/// `images watch` in a process of its own.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) folder: tempfile::TempDir,
    pub(super) ports: Ports,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Daemon {
    /// Starts a daemon. `rules` are sources, targets and rules; the rest is added.
    pub(super) fn start(ports: Ports, rules: &str) -> Self {
        let mut daemon = Self::prepare(ports, rules, &[], &[]);
        daemon.resume();
        daemon
    }

    pub(super) fn prepare(
        ports: Ports,
        rules: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Self {
            folder,
            ports,
            program: PathBuf::from(env!("CARGO_BIN_EXE_docker-migrate-dup")),
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            child: None,
        };
        std::fs::write(daemon.folder.path().join("secret"), SECRET).unwrap();
        daemon.write_rules(rules);
        daemon
    }

    pub(super) fn write_rules(&self, rules: &str) {
        let Ports { receiver, status } = self.ports;
        let mut text = format!("version: 1\n{rules}\nstatus: {{listen: '127.0.0.1:{status}'}}\n");
        if !text.contains("\nreceiver:") {
            text.push_str(&format!(
                "receiver: {{listen: '127.0.0.1:{receiver}', secret: {{file: secret}}, max_requests: 1000000}}\n"
            ));
        }
        let text = if text.contains("\nstate:") {
            text
        } else {
            format!("{text}state: state\n")
        };
        std::fs::write(self.rules(), text).unwrap();
    }

    pub(super) fn rules(&self) -> PathBuf {
        self.folder.path().join("rules.yaml")
    }

    /// Starts it again and waits until it listens.
    pub(super) fn resume(&mut self) {
        self.launch();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.status)).is_err() {
            assert!(self.is_running(), "the daemon ended:\n{}", self.log());
            assert!(Instant::now() < deadline, "{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn launch(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(&self.program)
            .args(["migrate", "images", "watch", "--log", "json", "--config"])
            .arg(self.rules())
            .args(&self.arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits until it ends by itself; its exit code.
    pub(super) fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while self.is_running() {
            assert!(
                Instant::now() < deadline,
                "it does not end:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
        self.child.take().unwrap().wait().unwrap().code()
    }

    /// Asks it to stop; its exit code and how long it took.
    pub(super) fn stop(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        self.signal("TERM");
        let status = self.child.take().unwrap().wait().unwrap();
        (status.code(), begun.elapsed())
    }

    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(super) fn get(&self, path: &str) -> (u16, String) {
        http(self.ports.status, "GET", path, &[], "").unwrap()
    }

    /// Sends an event; the status of the answer.
    pub(super) fn event(&self, source: &str, body: &str) -> u16 {
        let authorization = format!("Bearer {SECRET}");
        http(
            self.ports.receiver,
            "POST",
            &format!("/events/{source}"),
            &[("Authorization", &authorization)],
            body,
        )
        .unwrap()
        .0
    }

    /// A figure of `/metrics`, the sum of all its lines that hold `part`; `None` if it cannot be asked.
    pub(super) fn figure(&self, name: &str, part: &str) -> Option<f64> {
        let (_, text) = http(self.ports.status, "GET", "/metrics", &[], "").ok()?;
        Some(
            text.lines()
                .filter(|line| line.starts_with(name) && line.contains(part))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum(),
        )
    }

    /// Jobs in the queue, whatever their state.
    pub(super) fn jobs(&self) -> Option<f64> {
        self.figure("migrate_images_queue_jobs", "")
    }

    /// Runs `images queue` with these words.
    pub(super) fn queue(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(&self.program)
            .args(["migrate", "images", "queue"])
            .args(words)
            .arg("--config")
            .arg(self.rules())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    }

    /// Waits until something holds.
    pub(super) fn wait(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(self.is_running(), "the daemon ended:\n{}", self.log());
            assert!(Instant::now() < deadline, "{what}\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// One request on a connection of its own; status and body.
pub(super) fn http(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .get(9..12)
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| std::io::Error::other(format!("no answer: {answer}")))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

/// A tar file with random bytes.
pub(super) fn layer(folder: &Path, name: &str, bytes: usize) -> PathBuf {
    let path = folder.join(format!("{name}.tar"));
    let mut content = vec![0_u8; bytes];
    for chunk in content.chunks_mut(8) {
        let random: [u8; 8] = rand::random();
        chunk.copy_from_slice(&random[..chunk.len()]);
    }
    let mut builder = tar::Builder::new(std::fs::File::create(&path).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder
        .append_data(&mut header, name, content.as_slice())
        .unwrap();
    builder.finish().unwrap();
    path
}

/// Pushes an image of one layer; `false` if the registry does not take it now.
pub(super) fn try_push(layer: &Path, image: &str) -> bool {
    Command::new(COMPONENTS.crane.as_ref().unwrap())
        .args(["append", "-f"])
        .arg(layer)
        .args(["-t", image])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

pub(super) fn push(layer: &Path, image: &str) {
    assert!(try_push(layer, image), "cannot push {image}");
}

/// The digest of a tag; `None` if it is not there or the registry does not answer.
pub(super) fn digest(registry: &str, repository: &str, tag: &str) -> Option<String> {
    let port: u16 = registry.rsplit(':').next()?.parse().ok()?;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    write!(
        stream,
        "HEAD /v2/{repository}/manifests/{tag} HTTP/1.1\r\nHost: {registry}\r\nConnection: close\r\nAccept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    if !answer.starts_with("HTTP/1.1 200") {
        return None;
    }
    answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("docker-content-digest")
            .then(|| value.trim().to_owned())
    })
}

/// How often each blob was committed, by the log of the registry that got it.
pub(super) fn committed(log: &str) -> BTreeMap<String, usize> {
    let mut committed = BTreeMap::new();
    for line in log.lines() {
        let Some((request, rest)) = line
            .split_once("\"PUT /v2/")
            .and_then(|(_, rest)| rest.split_once("\" "))
        else {
            continue;
        };
        if !rest.starts_with("201") || !request.contains("/blobs/uploads/") {
            continue;
        }
        if let Some((_, digest)) = request.split_once("digest=") {
            let digest = digest.split(['&', ' ']).next().unwrap_or_default();
            *committed.entry(digest.to_owned()).or_default() += 1;
        }
    }
    committed
}

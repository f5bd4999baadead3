//! A Docker engine of its own, without networks and containers: for its images.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An engine is there after two seconds; a busy machine may take longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running Docker engine, which forgets everything when dropped.
#[derive(Debug)]
pub struct Engine {
    server: Child,
    folder: tempfile::TempDir,
    tools: PathBuf,
}

impl Engine {
    /// Starts an engine from the component `node-tools` and waits until it answers. Needs root.
    ///
    /// # Errors
    /// It cannot be started, in words.
    pub fn start(tools: &Path) -> Result<Self, String> {
        Self::start_by(Command::new(tools), tools)
    }

    /// As [`Self::start`], as the manager of a Swarm without other nodes and without any network but its own loopback:
    /// services are accepted, their tasks never start.
    ///
    /// # Errors
    /// It cannot be started, in words.
    pub fn start_swarm(tools: &Path) -> Result<Self, String> {
        let mut command = Command::new("unshare");
        command
            .args([
                "--net",
                "sh",
                "-c",
                "ip link set lo up && exec \"$@\"",
                "sh",
            ])
            .arg(tools);
        let engine = Self::start_by(command, tools)?;
        engine.docker(&["swarm", "init", "--advertise-addr", "127.0.0.1"])?;
        Ok(engine)
    }

    fn start_by(mut command: Command, tools: &Path) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("migrate-engine-")
            .tempdir()
            .map_err(|error| error.to_string())?;
        let log =
            std::fs::File::create(folder.path().join("log")).map_err(|error| error.to_string())?;
        let path = |name: &str| folder.path().join(name);
        let server = command
            .args([
                "dockerd",
                "--iptables=false",
                "--ip6tables=false",
                "--bridge=none",
                "--storage-driver=vfs",
            ])
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .arg("--host")
            .arg(format!("unix://{}", path("docker.sock").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", tools.display()))?;
        let mut own = Self {
            server,
            folder,
            tools: tools.to_owned(),
        };
        let deadline = Instant::now() + PATIENCE;
        while own.docker(&["version"]).is_err() {
            let log = || std::fs::read_to_string(own.folder.path().join("log")).unwrap_or_default();
            if let Ok(Some(_)) = own.server.try_wait() {
                return Err(format!("the engine ended: {}", log()));
            }
            if Instant::now() > deadline {
                return Err(format!("the engine does not answer: {}", log()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(own)
    }

    /// The value of `DOCKER_HOST`.
    #[must_use]
    pub fn host(&self) -> String {
        format!(
            "unix://{}",
            self.folder.path().join("docker.sock").display()
        )
    }

    /// What the docker CLI prints.
    ///
    /// # Errors
    /// What it complains about.
    pub fn docker(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.tools)
            .arg("docker")
            .args(arguments)
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_CONFIG", self.folder.path())
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The script replaces itself with the engine, which ends its own containerd.
        let pid = self.server.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = Instant::now() + Duration::from_secs(15);
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.server.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

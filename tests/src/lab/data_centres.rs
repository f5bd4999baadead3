//! Two data centres on this machine: Docker Swarm in one, Kubernetes in the other, a registry in each, and a link
//! between them. `tests/lab/lab` starts and stops them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::cache_folder;

/// One of the two data centres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Docker Swarm.
    Dc1,
    /// Kubernetes.
    Dc2,
}

impl Place {
    /// Its address, where published ports answer, too.
    #[must_use]
    pub const fn address(self) -> &'static str {
        match self {
            Self::Dc1 => "10.201.0.1",
            Self::Dc2 => "10.201.0.2",
        }
    }

    /// Its registry, as it stands in references.
    #[must_use]
    pub const fn registry(self) -> &'static str {
        match self {
            Self::Dc1 => "10.201.0.1:5000",
            Self::Dc2 => "10.201.0.2:5000",
        }
    }
}

/// Both data centres; what this process has started ends with it.
#[derive(Debug)]
pub struct DataCentres {
    /// Goes down when its standard input ends: by a drop, the end of this process, or its death. `None` where the
    /// lab was up before.
    supervisor: Option<Child>,
    variables: BTreeMap<String, String>,
    path: std::ffi::OsString,
}

impl DataCentres {
    /// Starts both, or takes those that somebody has started by hand.
    ///
    /// # Errors
    /// Why they can't run here, for people.
    pub fn up() -> Result<Self, String> {
        let mut supervisor = None;
        if !script(&["status"])?.status.success() {
            let mut child = lab()
                .args(["up", "--attached"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|error| format!("cannot start tests/lab/lab: {error}"))?;
            let mut line = String::new();
            if let Some(stdout) = child.stdout.as_mut() {
                BufReader::new(stdout)
                    .read_line(&mut line)
                    .map_err(|error| error.to_string())?;
            }
            if line.trim() != "ready" {
                let mut said = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    let _ = stderr.read_to_string(&mut said);
                }
                let _ = child.wait();
                return Err(said);
            }
            supervisor = Some(child);
        }
        let output = script(&["env"])?;
        let variables = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut folders: Vec<PathBuf> = cache_folder()
            .into_iter()
            .map(|cache| cache.join("bin"))
            .collect();
        folders.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        Ok(Self {
            supervisor,
            variables,
            path: std::env::join_paths(folders).map_err(|error| error.to_string())?,
        })
    }

    /// A program in the network of a data centre, with the lab's cluster, engine and programs, and nothing else of
    /// the caller's environment.
    #[must_use]
    pub fn inside(&self, place: Place, program: impl AsRef<OsStr>) -> Command {
        let network = match place {
            Place::Dc1 => "MIGRATE_LAB_DC1",
            Place::Dc2 => "MIGRATE_LAB_DC2",
        };
        // A program that waits for ever must not hold up all that comes after it.
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=10", "300", "nsenter"])
            .arg(format!("--net={}", self.variable(network)))
            .arg(program)
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", "/nonexistent")
            .env("KUBECONFIG", self.variable("KUBECONFIG"))
            .env("DOCKER_HOST", self.variable("DOCKER_HOST"));
        command
    }

    /// The folder of the lab's state and logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        let config = Path::new(self.variable("KUBECONFIG"));
        config.parent().unwrap_or(config)
    }

    /// Stops, starts, pauses or continues a daemon such as `dc2/kube-apiserver`.
    ///
    /// # Errors
    /// What `tests/lab/lab` says.
    pub fn daemon(&self, verb: &str, name: &str) -> Result<(), String> {
        done(script(&[verb, name])?).map(|_| ())
    }

    fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }
}

impl Drop for DataCentres {
    fn drop(&mut self) {
        if let Some(child) = &mut self.supervisor {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// The standard output of a program that succeeded, or all that it said.
///
/// # Errors
/// It failed.
pub fn done(output: Output) -> Result<String, String> {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    Err(format!(
        "{}: {stdout}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn lab() -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/lab"))
}

fn script(arguments: &[&str]) -> Result<Output, String> {
    lab()
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot start tests/lab/lab: {error}"))
}

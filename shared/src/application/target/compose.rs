//! A Docker engine with Compose, through the docker CLI that called us or the one on `PATH`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::docker::{Engine, document, external, published, taken_ports, write_files};
use super::wait::{Waiting, until_ready};
use super::{Check, Deployment, Failure, OnConflict, Readiness, Scale, Target, Undo, run};
use crate::cli::state_folder;
use crate::orchestration::output::Output;

/// Marks what belongs to a project.
const PROJECT_LABEL: &str = "com.docker.compose.project";

/// A Compose project on an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compose {
    /// The engine.
    pub engine: Engine,
    /// Name of the project.
    pub project: String,
}

impl Compose {
    /// The target of an earlier run.
    pub(super) fn from_address(address: &Value) -> Option<Self> {
        Some(Self {
            engine: Engine::of(address["context"].as_str().map(str::to_owned)),
            project: address["project"].as_str()?.to_owned(),
        })
    }

    fn owned(&self, kind: &str, name: &str) -> Result<BTreeSet<String>, Failure> {
        let filter = format!("label={PROJECT_LABEL}={}", self.project);
        let mut arguments = vec![kind, "ls", "--filter", &filter, "--format", name];
        if kind == "container" {
            arguments.push("--all");
        }
        Ok(self.engine.lines(&arguments)?.into_iter().collect())
    }

    /// Compose, in the folder that its project keeps: containers mount files from there.
    fn compose(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = self.engine.docker();
        command
            .args(["compose", "--project-name", &self.project])
            .args(arguments);
        run(command)
    }

    fn lock_file(&self) -> Option<std::path::PathBuf> {
        let name = format!("compose-{}-{}.lock", self.engine.describe(), self.project);
        Some(
            state_folder()?
                .join("locks")
                .join(name.replace(['/', '\\'], "-")),
        )
    }
}

impl Target for Compose {
    fn describe(&self) -> String {
        format!(
            "Docker of context {}, Compose project {}",
            self.engine.describe(),
            self.project
        )
    }

    fn address(&self) -> Value {
        json!({"kind": "compose", "context": self.engine.context, "project": self.project})
    }

    fn preflight(&self, output: &Output, conflict: OnConflict) -> Vec<Check> {
        let mut checks = Vec::new();
        match self
            .engine
            .call(&["version", "--format", "{{.Server.Version}}"])
        {
            Ok(version) => checks.push(Check::ok("engine", version.trim())),
            Err(error) => {
                checks.push(Check::blocked(
                    "engine",
                    error.message,
                    "Choose another: --docker-context NAME",
                ));
                return checks;
            }
        }
        match self.engine.call(&["compose", "version", "--short"]) {
            Ok(version) => checks.push(Check::ok("docker compose", version.trim())),
            Err(_) => checks.push(Check::blocked(
                "docker compose",
                "it is not there",
                "Install it: https://docs.docker.com/compose/install/",
            )),
        }
        match self.owned("container", "{{.Names}}") {
            Ok(containers) if containers.is_empty() => {
                checks.push(Check::ok("project", format!("{} is new", self.project)));
            }
            Ok(containers) => {
                let seen = format!(
                    "{} is there, with {} containers",
                    self.project,
                    containers.len()
                );
                checks.push(match conflict {
                    OnConflict::Fail => Check::blocked(
                        "project",
                        seen,
                        "Choose another name, or say what to do: --on-conflict skip or --on-conflict overwrite",
                    ),
                    OnConflict::Skip => Check::warning("project", seen, "It is left as it is (--on-conflict skip)."),
                    OnConflict::Overwrite => {
                        Check::warning("project", seen, "Its containers are made anew (--on-conflict overwrite).")
                    }
                });
            }
            Err(error) => checks.push(Check::not_checked("project", error.message)),
        }
        let document = document(output);
        for (section, kind) in [("networks", "network"), ("volumes", "volume")] {
            for name in external(document, section) {
                let subject = format!("{kind} {name}");
                checks.push(if self.engine.call(&[kind, "inspect", &name]).is_ok() {
                    Check::ok(subject, "is there")
                } else {
                    Check::blocked(
                        subject,
                        "the project needs it, and it is not there",
                        format!("docker {kind} create {name}"),
                    )
                });
            }
        }
        self.check_ports(document, &mut checks);
        checks
    }

    fn lock(&self, run: &str) -> Result<(), Failure> {
        let Some(path) = self.lock_file() else {
            return Ok(());
        };
        let failed = |error: std::io::Error| Failure::tool(error.to_string());
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder).map_err(failed)?;
        }
        let holder = fs_err::read_to_string(&path).unwrap_or_default();
        let (holder, process) = holder.split_once('\n').unwrap_or((&holder, ""));
        let alive = Path::new("/proc").join(process.trim()).exists() && !process.trim().is_empty();
        if !holder.is_empty() && holder != run && alive {
            return Err(Failure::refused(format!(
                "another run ({holder}) is changing the project {}; wait for it",
                self.project
            )));
        }
        fs_err::write(&path, format!("{run}\n{}", std::process::id())).map_err(failed)
    }

    fn unlock(&self, _: &str) {
        if let Some(path) = self.lock_file() {
            let _ = fs_err::remove_file(path);
        }
    }

    fn snapshot(&self, _: &Output) -> Result<Value, Failure> {
        Ok(json!({
            "containers": self.owned("container", "{{.Names}}")?,
            "volumes": self.owned("volume", "{{.Name}}")?,
        }))
    }

    fn deploy(&self, deployment: &Deployment<'_>) -> Result<Value, Failure> {
        let Deployment {
            output,
            folder,
            conflict,
            ..
        } = *deployment;
        if conflict == OnConflict::Skip && !self.owned("container", "{{.Names}}")?.is_empty() {
            return Ok(json!({"skipped": true}));
        }
        // Containers mount configs and secrets from these files for as long as they live.
        let folder = folder.join("project");
        let file = write_files(output, &folder)?;
        let mut command = self.engine.docker();
        command
            .current_dir(&folder)
            .args(["compose", "--project-name", &self.project, "--file"])
            .arg(&file)
            .args(["up", "--detach", "--remove-orphans"]);
        run(command)?;
        Ok(json!({"file": file.to_string_lossy()}))
    }

    fn wait(
        &self,
        _: &Output,
        limit: Duration,
        cancellation: &CancellationToken,
        say: &mut dyn FnMut(&str),
    ) -> Result<Readiness, Failure> {
        let look = || {
            let text = self.compose(&["ps", "--all", "--format", "json"])?;
            // An array in old versions, a value a line in newer ones.
            let rows: Vec<Value> = match serde_json::from_str::<Value>(&text) {
                Ok(Value::Array(rows)) => rows,
                Ok(row @ Value::Object(_)) => vec![row],
                _ => text
                    .lines()
                    .filter_map(|line| serde_json::from_str(line).ok())
                    .collect(),
            };
            if rows.is_empty() {
                let project = format!("project/{}", self.project);
                return Ok(vec![Waiting::for_it(project, "it has no container")]);
            }
            Ok(rows
                .iter()
                .filter_map(not_ready)
                .map(|(name, why)| Waiting::for_it(format!("container/{name}"), why))
                .collect())
        };
        until_ready(limit, cancellation, say, look, |what| {
            let name = what.trim_start_matches("container/");
            let log = self
                .engine
                .call(&["logs", "--tail", "8", name])
                .unwrap_or_default();
            log.lines().map(|line| format!("  log: {line}")).collect()
        })
    }

    fn undo(&self, undo: &Undo<'_>) -> Result<Vec<String>, Failure> {
        let Undo { before, force, .. } = *undo;
        let mut done = Vec::new();
        let had_containers = before["containers"]
            .as_array()
            .is_some_and(|list| !list.is_empty());
        if had_containers && !force {
            return Err(Failure::refused(format!(
                "the project {} was there before, and Compose does not keep what its containers were; to remove what the run made all the same: --force",
                self.project
            )));
        }
        self.compose(&["down", "--remove-orphans"])?;
        done.push(format!(
            "removed the containers and networks of {}",
            self.project
        ));
        let old: BTreeSet<String> = before["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        for name in self.owned("volume", "{{.Name}}")?.difference(&old) {
            self.engine.call(&["volume", "rm", name])?;
            done.push(format!("removed volume {name}"));
        }
        Ok(done)
    }

    fn scales(&self, _: &Output) -> Result<Value, Failure> {
        let filter = format!("label={PROJECT_LABEL}={}", self.project);
        let running = self.engine.lines(&[
            "container",
            "ls",
            "--filter",
            &filter,
            "--format",
            "{{.Names}}",
        ])?;
        Ok(json!({"containers": running}))
    }

    fn scale(&self, scales: &Value, scale: Scale) -> Result<Vec<String>, Failure> {
        let verb = match scale {
            Scale::Down => "stop",
            Scale::Back => "start",
        };
        let mut done = Vec::new();
        for name in scales["containers"].as_array().into_iter().flatten() {
            let Some(name) = name.as_str() else { continue };
            self.engine.call(&["container", verb, name])?;
            done.push(match scale {
                Scale::Down => format!("stopped container {name}"),
                Scale::Back => format!("started container {name}"),
            });
        }
        Ok(done)
    }
}

/// Name and reason of a container that is not as it should be.
fn not_ready(row: &Value) -> Option<(String, String)> {
    let name = row["Name"].as_str()?.to_owned();
    let text = |key: &str| row[key].as_str().unwrap_or_default();
    match (text("State"), text("Health")) {
        ("running", "" | "healthy") => None,
        // What ends well has done its work.
        ("exited", _) if row["ExitCode"] == 0 => None,
        ("exited", _) => Some((name, format!("ended with exit code {}", row["ExitCode"]))),
        ("running", health) => Some((name, health.to_owned())),
        (state, _) => Some((name, state.to_owned())),
    }
}

impl Compose {
    fn check_ports(&self, document: &Value, checks: &mut Vec<Check>) {
        if published(document).is_empty() {
            return;
        }
        let rows = self
            .engine
            .rows(&["ps", "--format", "{{json .}}"])
            .unwrap_or_default();
        let own = format!("{PROJECT_LABEL}={}", self.project);
        checks.extend(taken_ports(document, &rows, |row| {
            let labels = row["Labels"].as_str().unwrap_or_default();
            let name = row["Names"].as_str().unwrap_or_default();
            let is_own = labels.split(',').any(|label| label == own);
            (!is_own).then(|| format!("container {name}"))
        }));
    }
}

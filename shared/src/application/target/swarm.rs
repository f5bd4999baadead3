//! A Swarm, through the docker CLI that called us or the one on `PATH`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::docker::{Engine, write_files};
use super::wait::{Waiting, until_ready};
use super::{
    Check, Deployment, Failure, OnConflict, Readiness, Scale, Target, Undo, run, run_with_input,
};
use crate::application::Journal;
use crate::host::private::PrivateFolder;
use crate::orchestration::output::Output;

mod preflight;
mod secrets;
mod services;

/// Marks what belongs to a stack.
const STACK_LABEL: &str = "com.docker.stack.namespace";
/// A lock that is older belongs to a run that died.
const LOCK_LIFE: Duration = Duration::from_mins(30);
/// By then a Swarm has given a service to the nodes that it is for.
const SETTLED: Duration = Duration::from_secs(3);

/// A stack on a Swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swarm {
    /// The engine of a manager.
    pub engine: Engine,
    /// Name of the stack.
    pub stack: String,
}

impl Swarm {
    /// The target of an earlier run.
    pub(super) fn from_address(address: &Value) -> Option<Self> {
        Some(Self {
            engine: Engine::of(address["context"].as_str().map(str::to_owned)),
            stack: address["stack"].as_str()?.to_owned(),
        })
    }

    fn lock_name(&self) -> String {
        format!("migrate-lock-{}", self.stack)
    }

    /// Names of what the stack has of a kind beside its services: `config`, `secret`, `network`.
    fn owned(&self, kind: &str) -> Result<BTreeSet<String>, Failure> {
        let filter = format!("label={STACK_LABEL}={}", self.stack);
        let lines =
            self.engine
                .lines(&[kind, "ls", "--filter", &filter, "--format", "{{.Name}}"])?;
        Ok(lines.into_iter().collect())
    }
}

impl Target for Swarm {
    fn describe(&self) -> String {
        format!(
            "Swarm of docker context {}, stack {}",
            self.engine.describe(),
            self.stack
        )
    }

    fn address(&self) -> Value {
        json!({"kind": "swarm", "context": self.engine.context, "stack": self.stack})
    }

    fn preflight(&self, output: &Output, conflict: OnConflict) -> Vec<Check> {
        preflight::checks(self, output, conflict)
    }

    fn lock(&self, run: &str) -> Result<(), Failure> {
        let name = self.lock_name();
        let until = jiff::Timestamp::now() + LOCK_LIFE;
        let create = || {
            let mut command = self.engine.docker();
            command.args([
                "config",
                "create",
                "--label",
                &format!("migrate.run={run}"),
                "--label",
            ]);
            command
                .arg(format!("migrate.until={until}"))
                .args([&name, "-"]);
            run_with_input(command, run)
        };
        let Err(error) = create() else { return Ok(()) };
        let labels = self.engine.call(&[
            "config",
            "inspect",
            &name,
            "--format",
            "{{json .Spec.Labels}}",
        ]);
        let labels: Value = labels
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let holder = labels["migrate.run"].as_str().unwrap_or_default();
        if holder.is_empty() {
            return Err(error);
        }
        let alive = labels["migrate.until"]
            .as_str()
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .is_some_and(|until| until > jiff::Timestamp::now());
        if holder == run || !alive || Journal::is_over(holder) {
            self.engine.call(&["config", "rm", &name])?;
            return create().map(drop);
        }
        Err(Failure::refused(format!(
            "another run ({holder}) is changing the stack {}; wait for it, or remove its lock if it died: docker config rm {name}",
            self.stack
        )))
    }

    fn unlock(&self, _: &str) {
        // It ends by itself if this fails.
        let _ = self.engine.call(&["config", "rm", &self.lock_name()]);
    }

    fn snapshot(&self, _: &Output) -> Result<Value, Failure> {
        let versions = self.versions()?;
        Ok(json!({
            "services": versions.keys().collect::<Vec<_>>(),
            "configs": self.owned("config")?,
            "secrets": self.owned("secret")?,
            "networks": self.owned("network")?,
            "versions": versions,
        }))
    }

    fn deploy(&self, deployment: &Deployment<'_>) -> Result<Value, Failure> {
        let Deployment {
            output,
            folder,
            conflict,
            ..
        } = *deployment;
        if conflict == OnConflict::Skip && !self.services()?.is_empty() {
            return Ok(json!({"versions": {}}));
        }
        let output = secrets::create(self, output)?;
        let folder = PrivateFolder::new(0, folder).map_err(|error| Failure::disk(&error))?;
        write_files(&output, folder.path()).and_then(|file| {
            let deploy = |detach: bool| {
                let mut command = self.engine.docker();
                command.current_dir(folder.path()).args([
                    "stack",
                    "deploy",
                    "--with-registry-auth",
                    "--compose-file",
                ]);
                command.arg(&file);
                if detach {
                    // The wait is ours, so that it can tell why something is not ready.
                    command.arg("--detach=true");
                }
                command.arg(&self.stack);
                run(command)
            };
            match deploy(true) {
                // The option is as young as docker 26.
                Err(error) if error.message.contains("unknown flag") => deploy(false),
                other => other,
            }
        })?;
        Ok(json!({"versions": self.versions()?}))
    }

    fn wait(
        &self,
        _: &Output,
        limit: Duration,
        cancellation: &CancellationToken,
        say: &mut dyn FnMut(&str),
    ) -> Result<Readiness, Failure> {
        let begun = Instant::now();
        let look = || {
            let services = self.services()?;
            if services.is_empty() {
                let stack = format!("stack/{}", self.stack);
                return Ok(vec![Waiting::for_it(stack, "it has no service")]);
            }
            let not_ready = services.iter().filter_map(|service| {
                let unsettled = service.is_nowhere() && begun.elapsed() < SETTLED;
                let why = service
                    .incomplete()
                    .or_else(|| unsettled.then(|| "on no node yet".to_owned()))?;
                Some(Waiting::for_it(format!("service/{}", service.name), why))
            });
            Ok(not_ready.collect())
        };
        until_ready(limit, cancellation, say, look, |what| {
            self.reasons(what.trim_start_matches("service/"))
        })
    }

    fn undo(&self, undo: &Undo<'_>) -> Result<Vec<String>, Failure> {
        // Volumes of a stack stay in any case.
        let Undo {
            before,
            changed,
            force,
            ..
        } = *undo;
        let mut done = Vec::new();
        let names = |key: &str| -> BTreeSet<String> {
            let items = before[key].as_array().into_iter().flatten();
            items
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect()
        };
        let now = self.versions()?;
        let ours = &changed["versions"];
        if !force && ours.is_object() {
            let foreign: Vec<&String> = now
                .iter()
                .filter(|(name, version)| ours.get(*name).is_some_and(|own| own != *version))
                .map(|(name, _)| name)
                .collect();
            if !foreign.is_empty() {
                let list: Vec<&str> = foreign.into_iter().map(String::as_str).collect();
                return Err(Failure::refused(format!(
                    "changed since: {}; nothing was undone. To undo all the same: --force",
                    list.join(", ")
                )));
            }
        }
        let services = names("services");
        if services.is_empty() {
            let mut left = !now.is_empty();
            for kind in ["config", "secret", "network"] {
                left |= !self.owned(kind)?.is_empty();
            }
            // There is nothing to remove if the run never came to deploying.
            if left {
                self.engine.call(&["stack", "rm", &self.stack])?;
                done.push(format!("removed stack {}", self.stack));
            }
            return Ok(done);
        }
        for name in now.keys().filter(|name| !services.contains(*name)) {
            self.engine.call(&["service", "rm", name])?;
            done.push(format!("removed service {name}"));
        }
        for name in services {
            // Swarm itself keeps the specification that was there before an update.
            if before["versions"].get(&name) != now.get(&name) {
                self.engine
                    .call(&["service", "rollback", "--detach", "--quiet", &name])?;
                done.push(format!("brought back service {name}"));
            }
        }
        for kind in ["config", "secret", "network"] {
            for name in self.owned(kind)?.difference(&names(&format!("{kind}s"))) {
                // Something may still use it for a moment; it is of no harm.
                if self.engine.call(&[kind, "rm", name]).is_ok() {
                    done.push(format!("removed {kind} {name}"));
                }
            }
        }
        Ok(done)
    }

    fn scales(&self, _: &Output) -> Result<Value, Failure> {
        let services: serde_json::Map<String, Value> = self
            .services()?
            .into_iter()
            .map(|service| {
                let replicas = service.mode["Replicated"]["Replicas"].clone();
                (service.name, replicas)
            })
            .collect();
        Ok(json!({"services": services}))
    }

    fn scale(&self, scales: &Value, scale: Scale) -> Result<Vec<String>, Failure> {
        let mut done = Vec::new();
        for (name, replicas) in scales["services"].as_object().into_iter().flatten() {
            let wanted = match (replicas.as_u64(), scale) {
                (Some(0), _) | (None, Scale::Back) => continue,
                (None, Scale::Down) => {
                    done.push(format!("left service {name}: its mode has no scale"));
                    continue;
                }
                (Some(_), Scale::Down) => 0,
                (Some(replicas), Scale::Back) => replicas,
            };
            self.engine
                .call(&["service", "scale", "--detach", &format!("{name}={wanted}")])?;
            done.push(format!("scaled service {name} to {wanted}"));
        }
        Ok(done)
    }
}

impl Swarm {
    /// What the newest tasks of a service say, and its last lines.
    fn reasons(&self, service: &str) -> Vec<String> {
        let rows = self.engine.rows(&[
            "service",
            "ps",
            service,
            "--no-trunc",
            "--format",
            "{{json .}}",
        ]);
        let mut why: Vec<String> = rows
            .unwrap_or_default()
            .iter()
            .filter_map(|row| {
                let error = row["Error"].as_str().filter(|error| !error.is_empty())?;
                Some(format!("{}: {error}", row["Name"].as_str()?))
            })
            .take(3)
            .collect();
        let logs = self
            .engine
            .call(&["service", "logs", "--tail", "8", "--raw", service]);
        why.extend(
            logs.unwrap_or_default()
                .lines()
                .map(|line| format!("  log: {line}")),
        );
        why.dedup();
        why
    }
}

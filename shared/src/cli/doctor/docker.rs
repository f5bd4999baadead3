//! docker: it finds plugins in `cli-plugins` folders and asks each one who it is.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::Check;
use super::path;
use crate::host::docker::{METADATA_ARGUMENT, VENDOR, command, plugin_folders};
use crate::host::{Host, ask};

const PATIENCE: Duration = Duration::from_secs(10);

/// Whether docker finds this program as `docker migrate`, and no other in its place.
pub(super) fn installation() -> Vec<Check> {
    let name = if cfg!(windows) {
        "docker-migrate.exe"
    } else {
        Host::Docker.program()
    };
    let found: Vec<PathBuf> = plugin_folders()
        .into_iter()
        .map(|folder| folder.join(name))
        .filter(|file| file.symlink_metadata().is_ok())
        .collect();
    let own = std::env::current_exe().ok();
    let Some((first, shadowed)) = found.split_first() else {
        return vec![Check::broken(
            "plugin",
            "docker looks for plugins in its `cli-plugins` folders, not on PATH, and this program is in none of them",
            "docker-migrate install",
        )];
    };
    let mut checks = Vec::new();
    if path::is_executable(first) {
        checks.push(metadata(first));
    } else {
        checks.push(Check::broken(
            "plugin",
            format!("{} cannot be run", first.display()),
            format!("chmod +x {}", first.display()),
        ));
    }
    if !own.as_deref().is_some_and(|own| path::is_same(own, first)) {
        checks.push(Check::warning(
            "copy",
            format!(
                "`docker migrate` runs {}, which is not this program",
                first.display()
            ),
            "To install this one: docker-migrate install",
        ));
    }
    if !shadowed.is_empty() {
        checks.push(Check::warning(
            "shadowed",
            format!(
                "never run, because docker finds the other first: {}",
                path::list(shadowed)
            ),
            "Remove those that you do not need.",
        ));
    }
    checks
}

/// Docker only says "unknown command" of a plugin whose metadata it does not like.
fn metadata(plugin: &std::path::Path) -> Check {
    let mut command = Command::new(plugin);
    command.arg(METADATA_ARGUMENT);
    let answer = match ask(command, PATIENCE) {
        Ok(answer) => answer,
        Err(error) => return Check::broken("plugin", error.to_string(), "docker-migrate install"),
    };
    let data: Value = serde_json::from_str(&answer.output).unwrap_or_default();
    let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
    let is_plugin = text("SchemaVersion") == "0.1.0" && !text("Vendor").is_empty();
    if is_plugin && text("Vendor") != VENDOR {
        Check::broken(
            "plugin",
            format!(
                "`docker migrate` runs another program, of {}: {}",
                text("Vendor"),
                plugin.display()
            ),
            format!("Remove it: `rm {}`", plugin.display()),
        )
    } else if is_plugin {
        Check::ok(
            "plugin",
            format!("docker runs {} {}", plugin.display(), text("Version")),
        )
    } else {
        Check::broken(
            "plugin",
            format!(
                "{} does not say who it is, so docker hides it",
                plugin.display()
            ),
            "docker-migrate install --force",
        )
    }
}

/// Whether there is a docker, its engine answers, and it can deploy stacks and Compose projects. `needed`: it is what
/// called us.
pub(super) fn host(online: bool, needed: bool) -> Vec<Check> {
    let mut question = command();
    question.args(["version", "--format={{json .Client}}"]);
    let answer = match ask(question, PATIENCE) {
        Ok(answer) => answer,
        Err(error) => {
            let remedy = "Install the docker CLI: https://docs.docker.com/engine/install/";
            return vec![if needed {
                Check::broken("docker", error.to_string(), remedy)
            } else {
                Check::warning("docker", error.to_string(), remedy)
            }];
        }
    };
    let client: Value = serde_json::from_str(answer.output.trim()).unwrap_or_default();
    let mut checks = vec![Check::ok(
        "docker",
        client["Version"].as_str().unwrap_or("unknown version"),
    )];
    checks.push(compose());
    if online {
        checks.push(engine());
    }
    checks
}

fn compose() -> Check {
    let mut question = command();
    question.args(["compose", "version", "--short"]);
    match ask(question, PATIENCE) {
        Ok(answer) if answer.success => Check::ok("docker compose", answer.output.trim()),
        _ => Check::warning(
            "docker compose",
            "not there: Compose files cannot be started",
            "https://docs.docker.com/compose/install/",
        ),
    }
}

fn engine() -> Check {
    let mut question = command();
    question.args([
        "info",
        "--format={{.ServerVersion}} {{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}",
    ]);
    let unreachable = |reason: &str| {
        Check::warning(
            "engine",
            format!("does not answer: {reason}"),
            "Nothing, if you only convert files. Else choose another: `docker context use NAME`",
        )
    };
    let answer = match ask(question, PATIENCE) {
        Ok(answer) => answer,
        Err(error) => return unreachable(&error.to_string()),
    };
    let words: Vec<_> = answer.output.split_whitespace().collect();
    match words.as_slice() {
        [version, "active", "true"] => {
            Check::ok("engine", format!("{version}, a manager of a swarm"))
        }
        [version, "active", _] => Check::warning(
            "engine",
            format!("{version}, a worker of a swarm"),
            "Stacks can only be read and deployed through a manager: choose its context.",
        ),
        [version, ..] if answer.success => Check::ok("engine", format!("{version}, no swarm")),
        _ => unreachable(
            answer
                .complaint
                .lines()
                .last()
                .unwrap_or("no answer")
                .trim(),
        ),
    }
}

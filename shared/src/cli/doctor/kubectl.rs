//! kubectl: it finds plugins on `PATH`, the longest name first.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::Check;
use super::path;
use crate::host::{Host, ask, kubectl};

const PATIENCE: Duration = Duration::from_secs(10);

/// Whether kubectl finds this program as `kubectl migrate`, and no other in its place.
pub(super) fn installation() -> Vec<Check> {
    let mut checks = Vec::new();
    let program = Host::Kubectl.program();
    let found = path::all(program);
    let own = std::env::current_exe().ok();
    match found.split_first() {
        None => checks.push(Check::broken(
            "plugin",
            format!("there is no {program} on PATH, so `kubectl migrate` does not exist"),
            "Put the program into a folder of PATH under this name.",
        )),
        Some((first, shadowed)) => {
            if own.as_deref().is_some_and(|own| path::is_same(own, first)) {
                checks.push(Check::ok(
                    "plugin",
                    format!("kubectl runs {}", first.display()),
                ));
            } else {
                checks.push(Check::broken(
                    "plugin",
                    format!(
                        "`kubectl migrate` runs another program: {}",
                        first.display()
                    ),
                    format!(
                        "Remove it (`rm {}`), or put the folder of this program before it on PATH.",
                        first.display()
                    ),
                ));
            }
            if !shadowed.is_empty() {
                checks.push(Check::warning(
                    "shadowed",
                    format!(
                        "never run, because they stand later on PATH: {}",
                        path::list(shadowed)
                    ),
                    "Remove those that you do not need.",
                ));
            }
        }
    }
    let strays = path::beginning_with(&format!("{program}-"));
    if !strays.is_empty() {
        checks.push(Check::broken(
            "longer names",
            format!(
                "kubectl prefers longer names, so these take verbs from us: {}",
                path::list(&strays)
            ),
            strays
                .iter()
                .map(|stray| format!("rm {}", stray.display()))
                .collect::<Vec<_>>()
                .join("\n"),
        ));
    }
    if path::all("kubectl_complete-migrate").is_empty() {
        checks.push(Check::warning(
            "completion",
            "kubectl_complete-migrate is not on PATH",
            "kubectl migrate completion install",
        ));
    } else {
        checks.push(Check::ok(
            "completion",
            "kubectl asks kubectl_complete-migrate",
        ));
    }
    checks
}

/// Whether there is a kubectl, and whether its cluster answers. `needed`: it is what called us.
pub(super) fn host(online: bool, needed: bool) -> Vec<Check> {
    let program = match kubectl::program() {
        Ok(program) => program,
        Err(error) => {
            return vec![if needed {
                Check::broken("kubectl", "not there", error.to_string())
            } else {
                Check::warning("kubectl", "not there", error.to_string())
            }];
        }
    };
    let mut command = Command::new(&program);
    command.args(["version", "--output=json", "--request-timeout=5s"]);
    if !online {
        command.arg("--client");
    }
    let answer = match ask(command, PATIENCE) {
        Ok(answer) => answer,
        Err(error) => {
            return vec![Check::warning(
                "kubectl",
                error.to_string(),
                format!("Try it: `{} version`", program.display()),
            )];
        }
    };
    let versions: Value = serde_json::from_str(&answer.output).unwrap_or_default();
    let version = |side: &str| versions[side]["gitVersion"].as_str().map(str::to_owned);
    let mut checks = vec![Check::ok(
        "kubectl",
        format!(
            "{} at {}",
            version("clientVersion")
                .as_deref()
                .unwrap_or("unknown version"),
            program.display()
        ),
    )];
    if online {
        let reason = answer
            .complaint
            .lines()
            .last()
            .unwrap_or("no answer")
            .trim()
            .to_owned();
        checks.push(match version("serverVersion") {
            Some(server) => Check::ok("cluster", format!("{server}, context {}", context(&program))),
            None => Check::warning(
                "cluster",
                format!("the cluster of context {} does not answer: {reason}", context(&program)),
                "Nothing, if you only convert files. Else choose another context: `kubectl config use-context NAME`",
            ),
        });
    }
    checks
}

fn context(program: &std::path::Path) -> String {
    let mut command = Command::new(program);
    command.args(["config", "current-context"]);
    match ask(command, PATIENCE) {
        Ok(answer) if answer.success => answer.output.trim().to_owned(),
        _ => "none".to_owned(),
    }
}

//! What is looked at in a Swarm before anything is changed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::docker::{document, external, published, taken_ports};
use super::{Check, OnConflict, Output, Swarm, secrets};

/// Looks at an engine.
pub(super) fn checks(swarm: &Swarm, output: &Output, conflict: OnConflict) -> Vec<Check> {
    let mut checks = Vec::new();
    let format = "{{.ServerVersion}} {{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}";
    match swarm.engine.call(&["info", "--format", format]) {
        Ok(text) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            match words.as_slice() {
                [version, "active", "true"] => {
                    checks.push(Check::ok(
                        "engine",
                        format!("{version}, a manager of a swarm"),
                    ));
                }
                [version, "active", _] => {
                    checks.push(Check::blocked(
                        "engine",
                        format!("{version} is a worker of a swarm"),
                        "Choose the context of a manager: --docker-context NAME",
                    ));
                    return checks;
                }
                [version, ..] if !version.is_empty() => {
                    checks.push(Check::blocked(
                        "engine",
                        format!("{version} is part of no swarm"),
                        "docker swarm init",
                    ));
                    return checks;
                }
                _ => {
                    checks.push(Check::blocked(
                        "engine",
                        "it does not answer",
                        "Choose another: --docker-context NAME",
                    ));
                    return checks;
                }
            }
        }
        Err(error) => {
            checks.push(Check::blocked(
                "engine",
                error.message,
                "Choose another: --docker-context NAME",
            ));
            return checks;
        }
    }
    let document = document(output);
    swarm.check_stack(conflict, &mut checks);
    swarm.check_secrets(output, &mut checks);
    swarm.check_external(document, &mut checks);
    swarm.check_nodes(document, &mut checks);
    swarm.check_ports(document, &mut checks);
    checks
}

impl Swarm {
    /// Secrets of the same names that are there: their content cannot be read.
    fn check_secrets(&self, output: &Output, checks: &mut Vec<Check>) {
        let planned = match secrets::plan(self, output) {
            Ok(planned) => planned,
            Err(error) => {
                checks.push(Check::blocked("secrets", error.message, "Then try again."));
                return;
            }
        };
        for secret in planned {
            let subject = format!("secret {}", secret.wanted);
            if secret.name != secret.wanted {
                checks.push(Check::warning(
                    subject,
                    "is there, and a Swarm does not tell what it holds",
                    format!(
                        "It stays as it is; the application gets its own as {}.",
                        secret.name
                    ),
                ));
            } else if !secret.is_new {
                checks.push(Check::ok(subject, "is there with the same content"));
            }
        }
    }

    fn check_stack(&self, conflict: OnConflict, checks: &mut Vec<Check>) {
        match self.services() {
            Ok(services) if services.is_empty() => {
                checks.push(Check::ok("stack", format!("{} is new", self.stack)));
            }
            Ok(services) => {
                let list: Vec<_> = services.into_iter().map(|service| service.name).collect();
                let seen = format!("{} is there, with {}", self.stack, list.join(", "));
                checks.push(match conflict {
                    OnConflict::Fail => Check::blocked(
                        "stack",
                        seen,
                        "Choose another name, or say what to do: --on-conflict skip or --on-conflict overwrite",
                    ),
                    OnConflict::Skip => Check::warning("stack", seen, "It is left as it is (--on-conflict skip)."),
                    OnConflict::Overwrite => Check::warning(
                        "stack",
                        seen,
                        "It is changed (--on-conflict overwrite); `rollback` brings it back.",
                    ),
                });
            }
            Err(error) => checks.push(Check::not_checked("stack", error.message)),
        }
    }

    fn check_external(&self, document: &Value, checks: &mut Vec<Check>) {
        for (section, kind) in [
            ("networks", "network"),
            ("volumes", "volume"),
            ("configs", "config"),
            ("secrets", "secret"),
        ] {
            for name in external(document, section) {
                let subject = format!("{kind} {name}");
                checks.push(if self.engine.call(&[kind, "inspect", &name]).is_ok() {
                    Check::ok(subject, "is there")
                } else {
                    let remedy = match kind {
                        "network" => format!("docker network create --driver overlay {name}"),
                        "volume" => format!("docker volume create {name}"),
                        _ => format!("docker {kind} create {name} FILE"),
                    };
                    Check::blocked(subject, "the stack needs it, and it is not there", remedy)
                });
            }
        }
    }

    fn check_nodes(&self, document: &Value, checks: &mut Vec<Check>) {
        let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
        for (_, service) in document["services"].as_object().into_iter().flatten() {
            for constraint in service["deploy"]["placement"]["constraints"]
                .as_array()
                .into_iter()
                .flatten()
            {
                if let Some((key, value)) =
                    constraint.as_str().and_then(|text| text.split_once("=="))
                {
                    wanted.insert((key.trim().to_owned(), value.trim().to_owned()));
                }
            }
        }
        let labels: BTreeSet<(String, String)> = wanted
            .into_iter()
            .filter(|(key, _)| key.starts_with("node.labels."))
            .collect();
        for (key, value) in labels {
            let label = key.trim_start_matches("node.labels.");
            let filter = format!("node.label={label}={value}");
            match self
                .engine
                .lines(&["node", "ls", "--filter", &filter, "--quiet"])
            {
                Ok(nodes) if nodes.is_empty() => checks.push(Check::blocked(
                    format!("nodes with {label}={value}"),
                    "there is none, so these tasks would wait for ever",
                    format!("docker node update --label-add {label}={value} NODE"),
                )),
                Ok(nodes) => checks.push(Check::ok(
                    format!("nodes with {label}={value}"),
                    nodes.len().to_string(),
                )),
                Err(error) => checks.push(Check::not_checked("nodes", error.message)),
            }
        }
    }

    fn check_ports(&self, document: &Value, checks: &mut Vec<Check>) {
        if published(document).is_empty() {
            return;
        }
        let rows = self
            .engine
            .rows(&["service", "ls", "--format", "{{json .}}"])
            .unwrap_or_default();
        let prefix = format!("{}_", self.stack);
        checks.extend(taken_ports(document, &rows, |row| {
            let name = row["Name"].as_str().unwrap_or_default();
            (!name.starts_with(&prefix)).then(|| format!("service {name}"))
        }));
    }
}

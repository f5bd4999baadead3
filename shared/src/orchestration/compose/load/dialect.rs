//! Whose rules the files follow.

use std::path::PathBuf;

use crate::finding::{Code, Findings};
use crate::orchestration::model::Dialect;
use crate::source::{KeyPath, Mapping, Node, Origin, Position};

/// Keys of `deploy` that only a Swarm acts on.
const SWARM_ONLY: [&str; 6] = [
    "mode",
    "placement",
    "update_config",
    "rollback_config",
    "endpoint_mode",
    "labels",
];
/// Keys of a service that the stack schema refuses (docker/cli, schema 3.13).
const NOT_IN_STACK: [&str; 12] = [
    "profiles",
    "extends",
    "scale",
    "gpus",
    "develop",
    "provider",
    "models",
    "pull_policy",
    "runtime",
    "platform",
    "mem_limit",
    "cpus",
];

/// Keys that `docker compose` acts on and a stack does not, and that change what a container may or whom it reaches.
const POWERS: [&str; 8] = [
    "privileged",
    "devices",
    "security_opt",
    "network_mode",
    "pid",
    "ipc",
    "userns_mode",
    "cgroup",
];

/// Whether a service waits for more than the start of another one, which needs the form of `depends_on` that a stack
/// refuses.
fn waits(service: &Mapping) -> bool {
    let dependencies = service.get("depends_on").and_then(Node::as_mapping);
    dependencies
        .into_iter()
        .flat_map(Mapping::iter)
        .filter_map(|(_, entry)| entry.node.as_mapping()?.get("condition")?.as_text())
        .any(|condition| condition != "service_started")
}

/// Whether `deploy.restart_policy` has a word that only `docker compose` takes there.
fn ends_like_compose(service: &Mapping) -> bool {
    service
        .get("deploy")
        .and_then(|deploy| deploy.below(&["restart_policy", "condition"]))
        .and_then(Node::as_text)
        .is_some_and(|word| matches!(word, "always" | "unless-stopped" | "no"))
}

/// The dialect: what the user says, else `Swarm` when a file of version 3 (or without a version) uses what only a
/// Swarm acts on (keys of `deploy`, an overlay network, `stack` in the file's name) and nothing that a stack refuses.
pub(super) fn decide(
    asked: Option<Dialect>,
    root: &Mapping,
    version: Option<&str>,
    files: &[PathBuf],
    at: Position,
    findings: &mut Findings,
) -> Dialect {
    if let Some(dialect) = asked {
        return dialect;
    }
    let version_fits = version.is_none_or(|v| v.starts_with('3'));
    let services = || {
        let all = root.get("services").and_then(Node::as_mapping);
        all.into_iter()
            .flat_map(Mapping::iter)
            .filter_map(|(_, e)| e.node.as_mapping())
    };
    let refused = root.get("include").is_some()
        || services().any(|service| {
            NOT_IN_STACK.iter().any(|key| service.get(key).is_some())
                || waits(service)
                || ends_like_compose(service)
        });
    let named_stack = files
        .first()
        .and_then(|f| f.file_name())
        .is_some_and(|n| n.to_string_lossy().contains("stack"));
    let swarm_keys = services()
        .filter_map(|s| s.get("deploy").and_then(Node::as_mapping))
        .any(|deploy| SWARM_ONLY.iter().any(|key| deploy.get(key).is_some()));
    let overlay = root
        .get("networks")
        .and_then(Node::as_mapping)
        .into_iter()
        .flat_map(Mapping::iter)
        .any(|(_, e)| {
            e.node
                .as_mapping()
                .and_then(|n| n.get("driver"))
                .and_then(Node::as_text)
                == Some("overlay")
        });
    let dialect = if version_fits && !refused && (named_stack || swarm_keys || overlay) {
        Dialect::Swarm
    } else {
        Dialect::Compose
    };
    let message = match dialect {
        Dialect::Swarm => {
            "the file is read as a Swarm stack, as it uses what only a Swarm acts on (--dialect compose reads it otherwise)"
        }
        _ => "the file is read as `docker compose` reads it (--dialect swarm reads it otherwise)",
    };
    findings.add(
        Code("dialect-chosen"),
        &Origin::new(at, KeyPath::root()),
        message,
    );
    if dialect == Dialect::Swarm {
        let named = root.get("services").and_then(Node::as_mapping);
        for (name, entry) in named.into_iter().flat_map(Mapping::iter) {
            let service = entry.node.as_mapping();
            let power = service.and_then(|s| {
                let found = POWERS.iter().map(|key| (*key, s.0.get(key)));
                found
                    .into_iter()
                    .find_map(|(key, entry)| Some((key, entry?)))
            });
            if let Some((key, entry)) = power {
                let path = KeyPath::root().key("services").key(name).key(key);
                let message = format!(
                    "the file is read as a Swarm stack, which ignores `{key}`; `docker compose` acts on it"
                );
                findings.add(
                    Code("dialect-doubtful"),
                    &Origin::new(entry.key_at, path),
                    message,
                );
            }
        }
    }
    dialect
}

//! What can stand at a place: names that only the cluster, the engine or the tables know.

use std::ffi::{OsStr, OsString};
use std::process::Command as Process;
use std::time::Duration;

use clap::Command;
use clap_complete::CompletionCandidate;
use clap_complete::engine::ArgValueCompleter;

use crate::finding;
use crate::host::{Host, ask, docker, kubectl};
use crate::orchestration::provider::Provider;

/// A shell that waits for candidates hangs: a cluster that does not answer has none.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where the candidates of an argument come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    KubeContexts,
    Namespaces,
    Workloads,
    StorageClasses,
    IngressClasses,
    DockerContexts,
    Stacks,
    Codes,
    Providers,
}

/// Arguments by their ids, the same in all verbs.
const ARGUMENTS: [(&str, Origin); 15] = [
    ("context", Origin::KubeContexts),
    ("kube_context", Origin::KubeContexts),
    ("to_context", Origin::KubeContexts),
    ("from_context", Origin::KubeContexts),
    ("namespace", Origin::Namespaces),
    ("target_namespace", Origin::Namespaces),
    ("workload", Origin::Workloads),
    ("resource", Origin::Workloads),
    ("storage_class", Origin::StorageClasses),
    ("ingress_class", Origin::IngressClasses),
    ("docker_context", Origin::DockerContexts),
    ("stack", Origin::Stacks),
    ("query", Origin::Codes),
    ("from_provider", Origin::Providers),
    ("to_provider", Origin::Providers),
];

/// Adds live candidates to the arguments that have some. `words` are what was typed: `--context` in them decides which
/// cluster is asked.
#[must_use]
pub fn with_candidates(command: Command, words: &[OsString]) -> Command {
    let mut command = command;
    let known: Vec<_> = command
        .get_arguments()
        .filter_map(|argument| {
            let id = argument.get_id().as_str();
            let (_, origin) = ARGUMENTS.iter().find(|(name, _)| *name == id)?;
            Some((id.to_owned(), *origin))
        })
        .collect();
    for (id, origin) in known {
        let words = words.to_vec();
        command = command.mut_arg(id, |argument| {
            argument.add(ArgValueCompleter::new(move |current: &OsStr| {
                matching(current, candidates(origin, &words))
            }))
        });
    }
    let names: Vec<_> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        command = command.mut_subcommand(name, |sub| with_candidates(sub, words));
    }
    command
}

fn matching(current: &OsStr, all: Vec<(String, Option<String>)>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    all.into_iter()
        .filter(|(value, _)| value.starts_with(current.as_ref()))
        .map(|(value, help)| CompletionCandidate::new(value).help(help.map(Into::into)))
        .collect()
}

fn candidates(origin: Origin, words: &[OsString]) -> Vec<(String, Option<String>)> {
    let cluster = |arguments: &[&str]| names(kubectl_command(arguments, words));
    match origin {
        Origin::KubeContexts => names(kubectl_command(
            &["config", "get-contexts", "--output=name"],
            &[],
        )),
        Origin::Namespaces => cluster(&["get", "namespaces", "--output=name"]),
        Origin::StorageClasses => cluster(&["get", "storageclasses", "--output=name"]),
        Origin::IngressClasses => cluster(&["get", "ingressclasses", "--output=name"]),
        Origin::Workloads => workloads(words),
        Origin::DockerContexts => docker_names(&["context", "ls", "--format={{.Name}}"]),
        Origin::Stacks => docker_names(&["stack", "ls", "--format={{.Name}}"]),
        Origin::Providers => Provider::all()
            .iter()
            .map(|provider| (provider.name().to_owned(), None))
            .collect(),
        Origin::Codes => finding::catalog()
            .map(|row| (row.code.to_owned(), Some(row.title.to_owned())))
            .collect(),
    }
}

/// `TYPE/NAME` of what can be migrated.
fn workloads(words: &[OsString]) -> Vec<(String, Option<String>)> {
    let kinds = "deployments,statefulsets,daemonsets,replicationcontrollers,jobs,cronjobs";
    lines(kubectl_command(&["get", kinds, "--output=name"], words))
        .into_iter()
        .filter_map(|line| {
            let (kind, name) = line.split_once('/')?;
            let kind = kind.split('.').next().unwrap_or(kind);
            Some((format!("{kind}/{name}"), None))
        })
        .collect()
}

/// kubectl with the cluster and namespace that the user has typed so far.
fn kubectl_command(arguments: &[&str], words: &[OsString]) -> Option<Process> {
    let mut command = Process::new(kubectl::program().ok()?);
    command.args(arguments);
    if arguments.first() == Some(&"get") {
        command.arg("--request-timeout=2s");
    }
    let mut rest = words.iter().filter_map(|word| word.to_str()).peekable();
    while let Some(word) = rest.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (word, rest.peek().copied()),
        };
        let option = match option {
            "--context" | "--kube-context" => "--context",
            "--kubeconfig" => "--kubeconfig",
            "-n" | "--namespace" => "--namespace",
            _ => continue,
        };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            command.arg(format!("{option}={value}"));
        }
    }
    Some(command)
}

fn docker_names(arguments: &[&str]) -> Vec<(String, Option<String>)> {
    let mut command = docker::command();
    command.args(arguments);
    names(Some(command))
}

/// One name a line, without the kind that kubectl puts in front.
fn names(command: Option<Process>) -> Vec<(String, Option<String>)> {
    lines(command)
        .into_iter()
        .map(|line| match line.split_once('/') {
            Some((_, name)) => (name.to_owned(), None),
            None => (line, None),
        })
        .collect()
}

fn lines(command: Option<Process>) -> Vec<String> {
    command
        .and_then(|command| ask(command, PATIENCE).ok())
        .filter(|answer| answer.success)
        .map(|answer| answer.output.lines().map(str::to_owned).collect())
        .unwrap_or_default()
}

impl Host {
    /// The script that asks a program for candidates on behalf of its host, as a file of the given name: kubectl looks
    /// for `kubectl_complete-migrate` on `PATH`, helm for `plugin.complete` in the plugin's folder; docker asks the
    /// plugin itself.
    #[must_use]
    pub fn completion_script(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Kubectl => Some((
                "kubectl_complete-migrate",
                include_str!("../../../../krew/kubectl_complete-migrate"),
            )),
            Self::Helm => Some((
                "plugin.complete",
                include_str!("../../../../helm-convert/plugin.complete"),
            )),
            Self::Docker => None,
        }
    }
}

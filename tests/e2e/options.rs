//! Each value of each choice: the real tools take what is written, and nothing is lost in silence.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use migrate::orchestration::compose::{
    ComposeOptions, ComposeTarget, CronRunner, HttpProbe, IngressProxy,
};
use migrate::orchestration::kubernetes::{
    BindPolicy, ControllerChoice, KubernetesOptions, ProbePolicy, Publish, StartOrder,
};
use migrate::orchestration::model::Controller;
use tests::fixtures;
use tests::lab::{Components, ControlPlane, validators};
use tests::run::compose_target;

use crate::deletion;

/// A choice and the values that it is tried with; no value for a flag.
type Choice = (&'static str, &'static [&'static str]);

const FOR_KUBERNETES: [Choice; 13] = [
    (
        "--controller",
        &[
            "deployment",
            "daemonset",
            "replicationcontroller",
            "replicaset",
            "statefulset",
            "pod",
        ],
    ),
    (
        "--publish",
        &["loadbalancer", "nodeport", "clusterip", "ingress"],
    ),
    ("--binds", &["auto", "configmap", "hostpath", "claim"]),
    ("--start-order", &["none", "wait"]),
    ("--probes", &["auto", "ready", "ready-and-live"]),
    ("--dialect", &["auto", "compose", "swarm"]),
    ("--to", &["kubernetes"]),
    ("--storage-size", &["5Gi"]),
    ("--storage-class", &["fast"]),
    ("--network-policies", &[]),
    ("--copy-up", &[]),
    ("--namespace", &["shop"]),
    ("--no-carry", &[]),
];

const FOR_COMPOSE: [Choice; 7] = [
    ("--to", &["compose", "swarm"]),
    ("--http-probe", &["either", "wget", "curl"]),
    ("--unroll-stateful", &[]),
    ("--cron", &["none", "labels"]),
    ("--ingress", &["none", "traefik"]),
    ("--inline-secrets", &[]),
    ("--no-carry", &[]),
];

/// Chosen so that each choice has something to decide: ports, volumes, binds, order, checks, networks, deploy.
const COMPOSE_FIXTURES: [&str; 7] = [
    "applications/wordpress/docker-compose.yml",
    "applications/vote/docker-stack.yml",
    "features/compose/healthcheck",
    "features/compose/volumes-short",
    "features/compose/networks",
    "features/compose/depends-on",
    "features/compose/ports-long",
];
const KUBERNETES_FIXTURES: [&str; 7] = [
    "applications/gitlab/kubernetes",
    "features/kubernetes/probes.yaml",
    "features/kubernetes/cronjob.yaml",
    "features/kubernetes/ingress.yaml",
    "features/kubernetes/statefulset-claims.yaml",
    "features/kubernetes/env-from.yaml",
    "features/kubernetes/config-and-secret-volumes.yaml",
];

fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent");
    command
}

fn docker() -> Command {
    program(env!("CARGO_BIN_EXE_docker-migrate-dup"))
}

fn kubectl() -> Command {
    program(env!("CARGO_BIN_EXE_kubectl-migrate-dup"))
}

/// The command lines of a table, one for each value.
fn lines(choices: &[Choice]) -> Vec<Vec<&'static str>> {
    choices
        .iter()
        .flat_map(|(flag, values)| {
            if values.is_empty() {
                vec![vec![*flag]]
            } else {
                values.iter().map(|value| vec![*flag, *value]).collect()
            }
        })
        .collect()
}

/// The enumerated choices that a program's own help lists, with their values.
fn listed(mut command: Command) -> BTreeSet<(String, String)> {
    let output = command.args(["convert", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let mut all = BTreeSet::new();
    let mut flag = String::new();
    let mut in_values = false;
    let mut open = String::new();
    for line in help.lines().map(str::trim) {
        if let Some(at) = line
            .find("--")
            .filter(|_| line.starts_with('-') && !line.starts_with("- "))
        {
            flag = line[at..]
                .split([' ', ','])
                .next()
                .unwrap_or_default()
                .to_owned();
            in_values = false;
        } else if line == "Possible values:" {
            in_values = true;
        } else if in_values && let Some(value) = line.strip_prefix("- ") {
            let value = value.split(':').next().unwrap_or_default();
            all.insert((flag.clone(), value.to_owned()));
        } else if let Some(values) = line.strip_prefix("[possible values: ") {
            values.clone_into(&mut open);
        } else if !open.is_empty() {
            open.push(' ');
            open.push_str(line);
        }
        if let Some(values) = open.strip_suffix(']') {
            for value in values.split(", ") {
                all.insert((flag.clone(), value.to_owned()));
            }
            open.clear();
        }
    }
    all
}

#[test]
fn every_value_of_the_help_is_tried() {
    for (program, choices) in [
        (docker(), &FOR_KUBERNETES[..]),
        (kubectl(), &FOR_COMPOSE[..]),
    ] {
        let listed = listed(program);
        assert!(listed.len() > 6, "{listed:?}");
        for (flag, value) in listed {
            // The format of documents is no choice about their content.
            let tried = flag == "--output"
                || choices
                    .iter()
                    .any(|(f, values)| *f == flag && values.contains(&value.as_str()));
            assert!(tried, "{flag} {value} is not tried");
        }
    }
}

/// A conversion by the program itself into a folder; the error output if it was refused.
fn convert(
    mut command: Command,
    source: &[String],
    line: &[&str],
    out: &Path,
) -> Result<(), String> {
    let output = command
        .arg("convert")
        .args(source)
        .args(line)
        .arg("-d")
        .arg(out)
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn compose_source(name: &str) -> Vec<String> {
    let path = fixtures::folder().join(name);
    let file = if path.is_dir() {
        ["compose.yaml", "compose.yml", "docker-compose.yml"]
            .iter()
            .map(|name| path.join(name))
            .find(|path| path.is_file())
            .unwrap()
    } else {
        path
    };
    vec!["-f".into(), file.display().to_string()]
}

fn missing(what: &str) {
    assert!(
        std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
        "{what} is required here and could not be started"
    );
    println!("NOT TESTED: {what} could not be started (tests/lab/components says why)");
}

/// A bind mount that cannot be a ConfigMap is refused by that very choice, with a finding that names it.
fn refused_by_choice(line: &[&str], error: &str) -> bool {
    line == ["--binds", "configmap"] && error.contains("error[bind-unfit]")
}

#[test]
fn api_server_accepts_every_choice() {
    let Ok(plane) = ControlPlane::start(&Components::from_env()) else {
        missing("kube-apiserver");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut problems = Vec::new();
    let mut accepted = 0;
    for (number, line) in lines(&FOR_KUBERNETES).iter().enumerate() {
        for name in COMPOSE_FIXTURES {
            let out = folder
                .path()
                .join(format!("{number}-{}", name.replace('/', "-")));
            if let Err(error) = convert(docker(), &compose_source(name), line, &out) {
                if !refused_by_choice(line, &error) {
                    problems.push(format!("{name} {line:?}: not converted: {error}"));
                }
                continue;
            }
            let files: Vec<PathBuf> = fixtures::files(&out)
                .into_iter()
                .filter(|file| file.extension().is_some_and(|e| e == "yaml"))
                .collect();
            assert!(!files.is_empty(), "{name} {line:?}: nothing was written");
            match validators::kubernetes(&plane, &files) {
                Ok(()) => accepted += 1,
                Err(error) => problems.push(format!("{name} {line:?}: {error}")),
            }
        }
    }
    println!("{accepted} conversions accepted by a real API server");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn docker_accepts_every_choice() {
    let components = Components::from_env();
    if components.docker.is_none() || components.docker_config.is_none() {
        missing("docker");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut problems = Vec::new();
    let mut accepted = 0;
    for (number, line) in lines(&FOR_COMPOSE).iter().enumerate() {
        for target in ["compose", "swarm"] {
            let mut words = line.clone();
            if line[0] != "--to" {
                words.extend(["--to", target]);
            } else if line[1] != target {
                continue;
            }
            for name in KUBERNETES_FIXTURES {
                let out = folder
                    .path()
                    .join(format!("{number}-{target}-{}", name.replace('/', "-")));
                let source = [
                    "-f".into(),
                    fixtures::folder().join(name).display().to_string(),
                ];
                if let Err(error) = convert(kubectl(), &source, &words, &out) {
                    problems.push(format!("{name} {words:?}: not converted: {error}"));
                    continue;
                }
                let files = fixtures::files(&out);
                let file = files
                    .iter()
                    .find(|f| f.extension().is_some_and(|e| e == "yaml"))
                    .unwrap();
                let verdict = if target == "compose" {
                    validators::compose(&components, file, &out)
                } else {
                    validators::stack(&components, file)
                };
                match verdict {
                    Ok(_) => accepted += 1,
                    Err(error) => problems.push(format!("{name} {words:?}: {error}")),
                }
            }
        }
    }
    println!("{accepted} files accepted by docker");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The ways to deviate from the defaults, one at a time.
fn kubernetes_choices() -> Vec<KubernetesOptions> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut KubernetesOptions)| {
        let mut options = KubernetesOptions::default();
        change(&mut options);
        all.push(options);
    };
    for controller in [
        ControllerChoice::DaemonSet,
        ControllerChoice::StatefulSet,
        ControllerChoice::Pod,
        ControllerChoice::Replicas(Controller::ReplicaSet),
        ControllerChoice::Replicas(Controller::ReplicationController),
    ] {
        add(&|options| options.controller = controller);
    }
    for publish in [Publish::NodePort, Publish::ClusterIp, Publish::Ingress] {
        add(&|options| options.publish = publish);
    }
    for binds in [
        BindPolicy::ConfigMap,
        BindPolicy::HostPath,
        BindPolicy::Claim,
    ] {
        add(&|options| options.binds = binds);
    }
    for probes in [ProbePolicy::Ready, ProbePolicy::ReadyAndLive] {
        add(&|options| options.probes = probes);
    }
    add(&|options| options.start_order = StartOrder::Wait);
    add(&|options| options.network_policies = true);
    add(&|options| options.copy_up = true);
    all
}

#[test]
fn no_choice_for_kubernetes_silences_a_key() {
    let names = ["wordpress-docker-compose", "healthcheck", "networks"];
    let fixtures: Vec<_> = fixtures::compose()
        .into_iter()
        .filter(|fixture| names.contains(&fixture.name.as_str()))
        .collect();
    assert_eq!(fixtures.len(), names.len());
    let mut problems = Vec::new();
    for options in kubernetes_choices() {
        for silent in deletion::silent_in_compose(&fixtures, &options) {
            problems.push(format!(
                "{silent} with {:?} {:?} {:?} {:?} {:?}",
                options.controller,
                options.publish,
                options.binds,
                options.probes,
                options.start_order
            ));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn no_choice_for_compose_silences_a_field() {
    let names = ["cronjob", "ingress", "statefulset-claims"];
    let fixtures: Vec<_> = fixtures::kubernetes()
        .into_iter()
        .filter(|fixture| names.contains(&fixture.name.as_str()))
        .collect();
    assert_eq!(fixtures.len(), names.len());
    let mut problems = Vec::new();
    for target in [ComposeTarget::Compose, ComposeTarget::Swarm] {
        let changes: [&dyn Fn(&mut ComposeOptions); 6] = [
            &|options| options.http_probe = HttpProbe::Wget,
            &|options| options.http_probe = HttpProbe::Curl,
            &|options| options.unroll_stateful = true,
            &|options| options.cron = CronRunner::Labels,
            &|options| options.ingress = IngressProxy::Traefik,
            &|options| options.inline_secrets = true,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut options = compose_target(target);
            change(&mut options);
            for silent in deletion::silent_in_kubernetes(&fixtures, &options) {
                problems.push(format!("{silent} with change {index}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

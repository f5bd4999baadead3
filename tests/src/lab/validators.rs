//! The programs that have the last word about what we write.
//!
//! Each returns the program's own words when it refuses.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::{Value, json};

use super::{Components, ControlPlane, clean_command, need};

/// Asks the API server whether it takes every object in these files.
///
/// Give it many files at once: one call takes 0.3 s, a thousand objects more
/// add less than 3 s. The error has a line for each object that is refused,
/// with its kind, namespace and name. Namespaces that do not exist are made
/// for real and stay.
///
/// The question is a server-side apply, which refuses all that a create does
/// and, besides, two entries of a list under the same key, such as a variable
/// given twice. What it cannot see is a key that is given twice in one
/// mapping: kubectl has dropped the first by then.
pub fn kubernetes(plane: &ControlPlane, files: &[PathBuf]) -> Result<(), String> {
    let mut arguments = Vec::with_capacity(files.len() * 2);
    for file in files {
        arguments.push(Path::new("-f"));
        arguments.push(file);
    }
    dry_run(plane, &arguments, "")
}

/// As [`kubernetes`], for the text of one or more documents.
pub fn kubernetes_text(plane: &ControlPlane, yaml: &str) -> Result<(), String> {
    dry_run(plane, &[Path::new("-f"), Path::new("-")], yaml)
}

/// The application as Docker Compose understands it: the output of
/// `docker compose config`.
pub fn compose(components: &Components, file: &Path, project: &Path) -> Result<String, String> {
    let config = need("docker-compose", components.docker_config.as_deref())?;
    docker(components, |command| {
        command
            .env("DOCKER_CONFIG", config)
            .args(["compose", "--project-directory"])
            .arg(project)
            .arg("-f")
            .arg(file)
            .arg("config");
    })
}

/// The application as Docker Swarm understands it: the output of
/// `docker stack config`.
pub fn stack(components: &Components, file: &Path) -> Result<String, String> {
    docker(components, |command| {
        command.args(["stack", "config", "-c"]).arg(file);
    })
}

fn dry_run(plane: &ControlPlane, arguments: &[&Path], input: &str) -> Result<(), String> {
    let ask = || {
        let mut command = plane.kubectl();
        command.args(["apply", "--server-side", "--dry-run=server"]);
        command.arg("--validate=strict").args(arguments);
        run(&mut command, input)
    };
    let Err(error) = ask() else {
        return Ok(());
    };
    // A dry run does not make the namespaces that other documents are in, and
    // asking first whether they exist would double the time of every call.
    let missing = missing_namespaces(&error);
    if missing.is_empty() {
        return Err(error);
    }
    create_namespaces(plane, &missing)?;
    ask().map(drop)
}

/// The namespaces that kubectl's errors call missing.
fn missing_namespaces(error: &str) -> BTreeSet<&str> {
    error
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once("namespaces \"")?;
            let (name, _) = rest.split_once("\" not found")?;
            Some(name)
        })
        .collect()
}

/// Another test may make the same namespace at the same time, so this must not
/// mind those that exist.
fn create_namespaces(plane: &ControlPlane, names: &BTreeSet<&str>) -> Result<(), String> {
    let items: Vec<Value> = names
        .iter()
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let mut command = plane.kubectl();
    command.args(["apply", "--server-side", "-f", "-"]);
    run(&mut command, &list.to_string()).map(drop)
}

fn docker(components: &Components, arrange: impl FnOnce(&mut Command)) -> Result<String, String> {
    let program = need("docker", components.docker.as_deref())?;
    let home = tempfile::tempdir()
        .map_err(|error| format!("cannot make a home folder for docker: {error}"))?;
    let mut command = clean_command(program, home.path());
    // No question here needs an engine; one that happens to run on the machine
    // must not have a say.
    let mut engine = std::ffi::OsString::from("unix://");
    engine.push(home.path().join("docker.sock"));
    command.env("DOCKER_HOST", engine);
    command.env("DOCKER_CONFIG", home.path().join(".docker"));
    arrange(&mut command);
    run(&mut command, "")
}

/// Runs a command to its end and returns what it printed, or, when it fails,
/// what it complained about.
fn run(command: &mut Command, input: &str) -> Result<String, String> {
    let output = feed(command, input)
        .map_err(|error| format!("cannot run {}: {error}", command.get_program().display()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let complaint = text(&output.stderr);
    if complaint.trim().is_empty() {
        return Err(format!(
            "{} failed without a word: {}",
            command.get_program().display(),
            output.status
        ));
    }
    Err(complaint)
}

fn feed(command: &mut Command, input: &str) -> std::io::Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdin = child.stdin.take();
    // From a thread of its own, since the program may stop reading until we
    // have read what it writes.
    thread::scope(|scope| {
        scope.spawn(|| {
            if let Some(mut stdin) = stdin {
                // A program that has had enough says why on its own.
                let _ = stdin.write_all(input.as_bytes());
            }
        });
        child.wait_with_output()
    })
}

//! What a test does in the data centres: deploy, wait, ask, clear away.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::lab::data_centres::done;
use tests::lab::{DataCentres, Place};

/// How long an application may take to answer on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    done(command.output().map_err(|error| error.to_string())?)
        .map_err(|error| format!("{command:?}: {error}"))
}

/// Asks until the answer is good.
pub(crate) fn patiently<T>(
    what: &str,
    mut ask: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > end => {
                return Err(format!(
                    "{what}: not after {} s: {error}",
                    PATIENCE.as_secs()
                ));
            }
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

pub(crate) fn kubectl(centres: &DataCentres) -> Command {
    centres.inside(Place::Dc1, "kubectl")
}

pub(crate) fn docker(centres: &DataCentres) -> Command {
    centres.inside(Place::Dc1, "docker")
}

/// The body of a page, asked for from the first data centre; arguments are curl's.
pub(crate) fn curl(centres: &DataCentres, arguments: &[&str]) -> Result<String, String> {
    run(centres
        .inside(Place::Dc1, "curl")
        .args(["-sSf", "--max-time", "10"])
        .args(arguments))
}

/// Where an application's sources lie.
pub(crate) fn sources(application: &str, form: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("lab/applications")
        .join(application)
        .join(form)
}

/// Removes a stack with its volumes, and waits until its ports are free.
pub(crate) fn clear_stack(centres: &DataCentres, name: &str) {
    let label = format!("label=com.docker.stack.namespace={name}");
    let list = |arguments: &[&str]| {
        run(docker(centres)
            .args(arguments)
            .args(["--filter", &label, "-q"]))
        .map(|ids| ids.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    run(docker(centres).args(["stack", "rm", name])).unwrap();
    patiently("the stack is gone", || {
        match list(&["ps", "-a"])?.len() + list(&["network", "ls"])?.len() {
            0 => Ok(()),
            left => Err(format!("{left} containers and networks are left")),
        }
    })
    .unwrap();
    let volumes = list(&["volume", "ls"]).unwrap();
    if !volumes.is_empty() {
        run(docker(centres)
            .args(["volume", "rm", "--force"])
            .args(volumes))
        .unwrap();
    }
}

/// Removes a namespace with all that is in it, volumes included.
pub(crate) fn clear_namespace(centres: &DataCentres, name: &str) {
    run(kubectl(centres).args([
        "delete",
        "namespace",
        name,
        "--ignore-not-found",
        "--wait",
        "--timeout=180s",
    ]))
    .unwrap();
    let volumes = run(kubectl(centres).args([
        "get",
        "persistentvolumes",
        "-o",
        &format!(
            "jsonpath={{range .items[?(@.spec.claimRef.namespace==\"{name}\")]}}{{.metadata.name}}{{\"\\n\"}}{{end}}"
        ),
    ]))
    .unwrap();
    for volume in volumes.lines() {
        run(kubectl(centres).args(["delete", "persistentvolume", volume])).unwrap();
    }
}

/// Brings a stack up and waits until Swarm calls it stable.
pub(crate) fn deploy_stack(centres: &DataCentres, name: &str, file: &Path) -> Result<(), String> {
    run(docker(centres)
        .args(["stack", "deploy", "--detach=false", "-c"])
        .arg(file)
        .arg(name))
    .map(|_| ())
}

/// Brings objects up in a namespace and waits until every workload is ready.
pub(crate) fn deploy_objects(
    centres: &DataCentres,
    namespace: &str,
    folder: &Path,
) -> Result<(), String> {
    let _ = run(kubectl(centres).args(["create", "namespace", namespace]));
    run(kubectl(centres)
        .args(["apply", "--server-side", "-n", namespace, "-f"])
        .arg(folder))?;
    wait_for_workloads(centres, namespace)
}

/// Waits until every workload of a namespace is ready; says what happens there when that takes too long.
pub(crate) fn wait_for_workloads(centres: &DataCentres, namespace: &str) -> Result<(), String> {
    let workloads = run(kubectl(centres).args([
        "get",
        "deployments,statefulsets,daemonsets",
        "-n",
        namespace,
        "-o",
        "name",
    ]))?;
    for workload in workloads.lines() {
        run(kubectl(centres).args([
            "rollout",
            "status",
            workload,
            "-n",
            namespace,
            &format!("--timeout={}s", PATIENCE.as_secs()),
        ]))
        .map_err(|error| {
            let events = run(kubectl(centres).args(["get", "events,pods", "-n", namespace]));
            let last_words = run(kubectl(centres).args([
                "logs",
                workload,
                "-n",
                namespace,
                "--all-containers",
                "--tail=20",
            ]));
            format!(
                "{error}\n{}\n{}",
                events.unwrap_or_default(),
                last_words.unwrap_or_default()
            )
        })?;
    }
    Ok(())
}

/// All objects of a kind in a namespace.
pub(crate) fn objects(centres: &DataCentres, namespace: &str, kind: &str) -> Vec<Value> {
    let text = run(kubectl(centres).args(["get", kind, "-n", namespace, "-o", "json"])).unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    list["items"].as_array().cloned().unwrap_or_default()
}

/// The services of a stack as the engine has them.
pub(crate) fn services(centres: &DataCentres, stack: &str) -> Vec<Value> {
    let names =
        run(docker(centres).args(["stack", "services", "--format", "{{.Name}}", stack])).unwrap();
    let text = run(docker(centres)
        .args(["service", "inspect"])
        .args(names.lines()))
    .unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The objects of an application whose home is the second registry, where nothing of it may be yet, with their images.
/// Returns their folder.
pub(crate) fn objects_at_home(centres: &DataCentres, name: &str, folder: &Path) -> PathBuf {
    let home = folder.join("home");
    std::fs::create_dir(&home).unwrap();
    for entry in std::fs::read_dir(sources(name, "kubernetes")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace(Place::Dc2.registry(), Place::Dc1.registry());
        std::fs::write(home.join(path.file_name().unwrap()), text).unwrap();
    }
    move_images(centres, &home, Place::Dc1.registry(), Place::Dc2.registry()).unwrap();
    home
}

/// A copy of a folder in which images come from another registry; copies the images there as well.
pub(crate) fn move_images(
    centres: &DataCentres,
    folder: &Path,
    from: &str,
    to: &str,
) -> Result<(), String> {
    let reference = regex::Regex::new(&format!(r"{}/[\w./-]+:[\w.-]+", regex::escape(from)))
        .map_err(|error| error.to_string())?;
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        for found in reference.find_iter(&text) {
            let target = found.as_str().replacen(from, to, 1);
            run(centres.inside(Place::Dc1, "crane").args([
                "copy",
                "--insecure",
                found.as_str(),
                &target,
            ]))?;
        }
        let moved = text.replace(&format!("image: {from}/"), &format!("image: {to}/"));
        std::fs::write(&path, moved).map_err(|error| error.to_string())?;
    }
    Ok(())
}

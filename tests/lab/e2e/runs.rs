//! One command moves a running application from one data centre to the other.

use std::path::Path;
use std::process::{Command, Output};

use tests::lab::{DataCentres, Place};

use super::application::Application;
use super::centres;
use super::site::{
    clear_namespace, clear_stack, deploy_objects, deploy_stack, kubectl, objects_at_home,
    patiently, run, sources,
};

const REGISTRIES: [&str; 4] = [
    "--plain-http",
    Place::Dc1.registry(),
    "--plain-http",
    Place::Dc2.registry(),
];

/// `docker migrate VERB`, with its journal in `folder`.
fn docker_migrate(centres: &DataCentres, folder: &Path, verb: &str) -> Command {
    let mut command = centres.inside(Place::Dc1, env!("CARGO_BIN_EXE_docker-migrate-dup"));
    command.arg(verb).env("HOME", folder);
    command
}

/// A run of a stack into the cluster.
fn run_stack(centres: &DataCentres, folder: &Path, name: &str, more: &[&str]) -> Output {
    docker_migrate(centres, folder, "run")
        .args(["--yes", "-p", name, "-n", name, "-f"])
        .arg(sources(name, "swarm").join("stack.yml"))
        .args(["--to-registry", Place::Dc2.registry()])
        .args(REGISTRIES)
        .args(more)
        .output()
        .unwrap()
}

fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Names of what is in a namespace, but for what a cluster puts there by itself.
fn content(centres: &DataCentres, namespace: &str) -> String {
    let kinds = "deployments,statefulsets,daemonsets,services,secrets,persistentvolumeclaims,networkpolicies";
    run(kubectl(centres).args(["get", kinds, "-n", namespace, "-o", "name"])).unwrap()
}

#[test]
fn a_stack_comes_to_the_cluster_and_leaves_it_again() {
    let Some(centres) = centres() else { return };
    let folder = tempfile::tempdir().unwrap();
    clear_namespace(&centres, "vote");
    clear_stack(&centres, "vote");
    let stack = sources("vote", "swarm").join("stack.yml");
    deploy_stack(&centres, "vote", &stack).unwrap();
    let before = Application::Vote.exercise(&centres, Place::Dc1).unwrap();

    let moved = run_stack(&centres, folder.path(), "vote", &[]);
    let said = words(&moved);
    assert!(moved.status.success(), "{said}");
    for term in ["T_OrcConvert", "T_OrcRep", "T_ImageSync", "T_AppRun"] {
        assert!(said.contains(term), "{said}");
    }
    let after = Application::Vote.exercise(&centres, Place::Dc2).unwrap();
    assert_eq!(before, after, "both copies show the same");

    // A second run finds everything there.
    let again = run_stack(
        &centres,
        folder.path(),
        "vote",
        &["--on-conflict", "overwrite"],
    );
    assert!(again.status.success(), "{}", words(&again));
    assert!(words(&again).contains(" 0 B sent"), "{}", words(&again));

    // Undone, run by run, to what was before.
    let status = docker_migrate(&centres, folder.path(), "status")
        .arg("--json")
        .output()
        .unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let mut runs: Vec<&str> = status["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["id"].as_str().unwrap())
        .collect();
    runs.sort_unstable();
    assert_eq!(runs.len(), 2, "{status}");
    for run in runs.iter().rev() {
        let undone = docker_migrate(&centres, folder.path(), "rollback")
            .args(["--yes", run])
            .output()
            .unwrap();
        assert!(undone.status.success(), "{}", words(&undone));
    }
    let left = content(&centres, "vote");
    assert_eq!(
        left, "persistentvolumeclaim/db-data\n",
        "nothing is left but data"
    );
    clear_namespace(&centres, "vote");
    clear_stack(&centres, "vote");
}

#[test]
fn objects_come_to_the_swarm() {
    let Some(centres) = centres() else { return };
    let folder = tempfile::tempdir().unwrap();
    clear_namespace(&centres, "counter");
    clear_stack(&centres, "counter");
    let home = objects_at_home(&centres, "counter", folder.path());
    deploy_objects(&centres, "counter", &home).unwrap();
    let before = Application::Counter.exercise(&centres, Place::Dc2).unwrap();

    let moved = centres
        .inside(Place::Dc2, env!("CARGO_BIN_EXE_kubectl-migrate-dup"))
        .args(["run", "--to", "swarm", "--yes", "--project", "counter"])
        .args(["--to-registry", &format!("{}/moved", Place::Dc1.registry())])
        .args(REGISTRIES)
        .env("HOME", folder.path())
        .arg("-f")
        .arg(&home)
        .output()
        .unwrap();
    assert!(moved.status.success(), "{}", words(&moved));
    let after = Application::Counter.exercise(&centres, Place::Dc1).unwrap();
    assert_eq!(before, after, "both copies show the same");
    clear_stack(&centres, "counter");
    clear_namespace(&centres, "counter");
}

/// Nothing but the engine is asked for what runs; secrets, which a Swarm never gives back, come from files.
#[test]
fn a_running_stack_comes_to_the_cluster() {
    let Some(centres) = centres() else { return };
    let folder = tempfile::tempdir().unwrap();
    clear_namespace(&centres, "wordpress");
    clear_stack(&centres, "wordpress");
    let home = sources("wordpress", "swarm");
    deploy_stack(&centres, "wordpress", &home.join("stack.yml")).unwrap();
    let before = Application::Wordpress
        .exercise(&centres, Place::Dc1)
        .unwrap();
    let secret = |name: &str| {
        let file = home.join(format!("{name}.txt"));
        format!("wordpress_{name}={}", file.display())
    };
    let moved = docker_migrate(&centres, folder.path(), "run")
        .args(["--yes", "--stack", "wordpress", "-n", "wordpress"])
        .args(["--secret-file", &secret("db_password")])
        .args(["--secret-file", &secret("db_root_password")])
        .args(["--to-registry", Place::Dc2.registry()])
        .args(REGISTRIES)
        .output()
        .unwrap();
    assert!(moved.status.success(), "{}", words(&moved));
    let after = Application::Wordpress
        .exercise(&centres, Place::Dc2)
        .unwrap();
    assert_eq!(before, after, "both copies show the same");
    clear_stack(&centres, "wordpress");
    clear_namespace(&centres, "wordpress");
}

/// Nothing but the API server is asked for what runs.
#[test]
fn running_workloads_come_to_the_swarm() {
    let Some(centres) = centres() else { return };
    let folder = tempfile::tempdir().unwrap();
    clear_namespace(&centres, "vote");
    clear_stack(&centres, "vote");
    let home = objects_at_home(&centres, "vote", folder.path());
    deploy_objects(&centres, "vote", &home).unwrap();
    let before = Application::Vote.exercise(&centres, Place::Dc2).unwrap();
    let moved = centres
        .inside(Place::Dc2, env!("CARGO_BIN_EXE_kubectl-migrate-dup"))
        .args(["run", "-n", "vote", "--to", "swarm", "--yes"])
        .args(["--project", "vote"])
        .args(["--to-registry", &format!("{}/moved", Place::Dc1.registry())])
        .args(REGISTRIES)
        .env("HOME", folder.path())
        .output()
        .unwrap();
    assert!(moved.status.success(), "{}", words(&moved));
    let after = Application::Vote.exercise(&centres, Place::Dc1).unwrap();
    assert_eq!(before, after, "both copies show the same");
    clear_stack(&centres, "vote");
    clear_namespace(&centres, "vote");
}

/// Whatever is away: the target is as before, and the message says so; when it is back, the same command succeeds.
#[test]
fn a_registry_that_is_away_leaves_the_target_as_it_was() {
    let Some(centres) = centres() else { return };
    let folder = tempfile::tempdir().unwrap();
    clear_namespace(&centres, "counter");
    centres.daemon("stop", "dc2/registry").unwrap();
    let failed = run_stack(&centres, folder.path(), "counter", &[]);
    centres.daemon("start", "dc2/registry").unwrap();
    assert!(!failed.status.success(), "{}", words(&failed));
    assert!(
        words(&failed).contains(Place::Dc2.registry()),
        "{}",
        words(&failed)
    );
    let exists = run(kubectl(&centres).args(["get", "namespaces", "-o", "name"])).unwrap();
    if exists.contains("namespace/counter") {
        assert_eq!(content(&centres, "counter"), "", "{}", words(&failed));
    }
    patiently("the registry is back", || {
        let moved = run_stack(&centres, folder.path(), "counter", &[]);
        moved.status.success().then_some(()).ok_or(words(&moved))
    })
    .unwrap();
    Application::Counter.exercise(&centres, Place::Dc2).unwrap();
    clear_namespace(&centres, "counter");
}

/// An API server that goes away in the middle: the run can be gone on with.
#[test]
fn an_api_server_that_goes_away_is_waited_for_or_the_run_is_resumed() {
    let Some(centres) = centres() else { return };
    let folder = tempfile::tempdir().unwrap();
    clear_namespace(&centres, "counter");
    let child = docker_migrate(&centres, folder.path(), "run")
        .args(["--yes", "-p", "counter", "-n", "counter", "-f"])
        .arg(sources("counter", "swarm").join("stack.yml"))
        .args(["--to-registry", Place::Dc2.registry()])
        .args(REGISTRIES)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Objects are there: it is waiting for them now.
    patiently("the deployment is there", || {
        run(kubectl(&centres).args(["get", "deployment", "web", "-n", "counter"]))
    })
    .unwrap();
    centres.daemon("stop", "dc2/kube-apiserver").unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    centres.daemon("start", "dc2/kube-apiserver").unwrap();
    // One that was cut off may have missed that a volume came, and would look at its Pod again after five minutes.
    centres.daemon("stop", "dc2/kube-scheduler").unwrap();
    centres.daemon("start", "dc2/kube-scheduler").unwrap();
    let first = child.wait_with_output().unwrap();
    if !first.status.success() {
        let resumed = patiently("the run is gone on with", || {
            let resumed = docker_migrate(&centres, folder.path(), "resume")
                .output()
                .map_err(|error| error.to_string())?;
            resumed
                .status
                .success()
                .then_some(())
                .ok_or_else(|| format!("{}\nfirst: {}", words(&resumed), words(&first)))
        });
        resumed.unwrap();
    }
    Application::Counter.exercise(&centres, Place::Dc2).unwrap();
    clear_namespace(&centres, "counter");
}

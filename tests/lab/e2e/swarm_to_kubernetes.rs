//! Stacks of the Swarm in the first data centre, moved to the cluster in the second.

use serde_json::Value;
use tests::lab::{DataCentres, Place};

use super::application::Application;
use super::centres;
use super::site::{
    clear_namespace, clear_stack, deploy_objects, deploy_stack, kubectl, move_images, objects,
    patiently, run, sources,
};

/// Converts and moves an application that runs in the Swarm, and uses it on both sides.
fn moved(centres: &DataCentres, application: Application) {
    let name = application.name();
    clear_namespace(centres, name);
    clear_stack(centres, name);
    let stack = sources(name, "swarm").join("stack.yml");
    deploy_stack(centres, name, &stack).unwrap();
    let before = application.exercise(centres, Place::Dc1).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("objects");
    run(centres
        .inside(Place::Dc1, env!("CARGO_BIN_EXE_docker-migrate-dup"))
        .args(["convert", "-p", name, "-f"])
        .arg(&stack)
        .arg("--out-dir")
        .arg(&out))
    .unwrap();
    move_images(centres, &out, Place::Dc1.registry(), Place::Dc2.registry()).unwrap();
    deploy_objects(centres, name, &out).unwrap();
    let after = application.exercise(centres, Place::Dc2).unwrap();
    assert_eq!(before, after, "both copies show the same");
    clear_stack(centres, name);
}

/// The container of a Deployment.
fn container(centres: &DataCentres, namespace: &str, name: &str) -> Value {
    objects(centres, namespace, "deployments")
        .into_iter()
        .find(|object| object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("there is no deployment {name}"))["spec"]["template"]["spec"]["containers"]
        [0]
    .clone()
}

#[test]
fn counter() {
    let Some(centres) = centres() else { return };
    moved(&centres, Application::Counter);
    let web = container(&centres, "counter", "web");
    let check = serde_json::json!(["curl", "-fsS", "http://localhost:5000/healthz"]);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(web[probe]["exec"]["command"], check, "{web}");
    }
    assert_eq!(web["resources"]["limits"]["memory"], "128Mi");
    placement_holds(&centres);
    clear_namespace(&centres, "counter");
}

/// `node.labels.storage == ssd` still decides where the page may run.
fn placement_holds(centres: &DataCentres) {
    let label = |value: &str| {
        run(kubectl(centres).args(["label", "--overwrite", "node", "dc2", value])).unwrap();
    };
    // Without what failed: the scheduler may know of the label before the kubelet does, which then
    // refuses the Pod (`NodeAffinity`). It stays as a record, and another takes its place.
    let phase = || {
        run(kubectl(centres).args([
            "get",
            "pods",
            "-n",
            "counter",
            "-l",
            "app.kubernetes.io/name=web",
            "--field-selector=status.phase!=Failed",
            "-o",
            "jsonpath={.items[*].status.phase}",
        ]))
    };
    label("storage=slow");
    run(kubectl(centres).args(["rollout", "restart", "deployment/web", "-n", "counter"])).unwrap();
    let waits = patiently("no node will do", || match phase()?.as_str() {
        "Pending" => Ok(()),
        other => Err(other.to_owned()),
    });
    label("storage=ssd");
    waits.unwrap();
    patiently("the node will do again", || match phase()?.as_str() {
        "Running" => Ok(()),
        other => Err(other.to_owned()),
    })
    .unwrap();
}

#[test]
fn wordpress() {
    let Some(centres) = centres() else { return };
    moved(&centres, Application::Wordpress);
    let mysql = container(&centres, "wordpress", "mysql");
    let check = mysql["readinessProbe"]["exec"]["command"].to_string();
    assert!(
        check.contains("mariadb-admin ping")
            && check.contains("$(cat /run/secrets/db_root_password)"),
        "{check}"
    );
    clear_namespace(&centres, "wordpress");
}

#[test]
fn forge() {
    let Some(centres) = centres() else { return };
    moved(&centres, Application::Forge);
    let forge = container(&centres, "forge", "forge");
    assert!(
        forge["readinessProbe"]["exec"]["command"]
            .to_string()
            .contains("healthz"),
        "{forge}"
    );
    clear_namespace(&centres, "forge");
}

#[test]
fn vote() {
    let Some(centres) = centres() else { return };
    moved(&centres, Application::Vote);
    let workers = objects(&centres, "vote", "pods")
        .iter()
        .filter(|pod| pod["metadata"]["labels"]["app.kubernetes.io/name"] == "worker")
        .count();
    assert_eq!(workers, 2, "as many replicas as before");
    clear_namespace(&centres, "vote");
}

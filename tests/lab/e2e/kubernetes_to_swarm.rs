//! Applications of the cluster in the second data centre, moved to the Swarm in the first.

use serde_json::Value;
use tests::lab::{DataCentres, Place};

use super::application::Application;
use super::centres;
use super::site::{
    clear_namespace, clear_stack, deploy_objects, deploy_stack, move_images, objects_at_home, run,
    services,
};

/// Converts and moves an application that runs in the cluster, and uses it on both sides.
fn moved(centres: &DataCentres, application: Application) {
    let name = application.name();
    clear_namespace(centres, name);
    clear_stack(centres, name);
    let folder = tempfile::tempdir().unwrap();
    let home = objects_at_home(centres, name, folder.path());
    deploy_objects(centres, name, &home).unwrap();
    let before = application.exercise(centres, Place::Dc2).unwrap();

    let out = folder.path().join("stack");
    run(centres
        .inside(Place::Dc2, env!("CARGO_BIN_EXE_kubectl-migrate-dup"))
        .args(["convert", "--to", "swarm", "-f"])
        .arg(&home)
        .arg("--out-dir")
        .arg(&out))
    .unwrap();
    move_images(
        centres,
        &out,
        Place::Dc2.registry(),
        &format!("{}/moved", Place::Dc1.registry()),
    )
    .unwrap();
    deploy_stack(centres, name, &out.join("stack.yaml")).unwrap();
    let after = application.exercise(centres, Place::Dc1).unwrap();
    assert_eq!(before, after, "both copies show the same");
    clear_namespace(centres, name);
}

/// The specification of a service.
fn service(centres: &DataCentres, stack: &str, name: &str) -> Value {
    services(centres, stack)
        .into_iter()
        .find(|service| service["Spec"]["Name"] == format!("{stack}_{name}"))
        .unwrap_or_else(|| panic!("there is no service {name}"))["Spec"]["TaskTemplate"]
        .clone()
}

#[test]
fn counter() {
    let Some(centres) = centres() else { return };
    moved(&centres, Application::Counter);
    let web = service(&centres, "counter", "web");
    let check = web["ContainerSpec"]["Healthcheck"]["Test"].to_string();
    assert!(check.contains("http://127.0.0.1:5000/healthz"), "{check}");
    assert_eq!(
        web["Placement"]["Constraints"],
        serde_json::json!(["node.labels.storage == ssd"])
    );
    clear_stack(&centres, "counter");
}

#[test]
fn wordpress() {
    let Some(centres) = centres() else { return };
    moved(&centres, Application::Wordpress);
    let mysql = service(&centres, "wordpress", "mysql");
    let check = mysql["ContainerSpec"]["Healthcheck"]["Test"].to_string();
    assert!(check.contains("mariadb-admin ping"), "{check}");
    clear_stack(&centres, "wordpress");
}

#[test]
fn forge() {
    let Some(centres) = centres() else { return };
    moved(&centres, Application::Forge);
    let forge = service(&centres, "forge", "forge");
    assert_eq!(
        forge["Placement"]["Constraints"],
        serde_json::json!(["node.labels.storage == ssd"])
    );
    clear_stack(&centres, "forge");
}

#[test]
fn vote() {
    let Some(centres) = centres() else { return };
    moved(&centres, Application::Vote);
    let worker = services(&centres, "vote")
        .into_iter()
        .find(|service| service["Spec"]["Name"] == "vote_worker")
        .unwrap();
    assert_eq!(worker["Spec"]["Mode"]["Replicated"]["Replicas"], 2);
    clear_stack(&centres, "vote");
}

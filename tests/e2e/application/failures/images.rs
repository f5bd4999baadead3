//! Images that are not there, and registries that go away.

use tests::fault::{Action, Fault, Proxy};
use tests::lab::Registry;

use super::super::cluster::Cluster;
use super::super::{COMPONENTS, docker_migrate, sample_images, succeeded, text, vote};
use super::ended;

fn registry() -> Option<Registry> {
    match Registry::start(&COMPONENTS, None) {
        Ok(registry) => Some(registry),
        Err(error) => {
            assert!(
                std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
                "{error}"
            );
            println!("NOT TESTED: {error}");
            None
        }
    }
}

#[test]
fn a_missing_image_is_named_with_the_line_that_asks_for_it() {
    let home = tempfile::tempdir().unwrap();
    sample_images(&home.path().join("images"));
    let compose = "services:\n  web:\n    image: nowhere.example/none:1\n";
    std::fs::write(home.path().join("compose.yaml"), compose).unwrap();
    let arguments = ["--images-from", "oci:images", "--to", "bundle:bundle"];
    for verb in ["plan", "run"] {
        let output = docker_migrate(home.path())
            .arg(verb)
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let said = text(&output.stdout) + &text(&output.stderr);
        for expected in [
            "nowhere.example/none:1",
            "compose.yaml:3:",
            "services.web.image",
        ] {
            assert!(said.contains(expected), "no {expected} in\n{said}");
        }
    }
    assert!(!home.path().join("bundle").exists());
}

#[test]
fn a_target_registry_that_is_down_stops_a_run_before_it_begins() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    sample_images(&cluster.home.path().join("images"));
    let file = vote();
    let output = cluster.migrate(&[
        "run",
        "-f",
        file.to_str().unwrap(),
        "-n",
        "shop",
        "--images-from",
        "oci:images",
        "--to-registry",
        "127.0.0.1:1",
        "--yes",
        "--no-wait",
    ]);
    ended(&output, 69, &["127.0.0.1:1", "Nothing was changed"]);
    assert!(
        !cluster
            .kubectl(&["get", "namespaces", "-o", "name"])
            .contains("shop")
    );
}

#[test]
fn a_target_registry_that_goes_down_in_the_middle_leaves_a_run_to_go_on_with() {
    let (Some(cluster), Some(registry)) = (Cluster::start(), registry()) else {
        return;
    };
    cluster.apply(&[], "{apiVersion: v1, kind: Node, metadata: {name: node1, labels: {node-role.kubernetes.io/control-plane: \"\"}}}");
    let proxy = Proxy::start(&registry.address()).unwrap();
    // Nothing that is pushed arrives any more after the first blobs.
    proxy.add(
        Fault::once(
            "PUT",
            "/manifests/",
            Action::Answer {
                status: 503,
                headers: Vec::new(),
                body: String::new(),
            },
        )
        .always(),
    );
    sample_images(&cluster.home.path().join("images"));
    let file = vote();
    let address = proxy.address();
    let run = [
        "run",
        "-f",
        file.to_str().unwrap(),
        "-n",
        "shop",
        "--images-from",
        "oci:images",
        "--to-registry",
        &address,
        "--yes",
        "--no-wait",
    ];
    let said = ended(
        &cluster.migrate(&run),
        75,
        &["orchestration was not touched", "docker migrate resume "],
    );
    assert!(!said.contains("[2/3]"), "{said}");
    assert!(
        !cluster
            .kubectl(&["get", "namespaces", "-o", "name"])
            .contains("shop")
    );
    proxy.heal();
    let resumed = cluster.migrate(&["resume"]);
    succeeded(&resumed);
    let image = cluster.kubectl(&[
        "get",
        "deployments",
        "-n",
        "shop",
        "-o",
        "jsonpath={..image}",
    ]);
    assert!(image.contains(&address), "{image}");
}

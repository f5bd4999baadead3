//! Whole migrations: bundles without any server, and runs against a real API server.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use tests::lab::Components;

mod cluster;
mod engine;
mod failures;
mod helm;
mod live_cluster;
mod live_project;
mod live_stack;
mod report;

use cluster::Cluster;

static COMPONENTS: LazyLock<Components> = LazyLock::new(Components::from_env);

fn vote() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/applications/vote/docker-stack.yml")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `docker-migrate` with a home of its own.
fn docker_migrate(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docker-migrate-dup"));
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(home);
    command
}

fn sample_images(folder: &Path) {
    let made = Command::new(env!("CARGO_BIN_EXE_sample-images"))
        .arg(vote())
        .arg(folder)
        .status()
        .unwrap();
    assert!(made.success());
}

/// Waits for something that happens soon.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(90);
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[track_caller]
fn succeeded(output: &Output) {
    assert!(
        output.status.success(),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn a_bundle_needs_no_server() {
    let home = tempfile::tempdir().unwrap();
    sample_images(&home.path().join("images"));
    let run = || {
        docker_migrate(home.path())
            .args(["run", "--file"])
            .arg(vote())
            .args(["--images-from", "oci:images", "--to", "bundle:bundle"])
            .output()
            .unwrap()
    };
    let output = run();
    succeeded(&output);
    let bundle: serde_json::Value =
        serde_json::from_slice(&std::fs::read(home.path().join("bundle/bundle.json")).unwrap())
            .unwrap();
    assert_eq!(bundle["format"], "kubernetes");
    let images = bundle["images"].as_array().unwrap();
    assert!(
        images.len() >= 4 && images.iter().all(|image| image["digest"].is_string()),
        "{bundle:#}"
    );
    for file in bundle["files"].as_array().unwrap() {
        let path = home.path().join("bundle").join(file.as_str().unwrap());
        assert!(path.is_file(), "{}", path.display());
    }
    // A second run finds all images there.
    let again = text(&run().stderr);
    assert!(again.contains(" 0 B sent"), "{again}");
}

#[test]
fn an_image_that_is_not_there_leaves_the_bundle_unfinished() {
    let home = tempfile::tempdir().unwrap();
    sample_images(&home.path().join("images"));
    let compose = "services: {web: {image: nowhere.example/none:1}}";
    std::fs::write(home.path().join("compose.yaml"), compose).unwrap();
    let output = docker_migrate(home.path())
        .args([
            "run",
            "--images-from",
            "oci:images",
            "--to",
            "bundle:bundle",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("nowhere.example/none"));
    assert!(!home.path().join("bundle/bundle.json").exists());
}

const WEB: &str = "name: shop\nservices:\n  web:\n    image: nginx:1.27\n    ports: [\"80\"]\n";

#[test]
fn a_run_is_made_and_undone() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    let run = cluster.migrate(&[
        "run",
        "-n",
        "shop",
        "--yes",
        "--no-wait",
        "--report",
        "report.html",
    ]);
    succeeded(&run);
    let errors = text(&run.stderr);
    assert!(
        errors.contains("T_OrcConvert") && errors.contains("T_AppRun"),
        "{errors}"
    );
    assert!(
        cluster
            .kubectl(&["get", "deployments", "-n", "shop", "-o", "name"])
            .contains("deployment.apps/web")
    );
    assert!(
        !cluster
            .kubectl(&["get", "configmaps", "-n", "shop"])
            .contains("migrate-lock")
    );
    let report = std::fs::read_to_string(cluster.home.path().join("report.html")).unwrap();
    assert!(report.contains("T_ImageSync") && !report.contains("<script"));
    let status = text(&cluster.migrate(&["status"]).stdout);
    assert!(status.contains("done"), "{status}");
    let undone = cluster.migrate(&["rollback", "--yes"]);
    succeeded(&undone);
    assert!(
        text(&undone.stderr).contains("removed deployment/web"),
        "{}",
        text(&undone.stderr)
    );
}

#[test]
fn what_belongs_to_others_is_not_touched_without_being_asked() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    cluster.kubectl(&["create", "deployment", "web", "--image=foreign:1"]);
    let refused = cluster.migrate(&["run", "--yes", "--no-wait"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    assert!(
        text(&refused.stderr).contains("--on-conflict"),
        "{}",
        text(&refused.stderr)
    );
    let image = [
        "get",
        "deployment",
        "web",
        "-o",
        "jsonpath={.spec.template.spec.containers[0].image}",
    ];
    assert_eq!(cluster.kubectl(&image), "foreign:1");
}

#[test]
fn an_application_that_does_not_become_ready_leaves_the_target_as_it_was() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    let arguments = ["run", "-n", "late", "--yes", "--timeout", "2s"];
    let run = cluster.migrate(&[&arguments[..], &["--report", "report.html"]].concat());
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    let errors = text(&run.stderr);
    assert!(
        errors.contains("not ready: deployment/web") && errors.contains("as it was before"),
        "{errors}"
    );
    assert!(
        !cluster
            .kubectl(&["get", "deployments", "-n", "late", "-o", "name"])
            .contains("web")
    );
    let status = text(&cluster.migrate(&["status"]).stdout);
    assert!(status.contains("target as before"), "{status}");
    let report = report::read(cluster.home.path(), "report.html");
    for said in ["not ready: deployment/web", "as it was before"] {
        assert!(report.contains(said), "no `{said}` in {report}");
    }
    // Two seconds were waited, and the report says so.
    assert!(!report.contains("T_AppRun: 0.00 s"), "{report}");
}

#[test]
fn a_plan_is_refused_when_the_world_has_changed() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    let planned = cluster.migrate(&["plan", "-n", "planned", "--out", "plan.json"]);
    succeeded(&planned);
    cluster.write(&WEB.replace("1.27", "1.28"));
    let arguments = [
        "run",
        "-n",
        "planned",
        "--yes",
        "--no-wait",
        "--plan",
        "plan.json",
    ];
    let refused = cluster.migrate(&arguments);
    assert_eq!(refused.status.code(), Some(73), "{}", text(&refused.stderr));
    assert!(
        text(&refused.stderr).contains("the application has changed"),
        "{}",
        text(&refused.stderr)
    );
    cluster.write(WEB);
    succeeded(&cluster.migrate(&arguments));
}

//! In Kubernetes: manifests, one active replica, the images that workloads use.

use std::process::{Command, Output};

use tests::lab::ControlPlane;

use super::harness::{
    COMPONENTS, Daemon, Ports, digest, layer, push, registries_are_here, silent_registry,
};

fn control_plane() -> Option<ControlPlane> {
    started(ControlPlane::start(&COMPONENTS))
}

fn started(plane: Result<ControlPlane, String>) -> Option<ControlPlane> {
    match plane {
        Ok(plane) => Some(plane),
        Err(error) => {
            let required = std::env::var_os("MIGRATE_LAB_REQUIRED").is_some();
            assert!(!required, "{error}");
            println!("NOT TESTED: kube-apiserver could not be started: {error}");
            None
        }
    }
}

const RULES: &str = "version: 1
sources:
  cluster: {kubernetes: {}}
  dc1: {registry: registry.dc1.example}
targets: {dc2: {registry: registry.dc2.example/mirror}}
rules:
- {name: all, from: [cluster, dc1], to: dc2, repositories: 'shop/**'}
receiver: {listen: '0.0.0.0:8480', secret: {file: /var/run/migrate/receiver/secret}}
status: {listen: '0.0.0.0:8481'}
";

fn install(rules: &str, more: &[&str]) -> Output {
    install_in("", rules, more)
}

/// Runs `images watch --install` with a kubeconfig.
fn install_in(kubeconfig: &str, rules: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yaml");
    std::fs::write(&file, rules).unwrap();
    Command::new(env!("CARGO_BIN_EXE_kubectl-migrate-dup"))
        .args([
            "images",
            "watch",
            "--install",
            "--image",
            "registry.example/migrate:0.1",
            "--config",
        ])
        .arg(file)
        .args(more)
        .env("KUBECONFIG", kubeconfig)
        .env(
            "KUBECTL",
            COMPONENTS
                .kubectl
                .iter()
                .next()
                .map_or("kubectl".as_ref(), |path| path.as_os_str()),
        )
        .output()
        .unwrap()
}

#[test]
fn the_api_server_accepts_the_manifests() {
    let Some(plane) = control_plane() else { return };
    let full = [
        "--registry-secret",
        "registries",
        "--receiver-secret",
        "receiver",
        "--storage-class",
        "fast",
    ];
    let namespaces = RULES.replace(
        "kubernetes: {}",
        "kubernetes: {namespaces: [default, kube-system]}",
    );
    for (rules, more) in [(RULES, &[][..]), (RULES, &full[..]), (&namespaces, &[][..])] {
        let output = install(rules, more);
        assert!(output.status.success(), "{output:?}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("presync.yaml");
        std::fs::write(&file, &output.stdout).unwrap();
        let applied = plane
            .kubectl()
            .args(["apply", "--dry-run=server", "--validate=strict", "-f"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(
            applied.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&applied.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
        let text = String::from_utf8_lossy(&applied.stdout);
        for kind in [
            "deployment",
            "lease",
            "persistentvolumeclaim",
            "role",
            "configmap",
            "service/",
        ] {
            assert!(text.contains(kind), "{kind}: {text}");
        }
    }
}

#[test]
fn rules_that_cannot_work_in_a_pod_are_refused() {
    for (rules, word) in [
        (
            RULES.replace("0.0.0.0:8481", "127.0.0.1:8481"),
            "status.listen",
        ),
        (
            RULES.replace("0.0.0.0:8480", "127.0.0.1:8480"),
            "receiver.listen",
        ),
        (format!("{RULES}state: /tmp/queue\n"), "state"),
    ] {
        let output = install(&rules, &[]);
        assert_eq!(output.status.code(), Some(65));
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(word),
            "{output:?}"
        );
    }
}

#[test]
fn images_of_workloads_are_copied_by_the_replica_that_holds_the_lease() {
    if !registries_are_here() {
        return;
    }
    let Some(plane) = control_plane() else { return };
    let (source, target) = (silent_registry(), silent_registry());
    let folder = tempfile::tempdir().unwrap();
    for tag in ["v1", "v2"] {
        push(
            &layer(folder.path(), tag, 1000),
            &format!("{}/shop/web:{tag}", source.address()),
        );
    }
    let kubeconfig = plane.kubeconfig();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let rules = format!(
        "sources: {{cluster: {{kubernetes: {{kubeconfig: '{kubeconfig}'}}}}}}
targets: {{dc2: {{registry: '{}/mirror'}}}}
rules: [{{name: used, from: cluster, to: dc2}}]",
        target.address()
    );
    let replica = |name: &str| {
        Daemon::prepare(
            Ports::new(),
            &rules,
            &["--lease", "default/presync"],
            &[("KUBECONFIG", kubeconfig), ("POD_NAME", name)],
        )
    };
    let deploy = |name: &str, tag: &str| {
        let image = format!("--image={}/shop/web:{tag}", source.address());
        let created = plane
            .kubectl()
            .args(["create", "deployment", name, &image, "--replicas=0"])
            .output()
            .unwrap();
        assert!(created.status.success(), "{created:?}");
    };
    let mut first = replica("first");
    first.resume();
    first.wait("the first is active", |daemon| {
        daemon.log().contains("this replica is active")
    });
    let mut second = replica("second");
    second.resume();
    second.wait("the second stands by", |daemon| {
        daemon.get("/readyz").0 == 503
    });
    deploy("web", "v1");
    first.wait("the image arrives", |_| {
        digest(&target.address(), "mirror/shop/web", "v1").is_some()
    });
    first.kill();
    deploy("web2", "v2");
    second.wait("the second takes over", |_| {
        digest(&target.address(), "mirror/shop/web", "v2").is_some()
    });

    // An orderly stop hands the Lease over at once.
    first.resume();
    first.wait("the first stands by", |daemon| {
        daemon.get("/readyz").0 == 503
    });
    let active = |daemon: &Daemon| daemon.log().matches("this replica is active").count();
    assert_eq!(active(&first), 1);
    let begun = std::time::Instant::now();
    assert_eq!(second.stop().0, Some(0));
    first.wait("the first takes over", |daemon| active(daemon) == 2);
    // It need not wait for the 15 s to run out that a replica has which is killed.
    assert!(begun.elapsed().as_secs() < 15, "{:?}", begun.elapsed());

    // A replica that was frozen for longer than its Lease lasts finds that out, and stops by itself.
    second.resume();
    second.wait("the second stands by", |daemon| {
        daemon.get("/readyz").0 == 503
    });
    first.signal("STOP");
    second.wait("the second takes over from the frozen one", |daemon| {
        active(daemon) == 2
    });
    first.signal("CONT");
    assert_eq!(first.end(), Some(75), "{}", first.log());
    assert!(second.is_running());
    assert_eq!(second.stop().0, Some(0));
}

#[test]
fn the_manifests_are_applied_and_their_account_may_do_what_the_daemon_does() {
    if !registries_are_here() {
        return;
    }
    let Some(plane) = started(ControlPlane::start_with_roles(&COMPONENTS)) else {
        return;
    };
    let admin = plane.kubeconfig();
    let kubectl = |words: &[&str]| {
        let output = plane.kubectl().args(words).output().unwrap();
        assert!(output.status.success(), "{words:?} {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    kubectl(&["create", "namespace", "presync"]);
    let apply = || {
        let more = ["--apply", "--namespace", "presync"];
        install_in(admin.to_str().unwrap(), RULES, &more)
    };
    let applied = apply();
    let said = String::from_utf8_lossy(&applied.stderr);
    assert!(applied.status.success(), "{said}");
    assert!(
        said.contains("deployment.apps/image-presync created"),
        "{said}"
    );

    // The account that the manifests made, and nothing else.
    let token = kubectl(&["create", "token", "image-presync", "--namespace", "presync"]);
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {
            "server": plane.server(),
            "certificate-authority": plane.folder().join("certs/apiserver.crt"),
        }}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "pod", "context": {"cluster": "c", "user": "u", "namespace": "presync"}}],
        "current-context": "pod",
    });
    let folder = tempfile::tempdir().unwrap();
    let account = folder.path().join("kubeconfig");
    std::fs::write(&account, config.to_string()).unwrap();
    let (source, target) = (silent_registry(), silent_registry());
    let rules = format!(
        "sources: {{cluster: {{kubernetes: {{}}}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: used, from: cluster, to: dc2}}]",
        target.address()
    );
    let mut daemon = Daemon::prepare(
        Ports::new(),
        &rules,
        &["--lease", "presync/image-presync"],
        &[
            ("KUBECONFIG", account.to_str().unwrap()),
            ("POD_NAME", "the-pod"),
        ],
    );
    daemon.resume();
    daemon.wait("it is active", |daemon| {
        daemon.log().contains("this replica is active")
    });
    push(
        &layer(folder.path(), "image", 1000),
        &format!("{}/shop/web:v1", source.address()),
    );
    let image = format!("--image={}/shop/web:v1", source.address());
    kubectl(&["create", "deployment", "web", &image, "--replicas=0"]);
    daemon.wait("the image arrives", |_| {
        digest(&target.address(), "shop/web", "v1").is_some()
    });

    // Applied again, as an upgrade does: whoever holds the Lease keeps it.
    let applied = apply();
    let said = String::from_utf8_lossy(&applied.stderr);
    assert!(applied.status.success(), "{said}");
    assert!(
        said.contains("deployment.apps/image-presync unchanged"),
        "{said}"
    );
    let holder = kubectl(&[
        "get",
        "lease",
        "image-presync",
        "--namespace",
        "presync",
        "--output",
        "jsonpath={.spec.holderIdentity}",
    ]);
    assert_eq!(holder, "the-pod");
    assert_eq!(daemon.stop().0, Some(0));
}

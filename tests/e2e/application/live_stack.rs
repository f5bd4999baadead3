//! `docker migrate --stack` on a real engine, and from a real API server to a real Swarm. No task ever starts there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tests::lab::engine::Engine;

use super::engine::{command, migrate, swarm};
use super::{COMPONENTS, Cluster, docker_migrate, succeeded, text};

const STACK: &str = r#"
version: "3.8"
services:
  redis:
    image: redis:7.2
    command: [redis-server, --appendonly, "yes"]
    environment: {PRICE: "5$$", EMPTY: ""}
    healthcheck: {test: [CMD, redis-cli, ping], interval: 7s, timeout: 3s, retries: 4, start_period: 2s}
    networks: {back: {aliases: [cache]}}
    volumes: [redis-data:/data, {type: tmpfs, target: /scratch, tmpfs: {size: 1048576}}]
    stop_grace_period: 20s
    deploy:
      replicas: 3
      labels: {tier: cache}
      update_config: {parallelism: 2, delay: 4s, order: start-first}
      restart_policy: {condition: on-failure, delay: 2s, max_attempts: 3, window: 60s}
      placement: {constraints: [node.labels.disk == ssd]}
      resources: {limits: {cpus: "0.5", memory: 64M}, reservations: {memory: 32M}}
  web:
    image: nginx:1.27
    labels: {kind: front}
    ports: ["8080:80", {target: 443, published: 8443, mode: host}]
    networks: [back, front]
    configs: [{source: site, target: /etc/nginx/conf.d/site.conf}]
    secrets: [password]
    extra_hosts: ["legacy:10.1.2.3"]
    deploy: {endpoint_mode: vip}
  agent:
    image: busybox:1.37
    entrypoint: [sleep]
    command: ["1000"]
    deploy: {mode: global}
networks: {back: {}, front: {}}
volumes: {redis-data: {}}
configs: {site: {file: ./site.conf}}
secrets: {password: {file: ./password}}
"#;

pub(super) fn deploy(engine: &Engine, folder: &Path) {
    std::fs::write(folder.join("stack.yml"), STACK).unwrap();
    std::fs::write(folder.join("site.conf"), "server { return 200 '$host'; }\n").unwrap();
    std::fs::write(folder.join("password"), "not-to-be-seen").unwrap();
    let deployed = Command::new(COMPONENTS.docker.as_ref().unwrap())
        .args([
            "stack",
            "deploy",
            "--detach=true",
            "--resolve-image=never",
            "-c",
            "stack.yml",
            "vote",
        ])
        .env("DOCKER_HOST", engine.host())
        .current_dir(folder)
        .output()
        .unwrap();
    succeeded(&deployed);
}

pub(super) fn files(folder: &Path) -> BTreeMap<String, serde_yaml::Value> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let mut value: serde_yaml::Value =
                serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            // What is carried along is how the file was written.
            if let Some(metadata) = value["metadata"].as_mapping_mut() {
                metadata.remove("annotations");
            }
            // docker sorts variables when it deploys.
            if let Some(env) = value
                .get_mut("spec")
                .and_then(|spec| {
                    spec.get_mut("template")?
                        .get_mut("spec")?
                        .get_mut("containers")?
                        .get_mut(0)?
                        .get_mut("env")
                })
                .and_then(serde_yaml::Value::as_sequence_mut)
            {
                env.sort_by_key(|variable| {
                    variable["name"].as_str().unwrap_or_default().to_owned()
                });
            }
            (name, value)
        })
        .collect()
}

#[test]
fn a_running_stack_converts_as_its_file_does() {
    let Some(engine) = swarm() else { return };
    let home = tempfile::tempdir().unwrap();
    deploy(&engine, home.path());
    let from_file = migrate(
        &engine,
        home.path(),
        &[
            "convert",
            "-f",
            "stack.yml",
            "--dialect",
            "swarm",
            "-p",
            "vote",
            "-d",
            "file",
        ],
    );
    succeeded(&from_file);
    let live = ["convert", "--stack", "vote", "--verbose"];
    let from_engine = migrate(
        &engine,
        home.path(),
        &[
            &live[..],
            &["--secret-file", "vote_password=password", "-d", "live"],
        ]
        .concat(),
    );
    succeeded(&from_engine);
    let said = text(&from_engine.stderr);
    assert!(said.contains("service vote_redis of the engine:"), "{said}");
    assert!(
        !said.contains("not-to-be-seen") && !said.contains("live-engine-setting"),
        "{said}"
    );
    let (file, engine_files) = (
        files(&home.path().join("file")),
        files(&home.path().join("live")),
    );
    assert_eq!(
        file.keys().collect::<Vec<_>>(),
        engine_files.keys().collect::<Vec<_>>(),
        "{:#?}",
        engine_files.get("vote-compose-configmap.yaml")
    );
    for (name, object) in &file {
        assert_eq!(object, &engine_files[name], "{name}");
    }
    // Without its file, the secret is named as missing, and nothing is invented.
    let without = migrate(&engine, home.path(), &live);
    succeeded(&without);
    let said = text(&without.stderr);
    assert!(
        said.contains("live-secret-content") && said.contains("--secret-file vote_password=FILE"),
        "{said}"
    );
    // What is not there.
    let none = migrate(&engine, home.path(), &["convert", "--stack", "none"]);
    assert_eq!(none.status.code(), Some(65), "{}", text(&none.stderr));
    assert!(
        text(&none.stderr).contains("there are vote"),
        "{}",
        text(&none.stderr)
    );
    let unused = migrate(
        &engine,
        home.path(),
        &[
            "convert",
            "--stack",
            "vote",
            "--secret-file",
            "nobody=password",
        ],
    );
    assert!(
        text(&unused.stderr).contains("nobody"),
        "{}",
        text(&unused.stderr)
    );
    let gone = docker_migrate(home.path())
        .env("DOCKER_HOST", "tcp://127.0.0.1:1")
        .args(["convert", "--stack", "vote"])
        .output()
        .unwrap();
    assert_eq!(gone.status.code(), Some(69), "{}", text(&gone.stderr));
}

#[test]
fn the_source_is_scaled_down_when_the_target_is_ready_and_back_by_rollback() {
    let (Some(engine), Some(cluster)) = (swarm(), Cluster::start()) else {
        return;
    };
    let home = cluster.home.path();
    deploy(&engine, home);
    let run = |arguments: &[&str]| {
        command(&engine, home)
            .env("KUBECONFIG", cluster.kubeconfig())
            .env("KUBECTL", COMPONENTS.kubectl.as_ref().unwrap())
            .args(arguments)
            .output()
            .unwrap()
    };
    let replicas = || {
        let format = "{{.Spec.Mode.Replicated.Replicas}}";
        engine
            .docker(&["service", "inspect", "vote_redis", "--format", format])
            .unwrap()
            .trim()
            .to_owned()
    };
    cluster.apply(
        &[],
        "{apiVersion: v1, kind: Node, metadata: {name: node1, labels: {disk: ssd}}}",
    );
    let over = AtomicBool::new(false);
    let migrated = std::thread::scope(|scope| {
        // Nobody runs Pods here: what a kubelet would say is said by the test.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for (kind, status) in [
                    ("deployment", r#"{"status":{"observedGeneration":9,"replicas":N,"updatedReplicas":N,"readyReplicas":N,"availableReplicas":N}}"#),
                    ("statefulset", r#"{"status":{"observedGeneration":9,"replicas":N,"updatedReplicas":N,"readyReplicas":N,"availableReplicas":N}}"#),
                    ("daemonset", r#"{"status":{"observedGeneration":9,"desiredNumberScheduled":1,"currentNumberScheduled":1,"updatedNumberScheduled":1,"numberReady":1,"numberAvailable":1,"numberMisscheduled":0}}"#),
                ] {
                    let names = cluster.kubectl(&["get", kind, "-n", "shop", "-o", r#"jsonpath={range .items[*]}{.metadata.name} {.spec.replicas}{"\n"}{end}"#]);
                    for line in names.lines() {
                        let mut words = line.split_whitespace();
                        let (Some(name), number) = (words.next(), words.next().unwrap_or("1")) else { continue };
                        cluster.kubectl(&["patch", kind, name, "-n", "shop", "--subresource=status", "--type=merge", "-p", &status.replace('N', number)]);
                    }
                }
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        let migrated = run(&[
            "run",
            "--stack",
            "vote",
            "--secret-file",
            "password=password",
            "-n",
            "shop",
            "--yes",
            "--timeout",
            "60s",
            "--scale-source-down-after-ready",
        ]);
        over.store(true, Ordering::Relaxed);
        migrated
    });
    succeeded(&migrated);
    let said = text(&migrated.stderr);
    assert!(
        said.contains("source: scaled service vote_redis to 0"),
        "{said}"
    );
    assert!(said.contains("left service vote_agent"), "{said}");
    assert_eq!(replicas(), "0");
    let record = Command::new("grep")
        .args(["-rl", "not-to-be-seen", ".local"])
        .current_dir(home)
        .output()
        .unwrap();
    assert_eq!(text(&record.stdout), "", "a secret is in the state of runs");
    let undone = run(&["rollback", "--yes"]);
    succeeded(&undone);
    assert_eq!(replicas(), "3", "{}", text(&undone.stderr));
}

#[test]
fn secrets_reach_a_swarm_without_touching_a_disk() {
    let (Some(engine), Some(cluster)) = (swarm(), Cluster::start()) else {
        return;
    };
    cluster.kubectl(&["create", "namespace", "shop"]);
    cluster.apply(
        &["-n", "shop"],
        r#"
apiVersion: batch/v1
kind: CronJob
metadata: {name: night}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers:
            - name: night
              image: busybox:1.37
              volumeMounts: [{name: secret, mountPath: /secret}]
          volumes: [{name: secret, secret: {secretName: key}}]
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {key: not-to-be-seen}
"#,
    );
    let home = cluster.home.path();
    // Only what docker itself writes is left out of sight.
    let trap = home.join("docker");
    let real = COMPONENTS.docker.as_ref().unwrap();
    let script = format!(
        "#!/bin/sh\nif [ \"$2\" = deploy ]; then grep -rl not-to-be-seen '{0}/.local' >>'{0}/seen'; fi\nexec '{1}' \"$@\"\n",
        home.display(),
        real.display()
    );
    std::fs::write(&trap, script).unwrap();
    let made = Command::new("chmod")
        .arg("755")
        .arg(&trap)
        .status()
        .unwrap();
    assert!(made.success());
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_kubectl-migrate-dup"))
            .env_clear()
            .env("HOME", home)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KUBECONFIG", cluster.kubeconfig())
            .env("KUBECTL", COMPONENTS.kubectl.as_ref().unwrap())
            .env("DOCKER_HOST", engine.host())
            .env("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", &trap)
            .current_dir(home)
            .args(arguments)
            .output()
            .unwrap()
    };
    let migrated = run(&[
        "run",
        "cronjob/night",
        "-n",
        "shop",
        "--to",
        "swarm",
        "--project",
        "night",
        "--yes",
        "--timeout",
        "30s",
        "--scale-source-down-after-ready",
    ]);
    succeeded(&migrated);
    let secrets = engine
        .docker(&["secret", "ls", "--format", "{{.Name}} {{.Labels}}"])
        .unwrap();
    assert!(
        secrets.contains("com.docker.stack.namespace=night"),
        "{secrets}"
    );
    assert_eq!(
        std::fs::read_to_string(home.join("seen")).unwrap_or_default(),
        ""
    );
    let suspended = [
        "get",
        "cronjob",
        "night",
        "-n",
        "shop",
        "-o",
        "jsonpath={.spec.suspend}",
    ];
    assert_eq!(
        cluster.kubectl(&suspended),
        "true",
        "{}",
        text(&migrated.stderr)
    );
    succeeded(&run(&["rollback", "--yes"]));
    assert_eq!(cluster.kubectl(&suspended), "false");
    assert_eq!(engine.docker(&["secret", "ls", "--quiet"]).unwrap(), "");
}

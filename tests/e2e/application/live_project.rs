//! `docker migrate --project` on a real engine, with containers that the real Compose has made.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tests::lab::engine::Engine;

use super::engine::{migrate, swarm};
use super::live_stack::files;
use super::{COMPONENTS, succeeded, text};

const PROJECT: &str = r#"
name: shop
services:
  db:
    image: local/db:1
    environment: {PRICE: "5$$", EMPTY: ""}
    healthcheck: {test: [CMD, check, me], interval: 7s, timeout: 3s, retries: 4, start_period: 2s}
    networks: {back: {aliases: [cache]}}
    volumes: [data:/data, {type: tmpfs, target: /scratch, tmpfs: {size: 1048576}}]
    stop_grace_period: 20s
    restart: unless-stopped
    mem_limit: 64M
    cpus: 0.5
    ulimits: {nofile: {soft: 1000, hard: 2000}}
  web:
    image: local/web:1
    command: [serve, --all]
    labels: {kind: front}
    ports: ["8080:80", "127.0.0.1:8443:443/udp"]
    networks: [back, front]
    secrets: [password]
    user: "1000:1000"
    working_dir: /srv
    cap_drop: [ALL]
    read_only: true
    extra_hosts: ["legacy:10.1.2.3"]
    depends_on: {db: {condition: service_healthy}}
    deploy: {replicas: 1}
  worker:
    image: local/web:1
    entrypoint: [work]
    networks: [back]
    deploy: {replicas: 2}
networks: {back: {}, front: {internal: true}}
volumes: {data: {}}
secrets: {password: {file: ./password}}
"#;

fn docker(engine: &Engine, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(COMPONENTS.docker.as_ref().unwrap())
        .args(arguments)
        .env("DOCKER_HOST", engine.host())
        .env("DOCKER_CONFIG", COMPONENTS.docker_config.as_ref().unwrap())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Containers of a project that are not started: what they are made of is the same.
fn create(engine: &Engine, folder: &Path) {
    std::fs::write(folder.join("compose.yaml"), PROJECT).unwrap();
    std::fs::write(folder.join("password"), "not-to-be-seen").unwrap();
    let archive = Command::new("tar")
        .args(["-cf", "image.tar", "password"])
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(archive.success());
    for image in ["local/db:1", "local/web:1"] {
        let changes = [
            "CMD [\"of-the-image\"]",
            "ENV OF_IMAGE=yes",
            "EXPOSE 80",
            "LABEL of=image",
        ];
        let mut arguments = vec!["import"];
        for change in &changes {
            arguments.extend(["--change", change]);
        }
        arguments.extend(["image.tar", image]);
        succeeded(&docker(engine, folder, &arguments));
    }
    succeeded(&docker(
        engine,
        folder,
        &["compose", "create", "--pull", "never"],
    ));
}

/// An engine has its mounts in an order of its own, which means nothing.
fn without_order_of_volumes(object: &serde_yaml::Value) -> serde_json::Value {
    let mut object = serde_json::to_value(object).unwrap();
    // One instance is what there is without a word.
    if object.pointer("/spec/replicas") == Some(&serde_json::json!(1))
        && let Some(spec) = object
            .pointer_mut("/spec")
            .and_then(serde_json::Value::as_object_mut)
    {
        spec.remove("replicas");
    }
    let spec = "/spec/template/spec";
    for list in ["/volumes", "/containers/0/volumeMounts"] {
        let items = object.pointer_mut(&format!("{spec}{list}"));
        if let Some(items) = items.and_then(serde_json::Value::as_array_mut) {
            items.sort_by_key(|item| item["name"].to_string());
        }
    }
    object
}

#[test]
fn a_running_project_converts_as_its_file_does() {
    let Some(engine) = swarm() else { return };
    let home = tempfile::tempdir().unwrap();
    create(&engine, home.path());
    succeeded(&migrate(&engine, home.path(), &["convert", "-d", "file"]));
    let live = ["convert", "--project", "shop", "--verbose"];
    let given = ["--secret-file", "password=password", "-d", "live"];
    let from_engine = migrate(&engine, home.path(), &[&live[..], &given].concat());
    succeeded(&from_engine);
    let said = text(&from_engine.stderr);
    assert!(
        said.contains("service db of the engine:") && said.contains("live-volume-data"),
        "{said}"
    );
    for surprise in [
        "not-to-be-seen",
        "live-engine-setting",
        "com.docker.compose",
        "OF_IMAGE",
        "of-the-image",
    ] {
        assert!(!said.contains(surprise), "{surprise} in\n{said}");
    }
    let (file, engine_files) = (
        files(&home.path().join("file")),
        files(&home.path().join("live")),
    );
    assert_eq!(
        file.keys().collect::<Vec<_>>(),
        engine_files.keys().collect::<Vec<_>>()
    );
    for (name, object) in &file {
        let [from_file, from_engine] = [object, &engine_files[name]].map(without_order_of_volumes);
        assert_eq!(from_file, from_engine, "{name}");
    }
    // Without its file the secret is named as missing, and nothing is invented.
    let without = migrate(&engine, home.path(), &live);
    succeeded(&without);
    let said = text(&without.stderr);
    assert!(
        said.contains("live-secret-content") && said.contains("--secret-file password=FILE"),
        "{said}"
    );
}

#[test]
fn what_is_no_project_is_said() {
    let Some(engine) = swarm() else { return };
    let home = tempfile::tempdir().unwrap();
    create(&engine, home.path());
    let none = migrate(&engine, home.path(), &["convert", "--project", "none"]);
    assert_eq!(none.status.code(), Some(65), "{}", text(&none.stderr));
    assert!(
        text(&none.stderr).contains("there are shop"),
        "{}",
        text(&none.stderr)
    );
    let both = migrate(
        &engine,
        home.path(),
        &["convert", "--project", "shop", "-f", "compose.yaml"],
    );
    assert_eq!(both.status.code(), Some(64), "{}", text(&both.stderr));
    // What `docker compose run` left belongs to no service; what differs is said.
    let id = docker(
        &engine,
        home.path(),
        &[
            "container",
            "create",
            "--label",
            "com.docker.compose.project=shop",
            "--label",
            "com.docker.compose.service=worker",
            "--label",
            "com.docker.compose.container-number=9",
            "--label",
            "com.docker.compose.config-hash=other",
            "local/web:1",
        ],
    );
    succeeded(&id);
    let output = migrate(&engine, home.path(), &["convert", "--project", "shop"]);
    succeeded(&output);
    assert!(
        text(&output.stderr).contains("live-containers-differ"),
        "{}",
        text(&output.stderr)
    );
}

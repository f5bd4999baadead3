//! Converted documents refer to the target's images.

use super::*;

const COMPOSE: &str = "name: shop
services:
  web:
    image: nginx:1.27
  api:
    image: quay.io/team/api
    build: ./api
  own:
    build: .
  data:
    image: redis@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
";

fn images_in(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("image: "))
        .map(|image| image.trim_matches('"').to_owned())
        .collect()
}

#[test]
fn images_are_taken_from_the_target_and_the_way_back_gives_the_source() {
    let desk = Desk::new();
    desk.write("compose.yaml", COMPOSE);
    let there = desk
        .docker(&[
            "convert",
            "--to-registry",
            "dc2.example/shop",
            "--map-registry",
            "quay.io/team=dc2.example/team",
        ])
        .ok();
    let mut images = images_in(&there.out);
    images.sort();
    assert_eq!(
        images,
        [
            "dc2.example/shop/nginx:1.27",
            "dc2.example/shop/redis@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "dc2.example/shop/shop-own",
            "dc2.example/team/api",
        ]
    );
    // What has to be built is built under the new name.
    assert!(there.err.contains("dc2.example/team/api"), "{}", there.err);
    desk.write("there.yaml", &there.out);
    let back = desk.kubectl(&["convert", "-f", "there.yaml"]).ok();
    let mut again = images_in(&back.out);
    again.sort();
    assert_eq!(
        again,
        [
            "nginx:1.27",
            "quay.io/team/api",
            "redis@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ]
    );
    // Without anything carried along, the opposite rules lead back.
    let there = desk
        .docker(&["convert", "--no-carry", "--to-registry", "dc2.example/shop"])
        .ok();
    desk.write("there.yaml", &there.out);
    let back = desk
        .kubectl(&[
            "convert",
            "-f",
            "there.yaml",
            "--map-registry",
            "dc2.example/shop=docker.io",
        ])
        .ok();
    assert!(
        images_in(&back.out).contains(&"docker.io/library/nginx:1.27".to_owned()),
        "{}",
        back.out
    );
}

#[test]
fn kubernetes_objects_with_rules_come_back_as_they_were() {
    let desk = Desk::new();
    let source = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: i, image: busybox}]
      containers: [{name: web, image: \"quay.io/team/web:2\"}]
";
    desk.write("k.yaml", source);
    desk.kubectl(&[
        "convert",
        "-f",
        "k.yaml",
        "-d",
        "out",
        "--to-registry",
        "dc2.example",
    ])
    .ok();
    let written: Vec<_> = std::fs::read_dir(desk.path("out"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    let compose = written
        .iter()
        .find(|path| path.extension().is_some_and(|e| e == "yaml"))
        .unwrap();
    let text = std::fs::read_to_string(compose).unwrap();
    let images = images_in(&text);
    assert!(
        images.contains(&"dc2.example/team/web:2".to_owned()),
        "{text}"
    );
    assert!(images.contains(&"dc2.example/busybox".to_owned()), "{text}");
    let back = desk
        .docker(&["convert", "-f", compose.to_str().unwrap(), "--profile", "*"])
        .ok();
    let mut images = images_in(&back.out);
    images.sort();
    assert_eq!(images, ["busybox", "quay.io/team/web:2"]);
}

#[test]
fn two_images_that_would_become_one_are_an_error_at_both_places() {
    let desk = Desk::new();
    desk.write(
        "compose.yaml",
        "services:\n  a: {image: \"quay.io/a/x:1\"}\n  b: {image: \"ghcr.io/a/x:1\"}\n",
    );
    let ran = desk.docker(&["convert", "--to-registry", "dc2.example"]);
    assert_eq!(ran.code, 65, "{ran:?}");
    for place in ["compose.yaml:2:", "compose.yaml:3:", "image-collision"] {
        assert!(ran.err.contains(place), "{place}: {}", ran.err);
    }
    let ran = desk.docker(&["images", "sync", "--to-registry", "dc2.example"]);
    assert_eq!(ran.code, 64, "{ran:?}");
    assert!(
        ran.err.contains("compose.yaml:2:") && ran.err.contains("compose.yaml:3:"),
        "{}",
        ran.err
    );
    desk.docker(&[
        "convert",
        "--to-registry",
        "dc2.example",
        "--map-registry",
        "ghcr.io=dc2.example/ghcr",
    ])
    .ok();
}

#[test]
fn digests_are_pinned_when_asked_for() {
    let Some(registry) = registry() else { return };
    let desk = Desk::new();
    let mut made = HandMade::at(desk.path("made"));
    let image = made.image("app", "amd64");
    let digest = made.name(&image, "quay.io/team/app:1");
    let host = registry.host();
    desk.docker(&[
        "images",
        "sync",
        "--from",
        "oci:made",
        "--to-registry",
        &host,
    ])
    .ok();
    desk.write(
        "compose.yaml",
        &format!("services:\n  web: {{image: \"{host}/team/app:1\"}}\n"),
    );
    let ran = desk
        .docker(&["convert", "--pin-digest", "--to-registry", "dc2.example"])
        .ok();
    assert_eq!(
        images_in(&ran.out),
        [format!("dc2.example/team/app:1@{digest}")]
    );
    let piped = {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docker-migrate-dup"));
        command
            .args(["convert", "-f", "-", "--pin-digest"])
            .current_dir(desk.folder.path())
            .env_clear()
            .env("HOME", desk.folder.path());
        command
            .write_stdin(std::fs::read(desk.path("compose.yaml")).unwrap())
            .output()
            .unwrap()
    };
    assert_eq!(
        images_in(&String::from_utf8_lossy(&piped.stdout)),
        [format!("{host}/team/app:1@{digest}")]
    );
    desk.write(
        "compose.yaml",
        &format!("services:\n  web: {{image: \"{host}/team/none:1\"}}\n"),
    );
    let ran = desk.docker(&["convert", "--pin-digest"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err.contains("compose.yaml:2:16") && ran.out.is_empty(),
        "{}",
        ran.err
    );
}

#[test]
fn the_image_of_waiting_containers_moves_with_the_others() {
    let desk = Desk::new();
    desk.write(
        "compose.yaml",
        "services:
  web: {image: nginx:1.27, depends_on: [db]}
  db: {image: postgres:17, expose: [5432]}
",
    );
    let waits = |more: &[&str]| {
        let mut arguments = vec!["convert", "--start-order", "wait"];
        arguments.extend(more);
        images_in(&desk.docker(&arguments).ok().out)
    };
    let there = waits(&["--to-registry", "dc2.example/shop"]);
    assert!(there.contains(&"dc2.example/shop/busybox:1.37".to_owned()));
    assert!(
        there
            .iter()
            .all(|image| image.starts_with("dc2.example/shop/")),
        "{there:?}"
    );
    let own = waits(&["--wait-image", "quay.io/team/wait:2"]);
    assert!(own.contains(&"quay.io/team/wait:2".to_owned()), "{own:?}");
    let listed = |more: &[&str]| {
        let mut arguments = vec!["images", "list", "-o", "name"];
        arguments.extend(more);
        desk.docker(&arguments).ok().out
    };
    let waiting = "docker.io/library/busybox:1.37";
    assert!(listed(&["--start-order", "wait"]).contains(waiting));
    assert!(!listed(&[]).contains(waiting));
    // With nobody to wait for, it is not needed.
    desk.write("compose.yaml", "services: {web: {image: nginx:1.27}}\n");
    assert!(!listed(&["--start-order", "wait"]).contains(waiting));
    desk.write(
        "compose.yaml",
        "services: {web: {image: a, depends_on: [db]}, db: {image: b}}\n",
    );
    let wrong = desk.docker(&[
        "images",
        "list",
        "--start-order",
        "wait",
        "--wait-image",
        "Not An Image",
    ]);
    assert!(wrong.err.contains("compose.yaml:1"), "{}", wrong.err);
}

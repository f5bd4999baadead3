//! A real Docker engine as source and target.

use super::*;
use tests::lab::engine::Engine;

#[test]
fn images_go_into_an_engine_and_out_of_it() {
    let (Some(registry), Some(tools)) = (registry(), &COMPONENTS.node_tools) else {
        return missing("docker-registry or node-tools");
    };
    let engine = match Engine::start(tools) {
        Ok(engine) => engine,
        Err(error) => {
            println!("{error}");
            return missing("a Docker engine (it needs root)");
        }
    };
    let desk = Desk::new().with("DOCKER_HOST", engine.host());
    let mut made = HandMade::at(desk.path("made"));
    let image = made.image("app", "amd64");
    let digest = made.name(&image, "docker.io/library/app:1");
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

    // In: the engine's id of an image is the digest of its configuration.
    let app = format!("{host}/app:1");
    let ran = desk
        .docker(&["images", "sync", &app, "--to", "docker-daemon:"])
        .ok();
    let (_, manifest) = registry.get("/v2/app/manifests/1").unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let id = engine
        .docker(&["image", "inspect", "--format", "{{.Id}}", &app])
        .unwrap();
    assert_eq!(
        id.trim(),
        manifest["config"]["digest"].as_str().unwrap(),
        "{}",
        ran.err
    );
    let left: Vec<_> = std::fs::read_dir(desk.path("state/migrate/images"))
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("engine-")
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");

    // Out: its layers were unpacked, so the manifest is new, and the same each time.
    engine.docker(&["tag", &app, "shop/local:2"]).unwrap();
    for repository in ["out1", "out2"] {
        let to = format!("{host}/{repository}");
        let ran = desk
            .docker(&[
                "images",
                "sync",
                "shop/local:2",
                "--from",
                "docker-daemon:",
                "--to-registry",
                &to,
            ])
            .ok();
        assert!(ran.err.contains("compressed anew"), "{}", ran.err);
    }
    let out = digest_at(&registry, "out1/shop/local", "2").unwrap();
    assert_eq!(
        digest_at(&registry, "out2/shop/local", "2"),
        Some(out.clone())
    );
    let (_, body) = registry.get("/v2/out1/shop/local/manifests/2").unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap()["config"]["digest"],
        manifest["config"]["digest"]
    );

    // What was pulled from a registry that is still there comes from it, byte for byte.
    engine.docker(&["rmi", &app, "shop/local:2"]).unwrap();
    engine.docker(&["pull", &app]).unwrap();
    let to = format!("{host}/exact");
    let ran = desk
        .docker(&[
            "images",
            "sync",
            &app,
            "--from",
            "docker-daemon:",
            "--to-registry",
            &to,
        ])
        .ok();
    assert!(!ran.err.contains("compressed anew"), "{}", ran.err);
    assert_eq!(digest_at(&registry, "exact/app", "1"), Some(digest));

    let names = desk
        .docker(&["images", "list", "--from", "docker-daemon:", "-o", "name"])
        .ok();
    assert!(names.out.contains("/app:1"), "{}", names.out);
    let ran = desk.docker(&[
        "images",
        "sync",
        "no/such:1",
        "--from",
        "docker-daemon:",
        "--to-registry",
        &host,
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err
            .contains("image docker.io/no/such:1 is not in docker-daemon:"),
        "{}",
        ran.err
    );
}

#[test]
fn an_engine_that_is_not_there_is_named_with_what_to_do() {
    let desk = Desk::new().with("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let ran = desk.docker(&["images", "list", "--from", "docker-daemon:"]);
    assert_eq!(ran.code, 69);
    assert!(
        ran.err.contains("/nonexistent/docker.sock") && ran.err.contains("docker info"),
        "{}",
        ran.err
    );
    let ran = desk.docker(&[
        "--context",
        "far",
        "migrate",
        "images",
        "list",
        "--from",
        "docker-daemon:",
    ]);
    assert!(ran.err.contains("no docker context `far`"), "{}", ran.err);
    let desk = Desk::new().with("DOCKER_HOST", "ssh://user@host");
    let ran = desk.docker(&["images", "list", "--from", "docker-daemon:"]);
    assert!(ran.err.contains("docker save"), "{}", ran.err);
}

//! Docker engines and Swarms as sources, with the real engine.

use std::process::{Command, Stdio};

use tests::lab::engine::Engine;
use tests::lab::need;

use super::harness::{
    COMPONENTS, Daemon, Ports, digest, layer, push, registries_are_here, silent_registry,
};

/// Says plainly why there is no engine. Where `MIGRATE_LAB_REQUIRED` is set, that is a failure.
fn started(engine: Result<Engine, String>) -> Option<Engine> {
    match engine {
        Ok(engine) => Some(engine),
        Err(error) => {
            let required = std::env::var_os("MIGRATE_LAB_REQUIRED").is_some();
            assert!(!required, "{error}");
            println!("NOT TESTED: no engine could be started: {error}");
            None
        }
    }
}

#[test]
fn what_is_tagged_loaded_or_pushed_on_an_engine_is_copied_from_its_registry() {
    if !registries_are_here() {
        return;
    }
    let tools = need("node-tools", COMPONENTS.node_tools.as_deref());
    let Some(engine) = started(tools.and_then(Engine::start)) else {
        return;
    };
    let (source, target) = (silent_registry(), silent_registry());
    let mut daemon = Daemon::start(
        Ports::new(),
        &format!(
            "sources: {{builder: {{docker: '{}'}}}}
targets: {{dc2: {{registry: '{}/mirror'}}}}
rules: [{{name: built, from: builder, to: dc2, repositories: 'shop/**'}}]",
            engine.host(),
            target.address()
        ),
    );
    daemon.wait("the engine was compared", |daemon| {
        daemon.figure("migrate_images_comparisons_total", "whole") >= Some(1.0)
    });
    let folder = tempfile::tempdir().unwrap();
    let name = |tag: &str| format!("{}/shop/web:{tag}", source.address());
    let arrived = |tag: &str| digest(&target.address(), "mirror/shop/web", tag);

    // Built here and pushed from here.
    let built = layer(folder.path(), "built", 5000);
    engine
        .docker(&["import", built.to_str().unwrap(), &name("built")])
        .unwrap();
    engine.docker(&["push", &name("built")]).unwrap();
    daemon.wait("the pushed image arrives", |_| arrived("built").is_some());
    assert_eq!(
        arrived("built"),
        digest(&source.address(), "shop/web", "built")
    );

    // At the registry already, and named here.
    for tag in ["tagged", "loaded"] {
        push(&layer(folder.path(), tag, 5000), &name(tag));
    }
    engine
        .docker(&["tag", &name("built"), &name("tagged")])
        .unwrap();
    daemon.wait("the tagged image arrives", |_| arrived("tagged").is_some());
    let archive = folder.path().join("loaded-archive.tar");
    let saved = Command::new(COMPONENTS.crane.as_ref().unwrap())
        .args(["pull", "--insecure", &name("loaded")])
        .arg(&archive)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(saved.success());
    engine
        .docker(&["load", "--input", archive.to_str().unwrap()])
        .unwrap();
    daemon.wait("the loaded image arrives", |_| arrived("loaded").is_some());

    // In no registry: nobody can have it from there, and that is no failure that waits for a person.
    engine
        .docker(&["tag", &name("built"), &name("never-pushed")])
        .unwrap();
    daemon.wait("the daemon says so", |daemon| {
        daemon
            .queue(&["list"])
            .1
            .contains("in no registry: push it")
    });
    assert_eq!(daemon.figure("migrate_images_dead_letters", ""), Some(0.0));
    daemon.wait("the engine is the cause", |daemon| {
        daemon.log().contains(r#""via":"engine""#)
    });

    // The engine goes away, and the daemon stays.
    drop(engine);
    daemon.wait("the lost engine is noticed", |daemon| {
        daemon.log().contains("the engine's events have ended")
    });
    assert_eq!(daemon.get("/healthz").0, 200);
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn the_images_of_services_are_copied() {
    if !registries_are_here() {
        return;
    }
    let tools = need("node-tools", COMPONENTS.node_tools.as_deref());
    let Some(engine) = started(tools.and_then(Engine::start_swarm)) else {
        return;
    };
    let (source, target) = (silent_registry(), silent_registry());
    let folder = tempfile::tempdir().unwrap();
    let name = |tag: &str| format!("{}/shop/web:{tag}", source.address());
    for tag in ["v1", "v2", "unused"] {
        push(&layer(folder.path(), tag, 5000), &name(tag));
    }
    let mut daemon = Daemon::start(
        Ports::new(),
        &format!(
            "sources: {{dc1: {{swarm: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: used, from: dc1, to: dc2}}]",
            engine.host(),
            target.address()
        ),
    );
    daemon.wait("the Swarm was compared", |daemon| {
        daemon.figure("migrate_images_comparisons_total", "whole") >= Some(1.0)
    });
    let quietly = ["--detach", "--no-resolve-image"];
    let service = |words: &[&str]| {
        let words: Vec<&str> = ["service"].iter().chain(words).copied().collect();
        engine.docker(&words).unwrap()
    };
    service(&[
        "create",
        quietly[0],
        quietly[1],
        "--name",
        "web",
        &name("v1"),
    ]);
    daemon.wait("the image of a new service arrives", |_| {
        digest(&target.address(), "shop/web", "v1").is_some()
    });
    service(&[
        "update",
        quietly[0],
        quietly[1],
        "--image",
        &name("v2"),
        "web",
    ]);
    daemon.wait("the image of a changed service arrives", |_| {
        digest(&target.address(), "shop/web", "v2").is_some()
    });
    assert_eq!(digest(&target.address(), "shop/web", "unused"), None);
    assert_eq!(
        digest(&target.address(), "shop/web", "v2"),
        digest(&source.address(), "shop/web", "v2")
    );
}

//! The good way: what is pushed arrives, under the rules that hold.

use std::time::Duration;

use super::harness::{Daemon, Ports, digest, layer, push, registries_are_here, silent_registry};

#[test]
fn a_push_arrives_with_its_digest() {
    if !registries_are_here() {
        return;
    }
    let ports = Ports::new();
    let (source, target) = (ports.registry("dc1"), silent_registry());
    let mut daemon = Daemon::start(
        ports,
        &format!(
            "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}/mirror'}}}}
rules: [{{name: shop, from: dc1, to: dc2, repositories: 'shop/**', tags: 'v*'}}]",
            source.address(),
            target.address()
        ),
    );
    daemon.wait("the first comparison is done", |daemon| {
        daemon.figure("migrate_images_comparisons_total", "") >= Some(1.0)
    });
    let folder = tempfile::tempdir().unwrap();
    let image = layer(folder.path(), "image", 200_000);
    let address = source.address();
    push(&image, &format!("{address}/shop/web:v1"));
    push(&image, &format!("{address}/shop/web:latest"));
    push(&image, &format!("{address}/other:v1"));
    daemon.wait("the image arrives", |_| {
        digest(&target.address(), "mirror/shop/web", "v1").is_some()
    });
    assert_eq!(
        digest(&target.address(), "mirror/shop/web", "v1"),
        digest(&address, "shop/web", "v1")
    );
    daemon.wait("the queue is empty", |daemon| daemon.jobs() == Some(0.0));
    assert_eq!(digest(&target.address(), "mirror/shop/web", "latest"), None);
    assert_eq!(digest(&target.address(), "mirror/other", "v1"), None);

    // What people and programs see of it.
    daemon.wait("the copy is counted", |daemon| {
        daemon.figure("migrate_images_lag_seconds_count", "shop") == Some(1.0)
    });
    assert!(
        daemon
            .figure("migrate_images_bytes_total", "transferred")
            .unwrap()
            > 200_000.0
    );
    let (status, page) = daemon.get("/");
    assert_eq!(status, 200);
    let page = page.replace("&#x2F;", "/");
    assert!(page.contains("dc1/shop/web:v1 to dc2"), "{page}");
    assert!(!page.contains("<script"), "the page needs no script");
    assert_eq!(daemon.get("/readyz").0, 200);
    let (code, list) = daemon.queue(&["list"]);
    assert_eq!(code, Some(0));
    assert!(list.contains("dc1/shop/web:v1 to dc2: copied"), "{list}");

    let (code, took) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn rules_change_while_it_runs_and_bad_ones_do_not_count() {
    if !registries_are_here() {
        return;
    }
    let ports = Ports::new();
    let (source, target) = (ports.registry("dc1"), silent_registry());
    let rules = |repositories: &str| {
        format!(
            "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2, repositories: {repositories}}}]",
            source.address(),
            target.address()
        )
    };
    let mut daemon = Daemon::start(ports, &rules("a"));
    let folder = tempfile::tempdir().unwrap();
    let image = layer(folder.path(), "image", 1000);
    for repository in ["a", "b", "c"] {
        push(&image, &format!("{}/{repository}:v1", source.address()));
    }
    daemon.wait("a arrives", |_| {
        digest(&target.address(), "a", "v1").is_some()
    });
    daemon.write_rules("rules: [");
    daemon.wait("the bad file is seen", |daemon| {
        daemon.figure("migrate_images_rules_valid", "") == Some(0.0)
    });
    assert!(
        daemon.log().contains("the earlier rules hold"),
        "{}",
        daemon.log()
    );
    push(&image, &format!("{}/a:v2", source.address()));
    daemon.wait("the old rules hold", |_| {
        digest(&target.address(), "a", "v2").is_some()
    });
    daemon.write_rules(&rules("[a, b]"));
    daemon.wait("the new rules hold", |_| {
        digest(&target.address(), "b", "v1").is_some()
    });
    assert_eq!(digest(&target.address(), "c", "v1"), None);
    daemon.write_rules(&rules("[a, b, c]"));
    daemon.signal("HUP");
    daemon.wait("the rules after that hold", |_| {
        digest(&target.address(), "c", "v1").is_some()
    });
}

/// Two registries that mirror each other: a tag goes to the other side once, and never back over a newer one.
#[test]
fn mirrors_do_not_go_in_circles() {
    if !registries_are_here() {
        return;
    }
    let ports = Ports::new();
    let (one, two) = (ports.registry("one"), ports.registry("two"));
    let mut daemon = Daemon::start(
        ports,
        &format!(
            "sources: {{one: {{registry: '{0}'}}, two: {{registry: '{1}'}}}}
targets: {{to-one: {{registry: '{0}'}}, to-two: {{registry: '{1}'}}}}
rules: [{{from: one, to: to-two}}, {{from: two, to: to-one}}]
reconcile: {{interval: 1s}}",
            one.address(),
            two.address()
        ),
    );
    let folder = tempfile::tempdir().unwrap();
    let mut both = |from: &str, name: &str| {
        let image = layer(folder.path(), name, 1000);
        push(&image, &format!("{from}/app:v1"));
        let pushed = digest(from, "app", "v1");
        assert!(pushed.is_some());
        daemon.wait("both have it", |_| {
            digest(&one.address(), "app", "v1") == pushed
                && digest(&two.address(), "app", "v1") == pushed
        });
    };
    both(&one.address(), "first");
    both(&two.address(), "second");
    both(&one.address(), "third");
    assert_eq!(daemon.figure("migrate_images_dead_letters", ""), Some(0.0));
    let copied = |daemon: &Daemon| daemon.figure("migrate_images_finished_total", "copied");
    daemon.wait("all is counted", |daemon| copied(daemon) == Some(3.0));
    let compared = |daemon: &Daemon| {
        daemon
            .figure("migrate_images_comparisons_total", "whole")
            .unwrap()
    };
    let before = compared(&daemon);
    daemon.wait("both sides were compared again", |daemon| {
        compared(daemon) > before + 4.0
    });
    assert_eq!(copied(&daemon), Some(3.0), "nothing goes round");
}

#[test]
fn deletions_are_followed_only_when_asked_and_only_so_many() {
    if !registries_are_here() {
        return;
    }
    let ports = Ports::new();
    let (source, target) = (ports.registry("dc1"), silent_registry());
    let mut daemon = Daemon::start(
        ports,
        &format!(
            "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules:
- {{name: kept, from: dc1, to: dc2, repositories: kept}}
- {{name: followed, from: dc1, to: dc2, repositories: followed, deletes: {{propagate: true, max_share: 10%}}}}",
            source.address(),
            target.address()
        ),
    );
    let folder = tempfile::tempdir().unwrap();
    for (repository, tags) in [("kept", 1), ("followed", 4)] {
        for tag in 0..tags {
            let image = layer(folder.path(), &format!("{repository}{tag}"), 1000);
            push(&image, &format!("{}/{repository}:v{tag}", source.address()));
        }
    }
    daemon.wait("all are there", |_| {
        digest(&target.address(), "kept", "v0").is_some()
            && (0..4).all(|tag| digest(&target.address(), "followed", &format!("v{tag}")).is_some())
    });
    daemon.wait("the queue is empty", |daemon| daemon.jobs() == Some(0.0));
    for (repository, tag) in [("kept", "v0"), ("followed", "v0"), ("followed", "v1")] {
        let gone = digest(&source.address(), repository, tag).unwrap();
        let port: u16 = source
            .address()
            .rsplit(':')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let path = format!("/v2/{repository}/manifests/{gone}");
        let (status, answer) = super::harness::http(port, "DELETE", &path, &[], "").unwrap();
        assert_eq!(status, 202, "{answer}");
    }
    // The registry cannot delete a tag alone, so the first one is refused by it; either way a person is told.
    daemon.wait("the deletions were looked at", |daemon| {
        daemon.figure("migrate_images_dead_letters", "") >= Some(1.0) && daemon.jobs() == Some(0.0)
    });
    assert!(digest(&target.address(), "kept", "v0").is_some());
    let left =
        (0..4).filter(|tag| digest(&target.address(), "followed", &format!("v{tag}")).is_some());
    assert!(left.count() >= 3, "at most one of four may go");
}

//! A full disk, a damaged queue, a registry that is down, senders that may not send.

use std::process::Command;

use super::harness::{
    Daemon, Ports, SECRET, digest, http, layer, push, registries_are_here, silent_registry,
};

const EVENT: &str = r#"{"repository": "app", "tag": "v1"}"#;

#[test]
fn a_full_disk_refuses_events_until_there_is_room() {
    if !registries_are_here() {
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
        .arg(disk.path())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        println!("NOT TESTED: a full disk needs the right to mount a tmpfs");
        return;
    }
    let unmount = Unmount(disk.path());
    let ports = Ports::new();
    let (source, target) = (silent_registry(), silent_registry());
    let mut daemon = Daemon::start(
        ports,
        &format!(
            "state: '{}'
sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2}}]",
            disk.path().join("state").display(),
            source.address(),
            target.address()
        ),
    );
    let folder = tempfile::tempdir().unwrap();
    push(
        &layer(folder.path(), "image", 1000),
        &format!("{}/app:v1", source.address()),
    );
    let filler = disk.path().join("filler");
    // Fails when the disk is full, which is what is wanted.
    let _ = std::fs::write(&filler, vec![0_u8; 6 << 20]);
    let refused = (0..5000).find(|number| {
        let body = format!(
            r#"{{"repository": "app{number}", "tag": "{}"}}"#,
            "x".repeat(120)
        );
        daemon.event("dc1", &body) == 503
    });
    assert!(refused.is_some(), "a full disk is not noticed");
    assert_eq!(daemon.get("/readyz").0, 503);
    assert_eq!(daemon.get("/healthz").0, 200, "a restart would not help");
    std::fs::remove_file(&filler).unwrap();
    // By itself: a probe that fails keeps the events away that could show that there is room again.
    daemon.wait("it is ready again", |daemon| daemon.get("/readyz").0 == 200);
    assert_eq!(daemon.event("dc1", EVENT), 202);
    daemon.wait("the image arrives", |_| {
        digest(&target.address(), "app", "v1").is_some()
    });
    drop(daemon);
    drop(unmount);
}

struct Unmount<'p>(&'p std::path::Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_damaged_queue_is_set_aside_and_a_comparison_finds_what_it_held() {
    if !registries_are_here() {
        return;
    }
    let ports = Ports::new();
    let (source, mut target) = (silent_registry(), silent_registry());
    let mut daemon = Daemon::start(
        ports,
        &format!(
            "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2}}]",
            source.address(),
            target.address()
        ),
    );
    target.kill();
    let folder = tempfile::tempdir().unwrap();
    push(
        &layer(folder.path(), "image", 1000),
        &format!("{}/app:v1", source.address()),
    );
    assert_eq!(daemon.event("dc1", EVENT), 202);
    daemon.kill();
    let state = daemon.folder.path().join("state");
    let file = state.join("queue.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[..64].fill(0xFF);
    bytes.truncate(middle);
    std::fs::write(&file, &bytes).unwrap();
    target.resume().unwrap();
    daemon.resume();
    daemon.wait("the image arrives", |_| {
        digest(&target.address(), "app", "v1").is_some()
    });
    assert!(
        daemon.log().contains("the queue was damaged"),
        "{}",
        daemon.log()
    );
    let aside = std::fs::read_dir(&state)
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().contains("damaged")
        })
        .count();
    assert_eq!(aside, 1);
}

#[test]
fn what_cannot_be_copied_waits_or_is_listed_with_the_reason() {
    if !registries_are_here() {
        return;
    }
    let ports = Ports::new();
    let (source, mut target) = (silent_registry(), silent_registry());
    let mut daemon = Daemon::start(
        ports,
        &format!(
            "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2, immutable: 'v*'}}]
retry: {{first: 100ms, most: 1s}}",
            source.address(),
            target.address()
        ),
    );
    daemon.wait("the first comparison is done", |daemon| {
        daemon.figure("migrate_images_comparisons_total", "") >= Some(1.0)
    });
    let folder = tempfile::tempdir().unwrap();
    push(
        &layer(folder.path(), "one", 1000),
        &format!("{}/app:v1", source.address()),
    );
    target.kill();
    assert_eq!(daemon.event("dc1", EVENT), 202);
    daemon.wait("the host is known to be down", |daemon| {
        daemon.figure("migrate_images_host_down", &target.address()) == Some(1.0)
    });
    let (_, page) = daemon.get("/");
    assert!(page.contains("does not answer"), "{page}");
    target.resume().unwrap();
    daemon.wait("the image arrives", |_| {
        digest(&target.address(), "app", "v1").is_some()
    });
    let first = digest(&target.address(), "app", "v1");

    // A tag that may not change, and one that is not there.
    push(
        &layer(folder.path(), "two", 1000),
        &format!("{}/app:v1", source.address()),
    );
    assert_eq!(daemon.event("dc1", EVENT), 202);
    assert_eq!(
        daemon.event("dc1", r#"{"repository": "app", "tag": "no"}"#),
        202
    );
    daemon.wait("both are listed", |daemon| {
        daemon.figure("migrate_images_dead_letters", "") == Some(2.0)
    });
    assert_eq!(digest(&target.address(), "app", "v1"), first, "immutable");
    let (_, list) = daemon.queue(&["list"]);
    assert!(list.contains("the tag is immutable"), "{list}");
    assert!(list.contains("image app:no is not in"), "{list}");
    push(
        &layer(folder.path(), "three", 1000),
        &format!("{}/app:no", source.address()),
    );
    assert_eq!(daemon.queue(&["retry", "app:no"]).0, Some(0));
    daemon.wait("the image arrives", |_| {
        digest(&target.address(), "app", "no").is_some()
    });
    assert_eq!(daemon.queue(&["drop", "app:v1"]).0, Some(0));
    assert_eq!(daemon.queue(&["drop", "app:v1"]).0, Some(1), "it is gone");
    assert_eq!(daemon.figure("migrate_images_dead_letters", ""), Some(0.0));
    daemon.stop();
    assert_eq!(
        daemon.queue(&["list"]).0,
        Some(0),
        "without the daemon as well"
    );
}

/// Registries send the event of a push before they write its tag: who looks at once sees what the tag had before.
#[test]
fn an_event_that_comes_before_its_tag_is_not_taken_for_old_news() {
    if !registries_are_here() {
        return;
    }
    let (source, target) = (silent_registry(), silent_registry());
    let folder = tempfile::tempdir().unwrap();
    for (name, tag) in [("old", "v1"), ("new", "next")] {
        push(
            &layer(folder.path(), name, 1000),
            &format!("{}/app:{tag}", source.address()),
        );
    }
    let mut daemon = Daemon::start(
        Ports::new(),
        &format!(
            "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2, tags: 'v*'}}]",
            source.address(),
            target.address()
        ),
    );
    daemon.wait("the old image arrives", |daemon| {
        digest(&target.address(), "app", "v1").is_some() && daemon.jobs() == Some(0.0)
    });
    let new = digest(&source.address(), "app", "next").unwrap();
    let event = format!(r#"{{"repository": "app", "tag": "v1", "digest": "{new}"}}"#);
    assert_eq!(daemon.event("dc1", &event), 202);
    daemon.wait("the tag was looked at", |daemon| {
        daemon.figure("migrate_images_retries_total", "") >= Some(1.0)
    });
    let moved = Command::new(super::harness::COMPONENTS.crane.as_ref().unwrap())
        .args([
            "tag",
            "--insecure",
            &format!("{}/app:next", source.address()),
            "v1",
        ])
        .output()
        .unwrap();
    assert!(moved.status.success(), "{moved:?}");
    daemon.wait("the new image arrives", |_| {
        digest(&target.address(), "app", "v1").as_ref() == Some(&new)
    });
    assert_eq!(
        daemon.figure("migrate_images_comparisons_total", ""),
        Some(1.0),
        "no comparison had to find it"
    );
    // A tag that never gets what its event says has been moved on: that is no failure.
    let other = format!("sha256:{}", "b".repeat(64));
    assert_eq!(daemon.event("dc1", &event.replace(&new, &other)), 202);
    daemon.wait("it is given up without a dead letter", |daemon| {
        daemon.jobs() == Some(0.0)
    });
    assert_eq!(daemon.figure("migrate_images_dead_letters", ""), Some(0.0));
}

#[test]
fn senders_have_to_know_the_secret() {
    let ports = Ports::new();
    let daemon = Daemon::start(
        ports,
        "sources: {dc1: {registry: '127.0.0.1:1'}}
targets: {dc2: {registry: '127.0.0.1:2'}}
rules: [{name: all, from: dc1, to: dc2}]",
    );
    let send = |path: &str, secret: &str, body: &str| {
        http(
            ports.receiver,
            "POST",
            path,
            &[("Authorization", secret)],
            body,
        )
        .unwrap()
        .0
    };
    let right = format!("Bearer {SECRET}");
    assert_eq!(send("/events/dc1", &right, EVENT), 202);
    assert_eq!(send("/events", &right, EVENT), 202, "there is one source");
    assert_eq!(send("/events/dc1", "Bearer wrong", EVENT), 401);
    assert_eq!(send("/events/dc1", "", EVENT), 401);
    assert_eq!(send("/events/other", &right, EVENT), 404);
    assert_eq!(send("/events/dc1", &right, "{}"), 400);
    let large = format!(r#"{{"repository": "{}"}}"#, "x".repeat(2 << 20));
    assert_eq!(send("/events/dc1", &right, &large), 413);
    let twice = Command::new(env!("CARGO_BIN_EXE_docker-migrate-dup"))
        .args(["migrate", "images", "watch", "--config"])
        .arg(daemon.rules())
        .output()
        .unwrap();
    assert_eq!(twice.status.code(), Some(73), "one process has the queue");
    assert!(!daemon.log().contains(SECRET));
}

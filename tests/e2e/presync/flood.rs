//! More events than any registry sends, from another process, one in each request.

use std::fmt::Write as _;
use std::process::Command;

use super::harness::{
    Daemon, Ports, SECRET, digest, layer, push, registries_are_here, silent_registry,
};

/// Events a second. `tests/bench/ips/events` asks a release build for five times as many.
const RATE: u32 = 2_000;
const SECONDS: u32 = 5;
const CONNECTIONS: u32 = 32;
const IMAGES: u32 = 40;
/// What a daemon may have taken of memory at any time, in KiB.
const MEMORY: u64 = 150 << 10;

#[test]
fn a_flood_is_answered_folded_and_drained() {
    if !registries_are_here() {
        return;
    }
    let ports = Ports::new();
    let (source, target) = (silent_registry(), silent_registry());
    let mut daemon = Daemon::start(
        ports,
        &format!(
            "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2, tags: 'v*'}}]",
            source.address(),
            target.address()
        ),
    );
    daemon.wait("the first comparison is done", |daemon| {
        daemon.figure("migrate_images_comparisons_total", "") >= Some(1.0)
    });
    let folder = tempfile::tempdir().unwrap();
    let mut images = String::new();
    for number in 0..IMAGES {
        let tag = format!("v{number}");
        let image = layer(folder.path(), &format!("layer{number}"), 10_000);
        push(&image, &format!("{}/app:{tag}", source.address()));
        let digest = digest(&source.address(), "app", &tag).unwrap();
        writeln!(images, "app {tag} {digest}").unwrap();
    }
    let list = folder.path().join("images");
    std::fs::write(&list, images).unwrap();
    let load = Command::new(env!("CARGO_BIN_EXE_event-load"))
        .args([
            &format!("127.0.0.1:{}", ports.receiver),
            "/events/dc1",
            SECRET,
            list.to_str().unwrap(),
            &RATE.to_string(),
            &SECONDS.to_string(),
            &CONNECTIONS.to_string(),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&load.stdout);
    let memory = peak(daemon.pid());
    println!("{said}at most {} MiB of memory", memory >> 10);
    assert!(
        load.status.success(),
        "all were answered well: {said} {load:?}"
    );
    assert!(memory < MEMORY, "{memory} KiB");
    daemon.wait("the queue is drained", |daemon| daemon.jobs() == Some(0.0));
    for number in 0..IMAGES {
        let tag = format!("v{number}");
        assert_eq!(
            digest(&target.address(), "app", &tag),
            digest(&source.address(), "app", &tag)
        );
    }
    let events = f64::from(RATE * SECONDS);
    let folded = daemon
        .figure("migrate_images_events_folded_total", "")
        .unwrap();
    let finished = daemon.figure("migrate_images_finished_total", "").unwrap();
    assert!(
        folded + finished >= events,
        "{folded} folded, {finished} finished"
    );
    assert!(
        finished < events / 4.0,
        "{finished} jobs for {IMAGES} images"
    );
}

/// The most memory that a process ever had, in KiB.
fn peak(pid: u32) -> u64 {
    std::fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap()
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap()
}

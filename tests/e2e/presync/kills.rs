//! `kill -9` of everything at random moments, while images are pushed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::lab::Registry;

use super::harness::{
    COMPONENTS, Daemon, PATIENCE, Ports, committed, digest, durable_registry_is_here, layer,
    registries_are_here, try_push,
};

const PUSHES: usize = 500;
const PUSHERS: usize = 3;

#[test]
fn nothing_is_lost_when_everything_is_killed() {
    if !registries_are_here() || !durable_registry_is_here() {
        return;
    }
    let ports = Ports::new();
    let mut source = ports.durable_registry("dc1");
    let mut target = Registry::durable(&COMPONENTS, None).unwrap();
    let mut daemon = Daemon::start(
        ports,
        &format!(
            "sources: {{dc1: {{registry: '{}'}}}}
targets: {{dc2: {{registry: '{}'}}}}
rules: [{{name: all, from: dc1, to: dc2}}]
retry: {{first: 100ms, most: 2s}}",
            source.address(),
            target.address()
        ),
    );
    let address = source.address();
    let next = AtomicUsize::new(0);
    let mut kills = [0; 3];
    thread::scope(|scope| {
        let pushers: Vec<_> = (0..PUSHERS)
            .map(|_| {
                let (next, address) = (&next, &address);
                scope.spawn(move || {
                    let folder = tempfile::tempdir().unwrap();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= PUSHES {
                            return;
                        }
                        let image = layer(folder.path(), &format!("layer{number}"), 40_000);
                        let name = format!("{address}/app{}:v{number}", number % 7);
                        let deadline = Instant::now() + PATIENCE;
                        while !try_push(&image, &name) {
                            assert!(Instant::now() < deadline, "cannot push {name}");
                            thread::sleep(Duration::from_millis(50));
                        }
                        std::fs::remove_file(image).unwrap();
                    }
                })
            })
            .collect();
        while pushers.iter().any(|pusher| !pusher.is_finished()) {
            thread::sleep(Duration::from_millis(200 + rand::random::<u64>() % 1500));
            let victim = rand::random::<u64>() % 3;
            match victim {
                0 => {
                    daemon.kill();
                    thread::sleep(Duration::from_millis(rand::random::<u64>() % 500));
                    daemon.resume();
                }
                1 => {
                    source.kill();
                    thread::sleep(Duration::from_millis(rand::random::<u64>() % 500));
                    source.resume().unwrap();
                }
                _ => {
                    target.kill();
                    thread::sleep(Duration::from_millis(rand::random::<u64>() % 1500));
                    target.resume().unwrap();
                }
            }
            kills[usize::try_from(victim).unwrap()] += 1;
        }
    });
    let missing = || {
        (0..PUSHES)
            .filter(|number| {
                let (repository, tag) = (format!("app{}", number % 7), format!("v{number}"));
                let there = digest(&source.address(), &repository, &tag);
                assert!(there.is_some(), "{repository}:{tag}");
                digest(&target.address(), &repository, &tag) != there
            })
            .count()
    };
    // Events die with the source registry; the next comparison finds what they reported. It is due at the next start or
    // restart of the source, or within the hour: here somebody starts the daemon once more.
    daemon.kill();
    daemon.resume();
    daemon.wait("everything has arrived", |daemon| {
        daemon.jobs() == Some(0.0) && missing() == 0
    });
    let uploads = committed(&target.log());
    let layers_twice = uploads.values().filter(|times| **times > 1).count();
    println!(
        "{PUSHES} pushes, killed: daemon {} times, source {}, target {}; {} blobs committed, {layers_twice} of them twice",
        kills[0],
        kills[1],
        kills[2],
        uploads.len()
    );
    assert!(uploads.len() >= PUSHES);
    assert_eq!(layers_twice, 0);
    assert_eq!(daemon.figure("migrate_images_dead_letters", ""), Some(0.0));
}

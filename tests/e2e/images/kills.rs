//! `kill -9` in the middle, and again.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::RngExt as _;
use tests::fault::Proxy;
use tests::image::{Held, held, image, noise, push};

use super::*;

/// A process is killed so often.
const KILLS: usize = 20;

/// Starts the program; `rate` slows it down so that there is a middle.
fn start(folder: &Path, source: &str, target: &str, rate: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docker-migrate-dup"));
    command
        .args(["images", "sync"])
        .args(["huge:1", "twin:1"].map(|name| format!("{source}/{name}")))
        .args(["--to-registry", target, "--max-rate", rate, "--state-dir"])
        .arg(folder.join("state"))
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_sync_that_is_killed_twenty_times_goes_on_where_it_was() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    // One gigabyte: a large layer, some of usual size, and many small ones that two images share.
    let mut layers = vec![noise(1, 512 << 20)];
    layers.extend((2..10).map(|seed| noise(seed, 60 << 20)));
    layers.extend((10..30).map(|seed| noise(seed, 1 << 20)));
    let huge = image(&layers, "amd64");
    let twin = image(&layers[1..], "amd64");
    for (name, image) in [("huge", &huge), ("twin", &twin)] {
        push(&place(&source), name, "1", image).await;
    }
    let proxy = Proxy::start(&target.address()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let size = huge.size() + twin.blobs[0].len() as u64;
    let mut committed = Vec::new();
    for _ in 0..KILLS {
        let mut child = start(folder.path(), &source.address(), &proxy.address(), "60MB");
        let pause = rand::rng().random_range(50..900);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        for name in ["huge", "twin"] {
            // A name is there when all else is.
            let there = held(&place(&target), name, "1").await;
            assert!(
                there == Held::Nothing || ended.is_some() || matches!(there, Held::Whole(_)),
                "{there:?}"
            );
        }
    }
    committed.extend(proxy.committed());
    let before = proxy.uploaded();
    let status = start(folder.path(), &source.address(), &proxy.address(), "4GB")
        .wait()
        .unwrap();
    assert!(status.success());
    for (name, image) in [("huge", &huge), ("twin", &twin)] {
        let there = held(&place(&target), name, "1").await;
        assert_eq!(there, Held::Whole(image.digest()));
    }
    let mut all = proxy.committed();
    let commits = all.len();
    all.sort_unstable();
    all.dedup();
    // A kill between the registry's commit and its answer is the only way to commit twice.
    assert!(commits <= all.len() + KILLS, "{commits} {}", all.len());
    // What was in the sockets when a process was killed is lost, and layers below the size that is worth a file.
    let lost = proxy.uploaded().saturating_sub(size);
    println!("{size} bytes, {before} before the last run, {lost} sent twice in {KILLS} kills");
    assert!(lost < size / 5, "{lost} of {size} bytes were sent again");
}

//! Disks that are full: of the state of runs, and of a bundle.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::super::cluster::Cluster;
use super::super::{WEB, docker_migrate, sample_images, succeeded, text, vote};
use super::ended;

/// A small file system of its own; none where that needs more rights than there are.
struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    fn mount(kilobytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "small"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { folder }),
            _ => {
                println!("NOT TESTED with a small file system: it cannot be mounted");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// A piece of shell that leaves no room.
    fn fill(&self) -> String {
        format!("cat /dev/zero >>'{}' 2>/dev/null", self.filler().display())
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

const RUN: [&str; 5] = ["run", "-n", "shop", "--yes", "--no-wait"];

fn run(cluster: &Cluster, state: &Small, arguments: &[&str]) -> Output {
    cluster
        .command(arguments)
        .env("XDG_STATE_HOME", state.path())
        .output()
        .unwrap()
}

fn is_there(cluster: &Cluster) -> bool {
    cluster
        .kubectl(&["get", "deployments", "-n", "shop", "-o", "name"])
        .contains("deployment.apps/web")
}

#[test]
fn without_room_for_the_state_nothing_is_begun() {
    let (Some(cluster), Some(state)) = (Cluster::start(), Small::mount(64)) else {
        return;
    };
    cluster.write(WEB);
    Command::new("sh")
        .args(["-c", &state.fill()])
        .status()
        .unwrap();
    ended(
        &run(&cluster, &state, &RUN),
        1,
        &["No space left on device", "Nothing was changed"],
    );
    assert!(!is_there(&cluster));
    state.make_room();
    succeeded(&run(&cluster, &state, &RUN));
}

#[test]
fn a_state_that_runs_full_stops_before_what_is_not_written_down() {
    let (Some(cluster), Some(state)) = (Cluster::start(), Small::mount(64)) else {
        return;
    };
    cluster.write(WEB);
    // The lock is the first change; what was there is written down before the second. The note about the tool is written
    // once that has started, and would make room when it goes.
    let notes = format!(
        "sleep 0.5; rm -f '{}'/migrate/runs/*/tool-*; ",
        state.path().display()
    );
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" create \"*\"--filename=- \"*) {} ;; esac\nexec '{}' \"$@\"\n",
        notes + &state.fill(),
        super::super::COMPONENTS.kubectl.as_ref().unwrap().display()
    );
    let kubectl =
        super::super::cluster::script_at(&cluster.home.path().join("kubectl-full"), &script);
    let output = cluster
        .command(&RUN)
        .env("XDG_STATE_HOME", state.path())
        .env("KUBECTL", kubectl)
        .output()
        .unwrap();
    ended(
        &output,
        75,
        &["No space left on device", "docker migrate resume "],
    );
    assert!(!is_there(&cluster));
    state.make_room();
    succeeded(&run(&cluster, &state, &["resume"]));
    assert!(is_there(&cluster));
}

/// A limit on the size of files does where nothing can be mounted what a full disk does; every user may set it.
#[test]
fn a_limit_on_files_stops_before_anything_is_begun() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    let program = cluster.command(&[]).get_program().to_owned();
    let mut limited = Command::new("sh");
    limited
        .env_clear()
        .envs(
            cluster
                .command(&[])
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(cluster.home.path())
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(program)
        .args(RUN);
    ended(
        &limited.output().unwrap(),
        1,
        &["File too large", "Nothing was changed"],
    );
    assert!(!is_there(&cluster));
}

#[test]
fn a_bundle_on_a_full_disk_is_gone_on_with() {
    let Some(small) = Small::mount(2048) else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    sample_images(&home.path().join("images"));
    Command::new("sh")
        .args(["-c", &small.fill()])
        .status()
        .unwrap();
    // Room for the beginning only.
    let filler = std::fs::OpenOptions::new()
        .write(true)
        .open(small.filler())
        .unwrap();
    filler
        .set_len(filler.metadata().unwrap().len() - (24 << 10))
        .unwrap();
    let bundle = small.path().join("bundle");
    let run = || {
        docker_migrate(home.path())
            .args(["run", "--file"])
            .arg(vote())
            .args(["--images-from", "oci:images", "--to"])
            .arg(format!("bundle:{}", bundle.display()))
            .output()
            .unwrap()
    };
    ended(
        &run(),
        75,
        &[
            "No space left on device",
            "not complete; the same command goes on with it",
        ],
    );
    assert!(
        !bundle.join("bundle.json").exists(),
        "{}",
        text(&run().stderr)
    );
    drop(filler);
    small.make_room();
    succeeded(&run());
    assert!(bundle.join("bundle.json").exists());
}

//! `kill -9` at random moments and in each phase: afterwards `resume` or `rollback` ends well.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::cluster::Cluster;
use super::super::{WEB, succeeded, text};

/// Kills in a usual run of the tests; `MIGRATE_KILLS=50` for all.
const KILLS: usize = 8;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// All that a run could have left in a namespace.
fn left(cluster: &Cluster, namespace: &str) -> String {
    let kinds = "deployments,services,configmaps,secrets";
    cluster.kubectl(&[
        "get",
        kinds,
        "-n",
        namespace,
        "-o",
        "name",
        "--ignore-not-found",
    ])
}

/// The newest run, if it is in this namespace, in the words of `status`.
fn state_of(cluster: &Cluster, namespace: &str) -> Option<String> {
    let status = text(&cluster.migrate(&["status"]).stdout);
    let line = status.lines().last()?;
    line.contains(&format!("namespace {namespace}"))
        .then(|| line.to_owned())
}

fn undo(cluster: &Cluster, namespace: &str) {
    let undone = cluster.migrate(&["rollback", "--yes"]);
    succeeded(&undone);
    assert_eq!(left(cluster, namespace), "", "{}", text(&undone.stderr));
    let phase = cluster.kubectl(&[
        "get",
        "namespace",
        namespace,
        "-o",
        "jsonpath={.status.phase}",
        "--ignore-not-found",
    ]);
    assert!(phase.is_empty() || phase == "Terminating", "{phase}");
}

#[test]
fn kills_at_random_moments_leave_nothing_half_done() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    let seed = number("MIGRATE_KILL_SEED", 20_261_126);
    let kills = usize::try_from(number("MIGRATE_KILLS", KILLS as u64)).unwrap();
    let mut random = StdRng::seed_from_u64(seed);
    let arguments =
        |namespace: &str| ["run", "-n", namespace, "--yes", "--no-wait"].map(str::to_owned);
    // How long a run takes on this machine, so that the kills fall into it.
    let begun = Instant::now();
    let whole = arguments("whole");
    succeeded(&cluster.migrate(&whole.each_ref().map(String::as_str)));
    let usual = begun.elapsed();
    undo(&cluster, "whole");
    let begun = Instant::now();
    let mut seen = std::collections::BTreeMap::new();
    for kill in 0..kills {
        let namespace = format!("kill-{kill}");
        let mut child = cluster
            .command(&arguments(&namespace).each_ref().map(String::as_str))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(usual.mul_f64(random.random_range(0.0..1.05)));
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        let state = state_of(&cluster, &namespace);
        let name = state.as_deref().map_or("before the first record", |state| {
            state.split("  ").nth(1).unwrap_or_default()
        });
        *seen.entry(name.to_owned()).or_insert(0) += 1;
        let Some(state) = state else {
            assert_eq!(left(&cluster, &namespace), "", "seed {seed}, kill {kill}");
            continue;
        };
        if !ended && !state.contains("done") && random.random_bool(0.5) {
            let resumed = cluster.migrate(&["resume"]);
            succeeded(&resumed);
            assert!(
                left(&cluster, &namespace).contains("deployment.apps/web"),
                "seed {seed}, kill {kill}"
            );
        }
        undo(&cluster, &namespace);
    }
    println!(
        "{kills} kills within {usual:?} each, seed {seed}: {seen:?}; {:?} in all",
        begun.elapsed()
    );
}

#[test]
fn a_kill_in_each_phase_is_gone_on_with_and_undone() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    let home = cluster.home.path().to_owned();
    // Where the run is killed: before and after kubectl has changed something, and while it waits.
    let stop = format!("touch '{0}/here'; exec sleep 600", home.display());
    let before = cluster.kubectl_that("kubectl-before", &stop);
    let real = super::super::COMPONENTS.kubectl.as_ref().unwrap();
    let after = cluster.kubectl_that(
        "kubectl-after",
        &format!("'{}' \"$@\"; {stop}", real.display()),
    );
    let locking = super::super::cluster::script_at(
        &home.join("kubectl-locking"),
        &format!(
            "#!/bin/sh\n'{}' \"$@\"; code=$?\ncase \" $* \" in *\" create \"*\"--filename=- \"*) {stop} ;; esac\nexit $code\n",
            real.display()
        ),
    );
    let phases = [
        ("lock", locking.as_path(), "while copying images", false),
        (
            "before",
            before.as_path(),
            "while changing the target",
            false,
        ),
        ("after", after.as_path(), "while changing the target", false),
        ("waiting", real.as_path(), "while waiting", true),
    ];
    for (name, kubectl, state, waits) in phases {
        for verb in ["resume", "rollback"] {
            let namespace = format!("{name}-{verb}");
            let mut arguments = vec!["run", "-n", &namespace, "--yes"];
            if !waits {
                arguments.push("--no-wait");
            }
            let _ = std::fs::remove_file(home.join("here"));
            let mut child = cluster
                .command(&arguments)
                .env("KUBECTL", kubectl)
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            super::super::until("the run is where it is killed", || {
                let is_waiting = || {
                    state_of(&cluster, &namespace)
                        .is_some_and(|line| line.contains("while waiting"))
                };
                home.join("here").exists() || waits && is_waiting()
            });
            child.kill().unwrap();
            child.wait().unwrap();
            let said = state_of(&cluster, &namespace).unwrap();
            assert!(said.contains(state), "{name}: {said}");
            if verb == "resume" {
                let mut resumed = cluster
                    .command(&["resume"])
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                if waits {
                    let ready = r#"{"status":{"observedGeneration":9,"replicas":1,"updatedReplicas":1,"readyReplicas":1,"availableReplicas":1}}"#;
                    cluster.kubectl(&[
                        "patch",
                        "deployment",
                        "web",
                        "-n",
                        &namespace,
                        "--subresource=status",
                        "--type=merge",
                        "-p",
                        ready,
                    ]);
                }
                assert!(resumed.wait().unwrap().success(), "{name}");
                assert!(
                    left(&cluster, &namespace).contains("deployment.apps/web"),
                    "{name}"
                );
            }
            undo(&cluster, &namespace);
        }
    }
    // Nobody is left of those that were called to change something.
    std::thread::sleep(Duration::from_millis(100));
    let processes = std::process::Command::new("ps")
        .args(["-eo", "args"])
        .output()
        .unwrap();
    assert!(!text(&processes.stdout).contains(&format!("{}/kubectl-", home.display())));
}

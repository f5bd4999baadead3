//! Taking a release back, by hand, by itself, and after a crash.

use std::process::{Command, Stdio};

use super::super::failures::ended;
use super::super::{succeeded, text, until};
use super::{SECRET, Shop, line};
use crate::charts::helms;

#[test]
fn a_release_that_was_there_is_rolled_back_to_its_revision() {
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        std::fs::write(shop.home().join("old.yaml"), "size: 20Gi\n").unwrap();
        succeeded(&shop.convert(&line(&["--yes", "--no-wait"])));
        succeeded(&shop.convert(&line(&["--yes", "--no-wait", "--set", "password=second"])));
        assert!(shop.revisions("shop").contains("superseded"));
        assert_eq!(shop.password(), "c2Vjb25k", "{name}");
        // Somebody else changes the release: what is theirs is not taken back without being asked.
        let mut theirs = shop.helm(&["rollback", "shop", "2", "-n", "shop"]);
        assert!(theirs.output().unwrap().status.success());
        ended(&shop.convert(&["rollback", "--yes"]), 73, &["--force"]);
        succeeded(&shop.convert(&["rollback", "--yes", "--force"]));
        assert_eq!(shop.password(), "bm9uZQ==", "{name}");
        assert!(shop.there().contains("persistentvolumeclaim/shop-data"));
    }
}

#[test]
fn a_claim_that_helm_kept_is_no_obstacle_on_the_way_back() {
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        // The chart as it was, with a claim that helm leaves alone when no revision has it any more.
        let old = shop.home().join("old");
        std::fs::create_dir_all(old.join("templates")).unwrap();
        std::fs::write(
            old.join("Chart.yaml"),
            "{apiVersion: v2, name: shop, version: 0.0.1}",
        )
        .unwrap();
        let kept = "apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: kept
  annotations: {helm.sh/resource-policy: keep, braces: '{{ \"{{ }}\" }}'}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
";
        std::fs::write(old.join("templates/kept.yaml"), kept).unwrap();
        let install = [
            "install",
            "shop",
            "./old",
            "-n",
            "shop",
            "--create-namespace",
        ];
        succeeded(&shop.helm(&install).output().unwrap());
        succeeded(&shop.convert(&line(&["--yes", "--no-wait"])));
        assert!(shop.there().contains("deployment.apps/shop-web"), "{name}");
        succeeded(&shop.convert(&["rollback", "--yes"]));
        let there = shop.there();
        assert!(
            there.contains("persistentvolumeclaim/kept"),
            "{name}: {there}"
        );
        assert!(!there.contains("shop-web"), "{name}: {there}");
        let manifest = shop
            .helm(&["get", "manifest", "shop", "-n", "shop"])
            .output()
            .unwrap();
        assert!(
            text(&manifest.stdout).contains("braces: '{{ }}'"),
            "{name}: {manifest:?}"
        );
    }
}

#[test]
fn a_release_that_does_not_become_ready_is_taken_back() {
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        let run = shop.convert(&line(&[
            "--yes",
            "--timeout",
            "3s",
            "--set",
            &format!("password={SECRET}"),
        ]));
        ended(
            &run,
            1,
            &[
                "not ready: deployment/shop-web",
                "The target is as it was before",
                "helm convert resume ",
            ],
        );
        let there = shop.there();
        assert!(
            !there.contains("shop-web") && !there.contains("sh.helm.release"),
            "{name}: {there}"
        );
        // Its values are not in the record, and are asked for.
        ended(&shop.convert(&["resume"]), 64, &["--set password=VALUE"]);
        shop.nothing_shows();
    }
}

#[test]
fn a_killed_helm_is_ended_and_its_release_is_free_again() {
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        for verb in ["resume", "rollback"] {
            // Our program alone, which then has no helm above it: helm is found by HELM_BIN.
            let mut command = shop.helm(&[]);
            let program = env!("CARGO_BIN_EXE_helm-convert-dup");
            let mut direct = Command::new(program);
            direct
                .env_clear()
                .envs(
                    command
                        .get_envs()
                        .filter_map(|(name, value)| Some((name, value?))),
                )
                .env("HELM_BIN", &shop.helm)
                .current_dir(shop.home());
            command = direct;
            let mut child = command
                .args(line(&["--yes", "--timeout", "300s"]))
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            until("helm is at it", || {
                shop.revisions("shop").contains("pending-")
            });
            child.kill().unwrap();
            child.wait().unwrap();
            if verb == "resume" {
                // It is gone on with, and does not become ready here either.
                let mut again = Command::new(program);
                again
                    .env_clear()
                    .envs(
                        command
                            .get_envs()
                            .filter_map(|(name, value)| Some((name, value?))),
                    )
                    .current_dir(shop.home())
                    .arg("resume");
                let mut resumed = again.stderr(Stdio::null()).spawn().unwrap();
                until("helm is at it again", || {
                    shop.revisions("shop").contains("pending-")
                });
                resumed.kill().unwrap();
                resumed.wait().unwrap();
            }
            succeeded(&shop.convert(&["rollback", "--yes"]));
            let there = shop.there();
            assert!(
                !there.contains("shop-web") && !there.contains("sh.helm.release"),
                "{name} {verb}: {there}"
            );
        }
        let processes = Command::new("ps").args(["-eo", "args"]).output().unwrap();
        let home = shop.home().display().to_string();
        let helm = "upgrade --install shop";
        let left = text(&processes.stdout);
        assert!(
            !left
                .lines()
                .any(|line| line.contains(helm) && line.contains(&home)),
            "{left}"
        );
    }
}

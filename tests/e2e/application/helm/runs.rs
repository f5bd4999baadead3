//! Making a release: its values, its images, and what stands in its way.

use std::path::PathBuf;
use std::process::Command;

use super::super::failures::ended;
use super::super::{COMPONENTS, succeeded, text};
use super::{RUN, SECRET, Shop, line};
use crate::charts::helms;

#[test]
fn a_release_is_made_and_undone_and_its_claim_stays() {
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        let password = format!("password={SECRET}");
        let planned = shop.convert(
            &[
                &["plan"],
                &RUN[1..],
                &["--set", &password, "--out", "plan.json"],
            ]
            .concat(),
        );
        succeeded(&planned);
        let plan = std::fs::read_to_string(shop.home().join("plan.json")).unwrap();
        assert!(!plan.contains(SECRET), "{plan}");
        let run = shop.convert(&line(&[
            "--set",
            &password,
            "--plan",
            "plan.json",
            "--yes",
            "--no-wait",
            "--report",
            "report.html",
        ]));
        let said = ended(
            &run,
            0,
            &[
                "T_OrcConvert",
                "T_AppRun",
                "release shop in Kubernetes context lab, namespace shop",
            ],
        );
        assert!(!said.contains(SECRET), "{name}: {said}");
        assert!(shop.home().join("report.html").is_file());
        // What runs is the converted chart with the values that were given.
        let class = shop.cluster.kubectl(&[
            "get",
            "pvc",
            "shop-data",
            "-n",
            "shop",
            "-o",
            "jsonpath={.spec.storageClassName}",
        ]);
        assert_eq!(class, "alicloud-disk-essd");
        assert_eq!(shop.password(), "bm90LXRvLWJlLXNlZW4=");
        assert!(
            shop.revisions("shop").contains("migrate run "),
            "{}",
            shop.revisions("shop")
        );
        shop.nothing_shows();
        let status = text(&shop.convert(&["status"]).stdout);
        assert!(status.contains("done"), "{status}");
        // Anywhere, without helm's options: the record knows the cluster.
        let undone = shop.convert(&["rollback", "--yes"]);
        ended(
            &undone,
            0,
            &[
                "removed release shop",
                "left persistentvolumeclaim/shop-data",
            ],
        );
        let there = shop.there();
        assert!(
            !there.contains("shop-web")
                && !there.contains("shop-secret")
                && !there.contains("shop-hook")
                && !there.contains("sh.helm.release"),
            "{name}: {there}"
        );
        assert!(
            there.contains("persistentvolumeclaim/shop-data"),
            "{name}: {there}"
        );
        // What stayed is taken over by the next run.
        succeeded(&shop.convert(&line(&["--yes", "--no-wait"])));
    }
}

#[test]
fn what_belongs_to_others_and_what_cannot_be_found_again_is_refused() {
    for (_, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        shop.cluster.kubectl(&["create", "namespace", "shop"]);
        shop.cluster.kubectl(&[
            "create",
            "secret",
            "generic",
            "shop-secret",
            "-n",
            "shop",
            "--from-literal=password=theirs",
        ]);
        ended(
            &shop.convert(&line(&["--yes", "--no-wait"])),
            1,
            &["secret/shop-secret", "--on-conflict", "Nothing was changed"],
        );
        ended(
            &shop.convert(&line(&["--yes", "--no-wait", "--on-conflict", "skip"])),
            1,
            &["helm cannot leave single objects out"],
        );
        let token = shop.convert(&line(&["--yes", "--kube-token", SECRET]));
        let said = ended(&token, 64, &["--kube-token", "kubeconfig"]);
        assert!(!said.contains(SECRET));
    }
}

/// A namespace that is new holds nothing; what is outside of it may belong to somebody.
#[test]
fn what_is_outside_of_a_new_namespace_is_looked_at_as_well() {
    for (_, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: readers}\nrules: []\n";
        shop.cluster.apply(&[], role);
        std::fs::write(shop.home().join("shop/templates/role.yaml"), role).unwrap();
        ended(
            &shop.convert(&line(&["--yes", "--no-wait"])),
            1,
            &[
                "clusterrole/readers",
                "--on-conflict",
                "Nothing was changed",
            ],
        );
    }
}

#[test]
fn images_go_along_and_the_chart_asks_for_them_there() {
    let registry = match tests::lab::Registry::start(&COMPONENTS, None) {
        Ok(registry) => registry,
        Err(error) => {
            assert!(
                std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
                "{error}"
            );
            println!("NOT TESTED: {error}");
            return;
        }
    };
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        let layout = shop.home().join("images");
        let made = Command::new(env!("CARGO_BIN_EXE_sample-images"))
            .arg(images_of(&shop))
            .arg(&layout)
            .status()
            .unwrap();
        assert!(made.success());
        let address = registry.address();
        let with_images = [
            "--yes",
            "--no-wait",
            "--images-from",
            "oci:images",
            "--to-registry",
            &address,
        ];
        let run = shop.convert(&line(&with_images));
        succeeded(&run);
        let image = shop.cluster.kubectl(&[
            "get",
            "deployment",
            "shop-web",
            "-n",
            "shop",
            "-o",
            "jsonpath={..image}",
        ]);
        assert_eq!(
            image,
            format!("{address}/team/web:1.2"),
            "{name}: {}",
            text(&run.stderr)
        );
        // An image that is nowhere is named with the line of the template or of the values that asks for it.
        let none = ["--set", "image.tag=none"];
        let missing = shop.convert(&line(&[&with_images[..], &none].concat()));
        ended(
            &missing,
            1,
            &["registry.example/team/web:none", "templates/web.yaml:"],
        );
    }
}

/// A Compose file with the images of the chart, for the program that makes images.
fn images_of(shop: &Shop) -> PathBuf {
    let path = shop.home().join("images.yaml");
    std::fs::write(&path, "services:\n  web: {image: \"registry.example/team/web:1.2\"}\n  test: {image: \"registry.example/team/test:1\"}\n").unwrap();
    path
}

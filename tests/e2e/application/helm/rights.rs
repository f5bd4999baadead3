//! What an account may do that is at home in one namespace alone.

use super::super::cluster::Cluster;
use super::super::failures::ended;
use super::super::{succeeded, text};
use super::{RUN, Shop};
use crate::charts::helms;

const TARGET_ROLE: &str = include_str!("../../../../kubectl-migrate/roles/target.yaml");

/// As an administrator of the namespace calls it.
fn narrow<'a>(verb: &'a str, kubeconfig: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    // The context is that of the file; all else is as in every run.
    let line = &RUN[1..RUN.len() - 2];
    [&[verb], line, &["--kubeconfig", kubeconfig], more].concat()
}

#[test]
fn the_role_of_the_target_is_enough_for_a_release() {
    for (name, helm) in helms() {
        let Some(cluster) = Cluster::start_with_roles() else {
            return;
        };
        let shop = Shop::on(cluster, &helm).unwrap();
        let config = shop.cluster.with_role("shop", "deployer", TARGET_ROLE);
        let config = config.to_str().unwrap();
        succeeded(&shop.convert(&narrow("plan", config, &[])));
        succeeded(&shop.convert(&narrow("run", config, &["--yes", "--no-wait"])));
        assert!(shop.there().contains("deployment.apps/shop-web"), "{name}");
        succeeded(&shop.convert(&["rollback", "--yes"]));
        assert!(!shop.there().contains("shop-web"), "{name}");
    }
}

/// A class is made for the whole cluster: what is missing is said before anything is changed.
#[test]
fn a_class_that_may_not_be_made_is_said_before_anything_is_changed() {
    for (name, helm) in helms() {
        let Some(cluster) = Cluster::start_with_roles() else {
            return;
        };
        let shop = Shop::on(cluster, &helm).unwrap();
        let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: own}\nprovisioner: everest-csi-provisioner\nparameters: {csi.storage.k8s.io/csi-driver-name: disk.csi.everest.io, csi.storage.k8s.io/fstype: ext4, everest.io/disk-volume-type: SAS, everest.io/passthrough: \"true\"}\n";
        std::fs::write(shop.home().join("shop/templates/class.yaml"), class).unwrap();
        let config = shop.cluster.with_role("shop", "deployer", TARGET_ROLE);
        let run = shop.convert(&narrow(
            "run",
            config.to_str().unwrap(),
            &["--yes", "--no-wait"],
        ));
        let said = ended(&run, 1, &["storageclass", "Nothing was changed"]);
        assert!(!said.contains("panicked"), "{name}: {said}");
        assert!(
            !shop.there().contains("shop-web"),
            "{name}: {}",
            text(&run.stderr)
        );
    }
}

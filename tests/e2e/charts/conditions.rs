//! Conditions follow the values that they ask for, and what no rendering shows stays right.

use std::process::Command;

use migrate::orchestration::provider::Provider;

use super::{charts_folder, convert, helms};

fn rendered(helm: &std::path::Path, chart: &std::path::Path, set: &[&str]) -> String {
    let mut command = Command::new(helm);
    command.args(["template", "shop"]).arg(chart);
    for value in set {
        command.args(["--set", value]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_private_stays_private_when_a_switch_is_turned() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let chart = charts_folder().join("conditions");
    let folder = tempfile::tempdir().unwrap();
    for to in Provider::all().iter().filter(|p| p.name() != "huawei") {
        let out = folder.path().join(to.name());
        let conversion = convert(&helm, &chart, "huawei", to.name(), &[]).unwrap();
        conversion.output.write(&out, false).unwrap();
        let default = rendered(&helm, &out, &[]);
        assert!(
            default.contains("fast: \"yes\""),
            "{}: {default}",
            to.name()
        );
        let private = rendered(&helm, &out, &["lb.public=false"]);
        let word = match to.name() {
            "ali" => "alibaba-cloud-loadbalancer-address-type: 'intranet'",
            "aws" => "aws-load-balancer-scheme: 'internal'",
            "google" => "networking.gke.io/load-balancer-type: 'Internal'",
            "azure" => "azure-load-balancer-internal: 'true'",
            "tencent" => "qcloud-loadbalancer-internal-subnetid:",
            _ => "kind: Service",
        };
        let unquoted = |text: &str| text.replace(['\'', '"'], "");
        assert!(
            unquoted(&private).contains(&unquoted(word)),
            "{}: {private}",
            to.name()
        );
        // A word that no values file has stands in a condition still, and a finding says so.
        let said = conversion.findings.as_slice().iter();
        let changed = std::fs::read_to_string(out.join("values.yaml")).unwrap();
        if !changed.contains("storageClass: csi-disk\n") {
            assert!(
                said.clone()
                    .any(|f| f.code.0 == "chart-condition-kept" && f.message.contains("csi-nas")),
                "{}",
                to.name()
            );
        }
    }
}

#[test]
fn the_namespace_of_a_secret_is_that_of_the_release() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let chart = charts_folder().join("nginx3-cce");
    let folder = tempfile::tempdir().unwrap();
    for to in Provider::all().iter().filter(|p| p.name() != "huawei") {
        let out = folder.path().join(to.name());
        let conversion = convert(&helm, &chart, "huawei", to.name(), &[]).unwrap();
        conversion.output.write(&out, false).unwrap();
        let text = rendered(&helm, &out, &[]);
        assert!(!text.contains("nq4zx8kj"), "{text}");
        for (path, bytes) in conversion.output.files() {
            let text = String::from_utf8_lossy(bytes);
            assert!(!text.contains("namespace: default"), "{path} {text}");
            assert!(!text.contains("nq4zx8kj"), "{path} {text}");
        }
    }
}

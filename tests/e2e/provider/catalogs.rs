//! The catalogs beside their schema and their signatures, and a provider of one's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use migrate::orchestration::provider::catalog::Place;
use migrate::orchestration::provider::{Provider, detect};
use serde_json::{Value, json};
use tests::fixtures;

use super::cases::nodes;
use crate::charts::{charts_folder, helms};

fn catalogs() -> PathBuf {
    fixtures::folder().join("../../shared/src/orchestration/provider/catalog")
}

fn catalog(name: &str) -> String {
    let path = catalogs().join(format!("{name}.yaml"));
    String::from_utf8(std::fs::read(path).unwrap()).unwrap()
}

/// Helm checks values against a schema, so it checks a catalog as the values of a chart.
fn checked(helm: &Path, values: &Value) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let chart = "apiVersion: v2\nname: catalog\nversion: 0.1.0\n";
    std::fs::write(folder.path().join("Chart.yaml"), chart).unwrap();
    std::fs::write(folder.path().join("values.yaml"), values.to_string()).unwrap();
    let schema = folder.path().join("values.schema.json");
    std::fs::copy(catalogs().join("schema.json"), schema).unwrap();
    let output = Command::new(helm)
        .args(["template", "x"])
        .arg(folder.path())
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn each_catalog_passes_its_schema_and_faults_do_not() {
    for (name, helm) in helms() {
        for provider in Provider::all() {
            let values = nodes(&catalog(provider.name()))[0].to_json();
            checked(&helm, &values).unwrap_or_else(|e| panic!("{name} {}: {e}", provider.name()));
        }
        let good = nodes(&catalog("huawei"))[0].to_json();
        let faults: [(&str, Value); 6] = [
            ("/schema", json!(2)),
            ("/name", json!(7)),
            ("/service/rows/existing/annotation", json!(["a"])),
            ("/signatures/0/in", json!("nowhere")),
            ("/storage/kinds/block/rows/tier", json!({"nothing": "x"})),
            ("/storage/volume-zone", json!("moon")),
        ];
        for (pointer, value) in faults {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            assert!(checked(&helm, &bad).is_err(), "{name} {pointer}");
        }
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().shift_remove("storage");
        assert!(checked(&helm, &bad).is_err(), "{name} without storage");
    }
}

/// An object that has what a signature looks for.
fn with(place: Place, text: &str, value: Option<&str>) -> Value {
    let object = |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}});
    let mut it;
    match place {
        Place::Annotation => {
            it = object("Service");
            it["metadata"]["annotations"] = json!({text: value.unwrap_or("x")});
        }
        Place::Label => {
            it = object("Pod");
            it["metadata"]["labels"] = json!({text: "x"});
        }
        Place::Provisioner => {
            it = object("StorageClass");
            it["provisioner"] = json!(text);
        }
        Place::Driver => {
            it = object("PersistentVolume");
            it["spec"] = json!({"csi": {"driver": text}});
        }
        Place::FlexDriver => {
            it = object("PersistentVolume");
            it["spec"] = json!({"flexVolume": {"driver": text}});
        }
        Place::VolumeSource => {
            it = object("PersistentVolume");
            it["spec"] = json!({text: {"id": "x"}});
        }
        Place::StorageClass => {
            it = object("PersistentVolumeClaim");
            it["spec"] = json!({"storageClassName": text});
        }
        Place::IngressClass => {
            it = object("Ingress");
            it["spec"] = json!({"ingressClassName": text});
        }
        Place::IngressController => {
            it = object("IngressClass");
            it["spec"] = json!({"controller": text});
        }
        Place::LoadBalancerClass => {
            it = object("Service");
            it["spec"] = json!({"loadBalancerClass": text});
        }
        Place::Toleration => {
            it = object("Pod");
            it["spec"] = json!({"tolerations": [{"key": text}]});
        }
        Place::Image => {
            it = object("Pod");
            it["spec"] = json!({"containers": [{"image": text}]});
        }
        Place::PullSecret => {
            it = object("Pod");
            it["spec"] = json!({"imagePullSecrets": [{"name": text}]});
        }
        Place::SecretType => {
            it = object("Secret");
            it["type"] = json!(text);
        }
        Place::Kind => {
            let (kind, group) = text.split_once('/').unwrap();
            it = object(kind);
            it["apiVersion"] = json!(format!("{group}/v1"));
        }
    }
    it
}

#[test]
fn each_signature_is_seen() {
    let mut count = 0;
    for provider in Provider::all() {
        for signature in &provider.catalog().signatures {
            count += 1;
            let text = signature.is.replace('*', "some");
            let value = signature.value.first().map(|v| v.replace('*', "43"));
            let object = with(signature.r#in, &text, value.as_deref());
            let read = nodes(&object.to_string());
            let seen = detect(&read);
            let of = seen.candidates.iter().find(|c| c.provider == *provider);
            let of = of.unwrap_or_else(|| panic!("{} {signature:?}", provider.name()));
            if !signature.weak {
                assert!(of.strong() > 0, "{} {signature:?}", provider.name());
                let best = seen.provider().map(Provider::name);
                assert_eq!(best, Some(provider.name()), "{signature:?}");
            }
        }
    }
    println!("{count} signatures");
}

/// The signatures that `--from auto` must know, from the providers' documentation.
#[test]
fn real_manifests_are_told_apart() {
    let table = std::fs::read_to_string(super::cases::folder().join("signatures.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [provider, place, text, strength] = cells[..] else {
            panic!("four cells: {line}");
        };
        count += 1;
        let place: Place = serde_yaml::from_str(place).unwrap();
        let seen = detect(&nodes(&with(place, text, None).to_string()));
        if provider == "-" {
            // Keys that only look like a provider's, or that several have.
            if seen.candidates.iter().any(|c| c.strong() > 0) {
                wrong.push(format!("{line}: {seen:?}"));
            }
            continue;
        }
        let of = seen
            .candidates
            .iter()
            .find(|c| c.provider.name() == provider);
        let strong = of.is_some_and(|c| c.strong() > 0);
        let best = seen.provider().map(Provider::name);
        if of.is_none() || strong != (strength == "strong") || (strong && best != Some(provider)) {
            wrong.push(format!("{line}: {best:?} of {seen:?}"));
        }
    }
    println!("{count} signatures of the documentation");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_provider_of_ones_own() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let own = catalog("ali")
        .replace("name: ali\n", "name: private\n")
        .replace(
            "aliases: [ack, alibaba, alicloud, aliyun, alibabacloud]",
            "aliases: [ours]",
        )
        .replace("title: Alibaba Cloud ACK", "title: our own cloud")
        .replace("alibaba-cloud-loadbalancer-", "our-loadbalancer-");
    let file = folder.path().join("private.yaml");
    std::fs::write(&file, &own).unwrap();
    let run = |file: &Path, to: &str, out: &Path| {
        assert_cmd::Command::new(env!("CARGO_BIN_EXE_helm-convert-dup"))
            .env("HELM_BIN", &helm)
            .args(["chart", "--from", "huawei", "--allow-missing", "--to", to])
            .arg("--provider-file")
            .arg(file)
            .arg("--out-dir")
            .arg(out)
            .arg(charts_folder().join("nginx2-cce"))
            .output()
            .unwrap()
    };
    for to in ["private", "Ours"] {
        let out = folder.path().join(to);
        let output = run(&file, to, &out);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let service = std::fs::read_to_string(out.join("templates/service.yaml")).unwrap();
        assert!(service.contains("our-loadbalancer-"), "{service}");
        assert!(!service.contains("elb."), "{service}");
    }
    // A fault is told with its place.
    let bad = folder.path().join("bad.yaml");
    std::fs::write(&bad, own.replace("aliases: [ours]", "alias: ours")).unwrap();
    let out = folder.path().join("bad");
    let output = run(&bad, "private", &out);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(
        said.contains("bad.yaml:") && said.contains("alias"),
        "{said}"
    );
    assert!(!out.exists());
    let output = run(&folder.path().join("missing.yaml"), "private", &out);
    assert_eq!(output.status.code(), Some(65));
}

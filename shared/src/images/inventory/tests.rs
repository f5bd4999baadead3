use std::path::PathBuf;

use super::*;
use crate::orchestration::kubernetes::load::{LoadOptions, load};
use crate::source::Memory;

fn manifests(text: &str) -> (Vec<Needed>, Findings, Sources) {
    let options = LoadOptions {
        files: vec![PathBuf::from("-")],
        stdin: Some(text.to_owned()),
        ..LoadOptions::default()
    };
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let objects = load(&options, &Memory::default(), &mut sources, &mut findings).unwrap();
    let mut findings = Findings::default();
    let needed = of_objects(&objects, &mut findings);
    (needed, findings, sources)
}

fn shown(needed: &[Needed], sources: &Sources) -> Vec<String> {
    needed
        .iter()
        .map(|image| {
            let places: Vec<_> = image
                .origins
                .iter()
                .map(|origin| format!("{} {}", sources.display(origin.at), origin.path))
                .collect();
            format!("{} <- {}", image.image, places.join("; "))
        })
        .collect()
}

#[test]
fn every_container_of_every_template_counts() {
    let (needed, findings, sources) = manifests(
        r#"apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          initContainers:
          - {name: a, image: busybox}
          containers:
          - name: b
            image: quay.io/team/app:1
            env:
            - {name: RELATED_IMAGE_PROXY, value: envoyproxy/envoy:v1.30}
            - {name: OTHER, value: not/an-image}
          ephemeralContainers:
          - {name: c, image: "busybox:latest"}
          volumes:
          - name: data
            image: {reference: "quay.io/team/data:2"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {containers: "- image: no"}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: x, image: "quay.io/team/app:1"}, {name: y, image: "BAD"}]}
"#,
    );
    assert_eq!(
        shown(&needed, &sources),
        [
            "docker.io/library/busybox:latest <- <stdin>:10:30 spec.jobTemplate.spec.template.spec.initContainers[0].image; <stdin>:18:30 spec.jobTemplate.spec.template.spec.ephemeralContainers[0].image",
            "quay.io/team/app:1 <- <stdin>:13:20 spec.jobTemplate.spec.template.spec.containers[0].image; <stdin>:31:38 spec.containers[0].image",
            "docker.io/envoyproxy/envoy:v1.30 <- <stdin>:15:50 spec.jobTemplate.spec.template.spec.containers[0].env[0].value",
            "quay.io/team/data:2 <- <stdin>:21:32 spec.jobTemplate.spec.template.spec.volumes[0].image.reference",
        ]
    );
    let [finding] = findings.as_slice() else {
        panic!("{findings:?}");
    };
    assert_eq!(finding.code.0, "image-invalid");
    assert_eq!(finding.path, "spec.containers[1].image");
}

#[test]
fn custom_resources_are_looked_into_as_far_as_it_is_plain() {
    let (needed, findings, sources) = manifests(
        r#"apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: main}
spec:
  image: quay.io/prometheus/prometheus:v3
  baseImage: "not an image"
  sidecarImage: {registry: ghcr.io, repository: a/side, tag: 1.2}
  containers:
  - {name: x, image: "quay.io/team/x:1"}
---
apiVersion: postgresql.example.com/v1
kind: Database
metadata: {name: db}
spec: {version: 16}
"#,
    );
    let names: Vec<_> = needed.iter().map(|image| image.image.to_string()).collect();
    assert_eq!(
        names,
        [
            "quay.io/prometheus/prometheus:v3",
            "ghcr.io/a/side:1.2",
            "quay.io/team/x:1"
        ]
    );
    assert_eq!(shown(&needed, &sources).len(), 3);
    let codes: Vec<_> = findings.as_slice().iter().map(|f| f.code.0).collect();
    assert_eq!(codes, ["image-in-custom-resource", "image-of-operator"]);
}

#[test]
fn a_list_is_read_line_by_line() {
    let needed = of_list("# ours\nnginx:1.27  # web\n\nnginx:1.27\nquay.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n", "list").unwrap();
    assert_eq!(needed.len(), 2);
    let error = of_list("nginx\nBad:1\n", "images.txt").unwrap_err();
    assert!(
        error.starts_with("images.txt:2: `Bad:1` is no image reference"),
        "{error}"
    );
}

#[test]
fn a_collision_names_both_places() {
    let (needed, _, sources) = manifests(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: a, image: quay.io/a/x:1}\n  - {name: b, image: ghcr.io/a/x:1}\n",
    );
    let rules = Rules::new(Vec::new(), Some("r.example".into()));
    let error = targets(&needed, &rules, &sources).unwrap_err();
    assert!(
        error.contains("`quay.io/a/x:1` (<stdin>:6:22)")
            && error.contains("`ghcr.io/a/x:1` (<stdin>:7:22)"),
        "{error}"
    );
}

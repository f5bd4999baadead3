//! Tests: Kubernetes objects in, a document and findings out.

mod amounts;
mod names;
mod process;
mod storage;

use serde_json::{Value, json};

use crate::finding::Finding;
use crate::orchestration::compose::{ComposeOptions, ComposeTarget};
use crate::orchestration::convert::to_compose;
use crate::orchestration::kubernetes::load::LoadOptions;
use crate::source::Memory;

/// The document without what is carried along, and all findings.
fn convert(text: &str, target: ComposeTarget) -> (Value, Vec<Finding>) {
    let options = ComposeOptions {
        target,
        ..ComposeOptions::default()
    };
    convert_with(text, &options)
}

fn convert_with(text: &str, options: &ComposeOptions) -> (Value, Vec<Finding>) {
    let source = LoadOptions {
        texts: vec![("app.yaml".into(), text.to_owned())],
        ..LoadOptions::default()
    };
    let conversion = to_compose(&source, options, false, &Memory::default()).unwrap();
    let document = conversion.output.documents[0].value.clone();
    (document, conversion.findings.as_slice().to_vec())
}

/// A workload whose Pod has this specification, in the flow form of YAML.
fn workload(kind: &str, spec: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: {kind}
metadata: {{name: app}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec: {{{spec}}}
"
    )
}

/// The messages of a code.
fn said(findings: &[Finding], code: &str) -> Vec<String> {
    let of_code = findings.iter().filter(|finding| finding.code.0 == code);
    of_code.map(|finding| finding.message.clone()).collect()
}

const VOLUME: &str = "volumes: [{name: s, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]";
const MOUNT: &str = "volumeMounts: [{name: s, mountPath: /s}]";

#[test]
fn memory_that_an_init_container_hands_on_lies_on_the_disk() {
    let handed_on = format!(
        "initContainers: [{{name: fetch, image: a, {MOUNT}}}], containers: [{{name: app, image: a, {MOUNT}}}], {VOLUME}"
    );
    for target in [ComposeTarget::Compose, ComposeTarget::Swarm] {
        let (document, findings) = convert(&workload("Deployment", &handed_on), target);
        assert_eq!(document["volumes"]["app-s"], json!({}));
        assert_eq!(said(&findings, "memory-volume-on-disk").len(), 1);
    }
    // Containers that run at the same time share the memory.
    let side_by_side = format!(
        "containers: [{{name: app, image: a, {MOUNT}}}, {{name: log, image: a, {MOUNT}}}], {VOLUME}"
    );
    let (document, findings) = convert(
        &workload("Deployment", &side_by_side),
        ComposeTarget::Compose,
    );
    assert_eq!(document["volumes"]["app-s"]["driver_opts"]["type"], "tmpfs");
    assert_eq!(said(&findings, "memory-volume-on-disk").len(), 0);
    for alone in [
        format!("containers: [{{name: app, image: a, {MOUNT}}}], {VOLUME}"),
        format!(
            "initContainers: [{{name: fetch, image: a}}], containers: [{{name: app, image: a, {MOUNT}}}], {VOLUME}"
        ),
    ] {
        let (document, _) = convert(&workload("Deployment", &alone), ComposeTarget::Compose);
        assert_eq!(document["services"]["app"]["volumes"][0]["type"], "tmpfs");
    }
}

#[test]
fn the_folder_of_a_sub_path_has_a_command() {
    let claim = "---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";
    let spec = "containers: [{name: app, image: a, volumeMounts: [{name: d, mountPath: /d, subPath: a b/c}]}], volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]";
    let text = workload("Deployment", spec) + claim;
    for (target, command) in [
        (
            ComposeTarget::Compose,
            "`docker run --rm -v app_data:/v busybox mkdir -p '/v/a b/c'`",
        ),
        (
            ComposeTarget::Swarm,
            "`docker run --rm -v STACK_data:/v busybox mkdir -p '/v/a b/c'` on its node",
        ),
    ] {
        let (document, findings) = convert(&text, target);
        let mount = &document["services"]["app"]["volumes"][0];
        assert_eq!(mount["volume"]["subpath"], "a b/c");
        let said = said(&findings, "sub-path-not-made");
        assert!(said.len() == 1 && said[0].ends_with(command), "{said:?}");
    }
    // A folder of the host is made there: a volume of that name would be another one.
    let bound = text.replace("spec: {accessModes", "spec: {volumeName: pv, accessModes");
    let bound = bound
        + "---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, hostPath: {path: /mnt/data}}
";
    let (_, findings) = convert(&bound, ComposeTarget::Compose);
    let said = said(&findings, "sub-path-not-made");
    assert!(
        said[0].ends_with("`mkdir -p '/mnt/data/a b/c'`"),
        "{said:?}"
    );
}

#[test]
fn a_volume_is_bound_by_its_class() {
    let text = "
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec: {storageClassName: manual, accessModes: [ReadWriteOnce], capacity: {storage: 10Gi}, hostPath: {path: /mnt/data}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {storageClassName: manual, accessModes: [ReadWriteOnce], resources: {requests: {storage: 3Gi}}}
";
    let (document, findings) = convert(text, ComposeTarget::Compose);
    assert_eq!(
        document["volumes"]["data"]["driver_opts"],
        json!({"type": "none", "o": "bind", "device": "/mnt/data"})
    );
    for code in [
        "custom-resource",
        "volume-without-claim",
        "storage-class-of-claim",
        "access-modes",
    ] {
        assert_eq!(said(&findings, code).len(), 0, "{code}");
    }
    assert_eq!(said(&findings, "storage-class-without-effect").len(), 1);
    assert_eq!(said(&findings, "access-by-one-node").len(), 1);

    let free = text.replacen("manual", "fast", 1);
    let (document, findings) = convert(&free, ComposeTarget::Compose);
    assert_eq!(document["volumes"]["data"], json!({}));
    assert_eq!(said(&findings, "volume-without-claim").len(), 1);
    assert_eq!(said(&findings, "storage-class-of-claim").len(), 1);

    let none = free.replace("manual", "''").replace("Once", "Many");
    let (_, findings) = convert(&none, ComposeTarget::Compose);
    assert_eq!(said(&findings, "storage-class-of-claim").len(), 0);
    assert_eq!(said(&findings, "storage-class-without-effect").len(), 1);
    assert_eq!(said(&findings, "access-modes").len(), 1);
}

#[test]
fn a_user_that_is_not_root_needs_no_check() {
    for (pod, own, loss) in [
        ("runAsNonRoot: true, runAsUser: 65532", "", 0),
        ("runAsNonRoot: true", "runAsUser: 10", 0),
        ("runAsUser: 10", "runAsNonRoot: true", 0),
        ("runAsNonRoot: true", "", 1),
        ("runAsNonRoot: true", "runAsUser: 0", 1),
        ("runAsNonRoot: true", "runAsGroup: 10", 1),
    ] {
        let spec = format!(
            "securityContext: {{{pod}}}, containers: [{{name: app, image: a, securityContext: {{{own}}}}}]"
        );
        let (_, findings) = convert(&workload("Deployment", &spec), ComposeTarget::Compose);
        assert_eq!(said(&findings, "non-root-check").len(), loss, "{pod} {own}");
        assert_eq!(
            said(&findings, "non-root-by-user").len(),
            1 - loss,
            "{pod} {own}"
        );
    }
}

#[test]
fn what_the_kubelet_leaves_alone_is_no_reference() {
    for (container, warnings, notes) in [
        ("command: [sh, -c, 'echo $(date +%s) $((1+2))']", 0, 0),
        ("command: [app, '$(date +%s)']", 0, 0),
        ("command: [sh, -c, 'echo $(hostname)']", 0, 1),
        ("command: [/bin/sh, -ec], args: ['echo $(hostname)']", 0, 1),
        ("args: ['$(hostname)']", 1, 0),
        ("command: [sh, -c, 'echo $(WEB_SERVICE_HOST)']", 1, 0),
        (
            "command: [sh, -c, 'echo $(IP)'], env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]",
            1,
            0,
        ),
        (
            "command: [sh, -c, 'echo $(hostname)'], envFrom: [{configMapRef: {name: c, optional: true}}]",
            1,
            0,
        ),
        ("env: [{name: A, value: '$(date +%s)'}]", 0, 0),
        ("env: [{name: A, value: '$(NONE) $(date +%s)'}]", 1, 0),
    ] {
        let spec = format!("containers: [{{name: app, image: a, {container}}}]");
        let (_, findings) = convert(&workload("Deployment", &spec), ComposeTarget::Compose);
        let unresolved = said(&findings, "reference-unresolved");
        assert_eq!(unresolved.len(), warnings, "{container}");
        assert!(
            !unresolved.iter().any(|m| m.contains("date")),
            "{unresolved:?}"
        );
        assert_eq!(
            said(&findings, "reference-of-shell").len(),
            notes,
            "{container}"
        );
    }
}

#[test]
fn local_storage_is_understood_and_not_written() {
    let spec = "containers: [{name: app, image: a, resources: {limits: {ephemeral-storage: 2Gi}, requests: {ephemeral-storage: 1Gi, hugepages-2Mi: 2Mi}}}]";
    let (document, findings) = convert(&workload("Deployment", spec), ComposeTarget::Compose);
    assert_eq!(document["services"]["app"].get("storage_opt"), None);
    assert_eq!(said(&findings, "local-storage-limit").len(), 1);
    assert_eq!(said(&findings, "node-hints").len(), 1);
    assert_eq!(said(&findings, "other-resources").len(), 1);
    assert_eq!(said(&findings, "not-understood").len(), 0);
}

#[test]
fn sidecars_in_swarm_have_a_code_of_their_own() {
    for (kind, network, code, words) in [
        (
            "Deployment",
            "",
            "sidecar-in-swarm",
            "neither localhost nor a node",
        ),
        (
            "DaemonSet",
            "",
            "sidecar-in-swarm",
            "each node, but not localhost",
        ),
        (
            "Deployment",
            "hostNetwork: true, ",
            "sidecar-in-swarm",
            "both run on one node",
        ),
        (
            "DaemonSet",
            "hostNetwork: true, ",
            "sidecar-on-each-node",
            "its localhost",
        ),
    ] {
        let spec =
            format!("{network}containers: [{{name: app, image: a}}, {{name: log, image: a}}]");
        let (_, findings) = convert(&workload(kind, &spec), ComposeTarget::Swarm);
        let said = said(&findings, code);
        assert!(
            said.len() == 1 && said[0].contains(words),
            "{kind} {network}: {said:?}"
        );
    }
    let spec = "initContainers: [{name: i, image: a}], containers: [{name: app, image: a, imagePullPolicy: IfNotPresent}]";
    let (_, findings) = convert(&workload("Deployment", spec), ComposeTarget::Swarm);
    assert_eq!(said(&findings, "init-containers-in-swarm").len(), 1);
    assert_eq!(said(&findings, "sidecar-in-swarm").len(), 0);
    assert!(said(&findings, "image-pull-in-swarm")[0].contains("`IfNotPresent`"));
}

#[test]
fn content_of_what_is_not_converted_has_a_place() {
    let spec = "containers: [{name: app, image: a}]";
    let text = workload("Deployment", spec)
        + "---\napiVersion: example.org/v1\nkind: Thing\nmetadata: {name: t}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s}\n";
    for (carry, words) in [
        (true, "is only written with `--out-dir`"),
        (false, "is not written"),
    ] {
        let source = LoadOptions {
            texts: vec![("app.yaml".into(), text.clone())],
            ..LoadOptions::default()
        };
        let options = ComposeOptions::default();
        let conversion = to_compose(&source, &options, carry, &Memory::default()).unwrap();
        let findings = conversion.findings.as_slice();
        assert!(said(findings, "custom-resource")[0].ends_with(words));
        assert!(!said(findings, "service-account-identity")[0].contains("written"));
        let paths = conversion
            .output
            .files
            .iter()
            .map(|file| file.path.as_str());
        assert_eq!(
            paths
                .collect::<Vec<_>>()
                .contains(&"unconverted/thing-t.yaml"),
            carry
        );
    }
}

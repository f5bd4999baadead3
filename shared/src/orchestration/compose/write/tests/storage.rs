//! Files and volumes.

use serde_json::{Value, json};

use super::{convert, said, workload};
use crate::orchestration::compose::ComposeTarget::{Compose, Swarm};

const OBJECTS: &str = "---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {pw: x, none: ''}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {empty: '', full: x}
";

#[test]
fn secrets_for_a_user_that_is_not_root() {
    let spec = |security: &str| {
        format!(
            "securityContext: {{{security}}}, containers: [{{name: app, image: a, volumeMounts: [{{name: s, mountPath: /s}}]}}], volumes: [{{name: s, secret: {{secretName: s, defaultMode: 0400, items: [{{key: pw, path: pw}}]}}}}]"
        )
    };
    for (security, told, owner) in [
        ("runAsUser: 1000", 1, json!([null, null, 0o400])),
        (
            "runAsUser: 1000, fsGroup: 2000",
            1,
            json!(["1000", "2000", 0o440]),
        ),
        ("fsGroup: 2000", 1, json!([null, "2000", 0o440])),
        ("runAsUser: 0", 0, json!([null, null, 0o400])),
        ("", 0, json!([null, null, 0o400])),
    ] {
        let text = workload("Deployment", &spec(security)) + OBJECTS;
        let (_, findings) = convert(&text, Compose);
        assert_eq!(
            said(&findings, "secret-for-other-user").len(),
            told,
            "{security}"
        );
        let (document, findings) = convert(&text, Swarm);
        let mount = &document["services"]["app"]["secrets"][0];
        let found = json!([mount.get("uid"), mount.get("gid"), mount.get("mode")]);
        assert_eq!(found, owner, "{security}");
        assert_eq!(said(&findings, "secret-for-other-user").len(), 0);
    }
}

#[test]
fn swarm_takes_nothing_empty() {
    let spec = "containers: [{name: app, image: a, volumeMounts: [{name: c, mountPath: /c}, {name: f, mountPath: /f}]}], volumes: [{name: c, configMap: {name: c}}, {name: f, downwardAPI: {items: [{path: l, fieldRef: {fieldPath: \"metadata.labels['none']\"}}]}}]";
    let text = workload("Deployment", spec) + OBJECTS;
    let (document, findings) = convert(&text, Swarm);
    assert_eq!(said(&findings, "object-never-empty").len(), 2);
    assert!(document["configs"].get("c-empty").is_some());
    // What nothing uses is not made at all.
    assert!(document["secrets"].get("s-none").is_none());
    assert!(document["secrets"].get("s-pw").is_some());
    let (_, findings) = convert(&text, Compose);
    assert_eq!(said(&findings, "object-never-empty").len(), 0);
}

#[test]
fn scratch_space_of_another_user() {
    let spec = |security: &str, medium: &str| {
        format!(
            "securityContext: {{{security}}}, containers: [{{name: app, image: a, volumeMounts: [{{name: t, mountPath: /t}}]}}], volumes: [{{name: t, emptyDir: {{{medium}}}}}]"
        )
    };
    for (security, medium, told) in [
        ("runAsUser: 1000", "", 1),
        ("runAsNonRoot: true", "", 1),
        ("runAsUser: 1000", "medium: Memory", 0),
        ("runAsUser: 1000, fsGroup: 7", "", 0),
        ("runAsUser: 0", "", 0),
    ] {
        for target in [Compose, Swarm] {
            let (_, findings) = convert(&workload("Deployment", &spec(security, medium)), target);
            assert_eq!(
                said(&findings, "scratch-owner").len(),
                told,
                "{security} {medium}"
            );
        }
    }
}

#[test]
fn shared_memory_of_a_stack_is_a_tmpfs() {
    let spec = "containers: [{name: app, image: a, volumeMounts: [{name: m, mountPath: /dev/shm}]}], volumes: [{name: m, emptyDir: {medium: Memory, sizeLimit: 1Gi}}]";
    let (document, _) = convert(&workload("Deployment", spec), Swarm);
    assert_eq!(
        document["services"]["app"]["volumes"],
        json!([{"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": 1 << 30}}])
    );
    let (document, _) = convert(&workload("Deployment", spec), Compose);
    assert_eq!(document["services"]["app"]["shm_size"], "1G");
    assert_eq!(document["services"]["app"].get("volumes"), None);
}

#[test]
fn fields_as_files_have_divisors_and_modes() {
    let items = "items: [{path: cpu, resourceFieldRef: {containerName: app, resource: limits.cpu, divisor: 1m}}, {path: l, mode: 0444, fieldRef: {fieldPath: metadata.labels}}]";
    let limits = "resources: {limits: {cpu: 500m}}";
    for volume in [
        format!("downwardAPI: {{defaultMode: 0400, {items}}}"),
        format!("projected: {{defaultMode: 0400, sources: [{{downwardAPI: {{{items}}}}}]}}"),
    ] {
        let spec = format!(
            "containers: [{{name: app, image: a, {limits}, volumeMounts: [{{name: f, mountPath: /f}}]}}], volumes: [{{name: f, {volume}}}]"
        );
        let (document, findings) = convert(&workload("Deployment", &spec), Compose);
        assert_eq!(document["configs"]["app-cpu"]["content"], "500");
        let mounts = document["services"]["app"]["configs"].as_array().unwrap();
        let modes: Vec<&Value> = mounts.iter().map(|mount| &mount["mode"]).collect();
        assert_eq!(modes, [&json!(0o400), &json!(0o444)]);
        assert_eq!(said(&findings, "not-understood").len(), 0);
        assert_eq!(said(&findings, "volume-file-details").len(), 0);
        // The group of the volumes may read what not everybody may.
        let grouped = format!("securityContext: {{runAsUser: 7, fsGroup: 8}}, {spec}");
        for target in [Compose, Swarm] {
            let (document, _) = convert(&workload("Deployment", &grouped), target);
            let cpu = &document["services"]["app"]["configs"][0];
            let found = json!([cpu["uid"], cpu["gid"], cpu["mode"]]);
            assert_eq!(found, json!(["7", "8", 0o440]));
        }
    }
}

#[test]
fn a_claim_that_lives_with_its_pod_is_understood() {
    let spec = "containers: [{name: app, image: a, volumeMounts: [{name: e, mountPath: /e}]}], volumes: [{name: e, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}, ]";
    let (document, findings) = convert(&workload("Deployment", spec), Compose);
    assert_eq!(document["services"]["app"]["volumes"][0]["type"], "volume");
    assert_eq!(said(&findings, "ephemeral-claim").len(), 1);
    assert_eq!(said(&findings, "not-understood").len(), 0);
}

#[test]
fn an_export_has_no_access_mode_of_its_own() {
    let spec = "containers: [{name: app, image: a, volumeMounts: [{name: n, mountPath: /n}]}], volumes: [{name: n, nfs: {server: nas, path: /x}}]";
    let (document, findings) = convert(&workload("Deployment", spec), Compose);
    assert_eq!(document["volumes"]["app-n"]["driver_opts"]["type"], "nfs");
    assert_eq!(said(&findings, "access-modes").len(), 0);
}

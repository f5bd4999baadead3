//! Objects that are neither pods nor load balancers.

use serde_json::json;

use super::super::detect;
use super::run;
use crate::source::{Limits, Sources, parse};

#[test]
fn pods_and_claims_in_unknown_kinds_are_converted() {
    let text = "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: p}\nspec:\n  nodeSelector: {cce.cloud.com/cce-nodepool: pool-1}\n  storage:\n    volumeClaimTemplate:\n      metadata: {annotations: {everest.io/disk-volume-type: SAS}}\n      spec: {storageClassName: csi-disk, accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}\n---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: r}\nspec:\n  template:\n    spec:\n      imagePullSecrets: [{name: default-secret}]\n      containers: [{name: web, image: nginx}]\n      volumes:\n      - name: data\n        ephemeral: {volumeClaimTemplate: {spec: {storageClassName: csi-disk, accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}}}\n";
    let done = run("huawei", "ali", text);
    let spec = &done.of("Prometheus")["spec"];
    let left = done
        .objects
        .iter()
        .map(ToString::to_string)
        .collect::<String>();
    for mark in ["csi-disk", "everest.io", "cce.cloud.com", "default-secret"] {
        assert!(!left.contains(mark), "{mark}: {left}");
    }
    let class = &spec["storage"]["volumeClaimTemplate"]["spec"]["storageClassName"];
    assert!(
        class.as_str().is_some_and(|c| c.starts_with("alicloud-")),
        "{spec}"
    );
}

#[test]
fn a_claim_that_names_no_class_gets_what_the_cluster_thinks() {
    let claim = |spec: &str| {
        run(
            "aws",
            "ali",
            &format!(
                "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: c}}\nspec: {spec}\n"
            ),
        )
    };
    for (spec, by_default) in [
        ("{resources: {requests: {storage: 10Gi}}}", true),
        ("{storageClassName: '', volumeName: v}", false),
        ("{volumeName: v}", false),
        ("{storageClassName: mine}", false),
    ] {
        let done = claim(spec);
        let said = done.says("storage-by-default", "PersistentVolumeClaim/c: no class");
        assert_eq!(said, by_default, "{spec}: {}", done.said());
    }
}

#[test]
fn what_nobody_reads_is_said() {
    let text = "apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\nmetadata: {name: pg}\nspec: {storage: {storageClass: csi-disk, size: 10Gi}}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {csi-disk.storageclass.storage.k8s.io/requests.storage: 10Gi}}\n---\napiVersion: crd.yangtse.cni/v1\nkind: SecurityGroup\nmetadata: {name: sg}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g, annotations: {kubernetes.io/elb.class: performance}}\nspec: {gatewayClassName: cce-shared-internal}\n";
    let done = run("huawei", "ali", text);
    for text in [
        "Cluster/pg: the storage class csi-disk",
        "ResourceQuota/q: ",
        "Gateway/g: ",
    ] {
        assert!(
            done.says("provider-mark-left", text),
            "{text}: {}",
            done.said()
        );
    }
    assert!(done.says("provider-kind-lost", "SecurityGroup/sg"));
    assert_eq!(done.of("SecurityGroup"), &json!(null));
}

#[test]
fn a_store_of_secrets_is_named() {
    let text = "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\nmetadata: {name: s}\nspec: {provider: PROVIDER}\n";
    let done = run("azure", "aws", &text.replace("PROVIDER", "azure"));
    assert!(
        done.says("provider-mark-left", "`azure`"),
        "{}",
        done.said()
    );
    let done = run("google", "aws", &text.replace("PROVIDER", "gcp"));
    assert!(done.says("provider-mark-left", "`gcp`"));
    let done = run("azure", "aws", &text.replace("PROVIDER", "vault"));
    assert!(done.converted.findings.is_empty(), "{}", done.said());
}

#[test]
fn the_speed_of_a_disk_is_said_as_far_as_it_is_known() {
    let text = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: d, annotations: {everest.io/disk-volume-type: SATA}}\nspec: {storageClassName: csi-disk, accessModes: [ReadWriteOnce], resources: {requests: {storage: 20Gi}}}\n";
    let done = run("huawei", "ali", text);
    assert!(done.said().contains(" IOPS) becomes"), "{}", done.said());
    assert!(!done.said().contains(" 0 MB/s"), "{}", done.said());
}

#[test]
fn snapshots_are_taken_by_the_targets_driver() {
    let text = "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {name: s}\ndriver: ebs.csi.aws.com\ndeletionPolicy: Delete\n";
    let done = run("aws", "ali", text);
    assert_eq!(
        done.of("VolumeSnapshotClass")["driver"],
        json!("diskplugin.csi.alibabacloud.com")
    );
    assert!(run("aws", "onprem", text).says("provider-setting-lost", "takes snapshots"));
}

#[test]
fn objects_of_a_list_are_converted_where_they_stand() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: crd.yangtse.cni/v1\n  kind: SecurityGroup\n  metadata: {name: sg}\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: p}\n  spec: {nodeSelector: {os.name: EulerOS}, containers: [{name: a, image: b}]}\n";
    let done = run("huawei", "ali", text);
    assert_eq!(
        done.of("List")["items"],
        json!([{
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "a", "image": "b"}]},
        }])
    );
    assert_eq!(done.converted.outcomes.len(), 2);
    let paths: Vec<String> = done.converted.outcomes[1]
        .edits
        .iter()
        .map(|edit| edit.path.to_string())
        .collect();
    assert_eq!(paths, ["items[1].spec.nodeSelector", "items[0]"]);
}

#[test]
fn classes_that_people_make_are_classes_of_disks_and_files() {
    for (from, to, class, wanted) in [
        ("aws", "ali", "gp3", "ali"),
        ("aws", "google", "io2", "p"),
        ("tencent", "aws", "cfs", ""),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: d}}\nspec: {{storageClassName: {class}, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 100Gi}}}}}}\n"
        );
        let done = run(from, to, &text);
        let now = &done.of("PersistentVolumeClaim")["spec"]["storageClassName"];
        assert!(
            now.as_str()
                .is_some_and(|c| c != class && c.starts_with(wanted)),
            "{class}: {now} {}",
            done.said()
        );
    }
}

#[test]
fn definitions_of_kinds_are_of_no_provider() {
    let text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\nspec:\n  properties:\n    awsElasticBlockStore: {type: object}\n    azureDisk: {type: object}\n    volumeClaimTemplate: {spec: {type: object}}\n";
    let file = Sources::default().add("x.yaml", text);
    let nodes = parse(file, text, &Limits::default()).unwrap_or_default();
    assert!(detect(&nodes).is_neutral());
    let done = run("aws", "azure", text);
    assert!(done.converted.findings.is_empty(), "{}", done.said());
}

#[test]
fn options_of_nfs_are_not_those_of_efs() {
    let text = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v}\nspec:\n  capacity: {storage: 10Gi}\n  accessModes: [ReadWriteMany]\n  mountOptions: [vers=3]\n  csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: v, volumeAttributes: {server: s.example, path: /}}\n";
    let done = run("ali", "aws", text);
    assert_eq!(
        done.of("PersistentVolume")["spec"]["mountOptions"],
        json!(null)
    );
    assert!(done.says("mount-options-lost", "vers=3"), "{}", done.said());
}

#[test]
fn a_folder_of_a_bucket_is_not_forgotten() {
    let text = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v}\nspec:\n  capacity: {storage: 10Gi}\n  accessModes: [ReadWriteMany]\n  csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: v, volumeAttributes: {bucket: b, url: oss.example, path: /data}}\n";
    let done = run("ali", "aws", text);
    assert!(
        done.says("provider-setting-lost", "`/data`"),
        "{}",
        done.said()
    );
    let done = run("ali", "aws", &text.replace("/data", "/"));
    assert!(
        !done.says("provider-setting-lost", "folder"),
        "{}",
        done.said()
    );
}

#[test]
fn traffic_without_a_limit_is_a_warning() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations: {kubernetes.io/elb.class: union, kubernetes.io/elb.autocreate: '{\"type\":\"public\",\"bandwidth_chargemode\":\"traffic\",\"bandwidth_size\":20}'}\nspec: {type: LoadBalancer, ports: [{port: 80}]}\n";
    let done = run("huawei", "ali", text);
    assert!(
        done.says("provider-setting-approximate", "Mbit/s"),
        "{}",
        done.said()
    );
}

#[test]
fn a_volume_that_must_not_be_written_to_stays_so() {
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: d-1}\nspec:\n  capacity: {storage: 20Gi}\n  accessModes: [ReadWriteOnce]\n  csi:\n    driver: diskplugin.csi.alibabacloud.com\n    volumeHandle: d-1\n    readOnly: true\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: web, image: nginx}]\n  volumes:\n  - name: a\n    csi: {driver: ossplugin.csi.alibabacloud.com, readOnly: true, volumeAttributes: {bucket: b, url: oss-x.aliyuncs.com}}\n";
    for to in ["huawei", "aws", "tencent", "azure", "google"] {
        let done = run("ali", to, volume);
        assert_eq!(
            done.of("PersistentVolume")["spec"]["csi"]["readOnly"],
            serde_json::json!(true),
            "{to}\n{}",
            done.said()
        );
        let done = run("ali", to, pod);
        let kept = done
            .objects
            .iter()
            .any(|object| object.to_string().contains("\"readOnly\":true"));
        assert!(kept, "{to} {:?}\n{}", done.objects, done.said());
    }
}

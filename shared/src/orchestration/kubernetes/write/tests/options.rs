//! Choices.

use serde_json::json;

use super::{service, with_files};
use crate::orchestration::kubernetes::{
    BindPolicy, ControllerChoice, KubernetesOptions, ProbePolicy, StartOrder,
};
use crate::orchestration::model::{Controller, Dialect};
use crate::source::Memory;

fn with(text: &str, options: &KubernetesOptions) -> super::Written {
    with_files(text, Dialect::Compose, options, &Memory::default())
}

#[test]
fn controllers() {
    let text = service("deploy: {replicas: 2}\nrestart: always");
    for (controller, kind, replicas) in [
        (ControllerChoice::Auto, "Deployment", Some(2)),
        (
            ControllerChoice::Replicas(Controller::ReplicaSet),
            "ReplicaSet",
            Some(2),
        ),
        (
            ControllerChoice::Replicas(Controller::ReplicationController),
            "ReplicationController",
            Some(2),
        ),
        (ControllerChoice::StatefulSet, "StatefulSet", Some(2)),
        (ControllerChoice::DaemonSet, "DaemonSet", None),
        (ControllerChoice::Pod, "Pod", None),
    ] {
        let written = with(
            &text,
            &KubernetesOptions {
                controller,
                ..Default::default()
            },
        );
        let object = written.object(kind, "web");
        assert_eq!(
            object["spec"].get("replicas"),
            replicas.map(|n| json!(n)).as_ref(),
            "{kind}"
        );
        assert_eq!(
            written.codes().contains("replicas-lost"),
            replicas.is_none(),
            "{kind}"
        );
    }
}

#[test]
fn starting_in_order() {
    let text = "services:
  web: {image: a, depends_on: {db: {condition: service_healthy, restart: true}, job: {condition: service_completed_successfully}}}
  db: {image: b, expose: [5432], healthcheck: {test: x}}
  job: {image: c}
";
    let none = with(text, &KubernetesOptions::default());
    let unwaited: Vec<_> = none
        .findings
        .as_slice()
        .iter()
        .filter(|f| f.code.0 == "start-order")
        .map(|f| f.message.as_str())
        .collect();
    assert_eq!(unwaited, ["it does not wait for `db`, `job`"]);
    assert_eq!(
        none.object("Deployment", "web")["spec"]["template"]["spec"].get("initContainers"),
        None
    );
    let wait = with(
        text,
        &KubernetesOptions {
            start_order: StartOrder::Wait,
            ..Default::default()
        },
    );
    let template = &wait.object("Deployment", "web")["spec"]["template"];
    let init = &template["spec"]["initContainers"];
    assert_eq!(init[0]["name"], "wait-db");
    assert_eq!(
        init[0]["command"][2],
        "until nc -z -w 2 db 5432; do sleep 2; done"
    );
    assert_eq!(
        template["metadata"]["annotations"]["migrate.tmhcc.io/wait"],
        "db:healthy"
    );
    assert_eq!(
        template["metadata"]["annotations"]["migrate.tmhcc.io/helpers"],
        "wait-db"
    );
    assert!(
        wait.codes()
            .is_superset(&["wait-impossible", "restart-together"].into())
    );
}

#[test]
fn filling_volumes() {
    let text = format!(
        "{}volumes: {{v: {{}}}}\n",
        service("volumes: ['v:/data', '/cache', {type: image, source: i, target: /i}]")
    );
    let written = with(
        &text,
        &KubernetesOptions {
            copy_up: true,
            ..Default::default()
        },
    );
    let template = &written.only("Deployment")["spec"]["template"];
    let names: Vec<_> = template["spec"]["initContainers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|c| &c["name"])
        .collect();
    assert_eq!(names, ["copy-v", "copy-anonymous-cache", "image-0"]);
    let line = &template["spec"]["initContainers"][0]["command"][2];
    assert!(
        line.as_str()
            .is_some_and(|l| l.contains("\"$$(ls -A /migrate)\"")),
        "{line}"
    );
    assert_eq!(template["spec"]["initContainers"][2]["image"], "i");
    assert!(!written.codes().contains("volume-copy-up"));
}

#[test]
fn checks_by_choice() {
    for (probes, lives) in [
        (ProbePolicy::Ready, false),
        (ProbePolicy::ReadyAndLive, true),
    ] {
        let written = with(
            &service("healthcheck: {test: x}"),
            &KubernetesOptions {
                probes,
                ..Default::default()
            },
        );
        let container = &written.only("Deployment")["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(
            container.get("livenessProbe").is_some(),
            lives,
            "{probes:?}"
        );
    }
}

#[test]
fn binds_by_choice() {
    let text = service("volumes: ['/srv/x:/x']");
    for (binds, source, code) in [
        (BindPolicy::Auto, "hostPath", "bind-node-path"),
        (BindPolicy::HostPath, "hostPath", "bind-node-path"),
        (BindPolicy::Claim, "persistentVolumeClaim", "bind-as-claim"),
        (BindPolicy::ConfigMap, "persistentVolumeClaim", "bind-unfit"),
    ] {
        let written = with(
            &text,
            &KubernetesOptions {
                binds,
                ..Default::default()
            },
        );
        let volume = &written.only("Deployment")["spec"]["template"]["spec"]["volumes"][0];
        assert!(volume.get(source).is_some(), "{binds:?}: {volume}");
        assert!(written.codes().contains(code), "{binds:?}");
    }
}

#[test]
fn storage_and_users() {
    let text = "services:\n  web: {image: a, user: app, volumes: ['a:/a', 'b:/b']}\nvolumes: {a: {driver: rexray}, b: {}}\n";
    let plain = with(text, &KubernetesOptions::default());
    assert!(
        plain
            .codes()
            .is_superset(&["driver-without-class", "user-name"].into())
    );
    let written = with(
        text,
        &KubernetesOptions {
            storage_size: 5 << 30,
            storage_class: Some("slow".to_owned()),
            driver_classes: [("rexray".to_owned(), "fast".to_owned())].into(),
            users: [("app".to_owned(), (101, Some(102)))].into(),
            pull_secrets: vec!["reg".to_owned(), "reg".to_owned()],
            ..Default::default()
        },
    );
    assert!(
        written
            .codes()
            .is_disjoint(&["driver-without-class", "user-name"].into())
    );
    for (claim, class) in [("a", "fast"), ("b", "slow")] {
        let spec = &written.object("PersistentVolumeClaim", claim)["spec"];
        assert_eq!(spec["storageClassName"], class);
        assert_eq!(spec["resources"]["requests"]["storage"], "5Gi");
    }
    let spec = &written.only("Deployment")["spec"]["template"]["spec"];
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "reg"}]));
    let security = &spec["containers"][0]["securityContext"];
    assert_eq!(security, &json!({"runAsUser": 101, "runAsGroup": 102}));
}

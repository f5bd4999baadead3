//! Resources, replicas, jobs and ports.

use serde_json::json;

use super::{convert, said, workload};
use crate::orchestration::compose::ComposeTarget::{Compose, Swarm};

#[test]
fn docker_takes_no_less() {
    let spec = "containers: [{name: app, image: a, resources: {requests: {cpu: 1m, memory: 1Mi}, limits: {cpu: 2m, memory: 2Mi}}}]";
    for (target, reservation) in [(Compose, "6M"), (Swarm, "4M")] {
        let (document, findings) = convert(&workload("Deployment", spec), target);
        let resources = &document["services"]["app"]["deploy"]["resources"];
        assert_eq!(resources["limits"], json!({"cpus": "0.01", "memory": "6M"}));
        assert_eq!(
            resources["reservations"],
            json!({"cpus": "0.001", "memory": reservation})
        );
        let said = said(&findings, "resource-raised");
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(
            said.iter().any(|m| m.contains("0.01 instead of 0.002")),
            "{said:?}"
        );
    }
    let enough = spec
        .replace("2Mi", "6Mi")
        .replace("1Mi", "6Mi")
        .replace("2m", "10m");
    let (_, findings) = convert(&workload("Deployment", &enough), Compose);
    assert_eq!(said(&findings, "resource-raised").len(), 0);
}

#[test]
fn an_autoscaler_raises_to_its_minimum() {
    for (replicas, expected) in [(3, 5), (7, 7), (0, 0)] {
        let text = workload("Deployment", "containers: [{name: app, image: a}]")
            .replace("spec:\n  selector", &format!("spec:\n  replicas: {replicas}\n  selector"))
            + "---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: app}
spec: {minReplicas: 5, maxReplicas: 9, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: app}}
";
        let (document, _) = convert(&text, Compose);
        assert_eq!(document["services"]["app"]["deploy"]["replicas"], expected);
    }
}

#[test]
fn init_containers_of_a_stack_run_once() {
    let containers = "initContainers: [{name: i, image: a}], containers: [{name: app, image: a}]";
    let (document, findings) = convert(&workload("DaemonSet", containers), Swarm);
    assert_eq!(
        document["services"]["app-i"]["deploy"]["mode"],
        "global-job"
    );
    assert!(said(&findings, "init-containers-in-swarm")[0].contains("once on each node"));

    let mounted = containers.replace(
        "name: i, image: a",
        "name: i, image: a, volumeMounts: [{name: d, mountPath: /d}]",
    );
    let text = workload("StatefulSet", &mounted).replace(
        "spec:\n  selector",
        "spec:\n  replicas: 3\n  volumeClaimTemplates: [{metadata: {name: d}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]\n  selector",
    );
    let (document, findings) = convert(&text, Swarm);
    assert_eq!(
        document["services"]["app-i"]["deploy"]["mode"],
        "replicated-job"
    );
    let said = said(&findings, "init-containers-in-swarm");
    assert!(
        said[0].contains("once for all 3 instances")
            && said[0].ends_with("of the volumes `d` it prepares one at most"),
        "{said:?}"
    );
}

fn cron(job: &str, policy: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: CronJob
metadata: {{name: app}}
spec:
  schedule: '* * * * *'
{policy}  jobTemplate:
    spec: {{{job}template: {{spec: {{restartPolicy: Never, initContainers: [{{name: i, image: a}}], containers: [{{name: app, image: a}}]}}}}}}
"
    )
}

#[test]
fn runs_by_the_clock_that_overlap() {
    for (policy, target, words) in [
        ("Forbid", Swarm, Some("should be left out")),
        ("Forbid", Compose, None),
        ("Replace", Swarm, None),
        ("Replace", Compose, Some("does not end the one before")),
        ("Allow", Swarm, Some("both should run")),
        ("Allow", Compose, None),
    ] {
        let text = cron("", &format!("  concurrencyPolicy: {policy}\n"));
        let (_, findings) = convert(&text, target);
        let said = said(&findings, "overlapping-runs");
        assert_eq!(
            said.len(),
            usize::from(words.is_some()),
            "{policy} {target:?}: {said:?}"
        );
        assert!(
            said.iter().all(|m| m.contains(words.unwrap_or_default())),
            "{said:?}"
        );
    }
    let (_, findings) = convert(&cron("", "  concurrencyPolicy: Forbid\n"), Compose);
    let line = said(&findings, "no-scheduler");
    assert!(line[0].ends_with("* * * * * flock -n /tmp/app.lock docker compose run --rm app"));
}

#[test]
fn runs_by_the_clock_that_are_many() {
    let text = cron("completions: 2, parallelism: 2, ", "");
    let (_, findings) = convert(&text, Swarm);
    assert!(said(&findings, "no-scheduler")[0].contains("--replicas 2 --force"));
    assert_eq!(said(&findings, "job-instances").len(), 1);
    let init = said(&findings, "init-containers-in-swarm");
    assert!(
        init[0].contains("which nothing starts when `app` is due"),
        "{init:?}"
    );
    let (_, findings) = convert(&text, Compose);
    assert_eq!(
        said(&findings, "job-instances"),
        ["one run of `app` starts each time, not 2"]
    );
}

#[test]
fn a_port_of_the_node_and_of_a_service_is_published_once() {
    let spec = "containers: [{name: app, image: a, ports: [{containerPort: 8080, hostPort: 80}]}]";
    let text = workload("DaemonSet", spec)
        + "---
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {type: LoadBalancer, selector: {app: app}, ports: [{port: 80, targetPort: 8080}]}
";
    for target in [Compose, Swarm] {
        let (document, findings) = convert(&text, target);
        let ports = document["services"]["app"]["ports"].as_array().unwrap();
        assert_eq!(ports.len(), 1, "{ports:?}");
        assert_eq!(said(&findings, "port-published-once").len(), 1);
        let other = text.replace("port: 80,", "port: 81,");
        let (document, findings) = convert(&other, target);
        let ports = document["services"]["app"]["ports"].as_array().unwrap();
        assert_eq!(ports.len(), 2, "{ports:?}");
        assert_eq!(said(&findings, "port-published-once").len(), 0);
    }
}

#[test]
fn nodes_that_every_set_asks_for() {
    let spec = "nodeSelector: {disk: ssd}, affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [x]}]}, {matchExpressions: [{key: b, operator: In, values: [y]}]}]}}}, topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway}], containers: [{name: app, image: a}]";
    let (document, findings) = convert(&workload("Deployment", spec), Swarm);
    let placement = &document["services"]["app"]["deploy"]["placement"];
    assert_eq!(placement["constraints"], json!(["node.labels.disk == ssd"]));
    assert_eq!(said(&findings, "constraint-not-possible").len(), 1);
    let labels = said(&findings, "node-selection");
    assert!(
        labels
            .iter()
            .any(|m| m.contains("`topology.kubernetes.io.zone`")),
        "{labels:?}"
    );
    let term = "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {SELECTOR}}]}}, containers: [{name: app, image: a}]";
    for (selector, own) in [
        ("matchLabels: {app: app}", true),
        (
            "matchExpressions: [{key: app, operator: In, values: [app]}]",
            true,
        ),
        (
            "matchExpressions: [{key: app, operator: In, values: [app, b]}]",
            false,
        ),
        (
            "matchExpressions: [{key: app, operator: In, values: [b]}]",
            false,
        ),
        ("matchLabels: {app: b}", false),
    ] {
        let spec = term.replace("SELECTOR", selector);
        let (document, _) = convert(&workload("Deployment", &spec), Swarm);
        let most = &document["services"]["app"]["deploy"]["placement"]["max_replicas_per_node"];
        assert_eq!(most.as_u64(), own.then_some(1), "{selector}");
    }
}

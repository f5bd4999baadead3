//! The target's API server goes away, refuses, or never has what it takes.

use super::super::cluster::Cluster;
use super::super::engine::swarm;
use super::super::{WEB, succeeded, text};
use super::ended;

const NAMES: [&str; 6] = ["get", "deployments", "-o", "name", "-n", "shop"];
const RUN: [&str; 5] = ["run", "-n", "shop", "--yes", "--no-wait"];

fn deployments(cluster: &Cluster) -> String {
    cluster.kubectl(&NAMES)
}

#[test]
fn an_api_server_that_goes_down_in_the_middle_leaves_a_run_to_go_on_with() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    // The API server is killed when kubectl has been called to change something, and is away until the run has given up.
    let home = cluster.home.path().to_owned();
    let kubectl = cluster.kubectl_that(
        "kubectl-late",
        &format!(
            "touch '{0}/applying'\nwhile [ ! -e '{0}/gone' ]; do sleep 0.02; done",
            home.display()
        ),
    );
    let child = cluster
        .command(&RUN)
        .env("KUBECTL", &kubectl)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    super::super::until("kubectl is called", || home.join("applying").exists());
    cluster.plane.stop_server().unwrap();
    std::fs::write(home.join("gone"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    ended(
        &output,
        75,
        &[
            "could not be undone",
            "docker migrate resume ",
            "docker migrate rollback ",
        ],
    );
    // Without an API server nothing can be gone on with, and that is all that is said.
    ended(
        &cluster.migrate(&["resume"]),
        69,
        &["cluster", "Nothing was changed"],
    );
    cluster.plane.start_server().unwrap();
    succeeded(&cluster.migrate(&["resume"]));
    assert!(deployments(&cluster).contains("deployment.apps/web"));
    succeeded(&cluster.migrate(&["rollback", "--yes"]));
    assert!(!deployments(&cluster).contains("web"));
}

#[test]
fn a_short_outage_while_waiting_is_waited_through() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    let child = cluster
        .command(&["run", "-n", "shop", "--yes", "--timeout", "60s"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    super::super::until("the Deployment is there", || {
        deployments(&cluster).contains("deployment.apps/web")
    });
    cluster.plane.stop_server().unwrap();
    cluster.plane.start_server().unwrap();
    let ready = r#"{"status":{"observedGeneration":9,"replicas":1,"updatedReplicas":1,"readyReplicas":1,"availableReplicas":1}}"#;
    let patch = [
        "patch",
        "deployment",
        "web",
        "-n",
        "shop",
        "--subresource=status",
        "--type=merge",
        "-p",
        ready,
    ];
    assert!(cluster.kubectl(&patch).contains("patched"));
    let output = child.wait_with_output().unwrap();
    ended(&output, 0, &["`shop` is ready"]);
}

#[test]
fn a_quota_that_is_used_up_is_seen_before() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    cluster.kubectl(&["create", "namespace", "shop"]);
    cluster.apply(
        &["-n", "shop"],
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {pods: \"1\", count/deployments.apps: \"1\"}}}",
    );
    // No controller counts here: the test says what one would.
    let set = |pods: &str, deployments: &str| {
        let status = format!(
            r#"{{"status":{{"hard":{{"pods":"1","count/deployments.apps":"1"}},"used":{{"pods":"{pods}","count/deployments.apps":"{deployments}"}}}}}}"#
        );
        cluster.kubectl(&[
            "patch",
            "resourcequota",
            "small",
            "-n",
            "shop",
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ]);
    };
    for (pods, deployments, says) in [
        ("1", "0", "quota small: 1 pods are needed, 0 of 1 are free"),
        ("0", "1", "exceeded quota: small"),
    ] {
        set(pods, deployments);
        ended(
            &cluster.migrate(&RUN),
            1,
            &["BLOCKED", says, "Nothing was changed"],
        );
        assert!(!super::cluster::deployments(&cluster).contains("web"));
    }
    set("0", "0");
    succeeded(&cluster.migrate(&RUN));
}

/// A policy of the cluster itself that lets dry runs through.
const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-web}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]
  validations: [{expression: "WHEN", message: no web here}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-web}
spec: {policyName: no-web, validationActions: [Deny]}
"#;

fn forbid(cluster: &Cluster, when: &str) {
    cluster.apply(&[], &POLICY.replace("WHEN", when));
    super::super::until("the policy is in force", || {
        let create = [
            "create",
            "deployment",
            "web",
            "--image=none",
            "-n",
            "default",
        ];
        let said = cluster.kubectl(&create);
        if said.contains("created") {
            cluster.kubectl(&["delete", "deployment", "web", "-n", "default"]);
        }
        said.contains("no web here")
    });
}

#[test]
fn what_admission_refuses_is_seen_before() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    cluster.kubectl(&["create", "namespace", "shop"]);
    forbid(&cluster, "object.metadata.name != 'web'");
    ended(
        &cluster.migrate(&RUN),
        1,
        &["BLOCKED: admission", "no web here", "Nothing was changed"],
    );
    assert!(!deployments(&cluster).contains("web"));
}

#[test]
fn what_admission_refuses_only_in_earnest_is_taken_back() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.write(WEB);
    forbid(
        &cluster,
        "has(request.dryRun) && request.dryRun || object.metadata.name != 'web'",
    );
    cluster.kubectl(&["create", "namespace", "shop"]);
    ended(
        &cluster.migrate(&RUN),
        70,
        &[
            "no web here",
            "The target is as it was before",
            "docker migrate resume ",
        ],
    );
    let left = cluster.kubectl(&[
        "get",
        "services,configmaps,deployments",
        "-n",
        "shop",
        "-o",
        "name",
    ]);
    assert!(
        !left.contains("web") && !left.contains("migrate-lock"),
        "{left}"
    );
    cluster.kubectl(&["delete", "validatingadmissionpolicybinding", "no-web"]);
    super::super::until("the policy is gone", || {
        cluster.migrate(&["resume"]).status.success()
    });
    assert!(deployments(&cluster).contains("deployment.apps/web"));
}

#[test]
fn a_source_engine_that_is_gone_changes_nothing() {
    let (Some(engine), Some(cluster)) = (swarm(), Cluster::start()) else {
        return;
    };
    let home = cluster.home.path().to_owned();
    super::super::live_stack::deploy(&engine, &home);
    let run = |host: &str, arguments: &[&str]| {
        super::super::engine::command(&engine, &home)
            .env("DOCKER_HOST", host)
            .env("KUBECONFIG", cluster.kubeconfig())
            .env(
                "KUBECTL",
                super::super::COMPONENTS.kubectl.as_ref().unwrap(),
            )
            .args(arguments)
            .output()
            .unwrap()
    };
    let arguments = [
        "run",
        "--stack",
        "vote",
        "-n",
        "shop",
        "--yes",
        "--no-wait",
        "--secret-file",
        "vote_password=password",
    ];
    let gone = "tcp://127.0.0.1:1";
    ended(
        &run(gone, &arguments),
        69,
        &["Cannot connect to the Docker daemon"],
    );
    assert!(text(&run(gone, &["status"]).stderr).contains("no run yet"));
    // Begun while the engine was there, gone on with when it is not, and undone without it.
    cluster.apply(
        &[],
        "{apiVersion: v1, kind: Node, metadata: {name: node1, labels: {disk: ssd}}}",
    );
    succeeded(&run(&engine.host(), &arguments));
    ended(&run(gone, &["resume"]), 0, &["nothing to go on with"]);
    succeeded(&run(gone, &["rollback", "--yes"]));
    assert!(!deployments(&cluster).contains("vote"));
}

#[test]
fn a_source_cluster_that_is_gone_is_said() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    cluster.plane.stop_server().unwrap();
    let output = cluster.kubectl_migrate(&["run", "deploy/web", "-n", "shop", "--to", "bundle:b"]);
    ended(&output, 69, &["Connection refused"]);
    assert!(!cluster.home.path().join("b").exists());
    // The target is gone as well, for a run that comes from a file.
    cluster.write(WEB);
    ended(
        &cluster.migrate(&RUN),
        69,
        &["BLOCKED: cluster", "Nothing was changed"],
    );
}

//! What only a stack says.

use serde_json::json;

use super::{compose, service, swarm, with_files};
use crate::orchestration::kubernetes::{ControllerChoice, KubernetesOptions, StartOrder};
use crate::orchestration::model::Dialect;
use crate::source::Memory;

/// Servers say `on-failure` as well; a stack has a mode of its own for jobs.
#[test]
fn restart_on_failure() {
    let policy = "restart_policy: {condition: on-failure}";
    for (lines, kind) in [
        (format!("deploy: {{{policy}}}"), "Deployment"),
        (format!("deploy: {{mode: global, {policy}}}"), "DaemonSet"),
        (format!("deploy: {{mode: replicated-job, {policy}}}"), "Job"),
    ] {
        let written = swarm(&service(&lines));
        assert!(written.find(kind, "web").is_some(), "{kind} for {lines}");
        let codes = written.codes();
        // What neither serves nor runs on each node may well be a task.
        assert_eq!(codes.contains("restart-of-task"), kind == "Deployment");
        assert_eq!(codes.contains("restart-after-success"), kind == "DaemonSet");
        assert!(!codes.contains("restart-changed"), "{codes:?}");
    }
}

/// The network of the node, which a stack can only ask for so.
#[test]
fn network_of_the_node() {
    for network in ["h: {external: true, name: host}", "host: {external: true}"] {
        let name = network.split(':').next().unwrap_or_default();
        let written = swarm(&format!(
            "services:\n  web: {{image: a, networks: [{name}]}}\nnetworks: {{{network}}}\n"
        ));
        let pod = &written.only("Deployment")["spec"]["template"]["spec"];
        assert_eq!(pod["hostNetwork"], json!(true), "{network}");
        assert_eq!(pod["dnsPolicy"], "ClusterFirstWithHostNet");
        assert!(!written.codes().contains("external-network"));
    }
    let other = swarm(
        "services:\n  web: {image: a, networks: [h]}\nnetworks: {h: {external: true, name: proxy}}\n",
    );
    let pod = &other.only("Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod.get("hostNetwork"), None);
    assert!(other.codes().contains("external-network"));
}

/// What Swarm fills in for each task is a field of the Pod, a text that is known, or a loss.
#[test]
fn placeholders_in_variables() {
    let lines = r#"deploy: {labels: {tier: gold}}
environment:
  NODE: '{{.Node.Hostname}}'
  URL: 'http://$$x$$-{{ .Node.Hostname }}:80/{{.Service.Name}}'
  TIER: '{{index .Service.Labels "tier"}}-{{index .Service.Labels "com.docker.stack.namespace"}}'
  TASK: '{{.Task.Name}}'
  SLOT: 'n{{.Task.Slot}}'
  TEXT: '{{"{{"}}x}}'
"#;
    let written = swarm(&service(lines));
    let env = &written.only("Deployment")["spec"]["template"]["spec"]["containers"][0]["env"];
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    assert_eq!(
        *env,
        json!([
            {"name": "NODE", "valueFrom": field("spec.nodeName")},
            {"name": "MIGRATE_NODE_NAME", "valueFrom": field("spec.nodeName")},
            {"name": "URL", "value": "http://$x$-$(MIGRATE_NODE_NAME):80/app_web"},
            {"name": "TIER", "value": "gold-app"},
            {"name": "TASK", "valueFrom": field("metadata.name")},
            {"name": "SLOT", "value": "n{{.Task.Slot}}"},
            {"name": "TEXT", "value": "{{x}}"},
        ])
    );
    let said: Vec<_> = written.findings.as_slice().iter().collect();
    let of = |code: &str| said.iter().filter(|f| f.code.0 == code).count();
    assert_eq!(
        (of("task-placeholder"), of("task-name")),
        (1, 1),
        "{said:?}"
    );
    let plain = compose(&service("environment: {NODE: '{{.Node.Hostname}}'}"));
    let env = &plain.only("Deployment")["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(env[0]["value"], "{{.Node.Hostname}}");
}

/// A reference after a dollar sign stays a reference.
#[test]
fn dollar_before_a_placeholder() {
    let written = swarm(&service("environment: {A: '$${{.Node.Hostname}}'}"));
    let env = &written.only("Deployment")["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(env[1]["value"], "$$$(MIGRATE_NODE_NAME)");
}

#[test]
fn placeholders_in_host_names_and_sources() {
    let node = swarm(&service("hostname: '{{.Node.Hostname}}'"));
    let pod = &node.only("Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod.get("hostname"), None);
    assert!(node.codes().contains("host-name-placeholder"));
    let known = swarm(&service("hostname: 'x-{{.Service.Name}}'"));
    let pod = &known.only("Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["hostname"], "x-app-web");
    let bind = swarm(&service("volumes: ['/data/{{.Task.Slot}}:/x']"));
    assert!(bind.codes().contains("task-placeholder"));
}

const OF_TASKS: &str = "services:
  web: {image: a, deploy: {replicas: 3}, volumes: ['data:/x']}
volumes: {data: {name: 'data-{{.Task.Slot}}'}}
";

#[test]
fn volumes_of_single_tasks() {
    let shared = swarm(OF_TASKS);
    assert!(shared.codes().contains("volume-of-each-task"));
    assert!(shared.find("PersistentVolumeClaim", "data").is_some());
    let options = KubernetesOptions {
        controller: ControllerChoice::StatefulSet,
        ..Default::default()
    };
    let own = with_files(OF_TASKS, Dialect::Swarm, &options, &Memory::default());
    let spec = &own.only("StatefulSet")["spec"];
    let template = &spec["volumeClaimTemplates"][0];
    assert_eq!(template["metadata"]["name"], "data");
    assert_eq!(template["spec"]["accessModes"], json!(["ReadWriteOnce"]));
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["volumeMounts"][0]["name"], "data");
    assert!(own.find("PersistentVolumeClaim", "data").is_none());
    let codes = own.codes();
    assert!(codes.contains("claim-of-each-instance") && !codes.contains("volume-of-each-task"));
}

/// The addresses of all tasks, which only a headless Service has.
#[test]
fn names_of_all_tasks() {
    for (lines, found) in [
        ("environment: {PEERS: 'tasks.web:80,x'}", true),
        ("command: [a, --join=tasks.app_web]", true),
        ("environment: {PEERS: tasks.other}", false),
        ("environment: {PEERS: x-tasks.web}", false),
    ] {
        let written = swarm(&service(lines));
        assert_eq!(written.codes().contains("tasks-name"), found, "{lines}");
    }
}

/// `docker stack deploy` takes no notice of these keys, so the tasks ran without what they say.
#[test]
fn keys_that_a_stack_ignores() {
    for lines in [
        "privileged: true",
        "pid: host",
        "ipc: host",
        "network_mode: host",
        "security_opt: ['no-new-privileges:true']",
        "shm_size: 1g",
        "userns_mode: host",
        "domainname: ab",
    ] {
        let written = swarm(&service(lines));
        assert_eq!(written.output, swarm(&service("")).output, "{lines}");
        let key = lines.split(':').next().unwrap_or_default();
        assert_eq!(written.leftovers, [format!("services.*.{key}")]);
        let heeded = compose(&service(lines)).output;
        assert_ne!(heeded, compose(&service("")).output, "{lines}");
    }
}

/// A stack starts everything at once: a circle is none, and who asks for an order gets it where there is one.
#[test]
fn order_of_a_stack() {
    let text = "services:
  a: {image: x, depends_on: [b]}
  b: {image: y, depends_on: [a, c]}
  c: {image: z}
";
    let written = swarm(text);
    assert!(written.find("Deployment", "a").is_some());
    assert!(!written.codes().contains("start-order"));
    assert!(written.codes().contains("ignored-by-swarm"));

    let options = KubernetesOptions {
        start_order: StartOrder::Wait,
        ..Default::default()
    };
    let written = with_files(text, Dialect::Swarm, &options, &Memory::default());
    let init = |name: &str| {
        let pod = &written.object("Deployment", name)["spec"]["template"]["spec"];
        pod["initContainers"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((init("a"), init("b")), (0, 1));
    assert!(written.codes().contains("wait-impossible"));
}

/// A local volume is another one on each node.
#[test]
fn volumes_of_nodes() {
    let text = |deploy: &str, volume: &str| {
        format!(
            "services:\n  web: {{image: a, volumes: ['data:/d'], deploy: {{{deploy}}}}}\nvolumes: {{data: {volume}}}\n"
        )
    };
    for (deploy, volume, several) in [
        ("mode: global", "{}", true),
        ("replicas: 2", "{driver: local}", true),
        ("replicas: 1", "{}", false),
        ("replicas: 2", "{driver: rexray}", false),
        ("replicas: 2", "{external: true}", false),
        (
            "replicas: 2",
            "{driver_opts: {type: nfs, o: addr=a, device: ':/x'}}",
            false,
        ),
    ] {
        let codes = swarm(&text(deploy, volume)).codes();
        assert_eq!(
            codes.contains("volume-of-each-node"),
            several,
            "{deploy} {volume}"
        );
    }
}

/// Host names of another cluster are no names of this one.
#[test]
fn nodes_by_name() {
    let written = swarm(&service(
        "deploy: {placement: {constraints: [node.hostname == Worker-A]}}",
    ));
    let pod = &written.only("Deployment")["spec"]["template"]["spec"];
    let affinity =
        &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let expression = &affinity["nodeSelectorTerms"][0]["matchExpressions"][0];
    assert_eq!(expression["values"], json!(["worker-a"]));
    assert!(written.codes().contains("node-constraints"));
    let impossible = swarm(&service(
        "deploy: {placement: {constraints: ['engine.labels.os==ubuntu 20.04']}}",
    ));
    let codes = impossible.codes();
    assert!(codes.contains("placement-impossible") && !codes.contains("node-label"));
}

/// The first pull of an image takes longer than a task is watched.
#[test]
fn rollouts_have_time() {
    let written = swarm(&service(
        "deploy: {update_config: {delay: 20s, monitor: 10s}}",
    ));
    let spec = &written.only("Deployment")["spec"];
    assert_eq!(spec["progressDeadlineSeconds"], json!(610));
    let slow = swarm(&service(
        "deploy: {update_config: {delay: 700s, monitor: 10s}}",
    ));
    // The API server wants more than `minReadySeconds`.
    let spec = &slow.only("Deployment")["spec"];
    assert_eq!(spec["progressDeadlineSeconds"], json!(701));
}

/// An address of the own machine hides nothing in a Swarm.
#[test]
fn ports_of_the_own_machine() {
    let ports = "ports: ['127.0.0.1:6379:6379']";
    for (written, all) in [
        (compose(&service(ports)), false),
        (swarm(&service(ports)), true),
    ] {
        let findings = written.findings.as_slice();
        let message = findings.iter().find(|f| f.code.0 == "port-loopback");
        let message = message.map_or("", |f| f.message.as_str());
        assert_eq!(message.contains("on every address"), all, "{message}");
    }
}

//! Workloads, Pods and containers.

use serde_json::{Value, json};

use super::{compose, finds, rows, service, swarm};

const POD: &str = "/spec/template/spec";

fn pod(path: &str) -> String {
    format!("{POD}/{path}")
}

fn container(path: &str) -> String {
    format!("{POD}/containers/0/{path}")
}

#[test]
fn what_docker_leaves_out_is_said() {
    let pod = &compose(&service("")).only("Deployment")["spec"].clone();
    assert_eq!(
        pod["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})
    );
    let pod = &pod["template"]["spec"];
    for (field, value) in [
        ("terminationGracePeriodSeconds", json!(10)),
        ("automountServiceAccountToken", json!(false)),
        ("enableServiceLinks", json!(false)),
        (
            "securityContext",
            json!({"seccompProfile": {"type": "RuntimeDefault"}}),
        ),
    ] {
        assert_eq!(pod[field], value, "{field}");
    }
}

#[test]
fn container_fields() {
    let table: [(&str, &str, Value); 26] = [
        (
            "command: echo $$$$ '$$(date)'",
            "args",
            json!(["echo", "$$$", "$$(date)"]),
        ),
        (
            "entrypoint: [a, b]\ncommand: [c]",
            "command",
            json!(["a", "b"]),
        ),
        ("entrypoint: []\ncommand: [c]", "command", json!(["c"])),
        ("command: []", "args", Value::Null),
        (
            "environment: {A: '$$(B)', C: ''}",
            "env",
            json!([{"name": "A", "value": "$$(B)"}, {"name": "C", "value": ""}]),
        ),
        ("working_dir: /x", "workingDir", json!("/x")),
        (
            "user: '7:8'",
            "securityContext",
            json!({"runAsUser": 7, "runAsGroup": 8}),
        ),
        ("user: root", "securityContext", json!({"runAsUser": 0})),
        ("user: nobody", "securityContext", Value::Null),
        ("tty: false\nstdin_open: true", "tty", json!(false)),
        (
            "pull_policy: missing",
            "imagePullPolicy",
            json!("IfNotPresent"),
        ),
        ("pull_policy: daily", "imagePullPolicy", json!("Always")),
        (
            "privileged: true\nsecurity_opt: ['no-new-privileges:true']",
            "securityContext",
            json!({"privileged": true}),
        ),
        (
            "security_opt: ['no-new-privileges:true']",
            "securityContext/allowPrivilegeEscalation",
            json!(false),
        ),
        (
            "security_opt: ['seccomp:unconfined']",
            "securityContext/seccompProfile",
            json!({"type": "Unconfined"}),
        ),
        (
            "security_opt: ['seccomp=./p/x.json']",
            "securityContext/seccompProfile/type",
            json!("Localhost"),
        ),
        (
            "cap_add: [CAP_NET_ADMIN, net_admin]\ncap_drop: [all]",
            "securityContext/capabilities",
            json!({"add": ["NET_ADMIN"], "drop": ["ALL"]}),
        ),
        (
            "read_only: true",
            "securityContext/readOnlyRootFilesystem",
            json!(true),
        ),
        (
            "mem_limit: 64m\ncpus: 0.5",
            "resources",
            json!({"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": "0", "memory": "0"}}),
        ),
        (
            "deploy: {resources: {reservations: {memory: 1g}}}",
            "resources",
            json!({"requests": {"memory": "1Gi"}}),
        ),
        (
            "deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 2, capabilities: [gpu]}]}}}",
            "resources",
            json!({"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "2"}}),
        ),
        (
            "pre_stop: [{command: [a, b]}]",
            "lifecycle/preStop",
            json!({"exec": {"command": ["a", "b"]}}),
        ),
        (
            "post_start:\n- {command: [a, 'b c']}\n- {command: d, working_dir: /w, environment: {X: \"it's\"}}",
            "lifecycle/postStart/exec/command",
            json!([
                "/bin/sh",
                "-c",
                r"(a 'b c') && (export X='it'\''s'; cd /w && d)"
            ]),
        ),
        (
            "shm_size: 1g",
            "volumeMounts",
            json!([{"mountPath": "/dev/shm", "name": "dshm"}]),
        ),
        ("stop_signal: SIGINT", "lifecycle", Value::Null),
        (
            "expose: ['53/udp']",
            "ports",
            json!([{"containerPort": 53, "protocol": "UDP"}]),
        ),
    ];
    let table: Vec<_> = table
        .iter()
        .map(|(lines, path, value)| (*lines, container(path), value.clone()))
        .collect();
    let table: Vec<_> = table
        .iter()
        .map(|(lines, path, value)| (*lines, path.as_str(), value.clone()))
        .collect();
    rows(compose, "Deployment", &table);
}

#[test]
fn pod_fields() {
    let table: [(&str, &str, Value); 20] = [
        ("hostname: a.b", "hostname", json!("a")),
        ("hostname: A_b", "hostname", json!("a-b")),
        (
            "network_mode: host",
            "dnsPolicy",
            json!("ClusterFirstWithHostNet"),
        ),
        (
            "pid: host\ninit: true",
            "shareProcessNamespace",
            Value::Null,
        ),
        ("init: true", "shareProcessNamespace", json!(true)),
        ("userns_mode: host", "hostUsers", json!(true)),
        (
            "dns: [1.1.1.1, 2.2.2.2, 3.3.3.3, 4.4.4.4]",
            "dnsConfig",
            json!({"nameservers": ["1.1.1.1", "2.2.2.2", "3.3.3.3"]}),
        ),
        (
            "dns_opt: ['ndots:1', rotate]",
            "dnsConfig",
            json!({"options": [{"name": "ndots", "value": "1"}, {"name": "rotate"}]}),
        ),
        (
            "extra_hosts: ['a:1.2.3.4', 'b:1.2.3.4', 'c:host-gateway']",
            "hostAliases",
            json!([{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]),
        ),
        (
            "stop_grace_period: 1m0.5s",
            "terminationGracePeriodSeconds",
            json!(61),
        ),
        (
            "stop_grace_period: 0s",
            "terminationGracePeriodSeconds",
            json!(0),
        ),
        (
            "sysctls: {net.core.somaxconn: 1024, vm.max_map_count: 1}",
            "securityContext/sysctls",
            json!([{"name": "net.core.somaxconn", "value": "1024"}]),
        ),
        (
            "network_mode: host\nsysctls: {net.core.somaxconn: 1}",
            "securityContext/sysctls",
            Value::Null,
        ),
        (
            "group_add: ['7', 7, staff]",
            "securityContext/supplementalGroups",
            json!([7]),
        ),
        ("runtime: gvisor", "runtimeClassName", json!("gvisor")),
        (
            "platform: linux/x86_64",
            "nodeSelector",
            json!({"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}),
        ),
        ("privileged: true", "securityContext", Value::Null),
        ("ipc: host", "hostIPC", json!(true)),
        ("domainname: a.b", "subdomain", Value::Null),
        ("domainname: ab", "subdomain", json!("ab")),
    ];
    let table: Vec<_> = table
        .iter()
        .map(|(lines, path, value)| (*lines, pod(path), value.clone()))
        .collect();
    let table: Vec<_> = table
        .iter()
        .map(|(lines, path, value)| (*lines, path.as_str(), value.clone()))
        .collect();
    rows(compose, "Deployment", &table);
}

#[test]
fn what_kubernetes_cannot_say() {
    finds(
        compose,
        &[
            ("command: []", "clear-command"),
            ("stop_signal: SIGINT", "stop-signal-of-image"),
            ("user: nobody", "user-name"),
            ("group_add: [staff]", "user-name"),
            (
                "privileged: true\nsecurity_opt: ['no-new-privileges:true']",
                "privileged-escalation",
            ),
            ("security_opt: ['systempaths=unconfined']", "proc-masked"),
            ("security_opt: ['apparmor:mine']", "profile-on-nodes"),
            ("sysctls: {vm.max_map_count: 1}", "sysctl-impossible"),
            ("sysctls: {net.core.somaxconn: 1}", "sysctl-unsafe"),
            ("extra_hosts: ['a:host-gateway']", "host-gateway"),
            ("network_mode: bridge", "network-bridge"),
            ("init: true", "init-by-pause"),
            ("hostname: A_b", "host-name-changed"),
            ("restart: unless-stopped", "unless-stopped"),
            ("restart: on-failure\nports: ['80:80']", "restart-changed"),
            ("restart: on-failure", "service-is-job"),
            ("volumes: ['/data']", "volume-copy-up"),
            ("volumes: ['/etc/x:/etc/x']", "bind-node-path"),
            ("tmpfs: ['/t:mode=700']", "tmpfs-options"),
            (
                "volumes: [{type: image, source: a, target: /a}]",
                "image-volume",
            ),
            ("platform: linux/arm/v7", "platform"),
            ("build: {context: ./x, target: t}", "build-needed"),
            ("pre_stop: [{command: a, user: root}]", "hook-user"),
            ("storage_opt: {size: 1g}", "storage-limit"),
            ("labels: {a b: c}", "metadata-key"),
            ("labels: {a: b c}", "label-as-annotation"),
            (
                "labels: {traefik.enable: 'true'}",
                "labels-for-docker-tools",
            ),
            (
                "deploy: {labels: [caddy=x.example]}",
                "labels-for-docker-tools",
            ),
            ("volumes: ['/etc/x:/etc/x:z']", "selinux-label"),
            ("volumes: ['./x:/x:Z']", "selinux-relabel"),
            ("pull_policy: refresh", "pull-refresh"),
            ("gpus: all", "device-count"),
            ("gpus: [{device_ids: ['0']}]", "device-selection"),
            ("stop_grace_period: 1500ms", "rounded-up"),
            (
                "deploy: {placement: {constraints: ['node.id == x']}}",
                "placement-impossible",
            ),
            (
                "deploy: {placement: {constraints: ['node.labels.disk == ssd']}}",
                "node-label",
            ),
            (
                "deploy: {placement: {max_replicas_per_node: 2}}",
                "max-per-node",
            ),
            (
                "deploy: {update_config: {failure_action: rollback}}",
                "rollout-failure",
            ),
            ("deploy: {update_config: {monitor: 5s}}", "rollout-monitor"),
            (
                "deploy: {restart_policy: {condition: any, max_attempts: 3}}",
                "restart-endless",
            ),
            (
                "deploy: {restart_policy: {condition: any, delay: 5s}}",
                "restart-pauses",
            ),
        ],
    );
}

/// The lines of `what`, with kind and restart policy that follow.
#[test]
fn kinds_by_restart() {
    for (swarm_dialect, lines, kind, policy) in [
        (false, "", "Deployment", None),
        (false, "restart: always", "Deployment", None),
        (false, "restart: 'no'", "Job", Some("Never")),
        (false, "restart: 'no'\nports: ['80:80']", "Deployment", None),
        (
            false,
            "restart: 'no'\nhealthcheck: {test: x}",
            "Deployment",
            None,
        ),
        (false, "restart: on-failure:3", "Job", Some("OnFailure")),
        (true, "", "Deployment", None),
        (
            true,
            "deploy: {restart_policy: {condition: none}}",
            "Job",
            Some("Never"),
        ),
        (
            true,
            "deploy: {restart_policy: {condition: on-failure}, replicas: 2}",
            "Deployment",
            None,
        ),
        (true, "deploy: {mode: global}", "DaemonSet", None),
        (
            true,
            "deploy: {mode: replicated-job, replicas: 3}",
            "Job",
            Some("OnFailure"),
        ),
    ] {
        let written = if swarm_dialect {
            swarm(&service(lines))
        } else {
            compose(&service(lines))
        };
        let object = written
            .find(kind, "web")
            .unwrap_or_else(|| panic!("{kind} for {lines}: {:?}", written.names()));
        let found = object["spec"]["template"]["spec"]["restartPolicy"].as_str();
        assert_eq!(found, policy, "{lines}");
    }
    let attempts = compose(&service("restart: on-failure:3"));
    assert_eq!(attempts.only("Job")["spec"]["backoffLimit"], 3);
    assert_eq!(
        compose(&service("restart: 'no'")).only("Job")["spec"]["backoffLimit"],
        0
    );
    let waited = compose(
        "services:\n  web: {image: a, depends_on: {job: {condition: service_completed_successfully}}}\n  job: {image: b}\n",
    );
    assert!(
        waited.find("Job", "job").is_some(),
        "another service waits for its end"
    );
    let job = swarm(&service("deploy: {mode: replicated-job, replicas: 3}"));
    let spec = &job.only("Job")["spec"];
    assert_eq!(
        (&spec["completions"], &spec["parallelism"]),
        (&json!(3), &json!(3))
    );
}

#[test]
fn rollouts() {
    for (lines, expected) in [
        (
            "deploy: {update_config: {parallelism: 2}}",
            json!({"maxUnavailable": 2, "maxSurge": 0}),
        ),
        (
            "deploy: {update_config: {parallelism: 0}}",
            json!({"maxUnavailable": "100%", "maxSurge": 0}),
        ),
        (
            "deploy: {update_config: {order: start-first}}",
            json!({"maxUnavailable": 0, "maxSurge": 1}),
        ),
        (
            "deploy: {update_config: {parallelism: 3, order: start-first}}",
            json!({"maxUnavailable": 0, "maxSurge": 3}),
        ),
    ] {
        let written = swarm(&service(lines));
        let strategy = &written.only("Deployment")["spec"]["strategy"];
        assert_eq!(
            strategy,
            &json!({"type": "RollingUpdate", "rollingUpdate": expected}),
            "{lines}"
        );
        let daemon = swarm(&service(
            &lines.replace("deploy: {", "deploy: {mode: global, "),
        ));
        let strategy = &daemon.only("DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"];
        assert_eq!(strategy, &expected, "{lines}");
    }
    let written = swarm(&service(
        "deploy: {update_config: {delay: 10s, monitor: 5s}}",
    ));
    let spec = &written.only("Deployment")["spec"];
    assert_eq!(
        (&spec["minReadySeconds"], &spec["progressDeadlineSeconds"]),
        (&json!(10), &json!(605))
    );
}

#[test]
fn health() {
    let lines = "healthcheck: {test: curl x, interval: 7500ms, start_period: 12s, retries: 2}";
    let check = json!({"command": ["/bin/sh", "-c", "curl x"]});
    let steady =
        json!({"exec": check, "periodSeconds": 8, "timeoutSeconds": 30, "failureThreshold": 2});
    // Not killed before Docker gives it up: by Compose never, by Swarm after 12 s and twice 8 s.
    for (is_swarm, lives, attempts) in [(false, false, i32::MAX), (true, true, 28)] {
        let start = json!({"exec": check, "periodSeconds": 1, "timeoutSeconds": 30, "failureThreshold": attempts});
        let written = if is_swarm {
            swarm(&service(lines))
        } else {
            compose(&service(lines))
        };
        let container = &written.only("Deployment")["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["readinessProbe"], steady);
        assert_eq!(container["startupProbe"], start);
        assert_eq!(container.get("livenessProbe").is_some(), lives);
    }
    for (lines, expected) in [
        ("healthcheck: {test: [CMD, a, b]}", json!(["a", "b"])),
        // The kubelet would fill in what a shell or nobody shall.
        (
            "healthcheck: {test: [CMD, 'a$$(X)', '$$$$']}",
            json!(["a$$(X)", "$$$"]),
        ),
        (
            "healthcheck: {test: [CMD-SHELL, a b]}",
            json!(["/bin/sh", "-c", "a b"]),
        ),
        ("healthcheck: {test: [NONE]}", Value::Null),
        ("healthcheck: {disable: true}", Value::Null),
    ] {
        let written = compose(&service(lines));
        let probe = written
            .only("Deployment")
            .pointer(&container("readinessProbe/exec/command"));
        assert_eq!(probe.unwrap_or(&Value::Null), &expected, "{lines}");
    }
}

#[test]
fn a_start_is_looked_at_each_second_and_as_long_as_docker_would() {
    // The start period and twice the interval, in whole attempts.
    for (timings, period, attempts) in [
        ("interval: 2s", 1, 4),
        ("interval: 5s, start_period: 20s", 1, 30),
        ("interval: 1m, start_period: 20s, start_interval: 3s", 3, 47),
        ("interval: 4s, start_interval: 3s", 1, 8),
    ] {
        let lines = format!("healthcheck: {{test: curl x, {timings}, retries: 2}}");
        let written = swarm(&service(&lines));
        let container = &written.only("Deployment")["spec"]["template"]["spec"]["containers"][0];
        let started = &container["startupProbe"];
        assert_eq!(started["periodSeconds"], json!(period), "{timings}");
        assert_eq!(started["failureThreshold"], json!(attempts), "{timings}");
    }
}

#[test]
fn placement() {
    let constraint = |key: &str, operator: &str, values: Value| {
        if values.is_null() {
            json!({"key": key, "operator": operator})
        } else {
            json!({"key": key, "operator": operator, "values": values})
        }
    };
    for (constraint_text, expected) in [
        (
            "node.role == manager",
            constraint(
                "node-role.kubernetes.io/control-plane",
                "Exists",
                Value::Null,
            ),
        ),
        (
            "node.role != manager",
            constraint(
                "node-role.kubernetes.io/control-plane",
                "DoesNotExist",
                Value::Null,
            ),
        ),
        (
            "node.hostname != a",
            constraint("kubernetes.io/hostname", "NotIn", json!(["a"])),
        ),
        (
            "node.platform.arch == x86_64",
            constraint("kubernetes.io/arch", "In", json!(["amd64"])),
        ),
        (
            "node.labels.disk == ssd",
            constraint("disk", "In", json!(["ssd"])),
        ),
    ] {
        let written = swarm(&service(&format!(
            "deploy: {{placement: {{constraints: ['{constraint_text}']}}}}"
        )));
        let spec = &written.only("Deployment")["spec"]["template"]["spec"];
        let path = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        assert_eq!(
            spec.pointer(path),
            Some(&json!([{"matchExpressions": [expected]}])),
            "{constraint_text}"
        );
        assert_eq!(
            spec.get("tolerations").is_some(),
            constraint_text.ends_with("== manager"),
            "{constraint_text}"
        );
    }
    let one = swarm(&service(
        "deploy: {placement: {max_replicas_per_node: 1, preferences: [{spread: node.labels.zone}]}}",
    ));
    let spec = &one.only("Deployment")["spec"]["template"]["spec"];
    let path =
        "/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/topologyKey";
    assert_eq!(spec.pointer(path), Some(&json!("kubernetes.io/hostname")));
    assert_eq!(spec["topologySpreadConstraints"][0]["topologyKey"], "zone");
    assert_eq!(
        spec["topologySpreadConstraints"][0]["whenUnsatisfiable"],
        "ScheduleAnyway"
    );
}

#[test]
fn labels() {
    let written = compose(&service(
        "labels: {tier: front, text: 'any text', app.kubernetes.io/name: mine}\nannotations: {note: x}\ndeploy: {labels: \
         {of: unit}}",
    ));
    let deployment = written.only("Deployment");
    assert_eq!(deployment["metadata"]["labels"]["of"], "unit");
    let meta = &deployment["spec"]["template"]["metadata"];
    assert_eq!(meta["labels"]["tier"], "front");
    assert_eq!(
        meta["labels"]["app.kubernetes.io/name"], "web",
        "the selector's label is ours"
    );
    assert_eq!(
        meta["annotations"],
        json!({"app.kubernetes.io/name": "mine", "note": "x", "text": "any text"})
    );
    assert_eq!(
        deployment["spec"]["selector"]["matchLabels"]
            .as_object()
            .map(serde_json::Map::len),
        Some(2)
    );
}

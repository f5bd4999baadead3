//! Services that share what they have.

use serde_json::json;

use super::{compose, service};

/// A container of the file itself is its service.
#[test]
fn namespaces_of_a_named_container() {
    let written = compose(
        "services:\n  vpn: {image: a, container_name: tunnel}\n  web: {image: b, network_mode: 'container:tunnel'}\n",
    );
    let pod = &written.only("Deployment")["spec"]["template"]["spec"];
    let names: Vec<_> = pod["containers"].as_array().into_iter().flatten().collect();
    let names: Vec<_> = names.iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["vpn", "web"]);
    assert!(!written.codes().contains("namespace-impossible"));
    let foreign = compose(&service("network_mode: 'container:tunnel'"));
    assert!(foreign.codes().contains("namespace-impossible"));
}

/// The words of `restart` count in `deploy` as well.
#[test]
fn restart_policies_of_deploy() {
    for (word, kind) in [
        ("always", "Deployment"),
        ("unless-stopped", "Deployment"),
        ("'no'", "Job"),
    ] {
        let lines = format!("deploy: {{restart_policy: {{condition: {word}}}}}");
        let written = compose(&service(&lines));
        assert!(written.find(kind, "web").is_some(), "{word}");
    }
}

/// What `restart: ${POLICY:-}` leaves behind.
#[test]
fn an_empty_restart_policy_is_none() {
    let spec = |lines: &str| {
        let written = compose(&service(lines));
        assert!(!written.codes().contains("bad-value"), "{lines}");
        written.only("Deployment")["spec"].clone()
    };
    assert_eq!(spec("restart: ''"), spec(""));
}

/// A path of the node has a type only where nothing else can be there.
#[test]
fn types_of_node_paths() {
    for (path, kind) in [
        ("/srv/data", json!("DirectoryOrCreate")),
        ("/var/lib/app", json!("DirectoryOrCreate")),
        ("/var/run/app.sock", json!("Socket")),
        ("/var/run/utmp", json!(null)),
        ("/var/log/wtmp", json!(null)),
        ("/etc/passwd", json!(null)),
        ("/dev/dri", json!(null)),
        ("/opt/app/Caddyfile", json!(null)),
        ("/usr/bin/docker", json!(null)),
    ] {
        let written = compose(&service(&format!("volumes: ['{path}:/x']")));
        let volume = &written.only("Deployment")["spec"]["template"]["spec"]["volumes"][0];
        assert_eq!(volume["hostPath"]["type"], kind, "{path}");
    }
}

/// What others take over has to be one thing; what nobody takes over goes with its Pod.
#[test]
fn volumes_without_a_name() {
    let written = compose(
        "services:\n  db: {image: a, volumes: [/var/lib/mysql]}\n  app: {image: b, volumes_from: ['db:ro']}\n",
    );
    let claim = written.only("PersistentVolumeClaim");
    assert_eq!(claim["metadata"]["name"], "db-var-lib-mysql");
    assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteMany"]));
    for (unit, read_only) in [("db", json!(null)), ("app", json!(true))] {
        let pod = &written.object("Deployment", unit)["spec"]["template"]["spec"];
        let volume = &pod["volumes"][0]["persistentVolumeClaim"]["claimName"];
        assert_eq!(*volume, "db-var-lib-mysql", "{unit}");
        let mount = &pod["containers"][0]["volumeMounts"][0];
        assert_eq!(mount["mountPath"], "/var/lib/mysql");
        assert_eq!(mount["readOnly"], read_only, "{unit}");
    }
    assert!(!written.codes().contains("anonymous-volume"));
    let alone = compose(&service("volumes: [/data]"));
    assert!(alone.codes().contains("anonymous-volume"));
    let volume = &alone.only("Deployment")["spec"]["template"]["spec"]["volumes"][0];
    assert_eq!(volume["emptyDir"], json!({}));
}

/// A fresh claim belongs to root.
#[test]
fn claims_of_other_users() {
    let group = |lines: &str| {
        let text = format!("{}volumes: {{data: {{}}}}\n", service(lines));
        let written = compose(&text);
        let pod = &written.only("Deployment")["spec"]["template"]["spec"];
        let said = written.codes().contains("claim-group");
        let group = pod["securityContext"]["fsGroup"].clone();
        assert_eq!(said, !group.is_null(), "{lines}");
        group
    };
    assert_eq!(group("user: '7:8'\nvolumes: ['data:/x']"), json!(8));
    assert_eq!(group("user: '7'\nvolumes: ['./none:/x']"), json!(7));
    for lines in [
        "user: '0:8'\nvolumes: ['data:/x']",
        "user: nobody\nvolumes: ['data:/x']",
        "user: '7'\nvolumes: ['data:/x:ro']",
        "user: '7'\nvolumes: [/x, '/srv/x:/y']",
        "volumes: ['data:/x']",
    ] {
        assert_eq!(group(lines), json!(null), "{lines}");
    }
}

/// What shares processes or IPC keeps its names in Docker, and its network; a Pod has one.
#[test]
fn names_of_services_that_share_processes() {
    let written = compose(
        "services:\n  app: {image: a, ports: ['80:80']}\n  side: {image: b, container_name: dbg, pid: 'service:app', ports: ['81:80']}\n  own: {image: c, network_mode: 'service:app'}\n",
    );
    let pod = &written.only("Deployment")["spec"]["template"]["metadata"]["labels"];
    for name in ["app", "side", "dbg"] {
        let selector = &written.object("Service", name)["spec"]["selector"];
        assert_eq!(
            selector["app.kubernetes.io/name"], pod["app.kubernetes.io/name"],
            "{name}"
        );
    }
    assert!(written.find("Service", "own").is_none());
}

/// Docker resolves the name of a container that is not healthy yet, so a check may go through it.
#[test]
fn health_checks_through_the_own_name() {
    let check = "healthcheck: {test: [CMD, mongosh, 'mongodb://web:27017/']}\nports: ['27017:27017']\ncontainer_name: mongo";
    let written = compose(&service(check));
    for (name, open) in [("web", true), ("mongo", true), ("web-published", false)] {
        let spec = &written.object("Service", name)["spec"];
        let ready = spec.get("publishNotReadyAddresses");
        assert_eq!(ready, open.then_some(&json!(true)), "{name}");
    }
    assert!(written.codes().contains("health-by-own-name"));
    for check in [
        "healthcheck: {test: pg_isready -h localhost -U web}\nexpose: [1]",
        "healthcheck: {test: pg_isready -h web}\nhostname: web\nexpose: [1]",
    ] {
        let written = compose(&service(check));
        let spec = &written.object("Service", "web")["spec"];
        assert_eq!(spec.get("publishNotReadyAddresses"), None, "{check}");
    }
}

/// A name that changes is still written where others ask for it.
#[test]
fn where_old_names_stand() {
    let written = compose(
        "services:\n  plugin_daemon: {image: a, container_name: my_daemon}\n  api: {image: b, container_name: my_api, environment: {URL: 'http://plugin_daemon:5002', OTHER: my_plugin_daemon}, command: [run, --to, my_api]}\n",
    );
    let message = |code: &str| {
        let of_code = written
            .findings
            .as_slice()
            .iter()
            .filter(|f| f.code.0 == code);
        of_code.map(|f| f.message.clone()).collect::<Vec<_>>()
    };
    let changed = message("name-changed");
    assert!(
        changed.iter().any(|m| m.ends_with("stands in `api` (URL)")),
        "{changed:?}"
    );
    let unused = message("alias-unused");
    assert!(
        unused.len() == 1 && unused[0].contains("my_daemon"),
        "{unused:?}"
    );
    assert!(message("alias-impossible")[0].contains("my_api"));
}

//! Names, ports and networks.

use serde_json::{Value, json};

use super::{Written, compose, service, swarm, with_files};
use crate::orchestration::kubernetes::{KubernetesOptions, Publish};
use crate::orchestration::model::Dialect;
use crate::source::Memory;

/// The ports of a Service as `port:targetPort/protocol`.
fn ports(service: &Value) -> Vec<String> {
    let ports = service["spec"]["ports"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    ports
        .iter()
        .map(|p| {
            format!(
                "{}:{}/{}",
                p["port"],
                p["targetPort"],
                p["protocol"].as_str().unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn the_own_name_is_on_container_ports() {
    let written = compose(&service(
        "ports: ['8080:80', '53:53/udp', '53:53/tcp']\nexpose: [9000]",
    ));
    let base = written.object("Service", "web");
    assert_eq!(
        ports(base),
        ["80:80/TCP", "53:53/UDP", "53:53/TCP", "9000:9000/TCP"]
    );
    assert_eq!(base["spec"].get("type"), None);
    let published = written.object("Service", "web-published");
    assert_eq!(ports(published), ["8080:80/TCP", "53:53/UDP", "53:53/TCP"]);
    assert_eq!(published["spec"]["type"], "LoadBalancer");
    let names: std::collections::BTreeSet<_> = published["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| p["name"].to_string())
        .collect();
    assert_eq!(names.len(), 3, "names differ");
}

#[test]
fn a_service_without_ports_still_has_a_name() {
    let written = compose(&service(""));
    let base = written.object("Service", "web");
    assert_eq!(base["spec"]["clusterIP"], "None");
    assert_eq!(base["spec"].get("ports"), None);
}

#[test]
fn ways_in() {
    let written = compose(&service(
        "ports: ['80', '127.0.0.1:81:81', '10.0.0.1:82:82', '90-91:83', '84:84', '84:85']",
    ));
    assert_eq!(
        ports(written.object("Service", "web-published")),
        ["82:82/TCP", "90:83/TCP", "84:84/TCP"]
    );
    let any = written.object("Service", "web-published-any");
    assert_eq!(
        (ports(any), &any["spec"]["type"]),
        (vec!["80:80/TCP".to_owned()], &json!("NodePort"))
    );
    assert_eq!(ports(written.object("Service", "web")).len(), 6);
    for code in ["port-loopback", "port-address", "port-range", "port-twice"] {
        assert!(written.codes().contains(code), "{code}");
    }
}

#[test]
fn ports_of_the_node() {
    let written = swarm(&service(
        "ports: [{target: 80, published: 8080, mode: host}, {target: 81, mode: host}]\ndeploy: {replicas: 2}",
    ));
    assert!(written.find("Service", "web-published").is_none());
    let container = &written.only("Deployment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["ports"],
        json!([{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81, "hostPort": 81}])
    );
    assert!(
        written
            .codes()
            .is_superset(&["host-port", "host-port-any"].into())
    );
}

#[test]
fn published_by_choice() {
    let text = service(
        "ports: ['8080:80', '30080:81', '40000:82', {target: 83, published: '83', app_protocol: http}]",
    );
    let by = |publish| {
        let options = KubernetesOptions {
            publish,
            ..Default::default()
        };
        with_files(&text, Dialect::Compose, &options, &Memory::default())
    };
    let node = by(Publish::NodePort);
    let published = node.object("Service", "web-published");
    assert_eq!(published["spec"]["type"], "NodePort");
    let numbers: Vec<_> = published["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| p.get("nodePort"))
        .collect();
    assert_eq!(numbers, [None, Some(&json!(30080)), None, None]);
    assert!(node.codes().contains("node-port"));
    assert_eq!(
        by(Publish::ClusterIp).object("Service", "web-published")["spec"]["type"],
        "ClusterIP"
    );
    let ingress = by(Publish::Ingress);
    assert_eq!(
        ports(ingress.object("Service", "web-http")),
        ["8080:80/TCP", "83:83/TCP"]
    );
    assert_eq!(
        ports(ingress.object("Service", "web-published")),
        ["30080:81/TCP", "40000:82/TCP"]
    );
    let rules = &ingress.only("Ingress")["spec"]["rules"];
    assert_eq!(
        rules[0]["http"]["paths"][0]["backend"]["service"],
        json!({"name": "web-http", "port": {"number": 8080}})
    );
    assert_eq!(rules.as_array().map(Vec::len), Some(2));
}

#[test]
fn names_of_ports() {
    let written = compose(&service(
        "ports:\n- {target: 80, name: a-very-long-name-of-a-port}\n- {target: 81, name: a-very-long-name-of-another, \
         app_protocol: bad value}",
    ));
    let container = &written.only("Deployment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["name"], "a-very-long-nam");
    assert_eq!(
        container["ports"][1].get("name"),
        None,
        "the same fifteen letters"
    );
    assert_eq!(
        written.object("Service", "web")["spec"]["ports"][0]["name"],
        "a-very-long-name-of-a-port"
    );
    assert!(
        written
            .codes()
            .is_superset(&["port-renamed", "port-protocol"].into())
    );
}

const SHARED: &str = "services:
  one: {image: a, expose: [80], container_name: first, networks: {n: {aliases: [both, one, two]}}}
  two: {image: a, expose: [81], networks: {n: {aliases: [both, not.possible]}}}
  three: {image: a, links: ['one:uno']}
networks: {n: {}}
";

#[test]
fn other_names() {
    let written = compose(SHARED);
    let label = "migrate.tmhcc.io/alias-both";
    let both = written.object("Service", "both");
    assert_eq!(
        both["spec"]["selector"],
        json!({label: "true", "app.kubernetes.io/instance": "app"})
    );
    assert_eq!(ports(both), ["80:80/TCP", "81:81/TCP"]);
    for (name, wears) in [("one", true), ("two", true), ("three", false)] {
        let labels = &written.object("Deployment", name)["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels.get(label).is_some(), wears, "{name}");
    }
    // An alias that is another unit's name: both answer to it.
    let two = written.object("Service", "two");
    assert_eq!(
        two["spec"]["selector"]["migrate.tmhcc.io/alias-two"],
        "true"
    );
    for (name, role) in [
        ("both", "alias"),
        ("first", "container-name"),
        ("uno", "link"),
        ("one", "name"),
    ] {
        let service = written.object("Service", name);
        assert_eq!(
            service["metadata"]["annotations"]["migrate.tmhcc.io/role"], role,
            "{name}"
        );
    }
    assert!(
        written
            .codes()
            .is_superset(&["alias-impossible", "alias-wider"].into())
    );
}

#[test]
fn answering_with_instances() {
    let written = swarm(&service(
        "ports: [{target: 80, mode: host, published: 80}]\ndeploy: {endpoint_mode: dnsrr}",
    ));
    let base = written.object("Service", "web");
    assert_eq!(
        (&base["spec"]["clusterIP"], ports(base)),
        (&json!("None"), vec!["80:80/TCP".to_owned()])
    );
}

const NETWORKS: &str = "services:
  one: {image: a, networks: [front], ports: ['80:80']}
  two: {image: a, networks: [back]}
  three: {image: a, network_mode: none}
networks: {front: {}, back: {internal: true}}
";

#[test]
fn networks_are_flat_unless_enforced() {
    let written = compose(NETWORKS);
    assert!(
        written
            .codes()
            .is_superset(&["network-isolation", "internal-network", "network-none"].into())
    );
    assert!(
        written.find("Service", "three").is_none(),
        "no network, no name"
    );
    let none = written.only("NetworkPolicy");
    assert_eq!(none["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(
        none["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"],
        "three"
    );
}

#[test]
fn policies() {
    let options = KubernetesOptions {
        network_policies: true,
        ..Default::default()
    };
    let written = with_files(NETWORKS, Dialect::Compose, &options, &Memory::default());
    assert!(
        !written.codes().contains("network-isolation")
            && !written.codes().contains("internal-network")
    );
    let label = |network: &str| json!({format!("migrate.tmhcc.io/network-{network}"): "true", "app.kubernetes.io/instance": "app"});
    let back = &written.object("NetworkPolicy", "network-back")["spec"];
    assert_eq!(back["podSelector"]["matchLabels"], label("back"));
    assert_eq!(
        back["ingress"][0]["from"][0]["podSelector"]["matchLabels"],
        label("back")
    );
    assert_eq!(
        back["egress"].as_array().map(Vec::len),
        Some(2),
        "own network and names only"
    );
    let front = &written.object("NetworkPolicy", "network-front")["spec"];
    assert_eq!(front["egress"], json!([{}]), "a way out");
    let published = &written.object("NetworkPolicy", "one-published")["spec"];
    assert_eq!(
        published["ingress"],
        json!([{"ports": [{"port": 80, "protocol": "TCP"}]}])
    );
}

/// Pods of several services that share a network namespace are one unit.
#[test]
fn one_pod_for_several_services() {
    let written: Written = compose(
        "services:\n  main: {image: a, ports: ['80:80']}\n  side_car: {image: b, network_mode: 'service:main'}\n",
    );
    let document = &written
        .output
        .documents
        .iter()
        .find(|d| d.value["kind"] == "Deployment")
        .expect("one");
    assert_eq!(document.subjects, ["services.main", "services.side_car"]);
    let template = &document.value["spec"]["template"];
    assert_eq!(template["spec"]["containers"][1]["name"], "side-car");
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(
        annotations["migrate.tmhcc.io/containers"],
        "side-car=side_car"
    );
    assert_eq!(annotations["migrate.tmhcc.io/services"], "main,side_car");
}

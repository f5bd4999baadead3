//! Names that lead to services, and those that do not.

use serde_json::json;

use super::{convert, convert_with, said, workload};
use crate::orchestration::compose::ComposeTarget::{Compose, Swarm};
use crate::orchestration::compose::{ComposeOptions, IngressProxy};

fn service(name: &str, selected: &str, ports: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{selector: {{app: {selected}}}, ports: [{ports}]}}
"
    )
}

#[test]
fn names_and_the_network_of_the_host() {
    let spec = "hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet, containers: [{name: app, image: a, ports: [{containerPort: 80}]}]";
    let text = workload("DaemonSet", spec)
        + "---\n"
        + &workload("Deployment", "containers: [{name: web, image: a}]").replace("app}", "web}")
        + &service("app", "app", "{port: 80}")
        + &service("web", "web", "{port: 80}");
    for (target, code) in [
        (Compose, "name-without-network"),
        (Swarm, "host-network-in-swarm"),
    ] {
        let (_, findings) = convert(&text, target);
        assert_eq!(said(&findings, code).len(), 1, "{target:?}");
        let other = said(&findings, "names-from-host-network");
        assert!(other.len() == 1 && other[0].contains("`web`"), "{other:?}");
        let ports = said(&findings, "name-has-all-ports");
        assert!(
            ports.iter().any(|m| m.contains("`app` answers nowhere")),
            "{ports:?}"
        );
        // Without that policy, the name server is the host's in the cluster as well.
        let plain = text.replace("dnsPolicy: ClusterFirstWithHostNet, ", "");
        let (_, findings) = convert(&plain, target);
        assert_eq!(said(&findings, "names-from-host-network").len(), 0);
    }
}

#[test]
fn a_service_of_a_sidecar_does_not_lead_to_the_main_container() {
    let spec = "containers: [{name: main, image: a, ports: [{containerPort: 8080}]}, {name: proxy, image: a, ports: [{name: https, containerPort: 8443}]}]";
    let text = workload("Deployment", spec);
    let beside = text.clone() + &service("app", "app", "{port: 8443, targetPort: https}");
    let (document, findings) = convert(&beside, Swarm);
    let services = document["services"].as_object().unwrap();
    let keys: Vec<_> = services.keys().map(String::as_str).collect();
    assert_eq!(keys, ["app-main", "app-proxy"]);
    assert_eq!(
        document["services"]["app-proxy"]["networks"]["default"]["aliases"],
        json!(["app"])
    );
    assert_eq!(document["services"]["app-main"].get("networks"), None);
    assert_eq!(said(&findings, "name-of-several-services").len(), 0);
    // In Compose, both share one address.
    let (document, _) = convert(&beside, Compose);
    assert!(document["services"].get("app").is_some());

    let both = text + &service("app", "app", "{port: 8080}, {port: 8443}");
    let (document, findings) = convert(
        &both.replace(
            "{port: 8080}, {port",
            "{name: a, port: 8080}, {name: b, port",
        ),
        Swarm,
    );
    assert!(document["services"].get("app").is_some());
    assert_eq!(said(&findings, "name-of-several-services").len(), 1);
}

#[test]
fn names_with_the_default_namespace() {
    let aliases = |variables: &str| {
        let spec = format!("containers: [{{name: app, image: a, env: [{variables}]}}]");
        let text = workload("Deployment", &spec) + &service("web", "app", "{port: 80}");
        let (document, _) = convert(&text, Compose);
        document["services"]["app"]["networks"]["default"]["aliases"].clone()
    };
    let all = json!([
        "web",
        "web.default",
        "web.default.svc",
        "web.default.svc.cluster.local"
    ]);
    assert_eq!(
        aliases("{name: A, value: 'http://web.default.svc:80'}"),
        all
    );
    assert_eq!(aliases("{name: A, value: 'web.default:80'}"), all);
    assert_eq!(
        aliases("{name: A, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}"),
        all
    );
    for none in [
        "{name: A, value: /etc/app.defaults}",
        "{name: A, value: .default}",
    ] {
        assert_eq!(aliases(none), json!(["web"]), "{none}");
    }
}

#[test]
fn a_service_with_addresses_of_its_own() {
    let outside = "---
apiVersion: v1
kind: Service
metadata: {name: ext}
spec: {ports: [{port: 5432}]}
";
    let text = workload("Deployment", "containers: [{name: app, image: a}]") + outside;
    let (_, findings) = convert(&text, Compose);
    assert_eq!(
        said(&findings, "external-name"),
        ["`ext` selects nothing, and no addresses are given for it"]
    );
    let text = text
        + "---
apiVersion: v1
kind: Endpoints
metadata: {name: ext}
subsets: [{addresses: [{ip: 10.0.0.7}], ports: [{port: 5432}]}]
";
    for (target, line) in [(Compose, "ext=10.0.0.7"), (Swarm, "ext:10.0.0.7")] {
        let (document, findings) = convert(&text, target);
        assert_eq!(document["services"]["app"]["extra_hosts"], json!([line]));
        assert_eq!(
            said(&findings, "manual-endpoints"),
            ["`ext` leads to `10.0.0.7` by `/etc/hosts`"]
        );
    }
}

#[test]
fn addresses_that_a_server_gave_are_not_missed() {
    let text = workload("Deployment", "containers: [{name: app, image: a}]")
        + &service("app", "app", "{port: 80}").replace(
            "selector",
            "clusterIP: 10.1.2.3, clusterIPs: [10.1.2.3], selector",
        );
    let (_, findings) = convert(&text, Compose);
    assert_eq!(said(&findings, "fixed-service-address").len(), 2);
    let read = text.replace(
        "metadata: {name: app}\nspec: {clusterIP",
        "metadata: {name: app, resourceVersion: '7'}\nspec: {clusterIP",
    );
    let (_, findings) = convert(&read, Compose);
    assert_eq!(said(&findings, "fixed-service-address").len(), 0);
    let headless = text.replace("10.1.2.3", "None");
    let (_, findings) = convert(&headless, Compose);
    assert_eq!(said(&findings, "fixed-service-address").len(), 0);
}

#[test]
fn what_two_files_repeat_is_read_once() {
    let text = workload("Deployment", "containers: [{name: app, image: a}]");
    let (once, _) = convert(&text, Compose);
    let (twice, findings) = convert(&format!("{text}---\n{text}"), Compose);
    assert_eq!(said(&findings, "object-repeated").len(), 1);
    assert_eq!(once, twice);
}

#[test]
fn routes_of_one_path_do_not_meet() {
    let container = |port: u16| {
        format!(
            "containers: [{{name: app, image: a, ports: [{{name: http, containerPort: {port}}}]}}]"
        )
    };
    let other = workload("Deployment", &container(8081))
        .replace("name: app}", "name: api}")
        .replacen(
            "kind: Deployment\nmetadata: {name: app}",
            "kind: Deployment\nmetadata: {name: api}",
            1,
        );
    let ingress = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec:
  rules:
  - host: h
    http:
      paths:
      - {path: /foo, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /foo, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
";
    let text = workload("Deployment", &container(8080))
        + "---\n"
        + &other
        + &service("web", "app", "{port: 80, targetPort: http}")
        + ingress;
    let options = ComposeOptions {
        ingress: IngressProxy::Traefik,
        ..ComposeOptions::default()
    };
    let (document, _) = convert_with(&text, &options);
    for (key, port) in [("app", "8080"), ("api", "8081")] {
        let labels = document["services"][key]["labels"].as_object().unwrap();
        let of = |end: &str| -> Vec<_> {
            let labels = labels.iter().filter(|(label, _)| label.ends_with(end));
            labels.map(|(_, value)| value.as_str().unwrap()).collect()
        };
        assert_eq!(of(".rule").len(), 2, "{labels:?}");
        assert_eq!(of(".server.port"), [port, port]);
    }
}

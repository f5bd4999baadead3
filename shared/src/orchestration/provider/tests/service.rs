//! Load balancers of layer 4.

use serde_json::json;

use super::super::{Exposure, Options};
use super::{run, run_with};

fn service(annotations: &str, ports: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations: {annotations}\nspec:\n  type: LoadBalancer\n  ports: {ports}\n"
    )
}

const ALI: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
const AWS: &str = "service.beta.kubernetes.io/aws-load-balancer-";

#[test]
fn the_interval_of_checks_is_above_their_timeout() {
    let text = service(
        "{kubernetes.io/elb.class: union, kubernetes.io/elb.autocreate: '{\"type\":\"inner\"}', kubernetes.io/elb.health-check-option: '{\"delay\":\"5\",\"timeout\":\"10\"}'}",
        "[{port: 80}]",
    );
    let done = run("huawei", "aws", &text);
    let at = |key: &str| done.annotation("Service", &format!("{AWS}healthcheck-{key}"));
    assert_eq!(at("timeout"), Some("10"));
    assert_eq!(at("interval"), Some("11"));
    assert!(
        done.says("provider-value-clamped", "5 becomes 11"),
        "{}",
        done.said()
    );
}

#[test]
fn an_idle_timeout_is_that_of_each_port() {
    let text = service(
        "{kubernetes.io/elb.class: union, kubernetes.io/elb.autocreate: '{\"type\":\"inner\"}', kubernetes.io/elb.keepalive_timeout: '900', kubernetes.io/elb.protocol-port: 'https:443'}",
        "[{name: a, port: 80}, {name: b, port: 443}]",
    );
    let done = run("huawei", "aws", &text);
    for port in ["TCP-80", "TLS-443"] {
        assert_eq!(
            done.annotation("Service", &format!("{AWS}listener-attributes.{port}")),
            Some("tcp.idle_timeout.seconds=900"),
            "{port}"
        );
    }
    let text = service(
        &format!(
            "{{{AWS}type: external, {AWS}listener-attributes.TCP-80: tcp.idle_timeout.seconds=90, {AWS}listener-attributes.TCP-81: tcp.idle_timeout.seconds=120}}"
        ),
        "[{name: a, port: 80}, {name: b, port: 81}]",
    );
    let done = run("aws", "huawei", &text);
    assert_eq!(
        done.annotation("Service", "kubernetes.io/elb.keepalive_timeout"),
        Some("90")
    );
    assert!(done.says("provider-setting-approximate", "`120`"));
    assert!(!done.says("provider-key-unknown", ""), "{}", done.said());
}

#[test]
fn tls_in_front_of_tcp_is_no_https() {
    let text = service(
        &format!(
            "{{{AWS}type: external, {AWS}ssl-cert: cert-1, {AWS}ssl-ports: '5671,amqps', {AWS}backend-protocol: tcp, {AWS}listener-attributes.TLS-5671: tcp.idle_timeout.seconds=600}}"
        ),
        "[{name: amqps, port: 5671}]",
    );
    let done = run("aws", "ali", &text);
    let at = |key: &str| done.annotation("Service", &format!("{ALI}{key}"));
    assert_eq!(at("protocol-port"), Some("tcpssl:5671"));
    assert_eq!(at("established-timeout"), None);
    assert_eq!(at("idle-timeout"), Some("600"));
    assert!(!done.says("provider-setting-lost", "the protocol to the backends"));
    let done = run("aws", "huawei", &text);
    assert_eq!(
        done.annotation("Service", "kubernetes.io/elb.protocol-port"),
        Some("tls:5671")
    );
    let text = service(
        &format!("{{{ALI}address-type: intranet, {ALI}protocol-port: 'tcpssl:443'}}"),
        "[{port: 443}]",
    )
    .replace(
        "type: LoadBalancer",
        "type: LoadBalancer\n  loadBalancerClass: alibabacloud.com/nlb",
    );
    let done = run("ali", "huawei", &text);
    assert_eq!(
        done.annotation("Service", "kubernetes.io/elb.protocol-port"),
        Some("tls:443")
    );
}

#[test]
fn stickiness_without_a_type_is_that_of_the_load_balancer() {
    let text = service(
        &format!("{{{AWS}type: external, {AWS}target-group-attributes: stickiness.enabled=true}}"),
        "[{port: 80}]",
    );
    let done = run("aws", "huawei", &text);
    assert_eq!(
        done.annotation("Service", "kubernetes.io/elb.session-affinity-mode"),
        Some("SOURCE_IP")
    );
    assert!(!done.says("provider-key-unknown", ""), "{}", done.said());
}

#[test]
fn what_no_manifest_tells_does_not_become_public() {
    let text = service("{}", "[{port: 80}]");
    let done = run("aws", "ali", &text);
    assert_eq!(
        done.annotation("Service", &format!("{ALI}address-type")),
        Some("intranet")
    );
    assert!(done.says("exposure-assumed", ""), "{}", done.said());
    let options = Options {
        unknown_exposure: Exposure::Public,
        ..Options::default()
    };
    let done = run_with("aws", "ali", &text, &options);
    assert_eq!(
        done.annotation("Service", &format!("{ALI}address-type")),
        Some("internet")
    );
}

#[test]
fn allowed_addresses_get_a_security_group_where_there_is_no_list() {
    for (from, text) in [
        (
            "huawei",
            service(
                "{kubernetes.io/elb.class: union, kubernetes.io/elb.autocreate: '{\"type\":\"public\"}', kubernetes.io/elb.acl-id: acl-1, kubernetes.io/elb.acl-status: 'on', kubernetes.io/elb.acl-type: white}",
                "[{port: 80}]",
            ),
        ),
        (
            "google",
            service(
                "{}",
                "[{port: 80}]\n  loadBalancerSourceRanges: [192.0.2.0/24]",
            ),
        ),
    ] {
        let done = run(from, "tencent", &text);
        let group = done.annotation("Service", "service.cloud.tencent.com/security-groups");
        assert!(
            group.is_some_and(|g| g.starts_with("TODO-")),
            "{from}: {}",
            done.said()
        );
        assert!(!done.converted.missing.is_empty());
    }
    let text = service(
        &format!(
            "{{{AWS}type: external, {AWS}scheme: internet-facing, {AWS}security-groups: sg-1}}"
        ),
        "[{port: 80}]",
    );
    assert!(run("aws", "google", &text).says("provider-setting-lost", "security groups"));
}

#[test]
fn https_has_its_certificate() {
    let text = service(
        &format!(
            "{{{AWS}type: external, {AWS}ssl-cert: cert-1, {AWS}ssl-ports: '443', {AWS}backend-protocol: http}}"
        ),
        "[{port: 443}]",
    );
    let done = run("aws", "tencent", &text);
    let secret = done.of("Secret");
    assert_eq!(
        secret["stringData"]["qcloud_cert_id"],
        json!("TODO-certificate-cert-1")
    );
    let name = secret["metadata"]["name"].as_str().unwrap();
    assert_eq!(
        done.annotation("Service", "service.cloud.tencent.com/specify-protocol"),
        Some(format!("{{\"443\":{{\"protocol\":[\"HTTPS\"],\"tls\":\"{name}\"}}}}").as_str())
    );
    let text = service(
        "{service.cloud.tencent.com/specify-protocol: '{\"443\":{\"protocol\":[\"HTTPS\"],\"tls\":\"s\"}}'}",
        "[{port: 443}]",
    );
    let done = run("tencent", "ali", &text);
    assert_eq!(
        done.annotation("Service", &format!("{ALI}cert-id")),
        Some("TODO-certificate-s"),
        "{}",
        done.said()
    );
}

#[test]
fn a_path_of_checks_makes_them_checks_of_http() {
    let text = service(
        "{service.beta.kubernetes.io/azure-load-balancer-health-probe-request-path: /healthz}",
        "[{port: 80}]",
    );
    let done = run("azure", "huawei", &text);
    assert_eq!(
        done.annotation("Service", "kubernetes.io/elb.health-check-option"),
        Some("{\"path\":\"/healthz\",\"protocol\":\"HTTP\"}")
    );
}

#[test]
fn words_of_one_provider_do_not_reach_another() {
    let text = service(
        "{service.kubernetes.io/service.extensiveParameters: '{\"VipIsp\":\"BGP\"}'}",
        "[{port: 80}]",
    );
    let done = run("tencent", "huawei", &text);
    let made = done.annotation("Service", "kubernetes.io/elb.autocreate");
    assert!(made.is_some_and(|m| m.contains("\"5_bgp\"")), "{made:?}");
}

#[test]
fn findings_are_about_what_is_gone() {
    // What goes along with a key went where it went.
    let text = service(
        "{kubernetes.io/elb.class: union, kubernetes.io/elb.autocreate: '{\"type\":\"inner\"}', kubernetes.io/elb.acl-id: acl-1, kubernetes.io/elb.acl-status: 'on', kubernetes.io/elb.acl-type: white}",
        "[{port: 80}]",
    );
    let done = run("huawei", "ali", &text);
    assert!(
        !done.says("provider-setting-replaced", "acl"),
        "{}",
        done.said()
    );
    // Nothing is no address.
    let text = service(
        "{kubernetes.io/elb.class: union, kubernetes.io/elb.autocreate: '{\"type\":\"inner\",\"vip_address\":\"10.0.0.2\"}'}",
        "[{port: 80}]\n  loadBalancerIP: ''",
    );
    let done = run("huawei", "ali", &text);
    assert!(
        !done.says("provider-setting-approximate", "``"),
        "{}",
        done.said()
    );
    // The controller itself writes it.
    let text = service(
        "{cloud.google.com/neg: '{\"ingress\": true}'}",
        "[{port: 80}]",
    );
    let done = run("google", "aws", &text);
    assert!(!done.says("provider-value-unknown", ""), "{}", done.said());
}

#[test]
fn a_word_that_nobody_knows_opens_nothing() {
    const AZURE: &str = "service.beta.kubernetes.io/azure-load-balancer-internal";
    // In other letters, and as a boolean of another sort: closed is closed.
    for (from, key, word) in [
        ("azure", AZURE.to_owned(), "'True'"),
        ("azure", AZURE.to_owned(), "'yes'"),
        ("azure", AZURE.to_owned(), "true"),
        ("ali", format!("{ALI}address-type"), "Intranet"),
        ("aws", format!("{AWS}internal"), "10.0.0.0/8"),
        (
            "google",
            "networking.gke.io/load-balancer-type".to_owned(),
            "internal",
        ),
    ] {
        let text = service(&format!("{{{key}: {word}}}"), "[{port: 80}]");
        let done = run(from, "huawei", &text);
        let made = done.annotation("Service", "kubernetes.io/elb.autocreate");
        assert!(
            made.is_some_and(|made| made.contains("\"inner\"")),
            "{from} {word}: {made:?}\n{}",
            done.said()
        );
        assert!(!done.says("exposure-assumed", ""), "{}", done.said());
    }
    // What would open it must be said in the provider's own words.
    for (from, key, word) in [
        ("azure", AZURE.to_owned(), "'False '"),
        ("azure", AZURE.to_owned(), "''"),
        ("azure", AZURE.to_owned(), "private"),
        ("ali", format!("{ALI}address-type"), "vpc"),
        ("aws", format!("{AWS}scheme"), "public"),
        (
            "google",
            "networking.gke.io/load-balancer-type".to_owned(),
            "Both",
        ),
    ] {
        let text = service(&format!("{{{key}: {word}}}"), "[{port: 80}]");
        let done = run(from, "huawei", &text);
        let made = done.annotation("Service", "kubernetes.io/elb.autocreate");
        assert!(
            made.is_some_and(|made| made.contains("\"inner\"")),
            "{from} {word}: {made:?}\n{}",
            done.said()
        );
        assert!(done.says("exposure-assumed", ""), "{}", done.said());
        assert!(done.says("provider-value-unknown", ""), "{}", done.said());
    }
}

#[test]
fn an_nlb_has_settings_of_its_own() {
    // What a CLB is told, and an NLB does not listen to.
    const CLB: [&str; 8] = [
        "persistence-timeout",
        "established-timeout",
        "health-check-switch",
        "acl-id",
        "acl-status",
        "http2-enabled",
        "charge-type",
        "bandwidth",
    ];
    let text = service(
        &format!(
            "{{{AWS}type: external, {AWS}scheme: internet-facing, {AWS}ssl-cert: cert-1, {AWS}ssl-ports: '443', {AWS}backend-protocol: tcp, {AWS}target-group-attributes: 'stickiness.enabled=true,stickiness.type=source_ip', {AWS}healthcheck-protocol: http, {AWS}healthcheck-path: /up, {AWS}healthcheck-timeout: '6', {AWS}proxy-protocol: '*', {AWS}listener-attributes.TLS-443: tcp.idle_timeout.seconds=600}}"
        ),
        "[{port: 443}, {port: 80}]\n  loadBalancerSourceRanges: [192.0.2.0/24]",
    );
    let done = run("aws", "ali", &text);
    let at = |key: &str| done.annotation("Service", &format!("{ALI}{key}"));
    assert_eq!(
        done.of("Service")["spec"]["loadBalancerClass"],
        json!("alibabacloud.com/nlb")
    );
    for key in CLB {
        assert_eq!(at(key), None, "{key}");
    }
    assert_eq!(at("address-type"), Some("internet"));
    assert_eq!(at("protocol-port"), Some("tcpssl:443"));
    assert_eq!(at("scheduler"), Some("sch"));
    assert_eq!(at("health-check-flag"), Some("on"));
    assert_eq!(at("health-check-connect-timeout"), Some("6"));
    assert_eq!(at("idle-timeout"), Some("600"));
    assert_eq!(at("proxy-protocol"), Some("on"));
    assert!(at("security-group-ids").is_some_and(|id| id.starts_with("TODO-")));
    // Where another provider has what a CLB has, and the Service becomes an NLB, that is said.
    let text = service(
        "{service.beta.kubernetes.io/aws-load-balancer-type: nlb}",
        "[{port: 80}]\n  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}",
    );
    let done = run("aws", "ali", &text);
    assert!(
        done.annotation("Service", &format!("{ALI}persistence-timeout"))
            .is_none()
    );
    // TLS in front of TCP needs one, whatever it was before.
    let text = service(
        "{kubernetes.io/elb.class: performance, kubernetes.io/elb.autocreate: '{\"type\":\"inner\"}', kubernetes.io/elb.protocol-port: 'tls:443', kubernetes.io/elb.cert-id: c}",
        "[{port: 443}]",
    );
    let done = run("huawei", "ali", &text);
    assert!(
        done.annotation("Service", &format!("{ALI}protocol-port"))
            .is_none()
            && done.says("provider-setting-lost", "the protocol of each port"),
        "{}",
        done.said()
    );
    // And one that was written for it is read as one.
    let text = service(
        &format!(
            "{{{ALI}address-type: intranet, {ALI}zone-maps: 'a:vsw-1,b:vsw-2', {ALI}idle-timeout: '300', {ALI}protocol-port: 'tcpssl:443', {ALI}scheduler: sch}}"
        ),
        "[{port: 443}]\n  loadBalancerClass: alibabacloud.com/nlb",
    );
    let done = run("ali", "aws", &text);
    assert_eq!(
        done.annotation("Service", &format!("{AWS}listener-attributes.TLS-443")),
        Some("tcp.idle_timeout.seconds=300"),
        "{}",
        done.said()
    );
}

#[test]
fn a_service_and_an_ingress_of_one_name_have_a_companion_each() {
    let text = format!(
        "{}---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n  annotations: {{alb.ingress.kubernetes.io/backend-protocol: grpc}}\nspec:\n  ingressClassName: alb\n  rules: [{{host: a.example.com, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]\n",
        service(
            &format!("{{{ALI}address-type: internet, {ALI}scheduler: wlc}}"),
            "[{port: 80}]"
        )
    );
    let done = run("ali", "tencent", &text);
    let configs: Vec<(&str, bool)> = done
        .objects
        .iter()
        .filter(|object| object["kind"] == "TkeServiceConfig")
        .map(|object| {
            let balancer = &object["spec"]["loadBalancer"];
            (
                object["metadata"]["name"].as_str().unwrap_or_default(),
                balancer["l7Listeners"].is_array(),
            )
        })
        .collect();
    assert_eq!(configs.len(), 2, "{configs:?}\n{}", done.said());
    let named = |kind: &str, key: &str| done.annotation(kind, key).unwrap_or_default();
    let of_service = named("Service", "service.cloud.tencent.com/tke-service-config");
    let of_ingress = named("Ingress", "ingress.cloud.tencent.com/tke-service-config");
    assert!(
        configs.contains(&(of_service, false)),
        "{configs:?} {of_service}"
    );
    assert!(
        configs.contains(&(of_ingress, true)),
        "{configs:?} {of_ingress}"
    );
}

//! Load balancers of layer 7.

use serde_json::json;

use super::run;

fn ingress(class: &str, annotations: &str, paths: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n  annotations: {annotations}\nspec:\n  {class}\n  rules:\n  - host: shop.example\n    http: {{paths: [{paths}]}}\n"
    )
}

fn path(path: &str, kind: &str) -> String {
    format!(
        "{{path: '{path}', pathType: {kind}, backend: {{service: {{name: shop, port: {{number: 80}}}}}}}}"
    )
}

const ALB: &str = "alb.ingress.kubernetes.io/";

#[test]
fn a_redirection_has_a_port_to_lead_to() {
    let text = format!(
        "{}---\napiVersion: networking.gke.io/v1beta1\nkind: FrontendConfig\nmetadata: {{name: web}}\nspec: {{redirectToHttps: {{enabled: true}}}}\n---\napiVersion: networking.gke.io/v1\nkind: ManagedCertificate\nmetadata: {{name: mc}}\nspec: {{domains: [shop.example]}}\n",
        ingress(
            "defaultBackend: null",
            "{kubernetes.io/ingress.class: gce, networking.gke.io/managed-certificates: mc, networking.gke.io/v1beta1.FrontendConfig: web}",
            &path("/", "Prefix"),
        )
        .replace("  defaultBackend: null\n", "")
    );
    let done = run("google", "aws", &text);
    let at = |key: &str| done.annotation("Ingress", &format!("{ALB}{key}"));
    assert_eq!(at("ssl-redirect"), Some("443"), "{}", done.said());
    assert_eq!(at("listen-ports"), Some("[{\"HTTP\":80},{\"HTTPS\":443}]"));
    assert_eq!(at("certificate-arn"), Some("TODO-certificate-mc"));
    assert!(done.says("provider-setting-lost", "for shop.example"));
    // Where certificates lie in Secrets, one has to be named.
    let done = run("google", "onprem", &text);
    assert_eq!(
        done.of("Ingress")["spec"]["tls"],
        json!([{"secretName": "TODO-certificate-mc", "hosts": ["shop.example"]}])
    );
    let done = run("google", "tencent", &text);
    assert_eq!(
        done.of("Secret")["stringData"]["qcloud_cert_id"],
        json!("TODO-certificate-mc")
    );
}

#[test]
fn ports_say_that_http_is_not_served() {
    let text = ingress(
        "tls: [{secretName: web-tls}]",
        "{kubernetes.io/ingress.class: gce, kubernetes.io/ingress.allow-http: 'false'}",
        &path("/", "Prefix"),
    );
    let done = run("google", "huawei", &text);
    assert_eq!(
        done.annotation("Ingress", "kubernetes.io/elb.listen-ports"),
        Some("[{\"HTTPS\":443}]")
    );
    assert!(
        !done.says("provider-setting-approximate", "port 80"),
        "{}",
        done.said()
    );
}

#[test]
fn a_backend_that_is_an_action_is_no_service() {
    let pseudo = |name: &str| {
        format!(
            "{{path: /*, pathType: ImplementationSpecific, backend: {{service: {{name: {name}, port: {{name: use-annotation}}}}}}}}"
        )
    };
    let paths = format!(
        "{}, {}",
        pseudo("ssl-redirect"),
        path("/*", "ImplementationSpecific")
    );
    let action = "'{\"Type\":\"redirect\",\"RedirectConfig\":{\"Protocol\":\"HTTPS\",\"Port\":\"443\",\"StatusCode\":\"HTTP_301\"}}'";
    let text = ingress(
        "ingressClassName: alb",
        &format!(
            "{{{ALB}scheme: internal, {ALB}certificate-arn: cert-1, {ALB}listen-ports: '[{{\"HTTP\":80}},{{\"HTTPS\":443}}]', {ALB}actions.ssl-redirect: {action}}}"
        ),
        &paths,
    );
    let done = run("aws", "huawei", &text);
    let rules = &done.of("Ingress")["spec"]["rules"];
    assert_eq!(rules[0]["http"]["paths"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        rules[0]["http"]["paths"][0]["backend"]["service"]["name"],
        json!("shop")
    );
    assert_eq!(
        done.annotation("Ingress", "kubernetes.io/elb.ssl-redirect"),
        Some("true")
    );
    assert!(
        !done.says("provider-setting-lost", "what is done"),
        "{}",
        done.said()
    );
    // A Service behind an action is one.
    let action = "'{\"type\":\"forward\",\"forwardConfig\":{\"targetGroups\":[{\"serviceName\":\"blue\",\"servicePort\":8080}]}}'";
    let text = ingress(
        "ingressClassName: alb",
        &format!("{{{ALB}scheme: internal, {ALB}actions.go: {action}}}"),
        &pseudo("go"),
    );
    let done = run("aws", "huawei", &text);
    assert_eq!(
        done.of("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"],
        json!({"service": {"name": "blue", "port": {"number": 8080}}})
    );
    // What else it does is lost, and its path with it.
    let action = "'{\"type\":\"fixed-response\",\"fixedResponseConfig\":{\"statusCode\":\"404\"}}'";
    let text = ingress(
        "ingressClassName: alb",
        &format!("{{{ALB}scheme: internal, {ALB}actions.no: {action}}}"),
        &format!("{}, {}", pseudo("no"), path("/a", "Prefix")),
    );
    let done = run("aws", "ali", &text);
    assert!(done.says("provider-setting-lost", "`no` is no Service"));
    assert_eq!(
        done.of("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["path"],
        json!("/a")
    );
}

#[test]
fn stickiness_without_a_type_is_by_a_cookie() {
    let text = ingress(
        "ingressClassName: alb",
        &format!(
            "{{{ALB}target-group-attributes: 'stickiness.enabled=true,stickiness.lb_cookie.duration_seconds=60'}}"
        ),
        &path("/", "Prefix"),
    );
    let done = run("aws", "ali", &text);
    let at = |key: &str| done.annotation("Ingress", &format!("{ALB}{key}"));
    assert_eq!(at("sticky-session"), Some("true"), "{}", done.said());
    assert_eq!(at("cookie-timeout"), Some("60"));
    assert!(!done.says("provider-key-unknown", ""), "{}", done.said());
    let done = run("aws", "onprem", &text);
    let nginx = done.annotation("Ingress", "nginx.ingress.kubernetes.io/affinity");
    assert_eq!(nginx, Some("cookie"));
}

#[test]
fn answers_of_checks_become_classes_of_them() {
    let text = ingress(
        "ingressClassName: alb",
        &format!(
            "{{{ALB}success-codes: 200-399, {ALB}healthcheck-port: traffic-port, {ALB}healthcheck-path: /ok}}"
        ),
        &path("/", "Prefix"),
    );
    let done = run("aws", "ali", &text);
    let at = |key: &str| done.annotation("Ingress", &format!("{ALB}{key}"));
    assert_eq!(at("healthcheck-httpcode"), Some("http_2xx,http_3xx"));
    assert_eq!(at("healthcheck-code"), None);
    assert_eq!(at("healthcheck-connect-port"), None);
}

#[test]
fn what_replaces_a_prefix_keeps_the_rest_of_the_path() {
    let text = ingress(
        "ingressClassName: azure-application-gateway",
        "{appgw.ingress.kubernetes.io/backend-path-prefix: /test/}",
        &path("/hello/*", "Prefix"),
    );
    let done = run("azure", "onprem", &text);
    assert_eq!(
        done.annotation("Ingress", "nginx.ingress.kubernetes.io/rewrite-target"),
        Some("/test/$2")
    );
    assert_eq!(
        done.annotation("Ingress", "nginx.ingress.kubernetes.io/use-regex"),
        Some("true")
    );
    let paths = &done.of("Ingress")["spec"]["rules"][0]["http"]["paths"];
    assert_eq!(paths[0]["path"], json!("/hello(/|$)(.*)"));
    assert_eq!(paths[0]["pathType"], json!("ImplementationSpecific"));
    let done = run("azure", "ali", &text);
    assert_eq!(
        done.annotation("Ingress", &format!("{ALB}rewrite-target")),
        Some("/test/${2}")
    );
    let done = run("azure", "google", &text);
    assert!(done.says("provider-setting-lost", "the path is rewritten"));
    // A `*` at the end is a prefix there, whatever the type.
    let text = ingress(
        "ingressClassName: azure-application-gateway",
        "{}",
        &path("/api/*", "Prefix"),
    );
    let done = run("azure", "huawei", &text);
    let paths = &done.of("Ingress")["spec"]["rules"][0]["http"]["paths"];
    assert_eq!(paths[0]["path"], json!("/api/"));
}

#[test]
fn an_ingress_is_known_by_its_annotations() {
    for (from, to, class, annotations, key) in [
        (
            "ali",
            "aws",
            "ingressClassName: alb-internal",
            "{alb.ingress.kubernetes.io/listen-ports: '[{\"HTTP\":80}]'}",
            "alb.ingress.kubernetes.io/scheme",
        ),
        (
            "aws",
            "ali",
            "ingressClassName: alb-private",
            "{alb.ingress.kubernetes.io/scheme: internal}",
            "alb.ingress.kubernetes.io/listen-ports",
        ),
        (
            "huawei",
            "aws",
            "backend: null",
            "{kubernetes.io/elb.class: union, kubernetes.io/elb.port: '80'}",
            "alb.ingress.kubernetes.io/listen-ports",
        ),
    ] {
        let text =
            ingress(class, annotations, &path("/", "Prefix")).replace("  backend: null\n", "");
        let done = run(from, to, &text);
        assert!(
            done.annotation("Ingress", key).is_some(),
            "{from} {to}: {}",
            done.said()
        );
        assert_ne!(
            done.of("Ingress")["spec"]["ingressClassName"],
            json!("alb-internal")
        );
    }
    // A class that is another controller's decides.
    let text = ingress(
        "ingressClassName: nginx",
        "{alb.ingress.kubernetes.io/scheme: internal}",
        &path("/", "Prefix"),
    );
    let done = run("aws", "huawei", &text);
    assert_eq!(
        done.of("Ingress")["spec"]["ingressClassName"],
        json!("nginx")
    );
}

#[test]
fn who_reaches_an_alb_is_told_by_its_config_alone() {
    let text = ingress("ingressClassName: alb", "{}", &path("/", "Prefix"));
    let done = run("ali", "aws", &text);
    assert_eq!(
        done.annotation("Ingress", &format!("{ALB}scheme")),
        Some("internal")
    );
    assert!(done.says("exposure-assumed", ""), "{}", done.said());
}

#[test]
fn allowed_addresses_are_not_forgotten_at_layer_7() {
    let text = ingress(
        "ingressClassName: alb",
        &format!("{{{ALB}scheme: internet-facing, {ALB}inbound-cidrs: 192.0.2.0/24}}"),
        &path("/", "Prefix"),
    );
    for (to, kind, key) in [
        (
            "tencent",
            "Ingress",
            "ingress.cloud.tencent.com/security-groups",
        ),
        (
            "azure",
            "Ingress",
            "appgw.ingress.kubernetes.io/waf-policy-for-path",
        ),
    ] {
        let done = run("aws", to, &text);
        let value = done.annotation(kind, key);
        assert!(
            value.is_some_and(|v| v.starts_with("TODO-")),
            "{to}: {}",
            done.said()
        );
    }
    let done = run("aws", "google", &text);
    let policy = &done.of("BackendConfig")["spec"]["securityPolicy"]["name"];
    assert!(
        policy.as_str().is_some_and(|v| v.starts_with("TODO-")),
        "{}",
        done.said()
    );
}

#[test]
fn a_certificate_lies_where_tke_looks_for_it() {
    let text = ingress(
        "ingressClassName: cce\n  tls: [{secretName: web-tls}]",
        "{kubernetes.io/elb.class: union, kubernetes.io/elb.autocreate: '{\"type\":\"inner\"}'}",
        &path("/", "Prefix"),
    );
    let done = run("huawei", "tencent", &text);
    let secret = done.of("Secret");
    assert_eq!(
        secret["stringData"]["qcloud_cert_id"],
        json!("TODO-certificate-web-tls")
    );
    assert_eq!(
        done.of("Ingress")["spec"]["tls"][0]["secretName"],
        secret["metadata"]["name"]
    );
}

#[test]
fn the_annotation_of_the_class_has_its_own_word() {
    let old = |class: &str| {
        ingress(
            "x: null",
            &format!("{{kubernetes.io/ingress.class: {class}}}"),
            &path("/", "Prefix"),
        )
        .replace("  x: null\n", "")
    };
    let class = "kubernetes.io/ingress.class";
    let done = run("tencent", "azure", &old("qcloud"));
    assert_eq!(
        done.annotation("Ingress", class),
        Some("azure/application-gateway")
    );
    let done = run("tencent", "ali", &old("qcloud"));
    assert_eq!(done.annotation("Ingress", class), None, "{}", done.said());
    assert_eq!(
        done.of("Ingress")["spec"]["ingressClassName"],
        json!("alb-web")
    );
}

#[test]
fn what_only_a_dedicated_load_balancer_does_asks_for_one() {
    let class = "kubernetes.io/elb.class";
    for annotations in [
        "ssl-redirect: 'true'",
        "rewrite-target: /a",
        "canary: 'true', alb.ingress.kubernetes.io/canary-weight: '20'",
    ] {
        let text = ingress(
            "ingressClassName: alb",
            &format!("{{{ALB}{annotations}}}"),
            &path("/", "Prefix"),
        );
        let done = run("ali", "huawei", &text);
        assert_eq!(done.annotation("Ingress", class), Some("performance"));
    }
    let text = ingress("ingressClassName: alb", "{}", &path("/", "Prefix"));
    let done = run("ali", "huawei", &text);
    assert_eq!(done.annotation("Ingress", class), Some("union"));
}

#[test]
fn http_stays_off_where_ports_cannot_be_written() {
    let text = ingress(
        "ingressClassName: alb",
        &format!(
            "{{{ALB}scheme: internal, {ALB}certificate-arn: '', {ALB}listen-ports: '[{{\"HTTPS\":443}}]'}}"
        ),
        &path("/", "Prefix"),
    );
    let done = run("aws", "google", &text);
    assert_eq!(
        done.annotation("Ingress", "kubernetes.io/ingress.allow-http"),
        Some("false"),
        "{}",
        done.said()
    );
    let both = text.replace("[{\"HTTPS\":443}]", "[{\"HTTP\":80},{\"HTTPS\":443}]");
    let done = run("aws", "google", &both);
    assert_eq!(
        done.annotation("Ingress", "kubernetes.io/ingress.allow-http"),
        None
    );
}

#[test]
fn an_id_in_a_secret_is_no_certificate() {
    let text = ingress(
        "ingressClassName: qcloud\n  tls: [{hosts: [shop.example], secretName: web-cert}]",
        "{}",
        &path("/", "Prefix"),
    );
    let done = run("tencent", "azure", &text);
    assert!(
        done.says("certificate-by-id", "`web-cert`"),
        "{}",
        done.said()
    );
    let done = run(
        "azure",
        "ali",
        &text.replace("qcloud", "azure-application-gateway"),
    );
    assert!(!done.says("certificate-by-id", ""), "{}", done.said());
}

#[test]
fn an_address_does_not_become_the_word_for_who_can_reach_it() {
    let text = ingress(
        "defaultBackend: null",
        "{kubernetes.io/ingress.class: gce, kubernetes.io/ingress.global-static-ip-name: web-ip}",
        &path("/", "Prefix"),
    )
    .replace("  defaultBackend: null\n", "");
    let done = run("google", "aws", &text);
    let edits = done.converted.outcomes.iter().flat_map(|o| &o.edits);
    let scheme = edits.filter(|edit| edit.path.to_string().contains("/scheme"));
    let from: Vec<_> = scheme.flat_map(|edit| &edit.from).collect();
    assert!(from.is_empty(), "{from:?}");
}

//! Variables, command lines and probes.

use serde_json::json;

use super::{convert, said, workload};
use crate::orchestration::compose::ComposeTarget::{Compose, Swarm};

#[test]
fn templates_of_swarm_stay_templates_in_other_variables() {
    let spec = "containers: [{name: app, image: a, args: ['--name=$(POD)'], env: [
        {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}},
        {name: ADV, value: 'PLAINTEXT://$(POD).k:9092'},
        {name: TWICE, value: '$(ADV)'},
        {name: TEXT, value: '{{.Values}}'},
        {name: MIX, value: '{$(POD)} {{x}} $(TEXT)'}]}]";
    let (document, findings) = convert(&workload("Deployment", spec), Swarm);
    let braces = r#"{{"{{"}}"#;
    assert_eq!(
        document["services"]["app"]["environment"],
        json!({
            "POD": "{{.Task.Name}}",
            "ADV": "PLAINTEXT://{{.Task.Name}}.k:9092",
            "TWICE": "PLAINTEXT://{{.Task.Name}}.k:9092",
            "TEXT": format!("{braces}.Values}}}}"),
            "MIX": format!(r#"{{{{"{{"}}}}{{{{.Task.Name}}}}}} {braces}x}}}} {braces}.Values}}}}"#),
        })
    );
    // Swarm fills in nothing on a command line.
    assert_eq!(
        document["services"]["app"]["command"],
        json!(["--name=$$(POD)"])
    );
    assert_eq!(said(&findings, "reference-unresolved").len(), 1);
}

#[test]
fn command_lines_have_what_is_known() {
    let spec = "containers: [{name: app, image: a, command: [app, '$(NS)'], args: ['$(CM)-$(PART)', '$$(NS) $(PW) $(A) $(B)', '$(LATE)'], env: [
        {name: NS, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}},
        {name: CM, valueFrom: {configMapKeyRef: {name: c, key: k}}},
        {name: PART, value: 'x$(CM)'},
        {name: PW, valueFrom: {secretKeyRef: {name: s, key: k}}},
        {name: LATE, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]}]";
    let text = workload("Deployment", spec)
        + "---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {k: v}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {k: hidden}
";
    for target in [Compose, Swarm] {
        let (document, findings) = convert(&text, target);
        let service = &document["services"]["app"];
        assert_eq!(service["entrypoint"], json!(["app", "default"]));
        assert_eq!(
            service["command"],
            json!(["v-xv", "$$(NS) $$(PW) $$(A) $$(B)", "$$(LATE)"])
        );
        let said = said(&findings, "reference-unresolved");
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said.iter().any(|m| m.contains("`$(A)`, `$(B)`")),
            "{said:?}"
        );
    }
}

#[test]
fn words_of_probes_are_expanded_as_the_kubelet_does() {
    let spec = "containers: [{name: app, image: a, env: [{name: U, value: app}, {name: V, value: '$(U)'}, {name: W, valueFrom: {fieldRef: {fieldPath: metadata.name}}}],
        lifecycle: {postStart: {exec: {command: [x, '$(U)']}}, preStop: {httpGet: {port: 80, path: quit}}},
        readinessProbe: {exec: {command: [ready, '$(U)', '$(V)', 'w$(W)', '$$x', '$(NONE)']}}}]";
    let (document, _) = convert(&workload("Deployment", spec), Compose);
    let service = &document["services"]["app"];
    assert_eq!(
        service["healthcheck"]["test"],
        json!(["CMD", "ready", "app", "$$(U)", "w", "$$x", "$$(NONE)"])
    );
    assert_eq!(service["post_start"][0]["command"], json!(["x", "$$(U)"]));
    let asked = service["pre_stop"][0]["command"][2].as_str().unwrap();
    assert!(asked.contains("http://127.0.0.1:80/quit"), "{asked}");
}

#[test]
fn all_containers_of_a_pod_have_its_host_name() {
    let spec = "initContainers: [{name: i, image: a}], containers: [{name: app, image: a}]";
    for target in [Compose, Swarm] {
        let (document, _) = convert(&workload("StatefulSet", spec), target);
        for key in ["app", "app-i"] {
            assert_eq!(document["services"][key]["hostname"], "app-0", "{key}");
        }
    }
}

#[test]
fn variables_of_services_matter_where_they_are_read() {
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: app}, ports: [{port: 80}]}
";
    for (text, code, other) in [
        (
            "http://web",
            "service-variables-unread",
            "service-variables",
        ),
        (
            "$WEB_SERVICE_HOST",
            "service-variables",
            "service-variables-unread",
        ),
    ] {
        let spec = format!("containers: [{{name: app, image: a, args: ['{text}']}}]");
        let (_, findings) = convert(&(workload("Deployment", &spec) + service), Compose);
        assert_eq!(said(&findings, code).len(), 1);
        assert_eq!(said(&findings, other).len(), 0);
    }
}

#[test]
fn an_optional_key_is_told_from_its_object() {
    let spec = "containers: [{name: app, image: a, env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: none, optional: true}}}]}]";
    let text = workload("Deployment", spec)
        + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: v}\n";
    let (_, findings) = convert(&text, Compose);
    assert_eq!(
        said(&findings, "optional-objects"),
        ["`c` has no key `none`, which `app` may use"]
    );
}

//! Small charts for what must not go wrong: who can reach an application, objects that only one alternative needs, and
//! the names that a chart is rendered with.

use std::path::Path;
use std::process::Command;

use migrate::orchestration::chart::ChartConversion;
use serde_json::Value;

use super::{convert, helms, objects};

/// A chart in a folder of its own.
fn chart(folder: &Path, name: &str, files: &[(&str, &str)]) {
    std::fs::create_dir_all(folder.join("templates")).unwrap();
    let head = format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n");
    std::fs::write(folder.join("Chart.yaml"), head).unwrap();
    for (path, text) in files {
        std::fs::write(folder.join(path), text).unwrap();
    }
}

/// What a chart renders with some values, by kind and name.
fn rendered(helm: &Path, chart: &Path, release: &str, set: &[&str]) -> Vec<(String, Value)> {
    let mut command = Command::new(helm);
    command.args(["template", release]).arg(chart);
    for value in set {
        command.args(["--set", value]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    objects(&text).into_iter().collect()
}

fn of<'o>(objects: &'o [(String, Value)], kind: &str) -> Vec<&'o Value> {
    let all = objects.iter().map(|(_, object)| object);
    all.filter(|object| object["kind"] == kind).collect()
}

fn said(conversion: &ChartConversion) -> String {
    let findings = conversion.findings.as_slice().iter();
    let lines = findings.map(|f| format!("{} {}\n", f.code.0, f.message));
    lines.collect()
}

const FULLNAME: &str = "{{- define \"x.fullname\" -}}\n{{- if contains .Chart.Name .Release.Name }}\n{{- .Release.Name | trunc 63 | trimSuffix \"-\" }}\n{{- else }}\n{{- printf \"%s-%s\" .Release.Name .Chart.Name | trunc 63 | trimSuffix \"-\" }}\n{{- end }}\n{{- end }}\n";

#[test]
fn each_word_of_exposure_is_converted() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let template = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations:\n    service.beta.kubernetes.io/aws-load-balancer-type: external\n    service.beta.kubernetes.io/aws-load-balancer-scheme: {{ .Values.service.scheme | quote }}\nspec:\n  type: LoadBalancer\n  ports: [{port: 80}]\n";
    for default in ["internal", "internet-facing"] {
        let folder = tempfile::tempdir().unwrap();
        let (source, out) = (folder.path().join("in"), folder.path().join("out"));
        let values = format!("service:\n  scheme: {default}\n");
        let files = [
            ("templates/s.yaml", template),
            ("values.yaml", values.as_str()),
        ];
        chart(&source, "shop", &files);
        let conversion = convert(&helm, &source, "aws", "ali", &[]).unwrap();
        conversion.output.write(&out, false).unwrap();
        for (word, wanted) in [("internal", "intranet"), ("internet-facing", "internet")] {
            let set = format!("service.scheme={word}");
            let all = rendered(&helm, &out, "a", &[&set]);
            let annotations = &of(&all, "Service")[0]["metadata"]["annotations"];
            assert_eq!(
                annotations["service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type"],
                wanted,
                "{default} {word}\n{}",
                said(&conversion)
            );
        }
        let all = rendered(&helm, &out, "a", &[]);
        let annotations = &of(&all, "Service")[0]["metadata"]["annotations"];
        assert_eq!(
            annotations["service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type"],
            if default == "internal" {
                "intranet"
            } else {
                "internet"
            },
        );
    }
}

#[test]
fn a_companion_stands_under_the_condition_of_its_owner() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let template = "{{- range $name := list \"public\" \"private\" }}\n{{- with index $.Values $name }}\n{{- if .enabled }}\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {{ include \"x.fullname\" $ }}-{{ $name }}\n  annotations:\n    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type: {{ .type }}\n    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-scheduler: wlc\nspec:\n  type: LoadBalancer\n  ports: [{port: 80}]\n{{- end }}\n{{- end }}\n{{- end }}\n";
    let ingress = "{{- if eq .Values.controller \"alb\" }}\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {{ include \"x.fullname\" . }}\n  annotations:\n    alb.ingress.kubernetes.io/backend-protocol: grpc\nspec:\n  ingressClassName: alb\n  rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]\n{{- else if eq .Values.controller \"nginx\" }}\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {{ include \"x.fullname\" . }}\nspec:\n  ingressClassName: nginx\n  rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]\n{{- end }}\n";
    let values = "public: {enabled: true, type: internet}\nprivate: {enabled: false, type: intranet}\ncontroller: alb\n";
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("in"), folder.path().join("out"));
    let files = [
        ("templates/_x.tpl", FULLNAME),
        ("templates/s.yaml", template),
        ("templates/i.yaml", ingress),
        ("values.yaml", values),
    ];
    chart(&source, "shop", &files);
    let conversion = convert(&helm, &source, "ali", "tencent", &[]).unwrap();
    conversion.output.write(&out, false).unwrap();
    for (set, services, ingresses) in [
        (vec![], vec!["public"], 1),
        (vec!["controller=nginx"], vec!["public"], 0),
        (vec!["controller=none", "public.enabled=false"], vec![], 0),
        (vec!["private.enabled=true"], vec!["private", "public"], 1),
        (
            vec!["private.enabled=true", "public.enabled=false"],
            vec!["private"],
            1,
        ),
    ] {
        let all = rendered(&helm, &out, "a", &set);
        let mut named: Vec<&str> = Vec::new();
        for kind in ["Service", "Ingress"] {
            for owner in of(&all, kind) {
                let annotations = owner["metadata"]["annotations"].as_object();
                let key = format!(
                    "{}.cloud.tencent.com/tke-service-config",
                    kind.to_lowercase()
                );
                named.extend(annotations.and_then(|map| map.get(&key)?.as_str()));
            }
        }
        assert_eq!(
            named.len(),
            services.len() + ingresses,
            "{set:?} {named:?}\n{}",
            said(&conversion)
        );
        let mut made: Vec<&str> = of(&all, "TkeServiceConfig")
            .iter()
            .filter_map(|config| config["metadata"]["name"].as_str())
            .collect();
        made.sort_unstable();
        named.sort_unstable();
        assert_eq!(made, named, "{set:?}\n{}", said(&conversion));
    }
}

#[test]
fn a_key_in_a_condition_of_others_is_converted() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let template = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations:\n    own/a: b\n    {{- if .Values.metrics.enabled }}\n    prometheus.io/scrape: \"true\"\n    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-scheduler: wlc\n    {{- end }}\n    {{- with .Values.type }}\n    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type: {{ . }}\n    own/type: {{ . | quote }}\n    {{- end }}\nspec:\n  type: LoadBalancer\n  ports: [{port: 80}]\n";
    let values = "metrics: {enabled: false}\ntype: intranet\n";
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("in"), folder.path().join("out"));
    chart(
        &source,
        "shop",
        &[("templates/s.yaml", template), ("values.yaml", values)],
    );
    let conversion = convert(&helm, &source, "ali", "huawei", &[]).unwrap();
    conversion.output.write(&out, false).unwrap();
    for (set, type_, scheduler) in [
        (vec![], "inner", false),
        (vec!["metrics.enabled=true"], "inner", true),
        (vec!["type=internet"], "public", false),
        (
            vec!["type=internet", "metrics.enabled=true"],
            "public",
            true,
        ),
    ] {
        let all = rendered(&helm, &out, "a", &set);
        let annotations = &of(&all, "Service")[0]["metadata"]["annotations"];
        let made = annotations["kubernetes.io/elb.autocreate"]
            .as_str()
            .unwrap_or_default();
        let text = std::fs::read_to_string(out.join("templates/s.yaml")).unwrap();
        assert!(
            made.contains(&format!("\"type\":\"{type_}\"")),
            "{set:?} {made}\n{text}\n{}",
            said(&conversion)
        );
        assert_eq!(
            annotations["kubernetes.io/elb.lb-algorithm"] == "LEAST_CONNECTIONS",
            scheduler,
            "{set:?}\n{text}\n{}",
            said(&conversion)
        );
        assert!(
            !annotations.to_string().contains("alibaba"),
            "{annotations}"
        );
    }
}

#[test]
fn names_of_the_probe_stay_out() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    // Names that are a part of usual names of releases: the helper leaves them out then.
    for name in ["release", "migrate", "shop", "e"] {
        let template = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ include \"x.fullname\" . }}-web\n  namespace: {{ .Release.Namespace }}\n  annotations:\n    kubernetes.io/elb.class: union\n    kubernetes.io/elb.id: {{ .Values.id }}\n    kubernetes.io/elb.lb-algorithm: LEAST_CONNECTIONS\nspec:\n  type: LoadBalancer\n  ports: [{port: 80}]\n";
        let folder = tempfile::tempdir().unwrap();
        let (source, out) = (folder.path().join("in"), folder.path().join("out"));
        let files = [
            ("templates/_x.tpl", FULLNAME),
            ("templates/s.yaml", template),
            ("values.yaml", "id: lb-1\n"),
        ];
        chart(&source, name, &files);
        for to in ["tencent", "ali", "aws"] {
            let conversion = convert(&helm, &source, "huawei", to, &[]).unwrap();
            let said = said(&conversion);
            assert!(
                said.contains(&format!("Service/RELEASE-{name}-web")),
                "{said}"
            );
            let mut texts = vec![said, format!("{:?}", conversion.missing)];
            for (_, bytes) in conversion.output.files() {
                texts.push(String::from_utf8_lossy(bytes).into_owned());
            }
            for text in &texts {
                for probe in ["zq7xk9vj", "yx8wqz3k", "nq4zx8kj"] {
                    assert!(!text.contains(probe), "{name} {to}: {text}");
                }
            }
            conversion.output.write(&out.join(to), false).unwrap();
            for release in ["a", &format!("my-{name}")] {
                let all = rendered(&helm, &out.join(to), release, &[]);
                let service = of(&all, "Service")[0];
                let annotation = "service.cloud.tencent.com/tke-service-config";
                let named = service["metadata"]["annotations"][annotation].as_str();
                let configs = of(&all, "TkeServiceConfig");
                let made = configs.first().and_then(|c| c["metadata"]["name"].as_str());
                assert_eq!(named, made, "{release}");
                assert_eq!(made.is_some(), to == "tencent", "{release}");
            }
        }
    }
}

//! Tests of the whole writer: Compose text or objects in, objects and findings out.

mod options;
mod services;
mod sharing;
mod stack;
mod storage;
mod units;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::super::{KubernetesOptions, load, read};
use super::write;
use crate::finding::{Findings, Severity};
use crate::orchestration::compose;
use crate::orchestration::model::{Application, Dialect};
use crate::orchestration::output::Output;
use crate::source::{Ledger, Memory, Sources};

/// The project folder of all tests.
const FOLDER: &str = "/project";

struct Written {
    output: Output,
    findings: Findings,
    /// Rows of what the reader left over.
    leftovers: Vec<String>,
}

impl Written {
    /// The object of that kind and name.
    fn object(&self, kind: &str, name: &str) -> &Value {
        self.find(kind, name)
            .unwrap_or_else(|| panic!("no {kind} {name} among {:?}", self.names()))
    }

    fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        let mut values = self.output.documents.iter().map(|d| &d.value);
        values.find(|v| v["kind"] == kind && v["metadata"]["name"] == name)
    }

    /// The one object of that kind.
    fn only(&self, kind: &str) -> &Value {
        let of_kind: Vec<_> = self
            .output
            .documents
            .iter()
            .filter(|d| d.value["kind"] == kind)
            .collect();
        assert_eq!(of_kind.len(), 1, "{kind} among {:?}", self.names());
        &of_kind[0].value
    }

    fn names(&self) -> Vec<&str> {
        self.output
            .documents
            .iter()
            .map(|d| d.name.as_str())
            .collect()
    }

    fn codes(&self) -> BTreeSet<&'static str> {
        self.findings.as_slice().iter().map(|f| f.code.0).collect()
    }
}

fn application(text: &str, dialect: Dialect, files: &Memory) -> (Application, std::path::PathBuf) {
    let mut files = files.clone();
    files.add(Path::new(FOLDER).join("compose.yaml"), text);
    let options = compose::load::LoadOptions {
        files: vec!["compose.yaml".into()],
        working_dir: FOLDER.into(),
        dialect: Some(dialect),
        project_name: Some("app".to_owned()),
        ..Default::default()
    };
    let (mut sources, mut findings) = (Sources::default(), Findings::default());
    let project = compose::load::load(&options, &files, &mut sources, &mut findings)
        .unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    let mut ledger = Ledger::new();
    let application = compose::read::read(&project, &files, &mut ledger);
    assert!(
        !ledger.findings.has_errors(),
        "{:?}\n{text}",
        ledger.findings
    );
    (application, project.directory)
}

fn with_files(
    text: &str,
    dialect: Dialect,
    options: &KubernetesOptions,
    files: &Memory,
) -> Written {
    let (application, directory) = application(text, dialect, files);
    let mut findings = Findings::default();
    let output = write(&application, options, files, &directory, &mut findings);
    let again = write(
        &application,
        options,
        files,
        &directory,
        &mut Findings::default(),
    );
    assert_eq!(output, again, "the same input gives the same output");
    let leftovers = application
        .leftovers
        .iter()
        .map(|l| l.row.clone())
        .collect();
    check(&output, &findings);
    Written {
        output,
        findings,
        leftovers,
    }
}

fn compose(text: &str) -> Written {
    with_files(
        text,
        Dialect::Compose,
        &KubernetesOptions::default(),
        &Memory::default(),
    )
}

fn swarm(text: &str) -> Written {
    with_files(
        text,
        Dialect::Swarm,
        &KubernetesOptions::default(),
        &Memory::default(),
    )
}

/// A file with one service `web` that has these lines, besides an image.
fn service(lines: &str) -> String {
    let mut text = "services:\n  web:\n    image: nginx:1\n".to_owned();
    for line in lines.lines() {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn kubernetes(text: &str) -> Written {
    let options = load::LoadOptions {
        files: vec!["-".into()],
        stdin: Some(text.to_owned()),
        ..Default::default()
    };
    let (mut sources, mut findings) = (Sources::default(), Findings::default());
    let objects = load::load(&options, &Memory::default(), &mut sources, &mut findings)
        .unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    let mut ledger = Ledger::new();
    let application = read::read(&objects, &mut ledger);
    let mut findings = Findings::default();
    let output = write(
        &application,
        &KubernetesOptions::default(),
        &Memory::default(),
        Path::new(FOLDER),
        &mut findings,
    );
    check(&output, &findings);
    Written {
        output,
        findings,
        leftovers: Vec::new(),
    }
}

/// What holds of every output.
fn check(output: &Output, findings: &Findings) {
    for finding in findings.as_slice() {
        assert_ne!(
            finding.explanation().code,
            "unknown",
            "{} has no row in the catalog",
            finding.code.0
        );
        assert!(!finding.message.ends_with('.'), "{}", finding.message);
    }
    let names: BTreeSet<_> = output.documents.iter().map(|d| &d.name).collect();
    assert_eq!(names.len(), output.documents.len(), "file names differ");
    let subjects: Vec<_> = output.documents.iter().flat_map(|d| &d.subjects).collect();
    let distinct: BTreeSet<_> = subjects.iter().collect();
    assert_eq!(
        distinct.len(),
        subjects.len(),
        "a part of the source has one document: {subjects:?}"
    );
    for document in &output.documents {
        no_leftovers(&document.value, &document.name);
    }
}

/// Empty maps only where they say something, and never a null.
fn no_leftovers(value: &Value, path: &str) {
    match value {
        Value::Null => panic!("null at {path}"),
        Value::Object(map) => {
            let said = path.ends_with("emptyDir")
                || path.ends_with("podSelector")
                || path.ends_with("egress/0");
            assert!(!map.is_empty() || said, "empty map at {path}");
            for (key, value) in map {
                no_leftovers(value, &format!("{path}/{key}"));
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                no_leftovers(value, &format!("{path}/{index}"));
            }
        }
        _ => {}
    }
}

/// One row: lines of the service `web`, what to look at, and what is there. `null` means that nothing is.
type Row<'r> = (&'r str, &'r str, Value);

/// Checks rows against the first document of the given kind.
fn rows(written: impl Fn(&str) -> Written, kind: &str, rows: &[Row<'_>]) {
    for (lines, pointer, expected) in rows {
        let written = written(&service(lines));
        let object = written.only(kind);
        let found = object.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(found, expected, "{pointer} for\n{lines}");
    }
}

/// Checks that these lines of a service lead to a finding of this code, and to none without them.
fn finds(written: impl Fn(&str) -> Written, table: &[(&str, &str)]) {
    let plain = written(&service("")).codes();
    for (lines, code) in table {
        assert!(!plain.contains(code), "{code} is found without reason");
        let found = written(&service(lines));
        assert!(
            found.codes().contains(code),
            "{code} for\n{lines}\n{:?}",
            found.codes()
        );
    }
}

#[test]
fn order_of_objects() {
    let written = with_files(
        "services:\n  web:\n    image: a\n    ports: ['80:80']\n    volumes: [data:/data]\n    configs: [c]\n    \
         networks: [n]\nvolumes: {data: {}}\nconfigs: {c: {content: x}}\nnetworks: {n: {}}\n",
        Dialect::Compose,
        &KubernetesOptions {
            namespace: Some("prod".to_owned()),
            network_policies: true,
            ..Default::default()
        },
        &Memory::default(),
    );
    let kinds: Vec<_> = written
        .output
        .documents
        .iter()
        .map(|d| d.value["kind"].as_str())
        .collect();
    let kinds: Vec<_> = kinds.into_iter().flatten().collect();
    assert_eq!(
        kinds,
        [
            "Namespace",
            "ConfigMap",
            "PersistentVolumeClaim",
            "NetworkPolicy",
            "NetworkPolicy",
            "Service",
            "Service",
            "Deployment"
        ]
    );
    let namespaced = written.output.documents.iter().skip(1);
    assert!(
        namespaced
            .into_iter()
            .all(|d| d.value["metadata"]["namespace"] == "prod")
    );
    let subjects: Vec<_> = written
        .output
        .documents
        .iter()
        .flat_map(|d| d.subjects.clone())
        .collect();
    assert_eq!(
        subjects,
        ["configs.c", "volumes.data", "networks.n", "services.web"]
    );
    assert!(
        written.names().contains(&"web-published-service"),
        "{:?}",
        written.names()
    );
}

#[test]
fn secrets_never_show() {
    let mut files = Memory::default();
    files.add("/project/s.txt", "hunter2-and-more");
    let written = with_files(
        "services:\n  web:\n    image: a\n    secrets: [{source: s, uid: '1000', mode: 0o1444}]\nsecrets: {s: {file: \
         ./s.txt}}\n",
        Dialect::Compose,
        &KubernetesOptions::default(),
        &files,
    );
    let secret = written.only("Secret");
    assert_eq!(secret["data"]["s"], "aHVudGVyMi1hbmQtbW9yZQ==");
    assert_eq!(secret["immutable"], true);
    assert!(!format!("{:?}", written.findings).contains("hunter2"));
}

#[test]
fn same_kind_of_names_stay_apart() {
    let written = compose(
        "services:\n  my_db: {image: a}\n  my.db: {image: a}\n  my-db: {image: a}\n  2048: {image: a}\n",
    );
    let names: BTreeSet<_> = written.names().into_iter().map(str::to_owned).collect();
    assert!(
        names.contains("my-db-deployment") && names.contains("x-2048-deployment"),
        "{names:?}"
    );
    let originals: BTreeSet<_> = written
        .output
        .documents
        .iter()
        .filter(|d| d.value["kind"] == "Deployment")
        .map(|d| {
            let name = d.value["metadata"]["name"].as_str().unwrap_or_default();
            let original = d
                .value
                .pointer("/metadata/annotations/migrate.tmhcc.io~1name");
            original.and_then(Value::as_str).unwrap_or(name).to_owned()
        })
        .collect();
    let wanted = ["my_db", "my.db", "my-db", "2048"].map(str::to_owned);
    assert_eq!(originals, wanted.into_iter().collect());
    let changed = written
        .findings
        .as_slice()
        .iter()
        .filter(|f| f.code.0 == "name-changed");
    assert_eq!(changed.count(), 3);
}

#[test]
fn nothing_is_said_of_a_plain_service() {
    let written = swarm(&service("ports: ['80:80']\nexpose: [9000]"));
    let worst = written.findings.worst();
    assert!(
        worst.is_none_or(|s| s <= Severity::Info),
        "{:?}",
        written.findings
    );
}

/// What Kubernetes says and the model holds comes back as it was.
#[test]
fn objects_survive() {
    let text = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web.v1, namespace: shop}
spec:
  replicas: 0
  minReadySeconds: 3
  progressDeadlineSeconds: 100
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 1}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      hostAliases: [{ip: 10.0.0.1, hostnames: [a, b]}]
      containers:
      - name: main
        image: nginx:1
        args: ["$$(X)", "$$$"]
        env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        ports: [{containerPort: 80, name: http}]
        readinessProbe: {httpGet: {path: /, port: http}, successThreshold: 2, periodSeconds: 5}
        resources: {limits: {cpu: 500m, memory: 64Mi}}
        securityContext: {runAsUser: 7, capabilities: {add: [NET_ADMIN]}}
        volumeMounts: [{name: files, mountPath: /files, readOnly: true}, {name: tmp, mountPath: /tmp}]
      volumes:
      - {name: files, configMap: {name: web, defaultMode: 256, items: [{key: a, path: b/a}]}}
      - {name: tmp, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
"#;
    let written = kubernetes(text);
    let deployment = written.object("Deployment", "web.v1");
    let source: Value = serde_yaml::from_str(text).expect("YAML");
    for pointer in [
        "/metadata/namespace",
        "/spec/replicas",
        "/spec/minReadySeconds",
        "/spec/progressDeadlineSeconds",
        "/spec/strategy",
        "/spec/template/spec/terminationGracePeriodSeconds",
        "/spec/template/spec/hostAliases",
        "/spec/template/spec/containers/0",
        "/spec/template/spec/volumes",
    ] {
        assert_eq!(
            deployment.pointer(pointer),
            source.pointer(pointer),
            "{pointer}"
        );
    }
    for absent in [
        "automountServiceAccountToken",
        "enableServiceLinks",
        "securityContext",
    ] {
        assert_eq!(
            deployment["spec"]["template"]["spec"].get(absent),
            None,
            "{absent}"
        );
    }
}

/// The cost grows with the number of services, not with its square.
#[test]
fn many_services() {
    use std::fmt::Write as _;
    let mut text = "services:\n".to_owned();
    for n in 0..2000 {
        let _ = write!(
            text,
            "  s{n}:\n    image: a\n    ports: ['{}:80']\n    networks: {{n: {{aliases: [shared, a{n}]}}}}\n    volumes: \
             [v:/v]\n    depends_on: [s{}]\n",
            1000 + n,
            (n + 1) % 2000
        );
    }
    text.push_str("networks: {n: {}}\nvolumes: {v: {}}\n");
    let (application, directory) = application(
        &text.replace("depends_on: [s0]", "init: true"),
        Dialect::Compose,
        &Memory::default(),
    );
    let time = std::time::Instant::now();
    let options = KubernetesOptions::default();
    let output = write(
        &application,
        &options,
        &Memory::default(),
        &directory,
        &mut Findings::default(),
    );
    assert_eq!(output.documents.len(), 2000 * 4 + 2);
    // A quadratic writer takes minutes; ten seconds leave room for a slow machine.
    assert!(time.elapsed().as_secs() < 10, "{:?}", time.elapsed());
}

/// What the API server would refuse is mended or left out, and said.
#[test]
fn objects_that_would_be_refused() {
    let written = kubernetes(
        r#"
apiVersion: v1
kind: Secret
metadata: {name: pull}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: "<paste here>"}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  template:
    metadata: {labels: {job-name: job, controller-uid: x, own: y}}
    spec:
      serviceAccountName: $ACCOUNT
      restartPolicy: Never
      containers: [{name: main, image: a}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: way}
spec:
  rules:
  - http: {paths: [{path: /, pathType: exact, backend: {service: {name: web, port: {number: 80}}}}]}
"#,
    );
    assert_eq!(written.only("Secret").get("type"), None);
    let template = &written.only("Job")["spec"]["template"];
    let labels = template["metadata"]["labels"].as_object();
    assert!(labels.is_some_and(|l| l.contains_key("own") && !l.contains_key("job-name")));
    assert_eq!(template["spec"].get("serviceAccountName"), None);
    let path = &written.only("Ingress")["spec"]["rules"][0]["http"]["paths"][0]["pathType"];
    assert_eq!(path, "Exact");
    let codes = ["secret-type", "server-label", "reference-impossible"];
    assert!(
        written.codes().is_superset(&codes.into()),
        "{:?}",
        written.codes()
    );
}

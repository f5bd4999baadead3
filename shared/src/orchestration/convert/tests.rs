//! There and back again: what the target cannot say travels along.

use std::path::Path;

use super::{to_compose, to_kubernetes, to_yaml};
use crate::finding::Findings;
use crate::orchestration::compose::load::{LoadOptions, load};
use crate::orchestration::compose::{ComposeOptions, ComposeTarget};
use crate::orchestration::kubernetes::{self, ControllerChoice, KubernetesOptions};
use crate::orchestration::model::Dialect;
use crate::source::{Memory, Sources};

const FILE: &str = "/project/compose.yaml";

fn options(dialect: Dialect) -> LoadOptions {
    LoadOptions {
        files: vec![FILE.into()],
        working_dir: "/project".into(),
        project_name: Some("app".to_owned()),
        dialect: Some(dialect),
        ..LoadOptions::default()
    }
}

fn canonical(text: &str, dialect: Dialect) -> serde_json::Value {
    let mut files = Memory::default();
    files.add(Path::new(FILE), text);
    let (mut sources, mut findings) = (Sources::default(), Findings::default());
    let project = load(&options(dialect), &files, &mut sources, &mut findings)
        .unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    let mut value = project.node.to_json();
    if let Some(map) = value.as_object_mut() {
        // The name comes from outside, and the rest is about the objects in between.
        map.shift_remove("name");
        map.shift_remove("x-migrate");
    }
    value
}

fn there_and_back(text: &str, dialect: Dialect, controller: ControllerChoice) {
    let mut files = Memory::default();
    files.add(Path::new(FILE), text);
    let target = KubernetesOptions {
        controller,
        ..KubernetesOptions::default()
    };
    let there = to_kubernetes(&options(dialect), &target, true, &files)
        .unwrap_or_else(|failure| panic!("{:?}", failure.findings));
    let objects = kubernetes::load::LoadOptions {
        files: vec!["-".into()],
        stdin: Some(to_yaml(there.output.documents.iter().map(|d| &d.value))),
        ..Default::default()
    };
    let back = ComposeOptions {
        target: match dialect {
            Dialect::Swarm => ComposeTarget::Swarm,
            Dialect::Compose | Dialect::Kubernetes => ComposeTarget::Compose,
        },
        ..ComposeOptions::default()
    };
    let back = to_compose(&objects, &back, true, &Memory::default())
        .unwrap_or_else(|failure| panic!("{:?}", failure.findings));
    let back = to_yaml(back.output.documents.iter().map(|d| &d.value));
    assert_eq!(canonical(text, dialect), canonical(&back, dialect));
}

#[test]
fn what_services_share() {
    let text = "services:
  vpn: {image: a, container_name: tunnel}
  web: {image: b, network_mode: 'container:tunnel'}
  db: {image: c, volumes: [/var/lib/mysql]}
  app: {image: d, volumes_from: [db], logging: {driver: json-file, options: {max-size: 1m}}}
  side: {image: s, pid: 'service:own', container_name: dbg, depends_on: [own]}
  own: {image: e, user: '7:8', volumes: ['data:/x'], networks: [n]}
  slow: {image: f, healthcheck: {test: x, start_period: 60s}, deploy: {restart_policy: {condition: unless-stopped}}}
volumes: {data: {}}
networks: {n: {driver: bridge}}
";
    there_and_back(text, Dialect::Compose, ControllerChoice::Auto);
}

#[test]
fn what_only_a_stack_says() {
    let text = "services:
  web:
    image: a
    hostname: '{{.Node.Hostname}}'
    environment:
      NODE: '{{.Node.Hostname}}'
      MIX: 'x-{{.Node.Hostname}}'
      NAME: '{{.Service.Name}}-{{.Task.Name}}'
      SLOT: '{{.Task.Slot}}'
      PEERS: tasks.web
    volumes: ['data:/x', '/srv/{{.Node.Hostname}}:/y']
    deploy: {replicas: 3, endpoint_mode: dnsrr, restart_policy: {condition: on-failure}}
  agent: {image: b, networks: [h], deploy: {mode: global, restart_policy: {condition: on-failure}}}
  old: {image: c, privileged: true, pid: host, security_opt: ['no-new-privileges:true'], depends_on: [web]}
volumes: {data: {name: 'data-{{.Task.Slot}}'}}
networks: {h: {external: true, name: host}}
";
    for controller in [ControllerChoice::Auto, ControllerChoice::StatefulSet] {
        there_and_back(text, Dialect::Swarm, controller);
    }
}

/// Annotations are for all to read.
#[test]
fn secrets_do_not_travel_along() {
    let text = "services:
  web:
    build: {context: ., args: {NPM_TOKEN: s3cr3t, MODE: fast}}
    logging: {driver: splunk, options: {splunk-token: s3cr3t, splunk-url: 'https://x'}}
    post_start: [{command: [x], environment: {API_KEY: s3cr3t}}]
    volumes: ['data:/x']
volumes: {data: {driver: sshfs, driver_opts: {sshcmd: 'u@h:/x', password: s3cr3t, o: 'username=u,password=s3cr3t'}}}
";
    let mut files = Memory::default();
    files.add(Path::new(FILE), text);
    let there = to_kubernetes(
        &options(Dialect::Compose),
        &KubernetesOptions::default(),
        true,
        &files,
    )
    .unwrap_or_else(|failure| panic!("{:?}", failure.findings));
    let carried: Vec<_> = there
        .output
        .documents
        .iter()
        .filter_map(|d| d.value["metadata"]["annotations"]["migrate.tmhcc.io/compose"].as_str())
        .collect();
    let carried = carried.join("\n");
    assert!(!carried.contains("s3cr3t"), "{carried}");
    for kept in ["fast", "splunk-url", "u@h:/x"] {
        assert!(carried.contains(kept), "{kept}: {carried}");
    }
    let findings = there.findings.as_slice().iter();
    let told: Vec<_> = findings
        .filter(|f| f.code.0 == "secret-not-carried")
        .map(|f| f.path.clone())
        .collect();
    assert!(
        told.contains(&"services.web.build.args.NPM_TOKEN".to_owned()),
        "{told:?}"
    );
    assert!(
        told.contains(&"volumes.data.driver_opts.o".to_owned()),
        "{told:?}"
    );
}

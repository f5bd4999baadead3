//! What the reader says by itself.

use std::path::Path;

use super::super::load::{LoadOptions, load};
use super::read;
use crate::finding::Findings;
use crate::orchestration::model::Dialect;
use crate::source::{Ledger, Memory, Sources};

/// A file with one service `web` that has these lines, and sections after it.
fn file(lines: &str, sections: &str) -> String {
    format!("services:\n  web:\n    image: a\n    {lines}\n{sections}\n")
}

/// Findings of the loader and the reader, and the rows of what is left over.
fn said(text: &str, dialect: Dialect) -> (Findings, Vec<String>) {
    let mut files = Memory::default();
    files.add(Path::new("/project/compose.yaml"), text);
    let options = LoadOptions {
        files: vec!["compose.yaml".into()],
        working_dir: "/project".into(),
        dialect: Some(dialect),
        ..Default::default()
    };
    let (mut sources, mut findings) = (Sources::default(), Findings::default());
    let project = match load(&options, &files, &mut sources, &mut findings) {
        Ok(project) => project,
        Err(errors) => return (errors, Vec::new()),
    };
    let mut ledger = Ledger::new();
    let application = read(&project, &files, &mut ledger);
    findings.extend(ledger.findings);
    findings.sort();
    let rows = application.leftovers.into_iter().map(|l| l.row).collect();
    (findings, rows)
}

fn messages<'f>(findings: &'f Findings, code: &str) -> Vec<&'f str> {
    let of_code = findings.as_slice().iter().filter(|f| f.code.0 == code);
    of_code.map(|f| f.message.as_str()).collect()
}

/// Drivers that do what a cluster does anyway are no reason to worry.
#[test]
fn drivers_that_change_nothing() {
    for (driver, plain) in [("bridge", true), ("overlay", true), ("macvlan", false)] {
        let section = format!("networks: {{n: {{driver: {driver}}}}}");
        let (findings, rows) = said(&file("networks: [n]", &section), Dialect::Compose);
        assert_eq!(
            messages(&findings, "network-plain").len(),
            usize::from(plain)
        );
        assert_eq!(rows.contains(&"networks.*.driver".to_owned()), !plain);
    }
    for (driver, plain) in [("json-file", true), ("local", true), ("gelf", false)] {
        let lines = format!("logging: {{driver: {driver}, options: {{a: b}}}}");
        let (findings, rows) = said(&file(&lines, ""), Dialect::Compose);
        assert_eq!(messages(&findings, "log-of-node").len(), usize::from(plain));
        assert_eq!(rows.contains(&"services.*.logging".to_owned()), !plain);
    }
}

/// A file without its `.env` lacks hundreds of variables; each is named, in one finding.
#[test]
fn variables_that_are_not_set() {
    let text = "services:
  web: {image: 'a:${TAG}', user: '${OWNER}', environment: [ONE, TWO]}
  db: {image: 'b:${TAG}', environment: [ONE]}
";
    let (findings, _) = said(text, Dialect::Compose);
    assert_eq!(
        messages(&findings, "variable-unset"),
        ["2 variables are not set and are replaced by nothing: `TAG`, `OWNER`"]
    );
    let unresolved = messages(&findings, "env-unresolved");
    assert_eq!(unresolved.len(), 1, "{unresolved:?}");
    assert!(unresolved[0].ends_with("`ONE`, `TWO` of `web`; `ONE` of `db`"));
    let (findings, _) = said(&file("environment: [ONE]", ""), Dialect::Compose);
    let one = messages(&findings, "env-unresolved");
    assert!(
        one.len() == 1 && one[0].starts_with("`ONE` has no value"),
        "{one:?}"
    );
}

/// Each alias repeats the text of its anchor, which has one place.
#[test]
fn errors_of_an_anchor() {
    let text = "x-files: &files {env_file: [none.env]}
services:
  web: {image: a, <<: *files}
  db: {image: b, <<: *files}
";
    let (mut findings, _) = said(text, Dialect::Compose);
    findings.sort();
    assert_eq!(
        messages(&findings, "unreadable-file").len(),
        1,
        "{findings:?}"
    );
}

/// The words that docker compose takes in `deploy` are refused of a stack by the engine.
#[test]
fn conditions_of_each_dialect() {
    for (word, compose, stack) in [
        ("any", true, true),
        ("always", true, false),
        ("unless-stopped", true, false),
        ("'no'", true, false),
        ("sometimes", false, false),
    ] {
        let lines = format!("deploy: {{restart_policy: {{condition: {word}}}}}");
        for (dialect, accepted) in [(Dialect::Compose, compose), (Dialect::Swarm, stack)] {
            let (findings, _) = said(&file(&lines, ""), dialect);
            assert_eq!(!findings.has_errors(), accepted, "{word} {dialect:?}");
        }
    }
}

#[test]
fn hosts_without_an_address() {
    let (findings, _) = said(&file("extra_hosts: ['${NOPE}']", ""), Dialect::Compose);
    let errors = messages(&findings, "wrong-type");
    assert!(
        errors.len() == 1 && errors[0].ends_with("but is empty"),
        "{errors:?}"
    );
}

/// What a stack says in `deploy` needs no advice to say it.
#[test]
fn a_stack_that_says_it_twice() {
    let none = "restart: 'no'\n    deploy: {restart_policy: {condition: none}}";
    for (lines, told) in [(none, 0), ("restart: 'no'", 1)] {
        let (findings, _) = said(&file(lines, ""), Dialect::Swarm);
        assert_eq!(
            messages(&findings, "stack-restart-no").len(),
            told,
            "{lines}"
        );
    }
}

/// What one Pod cannot keep apart is said.
#[test]
fn services_of_one_pod() {
    let text = "services:
  vpn: {image: a, healthcheck: {test: x}, ports: ['80:80']}
  web: {image: b, network_mode: 'service:vpn', depends_on: {vpn: {condition: service_healthy}}}
  side: {image: c, ipc: 'service:vpn', ports: ['81:80', '82:82']}
";
    let (findings, _) = said(text, Dialect::Compose);
    let order = messages(&findings, "start-order-in-pod");
    assert!(order.len() == 1 && order[0].ends_with("`vpn`"), "{order:?}");
    assert_eq!(messages(&findings, "network-of-pod").len(), 1);
    let ports = messages(&findings, "port-of-pod");
    assert!(
        ports.len() == 1 && ports[0].contains("port 80 "),
        "{ports:?}"
    );
}

#[test]
fn words_that_mean_something_else() {
    let (findings, _) = said(&file("mem_reservation: 64m", ""), Dialect::Compose);
    assert_eq!(messages(&findings, "memory-reservation").len(), 1);
    for (size, told) in [("1", 1), ("1g", 0), ("1073741824", 0)] {
        let section = format!("volumes: {{v: {{driver_opts: {{size: {size}}}}}}}");
        let (findings, _) = said(&file("", &section), Dialect::Compose);
        assert_eq!(
            messages(&findings, "size-without-unit").len(),
            told,
            "{size}"
        );
    }
}

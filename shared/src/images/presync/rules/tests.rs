use std::path::Path;
use std::time::Duration;

use super::*;
use crate::finding::Severity;

/// Every key that there is, once.
const FULL: &str = include_str!("example.yaml");

fn codes(text: &str) -> Vec<(&'static str, String)> {
    let checked = read("rules.yaml", text, Path::new("/etc/migrate"));
    checked
        .findings
        .as_slice()
        .iter()
        .filter(|finding| finding.severity() > Severity::Info)
        .map(|finding| {
            (
                finding.code.0,
                finding.place(&checked.sources).unwrap_or_default(),
            )
        })
        .collect()
}

const SMALL: &str = "version: 1
sources: {a: {registry: 'one.example'}}
targets: {b: {registry: 'two.example/mirror'}}
rules:
- {from: a, to: b, repositories: 'shop/**', tags: ['v*'], ignore: {tags: '*-rc*'}}
";

fn small() -> Rules {
    read("rules.yaml", SMALL, Path::new("")).rules.unwrap()
}

#[test]
fn nodes_are_engines_or_a_cluster() {
    let with = |nodes: &str| {
        let text = SMALL.replace(
            "two.example/mirror'",
            &format!("two.example/mirror', nodes: {nodes}"),
        );
        read("rules.yaml", &text, Path::new(""))
            .rules
            .and_then(|mut rules| rules.targets["b"].nodes.take())
    };
    let one = with("{docker: 'unix:///var/run/docker.sock'}");
    assert_eq!(one, with("{docker: ['unix:///var/run/docker.sock']}"));
    assert!(matches!(one, Some(Nodes::Engines(engines)) if engines.len() == 1));
    let cluster = with("{kubernetes: {context: dc2, namespace: migrate}}");
    assert!(matches!(cluster, Some(Nodes::Cluster(cluster)) if cluster.namespaces == ["migrate"]));
    assert_eq!(with("{kubernetes: {}, docker: 'unix:///x'}"), None);
}

#[test]
fn the_example_is_valid_and_says_every_key() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["secret", "hmac", "tls.crt", "tls.key"] {
        fs_err::write(folder.path().join(name), "0123456789").unwrap();
    }
    let checked = read("example.yaml", FULL, folder.path());
    assert!(!checked.findings.has_errors(), "{:?}", checked.findings);
    let rules = checked.rules.unwrap();
    assert_eq!(rules.sources.len(), 4);
    assert_eq!(rules.reconcile.interval, Duration::from_hours(1));
    assert_eq!(rules.rules[0].platforms.len(), 2);
    assert!(!format!("{rules:?}").contains("0123456789"));
}

/// Follows a node of the example through the schema, and collects what the schema has.
fn walk(
    schema: &serde_json::Value,
    at: &serde_json::Value,
    value: &serde_json::Value,
    path: &str,
    missing: &mut Vec<String>,
) {
    let mut options = vec![at];
    let mut index = 0;
    while index < options.len() {
        let option = options[index];
        index += 1;
        if let Some(reference) = option["$ref"].as_str() {
            let target = schema
                .pointer(reference.trim_start_matches('#'))
                .expect(reference);
            options.push(target);
        }
        options.extend(option["anyOf"].as_array().into_iter().flatten());
    }
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let inner = options.iter().find_map(|option| {
                    option["properties"]
                        .get(key)
                        .or_else(|| option.get("additionalProperties").filter(|a| a.is_object()))
                });
                match inner {
                    Some(inner) => walk(schema, inner, value, &format!("{path}.{key}"), missing),
                    None => missing.push(format!("{path}.{key}")),
                }
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                if let Some(inner) = options.iter().find_map(|option| option.get("items")) {
                    walk(schema, inner, item, &format!("{path}[*]"), missing);
                }
            }
        }
        _ => {}
    }
}

/// The keys of all mappings with fixed keys, as `path.key`.
fn schema_keys(schema: &serde_json::Value) -> Vec<String> {
    let mut keys = Vec::new();
    let mut open = vec![schema];
    while let Some(node) = open.pop() {
        if let Some(properties) = node["properties"].as_object() {
            keys.extend(properties.keys().cloned());
        }
        match node {
            serde_json::Value::Object(map) => open.extend(map.values()),
            serde_json::Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let example: serde_json::Value = serde_yaml::from_str(FULL).unwrap();
    let mut missing = Vec::new();
    walk(&schema, &schema, &example, "", &mut missing);
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "the schema lacks keys of the example"
    );
    // The example is read without an unknown key, so what the schema has and the example says, the reader knows too.
    let unsaid: Vec<_> = schema_keys(&schema)
        .into_iter()
        .filter(|key| !FULL.contains(&format!("{key}:")))
        .collect();
    assert_eq!(
        unsaid,
        Vec::<String>::new(),
        "the example lacks keys of the schema"
    );
}

#[test]
fn what_the_schema_requires_the_reader_requires() {
    for key in ["version", "sources", "targets", "rules"] {
        let without = SMALL
            .lines()
            .filter(|line| !line.starts_with(key) && (key != "rules" || !line.starts_with('-')))
            .fold(String::new(), |text, line| format!("{text}{line}\n"));
        assert!(
            read("rules.yaml", &without, Path::new("")).rules.is_none(),
            "{key}"
        );
    }
}

#[test]
fn mistakes_have_places() {
    let at = |line: u32, column: u32| format!("rules.yaml:{line}:{column}");
    let with = |extra: &str| codes(&format!("{SMALL}{extra}"));
    assert_eq!(codes(SMALL), vec![]);
    assert_eq!(
        with("paralel: 3\n"),
        vec![("presync-unknown-key", at(6, 10))]
    );
    assert_eq!(
        with("parallel: 0\n"),
        vec![("presync-bad-value", at(6, 11))]
    );
    assert_eq!(
        codes(&SMALL.replace("to: b", "to: c")),
        vec![
            ("presync-unused", at(3, 11)),
            ("presync-unknown-name", at(5, 17))
        ]
    );
    assert_eq!(
        with("receiver: {secret: hunter2hunter2}\n"),
        vec![("presync-literal-secret", at(6, 20))]
    );
    assert_eq!(
        with("receiver: {listen: '0.0.0.0:80'}\n"),
        vec![("presync-open-receiver", at(6, 11))]
    );
    assert_eq!(
        codes(&SMALL.replace("'one.example'", "'https://one.example'"))[0].0,
        "presync-bad-value"
    );
    assert_eq!(
        codes(&SMALL.replace("two.example/mirror", "one.example"))[0].0,
        "presync-copy-to-itself"
    );
    assert_eq!(codes("a: [")[0].0, "bad-syntax");
    assert_eq!(codes(""), vec![("presync-bad-value", at(1, 1))]);
    assert_eq!(codes("just text")[0].0, "wrong-type");
}

#[test]
fn a_literal_secret_is_not_repeated() {
    let text = format!("{SMALL}receiver: {{secret: hunter2hunter2}}\n");
    let checked = read("rules.yaml", &text, Path::new(""));
    assert!(!format!("{:?}", checked.findings).contains("hunter2"));
}

#[test]
fn images_find_their_rule() {
    let rules = small();
    let targets =
        |repository: &str, tag: Option<&str>| rules.targets_of("a", repository, tag).len();
    assert_eq!(targets("shop/web", Some("v1")), 1);
    assert_eq!(targets("shop/web", Some("latest")), 0);
    assert_eq!(targets("shop/web", Some("v1-rc1")), 0);
    assert_eq!(targets("other/web", Some("v1")), 0);
    assert_eq!(targets("shop/web", None), 1, "by digest");
    let signature = format!("sha256-{}.sig", "a".repeat(64));
    assert_eq!(targets("shop/web", Some(&signature)), 1, "referrers are on");
    assert_eq!(
        rules.targets["b"].registry.repository("shop/web"),
        "mirror/shop/web"
    );
}

#[test]
fn mirrors_are_seen_over_several_registries() {
    let text = "version: 1
sources: {a: {registry: one}, b: {registry: two}, c: {registry: three}}
targets: {to-a: {registry: one}, to-b: {registry: two}, to-c: {registry: three}}
rules:
- {from: a, to: to-b}
- {from: b, to: to-c}
";
    let open = read("r", text, Path::new("")).rules.unwrap();
    assert!(!open.mirrors_back("one", "to-b"));
    let closed = format!("{text}- {{from: c, to: to-a}}\n");
    let closed = read("r", &closed, Path::new("")).rules.unwrap();
    assert!(closed.mirrors_back("one", "to-b"));
    assert!(closed.mirrors_back("two", "to-c"));
}

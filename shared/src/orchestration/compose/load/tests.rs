//! Whole projects: several files, `.env`, both dialects.

use serde_json::{Value, json};

use super::{LoadOptions, Project, load};
use crate::finding::Findings;
use crate::orchestration::model::Dialect;
use crate::source::{Memory, Sources};

/// Loads the files of `/project`, of which `named` are given with `-f`.
fn project(
    files: &[(&str, &str)],
    named: &[&str],
    dialect: Option<Dialect>,
) -> Result<(Project, Findings), Findings> {
    let mut memory = Memory::default();
    for (name, text) in files {
        memory.add(format!("/project/{name}"), *text);
    }
    let options = LoadOptions {
        files: named.iter().map(Into::into).collect(),
        working_dir: "/project".into(),
        dialect,
        ..LoadOptions::default()
    };
    let (mut sources, mut findings) = (Sources::default(), Findings::default());
    let project = load(&options, &memory, &mut sources, &mut findings)?;
    Ok((project, findings))
}

fn codes(findings: &Findings) -> Vec<&'static str> {
    findings.as_slice().iter().map(|f| f.code.0).collect()
}

fn web(project: &Project) -> Value {
    project.node.to_json()["services"]["web"].clone()
}

/// A later mount at the same place takes nothing over from the earlier one.
#[test]
fn a_mount_is_replaced_as_a_whole() {
    let base = "services:
  web:
    image: a
    volumes:
      - {type: volume, source: data, target: /d, read_only: true, volume: {subpath: x}}
      - ./conf:/conf
    ports: [{target: 80, published: '80', app_protocol: http}]
volumes: {data: {}}
";
    let over = "services: {web: {volumes: ['data2:/d', 'data:/conf'], ports: ['80:80']}}
volumes: {data2: {}}
";
    let files = [("a.yaml", base), ("b.yaml", over)];
    let (project, findings) =
        project(&files, &["a.yaml", "b.yaml"], Some(Dialect::Compose)).expect("loads");
    let web = web(&project);
    assert_eq!(
        web["volumes"],
        json!([
            {"type": "volume", "source": "data2", "target": "/d"},
            {"type": "volume", "source": "data", "target": "/conf"},
        ])
    );
    assert_eq!(web["ports"][0].get("app_protocol"), None);
    assert_eq!(web["ports"].as_array().map(Vec::len), Some(1));
    let lost = codes(&findings);
    assert_eq!(
        lost.iter().filter(|c| **c == "overridden-by-merge").count(),
        3
    );
}

/// `.env` may say which files there are; the environment of the caller goes before it.
#[test]
fn files_that_dotenv_names() {
    let files = [
        ("compose.yaml", "services: {web: {image: wrong}}"),
        (
            "sub/a.yaml",
            "services: {web: {image: '${IMAGE}', user: '${OWNER}'}}",
        ),
        ("b.yaml", "services: {web: {hostname: h}}"),
        (
            ".env",
            "COMPOSE_FILE=sub/a.yaml,b.yaml\nCOMPOSE_PATH_SEPARATOR=,\nIMAGE=right\n",
        ),
        ("sub/.env", "IMAGE=other\nOWNER=me\n"),
    ];
    let (found, _) = project(&files, &[], Some(Dialect::Compose)).expect("loads");
    let web = web(&found);
    assert_eq!(
        (&web["image"], &web["hostname"]),
        (&json!("right"), &json!("h"))
    );
    assert_eq!(web["user"], "me");
    let (named, _) = project(&files, &["compose.yaml"], Some(Dialect::Compose)).expect("loads");
    assert_eq!(self::web(&named)["image"], "wrong");
}

/// `docker stack deploy` takes the lines of `env_file` as they are.
#[test]
fn variables_of_a_stack() {
    let files = [
        (
            "compose.yaml",
            "services: {web: {image: a, env_file: [x.env]}}",
        ),
        ("x.env", "A='x' # y\nB=$A\n"),
        (".env", "C=1\n"),
    ];
    for (dialect, a, b) in [
        (Dialect::Compose, "x", "x"),
        (Dialect::Swarm, "'x' # y", "$A"),
    ] {
        let (project, findings) = project(&files, &["compose.yaml"], Some(dialect)).expect("loads");
        assert_eq!(web(&project)["environment"], json!({"A": a, "B": b}));
        let told = codes(&findings).contains(&"dotenv-of-stack");
        assert_eq!(told, dialect == Dialect::Swarm);
    }
    let files = [files[0], ("x.env", "export D=1\n")];
    let refused = project(&files, &["compose.yaml"], Some(Dialect::Swarm)).expect_err("refused");
    assert!(codes(&refused).contains(&"bad-env-file"));
}

/// Words that a stack refuses are words of `docker compose`.
#[test]
fn what_is_no_stack() {
    let deploy = "deploy: {mode: replicated, restart_policy: {condition: CONDITION}}";
    for (lines, dialect) in [
        (deploy.replace("CONDITION", "any"), Dialect::Swarm),
        (
            deploy.replace("CONDITION", "unless-stopped"),
            Dialect::Compose,
        ),
        (
            "deploy: {mode: replicated}, depends_on: {db: {condition: service_healthy}}".to_owned(),
            Dialect::Compose,
        ),
        (
            "deploy: {mode: replicated}, depends_on: [db]".to_owned(),
            Dialect::Swarm,
        ),
    ] {
        let text = format!(
            "services: {{web: {{image: a, {lines}}}, db: {{image: b, healthcheck: {{test: x}}}}}}"
        );
        let (project, _) = project(&[("compose.yaml", &text)], &[], None).expect("loads");
        assert_eq!(project.dialect, dialect, "{lines}");
    }
}

/// A file of which nothing is converted says so aloud.
#[test]
fn all_services_belong_to_profiles() {
    let text = "services: {a: {image: x, profiles: [one]}, b: {image: y, profiles: [two]}}";
    let (_, findings) = project(&[("compose.yaml", text)], &[], None).expect("loads");
    let told = findings
        .as_slice()
        .iter()
        .find(|f| f.code.0 == "no-services");
    assert!(told.is_some_and(|f| f.message.contains("`one`, `two`")));
}

/// Whoever gives no dialect learns which one was taken, where that costs a power of a container.
#[test]
fn a_stack_by_guess_that_ignores_a_power_is_doubtful() {
    let text = "services: {web: {image: a, privileged: true, deploy: {mode: global}}}\n";
    for (dialect, doubtful) in [
        (None, true),
        (Some(Dialect::Swarm), false),
        (Some(Dialect::Compose), false),
    ] {
        let files = [("compose.yaml", text)];
        let (_, findings) = project(&files, &["compose.yaml"], dialect).expect("loads");
        assert_eq!(codes(&findings).contains(&"dialect-doubtful"), doubtful);
    }
}

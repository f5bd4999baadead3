//! Bad input: a clear error with its place, in bounded time and memory.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use migrate::finding::{Findings, Severity};
use migrate::orchestration::compose::ComposeTarget;
use migrate::orchestration::compose::load::LoadOptions;
use migrate::orchestration::convert::to_kubernetes;
use migrate::orchestration::kubernetes::KubernetesOptions;
use migrate::source::Memory;
use tests::fixtures;
use tests::run::text_to_file;

/// No input of ours may take longer; a hang would take for ever.
const BOUND: Duration = Duration::from_secs(20);

fn compose(files: &Memory) -> Result<Findings, Findings> {
    let options = LoadOptions {
        files: vec![PathBuf::from("/p/compose.yaml")],
        working_dir: PathBuf::from("/p"),
        ..LoadOptions::default()
    };
    let begin = Instant::now();
    let result = to_kubernetes(&options, &KubernetesOptions::default(), true, files);
    assert!(begin.elapsed() < BOUND);
    result.map(|c| c.findings).map_err(|f| f.findings)
}

fn code_of(text: impl Into<Vec<u8>>) -> &'static str {
    let mut files = Memory::default();
    files.add("/p/compose.yaml", text.into());
    let findings = compose(&files).unwrap_err();
    let error = findings
        .as_slice()
        .iter()
        .find(|f| f.severity() == Severity::Error)
        .unwrap();
    assert!(error.at.is_some(), "no place: {error:?}");
    error.code.0
}

#[test]
fn monsters_are_refused() {
    assert_eq!(code_of("- ".repeat(100_000)), "input-too-deep");
    let deep = (0..100_000)
        .map(|i| format!("{}a:\n", " ".repeat(i % 1000)))
        .collect::<String>();
    assert!(matches!(
        code_of(deep),
        "input-too-deep" | "bad-syntax" | "duplicate-key"
    ));
    let bomb = (1..30).fold("x0: &x0 [a, a]\n".to_owned(), |text, i| {
        format!("{text}x{i}: &x{i} [*x{0}, *x{0}, *x{0}, *x{0}]\n", i - 1)
    });
    assert_eq!(code_of(bomb), "alias-bomb");
    assert_eq!(code_of(vec![b'a'; 65 << 20]), "unreadable-file");
    assert_eq!(
        code_of(&b"services:\n  a:\n    image: \xff\xfe\n"[..]),
        "unreadable-file"
    );
    assert_eq!(
        code_of("services:\n  a:\n    image: \"x\u{0}y\"\n"),
        "bad-syntax"
    );
    let wide = format!(
        "services:\n  a:\n    image: ${{A:-{}}}\n",
        "${A:-".repeat(10_000)
    );
    assert_eq!(code_of(wide), "bad-interpolation");
    let growth = format!(
        "services:\n  a:\n    image: x\n    command: \"{}\"\n",
        "${A:-xxxxxxxxxxxxxxxxxxxxxxxx}".repeat(50_000)
    );
    let mut files = Memory::default();
    files.add("/p/compose.yaml", growth);
    let _ = compose(&files);
}

#[test]
fn a_monster_of_kubernetes_is_refused() {
    for text in [
        "- ".repeat(100_000),
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "kind: &a [*a]".to_owned(),
    ] {
        let begin = Instant::now();
        let failure = text_to_file(text, ComposeTarget::Compose).unwrap_err();
        assert!(begin.elapsed() < BOUND);
        assert!(
            failure
                .findings
                .as_slice()
                .iter()
                .any(|f| f.severity() == Severity::Error && f.at.is_some())
        );
    }
}

#[test]
fn paths_stay_inside_of_the_project() {
    for (name, text) in [
        ("env_file", "services: {a: {image: x, env_file: ../secret}}"),
        (
            "env_file",
            "services: {a: {image: x, env_file: /etc/passwd}}",
        ),
        (
            "label_file",
            "services: {a: {image: x, label_file: sub/../../secret}}",
        ),
        (
            "configs",
            "services: {a: {image: x}}\nconfigs: {c: {file: /etc/passwd}}",
        ),
        (
            "secrets",
            "services: {a: {image: x}}\nsecrets: {c: {file: ../../x}}",
        ),
        (
            "include",
            "include: [../other.yaml]\nservices: {a: {image: x}}",
        ),
        (
            "extends",
            "services: {a: {extends: {file: ../other.yaml, service: b}}}",
        ),
    ] {
        let mut files = Memory::default();
        files.add("/p/compose.yaml", text);
        for other in ["/secret", "/etc/passwd", "/x", "/other.yaml"] {
            files.add(other, "A=1");
        }
        let findings = compose(&files).unwrap_err();
        assert!(
            findings
                .as_slice()
                .iter()
                .any(|f| f.code.0 == "path-outside-project" && f.at.is_some()),
            "{name}: {findings:?}"
        );
    }
}

/// Bytes of address space that a conversion of bad input may take, in units of 1024.
const MEMORY: &str = "2000000";

/// One line of `hostile/index.tsv`.
struct Row {
    path: String,
    expect: String,
    exit: i32,
    codes: String,
    place: String,
}

fn rows() -> Vec<Row> {
    let index = fixtures::folder().join("hostile/index.tsv");
    std::fs::read_to_string(index)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .map(|line| {
            let cells: Vec<_> = line.split('\t').map(str::to_owned).collect();
            let [path, expect, _, exit, codes, place] = cells.try_into().unwrap();
            Row {
                path,
                expect,
                exit: exit.parse().unwrap(),
                codes,
                place,
            }
        })
        .collect()
}

/// What the program makes of a fixture: exit code, codes of the findings that matter, place of the first error.
fn outcome(row: &Row, work: &std::path::Path) -> (Option<i32>, String, String) {
    let path = fixtures::folder().join("hostile").join(&row.path);
    let report = work.join("report.json");
    let compose = row.path.starts_with("compose/");
    let program = if compose {
        env!("CARGO_BIN_EXE_docker-migrate-dup")
    } else {
        env!("CARGO_BIN_EXE_kubectl-migrate-dup")
    };
    // A shell sets the bound on memory, since the program itself must not be able to forget it.
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -v \"$1\"; shift; exec \"$@\"", "sh", MEMORY])
        .args([program, "convert", "-v", "--report"])
        .arg(&report)
        .arg("-d")
        .arg(work.join("out"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if !compose {
        command.args(["--to", "swarm", "-f"]).arg(&path);
        command.current_dir(work);
    } else if path.is_dir() {
        command.current_dir(&path);
    } else {
        command.arg("-f").arg(&path);
        command.current_dir(path.parent().unwrap());
    }
    let mut child = command.spawn().unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > BOUND {
            let _ = child.kill();
            let _ = child.wait();
            return (None, "no end".into(), String::new());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let findings: Vec<serde_json::Value> = std::fs::read(&report)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
        .and_then(|report| report["findings"].as_array().cloned())
        .unwrap_or_default();
    let errors: Vec<_> = findings
        .iter()
        .filter(|f| f["severity"] == "error")
        .collect();
    let matter: Vec<_> = if errors.is_empty() {
        findings
            .iter()
            .filter(|f| f["code"] != "dialect-chosen" && f["code"] != "taints")
            .collect()
    } else {
        errors.clone()
    };
    let codes: std::collections::BTreeSet<_> =
        matter.iter().filter_map(|f| f["code"].as_str()).collect();
    let place = errors
        .first()
        .map_or_else(String::new, |f| format!("{}:{}", f["line"], f["column"]));
    let or_none = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    (
        status.code(),
        or_none(codes.into_iter().collect::<Vec<_>>().join(",")),
        or_none(place),
    )
}

#[test]
fn hostile_fixtures_give_what_their_index_says() {
    let mut wrong = Vec::new();
    let rows = rows();
    assert!(rows.len() > 190, "only {} hostile fixtures", rows.len());
    for row in &rows {
        let work = tempfile::tempdir().unwrap();
        let seen = outcome(row, work.path());
        let expected = (Some(row.exit), row.codes.clone(), row.place.clone());
        if seen != expected {
            wrong.push(format!("{}: {seen:?} instead of {expected:?}", row.path));
        }
        // Nothing lies outside of the two places that were named.
        for path in std::fs::read_dir(work.path()).unwrap() {
            let name = path.unwrap().file_name();
            if name != "out" && name != "report.json" {
                wrong.push(format!("{}: wrote {}", row.path, name.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_index_of_hostile_fixtures_is_whole() {
    let rows = rows();
    for row in &rows {
        let fits = match row.expect.as_str() {
            "error" => row.exit == 65 && row.codes != "-" && row.place != "-",
            "finding" => row.exit == 0 && row.codes != "-",
            "fine" => row.exit == 0 && row.place == "-",
            "survive" => row.exit == 0 || row.exit == 65,
            _ => false,
        };
        assert!(fits, "{} contradicts itself", row.path);
    }
    let root = fixtures::folder().join("hostile");
    for group in ["compose", "kubernetes"] {
        let folder = root.join(group);
        for path in fixtures::files(&folder)
            .into_iter()
            .chain(fixtures::folders(&folder))
        {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            assert!(rows.iter().any(|row| row.path == name), "{name} has no row");
        }
    }
}

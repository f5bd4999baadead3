//! Bad input: a clear error with its place, in bounded time and memory.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use migrate::finding::{Findings, Severity};
use migrate::orchestration::compose::ComposeTarget;
use migrate::orchestration::compose::load::LoadOptions;
use migrate::orchestration::convert::to_kubernetes;
use migrate::orchestration::kubernetes::KubernetesOptions;
use migrate::source::{Disk, Memory};
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

#[test]
fn every_hostile_fixture_is_handled() {
    let root = fixtures::folder().join("hostile");
    let mut stack = vec![root];
    let mut seen = 0;
    while let Some(folder) = stack.pop() {
        stack.extend(fixtures::folders(&folder));
        for file in fixtures::files(&folder) {
            if !matches!(
                file.extension().and_then(|e| e.to_str()),
                Some("yaml" | "yml" | "json")
            ) {
                continue;
            }
            seen += 1;
            let begin = Instant::now();
            let options = LoadOptions {
                files: vec![file.clone()],
                working_dir: folder.clone(),
                ..LoadOptions::default()
            };
            if let Err(failure) =
                to_kubernetes(&options, &KubernetesOptions::default(), true, &Disk)
            {
                assert!(failure.findings.has_errors(), "{}", file.display());
            }
            let fixture = fixtures::KubernetesFixture {
                name: String::new(),
                path: file.clone(),
            };
            if let Err(failure) = tests::run::to_file(&fixture, ComposeTarget::Swarm, &Disk) {
                assert!(failure.findings.has_errors(), "{}", file.display());
            }
            assert!(begin.elapsed() < BOUND, "{}", file.display());
        }
    }
    assert!(seen > 20, "only {seen} hostile fixtures");
}

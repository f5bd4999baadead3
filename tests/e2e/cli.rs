//! The programs as their users call them.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

fn docker() -> Command {
    program(env!("CARGO_BIN_EXE_docker-migrate-dup"))
}

fn kubectl() -> Command {
    program(env!("CARGO_BIN_EXE_kubectl-migrate-dup"))
}

fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

const COMPOSE: &str = "services:\n  web:\n    image: nginx:1.27\n    ports: [\"8080:80\"]\n";

#[test]
fn docker_asks_who_the_plugin_is() {
    let output = docker().arg("docker-cli-plugin-metadata").output().unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(metadata["SchemaVersion"], "0.1.0");
    assert!(output.stderr.is_empty() && output.status.success());
}

#[test]
fn data_goes_to_standard_output_and_talk_to_standard_error() {
    let folder = project(&[("compose.yaml", COMPOSE)]);
    for arguments in [&["convert"][..], &["migrate", "convert"]] {
        let output = docker()
            .args(arguments)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let documents = text(&output.stdout);
        assert!(
            documents.starts_with("apiVersion:") && documents.contains("kind: Deployment"),
            "{documents}"
        );
        assert!(!text(&output.stderr).contains("apiVersion"));
    }
}

#[test]
fn exit_codes() {
    let folder = project(&[
        ("compose.yaml", COMPOSE),
        ("bad.yaml", "services: ["),
        (
            "lossy.yaml",
            "services: {a: {image: x, ulimits: {nofile: 5}}}",
        ),
    ]);
    let run = |arguments: &[&str]| -> (i32, String) {
        let output = docker()
            .args(arguments)
            .current_dir(&folder)
            .output()
            .unwrap();
        (output.status.code().unwrap(), text(&output.stderr))
    };
    assert_eq!(run(&["convert"]).0, 0);
    assert_eq!(run(&["convert", "--strict", "-f", "lossy.yaml"]).0, 2);
    assert_eq!(run(&["convert", "--no-such-flag"]).0, 64);
    let (code, said) = run(&["convert", "-f", "bad.yaml"]);
    assert_eq!(code, 65);
    assert!(said.contains("bad.yaml:2:1: error[bad-syntax]"), "{said}");
    let (code, said) = run(&["convert", "-f", "missing.yaml"]);
    assert_eq!(code, 65);
    assert!(said.contains("missing.yaml"), "{said}");
    assert_eq!(run(&["convert", "-d", "out"]).0, 0);
    let (code, said) = run(&["convert", "-d", "out"]);
    assert_eq!(code, 73);
    assert!(said.contains("--force"), "{said}");
    assert_eq!(run(&["convert", "-d", "out", "--force"]).0, 0);
}

#[test]
fn the_report_is_versioned_json() {
    let folder = project(&[(
        "compose.yaml",
        "services: {a: {image: x, ulimits: {nofile: 5}}}",
    )]);
    let report = folder.path().join("report.json");
    let status = docker()
        .args(["convert", "-q", "--report"])
        .arg(&report)
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(status.status.success() && status.stderr.is_empty());
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["schema"], 1);
    let findings = report["findings"].as_array().unwrap();
    let ulimits = findings
        .iter()
        .find(|f| f["path"] == "services.a.ulimits")
        .unwrap();
    assert_eq!(
        (ulimits["severity"].as_str(), ulimits["line"].as_u64()),
        (Some("loss"), Some(1))
    );
    for key in ["code", "file", "column", "message", "consequence", "remedy"] {
        assert!(!ulimits[key].is_null(), "{key}");
    }
}

#[test]
fn secrets_are_written_for_their_owner_only_and_never_shown() {
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: hunter2secret}\n---\n\
                    apiVersion: v1\nkind: Pod\nmetadata: {name: app}\nspec:\n  containers:\n  - name: app\n    image: x\n    \
                    volumeMounts: [{name: s, mountPath: /s}]\n  volumes: [{name: s, secret: {secretName: db}}]\n";
    let folder = project(&[("app.yaml", manifest)]);
    for target in ["compose", "swarm"] {
        let out = folder.path().join(target);
        let output: Output = kubectl()
            .args([
                "convert",
                "-f",
                "app.yaml",
                "--verbose",
                "--to",
                target,
                "-d",
                target,
                "--report",
                "r.json",
            ])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let report = text(&std::fs::read(folder.path().join("r.json")).unwrap());
        for said in [text(&output.stdout), text(&output.stderr), report] {
            assert!(!said.contains("hunter2secret"), "{said}");
        }
        let mut secret_files = 0;
        visit(&out, &mut |path| {
            use std::os::unix::fs::PermissionsExt as _;
            if text(&std::fs::read(path).unwrap()).contains("hunter2secret") {
                secret_files += 1;
                let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", path.display());
            }
        });
        assert_eq!(secret_files, 1);
    }
}

fn visit(folder: &Path, f: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, f);
        } else {
            f(&path);
        }
    }
}

#[test]
fn explain_reads_the_tables() {
    let output = docker().args(["explain", "ulimits"]).output().unwrap();
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("ulimits"));
    let output = kubectl()
        .args(["explain", "PodSpec.hostNetwork"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let output = kubectl()
        .args(["explain", "no-such-thing-at-all"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn a_kustomization_is_rendered_by_the_real_kubectl() {
    let Some(kubectl_binary) = tests::lab::Components::from_env().kubectl else {
        println!("NOT TESTED: kubectl could not be found");
        return;
    };
    let folder = project(&[
        (
            "kustomization.yaml",
            "namePrefix: prod-\nresources: [pod.yaml]\n",
        ),
        (
            "pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: app}\nspec: {containers: [{name: app, image: x}]}\n",
        ),
    ]);
    let output = kubectl()
        .env("KUBECTL", kubectl_binary)
        .args(["convert", "-k"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("prod-app"));
}

#[test]
fn a_missing_kubectl_says_what_to_do() {
    let output = kubectl()
        .env("KUBECTL", "/no/such/kubectl")
        .args(["convert", "-k", "."])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output.stderr).contains("install it"));
}

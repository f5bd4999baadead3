//! The report of a run: of one that fails too.

use super::{docker_migrate, sample_images, text, vote};

#[test]
fn a_run_that_fails_has_a_report_that_says_why() {
    let home = tempfile::tempdir().unwrap();
    sample_images(&home.path().join("images"));
    // The folder of the bundle cannot be made.
    std::fs::write(home.path().join("file"), "").unwrap();
    let output = docker_migrate(home.path())
        .args(["run", "--file"])
        .arg(vote())
        .args([
            "--images-from",
            "oci:images",
            "--to",
            "bundle:file/bundle",
            "--report",
            "report.html",
        ])
        .output()
        .unwrap();
    assert!(!output.status.success(), "{}", text(&output.stderr));
    let report = std::fs::read_to_string(home.path().join("report.html")).unwrap();
    let report = report.replace("&#x2F;", "/");
    let said = text(&output.stderr);
    let reason = said
        .lines()
        .find_map(|line| line.split_once("error: "))
        .map(|(_, reason)| reason.trim())
        .unwrap_or_else(|| panic!("no reason: {said}"));
    assert!(report.contains(reason), "no `{reason}` in {report}");
}

#[test]
fn a_report_needs_nothing_from_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    sample_images(&home.path().join("images"));
    let run = |report: &str| {
        docker_migrate(home.path())
            .args(["run", "--file"])
            .arg(vote())
            .args([
                "--images-from",
                "oci:images",
                "--to",
                "bundle:bundle",
                "--report",
                report,
            ])
            .output()
            .unwrap()
    };
    assert!(run("report.html").status.success());
    let report = std::fs::read_to_string(home.path().join("report.html")).unwrap();
    // Slashes may be escaped.
    let report = report.replace("&#x2F;", "/");
    for expected in [
        "T_OrcConvert",
        "T_ImageSync",
        "docker.io/library/redis",
        "prefers-color-scheme",
    ] {
        assert!(report.contains(expected), "no {expected} in the report");
    }
    for foreign in [
        "<script", "<link", "src=", "url(", "http://", "https://", "@import",
    ] {
        assert!(!report.contains(foreign), "{foreign} in the report");
    }
}

//! The report of a run: of one that fails too.

use std::path::Path;

use super::{docker_migrate, sample_images, text, vote};

/// A report as HTML; slashes may be escaped in it.
pub(super) fn read(folder: &Path, name: &str) -> String {
    let report = std::fs::read_to_string(folder.join(name)).unwrap();
    report.replace("&#x2F;", "/")
}

#[test]
fn a_run_that_fails_has_a_report_that_says_why() {
    let home = tempfile::tempdir().unwrap();
    sample_images(&home.path().join("images"));
    let run = |images: &str, report: &str| {
        let output = docker_migrate(home.path())
            .args(["run", "--file"])
            .arg(vote())
            .args(["--images-from", images])
            .args(["--to", "bundle:bundle", "--report", report])
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{said}");
        let report = read(home.path(), report);
        let reason = said
            .lines()
            .find_map(|line| Some(line.split_once("error: ")?.1.trim()));
        let reason = reason.unwrap_or_else(|| panic!("no reason: {said}"));
        assert!(report.contains(reason), "no `{reason}` in {report}");
        report
    };
    // An image that is not there is seen before anything is written.
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    std::fs::copy(
        home.path().join("images/oci-layout"),
        empty.join("oci-layout"),
    )
    .unwrap();
    std::fs::write(
        empty.join("index.json"),
        r#"{"schemaVersion":2,"manifests":[]}"#,
    )
    .unwrap();
    let blocked = run("oci:empty", "blocked.html");
    assert!(blocked.contains("Nothing was changed."), "{blocked}");
    // The folder of the orchestration cannot be made.
    std::fs::create_dir_all(home.path().join("bundle")).unwrap();
    std::fs::write(home.path().join("bundle/orchestration"), "").unwrap();
    let unfinished = run("oci:images", "unfinished.html");
    assert!(unfinished.contains("goes on with it"), "{unfinished}");
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
    let report = read(home.path(), "report.html");
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

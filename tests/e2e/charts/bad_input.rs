//! Bad input: a clear message, and nothing lost.

use std::io::Write as _;
use std::path::Path;

use assert_cmd::Command;

use super::helms;

const CHART: &str = "apiVersion: v2\nname: bad\nversion: 0.1.0\n";

/// Converts a chart of these files; gives exit code and what was said.
fn refused(helm: &Path, files: &[(&str, &str)], more: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("chart");
    for (path, content) in files {
        let path = chart.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let out = folder.path().join("out");
    let (code, said) = converted(helm, &chart, &out, folder.path(), more);
    assert!(!out.exists(), "nothing is written: {said}");
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("partial"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    (code, said)
}

fn converted(helm: &Path, chart: &Path, out: &Path, folder: &Path, more: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_helm-convert-dup"))
        .current_dir(folder)
        .env("HELM_BIN", helm)
        .args(["chart", "--from", "huawei", "--to", "ali", "-d"])
        .arg(out)
        .arg(chart)
        .args(more)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code().unwrap(), said)
}

#[test]
fn helm_is_missing() {
    let (code, said) = refused(
        Path::new("/nonexistent/helm"),
        &[("Chart.yaml", CHART)],
        &[],
    );
    assert_eq!(code, 69, "{said}");
    assert!(
        said.contains("https://helm.sh/docs/intro/install/"),
        "{said}"
    );
}

#[test]
fn broken_charts() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let say = |files: &[(&str, &str)], more: &[&str], code: i32, words: &[&str]| {
        let (found, said) = refused(&helm, files, more);
        assert_eq!(found, code, "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
    };
    say(&[("values.yaml", "a: 1\n")], &[], 65, &["no Chart.yaml"]);
    say(
        &[("inner/Chart.yaml", CHART)],
        &[],
        65,
        &["did you mean", "inner"],
    );
    say(
        &[("Chart.yaml", "apiVersion: v2\nname: [\n")],
        &[],
        65,
        &["Chart.yaml: line"],
    );
    say(
        &[("Chart.yaml", CHART), ("values.yaml", "a: b: c\n")],
        &[],
        65,
        &["values.yaml: line 1"],
    );
    // Helm's own message, with file and line.
    say(
        &[
            ("Chart.yaml", CHART),
            ("templates/x.yaml", "a: 1\nb: {{ .Values.c.d }}\n"),
        ],
        &[],
        70,
        &["templates/x.yaml:2", "nil pointer"],
    );
    say(
        &[("Chart.yaml", CHART), ("templates/x.yaml", "a: {{ if }}\n")],
        &[],
        70,
        &["templates/x.yaml:1"],
    );
    say(
        &[("Chart.yaml", CHART), ("templates/x.yaml", "a: b: c\n")],
        &[],
        70,
        &["templates/x.yaml"],
    );
    // A values file that contradicts the schema.
    let schema = "{\"properties\": {\"size\": {\"type\": \"integer\"}}}";
    say(
        &[
            ("Chart.yaml", CHART),
            ("values.schema.json", schema),
            ("values.yaml", "size: big\n"),
        ],
        &[],
        70,
        &["schema", "size"],
    );
    say(
        &[("Chart.yaml", CHART)],
        &["-f", "no-such-file.yaml"],
        1,
        &["no-such-file.yaml"],
    );
    say(
        &[("Chart.yaml", &format!("{CHART}type: library\n"))],
        &[],
        70,
        &["library"],
    );
    say(
        &[(
            "Chart.yaml",
            &format!(
                "{CHART}dependencies:\n- name: x\n  version: 1.0.0\n  repository: file://../nowhere\n"
            ),
        )],
        &[],
        65,
        &["dependency `x`", "nowhere"],
    );
    say(&[("Chart.yaml", CHART)], &["--to", "moon"], 64, &[]);
}

#[test]
fn a_rendering_without_end_is_stopped() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let long = "x".repeat(1000);
    let template = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n{{{{- range $i := until 120000 }}}}\n  k{{{{ $i }}}}: {long}\n{{{{- end }}}}\n"
    );
    let (code, said) = refused(
        &helm,
        &[("Chart.yaml", CHART), ("templates/x.yaml", &template)],
        &[],
    );
    assert_eq!(code, 70, "{said}");
    assert!(said.contains("more than 100 MB"), "{said}");
}

#[test]
fn archives_that_reach_outside() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("evil.tgz");
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(
        std::fs::File::create(&archive).unwrap(),
        flate2::Compression::fast(),
    ));
    let mut header = tar::Header::new_gnu();
    header.set_size(CHART.len() as u64);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, "evil/Chart.yaml", CHART.as_bytes())
        .unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder
        .append_link(&mut header, "evil/templates/passwd.yaml", "/etc/passwd")
        .unwrap();
    builder
        .into_inner()
        .unwrap()
        .finish()
        .unwrap()
        .flush()
        .unwrap();
    let out = folder.path().join("out");
    let (code, said) = converted(&helm, &archive, &out, folder.path(), &[]);
    assert_eq!(code, 65, "{said}");
    assert!(said.contains("is a link"), "{said}");
    assert!(!out.exists());
}

/// An archive whose entry has a name that leads outside; the library would not write one.
fn archive_with(name: &str, path: &Path) {
    let mut header = tar::Header::new_gnu();
    let text = CHART.as_bytes();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    let file = std::fs::File::create(path).unwrap();
    let packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    let mut builder = tar::Builder::new(packed);
    let mut chart = tar::Header::new_gnu();
    chart.set_size(text.len() as u64);
    chart.set_mode(0o644);
    builder
        .append_data(&mut chart, "evil/Chart.yaml", text)
        .unwrap();
    builder.append(&header, text).unwrap();
    builder
        .into_inner()
        .unwrap()
        .finish()
        .unwrap()
        .flush()
        .unwrap();
}

#[test]
fn archives_with_paths_that_climb() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    for name in [
        "evil/../../escaped.yaml",
        "/escaped.yaml",
        "../escaped.yaml",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("evil.tgz");
        archive_with(name, &archive);
        let out = folder.path().join("out");
        let (code, said) = converted(&helm, &archive, &out, folder.path(), &[]);
        assert_eq!(code, 65, "{name}: {said}");
        assert!(said.contains("escaped.yaml"), "{name}: {said}");
        assert!(!out.exists());
        assert!(!folder.path().join("escaped.yaml").exists());
    }
}

#[test]
fn values_files_that_contradict_the_schema() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let values = folder.path().join("big.yaml");
    std::fs::write(&values, "size: big\n").unwrap();
    let schema = "{\"properties\": {\"size\": {\"type\": \"integer\"}}}";
    let (code, said) = refused(
        &helm,
        &[
            ("Chart.yaml", CHART),
            ("values.schema.json", schema),
            ("values.yaml", "size: 1\n"),
        ],
        &["-f", &values.display().to_string()],
    );
    assert_eq!(code, 70, "{said}");
    assert!(said.contains("schema") && said.contains("size"), "{said}");
}

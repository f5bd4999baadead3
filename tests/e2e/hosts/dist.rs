//! A release of the programs that were built for these tests: its archives, sums, manifest and papers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::{COMPONENTS, DOCKER_MIGRATE, HELM_CONVERT, Home, KUBECTL_MIGRATE, component, run};

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folder of the release; made once for all tests of a process.
static RELEASE: LazyLock<PathBuf> = LazyLock::new(|| {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("release");
    let programs = base.join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    for (program, name) in [
        (KUBECTL_MIGRATE, "kubectl-migrate"),
        (DOCKER_MIGRATE, "docker-migrate"),
        (HELM_CONVERT, "helm-convert"),
    ] {
        let file = programs.join(name);
        // Without the information for debuggers: a sixth of the size.
        let stripped = Command::new("strip")
            .arg("-o")
            .arg(&file)
            .arg(program)
            .status();
        if !stripped.is_ok_and(|status| status.success()) {
            std::fs::copy(program, &file).unwrap();
        }
    }
    let out = base.join("dist");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["dist", "--fast", "--programs"])
        .arg(&programs)
        .arg("--out-dir")
        .arg(&out);
    run(command).done();
    out
});

pub(super) fn release() -> &'static Path {
    &RELEASE
}

/// File name of the archive of `docker-migrate` or `kubectl-migrate`.
pub(super) fn archive(program: &str) -> PathBuf {
    release().join(format!("{program}-v{VERSION}-linux-amd64.tar.gz"))
}

/// Names, modes and kinds of the entries of an archive.
fn entries(archive: &Path) -> BTreeMap<String, (u32, tar::EntryType)> {
    let file = std::fs::File::open(archive).unwrap();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
    tar.entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            (
                entry.path().unwrap().display().to_string(),
                (header.mode().unwrap(), header.entry_type()),
            )
        })
        .collect()
}

#[test]
fn archives_hold_what_their_hosts_want() {
    let flat = release().join("helm-convert-linux-amd64.tgz");
    let wrapped = release().join(format!("helm4/linux-amd64/convert-{VERSION}.tgz"));
    for (archive, programs) in [
        (
            archive("kubectl-migrate"),
            &["kubectl-migrate", "kubectl_complete-migrate"][..],
        ),
        (archive("docker-migrate"), &["docker-migrate"]),
        (flat, &["bin/helm-convert", "plugin.complete"]),
        (
            wrapped,
            &["convert/bin/helm-convert", "convert/plugin.complete"],
        ),
    ] {
        let entries = entries(&archive);
        for (path, (mode, kind)) in &entries {
            if *kind == tar::EntryType::Directory {
                continue;
            }
            assert_eq!(
                *kind,
                tar::EntryType::Regular,
                "krew refuses anything else: {path}"
            );
            let program = programs.contains(&path.as_str());
            assert_eq!(*mode, if program { 0o755 } else { 0o644 }, "{path}");
        }
        for program in programs {
            assert!(entries.contains_key(*program), "{program}: {entries:?}");
        }
        for paper in ["LICENSE", "THIRD-PARTY.txt"] {
            assert!(
                entries.keys().any(|path| path.ends_with(paper)),
                "{}: {paper}",
                archive.display()
            );
        }
        assert!(
            entries.keys().any(|path| path.contains("man/")
                && Path::new(path).extension().is_some_and(|e| e == "1")),
            "{entries:?}"
        );
    }
}

#[test]
fn sums_are_those_of_the_files() {
    let mut command = Command::new("sha256sum");
    command
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(release());
    let lines = run(command).done().out.lines().count();
    let mut open = vec![release().to_owned()];
    let mut files = 0;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files += 1;
            }
        }
    }
    assert_eq!(lines + 1, files, "every file but the list itself has a sum");
}

#[test]
fn the_manifest_is_what_krew_takes() {
    let Some(validator) = component(
        "validate-krew-manifest",
        COMPONENTS.validate_krew_manifest.as_ref(),
    ) else {
        return;
    };
    // The validator installs every platform from where the manifest says: here from loopback.
    let (Some(kubectl), Some(krew)) = (
        component("kubectl", COMPONENTS.kubectl.as_ref()),
        component("krew", COMPONENTS.krew.as_ref()),
    ) else {
        return;
    };
    let home = Home::new();
    home.link("kubectl", kubectl).link("kubectl-krew", krew);
    let server = super::serve(release().to_owned());
    let text = std::fs::read_to_string(release().join("migrate.yaml")).unwrap();
    let manifest: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let uri = manifest["spec"]["platforms"][0]["uri"].as_str().unwrap();
    assert!(uri.starts_with("https://"), "{uri}");
    let homepage = manifest["spec"]["homepage"].as_str();
    assert!(homepage.is_some_and(|homepage| uri.starts_with(homepage)));
    let (place, file) = uri.rsplit_once('/').unwrap();
    assert!(release().join(file).is_file(), "{uri}");
    let local = home.write("migrate.yaml", &text.replace(place, &server));
    let judged = home.run(validator, &["-manifest", local.to_str().unwrap()]);
    judged.done();
}

#[test]
fn the_bill_of_materials_names_what_is_linked() {
    let text = std::fs::read_to_string(release().join("migrate.cdx.json")).unwrap();
    let bill: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    let components = bill["components"].as_array().unwrap();
    for name in ["clap", "tokio", "rustls"] {
        let component = components
            .iter()
            .find(|component| component["name"] == name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(
            component["hashes"][0]["content"].as_str().map(str::len),
            Some(64)
        );
        assert!(component["licenses"][0]["expression"].is_string());
    }
    for name in ["insta", "proptest", "assert_cmd"] {
        assert!(
            components.iter().all(|component| component["name"] != name),
            "{name} is for tests only"
        );
    }
    let licences = std::fs::read_to_string(release().join("THIRD-PARTY.txt")).unwrap();
    for component in components {
        let line = format!(
            "{} {}: ",
            component["name"].as_str().unwrap(),
            component["version"].as_str().unwrap()
        );
        assert!(licences.contains(&line), "{line}");
    }
}

#[test]
fn shells_and_man_take_what_is_made_for_them() {
    let completions = release().join("completions");
    for program in ["kubectl-migrate", "docker-migrate", "helm-convert"] {
        let script = completions.join(format!("{program}.bash"));
        let mut bash = Command::new("bash");
        bash.arg("-n").arg(&script);
        run(bash).done();
        for shell in ["zsh", "fish", "elvish", "powershell"] {
            let script = completions.join(format!("{program}.{shell}"));
            let text = std::fs::read_to_string(&script).unwrap();
            assert!(text.contains(program), "{}", script.display());
        }
    }
    let mut pages = 0;
    for entry in std::fs::read_dir(release().join("man")).unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.contains(".TH ") && text.contains(".SH SYNOPSIS"),
            "{}",
            file.display()
        );
        pages += 1;
    }
    assert!(pages > 30, "{pages}");
}

#[test]
fn a_second_release_has_the_same_bytes() {
    let again = Path::new(env!("CARGO_TARGET_TMPDIR")).join("release/again");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["dist", "--fast", "--programs"])
        .arg(release().parent().unwrap().join("programs"))
        .arg("--out-dir")
        .arg(&again);
    run(command).done();
    let sums = |folder: &Path| std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    assert_eq!(sums(release()), sums(&again));
    std::fs::remove_dir_all(again).unwrap();
}

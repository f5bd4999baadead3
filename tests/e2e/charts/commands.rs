//! The program itself, alone and as a plugin of helm.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

use super::{charts_folder, helms, objects, render};

/// `helm-convert` with a helm and nothing of the caller's environment that matters to it.
fn program(helm: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helm-convert-dup"));
    command.env("HELM_BIN", helm);
    for name in ["HELM_PLUGIN_DIR", "HELM_NAMESPACE", "HELM_DEBUG"] {
        command.env_remove(name);
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn ids_that_are_missing_are_asked_for() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let chart = charts_folder().join("umbrella");
    let map = folder.path().join("ids.yaml");
    let out = folder.path().join("out");
    let output = program(&helm)
        .args(["chart", "--from", "Huawei", "--to", "Ali"])
        .arg(&chart)
        .arg("--out-dir")
        .arg(&out)
        .arg("--write-map")
        .arg(&map)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(65), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("--allow-missing"));
    assert!(!out.exists(), "nothing is written");
    let written = std::fs::read_to_string(&map).unwrap();
    assert!(
        written.contains("9d5a1ea2-5ba4-47ef-85a3-1e0b4d8f3c11"),
        "{written}"
    );
    let filled = written
        .replace(": ''", ": target-id")
        .replace(": \"\"", ": target-id");
    std::fs::write(&map, filled).unwrap();
    program(&helm)
        .args(["chart", "--from", "Huawei", "--to", "Ali"])
        .arg(&chart)
        .arg("--out-dir")
        .arg(&out)
        .arg("--map")
        .arg(&map)
        .assert()
        .success();
    let rendered = render(&helm, &out, &[]).unwrap();
    assert!(rendered.contains("target-id"), "{rendered}");
}

#[test]
fn a_dry_run_writes_nothing_and_auto_says_what_it_saw() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let output = program(&helm)
        .current_dir(folder.path())
        .args(["chart", "--to", "ali", "--dry-run", "--allow-missing"])
        .arg(charts_folder().join("wordpress"))
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("saw huawei: "), "{said}");
    assert!(said.contains("nothing was written"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_with_files_is_not_overwritten() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "").unwrap();
    let command = |force: bool| {
        let mut command = program(&helm);
        command
            .args(["chart", "--to", "ali", "--allow-missing", "-d"])
            .arg(folder.path())
            .arg(charts_folder().join("nginx1-cce"));
        if force {
            command.arg("--force");
        }
        command
    };
    command(false).assert().code(73);
    command(true).assert().success();
    assert!(folder.path().join("mine").exists());
    assert!(folder.path().join("values-ali.yaml").exists());
}

#[test]
fn values_files_and_options_get_twins() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let values = folder.path().join("prod.yaml");
    std::fs::write(&values, "# fast\nstorage:\n  diskType: SAS\n").unwrap();
    let out = folder.path().join("out");
    program(&helm)
        .args(["chart", "--from", "cce", "--to", "ack", "--allow-missing"])
        .arg("-f")
        .arg(&values)
        .args(["--set", "storage.class=csi-disk", "-d"])
        .arg(&out)
        .arg(charts_folder().join("nginx1-cce"))
        .assert()
        .success();
    assert!(
        std::fs::read_to_string(out.join("prod-ali.yaml"))
            .unwrap()
            .contains("# fast")
    );
    assert!(out.join("set-ali.yaml").exists());
}

#[test]
fn the_plain_form_renders_the_same() {
    let Some((_, helm)) = helms().into_iter().next() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for name in ["wordpress", "hooks", "library"] {
        let (flat, live) = (
            folder.path().join(name),
            folder.path().join(format!("{name}-live")),
        );
        for (out, more) in [(&flat, Some("--flat")), (&live, None)] {
            program(&helm)
                .args([
                    "chart",
                    "--from",
                    "huawei",
                    "--to",
                    "ali",
                    "--allow-missing",
                    "-d",
                ])
                .arg(out)
                .arg(charts_folder().join(name))
                .args(more)
                .assert()
                .success();
        }
        let (flat, live) = (
            render(&helm, &flat, &[]).unwrap(),
            render(&helm, &live, &[]).unwrap(),
        );
        let names = |text: &str| objects(text).into_keys().collect::<Vec<_>>();
        assert_eq!(names(&flat), names(&live), "{name}");
    }
}

/// A folder of plugins with ours in it, as `helm plugin install` of a folder leaves it.
fn plugins(folder: &Path) -> PathBuf {
    let plugins = folder.join("plugins");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../helm-convert");
    let ours = plugins.join("helm-convert");
    std::fs::create_dir_all(ours.join("bin")).unwrap();
    std::fs::copy(source.join("plugin.yaml"), ours.join("plugin.yaml")).unwrap();
    std::os::unix::fs::symlink(
        env!("CARGO_BIN_EXE_helm-convert-dup"),
        ours.join("bin/helm-convert"),
    )
    .unwrap();
    plugins
}

#[test]
fn helm_runs_it_as_a_plugin() {
    for (name, helm) in helms() {
        let folder = tempfile::tempdir().unwrap();
        let plugins = plugins(folder.path());
        let out = folder.path().join("out");
        let output = Command::new(&helm)
            .env("HELM_PLUGINS", &plugins)
            .args([
                "convert",
                "chart",
                "--from",
                "huawei",
                "--to",
                "ali",
                "--allow-missing",
                "-d",
            ])
            .arg(&out)
            .arg(charts_folder().join("nginx1-cce"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert!(out.join("Chart.yaml").exists(), "{name}");
    }
}

#[test]
fn helm_runs_it_between_rendering_and_installing() {
    for (name, helm) in helms() {
        let folder = tempfile::tempdir().unwrap();
        let fourth = name == "helm4";
        let plugins = plugins(folder.path());
        if fourth {
            Command::new(&helm)
                .env("HELM_PLUGINS", &plugins)
                .args(["convert", "install-post-render"])
                .assert()
                .success();
        }
        let renderer = if fourth {
            "convert-post-render".to_owned()
        } else {
            plugins
                .join("helm-convert/bin/helm-convert")
                .display()
                .to_string()
        };
        let mut command = Command::new(&helm);
        command.env("HELM_PLUGINS", &plugins).args([
            "template",
            "shop",
            "--post-renderer",
            &renderer,
        ]);
        let mut words = vec!["--from=huawei", "--to=ali", "--allow-missing", "--quiet"];
        if !fourth {
            words.insert(0, "post-render");
        }
        for word in words {
            command.arg(format!("--post-renderer-args={word}"));
        }
        let output = command
            .arg(charts_folder().join("nginx1-cce"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let rendered = text(&output.stdout);
        assert!(!rendered.contains("everest.io"), "{name}: {rendered}");
        assert!(
            rendered.contains("alibaba-cloud-loadbalancer-address-type: intranet"),
            "{name}: {rendered}"
        );
    }
}

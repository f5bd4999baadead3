//! `helm convert` in the real Helm 3 and Helm 4.

use std::path::{Path, PathBuf};

use super::dist::{VERSION, release};
use super::{HELM_CONVERT, Home, helms, root, serve};

/// A home with one helm.
fn bare(helm: &Path) -> Home {
    let home = Home::new();
    home.link("helm", helm);
    home.write(
        "chart/Chart.yaml",
        "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    );
    home.write("chart/values.yaml", "");
    home.write(
        "chart/templates/pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: web\n    image: \"registry.example/{{ .Release.Namespace }}/web:1\"\n",
    );
    home
}

/// The plugin's folder as a user has it after unpacking, with the program as a link.
pub(super) fn plugin(home: &Home) -> PathBuf {
    let folder = home.path().join("unpacked/helm-convert");
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    for name in ["plugin.yaml", "plugin.complete"] {
        std::fs::copy(root().join("helm-convert").join(name), folder.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(HELM_CONVERT, folder.join("bin/helm-convert")).unwrap();
    folder
}

/// A home with one helm and the plugin.
pub(super) fn home(helm: &Path) -> Home {
    let home = bare(helm);
    let folder = plugin(&home);
    home.host("helm", &["plugin", "install", folder.to_str().unwrap()])
        .done();
    home
}

/// The plugin works, goes, and nothing of it stays.
fn works_and_goes(home: &Home, major: u32) {
    home.host("helm", &["plugin", "list"])
        .done()
        .says("convert");
    home.host("helm", &["convert", "--version"])
        .done()
        .says("helm convert ");
    home.host("helm", &["convert", "doctor", "--offline"])
        .says("helm runs ")
        .says(&format!("v{major}."));
    home.host("helm", &["__complete", "convert", "ch"])
        .done()
        .says("chart\t");
    home.host("helm", &["plugin", "uninstall", "convert"])
        .done();
    home.host("helm", &["convert", "--version"]).ended(1);
    let left: Vec<_> = home
        .named(&["convert"])
        .into_iter()
        .filter(|path| !path.starts_with("unpacked") && !path.starts_with(".cache"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn from_a_folder() {
    for (major, helm) in helms() {
        works_and_goes(&home(&helm), major);
    }
}

#[test]
fn from_the_unpacked_archive() {
    for (major, helm) in helms() {
        let home = bare(&helm);
        home.shell(&format!(
            "mkdir unpacked && tar -xzf {} -C unpacked && helm plugin install unpacked",
            release().join("helm-convert-linux-amd64.tgz").display()
        ))
        .done();
        works_and_goes(&home, major);
    }
}

#[test]
fn from_an_archive_on_this_machine() {
    for (major, helm) in helms() {
        let archive = release().join(format!("helm4/linux-amd64/convert-{VERSION}.tgz"));
        let home = bare(&helm);
        let line = format!("helm plugin install {}", archive.display());
        if major == 3 {
            // It takes folders and addresses only.
            assert_ne!(home.shell(&line).code, Some(0));
            continue;
        }
        home.shell(&line).ended(1).says("verif");
        home.shell(&format!("{line} --verify=false")).done();
        works_and_goes(&home, major);
    }
}

#[test]
fn from_an_address() {
    for (major, helm) in helms() {
        let server = serve(release().to_owned());
        let home = bare(&helm);
        let unchecked = if major == 4 { "--verify=false" } else { "" };
        home.shell(&format!(
            "helm plugin install {server}/helm-convert-linux-amd64.tgz {unchecked}"
        ))
        .done();
        works_and_goes(&home, major);
    }
}

#[test]
fn every_shape_of_a_call_is_understood() {
    for (_, helm) in helms() {
        let home = home(&helm);
        home.host("helm", &["convert", "--help"])
            .done()
            .says("Usage: helm convert");
        home.host("helm", &["convert", "chart", "-h"])
            .done()
            .says("Usage: helm convert chart");
        home.host("helm", &["convert", "help", "chart"])
            .done()
            .says("Usage: helm convert chart");
        home.host("helm", &["help", "convert"]).done();
        // Helm takes its own options out wherever they stand, and tells the plugin by variables.
        for line in [
            &["-n", "inner", "convert", "images", "list", "chart"][..],
            &["convert", "images", "list", "chart", "-n", "inner"],
            &["convert", "images", "list", "--namespace=inner", "chart"],
            &[
                "convert", "-n", "inner", "images", "list", "--debug", "chart",
            ],
        ] {
            home.host("helm", line).says("registry.example/inner/web:1");
        }
    }
}

#[test]
fn exit_codes_pass_through() {
    for (_, helm) in helms() {
        let home = home(&helm);
        for (line, code) in [
            (&["convert"][..], 64),
            (&["convert", "chart", "--nonsense"], 64),
            (&["convert", "images", "list", "missing"], 70),
            (&["convert", "explain", "no-such-key"], 64),
        ] {
            home.host("helm", line).ended(code);
        }
    }
}

#[test]
fn post_rendering_is_installed_where_it_does_no_harm() {
    for (major, helm) in helms() {
        let home = home(&helm);
        home.write(
            "chart/templates/service.yaml",
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations: {kubernetes.io/elb.class: union, kubernetes.io/elb.id: \"1\"}\nspec: {type: LoadBalancer, ports: [{port: 80}]}\n",
        );
        let options = "--post-renderer-args=--from=huawei --post-renderer-args=--to=ali --post-renderer-args=--allow-missing";
        let installed = home.host("helm", &["convert", "install-post-render"]);
        let line = if major == 3 {
            // Helm 3 takes a program; a plugin for Helm 4 in its folder would cost it all plugins.
            installed.ended(64).says("--post-renderer ");
            assert!(home.named(&["convert-post-render"]).is_empty());
            format!(
                "helm template shop chart --post-renderer \"$(helm env HELM_PLUGINS)/helm-convert/bin/helm-convert\" --post-renderer-args=post-render {options}"
            )
        } else {
            installed.done().says("--post-renderer convert-post-render");
            format!("helm template shop chart --post-renderer convert-post-render {options}")
        };
        let rendered = home.shell(&line).done();
        assert!(
            !rendered.out.contains("kubernetes.io/elb.class"),
            "{rendered:#?}"
        );
        assert!(rendered.out.contains("kind: Service"), "{rendered:#?}");
        if major == 4 {
            home.host("helm", &["plugin", "uninstall", "convert-post-render"])
                .done();
        }
        works_and_goes(&home, major);
    }
}

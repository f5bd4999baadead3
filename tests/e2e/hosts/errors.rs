//! What users are told who type something wrong, word for word: it has to name the next thing to type.

use std::fmt::Write as _;

use super::{DOCKER_MIGRATE, HELM_CONVERT, Home, KUBECTL_MIGRATE};

/// Runs lines without any host program on PATH, and shows exit codes and words.
fn told(program: &str, name: &str, lines: &[&[&str]]) -> String {
    let home = Home::new();
    home.write("bad.yaml", "services: [\n");
    home.write("compose/empty.yaml", "");
    home.write("out/web-deployment.yaml", "mine\n");
    let mut shown = String::new();
    for line in lines {
        let mut command = home.command(program);
        command.env("PATH", home.path().join("bin")).args(*line);
        let ran = super::run(command);
        let place = home.path().display().to_string();
        let said = format!("{}{}", ran.out, ran.err).replace(&place, "HOME");
        let _ = writeln!(
            shown,
            "$ {name} {}\n[{}]\n{}",
            line.join(" "),
            ran.code.unwrap_or(-1),
            said.trim_end()
        );
        shown.push('\n');
        assert!(
            ran.code != Some(0) && ran.code != Some(101),
            "{line:?}: {said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    }
    shown
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn docker_migrate_names_the_next_command() {
    let shown = told(
        DOCKER_MIGRATE,
        "docker-migrate",
        &[
            &["convrt"],
            &["convert"],
            &["convert", "bad.yaml"],
            &["convert", "-f", "missing.yaml"],
            &["convert", "-f", "bad.yaml"],
            &["convert", "--to-registr", "x"],
            &["convert", "--controller", "pods"],
            &["run", "--to", "swarm"],
            &["run", "missing-bundle", "--to-registry", "r.example"],
            &["run", "bad.yaml"],
            &["run", "--timeout", "soon"],
            &["plan"],
            &["resume"],
            &["rollback"],
            &["rollback", "nothing-of-the-name"],
            &["images"],
            &["images", "sync"],
            &["images", "sync", "--to", "nowhere"],
            &["images", "list", "-f", "missing.yaml"],
            &["images", "watch"],
            &["images", "watch", "--config", "missing.yaml"],
            &["images", "queue", "list"],
            &["explain"],
            &["explain", "ulimit"],
            &["completion", "script", "tcsh"],
        ],
    );
    settings().bind(|| insta::assert_snapshot!("errors-docker-migrate", shown));
}

#[test]
fn kubectl_migrate_names_the_next_command() {
    let shown = told(
        KUBECTL_MIGRATE,
        "kubectl-migrate",
        &[
            &["convert"],
            &["convert", "-f", "missing.yaml"],
            &["convert", "-f", "bad.yaml"],
            &["convert", "-k", "."],
            &["convert", "-f", "bad.yaml", "--to", "nomad"],
            &["run"],
            &["run", "-f", "missing.yaml"],
            &["plan", "-f", "bad.yaml"],
            &["resume", "nothing-of-the-name"],
            &["images", "sync", "-f", "bad.yaml"],
            &["explain", "PodSpec.hostNetwrk"],
        ],
    );
    settings().bind(|| insta::assert_snapshot!("errors-kubectl-migrate", shown));
}

#[test]
fn helm_convert_names_the_next_command() {
    let shown = told(
        HELM_CONVERT,
        "helm-convert",
        &[
            &["chart"],
            &["chart", "missing", "--to", "ali"],
            &["chart", ".", "--to", "alibarbar", "-d", "new"],
            &["chart", "missing", "--to", "ali", "-d", "new"],
            &["chart", ".", "--from", "huawei"],
            &["images", "list"],
            &["images", "list", "missing"],
            &["post-render"],
            &["post-render", "--to", "nowhere"],
            &["install-post-render"],
            &["explain", "no-such-key"],
        ],
    );
    settings().bind(|| insta::assert_snapshot!("errors-helm-convert", shown));
}

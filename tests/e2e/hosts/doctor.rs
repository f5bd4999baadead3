//! What `doctor` says about plugins that clash, and that its remedy mends them. That they clash is what the hosts show.

use std::path::Path;

use serde_json::Value;

use super::{
    DOCKER_MIGRATE, HELM_CONVERT, Home, KUBECTL_MIGRATE, Ran, docker, helm, helms, kubectl,
};

/// The check of a diagnosis in JSON about a subject.
#[track_caller]
fn check(ran: &Ran, subject: &str) -> Value {
    let diagnosis: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:#?}"));
    assert_eq!(diagnosis["schema"], 1);
    diagnosis["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["subject"] == subject)
        .unwrap_or_else(|| panic!("nothing about `{subject}`: {ran:#?}"))
        .clone()
}

/// The commands among the lines of a remedy.
fn commands(check: &Value) -> Vec<String> {
    let remedy = check["remedy"].as_str().unwrap();
    let mut found: Vec<String> = remedy
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    found.extend(
        remedy
            .lines()
            .filter(|line| line.starts_with("rm ") || line.starts_with("chmod "))
            .map(str::to_owned),
    );
    found.retain(|command| !command.starts_with("export"));
    found
}

#[track_caller]
fn mend(home: &Home, check: &Value) {
    assert_eq!(check["status"], "broken");
    let commands = commands(check);
    assert!(!commands.is_empty(), "{check:#}");
    for command in commands {
        home.shell(&command).done();
    }
}

#[test]
fn another_kubectl_migrate_comes_first() {
    let Some(home) = kubectl::home() else { return };
    let first = home.script("first/kubectl-migrate", "echo somebody else");
    let path = format!(
        "{}:{}/bin:/usr/bin:/bin",
        first.parent().unwrap().display(),
        home.path().display()
    );
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = home.command(program);
        command.env("PATH", &path).args(arguments);
        super::run(command)
    };
    let kubectl = home.path().join("bin/kubectl");
    run(&kubectl, &["migrate", "--version"])
        .done()
        .says("somebody else");
    let own = Path::new(KUBECTL_MIGRATE);
    run(own, &["doctor", "--offline"])
        .ended(1)
        .says("BROKEN")
        .says(&format!(
            "`kubectl migrate` runs another program: {}",
            first.display()
        ));
    let seen = run(own, &["doctor", "--offline", "-o", "json"]).ended(1);
    let seen = check(&seen, "plugin");
    home.shell(&commands(&seen)[0]).done();
    run(&kubectl, &["migrate", "--version"])
        .done()
        .says("kubectl migrate ");
    run(own, &["doctor", "--offline"]).done();
}

#[test]
fn a_longer_name_takes_a_verb_from_us() {
    let Some(home) = kubectl::home() else { return };
    home.script("bin/kubectl-migrate-plan", "echo somebody else");
    home.host("kubectl", &["migrate", "plan"])
        .done()
        .says("somebody else");
    home.host("kubectl", &["migrate", "doctor", "--offline"])
        .ended(1)
        .says("kubectl-migrate-plan");
    let seen = home.host("kubectl", &["migrate", "doctor", "--offline", "-o", "json"]);
    mend(&home, &check(&seen, "longer names"));
    home.host("kubectl", &["migrate", "plan"]).ended(64);
}

#[test]
fn kubectl_does_not_find_it() {
    let Some(home) = kubectl::home() else { return };
    std::fs::remove_file(home.path().join("bin/kubectl-migrate")).unwrap();
    home.run(KUBECTL_MIGRATE, &["doctor", "--offline"])
        .ended(1)
        .says("`kubectl migrate` does not exist");
}

#[test]
fn docker_finds_another_plugin_first() {
    let Some(home) = docker::home() else { return };
    let other = home.script(
        "extra/docker-migrate",
        r#"echo '{"SchemaVersion":"0.1.0","Vendor":"somebody else"}'"#,
    );
    home.write(
        ".docker/config.json",
        &format!(
            r#"{{"cliPluginsExtraDirs": ["{}"]}}"#,
            other.parent().unwrap().display()
        ),
    );
    home.host("docker", &["migrate", "--version"])
        .done()
        .says("somebody else");
    let seen = home.run(DOCKER_MIGRATE, &["doctor", "--offline", "-o", "json"]);
    let shadow = check(&seen.ended(1), "plugin");
    assert!(
        shadow["seen"]
            .as_str()
            .unwrap()
            .contains("extra/docker-migrate"),
        "{shadow:#}"
    );
    mend(&home, &shadow);
    home.host("docker", &["migrate", "--version"])
        .done()
        .says("docker migrate ");
}

#[test]
fn docker_hides_a_plugin_that_it_cannot_run_or_understand() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(home) = docker::bare() else { return };
    let plugin = home.script(".docker/cli-plugins/docker-migrate", "echo no metadata");
    home.host("docker", &["migrate"]).ended(1);
    home.run(DOCKER_MIGRATE, &["doctor", "--offline"])
        .ended(1)
        .says("docker hides it")
        .says("docker-migrate install --force");
    std::fs::remove_file(&plugin).unwrap();
    home.run(DOCKER_MIGRATE, &["install"]).done();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o644)).unwrap();
    home.host("docker", &["migrate"]).ended(1);
    let seen = home.run(DOCKER_MIGRATE, &["doctor", "--offline", "-o", "json"]);
    mend(&home, &check(&seen, "plugin"));
    home.host("docker", &["migrate", "--version"]).done();
}

#[test]
fn nothing_is_installed_in_docker() {
    let Some(home) = docker::bare() else { return };
    home.run(DOCKER_MIGRATE, &["doctor", "--offline"])
        .ended(1)
        .says("this program is in none of them")
        .says("docker-migrate install");
}

fn helm_doctor(home: &Home, arguments: &[&str]) -> Ran {
    let mut command = home.command(HELM_CONVERT);
    command.args(["doctor", "--offline"]).args(arguments);
    super::run(command)
}

#[test]
fn two_plugins_named_convert() {
    for (_, program) in helms() {
        let home = helm::home(&program);
        let other = home.path().join("other");
        home.write(
            "other/plugin.yaml",
            "name: convert\nversion: 1.0.0\nusage: other\ndescription: other\ncommand: echo\n",
        );
        // Helm 4 installs it, Helm 3 leaves the link of what it complains about.
        home.host("helm", &["plugin", "install", other.to_str().unwrap()]);
        let broken = home.host("helm", &["convert", "--version"]);
        assert_ne!(broken.code, Some(0), "{broken:#?}");
        helm_doctor(&home, &[])
            .ended(1)
            .says("both are named `convert`, so helm loads no plugin at all");
        mend(
            &home,
            &check(&helm_doctor(&home, &["-o", "json"]), "two plugins"),
        );
        home.host("helm", &["convert", "--version"]).done();
        helm_doctor(&home, &[]).done();
    }
}

#[test]
fn a_plugin_for_helm_4_blinds_helm_3() {
    for (major, program) in helms() {
        let home = helm::home(&program);
        let plugins = home.host("helm", &["env", "HELM_PLUGINS"]).done().out;
        let manifest = "apiVersion: v1\ntype: postrenderer/v1\nname: newer\nversion: 0.1.0\nruntime: subprocess\n\
                        runtimeConfig:\n  platformCommand:\n    - command: cat\n";
        let folder = Path::new(plugins.trim()).join("newer");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("plugin.yaml"), manifest).unwrap();
        if major == 4 {
            home.host("helm", &["convert", "--version"]).done();
            helm_doctor(&home, &[]).done();
            continue;
        }
        let broken = home.host("helm", &["convert", "--version"]);
        assert_ne!(broken.code, Some(0), "{broken:#?}");
        helm_doctor(&home, &[])
            .ended(1)
            .says("loads no plugin at all");
        mend(
            &home,
            &check(&helm_doctor(&home, &["-o", "json"]), "helm 3"),
        );
        home.host("helm", &["convert", "--version"]).done();
    }
}

#[test]
fn a_broken_plugin_hides_the_others() {
    for (major, program) in helms() {
        let home = helm::home(&program);
        let plugins = home.host("helm", &["env", "HELM_PLUGINS"]).done().out;
        let folder = Path::new(plugins.trim()).join("broken");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("plugin.yaml"), "name: [\n").unwrap();
        let broken = home.host("helm", &["convert", "--version"]);
        // Helm 4 goes on with the others.
        assert_eq!(broken.code == Some(0), major == 4, "{broken:#?}");
        mend(
            &home,
            &check(&helm_doctor(&home, &["-o", "json"]), "bad plugin"),
        );
        home.host("helm", &["convert", "--version"]).done();
    }
}

#[test]
fn missing_hosts_are_named_with_what_to_do() {
    let home = Home::new();
    for (program, remedy) in [
        (KUBECTL_MIGRATE, "https://kubernetes.io/docs/tasks/tools/"),
        (DOCKER_MIGRATE, "https://docs.docker.com/engine/install/"),
        (HELM_CONVERT, "https://helm.sh/docs/intro/install/"),
    ] {
        let mut command = home.command(program);
        command
            .env("PATH", home.path().join("bin"))
            .args(["doctor", "--offline"]);
        super::run(command).ended(1).says(remedy);
    }
}

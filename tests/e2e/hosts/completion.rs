//! Completion through the hosts' own protocol, with candidates that only a cluster or an engine knows.

use tests::lab::ControlPlane;

use super::{COMPONENTS, Home, KUBECTL_MIGRATE, docker, helm, helms, kubectl, root};

/// A home with kubectl, the plugin and its script.
fn completing() -> Option<Home> {
    let home = kubectl::home()?;
    home.link(
        "kubectl_complete-migrate",
        root().join("krew/kubectl_complete-migrate"),
    );
    Some(home)
}

#[test]
fn kubectl_completes_verbs_options_and_values() {
    let Some(home) = completing() else { return };
    for (line, expected) in [
        (&[""][..], "convert\tConvert Kubernetes objects"),
        (&["im"], "images\t"),
        (&["convert", "--to", "sw"], "swarm"),
        (&["convert", "--str"], "--strict"),
        (&["explain", "bad-syn"], "bad-syntax\t"),
    ] {
        let line: Vec<_> = ["__complete", "migrate"]
            .iter()
            .chain(line)
            .copied()
            .collect();
        let answer = home.host("kubectl", &line).done();
        assert!(answer.out.contains(expected), "{line:?}: {answer:#?}");
        assert!(answer.out.ends_with(":4\n"), "{answer:#?}");
    }
}

#[test]
fn kubectl_completes_what_the_cluster_has() {
    let Some(home) = completing() else { return };
    let plane = match ControlPlane::start(&COMPONENTS) {
        Ok(plane) => plane,
        Err(error) => {
            assert!(
                std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
                "{error}"
            );
            println!("NOT TESTED: {error}");
            return;
        }
    };
    let created = plane
        .kubectl()
        .args(["create", "namespace", "shop"])
        .output()
        .unwrap();
    assert!(created.status.success());
    let mut command = home.command(home.path().join("bin/kubectl"));
    command.env("KUBECONFIG", plane.kubeconfig()).args([
        "__complete",
        "migrate",
        "images",
        "watch",
        "-n",
        "sh",
    ]);
    super::run(command).done().says("shop");
}

#[test]
fn docker_asks_the_plugin() {
    let Some(home) = docker::home() else { return };
    home.host(
        "docker",
        &[
            "context",
            "create",
            "far",
            "--docker",
            "host=tcp://127.0.0.1:1",
        ],
    )
    .done();
    for (line, expected) in [
        (&["migrate", ""][..], "convert\t"),
        (&["migrate", "ro"], "rollback\t"),
        (&["migrate", "convert", "--dialect", "s"], "swarm\t"),
        (&["-c", "far", "migrate", "im"], "images\t"),
    ] {
        let line: Vec<_> = ["__complete"].iter().chain(line).copied().collect();
        let answer = home.host("docker", &line).done();
        assert!(answer.out.contains(expected), "{line:?}: {answer:#?}");
    }
    // The name of the plugin itself.
    home.host("docker", &["__complete", "migr"])
        .done()
        .says("migrate\t");
}

#[test]
fn helm_asks_the_plugin() {
    for (_, program) in helms() {
        let home = helm::home(&program);
        for (line, expected) in [
            (&[""][..], "chart\t"),
            (&["chart", "--to", "al"], "ali"),
            (&["chart", "--from", "hua"], "huawei"),
            (&["-n", "inner", "im"], "images\t"),
        ] {
            let line: Vec<_> = ["__complete", "convert"]
                .iter()
                .chain(line)
                .copied()
                .collect();
            let answer = home.host("helm", &line).done();
            assert!(answer.out.contains(expected), "{line:?}: {answer:#?}");
        }
    }
}

#[test]
fn bash_completes_a_program_by_its_own_name() {
    let home = Home::new();
    home.link("kubectl-migrate", KUBECTL_MIGRATE);
    let line = "source <(kubectl-migrate completion script bash); COMP_WORDS=(kubectl-migrate con); COMP_CWORD=1; \
                f=$(complete -p kubectl-migrate | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
                COMP_LINE='kubectl-migrate con' COMP_POINT=19 COMP_TYPE=9; $f kubectl-migrate con kubectl-migrate; \
                printf '%s\\n' \"${COMPREPLY[@]}\"";
    home.run("/bin/bash", &["-c", line]).done().says("convert");
}

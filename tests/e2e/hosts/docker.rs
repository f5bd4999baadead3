//! `docker migrate` in the real docker CLI.

use super::{COMPONENTS, DOCKER_MIGRATE, Home, component};

/// A home with docker alone.
pub(super) fn bare() -> Option<Home> {
    let docker = component("docker", COMPONENTS.docker.as_ref())?;
    let home = Home::new();
    home.link("docker", docker);
    home.write(
        "compose.yaml",
        "services:\n  web:\n    image: nginx:1.27\n    ulimits: {nofile: 5}\n",
    );
    Some(home)
}

/// A home with docker and the plugin as a link, which costs no copy.
pub(super) fn home() -> Option<Home> {
    let home = bare()?;
    let folder = home.path().join(".docker/cli-plugins");
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(DOCKER_MIGRATE, folder.join("docker-migrate")).unwrap();
    Some(home)
}

#[test]
fn it_installs_itself_and_leaves_nothing_behind() {
    let Some(home) = bare() else { return };
    home.host("docker", &["migrate"])
        .ended(1)
        .says("unknown command");
    home.run(DOCKER_MIGRATE, &["install"])
        .done()
        .says("Next: docker migrate --help");
    home.host("docker", &["--help"])
        .done()
        .says("migrate*")
        .says("Moves Compose applications");
    home.host("docker", &["migrate", "--version"])
        .done()
        .says("docker migrate ");
    home.host("docker", &["migrate", "install"])
        .done()
        .says("already");
    home.host("docker", &["migrate", "doctor", "--offline"])
        .says("docker runs ");
    home.host("docker", &["migrate", "uninstall"])
        .done()
        .says("Removed ");
    home.host("docker", &["migrate"]).ended(1);
    home.run(DOCKER_MIGRATE, &["uninstall"])
        .done()
        .says("was not installed");
    assert!(home.named(&["migrate"]).is_empty());
}

#[test]
fn another_plugin_of_the_name_is_not_overwritten() {
    let Some(home) = bare() else { return };
    home.script(
        ".docker/cli-plugins/docker-migrate",
        r#"echo '{"SchemaVersion":"0.1.0","Vendor":"somebody else"}'"#,
    );
    home.run(DOCKER_MIGRATE, &["install"])
        .ended(73)
        .says("--force");
    home.run(DOCKER_MIGRATE, &["uninstall"])
        .ended(73)
        .does_not_say("--force to overwrite");
    home.run(DOCKER_MIGRATE, &["install", "--force"]).done();
    home.host("docker", &["migrate", "--version"])
        .done()
        .says("docker migrate ");
}

#[test]
fn every_shape_of_a_call_is_understood() {
    let Some(home) = home() else { return };
    for line in [
        &["migrate", "--help"][..],
        &["migrate", "-h"],
        &["migrate", "help"],
        &["help", "migrate"],
        &["--help", "migrate"],
    ] {
        home.host("docker", line)
            .done()
            .says("Usage: docker migrate [OPTIONS]\n".trim_end_matches(" [OPTIONS]\n"))
            .says("convert");
    }
    for line in [
        &["migrate", "convert", "--help"][..],
        &["help", "migrate", "convert"],
        &["migrate", "help", "convert"],
    ] {
        home.host("docker", line)
            .done()
            .says("Usage: docker migrate convert");
    }
    // Docker's own options stand in front, with values that look like ours.
    home.host(
        "docker",
        &[
            "context",
            "create",
            "migrate",
            "--docker",
            "host=tcp://127.0.0.1:1",
        ],
    )
    .done();
    for own in [
        &["--context", "default", "-D"][..],
        &["-H", "tcp://migrate:1"],
        &["--host=tcp://migrate:1", "--log-level", "info"],
        &["-c", "migrate"],
        &["--config", ".docker"],
    ] {
        let line: Vec<_> = own
            .iter()
            .chain(&["migrate", "convert", "-f", "compose.yaml"])
            .copied()
            .collect();
        let converted = home.host("docker", &line).done();
        assert!(converted.out.contains("kind: Deployment"), "{own:?}");
    }
}

#[test]
fn exit_codes_pass_through() {
    let Some(home) = home() else { return };
    for (line, code) in [
        (&["migrate", "convert", "--strict"][..], 2),
        (&["migrate", "convert", "--nonsense"], 64),
        (&["migrate", "convert", "-f", "missing.yaml"], 65),
        (&["migrate"], 64),
    ] {
        home.host("docker", line).ended(code);
    }
}

#[test]
fn the_way_back_keeps_context_and_options() {
    let Some(home) = home() else { return };
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
    // The engine of the context does not exist, and docker's complaint about it names its address.
    for line in [
        &["--context", "far", "migrate", "doctor"][..],
        &["-c", "far", "migrate", "doctor"],
        &["-H", "tcp://127.0.0.1:1", "migrate", "doctor"],
    ] {
        home.host("docker", line)
            .says("does not answer")
            .says("127.0.0.1:1");
    }
    let mut command = home.command(home.path().join("bin/docker"));
    command
        .env("DOCKER_CONTEXT", "far")
        .args(["migrate", "doctor"]);
    super::run(command).says("127.0.0.1:1");
    home.host("docker", &["--context", "nowhere", "migrate", "doctor"])
        .says("nowhere");
}

#[test]
fn docker_asks_for_hooks_and_gets_none() {
    let Some(home) = home() else { return };
    home.write(
        ".docker/config.json",
        r#"{"plugins": {"migrate": {"hooks": "version"}}}"#,
    );
    home.host("docker", &["--version"])
        .done()
        .does_not_say("migrate");
    home.run(
        DOCKER_MIGRATE,
        &[
            "migrate",
            "docker-cli-plugin-hooks",
            r#"{"RootCmd":"version"}"#,
        ],
    )
    .done()
    .does_not_say("error");
}

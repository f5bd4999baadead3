//! `kubectl migrate` in the real kubectl.

use super::{COMPONENTS, Home, KUBECTL_MIGRATE, component};

/// A home with kubectl and the plugin on PATH, by hand.
pub(super) fn home() -> Option<Home> {
    let kubectl = component("kubectl", COMPONENTS.kubectl.as_ref())?;
    let home = Home::new();
    home.link("kubectl", kubectl)
        .link("kubectl-migrate", KUBECTL_MIGRATE);
    home.write(
        "app.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {priorityClassName: high, containers: [{name: web, image: nginx:1.27}]}\n",
    );
    home.write(
        "kustomization.yaml",
        "namePrefix: prod-\nresources: [app.yaml]\n",
    );
    Some(home)
}

#[test]
fn it_is_found_by_its_name_on_path() {
    let Some(home) = home() else { return };
    home.host("kubectl", &["plugin", "list"])
        .done()
        .says("kubectl-migrate");
    home.host("kubectl", &["migrate", "--version"])
        .done()
        .says("kubectl migrate ");
    home.host("kubectl", &["migrate", "--help"])
        .done()
        .says("Usage: kubectl migrate");
    home.host("kubectl", &["migrate", "convert", "-h"])
        .done()
        .says("Usage: kubectl migrate convert");
}

#[test]
fn data_streams_and_exit_codes_pass_through() {
    let Some(home) = home() else { return };
    let converted = home
        .host("kubectl", &["migrate", "convert", "-f", "app.yaml"])
        .done();
    assert!(
        converted.out.contains("image: nginx:1.27"),
        "{converted:#?}"
    );
    assert!(!converted.err.contains("image: "), "{converted:#?}");
    let piped = home.shell("kubectl migrate convert -f - < app.yaml").done();
    assert_eq!(piped.out, converted.out);
    for (arguments, code) in [
        (&["convert", "-f", "app.yaml", "--strict"][..], 2),
        (&["convert"], 64),
        (&["convert", "--nonsense"], 64),
        (&["convert", "-f", "missing.yaml"], 65),
        (&["convert", "-f", "app.yaml", "-d", "."], 73),
    ] {
        if code == 73 {
            home.write("compose.yaml", "services: {}\n");
        }
        let line: Vec<_> = ["migrate"].iter().chain(arguments).copied().collect();
        home.host("kubectl", &line).ended(code);
    }
}

#[test]
fn kubectl_itself_renders_a_kustomization() {
    let Some(home) = home() else { return };
    home.host("kubectl", &["migrate", "convert", "-k", "."])
        .done()
        .says("prod-web");
    // The kubectl that called us wins over the one on PATH, as newer ones say which that is.
    home.script("bin/other", "echo the other kubectl >&2; exit 9");
    let mut command = home.command(home.path().join("bin/kubectl"));
    command
        .env("KUBECTL_PATH", home.path().join("bin/other"))
        .args(["migrate", "convert", "-k", "."]);
    super::run(command).ended(70).says("the other kubectl");
}

#[test]
fn under_another_name_it_calls_itself_by_that() {
    let Some(home) = home() else { return };
    home.link("kubectl-compose_migrate", KUBECTL_MIGRATE);
    home.host("kubectl", &["compose-migrate", "convert", "--help"])
        .done()
        .says("Usage: kubectl compose-migrate convert")
        .does_not_say("Usage: kubectl migrate");
}

#[test]
fn kubectl_takes_no_options_before_the_name() {
    let Some(home) = home() else { return };
    home.host("kubectl", &["--context", "x", "migrate", "doctor"])
        .ended(1)
        .says("flags cannot be placed before plugin name");
}

#[test]
fn removing_the_programs_leaves_nothing_behind() {
    let Some(home) = home() else { return };
    home.host("kubectl", &["migrate", "completion", "install"])
        .done();
    home.host("kubectl", &["migrate", "status"]).done();
    home.host("kubectl", &["migrate", "convert", "-f", "app.yaml"])
        .done();
    home.shell("rm bin/kubectl-migrate bin/kubectl_complete-migrate")
        .done();
    assert!(
        home.named(&["migrate"]).is_empty(),
        "{:?}",
        home.named(&["migrate"])
    );
}

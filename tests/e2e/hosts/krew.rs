//! `kubectl migrate`, installed by krew from an index of its own and from a local archive.

use super::dist::{archive, release};
use super::{COMPONENTS, Home, component, serve};

/// A home with kubectl and krew.
fn home() -> Option<Home> {
    let kubectl = component("kubectl", COMPONENTS.kubectl.as_ref())?;
    let krew = component("krew", COMPONENTS.krew.as_ref())?;
    let home = Home::new();
    home.link("kubectl", kubectl).link("kubectl-krew", krew);
    Some(home)
}

/// A line of shell with krew's programs on PATH, which is what krew asks its users to set up.
fn shell(home: &Home, line: &str) -> super::Ran {
    let setup =
        "export KREW_ROOT=$HOME/.krew KREW_NO_UPGRADE_CHECK=1; export PATH=$KREW_ROOT/bin:$PATH";
    home.shell(&format!("{setup}; {line}"))
}

const GIT: &str =
    "git -c init.defaultBranch=main -c user.name=migrate -c user.email=migrate@localhost";

/// An empty index, so that krew does not ask for its own.
fn without_krews_own_index(home: &Home) {
    shell(
        home,
        &format!(
            "mkdir -p own/plugins && touch own/plugins/.keep && cd own && {GIT} init -q && {GIT} add . && {GIT} commit -qm index \
             && cd .. && kubectl krew index add default \"file://$HOME/own\""
        ),
    )
    .done();
}

#[test]
fn from_an_index_of_its_own() {
    let Some(home) = home() else { return };
    without_krews_own_index(&home);
    let server = serve(release().to_owned());
    let text = std::fs::read_to_string(release().join("migrate.yaml")).unwrap();
    let manifest: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let uri = manifest["spec"]["platforms"][0]["uri"].as_str().unwrap();
    let (place, _) = uri.rsplit_once('/').unwrap();
    home.write("index/plugins/migrate.yaml", &text.replace(place, &server));
    shell(
        &home,
        &format!("cd index && {GIT} init -q && {GIT} add . && {GIT} commit -qm migrate"),
    )
    .done();
    shell(
        &home,
        "kubectl krew index add migrate \"file://$HOME/index\"",
    )
    .done();
    shell(&home, "kubectl krew install migrate/migrate")
        .done()
        .says("kubectl migrate completion install");
    shell(&home, "kubectl krew list").done().says("migrate");
    works(&home);
    shell(&home, "kubectl krew uninstall migrate").done();
    shell(&home, "kubectl krew index remove migrate").done();
    shell(&home, "kubectl migrate --version").ended(1);
}

#[test]
fn from_a_local_archive() {
    let Some(home) = home() else { return };
    without_krews_own_index(&home);
    shell(
        &home,
        &format!(
            "kubectl krew install --manifest={} --archive={}",
            release().join("migrate.yaml").display(),
            archive("kubectl-migrate").display()
        ),
    )
    .done();
    works(&home);
    shell(&home, "kubectl krew uninstall migrate").done();
    let left: Vec<_> = home
        .named(&["migrate"])
        .into_iter()
        .filter(|path| !path.starts_with("own"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// krew links one program alone: completion comes by `completion install`, and leaves with that file.
fn works(home: &Home) {
    shell(home, "kubectl migrate --version")
        .done()
        .says("kubectl migrate ");
    shell(home, "kubectl migrate doctor --offline")
        .done()
        .says("kubectl_complete-migrate is not on PATH")
        .says("kubectl migrate completion install");
    shell(home, "kubectl migrate completion install").done();
    shell(home, "kubectl migrate doctor --offline")
        .done()
        .says("kubectl asks kubectl_complete-migrate");
    shell(home, "kubectl __complete migrate con")
        .done()
        .says("convert\t");
    shell(home, "kubectl migrate completion uninstall")
        .done()
        .says("Removed ");
    shell(home, "kubectl migrate completion uninstall")
        .done()
        .says("It was not installed there");
}

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use super::{Credential, CredentialFiles, CredentialSource as _};

fn basic(user: &str, password: &str) -> Credential {
    Credential::Basic {
        user: user.into(),
        password: password.into(),
    }
}

fn auth(user: &str, password: &str) -> String {
    BASE64.encode(format!("{user}:{password}"))
}

fn with(variables: &[(&str, &Path)]) -> CredentialFiles {
    let variables: Vec<(String, OsString)> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_os_str().to_owned()))
        .collect();
    CredentialFiles::find(&move |name| {
        variables
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.clone())
    })
}

#[test]
fn the_most_specific_entry_of_the_first_file_counts() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: serde_json::Value| {
        let path = folder.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, value.to_string()).unwrap();
    };
    write(
        "config.json",
        json!({"auths": {
            "https://index.docker.io/v1/": {"auth": auth("hub", "p:with:colons")},
            "quay.io": {},
            "azure.example": {"auth": auth("0", ""), "identitytoken": "refresh"},
            "direct.example": {"registrytoken": "bearer"},
            "plain.example": {"username": "u", "password": "p"},
            "damaged.example": {"auth": "not base64, secret"},
        }}),
    );
    write(
        "run/containers/auth.json",
        json!({"auths": {
            "quay.io": {"auth": auth("host", "1")},
            "quay.io/team": {"auth": auth("team", "2")},
            "quay.io/team/app": {"auth": auth("app", "3")},
        }}),
    );
    let run = folder.path().join("run");
    let credentials = with(&[("DOCKER_CONFIG", folder.path()), ("XDG_RUNTIME_DIR", &run)]);
    for (registry, repository, expected) in [
        ("docker.io", "library/nginx", basic("hub", "p:with:colons")),
        ("index.docker.io", "a/b", basic("hub", "p:with:colons")),
        ("quay.io", "team/app", basic("app", "3")),
        ("quay.io", "team/app/deep", basic("app", "3")),
        ("quay.io", "team/other", basic("team", "2")),
        ("quay.io", "teams/app", basic("host", "1")),
        ("azure.example", "x", Credential::Identity("refresh".into())),
        ("direct.example", "x", Credential::Bearer("bearer".into())),
        ("plain.example", "x", basic("u", "p")),
        ("unknown.example", "x", Credential::Anonymous),
    ] {
        assert_eq!(
            credentials.credential(registry, repository).unwrap(),
            expected,
            "{registry}/{repository}"
        );
    }
    let error = credentials.credential("damaged.example", "x").unwrap_err();
    assert!(
        error.contains("damaged.example") && !error.contains("secret"),
        "{error}"
    );
    let shown = format!(
        "{credentials:?} {:?}",
        credentials.credential("quay.io", "x")
    );
    assert!(
        !shown.contains("colons") && !shown.contains("host"),
        "{shown}"
    );
}

#[test]
fn a_file_that_is_named_comes_before_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("named.json");
    let entry = |user: &str| json!({"auths": {"r.example": {"auth": auth(user, "")}}}).to_string();
    fs_err::write(&named, entry("named")).unwrap();
    fs_err::write(folder.path().join("config.json"), entry("docker")).unwrap();
    let credentials = with(&[
        ("REGISTRY_AUTH_FILE", &named),
        ("DOCKER_CONFIG", folder.path()),
    ]);
    assert_eq!(
        credentials.credential("r.example", "x").unwrap(),
        basic("named", "")
    );
}

#[test]
fn a_damaged_file_is_named_and_nothing_of_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(
        folder.path().join("config.json"),
        r#"{"auths": {"x": "s3cret"}}"#,
    )
    .unwrap();
    let error = with(&[("DOCKER_CONFIG", folder.path())])
        .credential("r.example", "x")
        .unwrap_err();
    assert!(
        error.contains("config.json") && error.contains("line 1"),
        "{error}"
    );
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn pull_secrets_of_the_application_are_asked_last() {
    let config = json!({"auths": {"r.example": {"auth": auth("secret", "1")}}}).to_string();
    let credentials = with(&[]);
    assert!(credentials.add_secret(&json!({
        "kind": "Secret", "metadata": {"name": "pull"},
        "data": {".dockerconfigjson": BASE64.encode(config)},
    })));
    assert!(credentials.add_secret(&json!({
        "kind": "Secret", "metadata": {"name": "old"},
        "stringData": {".dockercfg": json!({"old.example": {"auth": auth("old", "2")}}).to_string()},
    })));
    assert!(!credentials.add_secret(&json!({"kind": "Secret", "data": {"password": "eA=="}})));
    assert_eq!(
        credentials.credential("r.example", "x").unwrap(),
        basic("secret", "1")
    );
    assert_eq!(
        credentials.credential("old.example", "x").unwrap(),
        basic("old", "2")
    );
}

/// Helpers are found on `PATH`, which tests cannot change for themselves alone: this one asks the real function with the
/// helper's name as a path that it refuses, and the tests of the programs run real helpers.
#[test]
fn a_helper_is_a_name_and_no_path() {
    let started = Instant::now();
    let error = super::helper::ask("../evil", "r.example", Duration::from_secs(5)).unwrap_err();
    assert!(error.contains("no name of a credential helper"), "{error}");
    let error = super::helper::ask("does-not-exist-here", "r.example", Duration::from_secs(5));
    let error = error.unwrap_err();
    assert!(
        error.contains("docker-credential-does-not-exist-here") && error.contains("r.example"),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(5));
}

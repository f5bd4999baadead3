//! Credentials from every place where users keep them, and what is said when they are wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tests::lab::simple_registry::USER;

use super::*;

const WRONG: &str = "wr0ng-pass";

/// A protected registry with an image, and the digest of that.
fn protected(desk: &Desk) -> Option<(Registry, String)> {
    let Some(program) = &COMPONENTS.docker_registry else {
        missing("docker-registry");
        return None;
    };
    let registry = Registry::start(program, true).unwrap();
    let mut made = HandMade::at(desk.path("made"));
    let image = made.image("app", "amd64");
    let digest = made.name(&image, "quay.io/team/app:1");
    Some((registry, digest))
}

fn auths(host: &str, password: &str) -> String {
    let auth = BASE64.encode(format!("{}:{password}", USER.0));
    json!({"auths": {host: {"auth": auth}}}).to_string()
}

/// A program `docker-credential-NAME` that answers with `script`.
fn helper(desk: &Desk, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = desk.write(
        &format!("bin/docker-credential-{name}"),
        &format!("#!/bin/sh\n{script}\n"),
    );
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_path(desk: Desk) -> Desk {
    let path = format!(
        "{}:{}",
        desk.path("bin").display(),
        std::env::var("PATH").unwrap()
    );
    desk.with("PATH", path)
}

#[test]
fn every_place_is_looked_into() {
    let desk = with_path(Desk::new());
    let Some((registry, _)) = protected(&desk) else {
        return;
    };
    let host = registry.host();
    let answer = format!(
        r#"read server; echo "{{\"ServerURL\":\"$server\",\"Username\":\"{}\",\"Secret\":\"{}\"}}""#,
        USER.0, USER.1
    );
    helper(&desk, "lab", &answer);
    helper(
        &desk,
        "empty",
        "echo 'credentials not found in native keychain'; exit 1",
    );
    let good = auths(&host, USER.1);
    let in_namespace = auths(&format!("{host}/mine"), USER.1);
    for (name, file, content) in [
        ("docker", ".docker/config.json", good.clone()),
        ("podman", ".config/containers/auth.json", good.clone()),
        ("namespace", ".config/containers/auth.json", in_namespace),
        ("helper", ".docker/config.json", json!({"credHelpers": {&host: "lab"}}).to_string()),
        ("store", ".docker/config.json", json!({"credsStore": "lab"}).to_string()),
        (
            "empty-store",
            ".docker/config.json",
            json!({"credsStore": "empty", "auths": serde_json::from_str::<Value>(&good).unwrap()["auths"]}).to_string(),
        ),
    ] {
        let path = desk.write(file, &content);
        let to = format!("{host}/mine/{name}");
        desk.docker(&["images", "sync", "--from", "oci:made", "--to-registry", &to]).ok();
        std::fs::remove_file(path).unwrap();
    }
    let ran = desk.docker(&[
        "images",
        "sync",
        "--from",
        "oci:made",
        "--to-registry",
        &host,
    ]);
    assert_eq!(ran.code, 77, "without any, access is refused: {ran:?}");
}

#[test]
fn wrong_credentials_end_with_77_and_are_never_shown() {
    let desk = with_path(Desk::new());
    let Some((registry, _)) = protected(&desk) else {
        return;
    };
    let host = registry.host();
    let sync = || {
        desk.docker(&[
            "images",
            "sync",
            "--from",
            "oci:made",
            "--to-registry",
            &host,
        ])
    };
    desk.write(".docker/config.json", &auths(&host, WRONG));
    let ran = sync();
    assert_eq!(ran.code, 77, "{ran:?}");
    assert!(ran.err.contains("docker login"), "{}", ran.err);
    let shown = format!("{ran:?}");
    assert!(
        !shown.contains(WRONG) && !shown.contains(&BASE64.encode(format!("{}:{WRONG}", USER.0))),
        "{shown}"
    );

    // A helper that fails, one that is missing, and one that talks nonsense with a secret in it.
    for (script, why) in [
        (
            Some("echo 'the keychain is locked'; exit 1"),
            "the keychain is locked",
        ),
        (
            Some("echo '{\"Secret\": s3cr3t-nonsense'"),
            "not with the JSON",
        ),
        (None, "not on PATH"),
    ] {
        let name = if script.is_some() { "lab" } else { "nowhere" };
        if let Some(script) = script {
            helper(&desk, name, script);
        }
        desk.write(
            ".docker/config.json",
            &json!({"credHelpers": {&host: name}}).to_string(),
        );
        let ran = sync();
        assert_eq!(ran.code, 77, "{ran:?}");
        for part in [why, &format!("docker-credential-{name}"), "config.json"] {
            assert!(ran.err.contains(part), "{part}: {}", ran.err);
        }
        assert!(!ran.err.contains("s3cr3t-nonsense"), "{}", ran.err);
    }
    desk.write(".docker/config.json", "{\"auths\": {\"x\": \"s3cr3t\"");
    let ran = sync();
    assert_eq!(ran.code, 77, "{ran:?}");
    assert!(
        ran.err.contains("config.json") && !ran.err.contains("s3cr3t"),
        "{}",
        ran.err
    );
}

#[test]
fn the_pull_secret_of_the_application_opens_its_registry() {
    let desk = Desk::new();
    let Some((registry, digest)) = protected(&desk) else {
        return;
    };
    let host = registry.host();
    let config = desk.write(".docker/config.json", &auths(&host, USER.1));
    desk.docker(&[
        "images",
        "sync",
        "--from",
        "oci:made",
        "--to-registry",
        &host,
    ])
    .ok();
    std::fs::remove_file(config).unwrap();
    let secret = BASE64.encode(auths(&host, USER.1));
    desk.write(
        "app.yaml",
        &format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: pull}}\ntype: kubernetes.io/dockerconfigjson\ndata: {{.dockerconfigjson: {secret}}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  imagePullSecrets: [{{name: pull}}]\n  containers: [{{name: c, image: \"{host}/team/app:1\"}}]\n"),
    );
    let listed = desk
        .kubectl(&["images", "list", "-f", "app.yaml", "-o", "json"])
        .ok();
    assert!(listed.out.contains(&digest), "{listed:?}");
    assert!(!listed.out.contains(&secret) && !listed.err.contains(USER.1));
}

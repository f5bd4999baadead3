use axum::http::HeaderMap;
use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};

use super::*;
use crate::images::Digest;
use crate::images::presync::rules::{Secret, SecretPlace};

/// An event of each registry, and what it says: format, and each image as `repository:tag digest deleted host`.
#[test]
fn every_registry_is_understood() {
    for (name, body) in [
        ("distribution", include_str!("fixtures/distribution.json")),
        ("harbor", include_str!("fixtures/harbor.json")),
        ("harbor", include_str!("fixtures/harbor-cloudevent.json")),
        ("harbor", include_str!("fixtures/swr.json")),
        ("alibaba", include_str!("fixtures/alibaba.json")),
        ("azure", include_str!("fixtures/azure.json")),
        ("ecr", include_str!("fixtures/ecr.json")),
        ("zot", include_str!("fixtures/zot.json")),
        ("dockerhub", include_str!("fixtures/dockerhub.json")),
        ("generic", include_str!("fixtures/generic.json")),
    ] {
        let read = read_events(&HeaderMap::new(), body.as_bytes()).expect(name);
        assert_eq!(read.format.name(), name);
        assert!(!read.events.is_empty(), "{name}");
        for event in &read.events {
            assert_eq!(event.repository, "shop/web", "{name}");
            assert_eq!(event.tag.as_deref(), Some("v1.4.2"), "{name}");
            assert!(!event.deleted, "{name}");
        }
        let with_digest = !matches!(name, "dockerhub");
        assert_eq!(read.events[0].digest.is_some(), with_digest, "{name}");
    }
}

fn events(body: &str) -> Vec<Event> {
    read_events(&HeaderMap::new(), body.as_bytes()).map_or_else(Vec::new, |read| read.events)
}

#[test]
fn what_is_no_push_of_an_image_is_left_out() {
    let layer = r#"{"events":[{"action":"push","target":{"mediaType":"application/octet-stream","repository":"a","digest":"x"}}]}"#;
    let pull = r#"{"events":[{"action":"pull","target":{"mediaType":"application/vnd.oci.image.manifest.v1+json","repository":"a","tag":"b"}}]}"#;
    let failed = r#"{"source":"aws.ecr","detail":{"action-type":"PUSH","result":"FAILURE","repository-name":"a","image-tag":"b"}}"#;
    let quota = r#"{"type":"QUOTA_EXCEED","event_data":{"repository":{"repo_full_name":"a/b"},"resources":[{"tag":"x"}]}}"#;
    for body in [layer, pull, failed, quota] {
        assert_eq!(events(body), vec![], "{body}");
    }
}

#[test]
fn names_that_no_registry_has_go_no_further() {
    for repository in ["../../etc", "a b", "A", "a//b", "a/", "", "a/../b", "-a"] {
        let body = serde_json::json!({"repository": repository, "tag": "v1"}).to_string();
        assert_eq!(events(&body), vec![], "{repository}");
    }
    for tag in ["../x", "a b", ".a", &"x".repeat(129)] {
        let body = serde_json::json!({"repository": "a", "tag": tag}).to_string();
        assert_eq!(events(&body), vec![], "{tag}");
    }
    for body in [
        "",
        "{",
        "[]",
        "7",
        r#"{"hello":"world"}"#,
        r#"{"push_data":{}}"#,
    ] {
        assert!(
            read_events(&HeaderMap::new(), body.as_bytes()).is_none(),
            "{body}"
        );
    }
}

#[test]
fn deletions_are_seen() {
    let body = format!(
        r#"{{"events":[{{"action":"delete","target":{{"repository":"a","digest":"{0}"}}}},{{"action":"delete","target":{{"repository":"a","tag":"v1"}}}}]}}"#,
        Digest::of(b"x")
    );
    let events = events(&body);
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.deleted));
}

#[test]
fn our_own_pushes_are_known() {
    assert!(is_ours(crate::images::registry::USER_AGENT));
    assert!(is_ours("migrate/99.0"));
    assert!(!is_ours("docker/28.2.2 go/go1.24"));
    assert!(!is_ours("migrator/1"));
}

fn guard(secret: Option<&str>, hmac: Option<&str>) -> Guard {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs_err::write(&path, text).unwrap();
        Secret::read(SecretPlace::File(path)).unwrap()
    };
    Guard::new(&Receiver {
        listen: ([127, 0, 0, 1], 0).into(),
        secret: secret.map(|text| place("secret", text)),
        hmac: hmac.map(|text| place("hmac", text)),
        tls: None,
        max_body: 1024,
        max_requests: 10,
    })
}

#[test]
fn the_secret_comes_in_the_ways_that_registries_know() {
    let guard = guard(Some("correct horse"), None);
    let admits = |header: Option<(&'static str, String)>, query: Option<&str>| {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().unwrap());
        }
        guard.admits(&headers, query, b"body")
    };
    let basic = base64::engine::general_purpose::STANDARD.encode("anybody:correct horse");
    for header in [
        ("authorization", "correct horse".to_owned()),
        ("authorization", "Bearer correct horse".to_owned()),
        ("authorization", format!("Basic {basic}")),
        ("x-migrate-secret", "correct horse".to_owned()),
    ] {
        assert!(admits(Some(header.clone()), None), "{header:?}");
    }
    assert!(admits(None, Some("a=b&secret=correct%20horse")));
    for header in [
        ("authorization", "correct hors".to_owned()),
        ("authorization", "Bearer ".to_owned()),
        ("authorization", "correct horse ".to_owned() + "x"),
        ("x-other", "correct horse".to_owned()),
    ] {
        assert!(!admits(Some(header.clone()), None), "{header:?}");
    }
    assert!(!admits(None, None));
    assert!(!admits(None, Some("secret=")));
    assert!(!format!("{guard:?}").contains("horse"));
}

#[test]
fn a_signature_covers_the_body() {
    let guard = guard(None, Some("a signing key"));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"a signing key").unwrap();
    mac.update(b"body");
    let hex = mac
        .finalize()
        .into_bytes()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-hub-signature-256",
        format!("sha256={hex}").parse().unwrap(),
    );
    assert!(guard.admits(&headers, None, b"body"));
    assert!(!guard.admits(&headers, None, b"Body"));
    headers.insert("x-hub-signature-256", "sha256=zz".parse().unwrap());
    assert!(!guard.admits(&headers, None, b"body"));
    assert!(!guard.admits(&HeaderMap::new(), None, b"body"));
}

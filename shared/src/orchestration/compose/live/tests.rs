//! Shapes of the Engine API that a stack file cannot make, and those that it can say only in its own way.

use serde_json::json;

use super::*;

fn told(spec: Value) -> Told {
    let mut spec = spec;
    spec["Labels"][STACK_LABEL] = json!("shop");
    Told {
        services: vec![spec],
        ..Told::default()
    }
}

fn text_of(live: &LiveStack, name: &str) -> String {
    use crate::source::Files as _;
    let bytes = live.files.read(&live.folder.join(name), 1 << 20).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_setting_without_a_word_in_stack_files_is_named() {
    let spec = json!({
        "Name": "shop_web",
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "web:1",
                "Env": ["PRICE=5$"],
                "Privileges": {"NoNewPrivileges": true, "SELinuxContext": null},
                "Isolation": "default",
            },
            "Runtime": "container",
            "ForceUpdate": 3,
        },
        "Mode": {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 5}},
    });
    let live = compose(told(spec), "shop", &BTreeMap::new()).unwrap();
    let messages: Vec<_> = live
        .findings
        .as_slice()
        .iter()
        .map(|f| f.message.clone())
        .collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(
        messages[0].contains("ContainerSpec.Privileges"),
        "{messages:?}"
    );
    assert!(messages[1].contains("MaxConcurrent"), "{messages:?}");
    let text = text_of(&live, "service shop_web of the engine");
    assert!(
        text.contains("PRICE=5$$") && text.contains("replicated-job"),
        "{text}"
    );
}

#[test]
fn objects_of_others_stay_external() {
    let spec = json!({
        "Name": "shop_web",
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "web:1",
                "Mounts": [{"Type": "volume", "Source": "theirs", "Target": "/data"}],
                "Secrets": [{"File": {"Name": "/etc/key", "UID": "0", "GID": "7", "Mode": 0o400}, "SecretName": "key"}],
            },
            "Networks": [{"Target": "n1", "Aliases": ["web", "front"]}],
        },
        "Mode": {"Replicated": {"Replicas": 0}},
    });
    let mut told = told(spec);
    told.networks.insert(
        "n1".into(),
        json!({"Id": "n1", "Name": "edge", "Driver": "overlay"}),
    );
    let live = compose(told, "shop", &BTreeMap::new()).unwrap();
    let service = text_of(&live, "service shop_web of the engine");
    assert!(
        service.contains("replicas: 0") && service.contains("- front"),
        "{service}"
    );
    assert!(
        service.contains("0400") && service.contains("gid"),
        "{service}"
    );
    let shared = text_of(&live, "what services of the engine share");
    assert_eq!(shared.matches("external: true").count(), 3, "{shared}");
    let codes: Vec<_> = live.findings.as_slice().iter().map(|f| f.code.0).collect();
    assert_eq!(codes, ["live-volume-data", "live-secret-content"]);
}

#[test]
fn a_given_secret_is_a_file_in_memory() {
    let spec = json!({
        "Name": "shop_web",
        "TaskTemplate": {"ContainerSpec": {
            "Image": "web:1",
            "Secrets": [{"File": {"Name": "key", "UID": "0", "GID": "0", "Mode": 0o444}, "SecretName": "shop_key"}],
        }},
    });
    let given = BTreeMap::from([
        ("key".to_owned(), b"\xff\x00".to_vec()),
        ("typo".to_owned(), Vec::new()),
    ]);
    let live = compose(told(spec), "shop", &given).unwrap();
    let shared = text_of(&live, "what services of the engine share");
    assert!(
        shared.contains("./secrets/key") && !shared.contains("external"),
        "{shared}"
    );
    let codes: Vec<_> = live.findings.as_slice().iter().map(|f| f.code.0).collect();
    assert_eq!(codes, ["live-secret-unused"]);
}

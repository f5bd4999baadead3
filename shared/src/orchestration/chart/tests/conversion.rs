//! A conversion with every kind of change: `src` is the source, `dst` the target.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::orchestration::provider::{Added, Converted, ObjectRef, Outcome, SourceKey, difference};
use crate::source::{KeyPath, Node};

/// Renamed keys, new values, moved parts, added and removed keys, items and objects.
pub(super) fn convert(objects: &[Arc<Node>]) -> Converted {
    let mut converted = Converted::default();
    for (index, node) in objects.iter().enumerate() {
        let object = ObjectRef::of(index, node);
        let before = node.to_json();
        let mut after = before.clone();
        let class = before.pointer("/provisioner") == Some(&json!("src.csi"));
        texts(&mut after);
        let mut from = Vec::new();
        annotations(&mut after, &mut from);
        pull_secrets(&mut after);
        let mut added = None;
        if before["kind"] == "PersistentVolumeClaim"
            && before.pointer("/spec/storageClassName") == Some(&json!("src-encrypted"))
        {
            let name = format!("{}-dst", object.name);
            after["spec"]["storageClassName"] = json!(name);
            added = Some(json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": {"name": name}, "provisioner": "dst.csi",
            }));
        }
        let now = (!class).then(|| Node::from_json(&after, node.at));
        let mut edits = now.as_ref().map_or_else(Vec::new, |now| {
            if after == before {
                Vec::new()
            } else {
                difference(node, now)
            }
        });
        for edit in &mut edits {
            let key = edit.path.last_key().unwrap_or_default().to_owned();
            for (new, old) in &from {
                if *new == key {
                    edit.from.push(SourceKey {
                        object: index,
                        path: KeyPath::root().key("metadata").key("annotations").key(old),
                    });
                }
            }
        }
        converted.outcomes.push(Outcome {
            object: object.clone(),
            node: now.map(Arc::new),
            edits,
        });
        if let Some(value) = added {
            let added = Node::from_json(&value, node.at);
            converted.added.push(Added {
                object: ObjectRef::of(objects.len() + converted.added.len(), &added),
                node: added,
                because: vec![index],
            });
        }
    }
    converted
}

fn texts(value: &mut Json) {
    match value {
        Json::String(text) if text == "src-class" => *text = "dst-class".into(),
        Json::String(text) if text.starts_with("src.example.com/") => {
            *text = text.replacen("src.example.com", "dst.example.com", 1);
        }
        Json::Object(map) => map.values_mut().for_each(texts),
        Json::Array(items) => items.iter_mut().for_each(texts),
        _ => {}
    }
}

fn annotations(object: &mut Json, from: &mut Vec<(String, String)>) {
    let balancer = object.pointer("/spec/type") == Some(&json!("LoadBalancer"));
    let old = object
        .pointer("/metadata/annotations")
        .and_then(Json::as_object)
        .cloned()
        .unwrap_or_default();
    let mut new = serde_json::Map::new();
    let mut seen = false;
    for (key, value) in &old {
        let text = value.as_str().unwrap_or_default();
        let mut put = |name: &str, value: String| {
            new.insert(name.to_owned(), Json::String(value));
            from.push((name.to_owned(), key.clone()));
        };
        match key.as_str() {
            "src/kind" => put("dst/kind", text.to_owned()),
            "src/minutes" => {
                put(
                    "dst/seconds",
                    (text.parse::<u32>().unwrap_or(0) * 60).to_string(),
                );
            }
            "src/json" => {
                let inner: Json = serde_json::from_str(text).unwrap_or_default();
                put("dst/bandwidth", inner["bw"].to_string());
                put("dst/type", "public".into());
            }
            "src/release" => put(
                "dst/release",
                object
                    .pointer("/metadata/name")
                    .and_then(Json::as_str)
                    .unwrap_or_default()
                    .to_owned(),
            ),
            "src/nothing" => {}
            _ => {
                new.insert(key.clone(), value.clone());
                continue;
            }
        }
        seen = true;
    }
    if balancer && !seen {
        new.insert("dst/internal".into(), json!("true"));
        seen = true;
    }
    if !seen {
        return;
    }
    if new.is_empty() {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("annotations");
        }
    } else {
        object["metadata"]["annotations"] = Json::Object(new);
    }
}

fn pull_secrets(object: &mut Json) {
    let Some(pod) = object
        .pointer_mut("/spec/template/spec")
        .and_then(Json::as_object_mut)
    else {
        return;
    };
    let Some(secrets) = pod.get_mut("imagePullSecrets").and_then(Json::as_array_mut) else {
        return;
    };
    secrets.retain(|secret| secret["name"] != "src-secret");
    if secrets.is_empty() {
        pod.remove("imagePullSecrets");
    }
}

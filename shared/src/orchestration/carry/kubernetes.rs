//! What Compose cannot say of Kubernetes objects, under a top-level `x-` field.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::diff::walk_keys;
use super::{Change, apply, fingerprint, read_changes, report_refused};
use crate::finding::{Code, Finding, Findings};
use crate::orchestration::kubernetes::load::Object;
use crate::orchestration::names;
use crate::orchestration::output::{Document, Output, SideFile};
use crate::source::{Node, Trail, Value as NodeValue, emit};

/// Name of an object among all: `apps/v1/Deployment/NAMESPACE/NAME`.
type ObjectKey = String;

/// Packs the difference between the source objects (`want`) and those that come back from the Compose document
/// (`have`) into that document. Objects of kinds that `is_known` does not know are written as files of their own
/// instead. The content of Secrets is never packed.
pub fn pack(
    want: &[Object],
    have: &[Object],
    is_known: impl Fn(&Object) -> bool,
    document: &mut Value,
    output: &mut Vec<SideFile>,
) {
    let mut live: BTreeMap<ObjectKey, &Object> = have.iter().map(|o| (key(o), o)).collect();
    let contents: BTreeMap<ObjectKey, BTreeMap<String, Vec<u8>>> = have
        .iter()
        .filter(|o| o.kind == "Secret")
        .map(|o| (key(o), content(o)))
        .collect();
    let mut objects = Map::new();
    for object in want {
        let name = key(object);
        // Content that does not come back by itself goes into files for their owner only.
        let mut secret_files = Map::new();
        let content = if object.kind == "Secret" {
            content(object)
        } else {
            BTreeMap::new()
        };
        if contents.get(&name) != Some(&content) {
            for (secret_key, bytes) in content {
                let folder = object
                    .namespace
                    .as_ref()
                    .map_or_else(|| object.name.clone(), |n| format!("{n}-{}", object.name));
                let path = format!("secrets/{folder}/{secret_key}");
                if !output.iter().any(|file| file.path == path) {
                    output.push(SideFile {
                        path: path.clone(),
                        bytes,
                        secret: true,
                    });
                }
                secret_files.insert(secret_key, json!(format!("./{path}")));
            }
        }
        let mut entry = match live.remove(&name) {
            Some(back) => {
                let changes = changes(object, back);
                if changes.is_empty() && secret_files.is_empty() {
                    continue;
                }
                json!({"changes": changes.iter().map(Change::to_json).collect::<Vec<_>>()})
            }
            None if is_known(object) => json!({"whole": without_secrets(object)}),
            None => {
                let path = format!(
                    "unconverted/{}-{}.yaml",
                    object.kind.to_lowercase(),
                    object.name.replace(['/', ':'], "-")
                );
                let text = emit(&object.node.to_json());
                output.push(SideFile {
                    path: path.clone(),
                    bytes: text.into_bytes(),
                    secret: false,
                });
                json!({"file": format!("./{path}")})
            }
        };
        if !secret_files.is_empty()
            && let Some(entry) = entry.as_object_mut()
        {
            entry.insert("secret_files".into(), Value::Object(secret_files));
        }
        objects.insert(name, entry);
    }
    for (name, object) in live {
        let was = fingerprint(&without_secrets(object));
        objects.insert(name, json!({"remove": was}));
    }
    if objects.is_empty() {
        return;
    }
    // Compose interpolates the values of `x-` fields as well.
    let mut packet = json!({"kubernetes": {"schema": 1, "objects": objects}});
    escape(&mut packet);
    if let Some(document) = document.as_object_mut() {
        document.insert(names::CARRIED_KEY.to_owned(), packet);
    }
}

/// Doubles every `$`, so that interpolation gives it back.
pub fn escape(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(map) => map.values_mut().for_each(escape),
        _ => {}
    }
}

fn key(object: &Object) -> ObjectKey {
    let namespace = object.namespace.as_deref().unwrap_or("");
    format!(
        "{}/{}/{namespace}/{}",
        object.api_version, object.kind, object.name
    )
}

/// The content of a Secret by key; `stringData` wins (Kubernetes API, `Secret.stringData`).
fn content(object: &Object) -> BTreeMap<String, Vec<u8>> {
    let mut content = BTreeMap::new();
    for (field, encoded) in [("data", true), ("stringData", false)] {
        let map = object
            .node
            .as_mapping()
            .and_then(|m| m.get(field))
            .and_then(Node::as_mapping);
        for (key, entry) in map.into_iter().flat_map(crate::source::Mapping::iter) {
            let text = entry.node.as_text().unwrap_or_default();
            let bytes = if encoded {
                let clean: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                BASE64.decode(clean).unwrap_or_default()
            } else {
                text.as_bytes().to_vec()
            };
            content.insert(key.to_owned(), bytes);
        }
    }
    content
}

/// The changes that turn `have` into `want`, without the content of Secrets.
fn changes(want: &Object, have: &Object) -> Vec<Change> {
    let mut changes = Vec::new();
    if let (Some(wanted), Some(live)) = (want.node.as_mapping(), have.node.as_mapping()) {
        let secret = want.kind == "Secret";
        let shown = |key: &str| !(secret && matches!(key, "data" | "stringData"));
        walk_keys(wanted, live, shown, &Trail::root(), &mut changes);
    }
    changes
}

fn without_secrets(object: &Object) -> Value {
    let mut value = object.node.to_json();
    if object.kind == "Secret"
        && let Some(map) = value.as_object_mut()
    {
        map.shift_remove("data");
        map.shift_remove("stringData");
    }
    value
}

/// What was carried along in a Compose document.
#[derive(Debug, Default)]
pub struct Packet(Map<String, Value>);

/// Takes the packet out of a canonical Compose document, so that the reader never sees it.
pub fn unpack(node: &mut Node, findings: &mut Findings) -> Packet {
    let NodeValue::Mapping(root) = &mut node.value else {
        return Packet::default();
    };
    let Some(entry) = root.remove(names::CARRIED_KEY) else {
        return Packet::default();
    };
    let value = entry.node.to_json();
    let schema = value.pointer("/kubernetes/schema").and_then(Value::as_u64);
    match (schema, value.pointer("/kubernetes/objects")) {
        (Some(1), Some(Value::Object(objects))) => Packet(objects.clone()),
        _ => {
            let message = format!(
                "`{}` cannot be understood and is left out",
                names::CARRIED_KEY
            );
            findings.push(
                Finding::new(Code("carried-not-understood"), message).at_position(entry.key_at),
            );
            Packet::default()
        }
    }
}

impl Packet {
    /// Whether nothing was carried along.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies the packet to Kubernetes objects. `read_file` gives the content of a file beside the Compose file.
    pub fn apply(
        &self,
        output: &mut Output,
        read_file: impl Fn(&str) -> Option<Vec<u8>>,
        findings: &mut Findings,
    ) {
        let mut index: BTreeMap<ObjectKey, usize> = BTreeMap::new();
        for (i, document) in output.documents.iter().enumerate() {
            index.insert(value_key(&document.value), i);
        }
        let mut removed = std::collections::BTreeSet::new();
        for (name, entry) in &self.0 {
            let live = index.get(name).copied();
            if let Some(changes) = entry.get("changes") {
                let changes = read_changes(name, changes, findings);
                let Some(i) = live else {
                    let message =
                        format!("`{name}` was carried along, but what it belonged to is gone");
                    findings.push(Finding::new(Code("carried-but-edited"), message));
                    continue;
                };
                let refused = apply(&mut output.documents[i].value, &changes);
                report_refused(name, &refused, findings);
            } else if let Some(whole) = entry.get("whole") {
                match live {
                    None => output.documents.push(document(name, whole.clone())),
                    Some(_) => {
                        let message = format!(
                            "`{name}` was carried along, but is made from the live file now"
                        );
                        findings.push(Finding::new(Code("carried-but-edited"), message));
                    }
                }
            } else if let Some(was) = entry.get("remove").and_then(Value::as_str) {
                match live {
                    Some(i) if fingerprint(&comparable(&output.documents[i].value)) == was => {
                        removed.insert(i);
                    }
                    Some(_) => {
                        let message =
                            format!("`{name}` was changed after the conversion and is kept");
                        findings.push(Finding::new(Code("carried-but-edited"), message));
                    }
                    None => {}
                }
            } else if let Some(path) = entry.get("file").and_then(Value::as_str) {
                let value =
                    read_file(path).and_then(|bytes| serde_yaml::from_slice::<Value>(&bytes).ok());
                match value {
                    Some(value) => output.documents.push(document(name, value)),
                    None => {
                        let message =
                            format!("`{name}` was written to `{path}`, which cannot be read now");
                        findings.push(Finding::new(Code("carried-file-missing"), message));
                    }
                }
            }
        }
        self.fill_secrets(output, read_file, findings);
        let mut position = 0;
        output.documents.retain(|_| {
            position += 1;
            !removed.contains(&(position - 1))
        });
    }
}

impl Packet {
    /// Puts the content of Secrets back from the files that hold it.
    fn fill_secrets(
        &self,
        output: &mut Output,
        read_file: impl Fn(&str) -> Option<Vec<u8>>,
        findings: &mut Findings,
    ) {
        let wanted = |value: &Value| {
            self.0
                .get(&value_key(value))?
                .get("secret_files")?
                .as_object()
        };
        for document in &mut output.documents {
            let Some(files) = wanted(&document.value) else {
                continue;
            };
            let mut data = Map::new();
            for (key, path) in files {
                let path = path.as_str().unwrap_or_default();
                match read_file(path) {
                    Some(bytes) => {
                        data.insert(key.clone(), json!(BASE64.encode(bytes)));
                    }
                    None => {
                        let message =
                            format!("`{path}` holds a part of a Secret and cannot be read now");
                        findings.push(Finding::new(Code("carried-file-missing"), message));
                    }
                }
            }
            if let Some(map) = document.value.as_object_mut() {
                map.shift_remove("stringData");
                map.insert("data".into(), Value::Object(data));
            }
        }
    }
}

fn value_key(value: &Value) -> ObjectKey {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    format!(
        "{}/{}/{}/{}",
        text("/apiVersion"),
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name")
    )
}

fn comparable(value: &Value) -> Value {
    let mut value = value.clone();
    if value.get("kind").and_then(Value::as_str) == Some("Secret")
        && let Some(map) = value.as_object_mut()
    {
        map.shift_remove("data");
        map.shift_remove("stringData");
    }
    value
}

fn document(key: &str, value: Value) -> Document {
    let kind = value
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or("object")
        .to_lowercase();
    let name = value
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or(key);
    Document {
        name: format!("{}-{kind}", name.replace(['/', ':'], "-")),
        value,
        subjects: Vec::new(),
    }
}

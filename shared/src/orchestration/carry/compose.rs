//! What Kubernetes cannot say of a Compose file, in annotations of the objects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::diff::walk_keys;
use super::secrets;
use super::{Change, apply, diff_nodes, fingerprint, read_changes, report_refused};
use crate::finding::{Code, Finding, Findings};
use crate::orchestration::kubernetes::load::Object;
use crate::orchestration::model::Dialect;
use crate::orchestration::names;
use crate::orchestration::output::{Document, Output};
use crate::parallel;
use crate::source::{Mapping, Node, Trail, Value as NodeValue};

/// Sections of a Compose file whose items are carried one by one.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "configs", "secrets"];

/// All annotations of an object together may have 256 KiB (Kubernetes API, `TotalAnnotationSizeLimitB`); the rest of
/// the room is the user's.
const ANNOTATION_ROOM: usize = 128 << 10;

/// Key of the content in the ConfigMap that holds what belongs to no object.
const KEY: &str = "compose.json";

/// What was carried along, by subject (`services.web`, or empty for the whole file).
#[derive(Debug, Default, PartialEq)]
pub struct Packets {
    /// The dialect that can say it; `None` when nothing was carried.
    pub dialect: Option<Dialect>,
    subjects: BTreeMap<String, Value>,
}

/// Packs the difference between the canonical source (`want`) and what comes back from the output (`have`) into
/// annotations of the output's objects. What belongs to no object goes into one ConfigMap, named after the project.
///
/// Annotations are for all to read: what looks like a secret is not carried, and a finding says so.
pub fn pack(
    want: &Node,
    have: &Node,
    dialect: Dialect,
    project: &str,
    output: &mut Output,
    findings: &mut Findings,
) {
    let mut homeless = BTreeMap::new();
    let mut by_document: BTreeMap<usize, Map<String, Value>> = BTreeMap::new();
    let mut homes: BTreeMap<String, usize> = BTreeMap::new();
    for (index, document) in output.documents.iter().enumerate() {
        for subject in &document.subjects {
            // Workloads come last and are the natural home of a service; a Service is the second best.
            homes.insert(subject.clone(), index);
        }
    }
    for (subject, mut changes) in differences(want, have) {
        secrets::remove(want, &subject, &mut changes, findings);
        if changes.is_empty() {
            continue;
        }
        let changes = Value::Array(changes.iter().map(Change::to_json).collect());
        match homes.get(&subject) {
            Some(&index) => {
                by_document
                    .entry(index)
                    .or_default()
                    .insert(subject, changes);
            }
            None => {
                homeless.insert(subject, changes);
            }
        }
    }
    for (index, subjects) in by_document {
        let text = packet(dialect, subjects.clone()).to_string();
        if text.len() <= ANNOTATION_ROOM {
            annotate(&mut output.documents[index].value, text);
        } else {
            homeless.extend(subjects);
        }
    }
    if !homeless.is_empty() {
        let object = config_map(dialect, project, homeless.into_iter().collect(), output);
        output.documents.insert(0, object);
    }
}

/// The changes by subject, sections first.
fn differences(want: &Node, have: &Node) -> BTreeMap<String, Vec<Change>> {
    let empty = Mapping::default();
    let want = want.as_mapping().unwrap_or(&empty);
    let have = have.as_mapping().unwrap_or(&empty);
    let mut all = BTreeMap::new();
    for section in SECTIONS {
        let want = want.get(section).and_then(Node::as_mapping);
        let have = have.get(section).and_then(Node::as_mapping);
        let (want, have) = (want.unwrap_or(&empty), have.unwrap_or(&empty));
        let names = want.iter().chain(have.iter()).map(|(name, _)| name);
        let names: Vec<_> = names.collect::<BTreeSet<_>>().into_iter().collect();
        let changed = parallel::parts(&names, |names| {
            let changes = names.iter().map(|name| {
                let changes = match (want.get(name), have.get(name)) {
                    (Some(want), Some(have)) => diff_nodes(want, have),
                    (value, live) => vec![Change {
                        path: Vec::new(),
                        value: value.map(Node::to_json),
                        was: live.map(|live| fingerprint(&live.to_json())),
                    }],
                };
                (format!("{section}.{name}"), changes)
            });
            changes
                .filter(|(_, changes)| !changes.is_empty())
                .collect::<Vec<_>>()
        });
        all.extend(changed.into_iter().flatten());
    }
    let mut rest = Vec::new();
    let is_rest = |key: &str| !SECTIONS.contains(&key);
    walk_keys(want, have, is_rest, &Trail::root(), &mut rest);
    if !rest.is_empty() {
        all.insert(String::new(), rest);
    }
    all
}

fn packet(dialect: Dialect, subjects: Map<String, Value>) -> Value {
    let dialect = if dialect == Dialect::Swarm {
        "swarm"
    } else {
        "compose"
    };
    json!({"schema": 1, "dialect": dialect, "subjects": subjects})
}

fn annotate(object: &mut Value, text: String) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    let metadata = object.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(names::CARRIED.to_owned(), Value::String(text));
    }
}

fn config_map(
    dialect: Dialect,
    project: &str,
    subjects: Map<String, Value>,
    output: &Output,
) -> Document {
    let name = names::with_suffix(&names::to_label(project), "compose");
    let namespace = output.documents.iter().find_map(|d| {
        d.value
            .pointer("/metadata/namespace")
            .and_then(Value::as_str)
    });
    let mut metadata = json!({
        "name": name,
        "labels": {"app.kubernetes.io/managed-by": "migrate"},
        "annotations": {names::ROLE: names::ROLE_CARRIED},
    });
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    Document {
        name: format!("{name}-configmap"),
        value: json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {KEY: packet(dialect, subjects).to_string()},
        }),
        subjects: Vec::new(),
    }
}

/// Takes all packets out of loaded objects, so that readers never see them.
pub fn unpack(objects: &mut Vec<Object>, findings: &mut Findings) -> Packets {
    let mut packets = Packets::default();
    objects.retain_mut(|object| {
        let role = annotation(&object.node, names::ROLE).map(str::to_owned);
        if role.as_deref() == Some(names::ROLE_CARRIED) {
            let text = object
                .node
                .as_mapping()
                .and_then(|m| m.get("data"))
                .and_then(Node::as_mapping)
                .and_then(|m| m.get(KEY))
                .and_then(Node::as_text)
                .map(str::to_owned);
            packets.read(text.as_deref().unwrap_or(""), object, findings);
            return false;
        }
        if let Some(text) = remove_annotation(&mut object.node) {
            packets.read(&text, object, findings);
        }
        true
    });
    packets
}

fn metadata_annotations(node: &Node) -> Option<&Mapping> {
    node.as_mapping()?
        .get("metadata")?
        .as_mapping()?
        .get("annotations")?
        .as_mapping()
}

fn annotation<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    metadata_annotations(node)?.get(key)?.as_text()
}

/// Removes the packet from an object; an annotations mapping that becomes empty goes with it.
fn remove_annotation(node: &mut Node) -> Option<String> {
    annotation(node, names::CARRIED)?;
    let NodeValue::Mapping(object) = &mut node.value else {
        return None;
    };
    let NodeValue::Mapping(metadata) = &mut object.0.get_mut("metadata")?.node.value else {
        return None;
    };
    let NodeValue::Mapping(annotations) = &mut metadata.0.get_mut("annotations")?.node.value else {
        return None;
    };
    let text = annotations
        .remove(names::CARRIED)?
        .node
        .as_text()?
        .to_owned();
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    Some(text)
}

impl Packets {
    /// Whether nothing was carried along.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    fn read(&mut self, text: &str, object: &Object, findings: &mut Findings) {
        let parsed: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let dialect = match parsed.get("dialect").and_then(Value::as_str) {
            Some("compose") => Some(Dialect::Compose),
            Some("swarm") => Some(Dialect::Swarm),
            _ => None,
        };
        let subjects = parsed.get("subjects").and_then(Value::as_object);
        match (
            parsed.get("schema").and_then(Value::as_u64),
            dialect,
            subjects,
        ) {
            (Some(1), Some(dialect), Some(subjects)) => {
                self.dialect = Some(dialect);
                self.subjects
                    .extend(subjects.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
            _ => {
                let message = format!(
                    "what was carried along in {} `{}` cannot be understood",
                    object.kind, object.name
                );
                findings
                    .push(Finding::new(Code("carried-not-understood"), message).at(&object.origin));
            }
        }
    }

    /// Applies the packets to a canonical Compose document.
    pub fn apply(&self, document: &mut Value, findings: &mut Findings) {
        // Whole items first, so that changes within them find their place; removals follow from `was`.
        for (subject, value) in &self.subjects {
            let changes = read_changes(subject, value, findings);
            let refused = match subject.split_once('.') {
                Some((section, name)) if SECTIONS.contains(&section) => {
                    apply_item(document, section, name, &changes)
                }
                _ => apply(document, &changes),
            };
            report_refused(subject, &refused, findings);
        }
    }
}

fn apply_item(
    document: &mut Value,
    section: &str,
    name: &str,
    changes: &[Change],
) -> Vec<(Change, super::Refused)> {
    let prefixed: Vec<_> = changes
        .iter()
        .map(|change| Change {
            path: [json!(section), json!(name)]
                .into_iter()
                .chain(change.path.iter().cloned())
                .collect(),
            ..change.clone()
        })
        .collect();
    if let Some(map) = document.as_object_mut() {
        map.entry(section).or_insert_with(|| json!({}));
    }
    let refused = apply(document, &prefixed);
    if let Some(map) = document.as_object_mut()
        && map
            .get(section)
            .and_then(Value::as_object)
            .is_some_and(Map::is_empty)
    {
        map.shift_remove(section);
    }
    refused
        .into_iter()
        .map(|(change, reason)| {
            let path = change.path.into_iter().skip(2).collect();
            (Change { path, ..change }, reason)
        })
        .collect()
}

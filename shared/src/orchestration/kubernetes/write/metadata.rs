//! Names, labels and annotations of objects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::plan::Plan;
use crate::finding::{Code, Findings};
use crate::orchestration::model::Metadata;
use crate::orchestration::names::{DOMAIN, ORIGINAL_NAME, ROLE, is_label_value, is_metadata_key};
use crate::source::Sourced;

pub(super) const NAME: &str = "app.kubernetes.io/name";
pub(super) const INSTANCE: &str = "app.kubernetes.io/instance";
const PART_OF: &str = "app.kubernetes.io/part-of";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// All annotations of an object may have 256 KiB together; some are left for what is carried.
const ANNOTATIONS_MAX: usize = 128 * 1024;

/// The metadata of an object with the labels that all objects of an application have. `unit` is the label of the
/// unit that it belongs to.
pub(super) fn new(
    name: &str,
    namespace: Option<&Sourced<String>>,
    unit: Option<&str>,
    plan: &Plan<'_>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: plan
            .options
            .namespace
            .clone()
            .or_else(|| namespace.map(|n| n.value.clone())),
        labels: Some(labels(unit, plan)),
        ..ObjectMeta::default()
    }
}

pub(super) fn labels(unit: Option<&str>, plan: &Plan<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (INSTANCE.to_owned(), plan.instance.clone()),
        (PART_OF.to_owned(), plan.instance.clone()),
        (MANAGED_BY.to_owned(), "migrate".to_owned()),
    ]);
    if let Some(unit) = unit {
        labels.insert(NAME.to_owned(), unit.to_owned());
    }
    labels
}

pub(super) fn annotate(meta: &mut ObjectMeta, key: &str, value: impl Into<String>) {
    meta.annotations
        .get_or_insert_default()
        .insert(key.to_owned(), value.into());
}

/// Says why an object exists that the source does not name.
pub(super) fn role(meta: &mut ObjectMeta, role: &str) {
    annotate(meta, ROLE, role);
}

/// Keeps the source's name where the object has another one.
pub(super) fn original(meta: &mut ObjectMeta, name: &str) {
    if meta.name.as_deref() != Some(name) {
        annotate(meta, ORIGINAL_NAME, name);
    }
}

/// Adds the user's labels, as annotations where Kubernetes does not allow them as labels, and annotations.
pub(super) fn add_user(meta: &mut ObjectMeta, user: &Metadata, findings: &mut Findings) {
    let Metadata {
        labels,
        annotations,
    } = user;
    let mut room = ANNOTATIONS_MAX;
    for (key, value) in annotations {
        add_annotation(meta, key, value, &mut room, findings);
    }
    for (key, value) in labels {
        if ours(key) {
            continue;
        }
        if of_job(key) {
            let message = format!("`{key}` is set by the cluster itself");
            findings.add(Code("server-label"), &value.origin, message);
            continue;
        }
        let set = meta.labels.get_or_insert_default();
        match set.get(key) {
            Some(present) if *present == value.value => continue,
            None if is_metadata_key(key) && is_label_value(&value.value) => {
                set.insert(key.clone(), value.value.clone());
                continue;
            }
            _ => {}
        }
        if add_annotation(meta, key, value, &mut room, findings) {
            findings.add(
                Code("label-as-annotation"),
                &value.origin,
                format!("label `{key}` is an annotation, since Kubernetes does not allow it as a label here"),
            );
        }
    }
}

fn add_annotation(
    meta: &mut ObjectMeta,
    key: &str,
    value: &Sourced<String>,
    room: &mut usize,
    findings: &mut Findings,
) -> bool {
    if ours(key) {
        return false;
    }
    // Keys of annotations are checked in lower case (apimachinery, ValidateAnnotations).
    if !is_metadata_key(&key.to_ascii_lowercase()) {
        findings.add(
            Code("metadata-key"),
            &value.origin,
            format!("`{key}` cannot be the key of an annotation"),
        );
        return false;
    }
    let size = key.len() + value.value.len();
    if size > *room {
        findings.add(
            Code("metadata-too-large"),
            &value.origin,
            format!(
                "`{key}` is left out, since the annotations of one object may have 256 KiB together"
            ),
        );
        return false;
    }
    let annotations = meta.annotations.get_or_insert_default();
    if annotations.contains_key(key) {
        findings.add(
            Code("metadata-key"),
            &value.origin,
            format!(
                "`{key}` stands as a label and as an annotation, and only the annotation is kept"
            ),
        );
        return false;
    }
    *room -= size;
    annotations.insert(key.to_owned(), value.value.clone());
    true
}

/// Labels by which a Job knows its Pods; the API server refuses any others.
fn of_job(key: &str) -> bool {
    let name = key.strip_prefix("batch.kubernetes.io/").unwrap_or(key);
    matches!(name, "controller-uid" | "job-name")
}

/// Marks of an earlier conversion are made anew.
fn ours(key: &str) -> bool {
    key.strip_prefix(DOMAIN)
        .is_some_and(|rest| rest.starts_with('/'))
}

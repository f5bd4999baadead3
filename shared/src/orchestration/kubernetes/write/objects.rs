//! Configs, secrets and the Namespace.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::documents::{Documents, Rank, subject};
use super::metadata;
use super::plan::{ObjectPlan, Plan};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{FileObject, ObjectData, ObjectKind, WholeObject};
use crate::orchestration::names::{ORIGINAL_NAME, REAL_NAME, short_hash};
use crate::source::{Origin, Sourced};

/// The most that the data of one ConfigMap or Secret may have (Kubernetes API, `MaxSecretSize`).
pub(super) const DATA_MAX: u64 = 1024 * 1024;
/// `kubectl apply` keeps the whole object in an annotation, and annotations have a bound.
const APPLY_MAX: u64 = 256 * 1024;

pub(super) fn namespace(name: &str, whole: &[WholeObject], documents: &mut Documents) {
    let there = name == "default"
        || name.starts_with("kube-")
        || whole
            .iter()
            .any(|object| object.kind == "Namespace" && object.name == name);
    if !there {
        let object = Namespace {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        documents.add(Rank::Namespace, &object, Vec::new());
    }
}

pub(super) fn write(
    objects: &[FileObject],
    plan: &Plan<'_>,
    documents: &mut Documents,
    findings: &mut Findings,
) {
    let mut written = BTreeSet::new();
    for object in objects {
        let FileObject {
            kind,
            name,
            namespace,
            real_name,
            external,
            data,
            immutable,
            secret_type,
            metadata: user,
            origin,
        } = object;
        let Some(ObjectPlan {
            name: given,
            object: _,
        }) = plan.object(*kind, &name.value)
        else {
            continue;
        };
        if *external {
            if plan.docker {
                let key = &plan.options.external_key;
                let create = match kind {
                    ObjectKind::Config => {
                        format!("kubectl create configmap {given} --from-file={key}=FILE")
                    }
                    ObjectKind::Secret => {
                        format!("kubectl create secret generic {given} --from-file={key}=FILE")
                    }
                };
                let message = format!(
                    "`{given}` has to be there, with its content under the key `{key}`: `{create}`"
                );
                findings.add(Code("external-object"), origin, message);
            }
            continue;
        }
        if !written.insert((*kind, namespace.as_ref().map(|n| &n.value), given)) {
            let message = format!("`{}` is the object `{given}` as well", name.value);
            findings.add(Code("object-twice"), origin, message);
            continue;
        }
        let size: u64 = data.values().map(|data| data.bytes.len() as u64).sum();
        if !fits(size, given, origin, findings) {
            continue;
        }
        let mut meta = metadata::new(given, namespace.as_ref(), None, plan);
        metadata::original(&mut meta, &name.value);
        if plan.docker {
            metadata::annotate(&mut meta, ORIGINAL_NAME, &name.value);
        }
        if let Some(real) = real_name {
            metadata::annotate(&mut meta, REAL_NAME, &real.value);
        }
        metadata::add_user(&mut meta, user, findings);
        // Docker's configs and secrets cannot be changed; their names have a hash of the content.
        let immutable = immutable
            .as_ref()
            .map(|i| i.value)
            .or(plan.docker.then_some(true));
        let content = data.iter().map(|(key, data)| {
            let ObjectData {
                bytes,
                file: _,
                variable: _,
                origin: _,
            } = data;
            (key.as_str(), bytes.as_slice())
        });
        match kind {
            ObjectKind::Config => {
                let subjects = vec![subject("configs", &name.value)];
                documents.add(Rank::Data, &config_map(meta, content, immutable), subjects);
            }
            ObjectKind::Secret => {
                let data: BTreeMap<_, _> = content
                    .map(|(key, bytes)| (self::key(key), ByteString(bytes.to_vec())))
                    .collect();
                let kind = secret_type
                    .as_ref()
                    .filter(|kind| fits_type(kind, &data, &meta, findings));
                let secret = Secret {
                    data: Some(data).filter(|data| !data.is_empty()),
                    immutable,
                    metadata: meta,
                    string_data: None,
                    type_: kind.map(|kind| kind.value.clone()),
                };
                documents.add(Rank::Data, &secret, vec![subject("secrets", &name.value)]);
            }
        }
    }
}

/// Whether a Secret has what its type asks for; the API server refuses one that has not.
fn fits_type(
    kind: &Sourced<String>,
    data: &BTreeMap<String, ByteString>,
    meta: &ObjectMeta,
    findings: &mut Findings,
) -> bool {
    let is_json = |key: &str| {
        let json =
            |bytes: &ByteString| serde_json::from_slice::<serde_json::Value>(&bytes.0).is_ok();
        data.get(key).is_some_and(json)
    };
    let has = |key: &str| data.contains_key(key);
    let fits = match kind.value.as_str() {
        "kubernetes.io/dockerconfigjson" => is_json(".dockerconfigjson"),
        "kubernetes.io/dockercfg" => is_json(".dockercfg"),
        "kubernetes.io/tls" => has("tls.crt") && has("tls.key"),
        "kubernetes.io/basic-auth" => has("username") || has("password"),
        "kubernetes.io/ssh-auth" => data
            .get("ssh-privatekey")
            .is_some_and(|key| !key.0.is_empty()),
        "kubernetes.io/service-account-token" => meta
            .annotations
            .as_ref()
            .is_some_and(|a| a.contains_key("kubernetes.io/service-account.name")),
        _ => true,
    };
    if !fits {
        let message = format!("its content is not what the type `{}` asks for", kind.value);
        findings.add(Code("secret-type"), &kind.origin, message);
    }
    fits
}

/// Whether content of this size has room in one object.
pub(super) fn fits(size: u64, name: &str, origin: &Origin, findings: &mut Findings) -> bool {
    if size > DATA_MAX {
        let message = format!("`{name}` has {size} bytes, and Kubernetes allows {DATA_MAX}");
        findings.add(Code("object-over-limit"), origin, message);
        return false;
    }
    if size > APPLY_MAX {
        let message = format!("`{name}` has {size} bytes and needs `kubectl apply --server-side`");
        findings.add(Code("apply-server-side"), origin, message);
    }
    true
}

/// Text under `data`, anything else under `binaryData`.
pub(super) fn config_map<'d>(
    metadata: ObjectMeta,
    content: impl Iterator<Item = (&'d str, &'d [u8])>,
    immutable: Option<bool>,
) -> ConfigMap {
    let mut data = BTreeMap::new();
    let mut binary = BTreeMap::new();
    for (key, bytes) in content {
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                data.insert(self::key(key), text.to_owned());
            }
            Err(_) => {
                binary.insert(self::key(key), ByteString(bytes.to_vec()));
            }
        }
    }
    ConfigMap {
        binary_data: Some(binary).filter(|binary| !binary.is_empty()),
        data: Some(data).filter(|data| !data.is_empty()),
        immutable,
        metadata,
    }
}

/// The nearest legal key of a ConfigMap or Secret, different for different names.
pub(super) fn key(name: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty()
        && name.len() <= 253
        && !name.starts_with("..")
        && name != "."
        && name.chars().all(legal)
    {
        return name.to_owned();
    }
    let head: String = name
        .trim_start_matches('.')
        .chars()
        .map(|c| if legal(c) { c } else { '-' })
        .take(200)
        .collect();
    format!("{head}-{}", short_hash(name.as_bytes()))
}

/// The key of the one file that a config or secret of Compose is.
pub(super) fn only_key(
    plan: &Plan<'_>,
    kind: ObjectKind,
    name: &str,
    wanted: Option<&str>,
) -> String {
    match plan.object(kind, name) {
        Some(ObjectPlan { name: _, object }) if object.external && plan.docker => {
            plan.options.external_key.clone()
        }
        Some(ObjectPlan { name: _, object }) => {
            let keys: BTreeSet<_> = object.data.keys().map(String::as_str).collect();
            let present = wanted.filter(|key| keys.contains(key));
            present
                .or_else(|| keys.first().copied())
                .or(wanted)
                .unwrap_or(name)
                .to_owned()
        }
        None => wanted.unwrap_or(name).to_owned(),
    }
}

//! Objects of kinds that have no reader of their own: the pods and claims in them are converted, and whatever is left
//! of the source provider is said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::catalog::{Place, Signature};
use super::context::Context;
use super::detect::detect_among;
use super::edit::{self, SourceKey};
use super::pattern::glob;
use super::{Provider, pod, schedule, storage};
use crate::source::{KeyPath, Node, Trail, Value};

/// Definitions of kinds hold words of every provider and mean none of them.
pub(super) const DEFINITION: &str = "CustomResourceDefinition";
/// What stands behind the name of a class in a quota.
const QUOTA: &str = ".storageclass.storage.k8s.io/";

/// Claims that are made with the object that holds them, wherever they stand in it.
pub(super) fn claims(ctx: &mut Context<'_>, object: usize) {
    if ctx.refs[object].kind == DEFINITION {
        return;
    }
    let mut found = Vec::new();
    let own = ctx.refs[object].kind == "StatefulSet";
    walk(&ctx.before[object], &Trail::root(), &mut |path, node| {
        let claims: Vec<KeyPath> = match (path.last_key(), &node.value) {
            (Some("volumeClaimTemplate"), Value::Mapping(_)) => vec![path.path()],
            // Those of a StatefulSet itself have been looked at.
            (Some("volumeClaimTemplates"), Value::Sequence(items)) if !own => {
                let path = path.path();
                (0..items.len()).map(|index| path.index(index)).collect()
            }
            _ => return,
        };
        found.extend(claims);
    });
    for claim in found {
        if ctx.get(object, &claim.key("spec")).is_some() {
            storage::claim(ctx, object, &claim);
        }
    }
}

/// Pods in objects of unknown kinds, and what says where their pods run.
pub(super) fn pods(ctx: &mut Context<'_>, object: usize) {
    let kind = ctx.refs[object].kind.as_str();
    if kind == DEFINITION || pod::template(kind).is_some() {
        return;
    }
    let (mut pods, mut places) = (Vec::new(), Vec::new());
    walk(&ctx.before[object], &Trail::root(), &mut |path, node| {
        let Some(map) = node.as_mapping() else { return };
        let list = |key: &str| map.get(key).is_some_and(|n| n.as_sequence().is_some());
        let mapping = |key: &str| map.get(key).is_some_and(|n| n.as_mapping().is_some());
        let above = path.parent().filter(|above| !above.is_root());
        match above.filter(|_| path.last_key() == Some("spec") && list("containers")) {
            Some(above) => pods.push(above.path()),
            None if mapping("nodeSelector") || mapping("affinity") || list("tolerations") => {
                places.push(path.path());
            }
            None => {}
        }
    });
    for base in pods {
        pod::pod(ctx, object, &base);
    }
    for spec in places {
        schedule::schedule(ctx, object, &spec);
    }
}

fn walk(node: &Node, path: &Trail<'_>, see: &mut impl FnMut(&Trail<'_>, &Node)) {
    see(path, node);
    match &node.value {
        Value::Mapping(map) => {
            for (key, entry) in map.iter() {
                walk(&entry.node, &path.key(key), see);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &path.index(index), see);
            }
        }
        Value::Scalar(_) => {}
    }
}

/// The driver of a class of snapshots.
pub(super) fn snapshots(ctx: &mut Context<'_>, object: usize) {
    let path = KeyPath::root().key("driver");
    let Some(driver) = ctx.text(object, "driver") else {
        return;
    };
    let kinds = &ctx.from.storage.kinds;
    let Some((name, _)) = kinds.iter().find(|(_, k)| k.drivers.contains(&driver)) else {
        return;
    };
    let target = ctx.to.storage.kinds.get(name);
    let target = target.and_then(|kind| kind.drivers.iter().find(|d| d.contains('.')));
    let Some(target) = target.filter(|d| *d != "local.path").cloned() else {
        let what = format!(
            "`{driver}` takes snapshots; {} has no such driver",
            ctx.to.title
        );
        return ctx.note("provider-setting-lost", object, &path, &what);
    };
    let key = SourceKey {
        object,
        path: path.clone(),
    };
    ctx.put(object, &path, &Json::from(target), &[key]);
    let parameters = KeyPath::root().key("parameters");
    let map = ctx.get(object, &parameters).and_then(Node::as_mapping);
    let keys: Vec<String> = map
        .into_iter()
        .flat_map(|map| map.iter().map(|(key, _)| key.to_owned()))
        .collect();
    for key in keys {
        let what = format!("the parameter `{key}` of snapshots is one of `{driver}` alone");
        let at = parameters.key(&key);
        ctx.note("provider-setting-lost", object, &at, &what);
        ctx.take(object, &at);
    }
}

/// Takes out objects of the source's own kinds: the target's clusters refuse what they have no definition of.
pub(super) fn own_kinds(ctx: &mut Context<'_>) {
    for index in 0..ctx.before.len() {
        let object = &ctx.refs[index];
        let group = object.api_version.split_once('/').map_or("", |(g, _)| g);
        let kind = format!("{}/{group}", object.kind);
        let fits =
            |signature: &Signature| signature.r#in == Place::Kind && glob(&signature.is, &kind);
        let own = ctx.from.signatures.iter().any(fits) && !ctx.to.signatures.iter().any(fits);
        if !own || ctx.now[index].is_none() {
            continue;
        }
        let what = format!(
            "{} has no {}, so the object is left out; what it did is for a person to set up",
            ctx.to.title, object.kind
        );
        ctx.note("provider-kind-lost", index, &KeyPath::root(), &what);
        ctx.now[index] = None;
    }
}

/// Says what is still of the source where nobody has read it.
pub(super) fn marks(ctx: &mut Context<'_>, from: &Provider) {
    let providers = std::slice::from_ref(from);
    // Paths that a finding has named, by the object that it begins with. Findings are read as they come.
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut read = 0;
    for index in 0..ctx.before.len() {
        if ctx.refs[index].kind == DEFINITION {
            continue;
        }
        let Some(now) = &ctx.now[index] else {
            continue;
        };
        let findings = ctx.findings.as_slice();
        for finding in &findings[read..] {
            if let Some((object, _)) = finding.message.split_once(": ") {
                let paths = said.entry(object.to_owned()).or_default();
                paths.insert(finding.path.clone());
            }
        }
        read = findings.len();
        let said = said.get(&ctx.refs[index].to_string());
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut left = Vec::new();
        let detection = detect_among(std::slice::from_ref(now), providers);
        for sighting in detection.candidates.iter().flat_map(|c| &c.sightings) {
            let (path, text) = (&sighting.path, sighting.path.to_string());
            let same = edit::get(&ctx.before[index], path) == edit::get(now, path);
            let written = ctx.trail.contains_key(&(index, text.clone()));
            let is_said = said.is_some_and(|said| said.contains(&text));
            if !same || written || is_said || is_known(ctx, index, path, now) {
                continue;
            }
            if seen.insert(text) {
                let what = format!(
                    "the {} is of {} and is not converted",
                    sighting.what, ctx.from.title
                );
                left.push((path.clone(), what));
            }
        }
        for (path, what) in left {
            ctx.note("provider-mark-left", index, &path, &what);
        }
        quota(ctx, index);
        secret_store(ctx, index);
    }
}

/// What is said elsewhere, or means the same at the target.
fn is_known(ctx: &Context<'_>, index: usize, path: &KeyPath, now: &Node) -> bool {
    let text = edit::get(now, path).and_then(Node::as_text);
    match path.last_key() {
        // Images stay where they are until they are copied.
        Some("image") => true,
        // A class of the input keeps its name.
        Some("name") => ctx.refs[index].kind == "StorageClass",
        Some("storageClassName" | "storageClass" | "volume.beta.kubernetes.io/storage-class") => {
            text.is_some_and(|name| {
                ctx.find("StorageClass", None, name).is_some()
                    || ctx.to.storage.classes.contains_key(name)
            })
        }
        Some("ingressClassName" | "kubernetes.io/ingress.class") => {
            text.is_some_and(|name| ctx.to.ingress.classes.iter().any(|own| own == name))
        }
        _ => false,
    }
}

/// A class of Secrets that lie in a store outside of the cluster names the provider of the store.
fn secret_store(ctx: &mut Context<'_>, object: usize) {
    if ctx.refs[object].kind != "SecretProviderClass" {
        return;
    }
    let Some(store) = ctx.text(object, "spec.provider") else {
        return;
    };
    if store == ctx.from.name || ctx.from.aliases.contains(&store) {
        let what = format!(
            "the Secrets lie in a store of {} (`{store}`); copy them, and name the store of {}",
            ctx.from.title, ctx.to.title
        );
        let path = KeyPath::root().join("spec.provider");
        ctx.note("provider-mark-left", object, &path, &what);
    }
}

/// A quota names classes in its keys.
fn quota(ctx: &mut Context<'_>, object: usize) {
    if ctx.refs[object].kind != "ResourceQuota" {
        return;
    }
    let base = KeyPath::root().join("spec.hard");
    let map = ctx.get(object, &base).and_then(Node::as_mapping);
    let keys = map.into_iter().flat_map(|map| map.iter());
    let keys: Vec<String> = keys.map(|(key, _)| key.to_owned()).collect();
    for key in keys {
        let Some((class, _)) = key.split_once(QUOTA) else {
            continue;
        };
        let of = |s: &Signature| s.r#in == Place::StorageClass && glob(&s.is, class);
        let own =
            ctx.from.storage.classes.contains_key(class) || ctx.from.signatures.iter().any(of);
        if own && ctx.find("StorageClass", None, class).is_none() {
            let what = format!(
                "the quota is for the class `{class}` of {}; put the class in its place that claims ask for now",
                ctx.from.title
            );
            ctx.note("provider-mark-left", object, &base.key(&key), &what);
        }
    }
}

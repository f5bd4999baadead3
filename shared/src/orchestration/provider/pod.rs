//! Pods: what they pull, and the annotations that only one provider knows.

use serde_json::Value as Json;

use super::attribute::{Bag, meaning};
use super::catalog::Pods;
use super::context::Context;
use super::edit::SourceKey;
use super::pattern::glob;
use super::settings::{Holder, View, read, write};
use super::{schedule, storage};
use crate::source::{KeyPath, Node};

/// The pod template of an object, if it has one.
pub(super) fn template(kind: &str) -> Option<KeyPath> {
    let root = KeyPath::root();
    match kind {
        "Pod" => Some(root),
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "ReplicationController"
        | "Job" => Some(root.join("spec.template")),
        "CronJob" => Some(root.join("spec.jobTemplate.spec.template")),
        "PodTemplate" => Some(root.key("template")),
        _ => None,
    }
}

impl Pods {
    fn view(&self) -> View<'_> {
        View {
            rows: &self.rows,
            owns: &self.owns,
            renamed: None,
            drop: &self.drop,
            defaults: &[],
            requires: &[],
            orders: &[],
            always: &[],
        }
    }
}

/// Converts the pod at a path of an object.
pub(super) fn pod(ctx: &mut Context<'_>, object: usize, base: &KeyPath) {
    let (from, to) = (ctx.from, ctx.to);
    let holder = Holder {
        object,
        annotations: Some(base.join("metadata.annotations")),
        ..Holder::default()
    };
    let mut bag = Bag::default();
    read(ctx, from.pods.view(), &holder, &[], &mut bag);
    role(ctx, object, &mut bag);
    write(ctx, to.pods.view(), &holder, &[], &bag);
    storage::inline(ctx, object, base);
    annotations_of_storage(ctx, object, base);
    let spec = base.key("spec");
    schedule::schedule(ctx, object, &spec);
    let pulled = images(ctx, object, &spec);
    pull_secrets(ctx, object, &spec.key("imagePullSecrets"), pulled);
}

/// A service account carries pull secrets, and a role of the cloud.
pub(super) fn service_account(ctx: &mut Context<'_>, object: usize) {
    let holder = Holder {
        object,
        annotations: Some(KeyPath::root().join("metadata.annotations")),
        ..Holder::default()
    };
    let mut bag = Bag::default();
    read(ctx, ctx.from.pods.view(), &holder, &[], &mut bag);
    role(ctx, object, &mut bag);
    for (name, attribute) in &bag.0 {
        ctx.lost(name, attribute, object);
    }
    pull_secrets(ctx, object, &KeyPath::root().key("imagePullSecrets"), false);
}

/// An identity of the source opens nothing at the target, and none of the target's can be guessed from it.
fn role(ctx: &mut Context<'_>, object: usize, bag: &mut Bag) {
    if let Some(attribute) = bag.take("role") {
        let what = format!(
            "{} (`{}`) is left out; {} gives roles in its own way",
            meaning("role").what,
            attribute.value,
            ctx.to.title
        );
        ctx.note_attribute("credentials-needed", object, &attribute, &what);
    }
}

pub(super) fn count(ctx: &Context<'_>, object: usize, path: &KeyPath) -> usize {
    ctx.get(object, path)
        .and_then(Node::as_sequence)
        .map_or(0, <[Node]>::len)
}

pub(super) fn text(ctx: &Context<'_>, object: usize, path: &KeyPath) -> Option<String> {
    ctx.get(object, path)
        .and_then(Node::as_text)
        .map(str::to_owned)
}

/// What kinds of volumes ask of the pods that use them.
fn annotations_of_storage(ctx: &mut Context<'_>, object: usize, base: &KeyPath) {
    if ctx.claim_kinds.is_empty() {
        return;
    }
    let namespace = ctx.refs[object].namespace.clone().unwrap_or_default();
    let volumes = base.join("spec.volumes");
    for index in 0..count(ctx, object, &volumes) {
        let at = volumes.index(index).join("persistentVolumeClaim.claimName");
        let Some(claim) = text(ctx, object, &at) else {
            continue;
        };
        let Some(kind) = ctx.claim_kinds.get(&(namespace.clone(), claim)) else {
            continue;
        };
        let Some(kind) = ctx.to.storage.kinds.get(kind) else {
            continue;
        };
        for (key, value) in &kind.pod_annotations {
            let path = base.join("metadata.annotations").key(key);
            ctx.put(object, &path, &Json::from(value.as_str()), &[]);
        }
    }
}

/// Image references at registries of the source. Returns whether one of them is now at the target's.
fn images(ctx: &mut Context<'_>, object: usize, spec: &KeyPath) -> bool {
    let mut pulled = false;
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for index in 0..count(ctx, object, &spec.key(list)) {
            let path = spec.key(list).index(index).key("image");
            let Some(image) = text(ctx, object, &path) else {
                continue;
            };
            if let Some((target, rest)) = ctx.map.find_prefix("registry", &image) {
                let new = format!("{target}{rest}");
                let from = [SourceKey {
                    object,
                    path: path.clone(),
                }];
                ctx.put(object, &path, &Json::from(new), &from);
                pulled = true;
                continue;
            }
            let host = image.split('/').next().unwrap_or_default();
            if ctx
                .from
                .pods
                .registries
                .iter()
                .any(|pattern| glob(pattern, host))
            {
                let what = format!(
                    "image {image} lies at a registry of {}; copy it, and name the new place in the mapping file under `registry`",
                    ctx.from.title
                );
                ctx.note("image-at-source", object, &path, &what);
            }
        }
    }
    pulled
}

/// Pull secrets that a provider makes by itself.
fn pull_secrets(ctx: &mut Context<'_>, object: usize, base: &KeyPath, pulled: bool) {
    let mut replaced: Vec<SourceKey> = Vec::new();
    for index in (0..count(ctx, object, base)).rev() {
        let at = base.index(index);
        let Some(name) = text(ctx, object, &at.key("name")) else {
            continue;
        };
        if !ctx.from.pods.pull_secrets.contains(&name) {
            continue;
        }
        let what = format!(
            "the pull secret {name} is made by {} alone and is left out",
            ctx.from.title
        );
        ctx.note("pull-secret-replaced", object, &at, &what);
        replaced.push(SourceKey {
            object,
            path: at.clone(),
        });
        ctx.take(object, &at);
    }
    let own = ctx.to.pods.pull_secrets.first().cloned();
    if let Some(own) = own
        && ctx.to.pods.needs_pull_secret
        && (!replaced.is_empty() || pulled)
    {
        let at = base.index(count(ctx, object, base)).key("name");
        ctx.put(object, &at, &Json::from(own), &replaced);
    }
}

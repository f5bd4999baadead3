//! Pods: where they run, what they pull, and the annotations that only one provider knows.

use serde_json::Value as Json;

use super::attribute::{Bag, meaning};
use super::catalog::{OneOrMany, Pods};
use super::context::Context;
use super::edit::SourceKey;
use super::pattern::glob;
use super::settings::{Holder, View, read, write};
use super::{mapping, storage};
use crate::source::{KeyPath, Node};

/// The labels of nodes with a zone that each provider has.
const ZONES: [&str; 2] = [
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
];
/// The labels of nodes with a region.
const REGIONS: [&str; 2] = [
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/region",
];
/// The labels of nodes with their type.
const TYPES: [&str; 2] = [
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
];

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
    write(ctx, to.pods.view(), &holder, &[], &bag);
    storage::inline(ctx, object, base);
    annotations_of_storage(ctx, object, base);
    let spec = base.key("spec");
    node_selector(ctx, object, &spec.key("nodeSelector"));
    let affinity = spec.join("affinity.nodeAffinity");
    let required =
        affinity.join("requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
    let preferred = affinity.key("preferredDuringSchedulingIgnoredDuringExecution");
    for index in 0..count(ctx, object, &required) {
        expressions(
            ctx,
            object,
            &required.index(index).key("matchExpressions"),
            true,
        );
    }
    for index in 0..count(ctx, object, &preferred) {
        expressions(
            ctx,
            object,
            &preferred.index(index).join("preference.matchExpressions"),
            false,
        );
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let base = spec.key("affinity").key(kind);
        let required = base.key("requiredDuringSchedulingIgnoredDuringExecution");
        for index in 0..count(ctx, object, &required) {
            topology_key(ctx, object, &required.index(index).key("topologyKey"));
        }
        let preferred = base.key("preferredDuringSchedulingIgnoredDuringExecution");
        for index in 0..count(ctx, object, &preferred) {
            topology_key(
                ctx,
                object,
                &preferred.index(index).join("podAffinityTerm.topologyKey"),
            );
        }
    }
    let spread = spec.key("topologySpreadConstraints");
    for index in 0..count(ctx, object, &spread) {
        topology_key(ctx, object, &spread.index(index).key("topologyKey"));
    }
    tolerations(ctx, object, &spec.key("tolerations"));
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
    for (name, attribute) in &bag.0 {
        if name == "role" {
            let what = format!(
                "{} (`{}`) is left out; {} gives roles in its own way",
                meaning(name).what,
                attribute.value,
                ctx.to.title
            );
            ctx.note_attribute("credentials-needed", object, attribute, &what);
        } else {
            ctx.lost(name, attribute, object);
        }
    }
    pull_secrets(ctx, object, &KeyPath::root().key("imagePullSecrets"), false);
}

fn count(ctx: &Context<'_>, object: usize, path: &KeyPath) -> usize {
    ctx.get(object, path)
        .and_then(Node::as_sequence)
        .map_or(0, <[Node]>::len)
}

fn text(ctx: &Context<'_>, object: usize, path: &KeyPath) -> Option<String> {
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

/// What becomes of a label of nodes.
enum Label {
    /// The same label with other values.
    Values(&'static str),
    /// Another label; its values are of this kind, if they are ids.
    Renamed(String, Option<&'static str>),
    /// Only the source has it.
    Gone,
    /// No business of a provider.
    Neutral,
}

fn label(ctx: &Context<'_>, key: &str) -> Label {
    if ZONES.contains(&key) {
        return Label::Values("zone");
    }
    if REGIONS.contains(&key) {
        return Label::Values("region");
    }
    if TYPES.contains(&key) {
        return Label::Values("instance-type");
    }
    let pods = &ctx.from.pods;
    for (name, labels) in &pods.node_labels {
        if labels.iter().any(|own| own == key) {
            let target = ctx
                .to
                .pods
                .node_labels
                .get(name)
                .and_then(|l| l.iter().next());
            return match target {
                Some(target) => Label::Renamed(
                    target.clone(),
                    meaning(name).id.as_deref().and_then(mapping::kind),
                ),
                None => Label::Gone,
            };
        }
    }
    if ctx.from.storage.zone_keys.iter().any(|own| own == key) {
        return Label::Renamed(ZONES[0].to_owned(), Some("zone"));
    }
    if pods
        .owns_node_labels
        .iter()
        .any(|start| key.starts_with(start.as_str()))
    {
        return Label::Gone;
    }
    Label::Neutral
}

fn mapped(ctx: &mut Context<'_>, object: usize, path: &KeyPath, kind: &'static str) {
    let Some(value) = text(ctx, object, path) else {
        return;
    };
    let key = SourceKey {
        object,
        path: path.clone(),
    };
    let purpose = match kind {
        "zone" => "the zone that pods run in",
        "region" => "the region that pods run in",
        "instance-type" => "the type of node that pods run on",
        "node-pool" => "the node pool that pods run on",
        _ => "the nodes that pods run on",
    };
    let id = ctx.id(kind, Some(&value), object, Some(&key), purpose);
    ctx.put(object, path, &Json::from(id), &[key]);
}

fn node_selector(ctx: &mut Context<'_>, object: usize, base: &KeyPath) {
    let Some(map) = ctx.get(object, base).and_then(Node::as_mapping) else {
        return;
    };
    let keys: Vec<String> = map.iter().map(|(key, _)| key.to_owned()).collect();
    for key in keys {
        let path = base.key(&key);
        match label(ctx, &key) {
            Label::Neutral => {}
            Label::Values(kind) => mapped(ctx, object, &path, kind),
            Label::Renamed(target, kind) => {
                if let Some(kind) = kind {
                    mapped(ctx, object, &path, kind);
                }
                let Some(node) = ctx.take(object, &path) else {
                    continue;
                };
                let from = [SourceKey { object, path }];
                ctx.put(object, &base.key(&target), &node.to_json(), &from);
            }
            Label::Gone => {
                let value = text(ctx, object, &path).unwrap_or_default();
                let what = format!(
                    "pods no longer ask for nodes with `{key}: {value}`, which only {} has",
                    ctx.from.title
                );
                ctx.note("node-label-lost", object, &path, &what);
                ctx.take(object, &path);
            }
        }
    }
    if ctx
        .get(object, base)
        .and_then(Node::as_mapping)
        .is_some_and(|m| m.is_empty())
    {
        ctx.take(object, base);
    }
}

/// The terms of a node affinity.
fn expressions(ctx: &mut Context<'_>, object: usize, base: &KeyPath, required: bool) {
    for index in (0..count(ctx, object, base)).rev() {
        let at = base.index(index);
        let path = at.key("key");
        let Some(key) = text(ctx, object, &path) else {
            continue;
        };
        let values = at.key("values");
        let kind = match label(ctx, &key) {
            Label::Neutral => continue,
            Label::Values(kind) => Some(kind),
            Label::Renamed(target, kind) => {
                let from = [SourceKey {
                    object,
                    path: path.clone(),
                }];
                ctx.put(object, &path, &Json::from(target), &from);
                kind
            }
            Label::Gone => {
                let shown = ctx.get(object, &values).map(|n| n.to_json().to_string());
                let what = format!(
                    "pods no longer {} nodes by `{key}` ({}), which only {} has",
                    if required { "choose" } else { "prefer" },
                    shown.unwrap_or_default(),
                    ctx.from.title
                );
                let code = if required {
                    "node-label-lost"
                } else {
                    "provider-setting-approximate"
                };
                ctx.note(code, object, &at, &what);
                ctx.take(object, &at);
                continue;
            }
        };
        if let Some(kind) = kind {
            for value in 0..count(ctx, object, &values) {
                mapped(ctx, object, &values.index(value), kind);
            }
        }
    }
}

/// A key over which pods are spread.
fn topology_key(ctx: &mut Context<'_>, object: usize, path: &KeyPath) {
    let Some(key) = text(ctx, object, path) else {
        return;
    };
    match label(ctx, &key) {
        Label::Renamed(target, _) => {
            let from = [SourceKey {
                object,
                path: path.clone(),
            }];
            ctx.put(object, path, &Json::from(target), &from);
        }
        Label::Gone => {
            let what = format!(
                "pods are spread over `{key}`, which only {} has; the zone takes its place",
                ctx.from.title
            );
            ctx.note("provider-setting-approximate", object, path, &what);
            let from = [SourceKey {
                object,
                path: path.clone(),
            }];
            ctx.put(object, path, &Json::from(ZONES[0]), &from);
        }
        Label::Values(_) | Label::Neutral => {}
    }
}

/// Tolerations of taints that only the source's nodes have.
fn tolerations(ctx: &mut Context<'_>, object: usize, base: &KeyPath) {
    for index in (0..count(ctx, object, base)).rev() {
        let at = base.index(index);
        let Some(key) = text(ctx, object, &at.key("key")) else {
            continue;
        };
        let pods = &ctx.from.pods;
        let own = pods
            .owns_node_labels
            .iter()
            .any(|start| key.starts_with(start.as_str()))
            || pods
                .node_labels
                .values()
                .flat_map(OneOrMany::iter)
                .any(|l| *l == key);
        if !(own || key == "virtual-kubelet.io/provider" && ctx.from.name == "ali") {
            continue;
        }
        let shown = ctx
            .get(object, &at)
            .map(|n| n.to_json().to_string())
            .unwrap_or_default();
        let what = format!(
            "the toleration {shown} is left out, since only {} has such nodes",
            ctx.from.title
        );
        ctx.note("provider-setting-dropped", object, &at, &what);
        ctx.take(object, &at);
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

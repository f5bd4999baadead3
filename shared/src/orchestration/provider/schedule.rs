//! Where pods run: labels of nodes, affinities, taints, and what pods are spread over.

use serde_json::Value as Json;

use super::attribute::meaning;
use super::catalog::{OneOrMany, Place};
use super::context::Context;
use super::edit::SourceKey;
use super::mapping;
use super::node_words::words;
use super::pattern::glob;
use super::pod::{count, text};
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

/// The label of nodes with their name.
const HOST: &str = "kubernetes.io/hostname";

/// Converts what says where pods run: the specification of a pod, or what holds the same keys.
pub(super) fn schedule(ctx: &mut Context<'_>, object: usize, spec: &KeyPath) {
    node_selector(ctx, object, &spec.key("nodeSelector"));
    let affinity = spec.join("affinity.nodeAffinity");
    let required =
        affinity.join("requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
    let preferred = affinity.key("preferredDuringSchedulingIgnoredDuringExecution");
    node_terms(ctx, object, &required, "", true);
    node_terms(ctx, object, &preferred, "preference", false);
    // What is empty now would forbid every node, or ask for nothing.
    prune(ctx, object, &required, spec);
    prune(ctx, object, &preferred, spec);
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
            Label::Neutral if key == HOST => {
                let value = text(ctx, object, &path).unwrap_or_default();
                let what = format!(
                    "pods ask for the node `{value}` by its name, and nodes of {} have other names",
                    ctx.to.title
                );
                ctx.note("provider-mark-left", object, &path, &what);
            }
            Label::Neutral => {}
            Label::Values(kind) => mapped(ctx, object, &path, kind),
            Label::Renamed(target, kind) => {
                if let Some(kind) = kind {
                    mapped(ctx, object, &path, kind);
                }
                if let Some(words) = words(ctx, &key, &target)
                    && !words.selector(ctx, object, &path)
                {
                    ctx.take(object, &path);
                    continue;
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

/// The terms of a node affinity. A term in which nothing is left goes: as a requirement it would match no node.
fn node_terms(ctx: &mut Context<'_>, object: usize, terms: &KeyPath, below: &str, required: bool) {
    for index in (0..count(ctx, object, terms)).rev() {
        let term = match below {
            "" => terms.index(index),
            below => terms.index(index).key(below),
        };
        let list = term.key("matchExpressions");
        let before = count(ctx, object, &list);
        expressions(ctx, object, &list, required);
        if before == 0 || count(ctx, object, &list) > 0 {
            continue;
        }
        ctx.take(object, &list);
        let empty = ctx
            .get(object, &term)
            .and_then(Node::as_mapping)
            .is_some_and(|map| map.iter().all(|(_, entry)| is_empty(&entry.node)));
        if empty {
            ctx.take(object, &terms.index(index));
        }
    }
}

fn is_empty(node: &Node) -> bool {
    node.is_null()
        || node.as_mapping().is_some_and(|map| map.is_empty())
        || node.as_sequence().is_some_and(<[Node]>::is_empty)
}

/// Takes out an empty list and whatever is empty without it, up to `top`.
fn prune(ctx: &mut Context<'_>, object: usize, list: &KeyPath, top: &KeyPath) {
    let before = super::edit::get(&ctx.before[object], list);
    let was_there = before.is_some_and(|node| !is_empty(node));
    let mut path = list.clone();
    while was_there && path != *top && ctx.get(object, &path).is_none_or(is_empty) {
        ctx.take(object, &path);
        path = path.parent();
    }
}

/// The expressions of a term.
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
                if let Some(words) = words(ctx, &key, &target)
                    && !words.expression(ctx, object, &at, required)
                {
                    ctx.take(object, &at);
                    continue;
                }
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
        let signed = ctx
            .from
            .signatures
            .iter()
            .any(|s| s.r#in == Place::Toleration && glob(&s.is, &key));
        if !(own || signed) {
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

//! The zone that a volume is in.

use super::super::Bag;
use serde_json::{Value as Json, json};

use crate::orchestration::provider::attribute::{Attribute, meaning};
use crate::orchestration::provider::catalog::VolumeZone;
use crate::orchestration::provider::context::Context;
use crate::orchestration::provider::edit::SourceKey;
use crate::source::{KeyPath, Node};

/// The zone of a volume, wherever the source says it.
pub(super) fn zone_of_volume(ctx: &mut Context<'_>, object: usize, base: &KeyPath, bag: &mut Bag) {
    let keys = ctx.from.storage.zone_keys.clone();
    let terms = base.join("nodeAffinity.required.nodeSelectorTerms");
    let count = |ctx: &Context<'_>, path: &KeyPath| {
        ctx.get(object, path)
            .and_then(Node::as_sequence)
            .map_or(0, <[Node]>::len)
    };
    let mut found = None;
    for term in 0..count(ctx, &terms) {
        let expressions = terms.index(term).key("matchExpressions");
        for index in 0..count(ctx, &expressions) {
            let at = expressions.index(index);
            let key = ctx
                .get(object, &at.key("key"))
                .and_then(Node::as_text)
                .map(str::to_owned);
            if key.is_some_and(|key| keys.contains(&key)) {
                let value = ctx
                    .get(object, &at.key("values").index(0))
                    .and_then(Node::as_text)
                    .map(str::to_owned);
                let several = count(ctx, &at.key("values")) > 1 || count(ctx, &terms) > 1;
                if several {
                    // More than one zone: key and values stay a list.
                    zone_term(ctx, object, &at);
                } else {
                    found = value.map(|value| (value, at.clone()));
                }
            }
        }
    }
    if let Some((value, at)) = found {
        let mut attribute = Attribute::made(value);
        attribute.from.push(SourceKey { object, path: at });
        bag.set("zone", attribute);
        ctx.take(object, &base.key("nodeAffinity"));
    }
}

/// Writes the zone of a volume: an affinity, or labels.
pub(super) fn write_zone(ctx: &mut Context<'_>, object: usize, base: &KeyPath, bag: &Bag) {
    let is_volume = ctx.text(object, "kind").as_deref() == Some("PersistentVolume");
    let Some(attribute) = bag.0.get("zone").filter(|_| is_volume) else {
        return;
    };
    let zone = ctx.map_ids("zone", attribute, object);
    match ctx.to.storage.volume_zone {
        VolumeZone::Labels => {
            let labels = KeyPath::root().join("metadata.labels");
            ctx.put(
                object,
                &labels.key("failure-domain.beta.kubernetes.io/zone"),
                &Json::from(zone),
                &attribute.from,
            );
            let region = bag.0.get("region").cloned().unwrap_or_else(|| Attribute {
                value: attribute
                    .value
                    .trim_end_matches(|c: char| c.is_ascii_lowercase())
                    .trim_end_matches('-')
                    .to_owned(),
                ..attribute.clone()
            });
            let id = ctx.map_ids("region", &region, object);
            ctx.put(
                object,
                &labels.key("failure-domain.beta.kubernetes.io/region"),
                &Json::from(id),
                &region.from,
            );
        }
        VolumeZone::Affinity => {
            let Some(key) = ctx.to.storage.zone_keys.first() else {
                return;
            };
            let affinity = json!({"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": key, "operator": "In", "values": [zone]}]}
            ]}});
            ctx.put(
                object,
                &base.key("nodeAffinity"),
                &affinity,
                &attribute.from,
            );
            if let Some(region) = bag.0.get("region") {
                let what = format!(
                    "{} (`{}`) follows from its zone",
                    meaning("region").what,
                    region.value
                );
                ctx.note_attribute("provider-setting-dropped", object, region, &what);
            }
        }
    }
}

/// A term with a key of zones: the key of the target, and its zones.
pub(in super::super) fn zone_term(ctx: &mut Context<'_>, object: usize, at: &KeyPath) {
    let path = at.key("key");
    let Some(key) = ctx
        .get(object, &path)
        .and_then(Node::as_text)
        .map(str::to_owned)
    else {
        return;
    };
    if !ctx.from.storage.zone_keys.contains(&key) {
        return;
    }
    if let Some(first) = ctx
        .to
        .storage
        .zone_keys
        .first()
        .filter(|first| **first != key)
    {
        let from = [SourceKey {
            object,
            path: path.clone(),
        }];
        ctx.put(object, &path, &Json::from(first.as_str()), &from);
    }
    let values = at.key("values");
    let count = ctx
        .get(object, &values)
        .and_then(Node::as_sequence)
        .map_or(0, <[Node]>::len);
    for index in 0..count {
        let path = values.index(index);
        let Some(zone) = ctx
            .get(object, &path)
            .and_then(Node::as_text)
            .map(str::to_owned)
        else {
            continue;
        };
        let key = SourceKey {
            object,
            path: path.clone(),
        };
        let mapped = ctx.id(
            "zone",
            Some(&zone),
            object,
            Some(&key),
            "the zone of volumes",
        );
        ctx.put(object, &path, &Json::from(mapped), &[key]);
    }
}

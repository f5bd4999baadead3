//! Attributes out of the keys of the source.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::leftover::{leftover_members, leftovers};
use super::{Holder, NUMBER, PORT_NAME, Place, Present, View, constant_places, places};
use crate::orchestration::provider::attribute::{Attribute, Bag, meaning};
use crate::orchestration::provider::catalog::{Form, Row};
use crate::orchestration::provider::context::Context;
use crate::orchestration::provider::edit::SourceKey;
use crate::orchestration::provider::field;
use crate::orchestration::provider::pattern::glob;
use crate::orchestration::provider::row::{decode, plain};
use crate::source::{KeyPath, Node, Position, Value};

/// What of a text with members was read.
#[derive(Default)]
pub(super) struct Members {
    pub(super) json: BTreeSet<String>,
    pub(super) pairs: BTreeSet<String>,
}

/// Reads attributes and takes their keys out. Keys of the provider that no row explains are findings.
/// `companions` are the objects that hold a part of the attributes, by name.
pub(in super::super) fn read(
    ctx: &mut Context<'_>,
    view: View<'_>,
    holder: &Holder,
    others: &[(String, Holder)],
    bag: &mut Bag,
) {
    let mut taken: BTreeMap<(usize, String), (KeyPath, Members)> = BTreeMap::new();
    let mut keep: BTreeSet<(usize, String)> = BTreeSet::new();
    // Nothing is taken out before all is read.
    let (here, there) = (holder.in_object(ctx), others.iter());
    let there: Vec<_> = there.map(|(_, other)| other.in_object(ctx)).collect();
    for (name, rows) in view.rows {
        for row in rows.iter() {
            match &row.on {
                None => read_row(ctx, view, name, row, &here, bag, &mut taken, &mut keep),
                Some(on) => {
                    let all = others.iter().zip(&there);
                    for ((_, other), keys) in all.filter(|((other, _), _)| other == on) {
                        if other.fields.is_some() && other.annotations.is_none() {
                            read_companion(ctx, name, row, other, bag);
                        } else {
                            read_row(ctx, view, name, row, keys, bag, &mut taken, &mut keep);
                        }
                    }
                }
            }
        }
    }
    for ((object, _), (path, members)) in &taken {
        leftover_members(ctx, view, *object, path, members);
    }
    for (key, (path, _)) in taken {
        if !keep.contains(&key) {
            ctx.take(key.0, &path);
        }
    }
    leftovers(ctx, view, holder);
}

#[expect(clippy::too_many_arguments, reason = "the state of one reading")]
fn read_row(
    ctx: &mut Context<'_>,
    view: View<'_>,
    name: &str,
    row: &Row,
    present: &Present<'_>,
    bag: &mut Bag,
    taken: &mut BTreeMap<(usize, String), (KeyPath, Members)>,
    keep: &mut BTreeSet<(usize, String)>,
) {
    let holder = present.holder;
    for place in places(row) {
        if present.lacks(view, &place) {
            continue;
        }
        let Some(mut path) = holder.place(&place) else {
            continue;
        };
        if path.last_key().is_some_and(|k| k.contains(NUMBER)) {
            read_numbered(ctx, name, holder.object, &path, bag, taken);
            continue;
        }
        if path.last_key().is_some_and(|k| k.contains("{port}")) {
            let found = with_port(ctx, holder, &path);
            let Some((first, others)) = found.split_first() else {
                continue;
            };
            for other in others {
                read_other_port(ctx, row, holder.object, (first, other), taken);
            }
            path.clone_from(first);
        }
        if ctx.get(holder.object, &path).is_none() {
            // The same key with its older beginning.
            let older = match (&place, view.renamed) {
                (Place::Annotation(key), Some(renamed)) => renamed.iter().find_map(|(old, new)| {
                    Some(format!("{old}{}", key.strip_prefix(new.as_str())?))
                }),
                _ => None,
            };
            match older {
                Some(older) => path = path.parent().key(&older),
                None => continue,
            }
        }
        let object = holder.object;
        let Some(node) = ctx.get(object, &path).cloned() else {
            continue;
        };
        let id = (object, path.to_string());
        let Some(raw) = raw_text(row, &node) else {
            // The text as a whole is not of the form; the leftovers say so.
            if row.json.is_some() || row.pairs.is_some() {
                taken
                    .entry(id)
                    .or_insert_with(|| (path.clone(), Members::default()));
            }
            continue;
        };
        let members = &mut taken
            .entry(id.clone())
            .or_insert_with(|| (path.clone(), Members::default()))
            .1;
        members.json.extend(row.json.clone());
        members.pairs.extend(row.pairs.clone());
        if row.keep {
            keep.insert(id);
        }
        let source = SourceKey {
            object,
            path: path.clone(),
        };
        // Another row of the same text said it already, and better.
        let known_better = row.fallback && bag.has(name);
        let says_nothing = raw.is_empty() && row.words.is_empty();
        if known_better || says_nothing || row.nothing.contains(&raw) {
            continue;
        }
        if !switched_on(ctx, row, holder, taken, &path, name) {
            continue;
        }
        let decoded = decode(row, &raw, holder.tls).or_else(|| alike(row, name, &raw));
        let Some(value) = decoded else {
            let what = format!(
                "`{raw}` is no known value of {} and is left out",
                describe(row, &path)
            );
            ctx.note("provider-value-unknown", object, &path, &what);
            bag.1.insert(name.to_owned());
            continue;
        };
        if let Some(usual) = row.words.get(&value).and_then(|words| words.iter().next())
            && usual != raw.trim()
            && !row
                .words
                .values()
                .any(|words| words.iter().any(|word| word == raw.trim()))
        {
            let what = format!("`{raw}` of {} is taken for `{usual}`", describe(row, &path));
            ctx.note("provider-setting-approximate", object, &path, &what);
        }
        match bag.0.get_mut(name) {
            Some(found) => {
                if found.value != value {
                    let what = format!(
                        "{}: `{value}` is left out, since `{}` stands elsewhere",
                        meaning(name).what,
                        found.value
                    );
                    ctx.note("provider-setting-approximate", object, &path, &what);
                } else if !found.from.contains(&source) {
                    found.from.push(source);
                }
            }
            None => {
                for (implied, word) in &row.implies {
                    if !bag.has(implied) {
                        let mut attribute = Attribute::made(word);
                        attribute.from.push(source.clone());
                        bag.set(implied, attribute);
                    }
                }
                let mut from = vec![source];
                from.extend(switches(ctx, row, holder));
                bag.set(
                    name,
                    Attribute {
                        value,
                        at: Some(node.at),
                        from,
                        mapped: false,
                    },
                );
            }
        }
    }
}

/// The neutral value of a word in other letters (`Intranet`), or of another word for yes and no. What opens a load
/// balancer must be said exactly: providers differ in what they take for it, and a guess could make it public.
fn alike(row: &Row, name: &str, raw: &str) -> Option<String> {
    let raw = raw.trim().to_lowercase();
    if raw.is_empty() {
        return None;
    }
    let same = match raw.as_str() {
        "yes" | "on" | "1" | "t" => "true",
        "no" | "off" | "0" | "f" => "false",
        other => other,
    };
    let found = row.words.iter().find(|(_, words)| {
        words
            .iter()
            .any(|word| [raw.as_str(), same].contains(&word.to_lowercase().as_str()))
    });
    let value = found.map(|(neutral, _)| neutral.clone());
    value.filter(|value| name != "scope" || value == "internal")
}

/// The switches that are on beside a key: they go where it goes.
fn switches(ctx: &Context<'_>, row: &Row, holder: &Holder) -> Vec<SourceKey> {
    let object = holder.object;
    let places = row.along.iter().flat_map(constant_places);
    places
        .filter_map(|place| holder.place(&place))
        .filter(|path| ctx.get(object, path).is_some())
        .map(|path| SourceKey { object, path })
        .collect()
}

/// Reads keys that are numbered through, one item each.
fn read_numbered(
    ctx: &mut Context<'_>,
    name: &str,
    object: usize,
    path: &KeyPath,
    bag: &mut Bag,
    taken: &mut BTreeMap<(usize, String), (KeyPath, Members)>,
) {
    let Some(pattern) = path.last_key().map(|key| key.replace(NUMBER, "*")) else {
        return;
    };
    let base = path.parent();
    let Some(map) = ctx.get(object, &base).and_then(Node::as_mapping) else {
        return;
    };
    let found: Vec<(KeyPath, String, Position)> = map
        .iter()
        .filter(|(key, _)| glob(&pattern, key))
        .filter_map(|(key, entry)| {
            let text = entry.node.as_text()?.to_owned();
            Some((base.key(key), text, entry.node.at))
        })
        .collect();
    let Some(at) = found.first().map(|(.., at)| *at) else {
        return;
    };
    let mut attribute = Attribute::made("");
    attribute.at = Some(at);
    let mut items = Vec::new();
    for (path, text, _) in found {
        items.push(text);
        let id = (object, path.to_string());
        taken
            .entry(id)
            .or_insert_with(|| (path.clone(), Members::default()));
        attribute.from.push(SourceKey { object, path });
    }
    attribute.value = items.join(",");
    bag.set(name, attribute);
}

/// The keys with the ports of the Service in place of `{port}`.
fn with_port(ctx: &Context<'_>, holder: &Holder, path: &KeyPath) -> Vec<KeyPath> {
    let pattern = path.last_key().map(|key| key.replace("{port}", "*"));
    let map = ctx.get(holder.object, &path.parent());
    let (Some(pattern), Some(map)) = (pattern, map.and_then(Node::as_mapping)) else {
        return Vec::new();
    };
    let keys = map.iter().map(|(key, _)| key);
    keys.filter(|key| glob(&pattern, key))
        .map(|key| path.parent().key(key))
        .collect()
}

/// What is said of another port than the first. The neutral model has one value for all of them.
fn read_other_port(
    ctx: &mut Context<'_>,
    row: &Row,
    object: usize,
    (first, other): (&KeyPath, &KeyPath),
    taken: &mut BTreeMap<(usize, String), (KeyPath, Members)>,
) {
    let raw = |path: &KeyPath| raw_text(row, ctx.get(object, path)?);
    let (used, own) = (raw(first), raw(other));
    let members = &mut taken
        .entry((object, other.to_string()))
        .or_insert_with(|| (other.clone(), Members::default()))
        .1;
    members.json.extend(row.json.clone());
    members.pairs.extend(row.pairs.clone());
    if let (Some(used), Some(own)) = (used, own)
        && used != own
    {
        let what = format!("`{own}` is left out, since all ports get the first one's `{used}`");
        ctx.note("provider-setting-approximate", object, other, &what);
    }
}

fn raw_text(row: &Row, node: &Node) -> Option<String> {
    if let Some(member) = &row.json {
        let json: Json = serde_json::from_str(node.as_text()?).ok()?;
        return json_member(&json, member).map(|value| match value {
            Json::Array(_) | Json::Object(_) => value.to_string(),
            other => plain(other),
        });
    }
    if let Some(member) = &row.pairs {
        let pairs = node.as_text()?.split(',');
        return pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| key.trim() == member)
            .map(|(_, value)| value.trim().to_owned());
    }
    match &node.value {
        Value::Sequence(items) => {
            let items: Vec<&str> = items.iter().filter_map(Node::as_text).collect();
            Some(items.join(","))
        }
        Value::Scalar(_) => Some(node.as_text().unwrap_or_default().to_owned()),
        Value::Mapping(_) => None,
    }
}

fn json_member<'j>(json: &'j Json, member: &str) -> Option<&'j Json> {
    if member == PORT_NAME {
        return json.as_object()?.values().next();
    }
    member.split('.').try_fold(json, |at, step| match at {
        Json::Array(items) => items.get(step.parse::<usize>().ok()?),
        other => other.get(step),
    })
}

/// Whether the switches beside the key are on. They are taken in any case.
fn switched_on(
    ctx: &mut Context<'_>,
    row: &Row,
    holder: &Holder,
    taken: &mut BTreeMap<(usize, String), (KeyPath, Members)>,
    of: &KeyPath,
    name: &str,
) -> bool {
    let mut on = true;
    for along in &row.along {
        for place in constant_places(along) {
            let Some(path) = holder.place(&place) else {
                continue;
            };
            let found = ctx.get(holder.object, &path).cloned();
            let probe = Row {
                json: along.json.clone(),
                pairs: along.pairs.clone(),
                ..Row::default()
            };
            let value = found.as_ref().and_then(|node| raw_text(&probe, node));
            if found.is_some() {
                let id = (holder.object, path.to_string());
                let members = &mut taken
                    .entry(id)
                    .or_insert_with(|| (path.clone(), Members::default()))
                    .1;
                members.json.extend(along.json.clone());
                members.pairs.extend(along.pairs.clone());
            }
            if value.as_deref() != Some(&along.value) {
                on = false;
                let what = format!(
                    "{} is not in force, since {} is {}; it is left out",
                    meaning(name).what,
                    along
                        .pairs
                        .as_deref()
                        .or(path.last_key())
                        .unwrap_or_default(),
                    value.map_or_else(|| "not set".to_owned(), |v| format!("`{v}`"))
                );
                ctx.note("provider-setting-dropped", holder.object, of, &what);
            }
        }
    }
    on
}

/// Reads a field of a companion.
fn read_companion(ctx: &mut Context<'_>, name: &str, row: &Row, holder: &Holder, bag: &mut Bag) {
    let Some(path) = &row.field else { return };
    let object = holder.object;
    let Some(root) = ctx.before.get(object) else {
        return;
    };
    let mut values: Vec<String> = Vec::new();
    let mut from = Vec::new();
    let mut at = None;
    for (path, node) in field::select(root, path) {
        let text = match &node.value {
            Value::Mapping(_) => continue,
            Value::Sequence(items) => {
                let items: Vec<&str> = items.iter().filter_map(Node::as_text).collect();
                items.join(",")
            }
            Value::Scalar(scalar) => scalar.text.clone(),
        };
        ctx.read_fields
            .entry(object)
            .or_default()
            .insert(path.to_string());
        at = at.or(Some(node.at));
        let decoded = decode(row, &text, holder.tls).or_else(|| alike(row, name, &text));
        let Some(value) = decoded else {
            let what = format!("`{text}` is no known value of {path} and is left out");
            ctx.note("provider-value-unknown", object, &path, &what);
            bag.1.insert(name.to_owned());
            continue;
        };
        from.push(SourceKey { object, path });
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let is_list = matches!(row.form, Form::List);
    if values.len() > 1 && !is_list {
        let what = format!(
            "{}: `{}` stands in several values ({}); the first is used",
            meaning(name).what,
            path,
            values.join(", ")
        );
        if let Some(key) = from.first() {
            let path = key.path.clone();
            ctx.note("provider-setting-approximate", object, &path, &what);
        }
        values.truncate(1);
    }
    if values.is_empty() || bag.has(name) {
        return;
    }
    bag.set(
        name,
        Attribute {
            value: values.join(","),
            from,
            at,
            mapped: false,
        },
    );
}

fn describe(row: &Row, path: &KeyPath) -> String {
    let key = path.last_key().unwrap_or_default();
    match row.json.as_ref().or(row.pairs.as_ref()) {
        Some(member) => format!("`{member}` in `{key}`"),
        None => format!("`{key}`"),
    }
}

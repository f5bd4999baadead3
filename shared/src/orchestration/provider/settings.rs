//! Attributes out of the keys of the source, and into the keys of the target.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::attribute::{Attribute, Bag, meaning};
use super::catalog::{Constant, DefaultValue, Drop, Effect, OneOrMany, Requirement, Row, Section};
use super::context::{Context, effect_code};
use super::edit::SourceKey;
use super::field;
use super::pattern::{fill, glob};
use super::row::{decode, encode, plain, typed_as};
use crate::source::{KeyPath, Node, Value};

/// The parts of a catalog that say how one sort of object keeps its attributes.
#[derive(Clone, Copy)]
pub(super) struct View<'v> {
    pub(super) rows: &'v IndexMap<String, OneOrMany<Row>>,
    pub(super) owns: &'v [String],
    pub(super) renamed: Option<&'v IndexMap<String, String>>,
    pub(super) drop: &'v IndexMap<String, Drop>,
    pub(super) defaults: &'v [DefaultValue],
    pub(super) requires: &'v [Requirement],
    pub(super) always: &'v [Constant],
}

impl Section {
    pub(super) fn view(&self) -> View<'_> {
        View {
            rows: &self.rows,
            owns: &self.owns,
            renamed: Some(&self.renamed),
            drop: &self.drop,
            defaults: &self.defaults,
            requires: &self.requires,
            always: &self.always,
        }
    }
}

/// Where in an object the keys stand. A place that is not there cannot be read or written.
#[derive(Debug, Clone, Default)]
pub(super) struct Holder {
    pub(super) object: usize,
    pub(super) annotations: Option<KeyPath>,
    pub(super) labels: Option<KeyPath>,
    pub(super) fields: Option<KeyPath>,
    pub(super) parameters: Option<KeyPath>,
    pub(super) attributes: Option<KeyPath>,
    pub(super) options: Option<KeyPath>,
    /// There is a certificate, so that a port without a protocol is one of HTTPS.
    pub(super) tls: bool,
}

impl Holder {
    /// The annotations and labels of an object, and its fields.
    pub(super) fn of_object(object: usize) -> Self {
        let metadata = KeyPath::root().key("metadata");
        Self {
            object,
            annotations: Some(metadata.key("annotations")),
            labels: Some(metadata.key("labels")),
            fields: Some(KeyPath::root()),
            ..Self::default()
        }
    }

    fn place(&self, place: &Place<'_>) -> Option<KeyPath> {
        Some(match place {
            Place::Annotation(key) => self.annotations.as_ref()?.key(key),
            Place::Label(key) => self.labels.as_ref()?.key(key),
            Place::Field(path) => {
                self.fields.as_ref()?;
                KeyPath::root().join(path)
            }
            Place::Parameter(key) => self.parameters.as_ref()?.key(key),
            Place::Attribute(key) => self.attributes.as_ref()?.key(key),
            Place::Option(key) => self.options.as_ref()?.key(key),
        })
    }
}

enum Place<'r> {
    Annotation(&'r str),
    Label(&'r str),
    Field(&'r str),
    Parameter(&'r str),
    Attribute(&'r str),
    Option(&'r str),
}

fn places(row: &Row) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    places.extend(row.parameter.as_deref().map(Place::Parameter));
    places.extend(row.attribute.as_deref().map(Place::Attribute));
    places.extend(row.option.as_deref().map(Place::Option));
    places.extend(row.annotation.as_deref().map(Place::Annotation));
    places.extend(row.label.as_deref().map(Place::Label));
    places.extend(row.field.as_deref().map(Place::Field));
    places
}

fn constant_places(row: &Constant) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    places.extend(row.parameter.as_deref().map(Place::Parameter));
    places.extend(row.attribute.as_deref().map(Place::Attribute));
    places.extend(row.annotation.as_deref().map(Place::Annotation));
    places.extend(row.label.as_deref().map(Place::Label));
    places.extend(row.field.as_deref().map(Place::Field));
    places
}

/// What of a text with members was read.
#[derive(Default)]
struct Members {
    json: BTreeSet<String>,
    pairs: BTreeSet<String>,
}

/// Reads attributes and takes their keys out. Keys of the provider that no row explains are findings.
/// `companions` are the objects that hold a part of the attributes, by name.
pub(super) fn read(
    ctx: &mut Context<'_>,
    view: View<'_>,
    holder: &Holder,
    others: &[(String, Holder)],
    bag: &mut Bag,
) {
    let mut taken: BTreeMap<(usize, String), (KeyPath, Members)> = BTreeMap::new();
    let mut keep: BTreeSet<(usize, String)> = BTreeSet::new();
    for (name, rows) in view.rows {
        for row in rows.iter() {
            match &row.on {
                None => read_row(ctx, view, name, row, holder, bag, &mut taken, &mut keep),
                Some(on) => {
                    for (_, other) in others.iter().filter(|(other, _)| other == on) {
                        if other.fields.is_some() && other.annotations.is_none() {
                            read_companion(ctx, name, row, other, bag);
                        } else {
                            read_row(ctx, view, name, row, other, bag, &mut taken, &mut keep);
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
    holder: &Holder,
    bag: &mut Bag,
    taken: &mut BTreeMap<(usize, String), (KeyPath, Members)>,
    keep: &mut BTreeSet<(usize, String)>,
) {
    for place in places(row) {
        let Some(mut path) = holder.place(&place) else {
            continue;
        };
        let pattern = path.last_key().is_some_and(|k| k.contains("{port}"));
        if pattern {
            let Some(found) = with_port(ctx, holder, &path) else {
                continue;
            };
            path = found;
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
        if !switched_on(ctx, row, holder, taken, &path, name) {
            continue;
        }
        let Some(value) = decode(row, &raw, holder.tls) else {
            let what = format!(
                "`{raw}` is no known value of {} and is left out",
                describe(row, &path)
            );
            ctx.note("provider-value-unknown", object, &path, &what);
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
                bag.set(
                    name,
                    Attribute {
                        value,
                        at: Some(node.at),
                        from: vec![source],
                        mapped: false,
                    },
                );
            }
        }
    }
}

/// The key with the first port of the Service in place of `{port}`, or any other that stands there.
fn with_port(ctx: &Context<'_>, holder: &Holder, path: &KeyPath) -> Option<KeyPath> {
    let pattern = path.last_key()?.replace("{port}", "*");
    let map = ctx.get(holder.object, &path.parent())?.as_mapping()?;
    let key = map
        .iter()
        .map(|(key, _)| key)
        .find(|key| glob(&pattern, key))?;
    Some(path.parent().key(key))
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
        let Some(value) = decode(row, &text, holder.tls) else {
            let what = format!("`{text}` is no known value of {path} and is left out");
            ctx.note("provider-value-unknown", object, &path, &what);
            continue;
        };
        from.push(SourceKey { object, path });
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let is_list = matches!(row.form, super::catalog::Form::List);
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

/// Members of a text that no row explains.
fn leftover_members(
    ctx: &mut Context<'_>,
    view: View<'_>,
    object: usize,
    path: &KeyPath,
    members: &Members,
) {
    let uses_json = rows_of(view).any(|row| row.json.is_some() && is_key(row, path));
    let uses_pairs = rows_of(view).any(|row| row.pairs.is_some() && is_key(row, path));
    if !uses_json && !uses_pairs {
        return;
    }
    let Some(text) = ctx
        .get(object, path)
        .and_then(Node::as_text)
        .map(str::to_owned)
    else {
        return;
    };
    let key = path.last_key().unwrap_or_default().to_owned();
    let mut left: Vec<(String, String)> = Vec::new();
    if uses_json {
        let Ok(json) = serde_json::from_str::<Json>(&text) else {
            let what = format!("`{key}` is not JSON: `{text}`; it is left out");
            ctx.note("provider-value-unknown", object, path, &what);
            return;
        };
        flatten(&json, "", &mut left);
        let covered = |member: &str| {
            members
                .json
                .iter()
                .any(|read| member == read || member.starts_with(&format!("{read}.")))
        };
        left.retain(|(member, _)| !covered(member));
    } else {
        for pair in text.split(',').filter(|p| !p.trim().is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !members.pairs.contains(name.trim()) {
                left.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }
    for (member, value) in left {
        let what = format!("`{member}` in `{key}` (`{value}`) is not known here and is left out");
        ctx.note("provider-key-unknown", object, path, &what);
    }
}

fn rows_of(view: View<'_>) -> impl Iterator<Item = &Row> {
    view.rows.values().flat_map(OneOrMany::iter)
}

fn is_key(row: &Row, path: &KeyPath) -> bool {
    let key = path.last_key();
    let names = [&row.annotation, &row.label, &row.parameter, &row.attribute];
    names.iter().any(|name| {
        name.as_deref()
            .is_some_and(|name| key.is_some_and(|key| glob(&name.replace("{port}", "*"), key)))
    })
}

fn flatten(json: &Json, path: &str, found: &mut Vec<(String, String)>) {
    let below = |step: &str| {
        if path.is_empty() {
            step.to_owned()
        } else {
            format!("{path}.{step}")
        }
    };
    match json {
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                flatten(value, &below(key), found);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                flatten(value, &below(&index.to_string()), found);
            }
        }
        other => found.push((path.to_owned(), plain(other))),
    }
}

/// Keys of the provider that nothing has read.
fn leftovers(ctx: &mut Context<'_>, view: View<'_>, holder: &Holder) {
    let object = holder.object;
    let shared = [&holder.annotations, &holder.labels];
    let whole = [&holder.parameters, &holder.attributes, &holder.options];
    let mut left = Vec::new();
    for base in shared.into_iter().flatten() {
        if let Some(map) = ctx.get(object, base).and_then(Node::as_mapping) {
            let owned = |key: &str| {
                let old = view.renamed.into_iter().flat_map(|r| r.keys());
                view.owns
                    .iter()
                    .chain(old)
                    .any(|start| key.starts_with(start.as_str()))
                    || view
                        .drop
                        .keys()
                        .any(|pattern| pattern.contains('/') && glob(pattern, key))
            };
            let keys = map.iter().map(|(key, _)| key).filter(|key| owned(key));
            left.extend(keys.map(|key| base.key(key)));
        }
    }
    for base in whole.into_iter().flatten() {
        if let Some(map) = ctx.get(object, base).and_then(Node::as_mapping) {
            left.extend(map.iter().map(|(key, _)| base.key(key)));
        }
    }
    for path in left {
        drop_key(ctx, view, object, &path);
    }
}

/// Takes out a key that means nothing at the target, and says what it did.
fn drop_key(ctx: &mut Context<'_>, view: View<'_>, object: usize, path: &KeyPath) {
    let key = path.last_key().unwrap_or_default().to_owned();
    let value = ctx
        .get(object, path)
        .map(|n| plain(&n.to_json()))
        .unwrap_or_default();
    let new = view
        .renamed
        .into_iter()
        .flatten()
        .find_map(|(old, new)| Some(format!("{new}{}", key.strip_prefix(old.as_str())?)));
    let names = [Some(key.clone()), new];
    let known = names.into_iter().flatten().find_map(|name| {
        let exact = view.drop.get(&name);
        exact.or_else(|| {
            let fits = view.drop.iter().find(|(pattern, _)| glob(pattern, &name));
            fits.map(|(_, drop)| drop)
        })
    });
    let shown = secret_free(&key, &value);
    match known {
        Some(drop) => {
            let what = format!(
                "`{key}` ({shown}) has no counterpart at {}: {}",
                ctx.to.title, drop.what
            );
            ctx.note(effect_code(drop.effect), object, path, &what);
        }
        None => {
            let what = format!(
                "`{key}` ({shown}) belongs to {} but is not known here; it is left out",
                ctx.from.title
            );
            ctx.note("provider-key-unknown", object, path, &what);
        }
    }
    ctx.take(object, path);
}

/// The value for a message, unless it may be a secret.
fn secret_free(key: &str, value: &str) -> String {
    let key = key.to_lowercase();
    if key.contains("secret") || key.contains("akid") || key.contains("password") {
        return format!("{} characters", value.chars().count());
    }
    format!("`{value}`")
}

/// A value for a companion.
pub(super) struct ForCompanion {
    pub(super) companion: String,
    pub(super) field: String,
    pub(super) value: Json,
    pub(super) from: Vec<SourceKey>,
}

/// Completes attributes with what the target must have.
pub(super) fn complete(ctx: &mut Context<'_>, view: View<'_>, object: usize, bag: &mut Bag) {
    for default in view.defaults {
        if !bag.has(&default.attribute) && bag.fits(&default.when) {
            let who = &ctx.refs[object];
            let bandwidth = ctx.options.bandwidth.to_string();
            let text = fill(&default.value, |gap| match gap {
                "name" => Some(who.name.clone()),
                "namespace" => who.namespace.clone(),
                "bandwidth" => Some(bandwidth.clone()),
                _ => None,
            });
            if let Some(text) = text {
                bag.set(&default.attribute, Attribute::made(text));
            }
        }
    }
    for need in view.requires {
        if bag.has(&need.attribute) || !bag.fits(&need.when) {
            continue;
        }
        let kind = need
            .id
            .as_deref()
            .or(meaning(&need.attribute).id.as_deref());
        let Some(kind) = kind.and_then(super::mapping::kind) else {
            continue;
        };
        let replaced = need.of.as_ref().and_then(|name| bag.take(name));
        for (name, value) in &need.sets {
            let from = bag.take(name).map(|a| a.from).unwrap_or_default();
            if let Some(value) = value {
                let mut attribute = Attribute::made(value);
                attribute.from = from;
                bag.set(name, attribute);
            }
        }
        let mut attribute = Attribute::made("");
        if let Some(replaced) = &replaced {
            attribute.from.clone_from(&replaced.from);
            attribute.at = replaced.at;
        }
        let cause = need.when.keys().find_map(|name| bag.0.get(name));
        let key = attribute
            .from
            .first()
            .or(cause.and_then(|a| a.from.first()));
        let key = key.cloned();
        let source = replaced.as_ref().map(|a| a.value.as_str());
        let first = ctx.id(kind, source, object, key.as_ref(), &need.purpose);
        attribute.value = if first.starts_with("TODO-") && need.count > 1 {
            let all: Vec<String> = (1..=need.count).map(|n| format!("{first}-{n}")).collect();
            all.join(",")
        } else {
            first
        };
        attribute.mapped = true;
        bag.set(&need.attribute, attribute);
    }
}

/// Writes attributes to the keys of the target; what has none is a finding. Returns what goes to companions.
pub(super) fn write(
    ctx: &mut Context<'_>,
    view: View<'_>,
    holder: &Holder,
    others: &[(String, Holder)],
    bag: &Bag,
) -> Vec<ForCompanion> {
    let mut writing = Writing::default();
    for (name, attribute) in &bag.0 {
        write_one(
            ctx,
            view,
            holder,
            others,
            bag,
            name,
            attribute,
            &mut writing,
        );
    }
    for constant in view.always {
        if bag.fits(&constant.when) {
            writing.constant(holder, constant, &[]);
        }
    }
    let companions = std::mem::take(&mut writing.companions);
    writing.flush(ctx);
    companions
}

#[expect(clippy::too_many_arguments, reason = "the state of one writing")]
fn write_one(
    ctx: &mut Context<'_>,
    view: View<'_>,
    holder: &Holder,
    others: &[(String, Holder)],
    bag: &Bag,
    name: &str,
    attribute: &Attribute,
    writing: &mut Writing,
) {
    let object = holder.object;
    let Some(rows) = view.rows.get(name) else {
        return ctx.lost(name, attribute, object);
    };
    let mut reason = None;
    for row in rows.iter().filter(|row| !row.read_only) {
        if !bag.fits(&row.when) {
            reason.get_or_insert_with(|| "nothing to say of it in this case".to_owned());
            continue;
        }
        let all = places(row);
        if all.is_empty() {
            // Said by other keys, or what the target does anyway.
            if row.words.is_empty() {
                let what = format!(
                    "{} (`{}`) follows from other settings at {}",
                    meaning(name).what,
                    attribute.value,
                    ctx.to.title
                );
                return ctx.note_attribute("provider-setting-dropped", object, attribute, &what);
            }
            if row.words.contains_key(&attribute.value) {
                return;
            }
            reason = Some(format!("no word for `{}`", attribute.value));
            continue;
        }
        let text = if row.words.is_empty() && encode(row, name, &attribute.value).is_some() {
            ctx.map_ids(name, attribute, object)
        } else {
            attribute.value.clone()
        };
        let Some(encoded) = encode(row, name, &text) else {
            reason = Some(format!("no word for `{}`", attribute.value));
            continue;
        };
        let holders: Vec<&Holder> = match &row.on {
            None => vec![holder],
            Some(on) => others
                .iter()
                .filter(|(other, _)| other == on)
                .map(|(_, h)| h)
                .collect(),
        };
        let companion = row.on.as_ref().filter(|on| *on != "service");
        if let (Some(companion), Some(field)) = (companion, &row.field) {
            if encoded.value != Json::Null {
                writing.companions.push(ForCompanion {
                    companion: companion.clone(),
                    field: field.clone(),
                    value: encoded.value.clone(),
                    from: attribute.from.clone(),
                });
            }
        } else {
            let mut written = false;
            for holder in holders {
                let place = all.iter().find_map(|place| holder.place(place));
                let Some(mut path) = place else { continue };
                written = true;
                if let Some(key) = path.last_key()
                    && key.contains("{port}")
                {
                    let port = first_port(ctx, holder.object);
                    path = path.parent().key(&key.replace("{port}", &port));
                }
                if encoded.value != Json::Null {
                    writing.value(
                        holder.object,
                        &path,
                        row.json.as_ref(),
                        row.pairs.as_ref(),
                        encoded.value.clone(),
                        &attribute.from,
                    );
                    for along in &row.along {
                        writing.constant(holder, along, &attribute.from);
                    }
                }
            }
            if !written {
                reason.get_or_insert_with(|| "no place for it here".to_owned());
                continue;
            }
        }
        if let Some((code, message)) = encoded.change {
            let code = match (code, meaning(name).lost) {
                ("provider-setting-approximate", Effect::Info) => "provider-setting-dropped",
                (code, _) => code,
            };
            let what = format!("{}: {message}", meaning(name).what);
            ctx.note_attribute(code, object, attribute, &what);
        }
        return;
    }
    match reason {
        Some(reason) if reason.starts_with("nothing") && meaning(name).lost == Effect::Info => {
            let what = format!(
                "{} (`{}`): {} has {reason}",
                meaning(name).what,
                attribute.value,
                ctx.to.title
            );
            ctx.note_attribute("provider-setting-dropped", object, attribute, &what);
        }
        _ => ctx.lost(name, attribute, object),
    }
}

/// `TCP-80` of a Service's first port.
fn first_port(ctx: &Context<'_>, object: usize) -> String {
    let ports = KeyPath::root().join("spec.ports").index(0);
    let text = |key: &str| {
        ctx.get(object, &ports.key(key))
            .and_then(Node::as_text)
            .map(str::to_owned)
    };
    format!(
        "{}-{}",
        text("protocol").unwrap_or_else(|| "TCP".to_owned()),
        text("port").unwrap_or_else(|| "80".to_owned())
    )
}

/// Values on their way to their keys: members of one text are collected first.
#[derive(Default)]
struct Writing {
    companions: Vec<ForCompanion>,
    /// Values that found another one at their place.
    conflicts: Vec<(usize, KeyPath, String)>,
    values: IndexMap<(usize, String), Pending>,
}

struct Pending {
    path: KeyPath,
    value: Json,
    pairs: bool,
    json: bool,
    from: Vec<SourceKey>,
}

impl Writing {
    fn constant(&mut self, holder: &Holder, constant: &Constant, from: &[SourceKey]) {
        let place = constant_places(constant);
        let Some(path) = place.iter().find_map(|place| holder.place(place)) else {
            return;
        };
        let value = typed_as(constant.number, constant.boolean, &constant.value);
        let (json, pairs) = (constant.json.as_ref(), constant.pairs.as_ref());
        self.value(holder.object, &path, json, pairs, value, from);
    }

    fn value(
        &mut self,
        object: usize,
        path: &KeyPath,
        json: Option<&String>,
        pairs: Option<&String>,
        value: Json,
        from: &[SourceKey],
    ) {
        let member = json.or(pairs);
        let pending = self
            .values
            .entry((object, path.to_string()))
            .or_insert_with(|| Pending {
                path: path.clone(),
                value: Json::Null,
                pairs: pairs.is_some(),
                json: json.is_some(),
                from: Vec::new(),
            });
        for key in from {
            if !pending.from.contains(key) {
                pending.from.push(key.clone());
            }
        }
        match member {
            None => {
                if pending.value == Json::Null {
                    pending.value = value;
                } else if pending.value != value {
                    let what = format!(
                        "`{}` is left out, since one value has a place",
                        plain(&value)
                    );
                    self.conflicts.push((object, path.clone(), what));
                }
            }
            Some(member) => {
                if pending.value == Json::Null {
                    pending.value = Json::Object(serde_json::Map::new());
                }
                let steps: Vec<&str> = if json.is_some() {
                    member.split('.').collect()
                } else {
                    vec![member]
                };
                if let Some(found) = insert(&mut pending.value, &steps, value.clone()) {
                    let what = format!(
                        "`{member}` is `{}`, and `{}` is left out, since one value has a place",
                        plain(&found),
                        plain(&value)
                    );
                    self.conflicts.push((object, path.clone(), what));
                }
            }
        }
    }

    fn flush(self, ctx: &mut Context<'_>) {
        for (object, path, what) in self.conflicts {
            ctx.note("provider-setting-approximate", object, &path, &what);
        }
        for ((object, _), pending) in self.values {
            let value = if pending.json {
                Json::from(pending.value.to_string())
            } else if pending.pairs {
                let map = pending.value.as_object().into_iter().flatten();
                let pairs: Vec<String> = map.map(|(k, v)| format!("{k}={}", plain(v))).collect();
                Json::from(pairs.join(","))
            } else {
                pending.value
            };
            ctx.put(object, &pending.path, &value, &pending.from);
        }
    }
}

/// Sets a member. The first value counts; if another one is there, that is returned.
fn insert(at: &mut Json, steps: &[&str], value: Json) -> Option<Json> {
    let (first, rest) = steps.split_first()?;
    let Json::Object(map) = at else { return None };
    let child = map.entry((*first).to_owned()).or_insert(Json::Null);
    if !rest.is_empty() {
        if child.is_null() {
            *child = Json::Object(serde_json::Map::new());
        }
        return insert(child, rest, value);
    }
    if child.is_null() {
        *child = value;
        None
    } else if *child == value {
        None
    } else {
        Some(child.clone())
    }
}

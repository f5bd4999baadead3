//! Attributes into the keys of the target.

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::{Holder, NUMBER, PORT_NAME, View, constant_places, places};
use crate::orchestration::provider::attribute::{Attribute, Bag, meaning};
use crate::orchestration::provider::catalog::{Constant, Effect, Order};
use crate::orchestration::provider::context::{Context, effect_code};
use crate::orchestration::provider::edit::SourceKey;
use crate::orchestration::provider::mapping;
use crate::orchestration::provider::pattern::fill;
use crate::orchestration::provider::row::{encode, plain, typed_as};
use crate::source::{KeyPath, Node};

/// A value for a companion.
pub(in super::super) struct ForCompanion {
    pub(in super::super) companion: String,
    pub(in super::super) field: String,
    pub(in super::super) value: Json,
    pub(in super::super) from: Vec<SourceKey>,
}

/// Completes attributes with what the target must have.
pub(in super::super) fn complete(
    ctx: &mut Context<'_>,
    view: View<'_>,
    object: usize,
    bag: &mut Bag,
) {
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
    for order in view.orders {
        raise(ctx, order, object, bag);
    }
    for need in view.requires {
        if bag.has(&need.attribute) || !bag.fits(&need.when) {
            continue;
        }
        let kind = need
            .id
            .as_deref()
            .or(meaning(&need.attribute).id.as_deref());
        let Some(kind) = kind.and_then(mapping::kind) else {
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
            // The first is the one that the finding names.
            let others = (2..=need.count).map(|n| format!("{first}-{n}"));
            let all: Vec<String> = std::iter::once(first.clone()).chain(others).collect();
            all.join(",")
        } else {
            first
        };
        attribute.mapped = true;
        bag.set(&need.attribute, attribute);
    }
}

/// Raises a number that has to be larger than another one.
fn raise(ctx: &mut Context<'_>, order: &Order, object: usize, bag: &mut Bag) {
    let number = |name: &str| bag.get(name).and_then(|text| text.parse::<i64>().ok());
    let Some(low) = number(&order.above) else {
        return;
    };
    let now = number(&order.attribute).unwrap_or(order.default);
    if now > low {
        return;
    }
    let mut attribute = Attribute::made((low + 1).to_string());
    let (own, other) = (bag.0.get(&order.attribute), bag.0.get(&order.above));
    attribute.from = own.or(other).map(|a| a.from.clone()).unwrap_or_default();
    let what = format!(
        "{}: {now} becomes {}, since {} must be less at {}",
        meaning(&order.attribute).what,
        low + 1,
        meaning(&order.above).what,
        ctx.to.title
    );
    ctx.note_attribute("provider-value-clamped", object, &attribute, &what);
    bag.set(&order.attribute, attribute);
}

/// Writes attributes to the keys of the target; what has none is a finding. Returns what goes to companions.
pub(in super::super) fn write(
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
        if places(row).next().is_none() {
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
                let place = places(row).find_map(|place| holder.place(&place));
                let Some(path) = place else { continue };
                let mut member = row.json.clone();
                if member.as_deref() == Some(PORT_NAME) {
                    let Some(name) = port_name(ctx, holder.object) else {
                        continue;
                    };
                    member = Some(name);
                }
                written = true;
                if let Some(key) = path.last_key()
                    && key.contains(NUMBER)
                {
                    for (index, item) in plain(&encoded.value).split(',').enumerate() {
                        let key = key.replace(NUMBER, &(index + 1).to_string());
                        let path = path.parent().key(&key);
                        let value = Json::from(item.trim());
                        writing.value(holder.object, &path, None, None, value, &attribute.from);
                    }
                    continue;
                }
                let paths = match path.last_key() {
                    Some(key) if key.contains("{port}") => each_port(ctx, holder.object, bag)
                        .iter()
                        .map(|port| path.parent().key(&key.replace("{port}", port)))
                        .collect(),
                    _ => vec![path],
                };
                if encoded.value != Json::Null {
                    for path in &paths {
                        writing.value(
                            holder.object,
                            path,
                            member.as_ref(),
                            row.pairs.as_ref(),
                            encoded.value.clone(),
                            &attribute.from,
                        );
                    }
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
        Some(reason) if reason.starts_with("nothing") && meaning(name).lost != Effect::Loss => {
            let what = format!(
                "{} (`{}`): {} has {reason}",
                meaning(name).what,
                attribute.value,
                ctx.to.title
            );
            ctx.note_attribute(effect_code(meaning(name).lost), object, attribute, &what);
        }
        _ => ctx.lost(name, attribute, object),
    }
}

/// `TCP-80` of each port of a Service, or `TLS-80` where TLS ends at the load balancer.
fn each_port(ctx: &Context<'_>, object: usize, bag: &Bag) -> Vec<String> {
    let secure: Vec<&str> = bag
        .get("protocol-ports")
        .unwrap_or_default()
        .split(',')
        .filter_map(|port| port.trim().split_once(':'))
        .filter(|(protocol, _)| matches!(*protocol, "https" | "tls"))
        .map(|(_, port)| port)
        .collect();
    let list = ctx.get(object, &KeyPath::root().join("spec.ports"));
    let items = list.and_then(Node::as_sequence).unwrap_or_default();
    let mut found = Vec::new();
    for item in items {
        let text = |key: &str| item.as_mapping()?.get(key)?.as_text();
        let port = text("port").unwrap_or("80");
        let name = match text("protocol").unwrap_or("TCP") {
            "TCP" if secure.contains(&port) => format!("TLS-{port}"),
            protocol => format!("{protocol}-{port}"),
        };
        // Connections of UDP have an end of their own.
        if !name.starts_with("UDP") || items.len() == 1 {
            found.push(name);
        }
    }
    found
}

/// The name of a Service's first port.
fn port_name(ctx: &Context<'_>, object: usize) -> Option<String> {
    let name = KeyPath::root().join("spec.ports").index(0).key("name");
    ctx.get(object, &name)?.as_text().map(str::to_owned)
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
        let mut places = constant_places(constant);
        let Some(path) = places.find_map(|place| holder.place(&place)) else {
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

//! Objects of a provider's own kinds that hold attributes of a Service or an Ingress.

use serde_json::{Value as Json, json};

use super::ObjectRef;
use super::catalog::Companion;
use super::context::{Context, effect_code, word};
use super::edit::SourceKey;
use super::field;
use super::pattern::glob;
use super::row::plain;
use super::settings::{ForCompanion, Holder};
use crate::source::{KeyPath, Limits, Node, Sources, parse};

/// The companions of the source that an object names, as places to read from. The naming annotation is taken out.
/// `link` is `service` or `ingress`; `class` the class of the Ingress; `wanted` the companions that are asked for.
pub(super) fn of_object(
    ctx: &mut Context<'_>,
    object: usize,
    link: &str,
    class: Option<&str>,
    tls: bool,
    wanted: &dyn Fn(&str) -> bool,
) -> Vec<(String, Holder)> {
    let from = ctx.from;
    let mut found = Vec::new();
    let linked_from = |(name, c): &(&String, &Companion)| c.link.from == link && wanted(name);
    for (name, companion) in from.companions.iter().filter(linked_from) {
        let named = if companion.link.class {
            class.and_then(|class| {
                let index = ctx.find("IngressClass", None, class)?;
                let base = KeyPath::root().join("spec.parameters.name");
                let node = super::edit::get(&ctx.before[index], &base)?;
                node.as_text().map(str::to_owned)
            })
        } else {
            linked(ctx, object, companion)
        };
        let Some(named) = named else { continue };
        let namespace = ctx.refs[object].namespace.clone();
        match ctx.find(&companion.kind, namespace.as_deref(), &named) {
            Some(index) => {
                ctx.read_fields.entry(index).or_default();
                found.push((
                    name.clone(),
                    Holder {
                        object: index,
                        fields: Some(KeyPath::root()),
                        tls,
                        ..Holder::default()
                    },
                ));
            }
            None => {
                let what = format!(
                    "the {} `{named}` is not part of the input; its settings are not carried over",
                    companion.kind
                );
                ctx.note("provider-setting-lost", object, &KeyPath::root(), &what);
            }
        }
    }
    found
}

/// The name in the annotation, which is taken out.
fn linked(ctx: &mut Context<'_>, object: usize, companion: &Companion) -> Option<String> {
    let path = KeyPath::root()
        .join("metadata.annotations")
        .key(companion.link.annotation.as_ref()?);
    let text = ctx.get(object, &path)?.as_text()?.to_owned();
    let name = match &companion.link.json {
        None => text.clone(),
        Some(member) => match serde_json::from_str::<Json>(&text) {
            Ok(Json::Object(map)) => {
                for (other, value) in map.iter().filter(|(key, _)| *key != member) {
                    let what = format!(
                        "the {} `{}` for {other} alone is not carried over",
                        companion.kind,
                        plain(value)
                    );
                    ctx.note("provider-setting-lost", object, &path, &what);
                }
                plain(map.get(member)?)
            }
            _ => {
                let what = format!("`{text}` does not name a {}", companion.kind);
                ctx.note("provider-value-unknown", object, &path, &what);
                return None;
            }
        },
    };
    ctx.take(object, &path);
    Some(name)
}

/// What a companion's template needs of the object.
pub(super) struct Shape {
    /// Port and protocol of a Service.
    pub(super) ports: Vec<(String, String)>,
    /// Protocol and port of an Ingress.
    pub(super) listeners: Vec<(String, String)>,
    /// Hosts with their paths.
    pub(super) hosts: Vec<(String, Vec<String>)>,
}

/// Makes the companions of the target that these values go to, and links the object to them. Returns the class of the
/// Ingress if a companion is found by it. `services` are those behind an Ingress.
pub(super) fn make(
    ctx: &mut Context<'_>,
    object: usize,
    link: &str,
    services: &[usize],
    shape: &Shape,
    values: Vec<ForCompanion>,
) -> Option<String> {
    let to = ctx.to;
    let mut class = None;
    for (name, companion) in &to.companions {
        let own: Vec<&ForCompanion> = values.iter().filter(|v| &v.companion == name).collect();
        let always = companion.always && companion.link.from == link;
        if own.is_empty() && !always {
            continue;
        }
        let who = ctx.refs[object].clone();
        let print = format!(
            "{name} {:?} {:?}",
            shape.listeners,
            own.iter().map(|v| (&v.field, &v.value)).collect::<Vec<_>>()
        );
        let first = ctx.to.ingress.classes.first().cloned().unwrap_or_default();
        let mut own_class = format!("{first}-{}", who.name);
        if companion.link.class
            && let Some(shared) = ctx.shared_classes.get(&print)
        {
            own_class.clone_from(shared);
        }
        let named = if companion.link.class {
            own_class.clone()
        } else {
            own_name(ctx, (name, companion), &who)
        };
        let context = json!({
            "name": named,
            "class": own_class,
            "ports": shape.ports.iter().map(|(port, protocol)| json!({"port": port, "protocol": protocol})).collect::<Vec<_>>(),
            "listeners": shape.listeners.iter().map(|(protocol, port)| json!({"port": port, "protocol": protocol})).collect::<Vec<_>>(),
            "hosts": shape.hosts.iter().map(|(host, paths)| json!({"name": host, "paths": paths})).collect::<Vec<_>>(),
        });
        let documents = match render(&companion.template, &context) {
            Ok(documents) => documents,
            Err(error) => {
                let what = format!("the template of the {}: {error}", companion.kind);
                ctx.note("bad-provider-file", object, &KeyPath::root(), &what);
                continue;
            }
        };
        if companion.link.class {
            ctx.shared_classes.insert(print, own_class.clone());
            class = Some(own_class);
        }
        let from: Vec<SourceKey> = own.iter().flat_map(|v| v.from.clone()).collect();
        ctx.carry(&from);
        for mut node in documents {
            if ObjectRef::of(0, &node).kind == companion.kind {
                for value in &own {
                    if !field::put(&mut node, &value.field, &value.value) {
                        let what = format!(
                            "`{}` has no place in the {}, since there is no such listener",
                            plain(&value.value),
                            companion.kind
                        );
                        match value.from.first() {
                            Some(key) => {
                                let path = key.path.clone();
                                ctx.note("provider-setting-lost", key.object, &path, &what);
                            }
                            None => {
                                ctx.note("provider-setting-lost", object, &KeyPath::root(), &what)
                            }
                        }
                    }
                }
            }
            if !companion.cluster
                && let Some(namespace) = &who.namespace
            {
                let at = node.at;
                super::edit::set(
                    &mut node,
                    &KeyPath::root().join("metadata.namespace"),
                    Node::string(namespace, at),
                );
            }
            ctx.add(node, object);
        }
        if let Some(annotation) = &companion.link.annotation {
            let value = match &companion.link.json {
                None => Json::from(named.clone()),
                Some(member) => Json::from(json!({ member: named }).to_string()),
            };
            let path = KeyPath::root().join("metadata.annotations").key(annotation);
            let targets = if companion.link.from == link {
                vec![object]
            } else {
                services.to_vec()
            };
            for target in targets {
                ctx.put(target, &path, &value, &from);
            }
        }
        let what = format!(
            "a {} `{named}` holds settings of its load balancer",
            companion.kind
        );
        ctx.note("companion-added", object, &KeyPath::root(), &what);
    }
    class
}

/// The name of an object's companion: its own, apart from kinds that Services and Ingresses name both. Those of
/// Ingresses say so, since a Service and its Ingress often have one name, and each needs settings of its own.
fn own_name(ctx: &Context<'_>, (name, companion): (&str, &Companion), who: &ObjectRef) -> String {
    let twin = ctx.to.companions.iter().any(|(other, c)| {
        other != name && c.kind == companion.kind && c.link.from != companion.link.from
    });
    let mut base = who.name.clone();
    if twin && companion.link.from == "ingress" {
        base.push_str("-ingress");
    }
    let namespace = who.namespace.clone().filter(|_| !companion.cluster);
    let taken = |name: &str| {
        let added = ctx.added.iter().any(|added| {
            added.object.kind == companion.kind
                && added.object.name == name
                && added.object.namespace == namespace
        });
        added
            || ctx
                .find(&companion.kind, namespace.as_deref(), name)
                .is_some()
    };
    let mut named = base.clone();
    let mut number = 2;
    while taken(&named) {
        named = format!("{base}-{number}");
        number += 1;
    }
    named
}

fn render(template: &str, context: &Json) -> Result<Vec<Node>, String> {
    let context = tera::Context::from_value(context.clone()).map_err(|e| e.to_string())?;
    let text = tera::Tera::one_off(template, &context, false).map_err(|e| e.to_string())?;
    let file = Sources::default().add("", "");
    parse(file, &text, &Limits::default()).map_err(|finding| finding.message)
}

/// Takes out the companions of the source; what nobody has read of them is a finding.
pub(super) fn remove_all(ctx: &mut Context<'_>) {
    let from = ctx.from;
    for index in 0..ctx.before.len() {
        let object = ctx.refs[index].clone();
        let of_kind = |c: &&Companion| {
            c.kind == object.kind
                && c.api_version.split('/').next() == object.api_version.split('/').next()
        };
        let fits: Vec<&Companion> = from.companions.values().filter(of_kind).collect();
        let is_class = object.kind == "IngressClass"
            && ctx
                .text(index, "spec.controller")
                .is_some_and(|c| from.ingress.controllers.contains(&c));
        if fits.is_empty() && !is_class {
            continue;
        }
        let read = ctx.read_fields.get(&index).cloned();
        let mut leaves = Vec::new();
        if let Some(spec) = super::edit::get(&ctx.before[index], &KeyPath::root().key("spec")) {
            field::leaves(spec, &KeyPath::root().key("spec"), &mut leaves);
        }
        for (path, node) in leaves {
            let text = path.to_string();
            let done = read.as_ref().is_some_and(|read| {
                read.iter()
                    .any(|r| text == *r || text.starts_with(&format!("{r}[")))
            });
            if done || is_class {
                continue;
            }
            let known = fits
                .iter()
                .flat_map(|c| &c.drop)
                .find(|(pattern, _)| glob(pattern, &text));
            let value = plain(&node.to_json());
            match known {
                Some((_, drop)) => {
                    let what = format!(
                        "`{text}` (`{value}`) has no counterpart at {}: {}",
                        ctx.to.title, drop.what
                    );
                    ctx.note(effect_code(drop.effect), index, &path, &what);
                }
                None => {
                    let what = format!("`{text}` (`{value}`) is not read here and is left out");
                    ctx.note("provider-key-unknown", index, &path, &what);
                }
            }
        }
        let what = format!("{} has no {}; it is left out", ctx.to.title, object.kind);
        ctx.note("provider-object-removed", index, &KeyPath::root(), &what);
        ctx.now[index] = None;
    }
}

/// A name that fits into 63 characters.
pub(super) fn short(name: &str) -> String {
    let mut name = word(name).to_lowercase();
    name.truncate(63);
    name.trim_end_matches('-').to_owned()
}

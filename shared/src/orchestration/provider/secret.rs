//! Secrets whose type or keys only one provider knows. Their values never go to another cloud.

use serde_json::Value as Json;

use super::context::Context;
use super::edit::SourceKey;
use crate::source::{KeyPath, Node};

/// What stands in place of each value.
const PLACEHOLDER: &str = "TODO";

/// A Secret with a certificate of an Ingress holds its id at the target.
pub(super) fn hold_id(
    ctx: &mut Context<'_>,
    ingress: usize,
    name: &str,
    (member, id): (&str, &str),
    key: &SourceKey,
) {
    let namespace = ctx.refs[ingress].namespace.clone();
    let Some(object) = ctx.find("Secret", namespace.as_deref(), name) else {
        let what = format!(
            "{} wants the id of a certificate in a Secret, under `{member}`; `{name}` is not part of the input, so another one takes its place",
            ctx.to.title
        );
        ctx.note("secret-type-changed", ingress, &key.path, &what);
        if let Some(made) = super::listener::secret(ctx, ingress, &format!("{name}-id"), id) {
            let from = std::slice::from_ref(key);
            ctx.put(ingress, &key.path, &Json::from(made), from);
        }
        return;
    };
    let root = KeyPath::root();
    let what = format!(
        "{} wants the id of a certificate in it, under `{member}`, in place of certificate and key",
        ctx.to.title
    );
    ctx.note("secret-type-changed", object, &root.key("type"), &what);
    ctx.take(object, &root.key("data"));
    ctx.take(object, &root.key("stringData"));
    ctx.put(object, &root.key("type"), &Json::from("Opaque"), &[]);
    let at = root.key("stringData").key(member);
    ctx.put(object, &at, &Json::from(id), std::slice::from_ref(key));
}

/// Secrets of an Ingress that are not part of the input: at the source they hold the id of a certificate, which serves
/// nobody at the target.
pub(super) fn ids_alone(ctx: &mut Context<'_>, ingress: usize, count: usize) {
    let namespace = ctx.refs[ingress].namespace.clone();
    for index in 0..count {
        let at = KeyPath::root()
            .join("spec.tls")
            .index(index)
            .key("secretName");
        let Some(name) = ctx.get(ingress, &at).and_then(Node::as_text) else {
            continue;
        };
        let name = name.to_owned();
        if ctx.find("Secret", namespace.as_deref(), &name).is_some() {
            continue;
        }
        let what = format!(
            "the Secret `{name}` holds the id of a certificate of {}; at {} it has to be of type kubernetes.io/tls, with the certificate and its key",
            ctx.from.title, ctx.to.title
        );
        ctx.note("certificate-by-id", ingress, &at, &what);
    }
}

/// Converts one Secret.
pub(super) fn secret(ctx: &mut Context<'_>, object: usize) {
    let (from, to) = (&ctx.from.secrets, &ctx.to.secrets);
    let path = KeyPath::root().key("type");
    let kind = ctx
        .text(object, "type")
        .unwrap_or_else(|| "Opaque".to_owned());
    if from.tls_types.contains(&kind) {
        let what = format!(
            "the Secret is of type {kind}, which only {} has; it becomes kubernetes.io/tls",
            ctx.from.title
        );
        ctx.note("secret-type-changed", object, &path, &what);
        let key = SourceKey {
            object,
            path: path.clone(),
        };
        return ctx.put(object, &path, &Json::from("kubernetes.io/tls"), &[key]);
    }
    let keys = |ctx: &Context<'_>, section: &str| -> Vec<String> {
        let node = ctx.get(object, &KeyPath::root().key(section));
        let map = node.and_then(Node::as_mapping);
        map.into_iter()
            .flat_map(|m| m.iter())
            .map(|(key, _)| key.to_owned())
            .collect()
    };
    if let Some(id) = &from.certificate_id {
        for section in ["data", "stringData"] {
            let at = KeyPath::root().key(section).key(id);
            if ctx.get(object, &at).is_some() {
                let key = SourceKey {
                    object,
                    path: at.clone(),
                };
                let what =
                    "a certificate in this Secret, which holds the id of one at the source alone";
                // What is no more than an id is no secret, and the mapping file may know it.
                let known = (section == "stringData").then(|| ctx.get(object, &at));
                let known = known.flatten().and_then(Node::as_text).map(str::to_owned);
                let id = ctx.id("certificate", known.as_deref(), object, Some(&key), what);
                // An id is neither certificate nor key; the placeholder says what is missing.
                let value = if id.starts_with(PLACEHOLDER) {
                    id.as_str()
                } else {
                    PLACEHOLDER
                };
                ctx.take(object, &KeyPath::root().key(section));
                ctx.put(object, &path, &Json::from("kubernetes.io/tls"), &[]);
                for name in ["tls.crt", "tls.key"] {
                    let at = KeyPath::root().key("stringData").key(name);
                    ctx.put(object, &at, &Json::from(value), std::slice::from_ref(&key));
                }
                return;
            }
        }
    }
    let Some(source) = &from.storage else { return };
    let who = &ctx.refs[object];
    let named = |namespace: &str| {
        ctx.storage_secrets
            .contains(&(namespace.to_owned(), who.name.clone()))
    };
    let used = named(who.namespace.as_deref().unwrap_or_default()) || named("") || named("default");
    let own_type = source.r#type != "Opaque" && source.r#type == kind;
    let all: Vec<(&'static str, Vec<String>)> = ["data", "stringData"]
        .into_iter()
        .map(|section| (section, keys(ctx, section)))
        .collect();
    let has = |name: &str| {
        source.keys.get(name).is_some_and(|words| {
            words
                .iter()
                .any(|word| all.iter().any(|(_, keys)| keys.contains(word)))
        })
    };
    if !(own_type || used && has("access-key")) {
        return;
    }
    let what = format!(
        "the credentials are those of {}; the keys are renamed, and `{PLACEHOLDER}` stands in place of each value",
        ctx.from.title
    );
    ctx.note("credentials-needed", object, &KeyPath::root(), &what);
    for (section, keys) in all {
        for key in keys {
            let path = KeyPath::root().key(section).key(&key);
            let neutral = source
                .keys
                .iter()
                .find(|(_, words)| words.iter().any(|word| *word == key));
            let Some((neutral, _)) = neutral else {
                continue;
            };
            let target = to
                .storage
                .as_ref()
                .and_then(|s| s.keys.get(neutral))
                .and_then(|words| words.iter().next());
            ctx.take(object, &path);
            if let Some(target) = target {
                let at = KeyPath::root().key("stringData").key(target);
                let from = [SourceKey { object, path }];
                ctx.put(object, &at, &Json::from(PLACEHOLDER), &from);
            }
        }
        let base = KeyPath::root().key(section);
        if ctx
            .get(object, &base)
            .and_then(Node::as_mapping)
            .is_some_and(|m| m.is_empty())
        {
            ctx.take(object, &base);
        }
    }
    let labels = KeyPath::root().join("metadata.labels");
    for key in source.labels.keys() {
        ctx.take(object, &labels.key(key));
    }
    if let Some(target) = &to.storage {
        if own_type || target.r#type != "Opaque" {
            let key = SourceKey {
                object,
                path: path.clone(),
            };
            ctx.put(object, &path, &Json::from(target.r#type.as_str()), &[key]);
        }
        for (key, value) in &target.labels {
            ctx.put(object, &labels.key(key), &Json::from(value.as_str()), &[]);
        }
    }
}

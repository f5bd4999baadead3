//! Backends of an Ingress that are no Services: an annotation says what is done with the request.

use serde_json::Value as Json;

use super::attribute::{Attribute, Bag};
use super::catalog::{Actions, Ingress};
use super::context::Context;
use super::edit::SourceKey;
use super::ingress::rule_paths;
use super::row::plain;
use crate::source::{KeyPath, Node};

/// Reads such backends. The path of one goes, since no other controller knows it; a redirection to HTTPS is kept.
pub(super) fn read(ctx: &mut Context<'_>, object: usize, from: &Ingress, bag: &mut Bag) {
    let Some(actions) = &from.actions else { return };
    let mut backends: Vec<(KeyPath, KeyPath)> = rule_paths(ctx, object)
        .into_iter()
        .map(|path| (path.key("backend"), path))
        .collect();
    for name in ["defaultBackend", "backend"] {
        let at = KeyPath::root().key("spec").key(name);
        backends.push((at.clone(), at));
    }
    let mut used = Vec::new();
    // From the last to the first, so that the places of the others stay.
    for (backend, whole) in backends.into_iter().rev() {
        let Some(name) = pseudo(ctx, object, &backend, actions) else {
            continue;
        };
        let key = actions.annotation.replace("{service}", &name);
        let at = KeyPath::root().join("metadata.annotations").key(&key);
        let text = super::edit::get(&ctx.before[object], &at).and_then(Node::as_text);
        let what = done(text.unwrap_or_default());
        let from = SourceKey {
            object,
            path: at.clone(),
        };
        match what {
            Done::Forward(service, port) => {
                forward(ctx, object, &backend, (&service, &port), &from);
                used.push(at);
                continue;
            }
            Done::ToHttps => {
                let mut attribute = Attribute::made("true");
                attribute.from.push(from);
                bag.set("ssl-redirect", attribute);
                used.push(at);
            }
            Done::Other => {
                let what = format!(
                    "`{name}` is no Service but stands for what `{key}` says, which has no counterpart at {}; its path is left out",
                    ctx.to.title
                );
                ctx.note("provider-setting-lost", object, &whole, &what);
            }
        }
        remove(ctx, object, &whole);
    }
    for at in used {
        ctx.take(object, &at);
    }
}

/// What an action does.
enum Done {
    /// HTTP is redirected to HTTPS, and nothing else.
    ToHttps,
    /// All requests go to one Service.
    Forward(String, String),
    Other,
}

fn done(text: &str) -> Done {
    let Ok(json) = serde_json::from_str::<Json>(text) else {
        return Done::Other;
    };
    // The controller reads its keys without regard to case.
    let member = |json: &Json, name: &str| {
        let map = json.as_object()?;
        let found = map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    };
    let kind = member(&json, "type").map(|kind| plain(&kind).to_lowercase());
    match kind.as_deref() {
        Some("redirect") => {
            let Some(config) = member(&json, "redirectConfig") else {
                return Done::Other;
            };
            let is = |name: &str, usual: &[&str]| {
                member(&config, name).is_none_or(|value| usual.contains(&plain(&value).as_str()))
            };
            let https = member(&config, "protocol").is_some_and(|p| plain(&p) == "HTTPS");
            let same = is("host", &["#{host}"])
                && is("path", &["/#{path}"])
                && is("query", &["#{query}"])
                && is("port", &["443"]);
            if https && same {
                Done::ToHttps
            } else {
                Done::Other
            }
        }
        Some("forward") => {
            let groups = member(&json, "forwardConfig").and_then(|c| member(&c, "targetGroups"));
            let groups = groups.as_ref().and_then(Json::as_array);
            let Some([one]) = groups.map(Vec::as_slice) else {
                return Done::Other;
            };
            match (member(one, "serviceName"), member(one, "servicePort")) {
                (Some(name), Some(port)) => Done::Forward(plain(&name), plain(&port)),
                _ => Done::Other,
            }
        }
        _ => Done::Other,
    }
}

/// The name of a backend that is no Service.
fn pseudo(
    ctx: &Context<'_>,
    object: usize,
    backend: &KeyPath,
    actions: &Actions,
) -> Option<String> {
    let text = |path: KeyPath| ctx.get(object, &path).and_then(Node::as_text);
    let port = text(backend.join("service.port.name")).or_else(|| text(backend.key("servicePort")));
    if port != Some(actions.port.as_str()) {
        return None;
    }
    text(backend.join("service.name"))
        .or_else(|| text(backend.key("serviceName")))
        .map(str::to_owned)
}

/// Names the Service in place of the action.
fn forward(
    ctx: &mut Context<'_>,
    object: usize,
    backend: &KeyPath,
    (service, port): (&str, &str),
    from: &SourceKey,
) {
    let from = std::slice::from_ref(from);
    let number = port.parse::<u16>().ok().map(Json::from);
    if ctx.get(object, &backend.key("serviceName")).is_some() {
        let value = number.unwrap_or_else(|| Json::from(port));
        ctx.put(
            object,
            &backend.key("serviceName"),
            &Json::from(service),
            from,
        );
        return ctx.put(object, &backend.key("servicePort"), &value, from);
    }
    let value = match number {
        Some(number) => serde_json::json!({"name": service, "port": {"number": number}}),
        None => serde_json::json!({"name": service, "port": {"name": port}}),
    };
    ctx.put(object, &backend.key("service"), &value, from);
}

/// Takes out a path, and the rule around it when no other path is in it: an empty list of paths is refused.
fn remove(ctx: &mut Context<'_>, object: usize, whole: &KeyPath) {
    ctx.take(object, whole);
    let list = whole.parent();
    if list.last_key() != Some("paths") {
        return;
    }
    let left = ctx.get(object, &list).and_then(Node::as_sequence);
    if left.is_some_and(<[Node]>::is_empty) {
        let rule = list.parent().parent();
        ctx.take(object, &rule);
        let rules = rule.parent();
        let left = ctx.get(object, &rules).and_then(Node::as_sequence);
        if left.is_some_and(<[Node]>::is_empty) {
            ctx.take(object, &rules);
        }
    }
}

//! Paths that are rewritten by an annotation for each Service.

use serde_json::{Value as Json, json};

use super::attribute::{Attribute, Bag};
use super::catalog::{Form, Ingress};
use super::context::Context;
use super::edit::SourceKey;
use super::ingress::rule_paths;
use crate::source::{KeyPath, Node};

/// What stands for the name of the Service in the catalog's annotation.
const SERVICE: &str = "{service}";
/// The kind of rewriting that is understood.
const KIND: &str = "url-rewrite";

fn annotation(key: &str) -> KeyPath {
    KeyPath::root().join("metadata.annotations").key(key)
}

/// The paths of each Service behind an Ingress, in order.
fn by_service(ctx: &Context<'_>, object: usize) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for path in rule_paths(ctx, object) {
        let text = |node: Option<&Node>| node.and_then(Node::as_text).map(str::to_owned);
        let backend = path.key("backend");
        let name = text(ctx.get(object, &backend.join("service.name")))
            .or_else(|| text(ctx.get(object, &backend.key("serviceName"))));
        let Some(name) = name else { continue };
        let path = text(ctx.get(object, &path.key("path"))).unwrap_or_else(|| "/".to_owned());
        match found.iter_mut().find(|(service, _)| *service == name) {
            Some((_, paths)) if paths.contains(&path) => {}
            Some((_, paths)) => paths.push(path),
            None => found.push((name, vec![path])),
        }
    }
    found
}

/// Reads how paths are rewritten, where all Services say the same and say it of their own paths.
pub(super) fn read(ctx: &mut Context<'_>, object: usize, from: &Ingress, bag: &mut Bag) {
    let Some(pattern) = &from.transforms else {
        return;
    };
    let mut keys = Vec::new();
    let mut replacements: Vec<String> = Vec::new();
    for (service, paths) in by_service(ctx, object) {
        let path = annotation(&pattern.replace(SERVICE, &service));
        let before = super::edit::get(&ctx.before[object], &path).and_then(Node::as_text);
        let Some(text) = before else { continue };
        let Some((regex, replacement)) = rewriting(text) else {
            return;
        };
        if paths != [regex] {
            return;
        }
        replacements.push(replacement);
        keys.push(SourceKey { object, path });
    }
    replacements.dedup();
    let [replacement] = replacements.as_slice() else {
        return;
    };
    let mut attribute = Attribute::made(replacement);
    attribute.from.clone_from(&keys);
    bag.set("rewrite", attribute);
    for key in keys {
        ctx.take(object, &key.path);
    }
}

/// The pattern and the replacement of a text that does nothing else.
fn rewriting(text: &str) -> Option<(String, String)> {
    let json: Json = serde_json::from_str(text).ok()?;
    let [one] = json.as_array()?.as_slice() else {
        return None;
    };
    if one.get("type")?.as_str()? != KIND {
        return None;
    }
    let [rewrite] = one
        .pointer("/urlRewriteConfig/rewrites")?
        .as_array()?
        .as_slice()
    else {
        return None;
    };
    let text = |key: &str| rewrite.get(key)?.as_str().map(str::to_owned);
    Some((text("regex")?, text("replace")?))
}

/// Makes patterns of paths whose matched part alone is replaced, so that the rest of the path stays.
pub(super) fn prefixes(
    ctx: &mut Context<'_>,
    object: usize,
    (from, to): (&Ingress, &Ingress),
    bag: &mut Bag,
) {
    let rows = from.settings.rows.get("rewrite").into_iter();
    let is_prefix = rows
        .flat_map(|rows| rows.iter())
        .any(|row| row.form == Form::Prefix);
    if !is_prefix || !to.regex {
        return;
    }
    let Some(rewrite) = bag.0.get_mut("rewrite") else {
        return;
    };
    rewrite.value = format!("{}/$2", rewrite.value.trim_end_matches('/'));
    let cause = rewrite.from.clone();
    let mut regex = Attribute::made("true");
    regex.from.clone_from(&cause);
    bag.set("regex", regex);
    for path in rule_paths(ctx, object) {
        let at = path.key("path");
        let text = |ctx: &Context<'_>, at: &KeyPath| {
            let node = ctx.get(object, at).and_then(Node::as_text);
            node.map(str::to_owned)
        };
        let old = text(ctx, &at).unwrap_or_else(|| "/".to_owned());
        let exact = text(ctx, &path.key("pathType")).as_deref() == Some("Exact");
        let stem = literal(old.trim_end_matches('*').trim_end_matches('/'));
        let new = match (exact, stem.is_empty()) {
            (true, _) => format!("{}(/?)()$", literal(old.trim_end_matches('/'))),
            (false, true) => "/()(.*)".to_owned(),
            (false, false) => format!("{stem}(/|$)(.*)"),
        };
        let mut keys = vec![SourceKey {
            object,
            path: at.clone(),
        }];
        keys.extend(cause.iter().cloned());
        ctx.put(object, &at, &Json::from(new), &keys);
    }
}

/// A path as a pattern that matches nothing else.
fn literal(path: &str) -> String {
    let mut out = String::new();
    for c in path.chars() {
        if !(c.is_alphanumeric() || "/-_~%:@!&=,;".contains(c)) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Writes how paths are rewritten, where each Service has one path.
pub(super) fn write(ctx: &mut Context<'_>, object: usize, to: &Ingress, bag: &mut Bag) {
    let (Some(pattern), true) = (&to.transforms, bag.has("rewrite")) else {
        return;
    };
    let regex = bag.get("regex") == Some("true");
    let services = by_service(ctx, object);
    // A path that is no regular expression is one only if it has no letters that mean something else there.
    let literal = |path: &str| {
        path.chars()
            .all(|c| c.is_alphanumeric() || "/-_".contains(c))
    };
    let one_each = services
        .iter()
        .all(|(_, paths)| paths.len() == 1 && (regex || literal(&paths[0])));
    if services.is_empty() || !one_each {
        return;
    }
    let Some(rewrite) = bag.take("rewrite") else {
        return;
    };
    for (service, paths) in services {
        let matched = if regex {
            paths[0].clone()
        } else {
            format!("^{}.*$", paths[0])
        };
        let value = json!([{
            "type": KIND,
            "urlRewriteConfig": {"rewrites": [{"regex": matched, "replace": rewrite.value}]},
        }]);
        let path = annotation(&pattern.replace(SERVICE, &service));
        ctx.put(object, &path, &Json::from(value.to_string()), &rewrite.from);
    }
}

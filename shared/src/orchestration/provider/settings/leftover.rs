//! Keys of the source that nothing has read: what each of them meant is said.

use serde_json::Value as Json;

use super::read::Members;
use super::{Holder, NUMBER, PORT_NAME, View};
use crate::orchestration::provider::catalog::{OneOrMany, Row};
use crate::orchestration::provider::context::{Context, effect_code};
use crate::orchestration::provider::pattern::glob;
use crate::orchestration::provider::row::plain;
use crate::source::{KeyPath, Node};

/// Members of a text that no row explains.
pub(super) fn leftover_members(
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
            members.json.iter().any(|read| {
                read == PORT_NAME || member == read || member.starts_with(&format!("{read}."))
            })
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
        name.as_deref().is_some_and(|name| {
            key.is_some_and(|key| {
                if name.contains('{') {
                    glob(&name.replace("{port}", "*").replace(NUMBER, "*"), key)
                } else {
                    glob(name, key)
                }
            })
        })
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
pub(super) fn leftovers(ctx: &mut Context<'_>, view: View<'_>, holder: &Holder) {
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

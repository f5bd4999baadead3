//! What a volume of the source says.

use super::super::Bag;
use super::{Form, READ_ONLY, SKIP};
use serde_json::json;

use crate::orchestration::provider::attribute::Attribute;
use crate::orchestration::provider::catalog::StorageKind;
use crate::orchestration::provider::context::Context;
use crate::orchestration::provider::edit::SourceKey;
use crate::orchestration::provider::pattern::take;
use crate::orchestration::provider::settings::{Holder, read};
use crate::source::{KeyPath, Mapping, Node};

/// Reads the attributes of a volume's source and takes its block out.
pub(super) fn read_source(
    ctx: &mut Context<'_>,
    object: usize,
    base: &KeyPath,
    source: &StorageKind,
    form: &Form<'_>,
    holder: Holder,
    bag: &mut Bag,
) {
    let storage = &ctx.from.storage;
    let (block, inner, patterns): (KeyPath, KeyPath, Vec<(String, String)>) = match form {
        Form::Csi => {
            let block = base.key("csi");
            let inner = block.key("volumeAttributes");
            (block, inner, pairs(&source.attributes))
        }
        Form::Flex => {
            let block = base.key("flexVolume");
            let inner = block.key("options");
            (block, inner, pairs(&source.flex_options))
        }
        Form::Source(key) => {
            let block = base.key(key);
            let fields = source.sources.get(*key).map(pairs);
            (block.clone(), block, fields.unwrap_or_default())
        }
    };
    if let Form::Csi = form {
        pattern(ctx, object, &block.key("volumeHandle"), &source.handle, bag);
        pattern(ctx, object, &block.key("fsType"), &source.fs_type, bag);
        ctx.take(object, &block.key("fsType"));
        layout(ctx, source, bag);
    }
    if let Form::Flex = form {
        pattern(ctx, object, &block.key("fsType"), &source.fs_type, bag);
        ctx.take(object, &block.key("fsType"));
        layout(ctx, source, bag);
    }
    for (key, text) in patterns {
        // Older documents write `VolumeId` and `volumeId` alike.
        let found = ctx
            .get(object, &inner)
            .and_then(Node::as_mapping)
            .and_then(|m| {
                m.iter()
                    .map(|(k, _)| k.to_owned())
                    .find(|k| k.eq_ignore_ascii_case(&key))
            });
        if let Some(found) = found {
            let path = inner.key(&found);
            pattern(ctx, object, &path, &text, bag);
            if source.options_attribute.as_ref() != Some(&found) {
                ctx.take(object, &path);
            }
        }
    }
    options_to_list(ctx, object, base, &inner, source);
    let holder = Holder {
        object,
        attributes: matches!(form, Form::Csi).then(|| inner.clone()),
        options: matches!(form, Form::Flex).then(|| inner.clone()),
        ..holder
    };
    read(ctx, source.view(storage), &holder, &[], bag);
    for key in ["nodePublishSecretRef", "nodeStageSecretRef", "secretRef"] {
        let path = block.key(key);
        for (part, name) in [("name", "secret"), ("namespace", "secret-namespace")] {
            if let Some(text) = ctx
                .get(object, &path.key(part))
                .and_then(Node::as_text)
                .map(str::to_owned)
            {
                let from = SourceKey {
                    object,
                    path: path.key(part),
                };
                let mut attribute = Attribute::made(text);
                attribute.from.push(from);
                bag.set(name, attribute);
            }
        }
    }
    if let Some(secret) = bag.get("secret") {
        let namespace = bag.get("secret-namespace").map(str::to_owned);
        let namespace = namespace
            .or_else(|| ctx.refs[object].namespace.clone())
            .unwrap_or_default();
        ctx.storage_secrets.insert((namespace, secret.to_owned()));
    }
    for name in ["access-key", "secret-key"] {
        if let Some(mut attribute) = bag.take(name) {
            let characters = attribute.value.chars().count();
            attribute.value = String::new();
            let what = format!(
                "a key of {characters} characters stands here in clear text; it is not carried over, and a Secret takes its place"
            );
            ctx.note_attribute("credentials-needed", object, &attribute, &what);
        }
    }
    let path = block.key("readOnly");
    if let Some(node) = ctx
        .get(object, &path)
        .filter(|n| n.as_text() == Some("true"))
    {
        let mut attribute = Attribute::made("true");
        attribute.at = Some(node.at);
        attribute.from.push(SourceKey {
            object,
            path: path.clone(),
        });
        bag.set(READ_ONLY, attribute);
        ctx.take(object, &path);
    }
    // What is left of the block are fields that Kubernetes itself has.
    let rest = ctx.get(object, &block).cloned();
    if let Some(rest) = rest.as_ref().and_then(Node::as_mapping) {
        leave(ctx, object, &block, rest, form);
    }
    ctx.take(object, &block);
}

/// The file system of a bucket is how it is laid out.
fn layout(ctx: &mut Context<'_>, source: &StorageKind, bag: &mut Bag) {
    if source.fs_type != "{layout}" {
        return;
    }
    let Some(raw) = bag.take("layout") else {
        return;
    };
    let words = source
        .rows
        .get("layout")
        .into_iter()
        .flat_map(|rows| rows.iter());
    let found = words
        .flat_map(|row| &row.words)
        .find(|(_, words)| words.iter().any(|word| *word == raw.value));
    let neutral = found.map(|(neutral, _)| neutral.clone());
    if let Some(neutral) = neutral {
        bag.set(
            "layout",
            Attribute {
                value: neutral,
                ..raw
            },
        );
    } else if !raw.value.is_empty() && raw.value != "obs" {
        let object = raw.from.first().map_or(0, |k| k.object);
        ctx.lost("layout", &raw, object);
    }
}

/// Fields of a volume block beside driver, handle and attributes.
fn leave(ctx: &mut Context<'_>, object: usize, block: &KeyPath, rest: &Mapping, form: &Form<'_>) {
    let done = [
        "driver",
        "volumeHandle",
        "volumeAttributes",
        "options",
        "nodePublishSecretRef",
        "nodeStageSecretRef",
        "secretRef",
    ];
    for (key, entry) in rest.iter().filter(|(key, _)| !done.contains(key)) {
        let value = crate::orchestration::provider::row::plain(&entry.node.to_json());
        let default = key == "readOnly" && value == "false";
        let code = if default || matches!(form, Form::Source(_)) {
            "provider-setting-dropped"
        } else {
            "provider-setting-approximate"
        };
        let what = format!("`{key}` (`{value}`) of the volume is left out");
        ctx.note(code, object, &block.key(key), &what);
    }
}

fn pairs(map: &indexmap::IndexMap<String, String>) -> Vec<(String, String)> {
    map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Reads the gaps of a pattern.
fn pattern(ctx: &mut Context<'_>, object: usize, path: &KeyPath, pattern: &str, bag: &mut Bag) {
    let Some(node) = ctx.get(object, path) else {
        return;
    };
    let Some(text) = node.as_text().map(str::to_owned) else {
        return;
    };
    let at = node.at;
    let Some(found) = take(pattern, &text) else {
        if !pattern.is_empty() && !text.is_empty() && pattern.contains('{') {
            let what = format!("`{text}` is not of the form `{pattern}`");
            ctx.note("provider-value-unknown", object, path, &what);
        }
        return;
    };
    let found: Vec<(String, String)> = found
        .into_iter()
        .filter(|(name, _)| *name != SKIP && *name != "name")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in found {
        if value.is_empty() || bag.has(&name) {
            continue;
        }
        bag.set(
            &name,
            Attribute {
                value,
                from: vec![SourceKey {
                    object,
                    path: path.clone(),
                }],
                at: Some(at),
                mapped: false,
            },
        );
    }
}

/// `-o a -o b` in an attribute as a list of mount options.
fn options_to_list(
    ctx: &mut Context<'_>,
    object: usize,
    base: &KeyPath,
    inner: &KeyPath,
    source: &StorageKind,
) {
    let Some(name) = &source.options_attribute else {
        return;
    };
    let path = inner.key(name);
    let Some(text) = ctx
        .get(object, &path)
        .and_then(Node::as_text)
        .map(str::to_owned)
    else {
        return;
    };
    ctx.take(object, &path);
    let mut list = Vec::new();
    for part in text
        .split([' ', ','])
        .map(|p| p.trim_start_matches("-o"))
        .filter(|p| !p.is_empty())
    {
        list.push(part.to_owned());
    }
    let key = SourceKey { object, path };
    ctx.put(object, &base.key("mountOptions"), &json!(list), &[key]);
}

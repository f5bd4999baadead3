//! A volume as the target writes it.

use super::super::Bag;
use super::READ_ONLY;
use super::zone::write_zone;
use serde_json::Value as Json;

use crate::orchestration::provider::attribute::{Attribute, meaning};
use crate::orchestration::provider::catalog::StorageKind;
use crate::orchestration::provider::context::Context;
use crate::orchestration::provider::edit::SourceKey;
use crate::orchestration::provider::pattern::{fill, gaps};
use crate::orchestration::provider::settings::{Holder, write};
use crate::source::{KeyPath, Node};

/// Writes the source of a volume that exists.
pub(in super::super) fn write_source(
    ctx: &mut Context<'_>,
    object: usize,
    base: &KeyPath,
    target: &StorageKind,
    bag: &Bag,
    name: &str,
) {
    let mut used: Vec<String> = Vec::new();
    let block = base.key("csi");
    if let Some(driver) = target.drivers.first() {
        ctx.put(
            object,
            &block.key("driver"),
            &Json::from(driver.as_str()),
            &[],
        );
    }
    let handle = filled(ctx, object, target, &target.handle, bag, name, &mut used);
    let (handle, from) = handle.unwrap_or_else(|| (name.to_owned(), Vec::new()));
    ctx.put(
        object,
        &block.key("volumeHandle"),
        &Json::from(handle),
        &from,
    );
    let mut file_system = bag.clone();
    if target.fs_type == "{layout}" {
        let word = bag.get("layout").unwrap_or("bucket");
        let rows = target
            .rows
            .get("layout")
            .into_iter()
            .flat_map(|rows| rows.iter());
        let word = rows
            .filter_map(|r| r.words.get(word))
            .find_map(|w| w.iter().next().cloned());
        let from = bag
            .0
            .get("layout")
            .map(|a| a.from.clone())
            .unwrap_or_default();
        file_system.set(
            "layout",
            Attribute {
                from,
                ..Attribute::made(word.unwrap_or_default())
            },
        );
    }
    if !target.fs_type.is_empty()
        && let Some((text, from)) = filled(
            ctx,
            object,
            target,
            &target.fs_type,
            &file_system,
            name,
            &mut used,
        )
        && !text.is_empty()
    {
        ctx.put(object, &block.key("fsType"), &Json::from(text), &from);
    }
    let attributes = block.key("volumeAttributes");
    for (key, pattern) in &target.attributes {
        let required = gaps(pattern).all(|gap| {
            meaning(gap).id.is_some() || bag.has(gap) || gap == "share" || gap == "path"
        });
        if (gaps(pattern).any(|gap| bag.has(gap))
            || (required && gaps(pattern).any(|gap| gap != "path")))
            && let Some((text, from)) = filled(ctx, object, target, pattern, bag, name, &mut used)
        {
            ctx.put(object, &attributes.key(key), &Json::from(text), &from);
        }
    }
    // A field of Kubernetes itself, for any driver.
    if let Some(attribute) = bag.0.get(READ_ONLY).filter(|a| a.value == "true") {
        let from = attribute.from.clone();
        ctx.put(object, &block.key("readOnly"), &Json::from(true), &from);
        used.push(READ_ONLY.to_owned());
    }
    options_from_list(ctx, object, base, &attributes, target);
    secret_reference(ctx, object, &block, target, bag);
    let mut rest = bag.clone();
    for name in
        used.iter()
            .map(String::as_str)
            .chain(["secret", "secret-namespace", "zone", "region"])
    {
        rest.take(name);
    }
    let is_volume = ctx.refs[object].kind == "PersistentVolume"
        || ctx.text(object, "kind").as_deref() == Some("PersistentVolume");
    let metadata = KeyPath::root().key("metadata");
    let holder = Holder {
        object,
        annotations: is_volume.then(|| metadata.key("annotations")),
        labels: is_volume.then(|| metadata.key("labels")),
        attributes: Some(attributes),
        ..Holder::default()
    };
    // Where a disk is, and what it is called, is said by the finding about its content.
    for fact in [
        "id",
        "file-system",
        "server",
        "path",
        "share",
        "account",
        "bucket",
        "endpoint",
    ] {
        if target
            .rows
            .get(fact)
            .is_none_or(|rows| rows.iter().all(|row| row.attribute.is_none()))
        {
            let taken = rest.take(fact);
            if fact == "path"
                && bag.has("bucket")
                && let Some(taken) = taken
                    .as_ref()
                    .filter(|a| !a.value.trim_matches('/').is_empty())
            {
                let what = format!(
                    "the bucket's folder `{}` has no place at {}: all of the bucket is mounted",
                    taken.value, ctx.to.title
                );
                ctx.note_attribute("provider-setting-lost", object, taken, &what);
            }
            if fact == "endpoint"
                && let Some(taken) = taken.filter(|a| !a.from.is_empty())
            {
                let what = format!(
                    "{} (`{}`) follows from the bucket at {}",
                    meaning(fact).what,
                    taken.value,
                    ctx.to.title
                );
                ctx.note_attribute("provider-setting-dropped", object, &taken, &what);
            }
        }
    }
    // What only the maker of a disk asks for is a property of the disk by now.
    let made: Vec<String> = rest
        .0
        .keys()
        .filter(|name| {
            target.rows.get(*name).is_some_and(|rows| {
                rows.iter().any(|r| !r.read_only && r.parameter.is_some())
                    && rows.iter().all(|r| {
                        r.read_only
                            || (r.attribute.is_none()
                                && r.annotation.is_none()
                                && r.label.is_none())
                    })
            })
        })
        .cloned()
        .collect();
    for name in made {
        if let Some(attribute) = rest.take(&name)
            && !attribute.from.is_empty()
        {
            let what = format!(
                "{} (`{}`) is a property of the volume that exists",
                meaning(&name).what,
                attribute.value
            );
            ctx.note_attribute("provider-setting-dropped", object, &attribute, &what);
        }
    }
    write(
        ctx,
        target.volume_view(&ctx.to.storage),
        &holder,
        &[],
        &rest,
    );
    write_zone(ctx, object, base, bag);
}

/// A pattern with its gaps filled: ids are mapped or placeholders.
fn filled(
    ctx: &mut Context<'_>,
    object: usize,
    target: &StorageKind,
    pattern: &str,
    bag: &Bag,
    name: &str,
    used: &mut Vec<String>,
) -> Option<(String, Vec<SourceKey>)> {
    let mut from = Vec::new();
    let text = fill(pattern, |gap| {
        if gap == "name" {
            return Some(name.to_owned());
        }
        used.push(gap.to_owned());
        if let Some(attribute) = bag.0.get(gap) {
            from.extend(attribute.from.clone());
            return Some(ctx.map_ids(gap, attribute, object));
        }
        match gap {
            "path" => return Some("/".to_owned()),
            "fstype" | "layout" => return None,
            _ => {}
        }
        let meaning = meaning(gap);
        let kind = meaning
            .id
            .as_deref()
            .and_then(crate::orchestration::provider::mapping::kind)?;
        let need = target.requires.iter().find(|need| need.attribute == gap);
        let purpose = need.map_or_else(|| meaning.what.clone(), |need| need.purpose.clone());
        let key = bag.0.values().find_map(|a| a.from.first().cloned());
        Some(ctx.id(kind, None, object, key.as_ref(), &purpose))
    })?;
    Some((text, from))
}

/// Mount options as `-o a -o b`, where a driver wants them so.
fn options_from_list(
    ctx: &mut Context<'_>,
    object: usize,
    base: &KeyPath,
    attributes: &KeyPath,
    target: &StorageKind,
) {
    let Some(name) = &target.options_attribute else {
        return;
    };
    let path = base.key("mountOptions");
    let Some(options) = ctx
        .get(object, &path)
        .and_then(Node::as_sequence)
        .map(<[Node]>::to_vec)
    else {
        return;
    };
    let texts: Vec<&str> = options.iter().filter_map(Node::as_text).collect();
    let text = if target.options == "gcsfuse" {
        texts.join(",")
    } else {
        texts
            .iter()
            .map(|t| format!("-o {t}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    ctx.take(object, &path);
    if !text.is_empty() {
        let key = SourceKey { object, path };
        ctx.put(object, &attributes.key(name), &Json::from(text), &[key]);
    }
}

/// The Secret that opens the volume.
fn secret_reference(
    ctx: &mut Context<'_>,
    object: usize,
    block: &KeyPath,
    target: &StorageKind,
    bag: &Bag,
) {
    let named = bag.0.get("secret");
    let Some(secret) = &target.secret else {
        if let Some(attribute) = named {
            let what = format!(
                "the Secret `{}` is left out: {} opens the volume with an identity of the cloud (a role of the service account)",
                attribute.value, ctx.to.title
            );
            ctx.note_attribute("credentials-needed", object, attribute, &what);
        }
        return;
    };
    let field = match secret.purpose.as_str() {
        "node-stage" => "nodeStageSecretRef",
        _ => "nodePublishSecretRef",
    };
    let (name, from) = match named {
        Some(attribute) => (attribute.value.clone(), attribute.from.clone()),
        None if secret.required => {
            let name = "storage-credentials".to_owned();
            let what = format!(
                "the driver of {} needs a Secret; make one of the name {name}",
                ctx.to.title
            );
            ctx.note("credentials-needed", object, block, &what);
            (name, Vec::new())
        }
        None => return,
    };
    let path = block.key(field);
    ctx.put(object, &path.key("name"), &Json::from(name), &from);
    let namespace = bag.get("secret-namespace").map(str::to_owned);
    let namespace = namespace
        .or_else(|| ctx.text(object, "spec.claimRef.namespace"))
        .or_else(|| ctx.refs[object].namespace.clone())
        .or_else(|| ctx.options.namespace.clone())
        .unwrap_or_else(|| "default".to_owned());
    let from = bag
        .0
        .get("secret-namespace")
        .map(|a| a.from.clone())
        .unwrap_or_default();
    ctx.put(
        object,
        &path.key("namespace"),
        &Json::from(namespace),
        &from,
    );
}

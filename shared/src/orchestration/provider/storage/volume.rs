//! Volumes that exist: PersistentVolumes, and volumes that pods name themselves.

use serde_json::{Value as Json, json};

use super::class::mount_options;
use super::{Bag, PROVISIONER_ANNOTATIONS, access_modes, change_tier, gib, target_kind};
use crate::orchestration::provider::attribute::{Attribute, meaning};
use crate::orchestration::provider::catalog::{Storage, StorageKind, VolumeZone};
use crate::orchestration::provider::context::Context;
use crate::orchestration::provider::edit::{self, SourceKey};
use crate::orchestration::provider::pattern::{fill, gaps, take};
use crate::orchestration::provider::settings::{Holder, read, write};
use crate::source::{KeyPath, Mapping, Node};

/// What an attribute of a volume is called whose value goes nowhere.
const SKIP: &str = "_";

/// How a volume of the source names its driver.
enum Form<'k> {
    Csi,
    Flex,
    Source(&'k str),
}

/// The kind and form of the volume at a path.
fn recognise<'s>(
    storage: &'s Storage,
    root: &Node,
    base: &KeyPath,
) -> Option<(&'s str, &'s StorageKind, Form<'s>)> {
    let text = |path: &str| edit::get(root, &base.join(path)).and_then(Node::as_text);
    let (csi, flex) = (text("csi.driver"), text("flexVolume.driver"));
    storage.kinds.iter().find_map(|(name, kind)| {
        if csi.is_some_and(|d| kind.drivers.iter().any(|k| k == d)) {
            return Some((name.as_str(), kind, Form::Csi));
        }
        if flex.is_some_and(|d| kind.flex_drivers.iter().any(|k| k == d)) {
            return Some((name.as_str(), kind, Form::Flex));
        }
        // NFS is Kubernetes' own and the same everywhere.
        let source = kind.sources.keys().filter(|key| *key != "nfs");
        let found = source
            .into_iter()
            .find(|key| edit::get(root, &base.key(key)).is_some_and(|n| n.as_mapping().is_some()));
        found.map(|key| (name.as_str(), kind, Form::Source(key)))
    })
}

/// The kind of the volume at a path, if it is one of the provider.
pub(super) fn kind_of(storage: &Storage, root: &Node, base: &KeyPath) -> Option<String> {
    recognise(storage, root, base).map(|(name, ..)| name.to_owned())
}

/// Converts a PersistentVolume, if it is one of the source provider.
pub(in super::super) fn volume(ctx: &mut Context<'_>, object: usize) {
    let base = KeyPath::root().key("spec");
    let from = ctx.from;
    let Some((kind, source, form)) = recognise(&from.storage, &ctx.before[object], &base) else {
        return;
    };
    let metadata = KeyPath::root().key("metadata");
    let holder = Holder {
        annotations: Some(metadata.key("annotations")),
        labels: Some(metadata.key("labels")),
        ..Holder::default()
    };
    let mut bag = Bag::default();
    read_source(ctx, object, &base, source, &form, holder, &mut bag);
    for key in PROVISIONER_ANNOTATIONS {
        ctx.take(object, &metadata.key("annotations").key(key));
    }
    let Some((kind_name, target)) = target_kind(ctx, kind, object, &base) else {
        let what = format!("{} has no {kind} storage", ctx.to.title);
        return ctx.note("storage-kind-lost", object, &base, &what);
    };
    access_modes(
        ctx,
        object,
        &base.key("accessModes"),
        target,
        &format!("{kind_name} storage"),
    );
    zone_of_volume(ctx, object, &base, &mut bag);
    let size = ctx
        .get(object, &base.join("capacity.storage"))
        .and_then(Node::as_text)
        .and_then(gib);
    let sizes: Vec<u64> = size.into_iter().collect();
    let tiers = super::tier::attributes(source);
    if tiers.iter().any(|name| bag.has(name)) {
        change_tier(ctx, object, &base, source, target, &sizes, &mut bag, true);
    }
    keep(ctx, object, &base, &mut bag);
    mount_options(ctx, object, &base.key("mountOptions"), source, target);
    say_data(ctx, object, &base, kind, &bag);
    let name = ctx.refs[object].name.clone();
    write_source(ctx, object, &base, target, &bag, &name);
    let class = base.key("storageClassName");
    if ctx.get(object, &class).is_some() {
        let key = SourceKey {
            object,
            path: class.clone(),
        };
        let was = ctx
            .text(object, "spec.storageClassName")
            .unwrap_or_default();
        if was != target.static_class {
            let what = format!(
                "class `{was}` becomes `{}` at {}",
                target.static_class, ctx.to.title
            );
            ctx.note("provider-setting-replaced", object, &class, &what);
        }
        ctx.put(
            object,
            &class,
            &Json::from(target.static_class.as_str()),
            &[key],
        );
    }
}

/// `everest.io/reclaim-policy: retain-volume-only` keeps the disk; elsewhere the volume object stays with it.
fn keep(ctx: &mut Context<'_>, object: usize, base: &KeyPath, bag: &mut Bag) {
    if bag.get("keep") == Some("true")
        && !ctx
            .to
            .storage
            .kinds
            .values()
            .any(|kind| kind.rows.contains_key("keep"))
        && let Some(attribute) = bag.take("keep")
    {
        let policy = base.key("persistentVolumeReclaimPolicy");
        let what = "the reclaim policy becomes Retain, so that the disk stays; the volume stays with it as Released";
        ctx.note_attribute("provider-setting-approximate", object, &attribute, what);
        ctx.put(object, &policy, &Json::from("Retain"), &attribute.from);
    }
}

fn say_data(ctx: &mut Context<'_>, object: usize, path: &KeyPath, kind: &str, bag: &Bag) {
    let names = [
        "id",
        "file-system",
        "bucket",
        "server",
        "path",
        "share",
        "account",
    ];
    let facts: Vec<String> = names
        .iter()
        .filter_map(|name| Some(format!("{name} {}", bag.get(name)?)))
        .collect();
    let what = format!(
        "the content of this {kind} volume ({}) stays at {}; copy it to the one at {} before the application starts",
        facts.join(", "),
        ctx.from.title,
        ctx.to.title
    );
    ctx.note("data-not-moved", object, path, &what);
}

/// Reads the attributes of a volume's source and takes its block out.
fn read_source(
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
        let value = super::super::row::plain(&entry.node.to_json());
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

/// Writes the source of a volume that exists.
pub(super) fn write_source(
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
            .and_then(super::super::mapping::kind)?;
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

/// The zone of a volume, wherever the source says it.
fn zone_of_volume(ctx: &mut Context<'_>, object: usize, base: &KeyPath, bag: &mut Bag) {
    let keys = ctx.from.storage.zone_keys.clone();
    let terms = base.join("nodeAffinity.required.nodeSelectorTerms");
    let count = |ctx: &Context<'_>, path: &KeyPath| {
        ctx.get(object, path)
            .and_then(Node::as_sequence)
            .map_or(0, <[Node]>::len)
    };
    let mut found = None;
    for term in 0..count(ctx, &terms) {
        let expressions = terms.index(term).key("matchExpressions");
        for index in 0..count(ctx, &expressions) {
            let at = expressions.index(index);
            let key = ctx
                .get(object, &at.key("key"))
                .and_then(Node::as_text)
                .map(str::to_owned);
            if key.is_some_and(|key| keys.contains(&key)) {
                let value = ctx
                    .get(object, &at.key("values").index(0))
                    .and_then(Node::as_text)
                    .map(str::to_owned);
                let several = count(ctx, &at.key("values")) > 1 || count(ctx, &terms) > 1;
                if several {
                    // More than one zone: key and values stay a list.
                    zone_term(ctx, object, &at);
                } else {
                    found = value.map(|value| (value, at.clone()));
                }
            }
        }
    }
    if let Some((value, at)) = found {
        let mut attribute = Attribute::made(value);
        attribute.from.push(SourceKey { object, path: at });
        bag.set("zone", attribute);
        ctx.take(object, &base.key("nodeAffinity"));
    }
}

/// Writes the zone of a volume: an affinity, or labels.
fn write_zone(ctx: &mut Context<'_>, object: usize, base: &KeyPath, bag: &Bag) {
    let is_volume = ctx.text(object, "kind").as_deref() == Some("PersistentVolume");
    let Some(attribute) = bag.0.get("zone").filter(|_| is_volume) else {
        return;
    };
    let zone = ctx.map_ids("zone", attribute, object);
    match ctx.to.storage.volume_zone {
        VolumeZone::Labels => {
            let labels = KeyPath::root().join("metadata.labels");
            ctx.put(
                object,
                &labels.key("failure-domain.beta.kubernetes.io/zone"),
                &Json::from(zone),
                &attribute.from,
            );
            let region = bag.0.get("region").cloned().unwrap_or_else(|| Attribute {
                value: attribute
                    .value
                    .trim_end_matches(|c: char| c.is_ascii_lowercase())
                    .trim_end_matches('-')
                    .to_owned(),
                ..attribute.clone()
            });
            let id = ctx.map_ids("region", &region, object);
            ctx.put(
                object,
                &labels.key("failure-domain.beta.kubernetes.io/region"),
                &Json::from(id),
                &region.from,
            );
        }
        VolumeZone::Affinity => {
            let Some(key) = ctx.to.storage.zone_keys.first() else {
                return;
            };
            let affinity = json!({"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": key, "operator": "In", "values": [zone]}]}
            ]}});
            ctx.put(
                object,
                &base.key("nodeAffinity"),
                &affinity,
                &attribute.from,
            );
            if let Some(region) = bag.0.get("region") {
                let what = format!(
                    "{} (`{}`) follows from its zone",
                    meaning("region").what,
                    region.value
                );
                ctx.note_attribute("provider-setting-dropped", object, region, &what);
            }
        }
    }
}

/// A term with a key of zones: the key of the target, and its zones.
pub(super) fn zone_term(ctx: &mut Context<'_>, object: usize, at: &KeyPath) {
    let path = at.key("key");
    let Some(key) = ctx
        .get(object, &path)
        .and_then(Node::as_text)
        .map(str::to_owned)
    else {
        return;
    };
    if !ctx.from.storage.zone_keys.contains(&key) {
        return;
    }
    if let Some(first) = ctx
        .to
        .storage
        .zone_keys
        .first()
        .filter(|first| **first != key)
    {
        let from = [SourceKey {
            object,
            path: path.clone(),
        }];
        ctx.put(object, &path, &Json::from(first.as_str()), &from);
    }
    let values = at.key("values");
    let count = ctx
        .get(object, &values)
        .and_then(Node::as_sequence)
        .map_or(0, <[Node]>::len);
    for index in 0..count {
        let path = values.index(index);
        let Some(zone) = ctx
            .get(object, &path)
            .and_then(Node::as_text)
            .map(str::to_owned)
        else {
            continue;
        };
        let key = SourceKey {
            object,
            path: path.clone(),
        };
        let mapped = ctx.id(
            "zone",
            Some(&zone),
            object,
            Some(&key),
            "the zone of volumes",
        );
        ctx.put(object, &path, &Json::from(mapped), &[key]);
    }
}

/// Volumes that pods name themselves: a claim with a volume of its own takes their place, since the drivers of today
/// know no other way.
pub(in super::super) fn inline(ctx: &mut Context<'_>, object: usize, pod: &KeyPath) {
    let volumes = pod.join("spec.volumes");
    let count = ctx
        .get(object, &volumes)
        .and_then(Node::as_sequence)
        .map_or(0, <[Node]>::len);
    let from = ctx.from;
    for index in 0..count {
        let base = volumes.index(index);
        let Some((kind, source, form)) = recognise(&from.storage, &ctx.before[object], &base)
        else {
            continue;
        };
        let mut bag = Bag::default();
        read_source(
            ctx,
            object,
            &base,
            source,
            &form,
            Holder::default(),
            &mut bag,
        );
        let Some((kind_name, target)) = target_kind(ctx, kind, object, &base) else {
            let what = format!("{} has no {kind} storage", ctx.to.title);
            ctx.note("storage-kind-lost", object, &base, &what);
            continue;
        };
        say_data(ctx, object, &base, kind, &bag);
        let who = ctx.refs[object].clone();
        let volume = ctx
            .get(object, &base.key("name"))
            .and_then(Node::as_text)
            .unwrap_or("volume")
            .to_owned();
        let name = super::super::companion::short(&format!("{}-{volume}", who.name));
        let full = match &who.namespace {
            Some(namespace) => super::super::companion::short(&format!("{namespace}-{name}")),
            None => name.clone(),
        };
        let mode = target.modes.first().cloned().unwrap_or_default();
        let size = format!("{}Gi", super::tier::fit(1, target.size));
        let options = ctx.take(object, &base.key("mountOptions"));
        let mut volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": full},
            "spec": {
                "capacity": {"storage": size}, "accessModes": [mode],
                "persistentVolumeReclaimPolicy": "Retain", "storageClassName": target.static_class,
            },
        });
        if let Some(options) = options.filter(|_| source.options == target.options) {
            volume["spec"]["mountOptions"] = options.to_json();
        }
        let mut metadata = json!({"name": name});
        if let Some(namespace) = &who.namespace {
            metadata["namespace"] = Json::from(namespace.as_str());
        }
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
            "spec": {
                "accessModes": [mode], "resources": {"requests": {"storage": size}},
                "storageClassName": target.static_class, "volumeName": full,
            },
        });
        let at = ctx.before[object].at;
        let kept = ctx.now[object].replace(Node::from_json(&volume, at));
        let trail = ctx.trail.clone();
        write_source(
            ctx,
            object,
            &KeyPath::root().key("spec"),
            target,
            &bag,
            &full,
        );
        let made = std::mem::replace(&mut ctx.now[object], kept);
        ctx.trail = trail;
        if let Some(made) = made {
            ctx.add(made, object);
        }
        ctx.add(Node::from_json(&claim, at), object);
        let key = SourceKey {
            object,
            path: base.clone(),
        };
        let reference = json!({"claimName": name});
        ctx.put(
            object,
            &base.key("persistentVolumeClaim"),
            &reference,
            &[key],
        );
        let what = format!("the volume inside of the pod becomes claim {name} with volume {full}");
        ctx.note("volume-added", object, &base, &what);
        if !target.pod_annotations.is_empty() {
            let claim = (who.namespace.clone().unwrap_or_default(), name);
            ctx.claim_kinds.insert(claim, kind_name);
        }
    }
}

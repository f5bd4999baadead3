//! Volumes: those of a claim, and those that stand in pods.

mod read;
mod write;
mod zone;

use serde_json::{Value as Json, json};

use super::class::mount_options;
use super::{Bag, PROVISIONER_ANNOTATIONS, access_modes, change_tier, gib, target_kind};
use crate::orchestration::provider::catalog::{Storage, StorageKind};
use crate::orchestration::provider::context::Context;
use crate::orchestration::provider::edit::{self, SourceKey};
use crate::orchestration::provider::settings::Holder;
use crate::source::{KeyPath, Node};

use read::read_source;
use zone::zone_of_volume;

pub(super) use write::write_source;
pub(super) use zone::zone_term;

/// What an attribute of a volume is called whose value goes nowhere.
const SKIP: &str = "_";

/// The attribute of a volume that must not be written to.
const READ_ONLY: &str = "read-only";

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
    static_class(ctx, object, &base.key("storageClassName"), target);
}

/// A volume and its claim find each other only if both name the same class, or none.
fn static_class(ctx: &mut Context<'_>, object: usize, field: &KeyPath, target: &StorageKind) {
    let class = target.static_class.as_str();
    let Some(was) = ctx.get(object, field) else {
        if !class.is_empty() {
            ctx.put(object, field, &Json::from(class), &[]);
        }
        return;
    };
    let was = was.as_text().unwrap_or_default().to_owned();
    if was != class {
        let what = format!("class `{was}` becomes `{class}` at {}", ctx.to.title);
        ctx.note("provider-setting-replaced", object, field, &what);
    }
    let key = SourceKey {
        object,
        path: field.clone(),
    };
    ctx.put(object, field, &Json::from(class), &[key]);
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
        let spec = KeyPath::root().key("spec");
        let (made, _) = ctx.in_place_of(object, &volume, |ctx| {
            write_source(ctx, object, &spec, target, &bag, &full);
        });
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

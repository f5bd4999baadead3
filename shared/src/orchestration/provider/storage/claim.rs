//! Claims, those of StatefulSets included.

use serde_json::{Value as Json, json};

use super::class::{self, Class};
use super::{
    Bag, CLASS_ANNOTATION, PROVISIONER_ANNOTATIONS, access_modes, change_tier, gib,
    kind_of_provisioner, owned, target_kind, tier,
};
use crate::orchestration::provider::attribute::{Attribute, meaning};
use crate::orchestration::provider::catalog::{Binding, StorageKind};
use crate::orchestration::provider::context::Context;
use crate::orchestration::provider::edit::{self, SourceKey};
use crate::orchestration::provider::settings::{Holder, read, write};
use crate::source::{KeyPath, Node};

/// Converts the claim at a path of an object: the object itself, or an item of `volumeClaimTemplates`.
pub(in super::super) fn claim(ctx: &mut Context<'_>, object: usize, base: &KeyPath) {
    let from = ctx.from;
    let template = !base.is_root();
    let annotations = base.join("metadata.annotations");
    let labels = base.join("metadata.labels");
    let field = base.join("spec.storageClassName");
    let old = annotations.key(CLASS_ANNOTATION);
    let text = |ctx: &Context<'_>, path: &KeyPath| {
        ctx.get(object, path)
            .and_then(Node::as_text)
            .map(str::to_owned)
    };
    let by_field = text(ctx, &field);
    let name = by_field.clone().or_else(|| text(ctx, &old));
    let found = name.as_deref().and_then(|name| class::find(ctx, name));
    let volume = bound_volume(ctx, object, base);
    let provisioner = PROVISIONER_ANNOTATIONS
        .iter()
        .find_map(|key| text(ctx, &annotations.key(key)));
    let by_provisioner = provisioner.as_deref().and_then(|p| {
        kind_of_provisioner(&from.storage, p, |_| None).map(|(kind, _)| kind.to_owned())
    });
    let by_volume = volume.and_then(|v| {
        super::volume::kind_of(&from.storage, &ctx.before[v], &KeyPath::root().key("spec"))
    });
    let marked = owned(ctx, object, &annotations) || owned(ctx, object, &labels);
    let kind = by_volume
        .or_else(|| found.as_ref().map(|c| c.kind.clone()))
        .or(by_provisioner)
        .or_else(|| marked.then(|| "block".to_owned()));
    let Some(kind) = kind else {
        let named = name.is_some() || ctx.get(object, &base.join("spec.volumeName")).is_some();
        if !named && ctx.get(object, &base.key("spec")).is_some() {
            let what = format!(
                "no class is named; the default StorageClass at {} decides which storage it gets",
                ctx.to.title
            );
            ctx.note("storage-by-default", object, &base.key("spec"), &what);
        }
        return;
    };
    let Some(source) = from.storage.kinds.get(&kind) else {
        return;
    };
    let class_path = if by_field.is_some() {
        field.clone()
    } else {
        old.clone()
    };
    let class_key = SourceKey {
        object,
        path: class_path.clone(),
    };
    let class = found.unwrap_or_else(|| Class {
        kind: kind.clone(),
        bag: Bag::default(),
        binding: Binding::Immediate,
        object: None,
    });
    let mut bag = class.bag.clone();
    for attribute in bag.0.values_mut() {
        attribute.from.push(class_key.clone());
    }
    if let Some(moved) = class
        .object
        .and_then(|index| ctx.class_attributes.get(&index))
    {
        for (name, attribute) in &moved.0 {
            bag.set(name, attribute.clone());
        }
    }
    // What the claim says wins over its class.
    let holder = Holder {
        object,
        annotations: Some(annotations.clone()),
        labels: Some(labels),
        ..Holder::default()
    };
    let mut own = Bag::default();
    read(ctx, source.view(&from.storage), &holder, &[], &mut own);
    for (name, attribute) in own.0 {
        bag.set(&name, attribute);
    }
    for key in PROVISIONER_ANNOTATIONS {
        if provisioner.is_some() {
            ctx.take(object, &annotations.key(key));
        }
    }
    let Some((kind_name, target)) = target_kind(ctx, &kind, object, &class_path) else {
        let what = format!("{} has no {kind} storage", ctx.to.title);
        ctx.note("storage-kind-lost", object, &class_path, &what);
        return;
    };
    access_modes(
        ctx,
        object,
        &base.join("spec.accessModes"),
        target,
        &format!("{kind_name} storage"),
    );
    let size_path = base.join("spec.resources.requests.storage");
    let asked = text(ctx, &size_path).as_deref().and_then(gib);
    if template && ctx.refs[object].kind == "StatefulSet" {
        let what = "the volume claim templates of a live StatefulSet cannot be changed; it must be deleted and installed again";
        ctx.note("claim-template-immutable", object, base, what);
    }
    if !target.pod_annotations.is_empty() {
        let who = &ctx.refs[object];
        let claim = text(ctx, &base.join("metadata.name")).unwrap_or_default();
        let key = (who.namespace.clone().unwrap_or_default(), claim);
        ctx.claim_kinds.insert(key, kind_name.clone());
    }
    let fixed = volume.is_some() || is_static(ctx, object, base);
    if let Some(attribute) = bag.0.get("secret") {
        let who = &ctx.refs[object];
        let namespace = bag.get("secret-namespace").map(str::to_owned);
        let namespace = namespace
            .or_else(|| who.namespace.clone())
            .unwrap_or_default();
        ctx.storage_secrets
            .insert((namespace, attribute.value.clone()));
    }
    let sizes: Vec<u64> = asked.into_iter().collect();
    let size = if class.object.is_some() && !source.tiers.is_empty() && !bag.has("tier") {
        // The class says what kind of disk it is, and is converted itself.
        tier::fit(asked.unwrap_or(1), target.size)
    } else {
        change_tier(
            ctx,
            object,
            &class_path,
            source,
            target,
            &sizes,
            &mut bag,
            fixed,
        )
    };
    if fixed {
        return existing(
            ctx,
            object,
            base,
            target,
            bag,
            &class_key,
            by_field.is_some() || text(ctx, &old).is_some(),
        );
    }
    if let Some(asked) = asked
        && size != asked
    {
        let code = if size > asked {
            "size-raised"
        } else {
            "size-lowered"
        };
        let what = format!(
            "{asked} GiB become {size} GiB, a size that {} has",
            ctx.to.title
        );
        ctx.note(code, object, &size_path, &what);
        let key = SourceKey {
            object,
            path: size_path.clone(),
        };
        ctx.put(object, &size_path, &Json::from(format!("{size}Gi")), &[key]);
    }
    if class.object.is_some() && target.dynamic {
        // The class is converted under its own name.
        finish(ctx, target, &holder, &bag, None);
        move_class(
            ctx,
            object,
            &field,
            &old,
            name.unwrap_or_default(),
            &class_key,
        );
        return;
    }
    if !target.dynamic {
        let name = without_provisioner(ctx, object, base, &kind_name, target, &bag, template);
        return move_class(ctx, object, &field, &old, name, &class_key);
    }
    // A disk whose zone is left out is made where its pod runs, if it is up to us.
    let made = if zone_of_claim(ctx, object, &mut bag) {
        Binding::Wait
    } else {
        class.binding
    };
    let bindings = (class.binding, made);
    let (name, open) = class::choose(ctx, object, &kind_name, target, bindings, &bag);
    for default in &target.defaults {
        if open.contains(&default.attribute)
            && !bag.has(&default.attribute)
            && bag.fits(&default.when)
        {
            bag.set(&default.attribute, Attribute::made(&default.value));
        }
    }
    finish(ctx, target, &holder, &bag, Some(&open));
    move_class(ctx, object, &field, &old, name, &class_key);
}

/// Writes what the claim says itself. With `open`, the class says the rest, and has said what is lost of it.
fn finish(
    ctx: &mut Context<'_>,
    target: &StorageKind,
    holder: &Holder,
    bag: &Bag,
    open: Option<&[String]>,
) {
    let mut own = Bag::default();
    for (name, attribute) in &bag.0 {
        let on_claim = target.rows.get(name).is_some_and(|rows| {
            rows.iter()
                .any(|row| !row.read_only && (row.annotation.is_some() || row.label.is_some()))
        });
        let in_class = target.rows.get(name).is_some_and(|rows| {
            rows.iter()
                .any(|row| !row.read_only && row.parameter.is_some())
        });
        let wanted = match open {
            Some([]) => false,
            Some(open) => open.contains(name) || !in_class,
            None => true,
        };
        if wanted && (on_claim || !in_class || open.is_none()) {
            own.set(name, attribute.clone());
        }
    }
    let view = super::View {
        defaults: &[],
        requires: &[],
        orders: &[],
        always: &[],
        ..target.view(&ctx.to.storage)
    };
    write(ctx, view, holder, &[], &own);
}

/// The class goes to `storageClassName`.
fn move_class(
    ctx: &mut Context<'_>,
    object: usize,
    field: &KeyPath,
    old: &KeyPath,
    name: String,
    key: &SourceKey,
) {
    ctx.take(object, old);
    let from = [key.clone()];
    let was = super::super::edit::get(&ctx.before[object], &key.path).and_then(Node::as_text);
    if let Some(was) = was.filter(|was| *was != name) {
        let what = format!("class `{was}` becomes `{name}` at {}", ctx.to.title);
        ctx.note("provider-setting-replaced", object, &key.path, &what);
    }
    ctx.put(object, field, &Json::from(name), &from);
}

/// The volume of the input that a claim is bound to.
fn bound_volume(ctx: &Context<'_>, object: usize, base: &KeyPath) -> Option<usize> {
    if let Some(name) = ctx
        .get(object, &base.join("spec.volumeName"))
        .and_then(Node::as_text)
    {
        return ctx.find("PersistentVolume", None, name);
    }
    let claim = ctx
        .get(object, &base.join("metadata.name"))
        .and_then(Node::as_text);
    let selector = ctx
        .get(object, &base.join("spec.selector.matchLabels"))
        .and_then(Node::as_mapping);
    (0..ctx.before.len()).find(|index| {
        if ctx.refs[*index].kind != "PersistentVolume" {
            return false;
        }
        let volume = &ctx.before[*index];
        let reference = edit::get(volume, &KeyPath::root().join("spec.claimRef.name"));
        if claim.is_some() && reference.and_then(Node::as_text) == claim {
            return true;
        }
        let labels =
            edit::get(volume, &KeyPath::root().join("metadata.labels")).and_then(Node::as_mapping);
        selector.is_some_and(|selector| {
            !selector.is_empty()
                && selector.iter().all(|(key, entry)| {
                    labels.and_then(|l| l.get(key)).and_then(Node::as_text) == entry.node.as_text()
                })
        })
    })
}

/// Whether a claim takes a volume that exists.
fn is_static(ctx: &Context<'_>, object: usize, base: &KeyPath) -> bool {
    let has = |path: &str| {
        ctx.get(object, &base.join(path))
            .is_some_and(|n| !n.is_null())
    };
    has("spec.volumeName") || has("spec.selector")
}

/// A claim for a volume that exists: it only has to agree with that.
fn existing(
    ctx: &mut Context<'_>,
    object: usize,
    base: &KeyPath,
    target: &StorageKind,
    mut bag: Bag,
    key: &SourceKey,
    had_class: bool,
) {
    let (field, old) = (
        base.join("spec.storageClassName"),
        base.join("metadata.annotations").key(CLASS_ANNOTATION),
    );
    let holder = Holder {
        object,
        annotations: Some(base.join("metadata.annotations")),
        labels: Some(base.join("metadata.labels")),
        ..Holder::default()
    };
    // What only the making of a volume needs has no use here.
    let agree = tier::attributes(target);
    let keep: Vec<String> = bag
        .0
        .keys()
        .filter(|name| {
            agree.contains(name)
                || matches!(
                    name.as_str(),
                    "key" | "zone" | "region" | "iops" | "throughput"
                )
        })
        .cloned()
        .collect();
    let mut own = Bag::default();
    for name in keep {
        if let Some(attribute) = bag.take(&name) {
            let place = target.rows.get(&name).is_some_and(|rows| {
                rows.iter()
                    .any(|row| !row.read_only && (row.annotation.is_some() || row.label.is_some()))
            });
            if place {
                own.set(&name, attribute);
            } else if !attribute.from.is_empty() {
                let what = format!(
                    "{} (`{}`) stands in the volume alone",
                    meaning(&name).what,
                    attribute.value
                );
                ctx.note_attribute("provider-setting-dropped", object, &attribute, &what);
            }
        }
    }
    for (name, attribute) in bag.0.iter().filter(|(_, a)| !a.from.is_empty()) {
        let what = format!(
            "{} (`{}`) is left out, since the volume exists",
            meaning(name).what,
            attribute.value
        );
        ctx.note_attribute("provider-setting-dropped", object, attribute, &what);
    }
    finish(ctx, target, &holder, &own, None);
    let selector = base.join("spec.selector.matchLabels");
    for label in ctx.from.storage.owns.clone() {
        let at = selector.key(&label);
        if ctx.get(object, &at).is_some() {
            // The label goes with the volume; its name says as much.
            if let Some(volume) = bound_volume_of_selector(ctx, object, &at) {
                ctx.put(
                    object,
                    &base.join("spec.volumeName"),
                    &Json::from(volume),
                    &[SourceKey {
                        object,
                        path: at.clone(),
                    }],
                );
            }
            let what = "the claim names its volume in place of a label that only the source knows";
            ctx.note("provider-setting-dropped", object, &at, what);
            ctx.take(object, &base.join("spec.selector"));
        }
    }
    if had_class {
        move_class(ctx, object, &field, &old, target.static_class.clone(), key);
    } else if bound_volume(ctx, object, base).is_some() {
        // Else the target's default class would be filled in, which is not the volume's.
        let class = Json::from(target.static_class.as_str());
        ctx.put(object, &field, &class, &[]);
    }
}

/// The name of the volume with the same label.
fn bound_volume_of_selector(ctx: &Context<'_>, object: usize, at: &KeyPath) -> Option<String> {
    let wanted = edit::get(&ctx.before[object], at)?.as_text()?;
    let label = KeyPath::root().join("metadata.labels").key(at.last_key()?);
    let found = (0..ctx.before.len()).find(|index| {
        ctx.refs[*index].kind == "PersistentVolume"
            && edit::get(&ctx.before[*index], &label).and_then(Node::as_text) == Some(wanted)
    });
    Some(found.map_or_else(|| wanted.to_owned(), |index| ctx.refs[index].name.clone()))
}

/// A zone that the mapping file does not know is left to the scheduler. Tells whether there was one.
fn zone_of_claim(ctx: &mut Context<'_>, object: usize, bag: &mut Bag) -> bool {
    let mut left = false;
    for (name, kind) in [("zone", "zone"), ("region", "region")] {
        let Some(attribute) = bag.0.get(name) else {
            continue;
        };
        if ctx.map.has(kind, &attribute.value) {
            continue;
        }
        let Some(attribute) = bag.take(name) else {
            continue;
        };
        let what = format!(
            "{} (`{}`) is left out; the scheduler finds one, or the mapping file names it under `{kind}`",
            meaning(name).what,
            attribute.value
        );
        ctx.note_attribute("zone-left-to-scheduler", object, &attribute, &what);
        left |= name == "zone";
    }
    left
}

/// Where claims make no volumes of a kind, a volume is written for the claim. Returns its class.
fn without_provisioner(
    ctx: &mut Context<'_>,
    object: usize,
    base: &KeyPath,
    kind_name: &str,
    target: &StorageKind,
    bag: &Bag,
    template: bool,
) -> String {
    let text = |ctx: &Context<'_>, path: &KeyPath| {
        ctx.get(object, path)
            .and_then(Node::as_text)
            .map(str::to_owned)
    };
    if template {
        let what = format!(
            "{} makes no {kind_name} volumes for claims, and each replica needs one: make the volumes by hand",
            ctx.to.title
        );
        ctx.note("storage-kind-lost", object, base, &what);
        return String::new();
    }
    let claim = text(ctx, &base.join("metadata.name")).unwrap_or_default();
    let namespace = ctx.refs[object].namespace.clone();
    let name = match &namespace {
        Some(namespace) => format!("{namespace}-{claim}"),
        None => claim.clone(),
    };
    let size = text(ctx, &base.join("spec.resources.requests.storage"))
        .unwrap_or_else(|| "1Gi".to_owned());
    let modes = ctx
        .get(object, &base.join("spec.accessModes"))
        .map_or_else(|| json!(["ReadWriteMany"]), Node::to_json);
    let what = format!(
        "{} makes no {kind_name} volumes for claims; volume {name} is added for one that must exist",
        ctx.to.title
    );
    ctx.note("volume-added", object, base, &what);
    let volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": modes,
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": target.static_class,
        },
    });
    let mut bag = bag.clone();
    super::super::settings::complete(ctx, target.view(&ctx.to.storage), object, &mut bag);
    let spec = KeyPath::root().key("spec");
    let made = ctx.carried_into(object, &volume, |ctx| {
        super::volume::write_source(ctx, object, &spec, target, &bag, &name);
    });
    if let Some(made) = made {
        ctx.add(made, object);
    }
    ctx.put(
        object,
        &base.join("spec.volumeName"),
        &Json::from(name),
        &[],
    );
    target.static_class.clone()
}

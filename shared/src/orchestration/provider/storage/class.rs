//! Storage classes: those of the input, those that each cluster has, and those that are made.

use std::hash::{Hash, Hasher};

use crate::orchestration::provider::ObjectRef;

use serde_json::{Value as Json, json};

use super::{Bag, change_tier, gib, kind_of_provisioner, target_kind, tier};
use crate::orchestration::provider::attribute::{Attribute, meaning};
use crate::orchestration::provider::catalog::{Binding, StorageKind};
use crate::orchestration::provider::context::Context;
use crate::orchestration::provider::edit::SourceKey;
use crate::orchestration::provider::settings::{Holder, complete, read, write};
use crate::source::{KeyPath, Node};

/// What a class of the source stands for.
#[derive(Debug, Clone)]
pub(super) struct Class {
    /// `block`, `file`, ...
    pub(super) kind: String,
    /// Attributes that it gives to each volume.
    pub(super) bag: Bag,
    pub(super) binding: Binding,
    /// The object of the input, if it is one.
    pub(super) object: Option<usize>,
}

/// The class of a name, if it is one of the source provider.
pub(super) fn find(ctx: &Context<'_>, name: &str) -> Option<Class> {
    let storage = &ctx.from.storage;
    if let Some(index) = ctx.find("StorageClass", None, name) {
        let before = &ctx.before[index];
        let text = |path: &KeyPath| {
            super::super::edit::get(before, path)
                .and_then(Node::as_text)
                .map(str::to_owned)
        };
        let provisioner = text(&KeyPath::root().key("provisioner"))?;
        let parameters = KeyPath::root().key("parameters");
        let (kind, _) =
            kind_of_provisioner(storage, &provisioner, |key| text(&parameters.key(key)))?;
        let binding = match text(&KeyPath::root().key("volumeBindingMode")).as_deref() {
            Some("WaitForFirstConsumer") => Binding::Wait,
            _ => Binding::Immediate,
        };
        return Some(Class {
            kind: kind.to_owned(),
            bag: Bag::default(),
            binding,
            object: Some(index),
        });
    }
    let class = storage.classes.get(name)?;
    let mut bag = Bag::default();
    for (name, value) in &class.values {
        bag.set(name, Attribute::made(value));
    }
    Some(Class {
        kind: class.kind.clone(),
        bag,
        binding: class.binding,
        object: None,
    })
}

/// Converts a class of the input, if it is one of the source provider.
pub(in super::super) fn class(ctx: &mut Context<'_>, object: usize) {
    let from = ctx.from;
    let root = KeyPath::root();
    let path = root.key("provisioner");
    let Some(provisioner) = ctx.text(object, "provisioner") else {
        return;
    };
    let parameters = root.key("parameters");
    let found = kind_of_provisioner(&from.storage, &provisioner, |key| {
        let node = ctx.get(object, &parameters.key(key));
        node.and_then(Node::as_text).map(str::to_owned)
    });
    let Some((kind, source)) = found else { return };
    if let Some((key, value)) = &source.selected_by {
        let at = parameters.key(key);
        if ctx.get(object, &at).and_then(Node::as_text) == Some(value) {
            ctx.take(object, &at);
        }
    }
    let holder = Holder {
        parameters: Some(parameters),
        ..Holder::of_object(object)
    };
    let holder = Holder {
        labels: None,
        ..holder
    };
    let mut bag = Bag::default();
    read(ctx, source.view(&from.storage), &holder, &[], &mut bag);
    let Some((kind_name, target)) = target_kind(ctx, kind, object, &path) else {
        let what = format!("{} has no {kind} storage", ctx.to.title);
        ctx.note("storage-kind-lost", object, &path, &what);
        return;
    };
    if target.provisioners.is_empty()
        || (!target.dynamic && kind == "object" && ctx.to.name != "ali")
    {
        let what = format!(
            "{} makes no {kind_name} volumes for claims; the class is left out",
            ctx.to.title
        );
        ctx.note("storage-class-removed", object, &path, &what);
        for (name, attribute) in &bag.0 {
            ctx.lost(name, attribute, object);
        }
        ctx.now[object] = None;
        return;
    }
    let name = ctx.refs[object].name.clone();
    let mut sizes = sizes_of_claims(ctx, &name);
    let has_claims = !sizes.is_empty();
    sizes.sort_unstable();
    change_tier(ctx, object, &path, source, target, &sizes, &mut bag, true);
    zone_of_class(ctx, object, &mut bag);
    complete(ctx, target.view(&ctx.to.storage), object, &mut bag);
    let mut own = bag.clone();
    let moved = on_claims(target, &bag);
    if has_claims {
        for name in moved.0.keys() {
            own.take(name);
        }
        // What follows from an attribute of the claims is said by them as well.
        let names: Vec<String> = own.0.keys().cloned().collect();
        for name in names {
            let value = own.get(&name).unwrap_or_default().to_owned();
            let rows = target
                .rows
                .get(&name)
                .into_iter()
                .flat_map(|rows| rows.iter());
            let follows = rows
                .filter(|row| !row.read_only && !row.when.is_empty() && bag.fits(&row.when))
                .any(|row| row.parameter.is_none() && row.words.contains_key(&value));
            if follows && row_less(target, &name) {
                own.take(&name);
            }
        }
        ctx.class_attributes.insert(object, moved);
    }
    let in_class = Holder {
        annotations: None,
        ..holder.clone()
    };
    write(ctx, target.view(&ctx.to.storage), &in_class, &[], &own);
    select(ctx, object, target);
    let from_key = [SourceKey {
        object,
        path: path.clone(),
    }];
    if let Some(first) = target.provisioners.first() {
        ctx.put(object, &path, &Json::from(first.as_str()), &from_key);
    }
    if ctx
        .get(object, &root.key("allowVolumeExpansion"))
        .and_then(Node::as_text)
        == Some("true")
        && !target.expand
    {
        let at = root.key("allowVolumeExpansion");
        let what = format!(
            "volumes of this kind cannot be expanded at {}",
            ctx.to.title
        );
        ctx.note("provider-setting-approximate", object, &at, &what);
    }
    mount_options(ctx, object, &root.key("mountOptions"), source, target);
    topologies(ctx, object);
}

/// Whether an attribute has no key of its own at the target.
fn row_less(target: &StorageKind, name: &str) -> bool {
    let rows = target
        .rows
        .get(name)
        .into_iter()
        .flat_map(|rows| rows.iter());
    rows.into_iter()
        .all(|row| row.parameter.is_none() && row.annotation.is_none() && row.label.is_none())
}

/// The parameter that tells kinds with one provisioner apart.
fn select(ctx: &mut Context<'_>, object: usize, target: &StorageKind) {
    if let Some((key, value)) = &target.selected_by {
        let at = KeyPath::root().key("parameters").key(key);
        ctx.put(object, &at, &Json::from(value.as_str()), &[]);
    }
}

/// A class that makes volumes in one zone only: the zone is mapped if it is known, else the scheduler decides.
fn zone_of_class(ctx: &mut Context<'_>, object: usize, bag: &mut Bag) {
    for name in ["zone", "zones", "region"] {
        let Some(attribute) = bag.0.get(name).cloned() else {
            continue;
        };
        let kind = if name == "region" { "region" } else { "zone" };
        let all = attribute
            .value
            .split(',')
            .all(|zone| ctx.map.has(kind, zone.trim()));
        if all {
            continue;
        }
        bag.take(name);
        let wait = KeyPath::root().key("volumeBindingMode");
        let what = format!(
            "{} (`{}`) is left out, and volumes are made where the first pod runs; the mapping file may name it under `{kind}`",
            meaning(name).what,
            attribute.value
        );
        ctx.note_attribute("zone-left-to-scheduler", object, &attribute, &what);
        ctx.put(object, &wait, &Json::from("WaitForFirstConsumer"), &[]);
    }
}

/// The zones of `allowedTopologies`.
fn topologies(ctx: &mut Context<'_>, object: usize) {
    let base = KeyPath::root().key("allowedTopologies");
    let Some(list) = ctx
        .get(object, &base)
        .and_then(Node::as_sequence)
        .map(<[Node]>::to_vec)
    else {
        return;
    };
    for (index, term) in list.iter().enumerate() {
        let terms = term
            .as_mapping()
            .and_then(|m| m.get("matchLabelExpressions"));
        for inner in 0..terms.and_then(Node::as_sequence).map_or(0, <[Node]>::len) {
            let at = base.index(index).key("matchLabelExpressions").index(inner);
            super::volume::zone_term(ctx, object, &at);
        }
    }
}

/// Sizes of the claims that name a class, in GiB.
fn sizes_of_claims(ctx: &Context<'_>, name: &str) -> Vec<u64> {
    let mut sizes = Vec::new();
    let mut look = |node: &Node| {
        let at = |path: &str| {
            super::super::edit::get(node, &KeyPath::root().join(path)).and_then(Node::as_text)
        };
        let annotation = KeyPath::root()
            .join("metadata.annotations")
            .key(super::CLASS_ANNOTATION);
        let own = at("spec.storageClassName")
            .or_else(|| super::super::edit::get(node, &annotation).and_then(Node::as_text));
        if own == Some(name)
            && let Some(size) = at("spec.resources.requests.storage").and_then(gib)
        {
            sizes.push(size);
        }
    };
    for (index, node) in ctx.before.iter().enumerate() {
        match ctx.refs[index].kind.as_str() {
            "PersistentVolumeClaim" => look(node),
            "StatefulSet" => {
                let templates = KeyPath::root().join("spec.volumeClaimTemplates");
                let list = super::super::edit::get(node, &templates).and_then(Node::as_sequence);
                list.unwrap_or_default().iter().for_each(&mut look);
            }
            _ => {}
        }
    }
    sizes
}

/// Mount options are carried between programs that understand the same.
pub(super) fn mount_options(
    ctx: &mut Context<'_>,
    object: usize,
    path: &KeyPath,
    source: &StorageKind,
    target: &StorageKind,
) {
    let options = ctx
        .get(object, path)
        .and_then(Node::as_sequence)
        .map(<[Node]>::to_vec);
    match options {
        Some(options) if !options.is_empty() && source.options != target.options => {
            let texts: Vec<&str> = options.iter().filter_map(Node::as_text).collect();
            let what = format!(
                "mount options ({}) are those of another program than that of {} and are left out",
                texts.join(", "),
                ctx.to.title
            );
            ctx.note("mount-options-lost", object, path, &what);
            ctx.take(object, path);
        }
        Some(_) => {}
        None if !target.mount_options.is_empty() && source.options != target.options => {
            ctx.put(object, path, &json!(target.mount_options), &[]);
        }
        None => {}
    }
}

/// The class of the target for a claim: one that each cluster has, or one that is made. The attributes that the claim
/// says itself stay in the bag. Of the two bindings, the first is that of a class that is there, the second that of one
/// that is made.
pub(super) fn choose(
    ctx: &mut Context<'_>,
    object: usize,
    kind_name: &str,
    target: &StorageKind,
    (binding, made): (Binding, Binding),
    bag: &Bag,
) -> (String, Vec<String>) {
    let to = ctx.to;
    let matters = |name: &str, attribute: &Attribute| {
        let rows = target.rows.get(name);
        let writes = rows.is_some_and(|rows| {
            rows.iter().any(|row| {
                !row.read_only
                    && bag.fits(&row.when)
                    && (row.parameter.is_some() || row.annotation.is_some() || row.label.is_some())
            })
        });
        writes && meaning(name).default.as_ref() != Some(&attribute.value)
    };
    let wanted: Vec<(&String, &Attribute)> =
        bag.0.iter().filter(|(name, a)| matters(name, a)).collect();
    let fits = |class: &crate::orchestration::provider::catalog::ShippedClass| {
        class.kind == kind_name
            && !class.read_only
            && class.needs.iter().all(|need| bag.has(need))
            && wanted.iter().all(|(name, attribute)| {
                class.open.contains(name)
                    || class.values.get(*name) == Some(&attribute.value)
                    || matches!(name.as_str(), "zone" | "region")
            })
            && class
                .values
                .iter()
                .all(|(name, value)| bag.get(name).is_none_or(|own| own == value))
    };
    let shipped = |wanted: Binding| {
        to.storage
            .classes
            .iter()
            .find(|(_, class)| class.binding == wanted && fits(class))
    };
    // A file system or bucket is in no zone that a pod would have to be in.
    let zoned = matches!(kind_name, "block" | "local");
    let found = shipped(binding).or_else(|| match binding {
        Binding::Immediate => shipped(Binding::Wait),
        Binding::Wait if !zoned => shipped(Binding::Immediate),
        Binding::Wait => None,
    });
    if let Some((name, class)) = found {
        if class.binding != binding {
            let what = match class.binding {
                Binding::Wait => {
                    format!("class {name} makes volumes with the first pod, not with the claim")
                }
                Binding::Immediate => {
                    format!("class {name} makes volumes with the claim, not with the first pod")
                }
            };
            ctx.note("binding-changed", object, &KeyPath::root(), &what);
        }
        for (name, attribute) in &bag.0 {
            let by_class = class.open.contains(name) || class.values.contains_key(name);
            if !by_class && !is_said(target, bag, name, attribute) {
                ctx.lost(name, attribute, object);
            }
        }
        return (name.clone(), class.open.clone());
    }
    (
        generate(ctx, object, kind_name, target, made, bag),
        Vec::new(),
    )
}

/// Whether a class that each cluster has need not say an attribute: it is the same anyway, or others say it.
fn is_said(target: &StorageKind, bag: &Bag, name: &str, attribute: &Attribute) -> bool {
    let usual = meaning(name).default.as_ref() == Some(&attribute.value);
    if usual || attribute.from.is_empty() || matches!(name, "zone" | "region") {
        return true;
    }
    let rows = target
        .rows
        .get(name)
        .into_iter()
        .flat_map(|rows| rows.iter());
    rows.filter(|row| !row.read_only && bag.fits(&row.when))
        .any(|row| {
            let placed = row.parameter.is_some() || row.annotation.is_some() || row.label.is_some();
            placed || row.words.is_empty() || row.words.contains_key(&attribute.value)
        })
}

/// The attributes of a class that the target keeps on each claim.
fn on_claims(target: &StorageKind, bag: &Bag) -> Bag {
    let mut found = Bag::default();
    for (name, attribute) in &bag.0 {
        let rows = target
            .rows
            .get(name)
            .into_iter()
            .flat_map(|rows| rows.iter());
        let rows: Vec<_> = rows.filter(|row| !row.read_only).collect();
        let here = rows.iter().any(|row| row.parameter.is_some());
        let there = rows
            .iter()
            .any(|row| row.annotation.is_some() || row.label.is_some());
        if there && !here {
            found.set(name, attribute.clone());
        }
    }
    found
}

/// Makes a class.
fn generate(
    ctx: &mut Context<'_>,
    object: usize,
    kind_name: &str,
    target: &StorageKind,
    binding: Binding,
    bag: &Bag,
) -> String {
    let mut bag = bag.clone();
    for name in ["zone", "region"] {
        bag.take(name);
    }
    complete(ctx, target.view(&ctx.to.storage), object, &mut bag);
    let at = ctx.before[object].at;
    let wait = match binding {
        Binding::Wait => "WaitForFirstConsumer",
        Binding::Immediate => "Immediate",
    };
    let mut base = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "migrate"},
        "provisioner": target.provisioners.first(),
        "parameters": {},
        "reclaimPolicy": "Delete",
        "volumeBindingMode": wait,
    });
    if target.expand {
        base["allowVolumeExpansion"] = Json::from(true);
    }
    if !target.mount_options.is_empty() {
        base["mountOptions"] = json!(target.mount_options);
    }
    let holder = Holder {
        object,
        parameters: Some(KeyPath::root().key("parameters")),
        ..Holder::default()
    };
    let made = ctx.carried_into(object, &base, |ctx| {
        write(ctx, target.view(&ctx.to.storage), &holder, &[], &bag);
        if let Some((key, value)) = &target.selected_by {
            let path = KeyPath::root().key("parameters").key(key);
            ctx.put(object, &path, &Json::from(value.as_str()), &[]);
        }
    });
    let Some(mut class) = made else {
        return String::new();
    };
    if super::super::edit::get(&class, &KeyPath::root().key("parameters"))
        .and_then(Node::as_mapping)
        .is_some_and(|m| m.is_empty())
    {
        super::super::edit::remove(&mut class, &KeyPath::root().key("parameters"));
    }
    let mut words: Vec<String> = tier::attributes(target)
        .iter()
        .filter_map(|name| bag.get(name))
        .map(str::to_owned)
        .collect();
    if words.is_empty() {
        words.push(kind_name.to_owned());
    }
    let text = class.to_json().to_string();
    // What is missing is missing for this one object, whose name a chart can write for each release.
    let own = ObjectRef::of(object, &ctx.before[object]).name;
    let tail = if text.contains(PLACEHOLDER) && !own.is_empty() {
        own
    } else {
        format!("{:08x}", print(&text))
    };
    let name = format!("{}-{}-{tail}", ctx.to.name, words.join("-"));
    let name = crate::orchestration::provider::companion::short(&name);
    super::super::edit::set(
        &mut class,
        &KeyPath::root().join("metadata.name"),
        Node::string(&name, at),
    );
    ctx.add(class, object);
    let what = format!("no class of {} fits; class {name} is added", ctx.to.title);
    ctx.note("storage-class-added", object, &KeyPath::root(), &what);
    name
}

/// What placeholders begin with.
const PLACEHOLDER: &str = "TODO-";

/// A number for a text, the same on each machine (FNV-1a).
fn print(text: &str) -> u32 {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    text.as_bytes().hash(&mut hasher);
    u32::try_from(hasher.finish() >> 32).unwrap_or_default()
}

//! Storage: classes, claims, volumes, and volumes inside of pods.

mod claim;
mod class;
mod tier;
mod volume;

use super::attribute::{Attribute, Bag};
use super::catalog::{Storage, StorageKind};
use super::context::{Context, effect_code};
use super::edit::SourceKey;
use super::settings::View;
use crate::orchestration::quantity::bytes_from_kubernetes;
use crate::source::{KeyPath, Node};

pub(super) use claim::claim;
pub(super) use class::class;
pub(super) use volume::{inline, volume};

/// The annotations by which older claims name their provisioner.
pub(super) const PROVISIONER_ANNOTATIONS: [&str; 3] = [
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "pv.kubernetes.io/provisioned-by",
];
/// The annotation by which older claims name their class.
pub(super) const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

impl StorageKind {
    fn view<'v>(&'v self, storage: &'v Storage) -> View<'v> {
        View {
            rows: &self.rows,
            owns: &storage.owns,
            renamed: None,
            drop: &self.drop,
            defaults: &self.defaults,
            requires: &self.requires,
            orders: &[],
            always: &self.always,
        }
    }

    /// How volumes that exist are written: nothing is required but what the patterns ask for.
    fn volume_view<'v>(&'v self, storage: &'v Storage) -> View<'v> {
        View {
            defaults: &[],
            requires: &[],
            orders: &[],
            always: &self.volume_always,
            ..self.view(storage)
        }
    }
}

/// The kind of the target that takes a kind of the source, with what that means.
fn target_kind<'c>(
    ctx: &mut Context<'c>,
    name: &str,
    object: usize,
    path: &KeyPath,
) -> Option<(String, &'c StorageKind)> {
    let to = ctx.to;
    let mut name = name.to_owned();
    for _ in 0..4 {
        let kind = to.storage.kinds.get(&name)?;
        let Some(instead) = &kind.instead else {
            return Some((name, kind));
        };
        let what = format!("{name} storage becomes {}: {}", instead.kind, instead.what);
        let code = match instead.effect {
            super::catalog::Effect::Loss => "storage-kind-lost",
            super::catalog::Effect::Warning => "storage-kind-replaced",
            super::catalog::Effect::Info => effect_code(instead.effect),
        };
        ctx.note(code, object, path, &what);
        name.clone_from(&instead.kind);
    }
    None
}

/// The kind of a provisioner. Where kinds share one, a parameter tells.
fn kind_of_provisioner<'s>(
    storage: &'s Storage,
    provisioner: &str,
    parameter: impl Fn(&str) -> Option<String>,
) -> Option<(&'s str, &'s StorageKind)> {
    let all = || {
        storage
            .kinds
            .iter()
            .filter(|(_, kind)| kind.provisioners.iter().any(|p| p == provisioner))
    };
    let selected = all().find(|(_, kind)| {
        kind.selected_by
            .as_ref()
            .is_some_and(|(key, value)| parameter(key).as_ref() == Some(value))
    });
    selected
        .or_else(|| all().next())
        .map(|(name, kind)| (name.as_str(), kind))
}

/// GiB of a quantity, rounded up.
fn gib(text: &str) -> Option<u64> {
    Some(bytes_from_kubernetes(text)?.div_ceil(1 << 30))
}

/// Access modes that the target's driver knows.
fn access_modes(
    ctx: &mut Context<'_>,
    object: usize,
    path: &KeyPath,
    kind: &StorageKind,
    what: &str,
) {
    let count = ctx
        .get(object, path)
        .and_then(Node::as_sequence)
        .map_or(0, <[Node]>::len);
    for index in 0..count {
        let at = path.index(index);
        let Some(mode) = ctx
            .get(object, &at)
            .and_then(Node::as_text)
            .map(str::to_owned)
        else {
            continue;
        };
        if kind.modes.contains(&mode) {
            continue;
        }
        let wider = match mode.as_str() {
            "ReadWriteOnce" | "ReadWriteOncePod" | "ReadOnlyMany" => {
                let wide = ["ReadWriteOnce", "ReadWriteMany"];
                let allowed = wide.iter().find(|w| {
                    kind.modes.iter().any(|m| m == *w)
                        && !(mode == "ReadOnlyMany" && **w == "ReadWriteOnce")
                });
                allowed.copied()
            }
            _ => None,
        };
        match wider {
            Some(wider) => {
                let text = format!(
                    "access mode {mode} becomes {wider}, which {what} of {} has",
                    ctx.to.title
                );
                ctx.note("access-mode-changed", object, &at, &text);
                let from = [SourceKey {
                    object,
                    path: at.clone(),
                }];
                ctx.put(object, &at, &serde_json::Value::from(wider), &from);
            }
            None => {
                let text = format!(
                    "access mode {mode} is not known to {what} of {}, which has {}; the class of a file system has it",
                    ctx.to.title,
                    kind.modes.join(", ")
                );
                ctx.note("access-mode-lost", object, &at, &text);
            }
        }
    }
}

/// Keys of the provider on a claim or volume whose kind is not known.
fn owned(ctx: &Context<'_>, object: usize, base: &KeyPath) -> bool {
    let storage = &ctx.from.storage;
    let map = ctx.get(object, base).and_then(Node::as_mapping);
    map.into_iter().flat_map(|m| m.iter()).any(|(key, _)| {
        storage
            .owns
            .iter()
            .any(|start| key.starts_with(start.as_str()))
    })
}

/// The tier of the source out of the attributes, and the target's into them.
#[expect(clippy::too_many_arguments, reason = "both sides of one decision")]
fn change_tier(
    ctx: &mut Context<'_>,
    object: usize,
    path: &KeyPath,
    source: &StorageKind,
    target: &StorageKind,
    sizes: &[u64],
    bag: &mut Bag,
    fixed: bool,
) -> u64 {
    let named = tier::named(source, bag).map(|(name, tier)| (name.to_owned(), tier.clone()));
    let mut cause = Attribute::made("");
    for name in tier::attributes(source) {
        if let Some(attribute) = bag.take(&name) {
            if named.is_none() && !attribute.value.is_empty() {
                let what = format!("`{}` is no known kind of disk", attribute.value);
                ctx.note_attribute("provider-value-unknown", object, &attribute, &what);
            }
            let is_list = attribute.value.contains(',');
            if is_list && !source.tiers.is_empty() {
                let what = format!(
                    "`{}` is an order of preference; only the first is used",
                    attribute.value
                );
                ctx.note_attribute("provider-setting-approximate", object, &attribute, &what);
            }
            cause.at = cause.at.or(attribute.at);
            cause.from.extend(attribute.from);
        }
    }
    let size = sizes.iter().copied().max().unwrap_or(100);
    if target.tiers.is_empty() {
        for name in ["iops", "throughput"] {
            if let Some(attribute) = bag.take(name) {
                ctx.lost(name, &attribute, object);
            }
        }
        return tier::fit(size, target.size);
    }
    let above = source.rows.get("iops").is_some_and(|rows| {
        rows.iter()
            .any(|r| r.form == super::catalog::Form::AboveBaseline)
    });
    // Each size must get what it had.
    let needs = named
        .as_ref()
        .and_then(|(_, tier)| tier::needed(tier, size, bag, above));
    let mut choice = tier::choose(target, size, needs, ctx.options.less_throughput);
    for other in sizes {
        let needs = named
            .as_ref()
            .and_then(|(_, tier)| tier::needed(tier, *other, bag, above));
        let here = tier::choose(target, *other, needs, ctx.options.less_throughput);
        let place =
            |c: &Option<tier::Choice>| c.as_ref().and_then(|c| target.tiers.get_index_of(&c.name));
        if place(&here) > place(&choice) {
            choice = here;
        }
    }
    let Some(choice) = choice else {
        // The target has one kind of disk, and nobody tells what it does.
        if let Some((name, _)) = &named
            && !cause.from.is_empty()
        {
            cause.value.clone_from(name);
            ctx.lost("tier", &cause, object);
        }
        for name in ["iops", "throughput"] {
            if let Some(attribute) = bag.take(name) {
                ctx.lost(name, &attribute, object);
            }
        }
        return tier::fit(size, target.size);
    };
    for name in ["iops", "throughput"] {
        if let Some(attribute) = bag.take(name) {
            cause.from.extend(attribute.from);
        }
    }
    // What the claim or class says of the disk is where a reader looks first.
    let told = cause.from.iter().find(|key| key.object == object);
    let path = &told.map_or_else(|| path.clone(), |key| key.path.clone());
    say_performance(
        ctx,
        object,
        path,
        named.as_ref().map(|(name, _)| name.as_str()),
        needs,
        &choice,
        size,
    );
    tier::apply(&choice, target, bag, &cause);
    if fixed { size } else { choice.size }
}

/// What the change of the tier means.
fn say_performance(
    ctx: &mut Context<'_>,
    object: usize,
    path: &KeyPath,
    name: Option<&str>,
    needs: Option<tier::Performance>,
    choice: &tier::Choice,
    size: u64,
) {
    let (Some(needs), Some(gives)) = (needs, choice.gives) else {
        let what = format!(
            "what the disk{} does is not known; at {} it becomes {}",
            name.map_or_else(String::new, |n| format!(" {n}")),
            ctx.to.title,
            choice.name
        );
        return ctx.note("tier-unknown", object, path, &what);
    };
    // Of some disks nobody tells how much they move in a second.
    let speed = |iops: f64, throughput: f64| {
        if throughput > 0.0 {
            format!("{iops:.0} IOPS, {throughput:.0} MB/s")
        } else {
            format!("{iops:.0} IOPS")
        }
    };
    let what = format!(
        "{} of {size} GiB ({}) becomes {} ({})",
        name.unwrap_or_default(),
        speed(needs.iops, needs.throughput),
        choice.name,
        speed(gives.iops, gives.throughput)
    );
    let less = needs.throughput > 0.0
        && gives.throughput > 0.0
        && gives.throughput + 0.5 < needs.throughput;
    let code = if gives.iops + 0.5 < needs.iops {
        "tier-slower"
    } else if less {
        "tier-less-throughput"
    } else if gives.iops > needs.iops * 1.05 || gives.throughput > needs.throughput * 1.05 {
        "tier-faster"
    } else {
        "tier-equal"
    };
    ctx.note(code, object, path, &what);
}

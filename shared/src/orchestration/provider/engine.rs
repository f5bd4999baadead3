//! The way of all objects through the conversion. Objects are shared with the input until something changes in them.

use std::sync::Arc;

use super::context::{Context, Trail};
use super::edit::{Edit, apply, difference};
use super::{
    Converted, Mapping, Options, Outcome, Provider, SourceKey, companion, foreign, ingress, list,
    pod, secret, service, storage,
};
use crate::source::{KeyPath, Node};

/// Converts objects of one provider into objects of another. The objects belong together: a claim finds its class
/// among them, an Ingress the Services behind it. Each must be a mapping; what is none stays as it is.
///
/// Nothing fails here: what cannot be said at the target is a finding, and what cannot be known is a placeholder with
/// an entry in [`Converted::missing`]. The caller decides whether that is acceptable ([`Options::allow_missing`]).
#[must_use]
pub fn convert(
    objects: &[Arc<Node>],
    from: &Provider,
    to: &Provider,
    map: &Mapping,
    options: &Options,
) -> Converted {
    list::flat(objects, |objects| {
        each_object(objects, from, to, map, options)
    })
}

fn each_object(
    objects: &[Arc<Node>],
    from: &Provider,
    to: &Provider,
    map: &Mapping,
    options: &Options,
) -> Converted {
    let mut ctx = Context::new(objects, from, to, map, options);
    if from != to {
        each(&mut ctx, &["StorageClass"], storage::class);
        each(&mut ctx, &["PersistentVolume"], storage::volume);
        each(&mut ctx, &["PersistentVolumeClaim"], |ctx, object| {
            storage::claim(ctx, object, &KeyPath::root());
        });
        each(&mut ctx, &["StatefulSet"], |ctx, object| {
            let templates = KeyPath::root().join("spec.volumeClaimTemplates");
            let list = ctx.get(object, &templates).and_then(Node::as_sequence);
            for index in 0..list.map_or(0, <[Node]>::len) {
                storage::claim(ctx, object, &templates.index(index));
            }
        });
        for object in 0..objects.len() {
            foreign::claims(&mut ctx, object);
        }
        each(&mut ctx, &["VolumeSnapshotClass"], foreign::snapshots);
        // An Ingress takes its settings from the Services behind it before those are looked at.
        each(&mut ctx, &["Ingress"], ingress::ingress);
        each(&mut ctx, &["Service"], service::service);
        for object in 0..objects.len() {
            if let Some(base) = pod::template(&ctx.refs[object].kind) {
                pod::pod(&mut ctx, object, &base);
            }
            foreign::pods(&mut ctx, object);
        }
        each(&mut ctx, &["ServiceAccount"], pod::service_account);
        each(&mut ctx, &["Secret"], secret::secret);
        companion::remove_all(&mut ctx);
        foreign::own_kinds(&mut ctx);
        foreign::marks(&mut ctx, from);
    }
    finish(ctx)
}

fn each(ctx: &mut Context<'_>, kinds: &[&str], mut act: impl FnMut(&mut Context<'_>, usize)) {
    for object in 0..ctx.before.len() {
        if kinds.contains(&ctx.refs[object].kind.as_str()) {
            act(ctx, object);
        }
    }
}

fn finish(ctx: Context<'_>) -> Converted {
    let Context {
        before,
        refs,
        now,
        mut findings,
        missing,
        added,
        trail,
        to,
        carried,
        ..
    } = ctx;
    let edits: Vec<Vec<Edit>> = before
        .iter()
        .zip(&now)
        .map(|(old, after)| match after {
            Some(after) if !Arc::ptr_eq(old, after) => difference(old, after),
            _ => Vec::new(),
        })
        .collect();
    let became = now.iter().map(Option::is_some).zip(&edits);
    super::account::account(before, &refs, became, (&trail, carried), to, &mut findings);
    let outcomes = refs
        .into_iter()
        .zip(now.into_iter().zip(edits))
        .map(|(object, (after, mut edits))| {
            let old = &before[object.index];
            for edit in &mut edits {
                edit.from = origins(&trail, object.index, edit);
            }
            // Applied to the input, so that keys keep their places.
            let node = after.map(|_| {
                let mut node = Arc::clone(old);
                if !edits.is_empty() {
                    apply(Arc::make_mut(&mut node), &edits);
                }
                node
            });
            Outcome {
                object,
                node,
                edits,
            }
        })
        .collect();
    findings.sort();
    Converted {
        outcomes,
        added,
        findings,
        missing,
    }
}

/// The keys of the source that an edit's value comes from: those noted at its path, below it, or above it.
fn origins(trail: &Trail, object: usize, edit: &Edit) -> Vec<SourceKey> {
    if matches!(edit.change, super::Change::Remove { .. }) {
        return Vec::new();
    }
    let path = edit.path.to_string();
    let mut found: Vec<SourceKey> = Vec::new();
    let mut push = |keys: &[SourceKey]| {
        for key in keys {
            if !found.contains(key) {
                found.push(key.clone());
            }
        }
    };
    let inner = |text: &str, base: &str| {
        text.strip_prefix(base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    for ((_, text), keys) in trail.range((object, String::new())..(object + 1, String::new())) {
        if inner(text, &path) || (inner(&path, text) && !keys.is_empty()) {
            push(keys);
        }
    }
    found
}

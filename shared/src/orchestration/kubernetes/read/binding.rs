//! Which PersistentVolume a claim gets, as the cluster's controller binds them (`pkg/controller/volume/persistentvolume`).

use std::collections::BTreeMap;

use super::metadata::mapping;
use crate::orchestration::kubernetes::load::Object;
use crate::orchestration::model::VolumeBacking;
use crate::orchestration::quantity::bytes_from_kubernetes;
use crate::source::{Mapping, Node};

/// The PersistentVolumes of the input with the claims that are bound to them. Objects are known by where they begin.
pub(super) struct Bindings<'o> {
    /// The claim's number among the objects, and its volume.
    bound: BTreeMap<(Option<&'o str>, &'o str), &'o Object>,
}

impl<'o> Bindings<'o> {
    /// Binds what names each other, and then what fits nothing else.
    pub(super) fn of(objects: &'o [Object]) -> Self {
        let of_kind = |kind: &'static str| objects.iter().filter(move |o| o.kind == kind);
        let mut free: Vec<&Object> = of_kind("PersistentVolume").collect();
        let mut waiting = Vec::new();
        let mut bound = BTreeMap::new();
        for claim in of_kind("PersistentVolumeClaim") {
            match free.iter().copied().find(|volume| names(claim, volume)) {
                Some(volume) => {
                    bound.insert(key(claim), volume);
                }
                None => waiting.push(claim),
            }
        }
        free.retain(|volume| {
            claim_ref(volume).is_none() && !bound.values().any(|taken| same(taken, volume))
        });
        // Among several, the cluster takes the smallest and the first in turn: a choice that is not guessed.
        waiting.retain(|claim| text(spec(claim), "volumeName").is_none());
        for claim in &waiting {
            let mut fitting = free.iter().copied().filter(|volume| fits(claim, volume));
            let (Some(volume), None) = (fitting.next(), fitting.next()) else {
                continue;
            };
            let wanted = waiting.iter().filter(|other| fits(other, volume)).count();
            if wanted == 1 {
                bound.insert(key(claim), volume);
            }
        }
        Self { bound }
    }

    /// What the volume of a claim stands on, as far as the model can say it.
    pub(super) fn backing(&self, claim: &Object) -> Option<VolumeBacking> {
        backing(self.bound.get(&key(claim))?)
    }

    /// Whether a PersistentVolume is the backing of a claim in the model.
    pub(super) fn is_held(&self, volume: &Object) -> bool {
        backing(volume).is_some() && self.bound.values().any(|bound| same(bound, volume))
    }
}

fn same(one: &Object, other: &Object) -> bool {
    std::ptr::eq(one, other)
}

fn key(claim: &Object) -> (Option<&str>, &str) {
    (claim.namespace.as_deref(), &claim.name)
}

fn spec(object: &Object) -> Option<&Mapping> {
    mapping(&object.node, "spec")
}

fn text<'m>(map: Option<&'m Mapping>, key: &str) -> Option<&'m str> {
    map?.get(key)?.as_text().filter(|text| !text.is_empty())
}

fn claim_ref(volume: &Object) -> Option<&Mapping> {
    spec(volume)?.get("claimRef")?.as_mapping()
}

/// Whether one of them names the other. A volume that is kept for another claim is not free, whoever names it.
fn names(claim: &Object, volume: &Object) -> bool {
    if let Some(reference) = claim_ref(volume) {
        let space = text(Some(reference), "namespace");
        let spaces_differ = space
            .zip(claim.namespace.as_deref())
            .is_some_and(|(a, b)| a != b);
        return text(Some(reference), "name") == Some(claim.name.as_str()) && !spaces_differ;
    }
    text(spec(claim), "volumeName") == Some(volume.name.as_str())
}

/// Whether a claim that names no volume could get this one.
fn fits(claim: &Object, volume: &Object) -> bool {
    let (Some(asked), Some(given)) = (spec(claim), spec(volume)) else {
        return false;
    };
    let word = |map, key| text(Some(map), key);
    let modes = |map: &'_ Mapping| -> Vec<String> {
        let modes = map.get("accessModes").and_then(Node::as_sequence);
        let modes = modes.unwrap_or_default().iter().filter_map(Node::as_text);
        modes.map(str::to_owned).collect()
    };
    let has = modes(given);
    let size = |map: Option<&Mapping>| text(map, "storage").and_then(bytes_from_kubernetes);
    let wanted = asked.get("resources").and_then(Node::as_mapping);
    let wanted = wanted.and_then(|r| r.get("requests")?.as_mapping());
    let room = given.get("capacity").and_then(Node::as_mapping);
    word(asked, "storageClassName") == word(given, "storageClassName")
        && word(asked, "volumeMode").unwrap_or("Filesystem")
            == word(given, "volumeMode").unwrap_or("Filesystem")
        && modes(asked).iter().all(|mode| has.contains(mode))
        && size(wanted).unwrap_or(0) <= size(room).unwrap_or(0)
        && is_selected(asked.get("selector").and_then(Node::as_mapping), volume)
}

/// Whether a claim's selector takes a volume. Expressions are not looked into: the volume then counts as not selected.
fn is_selected(selector: Option<&Mapping>, volume: &Object) -> bool {
    let Some(selector) = selector else {
        return true;
    };
    let labels = mapping(&volume.node, "metadata").and_then(|m| m.get("labels")?.as_mapping());
    let wanted = selector.get("matchLabels").and_then(Node::as_mapping);
    selector.get("matchExpressions").is_none()
        && wanted
            .into_iter()
            .flat_map(Mapping::iter)
            .all(|(key, entry)| text(labels, key) == entry.node.as_text())
}

/// What the model can say of a PersistentVolume.
fn backing(volume: &Object) -> Option<VolumeBacking> {
    let spec = spec(volume)?;
    let origin = volume.origin.clone();
    let text = |map: &Mapping, key: &str| map.get(key).and_then(Node::as_text).map(str::to_owned);
    if let Some(nfs) = spec.get("nfs").and_then(Node::as_mapping) {
        let options = spec
            .get("mountOptions")
            .and_then(Node::as_sequence)
            .unwrap_or_default();
        return Some(VolumeBacking::Nfs {
            server: text(nfs, "server")?,
            path: text(nfs, "path")?,
            options: options
                .iter()
                .filter_map(Node::as_text)
                .map(str::to_owned)
                .collect(),
            read_only: text(nfs, "readOnly").as_deref() == Some("true"),
            origin,
        });
    }
    let local = spec
        .get("hostPath")
        .or_else(|| spec.get("local"))
        .and_then(Node::as_mapping)?;
    Some(VolumeBacking::HostPath {
        path: text(local, "path")?,
        origin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::orchestration::kubernetes::load::{LoadOptions, load};
    use crate::source::{Memory, Sources};

    fn objects(volumes: &[(&str, &str)], claims: &[(&str, &str)]) -> Vec<Object> {
        let mut text = String::new();
        for (kind, list) in [
            ("PersistentVolume", volumes),
            ("PersistentVolumeClaim", claims),
        ] {
            for (name, spec) in list {
                text.push_str(&format!(
                    "---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
                ));
            }
        }
        let options = LoadOptions {
            texts: vec![("a.yaml".into(), text)],
            ..LoadOptions::default()
        };
        let mut findings = Findings::default();
        load(
            &options,
            &Memory::default(),
            &mut Sources::default(),
            &mut findings,
        )
        .unwrap()
    }

    fn paths(volumes: &[(&str, &str)], claims: &[(&str, &str)]) -> Vec<Option<String>> {
        let objects = objects(volumes, claims);
        let bindings = Bindings::of(&objects);
        let claims = objects.iter().filter(|o| o.kind == "PersistentVolumeClaim");
        claims
            .map(|claim| match bindings.backing(claim) {
                Some(VolumeBacking::HostPath { path, .. }) => Some(path),
                _ => None,
            })
            .collect()
    }

    const A: &str = "storageClassName: manual, accessModes: [ReadWriteOnce], capacity: {storage: 10Gi}, hostPath: {path: /a}";
    const B: &str = "storageClassName: manual, accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, local: {path: /b}";
    const CLAIM: &str = "storageClassName: manual, accessModes: [ReadWriteOnce], resources: {requests: {storage: 3Gi}}";

    #[test]
    fn the_only_one_that_fits_is_bound() {
        assert_eq!(
            paths(&[("a", A), ("b", B)], &[("c", CLAIM)]),
            [Some("/a".into())]
        );
        let small = CLAIM.replace("3Gi", "1Gi");
        assert_eq!(
            paths(&[("a", A), ("b", B)], &[("c", &small)]),
            [None],
            "two fit"
        );
        assert_eq!(
            paths(&[("a", A)], &[("c", CLAIM), ("d", CLAIM)]),
            [None, None]
        );
        for (from, to) in [
            ("manual", "fast"),
            ("ReadWriteOnce", "ReadWriteMany"),
            ("3Gi", "11Gi"),
        ] {
            assert_eq!(
                paths(&[("a", A)], &[("c", &CLAIM.replace(from, to))]),
                [None],
                "{to}"
            );
        }
    }

    #[test]
    fn names_go_before_fitting() {
        let wanted = format!("{CLAIM}, volumeName: b");
        assert_eq!(
            paths(&[("a", A), ("b", B)], &[("c", &wanted), ("d", CLAIM)]),
            [Some("/b".into()), Some("/a".into())]
        );
        let kept = format!("{A}, claimRef: {{name: d}}");
        assert_eq!(
            paths(&[("a", &kept)], &[("c", CLAIM), ("d", CLAIM)]),
            [None, Some("/a".into())]
        );
        let elsewhere = format!("{CLAIM}, volumeName: far");
        assert_eq!(paths(&[("a", A)], &[("c", &elsewhere)]), [None]);
    }
}

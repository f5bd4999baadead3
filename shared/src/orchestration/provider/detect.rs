//! Which provider objects were made for, by the signatures of the catalogs.

use std::borrow::Borrow;

use super::catalog::{Place, Signature};
use super::pattern::glob;
use super::{ObjectRef, Provider};
use crate::source::{KeyPath, Node, Position, Trail, Value};

/// Where something of a provider was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// In which object.
    pub object: ObjectRef,
    /// At which key.
    pub path: KeyPath,
    /// Where that stands in the text.
    pub at: Position,
    /// What was seen there, such as `provisioner everest-csi-provisioner`.
    pub what: String,
    /// Whether only this provider uses it. A name that anybody could have given is weak.
    pub strong: bool,
}

/// A provider that the objects look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The provider.
    pub provider: Provider,
    /// What was seen of it, in source order.
    pub sightings: Vec<Sighting>,
}

impl Candidate {
    /// How many sightings nobody else could have caused.
    #[must_use]
    pub fn strong(&self) -> usize {
        self.sightings.iter().filter(|s| s.strong).count()
    }
}

/// Which providers the objects look like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detection {
    /// The best first. Empty if nothing of a provider was seen.
    pub candidates: Vec<Candidate>,
}

impl Detection {
    /// The provider that the objects were made for; none if nothing was seen, or if two have strong sightings.
    #[must_use]
    pub fn provider(&self) -> Option<&Provider> {
        let mut candidates = self.candidates.iter();
        let best = candidates.next()?;
        match candidates.next() {
            Some(next) if next.strong() > 0 || best.strong() == next.strong() => None,
            _ => Some(&best.provider),
        }
    }

    /// Whether nothing of any provider was seen.
    #[must_use]
    pub fn is_neutral(&self) -> bool {
        self.candidates.is_empty()
    }
}

/// Looks for the signatures of the built-in providers.
#[must_use]
pub fn detect<N: Borrow<Node>>(objects: &[N]) -> Detection {
    detect_among(objects, Provider::all())
}

/// Looks for the signatures of these providers.
#[must_use]
pub fn detect_among<N: Borrow<Node>>(objects: &[N], providers: &[Provider]) -> Detection {
    let mut candidates: Vec<Candidate> = providers
        .iter()
        .map(|provider| Candidate {
            provider: provider.clone(),
            sightings: Vec::new(),
        })
        .collect();
    for (index, node) in objects.iter().map(Borrow::borrow).enumerate() {
        let object = ObjectRef::of(index, node);
        // A definition of a kind has the words of each provider as names of fields.
        if object.kind == super::foreign::DEFINITION {
            continue;
        }
        let mut walk = Walk {
            object: &object,
            candidates: &mut candidates,
        };
        let group = match object.api_version.split_once('/') {
            Some((group, _)) => group,
            None => "",
        };
        let kind = format!("{}/{group}", object.kind);
        walk.look(Place::Kind, &kind, None, node, &Trail::root().key("kind"));
        walk.node(node, &Trail::root(), 0);
    }
    candidates.retain(|c| !c.sightings.is_empty());
    candidates.sort_by_key(|c| {
        (
            std::cmp::Reverse(c.strong()),
            std::cmp::Reverse(c.sightings.len()),
        )
    });
    Detection { candidates }
}

struct Walk<'w> {
    object: &'w ObjectRef,
    candidates: &'w mut Vec<Candidate>,
}

impl Walk<'_> {
    fn look(
        &mut self,
        place: Place,
        text: &str,
        value: Option<&str>,
        node: &Node,
        path: &Trail<'_>,
    ) {
        for candidate in self.candidates.iter_mut() {
            let signatures = &candidate.provider.catalog().signatures;
            let fits = |s: &&Signature| {
                s.r#in == place
                    && glob(&s.is, text)
                    && (s.value.is_empty()
                        || value.is_some_and(|v| s.value.iter().any(|pattern| glob(pattern, v))))
            };
            let strong = match signatures.iter().find(fits) {
                Some(signature) => !signature.weak,
                None => continue,
            };
            candidate.sightings.push(Sighting {
                object: self.object.clone(),
                path: path.path(),
                at: node.at,
                what: format!("{} {text}", words(place)),
                strong,
            });
        }
    }

    /// All values with a meaning of their own, wherever they stand: pods and claims hide in many kinds.
    fn node(&mut self, node: &Node, path: &Trail<'_>, depth: usize) {
        match &node.value {
            Value::Mapping(map) => {
                for (key, entry) in map.iter() {
                    let path = path.key(key);
                    self.key(key, &entry.node, &path, depth);
                    self.node(&entry.node, &path, depth + 1);
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.node(item, &path.index(index), depth + 1);
                }
            }
            Value::Scalar(_) => {}
        }
    }

    fn key(&mut self, key: &str, node: &Node, path: &Trail<'_>, depth: usize) {
        let kind = self.object.kind.as_str();
        let text = node.as_text();
        let above = path.parent().and_then(Trail::last_key).unwrap_or_default();
        let place = match key {
            "annotations" => {
                self.keys(Place::Annotation, node, path);
                return self.annotated(node, path);
            }
            "labels" | "matchLabels" | "nodeSelector" => {
                return self.keys(Place::Label, node, path);
            }
            "provisioner" if kind == "StorageClass" => Place::Provisioner,
            "driver" if above == "flexVolume" => Place::FlexDriver,
            "driver" => Place::Driver,
            "storageClassName" | "storageClass" => Place::StorageClass,
            "name" if kind == "StorageClass" && depth == 1 => Place::StorageClass,
            "ingressClassName" => Place::IngressClass,
            "controller" if kind == "IngressClass" => Place::IngressController,
            "loadBalancerClass" => Place::LoadBalancerClass,
            "image" => Place::Image,
            "type" if kind == "Secret" && depth == 0 => Place::SecretType,
            "topologyKey" | "key" if above.is_empty() || above != "configMapKeyRef" => {
                if let Some(text) = text {
                    self.look(Place::Label, text, None, node, path);
                }
                Place::Toleration
            }
            "imagePullSecrets" => {
                for (index, item) in node.as_sequence().unwrap_or_default().iter().enumerate() {
                    let name = item.as_mapping().and_then(|m| m.get("name"));
                    if let Some(name) = name.and_then(Node::as_text) {
                        self.look(Place::PullSecret, name, None, item, &path.index(index));
                    }
                }
                return;
            }
            _ => {
                if node.as_mapping().is_some() {
                    self.look(Place::VolumeSource, key, None, node, path);
                }
                return;
            }
        };
        if let Some(text) = text {
            self.look(place, text, None, node, path);
        }
    }

    fn keys(&mut self, place: Place, node: &Node, path: &Trail<'_>) {
        let Some(map) = node.as_mapping() else { return };
        for (key, entry) in map.iter() {
            let value = entry.node.as_text();
            self.look(place, key, value, &entry.node, &path.key(key));
        }
    }

    /// What older versions of Kubernetes kept in annotations.
    fn annotated(&mut self, node: &Node, path: &Trail<'_>) {
        let Some(map) = node.as_mapping() else { return };
        for (key, place) in [
            ("kubernetes.io/ingress.class", Place::IngressClass),
            (
                "volume.beta.kubernetes.io/storage-class",
                Place::StorageClass,
            ),
            (
                "volume.beta.kubernetes.io/storage-provisioner",
                Place::Provisioner,
            ),
            (
                "volume.kubernetes.io/storage-provisioner",
                Place::Provisioner,
            ),
            ("pv.kubernetes.io/provisioned-by", Place::Provisioner),
        ] {
            if let Some(node) = map.get(key)
                && let Some(text) = node.as_text()
            {
                self.look(place, text, None, node, &path.key(key));
            }
        }
    }
}

fn words(place: Place) -> &'static str {
    match place {
        Place::Annotation => "annotation",
        Place::Label => "label",
        Place::Provisioner => "provisioner",
        Place::Driver => "CSI driver",
        Place::FlexDriver => "flexVolume driver",
        Place::VolumeSource => "volume source",
        Place::StorageClass => "storage class",
        Place::IngressClass => "ingress class",
        Place::IngressController => "ingress controller",
        Place::LoadBalancerClass => "load balancer class",
        Place::Toleration => "toleration of",
        Place::Image => "image",
        Place::PullSecret => "pull secret",
        Place::SecretType => "Secret of type",
        Place::Kind => "kind",
    }
}

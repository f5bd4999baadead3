//! The images in Kubernetes objects: every Pod template, at any depth, and what custom resources call an image.

use super::{Gathered, Needed, parse};
use crate::finding::{Code, Findings};
use crate::orchestration::kubernetes::load::Object;
use crate::source::{KeyPath, Mapping, Node, Origin, Value};

/// Lists of containers in a Pod template.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// Kinds whose content is data or a schema, and no application.
const DATA: [&str; 3] = ["ConfigMap", "Secret", "CustomResourceDefinition"];
/// Variables by which operators are told the images that they start (Operator Lifecycle Manager).
const RELATED: &str = "RELATED_IMAGE_";

/// All images that these objects need, each once, in source order.
#[must_use]
pub fn of_objects(objects: &[Object], findings: &mut Findings) -> Vec<Needed> {
    let mut walk = Walk {
        needed: Gathered::default(),
        findings,
        custom: false,
        found: 0,
    };
    for object in objects {
        if DATA.contains(&object.kind.as_str()) {
            continue;
        }
        walk.custom = is_custom(&object.api_version);
        walk.found = 0;
        walk.node(&object.node, &KeyPath::root());
        if walk.custom {
            let (code, message) = if walk.found == 0 {
                (
                    "image-of-operator",
                    format!(
                        "{} `{}` names no image; its operator may start some",
                        object.kind, object.name
                    ),
                )
            } else {
                (
                    "image-in-custom-resource",
                    format!(
                        "{} `{}` is a custom resource: {} of its fields were taken for images",
                        object.kind, object.name, walk.found
                    ),
                )
            };
            walk.findings.add(Code(code), &object.origin, message);
        }
    }
    walk.needed.images
}

/// The Secrets by which these objects pull their images.
#[must_use]
pub fn pull_secrets(objects: &[Object]) -> Vec<serde_json::Value> {
    const TYPES: [&str; 2] = ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"];
    let is_pull_secret = |object: &&Object| {
        let kind = object
            .node
            .as_mapping()
            .and_then(|map| map.get("type")?.as_text());
        object.kind == "Secret" && kind.is_some_and(|kind| TYPES.contains(&kind))
    };
    objects
        .iter()
        .filter(is_pull_secret)
        .map(|object| object.node.to_json())
        .collect()
}

/// The API groups of Kubernetes itself have no dot, or end with `.k8s.io`.
fn is_custom(api_version: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    group.contains('.') && !group.ends_with(".k8s.io")
}

struct Walk<'f> {
    needed: Gathered,
    findings: &'f mut Findings,
    /// The object is of a kind that Kubernetes itself does not have.
    custom: bool,
    /// Images of the object so far.
    found: usize,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, path: &KeyPath) {
        match &node.value {
            Value::Mapping(map) => self.mapping(map, path),
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.node(item, &path.index(index));
                }
            }
            Value::Scalar(_) => {}
        }
    }

    fn mapping(&mut self, map: &Mapping, path: &KeyPath) {
        for (key, entry) in map.iter() {
            let path = path.key(key);
            if CONTAINERS.contains(&key) {
                self.containers(&entry.node, &path);
            } else if key == "volumes" {
                self.volumes(&entry.node, &path);
            } else if self.custom && (key == "image" || key.ends_with("Image")) {
                self.custom_image(&entry.node, &path);
            }
            self.node(&entry.node, &path);
        }
    }

    fn add(&mut self, text: &str, node: &Node, path: &KeyPath) {
        self.found += 1;
        let origin = Origin::new(node.at, path.clone());
        self.needed.collect(text, &origin, self.findings);
    }

    fn containers(&mut self, list: &Node, path: &KeyPath) {
        for (index, item) in list.as_sequence().unwrap_or_default().iter().enumerate() {
            let path = path.index(index);
            let Some(container) = item.as_mapping() else {
                continue;
            };
            if let Some(image) = container.get("image")
                && let Some(text) = image.as_text().filter(|text| !text.is_empty())
                // The walk itself finds those of custom resources.
                && !self.custom
            {
                self.add(text, image, &path.key("image"));
            }
            let variables = container
                .get("env")
                .and_then(Node::as_sequence)
                .unwrap_or_default();
            for (number, variable) in variables.iter().enumerate() {
                let Some(variable) = variable.as_mapping() else {
                    continue;
                };
                let text = |key: &str| variable.get(key).and_then(Node::as_text);
                if text("name").is_some_and(|name| name.starts_with(RELATED))
                    && let Some(value) = variable.get("value")
                    && let Some(image) = value.as_text().filter(|image| !image.is_empty())
                {
                    self.add(image, value, &path.key("env").index(number).key("value"));
                }
            }
        }
    }

    /// `volumes[].image.reference`
    fn volumes(&mut self, list: &Node, path: &KeyPath) {
        for (index, item) in list.as_sequence().unwrap_or_default().iter().enumerate() {
            let reference = item
                .as_mapping()
                .and_then(|volume| volume.get("image")?.as_mapping()?.get("reference"));
            if let Some(node) = reference
                && let Some(text) = node.as_text().filter(|text| !text.is_empty())
            {
                self.add(text, node, &path.index(index).key("image").key("reference"));
            }
        }
    }

    /// `image: name`, or `image: {registry, repository, tag, digest}` as charts and operators have it. What is none is
    /// left alone: the field can mean anything.
    fn custom_image(&mut self, node: &Node, path: &KeyPath) {
        if let Some(text) = node.as_text() {
            if parse(text).is_ok() {
                self.add(text, node, path);
            }
            return;
        }
        let Some(map) = node.as_mapping() else { return };
        let text = |key: &str| {
            map.get(key)
                .and_then(Node::as_text)
                .filter(|text| !text.is_empty())
        };
        let Some(repository) = text("repository").or_else(|| text("name")) else {
            return;
        };
        let mut image = repository.to_owned();
        if let Some(registry) = text("registry") {
            image = format!("{registry}/{image}");
        }
        if let Some(tag) = text("tag").or_else(|| text("version")) {
            image = format!("{image}:{tag}");
        }
        if let Some(digest) = text("digest").or_else(|| text("sha")) {
            let digest = if digest.contains(':') {
                digest.to_owned()
            } else {
                format!("sha256:{digest}")
            };
            image = format!("{image}@{digest}");
        }
        if parse(&image).is_ok() {
            self.add(&image, node, path);
        }
    }
}

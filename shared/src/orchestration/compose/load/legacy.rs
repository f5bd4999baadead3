//! What only files of older versions say.

use std::collections::BTreeSet;

use super::canonical;
use crate::source::{KeyPath, Mapping, Node, Position, Value};

/// Whether a top-level value may be a service of a file of the first version.
pub(super) fn looks_like_service(node: &Node) -> bool {
    node.as_mapping().is_some_and(|map| {
        [
            "image",
            "build",
            "extends",
            "command",
            "environment",
            "ports",
            "volumes",
            "links",
        ]
        .iter()
        .any(|key| map.get(key).is_some())
    })
}

/// `volume_driver` of a service, which only the first two versions have, becomes the driver of its named volumes.
pub(super) fn volume_drivers(node: &mut Node) -> Vec<(Position, KeyPath)> {
    let mut consumed = Vec::new();
    let mut drivers: Vec<(String, Node)> = Vec::new();
    let Value::Mapping(root) = &mut node.value else {
        return consumed;
    };
    if let Some(Value::Mapping(services)) = root.0.get_mut("services").map(|e| &mut e.node.value) {
        for (name, entry) in services.0.iter_mut() {
            let Value::Mapping(service) = &mut entry.node.value else {
                continue;
            };
            let Some(driver) = service.remove("volume_driver") else {
                continue;
            };
            consumed.push((
                driver.key_at,
                KeyPath::root()
                    .key("services")
                    .key(name)
                    .key("volume_driver"),
            ));
            for item in service
                .get("volumes")
                .and_then(Node::as_sequence)
                .unwrap_or_default()
            {
                let map = item.as_mapping();
                let text = |key: &str| map.and_then(|m| m.get(key)).and_then(Node::as_text);
                if text("type") == Some("volume")
                    && let Some(source) = text("source")
                {
                    drivers.push((source.to_owned(), driver.node.clone()));
                }
            }
        }
    }
    if let Some(Value::Mapping(volumes)) = root.0.get_mut("volumes").map(|e| &mut e.node.value) {
        for (name, driver) in drivers {
            let Some(entry) = volumes.0.get_mut(&name) else {
                continue;
            };
            if entry.node.is_null() {
                entry.node.value = Value::Mapping(Mapping::default());
            }
            if let Value::Mapping(volume) = &mut entry.node.value
                && volume.get("driver").is_none()
            {
                volume.set("driver", driver.at, driver);
            }
        }
    }
    consumed
}

/// What only files of the first version mean: `container:NAME` may name a service, and volumes are declared nowhere.
pub(super) fn first_version(node: &mut Node) {
    let Value::Mapping(root) = &mut node.value else {
        return;
    };
    let Some(Value::Mapping(mut services)) = root.get("services").map(|n| n.value.clone()) else {
        return;
    };
    let names: BTreeSet<String> = services.0.keys().map(str::to_owned).collect();
    let mut volumes: Vec<(String, Position)> = Vec::new();
    for entry in services.0.values_mut() {
        let Value::Mapping(service) = &mut entry.node.value else {
            continue;
        };
        if let Some(mode) = service.0.get_mut("network_mode")
            && let Some(name) = mode
                .node
                .as_text()
                .and_then(|t| t.strip_prefix("container:"))
                .map(str::to_owned)
            && names.contains(&name)
        {
            mode.node.value = canonical::string_value(format!("service:{name}"));
        }
        if let Some(Value::Sequence(items)) =
            service.0.get_mut("volumes_from").map(|e| &mut e.node.value)
        {
            for item in items {
                let Some(text) = item.as_text() else { continue };
                let name = text.split(':').next().unwrap_or(text);
                if !names.contains(name) {
                    item.value = canonical::string_value(format!("container:{text}"));
                }
            }
        }
        for item in service
            .get("volumes")
            .and_then(Node::as_sequence)
            .unwrap_or_default()
        {
            let map = item.as_mapping();
            let text = |key: &str| map.and_then(|m| m.get(key)).and_then(Node::as_text);
            if text("type") == Some("volume")
                && let Some(source) = text("source")
            {
                volumes.push((source.to_owned(), item.at));
            }
        }
    }
    if let Some(entry) = root.0.get_mut("services") {
        entry.node.value = Value::Mapping(services);
    }
    if volumes.is_empty() {
        return;
    }
    let mut declared = Mapping::default();
    for (name, at) in volumes {
        // The engine makes them under this very name, without the project's.
        let mut volume = Mapping::default();
        volume.set("name", at, Node::string(&name, at));
        declared.set(name, at, Node::mapping(volume, at));
    }
    let at = node.at;
    if let Value::Mapping(root) = &mut node.value {
        root.set("volumes", at, Node::mapping(declared, at));
    }
}

//! The sections beside the services in the long forms of today's specification.

use super::{Canon, service, string_value};
use crate::source::{KeyPath, Node};

/// Brings a whole document into the long forms. `version` is gone already.
pub(in super::super) fn document(canon: &mut Canon<'_>, node: &mut Node) {
    let root = KeyPath::root();
    let Some(map) = canon.mapping(node, &root) else {
        return;
    };
    for section in ["services", "networks", "volumes", "configs", "secrets"] {
        canon.with(map, section, &root, |canon, node, path| {
            let Some(map) = canon.mapping(node, path) else {
                return;
            };
            for (name, entry) in map.0.iter_mut() {
                let path = path.key(name);
                match section {
                    "services" => service(canon, &mut entry.node, &path),
                    _ => resource(canon, &mut entry.node, &path),
                }
            }
        });
    }
    canon.with(map, "name", &root, Canon::text);
}

/// A network, volume, config or secret; null stays null.
fn resource(canon: &mut Canon<'_>, node: &mut Node, path: &KeyPath) {
    if node.is_null() {
        return;
    }
    let at = node.at;
    let Some(map) = canon.mapping(node, path) else {
        return;
    };
    for key in ["labels", "driver_opts"] {
        canon.with(map, key, path, Canon::pairs);
    }
    for key in ["internal", "attachable", "enable_ipv4", "enable_ipv6"] {
        canon.with(map, key, path, Canon::boolean);
    }
    canon.with(map, "file", path, |canon, node, _| {
        if let Some(text) = node.as_text() {
            node.value = string_value(canon.path(text));
        }
    });
    // `external: {name: x}` is the old way to write `external: true` with `name: x`.
    let external = map.get("external").and_then(Node::as_mapping).cloned();
    if let Some(external) = external {
        if let Some(entry) = external.0.get("name")
            && map.get("name").is_none()
        {
            map.set("name", entry.key_at, entry.node.clone());
        }
        map.set("external", at, Node::plain("true", at));
    }
    canon.with(map, "external", path, Canon::boolean);
}

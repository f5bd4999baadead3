//! From the canonical document to one that the real tools accept.
//!
//! The canonical form is made for comparing: interpolated, sizes as plain numbers, everything in one shape. The real
//! schemas are narrower in places.

use serde_json::{Map, Value, json};

use crate::orchestration::carry::kubernetes::escape;
use crate::orchestration::model::Dialect;
use crate::orchestration::quantity::bytes_to_compose;

/// Turns a canonical document into a file for `docker compose`, or into a stack file.
pub fn from_canonical(document: &mut Value, dialect: Dialect) {
    escape(document);
    let swarm = dialect == Dialect::Swarm;
    let Some(root) = document.as_object_mut() else {
        return;
    };
    if swarm {
        root.shift_remove("name");
        root.insert("version".into(), json!("3.13"));
        // A version is read first by people as well.
        let keys: Vec<_> = root
            .keys()
            .filter(|key| *key != "version")
            .cloned()
            .collect();
        for key in keys {
            if let Some(value) = root.shift_remove(&key) {
                root.insert(key, value);
            }
        }
    }
    for service in root
        .get_mut("services")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut)
    {
        service_form(service, swarm);
    }
}

fn service_form(service: &mut Map<String, Value>, swarm: bool) {
    if let Some(Value::Object(hosts)) = service.get("extra_hosts") {
        let separator = if swarm { ':' } else { '=' };
        let lines: Vec<_> = hosts
            .iter()
            .flat_map(|(host, addresses)| {
                let addresses = match addresses {
                    Value::Array(items) => items.clone(),
                    one => vec![one.clone()],
                };
                addresses
                    .into_iter()
                    .filter_map(|a| a.as_str().map(|a| json!(format!("{host}{separator}{a}"))))
                    .collect::<Vec<_>>()
            })
            .collect();
        service.insert("extra_hosts".into(), Value::Array(lines));
    }
    if swarm && let Some(Value::Object(dependencies)) = service.get("depends_on") {
        // The stack schema knows the list only.
        let names: Vec<_> = dependencies.keys().map(|name| json!(name)).collect();
        service.insert("depends_on".into(), Value::Array(names));
    }
    if swarm && let Some(Value::Array(ports)) = service.get_mut("ports") {
        // The stack schema wants numbers.
        for published in ports
            .iter_mut()
            .filter_map(|port| port.get_mut("published"))
        {
            if let Some(number) = published.as_str().and_then(|text| text.parse::<u16>().ok()) {
                *published = json!(number);
            }
        }
    }
    for key in ["mem_limit", "mem_reservation", "memswap_limit", "shm_size"] {
        size_as_text(service.get_mut(key));
    }
    for kind in ["limits", "reservations"] {
        let resources = service
            .get_mut("deploy")
            .and_then(|deploy| deploy.get_mut("resources"))
            .and_then(|resources| resources.get_mut(kind));
        let Some(resources) = resources else { continue };
        size_as_text(resources.get_mut("memory"));
        if let Some(cpus) = resources.get_mut("cpus")
            && cpus.is_number()
        {
            *cpus = json!(cpus.to_string());
        }
    }
}

/// The schemas want sizes as text in most places.
fn size_as_text(value: Option<&mut Value>) {
    let Some(value) = value else { return };
    let bytes = match &*value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    if let Some(bytes) = bytes {
        *value = json!(bytes_to_compose(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stack_form() {
        let mut document = json!({
            "name": "shop",
            "services": {"web": {
                "command": ["echo", "$HOME"],
                "depends_on": {"db": {"condition": "service_started"}},
                "extra_hosts": {"a": ["10.0.0.1", "::1"]},
                "deploy": {"resources": {"limits": {"memory": 67_108_864, "cpus": 0.5}}},
            }},
        });
        from_canonical(&mut document, Dialect::Swarm);
        let expected = json!({
            "version": "3.13",
            "services": {"web": {
                "command": ["echo", "$$HOME"],
                "depends_on": ["db"],
                "extra_hosts": ["a:10.0.0.1", "a:::1"],
                "deploy": {"resources": {"limits": {"memory": "64M", "cpus": "0.5"}}},
            }},
        });
        assert_eq!(document.to_string(), expected.to_string());
    }
}

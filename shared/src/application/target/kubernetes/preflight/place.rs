//! What the cluster itself has to have: classes, nodes with labels, ports that are free.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::pod_spec;
use crate::application::target::Check;
use crate::application::target::kubernetes::reads::{INGRESS_CLASS, NODE, SERVICE, STORAGE_CLASS};
use crate::application::target::kubernetes::{Kubernetes, ObjectName};

/// Storage and ingress classes that are named.
pub(super) fn classes(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
    let mut wanted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut default_storage = false;
    for object in objects {
        match object["kind"].as_str() {
            Some("PersistentVolumeClaim") => match object["spec"]["storageClassName"].as_str() {
                Some("") => {}
                Some(class) => {
                    wanted
                        .entry("storageclass")
                        .or_default()
                        .insert(class.to_owned());
                }
                None => default_storage = true,
            },
            Some("StatefulSet") => {
                for claim in object["spec"]["volumeClaimTemplates"]
                    .as_array()
                    .into_iter()
                    .flatten()
                {
                    match claim["spec"]["storageClassName"].as_str() {
                        Some(class) if !class.is_empty() => {
                            wanted
                                .entry("storageclass")
                                .or_default()
                                .insert(class.to_owned());
                        }
                        _ => default_storage = true,
                    }
                }
            }
            Some("Ingress") => {
                if let Some(class) = object["spec"]["ingressClassName"].as_str() {
                    wanted
                        .entry("ingressclass")
                        .or_default()
                        .insert(class.to_owned());
                }
            }
            _ => {}
        }
    }
    // What the application brings along need not be there before.
    let brought = |kind: &str, name: &str| {
        objects.iter().any(|object| {
            let is_kind = object["kind"]
                .as_str()
                .is_some_and(|own| own.eq_ignore_ascii_case(kind));
            is_kind && object["metadata"]["name"] == name
        })
    };
    for (kind, names) in &wanted {
        for name in names.iter().filter(|name| !brought(kind, name)) {
            let subject = format!("{kind} {name}");
            let named = if *kind == "storageclass" {
                STORAGE_CLASS
            } else {
                INGRESS_CLASS
            };
            match cluster.get(&ObjectName::of_kind(named, name)) {
                Ok(None) => checks.push(Check::blocked(
                    &subject,
                    "the cluster has no such class",
                    format!("Choose one that it has: kubectl get {kind}"),
                )),
                Ok(_) => checks.push(Check::ok(&subject, "is there")),
                Err(_) => checks.push(Check::not_checked(&subject, "classes may not be seen")),
            }
        }
    }
    if default_storage {
        match cluster.list(STORAGE_CLASS, false) {
            Ok(list) => {
                let has_default = list.iter().any(|class| {
                    class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"]
                        == "true"
                });
                checks.push(if has_default {
                    Check::ok("default storage class", "is there")
                } else {
                    Check::warning(
                        "default storage class",
                        "the cluster has none: volumes wait until somebody makes one for them",
                        "Name a class: --storage-class NAME (`kubectl get storageclass` lists them)",
                    )
                });
            }
            Err(_) => checks.push(Check::not_checked(
                "default storage class",
                "classes may not be seen",
            )),
        }
    }
}

/// Labels of nodes that Pods ask for.
pub(super) fn nodes(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
    let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
    for pod in objects.iter().filter_map(|object| pod_spec(object)) {
        for (key, value) in pod["nodeSelector"].as_object().into_iter().flatten() {
            wanted.insert((key.clone(), value.as_str().unwrap_or_default().to_owned()));
        }
        let terms = &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            ["nodeSelectorTerms"];
        for term in terms.as_array().into_iter().flatten() {
            for expression in term["matchExpressions"].as_array().into_iter().flatten() {
                let values = expression["values"].as_array().into_iter().flatten();
                if expression["operator"] == "In"
                    && let (Some(key), [value]) = (
                        expression["key"].as_str(),
                        values
                            .filter_map(Value::as_str)
                            .collect::<Vec<_>>()
                            .as_slice(),
                    )
                {
                    wanted.insert((key.to_owned(), (*value).to_owned()));
                }
            }
        }
    }
    if wanted.is_empty() {
        return;
    }
    let Ok(nodes) = cluster.list(NODE, false) else {
        checks.push(Check::not_checked("nodes", "nodes may not be seen"));
        return;
    };
    for (key, value) in wanted {
        let fitting = nodes
            .iter()
            .filter(|node| node["metadata"]["labels"][&key] == value.as_str())
            .count();
        let subject = format!("nodes with {key}={value}");
        checks.push(if fitting > 0 {
            Check::ok(subject, format!("{fitting}"))
        } else {
            Check::blocked(
                subject,
                "there is none, so these Pods would wait for ever",
                format!("kubectl label node NODE {key}={value}"),
            )
        });
    }
}

/// Ports on all nodes that others have already.
pub(super) fn node_ports(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
    let ports = |object: &Value| -> Vec<i64> {
        object["spec"]["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|port| port["nodePort"].as_i64())
            .collect()
    };
    let wanted: BTreeSet<i64> = objects
        .iter()
        .filter(|object| object["kind"] == "Service")
        .flat_map(|object| ports(object))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let Ok(services) = cluster.list(SERVICE, true) else {
        checks.push(Check::not_checked(
            "node ports",
            "services of other namespaces may not be seen",
        ));
        return;
    };
    let own: BTreeSet<&str> = objects
        .iter()
        .filter_map(|object| object["metadata"]["name"].as_str())
        .collect();
    let namespace = cluster.namespace();
    for service in &services {
        let name = service["metadata"]["name"].as_str().unwrap_or_default();
        let place = service["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default();
        if place == namespace && own.contains(name) {
            continue;
        }
        for port in ports(service)
            .into_iter()
            .filter(|port| wanted.contains(port))
        {
            checks.push(Check::blocked(
                format!("node port {port}"),
                format!("service {place}/{name} has it"),
                "Publish another port, or choose with --publish.",
            ));
        }
    }
}

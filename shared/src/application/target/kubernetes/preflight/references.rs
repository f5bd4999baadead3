//! What Pods ask for has to be there, or to come along.

use std::collections::BTreeSet;

use serde_json::Value;

use super::pod_spec;
use crate::application::target::Check;
use crate::application::target::kubernetes::{Kubernetes, ObjectName};

/// ConfigMaps, Secrets, claims and service accounts that Pods ask for and that are neither there nor made by us.
pub(super) fn references(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
    let made: BTreeSet<(String, String)> = objects
        .iter()
        .filter_map(|object| {
            Some((
                object["kind"].as_str()?.to_owned(),
                object["metadata"]["name"].as_str()?.to_owned(),
            ))
        })
        .collect();
    let mut wanted = BTreeSet::new();
    for object in objects {
        if let Some(pod) = pod_spec(object) {
            collect_references(pod, &mut wanted);
        }
    }
    for (kind, name) in wanted.difference(&made) {
        let subject = format!("{} {name}", kind.to_lowercase());
        // All of them are of the core group.
        match cluster.get(&ObjectName::of_kind(&format!("{kind}.v1."), name)) {
            Ok(None) => checks.push(Check::blocked(
                &subject,
                "the application needs it, and it is not there",
                match kind.as_str() {
                    "Secret" => {
                        format!("kubectl create secret generic {name} --from-file=KEY=FILE")
                    }
                    "ConfigMap" => format!("kubectl create configmap {name} --from-file=KEY=FILE"),
                    _ => format!("Make it, or change the name: {name}"),
                },
            )),
            Ok(_) => checks.push(Check::ok(&subject, "is there")),
            Err(error) => checks.push(Check::not_checked(&subject, error.message)),
        }
    }
}

fn collect_references(pod: &Value, wanted: &mut BTreeSet<(String, String)>) {
    let mut add = |kind: &str, value: &Value, optional: &Value| {
        if let Some(name) = value.as_str()
            && optional != true
        {
            wanted.insert((kind.to_owned(), name.to_owned()));
        }
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for volume in list(&pod["volumes"]) {
        add(
            "ConfigMap",
            &volume["configMap"]["name"],
            &volume["configMap"]["optional"],
        );
        add(
            "Secret",
            &volume["secret"]["secretName"],
            &volume["secret"]["optional"],
        );
        add(
            "PersistentVolumeClaim",
            &volume["persistentVolumeClaim"]["claimName"],
            &Value::Null,
        );
        for source in list(&volume["projected"]["sources"]) {
            add(
                "ConfigMap",
                &source["configMap"]["name"],
                &source["configMap"]["optional"],
            );
            add(
                "Secret",
                &source["secret"]["name"],
                &source["secret"]["optional"],
            );
        }
    }
    for secret in list(&pod["imagePullSecrets"]) {
        add("Secret", &secret["name"], &Value::Null);
    }
    add("ServiceAccount", &pod["serviceAccountName"], &Value::Null);
    for container in ["initContainers", "containers"]
        .iter()
        .flat_map(|key| list(&pod[key]))
    {
        for source in list(&container["envFrom"]) {
            add(
                "ConfigMap",
                &source["configMapRef"]["name"],
                &source["configMapRef"]["optional"],
            );
            add(
                "Secret",
                &source["secretRef"]["name"],
                &source["secretRef"]["optional"],
            );
        }
        for variable in list(&container["env"]) {
            let from = &variable["valueFrom"];
            add(
                "ConfigMap",
                &from["configMapKeyRef"]["name"],
                &from["configMapKeyRef"]["optional"],
            );
            add(
                "Secret",
                &from["secretKeyRef"]["name"],
                &from["secretKeyRef"]["optional"],
            );
        }
    }
}

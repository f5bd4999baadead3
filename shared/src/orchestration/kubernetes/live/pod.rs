//! What stands in the specification of a Pod: the defaults of the API server, and the objects that it refers to.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::strip::{drop_default, object_mut, objects_mut};

/// ConfigMaps that every namespace gets by itself.
const OF_THE_CLUSTER: [&str; 2] = ["kube-root-ca.crt", "openshift-service-ca.crt"];

/// Takes defaults out of a specification.
pub(super) fn strip(spec: &mut Map<String, Value>) {
    for (key, default) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("securityContext", json!({})),
        ("enableServiceLinks", json!(true)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
        ("serviceAccountName", json!("default")),
    ] {
        drop_default(spec, key, &default);
    }
    // The old name of serviceAccountName, and the number that a priority class stood for.
    spec.shift_remove("serviceAccount");
    spec.shift_remove("priority");
    for section in ["initContainers", "containers"] {
        for container in objects_mut(spec, section) {
            self::container(container);
        }
    }
    for volume in objects_mut(spec, "volumes") {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            if let Some(source) = object_mut(volume, source) {
                drop_default(source, "defaultMode", &json!(0o644));
                for item in objects_mut(source, "items") {
                    field_version(item);
                }
            }
        }
        if let Some(path) = object_mut(volume, "hostPath") {
            drop_default(path, "type", &json!(""));
        }
        if let Some(spec) = object_mut(volume, "ephemeral")
            .and_then(|ephemeral| object_mut(ephemeral, "volumeClaimTemplate"))
            .and_then(|template| object_mut(template, "spec"))
        {
            drop_default(spec, "volumeMode", &json!("Filesystem"));
        }
    }
}

fn container(container: &mut Map<String, Value>) {
    let image = container
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let pull = json!(default_pull_policy(image));
    for (key, default) in [
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
        ("imagePullPolicy", pull),
        ("resources", json!({})),
        ("securityContext", json!({})),
    ] {
        drop_default(container, key, &default);
    }
    for port in objects_mut(container, "ports") {
        drop_default(port, "protocol", &json!("TCP"));
    }
    for variable in objects_mut(container, "env") {
        if let Some(source) = object_mut(variable, "valueFrom") {
            field_version(source);
            if let Some(field) = object_mut(source, "resourceFieldRef") {
                drop_default(field, "divisor", &json!("0"));
            }
        }
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = object_mut(container, key) {
            for (key, default) in [
                ("timeoutSeconds", json!(1)),
                ("periodSeconds", json!(10)),
                ("successThreshold", json!(1)),
                ("failureThreshold", json!(3)),
            ] {
                drop_default(probe, key, &default);
            }
            handler(probe);
        }
    }
    if let Some(lifecycle) = object_mut(container, "lifecycle") {
        for key in ["postStart", "preStop"] {
            if let Some(hook) = object_mut(lifecycle, key) {
                handler(hook);
            }
        }
    }
}

fn handler(probe: &mut Map<String, Value>) {
    if let Some(request) = object_mut(probe, "httpGet") {
        drop_default(request, "scheme", &json!("HTTP"));
    }
    if let Some(request) = object_mut(probe, "grpc") {
        drop_default(request, "service", &json!(""));
    }
}

fn field_version(holder: &mut Map<String, Value>) {
    if let Some(field) = object_mut(holder, "fieldRef") {
        drop_default(field, "apiVersion", &json!("v1"));
    }
}

/// `Always` for what has no tag or the tag `latest`, else `IfNotPresent`.
fn default_pull_policy(image: &str) -> &'static str {
    if image.contains('@') {
        return "IfNotPresent";
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    match last.split_once(':') {
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}

/// The specification of the Pods of a workload.
pub(super) fn spec(object: &Value) -> Option<&Map<String, Value>> {
    object.pointer(pointer(object)?)?.as_object()
}

/// The same, to change it.
pub(super) fn spec_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let pointer = pointer(object)?;
    object.pointer_mut(pointer)?.as_object_mut()
}

fn pointer(object: &Value) -> Option<&'static str> {
    Some(match object["kind"].as_str()? {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    })
}

/// The labels that the Pods of a workload have.
pub(super) fn labels(object: &Value) -> Option<&Map<String, Value>> {
    let pointer = match object["kind"].as_str()? {
        "Pod" => "/metadata/labels",
        "CronJob" => "/spec/jobTemplate/spec/template/metadata/labels",
        _ => "/spec/template/metadata/labels",
    };
    object.pointer(pointer)?.as_object()
}

/// An object that a Pod needs: kind, name, and whether the Pod starts without it.
pub(super) type Reference = (&'static str, String, bool);

/// The ConfigMaps, Secrets and claims that a specification refers to.
pub(super) fn references(spec: &Map<String, Value>) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    let mut add = |kind: &'static str, name: &Value, holder: &Value| {
        if let Some(name) = name.as_str().filter(|name| !name.is_empty())
            && !(kind == "ConfigMap" && OF_THE_CLUSTER.contains(&name))
        {
            found.insert((kind, name.to_owned(), holder["optional"] == true));
        }
    };
    let list = |holder: &Value, key: &str| holder[key].as_array().cloned().unwrap_or_default();
    let spec = Value::Object(spec.clone());
    for section in ["initContainers", "containers"] {
        for container in list(&spec, section) {
            for source in list(&container, "envFrom") {
                add(
                    "ConfigMap",
                    &source["configMapRef"]["name"],
                    &source["configMapRef"],
                );
                add("Secret", &source["secretRef"]["name"], &source["secretRef"]);
            }
            for variable in list(&container, "env") {
                let source = &variable["valueFrom"];
                add(
                    "ConfigMap",
                    &source["configMapKeyRef"]["name"],
                    &source["configMapKeyRef"],
                );
                add(
                    "Secret",
                    &source["secretKeyRef"]["name"],
                    &source["secretKeyRef"],
                );
            }
        }
    }
    for volume in list(&spec, "volumes") {
        add(
            "ConfigMap",
            &volume["configMap"]["name"],
            &volume["configMap"],
        );
        add("Secret", &volume["secret"]["secretName"], &volume["secret"]);
        add(
            "PersistentVolumeClaim",
            &volume["persistentVolumeClaim"]["claimName"],
            &Value::Null,
        );
        for source in list(&volume["projected"], "sources") {
            add(
                "ConfigMap",
                &source["configMap"]["name"],
                &source["configMap"],
            );
            add("Secret", &source["secret"]["name"], &source["secret"]);
        }
        // Each provider of storage has its own word for the reference, and all of them hold a name.
        if let Some(sources) = volume.as_object() {
            for source in sources.values() {
                for key in ["secretRef", "nodePublishSecretRef"] {
                    add("Secret", &source[key]["name"], &Value::Null);
                }
            }
        }
    }
    for secret in list(&spec, "imagePullSecrets") {
        add("Secret", &secret["name"], &json!({"optional": true}));
    }
    found
}

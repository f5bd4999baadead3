//! What is looked at in a cluster before anything is changed. Needs no more rights than those for the namespace: what
//! these do not allow to see is said not to be checked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Kubernetes, ObjectName};
use crate::application::target::{Check, OnConflict};
use crate::orchestration::convert::to_yaml;
use crate::orchestration::output::Output;

/// Looks at a cluster.
pub(super) fn checks(cluster: &Kubernetes, output: &Output, conflict: OnConflict) -> Vec<Check> {
    let mut checks = Vec::new();
    let version = cluster.json(&["version", "--output=json", "--request-timeout=15s"]);
    match version
        .as_ref()
        .map(|version| version["serverVersion"]["gitVersion"].as_str())
    {
        Ok(Some(version)) => checks.push(Check::ok("cluster", format!("Kubernetes {version}"))),
        Ok(None) => {
            checks.push(unreachable("it does not tell its version"));
            return checks;
        }
        Err(error) => {
            checks.push(unreachable(&error.message));
            return checks;
        }
    }
    let objects: Vec<&Value> = output
        .documents
        .iter()
        .map(|document| &document.value)
        .collect();
    let namespace_is_new = namespace(cluster, &mut checks);
    permissions(cluster, &objects, &mut checks);
    if !namespace_is_new {
        existing(cluster, output, conflict, &mut checks);
        references(cluster, &objects, &mut checks);
        admission(cluster, &objects, &mut checks);
        quota(cluster, &objects, &mut checks);
    }
    classes(cluster, &objects, &mut checks);
    nodes(cluster, &objects, &mut checks);
    node_ports(cluster, &objects, &mut checks);
    checks
}

fn unreachable(reason: &str) -> Check {
    Check::blocked(
        "cluster",
        reason,
        "Choose the cluster with --kube-context NAME; `kubectl config get-contexts` lists them.",
    )
}

/// Whether the namespace is there. Returns whether it has to be made.
fn namespace(cluster: &Kubernetes, checks: &mut Vec<Check>) -> bool {
    let name = cluster.namespace();
    match cluster.json(&[
        "get",
        "namespace",
        &name,
        "--ignore-not-found",
        "--output=json",
    ]) {
        Ok(value) if value.is_null() => {
            let allowed = cluster
                .call(&["auth", "can-i", "create", "namespaces"])
                .is_ok();
            checks.push(if allowed {
                Check::ok("namespace", format!("{name} will be made"))
            } else {
                Check::blocked(
                    "namespace",
                    format!("{name} is not there, and you may not make it"),
                    format!("Ask for it: kubectl create namespace {name}"),
                )
            });
            true
        }
        Ok(_) => {
            checks.push(Check::ok("namespace", format!("{name} is there")));
            false
        }
        Err(_) => {
            checks.push(Check::not_checked(
                "namespace",
                format!("{name}: namespaces may not be seen"),
            ));
            false
        }
    }
}

fn permissions(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
    let kinds: BTreeSet<String> = objects
        .iter()
        .filter_map(|object| Some(ObjectName::of(object)?.kind))
        .collect();
    let mut missing = Vec::new();
    for kind in &kinds {
        for verb in ["create", "patch"] {
            let resource = resource(kind);
            if cluster
                .call(&["auth", "can-i", verb, &resource, "--quiet"])
                .is_err()
            {
                missing.push(format!("{verb} {resource}"));
            }
        }
    }
    checks.push(if missing.is_empty() {
        Check::ok(
            "permissions",
            format!("you may write all {} kinds", kinds.len()),
        )
    } else {
        Check::blocked(
            "permissions",
            format!("you may not: {}", missing.join(", ")),
            "Ask the cluster's administrator for a Role with these verbs.",
        )
    });
}

/// `Deployment.v1.apps` as `kubectl auth can-i` takes it: `deployments.apps`.
fn resource(kind: &str) -> String {
    let mut parts = kind.splitn(3, '.');
    let name = parts.next().unwrap_or_default().to_lowercase();
    let group = parts.nth(1).unwrap_or_default();
    let plural = match name.as_str() {
        name if name.ends_with("ss") || name.ends_with('x') => format!("{name}es"),
        name if name.ends_with("policy") => format!("{}ies", name.trim_end_matches('y')),
        name => format!("{name}s"),
    };
    if group.is_empty() {
        plural
    } else {
        format!("{plural}.{group}")
    }
}

/// Objects of the same name that are there already.
fn existing(cluster: &Kubernetes, output: &Output, conflict: OnConflict, checks: &mut Vec<Check>) {
    let live = match cluster.live(output) {
        Ok(live) => live,
        Err(error) => {
            checks.push(Check::not_checked("existing objects", error.message));
            return;
        }
    };
    let mut own = 0;
    let mut foreign = Vec::new();
    for (name, object) in live {
        let Some(object) = object else { continue };
        let managers = object["metadata"]["managedFields"]
            .as_array()
            .into_iter()
            .flatten();
        let labels = &object["metadata"]["labels"];
        let is_own = managers
            .into_iter()
            .any(|entry| entry["manager"] == super::MANAGER)
            || labels["app.kubernetes.io/managed-by"] == super::MANAGER;
        if is_own {
            own += 1;
        } else {
            let owner = labels["app.kubernetes.io/managed-by"]
                .as_str()
                .map(|by| format!(" (of {by})"));
            foreign.push(format!("{}{}", name.short(), owner.unwrap_or_default()));
        }
    }
    if own > 0 {
        checks.push(Check::ok(
            "existing objects",
            format!("{own} of an earlier run, which will be brought up to date"),
        ));
    }
    if foreign.is_empty() {
        return;
    }
    let seen = format!("not ours: {}", foreign.join(", "));
    checks.push(match conflict {
        OnConflict::Fail => Check::blocked(
            "existing objects",
            seen,
            "Choose another namespace, or say what to do: --on-conflict skip or --on-conflict overwrite",
        ),
        OnConflict::Skip => Check::warning("existing objects", seen, "They are left as they are (--on-conflict skip)."),
        OnConflict::Overwrite => Check::warning(
            "existing objects",
            seen,
            "They are changed (--on-conflict overwrite); `rollback` brings them back.",
        ),
    });
}

/// ConfigMaps, Secrets, claims and service accounts that Pods ask for and that are neither there nor made by us.
fn references(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
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
        match cluster.json(&["get", kind, name, "--ignore-not-found", "--output=json"]) {
            Ok(value) if value.is_null() => checks.push(Check::blocked(
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

fn pod_spec(object: &Value) -> Option<&Value> {
    match object["kind"].as_str()? {
        "Pod" => object.get("spec"),
        "CronJob" => object.pointer("/spec/jobTemplate/spec/template/spec"),
        _ => object.pointer("/spec/template/spec"),
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

/// What the API server and its admission say of the objects, without storing them.
fn admission(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
    let text = to_yaml(objects.iter().copied());
    let manager = format!("--field-manager={}", super::MANAGER);
    let arguments = [
        "apply",
        "--server-side",
        "--dry-run=server",
        "--force-conflicts",
        &manager,
        "--filename=-",
        "--output=name",
    ];
    checks.push(match cluster.call_with(&arguments, &text) {
        Ok(_) => Check::ok(
            "admission",
            format!("the cluster accepts all {} objects", objects.len()),
        ),
        Err(error) => Check::blocked(
            "admission",
            error.message,
            "Change what the message names, at the source or by an option.",
        ),
    });
}

/// Resource quotas against what the application asks for.
fn quota(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
    let Ok(quotas) = cluster.json(&["get", "resourcequotas", "--output=json"]) else {
        checks.push(Check::not_checked(
            "quota",
            "resource quotas may not be seen",
        ));
        return;
    };
    let pods: i64 = objects
        .iter()
        .filter(|object| pod_spec(object).is_some())
        .map(|object| object["spec"]["replicas"].as_i64().unwrap_or(1))
        .sum();
    for quota in quotas["items"].as_array().into_iter().flatten() {
        let name = quota["metadata"]["name"].as_str().unwrap_or_default();
        let number = |kind: &str| {
            quota["status"][kind]["pods"]
                .as_str()
                .and_then(|text| text.parse::<i64>().ok())
        };
        if let (Some(hard), Some(used)) = (number("hard"), number("used"))
            && used + pods > hard
        {
            checks.push(Check::blocked(
                format!("quota {name}"),
                format!("{pods} pods are needed, {} of {hard} are free", hard - used),
                "Ask for a higher quota, or choose another namespace.",
            ));
        }
    }
}

/// Storage and ingress classes that are named.
fn classes(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
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
    for (kind, names) in &wanted {
        for name in names {
            let subject = format!("{kind} {name}");
            match cluster.json(&["get", kind, name, "--ignore-not-found", "--output=json"]) {
                Ok(value) if value.is_null() => checks.push(Check::blocked(
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
        match cluster.json(&["get", "storageclasses", "--output=json"]) {
            Ok(list) => {
                let has_default = list["items"].as_array().into_iter().flatten().any(|class| {
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
fn nodes(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
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
    let Ok(nodes) = cluster.json(&["get", "nodes", "--output=json"]) else {
        checks.push(Check::not_checked("nodes", "nodes may not be seen"));
        return;
    };
    for (key, value) in wanted {
        let fitting = nodes["items"]
            .as_array()
            .into_iter()
            .flatten()
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
fn node_ports(cluster: &Kubernetes, objects: &[&Value], checks: &mut Vec<Check>) {
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
    let Ok(services) = cluster.json(&["get", "services", "--all-namespaces", "--output=json"])
    else {
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
    for service in services["items"].as_array().into_iter().flatten() {
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

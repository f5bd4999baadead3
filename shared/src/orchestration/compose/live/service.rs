//! A service of a Swarm as a service of a stack file.

use serde_json::{Value, json};

use super::container;
use super::shared::Shared;
use super::spec::{Spec, labels, put, sorted, text, time};

/// Writes a service. Names in `lost` what a stack file cannot say.
pub(super) fn write(
    service: Value,
    key: &str,
    shared: &mut Shared<'_>,
    lost: &mut Vec<String>,
) -> Value {
    let mut spec = Spec::new("Spec", service);
    let _name = spec.take("Name");
    let mut task = spec.inner("Spec.TaskTemplate", "TaskTemplate");
    let container = task.take("ContainerSpec");
    let mut document = container::write(container, shared, lost);

    let old_networks = spec.take("Networks");
    let networks = match task.take("Networks") {
        Value::Null => old_networks,
        networks => networks,
    };
    put(
        &mut document,
        "networks",
        attachments(&networks, key, shared),
    );

    let mut log = task.inner("Spec.TaskTemplate.LogDriver", "LogDriver");
    let mut logging = json!({});
    put(&mut logging, "driver", log.take("Name"));
    put(&mut logging, "options", sorted(log.take("Options")));
    put(&mut document, "logging", logging);
    log.end(lost);

    let mut deploy = json!({});
    mode(spec.take("Mode"), &mut deploy, lost);
    put(&mut deploy, "labels", labels(spec.take("Labels")));
    put(
        &mut deploy,
        "resources",
        resources(task.take("Resources"), lost),
    );
    put(
        &mut deploy,
        "restart_policy",
        restart(task.take("RestartPolicy"), lost),
    );
    put(
        &mut deploy,
        "placement",
        placement(task.take("Placement"), lost),
    );
    put(
        &mut deploy,
        "update_config",
        rollout(spec.take("UpdateConfig"), "Spec.UpdateConfig", lost),
    );
    put(
        &mut deploy,
        "rollback_config",
        rollout(spec.take("RollbackConfig"), "Spec.RollbackConfig", lost),
    );

    let mut endpoint = spec.inner("Spec.EndpointSpec", "EndpointSpec");
    let mode = endpoint.take("Mode");
    if mode != "vip" {
        put(&mut deploy, "endpoint_mode", mode);
    }
    let ports: Vec<Value> = list(&endpoint.take("Ports"))
        .map(|port| self::port(port, lost))
        .collect();
    put(&mut document, "ports", ports.into());
    endpoint.end(lost);
    document["deploy"] = deploy;

    // A counter for forced restarts, and the one runtime that has containers.
    let _restarts = task.take("ForceUpdate");
    task.ignore("Runtime", &json!("container"));
    task.end(lost);
    spec.end(lost);
    document
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = Value> + use<> {
    value.as_array().cloned().unwrap_or_default().into_iter()
}

fn attachments(networks: &Value, key: &str, shared: &mut Shared<'_>) -> Value {
    let mut document = json!({});
    for network in list(networks) {
        let name = shared.network(&text(&network["Target"]));
        let mut settings = json!({});
        let aliases: Vec<Value> = list(&network["Aliases"])
            .filter(|alias| alias != key)
            .collect();
        put(&mut settings, "aliases", aliases.into());
        put(
            &mut settings,
            "driver_opts",
            sorted(network["DriverOpts"].clone()),
        );
        document[name] = settings;
    }
    if document == json!({"default": {}}) {
        return Value::Null;
    }
    // An attachment without settings says something too.
    if document
        .as_object()
        .is_some_and(|map| !map.is_empty() && map.values().all(super::spec::is_empty))
    {
        return document
            .as_object()
            .into_iter()
            .flat_map(|map| map.keys())
            .map(|name| Value::from(name.as_str()))
            .collect();
    }
    document
}

fn mode(mode: Value, deploy: &mut Value, lost: &mut Vec<String>) {
    let mut spec = Spec::new("Spec.Mode", mode);
    let replicated = spec.take("Replicated");
    let job = spec.take("ReplicatedJob");
    if replicated.is_object() {
        // Zero is a number of replicas too; one is the default.
        if let Some(replicas) = replicated["Replicas"].as_u64().filter(|n| *n != 1) {
            deploy["replicas"] = json!(replicas);
        }
    } else if spec.take("Global").is_object() {
        deploy["mode"] = json!("global");
    } else if job.is_object() {
        deploy["mode"] = json!("replicated-job");
        deploy["replicas"] = json!(job["TotalCompletions"].as_u64().unwrap_or(1));
        if job["MaxConcurrent"] != job["TotalCompletions"] && !job["MaxConcurrent"].is_null() {
            lost.push("Spec.Mode.ReplicatedJob.MaxConcurrent".to_owned());
        }
    } else if spec.take("GlobalJob").is_object() {
        deploy["mode"] = json!("global-job");
    }
    spec.end(lost);
}

fn resources(resources: Value, lost: &mut Vec<String>) -> Value {
    let mut spec = Spec::new("Spec.TaskTemplate.Resources", resources);
    let mut document = json!({});
    for (from, to) in [("Limits", "limits"), ("Reservations", "reservations")] {
        let mut amounts = Spec::new("Spec.TaskTemplate.Resources.*", spec.take(from));
        let mut written = json!({});
        if let Some(cpus) = amounts.take("NanoCPUs").as_u64().filter(|cpus| *cpus > 0) {
            let (whole, rest) = (cpus / 1_000_000_000, cpus % 1_000_000_000);
            let text = format!("{whole}.{rest:09}");
            let text = text.trim_end_matches('0').trim_end_matches('.');
            written["cpus"] = text.into();
        }
        if let Some(bytes) = amounts
            .take("MemoryBytes")
            .as_u64()
            .filter(|bytes| *bytes > 0)
        {
            written["memory"] = bytes.to_string().into();
        }
        put(&mut written, "pids", amounts.take("Pids"));
        let generic: Vec<Value> = list(&amounts.take("GenericResources"))
            .filter_map(|resource| {
                let discrete = &resource["DiscreteResourceSpec"];
                if discrete.is_null() {
                    lost.push("Spec.TaskTemplate.Resources.GenericResources.NamedResourceSpec".to_owned());
                    return None;
                }
                Some(json!({"discrete_resource_spec": {"kind": discrete["Kind"], "value": discrete["Value"]}}))
            })
            .collect();
        put(&mut written, "generic_resources", generic.into());
        amounts.end(lost);
        put(&mut document, to, written);
    }
    spec.end(lost);
    document
}

fn restart(policy: Value, lost: &mut Vec<String>) -> Value {
    let mut spec = Spec::new("Spec.TaskTemplate.RestartPolicy", policy);
    let condition = spec.take("Condition");
    let (delay, attempts, window) = (
        spec.take("Delay"),
        spec.take("MaxAttempts"),
        spec.take("Window"),
    );
    spec.end(lost);
    let is_default = (condition.is_null() || condition == "any")
        && (delay.is_null() || delay == 5_000_000_000_i64)
        && super::spec::is_empty(&attempts)
        && super::spec::is_empty(&window);
    if is_default {
        return Value::Null;
    }
    let mut document = json!({});
    put(&mut document, "condition", condition);
    put(&mut document, "delay", time(&delay));
    put(&mut document, "max_attempts", attempts);
    put(&mut document, "window", time(&window));
    document
}

fn placement(placement: Value, lost: &mut Vec<String>) -> Value {
    let mut spec = Spec::new("Spec.TaskTemplate.Placement", placement);
    let mut document = json!({});
    put(&mut document, "constraints", spec.take("Constraints"));
    let preferences: Vec<Value> = list(&spec.take("Preferences"))
        .map(|preference| json!({"spread": preference["Spread"]["SpreadDescriptor"]}))
        .collect();
    put(&mut document, "preferences", preferences.into());
    put(
        &mut document,
        "max_replicas_per_node",
        spec.take("MaxReplicas"),
    );
    // What the registry said about the image when the service was made.
    let _platforms = spec.take("Platforms");
    spec.end(lost);
    document
}

fn rollout(config: Value, path: &'static str, lost: &mut Vec<String>) -> Value {
    let mut spec = Spec::new(path, config);
    let mut document = json!({});
    let parallelism = spec.take("Parallelism");
    // Zero is all at once; one is the default.
    if let Some(parallelism) = parallelism.as_u64().filter(|parallelism| *parallelism != 1) {
        document["parallelism"] = json!(parallelism);
    }
    put(&mut document, "delay", time(&spec.take("Delay")));
    spec.ignore("FailureAction", &json!("pause"));
    put(&mut document, "failure_action", spec.take("FailureAction"));
    spec.ignore("Monitor", &json!(5_000_000_000_i64));
    put(&mut document, "monitor", time(&spec.take("Monitor")));
    put(
        &mut document,
        "max_failure_ratio",
        spec.take("MaxFailureRatio"),
    );
    spec.ignore("Order", &json!("stop-first"));
    put(&mut document, "order", spec.take("Order"));
    spec.end(lost);
    document
}

fn port(port: Value, lost: &mut Vec<String>) -> Value {
    let mut spec = Spec::new("Spec.EndpointSpec.Ports", port);
    let mut document = json!({"target": spec.take("TargetPort")});
    if let Some(published) = spec.take("PublishedPort").as_u64().filter(|port| *port > 0) {
        document["published"] = json!(published);
    }
    spec.ignore("Protocol", &json!("tcp"));
    spec.ignore("PublishMode", &json!("ingress"));
    for (from, to) in [("Protocol", "protocol"), ("PublishMode", "mode")] {
        put(&mut document, to, spec.take(from));
    }
    spec.end(lost);
    document
}

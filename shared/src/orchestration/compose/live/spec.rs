//! A specification of the engine: fields are taken out, and what is left at the end has no word in a stack file.

use serde_json::{Map, Value, json};

/// Fields of an object of the API.
pub(super) struct Spec {
    path: &'static str,
    fields: Map<String, Value>,
}

impl Spec {
    pub(super) fn new(path: &'static str, value: Value) -> Self {
        let fields = match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Self { path, fields }
    }

    /// Takes a field; `Null` if it is absent.
    pub(super) fn take(&mut self, key: &str) -> Value {
        self.fields.shift_remove(key).unwrap_or_default()
    }

    /// Takes an object.
    pub(super) fn inner(&mut self, path: &'static str, key: &str) -> Self {
        Self::new(path, self.take(key))
    }

    /// Takes a field that says nothing if it has this value.
    pub(super) fn ignore(&mut self, key: &str, default: &Value) {
        if self.fields.get(key) == Some(default) {
            self.fields.shift_remove(key);
        }
    }

    /// Names what is left and says something.
    pub(super) fn end(self, lost: &mut Vec<String>) {
        for (key, value) in self.fields {
            if !is_empty(&value) {
                lost.push(format!("{}.{key}", self.path));
            }
        }
    }
}

/// Names what an object has beside the fields that are known, if it says something.
pub(super) fn unknown(path: &str, object: &Value, known: &[&str]) -> Vec<String> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| !known.contains(&key.as_str()) && !is_empty(value))
        .map(|(key, _)| format!("{path}.{key}"))
        .collect()
}

/// What a network has that no file can say. What the engine itself adds to every network is known.
pub(super) fn lost_of_network(network: &Value) -> Vec<String> {
    let mut lost = unknown(
        "Network",
        network,
        &[
            "Name",
            "Id",
            "Created",
            "Scope",
            "Driver",
            "EnableIPv4",
            "EnableIPv6",
            "IPAM",
            "Internal",
            "Attachable",
            "ConfigFrom",
            "Containers",
            "Services",
            "Options",
            "Labels",
            "Peers",
            "Status",
        ],
    );
    lost.extend(unknown("Network.ConfigFrom", &network["ConfigFrom"], &[]));
    // Subnets are given by the engine where nobody asked for one; which was the case is not to be seen.
    lost.extend(unknown(
        "Network.IPAM",
        &network["IPAM"],
        &["Driver", "Config"],
    ));
    if !["default", ""].contains(&text(&network["IPAM"]["Driver"]).as_str()) {
        lost.push("Network.IPAM.Driver".to_owned());
    }
    lost
}

/// Whether a value says nothing: what Go leaves at its zero.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}

/// Puts a value into a document, unless it says nothing.
pub(super) fn put(document: &mut Value, key: &str, value: Value) {
    if !is_empty(&value) {
        document[key] = value;
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Nanoseconds as Compose writes times.
pub(super) fn time(value: &Value) -> Value {
    match value.as_i64() {
        None | Some(0) => Value::Null,
        Some(nanos) if nanos % 1_000_000_000 == 0 => format!("{}s", nanos / 1_000_000_000).into(),
        Some(nanos) if nanos % 1_000_000 == 0 => format!("{}ms", nanos / 1_000_000).into(),
        Some(nanos) => format!("{nanos}ns").into(),
    }
}

/// A health check as Compose has it; `path` is where the engine has it.
pub(super) fn health(path: &'static str, check: Value, lost: &mut Vec<String>) -> Value {
    let mut spec = Spec::new(path, check);
    let mut document = json!({});
    let test = spec.take("Test");
    if test[0] == "NONE" {
        document["disable"] = json!(true);
    } else {
        put(&mut document, "test", test);
    }
    for (from, to) in [
        ("Interval", "interval"),
        ("Timeout", "timeout"),
        ("StartPeriod", "start_period"),
        ("StartInterval", "start_interval"),
    ] {
        put(&mut document, to, time(&spec.take(from)));
    }
    put(&mut document, "retries", spec.take("Retries"));
    spec.end(lost);
    document
}

/// Labels without those that the engine or `docker stack deploy` gave.
pub(super) fn labels(value: Value) -> Value {
    let Value::Object(mut labels) = value else {
        return Value::Null;
    };
    labels.retain(|key, _| !key.starts_with("com.docker.stack."));
    labels.sort_keys();
    Value::Object(labels)
}

/// Options in a fixed order.
pub(super) fn sorted(mut value: Value) -> Value {
    value.sort_all_objects();
    value
}

/// Texts with `$` doubled, so that none of them is taken for a variable.
pub(super) fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) => text.replace('$', "$$").into(),
        Value::Array(items) => items.into_iter().map(escaped).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, value)| (key, escaped(value)))
                .collect(),
        ),
        other => other,
    }
}

//! Small helpers around JSON mappings with preserved order.

use serde_json::Value;

use crate::source::Sourced;

/// A mapping of the document, in writing order.
pub(super) type Map = serde_json::Map<String, Value>;

/// Sets a key.
pub(super) fn put(map: &mut Map, key: &str, value: impl Into<Value>) {
    map.insert(key.to_owned(), value.into());
}

/// Sets a key if there is a value.
pub(super) fn put_some<T: Into<Value>>(map: &mut Map, key: &str, value: Option<T>) {
    if let Some(value) = value {
        put(map, key, value);
    }
}

/// Sets a key unless the mapping is empty.
pub(super) fn put_map(map: &mut Map, key: &str, value: Map) {
    if !value.is_empty() {
        put(map, key, value);
    }
}

/// Sets a key unless the list is empty.
pub(super) fn put_list(map: &mut Map, key: &str, value: Vec<Value>) {
    if !value.is_empty() {
        put(map, key, value);
    }
}

/// A boolean of the model.
pub(super) fn flag(value: Option<&Sourced<bool>>) -> Option<bool> {
    value.map(|v| v.value)
}

/// Texts as a list without doubles: the schemas ask for unique items.
pub(super) fn unique<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    items
        .into_iter()
        .map(Into::into)
        .filter(|text: &String| seen.insert(text.clone()))
        .map(Value::String)
        .collect()
}

/// Words as a list.
pub(super) fn words(items: &[String]) -> Value {
    Value::Array(items.iter().cloned().map(Value::String).collect())
}

/// Doubles every `$` in values: both `docker compose` and `docker stack` interpolate all strings of a file, but no
/// keys (Compose specification, interpolation).
pub(super) fn escape_dollars(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.contains('$') {
                *text = text.replace('$', "$$");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(escape_dollars),
        Value::Object(map) => map.values_mut().for_each(escape_dollars),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dollars_in_values_only() {
        let mut value = json!({"a$b": ["$x", {"c": "no", "d": "${Y}$$"}], "n": 1});
        escape_dollars(&mut value);
        assert_eq!(
            value,
            json!({"a$b": ["$$x", {"c": "no", "d": "$${Y}$$$$"}], "n": 1})
        );
    }

    #[test]
    fn lists_have_unique_items() {
        assert_eq!(unique(["a", "b", "a"]), vec![json!("a"), json!("b")]);
    }
}

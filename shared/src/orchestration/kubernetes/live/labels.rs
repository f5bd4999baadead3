//! Label selectors, as the API has them.

use serde_json::{Map, Value};

/// Whether a plain map of labels, as a Service has it, is met. An empty one selects nothing.
pub(super) fn equals(selector: &Value, labels: &Map<String, Value>) -> bool {
    selector.as_object().is_some_and(|wanted| {
        !wanted.is_empty()
            && wanted
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
    })
}

/// Whether a `LabelSelector` is met. An empty one selects all.
pub(super) fn matches(selector: &Value, labels: &Map<String, Value>) -> bool {
    let Some(fields) = selector.as_object() else {
        return false;
    };
    let equal = fields
        .get("matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    let expressions = fields
        .get("matchExpressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .all(|expression| {
            let key = expression["key"].as_str().unwrap_or_default();
            let listed = |value: &Value| {
                expression["values"]
                    .as_array()
                    .is_some_and(|values| values.contains(value))
            };
            match (expression["operator"].as_str(), labels.get(key)) {
                (Some("In"), Some(value)) => listed(value),
                (Some("NotIn"), Some(value)) => !listed(value),
                (Some("NotIn" | "DoesNotExist"), None) | (Some("Exists"), Some(_)) => true,
                _ => false,
            }
        });
    equal && expressions
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_mean_what_the_api_says() {
        let labels = json!({"app": "web", "tier": "front"});
        let labels = labels.as_object().unwrap();
        assert!(equals(&json!({"app": "web"}), labels));
        assert!(!equals(&json!({}), labels));
        assert!(!equals(&json!({"app": "web", "x": "y"}), labels));
        assert!(matches(&json!({}), labels));
        let expression = |operator: &str, key: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        assert!(matches(&expression("In", "app", &["web", "db"]), labels));
        assert!(!matches(&expression("NotIn", "app", &["web"]), labels));
        assert!(matches(&expression("NotIn", "x", &["web"]), labels));
        assert!(matches(&expression("DoesNotExist", "x", &[]), labels));
        assert!(!matches(&expression("Exists", "x", &[]), labels));
        assert!(!matches(&json!({"matchLabels": {"app": "db"}}), labels));
    }
}

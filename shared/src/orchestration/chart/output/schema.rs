//! `values.schema.json`, where it forbids what a value has to become.

use serde_json::Value as Json;

use super::super::yaml::Step;

/// The schema with a value allowed at a path; nothing, if it is allowed already or the schema has no word on it.
pub(crate) fn allow(text: &str, path: &[Step], value: &Json) -> Option<String> {
    let mut schema: Json = serde_json::from_str(text).ok()?;
    let mut changed = false;
    allow_at(&mut schema, path, value, &mut changed, 0);
    if !changed {
        return None;
    }
    let indent = text
        .lines()
        .find_map(|line| {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            (spaces > 0).then_some(spaces)
        })
        .unwrap_or(2);
    let pad = " ".repeat(indent);
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(pad.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(&schema, &mut serializer).ok()?;
    let mut out = String::from_utf8(out).ok()?;
    if text.ends_with('\n') {
        out.push('\n');
    }
    Some(out)
}

fn allow_at(schema: &mut Json, path: &[Step], value: &Json, changed: &mut bool, depth: usize) {
    if depth > 64 {
        return;
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        if let Some(Json::Array(all)) = schema.get_mut(key) {
            for one in all {
                allow_at(one, path, value, changed, depth + 1);
            }
        }
    }
    match path.split_first() {
        None => allow_value(schema, value, changed),
        Some((Step::Key(key), rest)) => {
            if let Some(inner) = schema.pointer_mut(&format!(
                "/properties/{}",
                key.replace('~', "~0").replace('/', "~1")
            )) {
                allow_at(inner, rest, value, changed, depth + 1);
                return;
            }
            match schema.get_mut("additionalProperties") {
                Some(Json::Bool(false)) => {
                    let inner = rest.is_empty();
                    if let Some(map) = schema.as_object_mut() {
                        let properties = map
                            .entry("properties")
                            .or_insert_with(|| Json::Object(serde_json::Map::new()));
                        if inner && let Some(properties) = properties.as_object_mut() {
                            properties.insert(key.clone(), serde_json::json!({}));
                            *changed = true;
                        }
                    }
                }
                Some(inner @ Json::Object(_)) => allow_at(inner, rest, value, changed, depth + 1),
                _ => {}
            }
        }
        Some((Step::Index(_), rest)) => {
            if let Some(items) = schema.get_mut("items") {
                allow_at(items, rest, value, changed, depth + 1);
            }
        }
    }
}

fn allow_value(schema: &mut Json, value: &Json, changed: &mut bool) {
    if let Some(Json::Array(allowed)) = schema.get_mut("enum")
        && !allowed.contains(value)
    {
        allowed.push(value.clone());
        *changed = true;
    }
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    if map.get("const").is_some_and(|only| only != value) {
        if let Some(only) = map.remove("const") {
            map.insert("enum".into(), Json::Array(vec![only, value.clone()]));
        }
        *changed = true;
    }
    if let (Some(Json::String(pattern)), Some(text)) = (map.get("pattern").cloned(), value.as_str())
        && regex::Regex::new(&pattern).is_ok_and(|regex| !regex.is_match(text))
    {
        let both = format!("(?:{pattern})|(?:^{}$)", regex::escape(text));
        map.insert("pattern".into(), Json::from(both));
        *changed = true;
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count();
        if map
            .get("maxLength")
            .and_then(Json::as_u64)
            .is_some_and(|most| most < length as u64)
        {
            map.insert("maxLength".into(), Json::from(length));
            *changed = true;
        }
    }
    if let Some(number) = value.as_f64() {
        for (bound, wrong) in [("maximum", true), ("minimum", false)] {
            let outside = map.get(bound).and_then(Json::as_f64).is_some_and(|limit| {
                if wrong {
                    number > limit
                } else {
                    number < limit
                }
            });
            if outside {
                map.insert(bound.into(), value.clone());
                *changed = true;
            }
        }
    }
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let fits = |allowed: &Json| allowed == kind || (allowed == "integer" && value.is_i64());
    match map.get_mut("type") {
        Some(Json::Array(types)) if !types.iter().any(fits) => {
            types.push(Json::from(kind));
            *changed = true;
        }
        Some(one @ Json::String(_)) if !fits(one) => {
            let old = one.clone();
            *one = Json::Array(vec![old, Json::from(kind)]);
            *changed = true;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(keys: &[&str]) -> Vec<Step> {
        keys.iter().map(|k| Step::Key((*k).into())).collect()
    }

    #[test]
    fn what_a_value_becomes_is_allowed() {
        let text = "{\n    \"properties\": {\n        \"a\": {\n            \"enum\": [\n                \"x\"\n            ]\n        },\n        \"b\": {\n            \"pattern\": \"^csi-\"\n        },\n        \"c\": {\n            \"additionalProperties\": false\n        }\n    }\n}\n";
        let new = allow(text, &path(&["a"]), &json!("y")).unwrap();
        assert_eq!(
            new,
            text.replace("\"x\"\n", "\"x\",\n                \"y\"\n")
        );
        let new = allow(text, &path(&["b"]), &json!("essd")).unwrap();
        assert!(new.contains("(?:^csi-)|(?:^essd$)"));
        assert!(allow(text, &path(&["b"]), &json!("csi-x")).is_none());
        assert!(
            allow(text, &path(&["c", "k"]), &json!(1))
                .unwrap()
                .contains("\"k\": {}")
        );
        assert!(allow(text, &path(&["other"]), &json!(1)).is_none());
    }
}

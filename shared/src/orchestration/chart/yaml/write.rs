//! Values as YAML text.

use serde_json::Value as Json;

use super::tree::Style;
use crate::source::emit;

pub(super) fn is_flow_value(value: &Json) -> bool {
    match value {
        Json::Object(map) => map.is_empty(),
        Json::Array(items) => {
            items.len() < 4 && items.iter().all(|i| !i.is_object() && !i.is_array())
        }
        _ => false,
    }
}

/// A scalar in the style of the one it replaces, as far as it can be written so.
pub(crate) fn render_value(value: &Json, style: Style) -> String {
    match (value, style) {
        (Json::String(text), Style::Double) => {
            serde_json::to_string(text).unwrap_or_else(|_| format!("{text:?}"))
        }
        (Json::String(text), Style::Single) if !text.contains(['\n', '\t']) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        (Json::Object(_) | Json::Array(_), _) => flow(value),
        (other, _) => emit(other).trim_end_matches('\n').to_owned(),
    }
}

/// JSON is YAML in flow style.
pub(super) fn flow(value: &Json) -> String {
    match value {
        Json::String(text) => {
            let plain = emit(&Json::String(text.clone()));
            let plain = plain.trim_end();
            if plain == text && !text.contains([',', '[', ']', '{', '}', ':', '#']) {
                text.clone()
            } else {
                serde_json::to_string(value).unwrap_or_default()
            }
        }
        Json::Array(items) => format!(
            "[{}]",
            items.iter().map(flow).collect::<Vec<_>>().join(", ")
        ),
        Json::Object(map) => format!(
            "{{{}}}",
            map.iter()
                .map(|(k, v)| format!("{}: {}", flow(&Json::from(k.as_str())), flow(v)))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        other => other.to_string(),
    }
}

/// Each line with so many spaces before it; without the last line feed.
pub(crate) fn indented(text: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    text.trim_end_matches('\n')
        .split('\n')
        .map(|line| {
            if line.is_empty() {
                String::new()
            } else {
                format!("{pad}{line}")
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

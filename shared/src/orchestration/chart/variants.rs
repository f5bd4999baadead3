//! The ways in which a chart is rendered: with its default values, with each values file, and with the parts switched
//! on that are off by default, and off that are on.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::helm::RELEASE;
use super::work::{Origin, UserFile, Variant};

/// The variants for which the law must hold: the default values, each values file on its own, and all together.
pub(crate) fn required(user: &[UserFile]) -> Vec<Variant> {
    let variant = |name: String, files: Vec<usize>| Variant {
        name,
        files,
        overlay: Json::Null,
        release: RELEASE.into(),
        required: true,
    };
    let mut variants = vec![variant("the default values".into(), Vec::new())];
    for (index, file) in user.iter().enumerate() {
        // Options are given together with the files, and only mean something with them.
        let alone = match file.origin {
            Origin::Given => true,
            Origin::Options => user.len() == 1,
            Origin::Together => false,
        };
        if !alone {
            continue;
        }
        variants.push(variant(format!("`{}`", file.name), vec![index]));
    }
    if user.len() > 1 {
        variants.push(variant(
            "all values together".into(),
            (0..user.len()).collect(),
        ));
    }
    variants
}

/// Variants with switches on that are off in the values (all of them, and all that are named `enabled` or `create`), with
/// switches off that are on, and with another name of the release.
pub(crate) fn optional(values: &Json) -> Vec<Variant> {
    let mut variants = vec![Variant {
        name: "another release name".into(),
        files: Vec::new(),
        overlay: Json::Null,
        release: "elsewhere".into(),
        required: false,
    }];
    let mut seen = BTreeSet::new();
    for (name, overlay) in [
        ("every switch on", switched(values, true, true)),
        ("every `enabled` on", switched(values, true, false)),
        ("every switch off", switched(values, false, true)),
    ] {
        if let Some(overlay) = overlay
            && seen.insert(overlay.to_string())
        {
            variants.push(Variant {
                name: name.into(),
                files: Vec::new(),
                overlay,
                release: RELEASE.into(),
                required: false,
            });
        }
    }
    variants
}

/// An overlay that turns switches on, or off; `any` switch, or only those named `enabled` or `create`.
fn switched(values: &Json, on: bool, any: bool) -> Option<Json> {
    let Json::Object(map) = values else {
        return None;
    };
    let mut out = Map::new();
    for (key, value) in map {
        if key == "global" && !any {
            continue;
        }
        match value {
            Json::Bool(is)
                if *is != on && (any || matches!(key.as_str(), "enabled" | "create")) =>
            {
                out.insert(key.clone(), Json::Bool(on));
            }
            Json::Object(_) => {
                if let Some(inner) = switched(value, on, any) {
                    out.insert(key.clone(), inner);
                }
            }
            _ => {}
        }
    }
    (!out.is_empty()).then_some(Json::Object(out))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn switches_are_turned_on() {
        let values = json!({"a": {"enabled": false, "debug": false}, "b": true, "c": [false]});
        assert_eq!(
            switched(&values, true, true),
            Some(json!({"a": {"enabled": true, "debug": true}}))
        );
        assert_eq!(
            switched(&values, true, false),
            Some(json!({"a": {"enabled": true}}))
        );
        assert_eq!(switched(&values, false, true), Some(json!({"b": false})));
        assert_eq!(optional(&json!({"a": 1})).len(), 1);
    }
}

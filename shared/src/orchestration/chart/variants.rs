//! The ways in which a chart is rendered: with its default values, with each values file, and with the parts switched
//! on that are off by default, and off that are on.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::helm::{OTHER_RELEASE, RELEASE};
use super::work::{Origin, UserFile, Variant};
use crate::orchestration::provider::Provider;

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
        release: OTHER_RELEASE.into(),
        ..tried("another release name", Json::Null)
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
            variants.push(tried(name, overlay));
        }
    }
    variants
}

/// A variant that need not hold: the default values with others on top.
fn tried(name: &str, overlay: Json) -> Variant {
    Variant {
        name: name.into(),
        files: Vec::new(),
        overlay,
        release: RELEASE.into(),
        required: false,
    }
}

/// Names of the variants of [`exposures`].
const EXPOSURES: [&str; 2] = ["every exposure internal", "every exposure public"];

/// Whether a variant is one of [`exposures`].
pub(crate) fn is_exposure(variant: &Variant) -> bool {
    EXPOSURES.contains(&variant.name.as_str())
}

/// Variants in which all values that are the source's words for who can reach the application are those for internal,
/// and those for public. A value that is converted for one word only would pass the others on, and the word that it had
/// as well when somebody sets it; a provider may take what it does not know for public.
pub(crate) fn exposures(values: &Json, from: &Provider) -> Vec<Variant> {
    let catalog = from.catalog();
    let sections = [&catalog.service, &catalog.ingress.settings];
    let rows = sections
        .into_iter()
        .filter_map(|section| section.rows.get("scope"))
        .flat_map(|rows| rows.iter());
    // For each word, those of the row that has it.
    let words: Vec<[Vec<String>; 2]> = rows
        .map(|row| {
            ["internal", "public"].map(|scope| {
                let words = row.words.get(scope).into_iter().flat_map(|w| w.iter());
                words
                    .filter(|word| !word.is_empty() && !word.contains('*'))
                    .cloned()
                    .collect()
            })
        })
        .filter(|words: &[Vec<String>; 2]| words.iter().all(|words| !words.is_empty()))
        .collect();
    let mut variants = Vec::new();
    for (index, name) in EXPOSURES.into_iter().enumerate() {
        let other = |word: &str| {
            let own = words.iter().find(|row| {
                let mut all = row.iter().flatten();
                all.any(|known| known == word)
            })?;
            own[index].first().cloned()
        };
        if let Some(overlay) = reworded(values, &other) {
            variants.push(tried(name, overlay));
        }
    }
    variants
}

/// An overlay with other words in the place of those that `other` knows. Keys of annotations are the source's own, and
/// are converted with their values.
fn reworded(values: &Json, other: &impl Fn(&str) -> Option<String>) -> Option<Json> {
    let Json::Object(map) = values else {
        return None;
    };
    let mut out = Map::new();
    for (key, value) in map.iter().filter(|(key, _)| !key.contains('/')) {
        let new = match value {
            Json::String(text) => other(text).map(Json::String),
            _ => reworded(value, other),
        };
        if let Some(new) = new {
            out.insert(key.clone(), new);
        }
    }
    (!out.is_empty()).then_some(Json::Object(out))
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

    #[test]
    fn words_of_exposure_have_others() {
        let aws = Provider::named("aws").unwrap();
        let values = json!({
            "web": {"scheme": "internal", "annotations": {"a/b": "internal"}},
            "api": {"scheme": "internet-facing"},
            "other": "external",
        });
        let overlays: Vec<Json> = exposures(&values, &aws)
            .into_iter()
            .map(|variant| variant.overlay)
            .collect();
        assert_eq!(
            overlays,
            [
                json!({"web": {"scheme": "internal"}, "api": {"scheme": "internal"}}),
                json!({"web": {"scheme": "internet-facing"}, "api": {"scheme": "internet-facing"}}),
            ]
        );
    }
}

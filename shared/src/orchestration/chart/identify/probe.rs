//! Values with words that nothing else has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::super::render::Document;
use super::super::yaml::{Step, Tree};

/// A value of the chart, by its path from the root chart.
pub(crate) type Leaf = Vec<Step>;

/// Values with marks in them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probe {
    leaves: Vec<Leaf>,
    maps: Vec<Leaf>,
}

/// Where the text of a rendered scalar comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Text of the template, or of values that carry no mark.
    Text(String),
    /// A value.
    Value(Leaf),
}

/// A word and a number nobody uses.
const WORD: &str = "hcvalue";
const END: char = 'z';
const FIRST_NUMBER: usize = 31_000;
/// The key that is put into maps of annotations, and its number.
const KEY: &str = "hc.migrate/map";

impl Probe {
    /// Marks the values for which `wanted` says so, and every map of annotations. `values` are all values of the root
    /// chart, as helm put them together.
    pub(crate) fn mark(&mut self, values: &Json, wanted: &dyn Fn(&[Step], &Json) -> bool) -> Json {
        let mut path = Vec::new();
        self.walk(values, &mut path, wanted)
    }

    /// Whether any value was marked.
    pub(crate) fn is_empty(&self) -> bool {
        self.leaves.is_empty() && self.maps.is_empty()
    }

    fn walk(
        &mut self,
        value: &Json,
        path: &mut Vec<Step>,
        wanted: &dyn Fn(&[Step], &Json) -> bool,
    ) -> Json {
        match value {
            Json::Object(map) => {
                let mut out = Map::new();
                for (key, inner) in map {
                    path.push(Step::Key(key.clone()));
                    // Each subchart sees the root's globals as its own.
                    let copy = key == "global" && path.len() > 1;
                    let inner = if copy {
                        inner.clone()
                    } else {
                        self.walk(inner, path, wanted)
                    };
                    out.insert(key.clone(), inner);
                    path.pop();
                }
                if is_annotations(path) {
                    out.insert(format!("{KEY}{}", self.maps.len()), Json::from("x"));
                    self.maps.push(path.clone());
                }
                Json::Object(out)
            }
            Json::Array(items) => Json::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        path.push(Step::Index(index));
                        let item = self.walk(item, path, wanted);
                        path.pop();
                        item
                    })
                    .collect(),
            ),
            leaf if wanted(path, leaf) => {
                let number = self.leaves.len();
                self.leaves.push(path.clone());
                match leaf {
                    Json::Number(_) => Json::from(FIRST_NUMBER + number),
                    _ => Json::String(format!("{WORD}{number}{END}")),
                }
            }
            other => other.clone(),
        }
    }

    /// Takes a rendered text apart.
    pub(crate) fn sources(&self, text: &str) -> Vec<Source> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let marked = rest
                .strip_prefix(WORD)
                .and_then(|after| {
                    let (number, after) = after.split_once(END)?;
                    Some((self.leaves.get(number.parse::<usize>().ok()?)?, after))
                })
                .or_else(|| {
                    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    let number = digits.parse::<usize>().ok()?.checked_sub(FIRST_NUMBER)?;
                    (digits.len() == 5).then_some(())?;
                    Some((self.leaves.get(number)?, &rest[digits.len()..]))
                });
            if let Some((leaf, after)) = marked {
                if !literal.is_empty() {
                    parts.push(Source::Text(std::mem::take(&mut literal)));
                }
                parts.push(Source::Value(leaf.clone()));
                rest = after;
                continue;
            }
            // Whole numbers are taken at once, so that no part of one is mistaken for a mark.
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let step = if digits > 0 {
                digits
            } else {
                rest.chars().next().map_or(1, char::len_utf8)
            };
            literal.push_str(&rest[..step]);
            rest = &rest[step..];
        }
        if !literal.is_empty() {
            parts.push(Source::Text(literal));
        }
        parts
    }

    /// The sources of each scalar of a document that was rendered from marked values; only those with a value in them.
    pub(crate) fn document(&self, document: &Document) -> BTreeMap<Vec<Step>, Vec<Source>> {
        let mut found = BTreeMap::new();
        if let Some(tree) = &document.tree {
            tree.scalars(&mut Vec::new(), &mut |path, scalar: &Tree| {
                if let Some(text) = scalar.text() {
                    let parts = self.sources(text);
                    if parts.iter().any(|p| matches!(p, Source::Value(_))) {
                        found.insert(path.to_vec(), parts);
                    }
                }
            });
        }
        found
    }

    /// The maps of values that end up in a mapping of a document.
    pub(crate) fn maps_in(&self, mapping: &Tree) -> BTreeSet<Leaf> {
        let super::super::yaml::Item::Mapping { entries, .. } = &mapping.item else {
            return BTreeSet::new();
        };
        entries
            .iter()
            .filter_map(|entry| {
                let number = entry.key.strip_prefix(KEY)?;
                self.maps.get(number.parse::<usize>().ok()?).cloned()
            })
            .collect()
    }
}

/// Whether values at a path are annotations, by the name that people give them.
fn is_annotations(path: &[Step]) -> bool {
    matches!(path.last(), Some(Step::Key(key)) if key.to_ascii_lowercase().ends_with("annotations"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn marks_are_found_again() {
        let mut probe = Probe::default();
        let values = json!({"a": "x", "n": 5, "s": {"annotations": {}, "keep": true}});
        let marked = probe.mark(&values, &|_, value| value.is_string() || value.is_number());
        assert_eq!(
            marked,
            json!({"a": "hcvalue0z", "n": 31001, "s": {"annotations": {"hc.migrate/map0": "x"}, "keep": true}})
        );
        let key = |k: &str| vec![Step::Key(k.into())];
        assert_eq!(
            probe.sources("pre-hcvalue0z:31001"),
            [
                Source::Text("pre-".into()),
                Source::Value(key("a")),
                Source::Text(":".into()),
                Source::Value(key("n")),
            ]
        );
        assert_eq!(
            probe.sources("1310010 hcvalue9z"),
            [Source::Text("1310010 hcvalue9z".into())]
        );
    }
}

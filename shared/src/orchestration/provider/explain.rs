//! What the catalogs say about a key of a provider: `explain kubernetes.io/elb.class`.

use std::fmt::Write as _;

use serde_yaml::Value;

use super::known::CATALOGS;
use super::pattern::glob;

/// Where a row says that something stands, with the word for it.
const PLACES: [(&str, &str); 6] = [
    ("annotation", "annotation"),
    ("label", "label"),
    ("field", "field"),
    ("parameter", "parameter of a StorageClass"),
    ("attribute", "attribute of a CSI volume"),
    ("option", "option of a flexVolume"),
];

/// A row of a catalog for one attribute of the neutral model.
struct Found<'c> {
    /// The section of the catalog: `service`, `ingress settings`, `storage kinds block`.
    section: String,
    /// The attribute.
    attribute: &'c str,
    row: &'c Value,
    prefix: String,
}

/// What happens to a key of a provider (an annotation, a label, a parameter, an attribute or an option), as a text for
/// people; `None` if no catalog has it.
#[must_use]
pub fn explain(key: &str) -> Option<String> {
    let catalogs: Vec<Value> = CATALOGS
        .iter()
        .filter_map(|(_, text)| serde_yaml::from_str(text).ok())
        .collect();
    let attributes: Value = serde_yaml::from_str(include_str!("attributes.yaml")).ok()?;
    let all: Vec<(&Value, Vec<Found<'_>>)> = catalogs
        .iter()
        .map(|catalog| (catalog, rows(catalog)))
        .collect();
    let mut text = String::new();
    for (catalog, found) in &all {
        for found in found {
            let Some((row, place)) = places(found).into_iter().find(|(_, p)| p.key == key) else {
                continue;
            };
            say_row(&mut text, catalog, found, &place, row, &attributes);
            for (other, rows) in all.iter().filter(|(other, _)| name(other) != name(catalog)) {
                say_counterpart(&mut text, name(other), rows, found, &attributes);
            }
            text.push('\n');
        }
        for (section, pattern, drop) in drops(catalog) {
            if pattern == key || glob(&pattern, key) {
                let _ = writeln!(
                    text,
                    "{pattern}\n  of {}, {section}: {}\n  elsewhere: no counterpart [{}]\n",
                    word(catalog, "title"),
                    word(drop, "what"),
                    word(drop, "effect"),
                );
            }
        }
    }
    let text = text.trim_end();
    (!text.is_empty()).then(|| format!("{text}\n"))
}

/// A place of a row.
struct Place {
    /// The whole key.
    key: String,
    kind: &'static str,
}

impl Place {
    fn shown(&self, row: &Value) -> String {
        let inside = ["json", "pairs"].iter().find_map(|way| row[*way].as_str());
        let inside = inside.map_or_else(String::new, |name| format!(", `{name}` in it"));
        format!("{} ({}{inside})", self.key, self.kind)
    }
}

/// The rows of one attribute, each with its places.
fn places<'c>(found: &Found<'c>) -> Vec<(&'c Value, Place)> {
    let rows: Vec<&Value> = match found.row {
        Value::Sequence(rows) => rows.iter().collect(),
        row => vec![row],
    };
    let mut all = Vec::new();
    for row in rows {
        for (member, kind) in PLACES {
            if let Some(key) = row[member].as_str() {
                let key = whole(key, &found.prefix);
                all.push((row, Place { key, kind }));
            }
        }
    }
    all
}

fn whole(key: &str, prefix: &str) -> String {
    key.strip_prefix('~')
        .map_or_else(|| key.to_owned(), |rest| format!("{prefix}{rest}"))
}

fn say_row(
    text: &mut String,
    catalog: &Value,
    found: &Found<'_>,
    place: &Place,
    row: &Value,
    attributes: &Value,
) {
    let attribute = &attributes[found.attribute];
    let what = attribute["what"].as_str().unwrap_or(found.attribute);
    let _ = writeln!(
        text,
        "{}\n  of {}, {}: {what}",
        place.shown(row),
        word(catalog, "title"),
        found.section,
    );
    if let Some(words) = row["words"].as_mapping().filter(|words| words.len() > 1) {
        let words: Vec<String> = words
            .iter()
            .filter_map(|(neutral, own)| {
                let own = match own {
                    Value::Sequence(several) => several.first()?.as_str()?,
                    own => own.as_str()?,
                };
                Some(format!("{} = {}", own, neutral.as_str()?))
            })
            .collect();
        let _ = writeln!(text, "  values: {}", words.join(", "));
    }
    if row["read-only"].as_bool() == Some(true) {
        text.push_str("  an old place: it is read, and not written any more\n");
    }
}

/// Where another provider keeps the attribute.
fn say_counterpart(
    text: &mut String,
    name: &str,
    rows: &[Found<'_>],
    found: &Found<'_>,
    attributes: &Value,
) {
    let there = rows
        .iter()
        .find(|row| row.section == found.section && row.attribute == found.attribute);
    let written = there.and_then(|there| {
        places(there)
            .into_iter()
            .find(|(row, _)| row["read-only"].as_bool() != Some(true))
    });
    if let Some((row, place)) = written {
        let _ = writeln!(text, "  in {name}: {}", place.shown(row));
        return;
    }
    let attribute = &attributes[found.attribute];
    let lost = attribute["lost"].as_str().unwrap_or("warning");
    let what = match attribute["default"].as_str() {
        Some(default) => format!("; {default} there, another value is said"),
        None => ", which is said".to_owned(),
    };
    let _ = writeln!(text, "  in {name}: no counterpart{what} [{lost}]");
}

fn name(catalog: &Value) -> &str {
    word(catalog, "name")
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// All sections that have rows, with the prefix that `~` stands for in them.
fn rows(catalog: &Value) -> Vec<Found<'_>> {
    let mut all = Vec::new();
    sections(catalog, "", "", &mut |section, prefix, node| {
        let Some(rows) = node["rows"].as_mapping() else {
            return;
        };
        for (attribute, row) in rows {
            if let Some(attribute) = attribute.as_str() {
                all.push(Found {
                    section: section.to_owned(),
                    attribute,
                    row,
                    prefix: prefix.to_owned(),
                });
            }
        }
    });
    all
}

/// What catalogs say about keys without a counterpart anywhere: section, key or pattern, and why.
fn drops(catalog: &Value) -> Vec<(String, String, &Value)> {
    let mut all = Vec::new();
    sections(catalog, "", "", &mut |section, prefix, node| {
        let Some(drops) = node["drop"].as_mapping() else {
            return;
        };
        for (key, drop) in drops {
            if let Some(key) = key.as_str() {
                all.push((section.to_owned(), whole(key, prefix), drop));
            }
        }
    });
    all
}

fn sections<'c>(
    node: &'c Value,
    path: &str,
    prefix: &str,
    visit: &mut impl FnMut(&str, &str, &'c Value),
) {
    let Some(map) = node.as_mapping() else {
        return;
    };
    let prefix = node["prefix"].as_str().unwrap_or(prefix);
    visit(path.trim(), prefix, node);
    for (key, value) in map {
        if let Some(key) = key.as_str().filter(|key| *key != "rows" && *key != "drop") {
            sections(value, &format!("{path} {key}"), prefix, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_to_its_counterparts() {
        let text = explain("kubernetes.io/elb.class").unwrap();
        assert!(text.contains("of Huawei Cloud CCE, service"), "{text}");
        assert!(text.contains("in ali: "), "{text}");
        assert!(text.contains("union = shared"), "{text}");
    }

    #[test]
    fn every_place_of_every_catalog_is_found() {
        for (file, text) in CATALOGS {
            let catalog: Value = serde_yaml::from_str(text).unwrap();
            let mut seen = 0;
            for found in rows(&catalog) {
                for (_, place) in places(&found) {
                    assert!(explain(&place.key).is_some(), "{file}: {}", place.key);
                    seen += 1;
                }
            }
            assert!(seen > 10, "{file}: {seen}");
            for (_, pattern, _) in drops(&catalog) {
                let beginning = pattern.strip_suffix('*');
                let key = beginning.map_or_else(|| pattern.clone(), |b| format!("{b}x"));
                assert!(explain(&key).is_some(), "{file}: {key}");
            }
        }
    }

    #[test]
    fn what_no_catalog_has_is_unknown() {
        assert!(explain("example.org/own").is_none());
    }
}

//! Every field of the Kubernetes API that the tables know, and what becomes of it in Compose and in Swarm.

use migrate::finding::Severity;
use migrate::orchestration::compose::ComposeTarget;
use migrate::orchestration::table::kubernetes_field;
use tests::fixtures;
use tests::run::{outcome, text_to_file};

#[test]
fn one_case_for_each_field() {
    let rows = fixtures::table("kubernetes-fields.tsv");
    let rows = &rows[1..];
    let mut wrong = Vec::new();
    for row in rows {
        let (kind, field, text) = (row[0].as_str(), row[1].as_str(), row[2].as_str());
        let name = format!("{kind}.{field}");
        if kubernetes_field(&name).is_none() {
            wrong.push(format!("{name}: no row in the mapping table"));
        }
        for target in [ComposeTarget::Compose, ComposeTarget::Swarm] {
            let result = text_to_file(text.to_owned(), target);
            if let Err(failure) = &result {
                let errors: Vec<_> = failure
                    .findings
                    .as_slice()
                    .iter()
                    .filter(|f| f.severity() == Severity::Error)
                    .map(|f| (&f.code, &f.message))
                    .collect();
                wrong.push(format!("{name} {target:?}: refused: {errors:?}"));
                continue;
            }
            let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
            if remove(&mut value, field)
                && outcome(&text_to_file(value.to_string(), target)) == outcome(&result)
            {
                wrong.push(format!("{name} {target:?}: nothing changes without it"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Takes the field out wherever it stands.
fn remove(value: &mut serde_json::Value, field: &str) -> bool {
    match value {
        serde_json::Value::Object(map) => {
            let here = map.shift_remove(field).is_some();
            map.values_mut()
                .fold(here, |found, child| remove(child, field) | found)
        }
        serde_json::Value::Array(items) => items
            .iter_mut()
            .fold(false, |found, child| remove(child, field) | found),
        _ => false,
    }
}

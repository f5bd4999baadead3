//! What a catalog must keep to beyond its form.

use super::catalog::Catalog;

/// What is wrong with a catalog, in words.
pub(super) fn check(catalog: &Catalog) -> Vec<String> {
    let mut faults = Vec::new();
    if catalog.schema != 1 {
        faults.push("only version 1 of the form is known".to_owned());
    }
    if catalog.name.is_empty() || catalog.name != catalog.name.to_lowercase() {
        faults.push("`name` is a word in lower case".to_owned());
    }
    faults
}

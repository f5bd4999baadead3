//! Every finding that the program can make has a row in the catalog, and every row is made somewhere.

use std::collections::BTreeSet;
use std::path::Path;

use migrate::finding::catalog;

#[test]
fn codes_and_rows_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/src");
    let mut text = String::new();
    let mut tables = String::new();
    collect(&root, &mut text, &mut tables);
    let rows: BTreeSet<&str> = catalog().map(|row| row.code).collect();
    let used = literals(&text);
    let in_tables: BTreeSet<&str> = tables.split(['\t', '\n']).collect();
    let missing: Vec<_> = codes(&text)
        .into_iter()
        .filter(|code| !rows.contains(code))
        .collect();
    assert_eq!(missing, Vec::<&str>::new(), "codes without a row");
    let unused: Vec<_> = rows
        .iter()
        .filter(|code| !used.contains(**code) && !in_tables.contains(**code))
        .collect();
    assert_eq!(unused, Vec::<&&str>::new(), "rows that nothing makes");
}

/// What stands in `Code("...")`.
fn codes(text: &str) -> BTreeSet<&str> {
    text.split("Code(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

/// All string literals that look like codes.
fn literals(text: &str) -> BTreeSet<&str> {
    text.split('"')
        .filter(|s| {
            !s.is_empty()
                && s.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
        .collect()
}

fn collect(folder: &Path, text: &mut String, tables: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let in_catalog = path.components().any(|c| c.as_os_str() == "catalog");
        if path.is_dir() {
            collect(&path, text, tables);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let content = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
            // Tests make findings of their own.
            text.push_str(content.split("#[cfg(test)]").next().unwrap_or_default());
        } else if !in_catalog {
            tables.push_str(&String::from_utf8(std::fs::read(&path).unwrap()).unwrap());
        }
    }
}

//! The table of finding codes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{Code, Severity};

/// A row of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The code.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What it means when the application runs.
    pub consequence: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// One file for each part of the program that makes findings.
const TABLES: [&str; 16] = [
    include_str!("catalog/source.tsv"),
    include_str!("catalog/compose-load.tsv"),
    include_str!("catalog/compose-read.tsv"),
    include_str!("catalog/compose-write.tsv"),
    include_str!("catalog/compose-keys.tsv"),
    include_str!("catalog/kubernetes-load.tsv"),
    include_str!("catalog/kubernetes-read.tsv"),
    include_str!("catalog/kubernetes-write.tsv"),
    include_str!("catalog/kubernetes-fields.tsv"),
    include_str!("catalog/carry.tsv"),
    include_str!("catalog/host.tsv"),
    include_str!("catalog/images.tsv"),
    include_str!("catalog/presync.tsv"),
    include_str!("catalog/provider.tsv"),
    include_str!("catalog/chart.tsv"),
    include_str!("catalog/live.tsv"),
];

static CATALOG: LazyLock<BTreeMap<&'static str, Explanation>> = LazyLock::new(|| {
    TABLES
        .into_iter()
        .flat_map(rows)
        .map(|row| (row.code, row))
        .collect()
});

static UNKNOWN: Explanation = Explanation {
    code: "unknown",
    severity: Severity::Error,
    title: "A finding without a row in the catalog",
    consequence: "This is a defect of the program.",
    remedy: "Report it with the input that caused it.",
};

/// All codes, sorted.
pub fn catalog() -> impl Iterator<Item = &'static Explanation> {
    CATALOG.values()
}

/// What a code means.
#[must_use]
pub fn explain(code: Code) -> &'static Explanation {
    CATALOG.get(code.0).unwrap_or(&UNKNOWN)
}

impl Code {
    /// The code of that name, if the catalog has it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        CATALOG.get(name).map(|row| Self(row.code))
    }
}

/// The rows of one table: code, severity, title, consequence, remedy.
fn rows(text: &'static str) -> impl Iterator<Item = Explanation> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| {
            let mut cells = line.split('\t');
            Some(Explanation {
                code: cells.next()?,
                severity: match cells.next()? {
                    "info" => Severity::Info,
                    "warning" => Severity::Warning,
                    "loss" => Severity::Loss,
                    _ => Severity::Error,
                },
                title: cells.next()?,
                consequence: cells.next()?,
                remedy: cells.next()?,
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_whole_and_unique() {
        let rows: Vec<_> = TABLES
            .into_iter()
            .flat_map(str::lines)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        assert_eq!(rows.len(), CATALOG.len(), "a row is broken or stands twice");
        for row in rows {
            let cells: Vec<_> = row.split('\t').collect();
            assert_eq!(cells.len(), 5, "{row}");
            assert!(
                matches!(cells[1], "info" | "warning" | "loss" | "error"),
                "{row}"
            );
            assert!(cells.iter().all(|cell| !cell.trim().is_empty()), "{row}");
        }
    }
}

//! The charts, and what they were made for.

use std::path::PathBuf;

use super::charts_folder;

/// One chart.
#[derive(Debug, Clone)]
pub(super) struct ChartFixture {
    /// Folder below `fixtures/charts`.
    pub name: &'static str,
    /// Provider that it was made for.
    pub from: &'static str,
    /// Values files of its own.
    pub values: &'static [&'static str],
    /// Whether the API server of today knows all of its kinds.
    pub current: bool,
}

impl ChartFixture {
    pub(super) fn path(&self) -> PathBuf {
        charts_folder().join(self.name)
    }

    pub(super) fn values_files(&self) -> Vec<PathBuf> {
        self.values.iter().map(|v| self.path().join(v)).collect()
    }

    /// The other provider of the paper.
    pub(super) fn to(&self) -> &'static str {
        if self.from == "huawei" {
            "ali"
        } else {
            "huawei"
        }
    }
}

const fn fixture(name: &'static str, from: &'static str) -> ChartFixture {
    ChartFixture {
        name,
        from,
        values: &[],
        current: true,
    }
}

const fn old(name: &'static str, from: &'static str) -> ChartFixture {
    ChartFixture {
        current: false,
        ..fixture(name, from)
    }
}

/// The three applications of the paper, in the forms of 2018 and of today.
pub(super) const PAPER: [ChartFixture; 12] = [
    old("nginx1-cce-2018", "huawei"),
    fixture("nginx1-cce", "huawei"),
    old("nginx1-ack-2018", "ali"),
    fixture("nginx1-ack", "ali"),
    old("nginx2-cce-2018", "huawei"),
    fixture("nginx2-cce", "huawei"),
    old("nginx2-ack-2018", "ali"),
    fixture("nginx2-ack", "ali"),
    old("nginx3-cce-2018", "huawei"),
    fixture("nginx3-cce", "huawei"),
    old("nginx3-ack-2018", "ali"),
    fixture("nginx3-ack", "ali"),
];

/// Charts in the styles that people write.
pub(super) const STYLES: [ChartFixture; 7] = [
    ChartFixture {
        values: &["values-small.yaml"],
        ..fixture("wordpress", "huawei")
    },
    fixture("stateful", "ali"),
    ChartFixture {
        values: &["values-internal.yaml"],
        ..fixture("umbrella", "huawei")
    },
    fixture("library", "huawei"),
    fixture("generic", "ali"),
    fixture("hooks", "huawei"),
    ChartFixture {
        values: &["values-topology.yaml"],
        ..fixture("conditions", "huawei")
    },
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = ChartFixture> {
    PAPER.into_iter().chain(STYLES)
}

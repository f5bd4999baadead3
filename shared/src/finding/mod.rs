//! What could not be carried over, and what that means.

mod catalog;

use serde::Serialize;

pub use catalog::{Explanation, catalog, explain};

use crate::source::{Origin, Position, Sources};

/// The stable name of a kind of finding. Each has a row in the tables of `catalog/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub &'static str);

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No effect at run time.
    Info,
    /// Converted approximately.
    Warning,
    /// Something with an effect at run time was not carried.
    Loss,
    /// The input is wrong.
    Error,
}

/// One thing to know about a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind; gives severity, consequence and remedy.
    pub code: Code,
    /// What happened here, in one sentence without a full stop.
    pub message: String,
    /// Where in the source, if it has a place.
    pub at: Option<Position>,
    /// The key path in the source; empty for a whole file.
    pub path: String,
}

impl Finding {
    /// A finding without a place.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            at: None,
            path: String::new(),
        }
    }

    /// The same finding at a place and key path.
    #[must_use]
    pub fn at(mut self, origin: &Origin) -> Self {
        self.at = Some(origin.at);
        self.path = origin.path.to_string();
        self
    }

    /// The same finding at a place that has no key path.
    #[must_use]
    pub fn at_position(mut self, at: Position) -> Self {
        self.at = Some(at);
        self
    }

    /// What its code means.
    #[must_use]
    pub fn explanation(&self) -> &'static Explanation {
        explain(self.code)
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.explanation().severity
    }

    /// The place as `file:line:column`, or nothing.
    #[must_use]
    pub fn place(&self, sources: &Sources) -> Option<String> {
        self.at.map(|at| sources.display(at))
    }
}

/// All findings of one conversion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Adds one; the same finding at the same place counts once.
    pub fn push(&mut self, finding: Finding) {
        if self.0.last() != Some(&finding) {
            self.0.push(finding);
        }
    }

    /// Adds one at the place of a model value.
    pub fn add(&mut self, code: Code, origin: &Origin, message: impl Into<String>) {
        self.push(Finding::new(code, message).at(origin));
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Self) {
        for finding in other.0 {
            self.push(finding);
        }
    }

    /// All findings, in the order in which they were made.
    #[must_use]
    pub fn as_slice(&self) -> &[Finding] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the input is wrong somewhere.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|f| f.severity() == Severity::Error)
    }

    /// The highest severity there is.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.0.iter().map(Finding::severity).max()
    }

    /// How many there are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|f| f.severity() == severity).count()
    }

    /// Sorts by place, then path, then code, and removes doubles: the order in which they are shown. An error that many
    /// aliases of one anchor repeat has one place to mend, and counts once.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            (a.at, &a.path, a.code, &a.message).cmp(&(b.at, &b.path, b.code, &b.message))
        });
        self.0.dedup();
        let mut errors = std::collections::BTreeSet::new();
        self.0.retain(|finding| {
            finding.at.is_none()
                || finding.severity() != Severity::Error
                || errors.insert((finding.at, finding.code, finding.message.clone()))
        });
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Finding> for Findings {
    fn from(finding: Finding) -> Self {
        Self(vec![finding])
    }
}

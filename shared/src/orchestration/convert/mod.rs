//! The whole way from a source to a target.
//!
//! Each direction has the same steps: load, take out what an earlier conversion carried along, read, write, report
//! what the model had no home for, apply what was carried, and pack what the target cannot say.

mod to_compose;
mod to_kubernetes;

#[cfg(test)]
mod tests;

pub use to_compose::{to_compose, to_compose_with};
pub use to_kubernetes::to_kubernetes;

use crate::finding::Findings;
use crate::images::inventory::Needed;
use crate::orchestration::output::Output;
use crate::parallel;
use crate::source::{Sources, emit_into};

/// A finished conversion.
#[derive(Debug)]
pub struct Conversion {
    /// What to write.
    pub output: Output,
    /// All that there is to know about it, sorted by place.
    pub findings: Findings,
    /// The texts that findings point into.
    pub sources: Sources,
    /// Name of the application, for folders and messages.
    pub name: String,
    /// The images that the source asks for, before any rule changed them.
    pub images: Vec<Needed>,
    /// The Secrets by which the source pulls them. They stay in memory.
    pub pull_secrets: Vec<serde_json::Value>,
}

/// A conversion that was not possible: at least one finding is an error.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, and all else that was found so far.
    pub findings: Findings,
    /// The texts that findings point into.
    pub sources: Sources,
}

impl Failure {
    fn new(mut findings: Findings, sources: Sources) -> Box<Self> {
        findings.sort();
        Box::new(Self { findings, sources })
    }
}

/// Documents as one YAML text.
#[must_use]
pub fn to_yaml<'v>(documents: impl IntoIterator<Item = &'v serde_json::Value>) -> String {
    let documents: Vec<_> = documents.into_iter().collect();
    let texts = parallel::parts(&documents, |documents| {
        let mut out = String::new();
        for document in documents {
            if !out.is_empty() {
                out.push_str("---\n");
            }
            emit_into(document, &mut out);
        }
        out
    });
    texts.join("---\n")
}

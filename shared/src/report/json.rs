//! The report as JSON, schema 1.

use serde_json::{Value, json};

use crate::finding::Findings;
use crate::source::Sources;

/// The report: `schema`, `findings`, `images`, `timings`. The last two are empty for a conversion alone.
#[must_use]
pub fn to_json(findings: &Findings, sources: &Sources) -> Value {
    let findings: Vec<_> = findings
        .as_slice()
        .iter()
        .map(|finding| {
            let explanation = finding.explanation();
            let file = finding
                .at
                .and_then(|at| sources.get(at.file))
                .map(|f| f.name.as_str());
            json!({
                "code": finding.code.0,
                "severity": explanation.severity,
                "file": file,
                "line": finding.at.map(|at| at.line),
                "column": finding.at.map(|at| at.column),
                "path": finding.path,
                "message": finding.message,
                "consequence": explanation.consequence,
                "remedy": explanation.remedy,
            })
        })
        .collect();
    json!({"schema": 1, "findings": findings, "images": [], "timings": {}})
}

//! What a conversion of a chart takes, and what it gives.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::input::ChartSource;
use super::output::write::ChartOutput;
use super::summary::Summary;
use crate::finding::Findings;
use crate::orchestration::provider::{Mapping, Missing, Options, Provider};
use crate::source::Sources;

/// Which provider a chart was made for.
#[derive(Debug, Clone)]
pub enum Choice {
    /// Look at it (`--from auto`).
    Auto,
    /// This one.
    Provider(Provider),
}

/// One option of helm's that gives values: `--set a=b`.
#[derive(Debug, Clone)]
pub struct ValuesOption {
    /// `--set`, `--set-string`, `--set-file`, `--set-json`, `--set-literal`
    pub flag: &'static str,
    /// What follows it.
    pub value: String,
}

/// What to convert, and how.
#[derive(Debug, Clone)]
pub struct ChartOptions {
    /// The chart.
    pub source: ChartSource,
    /// `-f`, in order.
    pub values: Vec<PathBuf>,
    /// `--set` and the like, in order.
    pub set: Vec<ValuesOption>,
    /// `--kube-version`, `--api-versions`, as helm takes them.
    pub capabilities: Vec<OsString>,
    /// The provider that the chart was made for.
    pub from: Choice,
    /// The provider that it shall be made for.
    pub to: Provider,
    /// What stands at the target for what is at the source.
    pub map: Mapping,
    /// Choices of the conversion.
    pub options: Options,
    /// Rendered manifests instead of templates.
    pub flat: bool,
}

/// A converted chart.
#[derive(Debug)]
pub struct ChartConversion {
    /// The files.
    pub output: ChartOutput,
    /// All that there is to know, sorted by place.
    pub findings: Findings,
    /// The texts that findings point into.
    pub sources: Sources,
    /// What the target needs and nobody but a person knows.
    pub missing: Vec<Missing>,
    /// How much stayed alive.
    pub summary: Summary,
    /// The provider that the chart was made for; none if nothing of any was seen.
    pub from: Option<Provider>,
    /// How long it took.
    pub timings: ChartTimings,
}

/// How long a conversion took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChartTimings {
    /// From the chart to the files of the new one.
    pub total: Duration,
    /// The part of it in which helm was running.
    pub helm: Duration,
}

impl ChartTimings {
    /// Seconds by name, as reports have them.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 3] {
        let own = self.total.saturating_sub(self.helm);
        [
            ("own", own.as_secs_f64()),
            ("helm", self.helm.as_secs_f64()),
            ("total", self.total.as_secs_f64()),
        ]
    }
}

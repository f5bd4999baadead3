//! Options that say which chart is meant and with which values, as helm takes them.

use std::path::PathBuf;

use clap::Args;
use migrate::orchestration::chart::{ChartSource, ValuesOption};

#[derive(Debug, Args)]
#[command(next_help_heading = "Rendering, as helm takes it")]
pub(crate) struct ValuesArgs {
    /// Values file; each is converted, and gets a twin beside the chart's values.yaml
    #[arg(long, short = 'f', value_name = "FILE")]
    values: Vec<PathBuf>,
    /// Set values
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Set text values
    #[arg(long, value_name = "KEY=VALUE")]
    set_string: Vec<String>,
    /// Set values from files
    #[arg(long, value_name = "KEY=FILE")]
    set_file: Vec<String>,
    /// Set JSON values
    #[arg(long, value_name = "KEY=JSON")]
    set_json: Vec<String>,
    /// Set literal text values
    #[arg(long, value_name = "KEY=VALUE")]
    set_literal: Vec<String>,
    /// Repository of the chart
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// Version of the chart
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Version of Kubernetes that templates see
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// API versions that templates see
    #[arg(long, short = 'a', value_name = "VERSION")]
    api_versions: Vec<String>,
}

impl ValuesArgs {
    /// The chart that is meant.
    pub(crate) fn source(&self, chart: &str) -> ChartSource {
        ChartSource {
            chart: chart.to_owned(),
            repository: self.repo.clone(),
            version: self.version.clone(),
        }
    }

    /// The values files, in order.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.values
    }

    /// Options that give values.
    pub(crate) fn options(&self) -> Vec<ValuesOption> {
        [
            ("--set-json", &self.set_json),
            ("--set", &self.set),
            ("--set-string", &self.set_string),
            ("--set-file", &self.set_file),
            ("--set-literal", &self.set_literal),
        ]
        .into_iter()
        .flat_map(|(flag, values)| {
            values.iter().map(move |value| ValuesOption {
                flag,
                value: value.clone(),
            })
        })
        .collect()
    }

    /// What templates see of the cluster.
    pub(crate) fn capabilities(&self) -> Vec<std::ffi::OsString> {
        let mut out = Vec::new();
        if let Some(version) = &self.kube_version {
            out.extend(["--kube-version".into(), version.into()]);
        }
        for version in &self.api_versions {
            out.extend(["--api-versions".into(), version.into()]);
        }
        out
    }
}

/// Options whose values may be secret: what they give is not kept in the record of a run.
pub(crate) const SECRET_OPTIONS: [&str; 4] =
    ["--set", "--set-string", "--set-json", "--set-literal"];

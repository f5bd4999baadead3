//! Which application is meant: a chart, as `helm template` takes it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use migrate::cli::images::{ApplicationImages, ImageSource};
use migrate::cli::{Exit, Printer};
use migrate::finding::Findings;
use migrate::host::helm::{RenderError, template};
use migrate::images::inventory;
use migrate::orchestration::kubernetes::load::{LoadOptions, load};
use migrate::report;
use migrate::source::{Disk, Sources};

/// A chart and its values.
#[derive(Debug, Args)]
pub(crate) struct RenderedChart {
    /// Chart: a folder, an archive, `repo/name`, a URL, or `oci://...`
    #[arg(value_name = "CHART")]
    chart: Option<String>,
    /// Values file
    #[arg(
        long,
        short = 'f',
        value_name = "FILE",
        help_heading = "Rendering, as helm takes it"
    )]
    values: Vec<PathBuf>,
    /// Set values
    #[arg(
        long,
        value_name = "KEY=VALUE",
        help_heading = "Rendering, as helm takes it"
    )]
    set: Vec<String>,
    /// Set text values
    #[arg(
        long,
        value_name = "KEY=VALUE",
        help_heading = "Rendering, as helm takes it"
    )]
    set_string: Vec<String>,
    /// Repository of the chart
    #[arg(long, value_name = "URL", help_heading = "Rendering, as helm takes it")]
    repo: Option<String>,
    /// Version of the chart
    #[arg(
        long = "version",
        id = "chart_version",
        value_name = "VERSION",
        help_heading = "Rendering, as helm takes it"
    )]
    version: Option<String>,
    /// Version of Kubernetes that templates see
    #[arg(
        long,
        value_name = "VERSION",
        help_heading = "Rendering, as helm takes it"
    )]
    kube_version: Option<String>,
}

impl RenderedChart {
    fn options(&self) -> Vec<OsString> {
        let mut options: Vec<OsString> = Vec::new();
        let mut add = |name: &str, value: OsString| options.extend([OsString::from(name), value]);
        for file in &self.values {
            add("--values", file.into());
        }
        for text in &self.set {
            add("--set", text.into());
        }
        for text in &self.set_string {
            add("--set-string", text.into());
        }
        for (name, value) in [
            ("--repo", &self.repo),
            ("--version", &self.version),
            ("--kube-version", &self.kube_version),
        ] {
            if let Some(value) = value {
                add(name, value.into());
            }
        }
        options
    }
}

impl ImageSource for RenderedChart {
    fn images(&self, printer: Printer) -> Result<ApplicationImages, Exit> {
        let Some(chart) = &self.chart else {
            printer.complain(
                "error: which chart? Name a folder, an archive, repo/name, a URL or oci://...",
            );
            return Err(Exit::Usage);
        };
        let text = template(chart, &self.options()).map_err(|error| {
            printer.complain(&format!("error: {error}"));
            match error {
                RenderError::Start(_) => Exit::Unreachable,
                RenderError::Failed { .. } => Exit::NativeTool,
            }
        })?;
        let options = LoadOptions {
            files: vec![PathBuf::from("-")],
            stdin: Some(text),
            stdin_name: format!("helm template {chart}"),
            ..LoadOptions::default()
        };
        let mut sources = Sources::default();
        let mut findings = Findings::default();
        let objects = load(&options, &Disk, &mut sources, &mut findings).map_err(|findings| {
            printer.complain(&report::to_text(&findings, &sources, printer.style()));
            Exit::Input
        })?;
        // What happens to other fields is not the subject here.
        let mut findings = Findings::default();
        let needed = inventory::of_objects(&objects, &mut findings);
        Ok(ApplicationImages {
            needed,
            findings,
            sources,
            pull_secrets: inventory::pull_secrets(&objects),
        })
    }

    fn is_named(&self) -> bool {
        self.chart.is_some()
    }
}

//! The values that the user gives beside the chart's own.

use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::ChartError;
use super::desk::Form;
use super::helm::RELEASE;
use super::options::ChartOptions;
use super::output::solve::{self, Job};
use super::output::write;
use super::work::{Origin, UserFile, Variant, Work};
use super::yaml::parse_tree;
use crate::finding::{Code, Finding, Findings};
use crate::parallel;

/// The values files, read and checked.
pub(super) fn user_files(paths: &[PathBuf]) -> Result<Vec<UserFile>, ChartError> {
    paths
        .iter()
        .map(|path| {
            let name = path.display().to_string();
            let text = fs_err::read_to_string(path)?;
            match parse_tree(&text) {
                Err(error) => Err(ChartError::Input(format!("{name}: {error}"))),
                Ok(Some(tree)) if !tree.to_json().is_object() => Err(ChartError::Input(format!(
                    "{name}: a values file holds keys with values, and this does not"
                ))),
                Ok(_) => Ok(UserFile {
                    name,
                    text,
                    origin: Origin::Given,
                }),
            }
        })
        .collect()
}

/// What `--set` and the like give becomes a values file of its own, since only a file can be converted.
pub(super) fn file_of_options(
    original: &mut Work,
    options: &ChartOptions,
    job: &Job<'_>,
    findings: &mut Findings,
) -> Result<(), ChartError> {
    if options.set.is_empty() {
        return Ok(());
    }
    let all = Variant {
        name: String::new(),
        files: (0..original.user.len()).collect(),
        overlay: Json::Null,
        release: RELEASE.into(),
        required: true,
    };
    let mut with: Vec<OsString> = Vec::new();
    for option in &options.set {
        with.push(option.flag.into());
        with.push(option.value.clone().into());
    }
    with.extend(options.capabilities.iter().cloned());
    let (chart, user) = (&original.chart, &original.user);
    let values = job.desks.with(Form::Plain, chart, user, |disk| {
        let results = parallel::tasks(2, |index| {
            let more: &[OsString] = if index == 0 {
                &options.capabilities
            } else {
                &with
            };
            disk.render(job.helm, &all, more)
        });
        let mut values = Vec::new();
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(rendering) => values.push(rendering.values),
                // Without the options the chart may lack a value that it requires.
                Err(ChartError::Helm { .. }) if index == 0 => values.push(Json::Null),
                Err(error) => return Err(solve::renamed(error, disk, original, job.chart_name)),
            }
        }
        Ok(values)
    })?;
    if let [before, after] = values.as_slice()
        && let Some(changes) = write::difference(before, after)
    {
        original.user.push(write::file_of_options(&changes));
        findings.push(Finding::new(
            Code("chart-options-as-file"),
            "what --set and the like gave stands in a values file of its own, which is converted",
        ));
    }
    Ok(())
}

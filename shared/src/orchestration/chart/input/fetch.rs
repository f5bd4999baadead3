//! Getting the chart: a folder, an archive, or what the real helm pulls.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::super::{ChartError, Helm};
use super::archive;
use super::files::ChartFiles;
use crate::host::private::PrivateFolder;

/// What the user names as the chart, as `helm template` takes it.
#[derive(Debug, Clone, Default)]
pub struct ChartSource {
    /// A folder, an archive, `repo/name`, a URL, or `oci://...`.
    pub chart: String,
    /// `--repo`
    pub repository: Option<String>,
    /// `--version`
    pub version: Option<String>,
}

/// Reads the chart. Nothing of it is changed on disk.
pub(crate) fn load(source: &ChartSource, helm: &Helm) -> Result<ChartFiles, ChartError> {
    let path = Path::new(&source.chart);
    let mut chart = if source.repository.is_none() && path.exists() {
        local(path)?
    } else if source.repository.is_some() || is_remote(&source.chart) {
        pulled(source, helm)?
    } else {
        return Err(ChartError::NotAChart(format!(
            "`{}` is neither a folder nor an archive, and no chart of a repository (`repo/name`, `oci://...`)",
            source.chart
        )));
    };
    check(&chart, &source.chart)?;
    chart.unpack_archives()?;
    Ok(chart)
}

fn local(path: &Path) -> Result<ChartFiles, ChartError> {
    if path.is_dir() {
        return ChartFiles::read_folder(path);
    }
    let bytes = fs_err::read(path)?;
    Ok(ChartFiles {
        files: archive::unpack(&path.display().to_string(), &bytes)?,
        ..ChartFiles::default()
    })
}

fn is_remote(chart: &str) -> bool {
    chart.contains("://") || (chart.matches('/').count() == 1 && !chart.starts_with(['.', '/']))
}

fn pulled(source: &ChartSource, helm: &Helm) -> Result<ChartFiles, ChartError> {
    let folder = PrivateFolder::for_much()?;
    let mut options: Vec<OsString> = Vec::new();
    if let Some(repository) = &source.repository {
        options.extend(["--repo".into(), repository.into()]);
    }
    if let Some(version) = &source.version {
        options.extend(["--version".into(), version.into()]);
    }
    helm.pull(&source.chart, &options, folder.path())?;
    let mut archives: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(folder.path())? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "tgz" || e == "gz") {
            archives.push(path);
        }
    }
    match archives.as_slice() {
        [one] => local(one),
        _ => Err(ChartError::NotAChart(format!(
            "helm pulled no chart archive for `{}`",
            source.chart
        ))),
    }
}

/// Says what is missing before helm does, which names our copy instead of the user's folder.
fn check(chart: &ChartFiles, name: &str) -> Result<(), ChartError> {
    let Some(file) = chart.files.get("Chart.yaml") else {
        let mut message = format!("`{name}` is no chart: there is no Chart.yaml in it");
        if let Some(other) = chart.files.keys().find(|p| p.ends_with("/Chart.yaml")) {
            let folder = other.trim_end_matches("/Chart.yaml");
            message.push_str(&format!("; did you mean `{name}/{folder}`?"));
        }
        return Err(ChartError::NotAChart(message));
    };
    let text = std::str::from_utf8(&file.bytes)
        .map_err(|_| ChartError::Input(format!("{name}/Chart.yaml is not UTF-8")))?;
    let tree = super::super::yaml::parse_tree(text)
        .map_err(|error| ChartError::Input(format!("{name}/Chart.yaml: {error}")))?;
    if tree.is_none_or(|tree| tree.entry("name").is_none()) {
        return Err(ChartError::Input(format!(
            "{name}/Chart.yaml: the chart has no name"
        )));
    }
    for path in ["values.yaml", "Chart.lock"] {
        if let Some(text) = chart.text(path) {
            super::super::yaml::parse_tree(text)
                .map_err(|error| ChartError::Input(format!("{name}/{path}: {error}")))?;
        }
    }
    Ok(())
}

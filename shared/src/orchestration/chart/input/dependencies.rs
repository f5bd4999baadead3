//! Dependencies that `Chart.yaml` names and `charts/` lacks.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::yaml::{Item, parse_tree};
use super::super::{ChartError, Helm};
use super::files::{ChartFiles, Dependency};
use crate::host::private::PrivateFolder;
use crate::source::emit;

/// Gets the dependencies that are missing: folders (`file://`) are copied, the rest is downloaded by the real helm at
/// the versions of `Chart.lock`. Returns their names.
pub(crate) fn complete(
    chart: &mut ChartFiles,
    folder: Option<&Path>,
    helm: &Helm,
) -> Result<Vec<String>, ChartError> {
    let info = chart.info("");
    let missing: Vec<&Dependency> = info
        .dependencies
        .iter()
        .filter(|d| chart.subchart_folder("", &d.name).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = Vec::new();
    let mut remote = Vec::new();
    for dependency in missing {
        if names.contains(&dependency.name) {
            continue;
        }
        names.push(dependency.name.clone());
        match dependency.repository.strip_prefix("file://") {
            Some(path) => copy(chart, dependency, path, folder)?,
            None => remote.push(dependency),
        }
    }
    if !remote.is_empty() {
        download(chart, &remote, helm)?;
    }
    chart.unpack_archives()?;
    Ok(names)
}

fn copy(
    chart: &mut ChartFiles,
    dependency: &Dependency,
    path: &str,
    folder: Option<&Path>,
) -> Result<(), ChartError> {
    let path = match folder {
        Some(folder) => folder.join(path),
        None => PathBuf::from(path),
    };
    if !path.join("Chart.yaml").is_file() {
        return Err(ChartError::Input(format!(
            "Chart.yaml: the dependency `{}` is not in charts/, and `{}` is no chart",
            dependency.name,
            path.display()
        )));
    }
    let found = ChartFiles::read_folder(&path)?;
    for (inner, file) in found.files {
        chart
            .files
            .insert(format!("charts/{}/{inner}", dependency.name), file);
    }
    chart.unpack_archives()?;
    Ok(())
}

/// Lets helm download into a chart that has nothing but these dependencies.
fn download(
    chart: &mut ChartFiles,
    dependencies: &[&Dependency],
    helm: &Helm,
) -> Result<(), ChartError> {
    let lock = chart
        .text("Chart.lock")
        .or_else(|| chart.text("requirements.lock"));
    let locked = lock
        .and_then(|text| parse_tree(text).ok().flatten())
        .map(|tree| locked_versions(&tree))
        .unwrap_or_default();
    let wanted: Vec<_> = dependencies
        .iter()
        .map(|d| {
            let version = locked
                .iter()
                .find(|(name, _)| *name == d.name)
                .map_or(&d.version, |(_, version)| version);
            json!({"name": d.name, "version": version, "repository": d.repository})
        })
        .collect();
    let scratch = PrivateFolder::for_much()?;
    let definition = json!({
        "apiVersion": "v2", "name": "dependencies", "version": "0.1.0", "dependencies": wanted,
    });
    fs_err::write(scratch.path().join("Chart.yaml"), emit(&definition))?;
    helm.update_dependencies(scratch.path()).map_err(|error| match error {
        ChartError::Helm { message, .. } => ChartError::Helm {
            command: "helm dependency update".into(),
            message: format!(
                "{message}\ncharts/ lacks dependencies that Chart.yaml names, and helm cannot download them; \
                 run `helm repo add` for their repositories, then `helm dependency build`"
            ),
        },
        other => other,
    })?;
    let found = ChartFiles::read_folder(scratch.path())?;
    for (path, file) in found.files {
        if path.starts_with("charts/") {
            chart.files.insert(path, file);
        }
    }
    Ok(())
}

fn locked_versions(tree: &super::super::yaml::Tree) -> Vec<(String, String)> {
    match tree.entry("dependencies").map(|e| &e.value.item) {
        Some(Item::Sequence { items, .. }) => items
            .iter()
            .filter_map(|item| {
                Some((
                    item.entry("name")?.value.text()?.to_owned(),
                    item.entry("version")?.value.text()?.to_owned(),
                ))
            })
            .collect(),
        _ => Vec::new(),
    }
}

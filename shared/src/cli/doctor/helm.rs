//! Helm: one folder of plugins, for Helm 3 and Helm 4 alike. One bad plugin makes all of them vanish.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Check;
use super::path;
use crate::host::{Host, helm};

/// A plugin's folder with what its `plugin.yaml` says.
struct Plugin {
    folder: PathBuf,
    manifest: Result<Value, String>,
}

impl Plugin {
    fn text(&self, key: &str) -> &str {
        self.manifest
            .as_ref()
            .ok()
            .and_then(|manifest| manifest.get(key)?.as_str())
            .unwrap_or_default()
    }
}

/// Whether there is a helm.
pub(super) fn host() -> Vec<Check> {
    let found = helm::all();
    if found.is_empty() {
        return vec![Check::broken(
            "helm",
            "not there",
            "Install it (https://helm.sh/docs/intro/install/), or set HELM_BIN to its path.",
        )];
    }
    found
        .into_iter()
        .map(|(program, version)| Check::ok("helm", format!("{version} at {}", program.display())))
        .collect()
}

/// Whether helm finds this program as `helm convert`, and whether the folder of plugins is sound for each helm that uses
/// it.
pub(super) fn installation() -> Vec<Check> {
    let Some(folder) = helm::plugins_folder() else {
        return vec![Check::broken(
            "plugins",
            "helm does not say where its plugins are",
            "Install helm, or set HELM_BIN to its path.",
        )];
    };
    let plugins = read(&folder);
    let mut checks = vec![present(&folder, &plugins)];
    checks.extend(unreadable(&plugins));
    checks.extend(duplicates(&plugins));
    checks.extend(generations(&plugins));
    checks
}

fn read(folder: &Path) -> Vec<Plugin> {
    let mut folders: Vec<_> = fs_err::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("plugin.yaml").is_file() || path.metadata().is_err())
        .collect();
    folders.sort();
    folders
        .into_iter()
        .map(|folder| {
            let manifest = fs_err::read_to_string(folder.join("plugin.yaml"))
                .map_err(|error| error.to_string())
                .and_then(|text| serde_yaml::from_str(&text).map_err(|error| error.to_string()));
            Plugin { folder, manifest }
        })
        .collect()
}

fn present(folder: &Path, plugins: &[Plugin]) -> Check {
    let name = Host::Helm.plugin();
    let own = plugins
        .iter()
        .find(|plugin| plugin.text("name") == name && program(&plugin.folder).is_some());
    match own {
        Some(plugin) => Check::ok(
            "plugin",
            format!(
                "helm runs {} {}",
                plugin.folder.display(),
                plugin.text("version")
            ),
        ),
        None => Check::broken(
            "plugin",
            format!("there is no `{name}` of ours in {}", folder.display()),
            "helm plugin install DIR, where DIR is the unpacked archive of this program",
        ),
    }
}

/// The program inside of a plugin's folder, if it is ours.
fn program(folder: &Path) -> Option<PathBuf> {
    ["bin/helm-convert", "bin/helm-convert.exe"]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|file| file.is_file())
}

fn unreadable(plugins: &[Plugin]) -> Vec<Check> {
    plugins
        .iter()
        .filter_map(|plugin| {
            let error = plugin.manifest.as_ref().err()?;
            Some(Check::broken(
                "bad plugin",
                format!(
                    "{}: {error}; helm may hide all plugins because of it",
                    plugin.folder.display()
                ),
                format!("rm -r {}", plugin.folder.display()),
            ))
        })
        .collect()
}

fn duplicates(plugins: &[Plugin]) -> Vec<Check> {
    let mut by_name: BTreeMap<&str, Vec<&Plugin>> = BTreeMap::new();
    for plugin in plugins.iter().filter(|plugin| plugin.manifest.is_ok()) {
        by_name.entry(plugin.text("name")).or_default().push(plugin);
    }
    by_name
        .into_iter()
        .filter(|(_, plugins)| plugins.len() > 1)
        .map(|(name, plugins)| {
            let folders: Vec<_> = plugins.iter().map(|p| p.folder.clone()).collect();
            let other = plugins
                .iter()
                .find(|plugin| program(&plugin.folder).is_none())
                .or(plugins.last())
                .map(|plugin| plugin.folder.display().to_string())
                .unwrap_or_default();
            Check::broken(
                "two plugins",
                format!(
                    "both are named `{name}`, so helm loads no plugin at all: {}",
                    path::list(&folders)
                ),
                format!("Remove one of them: `rm -r {other}`"),
            )
        })
        .collect()
}

/// Helm 3 refuses manifests of Helm 4 (`apiVersion: v1`), and with them all plugins.
fn generations(plugins: &[Plugin]) -> Vec<Check> {
    let newer: Vec<PathBuf> = plugins
        .iter()
        .filter(|plugin| !plugin.text("apiVersion").is_empty())
        .map(|plugin| plugin.folder.clone())
        .collect();
    let threes: Vec<PathBuf> = helm::all()
        .into_iter()
        .filter(|(_, version)| version.starts_with("v3."))
        .map(|(program, _)| program)
        .collect();
    if newer.is_empty() || threes.is_empty() {
        return Vec::new();
    }
    let moves: Vec<_> = newer
        .iter()
        .map(|folder| format!("rm -r {}", folder.display()))
        .collect();
    vec![Check::broken(
        "helm 3",
        format!(
            "{} loads no plugin at all, because these are for Helm 4 only: {}",
            path::list(&threes),
            path::list(&newer)
        ),
        format!(
            "Give Helm 4 a folder of its own (`export HELM_PLUGINS=...`), or remove them:\n{}",
            moves.join("\n")
        ),
    )]
}

//! Helm: what it tells a plugin, and how a plugin calls it back.
//!
//! Helm takes its own flags (`-n`, `--kube-context`, `--kubeconfig`, `--debug`, ...) out of the command line wherever
//! they stand, and hands them down as variables (helm, `pkg/cli/environment.go`).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::ask::{AskError, ask};

/// A variable of helm's that is set to something.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Name or path of the helm that called us, else the one on `PATH`.
#[must_use]
pub fn program() -> OsString {
    variable("HELM_BIN").unwrap_or_else(|| OsString::from("helm"))
}

/// The folder of helm's plugins: `HELM_PLUGINS`, else what helm itself says.
#[must_use]
pub fn plugins_folder() -> Option<PathBuf> {
    if let Some(folder) = variable("HELM_PLUGINS") {
        return Some(folder.into());
    }
    let mut command = Command::new(program());
    command.args(["env", "HELM_PLUGINS"]);
    let answer = ask(command, Duration::from_secs(5)).ok()?;
    let folder = answer.output.trim();
    (answer.success && !folder.is_empty()).then(|| folder.into())
}

/// The version of a helm program: `v4.1.4`.
#[must_use]
pub fn version(program: &std::ffi::OsStr) -> Option<String> {
    let mut command = Command::new(program);
    command.args(["version", "--template", "{{.Version}}"]);
    // A broken plugin must not keep helm from telling its version.
    command.env("HELM_PLUGINS", "/nonexistent");
    let answer = ask(command, Duration::from_secs(10)).ok()?;
    let version = answer.output.trim();
    (answer.success && version.starts_with('v')).then(|| version.to_owned())
}

/// The helm that called us and all helm programs on `PATH`, with their versions.
#[must_use]
pub fn all() -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, PathBuf)> = Vec::new();
    let caller = which::which(program()).ok();
    for path in caller
        .into_iter()
        .chain(which::which_all("helm").into_iter().flatten())
    {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if !found.iter().any(|(_, other)| *other == real) {
            found.push((path, real));
        }
    }
    found
        .into_iter()
        .filter_map(|(program, _)| {
            let version = version(program.as_os_str())?;
            Some((program, version))
        })
        .collect()
}

/// Why a chart could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Helm cannot be started, or takes too long.
    #[error("{0}; install helm (https://helm.sh/docs/intro/install/), or set HELM_BIN to its path")]
    Start(#[from] AskError),
    /// It failed, in its own words.
    #[error("`{command}` failed: {message}")]
    Failed {
        /// The command.
        command: String,
        /// What it said.
        message: String,
    },
}

/// Longest that one rendering may take; the chart can have to be downloaded first.
const LONGEST_RENDERING: Duration = Duration::from_mins(5);

/// What `helm template` prints for a chart (a folder, an archive, `repo/name`, a URL, `oci://...`), hooks among it.
/// `options` are those of helm itself: `--values FILE`, `--set KEY=VALUE`, `--version VERSION`.
///
/// # Errors
/// See [`RenderError`].
pub fn template(chart: &str, options: &[OsString]) -> Result<String, RenderError> {
    let mut command = Command::new(program());
    command.arg("template").arg(chart).args(options);
    if let Some(namespace) = variable("HELM_NAMESPACE") {
        command.arg("--namespace").arg(namespace);
    }
    // Plugins cost time at each start, and rendering needs none.
    command.env("HELM_PLUGINS", "/nonexistent");
    let answer = ask(command, LONGEST_RENDERING)?;
    if answer.success {
        return Ok(answer.output);
    }
    Err(RenderError::Failed {
        command: format!("helm template {chart}"),
        message: answer
            .complaint
            .trim()
            .trim_start_matches("Error: ")
            .to_owned(),
    })
}

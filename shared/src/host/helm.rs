//! Helm: what it tells a plugin, and how a plugin calls it back.
//!
//! Helm takes its own flags (`-n`, `--kube-context`, `--kubeconfig`, `--debug`, ...) out of the command line wherever
//! they stand, and hands them down as variables (helm, `pkg/cli/environment.go`).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::ask::ask;

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

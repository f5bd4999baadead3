//! The real kubectl, for what only it can do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why kubectl could not help.
#[derive(Debug, thiserror::Error)]
pub enum KubectlError {
    /// There is no kubectl.
    #[error(
        "kubectl is not on PATH; install it (https://kubernetes.io/docs/tasks/tools/), or set KUBECTL to its path"
    )]
    Missing,
    /// It could not be started.
    #[error("`{program}` cannot be started: {error}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        error: std::io::Error,
    },
    /// It failed, in its own words.
    #[error("`{command}` failed: {message}")]
    Failed {
        /// The command.
        command: String,
        /// What it said.
        message: String,
    },
}

/// The objects that `kubectl kustomize FOLDER` prints.
///
/// # Errors
/// See [`KubectlError`].
pub fn kustomize(folder: &Path) -> Result<String, KubectlError> {
    let program = program()?;
    let output = Command::new(&program)
        .arg("kustomize")
        .arg(folder)
        .output()
        .map_err(|error| KubectlError::Start {
            program: program.display().to_string(),
            error,
        })?;
    if !output.status.success() {
        return Err(KubectlError::Failed {
            command: format!("kubectl kustomize {}", folder.display()),
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    String::from_utf8(output.stdout).map_err(|_| KubectlError::Failed {
        command: format!("kubectl kustomize {}", folder.display()),
        message: "its output is not UTF-8".to_owned(),
    })
}

/// The kubectl that called us (`KUBECTL_PATH`, set by kubectl 1.37 and later), the one that the user names (`KUBECTL`),
/// else the one on `PATH`.
///
/// # Errors
/// There is none.
pub fn program() -> Result<PathBuf, KubectlError> {
    let name = ["KUBECTL_PATH", "KUBECTL"]
        .into_iter()
        .find_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
        .unwrap_or_else(|| OsString::from("kubectl"));
    which::which(name).map_err(|_| KubectlError::Missing)
}

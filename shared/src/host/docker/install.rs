//! Putting the plugin where the docker CLI looks for it.

use std::io;
use std::path::{Path, PathBuf};

use super::global_option;

/// File name of the plugin.
const FILE_NAME: &str = if cfg!(windows) {
    "docker-migrate.exe"
} else {
    "docker-migrate"
};

/// Why the plugin was not installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is no home folder.
    #[error(
        "neither DOCKER_CONFIG nor HOME is set; name docker's folder: DOCKER_CONFIG=DIR docker-migrate install"
    )]
    NoHome,
    /// Another program has the place.
    #[error("`{0}` is another program's; remove it, or use --force to overwrite it")]
    Occupied(PathBuf),
    /// Another program has the place, and is not removed.
    #[error("`{0}` is another program's, and stays; to remove it all the same: rm {0}")]
    NotOurs(PathBuf),
    /// The file system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What [`install`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// The plugin is at this path now.
    New(PathBuf),
    /// The very same program was there already.
    Unchanged(PathBuf),
}

/// The folders in which the CLI looks for plugins, in its order (docker/cli, `cli-plugins/manager`):
/// `cliPluginsExtraDirs` of config.json, the user's own, the system's.
#[must_use]
pub fn plugin_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(config) = config_folder() {
        folders.extend(extra_folders(&config.join("config.json")));
        folders.push(config.join("cli-plugins"));
    }
    if cfg!(windows) {
        if let Some(programs) = std::env::var_os("ProgramFiles") {
            folders.push(Path::new(&programs).join("Docker").join("cli-plugins"));
        }
    } else {
        for base in [
            "/usr/local/lib",
            "/usr/local/libexec",
            "/usr/lib",
            "/usr/libexec",
        ] {
            folders.push(Path::new(base).join("docker/cli-plugins"));
        }
    }
    folders
}

/// Folder of docker's configuration: `--config`, `DOCKER_CONFIG`, `~/.docker`.
fn config_folder() -> Option<PathBuf> {
    global_option(&["--config"])
        .or_else(|| std::env::var_os("DOCKER_CONFIG"))
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".docker")))
}

fn extra_folders(config: &Path) -> Vec<PathBuf> {
    fs_err::read(config)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
        .and_then(|config| config.get("cliPluginsExtraDirs")?.as_array().cloned())
        .unwrap_or_default()
        .iter()
        .filter_map(|folder| folder.as_str().map(PathBuf::from))
        .collect()
}

/// Copies `program` into the user's folder of docker plugins.
///
/// # Errors
/// Another program has the place and `force` is not set, or the file system refuses.
pub fn install(program: &Path, force: bool) -> Result<Installed, InstallError> {
    let folder = config_folder()
        .ok_or(InstallError::NoHome)?
        .join("cli-plugins");
    let target = folder.join(FILE_NAME);
    let bytes = fs_err::read(program)?;
    if target.symlink_metadata().is_ok() {
        if fs_err::read(&target).is_ok_and(|there| there == bytes) {
            return Ok(Installed::Unchanged(target));
        }
        if !force && !is_ours(&target) {
            return Err(InstallError::Occupied(target));
        }
    }
    fs_err::create_dir_all(&folder)?;
    // The CLI may run the plugin at this moment: a new file takes the name, the old one is not written to.
    let partial = folder.join(format!(".{FILE_NAME}.{}", std::process::id()));
    let written = fs_err::copy(program, &partial)
        .and_then(|_| make_executable(&partial))
        .and_then(|()| fs_err::rename(&partial, &target));
    if let Err(error) = written {
        let _ = fs_err::remove_file(&partial);
        return Err(error.into());
    }
    Ok(Installed::New(target))
}

/// Removes the plugin from the user's folder of docker plugins. Returns its path, or `None` if it was not there.
///
/// # Errors
/// The place is another program's, or the file system refuses.
pub fn uninstall() -> Result<Option<PathBuf>, InstallError> {
    let target = config_folder()
        .ok_or(InstallError::NoHome)?
        .join("cli-plugins")
        .join(FILE_NAME);
    if target.symlink_metadata().is_err() {
        return Ok(None);
    }
    if !is_ours(&target) {
        return Err(InstallError::NotOurs(target));
    }
    fs_err::remove_file(&target)?;
    Ok(Some(target))
}

/// Whether a program says in its metadata that it is this plugin, in any version.
fn is_ours(program: &Path) -> bool {
    std::process::Command::new(program)
        .arg(super::METADATA_ARGUMENT)
        .output()
        .ok()
        .and_then(|output| serde_json::from_slice::<serde_json::Value>(&output.stdout).ok())
        .is_some_and(|metadata| metadata["Vendor"] == super::VENDOR)
}

#[cfg(unix)]
fn make_executable(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::set_permissions(file, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}

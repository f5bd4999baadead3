//! The docker CLI: how it calls a plugin, and how a plugin calls it back.
//!
//! A plugin is a program `docker-NAME` in a `cli-plugins` folder. The CLI first runs it with the one argument
//! `docker-cli-plugin-metadata` and reads JSON from its standard output (docker/cli, `cli-plugins/metadata`); for a
//! command it passes its own global options and the plugin's name in front: `docker-migrate --context x migrate plan`.

mod arguments;
mod client;
mod endpoint;
mod install;
mod metadata;

pub use arguments::{Call, split};
pub use endpoint::{Endpoint, endpoint};
pub use install::{InstallError, Installed, install, plugin_folders, uninstall};
pub use metadata::{METADATA_ARGUMENT, VENDOR, metadata};

use std::ffi::{OsStr, OsString};
use std::process::Command;
use std::sync::OnceLock;

/// Name of the variable in which the CLI hands down how it was called itself.
pub const ORIGINAL_CLI: &str = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND";

/// The global options that the CLI was called with, for the way back.
static GLOBAL_OPTIONS: OnceLock<Vec<OsString>> = OnceLock::new();

/// Keeps the global options that stood in front of the plugin's name. Only the first call counts.
pub fn keep_global_options(options: Vec<OsString>) {
    // A second call can only be a test in the same process.
    let _ = GLOBAL_OPTIONS.set(options);
}

/// The global options that the user gave to docker (`--context NAME`, `-H URL`, ...).
#[must_use]
pub fn global_options() -> &'static [OsString] {
    GLOBAL_OPTIONS.get().map_or(&[], Vec::as_slice)
}

/// The docker CLI that called us, else the one on `PATH`, with the global options that the user gave to it.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(program());
    command.args(global_options());
    command
}

/// Name or path of the docker CLI.
#[must_use]
pub fn program() -> OsString {
    std::env::var_os(ORIGINAL_CLI)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| OsString::from("docker"))
}

/// The value of a global option by any of its names: `["--context", "-c"]`.
#[must_use]
pub fn global_option(names: &[&str]) -> Option<OsString> {
    option_value(global_options(), names)
}

/// The last value of an option in `arguments`: `--name value`, `--name=value`, `-n value`, `-nvalue`.
fn option_value(arguments: &[OsString], names: &[&str]) -> Option<OsString> {
    let mut found = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        for name in names {
            if argument == OsStr::new(name) {
                found = rest.clone().next().cloned();
            } else if let Some(text) = argument.to_str()
                && let Some(value) = text.strip_prefix(name)
            {
                if let Some(value) = value.strip_prefix('=') {
                    found = Some(value.into());
                } else if !name.starts_with("--") {
                    found = Some(value.into());
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_global_option_is_found_in_every_spelling() {
        let names = ["--context", "-c"];
        for (spelling, expected) in [
            (&["--context", "a"][..], Some("a")),
            (&["--context=a"], Some("a")),
            (&["-c", "a"], Some("a")),
            (&["-ca"], Some("a")),
            (&["-D", "-c", "a", "--context", "b"], Some("b")),
            (&["--contexts=a"], None),
            (&["-D"], None),
        ] {
            let arguments: Vec<OsString> = spelling.iter().map(OsString::from).collect();
            assert_eq!(
                option_value(&arguments, &names).as_deref(),
                expected.map(OsStr::new),
                "{spelling:?}"
            );
        }
    }
}

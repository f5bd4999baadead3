//! The docker CLI: how it calls a plugin.
//!
//! A plugin is a program `docker-NAME`. The CLI first runs it with the one argument
//! `docker-cli-plugin-metadata` and reads JSON from its standard output (docker/cli, `cli-plugins/metadata`); for a
//! command it passes the plugin's own name as first argument: `docker-migrate migrate convert ...`.

use std::ffi::OsString;

use serde_json::json;

/// The argument with which the docker CLI asks who a plugin is.
pub const METADATA_ARGUMENT: &str = "docker-cli-plugin-metadata";

/// The answer to [`METADATA_ARGUMENT`].
#[must_use]
pub fn metadata(version: &str, description: &str, url: &str) -> String {
    let mut text = json!({
        "SchemaVersion": "0.1.0",
        "Vendor": "The migrate authors",
        "Version": version,
        "ShortDescription": description,
        "URL": url,
    })
    .to_string();
    text.push('\n');
    text
}

/// The arguments without the plugin's own name, which the docker CLI puts in front.
#[must_use]
pub fn without_plugin_name(arguments: Vec<OsString>, name: &str) -> Vec<OsString> {
    let mut arguments = arguments;
    if arguments.get(1).is_some_and(|first| first == name) {
        arguments.remove(1);
    }
    arguments
}

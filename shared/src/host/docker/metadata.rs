//! Who the plugin is. The CLI asks on every `docker --help` and every completion, so nothing is read or started for it.

use serde_json::json;

/// Whose plugin it is, as its metadata says.
pub const VENDOR: &str = "The migrate authors";

/// The argument with which the docker CLI asks who a plugin is.
pub const METADATA_ARGUMENT: &str = "docker-cli-plugin-metadata";

/// The answer to [`METADATA_ARGUMENT`]. Command lines before 28.4.1 accept no other schema than 0.1.0.
#[must_use]
pub fn metadata(version: &str, description: &str, url: &str) -> String {
    let mut text = json!({
        "SchemaVersion": "0.1.0",
        "Vendor": VENDOR,
        "Version": format!("v{version}"),
        "ShortDescription": description,
        "URL": url,
    })
    .to_string();
    text.push('\n');
    text
}

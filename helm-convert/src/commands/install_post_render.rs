//! `helm convert install-post-render`
//!
//! Helm 4 runs plugins as post-renderers, Helm 3 programs. A plugin's manifest for Helm 4 makes a Helm 3 with the same
//! folder drop all plugins, so it is never written where a Helm 3 would find it.

use std::path::PathBuf;

use migrate::cli::{Exit, Printer, make_folder, write_text};
use migrate::host::helm;

/// Name of the plugin.
const NAME: &str = "convert-post-render";

const PRINTER: Printer = Printer {
    quiet: false,
    verbose: false,
};

/// Runs the verb: writes the plugin beside the one that we are called as.
pub(crate) fn install_post_render() -> Exit {
    let Some((plugins, own)) = folders() else {
        PRINTER.complain(
            "error: which plugin is this? Call it by helm: `helm convert install-post-render`; if helm does not know it: helm plugin install DIR",
        );
        return Exit::Usage;
    };
    let three = helm::all()
        .into_iter()
        .find(|(_, version)| !version.starts_with("v4."));
    if let Some((program, version)) = three {
        PRINTER.complain(&format!(
            "error: {} is {version}, and would lose all of its plugins by one for Helm 4. Nothing is needed there: helm install CHART --post-renderer {} --post-renderer-args=post-render",
            program.display(),
            own.join("bin/helm-convert").display(),
        ));
        return Exit::Usage;
    }
    let folder = plugins.join(NAME);
    let file = folder.join("plugin.yaml");
    let written = make_folder(&folder).and_then(|()| write_text(&file, &manifest(&own)));
    match written {
        Ok(()) => {
            PRINTER.say(&format!(
                "{} is there now.\nUse it: helm install NAME CHART --post-renderer {NAME} --post-renderer-args=--from=PROVIDER --post-renderer-args=--to=PROVIDER\nTo remove it: helm plugin uninstall {NAME}",
                file.display()
            ));
            Exit::Done
        }
        Err(error) => {
            PRINTER.complain(&format!("error: {error}"));
            Exit::Failed
        }
    }
}

/// The folder of plugins, and our own in it.
fn folders() -> Option<(PathBuf, PathBuf)> {
    let own = std::env::var_os("HELM_PLUGIN_DIR").filter(|folder| !folder.is_empty())?;
    Some((helm::plugins_folder()?, own.into()))
}

fn manifest(own: &std::path::Path) -> String {
    let neighbour = own.file_name().unwrap_or_default().to_string_lossy();
    let version = env!("CARGO_PKG_VERSION");
    let suffix = if cfg!(windows) { ".exe" } else { "" };
    format!(
        "# Written by `helm convert install-post-render`, for Helm 4 alone.\napiVersion: v1\ntype: postrenderer/v1\nname: {NAME}\nversion: {version}\nruntime: subprocess\nruntimeConfig:\n  platformCommand:\n    - command: \"${{HELM_PLUGIN_DIR}}/../{neighbour}/bin/helm-convert{suffix}\"\n      args: [\"post-render\"]\n"
    )
}

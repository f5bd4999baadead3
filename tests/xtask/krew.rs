//! The manifest for krew.

use std::path::Path;

use crate::Failure;
use crate::targets::Target;

/// An archive of `kubectl-migrate`.
#[derive(Debug)]
pub(crate) struct Released {
    pub(crate) target: Target,
    pub(crate) file: String,
    pub(crate) sha256: String,
}

/// The manifest that names these archives, with their real sums.
pub(crate) fn manifest(
    root: &Path,
    version: &str,
    released: &[Released],
) -> Result<String, Failure> {
    let template = fs_err::read_to_string(root.join("krew/migrate.yaml.tera"))?;
    let archives: Vec<_> = released
        .iter()
        .map(|archive| {
            serde_json::json!({
                "os": archive.target.os,
                "arch": archive.target.arch,
                "file": archive.file,
                "sha256": archive.sha256,
                "bin": format!("kubectl-migrate{}", archive.target.suffix()),
            })
        })
        .collect();
    let mut context = tera::Context::new();
    context.insert("version", version);
    context.insert("repository", env!("CARGO_PKG_REPOSITORY"));
    context.insert("archives", &archives);
    Ok(tera::Tera::one_off(&template, &context, false)?)
}

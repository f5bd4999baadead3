//! Writing the output of a conversion.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::images::{ApplicationImages, StoreOptions, pin};
use super::{Exit, Printer};
use crate::images::rewrite::{Map, Rules, check_place};
use crate::orchestration::convert::to_yaml;
use crate::orchestration::output::Output;
use crate::source::normalize;

/// Where the output goes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// Write files into this folder instead of standard output, with those that stand beside the documents: secrets,
    /// and objects that are not converted
    #[arg(long, short = 'd', value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Overwrite files that are there
    #[arg(long)]
    pub force: bool,
    /// Format of the documents
    #[arg(long, short, value_enum, default_value_t = DocumentFormat::Yaml)]
    pub output: DocumentFormat,
    /// Do not carry along what the target cannot say
    #[arg(long)]
    pub no_carry: bool,
}

/// Which images the output refers to.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Images")]
pub struct ImageOptions {
    /// Registry of the target: all images are taken from there, with their repositories and tags
    #[arg(long, value_name = "HOST[:PORT][/PREFIX]", value_parser = check_place)]
    pub to_registry: Option<String>,
    /// Where the images of a registry or namespace are at the target; the longest SOURCE counts
    #[arg(long, value_name = "SOURCE=TARGET")]
    pub map_registry: Vec<Map>,
}

impl ImageOptions {
    /// The rules that these options ask for.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules::new(self.map_registry.clone(), self.to_registry.clone())
    }
}

/// Whether references are pinned to digests, and how registries are asked for them.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Images")]
pub struct PinOptions {
    /// Write the digest that each tag has now, so that a tag that moves later changes nothing
    #[arg(long)]
    pub pin_digest: bool,
    #[command(flatten)]
    stores: StoreOptions,
}

impl PinOptions {
    /// The rules, with the digests of `images` if they are asked for. What is wrong is said.
    ///
    /// # Errors
    /// A registry cannot be asked, or does not have an image.
    pub fn rules(
        &self,
        mut rules: Rules,
        images: impl FnOnce() -> Result<ApplicationImages, Exit>,
        printer: Printer,
    ) -> Result<Rules, Exit> {
        if self.pin_digest {
            pin(&mut rules, &images()?, &self.stores, printer)?;
        }
        Ok(rules)
    }
}

/// Format of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DocumentFormat {
    /// YAML
    Yaml,
    /// JSON
    Json,
}

/// Why the output was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Files are there already; nothing was written.
    #[error("`{0}` is there already; use another folder, or --force to overwrite")]
    Exists(String),
    /// The output names a file outside of its folder; a defect.
    #[error("`{0}` would be written outside of the output folder")]
    Outside(String),
    /// The file system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl OutputOptions {
    /// All documents as one text, for standard output.
    #[must_use]
    pub fn text(&self, output: &Output) -> String {
        match self.output {
            DocumentFormat::Yaml => to_yaml(output.documents.iter().map(|d| &d.value)),
            DocumentFormat::Json => match output.documents.as_slice() {
                [one] => pretty(&one.value),
                many => {
                    let items: Vec<_> = many.iter().map(|d| d.value.clone()).collect();
                    pretty(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}))
                }
            },
        }
    }

    /// Writes all documents and files into `folder`; all or nothing as far as existing files are concerned. Returns the
    /// paths that were written.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write(&self, output: &Output, folder: &Path) -> Result<Vec<PathBuf>, WriteError> {
        let mut files: Vec<(PathBuf, Vec<u8>, bool)> = Vec::new();
        for document in &output.documents {
            let (text, extension) = match self.output {
                DocumentFormat::Yaml => (to_yaml([&document.value]), "yaml"),
                DocumentFormat::Json => (pretty(&document.value), "json"),
            };
            files.push((
                PathBuf::from(format!("{}.{extension}", document.name)),
                text.into_bytes(),
                false,
            ));
        }
        for file in &output.files {
            files.push((PathBuf::from(&file.path), file.bytes.clone(), file.secret));
        }
        for (path, ..) in &files {
            let clean = normalize(path);
            if path.is_absolute() || clean.starts_with("..") {
                return Err(WriteError::Outside(path.display().to_string()));
            }
            let full = folder.join(&clean);
            if !self.force && full.symlink_metadata().is_ok() {
                return Err(WriteError::Exists(full.display().to_string()));
            }
        }
        fs_err::create_dir_all(folder)?;
        let mut written = Vec::new();
        for (path, bytes, secret) in files {
            let full = folder.join(normalize(&path));
            if let Some(parent) = full.parent() {
                fs_err::create_dir_all(parent)?;
            }
            write_file(&full, &bytes, secret)?;
            written.push(full);
        }
        Ok(written)
    }
}

/// Writes a file whole or not at all: into a new file beside it that then takes its name.
fn write_file(path: &Path, bytes: &[u8], secret: bool) -> io::Result<()> {
    use std::io::Write as _;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    // A left-over of an earlier run could have other permissions, or be a link.
    let _ = fs_err::remove_file(&partial);
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    let mut file = options.open(&partial)?;
    file.write_all(bytes)?;
    drop(file);
    fs_err::rename(&partial, path)
}

fn pretty(value: &Value) -> String {
    // Writing JSON values to memory cannot fail.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

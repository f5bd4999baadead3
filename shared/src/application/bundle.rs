//! A bundle: a folder with the orchestration and all images of an application, for a target without a link.
//!
//! | in it | what it is |
//! |---|---|
//! | `bundle.json` | what the bundle is for, and which image is which |
//! | `orchestration/` | the converted files |
//! | `images/` | an OCI layout |

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::images::Digest;

/// File with the description.
pub const FILE: &str = "bundle.json";
/// Folder with the converted files.
pub const ORCHESTRATION: &str = "orchestration";
/// Folder with the images.
pub const IMAGES: &str = "images";
/// Version of the description; others are refused.
const VERSION: u32 = 1;

/// What a bundle is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    schema: u32,
    /// Name of the application.
    pub application: String,
    /// `kubernetes`, `compose` or `swarm`.
    pub format: String,
    /// The files to hand to the native tool, relative to the bundle.
    pub files: Vec<String>,
    /// The images.
    pub images: Vec<BundledImage>,
}

/// An image in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundledImage {
    /// Its whole name, by which the converted files and the layout know it.
    pub name: String,
    /// Its digest.
    pub digest: Option<Digest>,
}

impl Bundle {
    /// A description.
    #[must_use]
    pub fn new(application: &str, format: &str) -> Self {
        Self {
            schema: VERSION,
            application: application.to_owned(),
            format: format.to_owned(),
            files: Vec::new(),
            images: Vec::new(),
        }
    }

    /// Writes the description. It is the last file of a bundle: without it a folder is none.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        let partial = folder.join("bundle.partial");
        fs_err::write(&partial, text)?;
        fs_err::rename(partial, folder.join(FILE))
    }

    /// Reads the description of a bundle.
    ///
    /// # Errors
    /// The folder is no bundle, in words.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(FILE);
        let bytes = fs_err::read(&path)
            .map_err(|error| format!("{} is no bundle: {error}", folder.display()))?;
        let bundle: Self = serde_json::from_slice(&bytes)
            .map_err(|error| format!("{} cannot be understood: {error}", path.display()))?;
        if bundle.schema != VERSION {
            return Err(format!(
                "{} has version {}, which this program does not know",
                path.display(),
                bundle.schema
            ));
        }
        let inside = |file: &String| {
            let clean = crate::source::normalize(Path::new(file));
            !Path::new(file).is_absolute() && !clean.starts_with("..")
        };
        if let Some(outside) = bundle.files.iter().find(|file| !inside(file)) {
            return Err(format!(
                "{} names `{outside}`, which is outside of the bundle",
                path.display()
            ));
        }
        Ok(bundle)
    }
}

//! What a writer hands over.

use std::io;
use std::path::Path;

use serde_json::Value;

/// The documents and files of one conversion.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// Kubernetes objects in the order in which they should be applied, or the one Compose file.
    pub documents: Vec<Document>,
    /// Files that the documents refer to.
    pub files: Vec<SideFile>,
}

impl Output {
    /// Writes the files that are no documents below a folder.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn write_files(&self, folder: &Path) -> io::Result<()> {
        for file in &self.files {
            let path = folder.join(&file.path);
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent)?;
            }
            fs_err::write(path, &file.bytes)?;
        }
        Ok(())
    }
}

/// One document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// File name without folder and extension, unique within an output: `web-deployment`, `compose`.
    pub name: String,
    /// The document.
    pub value: Value,
    /// Which parts of a Compose file it stands for: `services.web`, `volumes.data`. What Kubernetes cannot say of them
    /// is carried in this object's annotations. Empty for Compose output.
    pub subjects: Vec<String>,
}

/// A file beside the documents.
#[derive(Clone, PartialEq, Eq)]
pub struct SideFile {
    /// Path relative to the output folder, with `/`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Readable by its owner only.
    pub secret: bool,
}

impl std::fmt::Debug for SideFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SideFile")
            .field("path", &self.path)
            .field("bytes", &format_args!("<{} bytes>", self.bytes.len()))
            .field("secret", &self.secret)
            .finish()
    }
}

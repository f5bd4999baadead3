//! Archives that come out the same for the same content: sorted, without owners, with one time for all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::Failure;

/// A file in an archive.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The content.
    pub(crate) bytes: Vec<u8>,
    /// Whether it is a program.
    pub(crate) executable: bool,
}

/// The files of an archive by their paths. Only plain files: krew refuses links.
#[derive(Debug, Clone, Default)]
pub(crate) struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// Adds a file.
    pub(crate) fn add(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        let entry = Entry {
            bytes: bytes.into(),
            executable: false,
        };
        self.entries.insert(path.to_owned(), entry);
    }

    /// Adds a program.
    pub(crate) fn add_program(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        let entry = Entry {
            bytes: bytes.into(),
            executable: true,
        };
        self.entries.insert(path.to_owned(), entry);
    }

    /// The same files below a folder.
    pub(crate) fn below(&self, folder: &str) -> Self {
        let entries = self
            .entries
            .iter()
            .map(|(path, entry)| (format!("{folder}/{path}"), entry.clone()))
            .collect();
        Self { entries }
    }

    /// Writes a gzip-compressed tar file and returns its SHA-256 in hexadecimal.
    pub(crate) fn write(
        &self,
        file: &Path,
        time: u64,
        compression: Compression,
    ) -> Result<String, Failure> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), compression));
        // Helm 3 makes no folders by itself.
        let folders: BTreeSet<&Path> = self
            .entries
            .keys()
            .flat_map(|path| Path::new(path).ancestors().skip(1))
            .filter(|folder| !folder.as_os_str().is_empty())
            .collect();
        for folder in folders {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            header.set_mode(0o755);
            header.set_mtime(time);
            header.set_uid(0);
            header.set_gid(0);
            tar.append_data(
                &mut header,
                format!("{}/", folder.display()),
                std::io::empty(),
            )?;
        }
        for (path, entry) in &self.entries {
            let mut header = tar::Header::new_ustar();
            header.set_size(entry.bytes.len() as u64);
            header.set_mode(if entry.executable { 0o755 } else { 0o644 });
            header.set_mtime(time);
            header.set_uid(0);
            header.set_gid(0);
            tar.append_data(&mut header, path, entry.bytes.as_slice())?;
        }
        let bytes = tar.into_inner()?.finish()?;
        if let Some(folder) = file.parent() {
            fs_err::create_dir_all(folder)?;
        }
        fs_err::File::create(file)?.write_all(&bytes)?;
        Ok(sha256(&bytes))
    }
}

/// SHA-256 in hexadecimal, lower case as krew wants it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// SHA-256 of a file in hexadecimal.
pub(crate) fn sha256_of(file: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    fs_err::File::open(file)?.read_to_end(&mut bytes)?;
    Ok(sha256(&bytes))
}

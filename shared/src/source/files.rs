//! Reading files, real or in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::text::read_all;

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// Nothing.
    Missing,
    /// A regular file with its size in bytes.
    File(u64),
    /// A folder.
    Directory,
    /// A socket, a device or anything else.
    Other,
}

/// Where a reader gets the files that an input names.
pub trait Files {
    /// The whole content of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// The path cannot be read, or the file is larger than `limit` (kind `FileTooLarge`).
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// What lies at a path; links are followed.
    fn kind(&self, path: &Path) -> PathKind;

    /// Names of the entries of a folder, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// The permission bits of a file, where the file system has them.
    fn mode(&self, path: &Path) -> Option<u32>;
}

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        read_all(fs_err::File::open(path)?, limit)
    }

    fn kind(&self, path: &Path) -> PathKind {
        match path.metadata() {
            Err(_) => PathKind::Missing,
            Ok(m) if m.is_file() => PathKind::File(m.len()),
            Ok(m) if m.is_dir() => PathKind::Directory,
            Ok(_) => PathKind::Other,
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = fs_err::read_dir(folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    #[cfg(unix)]
    fn mode(&self, path: &Path) -> Option<u32> {
        use std::os::unix::fs::PermissionsExt as _;
        Some(path.metadata().ok()?.permissions().mode() & 0o7777)
    }

    #[cfg(not(unix))]
    fn mode(&self, _path: &Path) -> Option<u32> {
        None
    }
}

/// Files in memory. Paths are compared after [`normalize`].
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
    modes: BTreeMap<PathBuf, u32>,
}

impl Memory {
    /// Gives a file permission bits.
    pub fn set_mode(&mut self, path: impl AsRef<Path>, mode: u32) {
        self.modes.insert(normalize(path.as_ref()), mode);
    }

    /// Adds a file.
    pub fn add(&mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(normalize(path.as_ref()), bytes.into());
    }
}

impl Files for Memory {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match self.files.get(&normalize(path)) {
            Some(bytes) if bytes.len() as u64 > limit => Err(too_large(path, limit)),
            Some(bytes) => Ok(bytes.clone()),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("no such file: {}", path.display()),
            )),
        }
    }

    fn kind(&self, path: &Path) -> PathKind {
        let path = normalize(path);
        match self.files.get(&path) {
            Some(bytes) => PathKind::File(bytes.len() as u64),
            None if self.files.keys().any(|k| k.starts_with(&path)) => PathKind::Directory,
            None => PathKind::Missing,
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let folder = normalize(folder);
        let mut names: Vec<_> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&folder).ok())
            .filter_map(|rest| rest.components().next())
            .map(|first| first.as_os_str().to_string_lossy().into_owned())
            .collect();
        names.dedup();
        Ok(names)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        self.modes.get(&normalize(path)).copied()
    }
}

/// Whether a mode lets nobody but the owner near a file.
#[must_use]
pub fn is_private(mode: u32) -> bool {
    mode.trailing_zeros() >= 6
}

/// What of a file's permission bits matters to whoever reads it: that it can be executed, or that it is only its
/// owner's. The rest differs from machine to machine with the mask of the one who made it.
#[must_use]
pub fn telling_mode(mode: u32) -> Option<u32> {
    let private = is_private(mode);
    let executable = mode & 0o111 != 0;
    match (private, executable) {
        (true, _) => Some(mode & 0o700),
        (false, true) => Some(0o755),
        (false, false) => None,
    }
}

/// The path without `.` and with `..` taken back by text, without asking the file system. A `..` at the beginning
/// stays.
#[must_use]
pub fn normalize(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::RootDir)) => {}
            other => out.push(other),
        }
    }
    out
}

fn too_large(path: &Path, limit: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("{}: larger than {limit} bytes", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalized_by_text() {
        for (from, to) in [
            ("a/./b/../c", "a/c"),
            ("../a/../..", "../.."),
            ("/../a", "/a"),
            ("./a", "a"),
        ] {
            assert_eq!(normalize(Path::new(from)), Path::new(to), "{from}");
        }
    }
}

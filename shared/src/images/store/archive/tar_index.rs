//! The files in a tar archive, read in place.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Component, Path};
use std::sync::Arc;

use tar::EntryType;

use crate::images::ImageError;
use crate::images::store::contents::{Contents, Part, local, spool};

/// Links that lead to links: more than these are a circle.
const LONGEST_CHAIN: usize = 8;

/// An archive whose files are known by their place in it.
#[derive(Debug)]
pub(super) struct TarIndex {
    place: String,
    file: Arc<File>,
    files: BTreeMap<String, (u64, u64)>,
    /// Links inside of the archive.
    links: BTreeMap<String, String>,
}

impl TarIndex {
    /// Reads the list of files; a compressed archive is unpacked first, into a file without a name.
    pub(super) fn open(path: &Path, place: &str) -> Result<Self, ImageError> {
        let file: File = fs_err::File::open(path)
            .map_err(|error| ImageError::Local(error.to_string()))?
            .into();
        Self::of(file, place)
    }

    /// As [`Self::open`], for a file that is open already.
    pub(super) fn of(mut file: File, place: &str) -> Result<Self, ImageError> {
        let io_failed = |error: io::Error| local(place, &error);
        let mut magic = [0; 6];
        file.rewind().map_err(io_failed)?;
        let read = read_up_to(&mut file, &mut magic).map_err(io_failed)?;
        file.rewind().map_err(io_failed)?;
        let file = match &magic[..read] {
            [0x1f, 0x8b, ..] => {
                let mut plain = spool().map_err(io_failed)?;
                let mut decoder =
                    flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(1 << 20, file));
                unpack(&mut decoder, &mut plain).map_err(|error| broken(place, &error))?;
                plain
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(compressed(place, "zstd", "zstd -d")),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => return Err(compressed(place, "xz", "unxz")),
            [b'B', b'Z', b'h', ..] => return Err(compressed(place, "bzip2", "bunzip2")),
            _ => file,
        };
        let mut own = Self {
            place: place.to_owned(),
            file: Arc::new(file),
            files: BTreeMap::new(),
            links: BTreeMap::new(),
        };
        own.list()?;
        Ok(own)
    }

    fn invalid(&self, reason: impl Into<String>) -> ImageError {
        ImageError::Invalid {
            place: self.place.clone(),
            reason: reason.into(),
        }
    }

    fn list(&mut self) -> Result<(), ImageError> {
        let mut reader = self
            .file
            .try_clone()
            .map_err(|error| local(&self.place, &error))?;
        reader
            .rewind()
            .map_err(|error| local(&self.place, &error))?;
        let length = reader
            .metadata()
            .map_err(|error| local(&self.place, &error))?
            .len();
        let mut archive = tar::Archive::new(io::BufReader::new(reader));
        let entries = archive
            .entries_with_seek()
            .map_err(|error| broken(&self.place, &error))?;
        let mut any = false;
        for entry in entries {
            let entry = entry.map_err(|error| broken(&self.place, &error))?;
            any = true;
            let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = entry.path().map_err(|error| broken(&self.place, &error))?;
            let Some(path) = inside("", &path) else {
                return Err(self.invalid(format!(
                    "`{shown}` would lie outside of the archive's folder; the archive is refused"
                )));
            };
            match entry.header().entry_type() {
                EntryType::Directory | EntryType::XGlobalHeader => {}
                EntryType::Regular | EntryType::Continuous => {
                    let (start, size) = (entry.raw_file_position(), entry.size());
                    if start.checked_add(size).is_none_or(|end| end > length) {
                        return Err(self.invalid(format!(
                            "`{shown}` says that it has {size} bytes, but the archive ends before; it is cut off or damaged"
                        )));
                    }
                    self.files.insert(path, (start, size));
                }
                EntryType::Symlink | EntryType::Link => {
                    let target = entry
                        .link_name()
                        .map_err(|error| broken(&self.place, &error))?
                        .unwrap_or_default();
                    // A symbolic link starts from its own folder, a hard link from the archive's.
                    let folder = if entry.header().entry_type() == EntryType::Symlink {
                        path.rsplit_once('/').map_or("", |(folder, _)| folder)
                    } else {
                        ""
                    };
                    let Some(target_path) = inside(folder, &target) else {
                        return Err(self.invalid(format!(
                            "`{shown}` is a link to `{}`, outside of the archive; the archive is refused",
                            target.display()
                        )));
                    };
                    self.links.insert(path, target_path);
                }
                other => {
                    return Err(self.invalid(format!(
                        "`{shown}` is no file, folder or link ({other:?}); the archive is refused"
                    )));
                }
            }
        }
        if any {
            Ok(())
        } else {
            Err(self.invalid("there is nothing in it"))
        }
    }
}

impl Contents for TarIndex {
    fn place(&self) -> &str {
        &self.place
    }

    fn open(&self, path: &str) -> Result<Option<Part>, ImageError> {
        let mut path = path.to_owned();
        for _ in 0..LONGEST_CHAIN {
            if let Some((start, size)) = self.files.get(&path) {
                return Ok(Some(Part {
                    file: Arc::clone(&self.file),
                    start: *start,
                    size: *size,
                }));
            }
            match self.links.get(&path) {
                Some(target) => path.clone_from(target),
                None => return Ok(None),
            }
        }
        Err(self.invalid(format!("`{path}` is a link in a circle")))
    }
}

/// A path as text without `.` and `..`; `None` if it is absolute or leaves the archive.
fn inside(folder: &str, path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            // Only links may go up, and not out.
            Component::ParentDir if !folder.is_empty() => {
                parts.pop()?;
            }
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read(&mut buffer[done..])? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}

fn unpack(from: &mut dyn io::Read, to: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match from.read(&mut buffer)? {
            0 => return to.flush(),
            read => to.write_all(&buffer[..read])?,
        }
    }
}

fn broken(place: &str, error: &io::Error) -> ImageError {
    // Behind the colon the reader quotes the archive.
    let text = error.to_string();
    let why = text.split(':').next().unwrap_or_default();
    ImageError::Invalid {
        place: place.to_owned(),
        reason: format!(
            "it cannot be read as a tar archive; it is damaged or something else ({why})"
        ),
    }
}

fn compressed(place: &str, kind: &str, tool: &str) -> ImageError {
    ImageError::Invalid {
        place: place.to_owned(),
        reason: format!(
            "it is compressed with {kind}, which is not read here; unpack it with `{tool}` first"
        ),
    }
}

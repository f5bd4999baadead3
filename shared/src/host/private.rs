//! Folders for files that a tool reads once and that can hold secrets: for their owner only, in memory where the system
//! has such a place, and gone afterwards, even if nobody is left to remove them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::process::{began, is_own_folder};

/// Where files lie in memory.
const MEMORY: &str = "/dev/shm";
/// Begins the names of our folders; the number of the process, its beginning and a number follow.
const PREFIX: &str = "migrate-";

/// The folder. It is removed with all that is in it when this is dropped.
#[derive(Debug)]
pub(crate) struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// Makes one in memory, if that has `room` bytes left, or else in the folder `otherwise`.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn new(room: u64, otherwise: &Path) -> io::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        static SWEEP: Once = Once::new();
        SWEEP.call_once(|| remove_left(&std::env::temp_dir()));
        let process = std::process::id();
        // Only what tells its process for certain can be removed after it was killed.
        let began = began(process);
        let parent = match &began {
            Some(_) if left(Path::new(MEMORY)).is_some_and(|left| left >= room) => {
                Path::new(MEMORY)
            }
            _ => otherwise,
        };
        let began = began.as_deref().unwrap_or("");
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{process}-{began}-{number}"));
            match make(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {}
                Err(error) => {
                    let text = format!("{}: {error}", path.display());
                    return Err(io::Error::new(error.kind(), text));
                }
            }
        }
    }

    /// As [`PrivateFolder::new`] with much in it, in the system's folder for such things where memory has no room.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn for_much() -> io::Result<Self> {
        Self::new(1 << 30, &std::env::temp_dir())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        let _ = fs_err::remove_dir_all(&self.0);
    }
}

/// Removes what killed processes of this user have left in memory and in the folder `otherwise`.
pub(crate) fn remove_left(otherwise: &Path) {
    for place in [Path::new(MEMORY), otherwise] {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
                continue;
            };
            let mut words = rest.splitn(3, '-');
            let (Some(process), Some(noted), Some(_)) = (
                words.next().and_then(|word| word.parse::<u32>().ok()),
                words.next().filter(|word| !word.is_empty()),
                words.next(),
            ) else {
                continue;
            };
            if began(process).as_deref() != Some(noted) && is_own_folder(&entry) {
                let _ = fs_err::remove_dir_all(entry.path());
            }
        }
    }
}

/// How many bytes are left in a folder's file system.
#[cfg(unix)]
fn left(folder: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

#[cfg(not(unix))]
fn left(_: &Path) -> Option<u64> {
    None
}

fn make(path: &Path) -> io::Result<()> {
    #[allow(unused_mut)]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn it_is_its_owners_alone_and_goes() {
        use std::os::unix::fs::PermissionsExt as _;
        let otherwise = tempfile::tempdir().unwrap();
        for room in [0, u64::MAX] {
            let folder = PrivateFolder::new(room, otherwise.path()).unwrap();
            let path = folder.path().to_owned();
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
            assert!(room == 0 || path.starts_with(otherwise.path()));
            remove_left(otherwise.path());
            assert!(path.exists(), "a living process still needs it");
            drop(folder);
            assert!(!path.exists());
        }
    }

    #[test]
    fn what_a_killed_process_left_goes() {
        let otherwise = tempfile::tempdir().unwrap();
        // No process has begun before the system did.
        let left = otherwise
            .path()
            .join(format!("{PREFIX}{}-0-1", std::process::id()));
        let foreign = otherwise.path().join(format!("{PREFIX}of-somebody-else"));
        fs_err::create_dir_all(left.join("inner")).unwrap();
        fs_err::create_dir_all(&foreign).unwrap();
        remove_left(otherwise.path());
        assert!(!left.exists() && foreign.exists());
    }
}

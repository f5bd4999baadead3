//! Folders in which charts are rendered: a chart of 500 files is written a dozen times, so in memory where there is room.

use std::path::{Path, PathBuf};

use super::super::ChartError;
use crate::host::process::{began, is_own_folder};

/// Where files lie in memory.
const MEMORY: &str = "/dev/shm";
/// Less room there is left to others; a chart has at most some 100 MB.
#[cfg(unix)]
const ROOM: u64 = 1 << 30;
/// Begins the names of our folders; the number of the process follows.
const PREFIX: &str = "helm-convert-";

/// Where the folders are.
fn place() -> PathBuf {
    #[cfg(unix)]
    if let Ok(memory) = rustix::fs::statvfs(MEMORY)
        && memory.f_bavail.saturating_mul(memory.f_frsize) >= ROOM
    {
        return MEMORY.into();
    }
    std::env::temp_dir()
}

/// Removes the folders of this user's processes that were killed: they hold values.
pub(crate) fn remove_left() {
    for place in [PathBuf::from(MEMORY), std::env::temp_dir()] {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let process = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'))
                .and_then(|(process, _)| process.parse().ok());
            if process.is_some_and(|process| began(process).is_none()) && is_own_folder(&entry) {
                let _ = fs_err::remove_dir_all(entry.path());
            }
        }
    }
}

/// A folder of our own that goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one.
    pub(crate) fn new() -> Result<Self, ChartError> {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        static SWEEP: std::sync::Once = std::sync::Once::new();
        SWEEP.call_once(remove_left);
        let parent = place();
        for _ in 0..1000 {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
            match private_folder(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ChartError::Input(format!(
            "no temporary folder can be made in `{}`",
            parent.display()
        )))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        let _ = fs_err::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    // Values may hold secrets.
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn private_folder(path: &Path) -> std::io::Result<()> {
    fs_err::create_dir(path)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_that_of_a_living_one_stays() {
        let own = Scratch::new().unwrap();
        // No process has this number: the kernel's largest is 4194304 (proc_sys_kernel(5)).
        let left = place().join(format!("{PREFIX}4194305-0"));
        fs_err::create_dir_all(left.join("chart")).unwrap();
        remove_left();
        assert!(own.path().is_dir() && !left.exists());
    }
}

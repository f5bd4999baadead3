//! A folder for files that a tool reads once and that can hold secrets: for their owner only, in memory where the system
//! has such a place, and gone afterwards, even if nobody is left to remove it.

use std::io;
use std::path::{Path, PathBuf};

use crate::host::process::{began, is_own_folder};
use crate::orchestration::chart;
use crate::orchestration::output::Output;

/// Where files lie in memory.
const MEMORY: &str = "/dev/shm";
/// Begins the names of our folders there.
const PREFIX: &str = "migrate-";

/// The folder. It is removed with all that is in it when this is dropped.
#[derive(Debug)]
pub(super) struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// Makes it for a run, whose own folder is the place where there is none in memory.
    ///
    /// # Errors
    /// It cannot be made, or is there already and somebody else's.
    pub(super) fn make(run: &Path) -> io::Result<Self> {
        let process = std::process::id();
        let memory = Path::new(MEMORY);
        let path = match (run.file_name(), began(process)) {
            (Some(name), Some(began)) if memory.is_dir() => memory.join(format!(
                "{PREFIX}{process}-{began}-{}",
                name.to_string_lossy()
            )),
            _ => run.join("private"),
        };
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        match builder.create(&path) {
            // Of a killed process: only below the run's own folder.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.starts_with(run) => {
                fs_err::remove_dir_all(&path)?;
                builder.create(&path)?;
            }
            Err(error) => {
                return Err(io::Error::new(
                    error.kind(),
                    format!("{}: {error}", path.display()),
                ));
            }
            Ok(()) => {}
        }
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = fs_err::remove_dir_all(&self.0);
    }
}

/// Writes the files of an output that are no documents below a folder.
///
/// # Errors
/// The disk's.
pub(super) fn write_side_files(output: &Output, folder: &Path) -> io::Result<()> {
    for file in &output.files {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(path, &file.bytes)?;
    }
    Ok(())
}

/// Removes what killed processes of this user have left in memory, and what one has left in the folder of its run.
pub fn remove_left(run: Option<&Path>) {
    if let Some(run) = run {
        let _ = fs_err::remove_dir_all(run.join("private"));
    }
    chart::remove_left();
    for entry in std::fs::read_dir(MEMORY).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        let mut words = rest.splitn(3, '-');
        let (Some(process), Some(noted), Some(_)) = (
            words.next().and_then(|word| word.parse::<u32>().ok()),
            words.next(),
            words.next(),
        ) else {
            continue;
        };
        if began(process).as_deref() != Some(noted) && is_own_folder(&entry) {
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn it_is_its_owners_alone_and_goes() {
        use std::os::unix::fs::PermissionsExt as _;
        let run = tempfile::tempdir().unwrap();
        let folder = PrivateFolder::make(run.path()).unwrap();
        let path = folder.path().to_owned();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        remove_left(None);
        assert!(path.exists(), "a living process still needs it");
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_process_left_goes() {
        if !Path::new(MEMORY).is_dir() {
            return;
        }
        // No process has begun before the system did.
        let left = Path::new(MEMORY).join(format!("{PREFIX}{}-0-test", std::process::id()));
        let foreign = Path::new(MEMORY).join(format!("{PREFIX}of-somebody-else"));
        fs_err::create_dir_all(left.join("inner")).unwrap();
        fs_err::create_dir_all(&foreign).unwrap();
        remove_left(None);
        assert!(!left.exists() && foreign.exists());
        fs_err::remove_dir_all(foreign).unwrap();
    }
}

//! Native tools outlive a run that is killed: each is noted in the folder of its run while it works, so that whoever goes
//! on with the run or undoes it can end it first.

use crate::host::process::began;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Begins the names of the notes.
const PREFIX: &str = "tool-";
/// How long a tool may take to end by itself once it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// The folder of the run of this process.
static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// From now on tools are noted in this folder.
pub fn note_in(folder: &Path) {
    *FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder.to_owned());
}

/// A note about a tool that works. It goes with the tool.
#[derive(Debug)]
pub(super) struct Note(Option<PathBuf>);

impl Note {
    /// Notes a tool that was just started.
    pub(super) fn of(process: u32) -> Self {
        let folder = FOLDER
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let path = folder.map(|folder| folder.join(format!("{PREFIX}{process}")));
        let written = path.filter(|path| {
            let began = began(process).unwrap_or_default();
            // On a disk that is full the tool works all the same.
            fs_err::write(path, began).is_ok()
        });
        Self(written)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs_err::remove_file(path);
        }
    }
}

/// Ends the tools that a killed run has left working. Those of this process are not among them: it has started none yet.
pub fn end_left(folder: &Path) {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(process) = name
            .strip_prefix(PREFIX)
            .and_then(|number| number.parse().ok())
        else {
            continue;
        };
        let noted = fs_err::read_to_string(entry.path()).unwrap_or_default();
        end(process, &noted);
        let _ = fs_err::remove_file(entry.path());
    }
}

/// Ends a process, if it still is the one that began then.
fn end(process: u32, noted: &str) {
    let lives = || !noted.is_empty() && began(process).as_deref() == Some(noted);
    for signal in [Signal::Please, Signal::Now] {
        if !lives() {
            return;
        }
        send(process, signal);
        let deadline = Instant::now() + PATIENCE;
        while lives() && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
        }
    }
}

/// How a process is asked to end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signal {
    /// It may tidy up.
    Please,
    /// It is not asked.
    Now,
}

/// Sends a signal. A process that is gone needs none.
#[cfg(unix)]
pub(super) fn send(process: u32, signal: Signal) {
    use rustix::process::{Pid, Signal as Unix, kill_process};
    let signal = match signal {
        Signal::Please => Unix::TERM,
        Signal::Now => Unix::KILL,
    };
    if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// There are no signals here.
#[cfg(not(unix))]
pub(super) fn send(_: u32, _: Signal) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_ended_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let sleep = || {
            std::process::Command::new("sleep")
                .arg("1000")
                .spawn()
                .unwrap()
        };
        let (mut left, mut other) = (sleep(), sleep());
        let note = |process: u32, text: &str| {
            fs_err::write(folder.path().join(format!("{PREFIX}{process}")), text).unwrap();
        };
        note(left.id(), &began(left.id()).unwrap());
        // The number has been given to another process since.
        note(other.id(), "1");
        end_left(folder.path());
        assert!(!left.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
    }
}

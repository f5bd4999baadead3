//! Helm while it works.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::super::process::{failed, shown};
use super::super::tools::{Note, Signal, send};
use super::Failure;
use crate::host::private::PrivateFolder;

/// Most that is kept of what helm says.
const MOST_WORDS: u64 = 1 << 20;
/// How long helm may take to write down that it was stopped.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked at meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// A helm that works, with the files that it reads.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    shown: String,
    words: Receiver<String>,
    _files: PrivateFolder,
    _note: Note,
}

impl Running {
    /// Starts it.
    pub(super) fn start(mut command: Command, files: PrivateFolder) -> Result<Self, Failure> {
        let shown = shown(&command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Failure::unreachable(format!("`{shown}` cannot be started: {error}"))
            })?;
        let note = Note::of(child.id());
        let (sender, words) = channel();
        if let Some(errors) = child.stderr.take() {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = errors.take(MOST_WORDS).read_to_end(&mut bytes);
                // Nobody listens any more if helm was stopped.
                let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
            });
        }
        Ok(Self {
            child,
            shown,
            words,
            _files: files,
            _note: note,
        })
    }

    /// How it ended, if it has.
    pub(super) fn poll(&mut self) -> Option<Result<(), Failure>> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) if status.success() => Some(Ok(())),
            Ok(Some(status)) => {
                let words = self.words.recv_timeout(Duration::from_secs(1));
                let words = words.unwrap_or_default();
                Some(Err(failed(&self.shown, status, &words)))
            }
            Err(error) => Some(Err(Failure::tool(format!("`{}`: {error}", self.shown)))),
        }
    }

    /// Waits for its end.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        loop {
            if let Some(result) = self.poll() {
                return result;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Ends it: it writes down that it was stopped, so that the release is not locked.
    pub(super) fn stop(mut self) {
        send(self.child.id(), Signal::Please);
        let deadline = Instant::now() + PATIENCE;
        while self.poll().is_none() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

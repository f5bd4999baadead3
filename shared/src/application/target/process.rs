//! Native tools as processes: what they say is passed on, secrets go through their standard input.

use std::io::Write as _;
use std::process::{Command, ExitStatus, Stdio};

use super::tools::Note;
use crate::cli::Exit;

/// A native tool did not do what it should, or the target is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What went wrong, with the tool's own words.
    pub message: String,
    /// The exit code that it means for us.
    pub exit: Exit,
}

impl Failure {
    /// The native tool failed.
    pub fn tool(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::NativeTool,
        }
    }

    /// Something is not reachable or not there.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::Unreachable,
        }
    }

    /// A file cannot be written or read.
    #[must_use]
    pub fn disk(error: &std::io::Error) -> Self {
        Self {
            message: error.to_string(),
            exit: Exit::Failed,
        }
    }

    /// Refused, to protect what is there.
    pub fn refused(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: Exit::Refused,
        }
    }
}

/// Runs a tool and gives its standard output.
///
/// # Errors
/// It cannot be started or fails, in its own words.
pub fn run(command: Command) -> Result<String, Failure> {
    run_with_input(command, "")
}

/// Runs a tool with a text on its standard input and gives its standard output.
///
/// # Errors
/// It cannot be started or fails, in its own words.
pub fn run_with_input(command: Command, input: &str) -> Result<String, Failure> {
    run_with_bytes(command, input.as_bytes())
}

/// As [`run_with_input`], for what need not be text.
///
/// # Errors
/// As [`run_with_input`].
pub(super) fn run_with_bytes(mut command: Command, input: &[u8]) -> Result<String, Failure> {
    let shown = shown(&command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::unreachable(format!("`{shown}` cannot be started: {error}")))?;
    let _note = Note::of(child.id());
    let stdin = child.stdin.take();
    let bytes = input.to_owned();
    // The tool may write before it has read all.
    let writer = std::thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            // A tool that stops reading says why by its exit code.
            let _ = stdin.write_all(&bytes);
        }
    });
    let output = child
        .wait_with_output()
        .map_err(|error| Failure::tool(format!("`{shown}`: {error}")))?;
    let _ = writer.join();
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(failed(&shown, output.status, &words))
}

/// A tool that has ended with an exit code, in its own words.
pub(super) fn failed(shown: &str, status: ExitStatus, words: &str) -> Failure {
    let code = status
        .code()
        .map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
    Failure::tool(format!("`{shown}` failed ({code}): {}", words.trim()))
}

/// The command line, for people.
pub(super) fn shown(command: &Command) -> String {
    let mut words = vec![
        std::path::Path::new(command.get_program())
            .file_name()
            .unwrap_or(command.get_program())
            .to_string_lossy()
            .into_owned(),
    ];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

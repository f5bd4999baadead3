//! Short questions to host programs: `kubectl version`, `docker info`. Never longer than a time limit.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Most that is read of an answer, in bytes.
const LONGEST_ANSWER: u64 = 16 << 20;

/// What a program answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub complaint: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The program cannot be started.
    #[error("`{program}` cannot be started: {error}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        error: std::io::Error,
    },
    /// It did not answer in time, and was ended.
    #[error("`{program}` did not answer within {} s", .limit.as_secs())]
    Late {
        /// The program.
        program: String,
        /// How long it was waited for.
        limit: Duration,
    },
}

/// Runs a program without standard input and waits at most `limit` for its end.
///
/// # Errors
/// See [`AskError`].
pub fn ask(mut command: Command, limit: Duration) -> Result<Answer, AskError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| AskError::Start {
            program: program.clone(),
            error,
        })?;
    let output = child.stdout.take().map(read_in_background);
    let complaint = child.stderr.take().map(read_in_background);
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(AskError::Late { program, limit });
            }
        }
    };
    // A child of the program's own could hold the pipes open beyond its end.
    let text = |receiver: Option<std::sync::mpsc::Receiver<String>>| {
        receiver
            .and_then(|receiver| receiver.recv_timeout(Duration::from_secs(1)).ok())
            .unwrap_or_default()
    };
    Ok(Answer {
        success: status.success(),
        output: text(output),
        complaint: text(complaint),
    })
}

fn read_in_background(
    pipe: impl std::io::Read + Send + 'static,
) -> std::sync::mpsc::Receiver<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.take(LONGEST_ANSWER).read_to_end(&mut bytes);
        // Nobody waits any more once the time is up.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn an_answer_has_both_streams() {
        let answer = ask(
            shell("echo yes; echo no >&2; exit 3"),
            Duration::from_secs(20),
        )
        .unwrap();
        assert_eq!(
            answer,
            Answer {
                success: false,
                output: "yes\n".into(),
                complaint: "no\n".into()
            }
        );
    }

    #[test]
    fn who_does_not_answer_is_ended() {
        let error = ask(shell("exec sleep 1000"), Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, AskError::Late { .. }), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = ask(Command::new("no-such-program"), Duration::from_secs(1)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`no-such-program` cannot be started")
        );
    }
}

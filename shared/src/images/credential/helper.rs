//! Credential helpers: programs `docker-credential-NAME` that keep passwords (docker/docker-credential-helpers).

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Credential;

/// Most that is read of an answer, in bytes.
const LONGEST_ANSWER: u64 = 1 << 20;

/// User name by which a helper says that the secret is a refresh token.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// What the helper `name` knows about `server`; `None` if nothing. After `limit` it is ended, together with all
/// programs that it started.
///
/// # Errors
/// It cannot be started, does not answer in time, or fails. The text names it and holds no secret.
pub(super) fn ask(name: &str, server: &str, limit: Duration) -> Result<Option<Credential>, String> {
    if name.contains(['/', '\\']) {
        return Err(format!("`{name}` is no name of a credential helper"));
    }
    ask_program(&format!("docker-credential-{name}"), server, limit)
}

fn ask_program(program: &str, server: &str, limit: Duration) -> Result<Option<Credential>, String> {
    let mut command = Command::new(program);
    command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    // A group of its own, so that it can be ended with its children.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::NotFound {
            "it is not on PATH"
        } else {
            "it cannot be started"
        };
        format!(
            "the credential helper `{program}` was to be asked for `{server}`, but {hint}: {error}"
        )
    })?;
    let mut input = child.stdin.take();
    let server_line = format!("{server}\n");
    let writer = std::thread::spawn(move || {
        if let Some(input) = &mut input {
            // A helper that does not read its question says so by its answer.
            let _ = input.write_all(server_line.as_bytes());
        }
    });
    let deadline = Instant::now() + limit;
    let output = child.stdout.take().map(read_in_background);
    let text = match output.as_ref().map(|output| wait(output, deadline)) {
        Some(Ok(text)) => text,
        Some(Err(())) => {
            end(&mut child);
            return Err(format!(
                "the credential helper `{program}` did not answer within {} s when asked for `{server}`, and was ended",
                limit.as_secs_f32()
            ));
        }
        None => String::new(),
    };
    let success = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) | Err(_) => {
                end(&mut child);
                return Err(format!(
                    "the credential helper `{program}` answered for `{server}`, but did not end; it was ended"
                ));
            }
        }
    };
    let _ = writer.join();
    if !success {
        // Helpers say on standard output why they fail.
        if text.contains("credentials not found") {
            return Ok(None);
        }
        let words: String = text
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect();
        return Err(format!(
            "the credential helper `{program}` failed when asked for `{server}`: {}",
            if words.trim().is_empty() {
                "it gives no reason"
            } else {
                words.trim()
            }
        ));
    }
    // The text of a JSON error could quote the secret.
    let answer: Answer = serde_json::from_str(&text).map_err(|_| {
        format!("the credential helper `{program}` answered for `{server}`, but not with the JSON of a credential")
    })?;
    Ok(match (answer.username.as_str(), answer.secret) {
        ("", secret) if secret.is_empty() => None,
        (TOKEN_USER, secret) => Some(Credential::Identity(secret)),
        (user, password) => Some(Credential::Basic {
            user: user.to_owned(),
            password,
        }),
    })
}

fn read_in_background(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        let _ = pipe.take(LONGEST_ANSWER).read_to_end(&mut bytes);
        // Nobody waits any more once the time is up.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

fn wait(output: &Receiver<String>, deadline: Instant) -> Result<String, ()> {
    match output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(text) => Ok(text),
        Err(RecvTimeoutError::Timeout) => Err(()),
        Err(RecvTimeoutError::Disconnected) => Ok(String::new()),
    }
}

/// Ends the helper and all programs of its group.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        // The group is gone already if all of it has ended.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn helper(folder: &tempfile::TempDir, script: &str) -> String {
        let path = folder.path().join("docker-credential-test");
        fs_err::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    #[test]
    fn an_answer_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let ask = |script: &str| {
            ask_program(
                &helper(&folder, script),
                "r.example",
                Duration::from_secs(30),
            )
        };
        let basic = r#"read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"$server\",\"Secret\":\"p\"}""#;
        let Ok(Some(Credential::Basic { user, password })) = ask(basic) else {
            panic!("a name and a password");
        };
        assert_eq!((user.as_str(), password.as_str()), ("r.example", "p"));
        let token = r#"echo '{"Username":"<token>","Secret":"t"}'"#;
        assert_eq!(ask(token), Ok(Some(Credential::Identity("t".into()))));
        assert_eq!(
            ask("echo 'credentials not found in native keychain'; exit 1"),
            Ok(None)
        );
        let error = ask("echo 'locked'; exit 1").unwrap_err();
        assert!(
            error.contains("locked") && error.contains("r.example"),
            "{error}"
        );
    }

    /// Whether a process still runs.
    fn runs(pid: &str) -> bool {
        let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A process that has ended and was not waited for yet is a zombie.
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_helper_that_hangs_is_ended_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        for script in ["sleep 1000", "echo '{}'; exec >&-; sleep 1000"] {
            let script = format!("sleep 1000 & echo $$ $! > {}; {script}", pids.display());
            let error = ask_program(
                &helper(&folder, &script),
                "r.example",
                Duration::from_secs(1),
            )
            .unwrap_err();
            assert!(error.contains("ended"), "{error}");
            let text = fs_err::read_to_string(&pids).unwrap();
            for pid in text.split_whitespace() {
                // The kernel may take a moment to bury them.
                let begun = Instant::now();
                while runs(pid) && begun.elapsed() < Duration::from_secs(10) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                assert!(!runs(pid), "{pid} of `{script}` is still there");
            }
        }
    }
}

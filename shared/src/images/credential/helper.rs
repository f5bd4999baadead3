//! Programs that keep credentials: `docker-credential-NAME` (docker/docker-credential-helpers).

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Credential;

/// A helper that waits for somebody to type something would wait for ever.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// Asks a helper for the credential under a key; `None` if it has none.
///
/// # Errors
/// The helper is missing, fails or does not answer in time. The text names it.
pub(super) fn get(name: &str, key: &str) -> Result<Option<Credential>, String> {
    let program = format!("docker-credential-{name}");
    let mut command = Command::new(&program);
    command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        command.process_group(0);
    }
    let mut child = command
        .spawn()
        .map_err(|error| format!("the credential helper {program} cannot be started: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input says why by its exit code.
        let _ = stdin.write_all(key.as_bytes());
    }
    let output = child.stdout.take().map(|mut pipe| {
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = pipe.read_to_string(&mut text);
            text
        })
    });
    let success = wait(&mut child).ok_or_else(|| {
        format!(
            "the credential helper {program} did not answer within {} s",
            PATIENCE.as_secs()
        )
    })?;
    let text = output
        .and_then(|reader| reader.join().ok())
        .unwrap_or_default();
    if !success {
        // The helpers' own words for "there is none" (docker-credential-helpers, `credentials/error.go`).
        if text.contains("credentials not found") {
            return Ok(None);
        }
        return Err(format!("the credential helper {program} fails for {key}"));
    }
    let answer: Answer = serde_json::from_str(&text)
        .map_err(|_| format!("the credential helper {program} does not answer as one"))?;
    if answer.secret.is_empty() {
        return Ok(None);
    }
    Ok(Some(if answer.user == "<token>" {
        Credential::Identity(answer.secret)
    } else {
        Credential::Basic {
            user: answer.user,
            password: answer.secret,
        }
    }))
}

/// Whether the helper ended well; `None` if it had to be killed.
fn wait(child: &mut Child) -> Option<bool> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => {
                end(child);
                return None;
            }
        }
    }
}

/// Ends a helper and what it started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    {
        let group = format!("-{}", child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    }
    let _ = child.kill();
    let _ = child.wait();
}

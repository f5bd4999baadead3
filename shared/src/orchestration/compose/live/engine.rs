//! What an engine tells, through the docker that called us: it reaches every context, SSH among them, and passes on what
//! the engine says as it is, fields that it does not know itself included.

use serde_json::Value;

use crate::host::docker;
use crate::orchestration::live::LiveError;

/// What docker prints.
fn call(arguments: &[&str]) -> Result<String, LiveError> {
    let shown = format!(
        "docker {}",
        arguments
            .iter()
            .take(2)
            .copied()
            .collect::<Vec<_>>()
            .join(" ")
    );
    let output = docker::command()
        .args(arguments)
        .output()
        .map_err(|error| LiveError::Unreachable(format!("{shown}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let text = format!("{shown}: {words}");
    let says = |signs: &[&str]| signs.iter().any(|sign| words.to_lowercase().contains(sign));
    Err(if says(&["not a swarm manager", "swarm is locked"]) {
        LiveError::Missing(text)
    } else if says(&["unauthorized", "forbidden", "permission denied"]) {
        LiveError::Denied(text)
    } else {
        LiveError::Unreachable(text)
    })
}

/// The lines that a question is answered with.
pub(super) fn lines(arguments: &[&str]) -> Result<Vec<String>, LiveError> {
    let lines = call(arguments)?;
    Ok(lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

/// All objects of a kind that a filter of `docker KIND ls` lets through, whole.
pub(super) fn objects(kind: &str, filter: &[&str]) -> Result<Vec<Value>, LiveError> {
    let ids = lines(&[&[kind, "ls", "--quiet"], filter].concat())?;
    inspect(kind, &ids)
}

/// Objects by their ids or names, whole: not by `--format`, which only shows what docker has a field for.
pub(super) fn inspect(kind: &str, ids: &[String]) -> Result<Vec<Value>, LiveError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut arguments = vec![kind, "inspect"];
    arguments.extend(ids.iter().map(String::as_str));
    let text = call(&arguments)?;
    serde_json::from_str(&text)
        .map_err(|error| LiveError::Unreachable(format!("docker {kind} inspect: {error}")))
}

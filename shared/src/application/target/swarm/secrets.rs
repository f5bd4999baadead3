//! Secrets go to the Swarm through the standard input of docker, so that their content never lies on a disk.

use serde_json::{Value, json};

use super::super::process::run_with_bytes;
use super::{Failure, Output, STACK_LABEL, Swarm};

/// Creates the secrets whose content is among the files of an output. Returns the output with them as external ones,
/// without those files.
pub(super) fn create(swarm: &Swarm, output: &Output) -> Result<Output, Failure> {
    let mut output = output.clone();
    let Some(document) = output.documents.first_mut() else {
        return Ok(output);
    };
    let there = swarm
        .engine
        .lines(&["secret", "ls", "--format", "{{.Name}}"])?;
    let mut used = Vec::new();
    // Not by index, which would write an empty `secrets` into a stack without any; docker refuses that.
    let secrets = document
        .value
        .get_mut("secrets")
        .and_then(Value::as_object_mut);
    for (key, secret) in secrets.into_iter().flatten() {
        let Some(path) = secret["file"].as_str() else {
            continue;
        };
        let path = path.trim_start_matches("./").to_owned();
        let Some(file) = output.files.iter().find(|file| file.path == path) else {
            continue;
        };
        let name = secret["name"]
            .as_str()
            .map_or_else(|| format!("{}_{key}", swarm.stack), str::to_owned);
        // A Swarm never changes a secret; new content has a new name.
        if !there.contains(&name) {
            let mut command = swarm.engine.docker();
            command.args(["secret", "create", "--label"]);
            command.arg(format!("{STACK_LABEL}={}", swarm.stack));
            for (label, value) in labels(&secret["labels"]) {
                command.arg("--label").arg(format!("{label}={value}"));
            }
            if let Some(driver) = secret["template_driver"].as_str() {
                command.arg("--template-driver").arg(driver);
            }
            command.arg(&name).arg("-");
            run_with_bytes(command, &file.bytes)?;
        }
        *secret = json!({"external": true, "name": name});
        used.push(path);
    }
    // Docker does not read what is carried along for the way back.
    let mut read = document.value.clone();
    if let Some(fields) = read.as_object_mut() {
        fields.retain(|key, _| !key.starts_with("x-"));
    }
    let read = read.to_string();
    output
        .files
        .retain(|file| !used.contains(&file.path) && (!file.secret || read.contains(&file.path)));
    Ok(output)
}

fn labels(labels: &Value) -> Vec<(String, String)> {
    labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(label, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (label.clone(), text)
        })
        .collect()
}

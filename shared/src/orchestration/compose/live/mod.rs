//! A running stack of a Swarm, as if it lay in files: one for each service, one for what they share.
//!
//! The Engine API gives specifications, networks and the content of configs. It never gives the content of secrets: they
//! come from files that the user names, or have to be at the target.

mod container;
mod engine;
pub mod project;
mod service;
mod shared;
mod spec;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::finding::{Code, Finding, Findings};
use crate::orchestration::live::LiveError;
use crate::source::{Memory, emit};

/// Marks what belongs to a stack.
const STACK_LABEL: &str = "com.docker.stack.namespace";

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct LiveStack {
    /// The files, in memory. Content of secrets never is anywhere else.
    pub files: Memory,
    /// Those that are merged.
    pub names: Vec<PathBuf>,
    /// Their folder.
    pub folder: PathBuf,
    /// What could not be read.
    pub findings: Findings,
}

/// What the engine told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Specifications of the services of the stack.
    pub(super) services: Vec<Value>,
    /// All networks, by id.
    pub(super) networks: BTreeMap<String, Value>,
    /// All configs, by name.
    pub(super) configs: BTreeMap<String, Value>,
    /// All secrets, by name; without content.
    pub(super) secrets: BTreeMap<String, Value>,
}

/// Reads a stack of the engine that docker talks to. `secrets` are the contents of secrets by name.
///
/// # Errors
/// The engine does not answer, manages no Swarm, or has no such stack.
pub fn read(stack: &str, secrets: &BTreeMap<String, Vec<u8>>) -> Result<LiveStack, LiveError> {
    compose(ask(stack)?, stack, secrets)
}

fn ask(stack: &str) -> Result<Told, LiveError> {
    let by_name = |objects: Vec<Value>| -> BTreeMap<String, Value> {
        let specifications = objects.into_iter().map(|mut object| object["Spec"].take());
        specifications
            .map(|object| (spec::text(&object["Name"]), object))
            .collect()
    };
    let of_stack = format!("label={STACK_LABEL}={stack}");
    let services = engine::objects("service", &["--filter", &of_stack])?;
    if services.is_empty() {
        let stacks = engine::lines(&["stack", "ls", "--format", "{{.Name}}"])?;
        return Err(missing("stack", stack, stacks));
    }
    Ok(Told {
        services: services
            .into_iter()
            .map(|mut service| service["Spec"].take())
            .collect(),
        networks: engine::objects("network", &[])?
            .into_iter()
            .map(|network| (spec::text(&network["Id"]), network))
            .collect(),
        configs: by_name(engine::objects("config", &[])?),
        secrets: by_name(engine::objects("secret", &[])?),
    })
}

/// There is nothing of this name; what there is, is said.
fn missing(what: &str, name: &str, mut others: Vec<String>) -> LiveError {
    others.sort_unstable();
    others.dedup();
    let there = if others.is_empty() {
        "there is none".to_owned()
    } else {
        format!("there are {}", others.join(", "))
    };
    LiveError::Missing(format!(
        "there is no {what} `{name}` on the engine; {there}"
    ))
}

/// Whether an object belongs to a stack.
pub(super) fn is_of(stack: &str, labels: &Value) -> bool {
    labels[STACK_LABEL] == stack
}

/// Writes what the engine told as files.
fn compose(
    told: Told,
    stack: &str,
    secrets: &BTreeMap<String, Vec<u8>>,
) -> Result<LiveStack, LiveError> {
    let folder = Path::new("/").join(stack);
    let mut live = LiveStack {
        folder: folder.clone(),
        ..LiveStack::default()
    };
    let mut services: Vec<Value> = told
        .services
        .iter()
        .filter(|service| is_of(stack, &service["Labels"]))
        .cloned()
        .collect();
    services.sort_by_key(|service| spec::text(&service["Name"]));
    let mut shared = shared::Shared::new(stack, &told, secrets);
    for service in services {
        let name = spec::text(&service["Name"]);
        let key = name
            .strip_prefix(&format!("{stack}_"))
            .unwrap_or(&name)
            .to_owned();
        let file = format!("service {name} of the engine");
        let mut lost = Vec::new();
        let written = service::write(service, &key, &mut shared, &mut lost);
        for path in lost {
            let message = format!("service `{name}` has {path}, which no stack file can say");
            let mut finding = Finding::new(Code("live-engine-setting"), message);
            finding.path = format!("services.{key}");
            live.findings.push(finding);
        }
        let document = spec::escaped(json!({"services": {key: written}}));
        live.add(&file, emit(&document).into_bytes());
    }
    let document = spec::escaped(shared.document());
    for (path, bytes) in shared.files {
        live.files.add(folder.join(path), bytes);
    }
    live.findings.extend(shared.findings);
    if document
        .as_object()
        .is_some_and(|fields| !fields.is_empty())
    {
        live.add(
            "what services of the engine share",
            emit(&document).into_bytes(),
        );
    }
    Ok(live)
}

impl LiveStack {
    fn add(&mut self, name: &str, bytes: Vec<u8>) {
        let path = self.folder.join(name);
        self.files.add(&path, bytes);
        self.names.push(path);
    }
}

#[cfg(test)]
mod tests;

//! A running stack of a Swarm, as if it lay in files: one for each service, one for what they share.
//!
//! The Engine API gives specifications, networks and the content of configs. It never gives the content of secrets: they
//! come from files that the user names, or have to be at the target.

mod container;
mod service;
mod shared;
mod spec;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::query_parameters::{
    ListConfigsOptions, ListNetworksOptions, ListSecretsOptions, ListServicesOptions,
};
use serde_json::{Value, json};

use crate::finding::{Code, Finding, Findings};
use crate::host::docker::{self, Endpoint};
use crate::orchestration::live::LiveError;
use crate::source::{Memory, emit};

/// Marks what belongs to a stack.
const STACK_LABEL: &str = "com.docker.stack.namespace";
/// Seconds that an engine may take to answer.
const PATIENCE: u64 = 60;

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

/// Reads a stack. `secrets` are the contents of secrets by name.
///
/// # Errors
/// The engine does not answer, manages no Swarm, or has no such stack.
pub async fn read(
    endpoint: &Endpoint,
    stack: &str,
    secrets: &BTreeMap<String, Vec<u8>>,
) -> Result<LiveStack, LiveError> {
    let told = ask(endpoint, stack).await?;
    compose(told, stack, secrets)
}

fn connect(endpoint: &Endpoint) -> Result<Docker, LiveError> {
    let host = &endpoint.host;
    let docker = endpoint.client(PATIENCE).ok_or_else(|| {
        LiveError::Unreachable(format!(
            "{host}: an engine can only be read by a socket or TCP; for SSH, forward its socket: ssh -L /tmp/docker.sock:/var/run/docker.sock HOST, and DOCKER_HOST=unix:///tmp/docker.sock"
        ))
    })?;
    docker.map_err(|error| LiveError::Unreachable(format!("{host}: {error}")))
}

async fn ask(endpoint: &Endpoint, stack: &str) -> Result<Told, LiveError> {
    let host = &endpoint.host;
    let failed = |error: EngineError| match error {
        EngineError::DockerResponseServerError {
            status_code: 503 | 406,
            message,
        } => LiveError::Missing(format!("{host}: {message}")),
        EngineError::DockerResponseServerError {
            status_code: 401 | 403,
            message,
        } => LiveError::Denied(format!("{host}: {message}")),
        other => LiveError::Unreachable(format!("{host}: {other}")),
    };
    let docker = connect(endpoint)?
        .negotiate_version()
        .await
        .map_err(failed)?;
    let (services, networks, configs, secrets) = tokio::try_join!(
        docker.list_services(None::<ListServicesOptions>),
        docker.list_networks(None::<ListNetworksOptions>),
        docker.list_configs(None::<ListConfigsOptions>),
        docker.list_secrets(None::<ListSecretsOptions>),
    )
    .map_err(failed)?;
    // Values that came from JSON go back into it.
    let value = |object: Result<Value, serde_json::Error>| object.unwrap_or_default();
    let mut told = Told::default();
    let mut ids = Vec::new();
    for service in services {
        let spec = value(serde_json::to_value(service.spec));
        if is_of(stack, &spec["Labels"]) {
            ids.extend(service.id);
        } else {
            told.services.push(spec);
        }
    }
    told.services.extend(specifications(&ids)?);
    for network in networks {
        let network = value(serde_json::to_value(network));
        told.networks.insert(spec::text(&network["Id"]), network);
    }
    for config in configs {
        let config = value(serde_json::to_value(config.spec));
        told.configs.insert(spec::text(&config["Name"]), config);
    }
    for secret in secrets {
        let secret = value(serde_json::to_value(secret.spec));
        told.secrets.insert(spec::text(&secret["Name"]), secret);
    }
    Ok(told)
}

/// Whole specifications. The client's types leave out what they do not know (health checks among it), so docker is asked.
fn specifications(ids: &[String]) -> Result<Vec<Value>, LiveError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let unreachable =
        |error: String| LiveError::Unreachable(format!("docker service inspect: {error}"));
    let output = docker::command()
        .args(["service", "inspect", "--format", "{{json .Spec}}"])
        .args(ids)
        .output()
        .map_err(|error| unreachable(error.to_string()))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(unreachable(words.trim().to_owned()));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).map_err(|error| unreachable(error.to_string())))
        .collect()
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
    if services.is_empty() {
        let mut stacks: Vec<&str> = told
            .services
            .iter()
            .filter_map(|service| service["Labels"][STACK_LABEL].as_str())
            .collect();
        stacks.sort_unstable();
        stacks.dedup();
        let there = if stacks.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there are {}", stacks.join(", "))
        };
        return Err(LiveError::Missing(format!(
            "there is no stack `{stack}` on the engine; {there}"
        )));
    }
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

//! A running project of `docker compose`, as if it lay in a file.
//!
//! The engine knows containers, and Compose's labels say which service each of them is of. What a container has from its
//! image is left out: the image brings it along. The content of secrets and configs is in files of the engine's machine,
//! or was copied into the container: it comes from files that the user names, or has to be at the target.

mod container;
mod host;
mod mounts;
mod network;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::spec::{labels as plain_labels, put, text};
use super::{LiveStack, engine, missing};
use crate::finding::{Code, Finding, Findings};
use crate::orchestration::live::LiveError;
use crate::source::emit;

/// Begins Compose's own labels.
const COMPOSE: &str = "com.docker.compose.";

/// What the engine told.
#[derive(Debug, Default)]
struct Told {
    /// Containers of the project.
    containers: Vec<Value>,
    /// Their images, by id.
    images: BTreeMap<String, Value>,
    /// Networks that they are in, by name.
    networks: BTreeMap<String, Value>,
    /// Volumes that they mount, by name.
    volumes: BTreeMap<String, Value>,
}

/// What is written, and what services share.
struct Project<'p> {
    name: &'p str,
    told: &'p Told,
    /// Contents of secrets that the user gave, by name.
    given: &'p BTreeMap<String, Vec<u8>>,
    /// Sections of the file.
    networks: BTreeMap<String, Value>,
    volumes: BTreeMap<String, Value>,
    secrets: BTreeMap<String, Value>,
    files: Vec<(String, Vec<u8>)>,
    findings: Findings,
    said: BTreeSet<(String, String)>,
}

/// Reads a project of the engine that docker talks to. `secrets` are the contents of secrets by name.
///
/// # Errors
/// The engine does not answer, or has no such project.
pub fn read(project: &str, secrets: &BTreeMap<String, Vec<u8>>) -> Result<LiveStack, LiveError> {
    compose(&ask(project)?, project, secrets)
}

fn ask(project: &str) -> Result<Told, LiveError> {
    let label = format!("{COMPOSE}project");
    let filter = format!("label={label}={project}");
    let containers = engine::objects("container", &["--all", "--no-trunc", "--filter", &filter])?;
    if containers.is_empty() {
        let format = format!("{{{{.Label \"{label}\"}}}}");
        let others = engine::lines(&["container", "ls", "--all", "--format", &format])?;
        return Err(missing("project", project, others));
    }
    let mut images = BTreeSet::new();
    let mut networks = BTreeSet::new();
    let mut volumes = BTreeSet::new();
    for container in &containers {
        images.insert(text(&container["Image"]));
        let attached = container["NetworkSettings"]["Networks"].as_object();
        networks.extend(attached.into_iter().flat_map(|map| map.keys().cloned()));
        let mounts = container["Mounts"].as_array().into_iter().flatten();
        volumes.extend(
            mounts
                .filter(|mount| mount["Type"] == "volume")
                .map(|mount| text(&mount["Name"])),
        );
    }
    let named = |kind: &str, names: BTreeSet<String>, key: &str| {
        let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
        // One that is gone must not hide the others.
        let objects = engine::inspect(kind, &names).or_else(|_| {
            let each = names.iter();
            let found =
                each.filter_map(|name| engine::inspect(kind, std::slice::from_ref(name)).ok());
            Ok::<_, LiveError>(found.flatten().collect())
        })?;
        Ok::<_, LiveError>(
            objects
                .into_iter()
                .map(|object| (text(&object[key]), object))
                .collect(),
        )
    };
    Ok(Told {
        images: named("image", images, "Id")?,
        networks: named("network", networks, "Name")?,
        volumes: named("volume", volumes, "Name")?,
        containers,
    })
}

/// A label of Compose's.
fn label<'c>(container: &'c Value, name: &str) -> &'c str {
    container["Config"]["Labels"][format!("{COMPOSE}{name}")]
        .as_str()
        .unwrap_or_default()
}

/// Writes what the engine told as a file.
fn compose(
    told: &Told,
    name: &str,
    given: &BTreeMap<String, Vec<u8>>,
) -> Result<LiveStack, LiveError> {
    let folder = Path::new("/").join(name);
    let mut services: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for container in &told.containers {
        // `docker compose run` leaves containers that no service has.
        if label(container, "oneoff") != "True" {
            services
                .entry(label(container, "service"))
                .or_default()
                .push(container);
        }
    }
    let mut project = Project {
        name,
        told,
        given,
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        secrets: BTreeMap::new(),
        files: Vec::new(),
        findings: Findings::default(),
        said: BTreeSet::new(),
    };
    let mut live = LiveStack {
        folder: folder.clone(),
        ..LiveStack::default()
    };
    for (service, mut containers) in services {
        containers.sort_by_key(|container| {
            label(container, "container-number")
                .parse()
                .unwrap_or(0_u64)
        });
        let Some(first) = containers.first() else {
            continue;
        };
        let mut document = project.service(service, first);
        if containers.len() > 1 {
            document["deploy"]["replicas"] = json!(containers.len());
        }
        project.differences(service, &containers);
        let document = super::spec::escaped(json!({"services": {service: document}}));
        live.add(
            &format!("service {service} of the engine"),
            emit(&document).into_bytes(),
        );
    }
    project.unused();
    let mut shared = json!({"name": name});
    for (section, map) in [
        ("networks", &project.networks),
        ("volumes", &project.volumes),
        ("secrets", &project.secrets),
    ] {
        for (key, value) in map {
            shared[section][key] = value.clone();
        }
    }
    for (path, bytes) in std::mem::take(&mut project.files) {
        live.files.add(folder.join(path), bytes);
    }
    live.findings.extend(project.findings);
    live.add(
        "what services of the engine share",
        emit(&super::spec::escaped(shared)).into_bytes(),
    );
    Ok(live)
}

impl Project<'_> {
    /// Says something once.
    fn say(&mut self, code: &'static str, path: &str, message: String) {
        if self.said.insert((path.to_owned(), message.clone())) {
            let mut finding = Finding::new(Code(code), message);
            path.clone_into(&mut finding.path);
            self.findings.push(finding);
        }
    }

    /// What the first container of a service is made of.
    fn service(&mut self, service: &str, container: &Value) -> Value {
        let image = self
            .told
            .images
            .get(&text(&container["Image"]))
            .cloned()
            .unwrap_or_default();
        let mut lost = Vec::new();
        let mut document = container::write(container, &image, &mut lost);
        host::write(self, container, &mut document, &mut lost);
        let path = format!("services.{service}");
        for setting in lost {
            let message =
                format!("a container of `{service}` has {setting}, which no Compose file can say");
            self.say("live-engine-setting", &path, message);
        }
        put(
            &mut document,
            "depends_on",
            depends_on(label(container, "depends_on")),
        );
        document
    }

    /// Containers of one service can differ, after an update that was not finished.
    fn differences(&mut self, service: &str, containers: &[&Value]) {
        let hashes: BTreeSet<&str> = containers
            .iter()
            .map(|container| label(container, "config-hash"))
            .collect();
        if hashes.len() > 1 {
            let message = format!(
                "the containers of `{service}` were not all made of the same settings; those of the first one count"
            );
            self.say(
                "live-containers-differ",
                &format!("services.{service}"),
                message,
            );
        }
    }

    /// A secret by its name, with its content if the user gave it.
    fn secret(&mut self, name: &str) {
        let own = format!("{}_{name}", self.name);
        let given = self.given.get(name).or_else(|| self.given.get(&own));
        if let Some(bytes) = given.cloned() {
            let path = format!("secrets/{name}");
            self.secrets
                .insert(name.to_owned(), json!({"file": format!("./{path}")}));
            if !self.files.iter().any(|(other, _)| *other == path) {
                self.files.push((path, bytes));
            }
            return;
        }
        self.secrets
            .insert(name.to_owned(), json!({"external": true, "name": name}));
        let message = format!(
            "the content of secret `{name}` is on the engine's machine: it has to be at the target, or comes from a file with --secret-file {name}=FILE"
        );
        self.say("live-secret-content", &format!("secrets.{name}"), message);
    }

    /// Says which files were given for nothing.
    fn unused(&mut self) {
        let prefix = format!("{}_", self.name);
        let unused: Vec<String> = self
            .given
            .keys()
            .filter(|name| {
                let bare = name.strip_prefix(&prefix).unwrap_or(name);
                !self.secrets.contains_key(bare)
            })
            .cloned()
            .collect();
        for name in unused {
            let message = format!("no service uses secret `{name}`, for which a file was given");
            self.say("live-secret-unused", &format!("secrets.{name}"), message);
        }
    }
}

/// `db:service_healthy:true,cache:service_started:false`
fn depends_on(text: &str) -> Value {
    let mut document = json!({});
    for entry in text.split(',').filter(|entry| !entry.is_empty()) {
        let mut words = entry.split(':');
        let Some(service) = words.next() else {
            continue;
        };
        let mut settings = json!({"condition": words.next().unwrap_or("service_started")});
        if words.next() == Some("true") {
            settings["restart"] = json!(true);
        }
        document[service] = settings;
    }
    document
}

/// Labels without those of Compose.
fn labels(value: Value) -> Value {
    let Value::Object(mut labels) = plain_labels(value) else {
        return Value::Null;
    };
    labels.retain(|key, _| !key.starts_with(COMPOSE) && !key.starts_with("desktop.docker.io/"));
    Value::Object(labels)
}

#[cfg(test)]
mod tests;

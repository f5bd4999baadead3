//! What a container was told about its process, without what its image says itself.

use serde_json::{Value, json};

use super::super::service::list;
use super::super::spec::{Spec, health, put, sorted, text};
use super::labels;

const PATH: &str = "Config";

/// Writes a service without what concerns the host.
pub(super) fn write(container: &Value, image: &Value, lost: &mut Vec<String>) -> Value {
    let mut spec = Spec::new(PATH, container["Config"].clone());
    let default = &image["Config"];
    let mut document = json!({});
    put(
        &mut document,
        "image",
        name_of_image(&spec.take("Image"), image).into(),
    );
    let (entrypoint, command) = (spec.take("Entrypoint"), spec.take("Cmd"));
    // With an entry point of its own, a container has nothing of the image's command.
    if entrypoint != default["Entrypoint"] {
        put(&mut document, "entrypoint", entrypoint);
        put(&mut document, "command", command);
    } else if command != default["Cmd"] {
        put(&mut document, "command", command);
    }
    for (from, to) in [
        ("WorkingDir", "working_dir"),
        ("User", "user"),
        ("StopSignal", "stop_signal"),
        ("Domainname", "domainname"),
        ("MacAddress", "mac_address"),
    ] {
        let value = spec.take(from);
        if value != default[from] {
            put(&mut document, to, value);
        }
    }
    put(&mut document, "tty", spec.take("Tty"));
    put(&mut document, "stdin_open", spec.take("OpenStdin"));
    let hostname = text(&spec.take("Hostname"));
    // The engine names a container by its own id.
    if !text(&container["Id"]).starts_with(&hostname) {
        put(&mut document, "hostname", hostname.into());
    }
    let of_image: Vec<Value> = list(&default["Env"]).collect();
    let environment: Vec<Value> = list(&spec.take("Env"))
        .filter(|variable| !of_image.contains(variable))
        .collect();
    put(&mut document, "environment", environment.into());
    let mut own = labels(spec.take("Labels"));
    if let Some(own) = own.as_object_mut() {
        own.retain(|key, value| default["Labels"][key] != *value);
    }
    put(&mut document, "labels", own);
    let exposed = spec.take("ExposedPorts");
    let bound = &container["HostConfig"]["PortBindings"];
    let expose: Vec<Value> = exposed
        .as_object()
        .into_iter()
        .flat_map(|ports| ports.keys())
        .filter(|port| default["ExposedPorts"][*port].is_null() && bound[*port].is_null())
        .map(|port| port.trim_end_matches("/tcp").into())
        .collect();
    put(&mut document, "expose", expose.into());
    let check = spec.take("Healthcheck");
    if check != default["Healthcheck"] {
        put(
            &mut document,
            "healthcheck",
            sorted(health("Config.Healthcheck", check, lost)),
        );
    }
    if let Some(seconds) = spec.take("StopTimeout").as_u64().filter(|time| *time != 10) {
        document["stop_grace_period"] = format!("{seconds}s").into();
    }
    // Volumes that only the image names are among the mounts.
    let _volumes = spec.take("Volumes");
    // Whether somebody is attached says nothing about the service.
    for field in ["AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"] {
        let _attached = spec.take(field);
    }
    // A trigger of the image's own build.
    let _trigger = spec.take("OnBuild");
    for field in ["Shell", "ArgsEscaped"] {
        spec.ignore(field, &default[field]);
    }
    spec.end(lost);
    document
}

/// An image that was given by its id has a name of its own, perhaps.
fn name_of_image(given: &Value, image: &Value) -> String {
    let given = text(given);
    if !given.starts_with("sha256:") {
        return given;
    }
    let tag = image["RepoTags"][0].as_str();
    let digest = image["RepoDigests"][0].as_str();
    tag.or(digest).map_or(given, str::to_owned)
}

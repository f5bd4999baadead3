//! Volumes, bind mounts, secrets and memory of a container.

use serde_json::{Value, json};

use super::super::service::list;
use super::super::spec::{Spec, put, sorted, text};
use super::{COMPOSE, Project, labels};

/// Where Compose puts secrets.
const SECRETS: &str = "/run/secrets/";

/// Adds the mounts of a container to its service.
pub(super) fn write(
    project: &mut Project<'_>,
    container: &Value,
    spec: &mut Spec,
    document: &mut Value,
    lost: &mut Vec<String>,
) {
    // The list of mounts has all of these as they came out.
    let _binds = spec.take("Binds");
    let wanted: Vec<Value> = list(&spec.take("Mounts")).collect();
    let options = |target: &str| {
        wanted
            .iter()
            .find(|mount| mount["Target"] == target)
            .cloned()
            .unwrap_or_default()
    };
    let mut volumes = Vec::new();
    let mut secrets = Vec::new();
    for mount in list(&container["Mounts"]) {
        let kind = text(&mount["Type"]);
        let target = text(&mount["Destination"]);
        let asked = options(&target);
        if kind == "bind"
            && let Some(name) = target
                .strip_prefix(SECRETS)
                .filter(|name| !name.contains('/'))
        {
            project.secret(name);
            secrets.push(Value::from(name));
            continue;
        }
        let mut written = json!({"type": kind});
        match kind.as_str() {
            "volume" => {
                let name = text(&mount["Name"]);
                put(&mut written, "source", project.volume(&name).into());
                let mut settings = json!({});
                put(
                    &mut settings,
                    "nocopy",
                    asked["VolumeOptions"]["NoCopy"].clone(),
                );
                put(
                    &mut settings,
                    "subpath",
                    asked["VolumeOptions"]["Subpath"].clone(),
                );
                put(&mut written, "volume", settings);
            }
            "bind" => {
                put(&mut written, "source", mount["Source"].clone());
                let mut settings = json!({});
                let propagation = text(&mount["Propagation"]);
                if propagation != "rprivate" {
                    put(&mut settings, "propagation", propagation.into());
                }
                put(
                    &mut settings,
                    "create_host_path",
                    asked["BindOptions"]["CreateMountpoint"].clone(),
                );
                put(&mut written, "bind", settings);
            }
            "tmpfs" => {
                let mut settings = json!({});
                put(
                    &mut settings,
                    "size",
                    asked["TmpfsOptions"]["SizeBytes"].clone(),
                );
                put(&mut written, "tmpfs", settings);
            }
            _ => lost.push(format!("Mounts of type {kind}")),
        }
        put(&mut written, "target", target.into());
        if mount["RW"] == false {
            written["read_only"] = json!(true);
        }
        volumes.push(written);
    }
    let memory: Vec<Value> = spec
        .take("Tmpfs")
        .as_object()
        .into_iter()
        .flatten()
        .map(|(path, options)| match text(options).as_str() {
            "" => path.as_str().into(),
            options => format!("{path}:{options}").into(),
        })
        .collect();
    put(document, "tmpfs", memory.into());
    put(document, "volumes", volumes.into());
    put(document, "secrets", secrets.into());
    let from: Vec<Value> = list(&spec.take("VolumesFrom"))
        .map(|from| format!("container:{}", text(&from)).into())
        .collect();
    put(document, "volumes_from", from.into());
    put(document, "volume_driver", spec.take("VolumeDriver"));
}

impl Project<'_> {
    /// A volume by its name; gives its name within the project. Without a name of the user's it is none to share.
    fn volume(&mut self, name: &str) -> String {
        let told = self.told.volumes.get(name).cloned().unwrap_or_default();
        let anonymous = "com.docker.volume.anonymous";
        if !told["Labels"][anonymous].is_null() {
            return String::new();
        }
        let message = format!("the data in volume `{name}` stays where it is");
        let own = told["Labels"][format!("{COMPOSE}volume")]
            .as_str()
            .filter(|_| told["Labels"][format!("{COMPOSE}project")] == self.name);
        let key = own.unwrap_or(name).to_owned();
        self.say("live-volume-data", &format!("volumes.{key}"), message);
        let document = if own.is_some() {
            let mut document = json!({});
            if told["Driver"] != "local" {
                put(&mut document, "driver", told["Driver"].clone());
            }
            put(
                &mut document,
                "driver_opts",
                sorted(told["Options"].clone()),
            );
            put(&mut document, "labels", labels(told["Labels"].clone()));
            if name != format!("{}_{key}", self.name) {
                document["name"] = name.into();
            }
            document
        } else {
            json!({"external": true, "name": name})
        };
        self.volumes.insert(key.clone(), document);
        key
    }
}

//! What services of a stack share: networks, volumes, configs and secrets.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::spec::{labels, lost_of_network, put, sorted, unknown};
use super::{Told, is_of};
use crate::finding::{Code, Finding, Findings};

/// Options that the engine gives to networks itself.
const OF_THE_ENGINE: &str = "com.docker.network.driver.overlay.vxlanid_list";

/// Sections of the document, filled by what services use.
pub(super) struct Shared<'t> {
    stack: &'t str,
    told: &'t Told,
    given: &'t BTreeMap<String, Vec<u8>>,
    networks: Map<String, Value>,
    volumes: Map<String, Value>,
    configs: Map<String, Value>,
    secrets: Map<String, Value>,
    /// Files that the document refers to.
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) findings: Findings,
    said: BTreeSet<String>,
}

impl<'t> Shared<'t> {
    pub(super) fn new(
        stack: &'t str,
        told: &'t Told,
        given: &'t BTreeMap<String, Vec<u8>>,
    ) -> Self {
        Self {
            stack,
            told,
            given,
            networks: Map::new(),
            volumes: Map::new(),
            configs: Map::new(),
            secrets: Map::new(),
            files: Vec::new(),
            findings: Findings::default(),
            said: BTreeSet::new(),
        }
    }

    /// The name within the stack.
    fn key(&self, name: &str) -> String {
        let prefix = format!("{}_", self.stack);
        name.strip_prefix(&prefix).unwrap_or(name).to_owned()
    }

    fn say(&mut self, code: &'static str, path: String, message: String) {
        if self.said.insert(path.clone()) {
            let mut finding = Finding::new(Code(code), message);
            finding.path = path;
            self.findings.push(finding);
        }
    }

    /// A network by its id, or by its name in old specifications.
    pub(super) fn network(&mut self, id: &str) -> String {
        let network = self.told.networks.get(id).cloned().unwrap_or_default();
        let name = match network["Name"].as_str() {
            Some(name) => name.to_owned(),
            None => id.to_owned(),
        };
        if !is_of(self.stack, &network["Labels"]) {
            self.networks
                .insert(name.clone(), json!({"external": true, "name": name}));
            return name;
        }
        let key = self.key(&name);
        let mut document = json!({});
        let driver = network["Driver"].clone();
        if driver != "overlay" {
            put(&mut document, "driver", driver);
        }
        let mut options = network["Options"].clone();
        if let Some(options) = options.as_object_mut() {
            options.shift_remove(OF_THE_ENGINE);
        }
        put(&mut document, "driver_opts", sorted(options));
        put(&mut document, "attachable", network["Attachable"].clone());
        put(&mut document, "internal", network["Internal"].clone());
        put(&mut document, "enable_ipv6", network["EnableIPv6"].clone());
        for setting in lost_of_network(&network) {
            let message = format!("network `{name}` has {setting}, which no stack file can say");
            self.say(
                "live-engine-setting",
                format!("networks.{key}.{setting}"),
                message,
            );
        }
        put(&mut document, "labels", labels(network["Labels"].clone()));
        // A stack has a network of this name by itself.
        if key != "default" || !super::spec::is_empty(&document) {
            self.networks.insert(key.clone(), document);
        }
        key
    }

    /// A volume with the options that its mount has.
    pub(super) fn volume(&mut self, name: &str, options: &Value) -> String {
        if !is_of(self.stack, &options["Labels"]) {
            self.volumes
                .insert(name.to_owned(), json!({"external": true, "name": name}));
            self.data(name);
            return name.to_owned();
        }
        let key = self.key(name);
        let mut document = json!({});
        let driver = &options["DriverConfig"];
        if driver["Name"] != "local" {
            put(&mut document, "driver", driver["Name"].clone());
        }
        put(
            &mut document,
            "driver_opts",
            sorted(driver["Options"].clone()),
        );
        put(&mut document, "labels", labels(options["Labels"].clone()));
        if !name.starts_with(&format!("{}_", self.stack)) {
            document["name"] = name.into();
        }
        self.volumes.insert(key.clone(), document);
        self.data(name);
        key
    }

    fn data(&mut self, name: &str) {
        let message = format!("the data in volume `{name}` stays where it is");
        self.say(
            "live-volume-data",
            format!("volumes.{}", self.key(name)),
            message,
        );
    }

    /// A config or secret by its name; `section` is the one of the document.
    pub(super) fn file(&mut self, section: &'static str, name: &str) -> String {
        let (told, is_secret) = match section {
            "secrets" => (&self.told.secrets, true),
            _ => (&self.told.configs, false),
        };
        let object = told.get(name).cloned().unwrap_or_default();
        let key = self.key(name);
        let mut document = json!({});
        for setting in unknown(
            "Spec",
            &object,
            &["Name", "Labels", "Data", "Templating", "Driver"],
        )
        .into_iter()
        .chain(unknown("Spec.Driver", &object["Driver"], &["Name"]))
        {
            let message = format!("`{name}` has {setting}, which no stack file can say");
            self.say(
                "live-engine-setting",
                format!("{section}.{key}.{setting}"),
                message,
            );
        }
        let given = if is_secret {
            let given = self.given.get(name).or_else(|| self.given.get(&key));
            given.cloned()
        } else {
            // What the API gives is base64 by its definition.
            object["Data"]
                .as_str()
                .and_then(|data| STANDARD.decode(data).ok())
        };
        match given {
            Some(bytes) => {
                let path = format!("{section}/{key}");
                document["file"] = format!("./{path}").into();
                put(
                    &mut document,
                    "template_driver",
                    object["Templating"]["Name"].clone(),
                );
                put(&mut document, "driver", object["Driver"]["Name"].clone());
                put(&mut document, "labels", labels(object["Labels"].clone()));
                if !self.files.iter().any(|(other, _)| *other == path) {
                    self.files.push((path, bytes));
                }
            }
            None if is_secret => {
                document = json!({"external": true, "name": name});
                let message = format!(
                    "a Swarm does not give back secret `{name}`: it has to be at the target, or comes from a file with --secret-file {name}=FILE"
                );
                self.say("live-secret-content", format!("secrets.{key}"), message);
            }
            None => {
                document = json!({"external": true, "name": name});
                let message = format!("config `{name}` is not on the engine any more");
                self.say("live-missing", format!("configs.{key}"), message);
            }
        }
        let map = if is_secret {
            &mut self.secrets
        } else {
            &mut self.configs
        };
        map.insert(key.clone(), document);
        key
    }

    /// The document with all that was used, and what was given for nothing.
    pub(super) fn document(&mut self) -> Value {
        let used: Vec<String> = self.secrets.keys().cloned().collect();
        let unused: Vec<&String> = self
            .given
            .keys()
            .filter(|name| !used.contains(&self.key(name)))
            .collect();
        for name in unused.into_iter().cloned().collect::<Vec<_>>() {
            let message = format!("no service uses secret `{name}`, for which a file was given");
            self.say("live-secret-unused", format!("secrets.{name}"), message);
        }
        let mut document = json!({});
        for (section, map) in [
            ("networks", &self.networks),
            ("volumes", &self.volumes),
            ("configs", &self.configs),
            ("secrets", &self.secrets),
        ] {
            if !map.is_empty() {
                let mut map = map.clone();
                map.sort_keys();
                document[section] = Value::Object(map);
            }
        }
        document
    }
}

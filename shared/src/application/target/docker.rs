//! The docker CLI, as the two targets behind it use it.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use bollard::Docker;
use serde_json::Value;

use super::connection::{Connection, PATIENCE};
use super::{Check, Failure, run};
use crate::host::docker;
use crate::orchestration::convert::to_yaml;
use crate::orchestration::output::Output;

/// Which engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Engine {
    /// Context of the docker CLI; `None` is what docker itself was called with.
    pub context: Option<String>,
    connection: Connection<Docker>,
}

impl Engine {
    /// The engine of a context; `None` is what docker itself was called with.
    #[must_use]
    pub fn of(context: Option<String>) -> Self {
        Self {
            context,
            connection: Connection::default(),
        }
    }

    /// The answer of the engine to a question over a connection of our own; `None` if docker has to be asked.
    pub(super) fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Docker) -> Result<T, String>,
    ) -> Option<T> {
        let connect = async || {
            let endpoint = docker::endpoint(self.context.as_deref())?;
            let connected = endpoint.connect(PATIENCE.as_secs()).await;
            let docker = connected.ok_or_else(|| format!("{}: not by a socket", endpoint.host))?;
            docker.map_err(|error| error.to_string())
        };
        self.connection.ask(connect, question)
    }

    /// docker for this engine.
    pub(super) fn docker(&self) -> Command {
        match &self.context {
            None => docker::command(),
            Some(context) => {
                let mut command = Command::new(docker::program());
                command.arg("--context").arg(context);
                command
            }
        }
    }

    pub(super) fn call(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = self.docker();
        command.args(arguments);
        run(command)
    }

    /// One JSON value a line, as `--format '{{json .}}'` prints them.
    pub(super) fn rows(&self, arguments: &[&str]) -> Result<Vec<Value>, Failure> {
        let text = self.call(arguments)?;
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// The lines that a question is answered with.
    pub(super) fn lines(&self, arguments: &[&str]) -> Result<Vec<String>, Failure> {
        let text = self.call(arguments)?;
        Ok(text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect())
    }

    pub(super) fn describe(&self) -> String {
        self.context.clone().unwrap_or_else(|| {
            let named = docker::global_option(&["--context", "-c"])
                .map(|name| name.to_string_lossy().into_owned());
            named.unwrap_or_else(|| {
                let asked = self.call(&["context", "show"]);
                asked.map_or_else(|_| "default".to_owned(), |name| name.trim().to_owned())
            })
        })
    }
}

/// Writes the files that docker has to read, for their owner only. Returns the path of the Compose file.
pub(super) fn write_files(output: &Output, folder: &Path) -> Result<OsString, Failure> {
    let failed = |error: std::io::Error| Failure::disk(&error);
    fs_err::create_dir_all(folder).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    output.write_files(folder).map_err(failed)?;
    let path = folder.join("compose.yaml");
    fs_err::write(
        &path,
        to_yaml(output.documents.iter().map(|document| &document.value)),
    )
    .map_err(failed)?;
    Ok(path.into_os_string())
}

/// The one document of a Compose output.
pub(super) fn document(output: &Output) -> &Value {
    output
        .documents
        .first()
        .map_or(&Value::Null, |document| &document.value)
}

/// Objects of a section that are not made by the application: name in the file and real name.
pub(super) fn external(document: &Value, section: &str) -> Vec<String> {
    document[section]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, object)| match &object["external"] {
            Value::Bool(external) => *external,
            Value::Object(_) => true,
            _ => false,
        })
        .map(|(key, object)| {
            let name = object["name"]
                .as_str()
                .or(object["external"]["name"].as_str());
            name.unwrap_or(key).to_owned()
        })
        .collect()
}

/// Ports of the host that are published: port and protocol.
pub(super) fn published(document: &Value) -> Vec<(String, String)> {
    let mut ports = Vec::new();
    for service in document["services"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, service)| service)
    {
        for port in service["ports"].as_array().into_iter().flatten() {
            match port {
                Value::Object(port) => {
                    let number = match port.get("published") {
                        Some(Value::String(text)) => text.clone(),
                        Some(Value::Number(number)) => number.to_string(),
                        _ => continue,
                    };
                    let protocol = port
                        .get("protocol")
                        .and_then(Value::as_str)
                        .unwrap_or("tcp");
                    ports.push((number, protocol.to_owned()));
                }
                Value::String(text) => {
                    let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
                    let mut parts = text.rsplit(':');
                    let _container = parts.next();
                    if let Some(host) = parts.next() {
                        ports.push((host.to_owned(), protocol.to_owned()));
                    }
                }
                _ => {}
            }
        }
    }
    ports
}

/// The published ports that somebody else has. `rows` are those of `docker ps` or `docker service ls`; `holder` names whom
/// a row stands for, unless it is the application itself.
pub(super) fn taken_ports(
    document: &Value,
    rows: &[Value],
    holder: impl Fn(&Value) -> Option<String>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    for (port, protocol) in published(document) {
        let pattern = format!(":{port}->");
        let taken = rows.iter().find_map(|row| {
            let holder = holder(row)?;
            let ports = row["Ports"].as_str().unwrap_or_default();
            let has_it = ports
                .split(", ")
                .any(|entry| entry.contains(&pattern) && entry.ends_with(&protocol));
            has_it.then_some(holder)
        });
        if let Some(holder) = taken {
            checks.push(Check::blocked(
                format!("port {port}/{protocol}"),
                format!("{holder} has it"),
                "Publish another port.",
            ));
        }
    }
    checks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_is_taken_by_others_alone_and_for_its_protocol() {
        let document =
            json!({"services": {"web": {"ports": ["8080:80", "53:53/udp", {"published": "443"}]}}});
        let row = |name: &str, ports: &str| json!({"Name": name, "Ports": ports});
        let holder = |row: &Value| {
            let name = row["Name"].as_str()?;
            (name != "own").then(|| format!("service {name}"))
        };
        let subjects = |rows: &[Value]| -> Vec<String> {
            let checks = taken_ports(&document, rows, holder);
            checks.iter().map(|check| check.subject.clone()).collect()
        };
        let taken = [
            row("own", "*:8080->80/tcp"),
            row("dns", "*:53->53/tcp, *:53->53/udp"),
        ];
        assert_eq!(subjects(&taken), ["port 53/udp"]);
        let free = [
            row("own", "*:443->443/tcp"),
            row("dns", "*:53->53/tcp"),
            row("web", "*:18080->80/tcp"),
        ];
        assert!(subjects(&free).is_empty());
    }
}

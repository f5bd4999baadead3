//! Where the Docker engine listens that the docker CLI would talk to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::global_option;

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `unix:///var/run/docker.sock`, `tcp://host:2376`, `ssh://user@host`.
    pub host: String,
    /// Folder with `ca.pem`, `cert.pem` and `key.pem`, if the engine speaks TLS.
    pub tls: Option<PathBuf>,
}

/// The engine that the docker CLI would talk to if it was called with `--context`, or without: `-H`, `--context`,
/// `DOCKER_HOST`, `DOCKER_CONTEXT`, the context that `docker context use` chose, this machine's own (docker/cli,
/// `cli/command`).
///
/// # Errors
/// A context is named that does not exist or cannot be read.
pub fn endpoint(context: Option<&str>) -> Result<Endpoint, String> {
    find(
        &|names| match context {
            Some(name) => names.contains(&"--context").then(|| name.to_owned()),
            None => global_option(names).and_then(|value| value.into_string().ok()),
        },
        &|name| std::env::var_os(name).filter(|value| !value.is_empty()),
    )
}

fn find(
    option: &dyn Fn(&[&str]) -> Option<String>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Endpoint, String> {
    let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
    let folder = variable("DOCKER_CONFIG").map(PathBuf::from).or_else(|| {
        Some(Path::new(&variable("HOME").or_else(|| variable("USERPROFILE"))?).join(".docker"))
    });
    let by_host = |host: String| {
        let is_verified = text("DOCKER_TLS_VERIFY").is_some() || text("DOCKER_TLS").is_some();
        let certificates = variable("DOCKER_CERT_PATH")
            .map(PathBuf::from)
            .or_else(|| folder.clone());
        Endpoint {
            tls: certificates.filter(|_| is_verified && host.starts_with("tcp://")),
            host,
        }
    };
    if let Some(host) = option(&["-H", "--host"]) {
        return Ok(by_host(host));
    }
    let mut context = option(&["-c", "--context"]);
    if context.is_none() {
        if let Some(host) = text("DOCKER_HOST") {
            return Ok(by_host(host));
        }
        context = text("DOCKER_CONTEXT").or_else(|| current(folder.as_deref()?));
    }
    match (context.as_deref(), &folder) {
        (None | Some("default"), _) => {
            let own = if cfg!(windows) {
                "npipe:////./pipe/docker_engine"
            } else {
                "unix:///var/run/docker.sock"
            };
            Ok(by_host(
                text("DOCKER_HOST").unwrap_or_else(|| own.to_owned()),
            ))
        }
        (Some(name), Some(folder)) => of_context(folder, name),
        (Some(name), None) => Err(format!(
            "the docker context `{name}` cannot be looked up: there is no home folder"
        )),
    }
}

/// The context that `docker context use` chose.
fn current(folder: &Path) -> Option<String> {
    let text = fs_err::read(folder.join("config.json")).ok()?;
    let config: Value = serde_json::from_slice(&text).ok()?;
    config["currentContext"]
        .as_str()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

/// Contexts lie in folders that are named by the SHA-256 of their name (docker/cli, `cli/context/store`).
fn of_context(folder: &Path, name: &str) -> Result<Endpoint, String> {
    let id = id_of(name);
    let contexts = folder.join("contexts");
    let path = contexts.join("meta").join(&id).join("meta.json");
    let text = fs_err::read(&path).map_err(|_| {
        format!("there is no docker context `{name}`; `docker context ls` lists them")
    })?;
    let meta: Value =
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let host = meta["Endpoints"]["docker"]["Host"]
        .as_str()
        .ok_or_else(|| format!("the docker context `{name}` names no engine"))?;
    let tls = contexts.join("tls").join(&id).join("docker");
    Ok(Endpoint {
        host: host.to_owned(),
        tls: tls.join("ca.pem").is_file().then_some(tls),
    })
}

fn id_of(name: &str) -> String {
    let mut id = String::new();
    for byte in Sha256::digest(name.as_bytes()) {
        id.push_str(&format!("{byte:02x}"));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_found_as_docker_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let id = id_of("far");
        let meta = folder.path().join("contexts/meta").join(&id);
        fs_err::create_dir_all(&meta).unwrap();
        fs_err::write(
            meta.join("meta.json"),
            r#"{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:2376"}}}"#,
        )
        .unwrap();
        let look = |options: &[(&str, &str)], variables: &[(&str, &str)]| {
            find(
                &|names| {
                    options
                        .iter()
                        .find(|(name, _)| names.contains(name))
                        .map(|(_, value)| (*value).to_owned())
                },
                &|name| match name {
                    "DOCKER_CONFIG" => Some(folder.path().as_os_str().to_owned()),
                    _ => variables
                        .iter()
                        .find(|(own, _)| *own == name)
                        .map(|(_, value)| OsString::from(value)),
                },
            )
            .map(|endpoint| endpoint.host)
        };
        let own = "unix:///var/run/docker.sock";
        assert_eq!(look(&[], &[]).as_deref(), Ok(own));
        assert_eq!(
            look(&[], &[("DOCKER_HOST", "tcp://a")]).as_deref(),
            Ok("tcp://a")
        );
        assert_eq!(
            look(&[("-H", "tcp://b")], &[("DOCKER_HOST", "tcp://a")]).as_deref(),
            Ok("tcp://b")
        );
        assert_eq!(
            look(&[("--context", "far")], &[("DOCKER_HOST", "tcp://a")]).as_deref(),
            Ok("tcp://far:2376")
        );
        assert_eq!(
            look(&[], &[("DOCKER_CONTEXT", "far")]).as_deref(),
            Ok("tcp://far:2376")
        );
        assert!(
            look(&[], &[("DOCKER_CONTEXT", "near")])
                .unwrap_err()
                .contains("docker context ls")
        );
        fs_err::write(
            folder.path().join("config.json"),
            r#"{"currentContext": "far"}"#,
        )
        .unwrap();
        assert_eq!(look(&[], &[]).as_deref(), Ok("tcp://far:2376"));
        assert_eq!(look(&[("-c", "default")], &[]).as_deref(), Ok(own));
    }
}

//! Credentials from the files of docker and podman (docker/cli, `config/configfile`; containers-auth.json(5)).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine as _;
use serde::Deserialize;

use super::helper;
use super::{Credential, CredentialSource};

/// How Docker Hub is called in the files.
const DOCKER_HUB: [&str; 5] = [
    "https://index.docker.io/v1/",
    "index.docker.io",
    "docker.io",
    "registry-1.docker.io",
    "https://index.docker.io/v2/",
];

/// Reads the files of docker and podman, and asks the helpers that they name.
#[derive(Debug)]
pub struct CredentialFiles {
    files: Vec<PathBuf>,
    asked: Mutex<HashMap<(String, String), Result<Credential, String>>>,
}

#[derive(Deserialize, Default)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default, Clone)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry(<redacted>)")
    }
}

impl CredentialFiles {
    /// The files that docker and podman read, in the order in which they count: `REGISTRY_AUTH_FILE`, docker's
    /// `config.json`, podman's `auth.json`.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let home = std::env::home_dir();
        let mut files = Vec::new();
        files.extend(variable("REGISTRY_AUTH_FILE"));
        let docker = variable("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
        files.extend(docker.map(|folder| folder.join("config.json")));
        files.extend(variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")));
        let config = variable("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        files.extend(config.map(|folder| folder.join("containers/auth.json")));
        Self::new(files)
    }

    /// These files, the first one that knows a registry counts. Missing files are no errors.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self {
            files,
            asked: Mutex::default(),
        }
    }

    fn find(&self, registry: &str, repository: &str) -> Result<Credential, String> {
        for path in &self.files {
            let text = match fs_err::read(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.to_string()),
            };
            let file: File = serde_json::from_slice(&text)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            if let Some(credential) = file.credential(path, registry, repository)? {
                return Ok(credential);
            }
        }
        Ok(Credential::Anonymous)
    }
}

impl CredentialSource for CredentialFiles {
    fn credential(&self, registry: &str, repository: &str) -> Result<Credential, String> {
        let key = (registry.to_owned(), repository.to_owned());
        if let Ok(asked) = self.asked.lock()
            && let Some(known) = asked.get(&key)
        {
            return known.clone();
        }
        let found = self.find(registry, repository);
        if let Ok(mut asked) = self.asked.lock() {
            asked.insert(key, found.clone());
        }
        found
    }
}

impl File {
    /// What this file has for a repository: the most specific entry, from a helper if one is named for it.
    fn credential(
        &self,
        path: &Path,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, String> {
        for key in keys(registry, repository) {
            if let Some(name) = self.helpers.get(&key)
                && let Some(credential) = ask(path, name, &key)?
            {
                return Ok(Some(credential));
            }
            let entry = self.auths.iter().find(|(own, _)| matches(own, &key));
            if let Some(credential) = entry.and_then(|(_, entry)| entry.credential()) {
                return Ok(Some(credential));
            }
        }
        let Some(store) = self.store.as_deref().filter(|store| !store.is_empty()) else {
            return Ok(None);
        };
        let names: &[&str] = if DOCKER_HUB.contains(&registry) {
            &DOCKER_HUB[..1]
        } else {
            &[registry]
        };
        for name in names {
            if let Some(credential) = ask(path, store, name)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }
}

fn ask(path: &Path, name: &str, key: &str) -> Result<Option<Credential>, String> {
    helper::get(name, key).map_err(|error| format!("{error} (named in {})", path.display()))
}

/// `host/a/b/c`, `host/a/b`, `host/a`, `host`; all names of Docker Hub.
fn keys(registry: &str, repository: &str) -> Vec<String> {
    let hosts: Vec<&str> = if DOCKER_HUB.contains(&registry) {
        DOCKER_HUB.to_vec()
    } else {
        vec![registry]
    };
    let mut paths = vec![repository];
    while let Some((parent, _)) = paths.last().and_then(|path| path.rsplit_once('/')) {
        paths.push(parent);
    }
    let mut keys = Vec::new();
    for host in &hosts {
        let spaces = paths.iter().filter(|path| !path.is_empty());
        keys.extend(spaces.map(|path| format!("{host}/{path}")));
    }
    keys.extend(hosts.into_iter().map(str::to_owned));
    keys
}

/// Old versions of docker wrote URLs: `https://host/v1/`.
fn matches(own: &str, key: &str) -> bool {
    if own == key {
        return true;
    }
    let plain = own
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let plain = plain
        .strip_suffix("/v1")
        .or(plain.strip_suffix("/v2"))
        .unwrap_or(plain);
    plain == key
}

impl Entry {
    fn credential(&self) -> Option<Credential> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = set(&self.registrytoken) {
            return Some(Credential::Bearer(token));
        }
        if let Some(token) = set(&self.identitytoken) {
            return Some(Credential::Identity(token));
        }
        if let (Some(user), Some(password)) = (set(&self.username), set(&self.password)) {
            return Some(Credential::Basic { user, password });
        }
        let decoded = base64::prelude::BASE64_STANDARD
            .decode(set(&self.auth)?.trim())
            .ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (user, password) = text.trim_end_matches('\0').split_once(':')?;
        Some(Credential::Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> (tempfile::TempDir, CredentialFiles) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs_err::write(&path, text).unwrap();
        {
            let files = CredentialFiles::new(vec![folder.path().join("missing"), path]);
            (folder, files)
        }
    }

    fn basic(user: &str, password: &str) -> Credential {
        Credential::Basic {
            user: user.into(),
            password: password.into(),
        }
    }

    #[test]
    fn the_most_specific_entry_counts() {
        let (_folder, files) = files(
            r#"{"auths": {
                "r.example": {"auth": "YTpi"},
                "r.example/team": {"username": "t", "password": "p:w"},
                "https://index.docker.io/v1/": {"identitytoken": "id"},
                "https://old.example/v1/": {"auth": "YTpi"},
                "empty.example": {}
            }}"#,
        );
        let get = |registry, repository| files.credential(registry, repository).unwrap();
        assert_eq!(get("r.example", "app"), basic("a", "b"));
        assert_eq!(get("r.example", "team/app"), basic("t", "p:w"));
        assert_eq!(get("r.example", "teams/app"), basic("a", "b"));
        assert_eq!(
            get("docker.io", "library/redis"),
            Credential::Identity("id".into())
        );
        assert_eq!(get("old.example", "x"), basic("a", "b"));
        assert_eq!(get("empty.example", "x"), Credential::Anonymous);
        assert_eq!(get("other.example", "x"), Credential::Anonymous);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let (folder, files) = files("{");
        let error = files.credential("r.example", "x").unwrap_err();
        assert!(
            error.contains(&folder.path().display().to_string()),
            "{error}"
        );
    }

    #[test]
    fn nothing_secret_is_shown() {
        let text = format!("{:?}", basic("user", "password"));
        assert!(!text.contains("user") && !text.contains("password"));
    }
}

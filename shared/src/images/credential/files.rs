//! All places where this machine's users keep the credentials of registries.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::file::{CredentialFile, Hint};
use super::key::candidates;
use super::{Credential, CredentialSource, helper};

/// How long a helper may take: some ask the user's keychain, some a cloud.
const HELPER_LIMIT: Duration = Duration::from_secs(30);

type Answer = Arc<OnceLock<Result<Option<Credential>, String>>>;

/// The credentials that docker, podman, helm and Kubernetes keep, in this order:
///
/// 1. the file named by `REGISTRY_AUTH_FILE`,
/// 2. docker's `config.json` (`DOCKER_CONFIG`, else `~/.docker`),
/// 3. helm's file (`HELM_REGISTRY_CONFIG`),
/// 4. podman's `auth.json` (`XDG_RUNTIME_DIR`, then `XDG_CONFIG_HOME`, else `~/.config`),
/// 5. pull secrets among the application's own objects ([`CredentialFiles::add_secret`]).
///
/// The first one that knows the repository, or else its registry, counts. In a file, the most specific path counts.
pub struct CredentialFiles {
    files: Vec<CredentialFile>,
    /// Those of the application itself.
    secrets: RwLock<Vec<CredentialFile>>,
    /// Files that cannot be understood. Reported when a registry is asked for, not before: the application may not need
    /// any.
    broken: Vec<String>,
    limit: Duration,
    answers: Mutex<HashMap<(String, String), Answer>>,
}

impl CredentialFiles {
    /// The credentials of the user who runs this program.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::find(&|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    /// The credentials under other environment variables.
    #[must_use]
    pub fn find(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        Self::new(paths(variable))
    }

    /// The credentials in these files; those that are not there are no errors.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let mut own = Self {
            files: Vec::new(),
            secrets: RwLock::default(),
            broken: Vec::new(),
            limit: HELPER_LIMIT,
            answers: Mutex::default(),
        };
        for path in paths {
            own.add(CredentialFile::read(&path));
        }
        own
    }

    fn add(&mut self, file: Result<Option<CredentialFile>, String>) {
        match file {
            Ok(Some(file)) => self.files.push(file),
            Ok(None) => {}
            Err(error) => self.broken.push(error),
        }
    }

    /// Lets helpers take another time.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Adds the credentials of a Kubernetes Secret of type `kubernetes.io/dockerconfigjson` or
    /// `kubernetes.io/dockercfg`, with less weight than all before. `false` if it is none, or damaged.
    pub fn add_secret(&self, secret: &Value) -> bool {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        let content = |key: &str| -> Option<Vec<u8>> {
            if let Some(text) = secret["stringData"][key].as_str() {
                return Some(text.as_bytes().to_vec());
            }
            let text: String = secret["data"][key].as_str()?.split_whitespace().collect();
            BASE64.decode(text).ok()
        };
        let text = content(".dockerconfigjson").or_else(|| {
            // The old form: the entries without `auths` around them.
            let entries: Value = serde_json::from_slice(&content(".dockercfg")?).ok()?;
            Some(json!({ "auths": entries }).to_string().into_bytes())
        });
        let Some(file) =
            text.and_then(|text| CredentialFile::parse(format!("Secret {name}"), &text).ok())
        else {
            return false;
        };
        self.secrets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(file);
        true
    }

    /// Names of the files that were read, for people.
    #[must_use]
    pub fn files(&self) -> Vec<&str> {
        self.files.iter().map(|file| file.name.as_str()).collect()
    }

    fn ask(&self, helper: &str, server: &str) -> Result<Option<Credential>, String> {
        let answer = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(
                answers
                    .entry((helper.to_owned(), server.to_owned()))
                    .or_default(),
            )
        };
        // Only who asks for the same waits here.
        answer
            .get_or_init(|| helper::ask(helper, server, self.limit))
            .clone()
    }
}

impl CredentialSource for CredentialFiles {
    fn credential(&self, registry: &str, repository: &str) -> Result<Credential, String> {
        let keys = candidates(registry, repository);
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        for file in self.files.iter().chain(secrets.iter()) {
            for (index, key) in keys.iter().enumerate() {
                for hint in file.look(key, index + 1 == keys.len())? {
                    match hint {
                        Hint::Known(credential) => return Ok(credential),
                        Hint::Ask { helper, server } => {
                            let answer = self
                                .ask(&helper, &server)
                                .map_err(|error| format!("{error} (named in `{}`)", file.name))?;
                            if let Some(credential) = answer {
                                return Ok(credential);
                            }
                        }
                    }
                }
            }
        }
        match self.broken.first() {
            Some(error) => Err(error.clone()),
            None => Ok(Credential::Anonymous),
        }
    }
}

impl std::fmt::Debug for CredentialFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CredentialFiles")
            .field(&self.files())
            .finish()
    }
}

fn paths(variable: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let home = variable("HOME")
        .or_else(|| variable("USERPROFILE"))
        .map(PathBuf::from);
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let all = [
        variable("REGISTRY_AUTH_FILE").map(PathBuf::from),
        variable("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| below_home(".docker"))
            .map(|folder| folder.join("config.json")),
        variable("HELM_REGISTRY_CONFIG").map(PathBuf::from),
        variable("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("containers/auth.json")),
        variable("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| below_home(".config"))
            .map(|folder| folder.join("containers/auth.json")),
    ];
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in all.into_iter().flatten() {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

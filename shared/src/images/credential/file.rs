//! Files with credentials: docker's `config.json`, podman's `auth.json`, Kubernetes' `.dockerconfigjson`.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use super::Credential;
use super::key::normalize;

/// Largest file that is read, in bytes.
const LARGEST_FILE: u64 = 4 << 20;

/// What a file says about credentials.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    auths: BTreeMap<String, Option<Entry>>,
    #[serde(default)]
    creds_store: String,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

/// A file with credentials.
pub(super) struct CredentialFile {
    /// How it is called in messages: its path.
    pub(super) name: String,
    raw: Raw,
}

/// What a file says about a key.
pub(super) enum Hint {
    /// The credential itself.
    Known(Credential),
    /// A helper has to be asked for this server.
    Ask {
        /// Name of the helper.
        helper: String,
        /// The server, as the file spells it.
        server: String,
    },
}

impl CredentialFile {
    /// Reads a file; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read, or is not JSON of this form. The text holds none of the file's content.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, String> {
        let name = path.display().to_string();
        match path.metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("`{name}` cannot be read: {error}")),
            Ok(metadata) if metadata.len() > LARGEST_FILE => {
                return Err(format!("`{name}` is too large for a file with credentials"));
            }
            Ok(_) => {}
        }
        let text = fs_err::read(path).map_err(|error| format!("{error}"))?;
        Self::parse(name, &text).map(Some)
    }

    /// The content of a file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn parse(name: String, text: &[u8]) -> Result<Self, String> {
        if text.trim_ascii().is_empty() {
            return Ok(Self {
                name,
                raw: Raw::default(),
            });
        }
        let raw = serde_json::from_slice(text).map_err(|error| {
            // Only the place: the error's own words quote values.
            format!(
                "`{name}` is not JSON with credentials (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
        Ok(Self { name, raw })
    }

    /// What the file says about a key, in the order in which it is tried: a helper for this very key, the general
    /// helper, the entry itself (docker/cli, `cli/config/configfile`). The general helper is asked for keys that the
    /// file lists, and for the registry.
    pub(super) fn look(&self, key: &str, is_registry: bool) -> Result<Vec<Hint>, String> {
        let mut hints = Vec::new();
        let same = |other: &&String| normalize(other) == *key;
        let listed = self.raw.auths.keys().find(same);
        let spelled = || match listed {
            Some(listed) => listed.clone(),
            None if key == "docker.io" => super::key::DOCKER_HUB_KEY.to_owned(),
            None => key.to_owned(),
        };
        if let Some((server, helper)) = self.raw.cred_helpers.iter().find(|(k, _)| same(k)) {
            if !helper.is_empty() {
                let server = listed.unwrap_or(server);
                hints.push(Hint::Ask {
                    helper: helper.clone(),
                    server: if key == "docker.io" {
                        spelled()
                    } else {
                        server.clone()
                    },
                });
            }
        } else if !self.raw.creds_store.is_empty() && (listed.is_some() || is_registry) {
            hints.push(Hint::Ask {
                helper: self.raw.creds_store.clone(),
                server: spelled(),
            });
        }
        // The same registry can stand there in several spellings, some of them empty.
        for (spelling, entry) in &self.raw.auths {
            if normalize(spelling) == key
                && let Some(entry) = entry
                && let Some(credential) = self.credential(spelling, entry)?
            {
                hints.push(Hint::Known(credential));
                break;
            }
        }
        Ok(hints)
    }

    fn credential(&self, key: &str, entry: &Entry) -> Result<Option<Credential>, String> {
        if !entry.registrytoken.is_empty() {
            return Ok(Some(Credential::Bearer(entry.registrytoken.clone())));
        }
        if !entry.identitytoken.is_empty() {
            return Ok(Some(Credential::Identity(entry.identitytoken.clone())));
        }
        let wrong = || {
            format!(
                "the entry `{key}` of `{}` has an `auth` that is not the base64 of NAME:PASSWORD",
                self.name
            )
        };
        if !entry.auth.is_empty() {
            let bytes = BASE64.decode(entry.auth.trim()).map_err(|_| wrong())?;
            let text = String::from_utf8(bytes).map_err(|_| wrong())?;
            let (user, password) = text.split_once(':').ok_or_else(wrong)?;
            return Ok(Some(Credential::Basic {
                user: user.to_owned(),
                password: password.trim_end_matches('\0').to_owned(),
            }));
        }
        if entry.username.is_empty() {
            return Ok(None);
        }
        Ok(Some(Credential::Basic {
            user: entry.username.clone(),
            password: entry.password.clone(),
        }))
    }
}

impl std::fmt::Debug for CredentialFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CredentialFile({})", self.name)
    }
}

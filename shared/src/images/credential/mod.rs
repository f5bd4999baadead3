//! Who we are to a registry.

mod file;
mod files;
mod helper;
mod key;
#[cfg(test)]
mod tests;

use std::fmt;

pub use files::CredentialFiles;

/// What is shown to a registry, or to the server that gives out its tokens.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Credential {
    /// Nothing.
    #[default]
    Anonymous,
    /// A name and a password or access token.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A refresh token for the token server (`identitytoken` of docker's configuration).
    Identity(String),
    /// A token for the registry itself (`registrytoken`).
    Bearer(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Basic { .. } => "Basic(<redacted>)",
            Self::Identity(_) => "Identity(<redacted>)",
            Self::Bearer(_) => "Bearer(<redacted>)",
        })
    }
}

/// Where credentials come from. Asked once for each registry and repository.
pub trait CredentialSource: fmt::Debug + Send + Sync {
    /// The credential for a repository of a registry (`docker.io`, `registry.example:5000`). May run a helper program,
    /// so it is called where blocking is allowed.
    ///
    /// # Errors
    /// A file cannot be read or a helper fails; the text says which one, and no secret.
    fn credential(&self, registry: &str, repository: &str) -> Result<Credential, String>;
}

/// No credentials at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

impl CredentialSource for NoCredentials {
    fn credential(&self, _: &str, _: &str) -> Result<Credential, String> {
        Ok(Credential::Anonymous)
    }
}

/// The same credential for every registry.
#[derive(Debug, Clone)]
pub struct OneCredential(pub Credential);

impl CredentialSource for OneCredential {
    fn credential(&self, _: &str, _: &str) -> Result<Credential, String> {
        Ok(self.0.clone())
    }
}

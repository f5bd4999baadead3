//! Secrets: never in the rules file itself, never in a log.

use std::fmt;
use std::path::PathBuf;

/// Where a secret is had from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// A file; one line feed at its end does not belong to it.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
}

/// A secret and where it came from.
#[derive(Clone)]
pub struct Secret {
    place: SecretPlace,
    bytes: Vec<u8>,
}

/// A secret shorter than this can be guessed.
const SHORTEST: usize = 8;

impl Secret {
    /// Reads a secret.
    ///
    /// # Errors
    /// The file or variable is not there, or the secret is shorter than eight bytes.
    pub fn read(place: SecretPlace) -> Result<Self, String> {
        let mut bytes = match &place {
            SecretPlace::File(path) => fs_err::read(path).map_err(|error| error.to_string())?,
            SecretPlace::Variable(name) => std::env::var(name)
                .map_err(|_| format!("the variable {name} is not set"))?
                .into_bytes(),
        };
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        if bytes.len() < SHORTEST {
            return Err(format!(
                "the secret in {} has {} bytes; at least {SHORTEST} are needed",
                place.describe(),
                bytes.len()
            ));
        }
        Ok(Self { place, bytes })
    }

    /// A secret that is not on this machine.
    #[must_use]
    pub fn unread(place: SecretPlace) -> Self {
        Self {
            place,
            bytes: Vec::new(),
        }
    }

    /// The secret itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where it came from.
    #[must_use]
    pub fn place(&self) -> &SecretPlace {
        &self.place
    }
}

impl SecretPlace {
    fn describe(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Variable(name) => format!("the variable {name}"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.place.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs_err::write(&path, "correct horse\n").unwrap();
        let secret = Secret::read(SecretPlace::File(path.clone())).unwrap();
        assert_eq!(secret.bytes(), b"correct horse");
        assert!(!format!("{secret:?}").contains("horse"));
        fs_err::write(&path, "short\n").unwrap();
        assert!(Secret::read(SecretPlace::File(path)).is_err());
    }
}

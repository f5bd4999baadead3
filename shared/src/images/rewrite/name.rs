//! The name of an image, as applications write it.

use std::fmt;
use std::str::FromStr;

use crate::images::store::Name;
use crate::images::{Digest, Reference};

/// `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`, completed as docker does it: `nginx` is `docker.io/library/nginx`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    /// Host and port: `docker.io`, `localhost:5000`.
    pub registry: String,
    /// Path at the registry: `library/nginx`.
    pub repository: String,
    /// The tag, if one is written.
    pub tag: Option<String>,
    /// The digest, if one is written.
    pub digest: Option<Digest>,
}

/// A text that is no name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no image reference: {reason}")]
pub struct InvalidName {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ImageName {
    /// What the image is asked for by: the digest if there is one, else the tag, else `latest`.
    #[must_use]
    pub fn asked(&self) -> Name {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Name::Digest(digest.clone()),
            (None, Some(tag)) => Name::Tag(tag.clone()),
            (None, None) => Name::Tag("latest".into()),
        }
    }

    /// What the image is kept under: the tag if there is one, so that no registry takes it for forgotten; else the
    /// digest, else `latest`.
    #[must_use]
    pub fn kept(&self) -> Name {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Name::Tag(tag.clone()),
            (None, Some(digest)) => Name::Digest(digest.clone()),
            (None, None) => Name::Tag("latest".into()),
        }
    }

    /// Registry and repository.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// As docker shows it to people: without `docker.io/library/`.
    #[must_use]
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        match full.strip_prefix("docker.io/") {
            // A name without a slash is one of `library`.
            Some(rest) => rest.strip_prefix("library/").unwrap_or(rest).to_owned(),
            None => full,
        }
    }
}

impl FromStr for ImageName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: String| InvalidName {
            text: text.to_owned(),
            reason,
        };
        if text.contains("://") {
            return Err(invalid("it has a scheme; write HOST/REPOSITORY:TAG".into()));
        }
        if let Some((_, rest)) = text.split_once('$') {
            return Err(invalid(format!("`${rest}` was not replaced")));
        }
        let reference = Reference::try_from(text).map_err(|error| {
            let name = text.split(['@']).next().unwrap_or_default();
            let path = name.split_once('/').map_or(name, |(_, path)| path);
            let path = path.rsplit_once(':').map_or(path, |(path, _)| path);
            invalid(if text.is_empty() {
                "it is empty".into()
            } else if text.ends_with(':') {
                "the tag behind the colon is missing".into()
            } else if text.contains('@') && name.parse::<ImageName>().is_ok() {
                "behind the @, `sha256:` and 64 hexadecimal digits are expected".into()
            } else if text.contains(char::is_whitespace) {
                "it has a space in it".into()
            } else if path.chars().any(char::is_uppercase) {
                "a repository has lower-case letters only".into()
            } else {
                error.to_string()
            })
        })?;
        let digest =
            reference.digest().map(str::parse).transpose().map_err(
                |error: crate::images::digest::InvalidDigest| invalid(error.to_string()),
            )?;
        // A tag that is not written is completed with `latest`.
        let before_digest = text.split('@').next().unwrap_or_default();
        let tag = reference
            .tag()
            .filter(|tag| before_digest.ends_with(&format!(":{tag}")))
            .map(str::to_owned);
        let registry = match reference.registry() {
            "registry-1.docker.io" => "docker.io",
            other => other,
        };
        Ok(Self {
            registry: registry.to_owned(),
            repository: reference.repository().to_owned(),
            tag,
            digest,
        })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

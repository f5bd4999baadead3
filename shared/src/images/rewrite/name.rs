//! The name of an image, as applications write it.

use std::fmt;
use std::str::FromStr;

use crate::images::store::Name;
use crate::images::{Digest, Reference};

/// The registry of names without one, and where its images without a folder lie.
const HUB: &str = "docker.io";
const LIBRARY: &str = "library";

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

    /// As a reference, with the tag `latest` where neither tag nor digest is written.
    #[must_use]
    pub fn reference(&self) -> Reference {
        let registry = self.registry.clone();
        let repository = if registry == HUB && !self.repository.contains('/') {
            format!("{LIBRARY}/{}", self.repository)
        } else {
            self.repository.clone()
        };
        match (&self.tag, &self.digest) {
            (Some(tag), None) => Reference::with_tag(registry, repository, tag.clone()),
            (None, None) => Reference::with_tag(registry, repository, "latest".to_owned()),
            (None, Some(digest)) => {
                Reference::with_digest(registry, repository, digest.to_string())
            }
            (Some(tag), Some(digest)) => Reference::with_tag_and_digest(
                registry,
                repository,
                tag.clone(),
                digest.to_string(),
            ),
        }
    }

    /// The name, where each part of it has the plainest form. `None` says nothing; whoever gets it asks the grammar,
    /// which takes a tenth of a second to be ready.
    fn plain(text: &str) -> Option<Self> {
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(digest.parse().ok()?)),
            None => (text, None),
        };
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (text, None),
        };
        let is_tag = |tag: &str| {
            tag.len() <= 128
                && tag.bytes().enumerate().all(|(index, b)| {
                    b.is_ascii_alphanumeric() || b == b'_' || index > 0 && matches!(b, b'.' | b'-')
                })
        };
        if text.len() > 200 || tag.is_some_and(|tag| tag.is_empty() || !is_tag(tag)) {
            return None;
        }
        let (registry, repository) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
                if host == HUB && !path.contains('/') {
                    (HUB, format!("{LIBRARY}/{path}"))
                } else if host == HUB || !host.ends_with(HUB) && is_plain_host(host) {
                    (host, path.to_owned())
                } else {
                    return None;
                }
            }
            Some(_) => (HUB, name.to_owned()),
            None => (HUB, format!("{LIBRARY}/{name}")),
        };
        repository.split('/').all(is_plain_part).then(|| Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest,
        })
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

/// Labels of letters, digits and single dashes within, and perhaps a port.
fn is_plain_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    !port.is_empty()
        && port.bytes().all(|b| b.is_ascii_digit())
        && name.split('.').all(|label| {
            is_word(
                label.as_bytes(),
                |b| b.is_ascii_alphanumeric(),
                |b| b == b'-',
            )
        })
}

/// A part of a repository: lower-case letters and digits, single `.`, `_` and `-` within.
fn is_plain_part(part: &str) -> bool {
    is_word(
        part.as_bytes(),
        |b| b.is_ascii_lowercase() || b.is_ascii_digit(),
        |b| matches!(b, b'.' | b'_' | b'-'),
    )
}

/// Begins and ends with a letter; between them stand letters and single separators.
fn is_word(bytes: &[u8], letter: fn(u8) -> bool, separator: fn(u8) -> bool) -> bool {
    let mut before = false;
    for &b in bytes {
        if !(letter(b) || before && separator(b)) {
            return false;
        }
        before = letter(b);
    }
    before
}

impl FromStr for ImageName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: String| InvalidName {
            text: text.to_owned(),
            reason,
        };
        if let Some(name) = Self::plain(text) {
            return Ok(name);
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The short way gives what the grammar gives, or nothing.
        #[test]
        fn plain_names_are_as_the_grammar_has_them(
            text in "((docker|index.docker|a).io/)?([a-zA-Z0-9.:_-]{1,8}/){0,3}[a-z0-9A-Z._-]{1,8}(:[a-zA-Z0-9._/-]{0,8})?(@sha256:[0-9a-fA]{64})?"
        ) {
            if let Some(name) = ImageName::plain(&text) {
                let reference = Reference::try_from(text.as_str());
                prop_assert!(reference.is_ok(), "{text}");
                let reference = reference.unwrap();
                prop_assert_eq!(&name.registry, reference.registry());
                prop_assert_eq!(&name.repository, reference.repository());
                let latest = name.digest.is_none().then_some("latest");
                prop_assert_eq!(name.tag.as_deref().or(latest), reference.tag());
                let digest = name.digest.as_ref().map(ToString::to_string);
                prop_assert_eq!(digest.as_deref(), reference.digest());
                prop_assert_eq!(&name.reference(), &reference);
                let again: Reference = name.to_string().parse().unwrap();
                prop_assert_eq!(again, reference);
            }
        }
    }

    #[test]
    fn most_names_are_plain() {
        for text in [
            "nginx",
            "nginx:1.27.2",
            "bitnami/redis:7",
            "registry.example/shop/web0:1.0",
            "localhost:5000/a/b-c_d.e:Tag_1",
            "docker.io/nginx",
            "nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "a.io/b:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            assert!(ImageName::plain(text).is_some(), "{text}");
        }
        for text in [
            "",
            "Nginx",
            "a//b",
            "a:",
            "index.docker.io/nginx",
            "a__b",
            "a@sha256:0",
            "-a",
            "a.",
        ] {
            assert!(ImageName::plain(text).is_none(), "{text}");
        }
    }
}

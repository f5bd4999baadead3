//! Which name an image has at the target.
//!
//! A rule maps a registry, or a path below it, to a place at the target; of several, the longest one that fits counts.
//! Repository, tag and digest stay as they are.

mod name;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

pub use name::{ImageName, InvalidName};

use super::Digest;

/// A rule that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(pub String);

/// A registry, or a path below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Host and port.
    pub registry: String,
    /// Path at the registry; empty for all of it.
    pub path: String,
}

impl Place {
    /// The place that a rule leads from: `docker.io`, `quay.io/team`, or a namespace of Docker Hub.
    fn source(text: &str) -> Result<Self, RuleError> {
        let clean = clean(text)?;
        let (host, path) = clean.split_once('/').unwrap_or((clean, ""));
        let (registry, path) = if is_host(host) {
            (host, path)
        } else {
            ("docker.io", clean)
        };
        Self::checked(registry, path, text)
    }

    /// The place that a rule leads to. Its host has to be one for docker as well, which reads what is written.
    fn target(text: &str) -> Result<Self, RuleError> {
        let clean = clean(text)?;
        let (host, path) = clean.split_once('/').unwrap_or((clean, ""));
        if !is_host(host) {
            return Err(RuleError(format!(
                "`{text}`: `{host}` has neither a dot nor a port, so docker and Kubernetes would take it for a name at Docker Hub; write docker.io/{clean} if that is meant, else the registry's full name or {host}:443"
            )));
        }
        Self::checked(host, path, text)
    }

    fn checked(registry: &str, path: &str, text: &str) -> Result<Self, RuleError> {
        let registry = match registry.to_ascii_lowercase().as_str() {
            "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
            other => other.to_owned(),
        };
        let probe = if path.is_empty() {
            format!("{registry}/a/b")
        } else {
            format!("{registry}/{path}/b")
        };
        probe
            .parse::<ImageName>()
            .map_err(|error| RuleError(format!("`{text}` is no registry: {}", error.reason)))?;
        Ok(Self {
            registry,
            path: path.to_owned(),
        })
    }

    /// What is left of an image's repository below this place; `None` if the image is elsewhere.
    fn below<'i>(&self, image: &'i ImageName) -> Option<&'i str> {
        if image.registry != self.registry {
            return None;
        }
        if self.path.is_empty() {
            return Some(&image.repository);
        }
        let rest = image.repository.strip_prefix(self.path.as_str())?;
        if rest.is_empty() {
            return Some("");
        }
        rest.strip_prefix('/')
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.registry)?;
        if !self.path.is_empty() {
            write!(f, "/{}", self.path)?;
        }
        Ok(())
    }
}

fn clean(text: &str) -> Result<&str, RuleError> {
    if text.starts_with("http://") {
        return Err(RuleError(format!(
            "`{text}`: write the registry without http:// and add --plain-http HOST"
        )));
    }
    let text = text.strip_prefix("https://").unwrap_or(text);
    let text = text.trim_end_matches('/');
    if text.is_empty() {
        return Err(RuleError("a registry is missing".into()));
    }
    Ok(text)
}

/// Whether docker takes the first part of a name for a host (docker/distribution, `reference`).
fn is_host(text: &str) -> bool {
    text.contains(['.', ':']) || text == "localhost"
}

/// The rules of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Where all images go that no other rule names.
    rest: Option<Place>,
    /// From, to; the longest first.
    maps: Vec<(Place, Place)>,
}

impl Rules {
    /// Rules from the command line: `--to-registry HOST[/PREFIX]` and any number of `--map-registry SOURCE=TARGET`.
    ///
    /// # Errors
    /// One of them is no rule, or two of them contradict each other.
    pub fn new(to_registry: Option<&str>, maps: &[String]) -> Result<Self, RuleError> {
        let mut own = Self {
            rest: to_registry.map(Place::target).transpose()?,
            maps: Vec::new(),
        };
        for text in maps {
            let (from, to) = text.split_once('=').ok_or_else(|| {
                RuleError(format!("`{text}` is no rule; SOURCE=TARGET is expected"))
            })?;
            let (from, to) = (Place::source(from)?, Place::target(to)?);
            match own.maps.iter().find(|(other, _)| *other == from) {
                Some((_, other)) if *other != to => {
                    return Err(RuleError(format!(
                        "`{from}` is mapped to `{other}` and to `{to}`"
                    )));
                }
                Some(_) => {}
                None => own.maps.push((from, to)),
            }
        }
        own.maps.sort_by_key(|(from, _)| {
            std::cmp::Reverse((from.path.split('/').filter(|p| !p.is_empty()).count(), from.clone()))
        });
        Ok(own)
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_none() && self.maps.is_empty()
    }

    /// The name at the target. An image that no rule names, and one that is at the target already, keeps its name.
    ///
    /// # Errors
    /// The name would be longer than registries allow, or a rule for a single repository leads to a bare registry.
    pub fn apply(&self, image: &ImageName) -> Result<ImageName, RuleError> {
        let map = self
            .maps
            .iter()
            .find_map(|(from, to)| Some((to, from.below(image)?)));
        let (to, rest) = match (map, &self.rest) {
            (Some(map), _) => map,
            (None, Some(to)) => (to, image.repository.as_str()),
            (None, None) => return Ok(image.clone()),
        };
        // Following a rule twice leads to the same place as once.
        if to.below(image).is_some_and(|rest| !rest.is_empty()) {
            return Ok(image.clone());
        }
        let repository = match (to.path.as_str(), rest) {
            ("", "") => {
                return Err(RuleError(format!(
                    "the rule for `{}` leads to `{to}`, where a repository is missing; write {to}/NAME",
                    image.place()
                )));
            }
            ("", rest) => rest.to_owned(),
            (path, "") => path.to_owned(),
            (path, rest) => format!("{path}/{rest}"),
        };
        if repository.len() > 255 {
            return Err(RuleError(format!(
                "`{}` would be called `{}/{repository}` at the target: more than the 255 characters that registries allow; choose a shorter prefix",
                image.place(), to.registry
            )));
        }
        Ok(ImageName {
            registry: to.registry.clone(),
            repository,
            tag: image.tag.clone(),
            digest: image.digest.clone(),
        })
    }

    /// The name of an image that is built and has no name of its own: directly below `--to-registry`.
    #[must_use]
    pub fn built(&self, name: &str) -> Option<ImageName> {
        let rest = self.rest.as_ref()?;
        format!("{rest}/{name}").parse().ok()
    }
}

/// Two images that would have the same name at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collision {
    /// Place of the first in the list.
    pub first: usize,
    /// Place of the second.
    pub second: usize,
    /// The name that both would have.
    pub target: ImageName,
}

/// The first two of the pairs (source, target) that are different images under one name.
#[must_use]
pub fn collision<'n>(
    pairs: impl IntoIterator<Item = (&'n ImageName, &'n ImageName)>,
) -> Option<Collision> {
    let mut taken: BTreeMap<(String, String), (usize, &ImageName)> = BTreeMap::new();
    for (index, (source, target)) in pairs.into_iter().enumerate() {
        let key = (target.place(), target.kept().to_string());
        match taken.get(&key) {
            // The same tag with and without a digest is one image at its source as well.
            Some((first, other)) if other.place() != source.place() => {
                return Some(Collision {
                    first: *first,
                    second: index,
                    target: target.clone(),
                });
            }
            Some(_) => {}
            None => {
                taken.insert(key, (index, source));
            }
        }
    }
    None
}

/// Rules, and the digests that names are pinned to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewriter {
    /// The rules.
    pub rules: Rules,
    /// Digests by the source's name; empty leaves the names as they are.
    pub digests: BTreeMap<ImageName, Digest>,
}

impl Rewriter {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.rules.is_empty() && self.digests.is_empty()
    }

    /// The name at the target, pinned if its digest is known.
    ///
    /// # Errors
    /// As [`Rules::apply`].
    pub fn apply(&self, image: &ImageName) -> Result<ImageName, RuleError> {
        let mut target = self.rules.apply(image)?;
        if target.digest.is_none() {
            target.digest = self.digests.get(image).cloned();
        }
        Ok(target)
    }
}

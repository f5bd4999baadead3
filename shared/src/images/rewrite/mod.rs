//! Which name an image has at the target.
//!
//! A rule maps a registry, or a path below it, to a place at the target; of several, the longest one that fits counts.
//! Repository, tag and digest stay as they are.

mod name;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use name::{ImageName, InvalidName};

use super::{Digest, Reference};

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

    /// How many parts its path has: more of them are more exact.
    fn depth(&self) -> usize {
        self.path.split('/').filter(|part| !part.is_empty()).count()
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

/// `registry/namespace=other/prefix`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    from: Place,
    to: Place,
}

impl FromStr for Map {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once('=').ok_or_else(|| {
            format!(
                "`{text}` is no mapping; SOURCE=TARGET is expected, such as quay.io/team=registry.example/team"
            )
        })?;
        Ok(Self {
            from: Place::source(from).map_err(|error| error.0)?,
            to: Place::target(to).map_err(|error| error.0)?,
        })
    }
}

/// Checks `HOST[:PORT][/PREFIX]`.
///
/// # Errors
/// It is none, in words.
pub fn check_place(text: &str) -> Result<String, String> {
    Place::target(text)
        .map(|place| place.to_string())
        .map_err(|error| error.0)
}

/// How references change. The rule with the longest source counts; without any rule they stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The longest source first.
    maps: Vec<Map>,
    /// Where all images go that no map names.
    rest: Option<Place>,
    /// Digests by the whole name of the image that they belong to.
    pins: BTreeMap<String, Digest>,
}

impl Rules {
    /// Rules from `--map-registry` and `--to-registry`. The latter is a place that [`check_place`] has accepted.
    #[must_use]
    pub fn new(mut maps: Vec<Map>, everything_to: Option<String>) -> Self {
        maps.sort_by_key(|map| std::cmp::Reverse(map.from.depth()));
        Self {
            maps,
            rest: everything_to.and_then(|text| Place::target(&text).ok()),
            pins: BTreeMap::new(),
        }
    }

    /// Whether every reference stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty() && self.rest.is_none() && self.pins.is_empty()
    }

    /// References to this image get its digest, so that a tag that moves later changes nothing. `image` is what
    /// [`Reference::whole`] gives.
    pub fn pin(&mut self, image: &Reference, digest: Digest) {
        self.pins.insert(image.whole(), digest);
    }

    /// The reference at the target.
    ///
    /// # Errors
    /// See [`RuleError`].
    pub fn target(&self, image: &Reference) -> Result<Reference, String> {
        let name: ImageName = image
            .whole()
            .parse()
            .map_err(|error: InvalidName| error.to_string())?;
        let target = self.apply(&name).map_err(|error| error.0)?.to_string();
        target
            .parse()
            .map_err(|error| format!("`{target}` is no image: {error}"))
    }

    /// The text of a reference at the target, or `None` if it stays as it is.
    ///
    /// # Errors
    /// The text is no reference, or a rule cannot be followed.
    pub fn rewrite(&self, image: &str) -> Result<Option<String>, String> {
        if self.is_empty() {
            return Ok(None);
        }
        let name: ImageName = image
            .parse()
            .map_err(|error: InvalidName| error.to_string())?;
        let target = self.apply(&name).map_err(|error| error.0)?;
        Ok((target != name).then(|| target.to_string()))
    }

    /// The name at the target, pinned if its digest is known. An image that no rule names, and one that is at the target
    /// already, keeps its name.
    ///
    /// # Errors
    /// Two rules contradict each other, the name would be longer than registries allow, or a rule for a single
    /// repository leads to a bare registry.
    pub fn apply(&self, image: &ImageName) -> Result<ImageName, RuleError> {
        let mut target = self.moved(image)?;
        if target.digest.is_none() {
            let whole = match &image.tag {
                Some(_) => image.to_string(),
                None => format!("{image}:latest"),
            };
            target.digest = self.pins.get(&whole).cloned();
        }
        Ok(target)
    }

    /// The name of an image that is built and has no name of its own: directly below the place for all images.
    #[must_use]
    pub fn built(&self, name: &str) -> Option<ImageName> {
        let rest = self.rest.as_ref()?;
        format!("{rest}/{name}").parse().ok()
    }

    fn moved(&self, image: &ImageName) -> Result<ImageName, RuleError> {
        let mut fitting = self
            .maps
            .iter()
            .filter_map(|map| Some((map, map.from.below(image)?)));
        let (to, rest) = match (fitting.next(), &self.rest) {
            (Some((map, rest)), _) => {
                if let Some((other, _)) =
                    fitting.find(|(other, _)| other.from == map.from && other.to != map.to)
                {
                    return Err(RuleError(format!(
                        "`{}` is mapped to `{}` and to `{}`",
                        map.from, map.to, other.to
                    )));
                }
                (&map.to, rest)
            }
            (None, Some(to)) => {
                // Docker's official images are known without their namespace.
                let repository = image.repository.as_str();
                let short = match image.registry.as_str() {
                    "docker.io" => repository.strip_prefix("library/").unwrap_or(repository),
                    _ => repository,
                };
                (to, short)
            }
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
        // Docker Hub has no repository without a namespace.
        let repository = if to.registry == "docker.io" && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository
        };
        if repository.len() > 255 {
            return Err(RuleError(format!(
                "`{}` would be called `{}/{repository}` at the target: more than the 255 characters that registries allow; choose a shorter prefix",
                image.place(),
                to.registry
            )));
        }
        Ok(ImageName {
            registry: to.registry.clone(),
            repository,
            tag: image.tag.clone(),
            digest: image.digest.clone(),
        })
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

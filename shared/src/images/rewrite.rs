//! From a reference at the source to the one at the target.

use std::collections::BTreeMap;
use std::str::FromStr;

use oci_distribution::Reference;

use super::Digest;

/// How references change. The rule with the longest source counts; without any rule they stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    maps: Vec<Map>,
    everything_to: Option<String>,
    pins: BTreeMap<String, Digest>,
}

/// `registry/namespace=other/prefix`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    from: String,
    to: String,
}

impl FromStr for Map {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .split_once('=')
            .map(|(from, to)| (from.trim_end_matches('/'), to.trim_end_matches('/')));
        match parts {
            Some((from, to)) if !from.is_empty() => Ok(Self {
                from: normal_prefix(from),
                to: check_place(to)?,
            }),
            _ => Err(format!(
                "`{text}` is no mapping; SOURCE=TARGET is expected, such as quay.io/team=registry.example/team"
            )),
        }
    }
}

/// Checks `HOST[:PORT][/PREFIX]`.
///
/// # Errors
/// It is none, in words.
pub fn check_place(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let host = text.split('/').next().unwrap_or_default();
    let looks_like_host = host == "localhost" || host.contains(['.', ':']);
    if !looks_like_host {
        return Err(format!(
            "`{text}` does not begin with a registry; HOST[:PORT][/PREFIX] is expected, such as registry.example:5000/shop"
        ));
    }
    // A repository below it has to be a reference.
    format!("{text}/x")
        .parse::<Reference>()
        .map_err(|error| format!("`{text}` is no place for images: {error}"))?;
    Ok(text.to_owned())
}

/// `redis` alone is no registry: what has no dot, colon or `localhost` in front belongs to Docker Hub.
fn normal_prefix(text: &str) -> String {
    let first = text.split('/').next().unwrap_or_default();
    if first == "localhost" || first.contains(['.', ':']) {
        text.replacen("index.docker.io", "docker.io", 1)
    } else {
        format!("docker.io/{text}")
    }
}

impl Rules {
    /// Rules from `--map-registry` and `--to-registry`.
    #[must_use]
    pub fn new(maps: Vec<Map>, everything_to: Option<String>) -> Self {
        Self {
            maps,
            everything_to,
            pins: BTreeMap::new(),
        }
    }

    /// Whether every reference stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty() && self.everything_to.is_none() && self.pins.is_empty()
    }

    /// References to this image get its digest, so that a tag that moves later changes nothing. `image` is what
    /// [`Reference::whole`] gives.
    pub fn pin(&mut self, image: &Reference, digest: Digest) {
        self.pins.insert(image.whole(), digest);
    }

    /// The reference at the target.
    ///
    /// # Errors
    /// The text is no reference.
    pub fn target(&self, image: &Reference) -> Result<Reference, String> {
        let name = format!("{}/{}", image.registry(), image.repository());
        let place = self
            .maps
            .iter()
            .filter_map(|map| {
                let rest = name.strip_prefix(&map.from)?;
                let fits = rest.is_empty() || rest.starts_with('/');
                fits.then(|| (map.from.len(), format!("{}{rest}", map.to)))
            })
            .max_by_key(|(length, _)| *length)
            .map(|(_, place)| place);
        let place = match (place, &self.everything_to) {
            (Some(place), _) => place,
            (None, Some(to)) => {
                // Docker's official images are known without their namespace.
                let repository = image.repository();
                let repository = match image.registry() {
                    "docker.io" => repository.strip_prefix("library/").unwrap_or(repository),
                    _ => repository,
                };
                format!("{to}/{repository}")
            }
            (None, None) => name.clone(),
        };
        let mut text = place;
        if let Some(tag) = image.tag() {
            text = format!("{text}:{tag}");
        }
        let pinned = self.pins.get(&image.whole()).map(ToString::to_string);
        if let Some(digest) = image.digest().map(str::to_owned).or(pinned) {
            text = format!("{text}@{digest}");
        }
        text.parse()
            .map_err(|error| format!("`{text}` is no image: {error}"))
    }

    /// The text of a reference at the target, or `None` if it stays as it is.
    ///
    /// # Errors
    /// The text is no reference.
    pub fn rewrite(&self, image: &str) -> Result<Option<String>, String> {
        if self.is_empty() {
            return Ok(None);
        }
        let reference: Reference = image
            .parse()
            .map_err(|error| format!("`{image}` is no image: {error}"))?;
        let target = self.target(&reference)?;
        Ok((target.whole() != reference.whole()).then(|| target.whole()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(maps: &[&str], to: Option<&str>) -> Rules {
        let maps = maps.iter().map(|map| map.parse().unwrap()).collect();
        Rules::new(maps, to.map(|to| check_place(to).unwrap()))
    }

    #[test]
    fn everything_goes_to_one_registry() {
        let rules = rules(&[], Some("dc2:5000/shop/"));
        for (from, to) in [
            ("redis", "dc2:5000/shop/redis:latest"),
            ("redis:7", "dc2:5000/shop/redis:7"),
            ("grafana/grafana:1", "dc2:5000/shop/grafana/grafana:1"),
            ("quay.io/a/b:1", "dc2:5000/shop/a/b:1"),
            ("localhost:5000/app:1", "dc2:5000/shop/app:1"),
        ] {
            assert_eq!(rules.rewrite(from).unwrap().as_deref(), Some(to), "{from}");
        }
        assert!(rules.rewrite("Not An Image").is_err());
    }

    #[test]
    fn the_longest_rule_counts() {
        let rules = rules(
            &[
                "quay.io=a.example/quay",
                "quay.io/team=b.example",
                "redis=c.example/cache",
            ],
            None,
        );
        let to = |from: &str| rules.rewrite(from).unwrap();
        assert_eq!(to("quay.io/x/y:1").as_deref(), Some("a.example/quay/x/y:1"));
        assert_eq!(to("quay.io/team/y:1").as_deref(), Some("b.example/y:1"));
        assert_eq!(
            to("quay.io/teams/y:1").as_deref(),
            Some("a.example/quay/teams/y:1")
        );
        assert_eq!(to("gcr.io/x:1"), None);
    }

    #[test]
    fn a_digest_stays_or_is_pinned() {
        let digest = Digest::of(b"image");
        let mut rules = rules(&[], Some("dc2:5000"));
        let pinned = format!("redis:7@{digest}");
        assert_eq!(
            rules.rewrite(&pinned).unwrap(),
            Some(format!("dc2:5000/redis:7@{digest}"))
        );
        rules.pin(&"web:1".parse().unwrap(), digest.clone());
        assert_eq!(
            rules.rewrite("web:1").unwrap(),
            Some(format!("dc2:5000/web:1@{digest}"))
        );
        assert!("nonsense".parse::<Map>().is_err() && check_place("shop/web").is_err());
    }
}

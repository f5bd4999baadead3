//! The rules file: what is watched, what goes where, and how fast.
//!
//! One YAML file. [`read`] checks it with positions; [`Rules`] is what the daemon works by. `schema.json` beside this
//! file says the same to editors, and a test holds the two together.

mod pattern;
mod quantity;
mod read;
mod schedule;
mod secret;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;

use crate::images::Platform;

pub use pattern::{Pattern, Patterns};
pub use quantity::{parse_bytes, parse_duration, parse_share, show_duration};
pub use read::{Checked, load, load_for_elsewhere, read};
pub use schedule::{Bandwidth, Rate, Window};
pub use secret::{Secret, SecretPlace};

/// JSON schema of the rules file (draft 2020-12).
pub const SCHEMA: &str = include_str!("schema.json");

/// Everything that the rules file says, with defaults filled in.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Folder of the queue.
    pub state: PathBuf,
    /// Images that are copied at the same time.
    pub parallel: usize,
    /// How often everything is compared, whatever events came.
    pub reconcile: Reconcile,
    /// Pauses between tries.
    pub retry: Retry,
    /// Where images are looked for, by name.
    pub sources: IndexMap<String, Origin>,
    /// Where they go, by name.
    pub targets: IndexMap<String, Destination>,
    /// What goes where; the first rule that matches an image for a target counts.
    pub rules: Vec<Rule>,
    /// How many bytes a second, by the hour.
    pub bandwidth: Bandwidth,
    /// Where registries send their events; `None` takes no events.
    pub receiver: Option<Receiver>,
    /// Where health, metrics and the status page are served; `None` serves none.
    pub status: Option<SocketAddr>,
}

/// How often everything is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reconcile {
    /// Pause between two comparisons.
    pub interval: Duration,
    /// Share of the pause by which it varies, so that many daemons do not ask at the same time: 0 to 0.5.
    pub jitter: f64,
}

/// Pauses between tries of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure; doubles with each further one.
    pub first: Duration,
    /// Never longer than this.
    pub most: Duration,
}

/// Where images are looked for.
#[derive(Debug, Clone)]
pub struct Origin {
    /// What it is.
    pub kind: OriginKind,
    /// How often it is asked for changes between two reconciles; `None` waits for events.
    pub poll: Option<Duration>,
}

/// Kinds of sources.
#[derive(Debug, Clone)]
pub enum OriginKind {
    /// A registry.
    Registry(Registry),
    /// A Docker engine: images that are pushed from it, tagged, loaded or imported on it.
    Engine(Engine),
    /// Images that Pods and workloads of a cluster use.
    Kubernetes(Cluster),
    /// Images that the services of a Swarm use.
    Swarm(Engine),
}

/// How a registry is reached. Credentials come from Docker's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// `HOST[:PORT]`.
    pub host: String,
    /// Repositories that every name begins with, with no slash at either end; may be empty.
    pub prefix: String,
    /// HTTP without TLS.
    pub plain_http: bool,
    /// A certificate authority besides those of the system.
    pub ca_file: Option<PathBuf>,
}

/// A Docker engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// `unix:///var/run/docker.sock`, `tcp://host:2375`.
    pub address: String,
    /// Folder with `ca.pem`, `cert.pem` and `key.pem`, if the engine speaks TLS.
    pub tls: Option<PathBuf>,
}

/// A Kubernetes cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// kubeconfig file; `None` is the default one, or the Pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// Context in it.
    pub context: Option<String>,
    /// Namespaces to look at; empty is all.
    pub namespaces: Vec<String>,
}

impl Cluster {
    /// Where Pods stand that let its nodes pull.
    #[must_use]
    pub fn pulls_in(&self) -> &str {
        self.namespaces.first().map_or("default", String::as_str)
    }
}

/// Where images go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The registry; its prefix stands before every repository.
    pub registry: Registry,
    /// Who pulls what has come, before anything asks for it; `None` pulls nothing.
    pub nodes: Option<Nodes>,
}

/// Where the images of a target will run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nodes {
    /// Docker engines.
    Engines(Vec<Engine>),
    /// Every node of a cluster. The Pods that pull stand in its first namespace, or in `default`.
    Cluster(Cluster),
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name, for logs, metrics and the status page.
    pub name: String,
    /// Names of sources.
    pub from: Vec<String>,
    /// Names of targets.
    pub to: Vec<String>,
    /// Repositories that are copied; none said is all.
    pub repositories: Patterns,
    /// Tags that are copied; none said is all.
    pub tags: Patterns,
    /// Repositories that are not, though they match.
    pub ignored_repositories: Patterns,
    /// Tags that are not, though they match.
    pub ignored_tags: Patterns,
    /// Platforms of an index; empty is all.
    pub platforms: Vec<Platform>,
    /// Signatures and other referrers as well.
    pub referrers: bool,
    /// Higher comes first.
    pub priority: i32,
    /// Tags that never change at the target once they are there; none said is none.
    pub immutable: Patterns,
    /// Whether a tag that is deleted at the source is deleted at the target.
    pub deletes: Option<Deletes>,
}

/// When deletions are followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deletes {
    /// The largest share of a rule's known tags that may be deleted within a day: 0 to 1.
    pub max_share: f64,
}

/// The receiver of events.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Address and port.
    pub listen: SocketAddr,
    /// What senders have to know.
    pub secret: Option<Secret>,
    /// Key by which senders sign the body (HMAC-SHA-256).
    pub hmac: Option<Secret>,
    /// Certificate chain and key (PEM).
    pub tls: Option<TlsFiles>,
    /// Largest body in bytes.
    pub max_body: u64,
    /// Requests a second from one address.
    pub max_requests: u32,
}

/// Files of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

impl Rules {
    /// The rule by which a repository of a source goes to a target, and whether a tag is meant by it. A reference by
    /// digest has no tag and is meant by its repository alone.
    #[must_use]
    pub fn matching<'r>(
        &'r self,
        source: &str,
        repository: &str,
        tag: Option<&str>,
        target: &str,
    ) -> Option<&'r Rule> {
        self.rules.iter().find(|rule| {
            rule.from.iter().any(|name| name == source)
                && rule.to.iter().any(|name| name == target)
                && rule.matches(repository, tag)
        })
    }

    /// The targets that a repository of a source goes to, each with the rule that says so.
    #[must_use]
    pub fn targets_of<'r>(
        &'r self,
        source: &str,
        repository: &str,
        tag: Option<&str>,
    ) -> Vec<(&'r str, &'r Rule)> {
        self.targets
            .keys()
            .filter_map(|target| {
                let rule = self.matching(source, repository, tag, target)?;
                Some((target.as_str(), rule))
            })
            .collect()
    }

    /// The source whose registry has this address.
    #[must_use]
    pub fn source_at(&self, host: &str) -> Option<(&str, &Registry)> {
        self.registries()
            .find(|(_, registry)| registry.host == host)
    }

    /// The sources that are registries.
    pub fn registries(&self) -> impl Iterator<Item = (&str, &Registry)> {
        self.sources
            .iter()
            .filter_map(|(name, origin)| match &origin.kind {
                OriginKind::Registry(registry) => Some((name.as_str(), registry)),
                _ => None,
            })
    }

    /// The ways back from a target to a source: names of a source and a target that are the other side.
    #[must_use]
    pub fn ways_back(&self, source: &str, target: &str) -> Vec<(&str, &str)> {
        let Some((_, from)) = self.registries().find(|(name, _)| *name == source) else {
            return Vec::new();
        };
        let Some(to) = self.targets.get(target).map(|target| &target.registry) else {
            return Vec::new();
        };
        let same =
            |one: &Registry, other: &Registry| one.host == other.host && one.prefix == other.prefix;
        self.registries()
            .filter(|(_, registry)| same(registry, to))
            .flat_map(|(source, _)| {
                self.targets
                    .iter()
                    .filter(|(_, target)| same(&target.registry, from))
                    .map(move |(target, _)| (source, target.as_str()))
            })
            .collect()
    }

    /// Whether images can come back: a chain of rules leads from the target's registry to the source's.
    #[must_use]
    pub fn mirrors_back(&self, source_host: &str, target: &str) -> bool {
        let Some(target) = self.targets.get(target) else {
            return false;
        };
        let mut reached = vec![target.registry.host.as_str()];
        let mut next = 0;
        while let Some(host) = reached.get(next).copied() {
            if host == source_host {
                return true;
            }
            next += 1;
            for (name, registry) in self.registries() {
                if registry.host != host {
                    continue;
                }
                for rule in self
                    .rules
                    .iter()
                    .filter(|r| r.from.iter().any(|f| f == name))
                {
                    for target in rule.to.iter().filter_map(|name| self.targets.get(name)) {
                        if !reached.contains(&target.registry.host.as_str()) {
                            reached.push(&target.registry.host);
                        }
                    }
                }
            }
        }
        false
    }
}

impl Rule {
    /// Whether an image is meant.
    #[must_use]
    pub fn matches(&self, repository: &str, tag: Option<&str>) -> bool {
        self.repositories.matches_or_empty(repository)
            && !self.ignored_repositories.matches(repository)
            && tag.is_none_or(|tag| self.matches_tag(tag))
    }

    /// Whether a tag is meant, in whatever repository. The tags by which cosign finds signatures follow `referrers`.
    #[must_use]
    pub fn matches_tag(&self, tag: &str) -> bool {
        if is_referrer_tag(tag) {
            return self.referrers;
        }
        self.tags.matches_or_empty(tag) && !self.ignored_tags.matches(tag)
    }
}

impl Registry {
    /// The repository at this registry that `repository` is put to.
    #[must_use]
    pub fn repository(&self, repository: &str) -> String {
        if self.prefix.is_empty() {
            repository.to_owned()
        } else {
            format!("{}/{repository}", self.prefix)
        }
    }
}

/// Whether a tag is one of those by which signatures are found: `sha256-` and 64 digits, with a suffix of cosign or none
/// (the referrers tag schema of the OCI distribution specification).
#[must_use]
pub fn is_referrer_tag(tag: &str) -> bool {
    tag.strip_prefix("sha256-").is_some_and(|rest| {
        let (hex, suffix) = rest.split_at_checked(64).unwrap_or(("", "x"));
        hex.len() == 64
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
            && (suffix.is_empty() || suffix.starts_with('.'))
    })
}

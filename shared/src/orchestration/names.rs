//! Names: what each world allows, and the marks that let a conversion be read back.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

/// Prefix of all annotations and labels of ours.
pub const DOMAIN: &str = "migrate.tmhcc.io";
/// Annotation: the name in the Compose file, where Kubernetes does not allow it. Readers use it as the name.
pub const ORIGINAL_NAME: &str = "migrate.tmhcc.io/name";
/// Annotation: why an object exists that the source does not name. See the `ROLE_` values.
pub const ROLE: &str = "migrate.tmhcc.io/role";
/// The Service that makes a Compose service's own name resolve on its container ports.
pub const ROLE_NAME: &str = "name";
/// A Service that publishes ports to the outside.
pub const ROLE_PUBLISHED: &str = "published";
/// A Service for published ports that have no number of their own outside: the platform chooses it.
pub const ROLE_PUBLISHED_ANY: &str = "published-any";
/// A Service for an alias of a Compose service; its networks stand in [`ALIAS_NETWORKS`].
pub const ROLE_ALIAS: &str = "alias";
/// A Service for a `container_name`.
pub const ROLE_CONTAINER_NAME: &str = "container-name";
/// A Service for the alias of a link.
pub const ROLE_LINK: &str = "link";
/// An init container that only waits for other units; it carries nothing of its own.
pub const ROLE_WAIT: &str = "wait";
/// A NetworkPolicy that stands for a Compose network.
pub const ROLE_NETWORK: &str = "network";
/// The ConfigMap that holds what was carried along and belongs to no object.
pub const ROLE_CARRIED: &str = "carried";
/// A NetworkPolicy for a unit without any network (`network_mode: none`).
pub const ROLE_ISOLATED: &str = "isolated";
/// A ConfigMap or claim that stands for a bind mount; see [`BIND`].
pub const ROLE_BIND: &str = "bind";
/// Annotation: the path of a bind mount as its user wrote it.
pub const BIND: &str = "migrate.tmhcc.io/bind";
/// Annotation: the dialect of the source, whose defaults were filled in: `compose` or `swarm`.
pub const DIALECT: &str = "migrate.tmhcc.io/dialect";
/// Annotation: the real name (`name:`) of a volume, config or secret.
pub const REAL_NAME: &str = "migrate.tmhcc.io/real-name";
/// Annotation of a Pod: init containers that carry nothing of their own, separated by commas.
pub const HELPERS: &str = "migrate.tmhcc.io/helpers";
/// Annotation of a Pod: what its `wait-` init containers wait for: `unit:condition`, separated by commas.
pub const WAIT: &str = "migrate.tmhcc.io/wait";
/// Annotation of a Pod: containers whose name had to change: `name=original`, separated by commas.
pub const CONTAINERS: &str = "migrate.tmhcc.io/containers";
/// Annotation of a Pod: networks whose label is not their name: `label=original`, separated by commas.
pub const NETWORKS: &str = "migrate.tmhcc.io/networks";
/// Annotation of a Service for the alias of a link: the linking unit.
pub const LINK_FROM: &str = "migrate.tmhcc.io/link-from";
/// Label prefix: Pods of several units under one alias have `migrate.tmhcc.io/alias-NAME: "true"`.
pub const ALIAS_LABEL_PREFIX: &str = "migrate.tmhcc.io/alias-";
/// Annotation: networks of an alias, separated by commas; `unit/network` where units differ.
pub const ALIAS_NETWORKS: &str = "migrate.tmhcc.io/alias-networks";
/// Annotation: what Kubernetes cannot say of a Compose service, volume, config or secret.
pub const CARRIED: &str = "migrate.tmhcc.io/compose";
/// Annotation of a Pod template: the Compose service keys of its containers, in their order, separated by commas.
pub const SERVICES: &str = "migrate.tmhcc.io/services";
/// Label prefix: Pods that take part in a Compose network have `migrate.tmhcc.io/network-NAME: "true"`.
pub const NETWORK_LABEL_PREFIX: &str = "migrate.tmhcc.io/network-";
/// Top-level key of a Compose file with what Compose cannot say of Kubernetes objects.
pub const CARRIED_KEY: &str = "x-migrate";

/// The longest DNS label (RFC 1123).
pub const LABEL_MAX: usize = 63;

/// Gives out names that are DNS labels (RFC 1035: lower case, begins with a letter), never the same for two inputs.
#[derive(Debug, Clone, Default)]
pub struct LabelNames {
    given: std::collections::BTreeMap<String, String>,
    used: BTreeSet<String>,
}

impl LabelNames {
    /// Marks legal names as taken beforehand, so that they stay as they are.
    pub fn reserve<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for name in names {
            if is_label(name) && all.used.insert(name.to_owned()) {
                all.given.insert(name.to_owned(), name.to_owned());
            }
        }
        all
    }

    /// The label for a name. The same name always gets the same label.
    pub fn label(&mut self, name: &str) -> String {
        if let Some(label) = self.given.get(name) {
            return label.clone();
        }
        let base = to_label(name);
        let label = if self.used.contains(&base) {
            with_suffix(&base, &short_hash(name.as_bytes()))
        } else {
            base
        };
        self.used.insert(label.clone());
        self.given.insert(name.to_owned(), label.clone());
        label
    }
}

/// Whether a name is a DNS label as Kubernetes Services want it (RFC 1035).
#[must_use]
pub fn is_label(name: &str) -> bool {
    name.len() <= LABEL_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The nearest DNS label to any text.
#[must_use]
pub fn to_label(name: &str) -> String {
    if is_label(name) {
        return name.to_owned();
    }
    let mut label = String::with_capacity(name.len());
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => label.push(c),
            _ if !label.is_empty() && !label.ends_with('-') => label.push('-'),
            _ => {}
        }
    }
    if !label.starts_with(|c: char| c.is_ascii_lowercase()) {
        label.insert_str(0, "x-");
    }
    if label.len() > LABEL_MAX {
        label = with_suffix(&label, &short_hash(name.as_bytes()));
    }
    label.trim_end_matches('-').to_owned()
}

/// Appends `-suffix`, shortening the name to stay a label.
#[must_use]
pub fn with_suffix(name: &str, suffix: &str) -> String {
    let room = LABEL_MAX.saturating_sub(suffix.len() + 1);
    let head: String = name.chars().take(room).collect();
    format!("{}-{suffix}", head.trim_end_matches('-'))
}

/// Eight hexadecimal digits of SHA-256.
#[must_use]
pub fn short_hash(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .take(4)
        .fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// Whether a text may be the name of most Kubernetes objects (RFC 1123 subdomain).
#[must_use]
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|part| {
            let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            part.starts_with(edge)
                && part.ends_with(edge)
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// Whether a text may be the value of a Kubernetes label.
#[must_use]
pub fn is_label_value(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= LABEL_MAX
        && (text.is_empty() || (text.starts_with(edge) && text.ends_with(edge)))
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether a text may be the key of a Kubernetes label or annotation.
#[must_use]
pub fn is_metadata_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let prefix_ok = prefix.is_none_or(|p| {
        !p.is_empty()
            && p.len() <= 253
            && p.split('.').all(|part| {
                !part.is_empty()
                    && !part.starts_with('-')
                    && !part.ends_with('-')
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            })
    });
    prefix_ok && !name.is_empty() && is_label_value(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_legal_and_distinct() {
        let mut names = LabelNames::reserve(["my-db", "web"]);
        let inputs = [
            "my-db",
            "my_db",
            "My.DB",
            "2048",
            "web",
            "___",
            "日本",
            "a".repeat(80).as_str(),
        ]
        .map(|name| names.label(name));
        assert_eq!(inputs[0], "my-db");
        let distinct: BTreeSet<_> = inputs.iter().collect();
        assert_eq!(distinct.len(), inputs.len(), "{inputs:?}");
        for label in &inputs {
            assert!(is_label(label), "{label}");
        }
        assert_eq!(names.label("my_db"), inputs[1]);
    }

    #[test]
    fn metadata_keys() {
        assert!(is_metadata_key("app.kubernetes.io/name"));
        assert!(is_metadata_key("com.example.x"));
        assert!(!is_metadata_key("traefik.http.routers.x.rule[0]"));
        assert!(!is_metadata_key("/x"));
        assert!(!is_metadata_key("A_b/x"));
    }
}

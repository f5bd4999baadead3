//! Keys that Docker accepts, never the same for two things.

use std::collections::{HashMap, HashSet};

use crate::orchestration::names::short_hash;

/// Longest name of a Swarm service with its stack's name in front (swarmkit `manager/controlapi`).
pub(super) const SWARM_SERVICE_MAX: usize = 63;
/// Longest name of a Swarm config or secret.
pub(super) const SWARM_OBJECT_MAX: usize = 64;

/// Gives out keys of one mapping of the document.
#[derive(Debug, Default)]
pub(super) struct Keys {
    used: HashSet<String>,
    next: HashMap<String, u32>,
}

impl Keys {
    /// Marks a key as taken; false if it was taken before.
    pub(super) fn claim(&mut self, key: &str) -> bool {
        self.used.insert(key.to_owned())
    }

    /// The first free one of the wanted keys, else the last one with a number.
    pub(super) fn give(&mut self, wanted: &[String]) -> String {
        for key in wanted {
            if !key.is_empty() && self.claim(key) {
                return key.clone();
            }
        }
        let base = wanted
            .last()
            .filter(|key| !key.is_empty())
            .map_or("x", String::as_str)
            .to_owned();
        let mut number = self.next.get(&base).copied().unwrap_or(2);
        let key = loop {
            let key = format!("{base}-{number}");
            number = number.saturating_add(1);
            if self.claim(&key) {
                break key;
            }
        };
        self.next.insert(base, number);
        key
    }
}

/// The nearest key that both schemas accept: letters, digits, `.`, `_` and `-`.
pub(super) fn legal(name: &str) -> String {
    let key: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
                c
            } else {
                '-'
            }
        })
        .collect();
    let key = key.trim_start_matches(['-', '.', '_']);
    if key.is_empty() {
        format!("x{}", short_hash(name.as_bytes()))
    } else {
        key.to_owned()
    }
}

/// The nearest name that Swarm accepts for a service: letters, digits, `-` and `_`, no dots, at most `max` characters.
pub(super) fn swarm_service(name: &str, max: usize) -> String {
    let key = legal(name).replace('.', "-");
    shorten(key.trim_end_matches(['-', '_']), max)
}

/// The nearest name that Swarm accepts for a config or secret.
pub(super) fn swarm_object(name: &str, max: usize) -> String {
    shorten(legal(name).trim_end_matches(['-', '.', '_']), max)
}

fn shorten(key: &str, max: usize) -> String {
    if key.len() <= max {
        return key.to_owned();
    }
    let hash = short_hash(key.as_bytes());
    let head: String = key
        .chars()
        .take(max.saturating_sub(hash.len() + 1))
        .collect();
    format!("{}-{hash}", head.trim_end_matches(['-', '.', '_']))
}

/// A path below a folder of the output that cannot leave it and is the same on every file system.
pub(super) fn file_name(name: &str) -> String {
    let safe = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    let dots = name.chars().all(|c| c == '.');
    if safe && !dots {
        shorten(name, 120)
    } else {
        shorten(&legal(name), 120)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_legal_and_distinct() {
        let mut keys = Keys::default();
        let give = |keys: &mut Keys, name: &str| keys.give(&[legal(name)]);
        assert_eq!(give(&mut keys, "web"), "web");
        assert_eq!(give(&mut keys, "web"), "web-2");
        assert_eq!(give(&mut keys, "web"), "web-3");
        assert_eq!(give(&mut keys, "a b/c"), "a-b-c");
        assert!(legal("日本").starts_with('x'));
        assert_eq!(legal("_x.y"), "x.y");
        assert_eq!(
            keys.give(&["web".to_owned(), "web-jobs".to_owned()]),
            "web-jobs"
        );
    }

    #[test]
    fn swarm_names() {
        assert_eq!(swarm_service("a.b", 63), "a-b");
        let long = swarm_service(&"a".repeat(80), 63);
        assert_eq!(long.len(), 63);
        assert_ne!(long, swarm_service(&"a".repeat(81), 63));
        assert_eq!(swarm_object("tls.crt", 64), "tls.crt");
    }
}

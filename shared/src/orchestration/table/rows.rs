//! Reading the tables, and finding the row of a key or field.
//!
//! A path with `?` at its end is the row of what a reader leaves over of a key that it takes otherwise: the one security
//! option that has no counterpart among those that have one.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use super::{ComposeKey, KubernetesField, KubernetesKind, Stack, Treatment, Verdict};
use crate::finding::Code;

pub(super) const KEYS: &str = include_str!("../compose/keys.tsv");
pub(super) const FIELDS: &str = include_str!("../kubernetes/fields.tsv");
pub(super) const KINDS: &str = include_str!("../kubernetes/kinds.tsv");
pub(super) const DEFAULTS: &str = include_str!("../kubernetes/defaults.tsv");

/// The row of all extension fields.
pub(super) const EXTENSION: &str = "x-*";

/// Types whose fields stand inline in another type, with the type whose rows they have (Go's embedding in
/// `k8s.io/api`).
pub(super) const INLINE: [(&str, &str); 3] = [
    ("Probe", "ProbeHandler"),
    ("Volume", "VolumeSource"),
    ("PersistentVolumeSpec", "PersistentVolumeSource"),
];

/// A table: rows by path, and the children of each path.
pub(super) struct Rows<T: 'static> {
    by_path: HashMap<&'static str, T>,
    /// Last steps of the paths below a path, sorted.
    children: BTreeMap<&'static str, Vec<&'static str>>,
    /// What a reader leaves over of a path that it takes otherwise (`?` in the tables).
    rests: BTreeMap<&'static str, T>,
}

static COMPOSE: LazyLock<Rows<ComposeKey>> = LazyLock::new(|| Rows::parse(KEYS, key));
static KUBERNETES: LazyLock<Rows<KubernetesField>> = LazyLock::new(|| Rows::parse(FIELDS, field));
static BY_DEFAULT: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    lines(DEFAULTS)
        .filter_map(|line| line.split_once('\t'))
        .collect()
});
static WHOLE: LazyLock<BTreeMap<&str, KubernetesKind>> = LazyLock::new(|| {
    lines(KINDS)
        .filter_map(kind)
        .map(|row| (row.kind, row))
        .collect()
});

pub(super) fn compose() -> &'static Rows<ComposeKey> {
    &COMPOSE
}

pub(super) fn kubernetes() -> &'static Rows<KubernetesField> {
    &KUBERNETES
}

pub(super) fn kinds() -> impl Iterator<Item = &'static KubernetesKind> {
    WHOLE.values()
}

/// The row of a Compose key, by its path in the schema. A key below one that has any content has that one's row, a key
/// that begins with `x-` the row of all extension fields. `None`: Compose does not know the key.
#[must_use]
pub fn compose_key(path: &str) -> Option<&'static ComposeKey> {
    COMPOSE.find(path).or_else(|| {
        let steps = path
            .match_indices("x-")
            .filter(|(at, _)| *at == 0 || path[..*at].ends_with('.'));
        let mut names =
            steps.map(|(at, _)| path[at..].find('.').map_or(path, |end| &path[..at + end]));
        // `volumes.*.x-cluster-spec` has a meaning, and is a row of its own.
        names
            .any(|name| COMPOSE.get(name).is_none())
            .then(|| COMPOSE.get(EXTENSION))
            .flatten()
    })
}

/// The row of a Kubernetes field, by API type and field. Fields that stand inline in a type are found under both types.
/// `None`: Kubernetes does not know the field.
#[must_use]
pub fn kubernetes_field(row: &str) -> Option<&'static KubernetesField> {
    let (of, name) = row.split_once('.').unwrap_or((row, ""));
    let inline = INLINE
        .iter()
        .find(|(outer, _)| *outer == of)
        .map(|(_, inner)| *inner);
    let exact = || KUBERNETES.get(row);
    let inlined = || inline.and_then(|inner| KUBERNETES.find(&format!("{inner}.{name}")));
    exact().or_else(inlined).or_else(|| KUBERNETES.find(row))
}

/// The value of a Kubernetes field that says nothing new.
pub(super) fn kubernetes_default(row: &str) -> Option<&'static str> {
    BY_DEFAULT.get(row).copied()
}

/// The row of a kind that the model does not hold. `None`: a kind of another program.
#[must_use]
pub fn kubernetes_kind(api_version: &str, kind: &str) -> Option<&'static KubernetesKind> {
    let group = api_version
        .split_once('/')
        .map_or("core", |(group, _)| group);
    WHOLE
        .get(kind)
        .filter(|row| row.groups.split(',').any(|own| own == group))
}

impl<T> Rows<T> {
    fn parse(text: &'static str, row: fn(&'static str) -> Option<(&'static str, T)>) -> Self {
        let mut by_path = HashMap::new();
        let mut rests = BTreeMap::new();
        for (path, row) in lines(text).filter_map(row) {
            match path.strip_suffix('?') {
                Some(path) => rests.insert(path, row),
                None => by_path.insert(path, row),
            };
        }
        let mut children = BTreeMap::<_, Vec<_>>::new();
        for path in by_path.keys() {
            let (parent, step) = split_last(path).unwrap_or(("", path));
            children.entry(parent).or_default().push(step);
        }
        for steps in children.values_mut() {
            steps.sort_unstable();
        }
        Self {
            by_path,
            children,
            rests,
        }
    }

    /// The row of exactly this path.
    pub(super) fn get(&self, path: &str) -> Option<&T> {
        self.by_path.get(path)
    }

    /// The row of what a reader leaves over of a path that it takes otherwise.
    pub(super) fn rest(&self, path: &str) -> Option<&T> {
        self.rests.get(path)
    }

    /// All rows, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.by_path.values().chain(self.rests.values())
    }

    /// All paths, in no order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.by_path.keys().copied()
    }

    /// Last steps of the paths below this one, sorted.
    pub(super) fn below(&self, path: &str) -> &[&'static str] {
        self.children
            .get(path)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The row of this path; else of the nearest path above it, if that one takes any name (`*`) or any content (has no
    /// rows below it).
    fn find(&self, path: &str) -> Option<&T> {
        if let Some(row) = self.get(path) {
            return Some(row);
        }
        let mut above = path;
        while let Some((parent, _)) = split_last(above) {
            above = parent;
            let below = self.below(above);
            if below.contains(&"*") {
                return self.get(&format!("{above}.*"));
            }
            match self.get(above) {
                Some(row) if below.is_empty() => return Some(row),
                Some(_) => return None,
                None => {}
            }
        }
        None
    }
}

/// The path above, and the last step: a key, or `[]`.
pub(super) fn split_last(path: &str) -> Option<(&str, &str)> {
    match path.strip_suffix("[]") {
        Some(list) => Some((list, &path[list.len()..])),
        None => path.rsplit_once('.'),
    }
}

pub(super) fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn cells<const N: usize>(line: &'static str) -> Option<[&'static str; N]> {
    let mut cells = line.split('\t');
    let mut row = [""; N];
    for cell in &mut row {
        *cell = cells.next()?;
    }
    cells.next().is_none().then_some(row)
}

fn treatment(verdict: &str, into: &'static str, code: &'static str) -> Option<Treatment> {
    Some(Treatment {
        verdict: Verdict::named(verdict)?,
        into: (into != "-").then_some(into),
        code: (code != "-").then_some(Code(code)),
    })
}

pub(super) fn key(line: &'static str) -> Option<(&'static str, ComposeKey)> {
    let [path, versions, value, verdict, into, stack, code] = cells(line)?;
    let row = ComposeKey {
        path,
        versions,
        value,
        kubernetes: treatment(verdict, into, code)?,
        stack: Stack::named(stack)?,
    };
    Some((path, row))
}

pub(super) fn field(line: &'static str) -> Option<(&'static str, KubernetesField)> {
    let [
        field,
        compose,
        compose_key,
        swarm,
        swarm_key,
        compose_code,
        swarm_code,
        value,
    ] = cells(line)?;
    let row = KubernetesField {
        field,
        value,
        compose: treatment(compose, compose_key, compose_code)?,
        swarm: treatment(swarm, swarm_key, swarm_code)?,
    };
    Some((field, row))
}

pub(super) fn kind(line: &'static str) -> Option<KubernetesKind> {
    let [kind, groups, compose, swarm, effect] = cells(line)?;
    Some(KubernetesKind {
        kind,
        groups,
        compose: Code(compose),
        swarm: Code(swarm),
        effect,
    })
}

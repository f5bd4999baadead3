//! Key paths such as `services.web.ports[0]`.

use std::fmt;
use std::sync::Arc;

/// One step of a [`KeyPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathStep<'p> {
    /// Into the value of a key.
    Key(&'p str),
    /// Into an item of a list.
    Index(usize),
}

/// Where a node stands in the tree of keys. Cheap to clone and to extend.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyPath(Option<Arc<Step>>);

#[derive(PartialEq, Eq)]
struct Step {
    parent: KeyPath,
    segment: Segment,
}

#[derive(PartialEq, Eq)]
enum Segment {
    Key(Key),
    Index(usize),
}

/// Bytes of a key that is kept within its step.
const SHORT: usize = 22;

/// The text of a key. Most keys are short, and paths are made for every node.
#[derive(PartialEq, Eq)]
enum Key {
    Short(u8, [u8; SHORT]),
    Long(Box<str>),
}

impl Key {
    fn new(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short(length, bytes)
            }
            _ => Self::Long(text.into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            // These are the bytes of a text.
            Self::Short(length, bytes) => bytes
                .get(..usize::from(*length))
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .unwrap_or_default(),
            Self::Long(text) => text,
        }
    }
}

/// A path on the way through a tree: it costs nothing until somebody asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Trail<'t> {
    above: Option<&'t Trail<'t>>,
    step: Option<PathStep<'t>>,
}

impl<'t> Trail<'t> {
    /// The root of a document.
    #[must_use]
    pub fn root() -> Self {
        Self {
            above: None,
            step: None,
        }
    }

    /// Into the value of a key.
    #[must_use]
    pub fn key(&'t self, key: &'t str) -> Self {
        Self {
            above: Some(self),
            step: Some(PathStep::Key(key)),
        }
    }

    /// Into an item of a list.
    #[must_use]
    pub fn index(&'t self, index: usize) -> Self {
        Self {
            above: Some(self),
            step: Some(PathStep::Index(index)),
        }
    }

    /// The last key, unless the path is the root or ends with an index.
    #[must_use]
    pub fn last_key(&self) -> Option<&'t str> {
        match self.step? {
            PathStep::Key(key) => Some(key),
            PathStep::Index(_) => None,
        }
    }

    /// The path one level up; nothing above the root.
    #[must_use]
    pub fn parent(&self) -> Option<&'t Self> {
        self.above
    }

    /// Whether this is the root of a document.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.step.is_none()
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> KeyPath {
        let above = self.above.map_or_else(KeyPath::root, Self::path);
        match self.step {
            None => above,
            Some(PathStep::Key(key)) => above.key(key),
            Some(PathStep::Index(index)) => above.index(index),
        }
    }
}

impl KeyPath {
    /// The root of a document.
    #[must_use]
    pub fn root() -> Self {
        Self(None)
    }

    /// The path of a mapping's value.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.step(Segment::Key(Key::new(key)))
    }

    /// The path of a sequence's item.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Segment::Index(index))
    }

    /// A path below this one, from a dotted text of plain keys: `deploy.resources`.
    #[must_use]
    pub fn join(&self, dotted: &str) -> Self {
        dotted
            .split('.')
            .fold(self.clone(), |path, key| path.key(key))
    }

    /// The path one level up; the root stays the root.
    #[must_use]
    pub fn parent(&self) -> Self {
        self.0
            .as_ref()
            .map_or_else(Self::root, |s| s.parent.clone())
    }

    /// The last key, unless the path is the root or ends with an index.
    #[must_use]
    pub fn last_key(&self) -> Option<&str> {
        match self.split_last()?.1 {
            PathStep::Key(key) => Some(key),
            PathStep::Index(_) => None,
        }
    }

    /// The path one level up and the step from there; nothing for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(&Self, PathStep<'_>)> {
        let step = self.0.as_ref()?;
        let last = match &step.segment {
            Segment::Key(key) => PathStep::Key(key.as_str()),
            Segment::Index(index) => PathStep::Index(*index),
        };
        Some((&step.parent, last))
    }

    /// The steps from the root, in order.
    #[must_use]
    pub fn steps(&self) -> Vec<PathStep<'_>> {
        let mut steps = Vec::new();
        let mut at = self;
        while let Some((above, step)) = at.split_last() {
            steps.push(step);
            at = above;
        }
        steps.reverse();
        steps
    }

    /// Whether this is the root of a document.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_none()
    }

    fn step(&self, segment: Segment) -> Self {
        Self(Some(Arc::new(Step {
            parent: self.clone(),
            segment,
        })))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        write!(f, "{}", step.parent)?;
        match &step.segment {
            Segment::Index(index) => write!(f, "[{index}]"),
            Segment::Key(key) => {
                if !step.parent.is_root() {
                    f.write_str(".")?;
                }
                let key = key.as_str();
                if key.is_empty() || key.contains(['.', '[', ']', ' ', '"']) {
                    write!(f, "{key:?}")
                } else {
                    f.write_str(key)
                }
            }
        }
    }
}

impl fmt::Debug for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_people_write_it() {
        let path = KeyPath::root()
            .key("services")
            .key("my.web")
            .key("ports")
            .index(2);
        assert_eq!(path.to_string(), "services.\"my.web\".ports[2]");
        assert_eq!(KeyPath::root().to_string(), "");
        assert_eq!(KeyPath::root().join("a.b").to_string(), "a.b");
        let long = "k".repeat(300);
        assert_eq!(KeyPath::root().key(&long).last_key(), Some(long.as_str()));
    }

    #[test]
    fn a_trail_leads_to_the_same_path() {
        let (root, path) = (Trail::root(), KeyPath::root());
        let (services, path) = (root.key("services"), path.key("services"));
        let (item, path) = (services.index(3), path.index(3));
        assert_eq!(item.path(), path);
    }
}

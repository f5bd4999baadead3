//! The long forms of today's specification.
//!
//! Every short form, old spelling and alternative type of a value becomes one shape, so that merging, reading and
//! comparing have one case each. What cannot be understood is a finding; unknown keys stay as they are.

mod ports;
mod service;
mod top;
mod volumes;

use service::service;
pub(super) use top::document;

use crate::finding::{Code, Findings};
use crate::orchestration::quantity::{
    bytes_from_compose, duration_from_compose, duration_to_compose,
};
use crate::source::{Entry, KeyPath, Kind, Mapping, Node, Origin, Position, Scalar, Value};

/// What the canonical forms depend on.
pub(super) struct Canon<'a> {
    /// Where problems go.
    pub(super) findings: &'a mut Findings,
    /// Relative paths begin here, relative to the project folder; empty for the project folder itself.
    pub(super) base: String,
    /// Home folder, for `~`.
    pub(super) home: Option<String>,
}

impl Canon<'_> {
    pub(super) fn error(
        &mut self,
        code: &'static str,
        node: &Node,
        path: &KeyPath,
        message: impl Into<String>,
    ) {
        self.findings
            .add(Code(code), &Origin::new(node.at, path.clone()), message);
    }

    fn wrong_type(&mut self, node: &Node, path: &KeyPath, expected: &str) {
        let message = format!("`{path}` must be {expected}, but is {}", node.describe());
        self.error("wrong-type", node, path, message);
    }

    /// A path relative to the project folder, beginning with `./` or `../`; absolute paths stay.
    pub(super) fn path(&self, text: &str) -> String {
        if let Some(home) = &self.home
            && (text == "~" || text.starts_with("~/"))
        {
            return format!("{home}{}", &text[1..]);
        }
        let windows = text.len() > 2
            && text.as_bytes()[1] == b':'
            && matches!(text.as_bytes()[2], b'\\' | b'/');
        if text.starts_with('/') || text.starts_with('\\') || windows {
            return text.to_owned();
        }
        let joined = std::path::Path::new(&self.base).join(text);
        let clean = crate::source::normalize(&joined);
        let clean = clean.to_string_lossy();
        if clean.is_empty() {
            ".".to_owned()
        } else if clean.starts_with("..") {
            clean.into_owned()
        } else {
            format!("./{clean}")
        }
    }

    /// Changes a key's value in place, if it is there and not null.
    pub(super) fn with(
        &mut self,
        map: &mut Mapping,
        key: &str,
        path: &KeyPath,
        f: impl FnOnce(&mut Self, &mut Node, &KeyPath),
    ) {
        if let Some(entry) = map.0.get_mut(key)
            && !entry.node.is_null()
        {
            f(self, &mut entry.node, &path.key(key));
        }
    }

    /// `K=V` lines or a mapping become a mapping of texts. `K` without `=` becomes null.
    pub(super) fn pairs(&mut self, node: &mut Node, path: &KeyPath) {
        self.pairs_split(node, path, &['=']);
    }

    fn pairs_split(&mut self, node: &mut Node, path: &KeyPath, separators: &[char]) {
        match &mut node.value {
            Value::Mapping(map) => {
                for (key, entry) in map.0.iter_mut() {
                    if let Value::Scalar(scalar) = &mut entry.node.value {
                        scalar.become_text();
                    } else {
                        self.wrong_type(&entry.node.clone(), &path.key(key), "a single value");
                    }
                }
            }
            Value::Sequence(items) => {
                let mut map = Mapping::default();
                let mut seen = std::collections::BTreeMap::new();
                for (index, item) in items.iter().enumerate() {
                    let Some(text) = item.as_text() else {
                        self.wrong_type(item, &path.index(index), "text such as KEY=VALUE");
                        continue;
                    };
                    let (key, value) = match text.find(separators) {
                        Some(i) => (&text[..i], Node::string(&text[i + 1..], item.at)),
                        None => (text, Node::plain("", item.at)),
                    };
                    if let Some(first) = seen.insert(key.to_owned(), index) {
                        let message =
                            format!("`{key}` stands twice in this list; the last one counts");
                        self.error(
                            "overridden-by-merge",
                            &items[first],
                            &path.index(first),
                            message,
                        );
                    }
                    map.set(key, item.at, value);
                }
                node.value = Value::Mapping(map);
            }
            Value::Scalar(_) => self.wrong_type(&node.clone(), path, "a mapping or a list"),
        }
    }

    /// A single value becomes a list of one; items become texts.
    pub(super) fn texts(&mut self, node: &mut Node, path: &KeyPath) {
        if let Value::Scalar(_) = node.value {
            let item = Node {
                tag: None,
                ..node.clone()
            };
            node.value = Value::Sequence(vec![item]);
        }
        match &mut node.value {
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if let Value::Scalar(scalar) = &mut item.value {
                        scalar.become_text();
                        scalar.kind = Kind::String;
                    } else {
                        self.wrong_type(&item.clone(), &path.index(index), "text");
                    }
                }
            }
            _ => self.wrong_type(&node.clone(), path, "text or a list"),
        }
    }

    /// A command: a list of words, or one text, which is split once the dialect is known.
    pub(super) fn words(&mut self, node: &mut Node, path: &KeyPath) {
        if let Value::Scalar(scalar) = &mut node.value {
            scalar.become_text();
        } else {
            self.texts(node, path);
        }
    }

    pub(super) fn duration(&mut self, node: &mut Node, path: &KeyPath) {
        let Some(text) = node.as_text() else {
            self.wrong_type(&node.clone(), path, "a duration such as 1m30s");
            return;
        };
        match duration_from_compose(text) {
            Some(duration) => node.value = string_value(duration_to_compose(duration)),
            None => {
                let message = format!(
                    "`{path}`: `{text}` is not a duration; write it with units, such as 90s or 1m30s"
                );
                self.error("bad-duration", &node.clone(), path, message);
            }
        }
    }

    /// Bytes as a plain integer; `-1` and other negative numbers stay.
    pub(super) fn bytes(&mut self, node: &mut Node, path: &KeyPath) {
        let Some(text) = node.as_text() else {
            self.wrong_type(&node.clone(), path, "a size such as 64m");
            return;
        };
        if text.starts_with('-') && text[1..].bytes().all(|b| b.is_ascii_digit()) {
            return;
        }
        match bytes_from_compose(text) {
            Some(bytes) => {
                node.value = Value::Scalar(Scalar {
                    text: bytes.to_string(),
                    kind: Kind::Integer,
                });
            }
            None => {
                let message = format!(
                    "`{path}`: `{text}` is not a size; write bytes with b, k, m or g, such as 64m"
                );
                self.error("bad-size", &node.clone(), path, message);
            }
        }
    }

    /// Permission bits as a decimal integer. Octal is meant whether it is written `0440`, `0o440` or "0440"; a number
    /// without a leading zero is what YAML says it is.
    pub(super) fn mode(&mut self, node: &mut Node, path: &KeyPath) {
        let Some(text) = node.as_text() else {
            self.wrong_type(&node.clone(), path, "permission bits such as 0444");
            return;
        };
        let octal = text
            .strip_prefix("0o")
            .or_else(|| text.strip_prefix('0').filter(|rest| !rest.is_empty()));
        let parsed = match octal {
            Some(digits) => u32::from_str_radix(digits, 8).ok(),
            None => text.parse().ok(),
        };
        match parsed {
            Some(mode) if mode <= 0o7777 => {
                node.value = Value::Scalar(Scalar {
                    text: mode.to_string(),
                    kind: Kind::Integer,
                });
            }
            _ => {
                let message = format!(
                    "`{path}`: `{text}` are not permission bits; write them in octal, such as 0444"
                );
                self.error("bad-mode", &node.clone(), path, message);
            }
        }
    }

    /// A number stays, text that is one becomes one.
    pub(super) fn number(&mut self, node: &mut Node, path: &KeyPath) {
        match &mut node.value {
            Value::Scalar(scalar) => match Kind::of_plain(scalar.text.trim()) {
                kind @ (Kind::Integer | Kind::Float) => {
                    scalar.text = scalar.text.trim().to_owned();
                    scalar.kind = kind;
                }
                _ => {
                    let message = format!("`{path}`: `{}` is not a number", scalar.text);
                    self.error("wrong-type", &node.clone(), path, message);
                }
            },
            _ => self.wrong_type(&node.clone(), path, "a number"),
        }
    }

    /// A boolean, also in the words of YAML 1.1 and as text.
    pub(super) fn boolean(&mut self, node: &mut Node, path: &KeyPath) {
        match &mut node.value {
            Value::Scalar(scalar) => match scalar.as_bool() {
                Some(value) => {
                    scalar.text = value.to_string();
                    scalar.kind = Kind::Bool;
                }
                None => self.wrong_type(&node.clone(), path, "true or false"),
            },
            _ => self.wrong_type(&node.clone(), path, "true or false"),
        }
    }

    /// Text, whatever YAML took it for.
    pub(super) fn text(&mut self, node: &mut Node, path: &KeyPath) {
        match &mut node.value {
            Value::Scalar(scalar) => {
                scalar.become_text();
                scalar.kind = Kind::String;
            }
            _ => self.wrong_type(&node.clone(), path, "text"),
        }
    }

    /// The mapping of a node; an error if it is something else.
    pub(super) fn mapping<'n>(
        &mut self,
        node: &'n mut Node,
        path: &KeyPath,
    ) -> Option<&'n mut Mapping> {
        if node.is_null() {
            node.value = Value::Mapping(Mapping::default());
        }
        if node.as_mapping().is_none() {
            self.wrong_type(&node.clone(), path, "a mapping");
            return None;
        }
        match &mut node.value {
            Value::Mapping(map) => Some(map),
            _ => None,
        }
    }

    /// The items of a list; an error if it is something else.
    pub(super) fn items<'n>(
        &mut self,
        node: &'n mut Node,
        path: &KeyPath,
    ) -> Option<&'n mut Vec<Node>> {
        if node.is_null() {
            node.value = Value::Sequence(Vec::new());
        }
        if node.as_sequence().is_none() {
            self.wrong_type(&node.clone(), path, "a list");
            return None;
        }
        match &mut node.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }
}

/// A string value.
pub(super) fn string_value(text: impl Into<String>) -> Value {
    Value::Scalar(Scalar {
        text: text.into(),
        kind: Kind::String,
    })
}

/// A mapping from pairs that are there.
pub(super) fn mapping_of(at: Position, pairs: Vec<(&str, Option<Node>)>) -> Node {
    let mut map = Mapping::default();
    for (key, node) in pairs {
        if let Some(node) = node {
            map.0.insert(key.to_owned(), Entry { key_at: at, node });
        }
    }
    Node::mapping(map, at)
}

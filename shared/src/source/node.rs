//! YAML nodes that know where they stand.

use super::{Keyed, Position, number};

/// One node of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it holds.
    pub value: Value,
    /// Where it begins. A node that came through an alias keeps the place of its anchor.
    pub at: Position,
    /// A tag that is not of the core schema, such as `!reset`. Almost no node has one.
    pub tag: Option<Box<Tag>>,
}

/// The tags with a meaning of their own in Compose files (Compose specification, 13-merge).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// `!reset`: the merged value disappears.
    Reset,
    /// `!override`: this value replaces instead of merging.
    Override,
    /// Any other tag, as written.
    Other(String),
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with values, in source order.
    Mapping(Mapping),
}

/// A single value with the very text that stood in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text after unquoting, before any interpretation.
    pub text: String,
    /// How the YAML 1.2 core schema understands it. Quoted text always is [`Kind::String`].
    pub kind: Kind,
}

/// The types of the YAML 1.2 core schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Empty, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// Decimal, `0o` or `0x` integer.
    Integer,
    /// Decimal fraction, exponent, `.inf`, `.nan`.
    Float,
    /// All else. Plain `yes`, `no`, `on` and `off` (booleans in YAML 1.1) are strings here.
    String,
}

/// Keys with values, in source order. A key that stands twice is refused by the parser.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping(pub Keyed<Entry>);

/// A key's place and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where the key stands.
    pub key_at: Position,
    /// The value.
    pub node: Node,
}

impl Node {
    /// A string node, for values that the program makes itself.
    #[must_use]
    pub fn string(text: impl Into<String>, at: Position) -> Self {
        Self {
            value: Value::Scalar(Scalar {
                text: text.into(),
                kind: Kind::String,
            }),
            at,
            tag: None,
        }
    }

    /// A scalar node whose kind follows from its text, as if it stood unquoted in a file.
    #[must_use]
    pub fn plain(text: impl Into<String>, at: Position) -> Self {
        let text = text.into();
        let kind = Kind::of_plain(&text);
        Self {
            value: Value::Scalar(Scalar { text, kind }),
            at,
            tag: None,
        }
    }

    /// A mapping node.
    #[must_use]
    pub fn mapping(mapping: Mapping, at: Position) -> Self {
        Self {
            value: Value::Mapping(mapping),
            at,
            tag: None,
        }
    }

    /// A sequence node.
    #[must_use]
    pub fn sequence(items: Vec<Self>, at: Position) -> Self {
        Self {
            value: Value::Sequence(items),
            at,
            tag: None,
        }
    }

    /// Whether it has this tag.
    #[must_use]
    pub fn is_tagged(&self, tag: &Tag) -> bool {
        self.tag.as_deref() == Some(tag)
    }

    /// The node below these keys of mappings in one another.
    #[must_use]
    pub fn below(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter()
            .try_fold(self, |node, key| node.as_mapping()?.get(key))
    }

    /// The mapping, if it is one.
    #[must_use]
    pub fn as_mapping(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// The items, if it is a sequence.
    #[must_use]
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The scalar, if it is one.
    #[must_use]
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The scalar's text, unless it is null.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar()
            .filter(|s| s.kind != Kind::Null)
            .map(|s| s.text.as_str())
    }

    /// Whether it is null or empty text without quotes.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(s) if s.kind == Kind::Null)
    }

    /// What it is, for messages: `a list`, `a number`.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::Mapping(_) => "a mapping",
            Value::Sequence(_) => "a list",
            Value::Scalar(s) => match s.kind {
                Kind::Null => "empty",
                Kind::Bool => "a boolean",
                Kind::Integer | Kind::Float => "a number",
                Kind::String => "a string",
            },
        }
    }

    /// Whether two nodes say the same, wherever they stand. The order of keys does not matter.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Scalar(a), Value::Scalar(b)) => a == b,
            (Value::Sequence(a), Value::Sequence(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.says_the_same(b))
            }
            (Value::Mapping(a), Value::Mapping(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, entry)| {
                        b.get(key)
                            .is_some_and(|other| entry.node.says_the_same(other))
                    })
            }
            _ => false,
        }
    }

    /// The node as a JSON value; numbers that JSON cannot hold become strings.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Mapping(mapping) => Json::Object(
                mapping
                    .0
                    .iter()
                    .map(|(key, entry)| (key.to_owned(), entry.node.to_json()))
                    .collect(),
            ),
            Value::Sequence(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Scalar(scalar) => scalar.to_json(),
        }
    }

    /// Nodes from a JSON value, all at one place. For values that the program carried or made itself.
    #[must_use]
    pub fn from_json(value: &serde_json::Value, at: Position) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Null => Self::plain("", at),
            Json::Bool(b) => Self::plain(b.to_string(), at),
            Json::Number(n) => Self::plain(n.to_string(), at),
            Json::String(s) => Self::string(s, at),
            Json::Array(items) => {
                Self::sequence(items.iter().map(|i| Self::from_json(i, at)).collect(), at)
            }
            Json::Object(map) => Self::mapping(
                Mapping(
                    map.iter()
                        .map(|(key, value)| {
                            let node = Self::from_json(value, at);
                            (key.clone(), Entry { key_at: at, node })
                        })
                        .collect(),
                ),
                at,
            ),
        }
    }
}

impl Scalar {
    /// The scalar as a JSON value; numbers that JSON cannot hold become strings.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self.kind {
            Kind::Null => Json::Null,
            Kind::Bool => Json::Bool(self.text.eq_ignore_ascii_case("true")),
            Kind::Integer => match number::integer(&self.text) {
                Some(n) => i64::try_from(n)
                    .map(Json::from)
                    .or_else(|_| u64::try_from(n).map(Json::from))
                    .unwrap_or_else(|_| Json::String(self.text.clone())),
                None => Json::String(self.text.clone()),
            },
            Kind::Float => number::float(&self.text)
                .and_then(serde_json::Number::from_f64)
                .map_or_else(|| Json::String(self.text.clone()), Json::Number),
            Kind::String => Json::String(self.text.clone()),
        }
    }

    /// Makes text of what is not null. A number is written by its value: `010` becomes `8`.
    pub fn become_text(&mut self) {
        match self.kind {
            Kind::Null => return,
            Kind::Integer => {
                if let Some(value) = number::integer(&self.text) {
                    self.text = value.to_string();
                }
            }
            Kind::Float => {
                if let Some(value) = number::float(&self.text) {
                    self.text = number::float_text(value);
                }
            }
            Kind::Bool => self.text.make_ascii_lowercase(),
            Kind::String => {}
        }
        self.kind = Kind::String;
    }

    /// The value as an integer: integers of YAML, and strings of decimal digits.
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        match self.kind {
            Kind::Integer => number::integer(&self.text),
            Kind::String => number::decimal(self.text.trim()),
            Kind::Float => {
                let value = number::float(&self.text)?;
                #[expect(clippy::cast_possible_truncation, reason = "the bounds are checked")]
                (value.fract() == 0.0 && value.abs() < 1e18).then_some(value as i128)
            }
            Kind::Null | Kind::Bool => None,
        }
    }

    /// The value as a boolean, with the words of YAML 1.1 (`yes`, `on`, ...) accepted.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "on" => Some(true),
            "false" | "no" | "n" | "off" => Some(false),
            _ => None,
        }
    }
}

impl Kind {
    /// What unquoted text is: the YAML 1.2 core schema (YAML 1.2.2, section 10.3.2) with Go's spellings of numbers,
    /// as the original programs read it.
    #[must_use]
    pub fn of_plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Self::Bool,
            _ if !number::is_possible(text) => Self::String,
            _ if number::integer(text).is_some() => Self::Integer,
            _ if number::float(text).is_some() => Self::Float,
            _ => Self::String,
        }
    }
}

impl Mapping {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.0.get(key).map(|entry| &entry.node)
    }

    /// Sets a key; a key that is there keeps its place in the order.
    pub fn set(&mut self, key: impl Into<String>, key_at: Position, node: Node) {
        self.0.insert(key.into(), Entry { key_at, node });
    }

    /// Takes a key out; the order of the others stays.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        self.0.shift_remove(key)
    }

    /// The keys with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_schema() {
        for (text, kind) in [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("true", Kind::Bool),
            ("yes", Kind::String),
            ("no", Kind::String),
            ("22:22", Kind::String),
            ("0440", Kind::Integer),
            ("0o440", Kind::Integer),
            ("0x1F", Kind::Integer),
            ("-7", Kind::Integer),
            ("1.5", Kind::Float),
            ("1e3", Kind::Float),
            (".5", Kind::Float),
            ("1.2.3", Kind::String),
            ("1-2", Kind::String),
            ("nan", Kind::String),
            ("0b11", Kind::Integer),
            ("1_000", Kind::Integer),
            ("08", Kind::Float),
            ("1e400", Kind::String),
            ("infinity", Kind::String),
        ] {
            assert_eq!(Kind::of_plain(text), kind, "{text:?}");
        }
    }
}

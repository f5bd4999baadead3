//! A YAML document with the places of its parts in the text.

use std::ops::Range;

use serde_json::{Map, Number, Value as Json};

/// A node and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// What it is.
    pub item: Item,
    /// Bytes of the text.
    pub span: Range<usize>,
    /// First line, counted from 0.
    pub line: usize,
    /// Whether it came through an alias and so stands somewhere else.
    pub aliased: bool,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// A single value.
    Scalar {
        /// The text after unquoting.
        text: String,
        /// How it is written.
        style: Style,
    },
    /// A list.
    Sequence {
        /// Its items.
        items: Vec<Tree>,
        /// `[a, b]` instead of lines.
        flow: bool,
    },
    /// Keys with values.
    Mapping {
        /// Its entries, in the order of the text. A key may stand twice; the last one counts.
        entries: Vec<Entry>,
        /// `{a: b}` instead of lines.
        flow: bool,
    },
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes.
    Plain,
    /// `'...'`
    Single,
    /// `"..."`
    Double,
    /// `|` or `>`.
    Block,
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Range<usize>,
    /// The line of the key, counted from 0.
    pub key_line: usize,
    /// The value.
    pub value: Tree,
    /// Whether it came from a merge key (`<<`).
    pub merged: bool,
}

/// A step into a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// Into the value of a key.
    Key(String),
    /// Into an item of a list.
    Index(usize),
}

/// A path as people write it: `spec.ports[0].name`, `metadata.annotations["a.b/c"]`.
pub(crate) fn path_text(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Index(index) => out.push_str(&format!("[{index}]")),
            Step::Key(key) if key.contains(['.', '/', ' ', '[']) => {
                out.push_str(&format!("[\"{key}\"]"));
            }
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
        }
    }
    out
}

impl Tree {
    /// The node at a path.
    pub(crate) fn get(&self, path: &[Step]) -> Option<&Self> {
        path.iter().try_fold(self, |at, step| match step {
            Step::Key(key) => at.entry(key).map(|entry| &entry.value),
            Step::Index(index) => match &at.item {
                Item::Sequence { items, .. } => items.get(*index),
                _ => None,
            },
        })
    }

    /// The entry of a key; the last one, if it stands twice.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.item {
            Item::Mapping { entries, .. } => entries.iter().rev().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The entry that a path ends with.
    pub(crate) fn entry_at(&self, path: &[Step]) -> Option<&Entry> {
        let (Step::Key(key), parent) = path.split_last()? else {
            return None;
        };
        self.get(parent)?.entry(key)
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.item {
            Item::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value, as helm's parser understands it.
    pub(crate) fn to_json(&self) -> Json {
        match &self.item {
            Item::Scalar { text, style } => scalar_value(text, *style),
            Item::Sequence { items, .. } => Json::Array(items.iter().map(Self::to_json).collect()),
            Item::Mapping { entries, .. } => {
                let mut map = Map::new();
                for entry in entries {
                    map.insert(entry.key.clone(), entry.value.to_json());
                }
                Json::Object(map)
            }
        }
    }

    /// Calls `visit` for each scalar with its path.
    pub(crate) fn scalars(&self, path: &mut Vec<Step>, visit: &mut dyn FnMut(&[Step], &Self)) {
        match &self.item {
            Item::Scalar { .. } => visit(path, self),
            Item::Sequence { items, .. } => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    item.scalars(path, visit);
                    path.pop();
                }
            }
            Item::Mapping { entries, .. } => {
                for entry in entries {
                    path.push(Step::Key(entry.key.clone()));
                    entry.value.scalars(path, visit);
                    path.pop();
                }
            }
        }
    }
}

/// What a scalar means (YAML 1.1 as far as helm follows it, else the core schema).
fn scalar_value(text: &str, style: Style) -> Json {
    if style != Style::Plain {
        return Json::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Json::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Json::Bool(false);
        }
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let based = |prefix: &str, radix| {
        digits
            .strip_prefix(prefix)
            .and_then(|rest| i64::from_str_radix(rest, radix).ok())
            .map(|n| if text.starts_with('-') { -n } else { n })
    };
    if let Some(number) = based("0x", 16).or_else(|| based("0o", 8)) {
        return Json::from(number);
    }
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let octal = (digits.len() > 1 && digits.starts_with('0'))
            .then(|| based("0", 8))
            .flatten();
        if let Some(number) = octal {
            return Json::from(number);
        }
        if let Ok(number) = text.trim_start_matches('+').parse::<i64>() {
            return Json::from(number);
        }
    }
    let numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if numeric
        && let Ok(number) = text.parse::<f64>()
        && let Some(number) = Number::from_f64(number)
    {
        return Json::Number(number);
    }
    Json::String(text.to_owned())
}

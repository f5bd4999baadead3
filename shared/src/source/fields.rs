//! Taking nodes out of a mapping so that none is forgotten.

use super::{Entry, KeyPath, Kind, Ledger, Mapping, Node, Origin, Sourced, Value};
use crate::finding::Code;

/// A node together with its key path.
#[derive(Debug, Clone)]
pub struct Item<'n> {
    /// The node.
    pub node: &'n Node,
    /// Its path.
    pub path: KeyPath,
}

impl<'n> Item<'n> {
    /// The root of a document.
    #[must_use]
    pub fn root(node: &'n Node) -> Self {
        Self {
            node,
            path: KeyPath::root(),
        }
    }

    /// The node's place, for findings and for [`Sourced`] values.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin::new(self.node.at, self.path.clone())
    }

    /// Wraps a value with this node's place.
    pub fn sourced<T>(&self, value: T) -> Sourced<T> {
        Sourced::new(value, self.origin())
    }

    /// The keys of a mapping. `table` is the prefix of the rows in the mapping table that these keys have
    /// (`services.*`, `PodSpec`). Null counts as an empty mapping. Another type is an error of the input.
    pub fn fields(&self, table: impl Into<String>, ledger: &mut Ledger) -> Option<Fields<'n>> {
        static EMPTY: std::sync::LazyLock<Mapping> = std::sync::LazyLock::new(Mapping::default);
        let mapping = match &self.node.value {
            Value::Mapping(mapping) => mapping,
            Value::Scalar(s) if s.kind == Kind::Null => &EMPTY,
            _ => {
                ledger.wrong_type(self, "a mapping");
                return None;
            }
        };
        Some(Fields {
            mapping,
            path: self.path.clone(),
            table: table.into(),
            taken: vec![false; mapping.len()],
            finished: false,
        })
    }

    /// The entries of a mapping with free keys (names, labels), in source order. Null counts as empty.
    pub fn entries(&self, ledger: &mut Ledger) -> Vec<(Sourced<String>, Item<'n>)> {
        match &self.node.value {
            Value::Mapping(mapping) => mapping
                .iter()
                .map(|(key, entry)| {
                    let path = self.path.key(key);
                    let name =
                        Sourced::new(key.to_owned(), Origin::new(entry.key_at, path.clone()));
                    (
                        name,
                        Item {
                            node: &entry.node,
                            path,
                        },
                    )
                })
                .collect(),
            Value::Scalar(s) if s.kind == Kind::Null => Vec::new(),
            _ => {
                ledger.wrong_type(self, "a mapping");
                Vec::new()
            }
        }
    }

    /// The items of a list. Null counts as empty. Another type is an error of the input.
    pub fn items(&self, ledger: &mut Ledger) -> Vec<Item<'n>> {
        match &self.node.value {
            Value::Sequence(items) => items
                .iter()
                .enumerate()
                .map(|(i, node)| Item {
                    node,
                    path: self.path.index(i),
                })
                .collect(),
            Value::Scalar(s) if s.kind == Kind::Null => Vec::new(),
            _ => {
                ledger.wrong_type(self, "a list");
                Vec::new()
            }
        }
    }

    /// The items of a list, or the node itself where a single value may stand for a list of one.
    pub fn items_or_one(&self, ledger: &mut Ledger) -> Vec<Item<'n>> {
        match &self.node.value {
            Value::Scalar(s) if s.kind != Kind::Null => vec![self.clone()],
            _ => self.items(ledger),
        }
    }

    /// Any scalar as text. Null is absent; a list or mapping is an error of the input.
    pub fn text(&self, ledger: &mut Ledger) -> Option<Sourced<String>> {
        match &self.node.value {
            Value::Scalar(s) if s.kind == Kind::Null => None,
            Value::Scalar(s) => Some(self.sourced(s.text.clone())),
            _ => {
                ledger.wrong_type(self, "a string");
                None
            }
        }
    }

    /// A list of scalars as texts.
    pub fn texts(&self, ledger: &mut Ledger) -> Vec<Sourced<String>> {
        self.items(ledger)
            .iter()
            .filter_map(|item| item.text(ledger))
            .collect()
    }

    /// A boolean. Null is absent; anything else is an error of the input.
    pub fn boolean(&self, ledger: &mut Ledger) -> Option<Sourced<bool>> {
        match &self.node.value {
            Value::Scalar(s) if s.kind == Kind::Null => None,
            Value::Scalar(s) => match s.as_bool() {
                Some(value) => Some(self.sourced(value)),
                None => {
                    ledger.wrong_type(self, "true or false");
                    None
                }
            },
            _ => {
                ledger.wrong_type(self, "true or false");
                None
            }
        }
    }

    /// An integer that fits `T`. Null is absent; anything else is an error of the input.
    pub fn integer<T: TryFrom<i128>>(&self, ledger: &mut Ledger) -> Option<Sourced<T>> {
        match &self.node.value {
            Value::Scalar(s) if s.kind == Kind::Null => None,
            Value::Scalar(s) => {
                let value = s.as_integer();
                match value.and_then(|v| T::try_from(v).ok()) {
                    Some(value) => Some(self.sourced(value)),
                    None if value.is_some() => {
                        let message = format!("`{}`: {} is out of range", self.path, s.text);
                        ledger.add(Code("out-of-range"), &self.origin(), message);
                        None
                    }
                    None => {
                        ledger.wrong_type(self, "a whole number");
                        None
                    }
                }
            }
            _ => {
                ledger.wrong_type(self, "a whole number");
                None
            }
        }
    }

    /// A number with a fraction. Null is absent; anything else is an error of the input.
    pub fn number(&self, ledger: &mut Ledger) -> Option<Sourced<f64>> {
        match &self.node.value {
            Value::Scalar(s) if s.kind == Kind::Null => None,
            Value::Scalar(s) => match s.text.trim().parse::<f64>() {
                Ok(value) if value.is_finite() => Some(self.sourced(value)),
                _ => {
                    ledger.wrong_type(self, "a number");
                    None
                }
            },
            _ => {
                ledger.wrong_type(self, "a number");
                None
            }
        }
    }
}

/// The keys of one mapping, handed out one by one. [`Fields::finish`] writes what is left into the ledger; a
/// reader that forgets to call it fails in debug builds.
#[derive(Debug)]
pub struct Fields<'n> {
    mapping: &'n Mapping,
    path: KeyPath,
    table: String,
    taken: Vec<bool>,
    finished: bool,
}

impl<'n> Fields<'n> {
    /// Takes a key. The caller answers for everything below it.
    pub fn take(&mut self, key: &str) -> Option<Item<'n>> {
        let (index, name, entry) = self.mapping.0.get_full(key)?;
        self.taken[index] = true;
        Some(Item {
            node: &entry.node,
            path: self.path.key(name),
        })
    }

    /// Takes a key as text.
    pub fn text(&mut self, key: &str, ledger: &mut Ledger) -> Option<Sourced<String>> {
        self.take(key)?.text(ledger)
    }

    /// Takes a key as boolean.
    pub fn boolean(&mut self, key: &str, ledger: &mut Ledger) -> Option<Sourced<bool>> {
        self.take(key)?.boolean(ledger)
    }

    /// Takes a key as integer.
    pub fn integer<T: TryFrom<i128>>(
        &mut self,
        key: &str,
        ledger: &mut Ledger,
    ) -> Option<Sourced<T>> {
        self.take(key)?.integer(ledger)
    }

    /// Takes a key as number.
    pub fn number(&mut self, key: &str, ledger: &mut Ledger) -> Option<Sourced<f64>> {
        self.take(key)?.number(ledger)
    }

    /// Takes a key as list; absent is empty.
    pub fn items(&mut self, key: &str, ledger: &mut Ledger) -> Vec<Item<'n>> {
        self.take(key)
            .map_or_else(Vec::new, |item| item.items(ledger))
    }

    /// Takes a key as list of texts; absent is empty.
    pub fn texts(&mut self, key: &str, ledger: &mut Ledger) -> Vec<Sourced<String>> {
        self.take(key)
            .map_or_else(Vec::new, |item| item.texts(ledger))
    }

    /// Takes a key as mapping with known keys, whose rows begin with `table`.
    pub fn fields(
        &mut self,
        key: &str,
        table: impl Into<String>,
        ledger: &mut Ledger,
    ) -> Option<Fields<'n>> {
        self.take(key)?.fields(table, ledger)
    }

    /// Takes all keys that are not taken yet, in source order: `x-` fields, for example.
    pub fn take_rest(
        &mut self,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> Vec<(Sourced<String>, Item<'n>)> {
        let mut rest = Vec::new();
        for (index, (key, entry)) in self.mapping.0.iter().enumerate() {
            if !self.taken[index] && wanted(key) {
                self.taken[index] = true;
                let path = self.path.key(key);
                let origin = Origin::new(entry.key_at, path.clone());
                rest.push((
                    Sourced::new(key.to_owned(), origin),
                    Item {
                        node: &entry.node,
                        path,
                    },
                ));
            }
        }
        rest
    }

    /// Whether a key is there, taken or not.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.mapping.0.contains_key(key)
    }

    /// The path of the mapping itself.
    #[must_use]
    pub fn path(&self) -> &KeyPath {
        &self.path
    }

    /// Records a taken key as one that the model has no home for.
    pub fn leave(&mut self, key: &str, ledger: &mut Ledger) {
        if let Some(item) = self.take(key) {
            ledger.leave(self.row(key), &item);
        }
    }

    /// Ends the reading of this mapping: each key that nobody took becomes a leftover.
    pub fn finish(mut self, ledger: &mut Ledger) {
        self.finished = true;
        for (index, (key, entry)) in self.mapping.0.iter().enumerate() {
            if !self.taken[index] {
                let item = self.item(key, entry);
                ledger.leave(self.row(key), &item);
            }
        }
    }

    fn item(&self, key: &str, entry: &'n Entry) -> Item<'n> {
        Item {
            node: &entry.node,
            path: self.path.key(key),
        }
    }

    fn row(&self, key: &str) -> String {
        if self.table.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.table)
        }
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        debug_assert!(
            self.finished || std::thread::panicking(),
            "`{}` was not finished: keys could be lost in silence",
            self.path
        );
    }
}

//! The conversion layer's view of a rendering, and what the rendering shall be afterwards.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde_json::Value as Json;

use super::identify::{Marked, Place, Places, TextRef};
use super::render::{Document, Identity, identity};
use super::yaml::{Item, Step, Style, Tree, path_text};
use crate::orchestration::provider::Converted;
use crate::parallel;
use crate::source::{
    Entry, FileId, KeyPath, Kind, Mapping, Node, PathStep, Position, Scalar, Sources, Value,
};

/// What one document shall be.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Which object.
    pub identity: Identity,
    /// The template it comes from, or that of the object that needs it.
    pub source: String,
    /// The object.
    pub value: Arc<Json>,
    /// The document of the original rendering; none for an added object.
    pub base: Option<usize>,
    /// The original documents that an added object is needed for.
    pub because: Vec<usize>,
    /// For each new key, the keys of the same original object that it was made of.
    pub from: BTreeMap<Vec<Step>, Vec<Vec<Step>>>,
}

/// What a rendering shall be.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The documents.
    pub wanted: Arc<Vec<Wanted>>,
    /// What the conversion had to say.
    pub converted: Converted,
}

/// What decides a node: the text of its document, and that of the one with marks, as it was printed.
type Texts = (Arc<str>, Option<Arc<str>>);

/// A document as the conversion reads it, and the lines that its keys come from.
type Located = (Arc<Node>, Arc<Places>);

/// Files that positions point into.
#[derive(Debug, Default)]
pub(crate) struct FileTable {
    /// All texts.
    pub sources: Sources,
    ids: BTreeMap<String, FileId>,
    /// Nodes that were made already for other renderings.
    read: HashMap<Texts, Located, RandomState>,
}

impl FileTable {
    /// The handle of a file.
    pub(crate) fn id(&mut self, name: &str, text: impl FnOnce() -> String) -> FileId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.sources.add(name, text());
        self.ids.insert(name.to_owned(), id);
        id
    }

    /// The texts alone.
    pub(crate) fn into_sources(self) -> Sources {
        parallel::free(self.read);
        self.sources
    }
}

/// A rendering of marked templates, by which keys are found in them.
pub(crate) struct Marks<'m> {
    /// The marks.
    pub marked: &'m Marked,
    /// For each document, the same one as it was rendered with marks.
    pub partners: Vec<Option<&'m Document>>,
}

/// Turns documents into the nodes that the conversion reads; positions are those of the templates where there are
/// marks, else of the rendering.
pub(crate) fn nodes(
    documents: &[Document],
    marks: Option<&Marks<'_>>,
    rendering: &str,
    files: &mut FileTable,
    text_of: &dyn Fn(&str) -> Option<(String, String)>,
) -> Vec<Located> {
    let partner =
        |index: usize| marks.and_then(|marks| Some((marks.marked, (*marks.partners.get(index)?)?)));
    let key = |index: usize| -> Texts {
        let marked = partner(index).map(|(_, partner)| Arc::clone(&partner.printed));
        (Arc::clone(&documents[index].text), marked)
    };
    let unread: Vec<usize> = (0..documents.len())
        .filter(|index| !files.read.contains_key(&key(*index)))
        .collect();
    let places = parallel::each(&unread, |index| {
        Arc::new(partner(*index).map_or_else(Places::new, |(marked, p)| marked.places(p)))
    });
    let mut places: HashMap<usize, _> = unread.into_iter().zip(places).collect();
    let mut positions = Positions {
        known: Arc::default(),
        files,
        columns: hashbrown::HashMap::default(),
        text_of,
        rendering,
        line: 0,
    };
    let read = |(index, document): (usize, &Document)| {
        let key = key(index);
        if let Some(located) = positions.files.read.get(&key) {
            return located.clone();
        }
        positions.known = places.remove(&index).unwrap_or_default();
        positions.line = document.line;
        let start = positions.of(&[], 0, None);
        let node = Arc::new(match &document.tree {
            Some(tree) => node(tree, &mut Vec::new(), start, &mut positions),
            None => Node::plain("", start),
        });
        let located = (node, Arc::clone(&positions.known));
        positions.files.read.insert(key, located.clone());
        located
    };
    documents.iter().enumerate().map(read).collect()
}

struct Positions<'p> {
    known: Arc<Places>,
    files: &'p mut FileTable,
    /// For each file that was asked for, its handle and the column of the first letter of each line.
    columns: hashbrown::HashMap<String, Option<(FileId, Vec<u32>)>, RandomState>,
    /// Name and text of a file of the chart.
    text_of: &'p dyn Fn(&str) -> Option<(String, String)>,
    rendering: &'p str,
    line: usize,
}

impl Positions<'_> {
    fn of(&mut self, path: &[Step], line: usize, parent: Option<Position>) -> Position {
        // A whole object stands where its first key does.
        let place = self.known.get(path).or_else(|| {
            let keys = self.known.iter().filter(|(key, _)| key.len() == 1);
            path.is_empty()
                .then(|| keys.map(|(_, place)| place).min_by_key(|p| p.line))
                .flatten()
        });
        if let Some(Place { text, line }) = place
            && let TextRef::File(file) = &**text
        {
            let known = self.columns.entry_ref(file.as_str()).or_insert_with(|| {
                let (name, text) = (self.text_of)(file)?;
                let columns = text
                    .lines()
                    .map(|line| small(line.len() - line.trim_start().len() + 1))
                    .collect();
                Some((self.files.id(&name, || text), columns))
            });
            if let Some((file, columns)) = known {
                return Position {
                    file: *file,
                    line: small(line + 1),
                    column: columns.get(*line).copied().unwrap_or(1),
                };
            }
        }
        // Without a place of its own, a node stands where its parent does.
        if let Some(parent) = parent.filter(|_| !self.known.is_empty()) {
            return parent;
        }
        let file = self.files.id("helm template", || self.rendering.to_owned());
        Position {
            file,
            line: small(self.line + line + 1),
            column: 1,
        }
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn node(tree: &Tree, path: &mut Vec<Step>, at: Position, positions: &mut Positions<'_>) -> Node {
    let value = match &tree.item {
        Item::Scalar { text, style } => Value::Scalar(scalar(tree, text, *style)),
        Item::Sequence { items, .. } => Value::Sequence(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    path.push(Step::Index(index));
                    let at = positions.of(path, item.line, Some(at));
                    let item = node(item, path, at, positions);
                    path.pop();
                    item
                })
                .collect(),
        ),
        Item::Mapping { entries, .. } => {
            let mut map = Mapping::default();
            for entry in entries {
                path.push(Step::Key(entry.key.clone()));
                let key_at = positions.of(path, entry.key_line, Some(at));
                let inner = node(&entry.value, path, key_at, positions);
                map.0.insert(
                    entry.key.clone(),
                    Entry {
                        key_at,
                        node: inner,
                    },
                );
                path.pop();
            }
            Value::Mapping(map)
        }
    };
    Node {
        value,
        at,
        tag: None,
    }
}

/// The scalar such that its value is the one that helm sees.
fn scalar(tree: &Tree, text: &str, style: Style) -> Scalar {
    let (text, kind) = match tree.to_json() {
        Json::Null => (String::new(), Kind::Null),
        Json::Bool(value) => (value.to_string(), Kind::Bool),
        Json::Number(number) if number.is_f64() => (text.to_owned(), Kind::Float),
        Json::Number(number) => (number.to_string(), Kind::Integer),
        _ => (text.to_owned(), Kind::String),
    };
    let kind = if style == Style::Plain {
        kind
    } else {
        Kind::String
    };
    Scalar { text, kind }
}

/// Converts a rendering.
pub(crate) fn target(documents: &[Document], converted: Converted) -> Target {
    let mut wanted = Vec::new();
    for (index, outcome) in converted.outcomes.iter().enumerate() {
        let Some(document) = documents.get(index) else {
            continue;
        };
        let Some(node) = &outcome.node else {
            continue;
        };
        let mut from: BTreeMap<Vec<Step>, Vec<Vec<Step>>> = BTreeMap::new();
        for edit in &outcome.edits {
            let keys = edit
                .from
                .iter()
                .filter(|key| key.object == index)
                .map(|key| steps(&key.path))
                .collect();
            from.insert(steps(&edit.path), keys);
        }
        let value = if outcome.edits.is_empty() {
            Arc::clone(&document.value)
        } else {
            Arc::new(node.to_json())
        };
        wanted.push(Wanted {
            identity: identity(&value),
            source: document.source.clone(),
            value,
            base: Some(index),
            because: Vec::new(),
            from,
        });
    }
    for added in &converted.added {
        let value = Arc::new(added.node.to_json());
        let source = added
            .because
            .first()
            .and_then(|index| documents.get(*index))
            .map(|d| d.source.clone())
            .unwrap_or_default();
        wanted.push(Wanted {
            identity: identity(&value),
            source,
            value,
            base: None,
            because: added.because.clone(),
            from: BTreeMap::new(),
        });
    }
    Target {
        wanted: Arc::new(wanted),
        converted,
    }
}

/// A key path of the conversion as one of ours.
pub(crate) fn steps(path: &KeyPath) -> Vec<Step> {
    path.steps()
        .into_iter()
        .map(|step| match step {
            PathStep::Key(key) => Step::Key(key.to_owned()),
            PathStep::Index(index) => Step::Index(index),
        })
        .collect()
}

/// An object and a path in it, for messages.
pub(crate) fn describe(identity: &Identity, path: &[Step]) -> String {
    format!("{}/{}: {}", identity.kind, identity.name, path_text(path))
}

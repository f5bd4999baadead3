//! What helm rendered: documents, each with the template that it came from.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;

use super::identify::unmarked;
use super::yaml::{Entry, Item, Step, Tree, parse_documents};
use crate::parallel;

/// One document of a rendering.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The template, as helm names it: `shop/charts/db/templates/service.yaml`.
    pub source: String,
    /// Its text, without the separator, without helm's comment, and without marks.
    pub text: Arc<str>,
    /// The same as it was printed, with marks if there are any. It has the same lines.
    pub printed: Arc<str>,
    /// The line of the whole output on which the text begins, counted from 0.
    pub line: usize,
    /// What it holds; nothing, if it is not a mapping that can be read.
    pub tree: Option<Arc<Tree>>,
    /// The same as a value.
    pub value: Arc<Json>,
    /// What its text alone decides.
    told: Arc<Told>,
}

/// What is asked of a document again and again.
#[derive(Debug)]
struct Told {
    identity: Identity,
    doubled: Vec<Doubled>,
}

/// Documents that were read before. The renderings of one chart repeat most of each other, with marks or without, and
/// reading them takes longer than all else that is done with them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(Arc<Mutex<HashMap<Arc<str>, Content>>>);

/// What a document holds; `None` where nothing can be read.
#[derive(Debug, Clone)]
struct Content {
    text: Arc<str>,
    tree: Option<Arc<Tree>>,
    value: Arc<Json>,
    told: Arc<Told>,
}

impl Known {
    /// Frees all of it.
    pub(crate) fn forget(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parallel::free(std::mem::take(&mut *known));
    }

    /// Reads a document that is going to be seen.
    pub(crate) fn learn(&self, text: &str) {
        self.content(text);
    }

    fn content(&self, text: &str) -> Content {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = known().get(text) {
            return content.clone();
        }
        let tree = parse_documents(text)
            .ok()
            .and_then(|trees| trees.into_iter().next());
        let value = tree.as_ref().map_or(Json::Null, Tree::to_json);
        let mut found = Vec::new();
        if let Some(tree) = tree.as_ref().filter(|_| value.is_object()) {
            doubled(tree, &mut Vec::new(), &mut found);
        }
        let told = Told {
            identity: identity(&value),
            doubled: found,
        };
        let content = Content {
            text: text.into(),
            tree: tree.map(Arc::new),
            value: Arc::new(value),
            told: Arc::new(told),
        };
        // Another thread may have read the same: all have to hold the same one.
        let mut known = known();
        let kept = known.entry(Arc::clone(&content.text)).or_insert(content);
        kept.clone()
    }
}

/// What tells an object from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identity {
    /// `PersistentVolumeClaim`
    pub kind: String,
    /// Namespace, if one is written.
    pub namespace: String,
    /// Name, or `generateName`.
    pub name: String,
}

impl Document {
    /// Which object it is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.told.identity
    }

    /// The keys that stand more than once in their mapping, with the lines of all but the last. Helm lets them through,
    /// and the API server takes the last of them.
    pub(crate) fn doubled(&self) -> &[Doubled] {
        &self.told.doubled
    }
}

/// A key that stands more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doubled {
    /// Where.
    pub path: Vec<Step>,
    /// A line that does not count, from 0.
    pub line: usize,
}

fn doubled(tree: &Tree, path: &mut Vec<Step>, found: &mut Vec<Doubled>) {
    match &tree.item {
        Item::Scalar { .. } => {}
        Item::Sequence { items, .. } => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                doubled(item, path, found);
                path.pop();
            }
        }
        Item::Mapping { entries, .. } => {
            // What an alias brings stands elsewhere.
            let own = |entry: &&Entry| !entry.merged && !entry.value.aliased;
            let mut last = BTreeMap::new();
            for (index, entry) in entries.iter().enumerate() {
                last.insert(entry.key.as_str(), index);
            }
            for (index, entry) in entries.iter().enumerate().filter(|(_, e)| own(e)) {
                path.push(Step::Key(entry.key.clone()));
                if last
                    .get(entry.key.as_str())
                    .is_some_and(|last| *last != index)
                {
                    found.push(Doubled {
                        path: path.clone(),
                        line: entry.key_line,
                    });
                } else {
                    doubled(&entry.value, path, found);
                }
                path.pop();
            }
        }
    }
}

/// Which object a value is.
pub(crate) fn identity(value: &Json) -> Identity {
    let text = |pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut name = text("/metadata/name");
    if name.is_empty() {
        name = text("/metadata/generateName");
    }
    Identity {
        kind: text("/kind"),
        namespace: text("/metadata/namespace"),
        name,
    }
}

/// A document of what helm printed, unread.
struct Piece<'o> {
    source: &'o str,
    text: &'o str,
    line: usize,
}

/// Splits what `helm template` printed. Documents without content are left out.
pub(crate) fn split(output: &str, known: &Known) -> Vec<Document> {
    let pieces = pieces(output);
    let read = parallel::each(&pieces, |piece| document(piece, known));
    read.into_iter().flatten().collect()
}

fn document(piece: &Piece<'_>, known: &Known) -> Option<Document> {
    let bare = unmarked(piece.text);
    let Content {
        text,
        tree,
        value,
        told,
    } = known.content(&bare);
    let is_comment = |line: &str| line.trim().is_empty() || line.starts_with('#');
    if tree.is_none() && text.lines().all(is_comment) {
        return None;
    }
    let printed = match bare {
        Cow::Borrowed(_) => Arc::clone(&text),
        Cow::Owned(_) => piece.text.into(),
    };
    Some(Document {
        source: piece.source.to_owned(),
        text,
        printed,
        line: piece.line,
        tree: tree.filter(|_| value.is_object()),
        value,
        told,
    })
}

/// Where the documents are: between separators, behind helm's comment.
fn pieces(output: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut source = "";
    let (mut begin, mut first) = (0, 0);
    let mut end = 0;
    let mut add = |source, range: std::ops::Range<usize>, line| {
        let text = &output[range];
        if !text.trim().is_empty() {
            pieces.push(Piece { source, text, line });
        }
    };
    for (number, line) in output.split_inclusive('\n').enumerate() {
        let at = end;
        end += line.len();
        let bare = line.trim_end();
        if bare == "---" || line.starts_with("--- ") {
            add(source, begin..at, first);
        } else if at == begin
            && let Some(name) = bare.strip_prefix("# Source: ")
        {
            source = name;
        } else {
            continue;
        }
        (begin, first) = (end, number + 1);
    }
    add(source, begin..end, first);
    pieces
}

/// Pairs the documents of two renderings: equal identity first, in order; then what is left of the same template and
/// kind, in order. Gives, for each of `left`, the index in `right`.
pub(crate) fn pair(left: &[(&Identity, &str)], right: &[(&Identity, &str)]) -> Vec<Option<usize>> {
    let mut by_identity: HashMap<&Identity, Vec<usize>> = HashMap::new();
    for (index, (identity, _)) in right.iter().enumerate().rev() {
        by_identity.entry(identity).or_default().push(index);
    }
    let mut pairs: Vec<Option<usize>> = left
        .iter()
        .map(|(identity, _)| by_identity.get_mut(*identity).and_then(Vec::pop))
        .collect();
    let mut used: HashSet<usize> = pairs.iter().flatten().copied().collect();
    for (index, (identity, source)) in left.iter().enumerate() {
        if pairs[index].is_some() {
            continue;
        }
        let found = right.iter().enumerate().position(|(at, (other, from))| {
            !used.contains(&at) && other.kind == identity.kind && from == source
        });
        if let Some(found) = found {
            used.insert(found);
            pairs[index] = Some(found);
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::super::yaml::path_text;
    use super::*;

    #[test]
    fn keys_that_stand_twice_are_found() {
        let text = "a: 1\nb:\n- c: 1\n  d: 2\n  c: 3\na: 4\ne: {f: 1, f: 2}\ng: &g {h: 1}\ni: {<<: *g, h: 2}\n";
        let found: Vec<(String, usize)> = split(text, &Known::default())[0]
            .doubled()
            .iter()
            .map(|d| (path_text(&d.path), d.line))
            .collect();
        let expected = [("a", 0), ("b[0].c", 2), ("e.f", 6)];
        assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    }

    #[test]
    fn documents_know_their_template() {
        let text = "---\n# Source: a/templates/x.yaml\nkind: A\nmetadata:\n  name: x\n---\n# Source: a/crds/c.yaml\nkind: B\n---\nkind: C\n---\n# Source: a/templates/empty.yaml\n# nothing\n";
        let documents = split(text, &Known::default());
        let seen: Vec<_> = documents
            .iter()
            .map(|d| (d.source.as_str(), d.identity().kind.clone(), d.line))
            .collect();
        assert_eq!(
            seen,
            [
                ("a/templates/x.yaml", "A".to_owned(), 2),
                ("a/crds/c.yaml", "B".to_owned(), 7),
                ("a/crds/c.yaml", "C".to_owned(), 9),
            ]
        );
    }
}

//! YAML text into documents, as helm reads it.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::tree::{Entry, Item, Style, Tree};
use crate::source::Indents;

/// Deepest nesting that is read.
const DEPTH: usize = 200;
/// Most nodes that aliases may add.
const ALIAS_NODES: usize = 200_000;

/// The first document of a text; `None` if there is nothing in it.
pub(crate) fn parse_tree(text: &str) -> Result<Option<Tree>, String> {
    Ok(parse_documents(text)?.into_iter().next())
}

/// All documents of a text that are not empty.
pub(crate) fn parse_documents(text: &str) -> Result<Vec<Tree>, String> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut indents = Indents::default();
    loop {
        let moved = indents.apply(body);
        match pass(&moved, body, text.len() - body.len(), &indents) {
            Ok(documents) => return Ok(documents),
            Err(Stop::Refused(message)) => return Err(message),
            Err(Stop::Syntax(error)) => {
                if !indents.move_in(&error, body) {
                    let at = error.marker();
                    let column = at.col().saturating_sub(indents.of(at.line())) + 1;
                    let line = at.line();
                    return Err(format!("line {line}, column {column}: {}", error.info()));
                }
            }
        }
    }
}

/// Why a pass over the text ended.
enum Stop {
    Refused(String),
    Syntax(ScanError),
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Refused(message)
    }
}

/// Reads a text whose lines were moved in; spans are those of `body`, which stands `base` bytes into the whole.
fn pass(moved: &str, body: &str, base: usize, indents: &Indents) -> Result<Vec<Tree>, Stop> {
    let mut builder = Builder {
        offsets: Offsets::new(body, base, indents),
        anchors: HashMap::new(),
        alias_nodes: 0,
    };
    let mut stack: Vec<Open> = Vec::new();
    let mut documents = Vec::new();
    let mut parser = Parser::new_from_str(moved);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(Stop::Syntax)?;
        let range = builder.offsets.range(&span);
        let line = span.start.line().saturating_sub(1);
        let done = match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => None,
            Event::DocumentStart(_) => {
                builder.anchors.clear();
                None
            }
            Event::Alias(id) => {
                let mut tree =
                    builder.anchors.get(&id).cloned().ok_or_else(|| {
                        format!("line {}: an alias inside of its anchor", line + 1)
                    })?;
                builder.alias_nodes += size(&tree);
                if builder.alias_nodes > ALIAS_NODES {
                    let message = format!("line {}: aliases expand without end", line + 1);
                    return Err(Stop::Refused(message));
                }
                tree.aliased = true;
                tree.span = range;
                Some((tree, 0))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let string = tag.as_ref().is_some_and(|t| t.suffix == "str");
                let style = match style {
                    ScalarStyle::Plain if string => Style::Double,
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let item = Item::Scalar {
                    text: text.into_owned(),
                    style,
                };
                // The parser counts spaces and comments behind quotes as part of the text.
                let base = builder.offsets.base;
                let mut range = range;
                if style != Style::Block
                    && let Some(written) = body.get(range.start - base..range.end - base)
                {
                    range.end = range.start + written_len(written);
                }
                Some((node(item, range, line), anchor))
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if stack.len() >= DEPTH {
                    let message = format!("line {}: nested too deep", line + 1);
                    return Err(Stop::Refused(message));
                }
                let flow = body
                    .as_bytes()
                    .get(range.start - builder.offsets.base)
                    .is_some_and(|b| matches!(b, b'[' | b'{'))
                    && !range.is_empty();
                let content = if matches!(event, Event::SequenceStart(..)) {
                    Content::Sequence(Vec::new())
                } else {
                    Content::Mapping(Vec::new(), None)
                };
                stack.push(Open {
                    start: range.start,
                    line,
                    anchor,
                    flow,
                    content,
                });
                None
            }
            Event::SequenceEnd | Event::MappingEnd => stack.pop().map(|open| open.close(range.end)),
        };
        if let Some((tree, anchor)) = done {
            if anchor != 0 {
                builder.anchors.insert(anchor, tree.clone());
            }
            match stack.last_mut() {
                None => {
                    if !matches!(&tree.item, Item::Scalar { text, style: Style::Plain } if text.is_empty())
                    {
                        documents.push(tree);
                    }
                }
                Some(open) => open.attach(tree)?,
            }
        }
    }
    Ok(documents)
}

/// How much of a text a scalar takes: up to its closing quote, or without the spaces behind it.
fn written_len(written: &str) -> usize {
    let bytes = written.as_bytes();
    let Some(quote @ (b'"' | b'\'')) = bytes.first().copied() else {
        return written.trim_end().len();
    };
    let mut at = 1;
    while at < bytes.len() {
        if quote == b'"' && bytes[at] == b'\\' {
            at += 2;
            continue;
        }
        if bytes[at] == quote {
            if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') {
                at += 2;
                continue;
            }
            return at + 1;
        }
        at += 1;
    }
    written.trim_end().len()
}

fn node(item: Item, span: Range<usize>, line: usize) -> Tree {
    Tree {
        item,
        span,
        line,
        aliased: false,
    }
}

fn size(tree: &Tree) -> usize {
    match &tree.item {
        Item::Scalar { .. } => 1,
        Item::Sequence { items, .. } => 1 + items.iter().map(size).sum::<usize>(),
        Item::Mapping { entries, .. } => 1 + entries.iter().map(|e| size(&e.value)).sum::<usize>(),
    }
}

struct Builder<'i> {
    offsets: Offsets<'i>,
    anchors: HashMap<usize, Tree>,
    alias_nodes: usize,
}

struct Open {
    start: usize,
    line: usize,
    anchor: usize,
    flow: bool,
    content: Content,
}

enum Content {
    Sequence(Vec<Tree>),
    Mapping(Vec<Entry>, Option<(String, Range<usize>, usize)>),
}

impl Open {
    fn attach(&mut self, tree: Tree) -> Result<(), String> {
        match &mut self.content {
            Content::Sequence(items) => items.push(tree),
            Content::Mapping(entries, key) => match key.take() {
                None => {
                    let Item::Scalar { text, .. } = &tree.item else {
                        return Err(format!(
                            "line {}: a key must be a single value",
                            tree.line + 1
                        ));
                    };
                    *key = Some((text.clone(), tree.span, tree.line));
                }
                Some((name, key_span, key_line)) => {
                    if name == "<<" {
                        merge(entries, &tree, &key_span, key_line);
                    } else {
                        entries.push(Entry {
                            key: name,
                            key_span,
                            key_line,
                            value: tree,
                            merged: false,
                        });
                    }
                }
            },
        }
        Ok(())
    }

    fn close(self, end: usize) -> (Tree, usize) {
        // The end of a block is only seen at the next token, which may stand far below.
        let item;
        let last;
        match self.content {
            Content::Sequence(items) => {
                last = items.last().map(|i| i.span.end);
                item = Item::Sequence {
                    items,
                    flow: self.flow,
                };
            }
            Content::Mapping(entries, _) => {
                last = entries
                    .iter()
                    .map(|e| e.value.span.end.max(e.key_span.end))
                    .max();
                item = Item::Mapping {
                    entries,
                    flow: self.flow,
                };
            }
        }
        let end = if self.flow {
            end
        } else {
            last.unwrap_or(self.start)
        };
        let start = self.start.min(end);
        (node(item, start..end, self.line), self.anchor)
    }
}

/// Own keys win over merged ones.
fn merge(entries: &mut Vec<Entry>, source: &Tree, key_span: &Range<usize>, key_line: usize) {
    match &source.item {
        Item::Mapping { entries: from, .. } => {
            let mut merged: Vec<Entry> = from
                .iter()
                .map(|entry| Entry {
                    merged: true,
                    key_span: key_span.clone(),
                    key_line,
                    ..entry.clone()
                })
                .collect();
            // The last one counts, so merged keys stand first.
            merged.append(entries);
            *entries = merged;
        }
        Item::Sequence { items, .. } => {
            for item in items {
                merge(entries, item, key_span, key_line);
            }
        }
        Item::Scalar { .. } => {}
    }
}

/// Characters to bytes.
struct Offsets<'i> {
    indents: &'i Indents,
    /// Byte of each character; empty for ASCII, where they are the same.
    bytes: Vec<usize>,
    base: usize,
    len: usize,
}

impl<'i> Offsets<'i> {
    fn new(text: &str, base: usize, indents: &'i Indents) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(byte, _)| byte).collect()
        };
        Self {
            indents,
            bytes,
            base,
            len: text.len(),
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let byte = |index: usize| {
            self.base
                + if self.bytes.is_empty() {
                    index.min(self.len)
                } else {
                    self.bytes.get(index).copied().unwrap_or(self.len)
                }
        };
        byte(self.indents.index(&span.start))..byte(self.indents.index(&span.end))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tree::Step;
    use super::*;

    #[test]
    fn spans_are_those_of_the_text() {
        let text = "a: 1\nb:\n  - x: 'é'\n    y: |\n      text\n  - z\nc: {d: e}\n";
        let tree = parse_tree(text).unwrap().unwrap();
        let at = |path: &[Step]| &text[tree.get(path).unwrap().span.clone()];
        let key = |k: &str| Step::Key(k.into());
        assert_eq!(at(&[key("a")]), "1");
        assert_eq!(at(&[key("b"), Step::Index(0), key("x")]), "'é'");
        assert_eq!(at(&[key("b"), Step::Index(1)]), "z");
        assert_eq!(at(&[key("c")]), "{d: e}");
        assert_eq!(at(&[key("c"), key("d")]), "e");
    }

    #[test]
    fn brackets_may_close_at_the_column_of_their_key() {
        let text = "spec:\n  a: [\n    'é', b\n  ]\n  c: [ \"sh\",\n  d ]\n  e: {\n    f: 1\n  }\n  g: \"h\ni\"\n  j: k\n";
        let tree = parse_tree(text).unwrap().unwrap();
        assert_eq!(
            tree.to_json()["spec"],
            json!({"a": ["é", "b"], "c": ["sh", "d"], "e": {"f": 1}, "g": "h i", "j": "k"})
        );
        let key = |k: &str| Step::Key(k.into());
        let at = |path: &[Step]| &text[tree.get(path).unwrap().span.clone()];
        assert_eq!(at(&[key("spec"), key("a"), Step::Index(1)]), "b");
        assert_eq!(at(&[key("spec"), key("a")]), "[\n    'é', b\n  ]");
        assert_eq!(at(&[key("spec"), key("c"), Step::Index(1)]), "d");
        assert_eq!(at(&[key("spec"), key("g")]), "\"h\ni\"");
        assert_eq!(at(&[key("spec"), key("j")]), "k");
    }

    #[test]
    fn values_are_those_of_helm() {
        let text = "a: yes\nb: 0644\nc: \"1\"\nd: 1.5\ne: ~\na: off\n";
        assert_eq!(
            parse_tree(text).unwrap().unwrap().to_json(),
            json!({"a": false, "b": 420, "c": "1", "d": 1.5, "e": null})
        );
        let merged = "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n";
        assert_eq!(
            parse_tree(merged).unwrap().unwrap().to_json()["y"],
            json!({"a": 1, "b": 3})
        );
    }
}

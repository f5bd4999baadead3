//! YAML and JSON text into nodes with positions.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::indent::{Indents, unfinished_line};
use super::{Entry, FileId, Kind, Mapping, Node, Position, Scalar, Tag, Value};
use crate::finding::{Code, Finding};

/// Bounds on an input, so that no file can hang or exhaust the program.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one file.
    pub bytes: usize,
    /// Nesting of lists and mappings.
    pub depth: usize,
    /// Nodes that aliases may add, over all documents of a file.
    pub alias_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            depth: 128,
            alias_nodes: 200_000,
        }
    }
}

/// The merge key, where it is not quoted (YAML merge key, version 1.1). Such a node carries it as its tag.
const MERGE_KEY: &str = "<<";

/// Parses all documents of a text. Empty documents are left out.
///
/// # Errors
/// One finding with its position: bad syntax, a key that stands twice, a limit that is passed.
pub fn parse(file: FileId, text: &str, limits: &Limits) -> Result<Vec<Node>, Box<Finding>> {
    if text.len() > limits.bytes {
        let message = format!(
            "the file has {} bytes; at most {} are read",
            text.len(),
            limits.bytes
        );
        return Err(error("input-too-large", Position::start_of(file), message));
    }
    if let Some(offset) = text.bytes().position(|b| b == 0) {
        let before = &text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        let at = Position {
            file,
            line: small(line),
            column: small(column),
        };
        return Err(error(
            "bad-syntax",
            at,
            "a NUL byte is not allowed in YAML".into(),
        ));
    }
    // A byte order mark is allowed at the start of a stream (YAML 1.2.2, section 5.2).
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut indents = Indents::default();
    loop {
        let changed = indents.apply(text);
        match pass(file, &changed, limits, &indents) {
            Ok(documents) => return Ok(documents),
            Err(Stop::Refused(finding)) => return Err(finding),
            Err(Stop::Syntax(error, finding)) => {
                if !indents.move_in(&error, text) {
                    return Err(finding);
                }
            }
        }
    }
}

/// Why a pass over the text ended.
enum Stop {
    Refused(Box<Finding>),
    /// What the parser said, and the finding that it becomes.
    Syntax(saphyr_parser::ScanError, Box<Finding>),
}

impl From<Box<Finding>> for Stop {
    fn from(finding: Box<Finding>) -> Self {
        Self::Refused(finding)
    }
}

fn pass(file: FileId, text: &str, limits: &Limits, indents: &Indents) -> Result<Vec<Node>, Stop> {
    let mut builder = Builder {
        file,
        limits,
        indents,
        unfinished: unfinished_line(text),
        anchors: HashMap::new(),
        alias_nodes: 0,
    };
    let mut parser = Parser::new_from_str(text);
    let mut documents = Vec::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut root: Option<Node> = None;
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|e| {
            let marker = *e.marker();
            let at = builder.at(marker);
            let message = explain_syntax(e.info(), text, marker.line());
            Stop::Syntax(e, error("bad-syntax", at, message))
        })?;
        let at = builder.position(span);
        let done = match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd => None,
            Event::DocumentStart(_) => {
                root = None;
                // Anchors end with their document (YAML 1.2.2, section 3.2.2.2).
                builder.anchors.clear();
                None
            }
            Event::DocumentEnd => {
                if let Some(node) = root.take()
                    && !node.is_null()
                {
                    documents.push(node);
                }
                None
            }
            Event::Alias(id) => Some((builder.alias(id, at)?, 0)),
            Event::Scalar(text, style, anchor, tag) => {
                let (mut tag, core) = split_tag(tag.as_deref());
                if style == ScalarStyle::Plain && text == MERGE_KEY {
                    tag = Some(Box::new(Tag::Other(MERGE_KEY.to_owned())));
                }
                let kind = scalar_kind(&text, style, core.as_deref());
                let mut text = text.into_owned();
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
                    && builder.unfinished == Some(span.end.index())
                    && text.ends_with('\n')
                {
                    // Nothing ends the last line of the file, so that no line break belongs to the value.
                    text.pop();
                }
                let value = Value::Scalar(Scalar { text, kind });
                Some((Node { value, at, tag }, anchor))
            }
            Event::SequenceStart(anchor, tag) => {
                builder.check_depth(stack.len(), at)?;
                let (tag, _) = split_tag(tag.as_deref());
                stack.push(Open {
                    at,
                    anchor,
                    tag,
                    content: Content::Sequence(Vec::new()),
                });
                None
            }
            Event::MappingStart(anchor, tag) => {
                builder.check_depth(stack.len(), at)?;
                let (tag, _) = split_tag(tag.as_deref());
                stack.push(Open {
                    at,
                    anchor,
                    tag,
                    content: Content::Mapping {
                        mapping: Mapping::default(),
                        merges: Vec::new(),
                        key: None,
                    },
                });
                None
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(open) => Some(builder.close(open)?),
                None => None,
            },
        };
        if let Some((node, anchor)) = done {
            if anchor != 0 {
                builder.anchors.insert(anchor, node.clone());
            }
            match stack.last_mut() {
                None => root = Some(node),
                Some(open) => builder.attach(open, node)?,
            }
        }
    }
    Ok(documents)
}

/// A list or mapping whose end has not come yet.
struct Open {
    at: Position,
    anchor: usize,
    tag: Option<Box<Tag>>,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        mapping: Mapping,
        /// The values of `<<` keys.
        merges: Vec<Node>,
        /// A key whose value has not come yet.
        key: Option<(String, Position, bool)>,
    },
}

struct Builder<'l> {
    file: FileId,
    limits: &'l Limits,
    indents: &'l Indents,
    /// Length of the text in characters, if no line break ends its last line.
    unfinished: Option<usize>,
    anchors: HashMap<usize, Node>,
    alias_nodes: usize,
}

impl Builder<'_> {
    fn position(&self, span: Span) -> Position {
        self.at(span.start)
    }

    fn at(&self, marker: saphyr_parser::Marker) -> Position {
        let moved = self.indents.of(marker.line());
        Position {
            file: self.file,
            line: small(marker.line()),
            column: small(marker.col().saturating_sub(moved) + 1),
        }
    }

    fn check_depth(&self, depth: usize, at: Position) -> Result<(), Box<Finding>> {
        if depth < self.limits.depth {
            return Ok(());
        }
        let message = format!("nested more than {} levels deep", self.limits.depth);
        Err(error("input-too-deep", at, message))
    }

    fn alias(&mut self, id: usize, at: Position) -> Result<Node, Box<Finding>> {
        let Some(node) = self.anchors.get(&id) else {
            // The parser refuses unknown names, so the anchor is one that is still open.
            let message = "this alias stands inside the very node that it names".into();
            return Err(error("alias-cycle", at, message));
        };
        self.alias_nodes += count(node, self.limits.alias_nodes);
        if self.alias_nodes > self.limits.alias_nodes {
            let message = format!(
                "aliases expand to more than {} nodes",
                self.limits.alias_nodes
            );
            return Err(error("alias-bomb", at, message));
        }
        Ok(node.clone())
    }

    fn attach(&self, open: &mut Open, node: Node) -> Result<(), Box<Finding>> {
        match &mut open.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping {
                mapping,
                merges,
                key,
            } => match key.take() {
                None => {
                    let Value::Scalar(scalar) = &node.value else {
                        let message =
                            "a key must be a single value, not a list or a mapping".into();
                        return Err(error("bad-key", node.at, message));
                    };
                    let is_merge =
                        matches!(node.tag.as_deref(), Some(Tag::Other(tag)) if tag == MERGE_KEY);
                    *key = Some((scalar.text.clone(), node.at, is_merge));
                }
                Some((_, _, true)) => merges.push(node),
                Some((name, key_at, false)) => {
                    if let Some(first) = mapping.0.get(&name) {
                        let message = format!(
                            "the key `{name}` stands twice; the first one is at line {}",
                            first.key_at.line
                        );
                        return Err(error("duplicate-key", key_at, message));
                    }
                    mapping.set(name, key_at, node);
                }
            },
        }
        Ok(())
    }

    fn close(&self, open: Open) -> Result<(Node, usize), Box<Finding>> {
        let Open {
            at,
            anchor,
            tag,
            content,
        } = open;
        let value = match content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping {
                mut mapping,
                merges,
                ..
            } => {
                for source in merges {
                    merge(&mut mapping, source)?;
                }
                Value::Mapping(mapping)
            }
        };
        Ok((Node { value, at, tag }, anchor))
    }
}

/// Own keys win over merged ones, earlier merges over later ones (YAML merge key, version 1.1).
fn merge(into: &mut Mapping, from: Node) -> Result<(), Box<Finding>> {
    let at = from.at;
    match from.value {
        Value::Mapping(source) => {
            for (key, Entry { key_at, node }) in source.0 {
                if !into.0.contains_key(&key) {
                    into.set(key, key_at, node);
                }
            }
            Ok(())
        }
        Value::Sequence(items) if items.iter().all(|i| i.as_mapping().is_some()) => {
            items.into_iter().try_for_each(|item| merge(into, item))
        }
        Value::Scalar(Scalar {
            kind: Kind::Null, ..
        }) => Ok(()),
        _ => Err(error(
            "bad-merge-key",
            at,
            "`<<` takes a mapping or a list of mappings".into(),
        )),
    }
}

/// Number of nodes below and including this one, counted no further than `limit`.
fn count(node: &Node, limit: usize) -> usize {
    let mut total = 0;
    let mut stack = vec![node];
    while let Some(node) = stack.pop() {
        total += 1;
        if total > limit {
            break;
        }
        match &node.value {
            Value::Scalar(_) => {}
            Value::Sequence(items) => stack.extend(items),
            Value::Mapping(mapping) => stack.extend(mapping.iter().map(|(_, e)| &e.node)),
        }
    }
    total
}

/// Splits a tag into one with a meaning for us and the name of a core-schema type.
fn split_tag(tag: Option<&saphyr_parser::Tag>) -> (Option<Box<Tag>>, Option<String>) {
    match tag {
        None => (None, None),
        Some(tag) if tag.is_yaml_core_schema() => (None, Some(tag.suffix.clone())),
        Some(tag) => {
            let tag = match (tag.handle.as_str(), tag.suffix.as_str()) {
                ("!", "reset") => Tag::Reset,
                ("!", "override") => Tag::Override,
                (handle, suffix) => Tag::Other(format!("{handle}{suffix}")),
            };
            (Some(Box::new(tag)), None)
        }
    }
}

fn scalar_kind(text: &str, style: ScalarStyle, core: Option<&str>) -> Kind {
    match core {
        Some("str" | "binary") => Kind::String,
        Some("null") => Kind::Null,
        Some("int" | "float" | "bool") => Kind::of_plain(text),
        _ if style == ScalarStyle::Plain => Kind::of_plain(text),
        _ => Kind::String,
    }
}

/// Adds what usually is wrong to the parser's own words.
fn explain_syntax(info: &str, text: &str, line: usize) -> String {
    let current = text.lines().nth(line.saturating_sub(1)).unwrap_or("");
    if current.trim_start_matches(' ').starts_with('\t') {
        return format!("{info}; the line is indented with a tab, YAML takes spaces only");
    }
    if text.contains("{{") && current.contains("{{") {
        return format!("{info}; this looks like a template: render it first (`helm template`)");
    }
    info.to_owned()
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn error(code: &'static str, at: Position, message: String) -> Box<Finding> {
    Box::new(Finding::new(Code(code), message).at_position(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn read(text: &str) -> Result<Vec<Node>, Box<Finding>> {
        let file = Sources::default().add("t.yaml", text);
        parse(file, text, &Limits::default())
    }

    fn json(text: &str) -> String {
        let nodes = read(text).unwrap();
        nodes
            .iter()
            .map(|n| n.to_json().to_string())
            .collect::<Vec<_>>()
            .join("|")
    }

    fn code(text: &str) -> &'static str {
        read(text).unwrap_err().code.0
    }

    #[test]
    fn positions_are_those_of_the_text() {
        let nodes = read("a:\n  - b: 1\n").unwrap();
        let inner = &nodes[0]
            .as_mapping()
            .unwrap()
            .get("a")
            .unwrap()
            .as_sequence()
            .unwrap()[0];
        let entry = inner.as_mapping().unwrap().0.get("b").unwrap();
        assert_eq!((entry.key_at.line, entry.key_at.column), (2, 5));
        assert_eq!((entry.node.at.line, entry.node.at.column), (2, 8));
    }

    #[test]
    fn merge_keys() {
        assert_eq!(
            json("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 9\n"),
            r#"{"x":{"a":1,"b":2},"y":{"b":3,"c":4},"z":{"a":9,"b":2,"c":4}}"#
        );
        assert_eq!(code("a:\n  <<: [1]\n"), "bad-merge-key");
    }

    #[test]
    fn documents_and_empty_ones() {
        assert_eq!(
            json("a: 1\n---\n# nothing\n---\nb: 2\n"),
            r#"{"a":1}|{"b":2}"#
        );
        assert_eq!(json(""), "");
    }

    #[test]
    fn flow_collections_may_end_at_any_column() {
        assert_eq!(
            json("a:\n  b: [\n    x,\n  ]\n  c: {\n  d: 1,\n e: 2\n}\nf: [\n]\n"),
            r#"{"a":{"b":["x"],"c":{"d":1,"e":2}},"f":[]}"#
        );
        // Positions are those of the text as it was written.
        let nodes = read("a:\n  b: [\n  x, y\n  ]\n").unwrap();
        let item = |node: &Node| {
            let b = node.as_mapping().and_then(|m| m.get("a"))?;
            let b = b.as_mapping().and_then(|m| m.get("b"))?;
            b.as_sequence()
                .map(|items| (items[1].at.line, items[1].at.column))
        };
        assert_eq!(item(&nodes[0]), Some((3, 6)));
        // The same for the lines of a quoted text.
        assert_eq!(
            json("a:\n  b: \"x\n\n y\\\"\\\nz\"\n  c: 'it''s\nso'\n  d: 1\n"),
            r#"{"a":{"b":"x\ny\"z","c":"it's so","d":1}}"#
        );
        assert_eq!(code("a:\n  b: [\n  x\n  }\n"), "bad-syntax");
        assert_eq!(code("a:\n  b: [\n  x\nc: d\n"), "bad-syntax");
    }

    #[test]
    fn the_last_line_may_be_unfinished() {
        for (text, value) in [
            ("a: |\n  b", "b"),
            ("a: |+\n  b", "b"),
            ("a: >\n  b\n  c", "b c"),
            ("a: |\n  b\n   c", "b\n c"),
            ("a: |\n  b\n", "b\n"),
            ("a: |-\n  b", "b"),
            ("a: |\n  b\n ", "b\n"),
            ("a: |\n  b\n# c", "b\n"),
            ("a: |+\n  b\n\n", "b\n\n"),
            ("a: |\r\n  \u{e9}\u{1f600}", "\u{e9}\u{1f600}"),
        ] {
            let nodes = read(text).unwrap();
            let node = nodes[0].as_mapping().and_then(|m| m.get("a")).unwrap();
            assert_eq!(node.as_text(), Some(value), "{text:?}");
        }
    }

    #[test]
    fn refused_with_a_reason() {
        assert_eq!(code("a: 1\na: 2\n"), "duplicate-key");
        assert_eq!(code("a: \"x\n"), "bad-syntax");
        assert_eq!(code("a:\n\t- b\n"), "bad-syntax");
        assert_eq!(code("? [a]\n: b\n"), "bad-key");
        assert_eq!(code("a: b\0c\n"), "bad-syntax");
        assert_eq!(code("a: &a [*a]\n"), "alias-cycle");
        let bomb = (1..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, i| {
            let one = format!("*a{}", i - 1);
            format!("{text}a{i}: &a{i} [{}]\n", vec![one; 10].join(","))
        });
        assert_eq!(code(&bomb), "alias-bomb");
        assert_eq!(code(&"- ".repeat(100_000)), "input-too-deep");
        let flow = code(&"[".repeat(100_000));
        assert!(matches!(flow, "input-too-deep" | "bad-syntax"), "{flow}");
    }
}

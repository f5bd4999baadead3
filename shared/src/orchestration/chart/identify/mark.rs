//! Numbered comments at the ends of template lines.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::super::input::ChartFiles;
use super::super::output::lines::Line;
use super::super::render::Document;
use super::super::yaml::{Entry, Item, Step, Tree};
use crate::parallel;

/// A text that can be changed line by line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TextRef {
    /// A file of the chart.
    File(String),
    /// A value of several lines, by its path from the root chart.
    Value(Vec<Step>),
}

/// A line of a text, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// The text.
    pub text: Arc<TextRef>,
    /// The line.
    pub line: usize,
}

/// The lines that the keys and list items of a document come from.
pub(crate) type Places = BTreeMap<Vec<Step>, Place>;

/// The places behind the numbers. A mark names its text and its line, so that a change in one text leaves the marks of
/// the others as they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marked {
    texts: Vec<Arc<BTreeMap<usize, Spot>>>,
}

/// What stands where a mark is.
#[derive(Debug, Clone)]
struct Spot {
    place: Place,
    /// The key that is written there; nothing, if an action writes it.
    key: Option<String>,
}

/// A text with marks, of which it is the one of a number, and the lines that have one.
fn marked(text: &str, owner: TextRef, number_of_text: usize) -> (String, BTreeMap<usize, Spot>) {
    let lines = markable(text);
    let owner = Arc::new(owner);
    let mut out = String::with_capacity(text.len() + 16 * lines.len());
    let mut spots = BTreeMap::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if !lines.get(number).copied().unwrap_or(false) {
            out.push_str(line);
            continue;
        }
        let body = line.trim_end_matches(['\n', '\r']);
        out.push_str(body);
        // Writing into a text cannot fail.
        let _ = write!(out, "{OPEN}{number_of_text}.{number}{CLOSE}");
        out.push_str(&line[body.len()..]);
        let key = Line::of(body)
            .key_text()
            .filter(|key| !key.is_empty())
            .map(str::to_owned);
        let place = Place {
            text: Arc::clone(&owner),
            line: number,
        };
        spots.insert(number, Spot { place, key });
    }
    (out, spots)
}

/// A text and a line of it.
type Number = (usize, usize);

/// Begin and end of a mark. It begins with a space, so that it always is a comment.
const OPEN: &str = " #hc:";
const CLOSE: char = ':';

impl Marked {
    /// Marks the lines of one text.
    pub(crate) fn mark(&mut self, text: &str, owner: TextRef) -> String {
        let (out, spots) = marked(text, owner, self.texts.len());
        self.texts.push(Arc::new(spots));
        out
    }

    /// How many texts have marks.
    pub(crate) fn texts(&self) -> usize {
        self.texts.len()
    }

    /// The place that a line of output comes from.
    pub(crate) fn place(&self, line: &str) -> Option<&Place> {
        self.spot(number(line)?).map(|spot| &spot.place)
    }

    fn spot(&self, (text, line): Number) -> Option<&Spot> {
        self.texts.get(text)?.get(&line)
    }

    /// The place of each key and list item of a document that was rendered from marked templates.
    pub(crate) fn places(&self, document: &Document) -> Places {
        let mut walk = Walk {
            spots: document
                .printed
                .lines()
                .map(|line| self.spot(number(line)?))
                .collect(),
            text: &document.text,
            starts: std::iter::once(0)
                .chain(document.text.match_indices('\n').map(|(at, _)| at + 1))
                .collect(),
            path: Vec::new(),
            found: BTreeMap::new(),
        };
        if let Some(tree) = &document.tree {
            walk.node(tree);
        }
        walk.found
    }
}

/// A document on the way to the places of its keys.
struct Walk<'w> {
    /// The spot that each line comes from.
    spots: Vec<Option<&'w Spot>>,
    /// The text without marks.
    text: &'w str,
    /// Where its lines begin.
    starts: Vec<usize>,
    path: Vec<Step>,
    found: Places,
}

impl<'w> Walk<'w> {
    fn node(&mut self, tree: &Tree) {
        match &tree.item {
            Item::Scalar { .. } => {}
            Item::Sequence { items, .. } => {
                for (index, item) in items.iter().enumerate() {
                    self.path.push(Step::Index(index));
                    self.add(self.spot(item.line));
                    self.node(item);
                    self.path.pop();
                }
            }
            Item::Mapping { entries, .. } => {
                for entry in entries.iter().filter(|e| !e.merged && !e.value.aliased) {
                    self.path.push(Step::Key(entry.key.clone()));
                    self.add(self.spot_of_key(entry));
                    self.node(&entry.value);
                    self.path.pop();
                }
            }
        }
    }

    fn add(&mut self, spot: Option<&Spot>) {
        if let Some(spot) = spot {
            self.found.insert(self.path.clone(), spot.place.clone());
        }
    }

    fn spot(&self, line: usize) -> Option<&'w Spot> {
        *self.spots.get(line)?
    }

    /// Where the line of a key comes from. An action at the end of a template line can print many lines, of which only
    /// the last one has the mark: that is the place of the key that is written there.
    fn spot_of_key(&self, entry: &Entry) -> Option<&'w Spot> {
        let written = |spot: &&Spot| spot.key.as_deref().is_none_or(|key| key == entry.key);
        let own = self.spot(entry.key_line).filter(written);
        own.or_else(|| {
            let is_short = matches!(entry.value.item, Item::Scalar { .. });
            let line = if is_short {
                entry.key_line
            } else {
                self.line_at(entry.value.span.end)
            };
            let last = self.spot(line);
            last.filter(|spot| spot.key.as_ref() == Some(&entry.key))
        })
    }

    /// The last line with something in it before a byte of the text.
    fn line_at(&self, end: usize) -> usize {
        let end = self.text[..end.min(self.text.len())].trim_end().len();
        let begun = self.starts.partition_point(|start| *start < end);
        begun.saturating_sub(1)
    }
}

/// The number of the last mark in a line, which stands at its end.
fn number(line: &str) -> Option<Number> {
    let mut end = line.len();
    loop {
        end = line[..end].rfind('#')?;
        if let Some((number, _)) = mark_at(line, end) {
            return Some(number);
        }
    }
}

/// The number of the mark that has its `#` at this byte, and where the mark ends.
fn mark_at(text: &str, hash: usize) -> Option<(Number, usize)> {
    let begin = hash.checked_sub(1)?;
    let after = text.get(begin..)?.strip_prefix(OPEN)?;
    let length = after.find(|c: char| c != '.' && !c.is_ascii_digit())?;
    after[length..].strip_prefix(CLOSE)?;
    let (number, line) = after[..length].split_once('.')?;
    let number = (number.parse().ok()?, line.parse().ok()?);
    Some((number, begin + OPEN.len() + length + CLOSE.len_utf8()))
}

/// A text without its marks.
pub(crate) fn unmarked(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = text[at..].find('#') {
        let hash = at + found;
        at = hash + 1;
        if let Some((_, end)) = mark_at(text, hash) {
            out.push_str(&text[kept..hash - 1]);
            (kept, at) = (end, end);
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// The marks of a chart, and the chart with them in all of its templates.
pub(crate) fn mark_chart(chart: &ChartFiles) -> (Marked, ChartFiles) {
    let templates = chart
        .files
        .keys()
        .filter(|path| is_template(path) && !chart.archives.contains_key(*path));
    let texts = templates.filter_map(|path| Some((path, chart.text(path)?)));
    let texts: Vec<(usize, (&String, &str))> = texts.enumerate().collect();
    let done = parallel::each(&texts, |(number, (path, text))| {
        marked(text, TextRef::File((*path).clone()), *number)
    });
    let mut marks = Marked::default();
    let mut out = chart.clone();
    for ((_, (path, _)), (text, spots)) in texts.into_iter().zip(done) {
        marks.texts.push(Arc::new(spots));
        out.set_text(path, text);
    }
    (marks, out)
}

/// Whether a file of a chart can become objects: templates, named templates, and CRDs.
pub(crate) fn is_template(path: &str) -> bool {
    let in_folder = |folder: &str| {
        path.starts_with(&format!("{folder}/")) || path.contains(&format!("/{folder}/"))
    };
    (in_folder("templates") || in_folder("crds"))
        && !path.ends_with(".txt")
        && !path.ends_with(".md")
}

/// For each line, whether a comment can stand at its end.
fn markable(text: &str) -> Vec<bool> {
    let mut state = Scanner::default();
    text.lines().map(|line| state.line(line)).collect()
}

#[derive(Default)]
struct Scanner {
    /// Inside of `{{ ... }}` over several lines.
    action: bool,
    /// Inside of a block scalar below a key of this indentation.
    block: Option<usize>,
    /// Inside of a quoted text over several lines.
    quote: Option<char>,
}

impl Scanner {
    fn line(&mut self, line: &str) -> bool {
        let inside = self.action;
        let bare = if inside || line.contains('{') {
            Cow::Owned(self.without_actions(line))
        } else {
            Cow::Borrowed(line)
        };
        if inside || self.action {
            return false;
        }
        let trimmed = bare.trim();
        if let Some(quote) = self.quote {
            if trimmed.contains(quote) {
                self.quote = None;
            }
            return false;
        }
        let indent = bare.len() - bare.trim_start().len();
        if let Some(block) = self.block {
            // A line that is only an action can stand at any column.
            if indent > block || trimmed.chars().all(|c| c == ACTION) {
                return false;
            }
            self.block = None;
        }
        if trimmed.is_empty() || trimmed.starts_with('#') || trimmed == "---" {
            return false;
        }
        let mut body = trimmed;
        let mut column = indent;
        let mut item = false;
        while let Some(rest) = body.strip_prefix("- ") {
            let inner = rest.trim_start();
            column += body.len() - inner.len();
            body = inner;
            item = true;
        }
        let value = value_of(body);
        let Some(value) = value.or_else(|| item.then_some(body)) else {
            return false;
        };
        let comment = value.find(" #").map_or(value, |at| &value[..at]).trim();
        let first = comment.chars().next();
        if matches!(first, Some('|' | '>')) && comment.len() <= 3 {
            self.block = Some(if item && value_of(body).is_none() {
                indent
            } else {
                column
            });
            return true;
        }
        if let Some(quote @ ('"' | '\'')) = first
            && comment.matches(quote).count() == 1
            && !comment.contains(ACTION)
        {
            self.quote = Some(quote);
            return false;
        }
        // What follows `-}}` is drawn to it, and would no longer be a comment.
        !line.trim_end().ends_with("-}}")
    }

    /// The line with one character in the place of each action.
    fn without_actions(&mut self, line: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        loop {
            if self.action {
                match rest.find("}}") {
                    Some(at) => {
                        self.action = false;
                        out.push(ACTION);
                        rest = &rest[at + 2..];
                    }
                    None => return out,
                }
            }
            match rest.find("{{") {
                Some(at) => {
                    out.push_str(&rest[..at]);
                    self.action = true;
                    rest = &rest[at + 2..];
                }
                None => {
                    out.push_str(rest);
                    return out;
                }
            }
        }
    }
}

/// Stands for an action in [`Scanner::without_actions`].
const ACTION: char = '\u{1}';

/// What follows `key:`; nothing, if there is no key.
fn value_of(body: &str) -> Option<&str> {
    let (key, rest) = match body.chars().next()? {
        quote @ ('"' | '\'') => {
            let end = body[1..].find(quote)? + 2;
            (&body[..end], body[end..].trim_start())
        }
        '{' | '[' | '#' | '&' | '*' | '!' | '|' | '>' | '%' | '@' => return None,
        _ => {
            let at = body
                .match_indices(':')
                .map(|(at, _)| at)
                .find(|at| body[at + 1..].is_empty() || body[at + 1..].starts_with([' ', '\t']))?;
            (&body[..at], &body[at..])
        }
    };
    let value = rest.strip_prefix(':')?;
    (!key.is_empty() && !key.contains(" #")).then_some(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(text: &str) -> Vec<usize> {
        markable(text)
            .iter()
            .enumerate()
            .filter_map(|(line, yes)| yes.then_some(line))
            .collect()
    }

    #[test]
    fn lines_with_keys_are_marked() {
        let text = "{{- if .Values.a }}\napiVersion: v1\nmetadata:\n  name: {{ include \"x\" . }}\n  {{- with .Values.b }}\n  annotations:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\nlist:\n- a\n- name: {{ .x -}}\n# c: d\n{{- end }}\n";
        assert_eq!(marks(text), [1, 2, 3, 5, 8, 9]);
    }

    #[test]
    fn text_inside_of_values_is_not_touched() {
        let text = "a: |\n  b: c\n\n  {{ .x }}: d\ne: \"f\n  g: h\"\ni: {{ list\n  1 }}\nj: k # l\n- m: >-\n    n: o\n  p: q\n";
        assert_eq!(marks(text), [0, 8, 9, 11]);
    }

    #[test]
    fn helpers_that_give_words_stay_whole() {
        let text = "{{- define \"x.name\" -}}\n{{- default .Chart.Name .Values.nameOverride | trunc 63 }}\n{{- end }}\nplain words\nhttp://host:80/x\n";
        assert!(marks(text).is_empty());
    }

    #[test]
    fn a_place_is_found_again() {
        let mut marked = Marked::default();
        let owner = TextRef::File("t".into());
        let text = marked.mark("a: 1\nb: 2 # c\n", owner);
        let line = text.lines().nth(1).unwrap();
        assert_eq!(marked.place(line).unwrap().line, 1);
        assert!(line.starts_with("b: 2 # c #hc:"));
    }

    #[test]
    fn without_its_marks_a_text_is_as_it_was() {
        let mut marked = Marked::default();
        let text = "a: 'é'  # b #hc:\nc:\n- d: \"#hc:1.:\" #\n";
        let with = marked.mark(text, TextRef::File("t".into()));
        assert_ne!(with, text);
        assert_eq!(unmarked(&with), text);
        assert!(matches!(unmarked(text), Cow::Borrowed(_)));
        // An action may print a line that has a mark of its own.
        let twice = marked.mark(&with, TextRef::File("u".into()));
        assert_eq!(unmarked(&twice), text);
    }
}

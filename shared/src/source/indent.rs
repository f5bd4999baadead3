//! Lines inside of brackets that begin further left than the specification of YAML allows.
//!
//! A `]` or `}` directly below its key is common, and the original programs take it. Our parser does not; where it
//! stops at such a line, the line is moved in and the text is read again. Positions are counted back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::ScanError;

/// Bytes that may be read again for one text.
const BUDGET: usize = 64 << 20;

/// By how many columns lines were moved to the right.
#[derive(Debug, Default)]
pub(super) struct Indents {
    lines: BTreeMap<usize, usize>,
    read_again: usize,
}

impl Indents {
    /// By how much a line was moved.
    pub(super) fn of(&self, line: usize) -> usize {
        self.lines.get(&line).copied().unwrap_or_default()
    }

    /// The text with its lines moved.
    pub(super) fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.lines.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + self.lines.len() * 64);
        for (index, line) in text.split_inclusive('\n').enumerate() {
            out.extend(std::iter::repeat_n(' ', self.of(index + 1)));
            out.push_str(line);
        }
        Cow::Owned(out)
    }

    /// Moves the line that the parser stopped at; false if the error is another one, or enough was tried.
    pub(super) fn move_in(&mut self, error: &ScanError, text: &str) -> bool {
        // Outside of brackets a line further left ends a block and is no error to the parser.
        if !matches!(
            error.info(),
            "invalid indentation" | "invalid indentation in flow construct"
        ) {
            return false;
        }
        let line = error.marker().line();
        self.read_again = self.read_again.saturating_add(text.len());
        if self.lines.contains_key(&line) || self.read_again > BUDGET {
            return false;
        }
        // Further in than whatever encloses it, and so than any line.
        let deepest = text
            .lines()
            .map(|line| line.len() - line.trim_start_matches(' ').len())
            .max()
            .unwrap_or_default();
        self.lines.insert(line, deepest.min(1000) + 1);
        true
    }
}

/// The number of characters of a text whose last line holds something and has no line break.
pub(super) fn unfinished_line(text: &str) -> Option<usize> {
    let last = text.rsplit(['\n', '\r']).next()?;
    (!last.trim_matches([' ', '\t']).is_empty()).then(|| text.chars().count())
}

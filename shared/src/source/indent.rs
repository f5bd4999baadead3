//! Lines inside of brackets that begin further left than the specification of YAML allows.
//!
//! A `]` or `}` directly below its key is common, and the original programs take it. Our parser does not; where it
//! stops at such a line, the line is moved in and the text is read again. Positions are counted back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Marker, ScanError};

/// Bytes that may be read again for one text.
const BUDGET: usize = 64 << 20;

/// By how many columns lines were moved to the right.
#[derive(Debug, Default)]
pub(crate) struct Indents {
    lines: BTreeMap<usize, usize>,
    read_again: usize,
}

impl Indents {
    /// By how much a line was moved.
    pub(crate) fn of(&self, line: usize) -> usize {
        self.lines.get(&line).copied().unwrap_or_default()
    }

    /// The character of the text as it was at which a place of the moved text stands.
    pub(crate) fn index(&self, marker: &Marker) -> usize {
        let before: usize = self.lines.range(..marker.line()).map(|(_, by)| by).sum();
        let here = self.of(marker.line()).min(marker.col());
        marker.index().saturating_sub(before + here)
    }

    /// The text with its lines moved.
    pub(crate) fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
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
    pub(crate) fn move_in(&mut self, error: &ScanError, text: &str) -> bool {
        if error.info() == "invalid indentation in quoted scalar" {
            return self.move_quoted(error, text);
        }
        // Outside of brackets a line further left ends a block and is no error to the parser.
        if !matches!(
            error.info(),
            "invalid indentation" | "invalid indentation in flow construct"
        ) {
            return false;
        }
        let line = error.marker().line();
        self.move_lines(line..=line, text)
    }

    /// Moves all lines of a quoted text but its first; what begins a line has no part in the value.
    fn move_quoted(&mut self, error: &ScanError, text: &str) -> bool {
        let begin = error.marker().line();
        let column = error.marker().col().saturating_sub(self.of(begin));
        let mut lines = text.lines().skip(begin.saturating_sub(1));
        let rest: String = lines
            .next()
            .unwrap_or_default()
            .chars()
            .skip(column)
            .collect();
        let quote = rest.chars().next();
        let mut line = begin;
        let mut part = rest.get(1..).unwrap_or_default();
        loop {
            let mut chars = part.chars();
            while let Some(c) = chars.next() {
                if c == '\\' && quote == Some('"') {
                    chars.next();
                } else if Some(c) == quote {
                    // Two single quotes are one of the text.
                    if c == '"' || !chars.as_str().starts_with('\'') {
                        return line > begin && self.move_lines(begin + 1..=line, text);
                    }
                    chars.next();
                }
            }
            let Some(next) = lines.next() else {
                return false;
            };
            part = next;
            line += 1;
        }
    }

    fn move_lines(&mut self, mut lines: std::ops::RangeInclusive<usize>, text: &str) -> bool {
        self.read_again = self.read_again.saturating_add(text.len());
        if self.read_again > BUDGET {
            return false;
        }
        // Further in than whatever encloses it, and so than any line.
        let deepest = text
            .lines()
            .map(|line| line.len() - line.trim_start_matches(' ').len())
            .max()
            .unwrap_or_default();
        lines.all(|line| self.lines.insert(line, deepest.min(1000) + 1).is_none())
    }
}

/// The number of characters of a text whose last line holds something and has no line break.
pub(super) fn unfinished_line(text: &str) -> Option<usize> {
    let last = text.rsplit(['\n', '\r']).next()?;
    (!last.trim_matches([' ', '\t']).is_empty()).then(|| text.chars().count())
}

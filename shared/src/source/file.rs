//! The files that were read, and places in them.

use std::fmt;

/// Which of the files of a [`Sources`] a position lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The file.
    pub file: FileId,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
}

/// One text that was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The path as the user would write it, or `<stdin>`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// All texts that one conversion has read.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Adds a text and returns its handle.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile {
            name: name.into(),
            text: text.into(),
        });
        id
    }

    /// The text behind a handle of this very `Sources`.
    #[must_use]
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// All files in the order in which they were read.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The position as `file:line:column`.
    #[must_use]
    pub fn display(&self, at: Position) -> String {
        let name = self.get(at.file).map_or("<unknown>", |f| f.name.as_str());
        format!("{name}:{}:{}", at.line, at.column)
    }

    /// Byte offset of a position in its text, for excerpts.
    #[must_use]
    pub fn offset(&self, at: Position) -> Option<usize> {
        let text = &self.get(at.file)?.text;
        let mut start = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            if number + 1 == at.line as usize {
                let column = (at.column as usize).saturating_sub(1);
                let within = line
                    .char_indices()
                    .nth(column)
                    .map_or(line.trim_end_matches('\n').len(), |(i, _)| i);
                return Some(start + within);
            }
            start += line.len();
        }
        Some(text.len())
    }
}

impl Position {
    /// The first character of a file.
    #[must_use]
    pub fn start_of(file: FileId) -> Self {
        Self {
            file,
            line: 1,
            column: 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

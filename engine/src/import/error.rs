//! What is wrong with a foreign file, where, and what to do about it.
//!
//! Reads from: nothing. Writes to: nothing. Never: a message without the file's name.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What sort of trouble an [`ImportError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The operating system refused to open or read the file.
    Io(io::ErrorKind),
    /// The file is not what its format promises.
    Format,
    /// A dataset, array, field or column that was asked for is not there.
    UnknownField,
    /// The file ends before its own numbers say it should.
    Truncated,
    /// The file is whole but holds something this reader does not import.
    Unsupported,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// Bytes from the start, from 0.
    Byte(u64),
    /// The line, from 1.
    Line(u64),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Byte(byte) => write!(f, "byte {byte}"),
            Position::Line(line) => write!(f, "line {line}"),
        }
    }
}

/// Why a file could not be imported. `Display` says everything that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct ImportError {
    /// What sort of trouble it is.
    pub kind: ErrorKind,
    /// The file.
    pub file: Box<Path>,
    /// The row, from 0 in the file.
    pub row: Option<u64>,
    /// Where in the file, where that is known.
    pub position: Option<Position>,
    /// The dataset, array, field or column.
    pub field: Option<Box<str>>,
    /// What is wrong.
    pub why: Box<str>,
    /// What to do.
    pub hint: Option<Box<str>>,
}

impl ImportError {
    pub(crate) fn new(kind: ErrorKind, file: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        let file = file.into().into_boxed_path();
        let why = why.into().into_boxed_str();
        Self { kind, file, row: None, position: None, field: None, why, hint: None }
    }

    pub(crate) fn row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    pub(crate) fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into().into_boxed_str());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into_boxed_str());
        self
    }

    fn sentence(&self) -> String {
        let mut s = self.file.display().to_string();
        if let Some(row) = self.row {
            s += &format!(", row {row}");
        }
        if let Some(position) = self.position {
            s += &format!(", {position}");
        }
        if let Some(field) = &self.field {
            s += &format!(", `{field}`");
        }
        s += &format!(": {}", self.why);
        if let Some(hint) = &self.hint {
            s += &format!("; {hint}");
        }
        s
    }
}

/// Names as a message lists them: at most 32 of them.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 32;
    if names.is_empty() {
        return "none".to_string();
    }
    let mut s = names.iter().take(SHOWN).map(|n| format!("`{}`", n.as_ref())).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        s += &format!(" and {} more", names.len() - SHOWN);
    }
    s
}

/// A count with thousands separated, as messages show it.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut s = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            s.push(',');
        }
        s.push(c);
    }
    s
}

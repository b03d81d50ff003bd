//! A statement that was refused: where, why, what could stand there, and what was probably meant.
//!
//! Reads from: nothing. Writes to: nothing. Never: a control character of the statement in a message.

use std::fmt;

use foretaste::lang::FilterError;

use super::words::GROUPS;

/// Most characters of the text that a message quotes.
const QUOTED_CHARS: usize = 40;
/// So many things that could stand at a place are listed one by one.
const LISTED: usize = 7;
/// Of more, so many of a kind are named.
const NAMED: usize = 3;

/// Why a statement was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where in the text, in bytes from its start.
    pub at: usize,
    /// What is wrong there.
    pub why: String,
    /// What could stand there instead.
    pub expected: Vec<Expected>,
    /// What to write instead, when it can be guessed.
    pub hint: Option<String>,
    /// What is not closed: a quote, `{` or `*` for a comment.
    pub open: Option<char>,
}

/// What could stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A word of the language.
    Word(&'static str),
    /// A sign.
    Sign(char),
    /// The name of a collection that is there.
    Collection,
    /// The name of a field of documents.
    Field,
    /// The name of a full-text field.
    TextField,
    /// The name of a further vector field.
    VectorField,
    /// The name of a file.
    File,
    /// Something else: `a number`.
    Thing(&'static str),
}

impl Refused {
    /// At this place, for this reason.
    pub fn new(at: usize, why: impl Into<String>) -> Refused {
        Refused { at, why: why.into(), expected: Vec::new(), hint: None, open: None }
    }

    pub(super) fn open(at: usize, why: &str, what: char) -> Refused {
        Refused { open: Some(what), ..Refused::new(at, why) }
    }

    /// With what to write instead.
    pub fn hint(self, hint: impl Into<String>) -> Refused {
        Refused { hint: Some(hint.into()), ..self }
    }

    /// An error of a filter that begins at the byte `from` of the statement.
    pub fn of_filter(error: FilterError, from: usize) -> Refused {
        let why = format!("filter: {}", error.why);
        Refused { hint: error.hint, ..Refused::new(from + error.at, why) }
    }

    /// Draws the place in the statement's text: the line, and a caret under the position.
    pub fn render(&self, text: &str) -> String {
        FilterError { at: self.at, why: String::new(), hint: None }.render(text)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Word(word) => write!(f, "`{word}`"),
            Expected::Sign(sign) => write!(f, "`{sign}`"),
            Expected::Collection => f.write_str("the name of a collection"),
            Expected::Field => f.write_str("a field"),
            Expected::TextField => f.write_str("a full-text field"),
            Expected::VectorField => f.write_str("a vector field"),
            Expected::File => f.write_str("a file in quotes"),
            Expected::Thing(thing) => f.write_str(thing),
        }
    }
}

/// `a, b or c`; where that would be long, words of one kind together: `a clause (`where`, `k`, …)`.
pub(super) fn alternatives(expected: &[Expected]) -> String {
    let mut all: Vec<(String, Option<&str>)> = Vec::new();
    for one in expected {
        let word = if let Expected::Word(word) = one { Some(*word) } else { None };
        if !all.iter().any(|(known, _)| *known == one.to_string()) {
            all.push((one.to_string(), word));
        }
    }
    for (kind, words) in GROUPS {
        let of_kind = |(_, word): &(String, Option<&str>)| word.is_some_and(|word| words.contains(&word));
        let named: Vec<String> =
            all.iter().filter(|one| of_kind(one)).map(|(text, _)| text.clone()).collect();
        let Some(first) = all.iter().position(of_kind).filter(|_| all.len() > LISTED && named.len() > NAMED)
        else {
            continue;
        };
        all.retain(|one| !of_kind(one));
        let named = named.get(..NAMED).unwrap_or_default().join(", ");
        all.insert(first, (format!("{kind} ({named}, …)"), None));
    }
    let all: Vec<String> = all.into_iter().map(|(text, _)| text).collect();
    match all.split_last() {
        None => "nothing more".to_string(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// `text` in backquotes for a message: short, and without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let mut quoted = String::from("`");
    quoted.extend(chars.by_ref().take(QUOTED_CHARS).filter(|c| !c.is_control()));
    if chars.next().is_some() {
        quoted.push('…');
    }
    quoted.push('`');
    quoted
}

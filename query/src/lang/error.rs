//! A refused filter: where, why, and what to write instead.
//!
//! Reads from: nothing. Writes to: nothing.
//! Never: a control character of the filter's text in a message, because messages are shown in terminals.

use unicode_width::UnicodeWidthStr;

/// Why a filter was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why} at byte {at}{}", hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct FilterError {
    /// Where in the text, in bytes from its start, on a character boundary. Zero for a filter given as JSON, where
    /// `why` names the place.
    pub at: usize,
    /// What is wrong there.
    pub why: String,
    /// What to write instead, when it can be guessed.
    pub hint: Option<String>,
}

/// Most characters that [`FilterError::render`] shows before and after the position.
const WINDOW_CHARS: usize = 60;
/// Most characters of the text that a message quotes.
const QUOTED_CHARS: usize = 40;

impl FilterError {
    pub(super) fn new(at: usize, why: impl Into<String>) -> FilterError {
        FilterError { at, why: why.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> FilterError {
        FilterError { hint: Some(hint.into()), ..self }
    }

    pub(super) fn maybe_hint(self, hint: Option<String>) -> FilterError {
        FilterError { hint, ..self }
    }

    /// Draws the error's place in `text` as two lines: the line of the text, and a caret under the position.
    ///
    /// A long line is cut around the position, and control characters are replaced, so the result is safe to print.
    pub fn render(&self, text: &str) -> String {
        let at = text.floor_char_boundary(self.at);
        let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
        let before = before.rsplit('\n').next().unwrap_or("");
        let after = after.split('\n').next().unwrap_or("");
        let skip = before.chars().count().saturating_sub(WINDOW_CHARS);
        let mut line = String::new();
        if skip > 0 {
            line.push('…');
        }
        line.extend(before.chars().skip(skip).map(printable));
        let columns = line.width();
        let mut after = after.chars();
        line.extend(after.by_ref().take(WINDOW_CHARS).map(printable));
        if after.next().is_some() {
            line.push('…');
        }
        format!("{line}\n{}^", " ".repeat(columns))
    }
}

/// `text` in backquotes for a message: short, and without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let mut quoted = String::from("`");
    quoted.extend(chars.by_ref().take(QUOTED_CHARS).map(printable));
    if chars.next().is_some() {
        quoted.push('…');
    }
    quoted.push('`');
    quoted
}

/// `c`, or a stand-in of one column when a terminal would obey it rather than show it.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        // Marks that reorder what follows could make the caret's line read as something else.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

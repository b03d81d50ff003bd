//! Where a filter ends: at a word that begins a clause, where no operand is due, outside brackets.
//!
//! In a filter two operands never stand side by side, so that such a word cannot belong to it: `where k = 3 k 10`.
//!
//! Reads from: tokens. Writes to: nothing. Never: a judgement of the filter itself.

use super::error::{Expected, Refused};
use super::token::{Kind, Lexer, Token};
use super::words::{CLAUSES, FILTER_AFTER, FILTER_BEFORE, nearest};

/// How far a filter goes.
pub(super) struct Extent<'a> {
    /// One past its last byte.
    pub end: usize,
    /// The token behind it.
    pub next: Token<'a>,
    /// What could stand there to go on with the filter.
    pub expected: Vec<Expected>,
}

/// The filter that begins at the byte `from`.
///
/// # Errors
/// A string, name or comment that is not closed.
pub(super) fn filter(text: &str, from: usize) -> Result<Extent<'_>, Refused> {
    let mut lexer = Lexer::new(text, from);
    let (mut depth, mut end) = (0_usize, from);
    // Whether an operand is due, and whether it is a further name of a path, which may be any word.
    let (mut due, mut member) = (true, false);
    loop {
        let token = lexer.next()?;
        let ends = match token.kind {
            Kind::End | Kind::Sign(';') => true,
            Kind::Word(word) => depth == 0 && !due && ends_filter(word),
            _ => false,
        };
        if ends {
            let expected = if due {
                vec![Expected::Field, Expected::Word("not"), Expected::Word("exists")]
            } else {
                FILTER_AFTER.iter().map(|word| Expected::Word(word)).collect()
            };
            return Ok(Extent { end, next: token, expected });
        }
        match token.kind {
            Kind::Sign('(' | '[') => depth += 1,
            Kind::Sign(')' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        due = match token.kind {
            Kind::Word(word) => !member && FILTER_BEFORE.iter().any(|known| known.eq_ignore_ascii_case(word)),
            Kind::Sign(sign) => matches!(sign, '(' | '[' | ',' | '.'),
            Kind::Other(_) => true,
            _ => false,
        };
        member = token.kind == Kind::Sign('.');
        // `$id` is one operand, though it begins with a sign.
        if token.kind == Kind::Other("$") && text.get(token.end..).is_some_and(|rest| rest.starts_with("id"))
        {
            let id = lexer.next()?;
            (end, due) = (id.end, false);
            continue;
        }
        end = token.end;
    }
}

/// Whether a word that cannot belong to the filter begins a clause, or is meant to.
fn ends_filter(word: &str) -> bool {
    let known = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(word));
    known(CLAUSES)
        || (!known(FILTER_AFTER)
            && nearest(word, FILTER_AFTER.iter().copied()).is_none()
            && nearest(word, CLAUSES.iter().copied()).is_some())
}

/// The text between two bytes with its comments blanked, so that positions stay.
pub(super) fn uncommented(text: &str, from: usize, end: usize) -> String {
    let mut lexer = Lexer::new(text, from);
    let mut out = String::with_capacity(end - from);
    let mut at = from;
    while let Ok(token) = lexer.next() {
        if token.at >= end || token.kind == Kind::End {
            break;
        }
        out.extend(std::iter::repeat_n(' ', token.at - at));
        out += text.get(token.at..token.end).unwrap_or_default();
        at = token.end;
    }
    out
}

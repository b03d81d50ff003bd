//! `like` patterns.
//!
//! Reads from: the pattern as written. Writes to: the prefix it stands for.
//! Never: a pattern that would need more than a comparison of prefixes.

use super::error::FilterError;

/// The prefix that a `like` pattern stands for; `raw` is the pattern as written, with quotes doubled, at byte `at`.
pub(super) fn prefix(raw: &str, at: usize) -> Result<String, FilterError> {
    let mut prefix = String::new();
    let mut chars = raw.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\'' => {
                chars.next();
                prefix.push(c);
            }
            '\\' => match chars.next() {
                Some((_, escaped @ ('%' | '_' | '\\'))) => prefix.push(escaped),
                _ => {
                    return Err(FilterError::new(at + i, "a lone `\\` in a pattern")
                        .hint(r"write `\\` for the character; `\%` and `\_` are the other escapes"));
                }
            },
            '_' => {
                return Err(FilterError::new(at + i, "the wildcard `_` is not supported")
                    .hint(r"write `\_` for the character; the only pattern is a prefix: 'abc%'"));
            }
            '%' if i + 1 == raw.len() => return Ok(prefix),
            '%' => {
                return Err(FilterError::new(at + i, "`%` is only supported at the end of a pattern")
                    .hint(r"write `\%` for the character; the only pattern is a prefix: 'abc%'"));
            }
            c => prefix.push(c),
        }
    }
    Err(FilterError::new(at + raw.len(), "a pattern without `%` at its end")
        .hint("use `=` for an exact match, or end the pattern with `%` for a prefix"))
}

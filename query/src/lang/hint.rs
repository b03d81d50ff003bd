//! What the writer of a refused filter probably meant.
//!
//! Reads from: the refused word. Writes to: nothing. Never: a change of what is accepted.

use super::ast::is_name;

/// Words that can follow a field or a complete test.
pub(super) const AFTER_FIELD: &[&str] = &["and", "or", "in", "not", "between", "like", "is"];
/// Words that can follow a complete test.
pub(super) const AFTER_TEST: &[&str] = &["and", "or"];
/// Words that can start a test.
pub(super) const BEFORE_FIELD: &[&str] = &["not", "exists"];
/// Words that are values.
pub(super) const VALUES: &[&str] = &["true", "false", "null"];

/// Longest word that is compared with the known ones, in characters.
const WORD_CHARS: usize = 12;

/// `did you mean …?` with the one of `known` that is a slip of the pen away from `word`.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}

/// The closest of `known`: at most one edit away, or two for words of five letters and more.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word: Vec<char> = word.chars().take(WORD_CHARS + 1).flat_map(char::to_lowercase).collect();
    if word.len() > WORD_CHARS {
        return None;
    }
    known
        .iter()
        .map(|&near| (edits(&word, &near.chars().collect::<Vec<_>>()), near))
        .filter(|&(edits, near)| edits <= if near.len() < 5 { 1 } else { 2 })
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, near)| near)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut left_a = None;
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut left_b = None;
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut cost =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if left_a == Some(y) && left_b == Some(x) {
                cost = cost.min(at(&before, j.wrapping_sub(1)) + 1);
            }
            row.push(cost);
            left_b = Some(y);
        }
        before = std::mem::replace(&mut last, row);
        left_a = Some(x);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

/// What to write for an operator of another language.
pub(super) fn operator(run: &str) -> Option<String> {
    let meant = match run {
        "=>" => ">=",
        "=<" => "<=",
        "=!" | "!==" | "><" => "!=",
        "===" => "=",
        "&" | "&&" => "and",
        "|" | "||" => "or",
        "!" => "not",
        "~" | "~=" | "=~" => "like",
        _ => return None,
    };
    Some(format!("did you mean `{meant}`?"))
}

/// For a name that stands where a value is expected.
pub(super) fn unquoted_value(name: &str) -> String {
    did_you_mean(name, VALUES)
        .or_else(|| {
            is_name(name).then(|| format!("strings take single quotes: '{name}'")).filter(|h| h.len() < 80)
        })
        .unwrap_or_else(|| "strings take single quotes".to_string())
}

/// For a double-quoted name that stands where a value is expected.
pub(super) const DOUBLE_QUOTES: &str = "double quotes name a field; strings take single quotes";

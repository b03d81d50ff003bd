//! The words of the language, and which of them was meant.
//!
//! Reads from: nothing. Writes to: nothing. Never: a change of what is accepted.

/// Words that begin a statement.
pub(super) const STATEMENTS: &[&str] = &[
    "search", "insert", "get", "delete", "create", "drop", "alter", "change", "optimize", "compact", "flush",
    "explain", "watch",
];
/// Words that begin a part of a search.
pub(super) const CLAUSES: &[&str] = &[
    "near",
    "match",
    "where",
    "max_uncertainty",
    "k",
    "dims",
    "ef",
    "nprobe",
    "exact",
    "recall",
    "within",
    "budget",
    "variance",
    "fuse",
    "rerank",
    "fields",
];
/// Words of filters that can follow an operand.
pub(super) const FILTER_AFTER: &[&str] = &["and", "or", "in", "not", "between", "like", "is"];
/// Words of filters that an operand follows.
pub(super) const FILTER_BEFORE: &[&str] = &["and", "or", "in", "not", "between", "like", "is", "exists"];
/// Other words of the language.
const OTHERS: &[&str] = &[
    "collection",
    "if",
    "exists",
    "vector",
    "cosine",
    "dot",
    "l2",
    "levels",
    "element",
    "rotation",
    "index",
    "auto",
    "flat",
    "ivf",
    "hnsw",
    "tokens",
    "text",
    "int",
    "float",
    "bool",
    "fulltext",
    "into",
    "values",
    "from",
    "as",
    "in",
    "weight",
    "file",
    "row",
    "depth",
    "add",
    "truncate",
    "extend",
    "among",
    "recipe",
    "space",
    "of",
    "votes",
    "accents",
    "rule",
    "prefix",
    "adapter",
    "to",
    "by",
    "retain",
    "procrustes",
    "scaled",
    "ridge",
    "anchors",
    "embed",
    "order",
    "stored",
    "import",
    "flip",
    "finish",
];
/// Words that begin an option of a vector.
const OPTIONS: &[&str] = &["levels", "element", "variance", "index", "rotation", "recipe", "space"];
/// Words that begin a stage behind a search.
const STAGES: &[&str] = &["levels", "mmr", "csd", "gaussian", "uncertainty", "scored", "maxsim"];
/// Languages of full-text fields.
pub const LANGUAGES: &[&str] = &[
    "arabic",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hungarian",
    "italian",
    "norwegian",
    "polish",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
];
/// Words that messages name together when all of them are too many, and what they are.
pub(super) const GROUPS: [(&str, &[&str]); 6] = [
    ("a statement", STATEMENTS),
    ("an option", OPTIONS),
    ("a stage", STAGES),
    ("more of the filter", FILTER_AFTER),
    ("a clause", CLAUSES),
    ("a language", LANGUAGES),
];
/// Words of other languages, and what is written here.
const FOREIGN: &[(&str, &str)] = &[
    ("limit", "k"),
    ("top", "k"),
    ("topk", "k"),
    ("timeout", "within"),
    ("deadline", "within"),
    ("filter", "where"),
    ("nearest", "near"),
    ("select", "search docs near [0.1, 0.2] k 10"),
    ("query", "search"),
    ("find", "search"),
    ("upsert", "insert"),
    ("update", "insert"),
    ("replace", "insert"),
    ("remove", "delete"),
    ("table", "collection"),
    ("varchar", "text"),
    ("string", "text"),
    ("str", "text"),
    ("integer", "int"),
    ("bigint", "int"),
    ("double", "float"),
    ("real", "float"),
    ("boolean", "bool"),
    ("euclidean", "l2"),
    ("ip", "dot"),
    ("vacuum", "compact"),
    ("migrate", "change"),
    ("reembed", "change"),
    ("quit", ".quit"),
    ("exit", ".quit"),
    ("help", ".help"),
    ("show", ".collections"),
];

/// Longest word that is compared with the known ones, in characters.
const WORD_CHARS: usize = 20;

/// Whether it is a word of the language.
pub fn is_word(word: &str) -> bool {
    let same = |known: &&&str| known.eq_ignore_ascii_case(word);
    [STATEMENTS, CLAUSES, FILTER_BEFORE, OTHERS].iter().any(|list| list.iter().find(same).is_some())
}

/// What is written here for a word of another language.
pub(super) fn foreign(word: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|(other, _)| other.eq_ignore_ascii_case(word)).map(|(_, ours)| *ours)
}

/// The closest of `known`: at most one edit away, or two for words of five letters and more.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.chars().count() > WORD_CHARS {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|near| (strsim::osa_distance(&word, &near.to_lowercase()), near))
        .filter(|&(edits, near)| edits <= usize::from(near.len() > 1) + usize::from(near.len() > 4))
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, near)| near)
}

/// Whether it is a name without quotes.
pub(super) fn is_plain(name: &str) -> bool {
    name.starts_with(super::token::starts_name) && name.chars().all(super::token::continues_name)
}

//! How a search went through the parts of a collection, and why, as JSON.
//!
//! Reads from: `foretaste::Decision`, `foretaste::TextPart`. Writes to: text. Never: a decision of its own.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::mem::MaybeUninit;

use foretaste::{Decision, TextPart, TextWay, TextWord, Way};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::hits::{Explained, Hits};
use crate::ptr::Given;
use crate::status::{Failure, Status, entry, give_text, some};

/// How the search went through each part of the collection, and why: a JSON object.
///
/// `parts` has each segment, then each block of fresh rows: `rows`, `dead` (deleted ones among them), `matching` (at least and at most
/// so many pass the filter and are sure enough, or null where neither is asked for), `way` ("scan", "matches", "codes" or
/// "index"), with an index `ef` (candidates that a graph keeps) and `cells` (of an inverted file; 0 for a graph), `costs_ns` (what
/// `scan`, `matches` and `index` were thought to cost, in nanoseconds; null where it was not possible), `fell_back` (whether the index
/// found too few, so that the matches were read after all), and `text`, all of it in words. `schedule` has the steps of a schedule
/// of levels, given or chosen: `dims`, and `keep`, the rows kept; it is empty without one.
///
/// Of a full-text search, `words` has the different words as they are compared, `times` in the query and in how many `rows`, and `parts`
/// has of each part `rows`, `dead`, `way` ("index", "documents", all of them read, or "fresh", words in memory), `scored`, `refused` and
/// `text`.
///
/// FT_STATUS_BAD_REQUEST for a revision of an answer: `ft_answer_explain` says it of the answer. The text is freed by `ft_string_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_hits_explain(hits: Option<&Hits>, json: Option<&mut MaybeUninit<Given>>) -> Status {
    entry(|| {
        give_text(json, "json", || {
            let none = || {
                let why = "only a search that was answered at once is explained by its hits; ask the answer";
                Failure::new(Status::BadRequest, why.into())
            };
            Ok(match some(hits, "hits")?.explained().ok_or_else(none)? {
                Explained::Vectors { plan, schedule } => of_vectors(plan, schedule),
                Explained::Words { words, parts } => of_words(words, parts),
            })
        })
    })
}

/// The same of an answer on its way, as far as it was decided by now.
#[unsafe(no_mangle)]
pub extern "C" fn ft_answer_explain(
    answer: Option<&Answer>,
    json: Option<&mut MaybeUninit<Given>>,
) -> Status {
    entry(|| {
        give_text(json, "json", || {
            let answer = &some(answer, "answer")?.0;
            Ok(of_vectors(&answer.explain(), &answer.schedule()))
        })
    })
}

fn of_words(words: &[TextWord], parts: &[TextPart]) -> String {
    let word = |word: &TextWord| json!({"word": word.word, "times": word.times, "rows": word.rows});
    let part = |part: &TextPart| {
        let way = match part.way {
            TextWay::Index => "index",
            TextWay::Documents => "documents",
            _ => "fresh",
        };
        json!({
            "rows": part.rows,
            "dead": part.dead,
            "way": way,
            "scored": part.scored,
            "refused": part.refused,
            "text": part.to_string(),
        })
    };
    let (words, parts) = (words.iter().map(word), parts.iter().map(part));
    json!({"words": words.collect::<Vec<_>>(), "parts": parts.collect::<Vec<_>>()}).to_string()
}

fn of_vectors(plan: &[Decision], schedule: &[(usize, usize)]) -> String {
    let parts: Vec<Value> = plan.iter().map(part).collect();
    let steps = schedule.iter().map(|(dims, keep)| json!({"dims": dims, "keep": keep}));
    json!({"parts": parts, "schedule": steps.collect::<Vec<_>>()}).to_string()
}

fn part(decision: &Decision) -> Value {
    let (way, effort) = match decision.way {
        Way::Scan => ("scan", None),
        Way::Matches => ("matches", None),
        Way::Codes => ("codes", None),
        Way::Index { ef, cells } => ("index", Some((ef, cells))),
    };
    let [scan, matches, index] = decision.costs;
    let mut part = json!({
        "rows": decision.rows,
        "dead": decision.dead,
        "matching": decision.matching,
        "way": way,
        "costs_ns": {"scan": scan, "matches": matches, "index": index},
        "fell_back": decision.fell_back,
        "text": decision.to_string(),
    });
    if let (Some((ef, cells)), Value::Object(part)) = (effort, &mut part) {
        part.insert("ef".into(), json!(ef));
        part.insert("cells".into(), json!(cells));
    }
    part
}

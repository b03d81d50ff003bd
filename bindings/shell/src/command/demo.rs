//! `foretaste demo`: builds a small database of sentences, asks it questions, and says what to try next.

mod data;

use std::path::Path;
use std::time::Instant;

use foretaste::import::{self, LoadOptions};
use foretaste::lang::ColumnType;
use foretaste::{Database, Element, Metric, Schema, Search};
use serde_json::{Value, json};

use crate::interrupt;
use crate::output::{Failure, Outcome, Output, bytes, count, short, style, width};
use data::{Question, Sentences};

const COLLECTION: &str = "sentences";
const LEVELS: [usize; 3] = [64, 128, 384];
/// The questions that are asked, by their numbers in the data.
const ASKED: [usize; 5] = [2, 5, 1, 4, 0];
/// The question asked with a filter and at the shortest level, and the filter.
const AGAIN: usize = 5;
const FILTER: &str = "title != 'Force'";
const HITS: usize = 3;
/// Columns of a title, and where the text after it begins.
const TITLE_COLUMNS: usize = 20;
const TEXT_COLUMN: usize = TITLE_COLUMNS + 9;

/// One answer, as it is shown and as JSON.
struct Answer {
    hits: Vec<Value>,
    elapsed_us: u64,
}

/// Builds the demo's database at `dir`, or uses the one there, and asks it.
pub fn run(dir: &Path, out: &mut Output) -> Outcome {
    let (built, reused) = build(dir, out)?;
    let questions = data::questions()?;
    let question =
        |n: usize| questions.get(n).ok_or_else(|| Failure::new("the demo's questions are incomplete"));
    let again = question(AGAIN)?;

    let collection = built.collection(COLLECTION)?;
    let mut report = vec![];
    for n in ASKED {
        let question = question(n)?;
        let answer = ask(collection.search(&question.vector))?;
        show(&question.text, "", &answer, out)?;
        report.push(answer.json(question, "all"));
    }
    let filtered = ask(collection.search(&again.vector).filter(FILTER))?;
    show(&again.text, &format!("where {FILTER}"), &filtered, out)?;
    report.push(filtered.json(again, "filtered"));
    let shorter = ask(collection.search(&again.vector).dims(LEVELS[0]))?;
    show(&again.text, &format!("by the first {} dimensions only", LEVELS[0]), &shorter, out)?;
    report.push(shorter.json(again, "prefix"));

    drop(collection);
    built.close()?;
    let started = Instant::now();
    let opened = super::read(dir)?;
    let rows = opened.collection(COLLECTION)?.len();
    let open_us = started.elapsed().as_micros() as u64;
    if out.json {
        return out.json(&json!({
            "database": dir.display().to_string(), "collection": COLLECTION, "reused": reused,
            "rows": rows, "answers": report, "open_us": open_us,
        }));
    }
    let sound = style().green().apply_to("all there");
    out.line(format!("\nclosed and opened again in {} µs: {} rows, {sound}", count(open_us), count(rows)))?;
    next(dir, out)
}

/// Opens the demo's database at `dir` and fills it, unless it is full. Another database, or a folder of other things,
/// is left alone.
fn build(dir: &Path, out: &mut Output) -> Outcome<(Database, bool)> {
    let mut sentences = Sentences::open()?;
    let schema = Schema::new(384, Metric::Cosine)
        .levels(LEVELS)
        .element(Element::F16)
        .column("title", ColumnType::Str);
    let other = |what: &str| {
        let message = format!("{} holds {what}, which the demo leaves alone", dir.display());
        Failure::new(message).hint("name another folder: foretaste demo DIR")
    };
    match super::read_if_there(dir)? {
        Some(database) => match database.collection(COLLECTION) {
            Ok(collection) if *collection.schema() != schema => {
                return Err(other("a collection of another kind"));
            }
            Ok(_) => {}
            Err(_) if database.collections().is_empty() => {}
            Err(_) => return Err(other("another database")),
        },
        None if occupied(dir) => return Err(other("something that is no database")),
        None => {}
    }

    let database = Database::open(dir)?;
    let there = database.collection(COLLECTION).ok();
    if there.as_ref().is_some_and(|c| c.len() == sentences.len()) {
        announce(out, format!("using the demo's database {} of an earlier run", dir.display()))?;
        return Ok((database, true));
    }
    if there.is_some() {
        drop(there);
        database.drop_collection(COLLECTION)?;
    }
    let started = Instant::now();
    let collection = database.create_collection(COLLECTION, schema)?;
    let loaded =
        import::load(&collection, &mut sentences, &LoadOptions::default(), &mut |_| !interrupt::wanted())?;
    let seconds = started.elapsed().as_secs_f64();
    let size = super::compact::size(&database.stats()?);
    announce(
        out,
        format!(
            "built {} in {seconds:.2} s: {} sentences of Wikipedia with vectors of 384 dimensions, {} on disk",
            style().bold().apply_to(dir.display()),
            count(loaded.rows),
            bytes(size)
        ),
    )?;
    Ok((database, false))
}

fn occupied(dir: &Path) -> bool {
    std::fs::read_dir(dir).map_or_else(|_| dir.exists(), |mut entries| entries.next().is_some())
}

fn announce(out: &mut Output, text: String) -> Outcome {
    if out.json { Ok(()) } else { out.line(text) }
}

fn ask(search: Search) -> Outcome<Answer> {
    let found = search.k(HITS).run_with(&interrupt::wanted)?;
    let elapsed_us = found.cost.elapsed.as_micros() as u64;
    let mut hits = Vec::with_capacity(found.len());
    for hit in found.iter() {
        let mut shown = hit.payload()?.unwrap_or_default();
        shown["id"] = super::id_json(&hit.id);
        shown["score"] = json!(hit.score);
        hits.push(shown);
    }
    Ok(Answer { hits, elapsed_us })
}

impl Answer {
    fn json(&self, question: &Question, kind: &str) -> Value {
        json!({"question": question.text, "kind": kind, "elapsed_us": self.elapsed_us, "hits": self.hits})
    }
}

/// Shows a question and its answer.
fn show(question: &str, how: &str, answer: &Answer, out: &mut Output) -> Outcome {
    if out.json {
        return Ok(());
    }
    let (dim, bold) = (style().dim(), style().bold());
    let how = if how.is_empty() { String::new() } else { format!(" {}", style().yellow().apply_to(how)) };
    let took = dim.apply_to(format!("{} µs", count(answer.elapsed_us)));
    out.line(format!("\n{}{how}  {took}", bold.apply_to(question)))?;
    for hit in &answer.hits {
        let text = |name: &str| hit.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        let score = hit.get("score").and_then(Value::as_f64).unwrap_or_default();
        let title = short(&text("title"), TITLE_COLUMNS);
        let room = usize::from(width()).saturating_sub(TEXT_COLUMN);
        let (title, sentence) = (format!("{title:TITLE_COLUMNS$}"), short(&text("text"), room));
        let (score, title) = (format!("{score:.3}"), style().cyan().apply_to(title));
        out.line(format!("  {} {title} {sentence}", style().green().apply_to(score)))?;
    }
    Ok(())
}

/// Four commands to copy.
fn next(dir: &Path, out: &mut Output) -> Outcome {
    let program = std::env::args().next().filter(|name| name.contains(['/', '\\']));
    let program = quoted(program.as_deref().unwrap_or("foretaste"));
    let dir = quoted(&dir.display().to_string());
    out.line(format!("\n{}", style().bold().apply_to("what to try next")))?;
    for (command, why) in [
        (format!("search {dir} {COLLECTION} --id apollo-program-8 -k 5"), "sentences like this one"),
        (
            format!(
                "search {dir} {COLLECTION} --id apollo-program-8 --where \"title != 'Apollo program'\" --dims 128"
            ),
            "from other articles, by 128 dimensions",
        ),
        (format!("stats {dir}"), "what it holds and takes"),
        (format!("check {dir}"), "every byte against its checksum"),
    ] {
        out.line(format!("  {program} {command}   {}", style().dim().apply_to(format!("# {why}"))))?;
    }
    Ok(())
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

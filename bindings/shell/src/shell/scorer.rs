//! Scores of rows, by a command of the user's that runs as long as the search: a line of JSON for each batch on its standard
//! input, `{"query": "…", "rows": [{"id": …, "payload": …}]}`, and a line on its output, a JSON array of as many numbers.
//!
//! Reads from: documents of rows, the command. Writes to: the command. Never: a wait that Ctrl-C or the time set does not end; a
//! command that outlives its search.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use foretaste::{Key, Scored, ScorerError, Snapshot};
use serde_json::{Value, json};

use super::settings::Settings;
use super::talk::Talk;
use crate::output::{Failure, Outcome, short};

/// A batch that is to be scored.
struct Batch {
    line: String,
    rows: usize,
    answer: Sender<Result<Vec<f64>, String>>,
}

/// A stage that asks the command for scores; `query` is the text that is searched for, if it is one.
///
/// # Errors
/// When no command is set.
pub fn stage(snapshot: Snapshot, query: Option<String>, settings: &Settings) -> Outcome<Scored> {
    let Some(command) = settings.scorer.clone() else {
        return Err(Failure::new("there is no command that scores rows").hint(
            ".set scorer \"CMD\": for each line of JSON with `query` and `rows` it prints a JSON array of scores",
        ));
    };
    let (batches, asked) = channel::<Batch>();
    let time = settings.scorer_timeout;
    thread::spawn(move || work(&command, time, &asked));
    let name = query.clone();
    let score = move |ids: &[Key]| -> Result<Vec<f64>, ScorerError> {
        let rows = ids.iter().map(|id| {
            let payload = snapshot.get(id)?.and_then(|row| row.payload);
            Ok(json!({"id": number_or_text(id), "payload": payload}))
        });
        let rows = rows.collect::<foretaste::Result<Vec<Value>>>()?;
        let line = json!({"query": query, "rows": rows}).to_string();
        let (answer, scores) = channel();
        let gone = || ScorerError::from("the scoring command is gone");
        batches.send(Batch { line, rows: ids.len(), answer }).map_err(|_| gone())?;
        Ok(scores.recv().map_err(|_| gone())??)
    };
    let mut scored = Scored::new(score);
    if let Some(version) = &settings.scorer_version {
        scored = scored.version(version);
    }
    Ok(name.map_or(scored.clone(), |name| scored.query_key(name)))
}

fn number_or_text(id: &Key) -> Value {
    match id {
        Key::Int(n) => json!(n),
        Key::Str(text) => json!(text),
    }
}

/// Answers batches until nobody asks any more; the command begins with the first one.
fn work(command: &str, time: Duration, asked: &Receiver<Batch>) {
    let mut running = None;
    while let Ok(batch) = asked.recv() {
        let scores = match running.take().map_or_else(|| Talk::start(command), Ok) {
            Ok(mut now) => match scores(&mut now, &batch, time) {
                Ok(scores) => {
                    running = Some(now);
                    Ok(scores)
                }
                Err(why) => Err(now.end(&why)),
            },
            Err(why) => Err(why),
        };
        let named = |why| format!("the scoring command `{}`: {why}", short(command, 60));
        // Whoever asked may have gone.
        let _ = batch.answer.send(scores.map_err(named));
    }
    if let Some(running) = running {
        running.end("");
    }
}

/// The scores of a batch.
fn scores(talk: &mut Talk, batch: &Batch, time: Duration) -> Result<Vec<f64>, String> {
    let line = talk.ask(&batch.line, time, "scorer_timeout")?;
    let scores: Vec<f64> = serde_json::from_str(&line)
        .map_err(|e| format!("printed no JSON array of numbers ({e}): {}", short(&line, 60)))?;
    if scores.len() != batch.rows {
        return Err(format!("printed {} scores for {} rows", scores.len(), batch.rows));
    }
    Ok(scores)
}

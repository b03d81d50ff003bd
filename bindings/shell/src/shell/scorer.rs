//! Scores of rows, by a command of the user's that runs as long as the search: a line of JSON for each batch on its standard
//! input, `{"query": "…", "rows": [{"id": …, "payload": …}]}`, and a line on its output, a JSON array of as many numbers.
//!
//! Reads from: documents of rows, the command. Writes to: the command. Never: a wait that Ctrl-C or the time set does not end; a
//! command that outlives its search.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStderr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use foretaste::{Key, Scored, ScorerError, Snapshot};
use serde_json::{Value, json};

use super::helper;
use super::settings::Settings;
use crate::interrupt;
use crate::output::{Failure, Outcome, short};

/// Most bytes of a line, and of what the command says on standard error, that are read.
const READ_BYTES: u64 = 16 << 20;
/// How often Ctrl-C and the time are looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How long it is waited for what an ended command said last.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A batch that is to be scored.
struct Batch {
    line: String,
    rows: usize,
    answer: Sender<Result<Vec<f64>, String>>,
}

/// The command while it runs.
struct Running {
    child: Child,
    lines: Sender<String>,
    answers: Receiver<String>,
    said: JoinHandle<String>,
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
        let line = format!("{}\n", json!({"query": query, "rows": rows}));
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
        let scores = match running.take().map_or_else(|| start(command), Ok) {
            Ok(mut now) => match now.scores(&batch, time) {
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

fn start(command: &str) -> Result<Running, String> {
    let mut child = helper::start(command).map_err(|e| format!("cannot be started: {e}"))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (lines, given) = channel::<String>();
    thread::spawn(move || {
        let Some(mut stdin) = stdin else { return };
        while let Ok(line) = given.recv() {
            // A command that has ended is seen by its output.
            if stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush()).is_err() {
                return;
            }
        }
    });
    let (answer, answers) = channel();
    thread::spawn(move || {
        let Some(stdout) = stdout else { return };
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            let read = stdout.by_ref().take(READ_BYTES).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) || answer.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    Ok(Running { child, lines, answers, said: thread::spawn(|| said(stderr)) })
}

fn said(stderr: Option<ChildStderr>) -> String {
    let mut bytes = Vec::new();
    if let Some(stderr) = stderr {
        // What was read before an error is what it said.
        let _ = stderr.take(READ_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).trim().to_string()
}

impl Running {
    fn scores(&mut self, batch: &Batch, time: Duration) -> Result<Vec<f64>, String> {
        let until = Instant::now() + time;
        // That nobody reads it is seen by the output, too.
        let _ = self.lines.send(batch.line.clone());
        let line = loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(line) => break line,
                Err(RecvTimeoutError::Disconnected) => return Err("has ended".to_string()),
                Err(RecvTimeoutError::Timeout) if interrupt::wanted() => {
                    return Err("interrupted".to_string());
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() >= until => {
                    return Err(format!("takes longer than {time:?}; `.set scorer_timeout` allows for more"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let scores: Vec<f64> = serde_json::from_str(&line)
            .map_err(|e| format!("printed no JSON array of numbers ({e}): {}", short(&line, 60)))?;
        if scores.len() != batch.rows {
            return Err(format!("printed {} scores for {} rows", scores.len(), batch.rows));
        }
        Ok(scores)
    }

    /// Ends the command; gives the reason, and the last that it said.
    fn end(mut self, why: &str) -> String {
        helper::end(&mut self.child);
        drop(self.lines);
        // Something may still keep its standard error open: that is not waited for.
        let until = Instant::now() + LAST_WORDS;
        while !why.is_empty() && !self.said.is_finished() && Instant::now() < until && !interrupt::wanted() {
            thread::sleep(LOOK);
        }
        let said = if self.said.is_finished() { self.said.join().unwrap_or_default() } else { String::new() };
        match said.lines().last() {
            Some(last) => format!("{why}: {}", short(last, 200)),
            None => why.to_string(),
        }
    }
}

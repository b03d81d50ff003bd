//! Vectors of texts, by a command of the user's: the text on its standard input, a JSON array of numbers on its output. Or by one
//! that runs on: for each line on its input, a JSON array of texts, it prints a line, a JSON array of as many vectors.

use std::io::{Read, Write};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use foretaste::Error;
use serde_json::json;

use super::helper;
use super::settings::Settings;
use super::talk::Talk;
use crate::interrupt;
use crate::output::{Failure, Outcome, short};

/// Most bytes of a command's output that are read.
const OUTPUT_BYTES: u64 = 16 << 20;
/// How often a command that runs is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The vector of a text.
pub fn embed(text: &str, settings: &Settings) -> Outcome<Vec<f32>> {
    if let (None, Some(mut many)) = (&settings.embed, Many::new(settings)) {
        return Ok(many.embed(&[text])?.pop().unwrap_or_default());
    }
    let Some(command) = &settings.embed else {
        return Err(Failure::new("there is no command that makes vectors of texts").hint(
            ".set embed \"CMD\": it gets the text on standard input, and prints a JSON array of numbers",
        ));
    };
    let wrong = |why: String| Failure::new(format!("the embedding command `{}`: {why}", short(command, 60)));
    let mut child = helper::start(command).map_err(|e| wrong(format!("cannot be started: {e}")))?;
    let (stdin, text) = (child.stdin.take(), text.to_string());
    // Each stream has a thread of its own, so that none waits for another.
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(text.as_bytes())));
    let (stdout, stderr) = (reading(child.stdout.take()), reading(child.stderr.take()));
    let status = wait(&mut child, settings.embed_timeout).map_err(|stop| match stop {
        Stopped::Interrupted => Error::Cancelled.into(),
        Stopped::Late => wrong(format!("takes longer than {:?}", settings.embed_timeout))
            .hint(".set embed_timeout 60s allows for more"),
        Stopped::Lost(e) => wrong(e.to_string()),
    })?;
    let stderr = || String::from_utf8_lossy(&stderr.join().unwrap_or_default()).trim().to_string();
    if !status.success() {
        let said = stderr();
        let said = said.lines().last().unwrap_or("it said nothing");
        return Err(wrong(format!("{status}: {}", short(said, 200))));
    }
    let stdout = stdout.join().unwrap_or_default();
    serde_json::from_slice(&stdout).map_err(|e| {
        let printed = short(&String::from_utf8_lossy(&stdout), 60);
        wrong(format!("printed no JSON array of numbers ({e}): {printed}"))
    })
}

/// The command that embeds many texts, while it runs.
pub struct Many {
    command: String,
    time: Duration,
    talk: Option<Talk>,
}

impl Many {
    /// The command, if one is set; it begins with the first texts.
    pub fn new(settings: &Settings) -> Option<Many> {
        let time = settings.embed_timeout;
        settings.embed_many.clone().map(|command| Many { command, time, talk: None })
    }

    /// The vectors of these texts.
    pub fn embed(&mut self, texts: &[&str]) -> Outcome<Vec<Vec<f32>>> {
        self.vectors(texts).map_err(|why| {
            if interrupt::wanted() {
                return Error::Cancelled.into();
            }
            let why = self.talk.take().map_or_else(|| why.clone(), |talk| talk.end(&why));
            Failure::new(format!("the embedding command `{}`: {why}", short(&self.command, 60)))
        })
    }

    fn vectors(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        let talk = match &mut self.talk {
            Some(talk) => talk,
            none => none.insert(Talk::start(&self.command)?),
        };
        let line = talk.ask(&json!(texts).to_string(), self.time, "embed_timeout")?;
        let vectors: Vec<Vec<f32>> = serde_json::from_str(&line)
            .map_err(|e| format!("printed no JSON array of vectors ({e}): {}", short(&line, 60)))?;
        if vectors.len() != texts.len() {
            return Err(format!("printed {} vectors for {} texts", vectors.len(), texts.len()));
        }
        Ok(vectors)
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        if let Some(talk) = self.talk.take() {
            talk.end("");
        }
    }
}

enum Stopped {
    Interrupted,
    Late,
    Lost(std::io::Error),
}

fn wait(child: &mut Child, most: Duration) -> Result<ExitStatus, Stopped> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(Stopped::Lost)? {
            return Ok(status);
        }
        let stopped = match interrupt::wanted() {
            true => Some(Stopped::Interrupted),
            false => (started.elapsed() > most).then_some(Stopped::Late),
        };
        if let Some(stopped) = stopped {
            helper::end(child);
            return Err(stopped);
        }
        thread::sleep(LOOK);
    }
}

fn reading(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // What was read before an error is judged as what it is.
            let _ = stream.take(OUTPUT_BYTES).read_to_end(&mut bytes);
        }
        bytes
    })
}

//! A command of the user's that runs on: for each line on its standard input it prints a line.
//!
//! Reads from: the command. Writes to: the command. Never: a wait that Ctrl-C or the time set does not end; a command that
//! outlives the conversation.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStderr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::helper;
use crate::interrupt;
use crate::output::short;

/// Most bytes of a line, and of what the command says on standard error, that are read.
const READ_BYTES: u64 = 16 << 20;
/// How often Ctrl-C and the time are looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long it is waited for what an ended command said last.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The command while it runs.
pub struct Talk {
    child: Child,
    lines: Sender<String>,
    answers: Receiver<String>,
    said: JoinHandle<String>,
}

impl Talk {
    /// Starts the command.
    pub fn start(command: &str) -> Result<Talk, String> {
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
                if !matches!(read, Ok(1..))
                    || answer.send(String::from_utf8_lossy(&line).into_owned()).is_err()
                {
                    return;
                }
            }
        });
        Ok(Talk { child, lines, answers, said: thread::spawn(|| said(stderr)) })
    }

    /// The line that it answers this one with; `setting` is what allows for more time.
    pub fn ask(&mut self, line: &str, time: Duration, setting: &str) -> Result<String, String> {
        let until = Instant::now() + time;
        // That nobody reads it is seen by the output, too.
        let _ = self.lines.send(format!("{line}\n"));
        loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Disconnected) => return Err("has ended".to_string()),
                Err(RecvTimeoutError::Timeout) if interrupt::wanted() => {
                    return Err("interrupted".to_string());
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() >= until => {
                    return Err(format!("takes longer than {time:?}; `.set {setting}` allows for more"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Ends the command; gives the reason, and the last that it said.
    pub fn end(mut self, why: &str) -> String {
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

fn said(stderr: Option<ChildStderr>) -> String {
    let mut bytes = Vec::new();
    if let Some(stderr) = stderr {
        // What was read before an error is what it said.
        let _ = stderr.take(READ_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).trim().to_string()
}

//! Where statements come from when nobody sits at a terminal: standard input, files, arguments.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use foretaste_shell::lang::{Open, Splitter};

use super::Shell;
use crate::output::{Failure, Outcome};

/// Deepest files that read files.
const DEPTH: usize = 16;

/// The startup file, if there is one: `$FORETASTE_INIT`, or `.foretasterc` in the home folder.
pub fn startup() -> Option<PathBuf> {
    let named = std::env::var_os("FORETASTE_INIT").map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".foretasterc"))).filter(|file| file.is_file())
}

impl Shell {
    /// Carries out what comes from standard input, line by line.
    pub(super) fn stdin(&mut self) -> Outcome {
        let mut splitter = Splitter::default();
        let (mut stdin, mut line) = (std::io::stdin().lock(), String::new());
        loop {
            line.clear();
            let read = stdin.read_line(&mut line);
            if read.map_err(|e| Failure::new(format!("cannot read standard input: {e}")))? == 0 {
                return self.rest(&mut splitter);
            }
            self.line(&mut splitter, &line)?;
            if self.leaving {
                return Ok(());
            }
        }
    }

    /// Carries a file out.
    pub(super) fn read(&mut self, file: &Path) -> Outcome {
        let text = std::fs::read_to_string(file)
            .map_err(|e| Failure::new(format!("cannot read {}: {e}", file.display())))?;
        if self.depth == DEPTH {
            return Err(Failure::new(format!("{}: files that read files, {DEPTH} deep", file.display())));
        }
        self.depth += 1;
        let done = self.text(&text);
        self.depth -= 1;
        done
    }

    /// Carries out all statements of a text.
    pub(super) fn text(&mut self, text: &str) -> Outcome {
        let mut splitter = Splitter::default();
        for line in text.split_inclusive('\n') {
            self.line(&mut splitter, line)?;
            if self.leaving {
                return Ok(());
            }
        }
        self.rest(&mut splitter)
    }

    /// One more line: a dot command, when no statement is begun, or a part of statements.
    pub(super) fn line(&mut self, splitter: &mut Splitter, line: &str) -> Outcome {
        if line.starts_with('.') && splitter.open() == Open::Nothing {
            splitter.rest();
            return self.carry_out(line.trim_end());
        }
        if let Some(command) = self.meant(line).filter(|_| splitter.open() == Open::Nothing) {
            splitter.rest();
            return self.carry_out(command);
        }
        splitter.push(line);
        let mut ended = false;
        while let Some(statement) = splitter.take() {
            ended = true;
            self.carry_out(statement.trim_start())?;
            if self.leaving {
                return Ok(());
            }
        }
        if ended {
            // A dot command may also stand behind the statement that ends on its line.
            let rest = splitter.rest();
            if rest.trim_start().starts_with('.') {
                return self.carry_out(rest.trim());
            }
            splitter.push(&rest);
        }
        Ok(())
    }

    /// The dot command that a word means which somebody types alone, without dot or `;`.
    fn meant(&self, line: &str) -> Option<&'static str> {
        let word = line.trim().trim_end_matches(';').to_lowercase();
        let known = [("quit", ".quit"), ("exit", ".quit"), ("help", ".help"), ("?", ".help")];
        known.iter().find(|(typed, _)| self.interactive && *typed == word).map(|(_, command)| *command)
    }

    /// What is left when there is no more: a statement whose `;` was forgotten.
    fn rest(&mut self, splitter: &mut Splitter) -> Outcome {
        if splitter.open() == Open::Nothing {
            return Ok(());
        }
        let rest = splitter.rest();
        self.carry_out(rest.trim())
    }
}

//! The prompt of a terminal: lines with history, completion, hints and colours, until a statement is whole.

mod complete;
mod highlight;

use std::path::PathBuf;

use foretaste_shell::lang::{Open, Splitter};
use rustyline::completion::Pair;
use rustyline::error::ReadlineError;
use rustyline::hint::HistoryHinter;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Context, Editor, Helper, Result as Line};

use super::Shell;
use super::dot::COMMANDS;
use crate::interrupt;
use crate::output::{Failure, Outcome, say};
use complete::Names;

/// The prompt of a new statement; those of its further lines are as wide.
const PROMPT: &str = "foretaste> ";
/// Most lines of history that are kept.
const HISTORY: usize = 10_000;

/// What the line editor asks.
pub struct Assistant {
    names: Names,
    /// The lines of the statement before the present one.
    before: String,
    history: HistoryHinter,
}

impl Shell {
    /// Reads and carries out what a person types, until Ctrl-D.
    pub(super) fn session(&mut self) -> Outcome {
        interrupt::be_patient();
        let wrong = |e: ReadlineError| Failure::new(format!("the terminal cannot be read: {e}"));
        let config = Config::builder()
            .max_history_size(HISTORY)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(wrong)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .build();
        let mut editor: Editor<Assistant, FileHistory> = Editor::with_config(config).map_err(wrong)?;
        editor.set_helper(Some(Assistant {
            names: Names::default(),
            before: String::new(),
            history: HistoryHinter::new(),
        }));
        let history = history();
        if let Some(file) = &history {
            // The first session has none.
            let _ = editor.load_history(file);
        }
        self.greet();
        let mut splitter = Splitter::default();
        let mut typed = String::new();
        while !self.leaving {
            let open = splitter.open();
            if let Some(assistant) = editor.helper_mut() {
                assistant.names = Names::of(&self.database);
                assistant.before.clone_from(&typed);
            }
            match editor.readline(&prompt(open)) {
                Ok(line) => {
                    typed += &line;
                    typed.push('\n');
                    self.line(&mut splitter, &format!("{line}\n"))?;
                    if splitter.open() == Open::Nothing {
                        splitter.rest();
                        // A statement is one entry, however many lines it has.
                        let _ = editor.add_history_entry(typed.trim_end());
                        typed.clear();
                    }
                }
                Err(ReadlineError::Interrupted) => {
                    splitter.rest();
                    typed.clear();
                }
                Err(ReadlineError::Eof) => break,
                Err(e) => return Err(wrong(e)),
            }
        }
        if let Some(file) = &history
            && let Err(e) = editor.append_history(file)
        {
            say(format!("the history is not kept: {}: {e}", file.display()));
        }
        Ok(())
    }

    fn greet(&self) {
        say(format!("foretaste {}; `.help` for help, Ctrl-D to leave", env!("CARGO_PKG_VERSION")));
        if self.scratch.is_some() {
            say("a scratch database, which is gone when you leave; `.open PATH` for one that stays");
        }
    }
}

fn prompt(open: Open) -> (String, String) {
    let raw = match open {
        Open::Nothing => PROMPT.to_string(),
        Open::Statement => format!("{:>width$}", "...> ", width = PROMPT.len()),
        Open::Inside(quote) => format!("{:>width$}", format!("{quote}..> "), width = PROMPT.len()),
    };
    let styled = console::Style::new().for_stdout().bold().apply_to(&raw).to_string();
    (raw, styled)
}

/// Where history is kept: `$FORETASTE_HISTORY`, or `.foretaste_history` in the home folder.
fn history() -> Option<PathBuf> {
    let named = std::env::var_os("FORETASTE_HISTORY").map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".foretaste_history")))
}

impl Helper for Assistant {}

impl rustyline::validate::Validator for Assistant {}

impl rustyline::completion::Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, context: &Context<'_>) -> Line<(usize, Vec<Pair>)> {
        self.names.complete(&self.before, line, pos, context)
    }
}

impl rustyline::hint::Hinter for Assistant {
    type Hint = String;

    /// What a dot command takes, or the rest of a line that was typed before.
    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<String> {
        if let Some(name) = line.strip_prefix('.').and_then(|name| name.strip_suffix(' ')) {
            let command = COMMANDS.iter().find(|command| command.name == name && pos == line.len());
            return command.map(|command| command.usage.to_string());
        }
        rustyline::hint::Hinter::hint(&self.history, line, pos, context)
    }
}

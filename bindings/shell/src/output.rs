//! What a command says: results to standard output, everything else to standard error, and the exit codes.
//!
//! Text that comes out of a database or a file is cleaned of what a terminal would obey.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use comfy_table::{Attribute, Cell, ContentArrangement, Row, Table, presets};
use console::Style;
use foretaste::Error;
use foretaste::lang::FilterError;
use foretaste_shell::lang::Refused;
use serde::Serialize;

/// Exit code of a command that failed, and of `check` when it found damage.
pub const FAILED: u8 = 1;
/// Exit code of a command that was called wrongly.
pub const USAGE: u8 = 2;
/// Exit code of a command that was interrupted.
pub const INTERRUPTED: i32 = 130;

/// Why a command ends before its end.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    /// `None` when nobody listens any more.
    message: Option<String>,
    details: Vec<String>,
    hints: Vec<String>,
}

impl Failure {
    /// The work failed.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { code: FAILED, message: Some(message.into()), details: Vec::new(), hints: Vec::new() }
    }

    /// The command was called wrongly.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { code: USAGE, ..Failure::new(message) }
    }

    /// An end with this exit code of which everything is said.
    pub fn ended(code: u8) -> Failure {
        Failure { code, message: None, details: Vec::new(), hints: Vec::new() }
    }

    /// Adds what the user can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// Puts the name of the file or argument it is about before the message.
    pub fn under(mut self, subject: impl Display) -> Failure {
        self.message = self.message.map(|message| format!("{subject}: {message}"));
        self
    }

    /// A filter that was refused, drawn with a caret under the place.
    pub fn of_filter(error: FilterError, text: &str) -> Failure {
        let mut failure = Failure::usage(format!("filter: {}", error.why));
        failure.details = error.render(text).lines().map(str::to_string).collect();
        failure.hints.extend(error.hint);
        failure
    }

    /// A statement that was refused, drawn with a caret under the place.
    pub fn of_statement(refused: Refused, text: &str) -> Failure {
        let mut failure = Failure::new(refused.why.clone());
        failure.details = refused.render(text).lines().map(str::to_string).collect();
        failure.hints.extend(refused.hint);
        failure
    }

    /// Whether it ended because the user wanted an end.
    pub fn is_interrupt(&self) -> bool {
        i32::from(self.code) == INTERRUPTED
    }

    /// Whether nobody reads the results any more.
    pub fn is_silent(&self) -> bool {
        self.message.is_none()
    }

    /// An error about the file or argument `subject`, which the error itself does not name.
    pub fn about(subject: impl Display, error: Error) -> Failure {
        let names_itself = matches!(error, Error::Import(_) | Error::Cancelled | Error::Corrupt { .. });
        let failure = Failure::from(error);
        if names_itself { failure } else { failure.under(subject) }
    }

    /// Writes the message to standard error; gives the exit code.
    pub fn report(self) -> ExitCode {
        let (red, cyan) = (Style::new().for_stderr().red().bold(), Style::new().for_stderr().cyan());
        if let Some(message) = &self.message {
            say(format!("{} {}", red.apply_to("error:"), clean(message)));
        }
        self.details.iter().for_each(|line| say(format!("  {line}")));
        self.hints.iter().for_each(|hint| say(format!("{} {}", cyan.apply_to("hint:"), clean(hint))));
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Cancelled => Failure { code: INTERRUPTED as u8, ..Failure::new("interrupted") },
            Error::Import(e) => {
                let mut e = (*e).clone();
                let hint = e.hint.take();
                let failure = Failure::new(e.to_string());
                hint.into_iter().fold(failure, |failure, hint| failure.hint(hint))
            }
            error @ Error::NotFound { .. } => {
                Failure::new(error.to_string()).hint("look at the spelling, and at the current folder")
            }
            error => Failure::new(error.to_string()),
        }
    }
}

impl From<foretaste::import::ImportError> for Failure {
    fn from(error: foretaste::import::ImportError) -> Failure {
        Error::from(error).into()
    }
}

impl From<io::Error> for Failure {
    /// An error of writing to standard output. A reader that has seen enough, such as `head`, is no failure.
    fn from(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::ended(0);
        }
        Failure::new(format!("cannot write the results: {error}"))
    }
}

/// What a command returns.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Where results go, and in which form.
pub struct Output<'a> {
    /// Results are JSON.
    pub json: bool,
    terminal: bool,
    out: io::BufWriter<Box<dyn Write + 'a>>,
}

impl<'a> Output<'a> {
    /// Results to standard output.
    pub fn new(json: bool) -> Output<'a> {
        Output::to(Box::new(io::stdout()), json, io::stdout().is_terminal())
    }

    /// Results to `out`, which ends up on a terminal or not.
    pub fn to(out: Box<dyn Write + 'a>, json: bool, terminal: bool) -> Output<'a> {
        Output { json, terminal, out: io::BufWriter::new(out) }
    }

    /// One line of text that this program wrote itself.
    pub fn line(&mut self, text: impl Display) -> Outcome {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// One JSON document on a line of its own.
    pub fn json(&mut self, value: &impl Serialize) -> Outcome {
        let text = serde_json::to_string(value)
            .map_err(|e| Failure::new(format!("cannot write the results as JSON: {e}")))?;
        Ok(writeln!(self.out, "{}", escaped(&text))?)
    }

    /// A table. On a terminal it is as wide as that and each row is one line; elsewhere nothing is cut.
    pub fn table(&mut self, header: &[&str], rows: Vec<Vec<String>>) -> Outcome {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_truncation_indicator("…");
        if console::colors_enabled() {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
        if self.terminal {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width());
        }
        for row in rows {
            let mut row = Row::from(row.iter().map(|cell| clean(cell)).collect::<Vec<_>>());
            if self.terminal {
                row.max_height(1);
            }
            table.add_row(row);
        }
        for line in table.lines() {
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// Whether results end up on a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Hands everything on.
    pub fn flush(&mut self) -> Outcome {
        Ok(self.out.flush()?)
    }
}

/// A style for standard output: without effect unless that is a terminal and colours are welcome (`NO_COLOR`).
pub fn style() -> Style {
    Style::new().for_stdout()
}

/// Columns of the terminal on standard output, or a usual number of them.
pub fn width() -> u16 {
    console::Term::stdout().size_checked().map_or(110, |(_, columns)| columns.max(40))
}

/// A message to standard error, for a person.
pub fn say(text: impl Display) {
    // Nobody is left to hear that standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Text without control characters, and without marks that reorder the line around it.
pub fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => Some(' '),
        c if c.is_control() || reorders(c) => None,
        c => Some(c),
    };
    text.chars().filter_map(shown).collect()
}

/// JSON text in which nothing is left that a terminal would obey; its meaning is the same.
pub fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() || reorders(c) {
            text += &format!("\\u{:04x}", c as u32);
        } else {
            text.push(c);
        }
    }
    text
}

fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of at most `columns` columns.
pub fn short(text: &str, columns: usize) -> String {
    console::truncate_str(&clean(text), columns, "…").into_owned()
}

/// A count with thousands separated.
pub fn count(n: u64) -> String {
    indicatif::HumanCount(n).to_string()
}

/// A count and what is counted, in the plural unless it is one.
pub fn plural(n: u64, what: &str) -> String {
    format!("{} {what}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A size with its unit.
pub fn bytes(n: u64) -> String {
    indicatif::DecimalBytes(n).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_not_shown() {
        assert_eq!(clean("a\u{1b}[31mb\u{7f}\u{9b}c\nd\u{202e}e"), "a[31mbc de");
        assert_eq!(short("abcdef", 4), "abc…");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({"a": "x\u{1b}\u{7f}\u{9b}\u{202e}\ny\"\\é"});
        let text = escaped(&value.to_string());
        assert!(!text.chars().any(|c| c.is_control() || reorders(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}

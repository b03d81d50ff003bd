//! Where results go: standard output, through a pager when they are long; a file for all, or for one statement.
#![expect(clippy::disallowed_types, reason = "files that results go to lie outside the database folder")]

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::output::{Failure, Outcome};
use crate::sink::failed;

/// Where results go.
pub struct Out {
    /// Whether standard output is a terminal that somebody sits at.
    terminal: bool,
    file: Option<(PathBuf, File)>,
    once: Option<(PathBuf, File)>,
    /// Whether the statement that named the file for one statement is still the present one.
    named_now: bool,
}

impl Out {
    /// To standard output.
    pub fn new(terminal: bool) -> Out {
        Out { terminal, file: None, once: None, named_now: false }
    }

    /// From now on to this file, or to standard output again.
    pub fn redirect(&mut self, file: Option<&Path>) -> Outcome {
        self.finish()?;
        self.file = file.map(create).transpose()?;
        Ok(())
    }

    /// The next statement's results to this file.
    pub fn once(&mut self, file: &Path) -> Outcome {
        self.once = Some(create(file)?);
        self.named_now = true;
        Ok(())
    }

    /// The file that results go to.
    pub fn file(&self) -> Option<&Path> {
        self.once.as_ref().or(self.file.as_ref()).map(|(path, _)| path.as_path())
    }

    /// Whether results are seen on a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal && self.file().is_none()
    }

    /// Writes a result.
    pub fn print(&mut self, text: &str) -> Outcome {
        if let Some((path, file)) = self.once.as_mut().or(self.file.as_mut()) {
            return file.write_all(text.as_bytes()).map_err(|e| failed(path, &e));
        }
        if self.terminal && text.lines().count() >= height() && page(text)? {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Prints a statement before it is carried out: never into a file of results.
    pub fn echo(&self, text: &str) -> Outcome {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", text.trim())?;
        Ok(out.flush()?)
    }

    /// A statement has ended, and with it what goes to a file once.
    pub fn end_of_statement(&mut self) -> Outcome {
        if std::mem::take(&mut self.named_now) {
            return Ok(());
        }
        self.once.take().map_or(Ok(()), close)
    }

    /// Everything is written.
    pub fn finish(&mut self) -> Outcome {
        self.once.take().map_or(Ok(()), close)?;
        self.file.take().map_or(Ok(()), close)
    }
}

fn create(path: &Path) -> Outcome<(PathBuf, File)> {
    let file = File::create(path).map_err(|e| failed(path, &e))?;
    Ok((path.to_path_buf(), file))
}

fn close((path, file): (PathBuf, File)) -> Outcome {
    file.sync_all().map_err(|e| failed(&path, &e))
}

fn height() -> usize {
    console::Term::stdout().size_checked().map_or(usize::MAX, |(rows, _)| rows.into())
}

/// Shows the text through `$PAGER`; false when there is none.
fn page(text: &str) -> Outcome<bool> {
    let Some(pager) = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty()) else {
        return Ok(false);
    };
    let mut command = shell_command(&pager);
    if std::env::var_os("LESS").is_none() {
        // Colours as they are, long lines cut, and no stop where all of it is seen.
        command.env("LESS", "FRSX");
    }
    let mut child = command
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|e| Failure::new(format!("cannot start the pager `{pager}`: {e}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A pager that is left before its end has shown enough.
        let _ = stdin.write_all(text.as_bytes());
    }
    child.wait().map_err(|e| Failure::new(format!("the pager `{pager}`: {e}")))?;
    Ok(true)
}

/// A command line as the system's shell understands it.
pub fn shell_command(line: &str) -> Command {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell);
    command.arg(flag).arg(line);
    command
}

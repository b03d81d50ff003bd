//! The shell: `foretaste PATH`. Statements and dot commands from a terminal, a pipe, files or arguments.
//!
//! `input → statement (lang) → exec → grid → mode → out`, or `input → dot`.
//!
//! Reads from: standard input, files, arguments. Writes to: standard output, or a file that the user names.
//! Never: engine logic; what the facade does not offer is not there.

mod ask;
mod cell;
mod change;
mod dot;
mod editor;
mod embed;
mod exec;
mod explain;
mod grid;
mod helper;
mod input;
mod live;
mod out;
mod query;
mod schema;
mod scorer;
mod settings;
mod space;
mod talk;
mod watch;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use foretaste::{Collection, Database, Error};
use foretaste_shell::lang::{self, Name, Refused, Search};

use crate::args::Cli;
use crate::interrupt;
use crate::output::{FAILED, Failure, Outcome, say};
use out::Out;
use settings::{Mode, Settings};

/// How the shell is begun.
#[derive(Debug, Args)]
pub struct Options {
    /// The database folder that the shell opens; a temporary one when it is left out.
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// A statement or dot command to carry out instead of a session; may be given again.
    #[arg(short = 'c', long = "command", value_name = "STATEMENT", allow_hyphen_values = true)]
    pub commands: Vec<String>,
    /// A file of statements and dot commands to carry out instead of a session, before those of -c.
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A file to carry out first, in place of the startup file.
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
    /// End at the first statement that fails.
    #[arg(long)]
    pub bail: bool,
    /// Open the database without the right to write; another process may write meanwhile.
    #[arg(long)]
    pub readonly: bool,
    /// Results as CSV.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print each statement before it is carried out.
    #[arg(long)]
    pub echo: bool,
}

/// A session.
pub struct Shell {
    database: Database,
    /// The folder of a scratch database, which goes with it.
    scratch: Option<tempfile::TempDir>,
    settings: Settings,
    out: Out,
    /// The last search, for `.explain`.
    last: Option<Search>,
    /// Whether a person sits at it: standard input and output are a terminal.
    interactive: bool,
    failed: bool,
    leaving: bool,
    /// Files that are being read, one from within the other.
    depth: usize,
}

/// Why a statement ends before its end.
pub enum Stop {
    /// Something in the statement's text.
    Refused(Refused),
    Failed(Failure),
}

/// What carrying out a statement gives.
pub type Done<T = ()> = Result<T, Stop>;

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failed(error.into())
    }
}

impl Stop {
    /// Something about the place `at` of the statement.
    fn at(at: usize, why: impl Into<String>) -> Stop {
        Stop::Refused(Refused::new(at, why))
    }
}

/// Runs the shell to its end.
pub fn run(options: &Options, json: bool) -> Outcome<ExitCode> {
    let session = options.commands.is_empty() && options.files.is_empty();
    let interactive = session && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut settings = Settings::new(interactive);
    settings.echo = options.echo;
    settings.bail = options.bail || !options.commands.is_empty();
    if json {
        settings.mode = Mode::Json;
    } else if options.csv {
        settings.mode = Mode::Csv;
    }
    let (database, scratch) = open(options.path.as_deref(), options.readonly)?;
    let out = Out::new(interactive);
    let mut shell = Shell {
        database,
        scratch,
        settings,
        out,
        last: None,
        interactive,
        failed: false,
        leaving: false,
        depth: 0,
    };
    let ended = shell.all(options, session);
    shell.end(ended)
}

/// Opens a database; without a path a new one in a temporary folder.
fn open(path: Option<&Path>, readonly: bool) -> Outcome<(Database, Option<tempfile::TempDir>)> {
    let of = Database::options().read_only(readonly);
    if let Some(path) = path {
        let commands = <Cli as clap::CommandFactory>::command();
        let names = commands.get_subcommands().map(clap::Command::get_name);
        if let Some(near) =
            path.to_str().filter(|_| !path.exists()).and_then(|path| lang::nearest(path, names))
        {
            let failure = Failure::usage(format!("`{}` is neither a command nor a database", path.display()));
            let hint = format!(
                "did you mean `foretaste {near}`? A new database of that name: `foretaste ./{}`",
                path.display()
            );
            return Err(failure.hint(hint));
        }
        return Ok((of.open(path)?, None));
    }
    let folder = tempfile::Builder::new().prefix("foretaste-").tempdir().map_err(|e| {
        Failure::new(format!("cannot make a temporary folder: {e}")).hint("name a database: `foretaste PATH`")
    })?;
    let database = Database::open(folder.path().join("scratch.ft"))?;
    Ok((database, Some(folder)))
}

impl Shell {
    fn all(&mut self, options: &Options, session: bool) -> Outcome {
        let startup = match &options.init {
            Some(file) => Some(file.clone()),
            None if self.interactive => input::startup(),
            None => None,
        };
        if let Some(file) = startup {
            self.read(&file)?;
        }
        for file in &options.files {
            self.read(file)?;
        }
        for text in &options.commands {
            self.text(text)?;
        }
        match (session, self.interactive) {
            (false, _) => Ok(()),
            (true, false) => self.stdin(),
            (true, true) => self.session(),
        }
    }

    /// Closes the database; gives the exit code.
    fn end(mut self, ended: Outcome) -> Outcome<ExitCode> {
        self.out.finish()?;
        let closed = if self.database.is_read_only() { Ok(()) } else { self.database.close() };
        drop(self.scratch);
        if let Err(failure) = ended {
            return Ok(failure.report());
        }
        closed?;
        Ok(ExitCode::from(if self.failed { FAILED } else { 0 }))
    }

    /// Carries a statement or a dot command out, and says what was wrong.
    ///
    /// # Errors
    /// What ends the session: an interrupt of a script, a failure when it is to bail, an output that is closed.
    fn carry_out(&mut self, text: &str) -> Outcome {
        if self.settings.echo {
            self.out.echo(text)?;
        }
        interrupt::reset();
        let started = Instant::now();
        let done = if text.starts_with('.') { self.dot(text) } else { self.statement(text) };
        if self.settings.timer {
            say(format!("time {:.6} s", started.elapsed().as_secs_f64()));
        }
        let failure = match done {
            Ok(()) => return self.out.end_of_statement(),
            Err(Stop::Refused(refused)) => Failure::of_statement(refused, text),
            Err(Stop::Failed(failure)) => failure,
        };
        self.out.end_of_statement()?;
        if failure.is_silent() || (failure.is_interrupt() && !self.interactive) {
            return Err(failure);
        }
        let _ = failure.report();
        self.failed = !self.interactive;
        if self.settings.bail && !self.interactive {
            return Err(Failure::ended(FAILED));
        }
        Ok(())
    }

    /// Something that is good to know at a terminal, and noise in a script.
    fn note(&self, text: &str) {
        if self.interactive {
            say(text);
        }
    }

    /// The collection of that name.
    fn collection(&self, name: &Name) -> Done<Collection> {
        self.database.collection(&name.text).map_err(|e| match e {
            Error::NotFound { .. } => Stop::Refused(self.no_collection(&name.text, name.at.0)),
            e => e.into(),
        })
    }

    fn no_collection(&self, name: &str, at: usize) -> Refused {
        let known = self.database.collections();
        let refused = Refused::new(at, format!("there is no collection `{name}`"));
        match lang::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => refused.hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => {
                refused.hint("there is none yet: `create collection docs (vector cosine(384));`")
            }
            None => refused.hint(format!("the collections are {}", known.join(", "))),
        }
    }
}

//! Dot commands: what a session is, and everything that is no statement.

mod about;
mod files;

use std::time::Duration;

use foretaste_shell::lang::{self, Statement};

use super::settings::{MODES, Mode, NAMES};
use super::{Done, Shell};
use crate::output::Failure;

/// A dot command.
pub struct Command {
    /// Its name, without the dot.
    pub name: &'static str,
    /// What stands behind it.
    pub usage: &'static str,
    /// What it does.
    pub help: &'static str,
    run: fn(&mut Shell, &str, &[String]) -> Done,
}

/// All of them. The function gets what stands behind the name, as it is and cut into words.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "bail",
        usage: "on|off",
        help: "end a script at the first statement that fails",
        run: Shell::bail,
    },
    Command {
        name: "check",
        usage: "",
        help: "read every byte and compare it with its checksum",
        run: Shell::check,
    },
    Command {
        name: "collections",
        usage: "",
        help: "the collections, with rows and kind",
        run: Shell::collections,
    },
    Command {
        name: "echo",
        usage: "on|off",
        help: "print each statement before it is carried out",
        run: Shell::echo,
    },
    Command {
        name: "explain",
        usage: "[SEARCH]",
        help: "the plan and cost of a search, or of the last one",
        run: Shell::explain_last,
    },
    Command {
        name: "export",
        usage: "COLLECTION FILE",
        help: "write all rows to .jsonl, .csv (or .gz of them) or .npy",
        run: Shell::export,
    },
    Command {
        name: "help",
        usage: "[PATTERN]",
        help: "these lines, or those that have the pattern",
        run: Shell::help,
    },
    Command {
        name: "import",
        usage: "FILE COLLECTION [OPTIONS]",
        help: "read a file; the options are those of `foretaste import`",
        run: Shell::import,
    },
    Command {
        name: "indexes",
        usage: "[COLLECTION]",
        help: "the indexes of collections and vector fields",
        run: Shell::indexes,
    },
    Command {
        name: "mode",
        usage: "[MODE]",
        help: "how results are written: table box csv tsv json jsonl line markdown",
        run: Shell::mode,
    },
    Command {
        name: "once",
        usage: "FILE",
        help: "write the next statement's results to a file",
        run: Shell::once,
    },
    Command {
        name: "open",
        usage: "[--readonly] PATH",
        help: "close the database and open another",
        run: Shell::open_other,
    },
    Command {
        name: "output",
        usage: "[FILE]",
        help: "write results to a file, or to the terminal again",
        run: Shell::output,
    },
    Command {
        name: "progress",
        usage: "on|off",
        help: "draw bars, and answers while they settle",
        run: Shell::draw,
    },
    Command { name: "quit", usage: "", help: "leave, as Ctrl-D does", run: Shell::quit },
    Command {
        name: "read",
        usage: "FILE",
        help: "carry out the statements of a file",
        run: Shell::read_file,
    },
    Command {
        name: "schema",
        usage: "[COLLECTION]",
        help: "the statements that create the collections",
        run: Shell::schema,
    },
    Command {
        name: "set",
        usage: "[NAME VALUE]",
        help: "embed CMD, scorer CMD, and others: .set alone shows them",
        run: Shell::set,
    },
    Command { name: "show", usage: "", help: "what the session is set to", run: Shell::show_settings },
    Command {
        name: "spaces",
        usage: "[COLLECTION]",
        help: "the spaces of vectors: rules between them, and how far changes are",
        run: Shell::spaces,
    },
    Command {
        name: "stats",
        usage: "",
        help: "what the database holds and what it takes on disk",
        run: Shell::stats,
    },
    Command { name: "timer", usage: "on|off", help: "say how long each statement took", run: Shell::timer },
    Command {
        name: "watch",
        usage: "SEARCH",
        help: "repeat a search whenever its answer changes, until Ctrl-C",
        run: Shell::watch_text,
    },
];

impl Shell {
    /// Carries a dot command out.
    pub(super) fn dot(&mut self, line: &str) -> Done {
        let line = line.trim();
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let name = name.trim_start_matches('.').trim_end_matches(';');
        let command = find(name)?;
        let rest = rest.trim();
        (command.run)(self, rest, &words(rest)?)
    }

    fn bail(&mut self, _: &str, words: &[String]) -> Done {
        self.settings.bail = switch("bail", words)?;
        Ok(())
    }

    fn echo(&mut self, _: &str, words: &[String]) -> Done {
        self.settings.echo = switch("echo", words)?;
        Ok(())
    }

    fn timer(&mut self, _: &str, words: &[String]) -> Done {
        self.settings.timer = switch("timer", words)?;
        Ok(())
    }

    fn draw(&mut self, _: &str, words: &[String]) -> Done {
        self.settings.progress = switch("progress", words)?;
        Ok(())
    }

    fn quit(&mut self, _: &str, _: &[String]) -> Done {
        self.leaving = true;
        Ok(())
    }

    fn mode(&mut self, _: &str, words: &[String]) -> Done {
        let [name] = words else {
            if words.is_empty() {
                self.out.print(&format!("{}\n", self.settings.mode.name()))?;
                return Ok(());
            }
            return Err(usage("mode"));
        };
        self.settings.mode = name.parse::<Mode>().map_err(|()| {
            let names = || MODES.iter().map(|(name, _)| *name);
            let failure = Failure::new(format!("there is no mode `{name}`"));
            match lang::nearest(name, names()) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(format!("the modes are {}", names().collect::<Vec<_>>().join(", "))),
            }
        })?;
        Ok(())
    }

    fn set(&mut self, rest: &str, words: &[String]) -> Done {
        let Some(name) = words.first() else { return self.show_settings(rest, &[]) };
        // A command keeps its own quotes when it is not in quotes as a whole.
        let value = match words {
            [_, value] => value.clone(),
            _ => rest.split_once(char::is_whitespace).map_or(String::new(), |(_, v)| v.trim().to_string()),
        };
        match name.as_str() {
            "embed" => self.settings.embed = Some(value).filter(|command| !command.is_empty()),
            "embed_many" => self.settings.embed_many = Some(value).filter(|command| !command.is_empty()),
            "embed_timeout" => self.settings.embed_timeout = time(&value)?,
            "scorer" => self.settings.scorer = Some(value).filter(|command| !command.is_empty()),
            "scorer_version" => self.settings.scorer_version = Some(value).filter(|name| !name.is_empty()),
            "scorer_timeout" => self.settings.scorer_timeout = time(&value)?,
            "pace" => self.settings.pace = time(&value)?,
            "interval" => self.settings.interval = time(&value)?,
            other => {
                let failure = Failure::new(format!("there is no setting `{other}`"));
                let hint = match lang::nearest(other, NAMES) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the settings are {}", NAMES.join(", ")),
                };
                return Err(failure.hint(hint).into());
            }
        }
        Ok(())
    }

    fn explain_last(&mut self, rest: &str, _: &[String]) -> Done {
        if !rest.trim_end_matches(';').is_empty() {
            return self.statement(&format!("explain {rest}"));
        }
        let Some(search) = self.last.clone() else {
            return Err(Failure::new("there was no search yet").hint(".explain search docs near …").into());
        };
        self.explain(&search)
    }

    fn watch_text(&mut self, rest: &str, _: &[String]) -> Done {
        match lang::parse(rest) {
            Ok(Statement::Search(search)) => self.watch(&search),
            Ok(_) => Err(Failure::new("only a search can be watched").into()),
            Err(refused) => Err(Failure::of_statement(refused, rest).into()),
        }
    }
}

/// The command that is called so, or the only one whose name begins so.
fn find(name: &str) -> Done<&'static Command> {
    let name = if name == "exit" { "quit" } else { name };
    if let Some(exact) = COMMANDS.iter().find(|command| command.name == name) {
        return Ok(exact);
    }
    let begun: Vec<&Command> =
        COMMANDS.iter().filter(|command| !name.is_empty() && command.name.starts_with(name)).collect();
    match begun.as_slice() {
        [one] => return Ok(*one),
        [] => {}
        several => {
            let names: Vec<String> = several.iter().map(|command| format!(".{}", command.name)).collect();
            let why = format!("`.{name}` could be {}", names.join(", "));
            return Err(Failure::new(why).into());
        }
    }
    let failure = Failure::new(format!("there is no command `.{name}`"));
    let ours = match name {
        "tables" | "ls" => Some("collections"),
        "databases" => Some("show"),
        "dump" | "save" => Some("export"),
        "headers" | "width" | "separator" => Some("mode"),
        _ => lang::nearest(name, COMMANDS.iter().map(|command| command.name)),
    };
    Err(match ours {
        Some(near) => failure.hint(format!("did you mean `.{near}`?")),
        None => failure.hint("`.help` lists the commands"),
    }
    .into())
}

/// How a command is called, as an error.
fn usage(name: &str) -> super::Stop {
    let usage = COMMANDS.iter().find(|command| command.name == name).map_or("", |command| command.usage);
    Failure::new(format!("it is called so: .{name} {usage}")).into()
}

fn switch(name: &str, words: &[String]) -> Done<bool> {
    match words {
        [word] if matches!(word.as_str(), "on" | "true" | "yes" | "1") => Ok(true),
        [word] if matches!(word.as_str(), "off" | "false" | "no" | "0") => Ok(false),
        _ => Err(usage(name)),
    }
}

fn time(text: &str) -> Done<Duration> {
    let digits = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let scale = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0)]
        .iter()
        .find(|(u, _)| *u == unit)
        .map(|(_, s)| s);
    let seconds = number.trim().parse::<f64>().ok().zip(scale).map(|(number, scale)| number * scale);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| Failure::new(format!("`{text}` is no time; write 500ms or 30s")).into())
}

/// Cuts a line into words; quotes, single or double, hold one together.
fn words(line: &str) -> Done<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    // What is not closed, as in `.watch search d near it's`, is told by whoever reads it.
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found_by_unique_prefixes() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.name));
        let found = |name| find(name).ok().map(|command| command.name);
        assert_eq!(
            (found("help"), found("h"), found("col"), found("exp")),
            (Some("help"), Some("help"), Some("collections"), None)
        );
        assert_eq!((found("s"), found(""), found("exit")), (None, None, Some("quit")));
    }

    #[test]
    fn a_line_is_cut_at_blanks_outside_quotes() {
        let cut = |line| words(line).ok().unwrap_or_default();
        assert_eq!(cut(r#"a  'b c' "d'e" f'g h'"#), ["a", "b c", "d'e", "fg h"]);
        assert_eq!(cut("''"), [""]);
        assert!(cut("  ").is_empty());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time("1.5s").ok(), Some(Duration::from_millis(1500)));
        assert_eq!(time("20 ms").ok(), Some(Duration::from_millis(20)));
        assert!(time("5").is_err() && time("-1s").is_err() && time("x").is_err());
    }
}

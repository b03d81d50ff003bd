//! What Tab offers: what the parser expects there, and names that the database has.

use foretaste::Database;
use foretaste_shell::lang::{Expected, Kind, Lexer, expected, quoted};
use rustyline::completion::{FilenameCompleter, Pair};
use rustyline::{Context, Result as Line};

use crate::shell::dot::COMMANDS;
use crate::shell::settings::{MODES, NAMES};

/// Names of a database.
#[derive(Default)]
pub struct Names {
    collections: Vec<Collection>,
}

struct Collection {
    name: String,
    columns: Vec<String>,
    texts: Vec<String>,
    vectors: Vec<String>,
}

impl Names {
    /// Those that are there now.
    pub fn of(database: &Database) -> Names {
        let of = |name: String| {
            let collection = database.collection(&name).ok()?;
            let schema = collection.schema();
            Some(Collection {
                columns: schema.columns().iter().map(|column| column.path.clone()).collect(),
                texts: schema.text_fields().iter().map(|field| field.path.clone()).collect(),
                vectors: collection.vector_fields().into_iter().map(|(name, _)| name).collect(),
                name,
            })
        };
        Names { collections: database.collections().into_iter().filter_map(of).collect() }
    }

    /// What may stand at `pos`, and where it begins; `before` is what was typed in the lines before.
    pub fn complete(
        &self,
        before: &str,
        line: &str,
        pos: usize,
        context: &Context<'_>,
    ) -> Line<(usize, Vec<Pair>)> {
        use rustyline::completion::Completer as _;
        let typed = line.get(..pos).unwrap_or(line);
        let word = typed.char_indices().rev().take_while(|(_, c)| *c == '_' || c.is_alphanumeric()).last();
        let from = word.map_or(pos, |(at, _)| at);
        let prefix = typed.get(from..).unwrap_or_default().to_lowercase();
        let offer = |all: Vec<String>| {
            let fits = all.into_iter().filter(|one| one.to_lowercase().starts_with(&prefix));
            let pair = |text: String| Pair { replacement: format!("{text} "), display: text };
            fits.map(pair).collect::<Vec<_>>()
        };
        if before.is_empty()
            && let Some(rest) = typed.strip_prefix('.')
        {
            let Some((name, _)) = rest.split_once(' ') else {
                return Ok((from, offer(COMMANDS.iter().map(|command| command.name.to_string()).collect())));
            };
            return match name {
                "help" => {
                    Ok((from, offer(COMMANDS.iter().map(|command| command.name.to_string()).collect())))
                }
                "set" if !rest.trim_start_matches("set").trim_start().contains(' ') => {
                    Ok((from, offer(NAMES.map(str::to_string).to_vec())))
                }
                "timer" | "progress" | "echo" | "bail" => {
                    Ok((from, offer(["on", "off"].map(str::to_string).to_vec())))
                }
                "import" if rest.trim_start_matches("import").trim_start().contains(' ') => {
                    Ok((from, offer(self.names())))
                }
                "mode" => Ok((from, offer(MODES.iter().map(|(name, _)| name.to_string()).collect()))),
                "schema" | "indexes" | "spaces" => Ok((from, offer(self.names()))),
                "export" if !rest.trim_start_matches("export").trim_start().contains(' ') => {
                    Ok((from, offer(self.names())))
                }
                "watch" | "explain" => {
                    let skipped = typed.get(..name.len() + 2).map_or(0, str::len);
                    Ok((from, offer(self.next(typed.get(skipped..from).unwrap_or_default()))))
                }
                _ => FilenameCompleter::new().complete(line, pos, context),
            };
        }
        let text = before.to_string() + typed.get(..from).unwrap_or_default();
        let statement = text.get(last_statement(&text)..).unwrap_or_default();
        if statement.rfind('\'').is_some_and(|quote| expects_file(statement, quote)) {
            return FilenameCompleter::new().complete(line, pos, context);
        }
        Ok((from, offer(self.next(statement))))
    }

    fn names(&self) -> Vec<String> {
        self.collections.iter().map(|of| quoted(&of.name)).collect()
    }

    /// What may stand behind the beginning of a statement.
    fn next(&self, statement: &str) -> Vec<String> {
        let of = self.named_in(statement);
        let mut all = Vec::new();
        for one in expected(statement) {
            match one {
                Expected::Word(word) => all.push(word.to_string()),
                Expected::Collection => all.extend(self.names()),
                Expected::Field => all.extend(of.iter().flat_map(|of| of.columns.iter().cloned())),
                Expected::TextField => all.extend(of.iter().flat_map(|of| of.texts.iter().cloned())),
                Expected::VectorField => {
                    all.extend(of.iter().flat_map(|of| of.vectors.iter().map(|v| quoted(v))))
                }
                Expected::Sign(_) | Expected::File | Expected::Thing(_) => {}
            }
        }
        all.sort();
        all.dedup();
        all
    }

    /// The collection that a statement names, or all when it names none.
    fn named_in(&self, statement: &str) -> Vec<&Collection> {
        let mut lexer = Lexer::new(statement, 0);
        while let Ok(token) = lexer.next() {
            let name = match token.kind {
                Kind::Word(name) => name.to_string(),
                Kind::Quoted(name) => name.replace("\"\"", "\""),
                Kind::End => break,
                _ => continue,
            };
            if let Some(found) = self.collections.iter().find(|of| of.name == name) {
                return vec![found];
            }
        }
        self.collections.iter().collect()
    }
}

/// Where the last statement of a text begins.
fn last_statement(text: &str) -> usize {
    let (mut lexer, mut begin) = (Lexer::new(text, 0), 0);
    while let Ok(token) = lexer.next() {
        match token.kind {
            Kind::Sign(';') => begin = token.end,
            Kind::End => break,
            _ => {}
        }
    }
    begin
}

/// Whether the quote at this byte opens the name of a file.
fn expects_file(statement: &str, quote: usize) -> bool {
    statement.get(..quote).is_some_and(|before| expected(before).contains(&Expected::File))
}

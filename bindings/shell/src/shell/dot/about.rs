//! Dot commands that show something: collections, schemas, indexes, figures, help, settings.

use foretaste::CollectionStats;

use super::COMMANDS;
use crate::command;
use crate::output::{Failure, Output, bytes};
use crate::shell::cell::Cell;
use crate::shell::grid::Grid;
use crate::shell::settings::Mode;
use crate::shell::{Done, Shell, schema, space};

impl Shell {
    pub(super) fn collections(&mut self, _: &str, _: &[String]) -> Done {
        let mut grid = Grid::new(["collection", "rows", "dim", "metric"]);
        for of in self.database.stats()?.collections {
            let (rows, dim) = (Cell::count(of.rows), Cell::count(of.dim as u64));
            grid.rows.push(vec![of.name.as_str().into(), rows, dim, of.metric.as_str().into()]);
        }
        self.show(&grid)
    }

    pub(super) fn schema(&mut self, _: &str, words: &[String]) -> Done {
        let names = if words.is_empty() { self.database.collections() } else { words.to_vec() };
        for name in names {
            let collection = self.database.collection(name.trim_end_matches(';'))?;
            let rest = space::statements(&collection)?;
            self.out.print(&format!("{};\n{rest}", schema::statement(&collection)))?;
        }
        Ok(())
    }

    pub(super) fn indexes(&mut self, _: &str, words: &[String]) -> Done {
        let mut grid = Grid::new(["collection", "field", "wanted", "built", "size", "rows", "unindexed"]);
        let stats = self.database.stats()?;
        if let Some(name) = words.first() {
            self.database.collection(name)?;
        }
        let wanted = |of: &&CollectionStats| words.first().is_none_or(|name| *name == of.name);
        for of in stats.collections.iter().filter(wanted) {
            grid.rows.push(index(&of.name, "", of));
            grid.rows.extend(of.fields.iter().map(|field| index(&of.name, &field.name, field)));
            for field in &of.text_fields {
                grid.rows.push(vec![
                    of.name.as_str().into(),
                    field.as_str().into(),
                    "fulltext".into(),
                    if of.bytes_text > 0 { "fulltext" } else { "none" }.into(),
                    Cell::Text(bytes(of.bytes_text)),
                    Cell::count(of.rows),
                    Cell::count(of.rows_without_text + of.rows_fresh),
                ]);
            }
        }
        self.show(&grid)
    }

    pub(super) fn stats(&mut self, _: &str, _: &[String]) -> Done {
        let stats = self.database.stats()?;
        self.written(|out| command::stats::show(&stats, out))
    }

    pub(super) fn check(&mut self, _: &str, _: &[String]) -> Done {
        let path = self.database.path();
        let mut code = None;
        self.written(|out| command::check::run(&path, out).map(|given| code = Some(given)))?;
        if code.is_some_and(|code| code != std::process::ExitCode::SUCCESS) {
            return Err(Failure::new("the database is damaged").into());
        }
        Ok(())
    }

    pub(super) fn help(&mut self, _: &str, words: &[String]) -> Done {
        let pattern = words.first().map(|word| word.trim_start_matches('.').to_lowercase());
        let mut text = String::new();
        for command in COMMANDS {
            let line = format!(".{:<12} {:<26} {}\n", command.name, command.usage, command.help);
            if pattern.as_ref().is_none_or(|pattern| line.to_lowercase().contains(pattern)) {
                text += &line;
            }
        }
        if pattern.is_none() {
            text += HELP;
        } else if text.is_empty() {
            return Err(Failure::new("no command has that in its name or description").into());
        }
        Ok(self.out.print(&text)?)
    }

    pub(super) fn show_settings(&mut self, _: &str, _: &[String]) -> Done {
        let on = |yes: bool| if yes { "on" } else { "off" };
        let set = &self.settings;
        let file = self.out.file().map_or("stdout".to_string(), |file| file.display().to_string());
        let all = [
            ("database", self.database.path().display().to_string()),
            ("readonly", on(self.database.is_read_only()).to_string()),
            ("mode", set.mode.name().to_string()),
            ("output", file),
            ("timer", on(set.timer).to_string()),
            ("progress", on(set.progress).to_string()),
            ("echo", on(set.echo).to_string()),
            ("bail", on(set.bail).to_string()),
            ("embed", set.embed.clone().unwrap_or_default()),
            ("embed_many", set.embed_many.clone().unwrap_or_default()),
            ("embed_timeout", format!("{:?}", set.embed_timeout)),
            ("scorer", set.scorer.clone().unwrap_or_default()),
            ("scorer_version", set.scorer_version.clone().unwrap_or_default()),
            ("scorer_timeout", format!("{:?}", set.scorer_timeout)),
            ("pace", format!("{:?}", set.pace)),
            ("interval", format!("{:?}", set.interval)),
        ];
        let mut grid = Grid::new(["setting", "value"]);
        grid.rows.extend(all.map(|(name, value)| vec![name.into(), Cell::Text(value)]));
        self.show(&grid)
    }

    /// What a command of the command line writes, as a result.
    fn written(&mut self, write: impl FnOnce(&mut Output) -> crate::output::Outcome) -> Done {
        let mut text = Vec::new();
        let json = matches!(self.settings.mode, Mode::Json | Mode::Jsonl);
        let mut out = Output::to(Box::new(&mut text), json, self.out.is_terminal());
        let done = write(&mut out).and_then(|()| out.flush());
        drop(out);
        self.out.print(&String::from_utf8_lossy(&text))?;
        Ok(done?)
    }
}

fn index(collection: &str, field: &str, of: &CollectionStats) -> Vec<Cell> {
    vec![
        collection.into(),
        field.into(),
        of.index_wanted.as_str().into(),
        of.index.as_str().into(),
        Cell::Text(bytes(of.bytes_index)),
        Cell::count(of.rows),
        Cell::count(of.rows_unindexed),
    ]
}

/// What a statement looks like.
const HELP: &str = "
create collection docs (vector cosine(384) levels 64, 128, lang text, year int, body fulltext);
insert into docs values ('id-1', [0.1, 0.2, …], {\"lang\": \"en\"});
search docs near [0.1, …] where lang = 'en' and year >= 2020 k 10;
search docs near 'id-1' match body 'words' rerank mmr(0.7);
get 'id-1' from docs;   delete from docs 'id-1', 7;   optimize docs as hnsw;
alter collection docs space 'model@1';   alter collection docs rule 'other@2' prefix 128;
change docs to cosine(768) space 'other@2';   change docs embed body;   change docs flip;
";

//! `change`: another model for a collection that is in use. Begun, filled by a command or from a file, flipped, finished.
//!
//! Reads from: documents, the embedding command, a file. Writes to: the rows in the other space.
//! Never: vectors lost that were made before an interruption or a failure.

use std::collections::HashSet;
use std::path::Path;

use foretaste::{Collection, Error, Key, NewVector, Order, PendingRow, import};
use foretaste_shell::lang::{self, Step, quoted};

use super::embed::{Many, embed};
use super::exec::shown;
use super::query::at;
use super::{Done, Shell, schema, space};
use crate::interrupt;
use crate::output::{Failure, count, plural};

/// Rows that are embedded for one commit.
const EMBED_ROWS: usize = 64;
/// Rows of a file for one commit.
const FILE_ROWS: usize = 1024;

/// Rows without a text, which no command can embed.
#[derive(Default)]
struct Silent {
    rows: u64,
    first: Option<Key>,
}

impl Shell {
    /// Takes one step of a change.
    pub(super) fn change(&mut self, change: &lang::Change) -> Done {
        let collection = self.collection(&change.name)?;
        match &change.step {
            Step::To(kind) => {
                space::has_space(&collection, change.name.at.0)?;
                if let Some(other) = collection.change() {
                    return Err(two_at_once(&collection, &other).into());
                }
                collection.begin_change(schema::vector(kind))?;
                self.note("begun; `change … embed FIELD` or `import FILE` gives its rows their vectors");
                Ok(())
            }
            Step::Embed { path, by_variance } => {
                let order = if *by_variance { Order::Variance } else { Order::Stored };
                self.embed_rows(&begun(&collection)?, path, order)
            }
            Step::Import { file, vector, id } => {
                let options = import::Options { vector: vector.clone(), id: id.clone(), format: None };
                self.import_vectors(&begun(&collection)?, file, &options)
            }
            Step::Flip => {
                let change = begun(&collection)?;
                let (_, waiting) = change.progress();
                let flipped = change.flip().map_err(|e| match e {
                    Error::BadRequest { .. } if waiting > 0 => {
                        Failure::from(e).hint("`change … embed FIELD` or `import FILE` gives them theirs")
                    }
                    e => e.into(),
                })?;
                let space = flipped.schema().vector_space().map(ToString::to_string).unwrap_or_default();
                self.note(&format!("its vectors are of {space} now; `flip` again is the way back"));
                Ok(())
            }
            Step::Finish => {
                let change = begun(&collection)?;
                if !change.is_flipped() {
                    let why = "the change was not flipped yet, and to finish it removes the new vectors";
                    return Err(Failure::new(why).hint("`flip` first, or give it up by `drop`").into());
                }
                change.finish()?;
                self.note("done; there is no way back");
                Ok(())
            }
            Step::Drop => {
                let change = begun(&collection)?;
                if change.is_flipped() {
                    let why = "the change was flipped: what could be dropped are the rows before it";
                    return Err(Failure::new(why).hint("`flip` it back first, or `finish` it").into());
                }
                change.finish()?;
                self.note("given up");
                Ok(())
            }
        }
    }

    /// Gives rows that wait the vectors of their texts.
    fn embed_rows(&self, change: &foretaste::Change, path: &str, order: Order) -> Done {
        let mut backfill = change.backfill(order)?;
        let (all, progress) = (backfill.len() as u64, self.progress("embedding"));
        let (mut done, mut written, mut silent) = (0, 0, Silent::default());
        let mut many = Many::new(&self.settings);
        loop {
            let rows = backfill.next(EMBED_ROWS)?;
            if rows.is_empty() {
                break;
            }
            done += rows.len() as u64;
            let texts: Vec<(&PendingRow, String)> =
                rows.iter().filter_map(|row| Some((row, silent.text(row, path)?))).collect();
            let (vectors, failed) = self.vectors_of(&texts, many.as_mut());
            let made: Vec<NewVector<'_>> = texts
                .iter()
                .zip(&vectors)
                .map(|((row, _), vector)| NewVector { row, vector, variance: None })
                .collect();
            // What was made before a failure stays.
            written += change.write(&made)?;
            let failed = failed.or_else(|| interrupt::wanted().then(|| Error::Cancelled.into()));
            if let Some(failure) = failed {
                if written == 0 {
                    return Err(failure.into());
                }
                let (there, waiting) = change.progress();
                let (there, waiting) = (plural(there, "row"), count(waiting));
                let hint = format!(
                    "{there} have their vectors, {waiting} wait; the same statement goes on with them"
                );
                return Err(failure.hint(hint).into());
            }
            if let Some(progress) = &progress {
                progress.show(done, Some(all), None);
            }
        }
        drop(progress);
        if let Some(first) = silent.first {
            let why = format!("{} no text at `{path}`, the first is {}", have(silent.rows), shown(&first));
            let hint = "their vectors can come from a file: `change … import FILE`";
            return Err(Failure::new(why).hint(hint).into());
        }
        self.note(&format!("{} embedded, none waits", plural(written, "row")));
        Ok(())
    }

    /// Vectors of the first of the texts, and why they are not all.
    fn vectors_of(
        &self,
        texts: &[(&PendingRow, String)],
        many: Option<&mut Many>,
    ) -> (Vec<Vec<f32>>, Option<Failure>) {
        let mut vectors = Vec::with_capacity(texts.len());
        if let Some(many) = many.filter(|_| !texts.is_empty()) {
            let texts: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
            return match many.embed(&texts) {
                Ok(vectors) => (vectors, None),
                Err(failure) => (vectors, Some(failure)),
            };
        }
        for (_, text) in texts {
            match embed(text, &self.settings) {
                Ok(vector) => vectors.push(vector),
                Err(failure) => return (vectors, Some(failure)),
            }
        }
        (vectors, None)
    }

    /// Gives rows that wait the vectors that a file has for their ids.
    fn import_vectors(&self, change: &foretaste::Change, file: &str, options: &import::Options) -> Done {
        let mut reader = import::open(Path::new(file), options).map_err(Error::from)?;
        let (mut rows, dim) = (import::Rows::default(), reader.dim().max(1));
        let progress = self.progress("importing");
        let (mut done, mut written) = (0, 0);
        while reader.read(FILE_ROWS, &mut rows).map_err(Error::from)? > 0 {
            done += rows.len() as u64;
            let (mut waiting, mut seen) = (Vec::new(), HashSet::new());
            for (id, vector) in rows.ids.drain(..).zip(rows.vectors.chunks(dim)) {
                let id = Key::from(id);
                if seen.insert(id.clone()) {
                    waiting.extend(change.pending(id)?.map(|row| (row, vector)));
                }
            }
            let new = |(row, vector)| NewVector { row, vector, variance: None };
            let made: Vec<NewVector<'_>> = waiting.iter().map(|(row, vector)| new((row, *vector))).collect();
            written += change.write(&made).map_err(|e| Failure::about(file, e))?;
            rows.clear();
            if let Some(progress) = &progress {
                progress.show(done, reader.rows(), None);
            }
            if interrupt::wanted() {
                let hint =
                    format!("{} got their vectors; the same statement goes on", plural(written, "row"));
                return Err(Failure::from(Error::Cancelled).hint(hint).into());
            }
        }
        drop(progress);
        let (_, waiting) = change.progress();
        if written == 0 && done > 0 && waiting > 0 {
            let why = format!("none of the {} of {file} is one that waits", plural(done, "row"));
            let hint =
                "a row of a file without ids has its number, from 0; `id 'column'` names where ids are";
            return Err(Failure::new(why).hint(hint).into());
        }
        self.note(&format!("{} got their vectors, {} wait", plural(written, "row"), count(waiting)));
        Ok(())
    }
}

impl Silent {
    /// The row's text, or a note that it has none.
    fn text(&mut self, row: &PendingRow, path: &str) -> Option<String> {
        let found = row.record.payload.as_ref().and_then(|document| at(document, path));
        let text = found.and_then(|value| value.as_str()).map(str::to_string);
        if text.is_none() {
            self.rows += 1;
            self.first.get_or_insert_with(|| row.record.id.clone());
        }
        text
    }
}

/// Why another change cannot begin, and what becomes of the one there is.
fn two_at_once(collection: &Collection, change: &foretaste::Change) -> Failure {
    let (name, space) = (collection.name(), change.space());
    match change.is_flipped() {
        false => Failure::new(format!("collection `{name}` is being changed to {space}"))
            .hint("`embed` or `import` goes on with that, `flip` ends it, `drop` gives it up"),
        true => Failure::new(format!("collection `{name}` still has its rows of before, in {space}"))
            .hint("`finish` removes them"),
    }
}

fn have(rows: u64) -> String {
    format!("{} {}", plural(rows, "row"), if rows == 1 { "has" } else { "have" })
}

/// The change that was begun.
fn begun(collection: &Collection) -> Done<foretaste::Change> {
    collection.change().ok_or_else(|| {
        let name = quoted(collection.name());
        let failure = Failure::new(format!("no change of collection `{}` is on its way", collection.name()));
        failure.hint(format!("`change {name} to cosine(384) space 'model@version';` begins one")).into()
    })
}

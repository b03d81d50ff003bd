//! Statements carried out.

use foretaste::{Error, Key, Record, RowVariance};
use foretaste_shell::lang::{self, Create, Delete, Get, Insert, Name, Optimize, Part, Statement, quoted};

use super::cell::Cell;
use super::grid::Grid;
use super::{Done, Shell, Stop, schema};
use crate::interrupt;
use crate::output::{Failure, plural};
use crate::progress::Progress;

impl Shell {
    /// Parses one statement and carries it out.
    pub(super) fn statement(&mut self, text: &str) -> Done {
        let statement = match lang::parse(text) {
            // An empty statement, `;`, is nothing to do.
            Err(_) if text.trim_end().trim_end_matches(';').trim().is_empty() => return Ok(()),
            parsed => parsed.map_err(Stop::Refused)?,
        };
        match statement {
            Statement::Create(create) => return self.create(&create),
            Statement::Insert(insert) => return self.insert(&insert),
            Statement::Get(get) => return self.get(&get),
            Statement::Search(search) => return self.search(*search),
            Statement::Watch(search) => return self.watch(&search),
            Statement::Explain(search) => return self.explain(&search),
            Statement::Drop { name, if_exists } => self.drop_collection(&name, if_exists)?,
            Statement::Alter(alter) => self.alter(&alter)?,
            Statement::Change(change) => return self.change(&change),
            Statement::Delete(delete) => self.delete(&delete)?,
            Statement::Optimize(optimize) => self.optimize(&optimize)?,
            Statement::Compact(name) => self.compact(name.as_ref())?,
            Statement::Flush(Some(name)) => self.collection(&name)?.flush()?,
            Statement::Flush(None) => self.database.flush()?,
        }
        // The others show something by themselves.
        self.note("done");
        Ok(())
    }

    /// Writes a result in the mode that is set.
    pub(super) fn show(&mut self, grid: &Grid) -> Done {
        let text = grid.write(self.settings.mode, self.out.is_terminal())?;
        Ok(self.out.print(&text)?)
    }

    fn create(&mut self, create: &Create) -> Done {
        if create.if_not_exists && self.database.collections().contains(&create.name.text) {
            return Ok(());
        }
        let made = self.database.create_collection(&create.name.text, schema::of(&create.items));
        made.map_err(|e| match e {
            Error::Exists { name } => Stop::Refused(
                lang::Refused::new(create.name.at.0, format!("collection `{name}` exists already"))
                    .hint("`create collection if not exists …` leaves it as it is"),
            ),
            e => e.into(),
        })?;
        self.note(&format!("created collection {}", quoted(&create.name.text)));
        Ok(())
    }

    fn drop_collection(&mut self, name: &Name, if_exists: bool) -> Done {
        match self.database.drop_collection(&name.text) {
            Err(Error::NotFound { .. }) if if_exists => Ok(()),
            Err(Error::NotFound { .. }) => Err(Stop::Refused(self.no_collection(&name.text, name.at.0))),
            dropped => Ok(dropped?),
        }
    }

    fn insert(&mut self, insert: &Insert) -> Done {
        let collection = self.collection(&insert.into)?;
        let mut batch = collection.batch();
        for row in &insert.rows {
            let mut into = batch.upsert(&row.id, &row.vector);
            for part in &row.parts {
                into = match part {
                    Part::Payload(payload) => into.payload(payload.clone()),
                    Part::Field { name, vector } => into.field(name, vector),
                    Part::Variance(variance) => into.variance(&RowVariance::Variance(variance.clone())),
                    Part::Tokens(tokens) => into.tokens(&tokens.concat()),
                };
            }
        }
        batch.commit().map_err(|e| {
            let Some((row, why)) = row_and_why(&e) else { return e.into() };
            match insert.rows.get(row) {
                Some(row) => Stop::at(row.at.0, why),
                None => e.into(),
            }
        })?;
        self.note(&format!("{} written", plural(insert.rows.len() as u64, "row")));
        Ok(())
    }

    fn delete(&mut self, delete: &Delete) -> Done {
        let collection = self.collection(&delete.from)?;
        let mut batch = collection.batch();
        for id in &delete.ids {
            batch.delete(id);
        }
        batch.commit()?;
        Ok(())
    }

    fn get(&mut self, get: &Get) -> Done {
        let snapshot = self.collection(&get.from)?.snapshot();
        let found = get.ids.iter().map(|id| snapshot.get(id)).collect::<Result<Vec<_>, _>>()?;
        let missing: Vec<String> =
            get.ids.iter().zip(&found).filter(|(_, row)| row.is_none()).map(|(id, _)| shown(id)).collect();
        let rows: Vec<Record> = found.into_iter().flatten().collect();
        if !rows.is_empty() {
            self.show(&records(&rows, snapshot.schema().token_kind().map_or(1, |(dim, _)| dim)))?;
        }
        if missing.is_empty() {
            return Ok(());
        }
        let name = &get.from.text;
        Err(Failure::new(format!("no row {} in collection `{name}`", missing.join(", "))).into())
    }

    fn optimize(&mut self, optimize: &Optimize) -> Done {
        let collection = self.collection(&optimize.name)?;
        let schema = collection.schema();
        let spec = optimize.index.unwrap_or(schema.index_spec());
        collection.set_index(spec, optimize.rotation.unwrap_or(schema.rotation_kind()))?;
        let progress = self.progress("optimizing");
        collection.optimize(spec, |now| {
            if let Some(progress) = &progress {
                progress.optimizing(&now);
            }
            !interrupt::wanted()
        })?;
        Ok(())
    }

    fn compact(&mut self, name: Option<&Name>) -> Done {
        let collection = name.map(|name| self.collection(name)).transpose()?;
        let progress = self.progress("compacting");
        let told = |done, total| {
            if let Some(progress) = &progress {
                progress.show(done, Some(total), None);
            }
            !interrupt::wanted()
        };
        match collection {
            Some(collection) => Ok(collection.compact(told)?),
            None => Ok(self.database.compact(told)?),
        }
    }

    pub(super) fn progress(&self, what: &str) -> Option<Progress> {
        self.settings.progress.then(|| Progress::start(what, "rows"))
    }
}

/// Rows as they are stored; columns that no row has are left out.
fn records(rows: &[Record], token_dim: usize) -> Grid {
    let mut grid = Grid::new(["id", "vector"]);
    let variance = rows.iter().any(|row| !row.variance.is_empty());
    let tokens = rows.iter().any(|row| !row.tokens.is_empty());
    let fields: std::collections::BTreeSet<&String> = rows.iter().flat_map(|row| row.fields.keys()).collect();
    grid.columns.extend(variance.then(|| "variance".to_string()));
    grid.columns.extend(fields.iter().map(|name| name.to_string()));
    grid.columns.extend(tokens.then(|| "tokens".to_string()));
    grid.columns.push("payload".to_string());
    for row in rows {
        let mut cells = vec![Cell::from(&row.id), Cell::Vector(row.vector.clone())];
        cells.extend(variance.then(|| Cell::Vector(row.variance.clone())));
        cells.extend(
            fields.iter().map(|name| row.fields.get(*name).map_or(Cell::Null, |v| Cell::Vector(v.clone()))),
        );
        let matrix = || row.tokens.chunks(token_dim.max(1)).map(|token| serde_json::json!(token)).collect();
        cells.extend(tokens.then(|| Cell::Json(serde_json::Value::Array(matrix()))));
        cells.push(row.payload.clone().into());
        grid.rows.push(cells);
    }
    grid
}

/// An id as it is written in a statement.
pub fn shown(id: &Key) -> String {
    match id {
        Key::Int(n) => n.to_string(),
        Key::Str(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

/// The row of a batch that an error is about, counted from 0, and what is wrong with it.
fn row_and_why(error: &Error) -> Option<(usize, String)> {
    let text = error.to_string();
    let why = || text.split_once("): ").map_or_else(|| text.clone(), |(_, why)| why.to_string());
    match error {
        Error::DimensionMismatch { row, .. }
        | Error::NonFinite { row, .. }
        | Error::OutOfRange { row, .. }
        | Error::ZeroVector { row, .. }
        | Error::BadVariance { row, .. }
        | Error::BadTokens { row, .. }
        | Error::BadPayload { row, .. } => Some((*row, why())),
        Error::DuplicateId { second, .. } => Some((*second, text)),
        _ => None,
    }
}

/// What is wrong with the vector of a query, if that is what the error is about.
pub fn query_why(error: &Error) -> Option<String> {
    match error {
        Error::DimensionMismatch { .. } | Error::NonFinite { .. } | Error::ZeroVector { .. } => {
            row_and_why(error).map(|(_, why)| why)
        }
        _ => None,
    }
}

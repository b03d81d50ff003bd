//! Searches: from the tree to the engine's, and their answers as grids.

use std::path::Path;

use foretaste::lang::FilterError;
use foretaste::{
    Collection, Csd, Error, Fuse, Fusion, Gaussian, Hit, Key, Levels, MaxSim, Mmr, RowVariance, TextSearch,
    import,
};
use foretaste_shell::lang::{Method, Refused, Search, Source, Stage, Target};
use serde_json::Value;

use super::cell::Cell;
use super::embed::embed;
use super::exec::{query_why, shown};
use super::grid::Grid;
use super::{Done, Shell, Stop};
use crate::interrupt;
use crate::output::{Failure, bytes, count, say};

/// Rows of a file that are read at a time.
const READ_ROWS: usize = 256;
/// Most queries that are taken from a file at once.
const QUERIES: usize = 100_000;

/// What a search statement comes to.
pub enum Ask {
    /// One search, or one for each vector of a file.
    Vectors(Vec<foretaste::Search>),
    Words(TextSearch),
}

impl Shell {
    pub(super) fn search(&mut self, search: Search) -> Done {
        let asked = self.ask(&search);
        self.last = Some(search.clone());
        match asked? {
            Ask::Words(words) => {
                let hits = words.run_with(&interrupt::wanted).map_err(|e| placed(e, &search))?;
                let mut grid = Grid::new(["id", "score"]);
                add_document_columns(&mut grid, &search);
                for hit in hits.iter() {
                    let mut cells = vec![Cell::from(&hit.id), hit.score.into()];
                    document(hit.payload()?, &search, &mut cells);
                    grid.rows.push(cells);
                }
                self.show(&grid)?;
                let micros = count(hits.cost.elapsed.as_micros() as u64);
                self.note(&format!("{} rows scored, {micros} µs", count(hits.cost.rows_scored)));
                Ok(())
            }
            Ask::Vectors(mut all) if all.len() == 1 => {
                let Some(one) = all.pop() else { return Ok(()) };
                let people = self.settings.mode.is_for_people() && self.out.is_terminal();
                if people && self.settings.progress {
                    self.live(one, &search)
                } else {
                    self.settled(one, &search)
                }
            }
            Ask::Vectors(all) => {
                let mut grid = answers(&search);
                grid.columns.insert(0, "query".to_string());
                for (i, one) in all.into_iter().enumerate() {
                    let hits = one.run_with(&interrupt::wanted).map_err(|e| placed(e, &search))?;
                    for hit in hits.iter() {
                        let mut cells = vec![Cell::count(i as u64)];
                        cells.extend(row(hit, &search)?);
                        grid.rows.push(cells);
                    }
                }
                self.show(&grid)
            }
        }
    }

    /// Answers a search at once and shows the settled answer.
    fn settled(&mut self, one: foretaste::Search, search: &Search) -> Done {
        let hits = one.run_with(&interrupt::wanted).map_err(|e| placed(e, search))?;
        let mut grid = answers(search);
        for hit in hits.iter() {
            grid.rows.push(row(hit, search)?);
        }
        self.show(&grid)?;
        if let Some(problem) = &hits.problem {
            say(format!("note: {problem}"));
        }
        let cost = &hits.cost;
        let (rows, micros) = (count(cost.rows_exact), count(cost.elapsed.as_micros() as u64));
        self.note(&format!("{rows} rows compared, {}, {micros} µs", bytes(cost.bytes_read)));
        Ok(())
    }

    /// The engine's search for a statement's.
    pub(super) fn ask(&self, search: &Search) -> Done<Ask> {
        let collection = self.collection(&search.collection)?;
        let near = |source: &&Source| matches!(source.method, Method::Near { .. });
        // Full text belongs to the collection, not to a further field: its own vector comes first.
        let own = |source: &&Source| matches!(&source.method, Method::Near { field: None, .. });
        let main = search.sources.iter().find(own).or_else(|| search.sources.iter().find(near));
        let Some(main) = main else { return words(&collection, search).map(Ask::Words) };
        if search.sources.len() == 1 {
            let unfit = main.weight.map(|_| "a weight").or(search.fuse.as_ref().map(|_| "`fuse`"));
            if let Some(what) = unfit {
                let why = format!("{what} is for several lists, and this search has one");
                return Err(Stop::Refused(
                    Refused::new(main.at.0, why).hint("add `match body 'words'`, or another `near`"),
                ));
            }
        }
        let Method::Near { target, field } = &main.method else {
            return words(&collection, search).map(Ask::Words);
        };
        let field = field.as_ref().map(|field| field.text.as_str());
        let all = self.vectors(&collection, target, field, main, true)?;
        let others = self.lists(&collection, search, main)?;
        let build = |vector: &Vec<f32>| build(&collection, search, vector, field, others.clone(), main);
        all.iter().map(build).collect::<Done<Vec<_>>>().map(Ask::Vectors)
    }

    /// The other lists that are fused with the main one, if there are any.
    fn lists(&self, collection: &Collection, search: &Search, main: &Source) -> Done<Option<Fuse>> {
        if search.sources.len() == 1 {
            return Ok(None);
        }
        let lists = search.fuse.as_ref();
        let mut fuse = Fuse::new(lists.map_or(Fusion::Rrf { kappa: 60.0 }, |lists| lists.fusion));
        fuse = fuse.weight(main.weight.unwrap_or(1.0));
        if let Some(depth) = lists.and_then(|lists| lists.depth) {
            fuse = fuse.depth(depth);
        }
        for source in search.sources.iter().filter(|source| !std::ptr::eq(*source, main)) {
            let weight = source.weight.unwrap_or(1.0);
            fuse = match &source.method {
                Method::Match { path, words } => fuse.text(path, words, weight),
                Method::Near { target, field } => {
                    let field = field.as_ref().map(|field| field.text.as_str());
                    let vectors = self.vectors(collection, target, field, source, false)?;
                    let vector = vectors.first().map(Vec::as_slice).unwrap_or_default();
                    match field {
                        Some(field) => fuse.field(field, vector, weight),
                        None => fuse.vector(vector, weight),
                    }
                }
            };
        }
        Ok(Some(fuse))
    }

    /// The vectors that a target stands for: one, or, where `many` may be, all of a file.
    fn vectors(
        &self,
        collection: &Collection,
        target: &Target,
        field: Option<&str>,
        source: &Source,
        many: bool,
    ) -> Done<Vec<Vec<f32>>> {
        match target {
            Target::Vector(vector) => Ok(vec![vector.clone()]),
            Target::Row(id) => stored(collection, id, field, source).map(|vector| vec![vector]),
            Target::Text(text) => Ok(vec![embed(text, &self.settings)?]),
            Target::File { path, row } => {
                let found = file(Path::new(path), *row, if many { QUERIES } else { 1 })?;
                if found.is_empty() {
                    let why = row.map_or("has no rows".to_string(), |row| format!("has no row {row}"));
                    return Err(Stop::at(source.at.0, format!("{path} {why}")));
                }
                Ok(found)
            }
        }
    }
}

/// The vector of a stored row.
fn stored(collection: &Collection, id: &Key, field: Option<&str>, source: &Source) -> Done<Vec<f32>> {
    let missing = |what: String| Stop::at(source.at.0, what);
    let record = collection.get(id)?;
    let mut record = record.ok_or_else(|| missing(format!("there is no row {}", shown(id))))?;
    match field {
        None => Ok(record.vector),
        Some(field) => record
            .fields
            .remove(field)
            .ok_or_else(|| missing(format!("row {} has no vector in `{field}`", shown(id)))),
    }
}

/// Vectors of a file: the one of a row, or at most so many from the first on.
fn file(path: &Path, row: Option<u64>, most: usize) -> Done<Vec<Vec<f32>>> {
    let mut reader = import::open(path, &import::Options::default()).map_err(Error::from)?;
    let (mut rows, mut found) = (import::Rows::default(), Vec::new());
    while found.len() < most && reader.read(READ_ROWS, &mut rows).map_err(Error::from)? > 0 {
        if interrupt::wanted() {
            return Err(Error::Cancelled.into());
        }
        for (vector, number) in rows.vectors.chunks(reader.dim().max(1)).zip(rows.first..) {
            if row.is_none_or(|row| row == number) && found.len() < most {
                found.push(vector.to_vec());
            }
        }
        if row.is_some() && !found.is_empty() {
            break;
        }
        rows.clear();
    }
    Ok(found)
}

/// A search by words alone.
fn words(collection: &Collection, search: &Search) -> Done<TextSearch> {
    let (Some(source), rest) = (search.sources.first(), search.sources.get(1..).unwrap_or_default()) else {
        return Err(Failure::new("a search has at least one `near` or `match`").into());
    };
    let Method::Match { path, words } = &source.method else {
        return Err(Stop::at(source.at.0, "a search by words alone begins with `match`"));
    };
    if let Some(second) = rest.first() {
        let refused = Refused::new(
            second.at.0,
            "lists of words are fused with a search by vector, not with each other",
        );
        return Err(Stop::Refused(refused.hint("add `near …`")));
    }
    let of_vectors = [
        ("dims", search.dims.is_some()),
        ("ef", search.ef.is_some()),
        ("nprobe", search.nprobe.is_some()),
        ("exact", search.exact),
        ("recall", search.recall.is_some()),
        ("within", search.within.is_some()),
        ("budget", search.budget.is_some()),
        ("variance", search.variance.is_some()),
        ("fuse", search.fuse.is_some()),
        ("rerank", !search.stages.is_empty()),
        ("weight", source.weight.is_some()),
    ];
    if let Some((clause, _)) = of_vectors.iter().find(|(_, given)| *given) {
        let why = format!("`{clause}` belongs to a search by vector, and this one is by words alone");
        return Err(Stop::Refused(Refused::new(source.at.0, why).hint("leave it out, or add `near …`")));
    }
    let mut asked = collection.search_text(path, words);
    if let Some(k) = search.k {
        asked = asked.k(k);
    }
    if let Some(filter) = &search.filter {
        asked = asked.where_(filter.filter.clone());
    }
    Ok(asked)
}

fn build(
    collection: &Collection,
    search: &Search,
    vector: &[f32],
    field: Option<&str>,
    others: Option<Fuse>,
    main: &Source,
) -> Done<foretaste::Search> {
    let mut asked = match field {
        None => collection.search(vector),
        Some(field) => {
            let found = collection.search_field(field, vector);
            found.map_err(|e| Stop::at(main.at.0, e.to_string()))?
        }
    };
    asked = search.k.map_or(asked.clone(), |k| asked.k(k));
    asked = search.dims.map_or(asked.clone(), |dims| asked.dims(dims));
    asked = search.ef.map_or(asked.clone(), |ef| asked.ef(ef));
    asked = search.nprobe.map_or(asked.clone(), |cells| asked.nprobe(cells));
    asked = search.recall.map_or(asked.clone(), |recall| asked.target_recall(recall));
    asked = search.within.map_or(asked.clone(), |time| asked.deadline(time));
    asked = search.budget.map_or(asked.clone(), |budget| asked.budget(budget));
    if search.exact {
        asked = asked.exact();
    }
    if let Some(variance) = &search.variance {
        asked = asked.query_variance(RowVariance::Variance(variance.clone()));
    }
    if let Some(filter) = &search.filter {
        asked = asked.where_(filter.filter.clone());
    }
    if let Some(fuse) = others {
        asked = asked.rerank(fuse);
    }
    Ok(search.stages.iter().fold(asked, |asked, stage| match stage {
        Stage::Levels(steps) => asked.rerank(Levels::new(steps.iter().copied())),
        Stage::Mmr { lambda, among } => {
            let mmr = Mmr::new(*lambda);
            asked.rerank(among.map_or(mmr, |rows| mmr.among(rows)))
        }
        Stage::Csd(weight) => asked.rerank(Csd::new(*weight)),
        Stage::Gaussian(measure) => asked.rerank(Gaussian::new(*measure)),
        Stage::MaxSim { tokens, among } => {
            let maxsim = MaxSim::new(&tokens.concat());
            asked.rerank(among.map_or(maxsim.clone(), |rows| maxsim.among(rows)))
        }
    }))
}

/// An error of a search, at its place in the statement when that is known.
pub fn placed(error: Error, search: &Search) -> Stop {
    if let Some(why) = query_why(&error) {
        let at = search.sources.first().map_or(0, |source| source.at.0);
        return Stop::at(at, why);
    }
    match (error, &search.filter) {
        (Error::BadFilter { at, why, hint }, Some(filter)) => {
            Stop::Refused(Refused::of_filter(FilterError { at, why, hint }, filter.at.0))
        }
        (error, _) => error.into(),
    }
}

/// A grid for the hits of a search.
pub fn answers(search: &Search) -> Grid {
    let mut grid = Grid::new(["id", "distance", "score"]);
    add_document_columns(&mut grid, search);
    grid
}

fn add_document_columns(grid: &mut Grid, search: &Search) {
    if search.fields.is_empty() {
        grid.columns.push("payload".to_string());
    }
    grid.columns.extend(search.fields.iter().cloned());
}

/// A hit as a row of that grid.
pub fn row(hit: &Hit, search: &Search) -> Done<Vec<Cell>> {
    let mut cells = vec![Cell::from(&hit.id), hit.distance.into(), hit.score.into()];
    document(hit.payload()?, search, &mut cells);
    Ok(cells)
}

fn document(payload: Option<Value>, search: &Search, cells: &mut Vec<Cell>) {
    if search.fields.is_empty() {
        cells.push(payload.into());
        return;
    }
    cells.extend(search.fields.iter().map(|path| payload.as_ref().and_then(|p| at(p, path)).cloned().into()));
}

/// What a document holds at a path such as `a.b[0]`.
fn at<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    // A path is the beginning of a filter: the filter's own parser knows its parts.
    let filter = foretaste::Filter::parse(&format!("exists {path}")).ok()?;
    let path = filter.paths().next()?;
    foretaste::lang::lookup(document, path)
}

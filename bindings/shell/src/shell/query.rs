//! `search`: its answer as a grid.

use foretaste::lang::FilterError;
use foretaste::{Error, Hit, StoppedBecause, TextHits};
use foretaste_shell::lang::{Refused, Search};
use serde_json::Value;

use super::ask::Ask;
use super::cell::Cell;
use super::exec::query_why;
use super::grid::Grid;
use super::{Done, Shell, Stop};
use crate::interrupt;
use crate::output::{bytes, count, say};

impl Shell {
    pub(super) fn search(&mut self, search: Search) -> Done {
        let asked = self.ask(&search);
        self.last = Some(search.clone());
        match asked? {
            Ask::Words(words) => {
                let hits = words.run_with(&interrupt::wanted).map_err(|e| placed(e, &search))?;
                let grid = by_words(&hits, &search)?;
                self.show(&grid)?;
                let micros = count(hits.cost.elapsed.as_micros() as u64);
                self.note(&format!("{} rows scored, {micros} µs", count(hits.cost.rows_scored)));
                Ok(())
            }
            Ask::Vectors { mut all, uncertain } if all.len() == 1 => {
                let Some(one) = all.pop() else { return Ok(()) };
                let people = self.settings.mode.is_for_people() && self.out.is_terminal();
                if people && self.settings.progress {
                    self.live(one, &search, uncertain)
                } else {
                    self.settled(one, &search, uncertain)
                }
            }
            Ask::Vectors { all, uncertain } => {
                let mut grid = answers(&search, uncertain);
                grid.columns.insert(0, "query".to_string());
                for (i, one) in all.into_iter().enumerate() {
                    let hits = one.run_with(&interrupt::wanted).map_err(|e| placed(e, &search))?;
                    for hit in hits.iter() {
                        let mut cells = vec![Cell::count(i as u64)];
                        cells.extend(row(hit, &search, uncertain)?);
                        grid.rows.push(cells);
                    }
                }
                self.show(&grid)
            }
        }
    }

    /// Answers a search at once and shows the settled answer.
    fn settled(&mut self, one: foretaste::Search, search: &Search, uncertain: bool) -> Done {
        let hits = one.run_with(&interrupt::wanted).map_err(|e| placed(e, search))?;
        if hits.stopped_because == StoppedBecause::ScorerFailed && interrupt::wanted() {
            // It was the interrupt that the scorer failed by.
            return Err(Error::Cancelled.into());
        }
        let mut grid = answers(search, uncertain);
        for hit in hits.iter() {
            grid.rows.push(row(hit, search, uncertain)?);
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

/// A grid for the hits of a search; `uncertain` when its rows have variances.
pub fn answers(search: &Search, uncertain: bool) -> Grid {
    let mut grid = Grid::new(["id", "distance", "score"]);
    grid.columns.extend(uncertain.then(|| "uncertainty".to_string()));
    add_document_columns(&mut grid, search);
    grid
}

/// The hits of a search by words alone.
pub fn by_words(hits: &TextHits, search: &Search) -> Done<Grid> {
    let mut grid = Grid::new(["id", "score"]);
    add_document_columns(&mut grid, search);
    for hit in hits.iter() {
        let mut cells = vec![Cell::from(&hit.id), hit.score.into()];
        document(hit.payload()?, search, &mut cells);
        grid.rows.push(cells);
    }
    Ok(grid)
}

fn add_document_columns(grid: &mut Grid, search: &Search) {
    if search.fields.is_empty() {
        grid.columns.push("payload".to_string());
    }
    grid.columns.extend(search.fields.iter().cloned());
}

/// A hit as a row of that grid.
pub fn row(hit: &Hit, search: &Search, uncertain: bool) -> Done<Vec<Cell>> {
    let mut cells = vec![Cell::from(&hit.id), hit.distance.into(), hit.score.into()];
    cells.extend(uncertain.then(|| hit.uncertainty.map(f64::from).into()));
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
pub fn at<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    // A path is the beginning of a filter: the filter's own parser knows its parts.
    let filter = foretaste::Filter::parse(&format!("exists {path}")).ok()?;
    let path = filter.paths().next()?;
    foretaste::lang::lookup(document, path)
}

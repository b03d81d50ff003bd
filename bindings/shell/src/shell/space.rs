//! Which space a collection's vectors are of, and by which rules queries of other spaces are compared with its rows.
//!
//! Reads from: files of paired vectors, stored rows. Writes to: the collection's space and rules.
//! Never: an adapter registered without its report shown, or the figures in the error.

use std::path::Path;
use std::thread;

use foretaste::{
    Adapter, Collection, Error, FitOptions, FitReport, Key, Pairs, Rule, RuleKind, Space, fit_adapter, import,
};
use foretaste_shell::lang::{Alter, Alteration, Change, NewRule, Refused, Statement, Step, quoted};

use super::cell::Cell;
use super::exec::shown;
use super::grid::Grid;
use super::{Done, Shell, Stop, schema};
use crate::interrupt;
use crate::output::Failure;

/// Rows of a file that are read at a time.
const READ_ROWS: usize = 1024;
/// What an adapter has to retain of the ten nearest rows, when nothing is said: as in Python.
const RETAIN: f64 = 0.8;

/// Vectors of a file, and the ids beside them.
struct Side {
    dims: usize,
    numbers: Vec<f32>,
    ids: Vec<import::Id>,
}

impl Shell {
    pub(super) fn alter(&mut self, alter: &Alter) -> Done {
        let collection = self.collection(&alter.name)?;
        match &alter.change {
            Alteration::FullText { path, words } => collection.add_text(path, schema::analyser(*words))?,
            Alteration::Truncate(dims) => collection.truncate(*dims)?,
            Alteration::Extend(levels) => collection.extend(levels.iter().copied())?,
            Alteration::Space(space) => match collection.schema().vector_space() {
                Some(own) if own != space => {
                    let why = format!("the vectors of collection `{}` are of {own}", collection.name());
                    let hint = "`change … to …` is the way to another model; a rule, to queries of one";
                    return Err(Failure::new(why).hint(hint).into());
                }
                _ => collection.set_space(space)?,
            },
            Alteration::DropRule(from) => drop_rule(&collection, from)?,
            Alteration::Rule { from, rule } => {
                has_space(&collection, alter.name.at.0)?;
                match rule {
                    NewRule::Prefix(dims) => collection.set_rule(from, &Rule::prefix(*dims))?,
                    NewRule::Adapter { .. } => self.adapter(&collection, from, rule)?,
                }
            }
        }
        Ok(())
    }

    /// Fits an adapter, shows what it is worth, and registers it.
    fn adapter(&mut self, collection: &Collection, space: &Space, rule: &NewRule) -> Done {
        let NewRule::Adapter { from, to, fit, retain } = rule else { return Ok(()) };
        let new = side(Path::new(from))?;
        let (new, old) = match to {
            Some(path) => {
                let old = side(Path::new(path))?;
                same_items((from, &new), (path, &old))?;
                (new, old)
            }
            None => stored(collection, from, new)?,
        };
        let usual = FitOptions::default();
        let options = FitOptions {
            method: fit.unwrap_or(usual.method),
            metric: collection.schema().metric(),
            threads: thread::available_parallelism().map_or(1, usize::from),
            ..usual
        };
        let pairs = Pairs::new(&new.numbers, new.dims, &old.numbers, old.dims).map_err(Error::from)?;
        let (adapter, report) = fit_adapter(pairs, &options, &interrupt::wanted).map_err(Error::from)?;
        let worth = worth(&adapter, &report);
        let rule = Rule::adapter(adapter, &report, retain.unwrap_or(RETAIN)).map_err(|e| {
            let hint = "`retain 0.5` at the end asks for less; more pairs, or `by ridge`, may keep more";
            Failure::from(e).hint(hint)
        })?;
        collection.set_rule(space, &rule)?;
        let people = self.settings.mode.is_for_people();
        self.show(&if people { worth.turned("adapter") } else { worth })
    }

    /// The spaces that collections know of, and how queries of each are answered.
    pub(super) fn spaces(&mut self, _: &str, words: &[String]) -> Done {
        let names = if words.is_empty() { self.database.collections() } else { words.to_vec() };
        let mut grid = Grid::new(["collection", "space", "by", "dim", "rows", "waiting"]);
        for name in names {
            let collection = self.database.collection(name.trim_end_matches(';'))?;
            let name = || Cell::from(collection.name());
            let (schema, rows) = (collection.schema(), collection.len());
            let own = schema.vector_space().map(|space| Cell::Text(space.to_string()));
            let own = own.unwrap_or(Cell::Null);
            let all = Cell::count(rows);
            grid.rows.push(vec![name(), own, "its rows".into(), dims(schema.dim()), all, Cell::Null]);
            if let Some(change) = collection.change() {
                let ((there, waiting), by) =
                    (change.progress(), if change.is_flipped() { "the rows before" } else { "a change" });
                let (space, dim) = (change.space().to_string(), dims(change.schema().dim()));
                let (there, waiting) = (Cell::count(there), Cell::count(waiting));
                grid.rows.push(vec![name(), Cell::Text(space), by.into(), dim, there, waiting]);
            }
            for (space, rule) in collection.rules()? {
                let (by, dim) = match rule.kind() {
                    RuleKind::Prefix(prefix) => (format!("prefix {prefix}"), Cell::Null),
                    RuleKind::Adapter(map) => (mapping(map), dims(map.from_dims())),
                };
                let space = Cell::Text(space.to_string());
                grid.rows.push(vec![name(), space, Cell::Text(by), dim, Cell::Null, Cell::Null]);
            }
        }
        self.show(&grid)
    }
}

/// The statements that give a collection its rules and its change; what no statement can say is a comment.
pub fn statements(collection: &Collection) -> Done<String> {
    let (mut text, name) = (String::new(), schema::name(collection));
    if let Some(change) = collection.change() {
        let flipped = change.is_flipped();
        let step = Step::To(schema::kind(&change.schema()));
        let change = Statement::Change(Change { name: name.clone(), step });
        text += &if flipped {
            format!("-- it was flipped; the way back is {change}\n")
        } else {
            format!("{change};\n")
        };
    }
    for (from, rule) in collection.rules()? {
        match rule.kind() {
            RuleKind::Prefix(dims) => {
                let change = Alteration::Rule { from, rule: NewRule::Prefix(dims) };
                text += &format!("{};\n", Statement::Alter(Alter { name: name.clone(), change }));
            }
            RuleKind::Adapter(map) => {
                text += &format!("-- {name} has a rule for {from}: {}\n", mapping(map));
            }
        }
    }
    Ok(text)
}

fn mapping(map: &Adapter) -> String {
    let kind = format!("{:?}", map.kind()).to_lowercase();
    format!("adapter ({kind}), {} to {} dimensions", map.from_dims(), map.to_dims())
}

fn dims(n: usize) -> Cell {
    Cell::count(n as u64)
}

/// A search for a query of another space that failed, with what makes it possible, if that is a rule.
pub fn without_rule(stop: Stop, collection: &Collection, space: Option<&Space>) -> Stop {
    let (failure, space, rules) = match (stop, space, collection.rules()) {
        (Stop::Failed(failure), Some(space), Ok(rules)) => (failure, space, rules),
        (stop, ..) => return stop,
    };
    if collection.schema().vector_space().is_none() || rules.iter().any(|(from, _)| from == space) {
        return Stop::Failed(failure);
    }
    let name = quoted(collection.name());
    Stop::Failed(failure.hint(format!(
        "`alter collection {name} rule '{space}' prefix 128;` is one, or `… adapter from 'new.npy' to 'old.npy';`"
    )))
}

/// Refuses what needs a collection that says its space.
pub fn has_space(collection: &Collection, at: usize) -> Done {
    if collection.schema().vector_space().is_some() {
        return Ok(());
    }
    let name = quoted(collection.name());
    let refused =
        Refused::new(at, format!("collection `{}` does not say which space it is of", collection.name()));
    Err(Stop::Refused(refused.hint(format!("say it: `alter collection {name} space 'model@version';`"))))
}

fn drop_rule(collection: &Collection, from: &Space) -> Done {
    if collection.rules()?.iter().any(|(space, _)| space == from) {
        return Ok(collection.remove_rule(from)?);
    }
    let failure = Failure::new(format!("collection `{}` has no rule for {from}", collection.name()));
    Err(failure.hint("`.spaces` lists them").into())
}

/// All vectors of a file.
fn side(path: &Path) -> Done<Side> {
    let mut reader = import::open(path, &import::Options::default()).map_err(Error::from)?;
    let (mut rows, dims) = (import::Rows::default(), reader.dim());
    while reader.read(READ_ROWS, &mut rows).map_err(Error::from)? > 0 {
        if interrupt::wanted() {
            return Err(Error::Cancelled.into());
        }
        rows.payloads.clear();
    }
    Ok(Side { dims, numbers: rows.vectors, ids: rows.ids })
}

/// Refuses two files that are not the same items in the same order.
fn same_items((left, new): (&str, &Side), (right, old): (&str, &Side)) -> Done {
    let why = if new.ids.len() != old.ids.len() {
        format!("{left} has {} vectors, {right} has {}", new.ids.len(), old.ids.len())
    } else if let Some((row, (a, b))) =
        new.ids.iter().zip(&old.ids).enumerate().find(|(_, (a, b))| differ(a, b))
    {
        let [a, b] = [a, b].map(|id| shown(&Key::from(id.clone())));
        format!("row {row} is {a} in {left} and {b} in {right}")
    } else {
        return Ok(());
    };
    Err(Failure::new(why).hint("both files have the same items in the same order").into())
}

/// Whether two ids are of different items; a file without ids says nothing.
fn differ(a: &import::Id, b: &import::Id) -> bool {
    !matches!((a, b), (import::Id::Row(_), _) | (_, import::Id::Row(_))) && a != b
}

/// The vectors whose ids are those of stored rows, and the vectors of these rows.
fn stored(collection: &Collection, file: &str, all: Side) -> Done<(Side, Side)> {
    let (snapshot, dims) = (collection.snapshot(), collection.schema().dim());
    let mut new = Side { dims: all.dims, numbers: Vec::new(), ids: Vec::new() };
    let mut old = Side { dims, numbers: Vec::new(), ids: Vec::new() };
    for (id, vector) in all.ids.into_iter().zip(all.numbers.chunks(all.dims.max(1))) {
        if interrupt::wanted() {
            return Err(Error::Cancelled.into());
        }
        let Some(row) = snapshot.get(Key::from(id))? else { continue };
        new.numbers.extend(vector);
        old.numbers.extend(&row.vector);
        // What a short row lacks is 0.
        old.numbers.extend(std::iter::repeat_n(0.0, dims.saturating_sub(row.vector.len())));
    }
    if new.numbers.is_empty() {
        let failure = Failure::new(format!("no id of {file} is one of collection `{}`", collection.name()));
        let hint = "`to 'old.npy'` names a file of the same items in the collection's space";
        return Err(failure.hint(hint).into());
    }
    Ok((new, old))
}

/// What an adapter is worth, as a row.
fn worth(adapter: &Adapter, report: &FitReport) -> Grid {
    let mut grid = Grid::new([
        "map",
        "pairs",
        "held_out",
        "retention_at_10",
        "retention_at_10_low",
        "retention_at_10_high",
        "retention_at_1",
        "old_at_10",
        "cosine",
        "ridge",
    ]);
    let retained = report.retention_at_10;
    grid.rows.push(vec![
        Cell::Text(mapping(adapter)),
        Cell::count(report.pairs as u64),
        Cell::count(report.held_out as u64),
        retained.mean.into(),
        retained.low.into(),
        retained.high.into(),
        report.retention_at_1.mean.into(),
        report.old_at_10.mean.into(),
        report.cosine.into(),
        report.ridge.into(),
    ]);
    grid
}

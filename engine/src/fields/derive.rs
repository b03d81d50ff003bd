//! What nobody declared: which member paths a segment's documents have, and columns for those where many of them have a
//! value of one type.
//!
//! Every member of every document is gathered by its path, down to some depth, until there are too many paths or bytes.
//! Then each path gets the type that most of its values have; those of other types, arrays, objects and long strings
//! count as something else, for which a filter asks the document. The paths with the most values become columns.
//!
//! As long as every member found a place, the paths are a complete list for filters (`storage/src/section/paths.rs`): at most
//! [`DEPTH`] names, not through an element of an array, for what lies there is not gathered. One path too many, or a
//! document that cannot be read, and there is no list.
//!
//! Reads from: the documents of a segment being written. Writes to: its columns and its list of paths.
//! Never: a list that lacks a path; a number that a filter would compare differently in the column than in the document.

use std::collections::{BTreeSet, HashMap};
use std::mem::size_of;

use foretaste_query::lang::{Path, Segment};
use foretaste_storage::limits;
use foretaste_storage::section::columns::{Column, ColumnValues};
use foretaste_storage::section::paths::Paths;
use serde_json::{Map, Value as Json};

/// Most steps of a path.
const DEPTH: usize = 4;
/// Most paths that are looked at; those that appear later have to do without.
const PATHS: usize = limits::PATHS as usize;
/// Longest string that a column holds, in bytes.
const TEXT_BYTES: usize = 256;
/// A path where more than one value in so many is something else is not of one type.
const OTHERS: usize = 8;
/// After so many values it is known whether a path is of one type.
const SETTLED: usize = 1024;
/// Most bytes gathered for all paths together; beyond them the path that needs the most for each value is given up.
const BYTES: usize = 256 << 20;

/// The values of all paths so far.
#[derive(Debug)]
pub(super) struct Derived {
    /// The first is the document itself.
    places: Vec<Place>,
    /// Whether they are all the paths of at most [`DEPTH`] names.
    complete: bool,
    bytes: usize,
    limit: usize,
}

/// One path, and where its members are.
#[derive(Debug, Default)]
struct Place {
    path: Option<Path>,
    members: HashMap<String, usize>,
    values: Values,
}

/// What the documents have at one path, by rows.
#[derive(Debug, Default)]
struct Values {
    bools: Vec<(u32, bool)>,
    ints: Vec<(u32, i64)>,
    floats: Vec<(u32, f64)>,
    texts: Vec<(u32, String)>,
    nulls: Vec<u32>,
    others: Vec<u32>,
    bytes: usize,
    given_up: bool,
}

impl Default for Derived {
    fn default() -> Self {
        Derived { places: vec![Place::default()], complete: true, bytes: 0, limit: BYTES }
    }
}

impl Derived {
    /// Gathers the members of the document of `row`; rows come ascending.
    pub fn push(&mut self, row: u32, document: Map<String, Json>) {
        self.object(row, 0, document, 1);
        while self.bytes > self.limit {
            let dearest = self.places.iter_mut().filter(|p| p.values.bytes > 0);
            let dearest = dearest.max_by_key(|p| p.values.bytes / p.values.len().max(1));
            let Some(place) = dearest else { break };
            self.bytes -= place.values.bytes;
            place.values.give_up();
        }
    }

    // The recursion ends at DEPTH.
    fn object(&mut self, row: u32, place: usize, members: Map<String, Json>, depth: usize) {
        for (name, value) in members {
            let Some(member) = self.member(place, name) else { continue };
            let Some(values) = self.places.get_mut(member).map(|p| &mut p.values) else { continue };
            let before = values.bytes;
            let inner = values.push(row, value);
            self.bytes = self.bytes + values.bytes - before;
            if let Some(inner) = inner
                && depth < DEPTH
            {
                self.object(row, member, inner, depth + 1);
            }
        }
    }

    /// The place of a member, made when there is room for one more.
    fn member(&mut self, place: usize, name: String) -> Option<usize> {
        let next = self.places.len();
        let parent = self.places.get_mut(place)?;
        if let Some(member) = parent.members.get(&name) {
            return Some(*member);
        }
        if next > PATHS {
            self.complete = false;
            return None;
        }
        let path = match &parent.path {
            None => Path::field(name.clone()),
            Some(path) => path.clone().then(Segment::Field(name.clone())),
        };
        parent.members.insert(name, next);
        self.places.push(Place { path: Some(path), ..Place::default() });
        Some(next)
    }

    /// A document of the segment cannot be read: nobody knows what it has.
    pub fn unreadable(&mut self) {
        self.complete = false;
    }

    /// The list of all paths that occur; `None` when there are more than were looked at, or than a list may hold.
    pub fn paths(&self) -> Option<Paths> {
        if !self.complete {
            return None;
        }
        let (mut names, mut bytes) = (BTreeSet::new(), 0);
        for path in self.places.iter().filter_map(|place| place.path.as_ref()) {
            let name = path.to_quoted();
            bytes += name.len() as u64;
            if bytes > limits::PATHS_BYTES {
                return None;
            }
            names.insert(name);
        }
        Paths::new(DEPTH as u32, names).ok()
    }

    /// The columns of `rows` rows, but for the paths that are declared.
    pub fn finish(self, rows: usize, declared: &[Path]) -> Vec<Column> {
        let named = self.places.into_iter().filter_map(|place| Some((place.path?, place.values)));
        let mut found: Vec<(usize, Path, Values)> = named
            .filter(|(path, values)| !values.given_up && !declared.contains(path))
            .map(|(path, values)| (values.held(), path, values))
            .filter(|(held, _, values)| *held > 0 && values.present() - held <= held / OTHERS)
            .filter(|(_, path, _)| path.to_string().len() as u64 <= limits::NAME_BYTES)
            .collect();
        found.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
        found.truncate(limits::DERIVED_COLUMNS as usize);
        found.into_iter().map(|(_, path, values)| values.column(path.to_string(), rows)).collect()
    }
}

/// The type of a column to be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Bool,
    Int,
    Float,
    Text,
}

impl Values {
    /// Gathers one value; an object is handed back.
    fn push(&mut self, row: u32, value: Json) -> Option<Map<String, Json>> {
        let mut inner = None;
        if !self.given_up {
            self.bytes += size_of::<(u32, i64)>();
        }
        match value {
            Json::Object(members) => {
                inner = Some(members);
                self.others.push(row);
            }
            _ if self.given_up => {}
            Json::Null => self.nulls.push(row),
            Json::Bool(b) => self.bools.push((row, b)),
            Json::Number(n) => match (n.as_i64(), n.as_f64()) {
                (Some(i), _) => self.ints.push((row, i)),
                (None, Some(x)) => self.floats.push((row, x)),
                _ => self.others.push(row),
            },
            Json::String(s) if s.len() <= TEXT_BYTES => {
                self.bytes += size_of::<String>() + s.len();
                self.texts.push((row, s));
            }
            Json::String(_) | Json::Array(_) => self.others.push(row),
        }
        if self.others.len() > SETTLED && self.others.len() > self.len() - self.others.len() {
            self.give_up();
        }
        inner
    }

    /// Forgets what was gathered.
    fn give_up(&mut self) {
        *self = Values { given_up: true, ..Values::default() };
    }

    /// How many values there are that are not null.
    fn present(&self) -> usize {
        self.bools.len() + self.ints.len() + self.floats.len() + self.texts.len() + self.others.len()
    }

    fn len(&self) -> usize {
        self.present() + self.nulls.len()
    }

    /// Which column holds the most values, and how many.
    fn best(&self) -> (Kind, usize) {
        let whole = self.ints.iter().filter(|(_, i)| super::exact(*i).is_some()).count();
        // Of equal ones the first: integers alone stay integers.
        let kinds = [
            (Kind::Int, self.ints.len()),
            (Kind::Float, self.floats.len() + whole),
            (Kind::Bool, self.bools.len()),
            (Kind::Text, self.texts.len()),
        ];
        kinds.into_iter().rev().max_by_key(|(_, count)| *count).unwrap_or((Kind::Int, 0))
    }

    /// How many values its column would hold.
    fn held(&self) -> usize {
        self.best().1
    }

    fn column(self, name: String, rows: usize) -> Column {
        let (kind, _) = self.best();
        let mut others = self.others;
        let mut leave = |rows: &mut dyn Iterator<Item = u32>| others.extend(rows);
        if kind != Kind::Bool {
            leave(&mut self.bools.iter().map(|(row, _)| *row));
        }
        if kind != Kind::Text {
            leave(&mut self.texts.iter().map(|(row, _)| *row));
        }
        match kind {
            Kind::Int => leave(&mut self.floats.iter().map(|(row, _)| *row)),
            Kind::Float => {
                leave(&mut self.ints.iter().filter(|(_, i)| super::exact(*i).is_none()).map(|(row, _)| *row))
            }
            Kind::Bool | Kind::Text => {
                leave(&mut self.ints.iter().map(|(row, _)| *row));
                leave(&mut self.floats.iter().map(|(row, _)| *row));
            }
        }
        others.sort_unstable();
        let values = match kind {
            Kind::Bool => ColumnValues::Bool(spread(rows, self.bools)),
            Kind::Int => ColumnValues::Int(spread(rows, self.ints)),
            Kind::Text => ColumnValues::Str(spread(rows, self.texts)),
            Kind::Float => {
                let whole =
                    self.ints.into_iter().filter_map(|(row, i)| super::exact(i).map(|float| (row, float)));
                ColumnValues::Float(spread(rows, self.floats.into_iter().chain(whole)))
            }
        };
        Column { name, values, nulls: self.nulls, others, derived: true }
    }
}

/// One value or none for each of `rows` rows.
fn spread<T>(rows: usize, values: impl IntoIterator<Item = (u32, T)>) -> Vec<Option<T>> {
    let mut all: Vec<Option<T>> = Vec::new();
    all.resize_with(rows, || None);
    for (row, value) in values {
        if let Some(place) = all.get_mut(row as usize) {
            *place = Some(value);
        }
    }
    all
}

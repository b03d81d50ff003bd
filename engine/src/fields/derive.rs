//! What nobody declared: which member paths a segment's documents have, and columns or elements of arrays for those where many
//! of them have values.
//!
//! Every member of every document is gathered by its path, down to some depth, until there are too many paths or bytes
//! ([`values`]). Then the paths with the most values get a column each, or an index of elements where there are arrays, or values
//! of several types.
//!
//! As long as every member found a place, the paths are a complete list for filters (`storage/src/section/paths.rs`): at most
//! [`DEPTH`] names, not through an element of an array, for what lies there is not gathered. One path too many, or a
//! document that cannot be read, and there is no list.
//!
//! Names are kept once each, and none of a path that could be neither listed nor a column, so a document costs what its text
//! does, whatever its names.
//!
//! Reads from: the documents of a segment being written. Writes to: its columns, its elements and its list of paths.
//! Never: a list that lacks a path; a number that a filter would compare differently in the column than in the document.

mod values;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foretaste_query::lang::{Path, Segment};
use foretaste_storage::limits;
use foretaste_storage::section::columns::Column;
use foretaste_storage::section::elements::Elements;
use foretaste_storage::section::paths::Paths;
use serde_json::{Map, Value as Json};

use self::values::{Form, Values};

/// Most steps of a path.
const DEPTH: usize = 4;
/// Most paths that are looked at; those that appear later have to do without.
const PATHS: usize = limits::PATHS as usize;
/// Most bytes gathered for all paths together; beyond them the path that needs the most for each value is given up.
const BYTES: usize = 256 << 20;

/// Most bytes of the quoted text of a path whose canonical text, which at most lacks the quotes, can name a column.
const NAMED_BYTES: u64 = limits::NAME_BYTES + 2 * DEPTH as u64;

/// The values of all paths so far.
#[derive(Debug)]
pub(super) struct Derived {
    /// The first is the document itself.
    places: Vec<Place>,
    /// Whether they are all the paths of at most [`DEPTH`] names.
    complete: bool,
    /// Bytes of the texts of all paths.
    listed: u64,
    bytes: usize,
    limit: usize,
}

/// One path, and where its members are.
#[derive(Debug, Default)]
struct Place {
    /// The place it is a member of; the document itself has no name.
    parent: usize,
    name: Option<Arc<str>>,
    /// Bytes of its text, every name in quotes.
    quoted: u64,
    members: HashMap<Arc<str>, usize>,
    values: Values,
}

impl Default for Derived {
    fn default() -> Self {
        Derived { places: vec![Place::default()], complete: true, listed: 0, bytes: 0, limit: BYTES }
    }
}

impl Derived {
    /// Gathers the members of the document of `row`; rows come ascending.
    pub fn push(&mut self, row: u32, document: Map<String, Json>) {
        self.object(row, 0, document, 1);
        while self.bytes > self.limit {
            let dearest = self.places.iter_mut().filter(|p| p.values.bytes() > 0);
            let dearest = dearest.max_by_key(|p| p.values.bytes() / p.values.rows().max(1));
            let Some(place) = dearest else { break };
            self.bytes -= place.values.bytes();
            place.values.give_up();
        }
    }

    // The recursion ends at DEPTH.
    fn object(&mut self, row: u32, place: usize, members: Map<String, Json>, depth: usize) {
        for (name, value) in members {
            let Some(member) = self.member(place, &name) else { continue };
            let Some(values) = self.places.get_mut(member).map(|p| &mut p.values) else { continue };
            let before = values.bytes();
            let inner = values.push(row, value);
            self.bytes = self.bytes + values.bytes() - before;
            if let Some(inner) = inner
                && depth < DEPTH
            {
                self.object(row, member, inner, depth + 1);
            }
        }
    }

    /// The place of a member, made when there is room for one more.
    fn member(&mut self, place: usize, name: &str) -> Option<usize> {
        let next = self.places.len();
        let parent = self.places.get_mut(place)?;
        if let Some(member) = parent.members.get(name) {
            return Some(*member);
        }
        let quoted = parent.quoted + quoted_bytes(name) + u64::from(parent.name.is_some());
        if next > PATHS || self.listed + quoted > limits::PATHS_BYTES {
            self.complete = false;
        }
        if next > PATHS || (!self.complete && quoted > NAMED_BYTES) {
            return None;
        }
        self.listed += quoted;
        let name: Arc<str> = Arc::from(name);
        parent.members.insert(Arc::clone(&name), next);
        let (members, values) = Default::default();
        self.places.push(Place { parent: place, name: Some(name), quoted, members, values });
        Some(next)
    }

    /// A document of the segment cannot be read: nobody knows what it has.
    pub fn unreadable(&mut self) {
        self.complete = false;
    }

    /// The path of a place; `None` for the document itself.
    fn path(&self, place: usize) -> Option<Path> {
        let (mut at, mut names) = (place, Vec::new());
        // A place was made after its parent, so this ends.
        while let Some(Place { parent, name: Some(name), .. }) = self.places.get(at) {
            names.push(name);
            at = *parent;
        }
        let mut names = names.into_iter().rev().map(|name| name.to_string());
        let first = Path::field(names.next()?);
        Some(names.fold(first, |path, name| path.then(Segment::Field(name))))
    }

    /// The list of all paths that occur; `None` when there are more than were looked at, or than a list may hold.
    pub fn paths(&self) -> Option<Paths> {
        if !self.complete {
            return None;
        }
        let paths = (1..self.places.len()).filter_map(|place| self.path(place));
        let names: BTreeSet<String> = paths.map(|path| path.to_quoted()).collect();
        Paths::new(DEPTH as u32, names).ok()
    }

    /// The columns and elements of `rows` rows, but for the paths that are declared.
    pub fn finish(mut self, rows: usize, declared: &[Path]) -> (Vec<Column>, Vec<Elements>) {
        let mut found: Vec<(usize, String, usize, Form)> = Vec::new();
        for (place, of) in self.places.iter().enumerate() {
            let Some((form, held)) = of.values.form() else { continue };
            if of.quoted > NAMED_BYTES {
                continue;
            }
            let Some(path) = self.path(place) else { continue };
            let name = path.to_string();
            if name.len() as u64 <= limits::NAME_BYTES && !declared.contains(&path) {
                found.push((held, name, place, form));
            }
        }
        found.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
        found.truncate(limits::DERIVED_COLUMNS as usize);
        let (mut columns, mut elements) = (Vec::new(), Vec::new());
        for (_, name, place, form) in found {
            let values = self.places.get_mut(place).map(|place| std::mem::take(&mut place.values));
            match (form, values.unwrap_or_default()) {
                (Form::Column(kind), values) => columns.push(values.column(kind, name, rows)),
                (Form::Elements, values) => elements.push(values.elements(name)),
            }
        }
        (columns, elements)
    }
}

/// Bytes of a name between double quotes, with those in it doubled.
fn quoted_bytes(name: &str) -> u64 {
    name.len() as u64 + name.bytes().filter(|byte| *byte == b'"').count() as u64 + 2
}

#[cfg(test)]
mod tests;

//! What the documents have at one path: values of each type by rows, and the elements of arrays.
//!
//! A path whose values are nearly all of one type becomes a column of that type; rows with something else (a value of another
//! type, an array, an object, a long string) are left to the documents. Where there are arrays, or several types, it becomes
//! elements, which say everything of a row but for long strings and arrays of very many elements.
//!
//! Reads from: values. Writes to: columns and elements of a segment being written.
//! Never: a number that a filter would compare differently in the column or among the elements than in the document.

use std::collections::HashMap;
use std::mem::size_of;

use foretaste_storage::section::columns::{Column, ColumnValues};
use foretaste_storage::section::elements::Elements;
use serde_json::{Map, Value as Json};

/// Longest string that a column or an element holds, in bytes.
pub(super) const TEXT_BYTES: usize = 256;
/// A path where more than one value in so many is left to the documents gets nothing.
const OTHERS: usize = 8;
/// A column leaves arrays to the documents as long as there is at most one among so many values.
const FEW_ARRAYS: usize = 1024;
/// After so many values it is known whether a path gets something.
const SETTLED: usize = 1024;
/// Most different elements of an array that are kept; one with more is left to its document.
pub(super) const ROW_ELEMENTS: usize = 256;
/// Most different numbers with a fraction among them: longer arrays of such numbers are vectors that somebody keeps in documents.
pub(super) const ROW_FRACTIONS: usize = 16;

/// What the documents have at one path, by rows.
#[derive(Debug, Default)]
pub(super) struct Values {
    bools: Vec<(u32, bool)>,
    ints: Vec<(u32, i64)>,
    floats: Vec<(u32, f64)>,
    texts: Vec<(u32, String)>,
    nulls: Vec<u32>,
    objects: Vec<u32>,
    long: Vec<u32>,
    arrays: Vec<u32>,
    /// What is in the arrays. Their strings are in `words`.
    elements: Elements,
    words: HashMap<String, u32>,
    /// How many rows only their documents tell about, even where elements are kept.
    unheld: usize,
    bytes: usize,
    given_up: bool,
}

/// What a path becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    Column(Kind),
    Elements,
}

/// The type of a column to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Bool,
    Int,
    Float,
    Text,
}

/// The different values in one array.
#[derive(Debug, Default)]
struct Array {
    bools: [bool; 2],
    ints: Vec<i64>,
    floats: Vec<f64>,
    texts: Vec<String>,
    /// An array or object.
    opaque: bool,
    /// A string that is too long.
    long: bool,
}

impl Values {
    /// Gathers one value; an object is handed back.
    pub fn push(&mut self, row: u32, value: Json) -> Option<Map<String, Json>> {
        if self.given_up {
            return if let Json::Object(members) = value { Some(members) } else { None };
        }
        self.bytes += size_of::<(u32, i64)>();
        let mut inner = None;
        match value {
            Json::Object(members) => {
                inner = Some(members);
                self.objects.push(row);
                self.unheld += 1;
            }
            Json::Null => self.nulls.push(row),
            Json::Bool(b) => self.bools.push((row, b)),
            Json::Number(n) => match (n.as_i64(), n.as_f64()) {
                (Some(i), _) => self.ints.push((row, i)),
                (None, Some(x)) => self.floats.push((row, x)),
                _ => self.objects.push(row),
            },
            Json::String(s) if s.len() <= TEXT_BYTES => {
                self.bytes += size_of::<String>() + s.len();
                self.texts.push((row, s));
            }
            Json::String(_) => {
                self.long.push(row);
                self.unheld += 1;
            }
            Json::Array(elements) => {
                self.arrays.push(row);
                self.push_array(row, Array::new(elements));
            }
        }
        if self.unheld > SETTLED && self.unheld > self.rows() - self.unheld {
            self.give_up();
        }
        inner
    }

    fn push_array(&mut self, row: u32, array: Array) {
        let held = array.len();
        if array.opaque {
            self.elements.opaque.push(row);
        }
        if held > ROW_ELEMENTS || array.floats.len() > ROW_FRACTIONS {
            self.elements.partial.push(row);
            self.unheld += 1;
            return;
        }
        if array.long {
            self.elements.partial.push(row);
        }
        if array.long || (array.opaque && held == 0) {
            self.unheld += 1;
        } else if held == 0 {
            self.elements.empty.push(row);
        }
        self.bytes += held * size_of::<(i64, u32)>();
        let Array { bools, ints, floats, texts, .. } = array;
        let bools = [false, true].into_iter().zip(bools).filter(|(_, there)| *there);
        self.elements.bools.extend(bools.map(|(b, _)| (b, row)));
        self.elements.ints.extend(ints.into_iter().map(|i| (i, row)));
        self.elements.floats.extend(floats.into_iter().map(|x| (x, row)));
        for text in texts {
            let word = self.word(text);
            self.elements.texts.push((word, row));
        }
    }

    /// The number of a string among the elements.
    fn word(&mut self, text: String) -> u32 {
        if let Some(word) = self.words.get(&text) {
            return *word;
        }
        let next = self.words.len() as u32;
        self.bytes += 2 * size_of::<String>() + text.len();
        self.words.insert(text, next);
        next
    }

    /// Bytes gathered, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets what was gathered.
    pub fn give_up(&mut self) {
        *self = Values { given_up: true, ..Values::default() };
    }

    /// How many rows have a value that is not null.
    fn present(&self) -> usize {
        let scalars = self.bools.len() + self.ints.len() + self.floats.len() + self.texts.len();
        scalars + self.long.len() + self.objects.len() + self.arrays.len()
    }

    /// How many rows have a value.
    pub fn rows(&self) -> usize {
        self.present() + self.nulls.len()
    }

    /// Which column holds the most values, and how many.
    fn best(&self) -> (Kind, usize) {
        let whole = self.ints.iter().filter(|(_, i)| super::super::exact(*i).is_some()).count();
        // Of equal ones the first: integers alone stay integers.
        let kinds = [
            (Kind::Int, self.ints.len()),
            (Kind::Float, self.floats.len() + whole),
            (Kind::Bool, self.bools.len()),
            (Kind::Text, self.texts.len()),
        ];
        kinds.into_iter().rev().max_by_key(|(_, count)| *count).unwrap_or((Kind::Int, 0))
    }

    /// What becomes of it, and of how many rows that tells without their documents; `None` where it would tell too little.
    pub fn form(&self) -> Option<(Form, usize)> {
        let ((kind, held), present) = (self.best(), self.present());
        let column = held > 0 && present - held <= held / OTHERS;
        let known = present - self.unheld;
        if column && self.arrays.len() <= held / FEW_ARRAYS {
            return Some((Form::Column(kind), held));
        }
        if known > 0 && self.unheld <= known / OTHERS {
            return Some((Form::Elements, known));
        }
        column.then_some((Form::Column(kind), held))
    }

    /// As a column of `rows` rows.
    pub fn column(self, kind: Kind, name: String, rows: usize) -> Column {
        let mut others = [self.objects, self.long, self.arrays].concat();
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
                let rounded = self.ints.iter().filter(|(_, i)| super::super::exact(*i).is_none());
                leave(&mut rounded.map(|(row, _)| *row))
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
                let whole = self.ints.into_iter();
                let whole = whole.filter_map(|(row, i)| super::super::exact(i).map(|float| (row, float)));
                ColumnValues::Float(spread(rows, self.floats.into_iter().chain(whole)))
            }
        };
        Column { name, values, nulls: self.nulls, others, derived: true }
    }

    /// As elements: a value without an array is an array's only one.
    pub fn elements(mut self, name: String) -> Elements {
        for (row, text) in std::mem::take(&mut self.texts) {
            let word = self.word(text);
            self.elements.texts.push((word, row));
        }
        let mut elements = self.elements;
        let mut words: Vec<(u32, String)> = self.words.into_iter().map(|(text, word)| (word, text)).collect();
        words.sort_unstable();
        elements.words = words.into_iter().map(|(_, text)| text).collect();
        elements.bools.extend(self.bools.into_iter().map(|(row, b)| (b, row)));
        elements.ints.extend(self.ints.into_iter().map(|(row, i)| (i, row)));
        for (row, x) in self.floats {
            match whole(x) {
                Some(i) => elements.ints.push((i, row)),
                None => elements.floats.push((x, row)),
            }
        }
        elements.opaque.extend(self.objects);
        elements.partial.extend(self.long);
        Elements { name, nulls: self.nulls, ..elements }
    }
}

impl Array {
    fn new(elements: Vec<Json>) -> Array {
        let mut array = Array::default();
        for element in elements {
            match element {
                Json::Null => {}
                Json::Bool(b) => {
                    let [no, yes] = &mut array.bools;
                    *(if b { yes } else { no }) = true;
                }
                Json::Number(n) => match (n.as_i64(), n.as_f64()) {
                    (Some(i), _) => array.ints.push(i),
                    (None, Some(x)) => match whole(x) {
                        Some(i) => array.ints.push(i),
                        None => array.floats.push(x),
                    },
                    _ => array.opaque = true,
                },
                Json::String(s) if s.len() <= TEXT_BYTES => array.texts.push(s),
                Json::String(_) => array.long = true,
                Json::Array(_) | Json::Object(_) => array.opaque = true,
            }
        }
        array.ints.sort_unstable();
        array.ints.dedup();
        array.floats.sort_unstable_by(f64::total_cmp);
        array.floats.dedup();
        array.texts.sort_unstable();
        array.texts.dedup();
        array
    }

    /// How many different values there are.
    fn len(&self) -> usize {
        let bools = self.bools.iter().filter(|there| **there).count();
        bools + self.ints.len() + self.floats.len() + self.texts.len()
    }
}

/// The integer that compares with everything as this float does, where there is one.
fn whole(x: f64) -> Option<i64> {
    // Every i64 is less than 2^63, which no cast gives back.
    ((x as i64) as f64 == x && x < i64::MAX as f64).then_some(x as i64)
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

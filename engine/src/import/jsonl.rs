//! JSONL: one JSON object a line.
//!
//! The vector field is the first of `vector`, `embedding`, `values` in the first row, the id field is `id`, unless
//! the caller names them; every other field is payload. An object field called `payload` or `metadata` stays
//! nested as it is. Blank lines are passed over. A file without ids gets row numbers.
//!
//! Reads from: a [`Source`]. Writes to: [`Rows`]. Never: a line longer than the largest payload and vector.

use std::fmt;
use std::io::{BufRead, Read};

use foretaste_storage::limits;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::{ErrorKind, ImportError, Position, list};
use super::source::Source;
use super::text::{RECORD_BYTES, Text};
use super::{ID_NAME, Id, Options, Reader, Result, Rows, VECTOR_NAMES};

struct Jsonl {
    source: Source,
    text: Text,
    /// The line in hand, which `peeked` says is not yet used.
    line: Vec<u8>,
    peeked: bool,
    line_number: u64,
    vector: String,
    /// The ids' field; `None` when rows are numbered.
    id: Option<String>,
    dim: usize,
    next: u64,
}

pub(crate) fn open(source: Source, options: &Options) -> Result<Box<dyn Reader>> {
    let text = Text::open(&source)?;
    let vector = options.vector.clone().unwrap_or_default();
    let (id, line) = (options.id.clone(), Vec::new());
    let mut reader = Jsonl { source, text, line, peeked: false, line_number: 0, vector, id, dim: 0, next: 0 };
    if !reader.fill_line()? {
        return Ok(Box::new(reader));
    }
    reader.peeked = true;
    // The first row says which of the usual names are in use.
    let first: Value = serde_json::from_slice(&reader.line).map_err(|e| reader.json_error(&e))?;
    let Value::Object(first) = first else {
        let error = reader.error(ErrorKind::Format, "the line is not a JSON object");
        return Err(error.hint("write one object a line, for example with `jq -c '.[]'`"));
    };
    let names: Vec<&String> = first.keys().collect();
    let missing = |reader: &Jsonl, name: &str| {
        let why = format!("there is no such field; the first row has {}", list(&names));
        reader.error(ErrorKind::UnknownField, why).field(name)
    };
    match &options.vector {
        Some(name) if !first.contains_key(name) => return Err(missing(&reader, name)),
        Some(_) => {}
        None => {
            let usual = VECTOR_NAMES
                .iter()
                .find(|name| first.contains_key(**name))
                .ok_or_else(|| missing(&reader, "vector").hint("name the field that holds the vectors"))?;
            reader.vector = usual.to_string();
        }
    }
    match &options.id {
        Some(name) if !first.contains_key(name) => return Err(missing(&reader, name)),
        Some(_) => {}
        None => reader.id = first.contains_key(ID_NAME).then(|| ID_NAME.to_string()),
    }
    let mut rows = Rows::default();
    reader.parse_line(&mut rows)?;
    reader.dim = rows.vectors.len();
    Ok(Box::new(reader))
}

impl Jsonl {
    fn error(&self, kind: ErrorKind, why: impl Into<String>) -> ImportError {
        self.source.error(kind, why).row(self.next).at(Position::Line(self.line_number))
    }

    fn json_error(&self, e: &serde_json::Error) -> ImportError {
        if e.is_data() {
            let why = e.to_string();
            // serde_json appends the place within the line, which is always line 1.
            let why = why.split(" at line 1 column").next().unwrap_or(&why);
            return self.error(ErrorKind::Format, why);
        }
        let error = self.error(ErrorKind::Format, format!("column {}: {e}", e.column()));
        let bare = |word: &[u8]| self.line.windows(word.len()).any(|w| w == word);
        if bare(b"NaN") || bare(b"Infinity") {
            return error.hint("JSON has no NaN or Infinity; leave such rows out");
        }
        error.hint("every line has to be one whole JSON object")
    }

    /// Reads the next line that is not blank into `line`; false at the end.
    fn fill_line(&mut self) -> Result<bool> {
        if std::mem::take(&mut self.peeked) {
            return Ok(true);
        }
        loop {
            self.line.clear();
            self.line_number += 1;
            let n = (&mut self.text).take(RECORD_BYTES + 1).read_until(b'\n', &mut self.line);
            let n = n.map_err(|e| {
                self.source.read_error(&e).row(self.next).at(Position::Line(self.line_number))
            })?;
            if n == 0 {
                return Ok(false);
            }
            if n as u64 > RECORD_BYTES {
                let why =
                    format!("the line is longer than {RECORD_BYTES} bytes, the largest payload and vector");
                return Err(self.error(ErrorKind::Unsupported, why));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Appends the line in hand.
    fn parse_line(&self, out: &mut Rows) -> Result<()> {
        let whole = out.vectors.len();
        let parsed = self.parse_row(out);
        if parsed.is_err() {
            out.vectors.truncate(whole);
        }
        let (id, payload) = parsed?;
        out.ids.push(id);
        out.payloads.push(payload);
        Ok(())
    }

    fn parse_row(&self, out: &mut Rows) -> Result<(Id, Option<Value>)> {
        let start = out.vectors.len();
        let mut json = serde_json::Deserializer::from_slice(&self.line);
        let seed = RowSeed { vector: &self.vector, numbers: &mut out.vectors };
        let (found, mut payload) = seed
            .deserialize(&mut json)
            .and_then(|row| json.end().map(|()| row))
            .map_err(|e| self.json_error(&e))?;
        let dim = out.vectors.len() - start;
        if !found {
            return Err(self.error(ErrorKind::UnknownField, "the row has no vector").field(&*self.vector));
        }
        if dim == 0 || dim as u64 > limits::DIMENSION {
            let why = format!("a vector of {dim} numbers; 1 to {} can be imported", limits::DIMENSION);
            return Err(self.error(ErrorKind::Format, why).field(&*self.vector));
        }
        if self.dim != 0 && dim != self.dim {
            let why = format!("the vector has {dim} numbers, the first row has {}", self.dim);
            return Err(self.error(ErrorKind::Format, why).field(&*self.vector));
        }
        let id = match &self.id {
            Some(name) => match payload.remove(name) {
                Some(Value::String(s)) => Id::Str(s),
                Some(Value::Number(n)) if n.is_i64() => Id::Int(n.as_i64().unwrap_or_default()),
                None => return Err(self.error(ErrorKind::UnknownField, "the row has no id").field(name)),
                Some(_) => {
                    let why = "the id is neither a string nor a 64-bit signed integer";
                    return Err(self.error(ErrorKind::Format, why).field(name));
                }
            },
            None if payload.contains_key(ID_NAME) => {
                let error = self.error(ErrorKind::Format, "the row has an id, the first row has none");
                return Err(error.field(ID_NAME).hint("give every row an id, or none"));
            }
            None => Id::Row(self.next),
        };
        Ok((id, (!payload.is_empty()).then_some(Value::Object(payload))))
    }
}

impl Reader for Jsonl {
    fn dim(&self) -> usize {
        self.dim
    }

    fn rows(&self) -> Option<u64> {
        None
    }

    fn bytes_total(&self) -> Option<u64> {
        Some(self.source.len_bytes())
    }

    fn bytes_read(&self) -> u64 {
        self.text.bytes_read()
    }

    fn skip(&mut self, rows: u64) -> Result<()> {
        for _ in 0..rows {
            if !self.fill_line()? {
                break;
            }
            self.next += 1;
        }
        Ok(())
    }

    fn read(&mut self, max_rows: usize, out: &mut Rows) -> Result<usize> {
        out.begin(self.next);
        let mut rows = 0;
        while rows < max_rows && self.fill_line()? {
            self.parse_line(out)?;
            self.next += 1;
            rows += 1;
        }
        Ok(rows)
    }
}

/// Parses a row: the numbers of the field `vector` go to `numbers`, the other fields are returned.
struct RowSeed<'a> {
    vector: &'a str,
    numbers: &'a mut Vec<f32>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = (bool, Map<String, Value>);

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = (bool, Map<String, Value>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = false;
        let mut payload = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if name == self.vector {
                if std::mem::replace(&mut found, true) {
                    return Err(A::Error::custom(format!("the field `{name}` is there twice")));
                }
                fields.next_value_seed(VectorSeed { name: self.vector, numbers: &mut *self.numbers })?;
            } else {
                payload.insert(name, fields.next_value()?);
            }
        }
        Ok((found, payload))
    }
}

/// Parses an array of numbers, which it appends to `numbers`.
struct VectorSeed<'a> {
    name: &'a str,
    numbers: &'a mut Vec<f32>,
}

impl<'de> DeserializeSeed<'de> for VectorSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for VectorSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of numbers in `{}`", self.name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<(), A::Error> {
        let mut dim = 0u64;
        loop {
            match numbers.next_element::<Option<f64>>() {
                Ok(Some(Some(number))) if dim < limits::DIMENSION => self.numbers.push(number as f32),
                Ok(Some(Some(_))) => {
                    return Err(A::Error::custom(format!("`{}` has more than {dim} numbers", self.name)));
                }
                Ok(Some(None)) => {
                    return Err(A::Error::custom(format!("dim {dim} of `{}` is null", self.name)));
                }
                Ok(None) => return Ok(()),
                Err(e) => return Err(e),
            }
            dim += 1;
        }
    }
}

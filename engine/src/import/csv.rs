//! CSV with a header line; tabs or semicolons when the header has them and no comma.
//!
//! Vectors are in one column as numbers separated by commas, spaces or semicolons, in brackets or not, or, with a
//! vector option that ends in `*`, in one column a dimension. Every other column is payload. Cells are typed one
//! by one: empty is left out, then `true`/`false`, integer, float, text; a number that would not be printed the same
//! way again (`007`, `+5`) stays text. Ids are an integer or text by the same rule.
//!
//! Reads from: a [`Source`]. Writes to: [`Rows`]. Never: a record longer than the largest payload and vector.

use std::io::{self, BufRead, Read};

use ::csv::{ByteRecord, Reader as CsvReader, ReaderBuilder};
use foretaste_storage::limits;
use serde_json::{Map, Value};

use super::error::{ErrorKind, ImportError, Position, list};
use super::source::Source;
use super::text::{RECORD_BYTES, Text};
use super::{ID_NAME, Id, Options, Reader, Result, Rows, VECTOR_NAMES};

/// A text that ends with an error when one record takes too much of it.
struct Bounded {
    text: Text,
    left_bytes: u64,
}

impl Read for Bounded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.text.read(out)?;
        self.left_bytes = self.left_bytes.checked_sub(n as u64).ok_or_else(|| {
            let why = format!("a record is longer than {RECORD_BYTES} bytes, or a quote is never closed");
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        Ok(n)
    }
}

/// Which columns make the vector.
enum Vector {
    /// One cell holds all numbers.
    Cell(usize),
    /// One cell a number.
    Cells(Vec<usize>),
}

struct Csv {
    source: Source,
    csv: CsvReader<Bounded>,
    names: Vec<String>,
    vector: Vector,
    /// The columns in the vector, which are no payload.
    in_vector: Vec<bool>,
    id: Option<usize>,
    record: ByteRecord,
    peeked: bool,
    dim: usize,
    next: u64,
}

pub(crate) fn open(source: Source, options: &Options) -> Result<Box<dyn Reader>> {
    let mut text = Text::open(&source)?;
    let start = text.fill_buf().map_err(|e| source.read_error(&e))?;
    let header = start.split(|b| *b == b'\n').next().unwrap_or_default();
    let delimiter = [b',', b'\t', b';'].into_iter().find(|d| header.contains(d)).unwrap_or(b',');
    let input = Bounded { text, left_bytes: 2 * RECORD_BYTES };
    let mut csv = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(input);
    let headers = csv.byte_headers().map_err(|e| csv_error(&source, 0, &e))?;
    let names: Vec<String> =
        headers.iter().map(|name| String::from_utf8_lossy(name).trim().to_string()).collect();
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            let error = source.error(ErrorKind::Format, "two columns have this name").at(Position::Line(1));
            return Err(error.field(name).hint("give the columns different names in the header line"));
        }
    }
    let column = |name: &str| names.iter().position(|n| n == name);
    let missing = |name: &str| {
        let why = format!("there is no such column; the header has {}", list(&names));
        source.error(ErrorKind::UnknownField, why).at(Position::Line(1)).field(name)
    };
    let id = match &options.id {
        Some(name) => Some(column(name).ok_or_else(|| missing(name))?),
        None => column(ID_NAME),
    };
    let vector = match &options.vector {
        Some(pattern) => match (column(pattern), pattern.strip_suffix('*')) {
            (Some(exact), _) => Vector::Cell(exact),
            (None, None) => return Err(missing(pattern)),
            (None, Some(prefix)) => {
                let cells: Vec<usize> =
                    (0..names.len()).filter(|i| Some(*i) != id && names[*i].starts_with(prefix)).collect();
                if cells.is_empty() {
                    return Err(missing(pattern));
                }
                Vector::Cells(cells)
            }
        },
        None => Vector::Cell(VECTOR_NAMES.iter().find_map(|name| column(name)).ok_or_else(|| {
            missing("vector")
                .hint("name the column that holds the vectors, or `v*` for one column a dimension")
        })?),
    };
    let mut in_vector = vec![false; names.len()];
    match &vector {
        Vector::Cell(i) => in_vector[*i] = true,
        Vector::Cells(cells) => cells.iter().for_each(|i| in_vector[*i] = true),
    }
    let record = ByteRecord::new();
    let mut reader =
        Csv { source, csv, names, vector, in_vector, id, record, peeked: false, dim: 0, next: 0 };
    if reader.fill_record()? {
        reader.peeked = true;
        let mut first = Vec::new();
        reader.parse_vector(&mut first)?;
        reader.dim = first.len();
    }
    Ok(Box::new(reader))
}

fn csv_error(source: &Source, row: u64, e: &::csv::Error) -> ImportError {
    let error = match e.kind() {
        ::csv::ErrorKind::Io(io) => source.read_error(io),
        _ => source.error(ErrorKind::Format, e.to_string()),
    };
    let error = error.row(row);
    match e.position() {
        Some(position) => error.at(Position::Line(position.line())),
        None => error,
    }
}

impl Csv {
    fn error(&self, kind: ErrorKind, why: impl Into<String>) -> ImportError {
        let error = self.source.error(kind, why).row(self.next);
        match self.record.position() {
            Some(position) => error.at(Position::Line(position.line())),
            None => error,
        }
    }

    /// Reads the next record; false at the end.
    fn fill_record(&mut self) -> Result<bool> {
        if std::mem::take(&mut self.peeked) {
            return Ok(true);
        }
        self.csv.get_mut().left_bytes = RECORD_BYTES;
        let more = self
            .csv
            .read_byte_record(&mut self.record)
            .map_err(|e| csv_error(&self.source, self.next, &e))?;
        if more && self.record.len() != self.names.len() {
            let why = format!("{} cells under {} columns", self.record.len(), self.names.len());
            return Err(self
                .error(ErrorKind::Format, why)
                .hint("quote cells that hold the delimiter or a line end"));
        }
        Ok(more)
    }

    fn cell(&self, column: usize) -> Result<&str> {
        let name = || self.names.get(column).cloned().unwrap_or_default();
        let bytes = self.record.get(column).unwrap_or_default();
        std::str::from_utf8(bytes)
            .map_err(|_| self.error(ErrorKind::Format, "the cell is not UTF-8 text").field(name()))
    }

    fn number(&self, text: &str, column: usize, dim: usize) -> Result<f32> {
        text.parse().map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            let why = format!("dim {dim} of the vector is `{shown}`, not a number");
            self.error(ErrorKind::Format, why).field(self.names.get(column).cloned().unwrap_or_default())
        })
    }

    /// Appends the vector of the record in hand.
    fn parse_vector(&self, out: &mut Vec<f32>) -> Result<()> {
        let start = out.len();
        match &self.vector {
            Vector::Cells(cells) => {
                for (dim, column) in cells.iter().enumerate() {
                    out.push(self.number(self.cell(*column)?.trim(), *column, dim)?);
                }
            }
            Vector::Cell(column) => {
                let text = self.cell(*column)?.trim();
                let text = text.strip_prefix(['[', '(']).unwrap_or(text);
                let text = text.strip_suffix([']', ')']).unwrap_or(text);
                let separators = |c: char| c.is_whitespace() || c == ',' || c == ';';
                for (dim, number) in text.split(separators).filter(|s| !s.is_empty()).enumerate() {
                    out.push(self.number(number, *column, dim)?);
                }
            }
        }
        let dim = out.len() - start;
        if dim == 0 || dim as u64 > limits::DIMENSION {
            let why = format!("a vector of {dim} numbers; 1 to {} can be imported", limits::DIMENSION);
            return Err(self.error(ErrorKind::Format, why));
        }
        if self.dim != 0 && dim != self.dim {
            let why = format!("the vector has {dim} numbers, the first row has {}", self.dim);
            return Err(self.error(ErrorKind::Format, why));
        }
        Ok(())
    }

    fn parse_rest(&self) -> Result<(Id, Option<Value>)> {
        let id = match self.id {
            None => Id::Row(self.next),
            Some(column) => match typed(self.cell(column)?) {
                Value::Number(n) if n.is_i64() => Id::Int(n.as_i64().unwrap_or_default()),
                Value::Null => return Err(self.error(ErrorKind::Format, "the row has no id")),
                _ => Id::Str(self.cell(column)?.to_string()),
            },
        };
        let mut payload = Map::new();
        for (i, name) in self.names.iter().enumerate() {
            if Some(i) == self.id || self.in_vector.get(i) == Some(&true) {
                continue;
            }
            let value = typed(self.cell(i)?);
            if !value.is_null() {
                payload.insert(name.clone(), value);
            }
        }
        Ok((id, (!payload.is_empty()).then_some(Value::Object(payload))))
    }
}

/// A cell by its content; null when it is empty.
fn typed(cell: &str) -> Value {
    match cell {
        "" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(n) = cell.parse::<i64>()
        && n.to_string() == cell
    {
        return Value::from(n);
    }
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && (!digits.starts_with('0') || digits.starts_with("0.") || digits.starts_with("0e"));
    let fraction = digits.contains(['.', 'e', 'E']);
    match cell.parse::<f64>() {
        Ok(x) if plain && fraction && x.is_finite() => Value::from(x),
        _ => Value::from(cell),
    }
}

impl Reader for Csv {
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
        self.csv.get_ref().text.bytes_read()
    }

    fn skip(&mut self, rows: u64) -> Result<()> {
        for _ in 0..rows {
            if !self.fill_record()? {
                break;
            }
            self.next += 1;
        }
        Ok(())
    }

    fn read(&mut self, max_rows: usize, out: &mut Rows) -> Result<usize> {
        out.begin(self.next);
        let mut rows = 0;
        while rows < max_rows && self.fill_record()? {
            let whole = out.vectors.len();
            let parsed = self.parse_vector(&mut out.vectors).and_then(|()| self.parse_rest());
            if parsed.is_err() {
                out.vectors.truncate(whole);
            }
            let (id, payload) = parsed?;
            out.ids.push(id);
            out.payloads.push(payload);
            self.next += 1;
            rows += 1;
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_are_typed_only_when_they_print_the_same_again() {
        let cells = [
            "",
            "True",
            "7",
            "-7",
            "007",
            "+5",
            "1.5",
            "0.5",
            "1e3",
            "nan",
            "inf",
            "00.5",
            "99999999999999999999",
        ];
        let values = [
            json!(null),
            json!(true),
            json!(7),
            json!(-7),
            json!("007"),
            json!("+5"),
            json!(1.5),
            json!(0.5),
            json!(1000.0),
            json!("nan"),
            json!("inf"),
            json!("00.5"),
            json!("99999999999999999999"),
        ];
        assert_eq!(cells.map(typed), values);
    }
}

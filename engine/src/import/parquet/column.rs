//! One Parquet column: what its values mean, and blocks of it by rows.
//!
//! Reads from: column readers of the `parquet` crate. Writes to: cells and JSON values.
//! Never: a column of structs or of lists in lists.

use ::parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::RowGroupReader;
use ::parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use foretaste_storage::element::decode;
use foretaste_storage::layout::Element;
use foretaste_storage::limits;
use serde_json::Value;

/// What the values of a column mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Bool,
    Int,
    Unsigned,
    /// An integer times ten to this power.
    Decimal(i32),
    Float,
    Half,
    Text,
    /// Days since 1970.
    Date,
    /// Ticks a second since 1970.
    Time(i64),
}

/// A column that can be imported.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// The top-level field's name.
    pub(super) name: String,
    /// Number of the leaf column in the file.
    pub(super) index: usize,
    /// Whether a row holds a list of values.
    pub(super) is_list: bool,
    meaning: Meaning,
    /// The definition level of a value that is there.
    full: i16,
    /// Whether an element of a list may be null.
    nullable: bool,
}

/// One value, or that there is none.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// A number of a vector.
    Number(f32),
    /// A value of the payload or an id.
    Value(Value),
    /// A null in a list, or a null column.
    Null,
    /// A list that is empty or null.
    Empty,
}

/// Some rows of a column.
pub(super) struct Block {
    pub(super) cells: Vec<Cell>,
    /// Each row's first cell, and the number of cells.
    pub(super) starts: Vec<usize>,
}

/// The columns of `schema` that can be imported.
pub(super) fn leaves(schema: &SchemaDescriptor) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    for (index, column) in schema.columns().iter().enumerate() {
        let root = schema.get_column_root_idx(index);
        // A second leaf under the same root makes it a struct or a map.
        let alone = |other: usize| schema.get_column_root_idx(other) != root;
        let single =
            (index == 0 || alone(index - 1)) && (index + 1 == schema.num_columns() || alone(index + 1));
        let path = column.path().parts();
        let is_list = column.max_rep_level() == 1;
        // `name.list.element`, or the two-part forms of older writers; a deeper path has structs in it.
        let plain = if is_list { path.len() <= 3 } else { path.len() == 1 };
        if let (true, true, true, Some(meaning), Some(name)) =
            (single, plain, column.max_rep_level() <= 1, meaning(column), path.first())
        {
            let full = column.max_def_level();
            let nullable = column.self_type().is_optional();
            leaves.push(Leaf { name: name.clone(), index, is_list, meaning, full, nullable });
        }
    }
    leaves
}

fn meaning(column: &ColumnDescriptor) -> Option<Meaning> {
    let logical = column.logical_type_ref();
    let converted = column.converted_type();
    match (column.physical_type(), logical, converted) {
        (Type::BOOLEAN, ..) => Some(Meaning::Bool),
        (Type::FLOAT | Type::DOUBLE, ..) => Some(Meaning::Float),
        (Type::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16), _) if column.type_length() == 2 => {
            Some(Meaning::Half)
        }
        (Type::INT32 | Type::INT64, Some(LogicalType::Timestamp(t)), _) => {
            Some(Meaning::Time(match t.unit {
                TimeUnit::MILLIS => 1_000,
                TimeUnit::MICROS => 1_000_000,
                TimeUnit::NANOS => 1_000_000_000,
            }))
        }
        (Type::INT64, _, ConvertedType::TIMESTAMP_MILLIS) => Some(Meaning::Time(1_000)),
        (Type::INT64, _, ConvertedType::TIMESTAMP_MICROS) => Some(Meaning::Time(1_000_000)),
        (Type::INT32, _, ConvertedType::DATE) | (Type::INT32, Some(LogicalType::Date), _) => {
            Some(Meaning::Date)
        }
        (Type::INT32 | Type::INT64, _, ConvertedType::DECIMAL) => {
            Some(Meaning::Decimal(-column.type_scale()))
        }
        (Type::INT32 | Type::INT64, Some(LogicalType::Integer(int)), _) if !int.is_signed => {
            Some(Meaning::Unsigned)
        }
        (
            Type::INT32 | Type::INT64,
            _,
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64,
        ) => Some(Meaning::Unsigned),
        (Type::INT32 | Type::INT64, ..) => Some(Meaning::Int),
        // Older writers do not mark text as such; bytes that are no text become null.
        (Type::BYTE_ARRAY, None | Some(LogicalType::String | LogicalType::Enum | LogicalType::Json), _)
            if !matches!(converted, ConvertedType::DECIMAL | ConvertedType::BSON) =>
        {
            Some(Meaning::Text)
        }
        _ => None,
    }
}

impl Leaf {
    /// Whether its values are numbers.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.meaning, Meaning::Int | Meaning::Unsigned | Meaning::Float | Meaning::Half)
    }

    /// Whether it looks like vectors: a list of floats.
    pub(super) fn is_vector(&self) -> bool {
        self.is_list && matches!(self.meaning, Meaning::Float | Meaning::Half)
    }

    /// Whether its values can be ids.
    pub(super) fn is_id(&self) -> bool {
        !self.is_list && matches!(self.meaning, Meaning::Int | Meaning::Unsigned | Meaning::Text)
    }

    /// Opens the column in a row group.
    pub(super) fn open(&self, group: &dyn RowGroupReader) -> Result<OpenColumn> {
        Ok(OpenColumn(group.get_column_reader(self.index)?))
    }

    fn int(&self, n: i64, wide: bool) -> Value {
        match self.meaning {
            Meaning::Unsigned if wide => Value::from(n as u64),
            Meaning::Unsigned => Value::from(n as u32),
            Meaning::Decimal(power) => Value::from(n as f64 * 10f64.powi(power)),
            Meaning::Date => NaiveDate::from_epoch_days(n as i32).map(|d| d.to_string()).into(),
            Meaning::Time(ticks) => {
                let nanos = n.rem_euclid(ticks) * (1_000_000_000 / ticks);
                let time = DateTime::from_timestamp(n.div_euclid(ticks), nanos as u32);
                time.map(|t| t.to_rfc3339_opts(SecondsFormat::AutoSi, true)).into()
            }
            _ => Value::from(n),
        }
    }
}

impl Block {
    /// Whole rows.
    pub(super) fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// One JSON value a row; null is none.
    pub(super) fn into_values(self, leaf: &Leaf) -> Vec<Value> {
        let value = |cell: Cell| match cell {
            Cell::Value(value) => value,
            Cell::Number(x) => Value::from(x),
            Cell::Null | Cell::Empty => Value::Null,
        };
        let mut values = Vec::with_capacity(self.rows());
        let mut cells = self.cells.into_iter();
        for range in self.starts.windows(2) {
            let row = cells.by_ref().take(range[1] - range[0]);
            if leaf.is_list {
                let row: Vec<Value> = row.filter(|cell| !matches!(cell, Cell::Empty)).map(value).collect();
                values.push(if row.is_empty() { Value::Null } else { Value::Array(row) });
            } else {
                values.push(row.map(value).next().unwrap_or(Value::Null));
            }
        }
        values
    }
}

/// A column of an open row group.
pub(super) struct OpenColumn(ColumnReader);

macro_rules! each_type {
    ($column:expr, $reader:ident => $body:expr) => {
        match $column {
            ColumnReader::BoolColumnReader($reader) => $body,
            ColumnReader::Int32ColumnReader($reader) => $body,
            ColumnReader::Int64ColumnReader($reader) => $body,
            ColumnReader::Int96ColumnReader($reader) => $body,
            ColumnReader::FloatColumnReader($reader) => $body,
            ColumnReader::DoubleColumnReader($reader) => $body,
            ColumnReader::ByteArrayColumnReader($reader) => $body,
            ColumnReader::FixedLenByteArrayColumnReader($reader) => $body,
        }
    };
}

impl OpenColumn {
    /// Passes over at most `rows` rows and returns how many.
    pub(super) fn skip(&mut self, rows: usize) -> Result<usize> {
        each_type!(&mut self.0, reader => reader.skip_records(rows))
    }

    /// Reads at most `rows` rows. `vector` is not 0 for the column of vectors, whose cells become numbers.
    pub(super) fn read(&mut self, leaf: &Leaf, rows: usize, vector: usize) -> Result<Block> {
        let number = |x: f32| Cell::Number(x);
        match &mut self.0 {
            ColumnReader::FloatColumnReader(r) if vector > 0 => read(r, leaf, rows, number),
            ColumnReader::DoubleColumnReader(r) if vector > 0 => read(r, leaf, rows, |x| number(x as f32)),
            ColumnReader::Int32ColumnReader(r) if vector > 0 => read(r, leaf, rows, |x| number(x as f32)),
            ColumnReader::Int64ColumnReader(r) if vector > 0 => read(r, leaf, rows, |x| number(x as f32)),
            ColumnReader::FixedLenByteArrayColumnReader(r) => read(r, leaf, rows, |x| match half(&x) {
                Some(x) if vector > 0 => number(x),
                Some(x) => Cell::Value(Value::from(x)),
                None => Cell::Null,
            }),
            ColumnReader::BoolColumnReader(r) => read(r, leaf, rows, |x| Cell::Value(Value::from(x))),
            ColumnReader::Int32ColumnReader(r) => {
                read(r, leaf, rows, |x| Cell::Value(leaf.int(i64::from(x), false)))
            }
            ColumnReader::Int64ColumnReader(r) => read(r, leaf, rows, |x| Cell::Value(leaf.int(x, true))),
            ColumnReader::FloatColumnReader(r) => read(r, leaf, rows, |x| Cell::Value(Value::from(x))),
            ColumnReader::DoubleColumnReader(r) => read(r, leaf, rows, |x| Cell::Value(Value::from(x))),
            ColumnReader::ByteArrayColumnReader(r) => read(r, leaf, rows, |x| text(&x)),
            ColumnReader::Int96ColumnReader(_) => {
                Err(ParquetError::NYI("96-bit integers are not read".into()))
            }
        }
    }
}

fn half(bytes: &FixedLenByteArray) -> Option<f32> {
    let mut wide = Vec::with_capacity(1);
    decode(Element::F16, bytes.data().get(..2)?, 1.0, &mut wide);
    wide.first().copied()
}

fn text(bytes: &ByteArray) -> Cell {
    match std::str::from_utf8(bytes.data()) {
        Ok(text) => Cell::Value(Value::from(text)),
        Err(_) => Cell::Null,
    }
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    leaf: &Leaf,
    rows: usize,
    cell: impl Fn(T::T) -> Cell,
) -> Result<Block> {
    let (mut defined, mut repeated, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut read_rows = 0;
    while read_rows < rows {
        let def = (leaf.full > 0).then_some(&mut defined);
        let rep = leaf.is_list.then_some(&mut repeated);
        let (n, _, levels) = reader.read_records(rows - read_rows, def, rep, &mut values)?;
        if n == 0 && levels == 0 {
            break;
        }
        if repeated.len() as u64 > rows as u64 * limits::DIMENSION {
            return Err(ParquetError::NYI(format!("a list is longer than {}", limits::DIMENSION)));
        }
        read_rows += n;
    }
    let cells = if leaf.full > 0 { defined.len() } else { values.len() };
    if leaf.is_list && repeated.len() != cells {
        return Err(ParquetError::General("definition and repetition levels differ in number".into()));
    }
    let mut block = Block { cells: Vec::with_capacity(cells), starts: Vec::with_capacity(rows + 1) };
    let mut values = values.into_iter();
    for i in 0..cells {
        if !leaf.is_list || repeated.get(i) == Some(&0) {
            block.starts.push(i);
        }
        let level = defined.get(i).copied().unwrap_or(leaf.full);
        block.cells.push(if level == leaf.full {
            let value = values.next();
            cell(value.ok_or_else(|| ParquetError::General("a value is missing from its page".into()))?)
        } else if !leaf.is_list || (leaf.nullable && level + 1 == leaf.full) {
            Cell::Null
        } else {
            Cell::Empty
        });
    }
    if leaf.is_list && block.starts.first().is_some_and(|first| *first != 0) {
        return Err(ParquetError::General("a block of rows does not start with a row".into()));
    }
    block.starts.push(cells);
    Ok(block)
}

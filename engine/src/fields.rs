//! A row's fields, for filters: typed columns where they are declared, the payload document where they are not.
//!
//! Reads from: payloads and columns. Writes to: columns of a segment being written.
//! Never: a document parsed when the columns answer.

use std::borrow::Cow;
use std::cell::OnceCell;

use foretaste_query::lang::{ColumnType, Fields, Path, Value, lookup, value_at};
use foretaste_storage::rows::Rows;
use foretaste_storage::section::columns::{Column as Written, ColumnValue, ColumnValues, ColumnView};
use foretaste_storage::segment::{Pick, Segment};
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::schema::Schema;

/// The parsed path of a declared column.
pub(crate) fn column_path(path: &str) -> Result<Path> {
    Path::parse(path).map_err(|e| Error::BadRequest {
        what: "schema",
        why: format!("column `{path}` is not a path: {e}; quote odd names with double quotes"),
    })
}

/// A payload as a document; an empty one is null.
pub(crate) fn document(payload: &[u8]) -> Option<Json> {
    if payload.is_empty() { None } else { serde_json::from_slice(payload).ok() }
}

/// The declared columns of the picked rows.
pub(crate) fn columns(schema: &Schema, sources: &[&dyn Rows], picks: &[Pick]) -> Result<Vec<Written>> {
    if schema.columns.is_empty() {
        return Ok(Vec::new());
    }
    let paths = schema.columns.iter().map(|c| column_path(&c.path)).collect::<Result<Vec<_>>>()?;
    let mut values: Vec<ColumnValues> = schema.columns.iter().map(|c| empty(c.kind)).collect();
    for pick in picks {
        let document = match sources.get(pick.source as usize) {
            Some(rows) => document(&rows.payload(pick.row)?),
            None => None,
        };
        for (path, values) in paths.iter().zip(&mut values) {
            let value = document.as_ref().and_then(|d| lookup(d, path));
            match values {
                ColumnValues::Bool(v) => v.push(value.and_then(Json::as_bool)),
                ColumnValues::Int(v) => v.push(value.and_then(Json::as_i64)),
                ColumnValues::Float(v) => v.push(value.and_then(Json::as_f64)),
                ColumnValues::Str(v) => v.push(value.and_then(Json::as_str).map(str::to_string)),
            }
        }
    }
    let names = schema.columns.iter().map(|c| c.path.clone());
    Ok(names.zip(values).map(|(name, values)| Written { name, values }).collect())
}

fn empty(kind: ColumnType) -> ColumnValues {
    match kind {
        ColumnType::Bool => ColumnValues::Bool(Vec::new()),
        ColumnType::Int => ColumnValues::Int(Vec::new()),
        ColumnType::Float => ColumnValues::Float(Vec::new()),
        ColumnType::Str => ColumnValues::Str(Vec::new()),
    }
}

/// The columns of a segment that a filter asks for.
#[derive(Debug)]
pub(crate) struct SegmentColumns<'s> {
    columns: Vec<(Path, ColumnView<'s>)>,
}

impl<'s> SegmentColumns<'s> {
    /// Finds the columns for `paths`; what has none is read from the document.
    pub fn new<'p>(
        schema: &Schema,
        segment: &'s Segment,
        paths: impl Iterator<Item = &'p Path>,
    ) -> Result<Self> {
        let mut columns = Vec::new();
        for path in paths {
            for declared in &schema.columns {
                if column_path(&declared.path)? == *path
                    && let Some(view) = segment.column(&declared.path)?
                {
                    columns.push((path.clone(), view));
                }
            }
        }
        Ok(SegmentColumns { columns })
    }
}

/// One row of a segment.
pub(crate) struct SegmentFields<'a> {
    pub segment: &'a Segment,
    pub columns: &'a SegmentColumns<'a>,
    pub row: u32,
    pub document: OnceCell<Option<Json>>,
    /// The first error met; a filter's answer does not count when there is one.
    pub failed: OnceCell<foretaste_storage::Error>,
}

impl SegmentFields<'_> {
    fn in_document(&self, path: &Path) -> Value<'_> {
        let read = || match Rows::payload(self.segment, self.row) {
            Ok(payload) => document(&payload),
            Err(e) => {
                let _ = self.failed.set(e);
                None
            }
        };
        match self.document.get_or_init(read) {
            Some(document) => value_at(document, path),
            None => Value::Missing,
        }
    }
}

impl Fields for SegmentFields<'_> {
    fn get(&self, path: &Path) -> Value<'_> {
        let Some((_, view)) = self.columns.columns.iter().find(|(p, _)| p == path) else {
            return self.in_document(path);
        };
        match view.get(self.row) {
            Ok(ColumnValue::Bool(b)) => Value::Bool(b),
            Ok(ColumnValue::Int(i)) => Value::Int(i),
            Ok(ColumnValue::Float(f)) => Value::Float(f),
            Ok(ColumnValue::Str(s)) => Value::Str(Cow::Borrowed(s)),
            // The column does not tell null from missing; the document does.
            Ok(ColumnValue::Null) => self.in_document(path),
            Err(e) => {
                let _ = self.failed.set(e);
                Value::Missing
            }
        }
    }

    fn key(&self) -> Value<'_> {
        match Rows::key(self.segment, self.row) {
            Ok(key) => key.into(),
            Err(e) => {
                let _ = self.failed.set(e);
                Value::Missing
            }
        }
    }
}

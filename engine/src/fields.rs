//! A row's fields, for filters: typed columns and elements of arrays where there are some, the payload document where there
//! are none.
//!
//! Reads from: payloads, columns, elements, lists of paths. Writes to: columns, elements and the list of a segment being written.
//! Never: a document parsed when the columns answer, or the list of the paths that occur.

mod derive;

use std::borrow::Cow;
use std::cell::OnceCell;

use foretaste_query::filter::{Indexes, Plan, RowSet, is_missing};
use foretaste_query::lang::{ColumnType, Fields, Filter, Path, Value, lookup, value_at};
use foretaste_storage::key::KeyRef;
use foretaste_storage::rows::Rows;
use foretaste_storage::section::columns::{Column as Written, ColumnValue, ColumnValues, ColumnView};
use foretaste_storage::section::elements::ElementsView;
use foretaste_storage::segment::{DocumentIndex, Pick, Segment};
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

/// What is kept of the documents of the picked rows: the columns that are declared, then those that many of the documents
/// have values for, the elements of arrays, and the paths that occur.
pub(crate) fn document_index(
    schema: &Schema,
    sources: &[&dyn Rows],
    picks: &[Pick],
) -> Result<DocumentIndex> {
    let paths = schema.columns.iter().map(|c| column_path(&c.path)).collect::<Result<Vec<_>>>()?;
    let named = schema.columns.iter().map(|c| Written::new(c.path.clone(), empty(c.kind)));
    let mut columns: Vec<Written> = named.collect();
    let mut derived = derive::Derived::default();
    for (pick, row) in picks.iter().zip(0..) {
        let mut found = None;
        if let Some(rows) = sources.get(pick.source as usize) {
            let payload = rows.payload(pick.row)?;
            found = document(&payload);
            if found.is_none() && !payload.is_empty() {
                derived.unreadable();
            }
        }
        for (path, column) in paths.iter().zip(&mut columns) {
            push(column, row, found.as_ref().and_then(|d| lookup(d, path)));
        }
        if let Some(Json::Object(members)) = found {
            derived.push(row, members);
        }
    }
    let listed = derived.paths();
    let (more, elements) = derived.finish(picks.len(), &paths);
    columns.extend(more);
    Ok(DocumentIndex { columns, elements, paths: listed })
}

/// Appends the value of `row` to a declared column.
fn push(column: &mut Written, row: u32, value: Option<&Json>) {
    let held = match &mut column.values {
        ColumnValues::Bool(v) => put(v, value.and_then(Json::as_bool)),
        ColumnValues::Int(v) => put(v, value.and_then(Json::as_i64)),
        ColumnValues::Float(v) => put(v, value.and_then(float)),
        ColumnValues::Str(v) => put(v, value.and_then(Json::as_str).map(str::to_string)),
    };
    match value {
        Some(Json::Null) => column.nulls.push(row),
        Some(_) if !held => column.others.push(row),
        _ => {}
    }
}

fn put<T>(values: &mut Vec<Option<T>>, value: Option<T>) -> bool {
    values.push(value);
    values.last().is_some_and(Option::is_some)
}

/// A number as the float that filters compare like it; `None` for integers that a float would round.
fn float(value: &Json) -> Option<f64> {
    match value.as_i64() {
        Some(i) => exact(i),
        None => value.as_f64(),
    }
}

/// The float that is this integer, when there is one.
fn exact(i: i64) -> Option<f64> {
    let float = i as f64;
    (float as i128 == i128::from(i)).then_some(float)
}

fn empty(kind: ColumnType) -> ColumnValues {
    match kind {
        ColumnType::Bool => ColumnValues::Bool(Vec::new()),
        ColumnType::Int => ColumnValues::Int(Vec::new()),
        ColumnType::Float => ColumnValues::Float(Vec::new()),
        ColumnType::Str => ColumnValues::Str(Vec::new()),
    }
}

/// What a segment knows of the paths that a filter asks for.
#[derive(Debug)]
pub(crate) struct SegmentColumns<'s> {
    segment: &'s Segment,
    paths: Vec<(Path, Known<'s>)>,
}

/// What a segment knows of a path without a look at a document.
#[derive(Debug, Clone, Copy)]
enum Known<'s> {
    /// The values of its column.
    Column(ColumnView<'s>),
    /// Which rows have which elements of arrays, and which have nothing or null.
    Elements(ElementsView<'s>),
    /// No row has anything there.
    Missing,
}

impl<'s> SegmentColumns<'s> {
    /// Finds the columns for `paths`, declared or derived. What has none is read from the document, unless the segment's
    /// list says that no document has it.
    pub fn new<'p>(
        schema: &Schema,
        segment: &'s Segment,
        paths: impl Iterator<Item = &'p Path>,
    ) -> Result<Self> {
        let mut known: Vec<(Path, Known<'s>)> = Vec::new();
        for path in paths {
            if known.iter().any(|(p, _)| p == path) {
                continue;
            }
            let name = path.to_string();
            let mut view = None;
            for declared in &schema.columns {
                if declared.path == name || column_path(&declared.path)? == *path {
                    view = segment.column(&declared.path)?;
                }
            }
            if view.is_none() {
                view = segment.derived_columns()?.find(|column| column.name() == name);
            }
            let elements = match view {
                Some(_) => None,
                None => segment.elements()?.find(|elements| elements.name() == name),
            };
            let found = match (view, elements) {
                (Some(view), _) => Some(Known::Column(view)),
                (None, Some(elements)) => Some(Known::Elements(elements)),
                (None, None) => {
                    segment.paths()?.filter(|listed| is_missing(path, listed)).map(|_| Known::Missing)
                }
            };
            known.extend(found.map(|found| (path.clone(), found)));
        }
        Ok(SegmentColumns { segment, paths: known })
    }

    fn known(&self, path: &Path) -> Option<Known<'s>> {
        self.paths.iter().find(|(p, _)| p == path).map(|(_, known)| *known)
    }

    /// How many rows the segment has.
    pub fn rows(&self) -> u32 {
        self.segment.rows()
    }

    /// What the indexes know of `filter`, whose paths these columns were found for.
    pub fn plan<'p>(&'p self, filter: &'p Filter) -> foretaste_storage::Result<Plan<'p>> {
        Plan::new(filter, self)
    }

    /// Exactly the rows that pass, deleted ones among them: documents are read for those that the plan leaves open.
    pub fn select(&self, filter: &Filter, plan: &Plan<'_>) -> foretaste_storage::Result<RowSet> {
        plan.select()?.settle(|row| self.passes(filter, row))
    }

    /// Whether one row passes.
    pub fn passes(&self, filter: &Filter, row: u32) -> foretaste_storage::Result<bool> {
        let (document, failed) = (OnceCell::new(), OnceCell::new());
        let fields = SegmentFields { segment: self.segment, columns: self, row, document, failed };
        let passes = filter.matches(&fields);
        fields.failed.into_inner().map_or(Ok(passes), Err)
    }
}

impl Indexes for SegmentColumns<'_> {
    fn rows(&self) -> u32 {
        self.segment.rows()
    }

    fn column(&self, path: &Path) -> Option<ColumnView<'_>> {
        match self.known(path) {
            Some(Known::Column(view)) => Some(view),
            _ => None,
        }
    }

    fn elements(&self, path: &Path) -> Option<ElementsView<'_>> {
        match self.known(path) {
            Some(Known::Elements(view)) => Some(view),
            _ => None,
        }
    }

    fn is_missing(&self, path: &Path) -> bool {
        matches!(self.known(path), Some(Known::Missing))
    }

    fn find(&self, key: KeyRef<'_>) -> foretaste_storage::Result<Option<u32>> {
        self.segment.find(key)
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

    /// What is known of a value, missing after an error, which is kept.
    fn settled<'v>(&self, value: foretaste_storage::Result<Option<Value<'v>>>) -> Option<Value<'v>> {
        value.unwrap_or_else(|e| {
            let _ = self.failed.set(e);
            Some(Value::Missing)
        })
    }
}

impl Fields for SegmentFields<'_> {
    fn get(&self, path: &Path) -> Value<'_> {
        let view = match self.columns.known(path) {
            Some(Known::Column(view)) => view,
            Some(Known::Missing) => return Value::Missing,
            Some(Known::Elements(elements)) => {
                let absent = absent_from(&elements, self.row);
                return self.settled(absent).unwrap_or_else(|| self.in_document(path));
            }
            None => return self.in_document(path),
        };
        match view.get(self.row) {
            Ok(ColumnValue::Bool(b)) => Value::Bool(b),
            Ok(ColumnValue::Int(i)) => Value::Int(i),
            Ok(ColumnValue::Float(f)) => Value::Float(f),
            Ok(ColumnValue::Str(s)) => Value::Str(Cow::Borrowed(s)),
            Ok(ColumnValue::Null) => {
                self.settled(absent(&view, self.row)).unwrap_or_else(|| self.in_document(path))
            }
            Err(e) => self.settled(Err(e)).unwrap_or(Value::Missing),
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

/// What a column says of a row without a value in it; `None` when only the document tells.
fn absent<'a>(view: &ColumnView<'_>, row: u32) -> foretaste_storage::Result<Option<Value<'a>>> {
    // Segments of before do not tell null from missing.
    let Some(order) = view.order() else { return Ok(None) };
    Ok(match (order.is_other(row)?, order.is_null(row)?) {
        (true, _) => None,
        (_, true) => Some(Value::Null),
        _ => Some(Value::Missing),
    })
}

/// What the elements at a path say of a row with nothing but null there; `None` when only the document tells.
fn absent_from<'a>(view: &ElementsView<'_>, row: u32) -> foretaste_storage::Result<Option<Value<'a>>> {
    Ok(match (view.is_held(row)?, view.is_null(row)?) {
        (true, _) => None,
        (_, true) => Some(Value::Null),
        _ => Some(Value::Missing),
    })
}

#[cfg(test)]
mod tests;

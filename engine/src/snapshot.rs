//! A consistent view of a collection, for as many reads as the caller likes.
//!
//! Reads from: `state`. Writes to: nothing.
//! Never: a wait for a writer (two short locks guard caches); later commits, seals and compactions do not show.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use foretaste_query::metric::Metric;
use foretaste_storage::bytes::Span;
use foretaste_storage::key::Key;
use foretaste_storage::rows::Rows;
use foretaste_storage::{element, variance};
use roaring::RoaringBitmap;

use crate::error::{Error, Result};
use crate::fields;
use crate::member::{Role, Shown};
use crate::params::Within;
use crate::schema::Schema;
use crate::scores::Memory;
use crate::search::Search;
use crate::state::{Place, State};
use crate::text::TextSearch;

/// A consistent view of a collection. Cloning is cheap; its files stay until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) state: Arc<State>,
    pub(crate) seq: u64,
    /// Its further vector fields.
    pub(crate) members: Option<Arc<[Shown]>>,
    /// What scorers have said of its collection's rows.
    pub(crate) memory: Memory,
}

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its id, of the type the caller put in.
    pub id: Key,
    /// Its vector, as the element type keeps it: as many numbers as the levels the row has.
    pub vector: Vec<f32>,
    /// Its variances as stored: one for a scalar sidecar, as many as the vector has for a diagonal one, none without.
    pub variance: Vec<f32>,
    /// The sums of its variances over the first dimensions up to each level; empty without a sidecar.
    pub variance_traces: Vec<f32>,
    /// The numbers of its token matrix as stored, token after token; empty without one.
    pub tokens: Vec<f32>,
    /// Its vectors in further fields, by name; see [`Schema::field`].
    pub fields: BTreeMap<String, Vec<f32>>,
    /// Its document.
    pub payload: Option<serde_json::Value>,
    /// Sequence number of the operation that wrote it; a later one is larger.
    pub version: u64,
}

impl Snapshot {
    /// Rows it sees.
    pub fn len(&self) -> u64 {
        self.state.len(self.seq)
    }

    /// Whether it sees no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The schema at its time.
    pub fn schema(&self) -> &Schema {
        &self.state.schema
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.state.schema.metric
    }

    /// The row with this id.
    ///
    /// # Errors
    /// `Corrupt` when its bytes are damaged; other rows stay readable.
    pub fn get(&self, id: impl Into<Key>) -> Result<Option<Record>> {
        let id = id.into();
        self.state.find(&id, self.seq)?.map(|place| self.record(&place)).transpose()
    }

    /// Whether there is a row with this id.
    pub fn contains(&self, id: impl Into<Key>) -> Result<bool> {
        Ok(self.state.find(&id.into(), self.seq)?.is_some())
    }

    /// A search for the rows nearest to `query`.
    pub fn search(&self, query: &[f32]) -> Search {
        Search::new(self.clone(), query)
    }

    /// A search for the rows whose vectors in a further field are nearest to `query`; rows without one are not found. Its filters,
    /// effort and stages are those of every search, but that full text is of the collection, not of a field.
    ///
    /// # Errors
    /// `NotFound` when there is no such field.
    pub fn search_field(&self, field: &str, query: &[f32]) -> Result<Search> {
        Ok(Search::new(self.field(field)?, query))
    }

    /// A search for the rows nearest to `query`, of the vectors that `within` says.
    ///
    /// # Errors
    /// Those of [`Snapshot::search_field`] and [`Snapshot::search_in`].
    pub fn search_within(&self, within: &Within, query: &[f32]) -> Result<Search> {
        match within {
            Within::Own => Ok(self.search(query)),
            Within::Field(field) => self.search_field(field, query),
            Within::Space(space) => self.search_in(space, query),
        }
    }

    /// The rows of a further vector field.
    pub(crate) fn field(&self, name: &str) -> Result<Snapshot> {
        if let Some(member) = self.member(&Role::Field(name.to_string())) {
            return Ok(self.of_member(member));
        }
        let known: Vec<&str> = self.shown().map(|(field, _)| field).collect();
        let known = if known.is_empty() { "there is none".into() } else { known.join(", ") };
        Err(Error::NotFound { what: format!("vector field `{name}` (in this collection: {known})") })
    }

    /// The further vector fields by name.
    fn shown(&self) -> impl Iterator<Item = (&str, &Shown)> {
        self.members.iter().flat_map(|members| members.iter()).filter_map(|member| match &member.role {
            Role::Field(name) => Some((name.as_str(), member)),
            Role::Change | Role::Rule(_) => None,
        })
    }

    /// The member of that role.
    pub(crate) fn member(&self, role: &Role) -> Option<&Shown> {
        self.members.iter().flat_map(|members| members.iter()).find(|member| member.role == *role)
    }

    /// A member's rows.
    pub(crate) fn of_member(&self, member: &Shown) -> Snapshot {
        let memory = self.memory.of_collection(member.core.id);
        Snapshot { state: Arc::clone(&member.state), seq: self.seq, members: None, memory }
    }

    /// A search for the rows whose full-text field `field` has words of `query`, ranked by BM25.
    pub fn search_text(&self, field: &str, query: &str) -> TextSearch {
        TextSearch::new(self.clone(), field, query)
    }

    /// All rows, in the order of storage.
    pub fn scan(&self) -> impl Iterator<Item = Result<Record>> + '_ {
        self.places().map(|place| self.record(&place))
    }

    /// Where every live row is.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let sealed = self.state.segments.iter().flat_map(|source| {
            let dead = source.dead.at(self.seq);
            live(source.segment.rows(), dead).map(|row| Place::Segment(Arc::clone(source), row))
        });
        let fresh = self.state.heads.iter().flat_map(|head| {
            let dead = head.dead.at(self.seq);
            let rows = head.visible(self.seq).map(|b| b.block.rows()).sum();
            live(rows, dead).map(|row| Place::Head(Arc::clone(head), row))
        });
        sealed.chain(fresh)
    }

    pub(crate) fn record(&self, place: &Place) -> Result<Record> {
        let mut record = self.own_record(place)?;
        for (name, member) in self.shown() {
            if let Some(place) = member.state.find(&record.id, self.seq)? {
                let vector = self.of_member(member).own_record(&place)?.vector;
                record.fields.insert(name.to_string(), vector);
            }
        }
        Ok(record)
    }

    /// A row without its vectors in further fields.
    pub(crate) fn own_record(&self, place: &Place) -> Result<Record> {
        match place {
            Place::Segment(source, row) => {
                let mut record = self.read(&*source.segment, *row)?;
                record.variance_traces = source.segment.traces(*row)?.unwrap_or_default();
                Ok(record)
            }
            Place::Head(head, row) => {
                let (block, inside) = head.locate(*row).ok_or_else(|| lost_row(*row))?;
                let rows = block.rows(self.state.layout());
                let mut record = self.read(&rows, inside)?;
                let parts = (0..usize::from(rows.levels(inside)?))
                    .map(|level| rows.variance(inside, level).map(|s| s.to_vec()))
                    .collect::<Result<Vec<_>, _>>()?;
                let levels = parts.len();
                let bytes_of = |level: usize| parts.get(level).map(Vec::as_slice).unwrap_or_default();
                variance::traces(self.state.layout(), levels, bytes_of, &mut record.variance_traces);
                Ok(record)
            }
        }
    }

    fn read(&self, rows: &dyn Rows, row: u32) -> Result<Record> {
        let layout = self.state.layout();
        let scale = rows.scale(row)?;
        let (mut vector, mut variances) = (Vec::new(), Vec::new());
        for level in 0..usize::from(rows.levels(row)?) {
            element::decode(layout.element, &rows.vector(row, level)?, scale, &mut vector);
            if let Some(kind) = layout.variance {
                variance::decode(kind, &rows.variance(row, level)?, &mut variances);
            }
        }
        let mut tokens = Vec::new();
        self.decode_tokens(rows, row, &mut tokens)?;
        Ok(Record {
            id: rows.key(row)?.to_key(),
            vector,
            variance: variances,
            variance_traces: Vec::new(),
            tokens,
            fields: BTreeMap::new(),
            payload: fields::document(&rows.payload(row)?),
            version: rows.version(row)?,
        })
    }

    /// The numbers of a row's token matrix in place of what `out` holds; none when it has no matrix.
    pub(crate) fn tokens_of(&self, place: &Place, out: &mut Vec<f32>) -> Result<()> {
        out.clear();
        match place {
            Place::Segment(source, row) => self.decode_tokens(&*source.segment, *row, out),
            Place::Head(head, row) => {
                let (block, inside) = head.locate(*row).ok_or_else(|| lost_row(*row))?;
                self.decode_tokens(&block.rows(self.state.layout()), inside, out)
            }
        }
    }

    fn decode_tokens(&self, rows: &dyn Rows, row: u32, out: &mut Vec<f32>) -> Result<()> {
        let Some(matrix) = rows.tokens(row)? else { return Ok(()) };
        // Checksums do not find a file of another collection's shape.
        if self.state.schema.tokens != Some(matrix.layout) {
            let why =
                format!("row {row} has tokens of {:?}, which the collection does not keep", matrix.layout);
            return Err(Error::Corrupt { file: Path::new("seg").to_path_buf(), offset: 0, why });
        }
        matrix.decode(out);
        Ok(())
    }

    pub(crate) fn key_of(&self, place: &Place) -> Result<Key> {
        match place {
            Place::Segment(source, row) => Ok(Rows::key(&*source.segment, *row)?.to_key()),
            Place::Head(head, row) => head.key(*row).map(|k| k.to_key()).ok_or_else(|| lost_row(*row)),
        }
    }

    pub(crate) fn payload_of(&self, place: &Place) -> Result<Option<serde_json::Value>> {
        let payload = match place {
            Place::Segment(source, row) => Rows::payload(&*source.segment, *row)?,
            Place::Head(head, row) => {
                let (block, inside) = head.locate(*row).ok_or_else(|| lost_row(*row))?;
                Span::Borrowed(block.block.payload_of(inside))
            }
        };
        Ok(fields::document(&payload))
    }
}

fn live(rows: u32, dead: Arc<RoaringBitmap>) -> impl Iterator<Item = u32> {
    (0..rows).filter(move |row| !dead.contains(*row))
}

fn lost_row(row: u32) -> Error {
    Error::Corrupt {
        file: Path::new("log").to_path_buf(),
        offset: 0,
        why: format!("there is no fresh row {row}"),
    }
}

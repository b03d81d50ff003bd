//! A batch being put together: one atomic, durable commit.
//!
//! Reads from: the caller. Writes to: `ingest`, on [`Batch::commit`].
//! Never: an effect before `commit`, or a part of a batch after it.

use std::collections::HashMap;
use std::sync::Arc;

use foretaste_storage::block::{Block, Mark, RowInput, encode};
use foretaste_storage::key::Key;
use foretaste_storage::tokens::Matrix;
use serde_json::Value;

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::ingest::Part;
use crate::member::{Member, Role};
use crate::schema::Schema;
use crate::validate::{self, At};

/// The variance of one row, tagged as what it is. A bare list of numbers is not accepted: a standard deviation taken
/// for a variance would go unnoticed.
#[derive(Debug, Clone, PartialEq)]
pub enum RowVariance {
    /// Variances σ².
    Variance(Vec<f32>),
    /// Standard deviations σ.
    StandardDeviation(Vec<f32>),
    /// Natural logarithms of variances, ln σ².
    LogVariance(Vec<f32>),
}

impl RowVariance {
    pub(crate) fn variances(&self) -> Vec<f32> {
        match self {
            RowVariance::Variance(v) => v.clone(),
            // A negative deviation is as wrong as a negative variance; squaring would hide it.
            RowVariance::StandardDeviation(v) => v.iter().map(|s| s * s.abs()).collect(),
            RowVariance::LogVariance(v) => v.iter().map(|l| l.exp()).collect(),
        }
    }
}

/// A batch of upserts and deletes on one collection.
///
/// ```
/// # use foretaste::{Database, Metric, Schema};
/// # let dir = tempfile::tempdir().unwrap();
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// let db = Database::open(path.join("notes.ft"))?;
/// let docs = db.create_collection("docs", Schema::new(2, Metric::L2))?;
/// let mut batch = docs.batch();
/// batch.upsert("a", &[0.0, 1.0]).payload(serde_json::json!({"lang": "en"}));
/// batch.upsert(7, &[1.0, 1.0]);
/// batch.commit()?;
/// assert_eq!(docs.len(), 2);
/// # Ok(()) }
/// # run(dir.path()).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "a batch has no effect before `commit`"]
pub struct Batch {
    collection: Collection,
    rows: Vec<Row>,
    vectors: Vec<f32>,
    deletes: Vec<Key>,
    mark: Option<Mark>,
    /// The first thing wrong with a call that returned no error itself.
    failed: Option<Error>,
}

#[derive(Debug)]
struct Row {
    key: Key,
    /// End of its vector in `vectors`.
    end: usize,
    payload: Vec<u8>,
    variance: Option<Vec<f32>>,
    /// Its token matrix, row-major; empty for none.
    tokens: Vec<f32>,
    /// Its vectors in further fields.
    fields: Vec<FieldVector>,
}

#[derive(Debug)]
struct FieldVector {
    /// None for the vector in the space that the collection is being changed to.
    field: Option<String>,
    vector: Vec<f32>,
    variance: Option<Vec<f32>>,
}

/// The row just added to a batch, to give it more than a vector.
#[derive(Debug)]
pub struct RowMut<'a> {
    batch: &'a mut Batch,
}

impl Batch {
    pub(crate) fn new(collection: Collection) -> Self {
        Batch {
            collection,
            rows: Vec::new(),
            vectors: Vec::new(),
            deletes: Vec::new(),
            mark: None,
            failed: None,
        }
    }

    /// Adds a row, or replaces the one with this id. The vector has as many numbers as one of the collection's levels.
    pub fn upsert(&mut self, id: impl Into<Key>, vector: &[f32]) -> RowMut<'_> {
        self.vectors.extend_from_slice(vector);
        let (key, end) = (id.into(), self.vectors.len());
        self.rows.push(Row {
            key,
            end,
            payload: Vec::new(),
            variance: None,
            tokens: Vec::new(),
            fields: Vec::new(),
        });
        RowMut { batch: self }
    }

    /// Removes the row with this id, if there is one.
    pub fn delete(&mut self, id: impl Into<Key>) -> &mut Self {
        self.deletes.push(id.into());
        self
    }

    /// Keeps a named position with the batch, atomically: [`Collection::mark`] gives it back, also after a crash.
    /// `None` removes the name. Importers continue from it.
    pub fn mark(&mut self, name: &str, position: Option<u64>) -> &mut Self {
        self.mark = Some(Mark { name: name.to_string(), position: position.unwrap_or(u64::MAX) });
        self
    }

    /// Operations so far.
    pub fn len(&self) -> usize {
        self.rows.len() + self.deletes.len()
    }

    /// Whether there is no operation.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the batch: when this returns, all of it is durable as the database's [`crate::Durability`] says. After an
    /// error none of it is visible; after a failed write or sync the database takes no more commits, and whether the batch
    /// is there when it is opened again is not known (all of it or nothing).
    ///
    /// # Errors
    /// `DimensionMismatch`, `NonFinite`, `ZeroVector`, `BadVariance`, `BadTokens`, `BadPayload`, `DuplicateId` and `LimitExceeded`
    /// name the row; `ReadOnly`; `Poisoned` after an earlier failed write; `Io`.
    pub fn commit(mut self) -> Result<()> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        if self.is_empty() && self.mark.is_none() {
            return Ok(());
        }
        self.check_ids()?;
        // Once more when a member came or went meanwhile: it must hear of these rows, too.
        while !self.commit_with(&self.collection.members())? {}
        Ok(())
    }

    fn commit_with(&self, members: &Arc<[Member]>) -> Result<bool> {
        self.check_fields(members)?;
        let mut parts = Vec::with_capacity(members.len() + 1);
        for member in members.iter() {
            let schema = &member.core.state().schema;
            let block = match &member.role {
                Role::Field(name) => self.encode_member(Some(name), schema)?,
                Role::Change => self.encode_member(None, schema)?,
                Role::Rule(_) => continue,
            };
            if block.ops() > 0 {
                parts.push(Part { collection: &member.core, block });
            }
        }
        let block = self.encode(&self.collection.schema())?;
        self.collection.commit_if(parts, block, &mut |_| Ok(Arc::ptr_eq(members, &self.collection.members())))
    }

    fn check_ids(&self) -> Result<()> {
        let mut seen: HashMap<&Key, usize> = HashMap::with_capacity(self.len());
        for (op, key) in self.rows.iter().map(|r| &r.key).chain(&self.deletes).enumerate() {
            key.validate()?;
            if let Some(first) = seen.insert(key, op) {
                return Err(Error::DuplicateId { id: key.to_string(), first, second: op });
            }
        }
        Ok(())
    }

    fn check_fields(&self, members: &[Member]) -> Result<()> {
        let name = |given: &FieldVector| match &given.field {
            Some(field) => format!("vector field `{field}`"),
            None => "a space that the collection is being changed to".to_string(),
        };
        for row in &self.rows {
            for (i, given) in row.fields.iter().enumerate() {
                if row.fields.iter().take(i).any(|other| other.field == given.field) {
                    let why = format!("row {} has two vectors for {}", row.key, name(given));
                    return Err(Error::BadRequest { what: "field", why });
                }
                let role = given.field.clone().map_or(Role::Change, Role::Field);
                if !members.iter().any(|member| member.role == role) {
                    let what = format!("{}, for row {}", name(given), row.key);
                    return Err(Error::NotFound { what });
                }
            }
        }
        Ok(())
    }

    /// The part of a further vector field, or of the rows in another space: the rows that have a vector there, and the ids of those
    /// that have none any more.
    fn encode_member(&self, field: Option<&str>, schema: &Schema) -> Result<Block> {
        let place = field.unwrap_or("in the new space");
        let mut vectors = Vec::with_capacity(self.rows.len());
        for (i, row) in self.rows.iter().enumerate() {
            let at = At { row: i, id: &row.key, field: Some(place) };
            let given = row.fields.iter().find(|given| given.field.as_deref() == field);
            vectors.push(match given {
                None => None,
                Some(given) => {
                    let vector = validate::as_stored(schema, &given.vector, i, &at)?;
                    validate::vector(schema, &vector, at)?;
                    if let Some(values) = &given.variance {
                        validate::variance(schema, values, vector.len(), at)?;
                    }
                    Some((vector, given.variance.as_deref()))
                }
            });
        }
        let (mut inputs, mut deletes) = (Vec::new(), Vec::new());
        for (row, vector) in self.rows.iter().zip(&vectors) {
            match vector {
                None => deletes.push(row.key.as_ref()),
                Some((vector, variance)) => inputs.push(RowInput {
                    key: row.key.as_ref(),
                    vector,
                    variance: *variance,
                    tokens: token_matrix(schema, row),
                    // Filters of searches in this field are answered here.
                    payload: &row.payload,
                }),
            }
        }
        deletes.extend(self.deletes.iter().map(Key::as_ref));
        Ok(encode(&schema.layout, &inputs, &deletes, None)?)
    }

    fn encode(&self, schema: &Schema) -> Result<Block> {
        let (mut vectors, mut start) = (Vec::with_capacity(self.rows.len()), 0);
        for (i, row) in self.rows.iter().enumerate() {
            let vector = self.vectors.get(start..row.end).unwrap_or_default();
            start = row.end;
            let at = At { row: i, id: &row.key, field: None };
            let vector = validate::as_stored(schema, vector, i, &at)?;
            validate::vector(schema, &vector, at)?;
            if let Some(values) = &row.variance {
                validate::variance(schema, values, vector.len(), at)?;
            }
            if !row.tokens.is_empty() {
                validate::tokens(schema, &row.tokens, at)?;
            }
            vectors.push(vector);
        }
        let mut inputs = Vec::with_capacity(self.rows.len());
        for (row, vector) in self.rows.iter().zip(&vectors) {
            inputs.push(RowInput {
                key: row.key.as_ref(),
                vector,
                variance: row.variance.as_deref(),
                tokens: token_matrix(schema, row),
                payload: &row.payload,
            });
        }
        let deletes: Vec<_> = self.deletes.iter().map(Key::as_ref).collect();
        Ok(encode(&schema.layout, &inputs, &deletes, self.mark.as_ref())?)
    }
}

fn token_matrix<'a>(schema: &Schema, row: &'a Row) -> Option<Matrix<'a>> {
    let layout = schema.tokens.filter(|_| !row.tokens.is_empty())?;
    Some(Matrix { layout, numbers: &row.tokens })
}

impl RowMut<'_> {
    /// Gives the row a document: a JSON object.
    pub fn payload(self, payload: Value) -> Self {
        let batch = self.batch;
        let index = batch.rows.len().saturating_sub(1);
        let schema = batch.collection.schema();
        if let Some(row) = batch.rows.last_mut() {
            match validate::payload(&schema, &payload, At { row: index, id: &row.key, field: None }) {
                Ok(()) => row.payload = payload.to_string().into_bytes(),
                Err(e) => batch.failed = batch.failed.take().or(Some(e)),
            }
        }
        RowMut { batch }
    }

    /// Gives the row a variance: one number for a scalar sidecar, as many as the vector has for a diagonal one. A row
    /// without one is stored as certain (variance 0).
    pub fn variance(self, variance: &RowVariance) -> Self {
        if let Some(row) = self.batch.rows.last_mut() {
            row.variance = Some(variance.variances());
        }
        self
    }

    /// Gives the row a vector in a further field; see [`Schema::field`]. A row written without one has none there.
    pub fn field(self, name: &str, vector: &[f32]) -> Self {
        if let Some(row) = self.batch.rows.last_mut() {
            let field = Some(name.to_string());
            row.fields.push(FieldVector { field, vector: vector.to_vec(), variance: None });
        }
        self
    }

    /// While the model is being changed: the row's vector in the new space, beside that in the old one. A row written without one
    /// waits to be embedded again; see [`Collection::begin_change`].
    pub fn changed(self, vector: &[f32]) -> Self {
        if let Some(row) = self.batch.rows.last_mut() {
            row.fields.push(FieldVector { field: None, vector: vector.to_vec(), variance: None });
        }
        self
    }

    /// The same with its variance there.
    pub fn changed_with_variance(self, vector: &[f32], variance: &RowVariance) -> Self {
        self.changed(vector).last_variance(variance)
    }

    /// Gives the row a vector in a further field that keeps variances, and its variance there.
    pub fn field_with_variance(self, name: &str, vector: &[f32], variance: &RowVariance) -> Self {
        self.field(name, vector).last_variance(variance)
    }

    fn last_variance(self, variance: &RowVariance) -> Self {
        if let Some(field) = self.batch.rows.last_mut().and_then(|row| row.fields.last_mut()) {
            field.variance = Some(variance.variances());
        }
        self
    }

    /// Gives the row a token matrix, for scores by late interaction: token after token, each of as many numbers as
    /// [`Schema::tokens`] says. A row without one, or with an empty one, has no such score.
    pub fn tokens(self, matrix: &[f32]) -> Self {
        if let Some(row) = self.batch.rows.last_mut() {
            row.tokens = matrix.to_vec();
        }
        self
    }
}

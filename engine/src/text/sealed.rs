//! The full-text indexes that a segment has, and what is wrong with them.
//!
//! Reads from: a segment's `text.N`. Writes to: nothing.
//! Never: an error that keeps the segment's rows from being found; an index is derived from them.

use std::sync::{Arc, OnceLock};

use foretaste_query::text::TextIndex;
use foretaste_storage::segment::Segment;

use crate::error::{Error, Result};
use crate::schema::{Schema, TextField};

/// The indexes of one `text.N`, opened when they are first asked for; shared by all sources of the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct SealedTexts(Arc<Opened>);

#[derive(Debug, Default)]
struct Opened {
    fields: OnceLock<Vec<TextIndex>>,
    damage: OnceLock<Error>,
}

impl SealedTexts {
    /// The index of `field`, if there is one that is whole and made as the field wants it.
    pub fn of(&self, segment: &Segment, field: &TextField) -> Option<&TextIndex> {
        if self.0.fields.get().is_none() {
            match open(segment) {
                Ok(fields) => drop(self.0.fields.set(fields)),
                Err(e) => self.failed(e),
            }
        }
        if self.damage().is_some() {
            return None;
        }
        let all = self.0.fields.get()?;
        all.iter().find(|index| index.path() == field.path && index.is_by(&field.analyser))
    }

    /// What is wrong with them, if anything is known to be.
    pub fn damage(&self) -> Option<&Error> {
        self.0.damage.get()
    }

    /// Remembers that they are damaged: later searches do without.
    pub fn failed(&self, error: Error) {
        // The first reason stays.
        let _ = self.0.damage.set(error);
    }

    /// Whether the segment should have other indexes than it has.
    pub fn is_due(&self, schema: &Schema, segment: &Segment) -> bool {
        let lacks = |field: &TextField| self.of(segment, field).is_none();
        segment.rows() > 0
            && schema.texts.iter().any(lacks)
            // Written by a newer version, which can read it.
            && !matches!(self.damage(), Some(Error::FormatTooNew { .. }))
    }
}

fn open(segment: &Segment) -> Result<Vec<TextIndex>> {
    let Some(file) = segment.text()? else { return Ok(Vec::new()) };
    let mut fields = Vec::new();
    while let Some(index) = TextIndex::open(file, fields.len() as u16, segment.rows())? {
        fields.push(index);
    }
    Ok(fields)
}

/// Calls `damaged` with what the segment's indexes contradict themselves in; their blocks were found whole.
pub(crate) fn verify(segment: &Segment, damaged: &mut dyn FnMut(Error)) {
    match open(segment) {
        Ok(fields) => fields.iter().for_each(|index| index.verify(&mut |e| damaged(e.into()))),
        Err(e) => damaged(e),
    }
}

//! Full-text indexes written: with a segment, or for one that lacks what its schema declares.
//!
//! Reads from: documents. Writes to: one file of the segment's folder. Never: a lock.

use std::path::Path;

use foretaste_query::text::{Gathered, Written};
use foretaste_storage::codec::check::Uuid;
use foretaste_storage::rows::Rows;
use foretaste_storage::sealed::FileRef;
use foretaste_storage::segment::{Pick, Segment, TextNote, write_text};
use foretaste_storage::vfs::Vfs;

use crate::error::{Error, Result};
use crate::fields;
use crate::schema::{Schema, TextField};
use crate::text::gather::Gatherer;

/// Rows between two questions whether to go on.
const ASK_ROWS: usize = 256;

/// Where an index is written: the database's disk, folder and uuid, the segment's number, and the index's own.
pub(crate) struct Target<'a> {
    pub vfs: &'a dyn Vfs,
    pub root: &'a Path,
    pub uuid: &'a Uuid,
    pub segment: u64,
    pub number: u64,
}

/// Writes the full-text index of the picked rows; `None` when the schema declares no field. `go_on` is told now and then which part is done.
///
/// # Errors
/// `Cancelled`; those of the rows and of the disk.
pub(crate) fn write(
    target: &Target<'_>,
    schema: &Schema,
    sources: &[&dyn Rows],
    picks: &[Pick],
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<FileRef>> {
    if schema.texts.is_empty() {
        return Ok(None);
    }
    let gatherer = |field: &TextField| Gatherer::new(field, Gathered::new());
    let mut all = schema.texts.iter().map(gatherer).collect::<Result<Vec<_>>>()?;
    for (number, some) in picks.chunks(ASK_ROWS).enumerate() {
        if !go_on((number * ASK_ROWS) as f64 / picks.len() as f64) {
            return Err(Error::Cancelled);
        }
        for pick in some {
            let document = match sources.get(pick.source as usize) {
                Some(rows) => fields::document(&rows.payload(pick.row)?),
                None => None,
            };
            all.iter_mut().for_each(|gatherer| gatherer.push(document.as_ref()));
        }
    }
    let mut sections = Vec::new();
    for ((field, gatherer), number) in schema.texts.iter().zip(all).zip(0..) {
        if !go_on(1.0) {
            return Err(Error::Cancelled);
        }
        let written = Written::new(&field.path, &field.analyser, gatherer.gathered)?;
        sections.extend(written.sections.into_iter().map(|(kind, bytes)| (kind, number, bytes)));
    }
    let Target { vfs, root, uuid, segment, number } = *target;
    let note = TextNote { number, rows: picks.len() as u32, fields: schema.texts.len() as u16 };
    Ok(Some(write_text(vfs, root, uuid, segment, note, sections)?))
}

/// Writes the full-text index of a segment that has another, or none.
///
/// # Errors
/// As [`write`].
pub(crate) fn build(
    target: &Target<'_>,
    schema: &Schema,
    segment: &Segment,
    go_on: &mut dyn FnMut(f64) -> bool,
) -> Result<Option<FileRef>> {
    let picks: Vec<Pick> = (0..segment.rows()).map(|row| Pick { source: 0, row }).collect();
    write(target, schema, &[segment], &picks, go_on)
}

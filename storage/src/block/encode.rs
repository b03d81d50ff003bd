//! Lays a batch out as a block's bytes.
//!
//! Reads from: rows the engine has validated. Writes to: one aligned buffer, each number once.
//! Never: a check of a value; only sizes are compared with the limits.

use std::path::Path;

use crate::block::{
    Block, HEADER, KEY_OFFSETS, KEYS, MAGIC, MARK, Mark, PAYLOAD_OFFSETS, PAYLOADS, SCALES, SECTIONS,
    TOKEN_OFFSETS, TOKENS, VARIANCES, VECTORS, WIDTHS, variance_tag,
};
use crate::bytes::{ALIGN, AlignedBuf};
use crate::error::{Error, Result};
use crate::key::KeyRef;
use crate::layout::{Element, Layout, TokenLayout};
use crate::tokens::Matrix;
use crate::{element, limits, variance};

/// One row of a batch.
#[derive(Debug, Clone, Copy)]
pub struct RowInput<'a> {
    /// Its key.
    pub key: KeyRef<'a>,
    /// Its vector; the length is one of the layout's levels.
    pub vector: &'a [f32],
    /// Its variances: one for a scalar sidecar, as many as the vector has numbers for a diagonal one. Without them the
    /// row is stored with variance 0.
    pub variance: Option<&'a [f32]>,
    /// Its token matrix, if it has one; all of a batch are stored in the same way.
    pub tokens: Option<Matrix<'a>>,
    /// Its document as JSON text; empty for none.
    pub payload: &'a [u8],
}

/// The block of a batch. `deletes` are keys to remove; a key stands at most once among `rows` and `deletes`.
///
/// # Errors
/// `LimitExceeded` when the batch has too many operations or bytes, or a key, payload or token matrix is too long; `Corrupt`
/// when matrices are of several layouts, or do not come out even.
pub fn encode(
    layout: &Layout,
    rows: &[RowInput<'_>],
    deletes: &[KeyRef<'_>],
    mark: Option<&Mark>,
) -> Result<Block> {
    limits::check("batch operations", (rows.len() + deletes.len()) as u64, limits::BATCH_OPS)?;
    let width = rows.iter().map(|r| r.vector.len()).max().unwrap_or(0);
    let row_bytes = width * layout.element.size();
    let variance_bytes = layout.variance.map_or(0, |v| variance::row_bytes(v, width));
    let mixed = rows.iter().any(|r| r.vector.len() != width);
    let has_payload = rows.iter().any(|r| !r.payload.is_empty());
    let keys = || rows.iter().map(|r| r.key).chain(deletes.iter().copied());
    for key in keys() {
        limits::check("key length in bytes", key.encoded_len() as u64 - 1, limits::KEY_BYTES)?;
    }
    for row in rows {
        limits::check("payload in bytes", row.payload.len() as u64, limits::PAYLOAD_BYTES)?;
    }
    let token_layout = token_layout(rows)?;
    let token_bytes = |row: &RowInput<'_>| {
        let tokens = row.tokens.and_then(|matrix| matrix.tokens()).unwrap_or(0);
        tokens * token_layout.map_or(0, |layout| layout.token_bytes())
    };

    let mut lengths = [0u64; SECTIONS];
    lengths[VECTORS] = (rows.len() * row_bytes) as u64;
    lengths[WIDTHS] = if mixed { rows.len() as u64 * 4 } else { 0 };
    lengths[SCALES] = if layout.element == Element::I8 { rows.len() as u64 * 4 } else { 0 };
    lengths[VARIANCES] = (rows.len() * variance_bytes) as u64;
    lengths[KEY_OFFSETS] = (rows.len() + deletes.len() + 1) as u64 * 4;
    lengths[KEYS] = keys().map(|k| k.encoded_len() as u64).sum();
    lengths[PAYLOAD_OFFSETS] = if has_payload { (rows.len() + 1) as u64 * 4 } else { 0 };
    lengths[PAYLOADS] = rows.iter().map(|r| r.payload.len() as u64).sum();
    lengths[MARK] = mark.map_or(0, |m| 8 + m.name.len() as u64);
    lengths[TOKEN_OFFSETS] = if token_layout.is_some() { (rows.len() + 1) as u64 * 4 } else { 0 };
    lengths[TOKENS] = rows.iter().map(|r| token_bytes(r) as u64).sum();
    let mut offsets = [0u64; SECTIONS];
    let mut end = HEADER as u64;
    for (offset, len) in offsets.iter_mut().zip(lengths) {
        *offset = end;
        end = (end + len).next_multiple_of(ALIGN as u64);
    }
    limits::check("batch in bytes", end, limits::BATCH_BYTES)?;

    let mut buf = AlignedBuf::zeroed(end as usize);
    buf[..4].copy_from_slice(&MAGIC);
    buf[4] = layout.element.tag();
    buf[5] = variance_tag(layout.variance);
    buf[8..12].copy_from_slice(&(rows.len() as u32).to_le_bytes());
    buf[12..16].copy_from_slice(&(deletes.len() as u32).to_le_bytes());
    buf[16..20].copy_from_slice(&(width as u32).to_le_bytes());
    if let Some(layout) = token_layout {
        put_u32(&mut buf, 20, layout.dims);
        buf[24] = layout.element.tag();
    }
    // Without token matrices the block is one of before there were any, to the byte.
    for i in 0..if token_layout.is_some() { SECTIONS } else { TOKEN_OFFSETS } {
        buf[32 + i * 8..36 + i * 8].copy_from_slice(&(offsets[i] as u32).to_le_bytes());
        buf[36 + i * 8..40 + i * 8].copy_from_slice(&(lengths[i] as u32).to_le_bytes());
    }
    let at = |section: usize| offsets[section] as usize;

    for (i, row) in rows.iter().enumerate() {
        let start = at(VECTORS) + i * row_bytes;
        let len = row.vector.len() * layout.element.size();
        let scale = element::encode(layout.element, row.vector, &mut buf[start..start + len]);
        if lengths[SCALES] > 0 {
            put_u32(&mut buf, at(SCALES) + i * 4, scale.to_bits());
        }
        if mixed {
            put_u32(&mut buf, at(WIDTHS) + i * 4, row.vector.len() as u32);
        }
        if let (Some(kind), Some(values)) = (layout.variance, row.variance) {
            let start = at(VARIANCES) + i * variance_bytes;
            let len = variance::row_bytes(kind, row.vector.len());
            variance::encode(kind, values, &mut buf[start..start + len]);
        }
    }
    let mut key_bytes = Vec::with_capacity(lengths[KEYS] as usize);
    put_u32(&mut buf, at(KEY_OFFSETS), 0);
    for (i, key) in keys().enumerate() {
        key.encode(&mut key_bytes);
        put_u32(&mut buf, at(KEY_OFFSETS) + (i + 1) * 4, key_bytes.len() as u32);
    }
    buf[at(KEYS)..at(KEYS) + key_bytes.len()].copy_from_slice(&key_bytes);
    if has_payload {
        let mut used = 0;
        for (i, row) in rows.iter().enumerate() {
            let start = at(PAYLOADS) + used;
            buf[start..start + row.payload.len()].copy_from_slice(row.payload);
            used += row.payload.len();
            put_u32(&mut buf, at(PAYLOAD_OFFSETS) + (i + 1) * 4, used as u32);
        }
    }
    if token_layout.is_some() {
        let mut used = 0;
        for (i, row) in rows.iter().enumerate() {
            let (start, len) = (at(TOKENS) + used, token_bytes(row));
            if let Some(matrix) = row.tokens {
                matrix.encode(&mut buf[start..start + len]);
            }
            used += len;
            put_u32(&mut buf, at(TOKEN_OFFSETS) + (i + 1) * 4, used as u32);
        }
    }
    if let Some(mark) = mark {
        limits::check("mark name in bytes", mark.name.len() as u64, limits::NAME_BYTES)?;
        let start = at(MARK);
        buf[start..start + 8].copy_from_slice(&mark.position.to_le_bytes());
        buf[start + 8..start + 8 + mark.name.len()].copy_from_slice(mark.name.as_bytes());
    }
    Block::parse(buf.into(), Path::new("batch"), 0)
}

/// How the batch's token matrices are stored, if there are any.
fn token_layout(rows: &[RowInput<'_>]) -> Result<Option<TokenLayout>> {
    let wrong = |why: &str| Err(Error::corrupt(Path::new("batch"), 0, why));
    let mut found = None;
    for matrix in rows.iter().filter_map(|row| row.tokens) {
        matrix.layout.validate()?;
        if found.is_some_and(|layout| layout != matrix.layout) {
            return wrong("its token matrices are of several layouts");
        }
        match matrix.tokens() {
            Some(tokens) => limits::check("tokens of a row", tokens as u64, limits::TOKENS)?,
            None => return wrong("a token matrix ends within a token"),
        }
        found = Some(matrix.layout);
    }
    Ok(found)
}

fn put_u32(buf: &mut AlignedBuf, at: usize, value: u32) {
    buf[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

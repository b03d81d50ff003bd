//! Reads a block: the head's rows, and a log frame's.
//!
//! Reads from: bytes of any origin. Writes to: nothing.
//! Never: a panic on hostile bytes; `parse` proves what the accessors rely on.

use std::ops::Range;
use std::path::Path;

use crate::block::{
    HEADER, KEY_OFFSETS, KEYS, MAGIC, MARK, Mark, PAYLOAD_OFFSETS, PAYLOADS, SCALES, SECTIONS, TOKEN_OFFSETS,
    TOKENS, VARIANCES, VECTORS, WIDTHS, variance_of,
};
use crate::bytes::{Bytes, Span};
use crate::codec::cursor::Cursor;
use crate::error::{Error, Result};
use crate::key::KeyRef;
use crate::layout::{Element, Layout, TokenLayout, VarianceLayout};
use crate::rows::Rows;
use crate::tokens::{self, Stored};
use crate::{limits, variance};

/// A batch as bytes, checked. Cloning costs one reference count.
#[derive(Debug, Clone)]
pub struct Block {
    bytes: Bytes,
    element: Element,
    variance: Option<VarianceLayout>,
    tokens: Option<TokenLayout>,
    rows: u32,
    deletes: u32,
    width: usize,
    sections: [Range<usize>; SECTIONS],
    mark: Option<Mark>,
}

impl Block {
    /// Checks `bytes`, which were read at `offset` of `file`, once and for all: section bounds, lengths against counts,
    /// offsets ascending, every key valid, every payload UTF-8.
    pub fn parse(bytes: Bytes, file: &Path, offset: u64) -> Result<Block> {
        let mut c = Cursor::new(&bytes, file, offset);
        if c.take(4)? != MAGIC {
            return Err(Error::corrupt(file, offset, "no block begins here"));
        }
        let (element, variance) = (Element::of_tag(c.u8()?.into()), variance_of(c.u8()?));
        let (Some(element), Some(variance)) = (element, variance) else {
            return Err(Error::corrupt(file, offset + 4, "unknown element or variance type"));
        };
        c.u16()?;
        let (rows, deletes, width) = (c.u32()?, c.u32()?, c.u32()? as usize);
        limits::check("batch operations", u64::from(rows) + u64::from(deletes), limits::BATCH_OPS)?;
        limits::check("dimension", width as u64, limits::DIMENSION)?;
        let tokens = (c.u32()?, c.u8()?);
        c.take(7)?;
        let mut sections: [Range<usize>; SECTIONS] = std::array::from_fn(|_| 0..0);
        let mut end = HEADER;
        for (number, section) in sections.iter_mut().enumerate() {
            let (start, len) = (c.u32()? as usize, c.u32()? as usize);
            if number >= TOKEN_OFFSETS && (start, len) == (0, 0) {
                continue;
            }
            if start < end || start % 64 != 0 || start.saturating_add(len) > bytes.len() {
                return Err(c.corrupt(format!("a section of {len} bytes at {start} does not fit the block")));
            }
            *section = start..start + len;
            end = start + len;
        }
        let n = rows as usize;
        let ops = n + deletes as usize;
        let expected = |section: usize, len: usize| {
            let found = sections[section].len();
            if found == len {
                return Ok(());
            }
            let at = offset + sections[section].start as u64;
            Err(Error::corrupt(file, at, format!("section {section} has {found} bytes, {len} expected")))
        };
        expected(VECTORS, n * width * element.size())?;
        if !sections[WIDTHS].is_empty() {
            expected(WIDTHS, n * 4)?;
        }
        expected(SCALES, if element == Element::I8 { n * 4 } else { 0 })?;
        expected(VARIANCES, variance.map_or(0, |v| n * variance::row_bytes(v, width)))?;
        expected(KEY_OFFSETS, (ops + 1) * 4)?;
        let tokens = match sections[TOKEN_OFFSETS].is_empty() {
            true => None,
            false => Some(token_layout(tokens, file, offset)?),
        };
        let mut block =
            Block { bytes, element, variance, tokens, rows, deletes, width, sections, mark: None };
        block.check_offsets(KEY_OFFSETS, KEYS, ops, file, offset)?;
        if block.sections[PAYLOAD_OFFSETS].is_empty() {
            if !block.sections[PAYLOADS].is_empty() {
                return Err(Error::corrupt(file, offset, "payloads without offsets"));
            }
        } else {
            expected_len(&block, PAYLOAD_OFFSETS, (n + 1) * 4, file, offset)?;
            block.check_offsets(PAYLOAD_OFFSETS, PAYLOADS, n, file, offset)?;
        }
        if block.tokens.is_some() {
            expected_len(&block, TOKEN_OFFSETS, (n + 1) * 4, file, offset)?;
            block.check_offsets(TOKEN_OFFSETS, TOKENS, n, file, offset)?;
        } else if !block.sections[TOKENS].is_empty() {
            return Err(Error::corrupt(file, offset, "token matrices without offsets"));
        }
        block.check_contents(file, offset)?;
        block.mark = block.read_mark(file, offset)?;
        Ok(block)
    }

    /// The encoded bytes, as the log carries them.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many rows it writes.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// How many keys it deletes.
    pub fn deletes(&self) -> u32 {
        self.deletes
    }

    /// Rows and deletes together: how many sequence numbers it takes.
    pub fn ops(&self) -> u32 {
        self.rows + self.deletes
    }

    /// How vectors are stored.
    pub fn element(&self) -> Element {
        self.element
    }

    /// How variances are stored, if they are.
    pub fn variance_layout(&self) -> Option<VarianceLayout> {
        self.variance
    }

    /// How token matrices are stored, if a row has one.
    pub fn token_layout(&self) -> Option<TokenLayout> {
        self.tokens
    }

    /// Dimensions of the longest vector; rows lie this far apart.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        self.width * self.element.size()
    }

    /// The stored vectors of all rows, [`Self::stride`] bytes apart.
    pub fn vectors(&self) -> &[u8] {
        self.section(VECTORS)
    }

    /// Whether all rows have [`Self::width`] dimensions.
    pub fn uniform(&self) -> bool {
        self.sections[WIDTHS].is_empty()
    }

    /// Dimensions of one row.
    pub fn width_of(&self, row: u32) -> usize {
        if self.uniform() { self.width } else { self.u32_at(WIDTHS, row as usize) as usize }
    }

    /// The scale of one row: 1 but for 8-bit elements.
    pub fn scale_of(&self, row: u32) -> f32 {
        if self.element == Element::I8 { f32::from_bits(self.u32_at(SCALES, row as usize)) } else { 1.0 }
    }

    /// Key of operation `op`: rows first, then deletes.
    pub fn key(&self, op: u32) -> KeyRef<'_> {
        let range = self.pair(KEY_OFFSETS, op as usize);
        KeyRef::decode(self.section(KEYS).get(range).unwrap_or_default()).unwrap_or(KeyRef::Int(0))
    }

    /// The document of a row as JSON text, empty when it has none.
    pub fn payload_of(&self, row: u32) -> &[u8] {
        if self.sections[PAYLOAD_OFFSETS].is_empty() {
            return &[];
        }
        let range = self.pair(PAYLOAD_OFFSETS, row as usize);
        self.section(PAYLOADS).get(range).unwrap_or_default()
    }

    /// The stored variances of a row over the stored width; empty when the collection has none.
    pub fn variance_of(&self, row: u32) -> &[u8] {
        let Some(kind) = self.variance else { return &[] };
        let len = variance::row_bytes(kind, self.width);
        self.section(VARIANCES).get(row as usize * len..(row as usize + 1) * len).unwrap_or_default()
    }

    /// The token matrix of a row, `None` when it has none.
    pub fn tokens_of(&self, row: u32) -> Option<Stored<'_>> {
        let layout = self.tokens?;
        let bytes = self.section(TOKENS).get(self.pair(TOKEN_OFFSETS, row as usize))?;
        (!bytes.is_empty()).then_some(Stored { layout, bytes: Span::Borrowed(bytes) })
    }

    /// The position the batch carries.
    pub fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    fn section(&self, section: usize) -> &[u8] {
        self.bytes.get(self.sections[section].clone()).unwrap_or_default()
    }

    fn u32_at(&self, section: usize, index: usize) -> u32 {
        let bytes = self.section(section).get(index * 4..index * 4 + 4).unwrap_or_default();
        bytes.try_into().map(u32::from_le_bytes).unwrap_or(0)
    }

    fn pair(&self, section: usize, index: usize) -> Range<usize> {
        self.u32_at(section, index) as usize..self.u32_at(section, index + 1) as usize
    }

    fn check_offsets(&self, offsets: usize, target: usize, n: usize, file: &Path, base: u64) -> Result<()> {
        let mut last = 0;
        for i in 0..=n {
            let next = self.u32_at(offsets, i);
            if next < last || (i == 0 && next != 0) {
                let at = base + (self.sections[offsets].start + i * 4) as u64;
                return Err(Error::corrupt(file, at, "offsets do not ascend from 0"));
            }
            last = next;
        }
        if last as usize != self.sections[target].len() {
            let at = base + self.sections[target].start as u64;
            return Err(Error::corrupt(file, at, "the last offset is not the section's length"));
        }
        Ok(())
    }

    fn check_contents(&self, file: &Path, base: u64) -> Result<()> {
        let at = |section: usize, inside: usize| base + (self.sections[section].start + inside) as u64;
        for op in 0..self.ops() {
            let range = self.pair(KEY_OFFSETS, op as usize);
            let start = range.start;
            if self.section(KEYS).get(range).and_then(KeyRef::decode).is_none() {
                return Err(Error::corrupt(
                    file,
                    at(KEYS, start),
                    format!("operation {op} has no valid key"),
                ));
            }
        }
        for row in 0..self.rows {
            if self.width_of(row) > self.width || self.width_of(row) == 0 {
                return Err(Error::corrupt(
                    file,
                    at(WIDTHS, row as usize * 4),
                    "a row is wider than the block",
                ));
            }
            if !self.scale_of(row).is_finite() {
                return Err(Error::corrupt(
                    file,
                    at(SCALES, row as usize * 4),
                    "a row's scale is not finite",
                ));
            }
            if std::str::from_utf8(self.payload_of(row)).is_err() {
                return Err(Error::corrupt(
                    file,
                    at(PAYLOADS, 0),
                    format!("row {row}'s payload is not UTF-8"),
                ));
            }
            if let Some(tokens) = self.tokens_of(row)
                && let Err(why) = tokens::check(tokens.layout, &tokens.bytes)
            {
                return Err(Error::corrupt(file, at(TOKENS, 0), format!("row {row}: {why}")));
            }
        }
        Ok(())
    }

    fn read_mark(&self, file: &Path, base: u64) -> Result<Option<Mark>> {
        let section = self.section(MARK);
        if section.is_empty() {
            return Ok(None);
        }
        let at = base + self.sections[MARK].start as u64;
        let mut c = Cursor::new(section, file, at);
        let position = c.u64()?;
        let name = std::str::from_utf8(c.take(c.left())?);
        let name = name.map_err(|_| Error::corrupt(file, at, "the mark's name is not UTF-8"))?;
        limits::check("mark name in bytes", name.len() as u64, limits::NAME_BYTES)?;
        Ok(Some(Mark { name: name.to_string(), position }))
    }
}

/// How a block with token matrices says that they are stored.
fn token_layout((dims, tag): (u32, u8), file: &Path, base: u64) -> Result<TokenLayout> {
    let layout = Element::of_tag(tag.into()).map(|element| TokenLayout { dims, element });
    match layout.filter(|layout| layout.validate().is_ok()) {
        Some(layout) => Ok(layout),
        None => Err(Error::corrupt(file, base + 20, format!("tokens of {dims} numbers, stored as {tag}"))),
    }
}

fn expected_len(block: &Block, section: usize, len: usize, file: &Path, base: u64) -> Result<()> {
    if block.sections[section].len() == len {
        return Ok(());
    }
    let at = base + block.sections[section].start as u64;
    Err(Error::corrupt(file, at, format!("section {section} has the wrong length")))
}

/// A block's rows under a layout, with the sequence number of its first operation.
#[derive(Debug, Clone, Copy)]
pub struct BlockRows<'a> {
    /// The block.
    pub block: &'a Block,
    /// The collection's layout; its element type and variance storage are the block's.
    pub layout: &'a Layout,
    /// Sequence number of the block's first operation.
    pub first: u64,
}

impl Rows for BlockRows<'_> {
    fn len(&self) -> u32 {
        self.block.rows()
    }

    fn key(&self, row: u32) -> Result<KeyRef<'_>> {
        Ok(self.block.key(row))
    }

    fn version(&self, row: u32) -> Result<u64> {
        Ok(self.first + u64::from(row))
    }

    fn levels(&self, row: u32) -> Result<u8> {
        let width = self.block.width_of(row);
        self.layout.levels_for(width).ok_or_else(|| {
            let why = format!("row {row} has {width} dimensions, the levels are {:?}", self.layout.levels);
            Error::corrupt(Path::new("log"), 0, why)
        })
    }

    fn scale(&self, row: u32) -> Result<f32> {
        Ok(self.block.scale_of(row))
    }

    fn vector(&self, row: u32, level: usize) -> Result<Span<'_>> {
        let (start, size) = (row as usize * self.block.stride(), self.block.element.size());
        let dims = self.layout.dims_of(level);
        let bytes = self.block.vectors().get(start + dims.start * size..start + dims.end * size);
        Ok(Span::Borrowed(bytes.unwrap_or_default()))
    }

    fn variance(&self, row: u32, level: usize) -> Result<Span<'_>> {
        let row = self.block.variance_of(row);
        let dims = self.layout.dims_of(level);
        let range = match self.layout.variance {
            None => 0..0,
            Some(VarianceLayout::Scalar) if level == 0 => 0..4,
            Some(VarianceLayout::Scalar) => 0..0,
            Some(VarianceLayout::DiagonalF16) => dims.start * 2..dims.end * 2,
            Some(VarianceLayout::DiagonalLog8) => dims,
        };
        Ok(Span::Borrowed(row.get(range).unwrap_or_default()))
    }

    fn tokens(&self, row: u32) -> Result<Option<Stored<'_>>> {
        Ok(self.block.tokens_of(row))
    }

    fn payload(&self, row: u32) -> Result<Span<'_>> {
        Ok(Span::Borrowed(self.block.payload_of(row)))
    }
}

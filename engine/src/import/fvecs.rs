//! `fvecs`, `bvecs`, `ivecs`: rows of a little-endian 32-bit length and that many numbers.
//!
//! Reads from: a [`Source`]. Writes to: [`Rows`]. Never: ids or payloads, the format has none.

use foretaste_storage::limits;

use super::error::{ErrorKind, Position, count};
use super::number::{Kind, Number};
use super::source::Source;
use super::{Format, Id, Options, Reader, Result, Rows};

/// Rows are fetched in blocks of about this size.
const BLOCK_BYTES: usize = 1 << 20;

struct Fvecs {
    source: Source,
    number: Number,
    dim: usize,
    rows: u64,
    next: u64,
}

pub(crate) fn open(format: Format, source: Source, options: &Options) -> Result<Box<dyn Reader>> {
    if let Some(name) = options.vector.as_ref().or(options.id.as_ref()) {
        let why = format!("{format} files hold one unnamed array and no ids");
        return Err(source.error(ErrorKind::UnknownField, why).field(name));
    }
    let (kind, size_bytes) = match format {
        Format::Bvecs => (Kind::Unsigned, 1),
        Format::Ivecs => (Kind::Signed, 4),
        _ => (Kind::Float, 4),
    };
    let number = Number::new(kind, size_bytes, false)
        .ok_or_else(|| source.error(ErrorKind::Unsupported, "unknown element type"))?;
    if source.len_bytes() == 0 {
        return Ok(Box::new(Fvecs { source, number, dim: 0, rows: 0, next: 0 }));
    }
    let mut head = [0; 4];
    source.read_exact_at(0, &mut head)?;
    let dim = i32::from_le_bytes(head);
    let dim = u64::try_from(dim).ok().filter(|d| (1..=limits::DIMENSION).contains(d)).ok_or_else(|| {
        let why = format!("the first row says it has {dim} numbers, not 1 to {}", limits::DIMENSION);
        source
            .error(ErrorKind::Format, why)
            .row(0)
            .at(Position::Byte(0))
            .hint(format!("is it a {format} file?"))
    })? as usize;
    let row_bytes = 4 + (dim * size_bytes) as u64;
    let (rows, rest) = (source.len_bytes() / row_bytes, source.len_bytes() % row_bytes);
    if rest != 0 {
        let why =
            format!("{} rows of {dim} numbers and {rest} of the next row's {row_bytes} bytes", count(rows));
        return Err(source
            .error(ErrorKind::Truncated, why)
            .row(rows)
            .at(Position::Byte(rows * row_bytes))
            .hint("fetch the file again; rows of different lengths cannot be imported"));
    }
    Ok(Box::new(Fvecs { source, number, dim, rows, next: 0 }))
}

impl Fvecs {
    fn row_bytes(&self) -> usize {
        4 + self.dim * self.number.size_bytes()
    }
}

impl Reader for Fvecs {
    fn dim(&self) -> usize {
        self.dim
    }

    fn rows(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn bytes_total(&self) -> Option<u64> {
        Some(self.source.len_bytes())
    }

    fn bytes_read(&self) -> u64 {
        self.next * self.row_bytes() as u64
    }

    fn skip(&mut self, rows: u64) -> Result<()> {
        self.next = self.next.saturating_add(rows).min(self.rows);
        Ok(())
    }

    fn read(&mut self, max_rows: usize, out: &mut Rows) -> Result<usize> {
        let row_bytes = self.row_bytes();
        let asked = self.rows.saturating_sub(self.next).min(max_rows as u64) as usize;
        let rows = asked.min((BLOCK_BYTES / row_bytes).max(1));
        out.begin(self.next);
        let mut block = vec![0; rows * row_bytes];
        self.source.read_exact_at(self.next * row_bytes as u64, &mut block).map_err(|e| e.row(self.next))?;
        for row in block.chunks_exact(row_bytes) {
            let (head, numbers) = row.split_at(4);
            let found = i32::from_le_bytes([head[0], head[1], head[2], head[3]]);
            if i64::from(found) != self.dim as i64 {
                let why = format!("has {found} numbers, the rows before have {}", self.dim);
                let at = Position::Byte(self.next * row_bytes as u64);
                return Err(self.source.error(ErrorKind::Format, why).row(self.next).at(at));
            }
            self.number.widen(numbers, &mut out.vectors);
            out.ids.push(Id::Row(self.next));
            out.payloads.push(None);
            self.next += 1;
        }
        Ok(rows)
    }
}

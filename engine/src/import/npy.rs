//! `.npy`: one NumPy array, and the array reader that `.npz` shares.
//!
//! Reads from: a [`Source`], or a stream inside one. Writes to: [`Rows`].
//! Never: pickled objects, Fortran order, an allocation by the header's numbers.

use std::io::{self, Read};

use foretaste_storage::limits;

use super::error::{ErrorKind, ImportError, Position, count};
use super::number::{Kind, Number};
use super::source::Source;
use super::{Id, Options, Reader, Result, Rows};

/// Rows are fetched in blocks of about this size.
const BLOCK_BYTES: usize = 1 << 20;
/// NumPy's own headers are some 128 bytes; a structured type's may be longer.
const HEADER_BYTES: usize = 64 << 10;
const MAGIC: &[u8] = b"\x93NUMPY";

/// What one element of an array is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// A number.
    Number(Number),
    /// `S`: this many bytes, padded with NUL.
    Bytes(usize),
    /// `U`: this many code points of 4 bytes, padded with NUL.
    Unicode { chars: usize, big_endian: bool },
}

impl Item {
    fn parse(descr: &str) -> Option<Item> {
        let mut chars = descr.chars();
        let order = chars.next()?;
        let kind = chars.next()?;
        let n: usize = chars.as_str().parse().ok()?;
        let big_endian = match order {
            '<' | '|' => false,
            '>' => true,
            '=' => cfg!(target_endian = "big"),
            _ => return None,
        };
        match kind {
            'f' => Number::new(Kind::Float, n, big_endian).map(Item::Number),
            'i' => Number::new(Kind::Signed, n, big_endian).map(Item::Number),
            'u' => Number::new(Kind::Unsigned, n, big_endian).map(Item::Number),
            // The longest key bounds both: nothing else in an import is a string array.
            'S' if (1..=limits::KEY_BYTES as usize).contains(&n) => Some(Item::Bytes(n)),
            'U' if (1..=limits::KEY_BYTES as usize).contains(&n) => {
                Some(Item::Unicode { chars: n, big_endian })
            }
            _ => None,
        }
    }

    pub(crate) fn size_bytes(self) -> usize {
        match self {
            Item::Number(number) => number.size_bytes(),
            Item::Bytes(n) => n,
            Item::Unicode { chars, .. } => 4 * chars,
        }
    }

    /// One element as an id; `None` when it cannot be one.
    pub(crate) fn to_id(self, bytes: &[u8]) -> Option<Id> {
        match self {
            Item::Number(number) => number.to_id(bytes).map(Id::Int),
            Item::Bytes(_) => {
                let text = std::str::from_utf8(bytes).ok()?;
                Some(Id::Str(text.trim_end_matches('\0').to_string()))
            }
            Item::Unicode { big_endian, .. } => {
                let code =
                    |b: &[u8; 4]| if big_endian { u32::from_be_bytes(*b) } else { u32::from_le_bytes(*b) };
                let text: Option<String> =
                    bytes.as_chunks::<4>().0.iter().map(|b| char::from_u32(code(b))).collect();
                Some(Id::Str(text?.trim_end_matches('\0').to_string()))
            }
        }
    }
}

/// An array's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) item: Item,
    pub(crate) shape: Vec<u64>,
    /// Length of the header, in bytes: where the elements begin.
    pub(crate) len_bytes: u64,
}

impl Header {
    /// Reads the header at the start of `input`; the error says what is wrong with it.
    pub(crate) fn read(input: &mut impl Read) -> Result<Header, (ErrorKind, String)> {
        let truncated = |e: io::Error| match e.kind() {
            io::ErrorKind::UnexpectedEof => {
                (ErrorKind::Truncated, "the file ends inside the array's header".into())
            }
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => (ErrorKind::Format, e.to_string()),
            kind => (ErrorKind::Io(kind), format!("cannot be read: {e}")),
        };
        let mut head = [0; 8];
        input.read_exact(&mut head).map_err(truncated)?;
        if &head[..6] != MAGIC {
            return Err((ErrorKind::Format, "does not begin as a NumPy array does".into()));
        }
        let mut len = [0; 4];
        let width = match head[6] {
            1 => 2,
            2 | 3 => 4,
            version => {
                return Err((ErrorKind::Unsupported, format!("NumPy format version {version} is not known")));
            }
        };
        input.read_exact(&mut len[..width]).map_err(truncated)?;
        let len = u32::from_le_bytes(len) as usize;
        if len > HEADER_BYTES {
            return Err((ErrorKind::Format, format!("a header of {len} bytes; the limit is {HEADER_BYTES}")));
        }
        let mut text = vec![0; len];
        input.read_exact(&mut text).map_err(truncated)?;
        let text = String::from_utf8_lossy(&text);
        let (item, shape) = Self::parse(&text)?;
        Ok(Header { item, shape, len_bytes: (8 + width + len) as u64 })
    }

    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, keys in any order.
    fn parse(text: &str) -> Result<(Item, Vec<u64>), (ErrorKind, String)> {
        let shown: String = text.trim().chars().take(120).collect();
        let bad = |what: &str| (ErrorKind::Format, format!("the header has no readable {what}: {shown}"));
        let value = |key: &str| {
            let quoted = [format!("'{key}'"), format!("\"{key}\"")];
            let at = quoted.iter().find_map(|q| text.find(q.as_str()).map(|at| at + q.len()))?;
            text.get(at..)?.trim_start().strip_prefix(':').map(str::trim_start)
        };
        let descr = value("descr").ok_or_else(|| bad("`descr`"))?;
        let quote = descr.chars().next().filter(|q| matches!(q, '\'' | '"'));
        let descr = quote.and_then(|q| descr.get(1..)?.split(q).next());
        let descr = descr.ok_or((
            ErrorKind::Unsupported,
            "holds records, not plain numbers; save each field as an array of its own".to_string(),
        ))?;
        let item = Item::parse(descr).ok_or_else(|| {
            let why = format!("element type `{descr}` is not read; save the array with `.astype('float32')`");
            (ErrorKind::Unsupported, why)
        })?;
        let order = value("fortran_order").ok_or_else(|| bad("`fortran_order`"))?;
        let shape = value("shape").ok_or_else(|| bad("`shape`"))?;
        let shape = shape.strip_prefix('(').and_then(|s| s.split_once(')')).ok_or_else(|| bad("`shape`"))?.0;
        let shape: Result<Vec<u64>, _> =
            shape.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse).collect();
        let shape = shape.map_err(|_| bad("`shape`"))?;
        if order.starts_with("True") && shape.len() > 1 {
            let why =
                "is stored in Fortran order; save it again with `numpy.ascontiguousarray(a)`".to_string();
            return Err((ErrorKind::Unsupported, why));
        }
        Ok((item, shape))
    }

    /// Rows and numbers a row of an array of vectors.
    pub(crate) fn matrix(&self) -> Result<(u64, usize, Number), (ErrorKind, String)> {
        let (Item::Number(number), &[rows, dim]) = (self.item, self.shape.as_slice()) else {
            let why = format!("has shape {:?}, not (rows, dimension) of numbers", self.shape);
            return Err((ErrorKind::Unsupported, why));
        };
        if !(1..=limits::DIMENSION).contains(&dim) {
            let why = format!("vectors of {dim} numbers; 1 to {} can be imported", limits::DIMENSION);
            return Err((ErrorKind::Unsupported, why));
        }
        Ok((rows, dim as usize, number))
    }
}

/// The bytes of an array after its header.
pub(crate) trait Body: Read + Send {
    /// Passes over bytes; they are known to exist unless the file is damaged.
    fn skip_bytes(&mut self, bytes: u64) -> io::Result<()>;
    /// Bytes of the file read so far.
    fn bytes_read(&self) -> u64;
}

/// An array of vectors, and maybe one of ids, read in step.
pub(crate) struct Arrays {
    pub(crate) source: Source,
    pub(crate) vectors: Box<dyn Body>,
    pub(crate) number: Number,
    pub(crate) dim: usize,
    pub(crate) rows: u64,
    pub(crate) ids: Option<(Box<dyn Body>, Item, String)>,
    pub(crate) next: u64,
}

impl Arrays {
    fn read_error(&self, e: &io::Error) -> ImportError {
        if e.kind() != io::ErrorKind::UnexpectedEof {
            return self.source.read_error(e).row(self.next);
        }
        let why = format!("an array ends early, it says it has {} rows", count(self.rows));
        self.source.error(ErrorKind::Truncated, why).row(self.next).hint("fetch the file again")
    }
}

impl Reader for Arrays {
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
        let ids = self.ids.as_ref().map_or(0, |(body, ..)| body.bytes_read());
        (self.vectors.bytes_read() + ids).min(self.source.len_bytes())
    }

    fn skip(&mut self, rows: u64) -> Result<()> {
        let rows = rows.min(self.rows - self.next);
        let row_bytes = (self.dim * self.number.size_bytes()) as u64;
        let mut skipped = self.vectors.skip_bytes(rows.saturating_mul(row_bytes));
        if let (Ok(()), Some((body, item, _))) = (&skipped, &mut self.ids) {
            skipped = body.skip_bytes(rows.saturating_mul(item.size_bytes() as u64));
        }
        skipped.map_err(|e| self.read_error(&e))?;
        self.next += rows;
        Ok(())
    }

    fn read(&mut self, max_rows: usize, out: &mut Rows) -> Result<usize> {
        let row_bytes = self.dim * self.number.size_bytes();
        let asked = (self.rows - self.next).min(max_rows as u64) as usize;
        let rows = asked.min((BLOCK_BYTES / row_bytes).max(1));
        out.begin(self.next);
        let mut block = vec![0; rows * row_bytes];
        let mut read = self.vectors.read_exact(&mut block);
        let mut ids = Vec::new();
        if let (Ok(()), Some((body, item, _))) = (&read, &mut self.ids) {
            ids = vec![0; rows * item.size_bytes()];
            read = body.read_exact(&mut ids);
        }
        read.map_err(|e| self.read_error(&e))?;
        for i in 0..rows {
            let row = self.next;
            let id = match &self.ids {
                None => Id::Row(row),
                Some((_, item, name)) => {
                    let n = item.size_bytes();
                    item.to_id(&ids[i * n..(i + 1) * n]).ok_or_else(|| {
                        let why = "the id is neither a 64-bit signed integer nor text";
                        self.source.error(ErrorKind::Unsupported, why).row(row).field(name)
                    })?
                }
            };
            self.number.widen(&block[i * row_bytes..(i + 1) * row_bytes], &mut out.vectors);
            out.ids.push(id);
            out.payloads.push(None);
            self.next += 1;
        }
        Ok(rows)
    }
}

/// The rest of a file, uncompressed.
struct Plain {
    source: Source,
    at: u64,
}

impl Read for Plain {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read_at(self.at, out)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Body for Plain {
    fn skip_bytes(&mut self, bytes: u64) -> io::Result<()> {
        self.at = self.at.saturating_add(bytes);
        Ok(())
    }

    fn bytes_read(&self) -> u64 {
        self.at
    }
}

pub(crate) fn open(source: Source, options: &Options) -> Result<Box<dyn Reader>> {
    if let Some(name) = options.vector.as_ref().or(options.id.as_ref()) {
        let error =
            source.error(ErrorKind::UnknownField, "npy files hold one unnamed array and no ids").field(name);
        return Err(error.hint("save vectors and ids into one npz file with `numpy.savez`"));
    }
    let whole = |(kind, why): (ErrorKind, String)| source.error(kind, why);
    let header = Header::read(&mut io::BufReader::new(source.cursor())).map_err(whole)?;
    let (rows, dim, number) = header.matrix().map_err(whole)?;
    let row_bytes = (dim * number.size_bytes()) as u64;
    let held = (source.len_bytes() - header.len_bytes) / row_bytes;
    if held < rows {
        let why = format!("the file holds {} of {} rows", count(held), count(rows));
        let error = source.error(ErrorKind::Truncated, why).at(Position::Byte(source.len_bytes()));
        return Err(error.hint("fetch the file again"));
    }
    let vectors = Box::new(Plain { source: source.clone(), at: header.len_bytes });
    Ok(Box::new(Arrays { source, vectors, number, dim, rows, ids: None, next: 0 }))
}

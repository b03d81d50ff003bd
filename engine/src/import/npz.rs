//! `.npz`: a zip archive of NumPy arrays, stored or deflated.
//!
//! The archive's directory is read by the `zip` crate; the members are streamed here, because its member readers
//! borrow the archive and two of them have to be open at once.
//!
//! Reads from: a [`Source`]. Writes to: [`Rows`](super::Rows). Never: encrypted members, a whole member in memory.

use std::io::{self, BufReader, Read};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::error::{ErrorKind, count, list};
use super::npy::{Arrays, Body, Header, Item};
use super::source::{Cursor, Source};
use super::{Options, Reader, Result};

/// A member's place in the archive.
struct Member {
    name: String,
    start: u64,
    compressed_bytes: u64,
    len_bytes: u64,
    crc: u32,
    deflated: bool,
}

/// A member's bytes, checked against its checksum when all of them were read.
struct MemberStream {
    input: Input,
    start: u64,
    crc: Crc,
    /// Skipping a stored member seeks, after which the checksum means nothing.
    checked: bool,
    expected_crc: u32,
    left_bytes: u64,
}

enum Input {
    Stored(Cursor),
    Deflated(Box<DeflateDecoder<BufReader<io::Take<Cursor>>>>),
}

impl Member {
    fn stream(&self, source: &Source) -> io::Result<MemberStream> {
        let mut cursor = source.cursor();
        io::Seek::seek(&mut cursor, io::SeekFrom::Start(self.start))?;
        let input = if self.deflated {
            let bounded = BufReader::with_capacity(64 << 10, cursor.take(self.compressed_bytes));
            Input::Deflated(Box::new(DeflateDecoder::new(bounded)))
        } else {
            Input::Stored(cursor)
        };
        Ok(MemberStream {
            input,
            start: self.start,
            crc: Crc::new(),
            checked: true,
            expected_crc: self.crc,
            left_bytes: self.len_bytes,
        })
    }
}

impl Read for MemberStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = (out.len() as u64).min(self.left_bytes) as usize;
        let n = match &mut self.input {
            Input::Stored(cursor) => cursor.read(&mut out[..most])?,
            Input::Deflated(decoder) => decoder.read(&mut out[..most])?,
        };
        self.left_bytes -= n as u64;
        self.crc.update(&out[..n]);
        if n > 0 && self.left_bytes == 0 && self.checked && self.crc.sum() != self.expected_crc {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an array's checksum does not fit its bytes",
            ));
        }
        Ok(n)
    }
}

impl Body for MemberStream {
    fn skip_bytes(&mut self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        match &mut self.input {
            Input::Stored(cursor) => {
                let to = cursor.position().saturating_add(bytes);
                io::Seek::seek(cursor, io::SeekFrom::Start(to))?;
                self.left_bytes = self.left_bytes.saturating_sub(bytes);
                self.checked = false;
            }
            Input::Deflated(_) => {
                if io::copy(&mut self.by_ref().take(bytes), &mut io::sink())? < bytes {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(())
    }

    fn bytes_read(&self) -> u64 {
        let position = match &self.input {
            Input::Stored(cursor) => cursor.position(),
            Input::Deflated(decoder) => decoder.get_ref().get_ref().get_ref().position(),
        };
        position.saturating_sub(self.start)
    }
}

/// The arrays of the archive, in its order.
fn members(source: &Source) -> Result<Vec<Member>> {
    let bad = |why: String| source.error(ErrorKind::Format, format!("not a readable zip archive: {why}"));
    let mut archive = ZipArchive::new(BufReader::new(source.cursor())).map_err(|e| bad(e.to_string()))?;
    let mut members = Vec::new();
    for i in 0..archive.len() {
        let file = archive.by_index_raw(i).map_err(|e| bad(e.to_string()))?;
        let name = file.name().map_err(|e| bad(e.to_string()))?.to_string();
        let Some(name) = name.strip_suffix(".npy").map(str::to_string) else { continue };
        let deflated = match file.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => {
                let why = format!("compressed with {other:?}; only stored and deflated arrays are read");
                return Err(source.error(ErrorKind::Unsupported, why).field(name));
            }
        };
        if file.encrypted() {
            return Err(source.error(ErrorKind::Unsupported, "is encrypted").field(name));
        }
        let start = file.data_start().ok_or_else(|| bad(format!("`{name}` has no place")))?;
        let (compressed_bytes, len_bytes) = (file.compressed_size(), file.size());
        let fits = start.checked_add(compressed_bytes).is_some_and(|end| end <= source.len_bytes());
        if !fits || (!deflated && compressed_bytes != len_bytes) {
            return Err(source.error(ErrorKind::Truncated, "the archive ends inside this array").field(name));
        }
        members.push(Member { name, start, compressed_bytes, len_bytes, crc: file.crc32(), deflated });
    }
    Ok(members)
}

pub(crate) fn open(source: Source, options: &Options) -> Result<Box<dyn Reader>> {
    let members = members(&source)?;
    let names: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
    let find = |name: &str| {
        let plain = name.strip_suffix(".npy").unwrap_or(name);
        members.iter().find(|m| m.name == plain).ok_or_else(|| {
            let why = format!("there is no such array; the file has {}", list(&names));
            source.error(ErrorKind::UnknownField, why).field(name)
        })
    };
    // The array's header and its bytes, which have to be as many as the header says.
    let header = |member: &Member| -> Result<(Header, MemberStream)> {
        let named = |kind, why: String| source.error(kind, why).field(&*member.name);
        let mut stream = member.stream(&source).map_err(|e| source.read_error(&e))?;
        let header = Header::read(&mut stream).map_err(|(kind, why)| named(kind, why))?;
        let elements =
            header.shape.iter().try_fold(header.item.size_bytes() as u64, |n, &d| n.checked_mul(d));
        if elements.is_none_or(|n| n > stream.left_bytes) {
            let first = header.shape.first().copied().unwrap_or(1);
            let row_bytes = elements.unwrap_or(u64::MAX) / first.max(1);
            let held = stream.left_bytes.checked_div(row_bytes).unwrap_or(0);
            let why = format!("the array holds {} of {} rows", count(held), count(first));
            return Err(named(ErrorKind::Truncated, why));
        }
        Ok((header, stream))
    };

    let member = match &options.vector {
        Some(name) => find(name)?,
        None => members
            .iter()
            .find(|m| {
                header(m).is_ok_and(|(h, _)| h.matrix().is_ok_and(|(_, _, number)| !number.is_integer()))
            })
            .ok_or_else(|| {
                let why = format!("no array of floats has two dimensions; the file has {}", list(&names));
                source.error(ErrorKind::UnknownField, why).hint("name the array that holds the vectors")
            })?,
    };
    let (head, stream) = header(member)?;
    let (rows, dim, number) =
        head.matrix().map_err(|(kind, why)| source.error(kind, why).field(&*member.name))?;
    let ids = match &options.id {
        None => None,
        Some(name) => {
            let (head, stream) = header(find(name)?)?;
            if head.shape != [rows] {
                let why = format!("ids of shape {:?} for {} vectors", head.shape, count(rows));
                return Err(source.error(ErrorKind::Format, why).field(name));
            }
            if matches!(head.item, Item::Number(number) if !number.is_integer()) {
                let why = "ids have to be integers or text, these are floats";
                return Err(source.error(ErrorKind::Unsupported, why).field(name));
            }
            Some((Box::new(stream) as Box<dyn Body>, head.item, name.clone()))
        }
    };
    Ok(Box::new(Arrays { source, vectors: Box::new(stream), number, dim, rows, ids, next: 0 }))
}

//! What the text formats share: plain or gzip-compressed lines of bounded length.
//!
//! Reads from: a [`Source`]. Writes to: nothing. Never: a record longer than [`RECORD_BYTES`].

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use foretaste_storage::limits;

use super::Result;
use super::source::{Cursor, Source};

/// Longest record: the largest payload, and the largest vector at 32 bytes a number.
pub(crate) const RECORD_BYTES: u64 = limits::PAYLOAD_BYTES + 32 * limits::DIMENSION;

const BUFFER_BYTES: usize = 128 << 10;

/// A text file, decompressed if its first bytes say that it is compressed.
pub(crate) enum Text {
    Plain(BufReader<Cursor>),
    Gzip(Box<BufReader<MultiGzDecoder<BufReader<Cursor>>>>),
}

impl Text {
    pub(crate) fn open(source: &Source) -> Result<Self> {
        let mut head = [0; 2];
        let n = source.read_at(0, &mut head).map_err(|e| source.read_error(&e))?;
        let plain = BufReader::with_capacity(BUFFER_BYTES, source.cursor());
        let mut text = if head[..n] == [0x1f, 0x8b] {
            Text::Gzip(Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(plain))))
        } else {
            Text::Plain(plain)
        };
        // A byte order mark is no part of the first field.
        let start = text.fill_buf().map_err(|e| source.read_error(&e))?;
        let mark = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        text.consume(mark);
        Ok(text)
    }

    /// Bytes of the file, as stored, that were read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        match self {
            Text::Plain(reader) => reader.get_ref().position() - reader.buffer().len() as u64,
            Text::Gzip(reader) => reader.get_ref().get_ref().get_ref().position(),
        }
    }
}

impl Read for Text {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Text::Plain(reader) => reader.read(out),
            Text::Gzip(reader) => reader.read(out),
        }
    }
}

impl BufRead for Text {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Text::Plain(reader) => reader.fill_buf(),
            Text::Gzip(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Text::Plain(reader) => reader.consume(n),
            Text::Gzip(reader) => reader.consume(n),
        }
    }
}

//! Reads one log file frame by frame, and tells a torn tail from damage.
//!
//! A frame that cannot be read is damage when it is known that it was durable once: when it begins before the length
//! that the manifest names, or when a later frame says that this part of the log was synced before that frame was
//! written. Otherwise it is where a power loss cut the log.
//!
//! Reads from: one log file. Writes to: nothing.
//! Never: more memory than one frame takes; a length that was not compared with the file's before it was allocated.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::block::Block;
use crate::bytes::{AlignedBuf, Bytes};
use crate::codec::check::Uuid;
use crate::codec::header::{HEADER_BYTES, Header, Kind};
use crate::error::{Error, Result};
use crate::limits;
use crate::log::frame::{FRAME_BYTES, FrameHeader, Link, Seeds};
use crate::log::replay::Frame;
use crate::vfs::File;

const SCAN_BYTES: u64 = 1 << 20;

/// A position in a log file, always between frames.
#[derive(Debug)]
pub(super) struct Reader {
    file: Arc<dyn File>,
    name: PathBuf,
    seeds: Seeds,
    /// Where the next frame begins.
    pub offset: u64,
    /// The next frame's sequence number is this or a later one.
    pub next_seq: u64,
}

/// What stands at a reader's position.
#[derive(Debug)]
pub(super) enum Next {
    /// The frames of a whole commit; the reader is behind them now.
    Commit(Vec<Frame>),
    /// The end of what was to be read.
    End,
    /// Something that is no frame, for this reason, and nothing proves that one was ever durable here.
    Torn(String),
}

/// What stands where a frame or a header should, or why nothing whole does.
type Found<T> = Result<T, String>;

impl Reader {
    /// A reader at `offset`, which is a frame's or the end's.
    pub fn resume(
        file: Arc<dyn File>,
        name: &Path,
        uuid: &Uuid,
        id: u64,
        offset: u64,
        next_seq: u64,
    ) -> Reader {
        Reader { file, name: name.to_path_buf(), seeds: Seeds::new(uuid, id), offset, next_seq }
    }

    /// A reader at the first frame, when the log was begun; else why it was not.
    ///
    /// `end` is how much of the file there is to read, `known_synced` how much was durable once.
    pub fn open(
        file: Arc<dyn File>,
        name: &Path,
        (uuid, id): (&Uuid, u64),
        end: u64,
        known_synced: u64,
    ) -> Result<Found<Reader>> {
        let mut reader = Reader::resume(file, name, uuid, id, 0, 0);
        let why = match reader.header(uuid, id, end)? {
            Ok(header) => {
                if header.aux[0] > limits::NUMBER {
                    let why = format!("sequence number {} cannot have been reached", header.aux[0]);
                    return Err(reader.corrupt(80, why));
                }
                reader.offset = HEADER_BYTES;
                reader.next_seq = header.aux[0];
                return Ok(Ok(reader));
            }
            Err(why) => why,
        };
        // The header is synced before there is any frame, so every frame proves that it was durable.
        if known_synced > 0 || reader.durable_once(HEADER_BYTES, end)? {
            return Err(reader.corrupt(0, why));
        }
        Ok(Err(why))
    }

    /// The next commit of the first `end` bytes of the file, of which the first `known_synced` were durable once.
    ///
    /// # Errors
    /// `Corrupt` when a frame is missing or damaged that was durable, or holds what was never written.
    pub fn next(&mut self, end: u64, known_synced: u64) -> Result<Next> {
        let (offset, next_seq) = (self.offset, self.next_seq);
        let mut commit = Vec::new();
        loop {
            let missing = match self.next_frame(end, known_synced)? {
                Ok((frame, link)) => {
                    if link.to_last == commit.is_empty() {
                        return Err(
                            self.corrupt(frame.offset + 4, "a part of a commit without its other parts")
                        );
                    }
                    commit.push(frame);
                    match link.to_next {
                        true => continue,
                        false => return Ok(Next::Commit(commit)),
                    }
                }
                Err(None) if commit.is_empty() => return Ok(Next::End),
                Err(None) => "a commit is cut off behind one of its parts".to_string(),
                Err(Some(why)) => why,
            };
            // All of a commit or nothing.
            (self.offset, self.next_seq) = (offset, next_seq);
            return Ok(Next::Torn(missing));
        }
    }

    /// The next frame, or why there is none; `None` at the end.
    fn next_frame(&mut self, end: u64, known_synced: u64) -> Result<Result<(Frame, Link), Option<String>>> {
        if self.offset >= end {
            return if self.offset < known_synced {
                let why = format!("the log ends here, but {known_synced} bytes of it were durable");
                Err(self.corrupt(self.offset, why))
            } else {
                Ok(Err(None))
            };
        }
        let mut found = self.frame(end)?;
        if let Err(why) = &found {
            if self.offset < known_synced {
                return Err(self.corrupt(self.offset, why.clone()));
            }
            if !self.durable_once(self.offset + FRAME_BYTES, end)? {
                return Ok(Err(Some(why.clone())));
            }
            // A writer may have completed this frame and written the one that proves it since it was read here. If
            // the proof was there, so was the whole frame: what it is now is what it is.
            found = self.frame(end)?;
        }
        match found {
            Ok((header, payload)) => self.accept(header, payload).map(Ok),
            Err(why) => Err(self.corrupt(self.offset, format!("{why}, but it was durable once"))),
        }
    }

    /// The next whole commit at the position or behind it; none at the end.
    pub fn seek(&mut self, end: u64) -> Result<Vec<Frame>> {
        while self.offset < end {
            let (offset, next_seq) = (self.offset, self.next_seq);
            let mut commit = Vec::new();
            while let Ok((header, payload)) = self.frame(end)?
                && let Ok((frame, link)) = self.accept(header, payload)
                && link.to_last != commit.is_empty()
            {
                commit.push(frame);
                if !link.to_next {
                    return Ok(commit);
                }
            }
            (self.offset, self.next_seq) = (offset + FRAME_BYTES, next_seq);
        }
        Ok(Vec::new())
    }

    /// The log's header. Only what a creation cut short can leave is "not begun"; anything else is an error.
    fn header(&self, uuid: &Uuid, id: u64, end: u64) -> Result<Found<Header>> {
        if end < HEADER_BYTES {
            return Ok(Err(format!("the log has {end} bytes, too few for a header")));
        }
        let mut bytes = [0; HEADER_BYTES as usize];
        self.file.read_at(0, &mut bytes)?;
        match Header::decode(&bytes, &self.name, Kind::Log, uuid, id) {
            Ok(header) => Ok(Ok(header)),
            // No magic number, or no matching checksum. A whole header of something else has other offsets.
            Err(Error::Corrupt { offset: 0 | 120, why, .. }) => Ok(Err(why)),
            Err(e) => Err(e),
        }
    }

    /// The frame at the position, its checksums verified.
    fn frame(&self, end: u64) -> Result<Found<(FrameHeader, Bytes)>> {
        let left = end.saturating_sub(self.offset);
        if left < FRAME_BYTES {
            return Ok(Err(format!("a frame's header is cut off after {left} bytes")));
        }
        let mut bytes = [0; FRAME_BYTES as usize];
        self.file.read_at(self.offset, &mut bytes)?;
        let Some(header) = FrameHeader::decode(&bytes, &self.seeds, self.offset) else {
            return Ok(Err("no frame begins here".to_string()));
        };
        if header.frame_len() > left {
            return Ok(Err(format!("a frame of {} bytes is cut off after {left}", header.frame_len())));
        }
        let mut payload = AlignedBuf::zeroed(header.payload_len as usize);
        self.file.read_at(self.offset + FRAME_BYTES, &mut payload)?;
        if !self.seeds.payload_matches(&header, &payload) {
            return Ok(Err("the checksum of a frame's payload does not match".to_string()));
        }
        Ok(Ok((header, payload.into())))
    }

    /// Checks what the checksums do not, and steps behind the frame. Whatever is wrong now was written that way.
    fn accept(&mut self, header: FrameHeader, payload: Bytes) -> Result<(Frame, Link)> {
        let offset = self.offset;
        if header.first_seq < self.next_seq {
            let why = format!("sequence number {} after {}", header.first_seq, self.next_seq);
            return Err(self.corrupt(offset + 16, why));
        }
        let block = Block::parse(payload, &self.name, offset + FRAME_BYTES).map_err(|e| match e {
            Error::LimitExceeded { .. } => self.corrupt(offset + FRAME_BYTES, e.to_string()),
            e => e,
        })?;
        if block.ops() != header.ops {
            let why = format!("{} operations announced, {} found", header.ops, block.ops());
            return Err(self.corrupt(offset + 24, why));
        }
        self.offset += header.frame_len();
        self.next_seq = header.next_seq();
        let frame = Frame { offset, collection: header.collection, first_seq: header.first_seq, block };
        Ok((frame, header.link))
    }

    /// Whether a frame at `from` or later proves that what stands at the position was durable when it was written.
    fn durable_once(&self, from: u64, end: u64) -> Result<bool> {
        let mut buf = AlignedBuf::default();
        let mut at = from;
        while end.saturating_sub(at) >= FRAME_BYTES {
            let len = (end - at).min(SCAN_BYTES) / FRAME_BYTES * FRAME_BYTES;
            buf.resize(len as usize);
            self.file.read_at(at, &mut buf)?;
            for bytes in buf.as_chunks::<{ FRAME_BYTES as usize }>().0 {
                let frame = FrameHeader::decode(bytes, &self.seeds, at);
                if frame.is_some_and(|frame| frame.synced > self.offset) {
                    return Ok(true);
                }
                at += FRAME_BYTES;
            }
        }
        Ok(false)
    }

    fn corrupt(&self, offset: u64, why: impl Into<String>) -> Error {
        Error::corrupt(&self.name, offset, why)
    }
}

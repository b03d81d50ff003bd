//! Replays a log after it was opened again, and follows one that another process writes.
//!
//! Reads from: one log file. Writes to: nothing.
//! Never: a frame that was not wholly verified; silence about a frame that was durable and is not there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::block::Block;
use crate::codec::check::Uuid;
use crate::codec::header::HEADER_BYTES;
use crate::error::{Error, Result};
use crate::log::read::{Next, Reader};
use crate::vfs::File;

/// A batch as the log holds it.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Where the frame begins in the log file.
    pub offset: u64,
    /// The collection the batch belongs to.
    pub collection: u32,
    /// Sequence number of the batch's first operation.
    pub first_seq: u64,
    /// The batch.
    pub block: Block,
}

/// How a replay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayEnd {
    /// Length in bytes of the header and the whole frames; 0 when the log was never begun.
    pub valid_len: u64,
    /// The smallest sequence number the log may hold; 0 when it was never begun.
    pub first_seq: u64,
    /// The sequence number after the last; 0 when the log was never begun.
    pub next_seq: u64,
    /// How many frames there are.
    pub frames: u64,
    /// What was cut off behind [`ReplayEnd::valid_len`].
    pub torn: Option<Torn>,
}

/// The end of a log that a power loss cut: nothing in it was acknowledged as durable, as far as the log can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// How many bytes it has.
    pub bytes: u64,
    /// Why it is no frame.
    pub why: String,
}

/// Visits the frames of the newest log, in order. Errors name the file as `name`, its path in the database folder.
///
/// `known_synced` is the length that the manifest knows was durable. A torn end behind it ends the replay quietly: an
/// incomplete or bad frame after which no frame says that it was durable. The damage of a torn end cannot be told from
/// damage to the last group of commits, so a bad byte there may take that group; [`ReplayEnd::torn`] reports it.
///
/// # Errors
/// `Corrupt` with the offset of the first frame that was durable and is damaged or missing, or that holds what was
/// never written; whatever `visit` returns.
pub fn replay(
    file: Arc<dyn File>,
    name: &Path,
    uuid: &Uuid,
    id: u64,
    known_synced: u64,
    visit: &mut dyn FnMut(Frame) -> Result<()>,
) -> Result<ReplayEnd> {
    let len = file.len()?;
    run(file, name, (uuid, id), len, known_synced, visit)
}

fn run(
    file: Arc<dyn File>,
    name: &Path,
    log: (&Uuid, u64),
    end: u64,
    known_synced: u64,
    visit: &mut dyn FnMut(Frame) -> Result<()>,
) -> Result<ReplayEnd> {
    let mut reader = match Reader::open(file, name, log, end, known_synced)? {
        Ok(reader) => reader,
        Err(why) => {
            let torn = (end > 0).then_some(Torn { bytes: end, why });
            return Ok(ReplayEnd { valid_len: 0, first_seq: 0, next_seq: 0, frames: 0, torn });
        }
    };
    let (first_seq, mut frames) = (reader.next_seq, 0);
    let torn = loop {
        match reader.next(end, known_synced)? {
            Next::Commit(commit) => {
                frames += commit.len() as u64;
                commit.into_iter().try_for_each(&mut *visit)?;
            }
            Next::End => break None,
            Next::Torn(why) => break Some(Torn { bytes: end - reader.offset, why }),
        }
    };
    Ok(ReplayEnd { valid_len: reader.offset, first_seq, next_seq: reader.next_seq, frames, torn })
}

/// Visits the frames of every whole commit of a log, damaged or not, and returns how many bytes belong to none. For repair.
///
/// # Errors
/// `Io`; whatever `visit` returns. Damage is no error.
pub fn salvage(
    file: Arc<dyn File>,
    name: &Path,
    uuid: &Uuid,
    id: u64,
    visit: &mut dyn FnMut(Frame) -> Result<()>,
) -> Result<u64> {
    let end = file.len()?;
    let mut reader = Reader::resume(file, name, uuid, id, HEADER_BYTES, 0);
    let mut whole = HEADER_BYTES.min(end);
    loop {
        let commit = reader.seek(end)?;
        let Some(first) = commit.first() else { return Ok(end - whole) };
        whole += reader.offset - first.offset;
        commit.into_iter().try_for_each(&mut *visit)?;
    }
}

/// Follows a log that another process appends to.
#[derive(Debug)]
pub struct Tail {
    file: Arc<dyn File>,
    name: PathBuf,
    reader: Reader,
}

impl Tail {
    /// Resumes where a [`replay`] ended: at its `valid_len` and `next_seq`, which must not be 0.
    pub fn resume(
        file: Arc<dyn File>,
        name: &Path,
        uuid: &Uuid,
        id: u64,
        valid_len: u64,
        next_seq: u64,
    ) -> Tail {
        let reader = Reader::resume(file.clone(), name, uuid, id, valid_len, next_seq);
        Tail { file, name: name.to_path_buf(), reader }
    }

    /// Visits the frames that were appended since, and returns how many. An incomplete last frame is not there yet.
    ///
    /// When `visit` fails its frame counts as visited.
    ///
    /// # Errors
    /// As [`replay`]; also `Corrupt` when the log is shorter than what was read of it.
    pub fn poll(&mut self, visit: &mut dyn FnMut(Frame) -> Result<()>) -> Result<u64> {
        let end = self.file.len()?;
        if end < self.reader.offset {
            let why = format!("the log has {end} bytes, {} of it were read before", self.reader.offset);
            return Err(Error::corrupt(&self.name, end, why));
        }
        let mut frames = 0;
        while let Next::Commit(commit) = self.reader.next(end, 0)? {
            frames += commit.len() as u64;
            commit.into_iter().try_for_each(&mut *visit)?;
        }
        Ok(frames)
    }

    /// Where the next frame will begin.
    pub fn offset(&self) -> u64 {
        self.reader.offset
    }

    /// The next frame's sequence number will be this or a later one.
    pub fn next_seq(&self) -> u64 {
        self.reader.next_seq
    }
}

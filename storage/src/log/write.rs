//! Appends to a log, many committing threads at once, one sync for all that wait.
//!
//! Reads from: prepared batches. Writes to: one log file.
//! Never: a write or sync after one that failed (a sync that succeeds after a failure proves nothing); an
//! acknowledgement before what was promised is done.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bytes::ALIGN;
use crate::codec::check::Uuid;
use crate::codec::header::{HEADER_BYTES, Header, Kind};
use crate::error::{Error, Result};
use crate::log::frame::{FrameHeader, Link, Prepared, Seeds};
use crate::log::group::Group;
use crate::names;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::vfs::{File, Vfs};

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Until it is on the disk: what is acknowledged survives a power loss.
    #[default]
    Sync,
    /// Until the operating system has it; it is synced by the first commit after the interval has passed since the last
    /// sync, or by [`Log::flush`]. A power loss may take commits from the end, and keeps all before those.
    Interval(Duration),
    /// Until the operating system has it: a killed process loses nothing, a power loss anything since the last
    /// [`Log::flush`].
    None,
}

/// A place in the queue of a log, to be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a batch is durable only when `Log::wait` has returned"]
pub struct Ticket(u64);

/// An open log file, shared by all committing threads.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use foretaste_storage::block;
/// use foretaste_storage::key::KeyRef;
/// use foretaste_storage::layout::{Element, Layout};
/// use foretaste_storage::log::{self, Durability, Log};
/// use foretaste_storage::vfs::{Vfs, mem::MemVfs};
///
/// # fn main() -> foretaste_storage::Result<()> {
/// let (vfs, root, uuid) = (MemVfs::new(), Path::new("/notes.ft"), [7; 16]);
/// vfs.create_dir(&root.join("log"))?;
/// let log = Log::create(&vfs, root, &uuid, 1, 100, Durability::Sync)?;
///
/// let layout = Layout { levels: vec![2], element: Element::F32, variance: None };
/// let block = block::encode(&layout, &[], &[KeyRef::Int(5)], None)?;
/// let prepared = log.prepare(3, block); // outside of any lock
/// let ticket = log.append(prepared, 100)?; // in the order of the sequence numbers
/// log.wait(ticket)?; // durable now
///
/// let file = vfs.open(&root.join("log/000001.log"))?;
/// let end = log::replay(file, Path::new("log/000001.log"), &uuid, 1, 0, &mut |frame| {
///     assert_eq!((frame.first_seq, frame.collection, frame.block.deletes()), (100, 3, 1));
///     Ok(())
/// })?;
/// assert_eq!((end.next_seq, end.valid_len), (101, log.len()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Log {
    uuid: Uuid,
    id: u64,
    first_seq: u64,
    durability: Durability,
    group: Group<Item>,
    /// Only the group's leader takes it, so nobody ever waits for it.
    writer: Mutex<Writer>,
    len: AtomicU64,
    synced_len: AtomicU64,
}

#[derive(Debug)]
struct Item {
    /// The parts of one commit, in their order.
    batches: Vec<Prepared>,
    first_seq: u64,
}

#[derive(Debug)]
struct Writer {
    file: Arc<dyn File>,
    seeds: Seeds,
    /// Everything before is written.
    len: u64,
    synced: u64,
    next_seq: u64,
    last_sync: Instant,
    /// Headers and small payloads on their way to the disk together.
    buffer: Vec<u8>,
}

/// Payloads up to this length are copied, to be written together with their neighbours.
const COPIED_BYTES: usize = 64 << 10;
const BUFFER_BYTES: usize = 1 << 20;

impl Log {
    /// Creates log `id` of the database in the folder `root`: file and name are durable when it returns.
    ///
    /// Its first frame will have sequence number `first_seq` or a later one.
    ///
    /// # Errors
    /// `Io` of kind `AlreadyExists` when there is such a log: it might hold acknowledged batches.
    pub fn create(
        vfs: &dyn Vfs,
        root: &Path,
        uuid: &Uuid,
        id: u64,
        first_seq: u64,
        durability: Durability,
    ) -> Result<Log> {
        let path = root.join(names::log_file(id));
        match vfs.open(&path) {
            Ok(_) => return Err(Error::io("create", &path, std::io::ErrorKind::AlreadyExists.into())),
            Err(e) if e.is_not_found() => {}
            Err(e) => return Err(e),
        }
        let file = vfs.create(&path)?;
        let header = Header {
            kind: Kind::Log,
            uuid: *uuid,
            id,
            file_len: 0,
            body_len: 0,
            block_len: 0,
            sums_offset: 0,
            sums_sum: 0,
            aux: [first_seq, 0, 0, 0],
        };
        file.write_at(0, &header.encode().0)?;
        file.sync()?;
        vfs.sync_dir(&root.join(names::LOGS))?;
        let writer = Writer {
            file,
            seeds: Seeds::new(uuid, id),
            len: HEADER_BYTES,
            synced: HEADER_BYTES,
            next_seq: first_seq,
            last_sync: Instant::now(),
            buffer: Vec::new(),
        };
        Ok(Log {
            uuid: *uuid,
            id,
            first_seq,
            durability,
            group: Group::new(),
            writer: Mutex::new(writer),
            len: AtomicU64::new(HEADER_BYTES),
            synced_len: AtomicU64::new(HEADER_BYTES),
        })
    }

    /// Computes the checksum of a batch of `collection`; needs no lock, and the result fits any log of the database.
    pub fn prepare(&self, collection: u32, block: crate::block::Block) -> Prepared {
        Prepared::new(&self.uuid, collection, block)
    }

    /// Queues a batch whose first operation has sequence number `first_seq`, without any I/O.
    ///
    /// Batches must be appended in the order of their sequence numbers: the caller holds the lock that gives them out.
    ///
    /// # Errors
    /// `Poisoned` after a failed write or sync.
    pub fn append(&self, batch: Prepared, first_seq: u64) -> Result<Ticket> {
        self.append_all(vec![batch], first_seq)
    }

    /// Queues a commit of several batches, all of which are there after a crash or none. Each takes its sequence numbers
    /// behind those of the one before, at least one.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn append_all(&self, batches: Vec<Prepared>, first_seq: u64) -> Result<Ticket> {
        let len = batches.iter().map(Prepared::frame_len).sum();
        let ticket = self.group.enqueue(Item { batches, first_seq })?;
        self.len.fetch_add(len, Ordering::Relaxed);
        Ok(Ticket(ticket))
    }

    /// Returns when the batch is as durable as [`Durability`] says.
    ///
    /// # Errors
    /// `Poisoned` with the first failure, when the batch could not be written or synced. Whether it will be there after
    /// the next opening is not known then.
    pub fn wait(&self, ticket: Ticket) -> Result<()> {
        self.group.wait(ticket.0, |items| {
            let mut writer = self.writer.lock();
            writer.write(items)?;
            let sync = match self.durability {
                Durability::Sync => true,
                Durability::Interval(interval) => writer.last_sync.elapsed() >= interval,
                Durability::None => false,
            };
            if sync { self.sync(&mut writer) } else { Ok(()) }
        })
    }

    /// Writes and syncs everything that was appended before the call, whatever the durability.
    ///
    /// # Errors
    /// `Poisoned` with the first failure of the log.
    pub fn flush(&self) -> Result<()> {
        self.group.drain(|items| {
            let mut writer = self.writer.lock();
            writer.write(items)?;
            if writer.synced < writer.len { self.sync(&mut writer) } else { Ok(()) }
        })
    }

    /// Length in bytes with everything that was appended, written or not.
    pub fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.len() == HEADER_BYTES
    }

    /// Length in bytes that is known to be durable.
    pub fn synced_len(&self) -> u64 {
        self.synced_len.load(Ordering::Acquire)
    }

    /// Number of the log.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The smallest sequence number it may hold.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// Why writing has stopped, if it has.
    pub fn failure(&self) -> Option<String> {
        self.group.failure()
    }

    fn sync(&self, writer: &mut Writer) -> Result<()> {
        writer.file.sync()?;
        writer.synced = writer.len;
        writer.last_sync = Instant::now();
        self.synced_len.store(writer.synced, Ordering::Release);
        Ok(())
    }
}

impl Writer {
    /// Writes the frames of `items` one after another.
    fn write(&mut self, items: Vec<Item>) -> Result<()> {
        for item in items {
            if item.first_seq < self.next_seq {
                // Replay would refuse the log: better to stop before such a frame is in it.
                let why = format!("sequence number {} appended after {}", item.first_seq, self.next_seq);
                return Err(Error::Poisoned { why });
            }
            let (mut first_seq, parts) = (item.first_seq, item.batches.len());
            for (i, batch) in item.batches.iter().enumerate() {
                let link = Link { to_next: i + 1 < parts, to_last: i > 0 };
                self.write_frame(batch, first_seq, link)?;
                first_seq += u64::from(batch.block.ops().max(1));
            }
        }
        self.write_buffer()
    }

    fn write_frame(&mut self, batch: &Prepared, first_seq: u64, link: Link) -> Result<()> {
        let payload = batch.block.bytes();
        let header = FrameHeader {
            payload_len: payload.len() as u64,
            first_seq,
            ops: batch.block.ops(),
            collection: batch.collection,
            synced: self.synced,
            payload_sum: batch.payload_sum,
            link,
        };
        let offset = self.len + self.buffer.len() as u64;
        self.buffer.extend_from_slice(&header.encode(&self.seeds, offset));
        if payload.len() <= COPIED_BYTES {
            self.buffer.extend_from_slice(payload);
        } else {
            self.write_buffer()?;
            self.file.write_at(self.len, payload)?;
            self.len += payload.len() as u64;
        }
        let padding = payload.len().next_multiple_of(ALIGN) - payload.len();
        self.buffer.resize(self.buffer.len() + padding, 0);
        self.next_seq = header.next_seq();
        if self.buffer.len() >= BUFFER_BYTES {
            self.write_buffer()?;
        }
        Ok(())
    }

    fn write_buffer(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_at(self.len, &self.buffer)?;
            self.len += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}

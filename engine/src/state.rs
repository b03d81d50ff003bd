//! What a collection consists of at one moment, and how a key is found in it.
//!
//! How states are replaced while they are read is `storage::current`, where loom checks it.
//!
//! Reads from: `ingest`, `seal`, `compact`, `recover`. Writes to: memory. Never: a change to a state readers hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use foretaste_query::index::Index;
use foretaste_storage::current::{self, Current};
use foretaste_storage::key::Key;
use foretaste_storage::layout::Layout;
use foretaste_storage::manifest::TombRef;
use foretaste_storage::pin::{GenerationPin, Pin};
use foretaste_storage::rows::Rows;
use foretaste_storage::segment::Segment;
use foretaste_storage::sync::{AtomicBool, Mutex, Ordering, RwLock};

use crate::error::{Error, Result};
use crate::head::{Head, HeadHandle};
use crate::index::Health;
use crate::member::{Known, Member, Shown, readable};
use crate::schema::Schema;
use crate::text::SealedTexts;
use crate::tombs::Tombs;

/// A segment as one state of its collection shows it.
#[derive(Debug)]
pub(crate) struct Source {
    pub segment: Arc<Segment>,
    pub dead: Tombs,
    /// The deletions that are on disk, if there are any.
    pub tombstones: Option<TombRef>,
    /// Its search index, when it has one that opened.
    pub index: Option<Arc<Index>>,
    /// What is known of that index, or what is wrong with it; shared by all sources of one file.
    pub health: Health,
    /// Its full-text indexes.
    pub texts: SealedTexts,
    /// Keeps the segment's files while any snapshot of this process shows it.
    pub pin: Pin,
    /// Keeps the segment's files from a writer in another process, in a read-only database.
    #[expect(dead_code, reason = "held, not read")]
    pub generation: Option<Arc<GenerationPin>>,
}

/// One state of a collection: immutable but for appends that its snapshots do not see.
#[derive(Debug)]
pub(crate) struct State {
    /// The least sequence number a snapshot of this state may have.
    pub floor: u64,
    pub schema: Arc<Schema>,
    pub segments: Vec<Arc<Source>>,
    /// Oldest first; the last one takes the commits.
    pub heads: Vec<HeadHandle>,
}

/// A collection, shared by all handles.
#[derive(Debug)]
pub(crate) struct CollectionCore {
    pub id: u32,
    pub name: String,
    current: Current<State>,
    pub dropped: AtomicBool,
    /// It has changed places with its rows in another space: others show it now.
    pub moved: AtomicBool,
    /// Held shared by commits, alone by a change of levels.
    pub gate: RwLock<()>,
    pub marks: Mutex<BTreeMap<String, u64>>,
    /// What is part of it.
    pub members: RwLock<Arc<[Member]>>,
    pub known: Known,
}

/// Where a row is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Head(HeadHandle, u32),
    Segment(Arc<Source>, u32),
}

impl Source {
    /// The same segment as a state with this floor shows it, with these deletions on disk.
    pub fn at(&self, floor: u64, tombstones: Option<TombRef>) -> Source {
        Source {
            segment: Arc::clone(&self.segment),
            dead: Tombs::new((*self.dead.at(floor)).clone(), self.dead.after(floor)),
            tombstones,
            index: self.index.clone(),
            health: self.health.clone(),
            texts: self.texts.clone(),
            pin: self.pin.clone(),
            generation: None,
        }
    }
}

impl current::State for State {
    fn floor(&self) -> u64 {
        self.floor
    }
}

impl State {
    pub fn layout(&self) -> &Layout {
        &self.schema.layout
    }

    /// The head that takes commits.
    pub fn active(&self) -> Option<&HeadHandle> {
        self.heads.last()
    }

    /// The live row of `key` for a snapshot at `seq`; `u64::MAX` finds what the newest operation left.
    pub fn find(&self, key: &Key, seq: u64) -> Result<Option<Place>> {
        match self.find_fresh(key, seq) {
            Some(place) => Ok(Some(place)),
            None => self.find_sealed(key, seq),
        }
    }

    /// The same among the fresh rows.
    pub fn find_fresh(&self, key: &Key, seq: u64) -> Option<Place> {
        for head in self.heads.iter().rev() {
            if let Some(row) = head.find(key, seq) {
                return Some(Place::Head(Arc::clone(head), row));
            }
        }
        None
    }

    /// The same among the segments, each of which is probed.
    pub fn find_sealed(&self, key: &Key, seq: u64) -> Result<Option<Place>> {
        for source in self.segments.iter().rev() {
            // A key can stand in several segments, but in one of them alive.
            if let Some(row) = source.segment.find(key.as_ref())?
                && !source.dead.contains(row, seq)
            {
                return Ok(Some(Place::Segment(Arc::clone(source), row)));
            }
        }
        Ok(None)
    }

    /// Live rows for a snapshot at `seq`.
    pub fn len(&self, seq: u64) -> u64 {
        let sealed: u64 =
            self.segments.iter().map(|s| u64::from(s.segment.rows()) - s.dead.at(seq).len()).sum();
        let fresh: u64 = self.heads.iter().map(|h| fresh_rows(h, seq)).sum();
        sealed + fresh
    }
}

fn fresh_rows(head: &Head, seq: u64) -> u64 {
    let rows: u64 = head.visible(seq).map(|b| u64::from(b.block.rows())).sum();
    rows - head.dead.at(seq).range_cardinality(..u32::try_from(rows).unwrap_or(u32::MAX))
}

impl Place {
    /// Sequence number of the operation that wrote it.
    pub fn version(&self) -> Result<u64> {
        match self {
            Place::Segment(source, row) => Ok(Rows::version(&*source.segment, *row)?),
            Place::Head(head, row) => {
                Ok(head.locate(*row).map_or(0, |(b, inside)| b.first_seq + u64::from(inside)))
            }
        }
    }

    /// Marks the row as deleted by the operation `seq`.
    pub fn kill(&self, seq: u64) {
        match self {
            Place::Head(head, row) => head.dead.push(crate::tombs::Death { seq, row: *row }),
            Place::Segment(source, row) => source.dead.push(crate::tombs::Death { seq, row: *row }),
        }
    }
}

impl CollectionCore {
    pub fn new(id: u32, name: String, state: State, published: u64, marks: BTreeMap<String, u64>) -> Self {
        CollectionCore {
            id,
            name,
            current: Current::new(state, published),
            dropped: AtomicBool::new(false),
            moved: AtomicBool::new(false),
            gate: RwLock::new(()),
            marks: Mutex::new(marks),
            members: RwLock::new(Arc::new([])),
            known: Known::default(),
        }
    }

    /// The newest state, for the writer; readers take a [`CollectionCore::view`].
    pub fn state(&self) -> Arc<State> {
        self.current.state()
    }

    /// The floor a state has that is installed now; the ingest lock is held until it is.
    pub fn next_floor(&self) -> u64 {
        self.current.published().max(self.current.state().floor)
    }

    /// Replaces the state; the ingest lock is held.
    pub fn install(&self, state: State) {
        self.current.install(state);
    }

    /// Lets snapshots see everything up to `seq`, which is durable.
    pub fn publish(&self, seq: u64) {
        self.current.publish(seq);
    }

    /// A consistent view: a state and the sequence number it is seen at.
    pub fn view(&self) -> (Arc<State>, u64) {
        self.current.view()
    }

    /// The same of it and of its members.
    pub fn view_all(&self) -> (Arc<State>, u64, Option<Arc<[Shown]>>) {
        let members = Arc::clone(&self.members.read());
        if members.is_empty() {
            let (state, seq) = self.view();
            return (state, seq, None);
        }
        let (state, seq, states) = self.current.view_with(members.iter().map(|member| &member.core.current));
        let shown = members.iter().zip(states).map(|(Member { role, core }, state)| Shown {
            role: role.clone(),
            state,
            core: Arc::clone(core),
        });
        (state, seq, Some(shown.collect()))
    }

    /// Lets snapshots see everything that was appended, all of which is durable.
    pub fn publish_appended(&self) {
        self.publish(self.state().active().and_then(|head| head.last_seq()).unwrap_or(0));
    }

    /// An error when it was dropped, or is out of use since its model was changed.
    pub fn check_there(&self) -> Result<()> {
        let why = match (self.moved.load(Ordering::Acquire), self.dropped.load(Ordering::Acquire)) {
            (false, false) => return Ok(()),
            (false, true) => "it was dropped",
            (true, _) => "its model was changed: open it again",
        };
        let what = format!("collection `{}` ({why})", readable(&self.name));
        Err(Error::NotFound { what })
    }

    /// Whether it is out of use.
    pub fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire) || self.moved.load(Ordering::Acquire)
    }
}

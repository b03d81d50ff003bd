//! Remembered scores of an open database: opened when a search first asks for them, let go when the database is closed.
//!
//! Reads from: `storage::scores`. Writes to: the same.
//! Never: a search that fails for want of them; without them the scorer is asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foretaste_storage::codec::check::Uuid;
use foretaste_storage::scores::mem::MemScores;
use foretaste_storage::scores::{Asked, QueryName, Scores, sled};
use foretaste_storage::sync::Mutex;

use crate::error::Result;
use crate::options::Options;

/// The folder of the remembered scores.
pub(crate) const FOLDER: &str = "scores";

/// The scores that one opening of a database remembers.
#[derive(Debug)]
pub(crate) struct ScoreMemory {
    uuid: Uuid,
    /// `None` where nothing may be written: they are in memory then.
    path: Option<PathBuf>,
    /// Room for so many; 0 remembers none.
    most: u64,
    /// Whether a row shows only once it is durable.
    durable: bool,
    open: Mutex<Opened>,
}

#[derive(Debug)]
enum Opened {
    NotYet,
    Open(Arc<dyn Scores>),
    Closed,
}

/// The same for one collection; a snapshot has it.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    all: Arc<ScoreMemory>,
    collection: u32,
}

/// What is remembered of one query.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    pub scores: Arc<dyn Scores>,
    pub asked: Asked,
}

/// Has the next opening of the database at `root` remember nothing: a repair may lose operations, whose numbers are then given to
/// others.
pub(crate) fn distrust(root: &Path, options: &Options) -> Result<()> {
    if options.sled { Ok(sled::distrust(&root.join(FOLDER))?) } else { Ok(()) }
}

impl ScoreMemory {
    pub fn new(uuid: Uuid, path: Option<PathBuf>, most: u64, durable: bool) -> Self {
        ScoreMemory { uuid, path, most, durable, open: Mutex::new(Opened::NotYet) }
    }

    /// Forgets what this version of a scorer said, or everything.
    pub fn forget(&self, scorer: Option<&str>) {
        if let Some(scores) = self.opened() {
            scores.forget(scorer);
        }
    }

    /// Lets go of them. `whole` says that all rows that were ever shown are durable.
    pub fn close(&self, whole: bool) {
        let open = std::mem::replace(&mut *self.open.lock(), Opened::Closed);
        if let Opened::Open(scores) = open {
            // What was not written is asked of the scorer again.
            let _ = scores.close(whole);
        }
    }

    /// The scores; `None` when none are remembered (any more). Whoever comes first opens them, and others wait for that.
    fn opened(&self) -> Option<Arc<dyn Scores>> {
        if self.most == 0 {
            return None;
        }
        let mut open = self.open.lock();
        if matches!(*open, Opened::NotYet) {
            let on_disk = self.path.as_ref().and_then(|path| sled::open(path, self.most, self.durable).ok());
            *open = Opened::Open(match on_disk {
                Some(scores) => Arc::new(scores),
                None => Arc::new(MemScores::new(self.most)),
            });
        }
        match &*open {
            Opened::Open(scores) => Some(Arc::clone(scores)),
            Opened::NotYet | Opened::Closed => None,
        }
    }
}

impl Memory {
    pub fn new(all: &Arc<ScoreMemory>, collection: u32) -> Self {
        Memory { all: Arc::clone(all), collection }
    }

    /// The same of another collection.
    pub fn of_collection(&self, collection: u32) -> Self {
        Memory { collection, ..self.clone() }
    }

    /// What is remembered of a query by a version of a scorer.
    pub fn of(&self, scorer: &str, query: QueryName<'_>) -> Option<Remembered> {
        let scores = self.all.opened()?;
        Some(Remembered { scores, asked: Asked::new(&self.all.uuid, self.collection, scorer, query) })
    }
}

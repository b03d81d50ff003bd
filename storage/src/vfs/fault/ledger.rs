//! What a workload did to the disk, and which of it a power loss could not take back.
//!
//! Reads from: the steps `fault` journals. Writes to: its own memory.
//! Never: a guess about what survives (that is `image`'s); the live contents, which `fault` keeps apart.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::vfs::mem::{self, MemVfs};

/// One mutating step of a workload. Files are named by number, because a name may come to mean another file.
#[derive(Clone)]
pub(super) enum Step {
    /// A new file, or an existing one emptied.
    Create { path: PathBuf, file: u64 },
    /// Bytes written in place; of a failed write the part that was written.
    Write { path: PathBuf, file: u64, offset: u64, data: Arc<[u8]> },
    /// A sync that made the file's contents durable.
    Sync { path: PathBuf, file: u64 },
    /// A sync that failed, and whether the system forgot the writes it could not place.
    SyncFailed { path: PathBuf, file: u64, forgot: bool },
    /// A name of a file removed.
    RemoveFile { path: PathBuf },
    /// A folder and its missing parents.
    CreateDir { path: PathBuf },
    /// An empty folder removed.
    RemoveDir { path: PathBuf },
    /// The names in a folder made durable.
    SyncDir { path: PathBuf },
    /// A step that failed and changed nothing.
    Failed { op: &'static str, path: PathBuf },
}

/// Durable state and, in order, what is not durable yet.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    pub(super) files: BTreeMap<u64, FileState>,
    pub(super) folders: BTreeMap<u64, Folder>,
    /// The live folders by path, and the roots as they come up.
    paths: BTreeMap<PathBuf, u64>,
    folders_made: u64,
}

/// A file apart from its names.
#[derive(Clone, Default)]
pub(super) struct FileState {
    pub(super) durable: Arc<Vec<u8>>,
    pub(super) pending: Vec<Change>,
}

/// A change of a file's contents that no sync has reached.
#[derive(Clone)]
pub(super) enum Change {
    Truncate,
    Write { offset: u64, data: Arc<[u8]> },
}

/// The names of a folder. Each has the values it had since the last sync of the folder: the first is the durable one,
/// the last is the live one; after a power loss it may have any of them.
pub(super) type Folder = BTreeMap<OsString, Vec<Option<Node>>>;

/// What a name refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    File(u64),
    Folder(u64),
}

impl Ledger {
    /// The ledger of a disk on which everything is durable.
    pub(super) fn of(disk: &MemVfs) -> Ledger {
        let mut ledger = Ledger::default();
        for folder in disk.folders() {
            ledger.add_folders(&folder);
        }
        for file in disk.files() {
            ledger.files.insert(file.id, FileState { durable: file.contents, pending: Vec::new() });
            ledger.set_entry(&file.path, Some(Node::File(file.id)));
        }
        ledger.folders.values_mut().for_each(settle);
        ledger
    }

    /// The ids of the folders that have no parent.
    pub(super) fn roots(&self) -> impl Iterator<Item = (&Path, u64)> {
        let roots = self.paths.iter().filter(|(path, _)| path.parent().is_none());
        roots.map(|(path, &id)| (path.as_path(), id))
    }

    /// Takes one step into account.
    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::Create { path, file } => match self.files.get_mut(file) {
                Some(state) => state.pending.push(Change::Truncate),
                None => {
                    self.files.insert(*file, FileState::default());
                    self.set_entry(path, Some(Node::File(*file)));
                }
            },
            Step::Write { file, offset, data, .. } => {
                let change = Change::Write { offset: *offset, data: data.clone() };
                self.files.entry(*file).or_default().pending.push(change);
            }
            Step::Sync { file, .. } => self.files.entry(*file).or_default().settle(),
            // The length of a truncated file is metadata, which the file system keeps in its own journal.
            Step::SyncFailed { file, forgot: true, .. } => {
                let state = self.files.entry(*file).or_default();
                state.pending.retain(|change| matches!(change, Change::Truncate));
            }
            Step::SyncFailed { forgot: false, .. } | Step::Failed { .. } => {}
            Step::RemoveFile { path } => self.set_entry(path, None),
            Step::CreateDir { path } => self.add_folders(path),
            Step::RemoveDir { path } => {
                self.set_entry(path, None);
                self.paths.remove(path);
            }
            Step::SyncDir { path } => {
                let id = self.folder_at(path);
                if let Some(folder) = id.and_then(|id| self.folders.get_mut(&id)) {
                    settle(folder);
                }
            }
        }
    }

    fn add_folders(&mut self, path: &Path) {
        if self.folder_at(path).is_some() {
            return;
        }
        if let Some(parent) = path.parent() {
            self.add_folders(parent);
        }
        let id = self.make_folder(path);
        self.set_entry(path, Some(Node::Folder(id)));
    }

    fn set_entry(&mut self, path: &Path, node: Option<Node>) {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
        let Some(id) = self.folder_at(parent) else { return };
        let folder = self.folders.entry(id).or_default();
        folder.entry(name.to_os_string()).or_insert_with(|| vec![None]).push(node);
    }

    fn folder_at(&mut self, path: &Path) -> Option<u64> {
        let known = self.paths.get(path).copied();
        if known.is_none() && path.parent().is_none() { Some(self.make_folder(path)) } else { known }
    }

    fn make_folder(&mut self, path: &Path) -> u64 {
        let id = self.folders_made;
        self.folders_made += 1;
        self.folders.insert(id, Folder::new());
        self.paths.insert(path.to_path_buf(), id);
        id
    }
}

/// Makes the live names of a folder the durable ones.
fn settle(folder: &mut Folder) {
    folder.retain(|_, values| {
        let live = values.last().copied().flatten();
        *values = vec![live];
        live.is_some()
    });
}

impl FileState {
    fn settle(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let durable = Arc::make_mut(&mut self.durable);
        for change in self.pending.drain(..) {
            change.apply(durable);
        }
    }
}

impl Change {
    /// Applies all of it.
    pub(super) fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Change::Truncate => contents.clear(),
            Change::Write { offset, data } => patch(contents, *offset, data),
        }
    }
}

/// As `mem`'s, without a failure to report: the live disk has already held these bytes at this place.
pub(super) fn patch(contents: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let done = mem::patch(contents, offset, data);
    debug_assert!(done.is_ok(), "the live disk took this write");
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Create { path, .. } => write!(f, "create {}", path.display()),
            Step::Write { path, offset, data, .. } => {
                write!(f, "write {} bytes at {offset} of {}", data.len(), path.display())
            }
            Step::Sync { path, .. } => write!(f, "sync {}", path.display()),
            Step::SyncFailed { path, forgot, .. } => {
                let writes = if *forgot { "forgotten" } else { "pending" };
                write!(f, "failed sync of {}, its writes are {writes}", path.display())
            }
            Step::RemoveFile { path } => write!(f, "remove {}", path.display()),
            Step::CreateDir { path } => write!(f, "create folder {}", path.display()),
            Step::RemoveDir { path } => write!(f, "remove folder {}", path.display()),
            Step::SyncDir { path } => write!(f, "sync folder {}", path.display()),
            Step::Failed { op, path } => write!(f, "failed to {op} {}", path.display()),
        }
    }
}

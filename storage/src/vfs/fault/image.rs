//! The disks a power loss could leave behind.
//!
//! Reads from: a `ledger`. Writes to: new memory disks.
//! Never: an image that lacks something durable; a choice that the seed does not fix.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::ledger::{Change, FileState, Ledger, Node, patch};
use crate::vfs::mem::{self, MemVfs};

/// What a disk writes all of or nothing of, in bytes.
const SECTOR: u64 = 512;

/// A disk as a power loss could leave it.
#[derive(Debug, Clone)]
pub struct CrashImage {
    /// How it came about, for messages; the random ones are numbered.
    pub name: String,
    /// The disk, on which nobody holds a lock. It is the caller's own: writing to it changes no other image.
    pub disk: MemVfs,
}

/// A small generator (splitmix64): the same seed gives the same images on every machine.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

/// What becomes of the writes that no sync has reached.
#[derive(Debug, Clone, Copy)]
enum Writes {
    Lost,
    Kept,
    Half,
    /// Each on its own and in any order; whole with a probability of this many sixteenths.
    Mixed(u64),
}

/// What becomes of the names that no folder sync has reached.
#[derive(Debug, Clone, Copy)]
enum Entries {
    Lost,
    Kept,
    /// Each on its own; as it is live with a probability of this many sixteenths.
    Mixed(u64),
}

/// What became of one write.
struct Fate {
    /// The parts of its data that arrived.
    kept: Vec<Range<usize>>,
    /// Whether the length arrived, with zeros where the data did not.
    grown: bool,
}

/// The images of a power loss: five telling ones and `random` mixes.
pub(super) fn crash_images(ledger: &Ledger, seed: u64, random: usize) -> Vec<CrashImage> {
    let told = [
        ("only what is durable", Writes::Lost, Entries::Lost),
        ("everything written", Writes::Kept, Entries::Kept),
        ("unsynced writes without unsynced names", Writes::Kept, Entries::Lost),
        ("unsynced names without unsynced writes", Writes::Lost, Entries::Kept),
        ("every unsynced write torn at half", Writes::Half, Entries::Kept),
    ];
    let mut images: Vec<CrashImage> = Vec::with_capacity(told.len() + random);
    let mut dice = Random::new(seed);
    for (name, writes, entries) in told {
        images.push(CrashImage { name: name.to_string(), disk: build(ledger, writes, entries, &mut dice) });
    }
    for number in 0..random {
        let mut dice = Random::new(dice.next());
        let (writes, entries) = (Writes::Mixed(1 + dice.below(15)), Entries::Mixed(4 + dice.below(12)));
        let name = format!("random mix {number} of seed {seed}");
        images.push(CrashImage { name, disk: build(ledger, writes, entries, &mut dice) });
    }
    images
}

fn build(ledger: &Ledger, writes: Writes, entries: Entries, dice: &mut Random) -> MemVfs {
    let mut files: BTreeMap<PathBuf, Arc<Vec<u8>>> = BTreeMap::new();
    let mut folders = Vec::new();
    let mut open: Vec<(PathBuf, u64)> = ledger.roots().map(|(path, id)| (path.to_path_buf(), id)).collect();
    while let Some((path, id)) = open.pop() {
        for (name, values) in ledger.folders.get(&id).into_iter().flatten() {
            match survivor(values, entries, dice) {
                Some(Node::File(file)) => {
                    let contents = ledger.files.get(&file).map(|state| contents(state, writes, dice));
                    files.insert(path.join(name), contents.unwrap_or_default());
                }
                Some(Node::Folder(folder)) => open.push((path.join(name), folder)),
                None => {}
            }
        }
        folders.push(path);
    }
    MemVfs::from_shared(files, folders)
}

/// The value a name has after the power loss.
fn survivor(values: &[Option<Node>], entries: Entries, dice: &mut Random) -> Option<Node> {
    let live = values.len().saturating_sub(1);
    let chosen = match entries {
        Entries::Lost => 0,
        Entries::Kept => live,
        Entries::Mixed(_) if live == 0 => 0,
        Entries::Mixed(sixteenths) if dice.below(16) < sixteenths => live,
        Entries::Mixed(_) => dice.below(live as u64) as usize,
    };
    values.get(chosen).copied().flatten()
}

/// The contents a file has after the power loss; shared with the ledger when nothing is pending.
fn contents(state: &FileState, writes: Writes, dice: &mut Random) -> Arc<Vec<u8>> {
    if state.pending.is_empty() || matches!(writes, Writes::Lost) {
        return state.durable.clone();
    }
    let mut pending: Vec<&Change> = state.pending.iter().collect();
    if matches!(writes, Writes::Mixed(_)) {
        dice.shuffle(&mut pending);
    }
    let mut contents = state.durable.to_vec();
    for change in pending {
        match (change, writes) {
            (_, Writes::Lost) => {}
            (change, Writes::Kept) | (change @ Change::Truncate, Writes::Half) => change.apply(&mut contents),
            (Change::Truncate, Writes::Mixed(sixteenths)) => {
                if dice.below(16) < sixteenths {
                    contents.clear();
                }
            }
            (Change::Write { offset, data }, Writes::Half) => {
                Fate::prefix(data.len() / 2).apply(&mut contents, *offset, data);
            }
            (Change::Write { offset, data }, Writes::Mixed(sixteenths)) => {
                Fate::draw(*offset, data.len(), sixteenths, dice).apply(&mut contents, *offset, data);
            }
        }
    }
    Arc::new(contents)
}

impl Fate {
    fn prefix(len: usize) -> Fate {
        Fate { kept: std::iter::once(0..len).collect(), grown: false }
    }

    fn draw(offset: u64, len: usize, sixteenths: u64, dice: &mut Random) -> Fate {
        if dice.below(16) < sixteenths {
            return Fate::prefix(len);
        }
        let cut = dice.below(len as u64 + 1) as usize;
        let kept = match dice.below(4) {
            0 => Vec::new(),
            1 => std::iter::once(0..cut).collect(),
            2 => std::iter::once(cut..len).collect(),
            _ => sectors(offset, len).filter(|_| dice.below(2) == 0).collect(),
        };
        Fate { kept, grown: dice.below(2) == 0 }
    }

    fn apply(&self, contents: &mut Vec<u8>, offset: u64, data: &[u8]) {
        for range in &self.kept {
            if let Some(part) = data.get(range.clone()) {
                patch(contents, offset + range.start as u64, part);
            }
        }
        if self.grown && !data.is_empty() {
            let grown = mem::grow(contents, (offset as usize).saturating_add(data.len()));
            debug_assert!(grown.is_ok(), "the live disk took this write");
        }
    }
}

/// The parts of a write of `len` bytes at `offset` that lie in one sector each.
fn sectors(offset: u64, len: usize) -> impl Iterator<Item = Range<usize>> {
    let first = (SECTOR - offset % SECTOR) as usize;
    let starts = std::iter::once(0).chain((first..len).step_by(SECTOR as usize));
    starts.map(move |start| {
        let end = if start == 0 { first } else { start + SECTOR as usize };
        start..end.min(len)
    })
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0; the slight bias of the remainder does not matter here.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_cover_a_write_once_and_end_at_multiples_of_the_sector_in_the_file() {
        for (offset, len) in [(0, 1), (0, 512), (0, 513), (511, 2), (100, 2000), (1024, 1024), (7, 0)] {
            let mut at = 0;
            for part in sectors(offset, len) {
                assert_eq!(part.start, at);
                assert!(part.end == len || (offset + part.end as u64).is_multiple_of(SECTOR), "{part:?}");
                at = part.end;
            }
            assert_eq!(at, len);
        }
    }
}

//! Both directories against a model, through closes and crashes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::path::Path;

use proptest::prelude::*;

use super::mem::MemDirectory;
use super::sled::SledDirectory;
use super::*;
use crate::error::Error;

#[derive(Debug, Clone)]
enum Op {
    /// The next segment, of this collection, with these keys; `None` for an error in the middle of the rows.
    Insert {
        collection: u32,
        keys: Vec<Option<Key>>,
    },
    /// The rows of an older segment under their id once more, as after a failed write, in other places.
    Again {
        segment: usize,
        keys: Vec<Option<Key>>,
    },
    /// A segment goes live without being inserted.
    Uncovered {
        collection: u32,
        keys: Vec<Key>,
    },
    Forget {
        segment: usize,
    },
    Close,
    Crash,
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        (-20i64..20).prop_map(Key::Int),
        (-20i64..20).prop_map(|i| Key::Str(i.to_string())),
        (0usize..3).prop_map(|n| Key::Str("k".repeat([0, 300, 1024][n]))),
    ]
}

/// A segment has a key once.
fn distinct<T: Clone + Eq + Hash>(keys: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    keys.into_iter().filter(|key| seen.insert(key.clone())).collect()
}

fn op() -> impl Strategy<Value = Op> {
    let keys = || {
        let one = prop_oneof![30 => key().prop_map(Some), 1 => Just(None)];
        prop::collection::vec(one, 0..20).prop_map(distinct)
    };
    let collection = || prop_oneof![Just(0), Just(1), Just(u32::MAX)];
    prop_oneof![
        6 => (collection(), keys()).prop_map(|(collection, keys)| Op::Insert { collection, keys }),
        1 => (0usize..8, keys()).prop_map(|(segment, keys)| Op::Again { segment, keys }),
        1 => (collection(), prop::collection::vec(key(), 0..20))
            .prop_map(|(collection, keys)| Op::Uncovered { collection, keys: distinct(keys) }),
        2 => (0usize..8).prop_map(|segment| Op::Forget { segment }),
        1 => Just(Op::Close),
        1 => Just(Op::Crash),
    ]
}

/// A directory that can be closed and opened again, and can crash.
trait Subject: Sized {
    fn directory(&self) -> &dyn Directory;
    fn counts(&self) -> (Vec<(u64, u64)>, u64);
    /// Closes it and opens it again.
    fn reopen(self, path: &Path, stamp: u64) -> Self;
    /// Opens it again without closing it; whether it is still whole.
    fn crash(self, path: &Path, stamp: u64) -> (Self, bool);
}

impl Subject for MemDirectory {
    fn directory(&self) -> &dyn Directory {
        self
    }
    fn counts(&self) -> (Vec<(u64, u64)>, u64) {
        self.counts()
    }
    fn reopen(self, _: &Path, stamp: u64) -> Self {
        self.close(stamp).unwrap();
        self
    }
    fn crash(self, _: &Path, _: u64) -> (Self, bool) {
        (self, true)
    }
}

impl Subject for SledDirectory {
    fn directory(&self) -> &dyn Directory {
        self
    }
    fn counts(&self) -> (Vec<(u64, u64)>, u64) {
        self.counts()
    }
    fn reopen(self, path: &Path, stamp: u64) -> Self {
        self.close(stamp).unwrap();
        assert!(self.is_over() && self.close(stamp).is_err());
        sled::open(path, Some(stamp)).unwrap()
    }
    fn crash(self, path: &Path, stamp: u64) -> (Self, bool) {
        drop(self);
        (sled::open(path, Some(stamp)).unwrap(), false)
    }
}

#[derive(Debug, Default)]
struct Model {
    last: BTreeMap<(u32, Key), Location>,
    /// Live segments: their collection, their keys with their rows, whether they are covered.
    live: BTreeMap<u64, (u32, HashMap<Key, u32>, bool)>,
    ids: u64,
    /// An id came again: the counts are estimates.
    blurred: bool,
}

impl Model {
    fn insert(&mut self, directory: &dyn Directory, collection: u32, segment: u64, keys: &[Option<Key>]) {
        let row_of = |row: u32| row * 7 + segment as u32;
        let mut rows = keys.iter().enumerate().map(|(row, key)| match key {
            Some(key) => Ok((key.clone(), row_of(row as u32))),
            None => Err(Error::Poisoned { why: "cancelled".into() }),
        });
        let whole = keys.iter().all(Option::is_some);
        assert_eq!(directory.insert(collection, segment, &mut rows).is_ok(), whole);
        let mut contents = HashMap::new();
        if whole {
            for (row, key) in keys.iter().flatten().enumerate() {
                let row = row_of(row as u32);
                contents.insert(key.clone(), row);
                self.last.insert((collection, key.clone()), Location { segment, row });
            }
        }
        self.live.insert(segment, (collection, contents, whole));
    }

    /// Segment number `nth` of the live ones.
    fn nth(&self, nth: usize) -> Option<u64> {
        self.live.keys().nth(nth).copied()
    }

    fn check(&self, subject: &impl Subject) {
        let directory = subject.directory();
        for (segment, (.., covered)) in &self.live {
            assert_eq!(directory.covers(*segment), *covered, "segment {segment}");
        }
        let complete = self.live.values().all(|(.., covered)| *covered);
        let scope = Scope::new(directory, self.live.keys().copied());
        assert_eq!(scope.is_complete(), complete);
        let strings = (-20..20).map(|i| Key::Str(i.to_string()));
        let long = [0, 300, 1024].map(|n| Key::Str("k".repeat(n)));
        for key in (-20..20).map(Key::Int).chain(strings).chain(long) {
            for collection in [0, 1, 2, u32::MAX] {
                let last = self.last.get(&(collection, key.clone())).copied();
                assert_eq!(directory.get(collection, key.as_ref()).unwrap(), last);
                let answer = scope.get(collection, key.as_ref());
                let has = |(c, keys, _): &(u32, HashMap<Key, u32>, bool)| {
                    *c == collection && keys.contains_key(&key)
                };
                match (answer, last) {
                    (Answer::At(found), Some(last)) => assert_eq!(found, last),
                    (Answer::Absent, None) => {
                        assert!(complete);
                        assert!(!self.live.values().any(has), "{key} is in a live segment");
                    }
                    (Answer::Unknown, None) => assert!(!complete),
                    wrong => panic!("{key}: {wrong:?}"),
                }
            }
        }
        if !self.blurred {
            let (counts, stale) = subject.counts();
            let points_to = |segment: u64| self.last.values().filter(|l| l.segment == segment).count() as u64;
            for (segment, count) in &counts {
                assert_eq!(*count, points_to(*segment), "segment {segment}");
            }
            assert_eq!(stale + counts.iter().map(|(_, n)| n).sum::<u64>(), self.last.len() as u64);
        }
    }
}

fn run<S: Subject>(mut subject: S, path: &Path, ops: &[Op]) {
    let (mut model, mut stamp) = (Model::default(), 100);
    for op in ops {
        match op {
            Op::Insert { collection, keys } => {
                model.ids += 1;
                model.insert(subject.directory(), *collection, model.ids, keys);
            }
            Op::Again { segment, keys } => {
                if let Some(segment) = model.nth(*segment) {
                    let collection = model.live[&segment].0;
                    model.blurred = true;
                    model.insert(subject.directory(), collection, segment, keys);
                }
            }
            Op::Uncovered { collection, keys } => {
                model.ids += 1;
                let keys = keys.iter().cloned().map(|key| (key, 0)).collect();
                model.live.insert(model.ids, (*collection, keys, false));
            }
            Op::Forget { segment } => {
                if let Some(segment) = model.nth(*segment) {
                    subject.directory().forget(segment).unwrap();
                    assert!(!subject.directory().covers(segment));
                    model.live.remove(&segment);
                }
            }
            Op::Close => {
                stamp += 1;
                subject = subject.reopen(path, stamp);
            }
            Op::Crash => {
                let whole;
                (subject, whole) = subject.crash(path, stamp);
                if !whole {
                    model.last.clear();
                    model.live.values_mut().for_each(|(.., covered)| *covered = false);
                }
            }
        }
        model.check(&subject);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_memory_it_answers_as_the_model_does(ops in prop::collection::vec(op(), 1..30)) {
        run(MemDirectory::new(), Path::new(""), &ops);
    }

    #[test]
    fn on_disk_it_answers_as_the_model_does(ops in prop::collection::vec(op(), 1..30)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory");
        run(sled::open(&path, None).unwrap(), &path, &ops);
    }
}

#[test]
fn a_cancelled_insertion_of_many_batches_covers_nothing_and_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = sled::open(&folder.path().join("directory"), None).unwrap();
    let in_memory = MemDirectory::new();
    for directory in [&on_disk as &dyn Directory, &in_memory] {
        let rows = |n: i64| (0..n).map(|i| Ok((Key::Int(i), i as u32)));
        directory.insert(0, 1, &mut rows(10)).unwrap();
        let cancelled = Err(Error::Poisoned { why: "cancelled".into() });
        let mut rows = rows(2 * BATCH_ROWS as i64).chain([cancelled]);
        assert!(directory.insert(0, 2, &mut rows).is_err());
        assert!(directory.covers(1) && !directory.covers(2));
        let scope = Scope::new(directory, [1]);
        // The stale hint points to a segment that never went live: the caller probes.
        assert_eq!(scope.get(0, KeyRef::Int(3)), Answer::At(Location { segment: 2, row: 3 }));
        assert_eq!(scope.get(0, KeyRef::Int(-1)), Answer::Absent);
        assert!(directory.is_bloated());
    }
}

#[test]
fn a_segment_inserted_after_the_scope_was_made_does_not_make_it_complete() {
    let directory = MemDirectory::new();
    let scope = Scope::new(&directory, [1]);
    directory.insert(0, 1, &mut std::iter::empty()).unwrap();
    assert_eq!(scope.get(0, KeyRef::Int(1)), Answer::Unknown);
    assert_eq!(Scope::new(&directory, [1]).get(0, KeyRef::Int(1)), Answer::Absent);
}

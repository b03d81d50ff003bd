//! The model of the generation swap: commits that replace a row, a compaction that replaces the state, and a reader,
//! under every order of their steps. A view always shows exactly one live version of the row.
//!
//! Run with `make loom`. Planted and caught: `view` loading the state before the number (the reader saw two versions: the
//! head shared with the newer state had the new row, the older state's deaths did not have its killer); `install` with the floor of
//! the state before (the reader saw no version, because the merged segment had dropped the one it should see);
//! the deletion pushed after `publish` (the reader saw both versions). Of a view of two: the members' states taken before
//! the number (the member showed both versions), and the members' floors not compared (it showed none).
#![cfg(foretaste_loom)]

use foretaste_storage::append::AppendList;
use foretaste_storage::current::{Current, State};
use foretaste_storage::sync::{Arc, Mutex};
use loom::thread;

/// Rows of one key, newest last: the row `seq` is alive from `seq` until the death that names it.
struct Toy {
    floor: u64,
    /// The rows a merge has kept, by sequence number.
    sealed: Vec<u64>,
    /// Rows committed since; shared by the states that came after each other.
    head: Arc<AppendList<u64>>,
    /// Deaths not yet applied to `sealed`: (sequence number of the killer, row).
    deaths: Arc<AppendList<(u64, u64)>>,
}

impl State for Toy {
    fn floor(&self) -> u64 {
        self.floor
    }
}

impl Toy {
    fn live(&self, seq: u64) -> Vec<u64> {
        let dead = |row: u64| self.deaths.prefix(self.deaths.len()).any(|(at, r)| *at <= seq && *r == row);
        let head = self.head.prefix(self.head.len()).copied().filter(|row| *row <= seq);
        self.sealed.iter().copied().chain(head).filter(|row| !dead(*row)).collect()
    }
}

/// Replaces the only live row by a new one, as `ingest::commit` does.
fn commit(ingest: &Mutex<u64>, current: &Current<Toy>) {
    let seq = {
        let mut next = ingest.lock();
        let seq = *next;
        *next += 1;
        let state = current.state();
        let old = *state.live(u64::MAX).last().expect("a live row");
        assert!(state.deaths.push((seq, old)).is_ok());
        assert!(state.head.push(seq).is_ok());
        seq
    };
    // The log would be synced here.
    current.publish(seq);
}

/// Writes the rows live at a view into a new sealed part and swaps, as `rewrite::replace` does.
fn merge(ingest: &Mutex<u64>, current: &Current<Toy>) {
    let (seen, seq) = current.view();
    let kept: Vec<u64> = seen.sealed.iter().copied().filter(|row| seen.live(seq).contains(row)).collect();
    let _ingest = ingest.lock();
    let state = current.state();
    let floor = current.published().max(state.floor);
    let deaths = AppendList::new();
    for death in state.deaths.prefix(state.deaths.len()) {
        assert!(deaths.push(*death).is_ok());
    }
    current.install(Toy { floor, sealed: kept, head: state.head.clone(), deaths: Arc::new(deaths) });
}

fn toy() -> (Arc<Mutex<u64>>, Arc<Current<Toy>>) {
    let state = Toy {
        floor: 1,
        sealed: vec![1],
        head: Arc::new(AppendList::new()),
        deaths: Arc::new(AppendList::new()),
    };
    (Arc::new(Mutex::new(2)), Arc::new(Current::new(state, 1)))
}

#[test]
fn a_view_shows_exactly_one_version_while_commits_and_a_merge_go_on() {
    loom::model(|| {
        let (ingest, current) = toy();
        let writer = {
            let (ingest, current) = (ingest.clone(), current.clone());
            thread::spawn(move || commit(&ingest, &current))
        };
        let merger = {
            let (ingest, current) = (ingest.clone(), current.clone());
            thread::spawn(move || merge(&ingest, &current))
        };
        let (state, seq) = current.view();
        assert_eq!(state.live(seq).len(), 1, "seen at {seq} with floor {}", state.floor);
        writer.join().unwrap();
        merger.join().unwrap();
        let (state, seq) = current.view();
        assert_eq!(state.live(seq), [2]);
    });
}

#[test]
fn two_commits_are_seen_one_after_the_other() {
    loom::model(|| {
        let (ingest, current) = toy();
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let (ingest, current) = (ingest.clone(), current.clone());
                thread::spawn(move || commit(&ingest, &current))
            })
            .collect();
        let (state, seq) = current.view();
        assert_eq!(state.live(seq).len(), 1, "seen at {seq}");
        for writer in writers {
            writer.join().unwrap();
        }
        let (state, seq) = current.view();
        assert_eq!(state.live(seq), [3]);
    });
}

/// Replaces the only live row of a member and of its owner in one commit, as `ingest::commit` does.
fn commit_both(ingest: &Mutex<u64>, owner: &Current<Toy>, member: &Current<Toy>) {
    let last = {
        let mut next = ingest.lock();
        for current in [member, owner] {
            let (seq, state) = (*next, current.state());
            *next += 1;
            let old = *state.live(u64::MAX).last().expect("a live row");
            assert!(state.deaths.push((seq, old)).is_ok());
            assert!(state.head.push(seq).is_ok());
        }
        *next - 1
    };
    owner.publish(last);
    member.publish(last);
}

#[test]
fn a_view_of_two_shows_exactly_one_version_of_each_and_of_the_same_commit() {
    loom::model(|| {
        let (ingest, owner) = toy();
        let (_, member) = toy();
        let writer = {
            let (ingest, owner, member) = (ingest.clone(), owner.clone(), member.clone());
            thread::spawn(move || commit_both(&ingest, &owner, &member))
        };
        let merger = {
            let (ingest, member) = (ingest.clone(), member.clone());
            thread::spawn(move || merge(&ingest, &member))
        };
        let (state, seq, members) = owner.view_with([&*member].into_iter());
        let seen = (state.live(seq), members[0].live(seq));
        assert!(seen == (vec![1], vec![1]) || seen == (vec![3], vec![2]), "{seen:?} at {seq}");
        writer.join().unwrap();
        merger.join().unwrap();
        let (state, seq, members) = owner.view_with([&*member].into_iter());
        assert_eq!((state.live(seq), members[0].live(seq)), (vec![3], vec![2]));
    });
}

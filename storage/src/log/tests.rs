use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::block::{self, Block, Mark, RowInput};
use crate::codec::check::Uuid;
use crate::error::Error;
use crate::key::KeyRef;
use crate::layout::{Element, Layout};
use crate::limits;
use crate::vfs::fault::{Fault, FaultVfs};
use crate::vfs::mem::MemVfs;

const UUID: Uuid = [7; 16];
const ROOT: &str = "/db";
const ID: u64 = 3;

fn path() -> PathBuf {
    Path::new(ROOT).join(names::log_file(ID))
}

/// A block whose only row has `key`; the payload makes it as long as is asked for.
fn block_of(key: i64, payload_bytes: usize) -> Block {
    let layout = Layout { levels: vec![2], element: Element::F32, variance: None };
    let payload = vec![b'x'; payload_bytes];
    let row = RowInput {
        key: KeyRef::Int(key),
        vector: &[key as f32, 1.0],
        variance: None,
        tokens: None,
        payload: &payload,
    };
    block::encode(&layout, &[row], &[KeyRef::Str("gone")], None).unwrap()
}

fn new_log(vfs: &dyn Vfs, durability: Durability) -> Log {
    vfs.create_dir(&Path::new(ROOT).join(names::LOGS)).unwrap();
    vfs.sync_dir(Path::new(ROOT)).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    Log::create(vfs, Path::new(ROOT), &UUID, ID, 10, durability).unwrap()
}

/// What a replay gives: sequence number, collection, bytes.
type Replayed = Vec<(u64, u32, Vec<u8>)>;

fn replay_in(vfs: &dyn Vfs, known_synced: u64) -> Result<(Replayed, ReplayEnd)> {
    let mut frames = Vec::new();
    let end = replay(vfs.open(&path())?, &names::log_file(ID), &UUID, ID, known_synced, &mut |frame| {
        frames.push((frame.first_seq, frame.collection, frame.block.bytes().to_vec()));
        Ok(())
    })?;
    Ok((frames, end))
}

fn replay_bytes(bytes: &[u8], known_synced: u64) -> Result<(Replayed, ReplayEnd)> {
    let vfs = MemVfs::new();
    vfs.write_file(path(), bytes).unwrap();
    replay_in(&vfs, known_synced)
}

/// A small log in which each frame was synced before the next: its bytes, frames, and where each frame begins.
fn small_log(durability: Durability) -> (Vec<u8>, Replayed, Vec<u64>) {
    let vfs = MemVfs::new();
    let log = new_log(&vfs, durability);
    let (mut frames, mut offsets) = (Vec::new(), Vec::new());
    for i in 0..4u64 {
        let block = block_of(i as i64, i as usize * 50);
        frames.push((10 + i * 2, 5, block.bytes().to_vec()));
        offsets.push(log.len());
        let ticket = log.append(log.prepare(5, block), 10 + i * 2).unwrap();
        log.wait(ticket).unwrap();
    }
    offsets.push(log.len());
    (vfs.read_file(path()).unwrap(), frames, offsets)
}

#[test]
fn a_replay_gives_back_what_was_appended() {
    for durability in [Durability::Sync, Durability::None, Durability::Interval(Duration::ZERO)] {
        let (bytes, frames, offsets) = small_log(durability);
        assert_eq!(bytes.len() as u64, offsets[4]);
        let (replayed, end) = replay_bytes(&bytes, 0).unwrap();
        assert_eq!(replayed, frames);
        let whole = ReplayEnd { valid_len: offsets[4], first_seq: 10, next_seq: 18, frames: 4, torn: None };
        assert_eq!(end, whole);
    }
}

#[test]
fn large_and_small_batches_and_bare_marks_lie_one_after_another() {
    let vfs = MemVfs::new();
    let log = new_log(&vfs, Durability::Sync);
    let layout = Layout { levels: vec![2], element: Element::F32, variance: None };
    let mark = Mark { name: "import".to_string(), position: 9 };
    let bare = block::encode(&layout, &[], &[], Some(&mark)).unwrap();
    let blocks = [block_of(1, 3 << 20), bare.clone(), block_of(2, 65_000), bare, block_of(3, 70_000)];
    let (mut seq, mut tickets) = (10, Vec::new());
    for block in &blocks {
        tickets.push(log.append(log.prepare(1, block.clone()), seq).unwrap());
        seq += u64::from(block.ops());
    }
    tickets.into_iter().for_each(|ticket| log.wait(ticket).unwrap());
    let (replayed, end) = replay_in(&vfs, log.synced_len()).unwrap();
    assert_eq!((end.next_seq, end.valid_len, log.synced_len()), (seq, log.len(), log.len()));
    assert!(
        replayed
            .iter()
            .map(|(_, _, bytes)| bytes)
            .eq(blocks.iter().map(|b| &b.bytes()[..]).collect::<Vec<_>>())
    );
}

#[test]
fn a_cut_log_replays_its_whole_frames_and_below_the_known_length_is_corrupt() {
    let (bytes, frames, offsets) = small_log(Durability::Sync);
    for len in 0..bytes.len() {
        let (replayed, end) = replay_bytes(&bytes[..len], 0).unwrap();
        let whole = offsets.iter().filter(|&&o| o <= len as u64).count().saturating_sub(1);
        assert_eq!(replayed, frames[..whole], "cut at {len}");
        assert_eq!(end.torn.map_or(0, |torn| torn.bytes), len as u64 - end.valid_len);
        for known in offsets.iter().filter(|&&o| o > len as u64) {
            let err = replay_bytes(&bytes[..len], *known).unwrap_err();
            assert!(matches!(err, Error::Corrupt { .. }), "cut at {len}: {err}");
        }
    }
}

/// A log of one batch, a commit of three parts to collections 1, 2 and 3, and one more batch; and where the parts begin.
fn log_with_a_commit_of_parts() -> (Vec<u8>, [u64; 6]) {
    let vfs = MemVfs::new();
    let log = new_log(&vfs, Durability::None);
    let mut offsets = vec![log.len()];
    let wait = |ticket| log.wait(ticket).unwrap();
    wait(log.append(log.prepare(9, block_of(1, 3)), 10).unwrap());
    offsets.push(log.len());
    let parts = [
        log.prepare(1, block_of(2, 70_000)),
        log.prepare(2, block_of(3, 0)),
        log.prepare(3, block_of(4, 90)),
    ];
    offsets.extend(parts.iter().scan(log.len(), |at, part| {
        *at += part.frame_len();
        Some(*at)
    }));
    wait(log.append_all(parts.to_vec(), 12).unwrap());
    wait(log.append(log.prepare(9, block_of(5, 3)), 18).unwrap());
    offsets.push(log.len());
    (vfs.read_file(path()).unwrap(), offsets.try_into().unwrap())
}

#[test]
fn all_parts_of_a_commit_are_there_or_none() {
    let (bytes, offsets) = log_with_a_commit_of_parts();
    let numbers = |replayed: &Replayed| replayed.iter().map(|f| (f.0, f.1)).collect::<Vec<_>>();
    let all = [(10, 9), (12, 1), (14, 2), (16, 3), (18, 9)];
    let whole_from = |len: u64| match offsets {
        [_, one, _, _, three, four] => {
            [(four, 5), (three, 4), (one, 1), (0, 0)].into_iter().find(|(o, _)| *o <= len)
        }
    };
    for len in (0..bytes.len()).filter(|len| *len < 2000 || len % 16 == 0).chain([bytes.len()]) {
        let (replayed, end) = replay_bytes(&bytes[..len], 0).unwrap();
        let (_, whole) = whole_from(len as u64).unwrap();
        assert_eq!(numbers(&replayed), all[..whole], "cut at {len}");
        let valid = if whole == 0 { offsets[0].min(end.valid_len) } else { offsets[whole] };
        assert_eq!((end.frames, end.valid_len), (whole as u64, valid), "cut at {len}");
        // Who follows the log sees the same, and the rest once it is there.
        let (name, file) = (names::log_file(ID), MemVfs::new().create(Path::new("/log")).unwrap());
        file.write_at(0, &bytes[..len]).unwrap();
        let mut tail = Tail::resume(Arc::clone(&file), &name, &UUID, ID, offsets[0], 10);
        let mut seen = Vec::new();
        for _ in 0..2 {
            tail.poll(&mut |frame| {
                seen.push((frame.first_seq, frame.collection));
                Ok(())
            })
            .or_else(|e| if (len as u64) < offsets[0] { Ok(0) } else { Err(e) })
            .unwrap();
            file.write_at(0, &bytes).unwrap();
        }
        assert_eq!(
            seen,
            if (len as u64) < offsets[0] { &all[..seen.len()] } else { &all[..] },
            "cut at {len}"
        );
    }
    // Of a commit with a damaged part nothing is saved, of the others all.
    for (part, saved) in [
        (1, vec![all[0], all[4]]),
        (2, vec![all[0], all[4]]),
        (3, vec![all[0], all[4]]),
        (0, all[1..].to_vec()),
    ] {
        let mut bytes = bytes.clone();
        bytes[offsets[part] as usize + 20] ^= 1;
        let vfs = MemVfs::new();
        vfs.write_file(path(), &bytes).unwrap();
        let mut found = Vec::new();
        let file = vfs.open(&path()).unwrap();
        let lost = salvage(file, &names::log_file(ID), &UUID, ID, &mut |frame| {
            found.push((frame.first_seq, frame.collection));
            Ok(())
        });
        assert_eq!(found, saved, "part {part}");
        assert_eq!(lost.unwrap(), if part == 0 { offsets[1] - offsets[0] } else { offsets[4] - offsets[1] });
    }
}

#[test]
fn every_flipped_byte_is_corrupt_or_takes_only_the_end_that_nothing_proves_durable() {
    let (bytes, frames, offsets) = small_log(Durability::Sync);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x20;
        // The last frame is the only one that no later frame vouches for.
        match replay_bytes(&flipped, 0) {
            Ok((replayed, end)) if at as u64 >= offsets[3] => {
                assert_eq!((replayed, end.valid_len), (frames[..3].to_vec(), offsets[3]), "byte {at}");
                assert!(end.torn.is_some());
            }
            Err(Error::Corrupt { file, offset, .. }) if (at as u64) < offsets[3] => {
                let begin = offsets.iter().rev().find(|&&o| o <= at as u64).copied().unwrap_or(0);
                assert_eq!((file, offset), (names::log_file(ID), begin), "byte {at}");
            }
            other => panic!("byte {at}: {other:?}"),
        }
        let err = replay_bytes(&flipped, bytes.len() as u64).unwrap_err();
        assert!(matches!(err, Error::Corrupt { .. }), "byte {at}: {err}");
    }
}

#[test]
fn without_syncs_a_damaged_middle_is_where_the_log_was_cut() {
    let (mut bytes, frames, offsets) = small_log(Durability::None);
    bytes[offsets[1] as usize + 70] ^= 1;
    let (replayed, end) = replay_bytes(&bytes, 0).unwrap();
    assert_eq!((replayed, end.valid_len, end.next_seq), (frames[..1].to_vec(), offsets[1], 12));
    assert!(replay_bytes(&bytes, offsets[1]).is_ok());
    assert!(
        matches!(replay_bytes(&bytes, offsets[1] + 1), Err(Error::Corrupt { offset, .. }) if offset == offsets[1])
    );
}

#[test]
fn a_log_that_was_never_begun_is_empty_and_one_of_another_database_is_not() {
    let header = small_log(Durability::Sync).0[..128].to_vec();
    for torn in
        [vec![], vec![0; 128], vec![0; 500], header[..64].to_vec(), [&header[..64], &[0; 64]].concat()]
    {
        let (replayed, end) = replay_bytes(&torn, 0).unwrap();
        assert_eq!((replayed.len(), end.valid_len, end.next_seq), (0, 0, 0));
        assert!(matches!(replay_bytes(&torn, 128), Err(Error::Corrupt { .. })));
    }
    let vfs = MemVfs::new();
    vfs.write_file(path(), &header).unwrap();
    for (uuid, id) in [([8; 16], ID), (UUID, ID + 1)] {
        let result = replay(vfs.open(&path()).unwrap(), Path::new("l"), &uuid, id, 0, &mut |_| Ok(()));
        assert!(matches!(result, Err(Error::Corrupt { .. })));
    }
}

#[test]
fn a_tail_sees_each_frame_once_when_it_is_whole() {
    let (bytes, frames, offsets) = small_log(Durability::Sync);
    let vfs = MemVfs::new();
    vfs.write_file(path(), &bytes[..128]).unwrap();
    let write = vfs.open_write(&path()).unwrap();
    let mut tail = Tail::resume(vfs.open(&path()).unwrap(), Path::new("l"), &UUID, ID, 128, 10);
    let mut seen = Vec::new();
    for at in 128..bytes.len() {
        write.write_at(at as u64, &bytes[at..at + 1]).unwrap();
        let before = seen.len() as u64;
        let visit = &mut |frame: Frame| {
            seen.push((frame.first_seq, frame.collection, frame.block.bytes().to_vec()));
            Ok(())
        };
        let new = tail.poll(visit).unwrap();
        assert_eq!(before + new, offsets[1..].iter().filter(|&&o| o <= at as u64 + 1).count() as u64);
    }
    assert_eq!((seen, tail.offset(), tail.next_seq()), (frames, offsets[4], 18));
    vfs.write_file(path(), &bytes[..200]).unwrap();
    assert!(matches!(tail.poll(&mut |_| Ok(())), Err(Error::Corrupt { .. })));
}

#[test]
fn a_tail_waits_at_a_hole_until_something_proves_that_it_was_durable() {
    let (mut bytes, _, offsets) = small_log(Durability::Sync);
    bytes[offsets[1] as usize + 80] ^= 1;
    let poll = |len: u64| {
        let vfs = MemVfs::new();
        vfs.write_file(path(), &bytes[..len as usize]).unwrap();
        let mut tail = Tail::resume(vfs.open(&path()).unwrap(), Path::new("l"), &UUID, ID, 128, 10);
        tail.poll(&mut |_| Ok(()))
    };
    assert_eq!(poll(offsets[2]).unwrap(), 1);
    assert!(matches!(poll(offsets[3]), Err(Error::Corrupt { offset, .. }) if offset == offsets[1]));
}

#[test]
fn an_existing_log_is_never_begun_anew() {
    let vfs = MemVfs::new();
    let _log = new_log(&vfs, Durability::Sync);
    assert!(Log::create(&vfs, Path::new(ROOT), &UUID, ID, 10, Durability::Sync).is_err());
    assert_eq!(list(&vfs, Path::new(ROOT)).unwrap(), [ID]);
}

#[test]
fn a_batch_out_of_order_poisons_the_log_instead_of_spoiling_it() {
    let vfs = MemVfs::new();
    let log = new_log(&vfs, Durability::Sync);
    for (seq, good) in [(10, true), (11, false), (12, false)] {
        let result = log.append(log.prepare(1, block_of(1, 0)), seq).and_then(|ticket| log.wait(ticket));
        assert_eq!(result.is_ok(), good);
    }
    assert_eq!(replay_in(&vfs, 0).unwrap().1.next_seq, 12);
}

#[test]
fn many_threads_commit_and_all_they_were_told_is_there_in_order() {
    const THREADS: usize = 8;
    const EACH: usize = 50;
    let vfs = MemVfs::new();
    let log = new_log(&vfs, Durability::Sync);
    let ingest = crate::sync::Mutex::new(10u64);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (log, ingest) = (&log, &ingest);
            scope.spawn(move || {
                for i in 0..EACH {
                    let prepared = log.prepare(thread as u32, block_of(i as i64, i * 10));
                    let mut next = ingest.lock();
                    let ticket = log.append(prepared, *next).unwrap();
                    *next += 2;
                    drop(next);
                    log.wait(ticket).unwrap();
                }
            });
        }
    });
    let (frames, end) = replay_in(&vfs, log.synced_len()).unwrap();
    assert_eq!((end.frames as usize, end.valid_len), (THREADS * EACH, log.len()));
    for thread in 0..THREADS as u32 {
        let own: Vec<_> = frames.iter().filter(|f| f.1 == thread).map(|f| &f.2[..]).collect();
        let expected: Vec<_> = (0..EACH).map(|i| block_of(i as i64, i * 10)).collect();
        assert!(own.into_iter().eq(expected.iter().map(|b| &b.bytes()[..])));
    }
}

#[test]
fn the_first_failed_step_poisons_every_commit_after_it() {
    let clean = FaultVfs::new();
    commit_three(&clean);
    let first = {
        let vfs = FaultVfs::new();
        new_log(&vfs, Durability::Sync);
        vfs.steps()
    };
    for step in first..clean.steps() {
        for fault in [Fault::IoError, Fault::DiskFull] {
            let vfs = FaultVfs::new();
            vfs.fail_at(step, fault);
            let (log, acknowledged) = commit_three(&vfs);
            vfs.clear_faults();
            let failure = log.failure().unwrap();
            let append = log.append(log.prepare(1, block_of(9, 0)), 100).map(|_| ());
            for result in [append, log.flush()] {
                assert!(matches!(&result, Err(Error::Poisoned { why }) if *why == failure), "{result:?}");
            }
            for image in vfs.crash_images(step as u64, 20) {
                let (frames, _) = replay_in(&image.disk, log.synced_len()).unwrap();
                assert!(frames.len() >= acknowledged, "{}: {} of {acknowledged}", image.name, frames.len());
            }
        }
    }
}

/// Commits three batches and counts the acknowledged ones.
fn commit_three(vfs: &FaultVfs) -> (Log, usize) {
    let log = new_log(vfs, Durability::Sync);
    let commit = |i: u64| {
        log.append(log.prepare(1, block_of(i as i64, 70_000 * (i as usize % 2))), 10 + i * 2)
            .and_then(|ticket| log.wait(ticket))
    };
    let acknowledged = (0..3).filter(|i| commit(*i).is_ok()).count();
    (log, acknowledged)
}

#[test]
fn a_crash_at_any_step_keeps_what_was_acknowledged_and_the_order() {
    for durability in [Durability::Sync, Durability::Interval(Duration::ZERO), Durability::None] {
        let vfs = FaultVfs::new();
        let log = new_log(&vfs, durability);
        let mut commits = vec![(vfs.steps(), log.synced_len())];
        let blocks: Vec<_> = (0..4).map(|i| block_of(i, 90 * i as usize)).collect();
        for (i, block) in blocks.iter().enumerate() {
            let ticket = log.append(log.prepare(1, block.clone()), 10 + i as u64 * 2).unwrap();
            log.wait(ticket).unwrap();
            if i == 2 {
                log.flush().unwrap();
            }
            commits.push((vfs.steps(), log.synced_len()));
        }
        for step in commits[0].0..=vfs.steps() {
            let synced = commits.iter().rev().find(|(at, _)| *at <= step).unwrap().1;
            for image in vfs.crash_images_at(step, step as u64, 30) {
                let (frames, end) = replay_in(&image.disk, synced)
                    .unwrap_or_else(|e| panic!("{durability:?}, step {step}, {}: {e}", image.name));
                assert!(end.valid_len >= synced);
                let bytes = frames.iter().map(|f| &f.2[..]);
                assert!(bytes.eq(blocks.iter().take(frames.len()).map(|b| &b.bytes()[..])));
            }
        }
    }
}

#[test]
fn a_crash_while_a_log_is_begun_leaves_none_or_an_empty_one() {
    let vfs = FaultVfs::new();
    new_log(&vfs, Durability::Sync);
    for step in 0..=vfs.steps() {
        for image in vfs.crash_images_at(step, 1, 20) {
            match replay_in(&image.disk, 0) {
                Ok((frames, _)) => assert!(frames.is_empty()),
                Err(e) => assert!(e.is_not_found(), "{}: {e}", image.name),
            }
        }
    }
}

#[test]
fn a_panic_in_a_flush_poisons_instead_of_blocking_the_others() {
    let group = Arc::new(group::Group::new());
    let (first, second) = (group.enqueue(1).unwrap(), group.enqueue(2).unwrap());
    let leader = group.clone();
    let panicked = std::thread::spawn(move || leader.wait(first, |_| panic!("on purpose"))).join();
    assert!(panicked.is_err());
    assert!(matches!(group.wait(second, |_| Ok(())), Err(Error::Poisoned { .. })));
    assert!(matches!(group.enqueue(3), Err(Error::Poisoned { .. })));
}

#[test]
fn a_log_that_begins_beyond_all_counting_is_corrupt() {
    // The first commit after it added to its sequence number and overflowed.
    for (first_seq, sound) in [(limits::NUMBER, true), (limits::NUMBER + 1, false), (u64::MAX, false)] {
        let vfs = MemVfs::new();
        vfs.create_dir(&Path::new(ROOT).join(names::LOGS)).unwrap();
        Log::create(&vfs, Path::new(ROOT), &UUID, ID, first_seq, Durability::None).unwrap();
        match replay_in(&vfs, 0) {
            Ok((_, end)) => assert!(sound && end.first_seq == first_seq),
            Err(e) => assert!(!sound && matches!(e, Error::Corrupt { offset: 80, .. }), "{e}"),
        }
    }
}

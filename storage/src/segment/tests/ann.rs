//! Search indexes of segments: written, opened, damaged.

use super::*;
use crate::limits;
use crate::section::SectionKind;
use crate::vfs::fault::{Fault, FaultVfs};

const NOTE: AnnNote = AnnNote { number: 17, rows: 7, built_as: 0xabcd, dim: 6 };

fn bytes(kind: SectionKind) -> Vec<u8> {
    let len = if kind == SectionKind::AnnRows { 40_000 } else { 50 };
    (0..len).map(|i: u32| (i * 7 + kind as u32) as u8).collect()
}

const KINDS: [SectionKind; 3] = [SectionKind::AnnHead, SectionKind::AnnCodec, SectionKind::AnnRows];

fn write_on(vfs: &dyn Vfs, root: &Path, note: AnnNote) -> Result<crate::sealed::FileRef> {
    let lengths = KINDS.map(|kind| (kind, bytes(kind).len() as u64));
    write_ann(vfs, root, &UUID, 5, note, &lengths, &mut |kind, out| {
        bytes(kind).chunks(1000).try_for_each(&mut *out)
    })
}

/// A segment with a search index.
fn indexed() -> (Arc<MemVfs>, SegmentRef, Layout, Vec<RowModel>) {
    let (vfs, reference, layout, models) = small(Element::F32, None);
    let file = write_on(&*vfs, Path::new(ROOT), NOTE).unwrap();
    (vfs, reference.with_ann(Some(file)), layout, models)
}

/// The sections as a reader gets them.
fn read(segment: &Segment) -> Result<Option<(AnnNote, Vec<Vec<u8>>)>> {
    let Some(ann) = segment.ann()? else { return Ok(None) };
    let section = |kind| {
        let section = ann.sections.expect(kind, 0, bytes(kind).len() as u64)?;
        section.get(0, section.len()).map(<[u8]>::to_vec)
    };
    Ok(Some((ann.note, KINDS.into_iter().map(section).collect::<Result<_>>()?)))
}

fn right() -> (AnnNote, Vec<Vec<u8>>) {
    (NOTE, KINDS.map(bytes).to_vec())
}

#[test]
fn a_search_index_reads_back_and_the_newest_one_named_is_opened() {
    let (vfs, reference, layout, models) = indexed();
    assert_eq!(reference.files.last().unwrap().name, "ann.17");
    for access in [Access::Map, Access::Read] {
        let segment = open(&vfs, &reference, &layout, access).unwrap();
        assert_eq!(read(&segment).unwrap(), Some(right()));
        assert_is(&segment, &models);
    }
    let newer = AnnNote { number: 100, ..NOTE };
    let mut both = reference.clone();
    both.files.insert(0, write_on(&*vfs, Path::new(ROOT), newer).unwrap());
    let segment = open(&vfs, &both, &layout, Access::Map).unwrap();
    assert_eq!(read(&segment).unwrap().unwrap().0, newer);
    assert_eq!(segment.verify(&mut |e| panic!("{e}")), Vec::<String>::new());
    let ann_bytes = |r: &SegmentRef| r.bytes(|part| matches!(part, names::Part::Ann(_)));
    assert_eq!(ann_bytes(&both), 2 * ann_bytes(&reference));
    assert_eq!(reference.bytes(|_| true) - ann_bytes(&reference), both.with_ann(None).bytes(|_| true));
    let none = open(&vfs, &both.with_ann(None), &layout, Access::Map).unwrap();
    assert!(none.ann().unwrap().is_none());
    assert_eq!(none.verify(&mut |e| panic!("{e}")), ["ann.100", "ann.17"], "they are named by nobody");
}

#[test]
fn an_index_for_another_dimension_is_not_used_and_one_over_other_rows_is_damage() {
    let (vfs, reference, ..) = indexed();
    let shorter = layout(&[3], Element::F32, None);
    assert!(open(&vfs, &reference, &shorter, Access::Map).unwrap().ann().unwrap().is_none());
    let root = Path::new(ROOT);
    for note in [AnnNote { rows: 8, ..NOTE }, AnnNote { number: 18, ..NOTE }] {
        let mut file = write_on(&*vfs, root, note).unwrap();
        if note.number == 18 {
            let bytes = vfs.read_file(root.join("seg/000005/ann.18")).unwrap();
            vfs.write_file(root.join("seg/000005/ann.17"), &bytes).unwrap();
            file.name = "ann.17".into();
        }
        let reference = reference.with_ann(Some(file));
        let layout = layout(&[3, 6], Element::F32, None);
        let segment = open(&vfs, &reference, &layout, Access::Map).unwrap();
        assert!(matches!(segment.ann(), Err(Error::Corrupt { .. })), "{note:?}");
    }
}

#[test]
fn every_damage_of_a_search_index_is_found_and_leaves_the_rows_alone() {
    let (vfs, reference, layout, models) = indexed();
    let path = Path::new(ROOT).join("seg/000005/ann.17");
    let good = vfs.read_file(&path).unwrap();
    let said = everything(&open(&vfs, &reference, &layout, Access::Map).unwrap(), &models).unwrap();
    let mut caught = 0;
    let mut try_with = |bytes: Option<Vec<u8>>, must_fail: bool| {
        let mut files = vfs.snapshot();
        match bytes {
            Some(bytes) => files.insert(path.clone(), bytes),
            None => files.remove(&path),
        };
        let disk = Arc::new(MemVfs::from_snapshot(files, vfs.folders()));
        for access in [Access::Map, Access::Read] {
            let segment = open(&disk, &reference, &layout, access).unwrap();
            match read(&segment) {
                Ok(found) => assert!(found == Some(right()) && !must_fail),
                Err(Error::Corrupt { file, .. }) => {
                    caught += 1;
                    assert_eq!(file, Path::new("seg/000005/ann.17"));
                    let mut found = Vec::new();
                    segment.verify(&mut |e| found.push(e));
                    assert!(found.iter().any(|e| matches!(e, Error::Corrupt { file: f, .. } if *f == file)));
                }
                Err(e) => panic!("{e}"),
            }
            if must_fail {
                assert_eq!(everything(&segment, &models).unwrap(), said);
            }
        }
    };
    for at in (0..good.len()).filter(|at| *at < 600 || at % 53 == 0 || *at > good.len() - 40) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        try_with(Some(bad), false);
    }
    for len in (0..good.len()).filter(|len| *len < 200 || len % 509 == 0) {
        try_with(Some(good[..len].to_vec()), true);
    }
    try_with(Some([&good[..], &[0]].concat()), true);
    try_with(None, true);
    assert!(caught > 2000, "{caught}");
}

#[test]
fn sections_of_other_lengths_than_announced_and_numbers_beyond_the_limit_are_refused() {
    let (vfs, ..) = indexed();
    let root = Path::new(ROOT);
    let write = |number: u64, lengths: &[(SectionKind, u64)], parts: &[&[u8]]| {
        let note = AnnNote { number, ..NOTE };
        write_ann(&*vfs, root, &UUID, 5, note, lengths, &mut |_, out| parts.iter().try_for_each(|p| out(p)))
    };
    let head = SectionKind::AnnHead;
    for (lengths, parts) in [(&[(head, 5)][..], &[&b"1234"[..]][..]), (&[(head, 5)], &[b"123", b"456"])] {
        let refused = write(50, lengths, parts);
        assert!(
            matches!(refused, Err(Error::Corrupt { file, .. }) if file == Path::new("seg/000005/ann.50"))
        );
    }
    let limit = |refused: Result<_>| match refused {
        Err(Error::LimitExceeded { limit, found, .. }) => assert_eq!(found, limit + 1),
        other => panic!("{other:?}"),
    };
    limit(write(limits::NUMBER + 1, &[], &[]));
    limit(write(50, &[(head, limits::SECTION_BYTES + 1)], &[]));
    limit(write(50, &[(head, 0); 1073], &[]));
    assert!(!vfs.snapshot().contains_key(&root.join("seg/000005/ann.50")), "nothing was left behind");
}

#[test]
fn what_was_written_survives_a_power_loss_and_a_failure_leaves_the_segment_as_it_was() {
    let (mem, reference, layout, models) = small(Element::F32, None);
    let fresh = || {
        let disk = FaultVfs::new();
        for folder in mem.folders() {
            disk.create_dir(&folder).unwrap();
        }
        for (path, bytes) in mem.snapshot() {
            let file = disk.create(&path).unwrap();
            file.write_at(0, &bytes).unwrap();
            file.sync().unwrap();
        }
        for folder in mem.folders() {
            disk.sync_dir(&folder).unwrap();
        }
        disk.sync_dir(Path::new(".")).unwrap();
        disk
    };
    let disk = fresh();
    let before = disk.steps();
    let file = write_on(&disk, Path::new(ROOT), NOTE).unwrap();
    let after = disk.steps();
    let with = reference.with_ann(Some(file));
    for image in disk.crash_images(3, 20) {
        let vfs: Arc<dyn Vfs> = Arc::new(image.disk.clone());
        let segment = Segment::open(vfs, Path::new(ROOT), &UUID, &with, &layout, Access::Map).unwrap();
        assert_eq!(read(&segment).unwrap(), Some(right()));
    }
    for step in before..after {
        for fault in [Fault::IoError, Fault::DiskFull] {
            let disk = Arc::new(fresh());
            disk.fail_at(step, fault);
            write_on(&*disk, Path::new(ROOT), NOTE).unwrap_err();
            disk.clear_faults();
            let segment =
                Segment::open(disk.clone(), Path::new(ROOT), &UUID, &reference, &layout, Access::Map)
                    .unwrap();
            assert_eq!(segment.verify(&mut |e| panic!("{e}")), Vec::<String>::new(), "{fault:?} at {step}");
            assert_is(&segment, &models);
            write_on(&*disk, Path::new(ROOT), NOTE).unwrap();
        }
    }
}

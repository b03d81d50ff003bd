//! Full-text indexes of segments: written, opened, damaged.

use super::*;
use crate::limits;
use crate::section::SectionKind;
use crate::vfs::fault::{Fault, FaultVfs};

const NOTE: TextNote = TextNote { number: 18, rows: 7, fields: 2 };

fn sections() -> Vec<TextSection> {
    let bytes = |len: u32| (0..len).map(|i| (i * 7) as u8).collect::<Vec<_>>();
    vec![
        (SectionKind::TextHead, 0, bytes(50)),
        (SectionKind::TextPostings, 0, bytes(40_000)),
        (SectionKind::TextHead, 1, bytes(51)),
    ]
}

fn write_on(vfs: &dyn Vfs, note: TextNote) -> Result<crate::sealed::FileRef> {
    write_text(vfs, Path::new(ROOT), &UUID, 5, note, sections())
}

fn indexed() -> (Arc<MemVfs>, SegmentRef, Layout, Vec<RowModel>) {
    let (vfs, reference, layout, models) = small(Element::F32, None);
    let file = write_on(&*vfs, NOTE).unwrap();
    (vfs, reference.with_text(Some(file)), layout, models)
}

fn read(segment: &Segment) -> Result<Vec<TextSection>> {
    let text = segment.text()?.expect("it is named");
    let section = |(kind, field, bytes): &TextSection| {
        let section = text.expect(*kind, *field, bytes.len() as u64)?;
        Ok((*kind, *field, section.get(0, section.len())?.to_vec()))
    };
    sections().iter().map(section).collect()
}

#[test]
fn a_full_text_index_reads_back_and_the_newest_one_named_is_opened() {
    let (vfs, reference, layout, models) = indexed();
    assert_eq!(reference.files.last().unwrap().name, "text.18");
    for access in [Access::Map, Access::Read] {
        let segment = open(&vfs, &reference, &layout, access).unwrap();
        segment.open_all().unwrap();
        assert_eq!(read(&segment).unwrap(), sections());
        assert_is(&segment, &models);
    }
    let mut both = reference.clone();
    both.files.insert(0, write_on(&*vfs, TextNote { number: 100, ..NOTE }).unwrap());
    assert_eq!(both.text().unwrap().0, 100);
    let segment = open(&vfs, &both, &layout, Access::Map).unwrap();
    assert_eq!(read(&segment).unwrap(), sections());
    assert_eq!(segment.verify(&mut |e| panic!("{e}")), Vec::<String>::new());
    let none = open(&vfs, &both.with_text(None), &layout, Access::Map).unwrap();
    assert!(none.text().unwrap().is_none());
    assert_eq!(none.verify(&mut |e| panic!("{e}")), ["text.100", "text.18"], "they are named by nobody");
}

#[test]
fn a_missing_or_foreign_index_is_damage_of_the_index_alone() {
    let (vfs, reference, layout, models) = indexed();
    let path = Path::new(ROOT).join(names::segment_dir(5)).join("text.18");
    let of_other_rows = write_on(&*vfs, TextNote { number: 19, rows: 8, ..NOTE }).unwrap();
    let foreign = reference.with_text(Some(of_other_rows));
    vfs.remove_file(&path).unwrap();
    for (reference, why) in [(&reference, "is missing"), (&foreign, "of 8 rows, the segment has 7")] {
        let segment = open(&vfs, reference, &layout, Access::Map).unwrap();
        segment.open_all().unwrap();
        assert_eq!(segment.find(models[0].key.as_ref()).unwrap(), Some(0));
        let error = segment.text().unwrap_err().to_string();
        assert!(error.contains("text.1") && error.contains(why), "{error}");
        let mut found = 0;
        segment.verify(&mut |_| found += 1);
        assert_eq!(found, 1);
    }
}

#[test]
fn an_index_that_cannot_be_written_leaves_no_file() {
    let folder = Path::new(ROOT).join(names::segment_dir(5));
    let fresh = || {
        let disk = FaultVfs::new();
        disk.create_dir(&folder).unwrap();
        disk
    };
    let disk = fresh();
    let before = disk.steps();
    write_on(&disk, NOTE).unwrap();
    let after = disk.steps();
    assert!(after > before + 2);
    for step in before..after {
        for fault in [Fault::IoError, Fault::DiskFull] {
            let disk = fresh();
            disk.fail_at(step, fault);
            write_on(&disk, NOTE).unwrap_err();
            disk.clear_faults();
            assert_eq!(disk.read_dir(&folder).unwrap(), Vec::<String>::new(), "{fault:?} at step {step}");
        }
    }
}

#[test]
fn limits_are_kept() {
    let (vfs, ..) = small(Element::F32, None);
    let refused = |note| match write_on(&*vfs, note) {
        Err(Error::LimitExceeded { limit, found, .. }) => assert_eq!(found, limit + 1),
        other => panic!("{other:?}"),
    };
    refused(TextNote { number: limits::NUMBER + 1, ..NOTE });
    refused(TextNote { fields: limits::TEXT_FIELDS as u16 + 1, ..NOTE });
}

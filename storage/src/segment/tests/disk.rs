//! Segments on disks that fail, lose power, or are real.

use roaring::RoaringBitmap;

use super::*;
use crate::section::tombstones::{read_tombstones, write_tombstones};
use crate::vfs::fault::{Fault, FaultVfs};
use crate::vfs::os::OsVfs;

fn example() -> (Layout, Block) {
    let layout = layout(&[3, 6], Element::F16, Some(VarianceLayout::DiagonalLog8));
    let block = batch(&layout, (0, 40), KeyForm::Mixed, |i| (i % 2) as usize, json);
    (layout, block)
}

fn seal_on(vfs: &dyn Vfs, root: &Path, (layout, block): &(Layout, Block)) -> Result<SegmentRef> {
    let rows = BlockRows { block, layout, first: 9 };
    let index = DocumentIndex { columns: example_columns(40), ..DocumentIndex::default() };
    write(vfs, root, &UUID, 1, layout, &[&rows], &all(0, 40), &index, &mut |_| true).map(Option::unwrap)
}

fn assert_whole(vfs: Arc<dyn Vfs>, root: &Path, reference: &SegmentRef, (layout, block): &(Layout, Block)) {
    let rows = BlockRows { block, layout, first: 9 };
    let models: Vec<_> = (0..40).map(|i| model(&rows, i).unwrap()).collect();
    for access in [Access::Map, Access::Read] {
        let segment = Segment::open(vfs.clone(), root, &UUID, reference, layout, access).unwrap();
        assert_is(&segment, &models);
    }
}

#[test]
fn what_write_returned_survives_a_power_loss() {
    let (example, root) = (example(), Path::new("/db"));
    let disk = FaultVfs::new();
    disk.create_dir(root).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let reference = seal_on(&disk, root, &example).unwrap();
    let deleted: RoaringBitmap = [3, 7, 39].into_iter().collect();
    let tombstones = write_tombstones(&disk, root, &UUID, 1, 1, &deleted).unwrap();
    let images = disk.crash_images(5, 30);
    assert!(images.len() > 3);
    for image in images {
        let vfs = Arc::new(image.disk.clone());
        let read = read_tombstones(&*vfs, root, &UUID, 1, 1, &tombstones, 40).unwrap();
        assert_eq!(read, deleted);
        assert_whole(vfs, root, &reference, &example);
    }
}

#[test]
fn a_failure_at_any_step_is_an_error_and_the_segment_can_be_written_again() {
    let (example, root) = (example(), Path::new("/db"));
    let fresh = || {
        let disk = FaultVfs::new();
        disk.create_dir(root).unwrap();
        disk
    };
    let whole = fresh();
    let first = whole.steps();
    seal_on(&whole, root, &example).unwrap();
    assert!(whole.steps() > first + 10);
    for step in first..whole.steps() {
        for fault in [Fault::IoError, Fault::DiskFull, Fault::Crash] {
            let disk = fresh();
            disk.fail_at(step, fault);
            let failed = seal_on(&disk, root, &example);
            assert!(matches!(failed, Err(Error::Io { .. })), "step {step}: {:?}", disk.journal());
            if fault == Fault::Crash {
                continue;
            }
            let left = disk.read_dir(&root.join("seg/000001")).unwrap_or_default();
            assert!(left.is_empty(), "step {step} left {left:?}");
            disk.clear_faults();
            let reference = seal_on(&disk, root, &example).unwrap();
            assert_whole(Arc::new(disk), root, &reference, &example);
        }
    }
}

#[test]
fn a_segment_on_the_real_disk_reads_back() {
    let (example, dir) = (example(), tempfile::tempdir().unwrap());
    let vfs = Arc::new(OsVfs::new());
    let reference = seal_on(&*vfs, dir.path(), &example).unwrap();
    assert_whole(vfs.clone(), dir.path(), &reference, &example);
    let deleted: RoaringBitmap = (5..9).collect();
    let file = write_tombstones(&*vfs, dir.path(), &UUID, 1, 4, &deleted).unwrap();
    assert_eq!(read_tombstones(&*vfs, dir.path(), &UUID, 1, 4, &file, 9).unwrap(), deleted);
}

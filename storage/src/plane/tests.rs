use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::bytes::ALIGN;
use crate::layout::Element;
use crate::sealed::Access;
use crate::segment::Folder;
use crate::vfs::Vfs;
use crate::vfs::mem::MemVfs;

fn layout() -> Layout {
    Layout { levels: vec![3, 40], element: Element::F16, variance: Some(VarianceLayout::Scalar) }
}

fn disk() -> Arc<MemVfs> {
    let vfs = MemVfs::new();
    vfs.create_dir(Path::new("db/seg/000005")).unwrap();
    Arc::new(vfs)
}

fn folder(vfs: &MemVfs) -> Folder<'_> {
    Folder { vfs, root: Path::new("db"), uuid: &[7; 16], id: 5 }
}

#[test]
fn rows_lie_a_stride_apart_and_those_without_the_level_are_zeros() {
    let vfs = disk();
    let shape = Shape::of_vectors(&layout(), 1);
    let mut writer = PlaneWriter::new(folder(&vfs), shape);
    let rows = [None, None, Some([3u8; 74]), None, Some([9; 74])];
    rows.iter().for_each(|row| writer.push(row.as_ref().map(|r| &r[..])).unwrap());
    let file = writer.finish().unwrap().unwrap();
    assert_eq!(file.name, "plane.1");
    for access in [Access::Map, Access::Read] {
        let sealed = folder(&vfs).open(&file, shape.kind(), access).unwrap();
        let plane = Plane::new(sealed, shape, 5).unwrap();
        assert_eq!((plane.stride(), plane.width(), plane.len()), (128, 74, 5));
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(&*plane.row(i as u32).unwrap(), &row.unwrap_or([0; 74])[..]);
        }
        let some = plane.rows(2..5).unwrap();
        assert_eq!((some.len(), some.as_ptr() as usize % ALIGN), (384, 0));
        assert_eq!(
            (&some[..74], &some[74..256], &some[256..330]),
            (&[3; 74][..], &[0; 182][..], &[9; 74][..])
        );
        assert!(plane.rows(0..0).unwrap().is_empty());
        assert!(plane.row(5).is_err() && plane.rows(2..6).is_err() && plane.rows(5..6).is_err());
        #[expect(clippy::reversed_empty_ranges, reason = "the point of the test")]
        let reversed = plane.rows(3..2);
        assert!(reversed.is_err());
    }
}

#[test]
fn a_level_that_no_row_has_makes_no_file() {
    let vfs = disk();
    let mut writer = PlaneWriter::new(folder(&vfs), Shape::of_vectors(&layout(), 1));
    writer.push(None).unwrap();
    assert_eq!(writer.finish().unwrap(), None);
    assert!(vfs.read_dir(Path::new("db/seg/000005")).unwrap().is_empty());
}

#[test]
fn a_plane_of_another_shape_is_refused() {
    let vfs = disk();
    let shape = Shape::of_vectors(&layout(), 0);
    let mut writer = PlaneWriter::new(folder(&vfs), shape);
    assert!(writer.push(Some(&[1; 7])).is_err(), "a row of the wrong width");
    writer.push(Some(&[1; 6])).unwrap();
    let file = writer.finish().unwrap().unwrap();
    let open = |shape: Shape, rows| {
        Plane::new(folder(&vfs).open(&file, Kind::Plane, Access::Map).unwrap(), shape, rows).map(|_| ())
    };
    assert!(open(shape, 1).is_ok());
    assert!(open(shape, 2).is_err());
    assert!(open(Shape::of_vectors(&layout(), 1), 1).is_err());
    assert!(open(Shape::of_vectors(&Layout { element: Element::BF16, ..layout() }, 0), 1).is_err());
    assert_eq!(Shape::of_variances(&layout(), 0).unwrap().width(), 4);
    assert_eq!(Shape::of_variances(&layout(), 1), None);
}

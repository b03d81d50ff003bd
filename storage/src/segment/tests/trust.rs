//! Tables of how far a search index can be trusted: written, opened, damaged.

use super::*;
use crate::limits;

const NUMBER: u64 = 19;
const TABLE: [u8; 300] = [7; 300];

fn write_on(vfs: &dyn Vfs, rows: u32, table: &[u8]) -> Result<crate::sealed::FileRef> {
    write_trust(vfs, Path::new(ROOT), &UUID, 5, (NUMBER, rows), table)
}

#[test]
fn a_table_reads_back_with_its_index_and_goes_with_it() {
    let (vfs, reference, layout, models) = small(Element::F32, None);
    let file = write_on(&*vfs, reference.rows, &TABLE).unwrap();
    assert_eq!(file.name, "trust.19");
    let reference = reference.with_trust(Some(file));
    for access in [Access::Map, Access::Read] {
        let segment = open(&vfs, &reference, &layout, access).unwrap();
        assert_eq!(segment.trust(NUMBER).unwrap().unwrap(), TABLE);
        assert_eq!(segment.trust(NUMBER + 1).unwrap(), None, "that is of another index");
        assert_eq!(segment.verify(&mut |e| panic!("{e}")), Vec::<String>::new());
        assert_is(&segment, &models);
    }
    let without = open(&vfs, &reference.with_ann(None), &layout, Access::Map).unwrap();
    assert_eq!(without.trust(NUMBER).unwrap(), None);
}

#[test]
fn damage_of_a_table_is_named_and_leaves_the_rows_as_they_are() {
    let (vfs, reference, layout, _) = small(Element::F32, None);
    let of_others = write_on(&*vfs, reference.rows + 1, &TABLE).unwrap();
    let segment = open(&vfs, &reference.with_trust(Some(of_others)), &layout, Access::Read).unwrap();
    assert!(segment.trust(NUMBER).unwrap_err().to_string().contains("table of confidence 19"));

    let file = write_on(&*vfs, reference.rows, &TABLE).unwrap();
    let reference = reference.with_trust(Some(file));
    let path = Path::new(ROOT).join("seg/000005/trust.19");
    let good = vfs.read_file(&path).unwrap();
    for at in (0..good.len()).step_by(11) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        vfs.write_file(&path, &bytes).unwrap();
        let segment = open(&vfs, &reference, &layout, Access::Map).unwrap();
        let read = segment.trust(NUMBER);
        assert!(read.is_err() || read.unwrap().unwrap() == TABLE, "byte {at}");
        assert!((0..reference.rows).all(|row| segment.readable(row)));
    }
    vfs.remove_file(&path).unwrap();
    let segment = open(&vfs, &reference, &layout, Access::Map).unwrap();
    assert!(segment.trust(NUMBER).unwrap_err().to_string().contains("missing"));
    let mut damage = 0;
    segment.verify(&mut |_| damage += 1);
    assert!(damage > 0);
    assert!((0..reference.rows).all(|row| segment.readable(row)));
}

#[test]
fn a_table_has_a_limit() {
    let (vfs, reference, ..) = small(Element::F32, None);
    let table = vec![0; limits::TRUST_BYTES as usize + 1];
    match write_on(&*vfs, reference.rows, &table) {
        Err(Error::LimitExceeded { limit, found, .. }) => {
            assert_eq!((limit, found), (limits::TRUST_BYTES, limits::TRUST_BYTES + 1));
        }
        other => panic!("{other:?}"),
    }
}

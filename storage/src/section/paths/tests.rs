//! Lists of paths: what is written reads back, and no bytes make a list that was not written so.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::sealed::Access;
use crate::section::SectionWriter;
use crate::section::tests::written;

fn open(bytes: &[u8], access: Access) -> Result<Option<Paths>> {
    let mut sections = SectionWriter::new();
    sections.add(SectionKind::Paths, 0, bytes.to_vec());
    Paths::open(&written(sections, access))
}

fn corrupt(bytes: &[u8]) -> String {
    match open(bytes, Access::Map) {
        Err(Error::Corrupt { file, why, .. }) => {
            assert_eq!(file, Path::new("index"));
            why
        }
        other => panic!("{other:?}"),
    }
}

fn list(names: impl IntoIterator<Item = String>) -> Result<Paths> {
    Paths::new(4, names.into_iter().collect())
}

#[test]
fn contradictions_are_refused() {
    let bytes = list(["a", "a.b", "é"].map(String::from)).unwrap().encode();
    assert_eq!(bytes.len(), 8 + 4 * 4 + 6);
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        corrupt(&bytes)
    };
    assert!(corrupt(&bytes[..7]).contains("reach beyond"));
    assert!(corrupt(&bytes[..bytes.len() - 1]).contains("do not span"));
    assert!(corrupt(&[&bytes[..], &[0]].concat()).contains("do not span"));
    assert!(with(0, 9).contains("not a list of 9 paths"));
    assert!(with(3, 0xff).contains("not a list"));
    assert!(with(8, 1).contains("do not span"));
    assert!(with(12, 7).contains("cannot stand at 0..7 of 6"));
    assert!(with(16, 0).contains("cannot stand at 1..0"));
    assert!(with(24, b'b').contains("does not ascend"));
    assert!(with(bytes.len() - 1, b'x').contains("not UTF-8"));
}

#[test]
fn a_list_keeps_within_its_limits() {
    let count = limits::PATHS as usize;
    let most: Vec<String> = (0..count).map(|i| format!("f{i:04}")).collect();
    let full = list(most.clone()).unwrap();
    assert_eq!(open(&full.encode(), Access::Read).unwrap(), Some(full));
    let refused = list(most.iter().cloned().chain(["g".to_string()]));
    assert!(matches!(refused, Err(Error::LimitExceeded { what: "listed paths", found: 257, .. })));
    let forged = Paths { steps: 4, names: (0..=count).map(|i| format!("f{i:04}")).collect() };
    assert!(corrupt(&forged.encode()).contains("not a list of 257 paths"));

    let long = |len: u64| "n".repeat(len as usize);
    let full = list([long(limits::PATHS_BYTES)]).unwrap();
    assert_eq!(open(&full.encode(), Access::Map).unwrap(), Some(full));
    let refused = list([long(limits::PATHS_BYTES + 1)]);
    assert!(matches!(refused, Err(Error::LimitExceeded { what: "listed paths in bytes", .. })));
    let forged = Paths { steps: 4, names: BTreeSet::from([long(limits::PATHS_BYTES + 1)]) };
    assert!(corrupt(&forged.encode()).contains("not a list of 1 paths"));
}

proptest! {
    #[test]
    fn any_list_gives_back_its_paths(
        names in proptest::collection::btree_set(".{0,5}", 0..40), steps in any::<u32>(), map in any::<bool>(),
    ) {
        let paths = Paths::new(steps, names.clone()).unwrap();
        let access = if map { Access::Map } else { Access::Read };
        let found = open(&paths.encode(), access).unwrap().unwrap();
        prop_assert_eq!(&found, &paths);
        prop_assert!(found.names().eq(names.iter().map(String::as_str)));
        prop_assert!(names.iter().all(|name| found.contains(name)) && !found.contains("not there"));
    }

    #[test]
    fn forged_lists_are_errors_or_other_lists(
        names in proptest::collection::btree_set("[a-c]{0,3}", 0..20),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Paths::new(4, names).unwrap().encode();
        for (at, to, head) in flips {
            let at = at.index(if head { 12 } else { bytes.len() });
            bytes[at] = to;
        }
        bytes.truncate(cut.index(bytes.len() * 2));
        let found = [Access::Map, Access::Read].map(|access| open(&bytes, access));
        prop_assert_eq!(found[0].is_ok(), found[1].is_ok());
        for found in found {
            match found {
                // What is read is what was written: nothing is left over, nothing made up.
                Ok(found) => prop_assert_eq!(found.unwrap().encode(), bytes.clone()),
                Err(e) => prop_assert!(matches!(&e, Error::Corrupt { .. }), "{}", e),
            }
        }
    }
}

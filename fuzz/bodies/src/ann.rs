//! Body of the target for search indexes: the sections of an `ann.N` file, opened and searched.
//!
//! The input is a byte for the metric, two for the number of rows, and parts: the tag is the place of the section's kind in
//! [`SECTIONS`]. What opens is searched with several efforts: with and without a filter, at full length and
//! with a prefix of the query, as for the neighbours of one of its rows.
//! An index may be wrong about distances, but not about rows: what it finds is of the segment.
//!
//! Reads from: the input. Writes to: a disk in memory. Never: more than a bounded number of steps.

use std::path::Path;

use foretaste_query::index::{Ask, Index, Scratch};
use foretaste_query::metric::Metric;
use foretaste_storage::codec::header::Kind;
use foretaste_storage::sealed::{Access, SealedFile, SealedWriter};
use foretaste_storage::section::{SectionFile, SectionKind, SectionWriter};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;

use crate::UUID;
use crate::input::Input;

/// The kinds of section that a part's tag names, in their order.
pub const SECTIONS: [SectionKind; 7] = [
    SectionKind::AnnHead,
    SectionKind::AnnCodec,
    SectionKind::AnnCentroids,
    SectionKind::AnnCells,
    SectionKind::AnnNodes,
    SectionKind::AnnLayers,
    SectionKind::AnnRows,
];

/// Most steps of a search: a hostile graph has as many as it likes.
const STEPS: u64 = 2000;

/// Opens and searches an index of hostile sections.
pub fn ann(data: &[u8]) {
    let mut input = Input::new(data);
    let metric = [Metric::Cosine, Metric::Dot, Metric::L2][input.below(3)];
    let rows = u32::from(input.short());
    let mut sections = SectionWriter::new();
    while let Some((tag, bytes)) = input.part() {
        if let Some(kind) = SECTIONS.get(usize::from(tag)) {
            sections.add(*kind, 0, bytes.to_vec());
        }
    }
    let disk = MemVfs::new();
    let folder = Path::new("d");
    disk.create_dir(folder).expect("a folder in memory");
    let path = folder.join("ann");
    let writer = SealedWriter::create(&disk, &path, Kind::Index, &UUID, 1).expect("a file in memory");
    let Ok(file) = sections.finish(writer, [0; 4]) else { return };
    for access in [Access::Map, Access::Read] {
        let owner = (Kind::Index, &UUID, 1);
        let sealed = SealedFile::open(&disk, folder, "ann".into(), &file, owner, access);
        let opened = sealed.and_then(|sealed| SectionFile::new(sealed, access)).expect("what was written");
        // Which sections are there, and how long, decides; so both ways give the same.
        if let Ok(index) = Index::open(&opened, rows, metric) {
            search(&index, rows);
        }
    }
}

fn search(index: &Index, rows: u32) {
    let mut scratch = Scratch::default();
    let query: Vec<f32> = (0..index.dims()).map(|i| 1.0 - (i % 3) as f32).collect();
    let odd = |row: u32| Ok(row % 2 == 1);
    for (ef, vector) in [(1, &query[..]), (40, &query[..]), (10, &query[..query.len() / 2])] {
        for filtered in [false, true] {
            let without = (ef == 10 && rows > 0).then_some(rows / 2);
            let ask = Ask {
                vector,
                ef,
                nprobe: ef,
                wanted: ef,
                accept: if filtered { Some(&odd) } else { None },
                share: if filtered && ef < 40 { Some(0.5) } else { None },
                without,
                cancel: &|| false,
                steps: STEPS,
            };
            if index.search(&ask, &mut scratch).is_ok() {
                for found in scratch.nearest(ef) {
                    assert!(found.row < rows, "row {} of {rows}", found.row);
                    assert!(!filtered || found.row % 2 == 1, "row {} was refused", found.row);
                }
            }
            if index.compare(vector, &mut (0..rows.min(ef as u32)), &|| false, &mut scratch).is_ok() {
                assert!(scratch.nearest(ef).iter().all(|found| found.row < rows));
            }
        }
    }
}

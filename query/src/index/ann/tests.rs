use std::ops::Range;
use std::path::Path;

use foretaste_storage::bytes::Span;
use foretaste_storage::codec::header::Kind;
use foretaste_storage::layout::Element;
use foretaste_storage::sealed::{Access, SealedFile, SealedWriter};
use foretaste_storage::section::SectionWriter;
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;
use foretaste_storage::{Error, Result, limits};

use super::*;
use crate::index::parallel::mix;
use crate::index::{HnswParams, RotationKind, Source, Strip, Task};

/// More rows than a graph may have, none of which can be read.
struct Huge;

impl Source for Huge {
    fn rows(&self) -> u32 {
        limits::GRAPH_NODES as u32 + 1
    }
    fn element(&self) -> Element {
        Element::F32
    }
    fn levels(&self) -> &[u32] {
        &[4]
    }
    fn strips<'a>(&'a self, _: Range<u32>, _: usize, _: &mut Vec<Strip<'a>>) -> Result<()> {
        Err(Error::Poisoned { why: "read".into() })
    }
    fn width(&self, _: u32) -> usize {
        4
    }
    fn uniform_width(&self) -> Option<usize> {
        Some(4)
    }
    fn scale(&self, _: u32) -> f32 {
        1.0
    }
}

#[test]
fn more_rows_or_larger_parameters_than_the_limits_are_refused_before_a_row_is_read() {
    let refused = |params: HnswParams| {
        let task = Task {
            metric: Metric::L2,
            spec: Spec::Hnsw(params),
            rotation: RotationKind::Pca,
            threads: 1,
            seed: 0,
            progress: &|_, _| true,
        };
        match build(&Huge, &task) {
            Err(Error::LimitExceeded { limit, found, .. }) => (limit, found),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("built"),
        }
    };
    let usual = HnswParams::default();
    assert_eq!(refused(usual), (limits::GRAPH_NODES, limits::GRAPH_NODES + 1));
    let m = limits::GRAPH_LINKS as u32 + 1;
    assert_eq!(refused(HnswParams { m, ..usual }), (limits::GRAPH_LINKS, u64::from(m)));
    let ef_construction = limits::GRAPH_CANDIDATES as u32 + 1;
    let expected = (limits::GRAPH_CANDIDATES, u64::from(ef_construction));
    assert_eq!(refused(HnswParams { ef_construction, ..usual }), expected);
}

/// Rows of equal length in memory.
struct Table {
    bytes: Vec<u8>,
    levels: [u32; 1],
}

impl Table {
    fn new(rows: usize, dims: usize, number: impl Fn(usize, usize) -> f32) -> Table {
        let numbers = (0..rows * dims).flat_map(|i| number(i / dims, i % dims).to_le_bytes());
        Table { bytes: numbers.collect(), levels: [dims as u32] }
    }

    fn stride(&self) -> usize {
        self.levels[0] as usize * 4
    }

    fn row(&self, row: usize) -> Vec<f32> {
        let bytes = &self.bytes[row * self.stride()..(row + 1) * self.stride()];
        bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }
}

impl Source for Table {
    fn rows(&self) -> u32 {
        (self.bytes.len() / self.stride()) as u32
    }
    fn element(&self) -> Element {
        Element::F32
    }
    fn levels(&self) -> &[u32] {
        &self.levels
    }
    fn strips<'a>(&'a self, range: Range<u32>, _: usize, out: &mut Vec<Strip<'a>>) -> Result<()> {
        let stride = self.stride();
        let bytes = &self.bytes[range.start as usize * stride..range.end as usize * stride];
        out.push(Strip { dims: 0..self.levels[0] as usize, bytes: Span::Borrowed(bytes), stride });
        Ok(())
    }
    fn width(&self, _: u32) -> usize {
        self.levels[0] as usize
    }
    fn uniform_width(&self) -> Option<usize> {
        Some(self.levels[0] as usize)
    }
    fn scale(&self, _: u32) -> f32 {
        1.0
    }
}

fn built(table: &Table, metric: Metric, params: HnswParams, threads: usize) -> Vec<(SectionKind, Vec<u8>)> {
    let task = Task {
        metric,
        spec: Spec::Hnsw(params),
        rotation: RotationKind::Pca,
        threads,
        seed: 7,
        progress: &|_, _| true,
    };
    let built = build(table, &task).unwrap().unwrap();
    let section = |(kind, len): (SectionKind, u64)| {
        let mut bytes = Vec::new();
        let gather = &mut |some: &[u8]| {
            bytes.extend_from_slice(some);
            Ok(())
        };
        built.write(kind, gather).unwrap();
        assert_eq!(bytes.len() as u64, len, "{kind:?} is as long as announced");
        (kind, bytes)
    };
    built.sections().into_iter().map(section).collect()
}

fn opened(sections: Vec<(SectionKind, Vec<u8>)>, rows: u32, metric: Metric) -> Index {
    let (disk, folder) = (MemVfs::new(), Path::new("d"));
    disk.create_dir(folder).unwrap();
    let mut writer = SectionWriter::new();
    sections.into_iter().for_each(|(kind, bytes)| writer.add(kind, 0, bytes));
    let sealed = SealedWriter::create(&disk, &folder.join("ann"), Kind::Index, &[1; 16], 1).unwrap();
    let file = writer.finish(sealed, [0; 4]).unwrap();
    let owner = (Kind::Index, &[1; 16], 1);
    let sealed = SealedFile::open(&disk, folder, "ann".into(), &file, owner, Access::Map).unwrap();
    Index::open(&SectionFile::new(sealed, Access::Map).unwrap(), rows, metric).unwrap()
}

#[test]
fn with_as_many_candidates_as_rows_a_graph_finds_every_row_once() {
    let random = |seed: u64| {
        move |row: usize, dim: usize| (mix(seed ^ mix((row * 4096 + dim) as u64)) % 2001) as f32 - 1000.0
    };
    // Groups far apart, many equal rows, and rows that are nothing but zeros.
    let apart = |row: usize, dim: usize| (row % 5) as f32 * 1e4 + random(3)(row, dim) * 1e-2;
    let equal = |row: usize, dim: usize| (row % 3) as f32 + dim as f32;
    let cases: Vec<(&str, Table)> = vec![
        ("one", Table::new(1, 3, random(1))),
        ("two", Table::new(2, 1, random(1))),
        ("fewer than links", Table::new(20, 50, random(2))),
        ("random", Table::new(3000, 17, random(4))),
        ("one dimension", Table::new(700, 1, random(5))),
        ("wide", Table::new(400, 130, random(6))),
        ("groups", Table::new(3000, 8, apart)),
        ("equal", Table::new(2500, 4, equal)),
        ("zeros", Table::new(1200, 4, |_, _| 0.0)),
    ];
    for (name, table) in &cases {
        for metric in [Metric::L2, Metric::Cosine, Metric::Dot] {
            for (m, edge_bits) in [(2, Some(1)), (16, None), (16, Some(0))] {
                let params = HnswParams { m, ef_construction: 40, edge_bits };
                let rows = table.rows();
                let index = opened(built(table, metric, params, 2), rows, metric);
                let mut scratch = Scratch::default();
                let query = table.row(rows as usize / 2);
                let ask = Ask {
                    vector: &query,
                    ef: rows as usize,
                    nprobe: 0,
                    wanted: rows as usize,
                    accept: None,
                    share: None,
                    without: None,
                    cancel: &|| false,
                    steps: u64::MAX,
                };
                index.search(&ask, &mut scratch).unwrap();
                let mut found: Vec<u32> = scratch.nearest(usize::MAX).iter().map(|f| f.row).collect();
                found.sort_unstable();
                assert!(found.iter().copied().eq(0..rows), "{name} {metric:?} m {m} {edge_bits:?}");
                // Among those that pass: those, each once, by the search and by their codes.
                for part in [1, 2, 7, 400] {
                    let accept = |row: u32| Ok(row.is_multiple_of(part));
                    let among = Ask { accept: Some(&accept), share: Some(1.0 / part as f32), ..ask };
                    index.search(&among, &mut scratch).unwrap();
                    let mut found = scratch.nearest(usize::MAX).to_vec();
                    found.sort_unstable_by_key(|f| f.row);
                    let passing = || (0..rows).step_by(part as usize);
                    assert!(found.iter().map(|f| f.row).eq(passing()), "{name} {metric:?} m {m} 1 of {part}");
                    let compared = index.compare(&query, &mut passing(), &|| false, &mut scratch).unwrap();
                    assert_eq!(compared, found.len() as u64);
                    let mut coded = scratch.nearest(usize::MAX).to_vec();
                    coded.sort_unstable_by_key(|f| f.row);
                    assert_eq!(coded, found);
                }
            }
        }
    }
}

/// The filter was forgotten when a row was left out besides.
#[test]
fn a_row_that_is_left_out_leaves_the_filter_in_force() {
    let table = Table::new(600, 8, |row, dim| (mix((row * 64 + dim) as u64) % 997) as f32);
    let params = HnswParams { m: 8, ef_construction: 60, edge_bits: None };
    let index = opened(built(&table, Metric::L2, params, 2), 600, Metric::L2);
    let even = |row: u32| Ok(row.is_multiple_of(2));
    let query = table.row(4);
    let mut scratch = Scratch::default();
    for (share, without) in [(None, Some(4)), (None, Some(5)), (Some(0.5), Some(4))] {
        let ask = Ask {
            vector: &query,
            ef: 600,
            nprobe: 0,
            wanted: 600,
            accept: Some(&even),
            share,
            without,
            cancel: &|| false,
            steps: u64::MAX,
        };
        index.search(&ask, &mut scratch).unwrap();
        let mut found: Vec<u32> = scratch.nearest(usize::MAX).iter().map(|f| f.row).collect();
        found.sort_unstable();
        let wanted = (0..600).step_by(2).filter(|row| Some(*row) != without);
        assert!(found.into_iter().eq(wanted), "without {without:?}, a share of {share:?}");
    }
}

#[test]
fn a_graph_does_not_depend_on_the_number_of_threads() {
    let table = Table::new(2000, 24, |row, dim| (mix((row * 64 + dim) as u64) % 997) as f32);
    let params = HnswParams { m: 8, ef_construction: 60, edge_bits: None };
    assert!(built(&table, Metric::L2, params, 1) == built(&table, Metric::L2, params, 3));
}

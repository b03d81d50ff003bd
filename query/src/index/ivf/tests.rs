use std::ops::Range;
use std::path::{Path, PathBuf};

use foretaste_storage::bytes::Span;
use foretaste_storage::codec::header::Kind;
use foretaste_storage::layout::Element;
use foretaste_storage::sealed::{Access, SealedFile, SealedWriter};
use foretaste_storage::section::{SectionFile, SectionKind, SectionWriter};
use foretaste_storage::vfs::Vfs;
use foretaste_storage::vfs::mem::MemVfs;
use foretaste_storage::{Error, limits};

use crate::index::parallel::mix;
use crate::index::{Ask, Found, Index, IvfParams, RotationKind, Scratch, Source, Spec, Stage, Strip, Task};
use crate::index::{Walk, build};
use crate::kernel::exact;
use crate::metric::Metric;

const METRICS: [Metric; 3] = [Metric::L2, Metric::Cosine, Metric::Dot];
const K: usize = 10;

struct Plain {
    numbers: Vec<f32>,
    levels: [u32; 1],
}

impl Plain {
    fn dims(&self) -> usize {
        self.levels[0] as usize
    }
    fn row(&self, row: usize) -> &[f32] {
        &self.numbers[row * self.dims()..][..self.dims()]
    }
}

impl Source for Plain {
    fn rows(&self) -> u32 {
        (self.numbers.len() / self.dims()) as u32
    }
    fn element(&self) -> Element {
        Element::F32
    }
    fn levels(&self) -> &[u32] {
        &self.levels
    }
    fn strips<'a>(
        &'a self,
        range: Range<u32>,
        _dims: usize,
        out: &mut Vec<Strip<'a>>,
    ) -> foretaste_storage::Result<()> {
        let stride = self.dims() * 4;
        let bytes = bytemuck::cast_slice(&self.numbers);
        let bytes = Span::Borrowed(&bytes[range.start as usize * stride..range.end as usize * stride]);
        out.push(Strip { dims: 0..self.dims(), bytes, stride });
        Ok(())
    }
    fn width(&self, _row: u32) -> usize {
        self.dims()
    }
    fn uniform_width(&self) -> Option<usize> {
        Some(self.dims())
    }
    fn scale(&self, _row: u32) -> f32 {
        1.0
    }
}

/// Rows around `clusters` places, off the origin.
fn clustered(rows: usize, dims: usize, clusters: usize, seed: u64) -> Plain {
    let number = |i: u64| (mix(seed ^ mix(i)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    let value = |row: usize, dim: usize| {
        let place = number((mix(row as u64) as usize % clusters * dims + dim) as u64 | 1 << 40);
        0.5 + 3.0 * place + number((row * dims + dim) as u64)
    };
    let numbers = (0..rows * dims).map(|i| value(i / dims, i % dims)).collect();
    Plain { numbers, levels: [dims as u32] }
}

type Sections = Vec<(SectionKind, Vec<u8>)>;

fn sections(source: &Plain, metric: Metric, nlist: Option<u32>, threads: usize) -> Sections {
    let spec = Spec::Ivf(IvfParams { nlist });
    let task = Task { metric, spec, rotation: RotationKind::Pca, threads, seed: 7, progress: &|_, _| true };
    let built = build(source, &task).unwrap().unwrap();
    let section = |(kind, len): (SectionKind, u64)| {
        let mut bytes = Vec::new();
        built
            .write(kind, &mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        assert_eq!(bytes.len() as u64, len, "{kind:?}");
        (kind, bytes)
    };
    built.sections().into_iter().map(section).collect()
}

fn open(sections: &Sections, rows: u32, metric: Metric) -> foretaste_storage::Result<Index> {
    let (vfs, at) = (MemVfs::new(), Path::new("d/ann"));
    vfs.create_dir(Path::new("d")).unwrap();
    let mut writer = SectionWriter::new();
    sections.iter().for_each(|(kind, bytes)| writer.add(*kind, 0, bytes.clone()));
    let id = (Kind::Index, &[1; 16], 1);
    writer.finish(SealedWriter::create(&vfs, at, id.0, id.1, id.2).unwrap(), [0; 4]).unwrap();
    let file = vfs.open(at).unwrap();
    let sealed = SealedFile::open_unnamed(file, PathBuf::from("ann"), id, Access::Map).unwrap();
    Index::open(&SectionFile::new(sealed, Access::Map).unwrap(), rows, metric)
}

fn indexed(source: &Plain, metric: Metric, nlist: Option<u32>) -> Index {
    open(&sections(source, metric, nlist, 2), source.rows(), metric).unwrap()
}

fn ask<'a>(vector: &'a [f32], nprobe: usize) -> Ask<'a> {
    let (wanted, cancel) = (K + 26, &|| false);
    Ask { vector, ef: 0, nprobe, wanted, accept: None, cancel, steps: u64::MAX, share: None, without: None }
}

fn find(index: &Index, ask: &Ask<'_>) -> (Vec<Found>, Walk) {
    let mut scratch = Scratch::default();
    let walk = index.search(ask, &mut scratch).unwrap();
    (scratch.nearest(ask.wanted).to_vec(), walk)
}

fn sizes(sections: &Sections) -> Vec<u32> {
    let centroids = &sections.iter().find(|(kind, _)| *kind == SectionKind::AnnCentroids).unwrap().1;
    let all = centroids.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap()));
    // The sizes stand in front, until they are all the rows.
    let rows = rows(sections).len() as u32;
    let mut sum = 0;
    all.take_while(|size| {
        let before = sum;
        sum += size;
        before < rows
    })
    .collect()
}

/// The rows by position.
fn rows(sections: &Sections) -> Vec<u32> {
    let bytes = &sections.iter().find(|(kind, _)| *kind == SectionKind::AnnRows).unwrap().1;
    // Rows are in an ascending order within a cell, so the largest says how many heads there are.
    let words = |b: &[u8]| u32::from_le_bytes(b[..4].try_into().unwrap());
    let stride = 64;
    let count = bytes.len() / (16 + stride);
    bytes.chunks_exact(16).take(count).map(words).collect()
}

/// The part of the true nearest that is among the candidates, over some rows as queries that are moved a little.
fn recall(source: &Plain, index: &Index, metric: Metric, nprobe: usize) -> f64 {
    let (mut hits, mut all) = (0, 0);
    for i in 0..60 {
        let mut query = source.row((mix(i) % u64::from(source.rows())) as usize).to_vec();
        for (dim, x) in query.iter_mut().enumerate() {
            *x += 0.2 * ((mix(i ^ (dim as u64) << 20) >> 40) as f32 / (1u64 << 23) as f32 - 1.0);
        }
        let distance = |row: usize| exact::distance(metric, &query, source.row(row));
        let mut truth: Vec<f64> = (0..source.rows() as usize).map(distance).collect();
        truth.sort_by(f64::total_cmp);
        let last = truth[K.min(truth.len()) - 1];
        let (found, _) = find(index, &ask(&query, nprobe));
        let near = found.iter().filter(|f| distance(f.row as usize) <= last + 1e-9).count();
        hits += near.min(K);
        all += K.min(truth.len());
    }
    hits as f64 / all as f64
}

#[test]
fn all_cells_find_nearly_all_and_a_few_cells_most() {
    for dims in [1, 3, 50, 130] {
        let source = clustered(4000, dims, 40, dims as u64);
        for metric in METRICS {
            let index = indexed(&source, metric, None);
            let all = recall(&source, &index, metric, usize::MAX);
            assert!(all >= 0.99, "{metric:?} {dims}: {all} in all cells");
            // The root of the number of cells, 4000 / 32 of them.
            let few = recall(&source, &index, metric, 11);
            assert!(few >= 0.9, "{metric:?} {dims}: {few} in some cells");
        }
    }
}

#[test]
fn every_row_is_in_one_cell_and_no_cell_dominates() {
    let source = clustered(3000, 20, 2, 3);
    for nlist in [None, Some(1), Some(7), Some(3000), Some(1 << 20)] {
        let sections = sections(&source, Metric::L2, nlist, 2);
        let mut rows = rows(&sections);
        rows.sort_unstable();
        assert_eq!(rows, (0..3000).collect::<Vec<u32>>());
        let sizes = sizes(&sections);
        let wanted = nlist.map_or(3000 / 32, |n| n as usize).min(3000);
        assert!(sizes.len() <= wanted && sizes.len() * 3 >= wanted, "{} cells of {wanted}", sizes.len());
        let most = *sizes.iter().max().unwrap() as usize;
        assert!(most <= 3000usize.div_ceil(wanted) * 3, "a cell of {most}");
    }
}

#[test]
fn few_rows_and_equal_rows_are_found() {
    for (rows, nlist) in [(1, None), (1, Some(5)), (2, None), (31, None), (31, Some(31)), (33, Some(2))] {
        let source = clustered(rows, 5, 3, 9);
        for metric in METRICS {
            let index = indexed(&source, metric, nlist);
            let (found, _) = find(&index, &ask(source.row(0), 1));
            assert_eq!(found.len(), rows.min(K + 26), "{rows} rows, {nlist:?}");
            assert!(found.iter().any(|f| f.row == 0));
        }
    }
    for metric in METRICS {
        let source = Plain { numbers: [0.5, -1.5, 2.0].repeat(500), levels: [3] };
        let index = indexed(&source, metric, None);
        assert!(find(&index, &ask(&[0.5, -1.5, 2.0], 2)).0.len() >= K + 26);
        let zeros = Plain { numbers: vec![0.0; 300], levels: [3] };
        assert!(find(&indexed(&zeros, metric, None), &ask(&[0.0; 3], 1)).0.len() >= K + 26);
    }
    let none = Plain { numbers: Vec::new(), levels: [3] };
    assert_eq!(find(&indexed(&none, Metric::L2, None), &ask(&[0.0; 3], 1)).0, []);
}

#[test]
fn refused_rows_are_not_found_and_few_accepted_ones_are_all_found() {
    let source = clustered(3000, 20, 30, 4);
    let index = indexed(&source, Metric::L2, None);
    let every = |n: u32| move |row: u32| Ok(row.is_multiple_of(n));
    let (rare, common) = (every(200), every(2));
    let vector = source.row(1).to_vec();
    let (found, walk) = find(&index, &Ask { accept: Some(&rare), ..ask(&vector, 1) });
    let mut rows: Vec<u32> = found.iter().map(|f| f.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..3000).step_by(200).collect::<Vec<u32>>());
    assert_eq!((walk.steps, walk.refused, walk.compared), (3000, 3000 - 15, 15));
    let (found, walk) = find(&index, &Ask { accept: Some(&common), ..ask(&vector, 1) });
    assert!(found.len() == K + 26 && found.iter().all(|f| f.row % 2 == 0));
    assert!(walk.steps < 1000 && walk.cells > 1, "{walk:?}");
    // A row left out besides: the filter was forgotten then.
    let without = Some(200);
    let (found, walk) = find(&index, &Ask { accept: Some(&rare), without, ..ask(&vector, 1) });
    assert!(found.len() == 14 && found.iter().all(|f| f.row % 200 == 0 && f.row != 200));
    assert_eq!((walk.steps, walk.compared), (3000, 14));
    let (found, _) = find(&index, &Ask { without, ..ask(source.row(200), 1) });
    assert!(found.len() == K + 26 && found.iter().all(|f| f.row != 200));
    let fails = |_: u32| Err(Error::corrupt(Path::new("filter"), 1, "no"));
    let mut scratch = Scratch::default();
    assert!(index.search(&Ask { accept: Some(&fails), ..ask(&vector, 1) }, &mut scratch).is_err());
}

#[test]
fn the_low_bit_codes_spare_most_comparisons_and_miss_nothing_that_counts() {
    let source = clustered(4000, 64, 20, 5);
    let index = indexed(&source, Metric::L2, None);
    let (mut missed, mut compared) = (0, 0);
    for i in 0..50 {
        let query: Vec<f32> = source.row(i * 7).iter().map(|x| x + 0.1).collect();
        let (found, walk) = find(&index, &ask(&query, usize::MAX));
        let accept = |_: u32| Ok(true);
        // With as many wanted as there are, every row is compared.
        let all = Ask { wanted: 4000, accept: Some(&accept), ..ask(&query, usize::MAX) };
        let (all, whole) = find(&index, &all);
        assert_eq!((all.len(), whole.compared), (4000, 4000));
        missed += all[..K + 26].iter().filter(|f| !found.contains(f)).count();
        compared += walk.compared;
    }
    assert!(compared < 50 * 800, "{compared} of {} compared", 50 * 4000);
    assert!(missed as f64 <= 0.005 * 50.0 * (K + 26) as f64, "{missed} missed");
}

#[test]
fn searches_stop_when_told_and_go_on_where_they_stood() {
    let source = clustered(3000, 20, 30, 6);
    let index = indexed(&source, Metric::L2, None);
    let vector = source.row(5).to_vec();
    let (found, walk) = find(&index, &Ask { steps: 0, ..ask(&vector, 9) });
    assert!(found.is_empty() && walk.stopped && walk.steps == 0);
    let (found, walk) = find(&index, &Ask { steps: 1, ..ask(&vector, 90) });
    assert!(!found.is_empty() && walk.stopped && walk.cells == 1);
    let (_, walk) = find(&index, &Ask { cancel: &|| true, ..ask(&vector, 9) });
    assert!(walk.stopped && walk.cells == 0);
    let (_, walk) = find(&index, &ask(&vector, 9));
    assert!(!walk.stopped && walk.cells == 9);
}

#[test]
fn builds_do_not_depend_on_threads_and_can_be_cancelled() {
    let source = clustered(3000, 33, 30, 8);
    let one = sections(&source, Metric::Cosine, None, 1);
    assert!(one == sections(&source, Metric::Cosine, None, 3));
    for cancelled in [Stage::Train, Stage::Encode, Stage::Cells] {
        let progress = |stage: Stage, _: f64| stage != cancelled;
        let (spec, rotation) = (Spec::Ivf(IvfParams::default()), RotationKind::None);
        let task = Task { metric: Metric::Dot, spec, rotation, threads: 2, seed: 7, progress: &progress };
        assert!(build(&source, &task).unwrap().is_none(), "{cancelled:?}");
    }
    let spec = Spec::Ivf(IvfParams { nlist: Some(limits::CELLS as u32 + 1) });
    let rotation = RotationKind::None;
    let task = Task { metric: Metric::L2, spec, rotation, threads: 2, seed: 7, progress: &|_, _| true };
    assert!(matches!(build(&source, &task), Err(Error::LimitExceeded { .. })));
}

#[test]
fn damaged_sections_give_an_error_or_an_answer() {
    let source = clustered(700, 12, 9, 10);
    let good = sections(&source, Metric::L2, None, 2);
    let vector = source.row(3).to_vec();
    let (mut refused, mut answered) = (0, 0);
    let mut attempt = |sections: &Sections| {
        let Ok(index) = open(sections, 700, Metric::L2) else {
            refused += 1;
            return;
        };
        let mut scratch = Scratch::default();
        match index.search(&ask(&vector, 5), &mut scratch) {
            Ok(_) => {
                answered += 1;
                assert!(scratch.nearest(K).iter().all(|f| f.row < 700));
            }
            Err(Error::Corrupt { .. }) => refused += 1,
            Err(e) => panic!("{e}"),
        }
    };
    for number in 0..good.len() {
        for i in 0..60u64 {
            let mut bad = good.clone();
            let bytes = &mut bad[number].1;
            // Half of the damage in front, where the sizes are.
            let len = if i % 2 == 0 { bytes.len() } else { bytes.len().min(64) } as u64;
            let at = (mix(i) % len) as usize;
            bytes[at] ^= [0x80, 0xff, 0x01][i as usize % 3];
            attempt(&bad);
            bytes_cut(&mut bad[number].1, i);
            attempt(&bad);
        }
        let mut bad = good.clone();
        bad[number].1.fill(0xff);
        attempt(&bad);
    }
    assert!(refused > 300 && answered > 30, "{refused} refused, {answered} answered");
}

fn bytes_cut(bytes: &mut Vec<u8>, i: u64) {
    let len = bytes.len() as u64 - 1 - mix(i) % 70u64.min(bytes.len() as u64 - 1);
    bytes.truncate(len as usize);
}

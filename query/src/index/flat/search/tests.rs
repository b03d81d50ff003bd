use std::cell::Cell;

use foretaste_storage::bytes::{AlignedBuf, Bytes, Span};
use foretaste_storage::layout::Layout;
use proptest::prelude::*;

use super::*;
use crate::kernel::exact::distance;
use crate::metric::Metric;

const ELEMENTS: [Element; 4] = [Element::F32, Element::F16, Element::BF16, Element::I8];

/// Rows in memory, a plane a level; read as borrowed bytes or, like a file without a mapping, as owned ones.
struct Table {
    layout: Layout,
    planes: Vec<AlignedBuf>,
    widths: Vec<usize>,
    scales: Vec<f32>,
    owned: bool,
}

impl Table {
    fn new(levels: &[u32], element: Element, owned: bool) -> Table {
        let layout = Layout { levels: levels.to_vec(), element, variance: None };
        let planes = vec![AlignedBuf::default(); levels.len()];
        Table { layout, planes, widths: Vec::new(), scales: Vec::new(), owned }
    }

    /// Adds a row of as many levels as `values` fills; what it has not is padded with 0xff.
    fn push(&mut self, values: &[f32]) {
        let mut bytes = vec![0; values.len() * self.layout.element.size()];
        self.scales.push(element::encode(self.layout.element, values, &mut bytes));
        self.widths.push(values.len());
        for (level, plane) in self.planes.iter_mut().enumerate() {
            let dims = self.layout.dims_of(level);
            let size = self.layout.element.size();
            let part = bytes.get(dims.start * size..dims.end * size).unwrap_or_default();
            plane.extend_from_slice(part);
            plane.extend_from_slice(&vec![0xff; self.layout.stride(level) - part.len()]);
        }
    }

    fn row(&self, row: usize) -> Vec<f32> {
        let mut values = Vec::new();
        for level in 0..self.planes.len() {
            let dims = self.layout.dims_of(level);
            if dims.end <= self.widths[row] {
                let start = row * self.layout.stride(level);
                let bytes = &self.planes[level][start..start + dims.len() * self.layout.element.size()];
                element::decode(self.layout.element, bytes, self.scales[row], &mut values);
            }
        }
        values
    }
}

impl Source for Table {
    fn rows(&self) -> u32 {
        self.widths.len() as u32
    }
    fn element(&self) -> Element {
        self.layout.element
    }
    fn levels(&self) -> &[u32] {
        &self.layout.levels
    }
    fn strips<'a>(&'a self, range: Range<u32>, dims: usize, out: &mut Vec<Strip<'a>>) -> Result<()> {
        for level in 0..self.layout.planes_for(dims) {
            let stride = self.layout.stride(level);
            let bytes = &self.planes[level][range.start as usize * stride..range.end as usize * stride];
            let bytes = if self.owned {
                let mut copy = AlignedBuf::default();
                copy.extend_from_slice(bytes);
                Span::Owned(Bytes::from(copy))
            } else {
                Span::Borrowed(bytes)
            };
            out.push(Strip { dims: self.layout.dims_of(level), bytes, stride });
        }
        Ok(())
    }
    fn width(&self, row: u32) -> usize {
        self.widths[row as usize]
    }
    fn uniform_width(&self) -> Option<usize> {
        let first = *self.widths.first()?;
        self.widths.iter().all(|&w| w == first).then_some(first)
    }
    fn scale(&self, row: u32) -> f32 {
        self.scales[row as usize]
    }
}

fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// A key that orders rows unlike their numbers.
fn key(row: RowRef) -> u64 {
    (u64::from(row.source) << 32 | u64::from(row.row)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn run(tables: &[Table], query: &Query, k: usize, accept: Option<&Accept<'_>>) -> (Vec<Neighbor>, ScanStats) {
    let (mut top, mut stats) = (TopK::new(candidates(k)), ScanStats::default());
    let mut sources: Vec<&dyn Source> = Vec::new();
    for (i, table) in tables.iter().enumerate() {
        let end =
            search((table, i as u32), 0..u32::MAX, query, accept, &|| false, &mut top, &mut stats).unwrap();
        assert_eq!(end, Scan::Complete);
        sources.push(table);
    }
    (finish(&sources, query, top, k, |row| Ok(key(row)), &mut stats).unwrap(), stats)
}

/// The answer by definition. Rows are compared with it by `assert_answer`.
fn brute_force(tables: &[Table], query: &Query, accept: impl Fn(u32) -> bool) -> Vec<Neighbor> {
    let mut all = Vec::new();
    for (source, table) in tables.iter().enumerate() {
        for row in (0..table.rows()).filter(|&row| accept(row)) {
            let distance = distance(query.metric(), query.vector(), &table.row(row as usize));
            all.push(Neighbor { row: RowRef { source: source as u32, row }, distance, rank: distance });
        }
    }
    all.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(key(a.row).cmp(&key(b.row))));
    all
}

/// The distances are those of the definition, and so are the rows, unless more rows are at the k-th distance than the
/// margin holds; then they are some rows of these distances.
fn assert_answer(got: &[Neighbor], all: &[Neighbor], k: usize, what: &str) {
    let expected = &all[..k.min(all.len())];
    assert!(
        got.iter().map(|n| n.distance).eq(expected.iter().map(|n| n.distance)),
        "{what}: {got:?}, not {expected:?}"
    );
    let last = expected.last().map_or(0.0, |n| n.distance);
    if all.iter().filter(|n| n.distance <= last).count() <= candidates(k) {
        assert_eq!(got, expected, "{what}");
    } else {
        assert!(got.iter().all(|n| all.contains(n)), "{what}");
    }
}

/// Rows of random levels, every seventh a copy of an earlier one.
fn table(levels: &[u32], element: Element, rows: usize, mixed: bool, owned: bool, seed: u64) -> Table {
    let mut table = Table::new(levels, element, owned);
    for i in 0..rows {
        let seed = if i % 7 == 6 { seed + i as u64 / 2 } else { seed + i as u64 };
        let level = if mixed { seed as usize % levels.len() } else { levels.len() - 1 };
        table.push(&numbers(seed, levels[level] as usize));
    }
    table
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_search_finds_what_comparing_everything_finds(
        rows in (0usize..700, 0usize..40),
        levels in prop_oneof![Just(vec![8u32]), Just(vec![3, 17]), Just(vec![16, 24, 61]), Just(vec![1, 2, 3, 40])],
        element in proptest::sample::select(&ELEMENTS[..]),
        metric in proptest::sample::select(&Metric::ALL[..]),
        dims in 1usize..64,
        k in prop_oneof![Just(1usize), 0usize..50, Just(5_000)],
        keep in prop_oneof![Just(None), Just(Some(1u32)), (2u32..40).prop_map(Some), Just(Some(u32::MAX))],
        (mixed, owned) in any::<(bool, bool)>(),
        seed in any::<u32>(),
    ) {
        let tables = [
            table(&levels, element, rows.0, mixed, owned, u64::from(seed)),
            table(&levels, element, rows.1, false, !owned, u64::from(seed) + 5),
        ];
        let dims = dims.min(levels[levels.len() - 1] as usize);
        let query = Query::new(&numbers(u64::from(seed) + 9_999, 64), dims, metric);
        // A scattered filter, from all to one in forty to none.
        let accepted = |row: u32| keep.is_none_or(|n| row.wrapping_mul(2_654_435_761) % n == n / 2);
        let filter = |row: u32| Ok(accepted(row));
        let accept: Option<&Accept<'_>> = if keep.is_some() { Some(&filter) } else { None };
        let (got, stats) = run(&tables, &query, k, accept);
        assert_answer(&got, &brute_force(&tables, &query, accepted), k, "a random search");
        let total = (rows.0 + rows.1) as u64;
        prop_assert!(stats.rows_scored + stats.rows_refused >= total);
        prop_assert!(keep.is_some() || stats.rows_scored == total);
    }
}

#[test]
fn every_metric_element_and_truncation_on_two_planes() {
    for element in ELEMENTS {
        let tables = [table(&[48, 130], element, 600, false, false, 11)];
        for metric in Metric::ALL {
            for dims in [1, 47, 48, 49, 100, 130] {
                let query = Query::new(&numbers(77, 130), dims, metric);
                let (got, stats) = run(&tables, &query, 10, None);
                let what = format!("{element:?} {metric} {dims}");
                assert_answer(&got, &brute_force(&tables, &query, |_| true), 10, &what);
                assert!(stats.bytes_read >= (600 * dims * element.size()) as u64);
                assert_eq!(stats.rows_scored, 600);
            }
        }
    }
}

#[test]
fn a_sparse_filter_reads_only_what_it_accepts() {
    let tables = [table(&[64], Element::F32, 2_000, false, false, 3)];
    let query = Query::new(&numbers(1, 64), 64, Metric::L2);
    let accepted = |row: u32| row % 100 == 50;
    let (got, stats) = run(&tables, &query, 5, Some(&|row| Ok(accepted(row))));
    assert_answer(&got, &brute_force(&tables, &query, accepted), 5, "a sparse filter");
    assert_eq!((stats.rows_scored, stats.rows_refused), (20, 1_980));
}

#[test]
fn rows_at_the_same_distance_come_in_the_order_of_their_keys() {
    let mut table = Table::new(&[4], Element::F32, false);
    for _ in 0..20 {
        table.push(&[1.0, 2.0, 3.0, 4.0]);
    }
    let tables = [table];
    for metric in Metric::ALL {
        let query = Query::new(&[1.0, 0.5, 0.25, 0.0], 4, metric);
        let got = run(&tables, &query, 10, None).0;
        assert_answer(&got, &brute_force(&tables, &query, |_| true), 10, "ties");
        assert!(got.windows(2).all(|w| key(w[0].row) < key(w[1].row)));
    }
}

#[test]
fn values_beyond_the_sums_of_f32_are_still_in_order() {
    for factor in [1e30f32, 1e-30] {
        let mut table = Table::new(&[24], Element::F32, false);
        for i in 0..300 {
            let row: Vec<f32> = numbers(i, 24).iter().map(|x| x * factor).collect();
            table.push(&row);
        }
        let tables = [table];
        let vector: Vec<f32> = numbers(1_000, 24).iter().map(|x| x * factor).collect();
        for metric in Metric::ALL {
            let query = Query::new(&vector, 24, metric);
            let (got, all) = (run(&tables, &query, 10, None).0, brute_force(&tables, &query, |_| true));
            assert_answer(&got, &all, 10, &format!("{metric} {factor}"));
        }
    }
}

#[test]
fn zero_prefixes_are_at_cosine_distance_one() {
    let mut table = Table::new(&[2, 4], Element::F32, false);
    table.push(&[0.0, 0.0, 1.0, 0.0]);
    table.push(&[-1.0, 0.0, 1.0, 0.0]);
    table.push(&[1.0, 0.0, 1.0, 0.0]);
    let query = Query::new(&[1.0, 0.0, 0.0, 0.0], 2, Metric::Cosine);
    let got = run(std::slice::from_ref(&table), &query, 3, None).0;
    assert_eq!(
        got.iter().map(|n| (n.row.row, n.distance)).collect::<Vec<_>>(),
        [(2, 0.0), (0, 1.0), (1, 2.0)]
    );
    let nothing = Query::new(&[0.0; 4], 4, Metric::Cosine);
    assert!(run(&[table], &nothing, 3, None).0.iter().all(|n| n.distance == 1.0));
}

#[test]
fn rows_with_nan_are_never_found() {
    let mut table = Table::new(&[2], Element::F32, false);
    table.push(&[f32::NAN, 1.0]);
    table.push(&[1.0, 1.0]);
    let tables = [table];
    for metric in Metric::ALL {
        let got = run(&tables, &Query::new(&[1.0, 1.0], 2, metric), 5, None).0;
        assert_eq!(got.iter().map(|n| n.row.row).collect::<Vec<_>>(), [1], "{metric}");
    }
}

#[test]
fn a_cancelled_scan_stops_within_a_run_and_keeps_what_it_has() {
    let table = table(&[8], Element::F32, 5_000, false, false, 1);
    let query = Query::new(&numbers(1, 8), 8, Metric::L2);
    let (mut top, mut stats) = (TopK::new(10), ScanStats::default());
    let asked = Cell::new(0);
    let cancel = || asked.replace(asked.get() + 1) == 2;
    let end = search((&table, 0), 0..u32::MAX, &query, None, &cancel, &mut top, &mut stats).unwrap();
    assert_eq!(end, Scan::Cancelled { next: 512 });
    assert_eq!((stats.rows_scored, top.len()), (512, 10));
}

#[test]
fn a_failing_filter_or_key_ends_the_search_with_its_error() {
    let table = table(&[8], Element::F32, 14, false, false, 1);
    let query = Query::new(&numbers(1, 8), 8, Metric::L2);
    let (mut top, mut stats) = (TopK::new(20), ScanStats::default());
    let refuse = |_| Err(damaged("the filter's column".into()));
    let error =
        search((&table, 0), 0..u32::MAX, &query, Some(&refuse), &|| false, &mut top, &mut stats).unwrap_err();
    assert!(error.to_string().contains("the filter's column"));
    search((&table, 0), 0..u32::MAX, &query, None, &|| false, &mut top, &mut stats).unwrap();
    let key = |_| Err::<u64, _>(damaged("the key's page".into()));
    assert!(finish(&[&table], &query, top.clone(), 14, key, &mut stats).is_err(), "rows 3 and 6 are equal");
    assert!(finish(&[], &query, top, 14, |_| Ok(0), &mut stats).is_err(), "there is no source 0");
}

#[test]
fn strips_that_do_not_hold_the_rows_are_an_error() {
    struct Broken(Table, fn(&mut Vec<Strip<'_>>));
    impl Source for Broken {
        fn rows(&self) -> u32 {
            self.0.rows()
        }
        fn element(&self) -> Element {
            self.0.element()
        }
        fn levels(&self) -> &[u32] {
            self.0.levels()
        }
        fn strips<'a>(&'a self, range: Range<u32>, dims: usize, out: &mut Vec<Strip<'a>>) -> Result<()> {
            self.0.strips(range, dims, out)?;
            (self.1)(out);
            Ok(())
        }
        fn width(&self, row: u32) -> usize {
            self.0.width(row)
        }
        fn uniform_width(&self) -> Option<usize> {
            self.0.uniform_width()
        }
        fn scale(&self, row: u32) -> f32 {
            self.0.scale(row)
        }
    }
    let breaks: [fn(&mut Vec<Strip<'_>>); 5] = [
        |strips| strips.truncate(1),
        |strips| strips.clear(),
        |strips| strips.swap(0, 1),
        |strips| strips[0].bytes = Span::Borrowed(&[0; 15]),
        |strips| strips[1].dims = 5..9,
    ];
    let query = Query::new(&numbers(1, 8), 8, Metric::L2);
    for broken in breaks {
        let source = Broken(table(&[4, 8], Element::F32, 3, false, true, 1), broken);
        let (mut top, mut stats) = (TopK::new(3), ScanStats::default());
        let end = search((&source, 0), 0..u32::MAX, &query, None, &|| false, &mut top, &mut stats);
        assert!(matches!(end, Err(Error::Corrupt { .. })), "{end:?}");
        top.offer(1.0, 0, RowRef { source: 0, row: 0 });
        let end = finish(&[&source], &query, top, 1, |_| Ok(0), &mut stats);
        assert!(matches!(end, Err(Error::Corrupt { .. })), "{end:?}");
    }
}

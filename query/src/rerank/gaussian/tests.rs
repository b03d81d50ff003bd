//! The closed forms against integrals, and the stream against sorting everything.

use proptest::num::f32::ANY as ANY_F32;
use proptest::num::f64::ANY as ANY_F64;
use proptest::prelude::*;

use super::*;

/// The integral of `f` from -60 to 60; for smooth functions that vanish at both ends, as good as exact.
fn integral(f: impl Fn(f64) -> f64) -> f64 {
    let steps = 60_000;
    (0..=steps).map(|i| f(-60.0 + 120.0 * f64::from(i) / f64::from(steps))).sum::<f64>() * 120.0
        / f64::from(steps)
}

fn density(x: f64, mean: f64, variance: f64) -> f64 {
    (-0.5 * (x - mean) * (x - mean) / variance).exp() / (std::f64::consts::TAU * variance).sqrt()
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
}

#[test]
fn the_closed_forms_are_the_integrals_they_stand_for() {
    let means = [(0.5f32, -1.25f32), (2.0, 2.0), (-3.0, 1.0)];
    let variances = [(0.25f32, 4.0f32), (1.0, 1.0), (9.0, 0.5)];
    // Dimensions are independent: the logarithms of their integrals add up.
    let (mut kernel, mut overlap, mut samples, mut moved, mut likelihood) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((m, n), (v, w)) in means.iter().zip(&variances) {
        let [m, n, v, w] = [*m, *n, *v, *w].map(f64::from);
        kernel += integral(|x| density(x, m, v) * density(x, n, w)).ln();
        overlap -= integral(|x| (density(x, m, v) * density(x, n, w)).sqrt()).ln();
        // E(x - y)², first over y: (x - n)² + w.
        samples += integral(|x| density(x, m, v) * ((x - n) * (x - n) + w));
        // The cheapest move on a line is the map that keeps order: y = n + (x - m) σ' / σ.
        let to = |x: f64| n + (x - m) * (w / v).sqrt();
        moved += integral(|x| density(x, m, v) * (x - to(x)) * (x - to(x)));
        likelihood += density(m, n, w).ln();
    }
    let (m, n): (Vec<f32>, Vec<f32>) = means.into_iter().unzip();
    let (v, w): (Vec<f32>, Vec<f32>) = variances.into_iter().unzip();
    let query = Gaussian { mean: &m, variance: Variance::Diagonal(&v) };
    let row = Gaussian { mean: &n, variance: Variance::Diagonal(&w) };
    assert!(close(log_expected_likelihood(&query, &row), kernel));
    assert!(close(bhattacharyya(&query, &row), overlap));
    assert!(close(csd(&query, &row, 1.0), samples));
    assert!(close(squared_wasserstein(&query, &row), moved));
    assert!(close(log_likelihood(&query, &row), likelihood));
    // The weight is the row's trace's alone.
    assert!(close(csd(&query, &row, 3.0) - csd(&query, &row, 1.0), 2.0 * 5.5));
}

/// The four ways in which a variance can be given.
#[derive(Debug, Clone)]
enum Given {
    None,
    Scalar(f32),
    Diagonal(Vec<f32>),
}

impl Given {
    fn variance(&self) -> Variance<'_> {
        match self {
            Given::None => Variance::None,
            Given::Scalar(v) => Variance::Scalar(*v),
            Given::Diagonal(v) => Variance::Diagonal(v),
        }
    }
}

#[derive(Debug, Clone)]
struct Row {
    mean: Vec<f32>,
    given: Given,
}

impl Row {
    fn gaussian(&self) -> Gaussian<'_> {
        Gaussian { mean: &self.mean, variance: self.given.variance() }
    }
}

fn given(value: impl Strategy<Value = f32> + Clone + 'static, dims: usize) -> impl Strategy<Value = Given> {
    prop_oneof![
        1 => Just(Given::None),
        2 => value.clone().prop_map(Given::Scalar),
        4 => proptest::collection::vec(value, dims).prop_map(Given::Diagonal),
    ]
}

/// Rows on a coarse grid, so that there are ties in means and in distances, with variances of which some are extreme: the
/// nearest by its mean may be the farthest. `base` shifts all variances, so that a range that excludes 0 is common.
fn rows(dims: usize, count: usize) -> impl Strategy<Value = Vec<Row>> {
    prop_oneof![Just(0.0f32), Just(0.5), Just(1.0)].prop_flat_map(move |base| {
        let value = prop_oneof![
            6 => (0u8..4).prop_map(move |v| base + f32::from(v) / 2.0),
            2 => (0.0f32..3.0).prop_map(move |v| base + v),
            1 => (0u8..8).prop_map(move |v| base + f32::from(v) * 20.0),
        ];
        let row = (proptest::collection::vec((-3i8..4).prop_map(f32::from), dims), given(value, dims));
        proptest::collection::vec(row.prop_map(|(mean, given)| Row { mean, given }), 0..count)
    })
}

fn measure() -> impl Strategy<Value = Measure> {
    prop_oneof![
        (0u8..4).prop_map(|l| Measure::Csd { lambda: f64::from(l) / 2.0 }),
        Just(Measure::Wasserstein),
        Just(Measure::Bhattacharyya),
        Just(Measure::ExpectedLikelihood),
        Just(Measure::LogLikelihood),
    ]
}

/// Rows with ids by their means; of rows as near, those with higher ids first, which is the worse for ties.
fn by_mean(query: &Gaussian<'_>, rows: &[Row]) -> Vec<(f64, u64)> {
    let delta = |row: &Row| squared_mean_distance(query, &row.gaussian());
    let mut order: Vec<(f64, u64)> = rows.iter().map(delta).zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    order
}

/// What the stream gives, and how many rows it took.
fn streamed(
    measure: Measure,
    query: &Row,
    rows: &[Row],
    k: usize,
    spread: &Spread,
) -> (Vec<(f64, u64)>, usize) {
    let query = query.gaussian();
    let mut stream = Stream::new(k, Bound::new(measure, &query, spread));
    let mut taken = 0;
    for (delta, id) in by_mean(&query, rows) {
        taken += 1;
        let distance = measure.distance(&query, &rows[id as usize].gaussian());
        if stream.offer(delta, distance, id, id) {
            assert!(stream.complete(delta));
            break;
        }
    }
    (stream.into_sorted().iter().map(|hit| (hit.distance, hit.item)).collect(), taken)
}

fn sorted(measure: Measure, query: &Row, rows: &[Row], k: usize) -> Vec<(f64, u64)> {
    let distance = |row: &Row| measure.distance(&query.gaussian(), &row.gaussian()) + 0.0;
    let mut all: Vec<(f64, u64)> = rows.iter().map(distance).zip(0..).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.truncate(k);
    all
}

fn spread(rows: &[Row], dims: usize) -> Spread {
    let mut spread = Spread::default();
    rows.iter().for_each(|row| spread.include(&row.gaussian(), dims));
    spread
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_stream_gives_what_sorting_all_rows_gives(
        (query, rows) in (1usize..7).prop_flat_map(|dims| (rows(dims, 2), rows(dims, 60))),
        measure in measure(), k in 0usize..12,
    ) {
        let dims = rows.first().map_or(1, |row| row.mean.len());
        let query = query.into_iter().next().unwrap_or(Row { mean: vec![0.5; dims], given: Given::Scalar(0.5) });
        let expected = sorted(measure, &query, &rows, k);
        let known = spread(&rows, query.mean.len());
        prop_assert_eq!(&streamed(measure, &query, &rows, k, &known).0, &expected);
        prop_assert_eq!(&streamed(measure, &query, &rows, k, &Spread::UNKNOWN).0, &expected);
        prop_assert_eq!(&streamed(measure, &query, &rows, k, &Spread::default()).0, &expected);
    }

    #[test]
    fn the_bound_is_below_every_distance_and_grows(
        (query, rows) in (1usize..40).prop_flat_map(|dims| (rows(dims, 2), rows(dims, 20))),
        measure in measure(),
    ) {
        for query in &query {
            let bound = Bound::new(measure, &query.gaussian(), &spread(&rows, query.mean.len()));
            let mut before = f64::NEG_INFINITY;
            for (delta, id) in by_mean(&query.gaussian(), &rows) {
                let distance = measure.distance(&query.gaussian(), &rows[id as usize].gaussian());
                prop_assert!(bound.at(delta) <= distance, "{} > {distance}", bound.at(delta));
                prop_assert!(bound.at(delta) >= before);
                before = bound.at(delta);
            }
        }
    }

    #[test]
    fn no_input_panics_and_finite_means_give_numbers(
        a in proptest::collection::vec(ANY_F32, 0..9), b in proptest::collection::vec(ANY_F32, 0..9),
        v in given(ANY_F32, 5), w in given(ANY_F32, 3),
        lambda in ANY_F64, delta in ANY_F64,
        min in ANY_F64, max in ANY_F64, trace_min in ANY_F64,
    ) {
        let (query, row) = (Row { mean: a, given: v }, Row { mean: b, given: w });
        let (query, row) = (query.gaussian(), row.gaussian());
        let finite = query.mean.iter().chain(row.mean).all(|x| x.is_finite());
        for measure in [
            Measure::Csd { lambda },
            Measure::Wasserstein,
            Measure::Bhattacharyya,
            Measure::ExpectedLikelihood,
            Measure::LogLikelihood,
        ] {
            let distance = measure.distance(&query, &row);
            prop_assert!(!finite || !distance.is_nan());
            let bound = Bound::new(measure, &query, &Spread { min, max, trace_min }).at(delta);
            prop_assert!(!bound.is_nan());
        }
    }
}

#[test]
fn a_stream_stops_where_the_bounds_say() {
    // Means at 0, 1, 2, …; variances between 1 and 2.
    let rows: Vec<Row> = (0..50u8)
        .map(|i| Row { mean: vec![f32::from(i), 0.0], given: Given::Scalar(1.0 + f32::from(i % 2)) })
        .collect();
    let query = Row { mean: vec![0.0, 0.0], given: Given::Scalar(1.0) };
    let spread = spread(&rows, 2);
    assert_eq!(spread, Spread { min: 1.0, max: 2.0, trace_min: 2.0 });
    let taken = |measure| {
        let (found, taken) = streamed(measure, &query, &rows, 2, &spread);
        assert_eq!(found, sorted(measure, &query, &rows, 2));
        taken
    };
    // Distances 2, 5, 6, …: the third row's bound, 4 + 2, is above the second distance.
    assert_eq!(taken(Measure::Csd { lambda: 1.0 }), 3);
    // 0, 1.34, 4, …
    assert_eq!(taken(Measure::Wasserstein), 3);
    // 0, 0.14, 0.5, …: a twelfth of δ, so that 4 is enough.
    assert_eq!(taken(Measure::Bhattacharyya), 3);
    // Twice ½ ln 2π(1 + b), and ½ δ / (1 + b).
    assert_eq!(taken(Measure::ExpectedLikelihood), 3);
    // The second distance is ln 4π + ¼; from δ = 4 on there are at least ln 2π + ½ ln 2 + 1.
    assert_eq!(taken(Measure::LogLikelihood), 3);
}

#[test]
fn a_row_with_a_large_trace_is_left_for_a_later_one_even_at_the_same_distance() {
    let row = |mean: f32, variance: f32| Row { mean: vec![mean], given: Given::Scalar(variance) };
    // Ids fall in the order of the means: 9 + 0 and 0 + 9 are as near, and the later row has the smaller id.
    let rows = [row(3.0, 0.0), row(0.0, 9.0)];
    let query = Row { mean: vec![0.0], given: Given::None };
    let measure = Measure::Csd { lambda: 1.0 };
    assert_eq!(streamed(measure, &query, &rows, 1, &spread(&rows, 1)), (vec![(9.0, 0)], 2));
}

#[test]
fn variances_below_the_floor_are_the_floor_where_they_divide_and_0_elsewhere() {
    let mean = [1.0f32];
    let floor = Gaussian { mean: &mean, variance: Variance::Scalar(FLOOR as f32) };
    let query = Gaussian { mean: &[0.0], variance: Variance::Scalar(1.0) };
    for variance in
        [Variance::None, Variance::Scalar(0.0), Variance::Scalar(-3.0), Variance::Diagonal(&[f32::NAN])]
    {
        let row = Gaussian { mean: &mean, variance };
        for measure in [Measure::Bhattacharyya, Measure::ExpectedLikelihood, Measure::LogLikelihood] {
            assert_eq!(measure.distance(&query, &row), measure.distance(&query, &floor));
        }
        assert_eq!(csd(&query, &row, 1.0), 2.0);
        assert_eq!(squared_wasserstein(&query, &row), 2.0);
    }
    let most = Gaussian { mean: &mean, variance: Variance::Scalar(f32::MAX) };
    let beyond = Gaussian { mean: &mean, variance: Variance::Scalar(f32::INFINITY) };
    assert_eq!(bhattacharyya(&query, &most), bhattacharyya(&query, &beyond));
}

#[test]
fn many_dimensions_neither_overflow_nor_vanish() {
    let (low, high) = (vec![f32::MIN; 5_000], vec![f32::MAX; 5_000]);
    for variance in [0.0, f32::MAX] {
        let query = Gaussian { mean: &low, variance: Variance::None };
        let row = Gaussian { mean: &high, variance: Variance::Scalar(variance) };
        assert!(log_expected_likelihood(&query, &row).is_finite());
        assert!(bhattacharyya(&query, &row).is_finite());
        assert!(csd(&query, &row, 1.0).is_finite());
    }
}

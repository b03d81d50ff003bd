use super::*;
use crate::index::parallel::mix;

fn draw(seed: u64, count: usize) -> Vec<f32> {
    (0..count as u64)
        .map(|i| ((mix(mix(seed) ^ i) >> 11) as f64 / (1u64 << 52) as f64 - 1.0) as f32)
        .collect()
}

/// Tokens of unit length.
fn units(seed: u64, count: usize, dims: usize) -> Vec<f32> {
    let mut numbers = draw(seed, count * dims);
    for token in numbers.chunks_exact_mut(dims) {
        let norm = norm(token) as f32;
        token.iter_mut().for_each(|x| *x /= norm);
    }
    numbers
}

fn brute(query: Tokens<'_>, row: Tokens<'_>) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    query.iter().map(|q| row.iter().map(|t| product(q, t)).fold(f64::NEG_INFINITY, f64::max)).sum()
}

#[test]
fn the_score_is_that_of_every_pair() {
    for (seed, dims) in [1, 3, 16, 17, 48, 131].into_iter().enumerate() {
        for (q, t) in [(1, 1), (3, 4), (5, 7), (8, 30)] {
            let (a, b) = (draw(seed as u64, q * dims), draw(seed as u64 + 99, t * dims));
            let (query, row) = (Tokens::new(&a, dims).unwrap(), Tokens::new(&b, dims).unwrap());
            let expected = brute(query, row);
            let sum = MaxSim::new(query, Reduce::Sum).score(row);
            assert!((sum - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{sum} {expected}");
            let mean = MaxSim::new(query, Reduce::Mean).score(row);
            assert!((mean - sum / q as f64).abs() < 1e-12 * (1.0 + sum.abs()));
        }
    }
}

#[test]
fn giving_up_early_changes_nothing() {
    let mut given_up = 0;
    for seed in 0..40u64 {
        let dims = 1 + (mix(seed) % 40) as usize;
        let query = draw(seed, (1 + mix(seed + 1) % 12) as usize * dims);
        let reduce = if seed % 2 == 0 { Reduce::Sum } else { Reduce::Mean };
        let maxsim = MaxSim::new(Tokens::new(&query, dims).unwrap(), reduce);
        // Of very different lengths, some without tokens, some twice.
        let data: Vec<Vec<f32>> = (0..200u64)
            .map(|i| {
                let size = 10f32.powi((mix(i % 190 + seed) % 4) as i32 - 2);
                draw(i % 190 + 1000, (mix(i % 190) % 9) as usize * dims).iter().map(|x| x * size).collect()
            })
            .collect();
        let rows: Vec<Tokens<'_>> = data.iter().map(|row| Tokens::new(row, dims).unwrap()).collect();
        let mut expected: Vec<(f64, usize)> = rows
            .iter()
            .enumerate()
            .map(|(i, &r)| (maxsim.score(r), i))
            .filter(|(s, _)| s.is_finite())
            .collect();
        expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for k in [0, 1, 10, 500] {
            for known in [true, false] {
                let best = maxsim.top(rows.iter().map(|&r| (r, known.then(|| r.largest_norm()))), k);
                let got: Vec<(f64, usize)> = best.hits.iter().map(|h| (-h.distance + 0.0, h.item)).collect();
                let want: Vec<(f64, usize)> = expected.iter().take(k).map(|&(s, i)| (s + 0.0, i)).collect();
                assert_eq!(got, want, "{seed} {k}");
                given_up += if k == 10 { best.abandoned } else { 0 };
            }
        }
        for &row in &rows {
            let score = maxsim.score(row);
            assert_eq!(maxsim.at_least(row, row.largest_norm(), score), Some(score));
            assert_eq!(maxsim.at_least(row, row.largest_norm(), score.next_up()), None);
        }
    }
    assert!(given_up > 1000, "{given_up}");
}

#[test]
fn what_cannot_be_compared_is_left_out() {
    let two = Tokens::new(&[1.0, 0.0], 2).unwrap();
    assert_eq!(Tokens::new(&[1.0, 0.0, 0.0], 2), None);
    assert_eq!(Tokens::new(&[], 0), None);
    let maxsim = MaxSim::new(two, Reduce::Sum);
    let (none, other) = (Tokens::new(&[], 2).unwrap(), Tokens::new(&[1.0; 3], 3).unwrap());
    let nan = [f32::NAN, 0.0];
    let nan = Tokens::new(&nan, 2).unwrap();
    assert!(none.is_empty() && nan.largest_norm().is_nan());
    let best = maxsim.top([none, other, nan, two].map(|row| (row, None)), 3);
    assert_eq!(best.hits.iter().map(|h| h.item).collect::<Vec<_>>(), [3]);
    // One number that is not one does not hide the other tokens.
    let mixed = [f32::NAN, 0.0, 0.5, 0.0];
    assert_eq!(maxsim.score(Tokens::new(&mixed, 2).unwrap()), 0.5);
    assert_eq!(MaxSim::new(none, Reduce::Mean).score(two), 0.0);
}

fn options(dims: usize) -> EncodingOptions {
    EncodingOptions { dims, bits: 4, repetitions: 24, project: None, seed: 11 }
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[test]
fn encodings_multiply_to_about_the_score() {
    let dims = 24;
    for project in [None, Some(4096)] {
        let encoder = Encoder::new(EncodingOptions { project, ..options(dims) }).unwrap();
        let (mut bias, mut error, mut spread) = (0.0, 0.0, Vec::new());
        for seed in 0..40u64 {
            let row = units(seed, 12, dims);
            // Each token of the query is near one of the row's, in half of the pairs; otherwise anything.
            let mut query = units(seed + 500, 6, dims);
            if seed % 2 == 0 {
                for (q, t) in query.chunks_exact_mut(dims).zip(row.chunks_exact(dims)) {
                    q.iter_mut().zip(t).for_each(|(q, t)| *q = 0.2 * *q + t);
                }
            }
            let (query, row) = (Tokens::new(&query, dims).unwrap(), Tokens::new(&row, dims).unwrap());
            let exact = MaxSim::new(query, Reduce::Mean).score(row);
            let about = product(&encoder.query(query), &encoder.row(row)) / 6.0;
            bias += (about - exact) / 40.0;
            error += (about - exact).abs() / 40.0;
            spread.push((exact, about));
        }
        // Below the maximum by what falls into other buckets; above it never by more than noise.
        assert!(bias < 0.03 && bias > -0.45 && error < 0.45, "{bias} {error}");
        let low = spread.iter().filter(|p| p.0 < 0.7).map(|p| p.1).fold(f64::MIN, f64::max);
        let high = spread.iter().filter(|p| p.0 > 0.7).map(|p| p.1).fold(f64::MAX, f64::min);
        assert!(high > low, "{high} {low}");
    }
}

#[test]
fn one_bucket_is_the_mean_and_a_single_token_is_exact() {
    let dims = 10;
    let one = Encoder::new(EncodingOptions { bits: 0, repetitions: 1, ..options(dims) }).unwrap();
    let numbers = draw(3, 4 * dims);
    let tokens = Tokens::new(&numbers, dims).unwrap();
    let sum = one.query(tokens);
    for (i, x) in one.row(tokens).iter().enumerate() {
        let expected: f32 = tokens.iter().map(|t| t[i]).sum();
        assert!((sum[i] - expected).abs() < 1e-5 && (x - expected / 4.0).abs() < 1e-5);
    }
    // A row's only token fills every bucket, so that every token of a query meets it.
    let encoder = Encoder::new(options(dims)).unwrap();
    let row = Tokens::new(&numbers[..dims], dims).unwrap();
    let exact = MaxSim::new(tokens, Reduce::Sum).score(row);
    assert!((product(&encoder.query(tokens), &encoder.row(row)) - exact).abs() < 1e-4);
}

#[test]
fn the_final_projection_keeps_products_on_average() {
    let dims = 8;
    let (a, b) = (units(1, 5, dims), units(1, 9, dims));
    let (query, row) = (Tokens::new(&a, dims).unwrap(), Tokens::new(&b, dims).unwrap());
    let mut difference = 0.0;
    for seed in 0..200 {
        let plain = EncodingOptions { seed, repetitions: 4, ..options(dims) };
        let short = Encoder::new(EncodingOptions { project: Some(64), ..plain }).unwrap();
        let plain = Encoder::new(plain).unwrap();
        assert_eq!((short.query(query).len(), short.dims(), plain.dims()), (64, 64, 4 * 16 * dims));
        let full = product(&plain.query(query), &plain.row(row));
        difference += (product(&short.query(query), &short.row(row)) - full) / 200.0;
    }
    assert!(difference.abs() < 0.25, "{difference}");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let good = options(8);
    assert!(Encoder::new(good).is_ok());
    for bad in [
        EncodingOptions { dims: 0, ..good },
        EncodingOptions { repetitions: 0, ..good },
        EncodingOptions { bits: 13, ..good },
        EncodingOptions { bits: u32::MAX, ..good },
        EncodingOptions { repetitions: usize::MAX, ..good },
        EncodingOptions { project: Some(0), ..good },
        EncodingOptions { project: Some(65_537), ..good },
        EncodingOptions { repetitions: 513, ..good },
    ] {
        assert_eq!(Encoder::new(bad).unwrap_err(), EncodingError, "{bad:?}");
    }
    let encoder = Encoder::new(good).unwrap();
    let wrong = Tokens::new(&[1.0; 6], 3).unwrap();
    assert!(encoder.row(wrong).iter().chain(&encoder.query(wrong)).all(|x| *x == 0.0));
    let none = Tokens::new(&[], 8).unwrap();
    assert!(encoder.row(none).iter().all(|x| *x == 0.0));
}

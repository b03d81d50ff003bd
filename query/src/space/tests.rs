//! Maps between spaces against dense references in f64, on data of every rank and scale; their reports against brute force; their
//! bytes, whole and damaged.

use std::cell::Cell;

use proptest::prelude::*;

use super::moments::{Centre, Centred, products};
use super::polar::orthogonal;
use super::ridge::Moments;
use super::*;
use crate::metric::Metric;

/// Numbers that are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.unit(), self.unit());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// Rows whose spread falls with the dimension.
    fn rows(&mut self, count: usize, dims: usize) -> Vec<f32> {
        (0..count * dims).map(|i| (self.normal() / (1.0 + (i % dims) as f64 * 0.1) + 0.3) as f32).collect()
    }

    /// `rows` rows of `columns` numbers with orthonormal rows or columns, by Gram and Schmidt.
    fn orthonormal(&mut self, rows: usize, columns: usize) -> Vec<f64> {
        let (few, long) = (rows.min(columns), rows.max(columns));
        let mut all: Vec<Vec<f64>> = Vec::new();
        while all.len() < few {
            let mut x: Vec<f64> = (0..long).map(|_| self.normal()).collect();
            for _ in 0..2 {
                for other in &all {
                    let along: f64 = x.iter().zip(other).map(|(a, b)| a * b).sum();
                    x.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
                }
                let length = x.iter().map(|v| v * v).sum::<f64>().sqrt();
                x.iter_mut().for_each(|v| *v /= length);
            }
            all.push(x);
        }
        let at = |i: usize, j: usize| if rows <= columns { all[i][j] } else { all[j][i] };
        (0..rows * columns).map(|k| at(k / columns, k % columns)).collect()
    }
}

/// Each row mapped by `matrix` (one row an output), moved by `shift` in each dimension.
fn mapped(rows: &[f32], p: usize, matrix: &[f64], shift: f64) -> Vec<f32> {
    let of = |row: &[f32], w: &[f64]| row.iter().zip(w).map(|(x, w)| f64::from(*x) * w).sum::<f64>();
    rows.chunks(p).flat_map(|row| matrix.chunks(p).map(move |w| (of(row, w) + shift) as f32)).collect()
}

fn methods() -> [Method; 4] {
    [
        Method::Procrustes { scaled: false },
        Method::Procrustes { scaled: true },
        Method::Ridge { ridge: None },
        Method::Anchors { count: 64 },
    ]
}

fn fitted(from: &[f32], p: usize, to: &[f32], q: usize, method: Method) -> (Adapter, Report) {
    let options = Options { method, ..Options::default() };
    fit(Pairs::new(from, p, to, q).unwrap(), &options, &|| false).unwrap()
}

/// The largest distance of `matrix matrixᵀ` (or the other way round, for more rows than columns) from the identity.
fn away_from_orthonormal(matrix: &[f64], rows: usize) -> f64 {
    let columns = matrix.len() / rows;
    let (few, long) = (rows.min(columns), rows.max(columns));
    let at =
        |i: usize, k: usize| if rows <= columns { matrix[i * columns + k] } else { matrix[k * columns + i] };
    let mut most = 0f64;
    for i in 0..few {
        for j in 0..few {
            let product: f64 = (0..long).map(|k| at(i, k) * at(j, k)).sum();
            most = most.max((product - f64::from(u8::from(i == j))).abs());
        }
    }
    most
}

fn wide(matrix: &[f32]) -> Vec<f64> {
    matrix.iter().map(|x| f64::from(*x)).collect()
}

/// Solves `a x = b` by elimination with pivots.
fn solved(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        let pivot = (i..n).max_by(|&x, &y| a[x][i].abs().total_cmp(&a[y][i].abs())).unwrap();
        a.swap(i, pivot);
        b.swap(i, pivot);
        for r in i + 1..n {
            let factor = a[r][i] / a[i][i];
            let (above, below) = a.split_at_mut(r);
            below[0].iter_mut().zip(&above[i]).skip(i).for_each(|(x, y)| *x -= factor * y);
            b[r] -= factor * b[i];
        }
    }
    for i in (0..n).rev() {
        b[i] = (b[i] - (i + 1..n).map(|c| a[i][c] * b[c]).sum::<f64>()) / a[i][i];
    }
    b
}

/// Ridge regression of one output without anything clever; the weights, and mean of inputs and output.
fn naive_ridge(x: &[Vec<f64>], y: &[f64], ridge: f64) -> (Vec<f64>, Vec<f64>, f64) {
    let (n, p) = (x.len() as f64, x[0].len());
    let mean: Vec<f64> = (0..p).map(|j| x.iter().map(|r| r[j]).sum::<f64>() / n).collect();
    let level = y.iter().sum::<f64>() / n;
    let mut own = vec![vec![0f64; p]; p];
    let mut cross = vec![0f64; p];
    for (row, y) in x.iter().zip(y) {
        for i in 0..p {
            for j in 0..p {
                own[i][j] += (row[i] - mean[i]) * (row[j] - mean[j]);
            }
            cross[i] += (row[i] - mean[i]) * (y - level);
        }
    }
    (0..p).for_each(|i| own[i][i] += ridge);
    (solved(own, cross), mean, level)
}

#[test]
fn a_rotation_is_recovered_by_every_method() {
    let mut dice = Dice(1);
    for (p, q) in [(24, 24), (16, 24)] {
        let rotation = dice.orthonormal(q, p);
        let from = dice.rows(600, p);
        let to = mapped(&from, p, &rotation, -0.7);
        for method in methods() {
            // Cosines change when a space is moved; distances do not.
            let options = Options { method, metric: Metric::L2, ..Options::default() };
            let (adapter, report) = fit(Pairs::new(&from, p, &to, q).unwrap(), &options, &|| false).unwrap();
            let mut most = 0f32;
            for (x, y) in from.chunks(p).zip(to.chunks(q)) {
                let mut out = vec![0f32; q];
                adapter.apply(x, &mut out);
                out.iter().zip(y).for_each(|(a, b)| most = most.max((a - b).abs()));
            }
            // The anchors' ridge holds it back.
            let allowed = if adapter.kind() == Kind::Anchors { 0.02 } else { 3e-5 };
            assert!(most < allowed, "{method:?} {p} {q}: off by {most}");
            assert!(report.cosine > 0.999, "{method:?}: {report:?}");
            assert!(report.retention_at_10.mean > 0.97, "{method:?}: {report:?}");
            assert_eq!((report.held_out, report.pairs), (120, 600));
        }
    }
}

#[test]
fn a_scaled_and_moved_rotation_needs_the_scale() {
    let mut dice = Dice(2);
    let (p, n) = (12, 300);
    let rotation: Vec<f64> = dice.orthonormal(p, p).iter().map(|w| w * 2.5).collect();
    let from = dice.rows(n, p);
    let to = mapped(&from, p, &rotation, 4.0);
    let (scaled, _) = fitted(&from, p, &to, p, Method::Procrustes { scaled: true });
    for (w, r) in scaled.matrix().iter().zip(&rotation) {
        assert!((f64::from(*w) - r).abs() < 2e-5, "{w} for {r}");
    }
    let (plain, _) = fitted(&from, p, &to, p, Method::Procrustes { scaled: false });
    assert!(away_from_orthonormal(&wide(plain.matrix()), p) < 1e-6);
}

#[test]
fn any_affine_map_is_recovered_by_ridge() {
    let mut dice = Dice(3);
    for (p, q) in [(20, 20), (20, 7), (7, 20)] {
        let map: Vec<f64> = (0..p * q).map(|_| dice.normal()).collect();
        let from = dice.rows(800, p);
        let to = mapped(&from, p, &map, 2.0);
        let (adapter, report) = fitted(&from, p, &to, q, Method::Ridge { ridge: None });
        for (w, truth) in adapter.matrix().iter().zip(&map) {
            assert!((f64::from(*w) - truth).abs() < 1e-4, "{w} for {truth}");
        }
        assert_eq!(report.ridge, Some(1e-6));
        assert!(report.cosine > 0.999_99, "{report:?}");
    }
}

#[test]
fn ridge_is_that_of_the_normal_equations_and_its_choice_that_of_leaving_out() {
    let mut dice = Dice(4);
    for noise in [0.01, 1.0, 20.0] {
        let (n, p) = (70, 9);
        let from = dice.rows(n, p);
        let map: Vec<f64> = (0..p).map(|_| dice.normal()).collect();
        let to: Vec<f32> =
            mapped(&from, p, &map, 0.0).iter().map(|y| y + (noise * dice.normal()) as f32).collect();
        let (of_x, of_y) = (Centre::new(&from, p), Centre::new(&to, 1));
        let (x, y) = (Centred { rows: &from, centre: &of_x }, Centred { rows: &to, centre: &of_y });
        let moments = Moments::new(x, y, 1, &|| false).unwrap();
        let rows: Vec<Vec<f64>> = from.chunks(p).map(|r| of_x.of(r).collect()).collect();
        let values: Vec<f64> = to.chunks(1).map(|r| of_y.of(r).next().unwrap()).collect();
        let found = moments.solve(1, 0.1, 1, &|| false).unwrap();
        let (wanted, ..) = naive_ridge(&rows, &values, 0.1 * n as f64);
        for (a, b) in found.iter().zip(&wanted) {
            assert!((a - b).abs() < 1e-5, "{a} for {b}");
        }
        let error = |ridge: f64| -> f64 {
            let left_out = |i: usize| {
                let others = |k: &usize| *k != i;
                let x: Vec<Vec<f64>> = (0..n).filter(others).map(|k| rows[k].clone()).collect();
                let y: Vec<f64> = (0..n).filter(others).map(|k| values[k]).collect();
                let (w, mean, level) = naive_ridge(&x, &y, ridge * n as f64);
                let guess: f64 = w.iter().zip(&rows[i]).zip(&mean).map(|((w, x), m)| w * (x - m)).sum();
                (guess + level - values[i]).powi(2)
            };
            (0..n).map(left_out).sum()
        };
        let chosen = moments.choose(x, y, 1, &|| false).unwrap();
        let least = error(chosen);
        for ridge in [1e-6, 1e-4, 1e-2, 0.1, 1.0, 10.0, 100.0] {
            // Rounding may choose among equals.
            assert!(least <= error(ridge) * (1.0 + 1e-4), "noise {noise}: {chosen} rather than {ridge}");
        }
    }
}

#[test]
fn the_polar_factor_is_orthonormal_and_what_is_left_is_positive() {
    let mut dice = Dice(5);
    for (rows, columns, rank) in
        [(1, 1, 1), (9, 9, 9), (9, 9, 4), (20, 7, 7), (20, 7, 2), (7, 20, 7), (30, 30, 0), (8, 30, 3)]
    {
        let mut matrix = vec![0f64; rows * columns];
        for r in 0..rank {
            let (u, v): (Vec<f64>, Vec<f64>) =
                ((0..rows).map(|_| dice.normal()).collect(), (0..columns).map(|_| dice.normal()).collect());
            let size = 0.1f64.powi(r);
            for (i, u) in u.iter().enumerate() {
                v.iter().enumerate().for_each(|(j, v)| matrix[i * columns + j] += size * u * v);
            }
        }
        let q = orthogonal(&matrix, rows, 2, &|| false).unwrap();
        let away = away_from_orthonormal(&q, rows);
        assert!(away < 1e-6, "{rows} by {columns} of rank {rank}: {away}");
        // With M = Q H, H = Qᵀ M is symmetric and positive (on the shorter side).
        let few = rows.min(columns);
        let product = |i: usize, j: usize| -> f64 {
            if columns <= rows {
                (0..rows).map(|k| q[k * columns + i] * matrix[k * columns + j]).sum()
            } else {
                (0..columns).map(|k| matrix[i * columns + k] * q[j * columns + k]).sum()
            }
        };
        let size = matrix.iter().fold(1e-30f64, |max, x| max.max(x.abs()));
        for i in 0..few {
            assert!(product(i, i) > -1e-6 * size);
            for j in 0..i {
                assert!(
                    (product(i, j) - product(j, i)).abs() < 1e-5 * size,
                    "{rows} by {columns}: not symmetric"
                );
            }
        }
    }
    let unchanged = orthogonal(&[0.0; 9], 3, 1, &|| false).unwrap();
    for (i, x) in unchanged.iter().enumerate() {
        assert!((x.abs() - f64::from(u8::from(i % 4 == 0))).abs() < 1e-6, "{unchanged:?}");
    }
}

#[test]
fn data_of_low_rank_are_mapped() {
    let mut dice = Dice(6);
    let p = 48;
    // Fewer pairs than dimensions, dimensions that are always 0, each item ten times, all items the same.
    let few = dice.rows(44, p);
    let mut zeros = dice.rows(300, p);
    zeros.chunks_mut(p).for_each(|row| row[7..20].fill(0.0));
    let repeated: Vec<f32> = dice.rows(12, p).repeat(10);
    let same: Vec<f32> = dice.rows(1, p).repeat(60);
    for (name, from) in [("few", few), ("zeros", zeros), ("repeated", repeated), ("same", same)] {
        for q in [p, 20, 64] {
            let rotation = dice.orthonormal(q, p);
            let to = mapped(&from, p, &rotation, 0.5);
            for method in methods() {
                let (adapter, report) = fitted(&from, p, &to, q, method);
                assert!(report.cosine.is_finite() && report.retention_at_10.mean > 0.2, "{name}: {report:?}");
                if method == (Method::Procrustes { scaled: false }) {
                    let away = away_from_orthonormal(&wide(adapter.matrix()), q);
                    assert!(away < 1e-5, "{name} to {q}: {away}");
                }
                if name == "zeros" && q >= p && adapter.kind() != Kind::Anchors {
                    assert!(report.cosine > 0.9999, "{name} {method:?}: {report:?}");
                }
            }
        }
    }
}

#[test]
fn units_of_either_side_do_not_matter() {
    let mut dice = Dice(7);
    let (p, q) = (10, 14);
    let from = dice.rows(200, p);
    let map: Vec<f64> = (0..p * q).map(|_| dice.normal()).collect();
    let to = mapped(&from, p, &map, 1.0);
    let scaled = |x: &[f32], by: f32| x.iter().map(|v| v * by).collect::<Vec<f32>>();
    for method in methods() {
        let (_, plain) = fitted(&from, p, &to, q, method);
        for (a, b) in [(1e-15, 1.0), (1.0, 1e15), (1e12, 1e-12), (1e30, 1e30)] {
            let (_, report) = fitted(&scaled(&from, a), p, &scaled(&to, b), q, method);
            if (method != Method::Procrustes { scaled: false }) && a < 1e20 {
                assert!((report.cosine - plain.cosine).abs() < 1e-3, "{method:?} {a} {b}: {report:?}");
            }
            assert!(report.cosine.is_finite());
        }
    }
    let far = fit(
        Pairs::new(&scaled(&from, 1e-30), p, &scaled(&to, 1e30), q).unwrap(),
        &Options { method: Method::Ridge { ridge: None }, ..Options::default() },
        &|| false,
    );
    assert_eq!(far.map(|_| ()), Err(Error::Overflow));
}

#[test]
fn the_same_space_keeps_every_neighbour() {
    let mut dice = Dice(8);
    let rows = dice.rows(300, 16);
    for method in &methods()[..3] {
        for direction in [Use::Queries, Use::Rows] {
            for metric in Metric::ALL {
                let options = Options { method: *method, direction, metric, ..Options::default() };
                let (_, report) =
                    fit(Pairs::new(&rows, 16, &rows, 16).unwrap(), &options, &|| false).unwrap();
                assert_eq!(report.retention_at_1.mean, 1.0, "{options:?}");
                assert_eq!(report.retention_at_10.mean, 1.0, "{options:?}");
                assert_eq!(report.old_at_10.mean, 1.0);
                assert!(report.retention_at_10.low > 0.9 && report.retention_at_10.high == 1.0);
                assert!(report.cosine > 0.999_99);
            }
        }
    }
}

/// The ten nearest of item `query` by f64, ties by place.
fn brute(query: &[f32], rows: &[&[f32]], metric: Metric, own: usize) -> Vec<usize> {
    let mut all: Vec<(f64, usize)> = rows
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != own)
        .map(|(i, row)| (crate::kernel::exact::distance(metric, query, row), i))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.truncate(10);
    all.into_iter().map(|(_, i)| i).collect()
}

#[test]
fn reports_are_those_of_brute_force() {
    let mut dice = Dice(9);
    let (p, q, n) = (12, 9, 150);
    let from = dice.rows(n, p);
    let map: Vec<f64> = (0..p * q).map(|_| dice.normal()).collect();
    let to: Vec<f32> =
        mapped(&from, p, &map, 0.1).iter().map(|y| (y + dice.normal() as f32 * 0.5).tanh()).collect();
    let order = super::pairs::shuffled(n);
    for direction in [Use::Queries, Use::Rows] {
        for metric in Metric::ALL {
            let method = Method::Ridge { ridge: None };
            let options = Options { method, metric, direction, refit: false, ..Options::default() };
            let (adapter, report) = fit(Pairs::new(&from, p, &to, q).unwrap(), &options, &|| false).unwrap();
            assert!(!report.refitted);
            let count = 30;
            assert_eq!(report.held_out, count);
            let of = |rows: &[f32], dims: usize, i: usize| rows[i * dims..(i + 1) * dims].to_vec();
            let lefts: Vec<Vec<f32>> = order[..count].iter().map(|&i| of(&from, p, i)).collect();
            let rights: Vec<Vec<f32>> = order[..count].iter().map(|&i| of(&to, q, i)).collect();
            let images: Vec<Vec<f32>> = lefts
                .iter()
                .map(|x| {
                    let mut out = vec![0f32; q];
                    adapter.apply(x, &mut out);
                    out
                })
                .collect();
            fn view(rows: &[Vec<f32>]) -> Vec<&[f32]> {
                rows.iter().map(Vec::as_slice).collect()
            }
            let (mut at_1, mut at_10, mut old_at_10) = (0, 0, 0);
            for i in 0..count {
                let (by_left, by_right) = (
                    brute(&lefts[i], &view(&lefts), metric, i),
                    brute(&rights[i], &view(&rights), metric, i),
                );
                let (truth, old, found) = match direction {
                    Use::Queries => (&by_left, &by_right, brute(&images[i], &view(&rights), metric, i)),
                    Use::Rows => (&by_right, &by_left, brute(&rights[i], &view(&images), metric, i)),
                };
                at_1 += usize::from(truth[0] == found[0]);
                at_10 += truth.iter().filter(|i| found.contains(i)).count();
                old_at_10 += truth.iter().filter(|i| old.contains(i)).count();
            }
            assert!((report.retention_at_1.mean - at_1 as f64 / 30.0).abs() < 1e-9, "{options:?}");
            assert!((report.retention_at_10.mean - at_10 as f64 / 300.0).abs() < 1e-9, "{options:?}");
            assert!((report.old_at_10.mean - old_at_10 as f64 / 300.0).abs() < 1e-9, "{options:?}");
        }
    }
}

#[test]
fn threads_and_repetition_change_nothing() {
    let mut dice = Dice(10);
    let (p, q) = (40, 30);
    let from = dice.rows(700, p);
    let map: Vec<f64> = (0..p * q).map(|_| dice.normal()).collect();
    let to: Vec<f32> = mapped(&from, p, &map, 0.0).iter().map(|y| y.tanh()).collect();
    let pairs = Pairs::new(&from, p, &to, q).unwrap();
    for method in methods() {
        let run =
            |threads| fit(pairs, &Options { method, threads, ..Options::default() }, &|| false).unwrap();
        let first = run(1);
        assert_eq!(run(1), first);
        assert_eq!(run(3), first);
        let model = |threads| ErrorModel::fit(pairs, &first.0, Metric::Cosine, threads, &|| false).unwrap();
        assert_eq!(model(1), model(3));
        let scores = |threads| score_pairs(pairs, &first.0, Metric::Cosine, 20, threads, &|| false).unwrap();
        assert_eq!(scores(1), scores(2));
    }
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let mut dice = Dice(11);
    for n in [20, 100, 1000] {
        for (easy, hard) in [(0.5, 0.5), (0.9, 0.6), (1.0, 0.9), (0.98, 0.94), (1.0, 0.0)] {
            for of in [1, 10] {
                let truth = (easy + hard) / 2.0;
                let (trials, mut within) = (1000, 0);
                for _ in 0..trials {
                    let share = |dice: &mut Dice| {
                        let p = if dice.unit() < 0.5 { easy } else { hard };
                        (0..of).filter(|_| dice.unit() < p).count() as f64 / f64::from(of)
                    };
                    let shares: Vec<f64> = (0..n).map(|_| share(&mut dice)).collect();
                    let found = Estimate::of(&shares);
                    assert!(found.low <= found.mean && found.mean <= found.high);
                    within += usize::from(found.low <= truth && truth <= found.high);
                }
                // Few items have few possible means, so that no interval holds 95 % for every truth; the rest is chance.
                let least = if n < 100 { 885 } else { 915 };
                assert!(within >= least, "{n} items of {of}, {easy} and {hard}: {within} of {trials}");
            }
        }
    }
    let certain = Estimate::of(&[1.0; 20]);
    assert!((certain.low - 0.8389).abs() < 1e-4 && certain.high == 1.0, "{certain:?}");
    assert_eq!(Estimate::of(&[]), Estimate { mean: 0.0, low: 0.0, high: 1.0 });
}

#[test]
fn what_does_not_fit_is_refused() {
    let rows = vec![1f32; 4 * 39];
    let shape = |from: &[f32], p, to: &[f32], q| Pairs::new(from, p, to, q).map(|_| ());
    assert_eq!(shape(&rows, 0, &rows, 4), Err(Error::Dimensions { side: "from", dims: 0 }));
    let most = foretaste_storage::limits::DIMENSION as usize;
    assert_eq!(shape(&rows, 4, &rows, most + 1), Err(Error::Dimensions { side: "to", dims: most + 1 }));
    let mismatched = |from_len, to_len| Err(Error::Mismatched { from_len, from_dims: 4, to_len, to_dims: 4 });
    assert_eq!(shape(&rows[1..], 4, &rows, 4), mismatched(155, 156));
    assert_eq!(shape(&rows[4..], 4, &rows, 4), mismatched(152, 156));
    let mut infinite = rows.clone();
    infinite[4 * 3 + 2] = f32::NEG_INFINITY;
    assert_eq!(shape(&rows, 4, &infinite, 4), Err(Error::NotFinite { pair: 3, side: "to", dimension: 2 }));
    let pairs = Pairs::new(&rows, 4, &rows, 4).unwrap();
    assert!(!pairs.is_empty() && pairs.swapped().len() == 39);
    let few = fit(pairs, &Options::default(), &|| false).map(|_| ());
    assert_eq!(few, Err(Error::TooFew { pairs: 39 }));
    assert!(few.unwrap_err().to_string().contains("40"));

    let mut dice = Dice(12);
    let (four, three) = (dice.rows(40, 4), dice.rows(40, 3));
    let (adapter, _) = fitted(&four, 4, &three, 3, Method::Ridge { ridge: None });
    let other = Pairs::new(&three, 3, &four, 4).unwrap();
    let unfit = Error::Unfit { what: "the side that the adapter maps from", found: 4, expected: 3 };
    assert_eq!(ErrorModel::fit(other, &adapter, Metric::L2, 1, &|| false).err(), Some(unfit.clone()));
    assert_eq!(score_pairs(other, &adapter, Metric::L2, 5, 1, &|| false).err(), Some(unfit));
    let narrow = Pairs::new(&four, 4, &four, 4).unwrap();
    let unfit = Error::Unfit { what: "the side that the adapter maps to", found: 3, expected: 4 };
    assert_eq!(score_pairs(narrow, &adapter, Metric::L2, 5, 1, &|| false).err(), Some(unfit));
    let model = ErrorModel::fit(Pairs::new(&four, 4, &three, 3).unwrap(), &adapter, Metric::L2, 1, &|| false)
        .unwrap();
    let unfit = Error::Unfit { what: "the last row", found: 3, expected: 4 };
    assert_eq!(model.predict(&four[1..], &adapter, 1), Err(unfit));
    let (back, _) = fitted(&three, 3, &four, 4, Method::Ridge { ridge: None });
    assert_eq!(
        model.predict(&four, &back, 1),
        Err(Error::Unfit { what: "the adapter", found: 3, expected: 4 })
    );
}

#[test]
fn it_can_be_cancelled_at_every_step() {
    let mut dice = Dice(13);
    let (from, to) = (dice.rows(400, 20), dice.rows(400, 24));
    let pairs = Pairs::new(&from, 20, &to, 24).unwrap();
    for method in methods() {
        let options = Options { method, ..Options::default() };
        let run = |allowed: usize| {
            let asked = Cell::new(0);
            let cancel = || {
                asked.set(asked.get() + 1);
                asked.get() > allowed
            };
            (fit(pairs, &options, &cancel).map(|_| ()), asked.get())
        };
        let (whole, steps) = run(usize::MAX);
        assert!(whole.is_ok() && steps > 10, "{method:?}: {steps}");
        for allowed in 0..steps {
            assert_eq!(run(allowed).0, Err(Error::Cancelled), "{method:?} at {allowed} of {steps}");
        }
    }
}

#[test]
fn short_and_long_slices_are_mapped_as_far_as_they_go() {
    let mut dice = Dice(14);
    let (from, to) = (dice.rows(60, 5), dice.rows(60, 4));
    let (adapter, _) = fitted(&from, 5, &to, 4, Method::Ridge { ridge: None });
    let mut out = vec![9f32; 6];
    adapter.apply(&from[..7], &mut out);
    assert_eq!(out[4..], [9.0, 9.0]);
    let mut many = vec![9f32; 11];
    adapter.apply_many(&from[..24], &mut many, 2);
    for (a, b) in out[..4].iter().zip(&many) {
        assert!((a - b).abs() < 1e-5);
    }
    assert_eq!(many[8..], [9.0; 3]);
    adapter.apply(&[], &mut out);
    assert_eq!(out[..4], *adapter.to_mean());
}

#[test]
fn rows_that_fare_worse_are_told_by_their_length_and_place() {
    let mut dice = Dice(15);
    let p = 16;
    let from = dice.rows(2000, p);
    let to: Vec<f32> = from
        .chunks(p)
        .flat_map(|row| {
            // The farther along the first dimension, the noisier.
            let noise = (f64::from(row[0]) * 0.8).exp() * 0.2;
            row.iter().map(|x| x + (dice.normal() * noise) as f32).collect::<Vec<f32>>()
        })
        .collect();
    let pairs = Pairs::new(&from, p, &to, p).unwrap();
    let (adapter, _) = fitted(&from, p, &to, p, Method::Ridge { ridge: None });
    let model = ErrorModel::fit(pairs, &adapter, Metric::L2, 1, &|| false).unwrap();
    assert!(model.rank_correlation() > 0.9, "{}", model.rank_correlation());
    let expected = model.predict(&from, &adapter, 1).unwrap();
    let first = order(2000, Order::ByExpectedError(&expected));
    let mean = |rows: &[usize]| rows.iter().map(|&i| from[i * p]).sum::<f32>() / rows.len() as f32;
    assert!(mean(&first[..500]) > 1.0 && mean(&first[1500..]) < -0.3);
    // Where nothing is to be told apart, nothing is.
    let exact = ErrorModel::fit(Pairs::new(&from, p, &from, p).unwrap(), &adapter, Metric::L2, 1, &|| false);
    assert!(exact.unwrap().predict(&from, &adapter, 1).unwrap().iter().all(|e| e.is_finite()));
}

#[test]
fn orders_have_every_row_once() {
    let numbers = [2.0, f64::NAN, -1.0, f64::INFINITY, 2.0];
    assert_eq!(order(7, Order::ByVariance(&numbers)), [3, 0, 4, 2, 1, 5, 6]);
    assert_eq!(order(2, Order::ByExpectedError(&numbers)), [0, 1]);
    assert_eq!(order(0, Order::Given), [0usize; 0]);
}

#[test]
fn correlations_of_ranks() {
    let a = [1.0, 5.0, 2.0, 9.0];
    assert!((rank_correlation(&a, &a.map(|x| -x * x)) + 1.0).abs() < 1e-12);
    // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3.
    let tied = rank_correlation(&[0.0, 1.0, 1.0, 2.0], &[0.0, 1.0, 2.0, 3.0]);
    assert!((tied - 4.5 / (4.5f64 * 5.0).sqrt()).abs() < 1e-12, "{tied}");
    assert_eq!(rank_correlation(&[], &[]), 0.0);
}

#[test]
fn a_bent_scale_is_followed_by_steps_and_not_by_a_line() {
    let mut dice = Dice(16);
    let bent = |x: f64| x.powi(3);
    let seen: Vec<(f64, f64)> = (0..5000)
        .map(|_| {
            let x = dice.unit();
            (x, bent(x) + 0.02 * dice.normal())
        })
        .collect();
    let line = Calibration::fit(&seen, Shape::Linear).unwrap();
    let curve = Calibration::fit(&seen, Shape::Monotone).unwrap();
    let error = |c: &Calibration| {
        (1..100).map(|i| i as f64 / 100.0).map(|x| (c.apply(x) - bent(x)).abs()).fold(0.0, f64::max)
    };
    assert!(error(&curve) < 0.03 && error(&line) > 0.1, "{} {}", error(&curve), error(&line));
    assert!(Calibration::fit(&[(0.1, 0.9), (0.9, 0.1)], Shape::Monotone).is_none());
    assert!(Calibration::fit(&[], Shape::Linear).is_none());
    assert!(Calibration::fit(&[(f64::NAN, 1.0), (1.0, f64::INFINITY)], Shape::Linear).is_none());
    assert!(curve.apply(f64::NAN).is_nan());
}

#[test]
fn centred_products_are_those_of_f64() {
    let mut dice = Dice(17);
    for n in [1, 255, 256, 257, 700] {
        let (a, b): (Vec<f32>, Vec<f32>) = (dice.rows(n, 5), dice.rows(n, 3));
        let (of_a, of_b) = (Centre::new(&a, 5), Centre::new(&b, 3));
        let (x, y) = (Centred { rows: &a, centre: &of_a }, Centred { rows: &b, centre: &of_b });
        let found = products(x, y, 2, &|| false).unwrap();
        for i in 0..5 {
            for j in 0..3 {
                let term = |(a, b): (&[f32], &[f32])| of_a.of(a).nth(i).unwrap() * of_b.of(b).nth(j).unwrap();
                let truth = a.chunks(5).zip(b.chunks(3)).map(term).sum::<f64>() / n as f64;
                assert!((found[i * 3 + j] - truth).abs() < 1e-6, "{n}: {} for {truth}", found[i * 3 + j]);
            }
        }
    }
}

fn any_adapter() -> impl Strategy<Value = Adapter> {
    let kind = prop_oneof![Just(Kind::Procrustes), Just(Kind::Ridge), Just(Kind::Anchors)];
    let number = prop_oneof![any::<f32>().prop_filter("finite", |x| x.is_finite()), Just(-0.0f32)];
    (kind, 1usize..9, 1usize..9)
        .prop_flat_map(move |(kind, p, q)| {
            let numbers = |n| proptest::collection::vec(number.clone(), n);
            (Just(kind), numbers(p), numbers(q), numbers(p * q))
        })
        .prop_map(|(kind, from, to, matrix)| Adapter::new(kind, from, to, matrix).unwrap())
}

proptest! {
    #[test]
    fn bytes_come_back_and_damage_is_an_error(adapter in any_adapter(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let bytes = adapter.to_bytes();
        let back = Adapter::from_bytes(&bytes).unwrap();
        prop_assert_eq!(back.to_bytes(), bytes.clone());
        let cut = at.index(bytes.len());
        prop_assert!(Adapter::from_bytes(&bytes[..cut]).is_err());
        prop_assert!(Adapter::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        let mut flipped = bytes.clone();
        flipped[cut] ^= 1 << bit;
        // What still reads is what the bytes say.
        match Adapter::from_bytes(&flipped) {
            Ok(other) => prop_assert!(other.to_bytes() == flipped && cut >= 2),
            Err(error) => prop_assert!(error.offset < bytes.len()),
        }
    }

    #[test]
    fn other_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(adapter) = Adapter::from_bytes(&bytes) {
            prop_assert_eq!(adapter.to_bytes(), bytes);
        }
    }

    #[test]
    fn calibrations_rise(
        seen in proptest::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 2..300),
        asked in proptest::collection::vec(-3.0f64..3.0, 2..50),
    ) {
        let mut asked = asked;
        asked.sort_by(f64::total_cmp);
        for shape in [Shape::Linear, Shape::Monotone] {
            if let Some(calibration) = Calibration::fit(&seen, shape) {
                for two in asked.windows(2) {
                    let (low, high) = (calibration.apply(two[0]), calibration.apply(two[1]));
                    prop_assert!(low <= high + 1e-12, "{low} {high}");
                }
            }
        }
    }
}

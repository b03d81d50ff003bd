use super::*;
use crate::index::parallel::mix;

/// Numbers from -1 to 1 that look random.
fn draw(seed: u64, i: u64) -> f64 {
    (mix(mix(seed) ^ i) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn vector(seed: u64, dims: usize) -> Vec<f32> {
    (0..dims as u64).map(|i| draw(seed, i) as f32).collect()
}

/// Solves by Gaussian elimination with pivoting.
fn solve(mut m: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        let p = (i..n).max_by(|&x, &y| m[x][i].abs().total_cmp(&m[y][i].abs())).unwrap();
        m.swap(i, p);
        b.swap(i, p);
        for r in 0..n {
            if r != i {
                let f = m[r][i] / m[i][i];
                let pivot = m[i].clone();
                m[r].iter_mut().zip(&pivot).skip(i).for_each(|(to, from)| *to -= f * from);
                b[r] -= f * b[i];
            }
        }
    }
    (0..n).map(|i| b[i] / m[i][i]).collect()
}

#[test]
fn the_posterior_is_that_of_a_direct_solve() {
    for (seed, n, dims) in [(1, 5, 3), (2, 12, 20), (3, 40, 9), (4, 33, 33)] {
        let (u0, rho, expected) = (vector(seed, dims), 0.3, 0.8);
        let anchors: Vec<(Vec<f32>, f64)> = (0..n)
            .map(|i| vector(seed * 1000 + i as u64, dims))
            .enumerate()
            .map(|(i, x)| {
                let score = 40.0 + 2.0 * dot(&u0, &x) + draw(seed + 77, i as u64);
                (x, score)
            })
            .collect();
        // Offset and scale border the matrix; the scale's prior is the entry in the corner.
        let trust = SCALE_DEVIATION.powi(-2);
        let border = |x: &[f32]| {
            let mut row: Vec<f64> = anchors.iter().map(|(v, _)| dot(v, x)).collect();
            row.extend([1.0, dot(&u0, x)]);
            row
        };
        let mut m: Vec<Vec<f64>> = anchors.iter().map(|(v, _)| border(v)).collect();
        (0..n).for_each(|i| m[i][i] += rho);
        let column = |j: usize| m.iter().map(|row| row[j]).collect::<Vec<f64>>();
        let (mut ones, mut cheap) = (column(n), column(n + 1));
        ones.extend([0.0, 0.0]);
        cheap.extend([0.0, -trust]);
        m.extend([ones, cheap]);
        let mut scores: Vec<f64> = anchors.iter().map(|a| a.1).collect();
        scores.extend([0.0, -trust * expected]);
        let x = solve(m.clone(), scores.clone());
        let (weights, offset, scale) = (&x[..n], x[n], x[n + 1]);
        let left: f64 =
            (0..n).map(|i| weights[i] * (scores[i] - offset - scale * dot(&u0, &anchors[i].0))).sum::<f64>()
                + trust * (scale - expected).powi(2);
        let tau2 = left / (n as f64 - 1.0);

        let mut ridge = Ridge::new(&u0, Options { scale: Some(expected), ratio: Some(rho) });
        for (i, (v, a)) in anchors.iter().enumerate() {
            assert!(ridge.add(v, *a));
            // Fits in between must not matter: they extend the factor.
            if i % 3 == 0 {
                ridge.fit();
            }
        }
        ridge.fit();
        // The direct solve knows no least scale.
        assert!(scale > LEAST_SCALE * expected, "{seed}: {scale}");
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-7 * (1.0 + b.abs()), "{seed}: {a} {b}");
        near(ridge.scale().unwrap(), scale);
        near(ridge.noise(), (tau2 * rho).sqrt());
        for t in 0..5 {
            let probe = vector(seed + 5000 + t, dims);
            let k = border(&probe);
            let found = ridge.predict(&probe);
            near(found.mean, k.iter().zip(&x).map(|(k, x)| k * x).sum());
            let part: f64 = k.iter().zip(solve(m.clone(), k.clone())).map(|(k, s)| k * s).sum();
            near(found.variance, tau2 * (dot(&probe, &probe) - part));
        }
        let query = ridge.query();
        for (j, u) in query.iter().enumerate() {
            let change: f64 = (0..n).map(|i| weights[i] * f64::from(anchors[i].0[j])).sum();
            assert!((f64::from(*u) - f64::from(u0[j]) - change / scale).abs() < 1e-5);
        }
    }
}

#[test]
fn without_anchors_it_is_the_query() {
    let u0 = vector(9, 24);
    let mut ridge = Ridge::new(&u0, Options::default());
    ridge.fit();
    assert_eq!(ridge.query(), u0);
    for i in 0..MIN_ANCHORS as u64 - 1 {
        assert!(ridge.add(&vector(i, 24), draw(5, i)));
    }
    ridge.fit();
    assert_eq!(ridge.query(), u0);
    let found = ridge.predict(&u0);
    assert!((found.mean - dot(&u0, &u0)).abs() < 1e-9 && found.variance == f64::INFINITY);
    assert_eq!((ridge.noise(), ridge.scale()), (f64::INFINITY, None));
}

#[test]
fn without_noise_it_goes_through_the_anchors() {
    let u0 = vector(1, 64);
    let mut ridge = Ridge::new(&u0, Options { ratio: Some(1e-10), scale: None });
    let anchors: Vec<Vec<f32>> = (0..20).map(|i| vector(100 + i, 64)).collect();
    for (i, v) in anchors.iter().enumerate() {
        ridge.add(v, draw(6, i as u64));
    }
    ridge.fit();
    for (i, v) in anchors.iter().enumerate() {
        let found = ridge.predict(v);
        assert!((found.mean - draw(6, i as u64)).abs() < 1e-6, "{i}");
        assert!(found.variance >= 0.0 && found.variance.sqrt() < 1e-3, "{i}: {}", found.variance);
    }
    assert!(ridge.predict(&vector(999, 64)).variance.sqrt() > 1e-2);
}

#[test]
fn constant_scores_leave_it_where_it_was() {
    let u0 = vector(1, 8);
    let mut ridge = Ridge::new(&u0, Options::default());
    for i in 0..30 {
        assert!(ridge.add(&vector(i, 8), 3.5));
        ridge.fit();
        assert_eq!(ridge.query(), u0);
    }
}

#[test]
fn nothing_it_is_given_makes_it_panic_or_not_finite() {
    let finite = |ridge: &Ridge, x: &[f32]| {
        assert!(ridge.query().iter().all(|x| x.is_finite()));
        let found = ridge.predict(x);
        assert!(!found.mean.is_nan() && found.variance >= 0.0, "{found:?}");
    };
    let odd = [0.0, -0.0, 1.0, f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, 1e20, -3.0];
    let scores =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -f64::MAX, 0.0, 1e300, 1e-300, 1.0, -2.0];
    for seed in 0..300u64 {
        let pick = |i: u64, n: usize| (mix(mix(seed) ^ i) % n as u64) as usize;
        let dims = pick(1, 5);
        let u0: Vec<f32> =
            (0..dims).map(|i| odd[pick(10 + i as u64, if seed % 2 == 0 { 3 } else { 9 })]).collect();
        let mut ridge = Ridge::new(&u0, Options::default());
        for i in 0..40u64 {
            let x: Vec<f32> = (0..dims as u64)
                .map(|j| odd[pick(100 + i * 8 + j, if seed % 3 == 0 { 9 } else { 3 })])
                .collect();
            let score = if seed % 5 == 0 { scores[pick(900 + i, 10)] } else { draw(seed, i) };
            let taken = ridge.add(&x, score);
            assert!(!taken || (score.is_finite() && x.iter().all(|x| x.is_finite())));
            assert!(!ridge.add(&vec![1.0; dims + 1], 1.0));
            if i % 7 == 0 {
                ridge.fit();
            }
            finite(&ridge, &x);
        }
        ridge.fit();
        finite(&ridge, &vec![0.0; dims]);
    }
}

#[test]
fn it_finds_a_planted_query_and_its_noise_whatever_the_unit() {
    let (u0, hidden, dims) = (vector(1, 16), vector(2, 16), 16);
    let fit = |unit: f64, offset: f64| {
        let mut ridge = Ridge::new(&u0, Options::default());
        for i in 0..300u64 {
            let x = vector(1000 + i, dims);
            // Uniform from -1 to 1 has the deviation 0.577.
            let score = dot(&u0, &x) + 0.5 * dot(&hidden, &x) + 0.2 * draw(3, i);
            ridge.add(&x, offset + unit * score);
            if i % 50 == 49 {
                ridge.fit();
            }
        }
        ridge
    };
    let ridge = fit(1.0, 0.0);
    assert!((ridge.noise() - 0.2 * 0.577).abs() < 0.02, "{}", ridge.noise());
    let cosine = |a: &[f32], b: &[f32]| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let target: Vec<f32> = u0.iter().zip(&hidden).map(|(u, h)| u + 0.5 * h).collect();
    assert!(cosine(&ridge.query(), &target) > 0.995, "{}", cosine(&ridge.query(), &target));
    assert!(cosine(&ridge.query(), &target) > cosine(&u0, &target));
    let other = fit(250.0, -1e4);
    for (a, b) in ridge.query().iter().zip(other.query()) {
        assert!((a - b).abs() < 1e-4);
    }
    assert!((other.noise() / ridge.noise() - 250.0).abs() < 0.1);
}

#[test]
fn more_than_the_most_anchors_are_left_out() {
    let mut ridge = Ridge::new(&[1.0], Options::default());
    for i in 0..MAX_ANCHORS {
        assert!(ridge.add(&[i as f32], 0.0));
    }
    assert!(!ridge.add(&[1.0], 0.0));
    assert_eq!(ridge.anchors(), MAX_ANCHORS);
}

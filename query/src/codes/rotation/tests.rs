use super::*;

/// Rows without a pattern whose dimension d, before mixing, has the standard deviation `deviation(d)`.
fn sample(n: usize, dims: usize, seed: u64, deviation: impl Fn(usize) -> f64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        // The sum of four even draws is bell-shaped enough.
        (0..4)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
            })
            .sum::<f64>()
            * 3f64.sqrt()
    };
    let mut rows: Vec<f64> = (0..n * dims).map(|i| next() * deviation(i % dims)).collect();
    // Three reflections mix all dimensions.
    for _ in 0..3 {
        let v: Vec<f64> = (0..dims).map(|_| next()).collect();
        let squared: f64 = v.iter().map(|x| x * x).sum();
        for row in rows.chunks_exact_mut(dims) {
            let along: f64 = row.iter().zip(&v).map(|(x, v)| x * v).sum::<f64>() * 2.0 / squared;
            row.iter_mut().zip(&v).for_each(|(x, v)| *x -= along * v);
        }
    }
    rows.iter().enumerate().map(|(i, x)| (x + (i % dims) as f64 * 0.1) as f32).collect()
}

fn falling(d: usize) -> f64 {
    0.97f64.powi(d as i32)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn assert_orthonormal(rotation: &Rotation) {
    let rows: Vec<&[f32]> = rotation.matrix().chunks_exact(rotation.dims()).collect();
    assert_eq!(rows.len(), rotation.prefix());
    for (i, a) in rows.iter().enumerate() {
        for (j, b) in rows[..=i].iter().enumerate() {
            let expected = f64::from(u8::from(i == j));
            let got = dot(a, b);
            assert!((got - expected).abs() < 2e-6, "{} dims, rows {i} and {j}: {got}", rotation.dims());
        }
    }
}

/// Variances of the columns of rotated rows.
fn variances(rows: &[f32], dims: usize) -> Vec<f64> {
    let n = (rows.len() / dims) as f64;
    let column = |d: usize| rows[d..].iter().step_by(dims).map(|&x| f64::from(x));
    (0..dims)
        .map(|d| {
            let mean = column(d).sum::<f64>() / n;
            column(d).map(|x| (x - mean).powi(2)).sum::<f64>() / n
        })
        .collect()
}

#[test]
fn rows_are_orthonormal_and_hold_the_energy_they_name_in_falling_order() {
    for (dims, n) in [(1, 50), (2, 50), (3, 40), (17, 200), (64, 300), (65, 300), (130, 500), (384, 700)] {
        let sample = sample(n, dims, dims as u64, falling);
        let rotation = Rotation::pca(&sample, dims, dims, 2);
        assert_orthonormal(&rotation);
        assert!(rotation.energy().is_sorted_by(|a, b| a >= b));
        let mut rotated = vec![0.0; n * dims];
        rotation.apply_many(&sample, &mut rotated, 2);
        let total = f64::from(rotation.total());
        for (energy, variance) in rotation.energy().iter().zip(variances(&rotated, dims)) {
            assert!((f64::from(*energy) - variance).abs() < 2e-6 * total, "{dims}: {energy} {variance}");
        }
        let sum: f64 = rotation.energy().iter().map(|&x| f64::from(x)).sum();
        assert!((sum - total).abs() < 1e-5 * total, "{dims}: {sum} of {total}");
        // Whatever the rotation, it takes nothing away.
        for (row, rotated) in sample.chunks_exact(dims).zip(rotated.chunks_exact(dims)) {
            let norm: f64 =
                row.iter().zip(rotation.mean()).map(|(x, m)| (f64::from(*x) - f64::from(*m)).powi(2)).sum();
            assert!((dot(rotated, rotated) - norm).abs() <= 1e-5 * norm);
        }
    }
}

#[test]
fn no_directions_hold_more_than_the_first() {
    // The largest share that any p directions hold, by orthogonal iteration in f64 on the plain covariance.
    let (dims, n, p) = (40, 400, 6);
    let sample = sample(n, dims, 9, |d| 0.8f64.powi(d as i32));
    let rotation = Rotation::pca(&sample, dims, p, 1);
    let centred = |r: usize, d: usize| f64::from(sample[r * dims + d]) - f64::from(rotation.mean()[d]);
    let covariance: Vec<f64> = (0..dims * dims)
        .map(|at| (0..n).map(|r| centred(r, at / dims) * centred(r, at % dims)).sum::<f64>() / n as f64)
        .collect();
    let mut basis: Vec<Vec<f64>> =
        (0..p).map(|i| (0..dims).map(|d| ((i * 31 + d * 17) % 13) as f64 - 6.0).collect()).collect();
    for _ in 0..400 {
        for i in 0..p {
            let product = covariance.chunks_exact(dims);
            let mut v: Vec<f64> =
                product.map(|row| row.iter().zip(&basis[i]).map(|(a, b)| a * b).sum()).collect();
            for earlier in &basis[..i] {
                let along: f64 = v.iter().zip(earlier).map(|(a, b)| a * b).sum();
                v.iter_mut().zip(earlier).for_each(|(v, e)| *v -= along * e);
            }
            let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            basis[i] = v.iter().map(|x| x / norm).collect();
        }
    }
    for (i, (v, row)) in basis.iter().zip(rotation.matrix().chunks_exact(dims)).enumerate() {
        let along: f64 = v.iter().zip(row).map(|(a, &b)| a * f64::from(b)).sum();
        assert!(along.abs() > 0.9999, "direction {i}: {along}");
    }
}

#[test]
fn degenerate_samples_still_give_orthonormal_rows() {
    let dims = 70;
    let constant: Vec<f32> = sample(1, dims, 3, falling).repeat(20);
    let mut one_dimension = vec![2.5f32; 30 * dims];
    one_dimension.iter_mut().skip(40).step_by(dims).enumerate().for_each(|(i, x)| *x = i as f32);
    let mut not_finite = sample(50, dims, 4, falling);
    not_finite[7] = f32::NAN;
    not_finite[900] = f32::INFINITY;
    for (what, sample) in [
        ("nothing", vec![]),
        ("one row", sample(1, dims, 1, falling)),
        ("fewer rows than dimensions", sample(12, dims, 2, falling)),
        ("equal rows", constant),
        ("one dimension that varies", one_dimension),
        ("enormous numbers", sample(100, dims, 5, falling).iter().map(|x| x * 1e37).collect()),
        ("tiny numbers", sample(100, dims, 6, falling).iter().map(|x| x * 1e-37).collect()),
        ("numbers that are not finite", not_finite),
        (
            "the largest numbers",
            (0..100 * dims).map(|i| if i % 3 == 0 { f32::MAX } else { f32::MIN }).collect(),
        ),
    ] {
        for prefix in [0, 1, 33, dims] {
            let rotation = Rotation::pca(&sample, dims, prefix, 2);
            assert_eq!(rotation.prefix(), prefix, "{what}");
            assert_orthonormal(&rotation);
            assert!(rotation.energy().iter().all(|x| x.is_finite() && *x >= 0.0), "{what}");
            assert!(rotation.energy().is_sorted_by(|a, b| a >= b), "{what}");
            assert!(rotation.mean().iter().all(|x| x.is_finite()) && rotation.total().is_finite(), "{what}");
        }
    }
    let rotation = Rotation::pca(&[1.0; 140], dims, dims + 5, 1);
    assert_eq!(rotation.prefix(), dims, "no more dimensions than there are");
    assert_eq!(Rotation::pca(&[], 0, 0, 1).prefix(), 0);
}

#[test]
fn a_spectrum_far_below_its_largest_value_is_found() {
    // One direction of a million times the variance of the others, as in data with a large common component.
    let sample = sample(2000, 30, 11, |d| if d == 0 { 1000.0 } else { 1.0 });
    let rotation = Rotation::pca(&sample, 30, 30, 1);
    let mut rotated = vec![0.0; sample.len()];
    rotation.apply_many(&sample, &mut rotated, 1);
    let variances = variances(&rotated, 30);
    assert!(variances[0] > 0.9e6 && variances[1..].iter().all(|x| (0.5..2.0).contains(x)), "{variances:?}");
}

#[test]
fn one_vector_and_many_rotate_alike_and_within_the_error_they_promise() {
    for (dims, prefix) in [(1, 1), (5, 3), (100, 100), (384, 384), (784, 130)] {
        let sample = sample(300, dims, 21, falling);
        let rotation = Rotation::pca(&sample, dims, prefix, 2);
        let mut many = vec![0.0; 300 * prefix];
        rotation.apply_many(&sample, &mut many, 3);
        for (row, many) in sample.chunks_exact(dims).zip(many.chunks_exact(prefix)) {
            let centred: Vec<f32> = row.iter().zip(rotation.mean()).map(|(x, m)| x - m).collect();
            let norm = dot(&centred, &centred).sqrt();
            let mut one = vec![0.0; prefix];
            rotation.apply(row, &mut one);
            let expected: Vec<f64> =
                rotation.matrix().chunks_exact(dims).map(|direction| dot(direction, &centred)).collect();
            let error = |got: &[f32]| {
                got.iter().zip(&expected).map(|(&g, e)| (f64::from(g) - e).powi(2)).sum::<f64>().sqrt()
            };
            assert!(error(&one) <= 3e-2 * norm, "{dims} to {prefix}: {} of {norm}", error(&one));
            assert!(error(many) <= 2e-6 * norm, "{dims} to {prefix}: {} of {norm}", error(many));
        }
    }
}

#[test]
fn a_vector_too_uneven_for_sixteen_bits_is_rotated_in_f32() {
    let dims = 784;
    let rotation = Rotation::pca(&sample(100, dims, 5, falling), dims, 64, 2);
    let mut x: Vec<f32> = rotation.mean().to_vec();
    x[17] += 1e6;
    let mut out = vec![0.0; 64];
    rotation.apply(&x, &mut out);
    for (row, &out) in rotation.matrix().chunks_exact(dims).zip(&out) {
        assert!((f64::from(row[17]) * 1e6 - f64::from(out)).abs() < 1.0, "{} {out}", row[17]);
    }
}

#[test]
fn the_identity_only_subtracts_the_mean() {
    let sample = sample(200, 10, 31, falling);
    let rotation = Rotation::identity(&sample, 10);
    assert_eq!((rotation.dims(), rotation.prefix(), rotation.matrix().len()), (10, 10, 0));
    let (mut one, mut many) = (vec![0.0; 10], vec![0.0; 2000]);
    rotation.apply(&sample[..10], &mut one);
    rotation.apply_many(&sample, &mut many, 2);
    assert_eq!(one, many[..10]);
    for d in 0..10 {
        assert_eq!(one[d], sample[d] - rotation.mean()[d]);
    }
    for (energy, variance) in rotation.energy().iter().zip(variances(&many, 10)) {
        assert!((f64::from(*energy) - variance).abs() < 1e-5 * variance);
    }
    assert_eq!(rotation.clone().truncated(3).prefix(), 10);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let sample = sample(900, 200, 41, falling);
    let encoded = |threads| {
        let rotation = Rotation::pca(&sample, 200, 150, threads);
        let (mut bytes, mut many) = (Vec::new(), vec![0.0; 900 * 150]);
        rotation.encode(&mut bytes);
        rotation.apply_many(&sample, &mut many, threads);
        (bytes, many)
    };
    let one = encoded(1);
    for threads in [0, 2, 3, 8] {
        assert!(encoded(threads) == one, "{threads} threads");
    }
}

#[test]
fn a_shorter_rotation_is_the_beginning_of_the_longer_one_and_shares_are_counted() {
    let sample = sample(900, 60, 51, falling);
    let rotation = Rotation::pca(&sample, 60, 60, 1);
    let half = rotation.dims_holding(0.5);
    let held = |n: usize| rotation.energy()[..n].iter().map(|&x| f64::from(x)).sum::<f64>();
    assert!(held(half) >= 0.5 * f64::from(rotation.total()));
    assert!(held(half - 1) < 0.5 * f64::from(rotation.total()));
    assert_eq!((rotation.dims_holding(0.0), rotation.dims_holding(1.1)), (0, 60));
    let short = rotation.clone().truncated(half);
    assert_eq!((short.prefix(), short.dims(), short.total()), (half, 60, rotation.total()));
    assert_eq!(short.matrix(), &rotation.matrix()[..half * 60]);
    // The same but for the last digits: rows are made orthonormal together.
    let direct = Rotation::pca(&sample, 60, half, 1);
    assert!(direct.matrix().iter().zip(short.matrix()).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn bytes_give_the_same_rotation_back() {
    let sample = sample(100, 33, 61, falling);
    for rotation in [Rotation::pca(&sample, 33, 20, 1), Rotation::identity(&sample, 33)] {
        let mut bytes = Vec::new();
        rotation.encode(&mut bytes);
        let back = Rotation::decode(&bytes, 33).unwrap();
        let mut again = Vec::new();
        back.encode(&mut again);
        assert_eq!(bytes, again);
        let (mut a, mut b) = (vec![0.0; rotation.prefix()], vec![0.0; rotation.prefix()]);
        rotation.apply(&sample[..33], &mut a);
        back.apply(&sample[..33], &mut b);
        assert_eq!(a, b);
        assert!(Rotation::decode(&bytes, 32).is_none() && Rotation::decode(&bytes, 34).is_none());
    }
}

#[test]
fn damaged_bytes_are_refused() {
    let rotation = Rotation::pca(&sample(40, 12, 71, falling), 12, 7, 1);
    let mut bytes = Vec::new();
    rotation.encode(&mut bytes);
    for length in 0..bytes.len() {
        assert!(Rotation::decode(&bytes[..length], 12).is_none(), "{length} bytes");
    }
    assert!(Rotation::decode(&[&bytes[..], &[0]].concat(), 12).is_none());
    assert!(Rotation::decode(&[&bytes[..], &[0; 4]].concat(), 12).is_none());
    for at in (12..bytes.len()).step_by(4) {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&bad.to_le_bytes());
            assert!(Rotation::decode(&bytes, 12).is_none(), "{bad} at {at}");
        }
    }
    for (at, value) in [(0, 13u32), (0, u32::MAX), (4, 13), (4, u32::MAX), (8, 0), (8, 2), (8, 257)] {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert!(Rotation::decode(&bytes, 12).is_none(), "{value} at {at}");
    }
    let mut negative = bytes.clone();
    negative[12..16].copy_from_slice(&(-1f32).to_le_bytes());
    assert!(Rotation::decode(&negative, 12).is_none());
    let mut long = bytes;
    let end = long.len();
    long[end - 4..].copy_from_slice(&2f32.to_le_bytes());
    assert!(Rotation::decode(&long, 12).is_none());
    // More dimensions than a vector may have.
    let limit = limits::DIMENSION as usize + 1;
    let mut bytes = vec![0; HEADER + limit * 4];
    bytes[0..4].copy_from_slice(&(limit as u32).to_le_bytes());
    bytes[8] = 1;
    assert!(Rotation::decode(&bytes, limit).is_none());
}

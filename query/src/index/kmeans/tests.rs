use super::*;

/// `n` rows around `clusters` places, with noise, far from the origin.
fn rows(n: usize, dims: usize, clusters: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || (splitmix(&mut state) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    let places: Vec<f32> = (0..clusters * dims).map(|_| next() * 10.0 + 30.0).collect();
    (0..n * dims).map(|i| places[i / dims % clusters * dims + i % dims] + next()).collect()
}

fn train_all(sample: &[f32], dims: usize, k: usize, iterations: usize, threads: usize) -> KMeans {
    train(sample, dims, k, iterations, 1, threads, &|_| true).unwrap()
}

fn nearest(means: &KMeans, rows: &[f32], m: usize, threads: usize) -> (Vec<u32>, Vec<f32>) {
    let n = rows.len() / means.dims;
    let (mut ids, mut distances) = (vec![7; n * m], vec![7.0; n * m]);
    means.assign(rows, m, threads, &mut ids, &mut distances);
    (ids, distances)
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

#[test]
fn the_objective_never_rises() {
    let sample = rows(3000, 20, 37, 1);
    let mut before = f64::INFINITY;
    for iterations in 0..12 {
        let means = train_all(&sample, 20, 30, iterations, 2);
        let objective: f64 = nearest(&means, &sample, 1, 2).1.iter().map(|&d| f64::from(d)).sum();
        assert!(objective <= before * (1.0 + 1e-6), "{objective} after {before}");
        before = objective;
    }
    let first = train_all(&sample, 20, 30, 0, 1);
    let objective: f64 = nearest(&first, &sample, 1, 2).1.iter().map(|&d| f64::from(d)).sum();
    assert!(before < 0.8 * objective, "training is worth something: {before} from {objective}");
}

#[test]
fn assignment_is_that_of_a_plain_search_nearest_first() {
    for dims in [1, 3, 50, 100] {
        let sample = rows(1200, dims, 20, dims as u64);
        let means = train_all(&sample, dims, 45, 3, 2);
        for m in [1, 2, 7, 45] {
            let (ids, distances) = nearest(&means, &sample, m, 2);
            for (i, row) in sample.chunks_exact(dims).enumerate() {
                let mut expected: Vec<f64> =
                    means.centroids.chunks_exact(dims).map(|c| distance(row, c)).collect();
                for (&id, &d) in ids[i * m..][..m].iter().zip(&distances[i * m..]) {
                    let exact = expected[id as usize];
                    assert!((f64::from(d) - exact).abs() <= 1e-5 * exact + 1e-9, "{d} for {exact}");
                }
                expected.sort_by(f64::total_cmp);
                for (&d, exact) in distances[i * m..][..m].iter().zip(&expected) {
                    assert!((f64::from(d) - exact).abs() <= 1e-4 * exact + 1e-3, "{d} for {exact}");
                }
                let mut different = ids[i * m..][..m].to_vec();
                different.sort_unstable();
                different.dedup();
                assert_eq!(different.len(), m);
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let sample = rows(2500, 33, 12, 5);
    let one = train_all(&sample, 33, 24, 5, 1);
    let assigned = nearest(&one, &sample, 3, 1);
    for threads in [0, 2, 3, 7] {
        assert_eq!(train_all(&sample, 33, 24, 5, threads), one);
        assert_eq!(nearest(&one, &sample, 3, threads), assigned);
    }
    assert_ne!(train(&sample, 33, 24, 5, 2, 1, &|_| true).unwrap(), one, "another seed");
}

#[test]
fn empty_cells_are_given_rows() {
    // Nearly all rows are equal, so that most first centroids are, and all but one of them lose their rows.
    let mut sample = vec![1.0f32; 400 * 4];
    for i in 0..20 {
        sample[i * 80..i * 80 + 4].copy_from_slice(&[i as f32 * 10.0, 5.0, -3.0, i as f32]);
    }
    let means = train_all(&sample, 4, 21, 30, 1);
    let (ids, distances) = nearest(&means, &sample, 1, 1);
    let mut used = ids.clone();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), 21);
    assert!(distances.iter().all(|&d| d < 1e-6));
}

#[test]
fn small_and_strange_inputs_are_answered() {
    let means = train_all(&[1.0, 2.0, 3.0, 4.0], 2, 5, 3, 2);
    assert_eq!(means.cells(), 2, "no more centroids than rows");
    let (ids, distances) = nearest(&means, &[1.0, 2.0], 4, 1);
    assert_eq!((&ids[2..], &distances[2..]), (&[u32::MAX; 2][..], &[f32::INFINITY; 2][..]));
    assert_eq!((distances[0], distances[1]), (0.0, 8.0));
    assert_eq!(train_all(&[], 2, 5, 3, 2).cells(), 0);
    assert_eq!(train_all(&[], 0, 5, 3, 2).cells(), 0);
    assert_eq!(nearest(&train_all(&[], 3, 5, 3, 1), &[1.0; 6], 1, 1).0, [u32::MAX; 2]);
}

#[test]
fn training_stops_when_progress_says_so_and_counts_up() {
    let sample = rows(500, 8, 9, 3);
    assert!(train(&sample, 8, 9, 10, 1, 1, &|_| false).is_none());
    assert!(train(&sample, 8, 9, 10, 1, 1, &|done| done < 0.25).is_none());
    let seen = std::sync::atomic::AtomicU32::new(0);
    let rising = |done: f64| {
        let thousandths = (done * 1000.0) as u32;
        seen.fetch_max(thousandths, std::sync::atomic::Ordering::Relaxed) <= thousandths
    };
    assert!(train(&sample, 8, 9, 10, 1, 1, &rising).is_some());
    assert_eq!(seen.into_inner(), 1000);
}

#[test]
fn no_cell_holds_more_than_it_may_and_every_row_is_somewhere() {
    for (n, k, m) in [(1000, 10, 4), (1000, 10, 1), (1001, 30, 30), (64, 8, 3)] {
        // Half of the rows lie in one cluster.
        let mut sample = rows(n, 6, 9, n as u64);
        let crowd = rows(n / 2, 6, 1, 77);
        sample[..crowd.len()].copy_from_slice(&crowd);
        let means = train_all(&sample, 6, k, 4, 1);
        let (ids, distances) = nearest(&means, &sample, m, 1);
        for most in [n.div_ceil(k), n.div_ceil(k) * 5 / 4, n / 3, n] {
            let cells = balance(&ids, &distances, m, k, most).unwrap();
            assert_eq!(cells.len(), n);
            let mut held = vec![0; k];
            cells.iter().for_each(|&cell| held[cell as usize] += 1);
            assert!(held.iter().all(|&held| held <= most), "{held:?} with at most {most}");
            if most == n {
                assert!(cells.iter().zip(ids.chunks(m)).all(|(cell, ids)| *cell == ids[0]));
            }
        }
        assert!(balance(&ids, &distances, m, k, (n - 1) / k).is_none(), "more rows than room");
    }
    assert_eq!(balance(&[], &[], 1, 0, 0), Some(vec![]));
}

#[test]
fn rows_that_lose_least_are_the_ones_that_move() {
    // Three rows want cell 0, which has room for two; moving the second one costs least.
    let ids = [0, 1, 0, 1, 0, 1];
    let distances = [1.0, 50.0, 2.0, 3.0, 1.5, 40.0];
    assert_eq!(balance(&ids, &distances, 2, 2, 2), Some(vec![0, 1, 0]));
}

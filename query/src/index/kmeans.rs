//! Cells of vectors that lie together: Lloyd's k-means, and a bound on how many vectors a cell holds.
//!
//! Distances are ranked as |c|^2 - 2 <x, c> over products of whole blocks, both sides moved by the mean of the centroids
//! so that little cancels; the ones that are handed out are formed directly.
//! Reads from: rows in memory. Writes to: centroids and assignments.
//! Never: a result that depends on the number of threads.

use foretaste_storage::layout::Element;

use crate::codes::share_rows;
use crate::kernel::gemm::{Side, gemm};
use crate::kernel::{Acc, Kernels, Op, Rows};

/// Rows that one thread takes at a time.
const ROWS: usize = 504;
/// Lanes of a search for a minimum.
const LANES: usize = 16;

/// Centroids of cells.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// Length of a vector.
    pub dims: usize,
    /// The centroids, one after the other.
    pub centroids: Vec<f32>,
}

/// Trains `k` centroids (at most one a row) on rows of `dims` numbers with at most `iterations` rounds of Lloyd's
/// algorithm, fewer when nothing moves any more. Starts at different rows drawn with `seed`; a centroid that no row is
/// nearest to is moved to one of the rows that are farthest from theirs.
///
/// `progress` is called with the share of rounds that are done, and cancels by returning false: then there is no result.
/// The result is the same for any number of threads.
pub fn train(
    sample: &[f32],
    dims: usize,
    k: usize,
    iterations: usize,
    seed: u64,
    threads: usize,
    progress: &(dyn Fn(f64) -> bool + Sync),
) -> Option<KMeans> {
    let n = sample.len().checked_div(dims).unwrap_or(0);
    let k = k.min(n);
    let mut centroids = Vec::with_capacity(k * dims);
    for row in draw(n, k, seed) {
        centroids.extend_from_slice(&sample[row * dims..(row + 1) * dims]);
    }
    let mut means = KMeans { dims, centroids };
    let (mut cells, mut distances) = (vec![u32::MAX; n], vec![0f32; n]);
    let mut before = cells.clone();
    for round in 0..iterations {
        if !progress(round as f64 / iterations as f64) {
            return None;
        }
        means.assign(sample, 1, threads, &mut cells, &mut distances);
        if cells == before {
            break;
        }
        before.copy_from_slice(&cells);
        means.update(sample, &cells, &distances, threads);
    }
    progress(1.0).then_some(means)
}

impl KMeans {
    /// How many centroids there are.
    pub fn cells(&self) -> usize {
        self.centroids.len().checked_div(self.dims).unwrap_or(0)
    }

    /// The `m` nearest centroids of each row with their squared L2 distances, nearest first: row i's are
    /// `out_ids[i * m..(i + 1) * m]`. Where there are fewer than `m`, the rest is `u32::MAX` and infinity.
    pub fn assign(
        &self,
        rows: &[f32],
        m: usize,
        threads: usize,
        out_ids: &mut [u32],
        out_distances: &mut [f32],
    ) {
        let (dims, k) = (self.dims.max(1), self.cells());
        let kernels = Kernels::get();
        let centre = self.centre();
        let norms: Vec<f32> = self.centroids.chunks_exact(dims).map(|c| squared(c, &centre)).collect();
        let centroids = Side::rows(&self.centroids, dims).shifted(&centre, 1.0);
        let mut nearest: Vec<(&mut [u32], &mut [f32])> =
            out_ids.chunks_mut((ROWS * m).max(1)).zip(out_distances.chunks_mut((ROWS * m).max(1))).collect();
        share_rows(&mut nearest, 1, threads, |chunk, outs| {
            let from = (chunk * ROWS * dims).min(rows.len());
            let rows = &rows[from..rows.len().min(from + ROWS * dims)];
            let mut products = vec![0f32; rows.len() / dims * k];
            gemm(kernels, Side::rows(rows, dims).shifted(&centre, 1.0), centroids, &mut products, k);
            let mut best = Vec::with_capacity(m + 1);
            for (ids, distances) in outs {
                ids.fill(u32::MAX);
                distances.fill(f32::INFINITY);
                let outs = ids.chunks_exact_mut(m.max(1)).zip(distances.chunks_exact_mut(m.max(1)));
                let products = products.chunks_exact_mut(k.max(1));
                for ((row, products), (ids, distances)) in rows.chunks_exact(dims).zip(products).zip(outs) {
                    products.iter_mut().zip(&norms).for_each(|(x, norm)| *x = norm - 2.0 * *x);
                    smallest(products, m, &mut best);
                    self.measure(kernels, row, &mut best);
                    for ((id, distance), &(d, cell)) in ids.iter_mut().zip(distances).zip(&best) {
                        (*id, *distance) = (cell, d);
                    }
                }
            }
        });
    }

    /// Replaces what the cells were ranked by with the distances themselves, and orders them by these.
    fn measure(&self, kernels: &Kernels, row: &[f32], best: &mut [(f32, u32)]) {
        for (distance, cell) in best.iter_mut() {
            let from = *cell as usize * self.dims;
            let bytes = bytemuck::cast_slice(&self.centroids[from..from + self.dims]);
            let centroid = Rows { element: Element::F32, bytes, stride: self.dims * 4, scales: &[] };
            let mut sum = [Acc::default()];
            if kernels.accumulate(Op::L2, row, &centroid, &mut sum).is_ok() {
                *distance = sum[0].a;
            }
        }
        best.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }

    fn centre(&self) -> Vec<f32> {
        let mut sums = vec![0f64; self.dims];
        for centroid in self.centroids.chunks_exact(self.dims.max(1)) {
            sums.iter_mut().zip(centroid).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        sums.iter().map(|sum| (sum / self.cells().max(1) as f64) as f32).collect()
    }

    /// Moves every centroid to the mean of its rows, and those without rows to the farthest rows.
    fn update(&mut self, sample: &[f32], cells: &[u32], distances: &[f32], threads: usize) {
        let (dims, k) = (self.dims, self.cells());
        let members = members(cells, k);
        share_rows(&mut self.centroids, dims, threads, |cell, centroid| {
            let rows = &members[cell];
            if rows.is_empty() {
                return;
            }
            let mut sums = vec![0f64; dims];
            for &row in rows {
                let row = &sample[row as usize * dims..][..dims];
                sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            let share = 1.0 / rows.len() as f64;
            centroid.iter_mut().zip(sums).for_each(|(c, sum)| *c = (sum * share) as f32);
        });
        let empty: Vec<usize> = (0..k).filter(|&cell| members[cell].is_empty()).collect();
        if empty.is_empty() {
            return;
        }
        let mut farthest: Vec<u32> = (0..cells.len() as u32).collect();
        farthest.sort_by(|&a, &b| distances[b as usize].total_cmp(&distances[a as usize]).then(a.cmp(&b)));
        for (cell, &row) in empty.into_iter().zip(&farthest) {
            let row = row as usize * dims;
            self.centroids[cell * dims..(cell + 1) * dims].copy_from_slice(&sample[row..row + dims]);
        }
    }
}

/// Cells of which none holds more than `most` rows.
///
/// `candidates` are the nearest cells of each row, `m` a row, nearest first, with their squared distances, as
/// [`KMeans::assign`] gives them. Every row is put into its nearest cell with room, in the order of how much farther their
/// next choice is: rows that lose least by moving move. Rows whose `m` choices are all full go to the cells with most room.
/// Returns the cell of every row, or `None` when `cells * most` is less than the number of rows.
pub fn balance(ids: &[u32], distances: &[f32], m: usize, cells: usize, most: usize) -> Option<Vec<u32>> {
    let n = ids.len().checked_div(m).unwrap_or(0);
    if cells.checked_mul(most).is_some_and(|room| room < n) {
        return None;
    }
    let mut out = vec![u32::MAX; n];
    let mut room = vec![most; cells];
    let choice = |row: usize, rank: usize| {
        let cell = ids.get(row * m + rank).copied().filter(|&cell| rank < m && (cell as usize) < cells)?;
        Some((cell, distances.get(row * m + rank).copied().unwrap_or(f32::INFINITY)))
    };
    // In round r every row without a cell asks for its choice r; a full cell takes those who lose most by going on.
    let mut waiting: Vec<u32> = (0..n as u32).collect();
    for rank in 0..m {
        let mut asking: Vec<(u32, f32, u32)> = Vec::with_capacity(waiting.len());
        let mut next = Vec::new();
        for &row in &waiting {
            match choice(row as usize, rank) {
                Some((cell, distance)) => {
                    let other = choice(row as usize, rank + 1).map_or(f32::INFINITY, |(_, d)| d);
                    asking.push((cell, other - distance, row));
                }
                None => next.push(row),
            }
        }
        asking.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
        for (cell, _, row) in asking {
            let room = &mut room[cell as usize];
            if *room > 0 {
                *room -= 1;
                out[row as usize] = cell;
            } else {
                next.push(row);
            }
        }
        waiting = next;
        if waiting.is_empty() {
            return Some(out);
        }
    }
    waiting.sort_unstable();
    let mut roomy: Vec<u32> = (0..cells as u32).collect();
    roomy.sort_by_key(|&cell| (std::cmp::Reverse(room[cell as usize]), cell));
    let free = roomy.into_iter().flat_map(|cell| std::iter::repeat_n(cell, room[cell as usize]));
    for (row, cell) in waiting.into_iter().zip(free) {
        out[row as usize] = cell;
    }
    Some(out)
}

/// The rows of each cell, in order.
fn members(cells: &[u32], k: usize) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); k];
    for (row, &cell) in cells.iter().enumerate() {
        if let Some(members) = members.get_mut(cell as usize) {
            members.push(row as u32);
        }
    }
    members
}

/// `k` different numbers below `n`, drawn with `seed` (Fisher and Yates).
fn draw(n: usize, k: usize, seed: u64) -> Vec<usize> {
    let mut state = seed;
    let mut rows: Vec<usize> = (0..n).collect();
    for i in 0..k {
        let j = i + (splitmix(&mut state) % (n - i) as u64) as usize;
        rows.swap(i, j);
    }
    rows.truncate(k);
    rows
}

/// SplitMix64 (Steele, Lea and Flood 2014).
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn squared(row: &[f32], centre: &[f32]) -> f32 {
    row.iter().zip(centre).map(|(x, c)| f64::from(x - c).powi(2)).sum::<f64>() as f32
}

/// The `m` smallest of `values` with their places, smallest first, equal ones by place.
fn smallest(values: &[f32], m: usize, best: &mut Vec<(f32, u32)>) {
    best.clear();
    let mut bound = f32::INFINITY;
    for (chunk, values) in values.chunks(LANES).enumerate() {
        // Most chunks hold nothing: one comparison of all lanes passes over them.
        let least = values.iter().fold(f32::INFINITY, |least, &x| if x < least { x } else { least });
        if least >= bound || m == 0 {
            continue;
        }
        for (i, &value) in values.iter().enumerate() {
            if value < bound {
                let at = best.partition_point(|&(x, _)| x <= value);
                best.insert(at, (value, (chunk * LANES + i) as u32));
                best.truncate(m);
                if best.len() == m {
                    bound = best[m - 1].0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

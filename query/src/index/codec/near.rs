//! How the energy of differences between near rows lies over the dimensions of a rotation.
//!
//! The first principal components tell far rows apart; near ones differ in the later ones as much (of Fashion-MNIST's variance
//! 208 of 784 dimensions hold 95 %, of the differences between neighbours 77 %). Codes of edges are codes of such
//! differences, so it is these that say how many dimensions they need.
//!
//! Reads from: a sample. Writes to: nothing. Never: a row's difference from itself or its equal.

use crate::codes::Rotation;
use crate::kernel::{Acc, Kernels, Op, Rows};
use foretaste_storage::layout::Element;

/// Rows whose nearest others are looked for, and how many of them.
const ROWS: usize = 64;
const NEIGHBORS: usize = 10;

/// How many of the rotation's dimensions hold `share` (0 … 1) of the energy of differences between near rows of the sample, which
/// are of `dims` numbers; all, when they do not.
pub(super) fn dims_holding(rotation: &Rotation, sample: &[f32], dims: usize, share: f64) -> usize {
    let (energy, total) = energy(rotation, sample, dims);
    let mut sum = 0.0;
    let enough = energy.iter().position(|energy| {
        sum += energy;
        sum >= share * total
    });
    enough.map_or(rotation.prefix(), |last| last + 1)
}

/// The energy in each dimension of the rotation, and that in all dimensions.
fn energy(rotation: &Rotation, sample: &[f32], dims: usize) -> (Vec<f64>, f64) {
    let rows: Vec<&[f32]> = sample.chunks_exact(dims.max(1)).collect();
    let chosen: Vec<usize> =
        (0..rows.len().min(ROWS)).map(|i| i * rows.len() / rows.len().min(ROWS)).collect();
    let others =
        Rows { element: Element::F32, bytes: bytemuck::cast_slice(sample), stride: dims * 4, scales: &[] };
    let (mut all, mut total) = (vec![0f64; rotation.prefix()], 0f64);
    let mut rotated = [vec![0f32; rotation.prefix()], vec![0f32; rotation.prefix()]];
    for row in chosen {
        let mut sums = vec![Acc::default(); rows.len()];
        // The sums stay zero, and nothing is found, when the sample were not of whole rows.
        let _ = Kernels::get().accumulate(Op::L2, rows[row], &others, &mut sums);
        let mut near: Vec<(f32, usize)> = sums
            .iter()
            .enumerate()
            .map(|(other, sum)| (sum.a, other))
            .filter(|(distance, _)| *distance > 0.0 && distance.is_finite())
            .collect();
        let count = near.len().min(NEIGHBORS);
        if count == 0 {
            continue;
        }
        near.select_nth_unstable_by(count - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let [from, to] = &mut rotated;
        rotation.apply_many(rows[row], from, 1);
        for (distance, other) in &near[..count] {
            rotation.apply_many(rows[*other], to, 1);
            for (all, (a, b)) in all.iter_mut().zip(from.iter().zip(to.iter())) {
                *all += f64::from(a - b).powi(2);
            }
            total += f64::from(*distance);
        }
    }
    (all, total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::parallel::mix;

    #[test]
    fn differences_within_clusters_count_and_not_those_between_them() {
        // Two dimensions tell 40 clusters apart; the other 14 tell apart the rows of one.
        let dims = 16;
        let unit = |i: u64| (mix(i) >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
        let sample: Vec<f32> = (0..800u64)
            .flat_map(|row| {
                (0..dims as u64).map(move |d| {
                    if d < 2 { 1000.0 * unit((row % 40) * 2 + d) } else { unit((1 << 20) + row * 64 + d) }
                })
            })
            .collect();
        let rotation = Rotation::pca(&sample, dims, dims, 1);
        assert!(rotation.energy()[..2].iter().sum::<f32>() > 0.95 * rotation.total());
        let held = dims_holding(&rotation, &sample, dims, 0.9);
        assert!((14..=16).contains(&held), "{held}");
        let equal = vec![1.5; dims * 20];
        assert_eq!(dims_holding(&Rotation::pca(&equal, dims, dims, 1), &equal, dims, 0.9), 1);
        assert_eq!(dims_holding(&rotation, &[], dims, 0.9), 1);
    }
}

//! A matrix times one vector, with the matrix in 16 bits: half the bytes of f32 to go through, which is what it costs.
//!
//! Rows lie in groups of 16, pair of numbers by pair, so that a vector register holds one pair of each row of a group and
//! the sums need no reduction. Sums are exact in 32 bits over short blocks of the row and f32 across blocks.
//! Reads from: packed rows and a vector. Writes to: a vector. Never: a sum that could overflow; the scales prevent it.

use super::Kernels;
use super::gemm::pair;

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Rows of a group, and pairs of one line.
const GROUP: usize = 16;
/// Pairs after which 32-bit sums become f32.
const BLOCK: usize = 32;
/// Longest norm of a block of a row or of the vector, in steps: the product of two, and with it every sum, is below 2^31.
const NORM: f32 = 46_000.0;
/// Largest number of steps.
const STEPS: f32 = 32_767.0;
/// How much of the norm of the vector an answer may be off, for the vector and for the rows.
const ERROR: f32 = 7e-5;

/// One pair of numbers of each of 16 rows.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line([i32; GROUP]);

/// A matrix of 16-bit numbers with one scale a row.
#[derive(Debug, Clone)]
pub struct Matrix16 {
    rows: usize,
    dims: usize,
    /// A group after the other, each `dims / 2` lines, rounded up.
    lines: Vec<Line>,
    /// Size of a step, one a row.
    scales: Vec<f32>,
}

/// How many steps make 1, for numbers that should neither leave 16 bits nor give a block that is too long.
fn steps(values: &[f32]) -> f32 {
    let largest = values.iter().fold(0f32, |max, x| max.max(x.abs()));
    let longest = values
        .chunks(2 * BLOCK)
        .map(|block| block.iter().map(|x| x * x).sum::<f32>())
        .fold(0f32, f32::max)
        .sqrt();
    (STEPS / largest).min(NORM / longest)
}

fn word(two: &[f32], steps: f32) -> i32 {
    let at = |i: usize| two.get(i).map_or(0, |x| (x * steps).round_ties_even() as i16);
    pair(at(0), at(1))
}

impl Matrix16 {
    /// The matrix of `values.len() / dims` rows of norm 1 or less, or `None` when its 16-bit form would be off by more than
    /// about 1e-4 of a vector's norm.
    pub fn new(values: &[f32], dims: usize) -> Option<Self> {
        let rows = values.len().checked_div(dims)?;
        let pairs = dims.div_ceil(2);
        let mut lines = vec![Line([0; GROUP]); rows.div_ceil(GROUP) * pairs];
        let mut scales = Vec::with_capacity(rows);
        let mut error = 0f64;
        for (r, row) in values.chunks_exact(dims).enumerate() {
            let steps = steps(row);
            // A row of zeros has no scale.
            let steps = if steps.is_finite() { steps } else { 0.0 };
            let group = &mut lines[r / GROUP * pairs..][..pairs];
            for (line, two) in group.iter_mut().zip(row.chunks(2)) {
                line.0[r % GROUP] = word(two, steps);
            }
            let scale = if steps > 0.0 { 1.0 / steps } else { 0.0 };
            scales.push(scale);
            error +=
                row.iter().map(|x| f64::from((x * steps).round_ties_even() * scale - x).powi(2)).sum::<f64>();
        }
        // What a vector without relation to the rounding errors meets.
        ((error / dims as f64).sqrt() <= f64::from(ERROR)).then_some(Self { rows, dims, lines, scales })
    }

    /// `out[i]` becomes the product of row `i` and `x`. False, and `out` is left as it was, when `x` is too uneven for 16
    /// bits, is all zeros or not finite, or when lengths do not fit.
    pub fn apply(&self, kernels: &Kernels, x: &[f32], out: &mut [f32]) -> bool {
        let steps = steps(x);
        let norm = x.iter().map(|x| x * x).sum::<f32>().sqrt();
        // A rounding error is evenly spread over a step: its root mean square is 1 / sqrt(12) of it.
        let fits = x.len() == self.dims && out.len() == self.rows;
        let close = (self.dims as f32 / 12.0).sqrt() <= ERROR * norm * steps;
        if !fits || !steps.is_finite() || !close {
            return false;
        }
        let pairs: Vec<i32> = x.chunks(2).map(|two| word(two, steps)).collect();
        let unit = 1.0 / steps;
        let groups = self.lines.chunks_exact(pairs.len());
        let product = product(kernels);
        let (mut groups, mut done) = (groups, 0);
        while let Some(first) = groups.next() {
            // Four at a time, so that each word of the vector is loaded once for 64 rows; at the end some are repeated.
            let second = groups.next().unwrap_or(first);
            let third = groups.next().unwrap_or(first);
            let fourth = groups.next().unwrap_or(first);
            let mut sums = [[0f32; GROUP]; 4];
            // SAFETY: the kernel is of a table that was handed out, so the processor has its features.
            unsafe { product([first, second, third, fourth], &pairs, &mut sums) };
            let (out, scales) = (&mut out[done..], &self.scales[done..]);
            for ((out, sum), scale) in out.iter_mut().zip(sums.as_flattened()).zip(scales) {
                *out = sum * (scale * unit);
            }
            done += 4 * GROUP;
        }
        true
    }
}

/// Sums of four groups of rows times the pairs of a vector.
///
/// # Safety
/// The processor has the kernel's features.
type Product = unsafe fn(groups: [&[Line]; 4], pairs: &[i32], sums: &mut [[f32; GROUP]; 4]);

fn product(kernels: &Kernels) -> Product {
    match kernels.name {
        #[cfg(target_arch = "x86_64")]
        "avx512" if is_x86_feature_detected!("avx512vnni") => x86::vnni,
        #[cfg(target_arch = "x86_64")]
        "avx512" | "avx2" => x86::avx2,
        #[cfg(target_arch = "aarch64")]
        "dotprod" | "neon" => neon::neon,
        _ => scalar,
    }
}

fn scalar(groups: [&[Line]; 4], pairs: &[i32], sums: &mut [[f32; GROUP]; 4]) {
    for (group, sums) in groups.into_iter().zip(sums) {
        for (lines, pairs) in group.chunks(BLOCK).zip(pairs.chunks(BLOCK)) {
            let mut block = [0i32; GROUP];
            for (line, &x) in lines.iter().zip(pairs) {
                for (sum, &w) in block.iter_mut().zip(&line.0) {
                    *sum += i32::from(w as i16) * i32::from(x as i16) + (w >> 16) * (x >> 16);
                }
            }
            for (sum, block) in sums.iter_mut().zip(block) {
                *sum += block as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern, in -1 … 1.
    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    fn unit_rows(rows: usize, dims: usize, seed: u64) -> Vec<f32> {
        let mut values = numbers(rows * dims, seed);
        for row in values.chunks_exact_mut(dims) {
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            row.iter_mut().for_each(|x| *x /= norm);
        }
        values
    }

    fn products(values: &[f32], x: &[f32]) -> Vec<f64> {
        let product = |row: &[f32]| row.iter().zip(x).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        values.chunks_exact(x.len()).map(product).collect()
    }

    #[test]
    fn every_table_is_within_its_error_of_f64() {
        for dims in (1..=130).chain([384, 768, 784, 1536]) {
            for rows in [1, 15, 16, 17, 64, 80, 130] {
                let values = unit_rows(rows, dims, (dims * 1000 + rows) as u64);
                let x: Vec<f32> = numbers(dims, dims as u64).iter().map(|x| x * 300.0).collect();
                let norm = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
                let Some(matrix) = Matrix16::new(&values, dims) else {
                    assert!(rows > dims, "only more rows than dimensions can be off by too much together");
                    continue;
                };
                let expected = products(&values, &x);
                let mut first = None;
                for kernels in Kernels::available() {
                    let mut out = vec![f32::NAN; rows];
                    assert!(matrix.apply(kernels, &x, &mut out), "dims {dims}");
                    let error: f64 =
                        out.iter().zip(&expected).map(|(&o, e)| (f64::from(o) - e).powi(2)).sum();
                    assert!(error.sqrt() <= 2e-4 * norm, "{} {rows} x {dims}: {error}", kernels.name());
                    assert_eq!(first.get_or_insert_with(|| out.clone()), &out, "{}", kernels.name());
                }
            }
        }
    }

    #[test]
    fn sums_do_not_overflow_when_everything_is_in_one_block() {
        for dims in [2, 64, 384] {
            for sign in [1.0, -1.0] {
                // Row and vector are parallel and as long as they can be in their only block.
                let mut row = vec![0.0; dims];
                row[..2].fill(0.5f32.sqrt());
                let x: Vec<f32> = row.iter().map(|r| r * sign * 1e20).collect();
                let matrix = Matrix16::new(&row, dims).unwrap();
                for kernels in Kernels::available() {
                    let mut out = [0.0];
                    let applied = matrix.apply(kernels, &x, &mut out);
                    assert!(!applied, "1e20 has no square in f32");
                    let x: Vec<f32> = row.iter().map(|r| r * sign * 1e10).collect();
                    if matrix.apply(kernels, &x, &mut out) {
                        assert!((out[0] * sign - 1e10).abs() < 1e6, "{} {}", kernels.name(), out[0]);
                    } else {
                        assert!(dims == 384, "an uneven vector is only refused when it is long");
                    }
                }
            }
        }
    }

    #[test]
    fn what_sixteen_bits_cannot_hold_is_refused_and_nothing_is_written() {
        let matrix = Matrix16::new(&unit_rows(20, 784, 1), 784).unwrap();
        let mut uneven = numbers(784, 2).iter().map(|x| x * 1e-3).collect::<Vec<_>>();
        uneven[5] = 1.0;
        let mut out = [7.0; 20];
        for x in [&uneven[..], &[0.0; 784], &[f32::NAN; 784], &[f32::INFINITY; 784], &[1.0; 783]] {
            assert!(!matrix.apply(Kernels::get(), x, &mut out));
        }
        assert!(!matrix.apply(Kernels::get(), &[1.0; 784], &mut out[..19]));
        assert_eq!(out, [7.0; 20]);
    }
}

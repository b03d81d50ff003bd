//! A matrix times one vector, with the matrix in 8 bits: a quarter of the bytes of f32 to go through, which is what it costs.
//!
//! Rows lie in groups of 16, four numbers by four, so that a vector register holds four of each row of a group and the sums
//! need no reduction. The vector has 16 bits. Sums are exact in 32 bits.
//! Reads from: packed rows and a vector. Writes to: a vector. Never: a sum that could overflow; the scales prevent it.

use super::Kernels;
use super::lanes::{largest, nearest, squared_norm_f32};

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Rows of a group.
const GROUP: usize = 16;
/// Numbers of a row in one line.
const FOUR: usize = 4;
/// Largest number of steps, of a row and of the vector.
const ROW_STEPS: f32 = 127.0;
const STEPS: f32 = 32_767.0;
/// Largest product of the norms of a row and the vector in steps: no sum is larger, and all fit into 32 bits.
const PRODUCT: f32 = 2.1e9;
/// How much of the norm of the vector an answer may be off: for the rows, and for the vector.
const ROWS_ERROR: f64 = 3e-2;
const ERROR: f32 = 2e-4;

/// Four numbers of each of 16 rows.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([[i8; FOUR]; GROUP]);

/// A matrix of 8-bit numbers with one scale a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix8 {
    rows: usize,
    dims: usize,
    /// A group after the other, each `dims / 4` lines, rounded up.
    lines: Vec<Line>,
    /// Size of a step, one a row.
    scales: Vec<f32>,
    /// Sum of a row's numbers of steps; one for each row of the groups.
    sums: Vec<i32>,
    /// Largest norm of a row, in steps.
    norm: f32,
}

/// A vector as the kernels take it: four numbers of 16 bits at a time, and the same as 8 high bits, raised by 128, and 8 low ones.
#[derive(Debug, Default)]
struct Vector {
    numbers: Vec<[i16; FOUR]>,
    high: Vec<[u8; FOUR]>,
    low: Vec<[u8; FOUR]>,
}

impl Matrix8 {
    /// The matrix of `values.len() / dims` rows of norm 1 or less, or `None` when its 8-bit form would be off by more than
    /// about 3e-2 of a vector's norm.
    pub fn new(values: &[f32], dims: usize) -> Option<Self> {
        let rows = values.len().checked_div(dims)?;
        let fours = dims.div_ceil(FOUR);
        let mut lines = vec![Line([[0; FOUR]; GROUP]); rows.div_ceil(GROUP) * fours];
        let mut scales = Vec::with_capacity(rows);
        let mut error = 0f64;
        for (r, row) in values.chunks_exact(dims).enumerate() {
            let steps = ROW_STEPS / largest(row);
            // A row of zeros has no scale.
            let steps = if steps.is_finite() { steps } else { 0.0 };
            let scale = if steps > 0.0 { 1.0 / steps } else { 0.0 };
            let group = &mut lines[r / GROUP * fours..][..fours];
            for (line, four) in group.iter_mut().zip(row.chunks(FOUR)) {
                for (place, x) in line.0[r % GROUP].iter_mut().zip(four) {
                    *place = nearest(x * steps) as i8;
                    error += f64::from(f32::from(*place) * scale - x).powi(2);
                }
            }
            scales.push(scale);
        }
        // What a vector without relation to the rounding errors meets.
        ((error / dims as f64).sqrt() <= ROWS_ERROR).then(|| Self::of(rows, dims, lines, scales))
    }

    fn of(rows: usize, dims: usize, lines: Vec<Line>, scales: Vec<f32>) -> Self {
        let fours = dims.div_ceil(FOUR).max(1);
        let of_rows = |f: fn(i32) -> i32| {
            lines.chunks_exact(fours).flat_map(move |group| {
                let sum = |row: usize| group.iter().flat_map(|l| l.0[row]).map(|x| f(i32::from(x))).sum();
                (0..GROUP).map(sum).collect::<Vec<i32>>()
            })
        };
        let sums = of_rows(|x| x).collect();
        let norm = of_rows(|x| x * x).max().unwrap_or(0);
        Self { rows, dims, scales, sums, norm: (norm as f32).sqrt(), lines }
    }

    /// `out[i]` becomes the product of row `i` and `x`. False, and `out` is left as it was, when `x` is too uneven for 16
    /// bits, is all zeros or not finite, or when lengths do not fit.
    pub fn apply(&self, kernels: &Kernels, x: &[f32], out: &mut [f32]) -> bool {
        let norm = squared_norm_f32(x).sqrt();
        let steps = (STEPS / largest(x)).min(PRODUCT / (self.norm * norm));
        // A rounding error is evenly spread over a step: its root mean square is 1 / sqrt(12) of it.
        let fits = x.len() == self.dims && out.len() == self.rows;
        let close = (self.dims as f32 / 12.0).sqrt() <= ERROR * norm * steps;
        if !fits || !steps.is_finite() || !close {
            return false;
        }
        let vector = Vector::new(x, steps);
        let unit = 1.0 / steps;
        let fours = vector.numbers.len();
        let product = product(kernels);
        // Four groups at a time, so that each word of the vector is loaded once for 64 rows; at the end some are repeated.
        let parts = self.lines.chunks(4 * fours).zip(self.sums.chunks(4 * GROUP));
        let rows = out.chunks_mut(4 * GROUP).zip(self.scales.chunks(4 * GROUP));
        for ((lines, sums), (out, scales)) in parts.zip(rows) {
            let group = |i: usize| lines.chunks_exact(fours).nth(i).unwrap_or(&lines[..fours]);
            let mut products = [[0i32; GROUP]; 4];
            // SAFETY: the kernel is of a table that was handed out, so the processor has its features; a group has as many
            // lines as the vector has fours.
            unsafe { product([group(0), group(1), group(2), group(3)], &vector, sums, &mut products) };
            for ((out, sum), scale) in out.iter_mut().zip(products.as_flattened()).zip(scales) {
                *out = *sum as f32 * (scale * unit);
            }
        }
        true
    }
}

impl Vector {
    fn new(x: &[f32], steps: f32) -> Self {
        let fours = x.len().div_ceil(FOUR);
        let mut vector = Vector {
            numbers: vec![[0; FOUR]; fours],
            high: vec![[0; FOUR]; fours],
            low: vec![[0; FOUR]; fours],
        };
        let numbers = vector.numbers.as_flattened_mut();
        numbers.iter_mut().zip(x).for_each(|(number, x)| *number = nearest(x * steps));
        let halves = vector.high.as_flattened_mut().iter_mut().zip(vector.low.as_flattened_mut());
        for (number, (high, low)) in numbers.iter().zip(halves) {
            *high = (number >> 8) as u8 ^ 0x80;
            *low = *number as u8;
        }
        vector
    }
}

/// Products of four groups of rows and a vector. `sums` are those of the rows' numbers of steps.
///
/// # Safety
/// The processor has the kernel's features, and each group as many lines as the vector has fours.
type Product = unsafe fn(groups: [&[Line]; 4], vector: &Vector, sums: &[i32], out: &mut [[i32; GROUP]; 4]);

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

fn scalar(groups: [&[Line]; 4], vector: &Vector, _: &[i32], out: &mut [[i32; GROUP]; 4]) {
    for (group, out) in groups.into_iter().zip(out) {
        for (line, four) in group.iter().zip(&vector.numbers) {
            for (out, row) in out.iter_mut().zip(&line.0) {
                let dot = row.iter().zip(four).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum::<i32>();
                *out = out.wrapping_add(dot);
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
                let Some(matrix) = Matrix8::new(&values, dims) else {
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
                    assert!(error.sqrt() <= 3e-2 * norm, "{} {rows} x {dims}: {error}", kernels.name());
                    assert_eq!(first.get_or_insert_with(|| out.clone()), &out, "{}", kernels.name());
                }
            }
        }
    }

    #[test]
    fn every_table_multiplies_what_the_eight_bits_stand_for() {
        for dims in [1, 3, 4, 63, 130, 784, 1536] {
            let values = unit_rows(20, dims, dims as u64);
            let Some(matrix) = Matrix8::new(&values, dims) else { continue };
            let fours = dims.div_ceil(FOUR);
            let stands_for: Vec<f32> = (0..20 * dims)
                .map(|at| {
                    let (row, dim) = (at / dims, at % dims);
                    let line = matrix.lines[row / GROUP * fours + dim / FOUR];
                    f32::from(line.0[row % GROUP][dim % FOUR]) * matrix.scales[row]
                })
                .collect();
            let x = numbers(dims, 9);
            let norm = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let expected = products(&stands_for, &x);
            for kernels in Kernels::available() {
                let mut out = [0.0; 20];
                assert!(matrix.apply(kernels, &x, &mut out));
                let error: f64 = out.iter().zip(&expected).map(|(&o, e)| (f64::from(o) - e).powi(2)).sum();
                // What is left is the rounding of the vector.
                assert!(error.sqrt() <= 2e-4 * norm, "{} {dims}: {}", kernels.name(), error.sqrt());
            }
        }
    }

    #[test]
    fn the_longest_sums_do_not_overflow() {
        // Row and vector are parallel, and every number of both is the largest there is: without a bound for the product of their
        // norms, sums would leave 32 bits from 516 dimensions on.
        for dims in [2, 64, 384, 515, 516, 784, 4096, 8192] {
            for sign in [1.0, -1.0] {
                let row = vec![1.0 / (dims as f32).sqrt(); dims];
                let matrix = Matrix8::new(&row, dims).unwrap();
                let x = vec![sign * 1e10; dims];
                let expected = sign * 1e10 * (dims as f32).sqrt();
                for kernels in Kernels::available() {
                    let mut out = [0.0];
                    assert!(matrix.apply(kernels, &x, &mut out), "{dims}");
                    let error = (out[0] / expected - 1.0).abs();
                    assert!(error < 1e-3, "{} {dims}: {} {expected}", kernels.name(), out[0]);
                    assert!(!matrix.apply(kernels, &vec![1e20; dims], &mut out), "1e20 has no square in f32");
                }
            }
        }
    }

    #[test]
    fn what_sixteen_bits_cannot_hold_is_refused_and_nothing_is_written() {
        let matrix = Matrix8::new(&unit_rows(20, 784, 1), 784).unwrap();
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

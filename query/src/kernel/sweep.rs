//! The three passes over a matrix that its eigenvectors cost: a rank-2 update with a product, plane rotations, reflections.
//!
//! Each is written once in plain Rust and compiled for each kind of processor.
//! Reads from and writes to: matrices in memory. Never: a decision about a spectrum (see `codes::eigen`).

use super::Kernels;

/// Columns that a pass of rotations takes at a time: they stay in registers.
pub const PANEL: usize = 64;
const LANES: usize = 16;

/// Calls `$body` compiled for the processor of the table.
macro_rules! compiled {
    ($kernels:expr, $body:ident, ($($arg:ident: $type:ty),*) $(-> $out:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
            fn avx512($($arg: $type),*) $(-> $out)? {
                $body($($arg),*)
            }
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $type),*) $(-> $out)? {
                $body($($arg),*)
            }
            match $kernels.name {
                // SAFETY: a table is handed out only when the processor has its features; all with AVX-512 have FMA.
                "avx512" => return unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                "avx2" => return unsafe { avx2($($arg),*) },
                _ => {}
            }
        }
        // NEON is part of every 64-bit ARM processor: plain Rust is compiled for it.
        #[cfg(not(target_arch = "x86_64"))]
        let _ = $kernels;
        $body($($arg),*)
    }};
}

/// For every row of `rows`, `stride` numbers apart and `v.len()` long, with number i: subtracts `v[i] * w + w[i] * v`, then
/// sets `out[i]` to its product with `next`.
pub fn update_and_multiply(
    kernels: &Kernels,
    rows: &mut [f32],
    stride: usize,
    [v, w, next]: [&[f32]; 3],
    out: &mut [f32],
) {
    compiled!(kernels, update, (rows: &mut [f32], stride: usize, v: &[f32], w: &[f32], next: &[f32], out: &mut [f32]));
}

#[inline(always)]
fn update(rows: &mut [f32], stride: usize, v: &[f32], w: &[f32], next: &[f32], out: &mut [f32]) {
    let dims = v.len();
    for (pair, (row, out)) in rows.chunks_mut(2 * stride).zip(out.chunks_mut(2)).enumerate() {
        let i = 2 * pair;
        let (first, second) = row.split_at_mut(stride.min(row.len()));
        if let [out_a, out_b] = out {
            let (a, a_rest) = first[..dims].as_chunks_mut::<LANES>();
            let (b, b_rest) = second[..dims].as_chunks_mut::<LANES>();
            let (mut sums_a, mut sums_b) = ([0f32; LANES], [0f32; LANES]);
            let chunks = v.as_chunks::<LANES>().0.iter().zip(w.as_chunks::<LANES>().0);
            for ((((a, b), (v_j, w_j)), x_j), _) in
                a.iter_mut().zip(b.iter_mut()).zip(chunks).zip(next.as_chunks::<LANES>().0).zip(0..)
            {
                for l in 0..LANES {
                    a[l] -= v[i] * w_j[l] + w[i] * v_j[l];
                    b[l] -= v[i + 1] * w_j[l] + w[i + 1] * v_j[l];
                    sums_a[l] += a[l] * x_j[l];
                    sums_b[l] += b[l] * x_j[l];
                }
            }
            let from = dims - a_rest.len();
            *out_a = sums_a.iter().sum();
            *out_b = sums_b.iter().sum();
            for (j, (a, b)) in (from..).zip(a_rest.iter_mut().zip(b_rest)) {
                *a -= v[i] * w[j] + w[i] * v[j];
                *b -= v[i + 1] * w[j] + w[i + 1] * v[j];
                *out_a += *a * next[j];
                *out_b += *b * next[j];
            }
        } else if let [out] = out {
            *out = 0.0;
            for (j, a) in first[..dims].iter_mut().enumerate() {
                *a -= v[i] * w[j] + w[i] * v[j];
                *out += *a * next[j];
            }
        }
    }
}

/// A rotation of rows `row` and `row + 1`: they become `cosine * a - sine * b` and `sine * a + cosine * b`.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Cosine of the angle.
    pub cosine: f32,
    /// Sine of the angle.
    pub sine: f32,
}

/// Rotations of rows `last`, `last - 1`, … with the row after each, in this order.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The row of the first rotation.
    pub last: usize,
    /// The rotations; there are at most `last + 1`.
    pub turns: Vec<Turn>,
}

/// Applies the sweeps one after the other to rows of [`PANEL`] numbers.
pub fn rotate(kernels: &Kernels, rows: &mut [[f32; PANEL]], sweeps: &[Sweep]) {
    compiled!(kernels, turn_rows, (rows: &mut [[f32; PANEL]], sweeps: &[Sweep]));
}

#[inline(always)]
fn turn_rows(rows: &mut [[f32; PANEL]], sweeps: &[Sweep]) {
    for sweep in sweeps {
        let Some(rows) = rows.get_mut(..sweep.last + 2) else { continue };
        let Some((held, rows)) = rows.split_last_mut() else { continue };
        let mut below = *held;
        let mut to = held;
        for (row, turn) in rows.iter_mut().rev().zip(&sweep.turns) {
            for l in 0..PANEL {
                let (a, b) = (row[l], below[l]);
                to[l] = turn.sine * a + turn.cosine * b;
                below[l] = turn.cosine * a - turn.sine * b;
            }
            to = row;
        }
        *to = below;
    }
}

/// Subtracts from each of the rows, `dims` numbers long, `2 <row, v> v` for each `v`, a unit vector that meets the last
/// `v.len()` numbers of a row, or zeros.
pub fn reflect<'a>(
    kernels: &Kernels,
    rows: &mut [f32],
    dims: usize,
    vectors: impl Iterator<Item = &'a [f32]>,
) {
    for v in vectors {
        reflect_once(kernels, rows, dims, v);
    }
}

fn reflect_once(kernels: &Kernels, rows: &mut [f32], dims: usize, v: &[f32]) {
    compiled!(kernels, reflect_rows, (rows: &mut [f32], dims: usize, v: &[f32]));
}

#[inline(always)]
fn reflect_rows(rows: &mut [f32], dims: usize, v: &[f32]) {
    let (whole, rest) = v.as_chunks::<LANES>();
    for row in rows.chunks_exact_mut(dims) {
        let (row, row_rest) = row[dims - v.len()..].as_chunks_mut::<LANES>();
        let mut sums = [0f32; LANES];
        for (row, v) in row.iter().zip(whole) {
            for l in 0..LANES {
                sums[l] += row[l] * v[l];
            }
        }
        let dot = sums.iter().sum::<f32>() + row_rest.iter().zip(rest).map(|(r, v)| r * v).sum::<f32>();
        let by = 2.0 * dot;
        for (row, v) in row.iter_mut().zip(whole) {
            for l in 0..LANES {
                row[l] -= by * v[l];
            }
        }
        for (r, v) in row_rest.iter_mut().zip(rest) {
            *r -= by * v;
        }
    }
}

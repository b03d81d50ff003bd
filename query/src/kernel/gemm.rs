//! Products of all rows of one matrix with all rows of another: f32, and signed bytes with exact sums.
//!
//! Both run in one blocked loop (Goto and van de Geijn 2008): panels of both sides are packed so that the innermost kernel
//! reads consecutive words, and a tile of the result stays in registers. A word is an f32, or what a kernel multiplies at
//! once: four bytes or two 16-bit numbers.
//! Reads from: matrices in memory. Writes to: a matrix in memory.
//! Never: an order of additions that depends on how the caller splits rows among threads.

use std::ops::Range;

use super::Kernels;

/// One kernel: `$rows` rows by two vectors of `$lanes` words, as many sums as registers leave room for.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident, $features:literal, $word:ty, $rows:literal, $lanes:literal,
     $zero:expr, $load:expr, $store:expr, $set1:ident, $step:expr) => {
        $(#[$doc])*
        #[target_feature(enable = $features)]
        fn $name(a: &[$word], b: &[$word], tile: &mut [$word; TILE]) {
            let mut sums = [[$zero; 2]; $rows];
            for (a, b) in a.as_chunks::<$rows>().0.iter().zip(b.as_chunks::<{ 2 * $lanes }>().0) {
                // SAFETY: both halves of `b` have `$lanes` words; any alignment will do.
                let (low, high) = unsafe { ($load(b.as_ptr().cast()), $load(b.as_ptr().add($lanes).cast())) };
                for (sums, &a) in sums.iter_mut().zip(a) {
                    let a = $set1(a);
                    sums[0] = $step(sums[0], a, low);
                    sums[1] = $step(sums[1], a, high);
                }
            }
            for (to, sums) in tile.as_chunks_mut::<{ 2 * $lanes }>().0.iter_mut().zip(sums) {
                // SAFETY: both halves of `to` have `$lanes` words.
                unsafe {
                    $store(to.as_mut_ptr().cast(), sums[0]);
                    $store(to.as_mut_ptr().add($lanes).cast(), sums[1]);
                }
            }
        }
    };
}

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

/// Words of depth of one packed panel: a panel of the right side then fills two thirds of a first-level cache.
const DEPTH: usize = 256;
/// Rows of the left side that are packed at a time; about a tenth of a second-level cache.
const LEFT: usize = 168;
/// Rows of the right side that are packed at a time.
const RIGHT: usize = 1024;
/// Room for the largest tile.
const TILE: usize = 14 * 32;

/// One side of a product.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    data: &'a [f32],
    /// The first row, and how many there are.
    first: usize,
    rows: usize,
    /// Rows of the whole matrix.
    all: usize,
    depth: usize,
    /// Whether `data` holds the rows one after the other, or as columns.
    transposed: bool,
    /// Subtracted from each row, when it is not empty.
    minus: &'a [f32],
    times: f32,
}

impl<'a> Side<'a> {
    /// `data.len() / depth` rows, one after the other.
    pub fn rows(data: &'a [f32], depth: usize) -> Self {
        let rows = data.len().checked_div(depth).unwrap_or(0);
        Self { data, first: 0, rows, all: rows, depth, transposed: false, minus: &[], times: 1.0 }
    }

    /// The transpose: the rows are the `rows` columns of `data`.
    pub fn columns(data: &'a [f32], rows: usize) -> Self {
        let depth = data.len().checked_div(rows).unwrap_or(0);
        Self { data, first: 0, rows, all: rows, depth, transposed: true, minus: &[], times: 1.0 }
    }

    /// Some of its rows.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn range(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows beyond a side of a product");
        Self { first: self.first + rows.start, rows: rows.len(), ..self }
    }

    /// Every number x of `data` counts as (x - m) * `times`, where `m` is the entry of `minus` at its place in its row of
    /// `data`. Numbers that are then not finite count as 0.
    pub fn shifted(self, minus: &'a [f32], times: f32) -> Self {
        Self { minus, times, ..self }
    }

    /// Packs the words `depth` of the rows from `first` on into `out`, `width` rows side by side; absent rows are 0.
    fn pack(&self, first: usize, rows: usize, depth: Range<usize>, width: usize, out: &mut Vec<f32>) {
        out.clear();
        out.resize(rows.next_multiple_of(width) * depth.len(), 0.0);
        for (p, panel) in out.chunks_exact_mut((width * depth.len()).max(1)).enumerate() {
            let count = width.min(rows - p * width);
            let start = self.first + first + p * width;
            if self.transposed {
                for (words, d) in panel.chunks_exact_mut(width).zip(depth.clone()) {
                    let from = d * self.all + start;
                    words[..count].copy_from_slice(&self.data[from..from + count]);
                    if !self.minus.is_empty() {
                        shift(&mut words[..count], &self.minus[start..], self.times);
                    }
                }
            } else {
                let mut shifted = [0f32; DEPTH];
                for r in 0..count {
                    let from = (start + r) * self.depth;
                    let mut row = &self.data[from + depth.start..from + depth.end];
                    if !self.minus.is_empty() {
                        shifted[..row.len()].copy_from_slice(row);
                        shift(&mut shifted[..row.len()], &self.minus[depth.clone()], self.times);
                        row = &shifted[..row.len()];
                    }
                    for (word, &x) in panel[r..].iter_mut().step_by(width).zip(row) {
                        *word = x;
                    }
                }
            }
        }
    }
}

fn shift(words: &mut [f32], minus: &[f32], times: f32) {
    for (x, m) in words.iter_mut().zip(minus) {
        let shifted = (*x - m) * times;
        *x = if shifted.is_finite() { shifted } else { 0.0 };
    }
}

/// `out[i * stride + j]` becomes the inner product of row `i` of `a` and row `j` of `b`.
///
/// Each sum is formed in the same order wherever its row stands, so the rows of `a` can be split among threads without
/// changing a bit.
///
/// # Panics
/// When the depths differ, or `out` is shorter than the rows of `a` need.
pub fn gemm(kernels: &Kernels, a: Side<'_>, b: Side<'_>, out: &mut [f32], stride: usize) {
    assert!(a.depth == b.depth && b.rows <= stride, "sides of a product that do not fit");
    for row in out.chunks_mut(stride.max(1)).take(a.rows) {
        row[..b.rows].fill(0.0);
    }
    blocked(
        Micro::f32(kernels),
        [a.rows, b.rows, a.depth],
        |first, rows, depth, width, panels| a.pack(first, rows, depth, width, panels),
        |first, rows, depth, width, panels| b.pack(first, rows, depth, width, panels),
        out,
        stride,
    );
}

/// `out[i * n + j]` becomes the exact inner product of row `i` of `a` and row `j` of `b`, both rows of `depth` bytes and
/// `n` the rows of `b`.
///
/// # Panics
/// When `out` is shorter than the rows need, or `depth` is beyond 65,536, where a sum could leave its 32 bits.
pub fn dots_i8(kernels: &Kernels, a: &[i8], b: &[i8], depth: usize, out: &mut [i32]) {
    assert!(depth <= 1 << 16, "rows too long for 32-bit sums");
    if depth == 0 {
        out.fill(0);
        return;
    }
    let (micro, kind) = Micro::i8(kernels);
    let (m, n) = (a.len() / depth, b.len() / depth);
    let flip = match kind {
        Words::Bytes { flip } => flip,
        Words::Pairs => 0,
    };
    // With unsigned bytes on the left, a + 128 times b is 128 times the sum of b too much.
    let offsets: Vec<i32> = match flip {
        0 => vec![0; n],
        _ => b.chunks_exact(depth).map(|row| -128 * row.iter().map(|&x| i32::from(x)).sum::<i32>()).collect(),
    };
    for row in out.chunks_exact_mut(n.max(1)).take(m) {
        row.copy_from_slice(&offsets);
    }
    let words = depth.div_ceil(kind.numbers());
    blocked(
        micro,
        [m, n, words],
        |first, rows, words, width, panels| kind.pack(a, depth, first, rows, words, width, flip, panels),
        |first, rows, words, width, panels| kind.pack(b, depth, first, rows, words, width, 0, panels),
        out,
        n,
    );
}

/// How bytes are laid into words.
#[derive(Debug, Clone, Copy)]
enum Words {
    /// Four bytes; those of the left side are first combined with `flip`, bit by bit.
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "aarch64")),
        expect(dead_code, reason = "only AVX-512 VNNI and NEON multiply bytes")
    )]
    Bytes { flip: i32 },
    /// Two bytes, each widened to 16 bits.
    Pairs,
}

impl Words {
    fn numbers(self) -> usize {
        match self {
            Words::Bytes { .. } => 4,
            Words::Pairs => 2,
        }
    }

    fn word(self, bytes: &[i8]) -> i32 {
        let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
        match self {
            Words::Bytes { .. } => i32::from_ne_bytes([0, 1, 2, 3].map(|i| at(i) as u8)),
            Words::Pairs => pair(i16::from(at(0)), i16::from(at(1))),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a matrix, a block of it, and a shape")]
    fn pack(
        self,
        data: &[i8],
        depth: usize,
        first: usize,
        rows: usize,
        words: Range<usize>,
        width: usize,
        flip: i32,
        out: &mut Vec<i32>,
    ) {
        out.clear();
        out.resize(rows.next_multiple_of(width) * words.len(), 0);
        let numbers = self.numbers();
        for (p, panel) in out.chunks_exact_mut((width * words.len()).max(1)).enumerate() {
            let start = first + p * width;
            for r in 0..width.min(first + rows - start) {
                let row = &data[(start + r) * depth..(start + r + 1) * depth];
                let row = &row[words.start * numbers..depth.min(words.end * numbers)];
                let mut to = panel[r..].iter_mut().step_by(width);
                match self {
                    Words::Bytes { .. } => {
                        let (whole, rest) = row.as_chunks::<4>();
                        for (bytes, word) in whole.iter().zip(to.by_ref()) {
                            *word = i32::from_ne_bytes(bytes.map(|x| x as u8)) ^ flip;
                        }
                        if let Some(word) = to.next() {
                            *word = self.word(rest) ^ flip;
                        }
                    }
                    Words::Pairs => {
                        to.zip(row.chunks(2)).for_each(|(word, two)| *word = self.word(two));
                    }
                }
            }
        }
    }
}

/// Two 16-bit numbers in one word, the first one in the lower half.
pub(super) fn pair(low: i16, high: i16) -> i32 {
    i32::from(low) & 0xffff | i32::from(high) << 16
}

/// The innermost kernel: `tile[i * right + j]` becomes the sum over the words of packed panels `a` and `b`, which are
/// `left` and `right` rows wide.
struct Micro<T> {
    left: usize,
    right: usize,
    /// # Safety
    /// The processor has the kernel's features.
    run: unsafe fn(a: &[T], b: &[T], tile: &mut [T; TILE]),
}

static SCALAR_F32: Micro<f32> = Micro { left: 4, right: 8, run: scalar_f32 };
static SCALAR_I8: Micro<i32> = Micro { left: 4, right: 8, run: scalar_pairs };

impl Micro<f32> {
    fn f32(kernels: &Kernels) -> &'static Self {
        match kernels.name {
            #[cfg(target_arch = "x86_64")]
            "avx512" => &x86::AVX512_F32,
            #[cfg(target_arch = "x86_64")]
            "avx2" => &x86::AVX2_F32,
            #[cfg(target_arch = "aarch64")]
            "dotprod" | "neon" => &neon::F32,
            _ => &SCALAR_F32,
        }
    }
}

impl Micro<i32> {
    fn i8(kernels: &Kernels) -> (&'static Self, Words) {
        match kernels.name {
            #[cfg(target_arch = "x86_64")]
            "avx512" if is_x86_feature_detected!("avx512vnni") => {
                (&x86::VNNI_I8, Words::Bytes { flip: i32::from_ne_bytes([0x80; 4]) })
            }
            #[cfg(target_arch = "x86_64")]
            "avx512" | "avx2" => (&x86::AVX2_I8, Words::Pairs),
            #[cfg(target_arch = "aarch64")]
            "dotprod" => (&neon::DOTPROD_I8, Words::Bytes { flip: 0 }),
            #[cfg(target_arch = "aarch64")]
            "neon" => (&neon::I8, Words::Bytes { flip: 0 }),
            _ => (&SCALAR_I8, Words::Pairs),
        }
    }
}

fn scalar_f32(a: &[f32], b: &[f32], tile: &mut [f32; TILE]) {
    let mut sums = [[0f32; 8]; 4];
    for (a, b) in a.as_chunks::<4>().0.iter().zip(b.as_chunks::<8>().0) {
        for (sums, a) in sums.iter_mut().zip(a) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    tile[..32].copy_from_slice(sums.as_flattened());
}

fn scalar_pairs(a: &[i32], b: &[i32], tile: &mut [i32; TILE]) {
    let mut sums = [[0i32; 8]; 4];
    for (a, b) in a.as_chunks::<4>().0.iter().zip(b.as_chunks::<8>().0) {
        for (sums, a) in sums.iter_mut().zip(a) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += i32::from(*a as i16) * i32::from(*b as i16) + (a >> 16) * (b >> 16);
            }
        }
    }
    tile[..32].copy_from_slice(sums.as_flattened());
}

/// Adds to `out` the products of all rows of both sides. `pack(first, rows, words, width, panels)` lays out a block of a
/// side.
fn blocked<T: Copy + Default + std::ops::AddAssign>(
    micro: &Micro<T>,
    [m, n, depth]: [usize; 3],
    pack_a: impl Fn(usize, usize, Range<usize>, usize, &mut Vec<T>),
    pack_b: impl Fn(usize, usize, Range<usize>, usize, &mut Vec<T>),
    out: &mut [T],
    stride: usize,
) {
    assert!(m == 0 || n == 0 || out.len() >= (m - 1) * stride + n, "no room for a product");
    let (mut panels_a, mut panels_b) = (Vec::new(), Vec::new());
    let mut tile = [T::default(); TILE];
    for from in (0..depth).step_by(DEPTH) {
        let words = from..depth.min(from + DEPTH);
        for j in (0..n).step_by(RIGHT) {
            let columns = RIGHT.min(n - j);
            pack_b(j, columns, words.clone(), micro.right, &mut panels_b);
            for i in (0..m).step_by(LEFT) {
                let rows = LEFT.min(m - i);
                pack_a(i, rows, words.clone(), micro.left, &mut panels_a);
                for (q, b) in panels_b.chunks_exact(micro.right * words.len()).enumerate() {
                    let j = j + q * micro.right;
                    let width = micro.right.min(n - j);
                    for (p, a) in panels_a.chunks_exact(micro.left * words.len()).enumerate() {
                        let i = i + p * micro.left;
                        // SAFETY: a table is handed out only when the processor has its features, and `Micro::f32` and
                        // `Micro::i8` ask for a kernel of the same table, or look at the further feature it needs.
                        unsafe { (micro.run)(a, b, &mut tile) };
                        for (sums, row) in tile.chunks_exact(micro.right).zip(i..m.min(i + micro.left)) {
                            let start = row * stride + j;
                            for (x, &sum) in out[start..start + width].iter_mut().zip(sums) {
                                *x += sum;
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

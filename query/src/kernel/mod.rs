//! The distance kernels: one table, chosen once by what the processor can do. Unsafe code of the crate lives here.
//!
//! Kernels work on strips, that is, on many rows of one plane, and never on a pair; a vector that is spread over several
//! planes is accumulated by one call a plane.
//! Reads from: stored rows and an f32 query. Writes to: accumulators.
//! Never: a metric's sign or root (see [`exact`] and `index`), a read from an address that was not checked.

#![expect(
    unsafe_code,
    reason = "wide loads and processor features; what makes each use sound is stated at it"
)]

use std::sync::OnceLock;

use foretaste_storage::layout::Element;

/// Calls `$strip::<OP, ELEMENT>` for an operation and an element known at run time.
#[cfg(target_arch = "x86_64")]
macro_rules! monomorphic {
    ($op:expr, $element:expr, $strip:ident $args:tt) => {
        monomorphic!(@ops $op, $element, $strip $args, Dot L2 DotNorm)
    };
    (@ops $op:expr, $element:expr, $strip:ident $args:tt, $($o:ident)*) => {
        match $op { $($crate::kernel::Op::$o => monomorphic!(@element $o, $element, $strip $args),)* }
    };
    (@element $o:ident, $element:expr, $strip:ident $args:tt) => {
        match $element {
            Element::F32 => $strip::<{ Op::$o as u8 }, { Element::F32 as u8 }> $args,
            Element::F16 => $strip::<{ Op::$o as u8 }, { Element::F16 as u8 }> $args,
            Element::BF16 => $strip::<{ Op::$o as u8 }, { Element::BF16 as u8 }> $args,
            Element::I8 => $strip::<{ Op::$o as u8 }, { Element::I8 as u8 }> $args,
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod codes;
pub mod exact;
pub mod gemm;
pub(crate) mod lanes;
pub mod matvec;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
mod simsimd;
pub mod sweep;
#[cfg(test)]
mod tests;

/// What a kernel adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// [`Acc::a`] grows by the inner product.
    Dot,
    /// [`Acc::a`] grows by the sum of squared differences, formed directly: near neighbours keep their relative accuracy,
    /// which `|q|^2 - 2<q,x> + |x|^2` would lose to cancellation.
    L2,
    /// [`Acc::a`] grows by the inner product and [`Acc::b`] by the row's squared norm.
    DotNorm,
}

/// The accumulator of one row; which fields an operation uses, [`Op`] says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Acc {
    /// Inner product or sum of squared differences.
    pub a: f32,
    /// Squared norm of the row.
    pub b: f32,
}

/// Consecutive rows of one plane.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// How numbers are stored.
    pub element: Element,
    /// The rows, at any alignment; the first one starts at byte 0.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// One factor a row: value = stored number x scale. Empty means 1 for every row.
    pub scales: &'a [f32],
}

/// Rows that are not as many or not as long as a kernel was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{rows} rows of {dims} dimensions at a stride of {stride} bytes do not fit in {len} bytes with {scales} scales"
)]
pub struct OutOfBounds {
    /// Rows asked for.
    pub rows: usize,
    /// Dimensions of the query strip.
    pub dims: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes there are.
    pub len: usize,
    /// Scales there are.
    pub scales: usize,
}

/// Adds `op` of the query strip and each row to `out`.
///
/// # Safety
/// The processor has the features of the table that holds this function, and `Rows::holds(query.len(), out.len())`.
type Accumulate = unsafe fn(op: Op, query: &[f32], rows: &Rows<'_>, out: &mut [Acc]);

/// A table of kernels for one kind of processor.
#[derive(Debug)]
pub struct Kernels {
    name: &'static str,
    accumulate: Accumulate,
    codes: codes::Table,
}

/// The tables from the slowest to the fastest, by name.
const NAMES: [&str; 6] = ["scalar", "simsimd", "neon", "dotprod", "avx2", "avx512"];

const SCALAR_CODES: codes::Table = codes::Table {
    bundle: codes::scalar::bundle,
    expand: codes::scalar::expand,
    dot_i8: codes::scalar::dot_i8,
    dot_i16: codes::scalar::dot_i16,
    dots_i8: codes::scalar::dots_i8,
    residual: codes::scalar::residual,
    levels: codes::scalar::levels,
};

static SCALAR: Kernels = Kernels { name: "scalar", accumulate: scalar::accumulate, codes: SCALAR_CODES };
// Simsimd has no kernels for codes.
static SIMSIMD: Kernels = Kernels { name: "simsimd", accumulate: simsimd::accumulate, codes: SCALAR_CODES };
#[cfg(target_arch = "x86_64")]
static AVX2: Kernels = Kernels {
    name: "avx2",
    accumulate: avx2::accumulate,
    codes: codes::Table {
        bundle: codes::avx2::bundle,
        expand: codes::avx2::expand,
        dot_i8: codes::avx2::dot_i8,
        dot_i16: codes::avx2::dot_i16,
        dots_i8: codes::avx2::dots_i8,
        residual: codes::avx2::residual,
        levels: codes::avx2::levels,
    },
};
#[cfg(target_arch = "x86_64")]
static AVX512: Kernels = Kernels {
    name: "avx512",
    accumulate: avx512::accumulate,
    codes: codes::Table {
        bundle: codes::avx512::bundle,
        expand: codes::avx512::expand,
        dot_i8: codes::avx512::dot_i8,
        dot_i16: codes::avx512::dot_i16,
        dots_i8: codes::avx512::dots_i8,
        residual: codes::avx512::residual,
        levels: codes::avx512::levels,
    },
};
// Simsimd's kernels for rows are NEON's.
#[cfg(target_arch = "aarch64")]
static NEON: Kernels = Kernels {
    name: "neon",
    accumulate: simsimd::accumulate,
    codes: codes::Table {
        bundle: codes::neon::plain::bundle,
        expand: codes::neon::plain::expand,
        dot_i8: codes::neon::plain::dot_i8,
        dot_i16: codes::neon::dot_i16,
        dots_i8: codes::neon::plain::dots_i8,
        residual: codes::neon::residual,
        levels: codes::neon::levels,
    },
};
#[cfg(target_arch = "aarch64")]
static DOTPROD: Kernels = Kernels {
    name: "dotprod",
    accumulate: simsimd::accumulate,
    codes: codes::Table {
        bundle: codes::neon::dotprod::bundle,
        expand: codes::neon::dotprod::expand,
        dot_i8: codes::neon::dotprod::dot_i8,
        dot_i16: codes::neon::dot_i16,
        dots_i8: codes::neon::dotprod::dots_i8,
        residual: codes::neon::residual,
        levels: codes::neon::levels,
    },
};

impl Kernels {
    /// The table of this process: the fastest this processor has, or the one that the environment variable
    /// `FORETASTE_CPU` names (`scalar`, `simsimd`, `neon`, `dotprod`, `avx2`, `avx512`). A table this processor has not
    /// gives the next slower one; an unknown name is ignored. Chosen at the first call.
    pub fn get() -> &'static Kernels {
        static CHOSEN: OnceLock<&'static Kernels> = OnceLock::new();
        CHOSEN.get_or_init(|| Self::choose(std::env::var("FORETASTE_CPU").ok().as_deref()))
    }

    /// The table of this name, when there is one and this processor can run it.
    ///
    /// ```
    /// use foretaste_query::kernel::{Acc, Kernels, Op, Rows};
    /// use foretaste_storage::layout::Element;
    ///
    /// let kernels = Kernels::by_name("scalar").expect("there is always the scalar table");
    /// // Two rows of two bytes each, three bytes apart.
    /// let rows = Rows { element: Element::I8, bytes: &[1, 2, 0, 3, 4], stride: 3, scales: &[1.0, 0.5] };
    /// let mut out = [Acc::default(); 2];
    /// kernels.accumulate(Op::Dot, &[10.0, 1.0], &rows, &mut out)?;
    /// assert_eq!((out[0].a, out[1].a), (12.0, 17.0));
    /// # Ok::<(), foretaste_query::kernel::OutOfBounds>(())
    /// ```
    pub fn by_name(name: &str) -> Option<&'static Kernels> {
        match name {
            "scalar" => Some(&SCALAR),
            "simsimd" => {
                simsimd::warm();
                Some(&SIMSIMD)
            }
            #[cfg(target_arch = "aarch64")]
            "neon" => {
                simsimd::warm();
                Some(&NEON)
            }
            #[cfg(target_arch = "aarch64")]
            "dotprod" if neon::has_dotprod() => {
                simsimd::warm();
                Some(&DOTPROD)
            }
            #[cfg(target_arch = "x86_64")]
            "avx2" if avx2::supported() => Some(&AVX2),
            #[cfg(target_arch = "x86_64")]
            "avx512" if avx512::supported() && codes::avx512::supported() => Some(&AVX512),
            _ => None,
        }
    }

    /// The tables this processor can run, from the slowest to the fastest.
    pub fn available() -> impl Iterator<Item = &'static Kernels> {
        NAMES.iter().filter_map(|name| Self::by_name(name))
    }

    fn choose(forced: Option<&str>) -> &'static Kernels {
        let last = NAMES.iter().position(|&name| Some(name) == forced).unwrap_or(NAMES.len() - 1);
        NAMES[..=last].iter().rev().find_map(|name| Self::by_name(name)).unwrap_or(&SCALAR)
    }

    /// The name that [`Kernels::by_name`] knows it by.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Adds `op` of `query` and each of the first `out.len()` rows to `out`.
    ///
    /// `query` is the part of the query that this plane holds; it may be shorter than the rows, which are then compared on
    /// their first `query.len()` numbers. Sums are f32; a sum beyond its range becomes infinite or NaN, and one far below
    /// it becomes 0.
    ///
    /// # Errors
    /// [`OutOfBounds`] when the rows or scales do not reach that far; `out` is then as it was.
    pub fn accumulate(
        &self,
        op: Op,
        query: &[f32],
        rows: &Rows<'_>,
        out: &mut [Acc],
    ) -> Result<(), OutOfBounds> {
        if !rows.holds(query.len(), out.len()) {
            return Err(OutOfBounds {
                rows: out.len(),
                dims: query.len(),
                stride: rows.stride,
                len: rows.bytes.len(),
                scales: rows.scales.len(),
            });
        }
        // SAFETY: `by_name` hands a table out only when the processor has its features, and it is the only way to one;
        // the bounds were checked just above.
        unsafe { (self.accumulate)(op, query, rows, out) };
        Ok(())
    }
}

impl Rows<'_> {
    /// Whether there are `rows` rows of at least `dims` numbers, and their scales.
    fn holds(&self, dims: usize, rows: usize) -> bool {
        if rows == 0 {
            return true;
        }
        let row_bytes = dims.checked_mul(self.element.size());
        let last = (rows - 1).checked_mul(self.stride);
        let end = row_bytes.zip(last).and_then(|(row, last)| last.checked_add(row));
        end.is_some_and(|end| end <= self.bytes.len())
            && row_bytes.is_some_and(|row| row <= self.stride || rows == 1)
            && (self.scales.is_empty() || self.scales.len() >= rows)
    }

    /// How far ahead of the row in work to prefetch, in whole rows: about 4 KiB. The hardware's own prefetching stops at
    /// the end of a page; with this a scan is up to a fifth faster. Whole rows, so that a truncated search does not fetch
    /// the dimensions it leaves out.
    #[cfg(target_arch = "x86_64")]
    fn ahead_bytes(&self, rows: usize) -> usize {
        const AHEAD: usize = 4096;
        // One row was picked: nobody will want the rows that stand after it.
        if rows == 1 {
            return 0;
        }
        AHEAD.next_multiple_of(self.stride.max(1))
    }

    /// The factor of row `row`.
    fn scale(&self, row: usize) -> f32 {
        self.scales.get(row).copied().unwrap_or(1.0)
    }
}

//! A linear map from the vectors of one model to those of another, applied.
//!
//! Reads from: vectors. Writes to: mapped vectors, and itself as bytes.
//! Never: a fit; a number that is not finite in the map itself.

mod bytes;

pub use bytes::Damaged;

use foretaste_storage::layout::Element;

use crate::codes::share_rows;
use crate::kernel::gemm::{Side, gemm};
use crate::kernel::{Acc, Kernels, Op, Rows};

use super::pairs::{Error, Pairs};

/// Rows that one thread takes at a time.
const ROWS: usize = 168;

/// By which method a map was fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A rotation (with reflections), and where dimensions differ one that leaves some out or empty; with or without a scale.
    Procrustes,
    /// Any matrix.
    Ridge,
    /// The vector that is as similar to the anchors as the given one was.
    Anchors,
}

/// `x ↦ matrix (x - from_mean) + to_mean`.
///
/// Lengths are not what a model of unit vectors would give: compare by cosine, or scale the result to length 1.
///
/// ```
/// use foretaste_query::space::{Options, Pairs, fit};
///
/// // The new model turns the plane by 90 degrees and moves it.
/// let old: Vec<f32> = (0..200).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
/// let new: Vec<f32> = old.chunks(2).flat_map(|x| [3.0 - x[1], x[0] - 1.0]).collect();
/// let (adapter, report) = fit(Pairs::new(&new, 2, &old, 2)?, &Options::default(), &|| false)?;
/// let mut mapped = [0.0; 2];
/// adapter.apply(&[3.0, -0.5], &mut mapped);
/// assert!((mapped[0] - 0.5).abs() < 1e-5 && mapped[1].abs() < 1e-5);
/// assert!(report.cosine > 0.9999);
/// # Ok::<(), foretaste_query::space::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    kind: Kind,
    from_mean: Vec<f32>,
    to_mean: Vec<f32>,
    /// One row for each dimension of the result.
    matrix: Vec<f32>,
}

impl Adapter {
    /// From its parts; `None` when they do not fit, or a number is not finite.
    pub(super) fn new(kind: Kind, from_mean: Vec<f32>, to_mean: Vec<f32>, matrix: Vec<f32>) -> Option<Self> {
        let fits = from_mean.len().checked_mul(to_mean.len()) == Some(matrix.len());
        let finite = |x: &[f32]| x.iter().all(|x| x.is_finite());
        let sound = fits && !matrix.is_empty() && finite(&from_mean) && finite(&to_mean) && finite(&matrix);
        sound.then_some(Adapter { kind, from_mean, to_mean, matrix })
    }

    /// By which method it was fitted.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Dimensions of what is mapped.
    pub fn from_dims(&self) -> usize {
        self.from_mean.len()
    }

    /// Dimensions of what comes out.
    pub fn to_dims(&self) -> usize {
        self.to_mean.len()
    }

    /// What is taken from a vector first.
    pub fn from_mean(&self) -> &[f32] {
        &self.from_mean
    }

    /// What is added at last.
    pub fn to_mean(&self) -> &[f32] {
        &self.to_mean
    }

    /// `to_dims` rows of `from_dims` numbers.
    pub fn matrix(&self) -> &[f32] {
        &self.matrix
    }

    /// Maps one vector, in f32. Numbers beyond the dimensions of either side are left alone; a vector that is too short counts as
    /// one whose other numbers are those of the mean.
    pub fn apply(&self, x: &[f32], out: &mut [f32]) {
        let mut centred = vec![0f32; self.from_dims()];
        for (to, (x, m)) in centred.iter_mut().zip(x.iter().zip(&self.from_mean)) {
            *to = x - m;
        }
        let mut sums = vec![Acc::default(); self.to_dims()];
        let rows = Rows {
            element: Element::F32,
            bytes: bytemuck::cast_slice(&self.matrix),
            stride: 4 * self.from_dims(),
            scales: &[],
        };
        // It holds as many rows as there are sums, by construction: there is no other outcome.
        if Kernels::get().accumulate(Op::Dot, &centred, &rows, &mut sums).is_ok() {
            for (to, (sum, m)) in out.iter_mut().zip(sums.iter().zip(&self.to_mean)) {
                *to = sum.a + m;
            }
        }
    }

    /// Maps rows of `from_dims` numbers to rows of `to_dims` numbers, on up to `threads` threads, whose number does not change
    /// the result. Rows for which one side has no room are left out.
    pub fn apply_many(&self, x: &[f32], out: &mut [f32], threads: usize) {
        let (p, q) = (self.from_dims(), self.to_dims());
        let rows = (x.len() / p).min(out.len() / q);
        share_rows(&mut out[..rows * q], ROWS * q, threads, |chunk, out| {
            let from = chunk * ROWS * p;
            let rows = &x[from..from + out.len() / q * p];
            let side = Side::rows(rows, p).shifted(&self.from_mean, 1.0);
            gemm(Kernels::get(), side, Side::rows(&self.matrix, p), out, q);
            for row in out.chunks_exact_mut(q) {
                row.iter_mut().zip(&self.to_mean).for_each(|(y, m)| *y += m);
            }
        });
    }

    /// An error unless the pairs have its dimensions.
    pub(super) fn expects(&self, pairs: &Pairs<'_>) -> Result<(), Error> {
        let (found, expected) = (self.from_dims(), pairs.from_dims());
        if found != expected {
            return Err(Error::Unfit { what: "the side that the adapter maps from", found, expected });
        }
        let (found, expected) = (self.to_dims(), pairs.to_dims());
        if found != expected {
            return Err(Error::Unfit { what: "the side that the adapter maps to", found, expected });
        }
        Ok(())
    }

    /// The mapped rows in memory of their own.
    pub(super) fn mapped(&self, x: &[f32], threads: usize) -> Vec<f32> {
        let mut out = vec![0f32; x.len() / self.from_dims() * self.to_dims()];
        self.apply_many(x, &mut out, threads);
        out
    }
}

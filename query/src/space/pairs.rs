//! Items embedded by both models, and why they cannot be worked with.
//!
//! Reads from: the caller's slices. Writes to: nothing. Never: a pair with a number that is not finite.

use foretaste_storage::limits;

/// Fewest pairs: half of them are held out then, and fewer would say nothing of what is lost.
pub const LEAST_PAIRS: usize = 40;

/// Why nothing was fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A dimension of 0, or beyond what a collection may have.
    #[error("{side} vectors have {dims} dimensions; 1 to {} are possible", limits::DIMENSION)]
    Dimensions {
        /// "from" or "to".
        side: &'static str,
        /// What was given.
        dims: usize,
    },
    /// A slice is no whole number of rows, or the two sides have different numbers of them.
    #[error(
        "{from_len} numbers at {from_dims} a row and {to_len} at {to_dims} are not the same whole number of rows; \
         give each item's vector in both spaces, in the same order"
    )]
    Mismatched {
        /// Numbers on the left.
        from_len: usize,
        /// Dimensions on the left.
        from_dims: usize,
        /// Numbers on the right.
        to_len: usize,
        /// Dimensions on the right.
        to_dims: usize,
    },
    /// Too few items.
    #[error("{pairs} pairs are too few; at least {LEAST_PAIRS} are needed, some thousands are better")]
    TooFew {
        /// How many there are.
        pairs: usize,
    },
    /// A number is infinite or none.
    #[error("pair {pair} has a number that is not finite at dimension {dimension} of its {side} vector")]
    NotFinite {
        /// The place of the pair.
        pair: usize,
        /// "from" or "to".
        side: &'static str,
        /// The place of the number.
        dimension: usize,
    },
    /// The adapter or model is for other vectors than these.
    #[error("{what} has {found} dimensions where {expected} were expected")]
    Unfit {
        /// What does not fit.
        what: &'static str,
        /// What it has.
        found: usize,
        /// What it should have.
        expected: usize,
    },
    /// The numbers of the result would be beyond f32: the two spaces differ too much in scale.
    #[error("the fitted map has numbers beyond f32; scale the vectors of both spaces to lengths around 1")]
    Overflow,
    /// The caller no longer wants it.
    #[error("fitting was cancelled")]
    Cancelled,
}

/// The same items in two spaces: row `i` of both sides is the vector of one item.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    from: &'a [f32],
    to: &'a [f32],
    from_dims: usize,
    to_dims: usize,
    len: usize,
}

impl<'a> Pairs<'a> {
    /// Row-major vectors of `from_dims` and `to_dims` numbers.
    ///
    /// # Errors
    /// Dimensions out of range, sides that are not the same whole number of rows, numbers that are not finite.
    ///
    /// ```
    /// use foretaste_query::space::{Error, Pairs};
    ///
    /// assert_eq!(Pairs::new(&[1.0, 2.0, 3.0, 4.0], 2, &[5.0, 6.0], 1).map(|p| p.len()), Ok(2));
    /// let error = Pairs::new(&[1.0, f32::NAN], 2, &[5.0], 1).map(|_| ());
    /// assert_eq!(error, Err(Error::NotFinite { pair: 0, side: "from", dimension: 1 }));
    /// ```
    pub fn new(from: &'a [f32], from_dims: usize, to: &'a [f32], to_dims: usize) -> Result<Self, Error> {
        for (side, dims) in [("from", from_dims), ("to", to_dims)] {
            if dims == 0 || dims as u64 > limits::DIMENSION {
                return Err(Error::Dimensions { side, dims });
            }
        }
        let len = from.len() / from_dims;
        let whole = from.len() == len * from_dims && len.checked_mul(to_dims) == Some(to.len());
        if !whole {
            return Err(Error::Mismatched { from_len: from.len(), from_dims, to_len: to.len(), to_dims });
        }
        for (side, numbers, dims) in [("from", from, from_dims), ("to", to, to_dims)] {
            if let Some(i) = numbers.iter().position(|x| !x.is_finite()) {
                return Err(Error::NotFinite { pair: i / dims, side, dimension: i % dims });
            }
        }
        Ok(Pairs { from, to, from_dims, to_dims, len })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Dimensions of the left side.
    pub fn from_dims(&self) -> usize {
        self.from_dims
    }

    /// Dimensions of the right side.
    pub fn to_dims(&self) -> usize {
        self.to_dims
    }

    /// The left side, row by row.
    pub fn from(&self) -> &'a [f32] {
        self.from
    }

    /// The right side, row by row.
    pub fn to(&self) -> &'a [f32] {
        self.to
    }

    /// The vectors of both sides with the sides exchanged: for a map back.
    pub fn swapped(&self) -> Pairs<'a> {
        let Pairs { from, to, from_dims, to_dims, len } = *self;
        Pairs { from: to, to: from, from_dims: to_dims, to_dims: from_dims, len }
    }

    /// The chosen rows of both sides, one after the other.
    pub(super) fn gather(&self, rows: &[usize]) -> (Vec<f32>, Vec<f32>) {
        (gather(self.from, self.from_dims, rows), gather(self.to, self.to_dims, rows))
    }
}

/// The chosen rows, one after the other; those that are not there are left out.
pub(super) fn gather(rows: &[f32], dims: usize, chosen: &[usize]) -> Vec<f32> {
    let mut out = Vec::with_capacity(chosen.len() * dims);
    for &i in chosen {
        out.extend_from_slice(rows.get(i * dims..(i + 1) * dims).unwrap_or_default());
    }
    out
}

/// The numbers below `len` in an order without a pattern, always the same.
pub(super) fn shuffled(len: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by_cached_key(|&i| mixed(i as u64));
    order
}

/// Steele, Lea and Flood's SplitMix64 at `i`: a bijection, so that no two places of an order are the same.
fn mixed(i: u64) -> u64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

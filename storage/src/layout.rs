//! The physical shape of a collection's rows: levels, element type, variance storage.
//!
//! Reads from: a collection's schema. Writes to: the manifest record, by its encoding.
//! Never: a metric, a name, anything a distance would need.

use std::ops::Range;

use crate::bytes::ALIGN;
use crate::error::{Error, Result};
use crate::limits;

/// How one number of a vector is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub enum Element {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16.
    BF16,
    /// Signed 8-bit integers and one f32 scale a row: value = code x scale.
    I8,
}

impl Element {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Element::F32 => 4,
            Element::F16 | Element::BF16 => 2,
            Element::I8 => 1,
        }
    }

    /// The number that stands for it in blocks and headers.
    pub fn tag(self) -> u8 {
        match self {
            Element::F32 => 0,
            Element::F16 => 1,
            Element::BF16 => 2,
            Element::I8 => 3,
        }
    }

    /// The element that `tag` stands for.
    pub fn of_tag(tag: u64) -> Option<Element> {
        [Element::F32, Element::F16, Element::BF16, Element::I8]
            .into_iter()
            .find(|e| u64::from(e.tag()) == tag)
    }
}

/// How the variance of a row is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub enum VarianceLayout {
    /// One f32 a row: the variance of every dimension.
    Scalar,
    /// One f16 a dimension.
    DiagonalF16,
    /// One byte a dimension on a logarithmic scale (see [`crate::variance`]).
    DiagonalLog8,
}

/// The physical shape of a collection's rows.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Layout {
    /// Ascending lengths of the nested levels; the last one is the full dimension.
    pub levels: Vec<u32>,
    /// How vectors are stored.
    pub element: Element,
    /// How variances are stored, if there are any.
    pub variance: Option<VarianceLayout>,
}

/// How the token matrices of a collection's rows are stored. A row has any number of tokens, each of as many numbers.
///
/// It is no part of [`Layout`]: blocks and files that hold matrices say themselves how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub struct TokenLayout {
    /// Numbers of a token.
    pub dims: u32,
    /// How they are stored; 8-bit elements with a scale a token.
    pub element: Element,
}

impl TokenLayout {
    /// Bytes of one token: its numbers, and behind them its scale, an f32, for 8-bit elements.
    pub fn token_bytes(&self) -> usize {
        let scale = if self.element == Element::I8 { 4 } else { 0 };
        self.dims as usize * self.element.size() + scale
    }

    /// Refuses tokens without numbers, and with more than the limit.
    pub fn validate(&self) -> Result<()> {
        limits::check("numbers of a token", self.dims.into(), limits::TOKEN_DIMENSION)?;
        match self.dims {
            0 => Err(Error::corrupt(std::path::Path::new("schema"), 0, "a token has at least one number")),
            _ => Ok(()),
        }
    }
}

impl Layout {
    /// The full dimension.
    pub fn dim(&self) -> usize {
        self.levels.last().copied().unwrap_or(0) as usize
    }

    /// The dimensions that plane `level` holds: from the level before it up to its own.
    pub fn dims_of(&self, level: usize) -> Range<usize> {
        let start = if level == 0 { 0 } else { self.levels[level - 1] as usize };
        start..self.levels[level] as usize
    }

    /// How many levels a vector of `dims` numbers fills; `None` when `dims` is not the length of a level.
    pub fn levels_for(&self, dims: usize) -> Option<u8> {
        self.levels.iter().position(|&l| l as usize == dims).map(|i| i as u8 + 1)
    }

    /// How many planes a search over the first `dims` dimensions reads.
    pub fn planes_for(&self, dims: usize) -> usize {
        self.levels.iter().position(|&l| l as usize >= dims).map_or(self.levels.len(), |i| i + 1)
    }

    /// Bytes from one row to the next in plane `level`: a multiple of 64.
    pub fn stride(&self, level: usize) -> usize {
        (self.dims_of(level).len() * self.element.size()).next_multiple_of(ALIGN)
    }

    /// Bytes from one row to the next in `variance.{level}`; 0 when there is no such file.
    ///
    /// A scalar variance has one file, `variance.0`, of 4 bytes a row without padding; diagonal variances have one
    /// file a level with rows padded like the planes'.
    pub fn variance_stride(&self, level: usize) -> usize {
        match self.variance {
            None => 0,
            Some(VarianceLayout::Scalar) if level == 0 => 4,
            Some(VarianceLayout::Scalar) => 0,
            Some(VarianceLayout::DiagonalF16) => (self.dims_of(level).len() * 2).next_multiple_of(ALIGN),
            Some(VarianceLayout::DiagonalLog8) => self.dims_of(level).len().next_multiple_of(ALIGN),
        }
    }

    /// Refuses levels that are empty, not ascending, or beyond the limits.
    pub fn validate(&self) -> Result<()> {
        limits::check("number of levels", self.levels.len() as u64, limits::LEVELS)?;
        limits::check("dimension", self.dim() as u64, limits::DIMENSION)?;
        let ascending = self.levels.windows(2).all(|w| w[0] < w[1]);
        if self.levels.first().is_none_or(|&l| l == 0) || !ascending {
            return Err(Error::corrupt(
                std::path::Path::new("schema"),
                0,
                format!("levels must be positive and ascending, got {:?}", self.levels),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(levels: &[u32]) -> Layout {
        Layout {
            levels: levels.to_vec(),
            element: Element::F16,
            variance: Some(VarianceLayout::DiagonalLog8),
        }
    }

    #[test]
    fn planes_cover_the_dimensions_once() {
        let l = layout(&[64, 100, 384]);
        assert_eq!((l.dims_of(0), l.dims_of(1), l.dims_of(2)), (0..64, 64..100, 100..384));
        assert_eq!((l.planes_for(1), l.planes_for(64), l.planes_for(65), l.planes_for(384)), (1, 1, 2, 3));
        assert_eq!((l.levels_for(100), l.levels_for(99)), (Some(2), None));
        assert_eq!((l.stride(1), l.variance_stride(1)), (128, 64));
    }

    #[test]
    fn bad_levels_are_refused() {
        for bad in [&[][..], &[0], &[3, 3], &[4, 2], &[1 << 17]] {
            assert!(layout(bad).validate().is_err(), "{bad:?}");
        }
        assert!(layout(&(1..=17).collect::<Vec<_>>()).validate().is_err());
    }
}

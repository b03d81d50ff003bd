//! An adapter as bytes, and back.
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 2 | version, 1 |
//! | 2 | 1 | kind: 0 Procrustes, 1 ridge, 2 anchors |
//! | 3 | 1 | 0 |
//! | 4 | 4 | dimensions it maps from |
//! | 8 | 4 | dimensions it maps to |
//! | 12 | 4 from | what is taken from a vector |
//! | | 4 to | what is added |
//! | | 4 from to | the matrix, row by row |
//!
//! All little-endian, numbers as f32. Whoever stores it adds the checksum.
//! Reads from: bytes. Writes to: bytes.
//! Never: an allocation by a size that was not compared with the bytes there are.

use foretaste_storage::limits;

use super::{Adapter, Kind};

/// The only version so far.
const VERSION: u16 = 1;
/// Bytes in front of the numbers.
const HEADER: usize = 12;

/// Bytes that are no adapter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an adapter, at byte {offset}: {why}")]
pub struct Damaged {
    /// Where.
    pub offset: usize,
    /// What is wrong there.
    pub why: String,
}

impl Adapter {
    /// The adapter as bytes, the same on every machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = self.from_mean.len() + self.to_mean.len() + self.matrix.len();
        let mut out = Vec::with_capacity(HEADER + 4 * numbers);
        out.extend(VERSION.to_le_bytes());
        let kind = match self.kind {
            Kind::Procrustes => 0,
            Kind::Ridge => 1,
            Kind::Anchors => 2,
        };
        out.extend([kind, 0]);
        out.extend((self.from_mean.len() as u32).to_le_bytes());
        out.extend((self.to_mean.len() as u32).to_le_bytes());
        for part in [&self.from_mean, &self.to_mean, &self.matrix] {
            part.iter().for_each(|x| out.extend(x.to_le_bytes()));
        }
        out
    }

    /// Reads [`Adapter::to_bytes`] back, to the last bit.
    ///
    /// # Errors
    /// For bytes that it did not write: another version or kind, dimensions that are out of range or do not agree with the number of
    /// bytes, numbers that are not finite.
    ///
    /// ```
    /// # use foretaste_query::space::{Adapter, Options, Pairs, fit};
    /// # let rows: Vec<f32> = (0..100).map(|i| (i as f32).sin()).collect();
    /// # let (adapter, _) = fit(Pairs::new(&rows, 2, &rows, 2)?, &Options::default(), &|| false)?;
    /// let bytes = adapter.to_bytes();
    /// assert_eq!(Adapter::from_bytes(&bytes), Ok(adapter));
    /// assert!(Adapter::from_bytes(&bytes[1..]).is_err());
    /// # Ok::<(), foretaste_query::space::Error>(())
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let damaged = |offset: usize, why: String| Damaged { offset, why };
        let Some((&[v0, v1, kind, zero, a, b, c, d, e, f, g, h], rest)) = bytes.split_first_chunk::<HEADER>()
        else {
            return Err(damaged(0, format!("{} bytes, the header alone has {HEADER}", bytes.len())));
        };
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Err(damaged(0, format!("version {version}, this program reads {VERSION}")));
        }
        let kind = match kind {
            0 => Kind::Procrustes,
            1 => Kind::Ridge,
            2 => Kind::Anchors,
            _ => return Err(damaged(2, format!("kind {kind} is not known"))),
        };
        if zero != 0 {
            return Err(damaged(3, format!("{zero} in place of 0")));
        }
        let (from, to) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        for (offset, dims) in [(4, u64::from(from)), (8, u64::from(to))] {
            if dims == 0 || dims > limits::DIMENSION {
                return Err(damaged(offset, format!("{dims} dimensions, not 1 to {}", limits::DIMENSION)));
            }
        }
        let (from, to) = (from as usize, to as usize);
        // At most 2^32 + 2^17 numbers.
        let numbers = from as u64 * to as u64 + from as u64 + to as u64;
        if rest.len() as u64 != 4 * numbers {
            let why = format!("{} bytes of numbers, {from} by {to} dimensions have {}", rest.len(), 4 * numbers);
            return Err(damaged(HEADER, why));
        }
        let (rest, _) = rest.as_chunks::<4>();
        if let Some(i) = rest.iter().position(|x| !f32::from_le_bytes(*x).is_finite()) {
            return Err(damaged(HEADER + 4 * i, "a number that is not finite".to_string()));
        }
        let read = |part: &[[u8; 4]]| part.iter().map(|x| f32::from_le_bytes(*x)).collect::<Vec<f32>>();
        let (from_mean, rest) = rest.split_at(from);
        let (to_mean, matrix) = rest.split_at(to);
        Adapter::new(kind, read(from_mean), read(to_mean), read(matrix))
            .ok_or_else(|| damaged(HEADER, "numbers that do not fit together".to_string()))
    }
}

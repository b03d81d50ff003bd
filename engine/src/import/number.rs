//! Numbers of the binary formats, widened to `f32`.
//!
//! Reads from: encoded numbers. Writes to: f32 buffers, JSON numbers, integers.
//! Never: a check for NaN or infinity.

use foretaste_storage::element::decode;
use foretaste_storage::layout::Element;
use serde_json::Value;

/// How numbers are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    Signed,
    Unsigned,
}

/// The encoding of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    kind: Kind,
    size_bytes: usize,
    big_endian: bool,
}

impl Number {
    /// An encoding, when it is one of float 16, 32, 64 or integer 8, 16, 32, 64.
    pub(crate) fn new(kind: Kind, size_bytes: usize, big_endian: bool) -> Option<Self> {
        let known = match kind {
            Kind::Float => matches!(size_bytes, 2 | 4 | 8),
            Kind::Signed | Kind::Unsigned => matches!(size_bytes, 1 | 2 | 4 | 8),
        };
        known.then_some(Self { kind, size_bytes, big_endian })
    }

    /// Bytes of one number.
    pub(crate) fn size_bytes(self) -> usize {
        self.size_bytes
    }

    /// Whether it is an integer.
    pub(crate) fn is_integer(self) -> bool {
        self.kind != Kind::Float
    }

    /// Appends the whole numbers of `bytes` to `out`, each rounded to the nearest `f32`.
    pub(crate) fn widen(self, bytes: &[u8], out: &mut Vec<f32>) {
        macro_rules! each {
            ($t:ty, $n:literal) => {{
                let whole = bytes.as_chunks::<$n>().0;
                match self.big_endian {
                    false => out.extend(whole.iter().map(|b| <$t>::from_le_bytes(*b) as f32)),
                    true => out.extend(whole.iter().map(|b| <$t>::from_be_bytes(*b) as f32)),
                }
            }};
        }
        match (self.kind, self.size_bytes) {
            (Kind::Float, 2) if self.big_endian => {
                let swapped: Vec<u8> = bytes.as_chunks::<2>().0.iter().flat_map(|b| [b[1], b[0]]).collect();
                decode(Element::F16, &swapped, 1.0, out);
            }
            (Kind::Float, 2) => decode(Element::F16, &bytes[..bytes.len() / 2 * 2], 1.0, out),
            (Kind::Float, 4) => each!(f32, 4),
            (Kind::Float, _) => each!(f64, 8),
            (Kind::Signed, 1) => out.extend(bytes.iter().map(|&b| f32::from(b as i8))),
            (Kind::Signed, 2) => each!(i16, 2),
            (Kind::Signed, 4) => each!(i32, 4),
            (Kind::Signed, _) => each!(i64, 8),
            (Kind::Unsigned, 1) => out.extend(bytes.iter().map(|&b| f32::from(b))),
            (Kind::Unsigned, 2) => each!(u16, 2),
            (Kind::Unsigned, 4) => each!(u32, 4),
            (Kind::Unsigned, _) => each!(u64, 8),
        }
    }

    /// One number as JSON, without loss; NaN and infinity are null.
    pub(crate) fn to_json(self, bytes: &[u8]) -> Value {
        let mut le = [0u8; 8];
        let n = self.size_bytes.min(bytes.len());
        le[..n].copy_from_slice(&bytes[..n]);
        if self.big_endian {
            le[..n].reverse();
        }
        match (self.kind, self.size_bytes) {
            (Kind::Float, 8) => Value::from(f64::from_le_bytes(le)),
            (Kind::Float, 4) => Value::from(f64::from(f32::from_le_bytes([le[0], le[1], le[2], le[3]]))),
            (Kind::Float, _) => {
                let mut wide = Vec::with_capacity(1);
                decode(Element::F16, &le[..2], 1.0, &mut wide);
                Value::from(wide.first().copied().map(f64::from))
            }
            (Kind::Unsigned, _) => Value::from(u64::from_le_bytes(le)),
            (Kind::Signed, size) => {
                // Sign extension: the number is moved to the top of the word and back.
                let unused_bits = 64 - 8 * size as u32;
                Value::from((u64::from_le_bytes(le) << unused_bits) as i64 >> unused_bits)
            }
        }
    }

    /// One integer as an id; `None` when it is a float or beyond 63 bits.
    pub(crate) fn to_id(self, bytes: &[u8]) -> Option<i64> {
        self.to_json(bytes).as_i64()
    }
}

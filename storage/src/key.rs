//! Row keys: strings or 64-bit integers, as the caller gave them.
//!
//! Encoded as one tag byte (0 integer, 1 string) and 8 little-endian bytes or UTF-8.
//! Reads from: encoded bytes. Writes to: encoded bytes. Never: a conversion between the two kinds.

use crate::error::Result;
use crate::limits;

/// A row's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A 64-bit integer.
    Int(i64),
    /// A string of at most [`limits::KEY_BYTES`] bytes.
    Str(String),
}

/// A borrowed [`Key`]; its order is the order of keys (integers first, then strings by bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyRef<'a> {
    /// A 64-bit integer.
    Int(i64),
    /// A string.
    Str(&'a str),
}

const INT: u8 = 0;
const STR: u8 = 1;

impl Key {
    /// Borrows it.
    pub fn as_ref(&self) -> KeyRef<'_> {
        match self {
            Key::Int(i) => KeyRef::Int(*i),
            Key::Str(s) => KeyRef::Str(s),
        }
    }

    /// Refuses a key that is too long.
    pub fn validate(&self) -> Result<()> {
        match self {
            Key::Int(_) => Ok(()),
            Key::Str(s) => limits::check("key length in bytes", s.len() as u64, limits::KEY_BYTES),
        }
    }
}

impl<'a> KeyRef<'a> {
    /// Owns it.
    pub fn to_key(self) -> Key {
        match self {
            KeyRef::Int(i) => Key::Int(i),
            KeyRef::Str(s) => Key::Str(s.to_string()),
        }
    }

    /// Length of the encoding, in bytes.
    pub fn encoded_len(self) -> usize {
        match self {
            KeyRef::Int(_) => 9,
            KeyRef::Str(s) => 1 + s.len(),
        }
    }

    /// Appends the encoding to `out`.
    pub fn encode(self, out: &mut Vec<u8>) {
        match self {
            KeyRef::Int(i) => {
                out.push(INT);
                out.extend_from_slice(&i.to_le_bytes());
            }
            KeyRef::Str(s) => {
                out.push(STR);
                out.extend_from_slice(s.as_bytes());
            }
        }
    }

    /// Reads an encoding that takes all of `bytes`; `None` when it is none.
    pub fn decode(bytes: &'a [u8]) -> Option<KeyRef<'a>> {
        let (tag, rest) = bytes.split_first()?;
        match *tag {
            INT => Some(KeyRef::Int(i64::from_le_bytes(rest.try_into().ok()?))),
            STR if rest.len() as u64 <= limits::KEY_BYTES => {
                Some(KeyRef::Str(std::str::from_utf8(rest).ok()?))
            }
            _ => None,
        }
    }

    /// A 64-bit hash that is the same on every machine (it is stored in the segments' key index).
    pub fn hash64(self) -> u64 {
        match self {
            KeyRef::Int(i) => twox_hash::XxHash3_64::oneshot_with_seed(INT as u64, &i.to_le_bytes()),
            KeyRef::Str(s) => twox_hash::XxHash3_64::oneshot_with_seed(STR as u64, s.as_bytes()),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl std::fmt::Display for KeyRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeyRef::Int(i) => write!(f, "{i}"),
            KeyRef::Str(s) => f.write_str(s),
        }
    }
}

impl From<i64> for Key {
    fn from(i: i64) -> Self {
        Key::Int(i)
    }
}
impl From<&str> for Key {
    fn from(s: &str) -> Self {
        Key::Str(s.to_string())
    }
}
impl From<String> for Key {
    fn from(s: String) -> Self {
        Key::Str(s)
    }
}
impl From<&Key> for Key {
    fn from(k: &Key) -> Self {
        k.clone()
    }
}
impl From<&String> for Key {
    fn from(s: &String) -> Self {
        Key::Str(s.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decode_of_encode_is_the_key() {
        for key in
            [Key::Int(i64::MIN), Key::Int(0), Key::Int(-1), Key::from(""), Key::from("0"), Key::from("naïve")]
        {
            let mut out = Vec::new();
            key.as_ref().encode(&mut out);
            assert_eq!(out.len(), key.as_ref().encoded_len());
            assert_eq!(KeyRef::decode(&out).map(KeyRef::to_key), Some(key));
        }
        for bad in [&[][..], &[0, 1, 2], &[1, 0xff], &[2]] {
            assert_eq!(KeyRef::decode(bad), None);
        }
    }

    #[test]
    fn an_integer_is_not_the_string_of_its_digits() {
        assert_ne!(Key::Int(1), Key::from("1"));
        assert_ne!(Key::Int(1).as_ref().hash64(), Key::from("1").as_ref().hash64());
    }

    #[test]
    fn a_long_key_is_refused() {
        assert!(Key::Str("k".repeat(limits::KEY_BYTES as usize)).validate().is_ok());
        assert!(Key::Str("k".repeat(limits::KEY_BYTES as usize + 1)).validate().is_err());
    }
}

//! Small metadata records by bincode, with a size limit and nothing left over.
//!
//! Reads from: bytes whose checksum was verified. Writes to: byte buffers.
//! Never: vectors, codes or graphs; bincode without a limit (a 12-byte input could ask for any allocation).

use std::path::Path;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::error::DecodeError;
use bincode::{Decode, Encode};

use crate::error::{Error, Result};
use crate::limits;

const SMALL: usize = 64 << 10;
const MEDIUM: usize = 4 << 20;

fn config<const N: usize>() -> Configuration<LittleEndian, Fixint, Limit<N>> {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<N>()
}

/// The encoding of `record`, at most [`limits::RECORD_BYTES`].
pub fn encode<T: Encode>(record: &T) -> Result<Vec<u8>> {
    const N: usize = limits::RECORD_BYTES as usize;
    let bytes = bincode::encode_to_vec(record, config::<N>())
        .map_err(|e| Error::corrupt(Path::new("record"), 0, format!("cannot be encoded: {e}")))?;
    limits::check("metadata record in bytes", bytes.len() as u64, limits::RECORD_BYTES)?;
    Ok(bytes)
}

/// The record that takes all of `bytes`, which start at `offset` of `file`.
pub fn decode<T: Decode<()>>(bytes: &[u8], file: &Path, offset: u64) -> Result<T> {
    // The limit is a type parameter of bincode's; three sizes keep what a short input may allocate in proportion.
    let (record, used) = if bytes.len() <= SMALL {
        bincode::decode_from_slice(bytes, config::<{ 16 * SMALL }>())
    } else if bytes.len() <= MEDIUM {
        bincode::decode_from_slice(bytes, config::<{ 16 * MEDIUM }>())
    } else {
        bincode::decode_from_slice(bytes, config::<{ limits::RECORD_BYTES as usize }>())
    }
    .map_err(|e: DecodeError| Error::corrupt(file, offset, format!("the record cannot be decoded: {e}")))?;
    if used != bytes.len() {
        let why = format!("{} bytes are left over after the record", bytes.len() - used);
        return Err(Error::corrupt(file, offset + used as u64, why));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decode_takes_exactly_what_encode_wrote() {
        let record = (7u64, vec!["a".to_string(), "b".to_string()]);
        let bytes = encode(&record).unwrap();
        assert_eq!(decode::<(u64, Vec<String>)>(&bytes, Path::new("f"), 0).unwrap(), record);
        for len in 0..bytes.len() {
            assert!(decode::<(u64, Vec<String>)>(&bytes[..len], Path::new("f"), 0).is_err());
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(decode::<(u64, Vec<String>)>(&longer, Path::new("f"), 0).is_err());
    }

    #[test]
    fn a_record_beyond_the_limit_is_refused() {
        let record = vec![0u8; limits::RECORD_BYTES as usize - 7];
        assert!(matches!(
            encode(&record),
            Err(Error::LimitExceeded { what: "metadata record in bytes", limit: limits::RECORD_BYTES, found })
                if found == limits::RECORD_BYTES + 1
        ));
    }

    #[test]
    fn a_short_input_cannot_ask_for_a_large_allocation() {
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        assert!(decode::<Vec<u64>>(&bytes, Path::new("f"), 0).is_err());
        bytes = (1u64 << 40).to_le_bytes().to_vec();
        bytes.extend([0; 4]);
        assert!(decode::<String>(&bytes, Path::new("f"), 0).is_err());
    }
}

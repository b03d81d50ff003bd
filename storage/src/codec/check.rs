//! Checksums: XXH3-64, seeded so that a block of another file, database or place does not pass for the right one.
//!
//! Reads from: bytes. Writes to: nothing. Never: a checksum that protects against forgery; it finds damage.

use twox_hash::XxHash3_64;

/// The database's identity: random, made at creation, in every file's header.
pub type Uuid = [u8; 16];

/// The seed for the checksums of one file: database, kind of file and its number.
pub fn seed(uuid: &Uuid, kind: u16, id: u64) -> u64 {
    let mut bytes = [0; 26];
    bytes[..16].copy_from_slice(uuid);
    bytes[16..18].copy_from_slice(&kind.to_le_bytes());
    bytes[18..].copy_from_slice(&id.to_le_bytes());
    XxHash3_64::oneshot(&bytes)
}

/// The checksum of `data` at position `place` of what `seed` stands for.
pub fn sum(seed: u64, place: u64, data: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(seed ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15), data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_depends_on_database_kind_file_place_and_every_bit() {
        let base = seed(&[1; 16], 1, 1);
        let data = [5u8; 100];
        let expected = sum(base, 0, &data);
        assert_ne!(sum(seed(&[2; 16], 1, 1), 0, &data), expected);
        assert_ne!(sum(seed(&[1; 16], 2, 1), 0, &data), expected);
        assert_ne!(sum(seed(&[1; 16], 1, 2), 0, &data), expected);
        assert_ne!(sum(base, 1, &data), expected);
        for bit in 0..800 {
            let mut flipped = data;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(sum(base, 0, &flipped), expected);
        }
    }
}

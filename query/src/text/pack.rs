//! Numbers of few bits, one after another from the lowest bit of the first byte on.
//!
//! Reads from: bytes of any origin. Writes to: bytes. Never: a read beyond the end.

/// How many bits the largest of `numbers` needs.
pub(crate) fn width(numbers: impl Iterator<Item = u32>) -> u8 {
    numbers.fold(0, |width, n| width.max(32 - n.leading_zeros())) as u8
}

/// How many bytes `count` numbers of `width` bits take.
pub(crate) fn packed_len(count: usize, width: u8) -> usize {
    (count * usize::from(width)).div_ceil(8)
}

/// Appends the lowest `width` bits of each number.
pub(crate) fn pack(numbers: impl Iterator<Item = u32>, width: u8, out: &mut Vec<u8>) {
    let (mut held, mut bits) = (0u64, 0);
    for number in numbers {
        held |= u64::from(number) << bits;
        bits += u32::from(width);
        while bits >= 8 {
            out.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(held as u8);
    }
}

/// Calls `each` with `count` numbers of `width` bits, at most 32; bits beyond the end are 0.
pub(crate) fn unpack(bytes: &[u8], count: usize, width: u8, mut each: impl FnMut(u32)) {
    let width = width.min(32);
    let mask = (1u64 << width) - 1;
    for i in 0..count {
        let bit = i * usize::from(width);
        let word = match bytes.get(bit / 8..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(word) => u64::from_le_bytes(*word),
            None => {
                let mut word = [0; 8];
                let rest = bytes.get(bit / 8..).unwrap_or_default();
                word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                u64::from_le_bytes(word)
            }
        };
        each((word >> (bit % 8) & mask) as u32);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unpack_of_pack_is_the_numbers(
            numbers in (0u32..33).prop_flat_map(|bits| {
                let most = ((1u64 << bits) - 1) as u32;
                proptest::collection::vec(0..=most, 0..200)
            }),
        ) {
            let width = width(numbers.iter().copied());
            let mut bytes = Vec::new();
            pack(numbers.iter().copied(), width, &mut bytes);
            prop_assert_eq!(bytes.len(), packed_len(numbers.len(), width));
            let mut back = Vec::new();
            unpack(&bytes, numbers.len(), width, |n| back.push(n));
            prop_assert_eq!(back, numbers);
        }

        #[test]
        fn any_bytes_unpack(bytes in proptest::collection::vec(any::<u8>(), 0..64), count in 0usize..200, width in any::<u8>()) {
            let mut seen = 0;
            unpack(&bytes, count, width, |_| seen += 1);
            prop_assert_eq!(seen, count);
        }
    }
}

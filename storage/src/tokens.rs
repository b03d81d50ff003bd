//! Token matrices in and out of their stored form.
//!
//! A row's matrix is its tokens one after another, without padding. A token is its numbers; with 8-bit elements its scale,
//! an f32, stands behind them. How many tokens there are follows from the length.
//!
//! Reads from: f32 slices and stored matrices. Writes to: stored matrices and f32 buffers.
//! Never: a check for NaN or infinity among the numbers (the engine refuses them at the door).

use crate::bytes::Span;
use crate::layout::{Element, TokenLayout};
use crate::{element, limits};

/// A matrix to be stored.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    /// How it is to be stored.
    pub layout: TokenLayout,
    /// Its numbers, row-major: a multiple of the layout's, not empty.
    pub numbers: &'a [f32],
}

/// A matrix as it is stored.
#[derive(Debug, Clone)]
pub struct Stored<'a> {
    /// How it is stored.
    pub layout: TokenLayout,
    /// Its bytes.
    pub bytes: Span<'a>,
}

impl Matrix<'_> {
    /// How many tokens it has; `None` when its length does not come out even.
    pub fn tokens(&self) -> Option<usize> {
        let dims = self.layout.dims as usize;
        (dims > 0 && self.numbers.len().is_multiple_of(dims)).then(|| self.numbers.len() / dims)
    }

    /// Stores it into `out`, which has as many bytes as its tokens take.
    pub fn encode(&self, out: &mut [u8]) {
        let (dims, size) = (self.layout.dims as usize, self.layout.element.size());
        if self.layout.element != Element::I8 {
            element::encode(self.layout.element, self.numbers, out);
            return;
        }
        for (token, out) in
            self.numbers.chunks_exact(dims).zip(out.chunks_exact_mut(self.layout.token_bytes()))
        {
            let (codes, scale) = out.split_at_mut(dims * size);
            scale.copy_from_slice(&element::encode(Element::I8, token, codes).to_le_bytes());
        }
    }
}

impl Stored<'_> {
    /// Appends its numbers to `out`, row-major.
    pub fn decode(&self, out: &mut Vec<f32>) {
        if self.layout.element != Element::I8 {
            element::decode(self.layout.element, &self.bytes, 1.0, out);
            return;
        }
        for (codes, scale) in tokens(self.layout, &self.bytes) {
            element::decode(Element::I8, codes, scale, out);
        }
    }
}

/// Why `bytes` cannot be a matrix that is stored so: a token that is cut off, more tokens than the limit, a scale that is
/// not finite. No bytes are no matrix, and right.
pub fn check(layout: TokenLayout, bytes: &[u8]) -> Result<(), String> {
    check_len(layout, bytes.len() as u64)?;
    if layout.element != Element::I8 {
        return Ok(());
    }
    match tokens(layout, bytes).position(|(_, scale)| !scale.is_finite()) {
        Some(token) => Err(format!("the scale of token {token} is not finite")),
        None => Ok(()),
    }
}

/// Why a matrix that is stored so cannot have `len` bytes.
pub fn check_len(layout: TokenLayout, len: u64) -> Result<(), String> {
    let token = layout.token_bytes() as u64;
    if token == 0 || !len.is_multiple_of(token) {
        return Err(format!("a matrix of {len} bytes, {token} a token"));
    }
    match len / token {
        found if found > limits::TOKENS => Err(format!("{found} tokens, the limit is {}", limits::TOKENS)),
        _ => Ok(()),
    }
}

/// Codes and scale of each token of an 8-bit matrix.
fn tokens(layout: TokenLayout, bytes: &[u8]) -> impl Iterator<Item = (&[u8], f32)> {
    let dims = layout.dims as usize;
    bytes.chunks_exact(layout.token_bytes().max(1)).map(move |token| {
        let (codes, scale) = token.split_at(dims.min(token.len()));
        (codes, scale.try_into().map(f32::from_le_bytes).unwrap_or(f32::NAN))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELEMENTS: [Element; 4] = [Element::F32, Element::F16, Element::BF16, Element::I8];

    fn stored(layout: TokenLayout, numbers: &[f32]) -> Vec<u8> {
        let matrix = Matrix { layout, numbers };
        let mut bytes = vec![0; matrix.tokens().unwrap() * layout.token_bytes()];
        matrix.encode(&mut bytes);
        bytes
    }

    #[test]
    fn each_element_type_keeps_what_it_can_and_each_8_bit_token_has_its_own_scale() {
        let numbers = [0.5, -1.0, 0.25, 100.5, 0.0, -300.0];
        for element in ELEMENTS {
            let layout = TokenLayout { dims: 3, element };
            let bytes = stored(layout, &numbers);
            assert_eq!(check(layout, &bytes), Ok(()));
            let mut back = vec![7.0];
            Stored { layout, bytes: Span::Borrowed(&bytes) }.decode(&mut back);
            assert_eq!((back.len(), back[0]), (7, 7.0));
            for (at, (a, b)) in back[1..].iter().zip(numbers).enumerate() {
                let step = match element {
                    Element::I8 if at < 3 => 1.0 / 127.0,
                    Element::I8 => 300.0 / 127.0,
                    Element::BF16 => b.abs() / 128.0,
                    _ => 0.0,
                };
                assert!((a - b).abs() <= step / 2.0 + 1e-6, "{element:?}: {a} for {b}");
            }
        }
    }

    #[test]
    fn what_is_no_matrix_is_said() {
        for element in ELEMENTS {
            let layout = TokenLayout { dims: 3, element };
            let bytes = stored(layout, &[1.5; 6]);
            assert!(check(layout, &bytes[1..]).is_err());
            assert_eq!(check(layout, &[]), Ok(()));
            let most = limits::TOKENS * layout.token_bytes() as u64;
            assert_eq!(check_len(layout, most), Ok(()));
            assert!(check_len(layout, most + layout.token_bytes() as u64).is_err());
        }
        let layout = TokenLayout { dims: 3, element: Element::I8 };
        let mut bytes = stored(layout, &[1.5; 6]);
        bytes[10..14].copy_from_slice(&f32::INFINITY.to_le_bytes());
        assert_eq!(check(layout, &bytes), Err("the scale of token 1 is not finite".to_string()));
        let uneven = Matrix { layout, numbers: &[1.0; 4] };
        assert_eq!(uneven.tokens(), None);
    }

    #[test]
    fn tokens_beyond_the_limit_are_refused() {
        let with = |dims| TokenLayout { dims, element: Element::F32 }.validate();
        assert!(with(1).is_ok() && with(limits::TOKEN_DIMENSION as u32).is_ok() && with(0).is_err());
        let refused = with(limits::TOKEN_DIMENSION as u32 + 1);
        assert!(matches!(refused, Err(crate::Error::LimitExceeded { limit: limits::TOKEN_DIMENSION, .. })));
    }
}

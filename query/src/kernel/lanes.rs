//! Sums over one vector or two, and rounding of all its numbers, in independent lanes: one chain of sums would wait for each
//! addition, which for the few vectors of a query costs more than everything they are summed for.
//!
//! Reads from: numbers. Writes to: nothing. Never: an order of summing that depends on the processor.

use std::iter::Sum;
use std::ops::AddAssign;

const LANES: usize = 16;

/// The largest magnitude; what is not a number does not count.
#[inline]
pub(crate) fn largest(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut most = [0f32; LANES];
    for chunk in chunks {
        for (most, x) in most.iter_mut().zip(chunk) {
            *most = larger(x.abs(), *most);
        }
    }
    rest.iter().map(|x| x.abs()).chain(most).fold(0.0, |a, b| larger(b, a))
}

/// One comparison, unlike `f32::max`, and `b` when `a` is not a number.
#[inline]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The sum of `term` over the pairs of two vectors, as many as the shorter one has.
#[inline]
pub(crate) fn sum<A: Copy, B: Copy, T: Copy + Default + AddAssign + Sum>(
    a: &[A],
    b: &[B],
    term: impl Fn(A, B) -> T,
) -> T {
    let len = a.len().min(b.len());
    let ((a, rest_a), (b, rest_b)) = (a[..len].as_chunks::<LANES>(), b[..len].as_chunks::<LANES>());
    let mut sums = [T::default(); LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(*a, *b);
        }
    }
    rest_a.iter().zip(rest_b).map(|(a, b)| term(*a, *b)).chain(sums).sum()
}

/// The inner product over the shorter one's length, in f64.
#[inline]
pub(crate) fn dot<A: Copy, B: Copy>(a: &[A], b: &[B]) -> f64
where
    f64: From<A> + From<B>,
{
    sum(a, b, |a, b| f64::from(a) * f64::from(b))
}

/// The squared norm, in f64.
#[inline]
pub(crate) fn squared_norm(x: &[f32]) -> f64 {
    dot(x, x)
}

/// The squared norm, in f32.
#[inline]
pub(crate) fn squared_norm_f32(x: &[f32]) -> f32 {
    sum(x, x, |a, b| a * b)
}

/// The nearest whole number of one whose magnitude is at most 32,767, ties to the even one: adding 1.5 x 2^23 leaves no room
/// for a fraction, and the whole number in the lowest bits. Needs neither a call nor a conversion.
#[inline]
pub(crate) fn nearest(value: f32) -> i16 {
    const ROOM: f32 = 12_582_912.0;
    (value + ROOM).to_bits() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_standard_library() {
        for i in -39_000..39_000 {
            let value = i as f32 * 0.83;
            assert_eq!(f32::from(nearest(value)), value.round_ties_even(), "{value}");
        }
        for value in [0.5, 1.5, -0.5, -2.5, 32766.5, -32767.0, 32767.0] {
            assert_eq!(f32::from(nearest(value)), value.round_ties_even(), "{value}");
        }
    }

    #[test]
    fn reductions_are_those_of_one_chain() {
        let numbers: Vec<f32> = (0..131u16).map(|i| (f32::from(i) * 0.7).sin() * f32::from(i)).collect();
        for len in 0..numbers.len() {
            let x = &numbers[..len];
            let sum: f64 = x.iter().map(|v| f64::from(*v).powi(2)).sum();
            assert!((squared_norm(x) - sum).abs() <= 1e-12 * sum, "{len}");
            assert!((f64::from(squared_norm_f32(x)) - sum).abs() <= 1e-5 * sum, "{len}");
            let other = &numbers[numbers.len() - len / 2..];
            let product: f64 = x.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((dot(x, other) - product).abs() <= 1e-12 * sum.max(1.0) * 1e3, "{len}");
            assert_eq!(largest(x), x.iter().fold(0f32, |m, v| m.max(v.abs())), "{len}");
        }
        let odd = [f32::NAN, -3.0, f32::NAN];
        assert_eq!(largest(&odd), 3.0);
        assert_eq!(largest(&[1.0, f32::NEG_INFINITY]), f32::INFINITY);
        assert!(squared_norm(&odd).is_nan() && squared_norm_f32(&odd).is_nan());
    }
}

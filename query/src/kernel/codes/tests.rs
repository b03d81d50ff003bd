//! The code kernels against each other and against what their formulas say.
//!
//! Reads from and writes to: memory. Never: a table trusted because another agrees, where a formula can be computed.

use super::*;
use crate::kernel::Kernels;

fn bytes(n: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

/// What the module's header says of the layout, word by word.
fn value(bits: u8, codes: &[u8], vector: usize, dim: usize) -> i32 {
    let run = 32 / usize::from(bits);
    let (word, within) = (dim / run, dim % run);
    let byte = codes[(word * BUNDLE + vector) * 4 + within % 4];
    i32::from(byte >> (within / 4 * usize::from(bits))) & ((1 << bits) - 1)
}

#[test]
fn bundles_give_the_sums_of_their_layout_on_every_table() {
    for kernels in Kernels::available() {
        for bits in [1u8, 2, 4] {
            for dims in [32, 64, 96, 128, 160, 384, 768, 800, 1536, 8192] {
                let mut extreme = vec![0x80u8; dims];
                extreme[..dims / 2].fill(0x7f);
                for (query, all) in [(bytes(dims, 1), false), (extreme, true)] {
                    let query: Vec<i8> = query.iter().map(|b| *b as i8).collect();
                    // One byte in front, so that nothing is aligned.
                    let mut codes = bytes(1 + bundle_bytes(bits, dims), 2);
                    if all {
                        codes.fill(0xff);
                    }
                    let mut out = [0; BUNDLE];
                    assert!(kernels.bundle(bits, &query, &codes[1..], &mut out));
                    for (v, sum) in out.iter().enumerate() {
                        let expected: i32 =
                            (0..dims).map(|d| i32::from(query[d]) * value(bits, &codes[1..], v, d)).sum();
                        assert_eq!(*sum, expected, "{} {bits} bits {dims} dims vector {v}", kernels.name());
                    }
                }
            }
        }
    }
}

#[test]
fn bundles_that_are_too_short_are_refused() {
    for kernels in Kernels::available() {
        let mut out = [7; BUNDLE];
        let codes = vec![0; bundle_bytes(2, 64)];
        assert!(!kernels.bundle(2, &[1; 96], &codes, &mut out));
        assert!(!kernels.bundle(3, &[1; 64], &codes, &mut out));
        assert!(!kernels.bundle(2, &[1; 33], &codes, &mut out));
        assert_eq!(out, [7; BUNDLE]);
        assert!(kernels.bundle(2, &[], &[], &mut out));
        assert_eq!(out, [0; BUNDLE]);
    }
}

#[test]
fn expanding_a_bundle_is_its_formula_on_every_table() {
    for kernels in Kernels::available() {
        for (bits, dims) in [(1u8, 64), (2, 256), (2, 32), (4, 96)] {
            let codes: Vec<i8> = bytes(dims, 5).iter().map(|b| *b as i8).collect();
            let query = EdgeQuery { bits, codes: &codes, step: 0.125, shift: -3.5 };
            let mut bundle = vec![0; 8 * BUNDLE];
            for place in 0..BUNDLE {
                let addend = if place == 7 { f32::INFINITY } else { place as f32 * 0.5 };
                bundle[place * 4..][..4].copy_from_slice(&addend.to_le_bytes());
                bundle[4 * BUNDLE + place * 4..][..4].copy_from_slice(&(-0.25 * place as f32).to_le_bytes());
            }
            bundle.extend(bytes(bundle_bytes(bits, dims), 6));
            let mut sums = [0; BUNDLE];
            assert!(kernels.bundle(bits, &codes, &bundle[8 * BUNDLE..], &mut sums));
            let mut out = [0.0; BUNDLE];
            let mask = kernels.expand(&query, 10.0, &bundle, 9.0, &mut out).unwrap();
            for place in 0..BUNDLE {
                let addend = if place == 7 { f32::INFINITY } else { place as f32 * 0.5 };
                let expected = 10.0 + addend - 0.25 * place as f32 * (0.125 * sums[place] as f32 - 3.5);
                assert!(
                    out[place] == expected
                        || (out[place] - expected).abs() <= 1e-5 * expected.abs().max(10.0)
                );
                assert_eq!(mask >> place & 1 == 1, out[place] < 9.0, "{} {place}", kernels.name());
            }
            assert_eq!(kernels.expand(&query, 10.0, &bundle[1..], 9.0, &mut out), None);
        }
    }
}

#[test]
fn inner_products_of_codes_are_exact_on_every_table() {
    for kernels in Kernels::available() {
        for dims in [0, 64, 128, 192, 384, 768, 832, 1536, 8192] {
            let a: Vec<i8> = bytes(dims + 1, 3).iter().map(|b| *b as i8).collect();
            let b: Vec<i8> = bytes(dims + 1, 4).iter().map(|b| *b as i8).collect();
            let wide: Vec<i16> = a.iter().map(|x| i16::from(*x) * 7).collect();
            let expected: i32 = (0..dims).map(|d| i32::from(a[d + 1]) * i32::from(b[d])).sum();
            assert_eq!(kernels.dot_i8(&a[1..], &b[..dims]), expected, "{} {dims}", kernels.name());
            assert_eq!(kernels.dot_i16(&wide[1..], &b[..dims]), 7 * expected, "{} {dims}", kernels.name());
            let low = vec![-128i8; dims];
            assert_eq!(kernels.dot_i8(&low, &low), 16384 * dims as i32);
        }
    }
}

#[test]
fn residuals_are_the_decoded_row_minus_the_reference_on_every_table() {
    for kernels in Kernels::available() {
        for dims in [0, 16, 32, 96, 256, 512] {
            let code: Vec<i8> = bytes(dims + 1, 7).iter().map(|b| *b as i8).collect();
            let reference: Vec<f32> =
                bytes(dims + 1, 8).iter().map(|b| f32::from(*b) * 0.37 - 40.0).collect();
            let mut out = vec![f32::NAN; dims];
            let energy = kernels.residual(&code[1..], 0.3, &reference[1..], &mut out);
            let mut expected = 0f64;
            for d in 0..dims {
                assert_eq!(out[d], 0.3 * f32::from(code[d + 1]) - reference[d + 1], "{}", kernels.name());
                expected += f64::from(out[d]).powi(2);
            }
            assert!((f64::from(energy) - expected).abs() <= 1e-5 * expected, "{}", kernels.name());
        }
    }
}

#[test]
fn levels_are_rounded_alike_on_every_table_and_their_fit_is_its_sums() {
    for kernels in Kernels::available() {
        for (most, dims) in [(1f32, 32), (3.0, 16), (3.0, 256), (15.0, 96)] {
            let grid = Grid { inverse: 0.05, middle: most / 2.0, most };
            // Multiples of half a level among them, so that halves are met, and numbers far outside.
            let mut residual: Vec<f32> = bytes(dims, 9).iter().map(|b| f32::from(*b as i8) * 2.0).collect();
            residual[3] = 1e30;
            residual[4] = -1e30;
            let reference: Vec<f32> = bytes(dims, 10).iter().map(|b| f32::from(*b) - 99.0).collect();
            let mut out = vec![77; dims];
            let fit = kernels.levels(grid, &residual, &reference, &mut out);
            let (mut along, mut norm, mut with_reference) = (0f64, 0f64, 0f64);
            for d in 0..dims {
                let level = (residual[d] * 0.05 + most / 2.0).round_ties_even().clamp(0.0, most);
                assert_eq!(f32::from(out[d]), level, "{} {}", kernels.name(), residual[d]);
                let level = f64::from(level - most / 2.0);
                along += level * f64::from(residual[d]);
                norm += level * level;
                with_reference += level * f64::from(reference[d]);
            }
            assert!((f64::from(fit.along) - along).abs() <= 1e-5 * along.abs(), "{}", kernels.name());
            assert!((f64::from(fit.norm) - norm).abs() <= 1e-5 * norm, "{}", kernels.name());
            let most = 1e-5 * 200.0 * norm.sqrt() * (dims as f64).sqrt();
            assert!((f64::from(fit.reference) - with_reference).abs() <= most, "{}", kernels.name());
            residual.fill(f32::NAN);
            kernels.levels(grid, &residual, &reference, &mut out);
            assert!(out.iter().all(|level| *level == 0), "{}", kernels.name());
        }
    }
}

#[test]
fn four_inner_products_at_once_are_those_one_by_one_on_every_table() {
    for kernels in Kernels::available() {
        for dims in [0, 64, 128, 384, 832, 8192] {
            let rows: Vec<Vec<i8>> = (0..5)
                .map(|i| {
                    bytes(dims + 1, 20 + i).iter().map(|b| if i == 4 { -128 } else { *b as i8 }).collect()
                })
                .collect();
            let b = [&rows[1][1..], &rows[2][..dims], &rows[3][1..], &rows[4][..dims]];
            for a in [&rows[0][1..], &rows[4][1..]] {
                let expected = b.map(|b| a.iter().zip(b).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum());
                let expected: [i32; 4] = expected;
                assert_eq!(kernels.dots_i8(a, b), expected, "{} {dims}", kernels.name());
            }
        }
    }
}

use super::*;

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next() as f32 / (1u64 << 30) as f32 - 1.0).collect()
    }

    fn bytes(&mut self, n: usize) -> Vec<i8> {
        (0..n).map(|_| self.next() as i8).collect()
    }
}

fn reference(a: &[f32], b: &[f32]) -> (f64, f64) {
    let terms = || a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
    (terms().sum(), terms().map(f64::abs).sum())
}

fn check(a: &[f32], b: &[f32], depth: usize, out: &[f32], stride: usize, what: &str) {
    for (i, a) in a.chunks_exact(depth).enumerate() {
        for (j, b) in b.chunks_exact(depth).enumerate() {
            let (expected, size) = reference(a, b);
            let error = (f64::from(out[i * stride + j]) - expected).abs();
            assert!(error <= size * (depth as f64 + 2.0) * 6e-8, "{what} depth {depth} at {i} {j}: {error}");
        }
    }
}

fn transpose(rows: &[f32], depth: usize) -> Vec<f32> {
    (0..depth).flat_map(|d| rows.chunks_exact(depth).map(move |row| row[d])).collect()
}

#[test]
fn every_table_agrees_with_f64_at_every_depth() {
    let mut numbers = Numbers(1);
    for depth in (1..=130).chain([255, 256, 257, 384, 768, 784, 1536]) {
        let (m, n) = (1 + depth % 17, 1 + depth % 37);
        let (a, b) = (numbers.floats(m * depth), numbers.floats(n * depth));
        let (a_columns, b_columns) = (transpose(&a, depth), transpose(&b, depth));
        for kernels in Kernels::available() {
            for (a_side, b_side) in [
                (Side::rows(&a, depth), Side::rows(&b, depth)),
                (Side::columns(&a_columns, m), Side::rows(&b, depth)),
                (Side::rows(&a, depth), Side::columns(&b_columns, n)),
            ] {
                let stride = n + depth % 3;
                let mut out = vec![7.0; m * stride];
                gemm(kernels, a_side, b_side, &mut out, stride);
                check(&a, &b, depth, &out, stride, kernels.name());
                assert!(out.chunks(stride).all(|row| row[n..].iter().all(|&x| x == 7.0)), "beyond the rows");
            }
        }
    }
}

#[test]
fn matrices_larger_than_every_block_are_whole() {
    let mut numbers = Numbers(2);
    for (m, n, depth) in [(400, 1100, 20), (5, 2100, 300), (350, 3, 600)] {
        let (a, b) = (numbers.floats(m * depth), numbers.floats(n * depth));
        for kernels in Kernels::available() {
            let mut out = vec![0.0; m * n];
            gemm(kernels, Side::rows(&a, depth), Side::rows(&b, depth), &mut out, n);
            check(&a, &b, depth, &out, n, kernels.name());
        }
    }
}

#[test]
fn a_row_has_the_same_products_wherever_it_stands() {
    let mut numbers = Numbers(3);
    let (depth, m, n) = (400, 200, 70);
    let (a, b) = (numbers.floats(m * depth), numbers.floats(n * depth));
    for kernels in Kernels::available() {
        let (mut whole, mut parts) = (vec![0.0; m * n], vec![0.0; m * n]);
        gemm(kernels, Side::rows(&a, depth), Side::rows(&b, depth), &mut whole, n);
        for (a, out) in a.chunks(29 * depth).zip(parts.chunks_mut(29 * n)) {
            gemm(kernels, Side::rows(a, depth), Side::rows(&b, depth), out, n);
        }
        assert_eq!(whole, parts);
    }
}

#[test]
fn a_shift_is_taken_off_before_multiplying() {
    let mut numbers = Numbers(4);
    let (depth, m) = (300, 20);
    let minus: Vec<f32> = numbers.floats(depth).iter().map(|x| x * 1000.0).collect();
    let plain: Vec<f32> = numbers.floats(m * depth).iter().map(|x| (x * 64.0).round() / 64.0).collect();
    let data: Vec<f32> = plain.iter().zip(minus.iter().cycle()).map(|(x, m)| x + m.round()).collect();
    let minus: Vec<f32> = minus.iter().map(|m| m.round()).collect();
    let halves: Vec<f32> = plain.iter().map(|x| x * 0.5).collect();
    for kernels in Kernels::available() {
        let (mut out, mut expected) = (vec![0.0; m * m], vec![0.0; m * m]);
        let side = Side::rows(&data, depth).shifted(&minus, 0.5);
        gemm(kernels, side, side, &mut out, m);
        gemm(kernels, Side::rows(&halves, depth), Side::rows(&halves, depth), &mut expected, m);
        assert_eq!(out, expected);
        // As columns, what is taken off belongs to the row of the product.
        let (mut out, mut expected) = (vec![0.0; depth * depth], vec![0.0; depth * depth]);
        let side = Side::columns(&data, depth).shifted(&minus, 0.5);
        gemm(kernels, side, side, &mut out, depth);
        let side = Side::columns(&halves, depth);
        gemm(kernels, side, side, &mut expected, depth);
        assert_eq!(out, expected);
    }
}

#[test]
fn products_of_bytes_are_exact() {
    let mut numbers = Numbers(5);
    for depth in (1..=130).chain([384, 768, 784, 1536, 2000]) {
        let (m, n) = (1 + depth % 31, 1 + depth % 67);
        for extreme in [false, true] {
            let draw = |numbers: &mut Numbers, n| match extreme {
                false => numbers.bytes(n),
                true => numbers.bytes(n).iter().map(|&x| if x < 0 { -128 } else { 127 }).collect(),
            };
            let (a, b) = (draw(&mut numbers, m * depth), draw(&mut numbers, n * depth));
            for kernels in Kernels::available() {
                let mut out = vec![7; m * n];
                dots_i8(kernels, &a, &b, depth, &mut out);
                for (i, a) in a.chunks_exact(depth).enumerate() {
                    for (j, b) in b.chunks_exact(depth).enumerate() {
                        let expected: i32 = a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
                        assert_eq!(out[i * n + j], expected, "{} depth {depth} at {i} {j}", kernels.name());
                    }
                }
            }
        }
    }
}

#[test]
fn the_longest_rows_of_extreme_bytes_do_not_overflow() {
    let depth = 1 << 16;
    for (x, y) in [(-128i8, -128i8), (127, -128), (127, 127)] {
        for kernels in Kernels::available() {
            let mut out = [0];
            dots_i8(kernels, &vec![x; depth], &vec![y; depth], depth, &mut out);
            assert_eq!(out[0], i32::from(x) * i32::from(y) * depth as i32, "{}", kernels.name());
        }
    }
}

#[test]
fn nothing_times_nothing_is_nothing() {
    let kernels = Kernels::get();
    gemm(kernels, Side::rows(&[], 5), Side::rows(&[1.0; 10], 5), &mut [], 2);
    let mut out = [1.0; 4];
    gemm(kernels, Side::columns(&[], 2), Side::columns(&[], 2), &mut out, 2);
    assert_eq!(out, [0.0; 4]);
    dots_i8(kernels, &[], &[], 3, &mut []);
}

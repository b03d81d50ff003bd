use foretaste_storage::element;

use super::*;

const ELEMENTS: [Element; 4] = [Element::F32, Element::F16, Element::BF16, Element::I8];
const OPS: [Op; 3] = [Op::Dot, Op::L2, Op::DotNorm];

/// A small generator, so that every table sees the same numbers.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn take(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// Stored rows that start `offset` bytes into their buffer and end with it; what lies between rows reads as NaN.
struct Plane {
    buffer: Vec<u8>,
    offset: usize,
    stride: usize,
    element: Element,
    scales: Vec<f32>,
}

impl Plane {
    fn new(
        element: Element,
        n: usize,
        width: usize,
        padding: usize,
        offset: usize,
        numbers: &mut Numbers,
    ) -> Plane {
        let (mut buffer, mut scales) = (vec![0xff; offset], Vec::new());
        for i in 0..n {
            let magnitude = [1.0, 30.0, 0.01][i % 3];
            let row: Vec<f32> = numbers.take(width).iter().map(|x| x * magnitude).collect();
            let start = buffer.len();
            buffer.resize(start + width * element.size(), 0);
            scales.push(element::encode(element, &row, &mut buffer[start..]));
            if i + 1 < n {
                buffer.resize(buffer.len() + padding, 0xff);
            }
        }
        Plane { buffer, offset, stride: width * element.size() + padding, element, scales }
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            element: self.element,
            bytes: &self.buffer[self.offset..],
            stride: self.stride,
            scales: &self.scales,
        }
    }

    /// The first `dims` numbers of row `i`, without rounding.
    fn row(&self, i: usize, dims: usize) -> Vec<f64> {
        let start = self.offset + i * self.stride;
        let mut row = Vec::new();
        element::decode(self.element, &self.buffer[start..start + dims * self.element.size()], 1.0, &mut row);
        row.iter().map(|&x| f64::from(x) * f64::from(self.scales[i])).collect()
    }
}

/// The sums in f64, and for each the largest error that adding `dims` rounded terms one after the other can make.
fn reference(op: Op, query: &[f32], row: &[f64]) -> ([f64; 2], [f64; 2]) {
    let unit = (query.len() + 8) as f64 * f64::from(f32::EPSILON) / 2.0;
    let (mut sums, mut sizes) = ([0.0; 2], [0.0; 2]);
    for (&q, &x) in query.iter().zip(row) {
        let q = f64::from(q);
        match op {
            Op::Dot | Op::DotNorm => (sums[0], sizes[0]) = (sums[0] + q * x, sizes[0] + (q * x).abs()),
            Op::L2 => {
                (sums[0], sizes[0]) = (sums[0] + (q - x) * (q - x), sizes[0] + (q.abs() + x.abs()).powi(2));
            }
        }
        if op == Op::DotNorm {
            (sums[1], sizes[1]) = (sums[1] + x * x, sizes[1] + x * x);
        }
    }
    (sums, sizes.map(|size| size * unit))
}

fn check(kernels: &Kernels, op: Op, query: &[f32], plane: &Plane, n: usize) {
    let before = Acc { a: 0.5, b: 0.25 };
    let mut out = vec![before; n];
    kernels.accumulate(op, query, &plane.rows(), &mut out).unwrap();
    for (i, acc) in out.iter().enumerate() {
        let (sums, errors) = reference(op, query, &plane.row(i, query.len()));
        for (got, start, sum, error) in
            [(acc.a, before.a, sums[0], errors[0]), (acc.b, before.b, sums[1], errors[1])]
        {
            let expected = f64::from(start) + sum;
            let last = (expected.abs() + f64::from(start)) * f64::from(f32::EPSILON);
            assert!(
                (f64::from(got) - expected).abs() <= error + last,
                "{} {op:?} {:?} dims {} row {i}: {got} for {expected}",
                kernels.name(),
                plane.element,
                query.len()
            );
        }
    }
}

#[test]
fn every_table_agrees_with_f64_at_every_length_and_alignment() {
    let mut numbers = Numbers(1);
    for element in ELEMENTS {
        for dims in (1..=130).chain([384, 768, 784, 1536]) {
            let query = numbers.take(dims);
            for offset in 0..=element.size() {
                let plane = Plane::new(element, 4, dims, [0, 1, 64][dims % 3], offset, &mut numbers);
                for kernels in Kernels::available() {
                    for op in OPS {
                        check(kernels, op, &query, &plane, 4);
                    }
                }
            }
        }
    }
}

#[test]
fn a_query_shorter_than_the_rows_meets_only_their_beginning() {
    let mut numbers = Numbers(2);
    for element in ELEMENTS {
        let plane = Plane::new(element, 7, 100, 28, 0, &mut numbers);
        for dims in 0..=100 {
            let query = numbers.take(dims);
            for kernels in Kernels::available() {
                for op in OPS {
                    check(kernels, op, &query, &plane, 7);
                }
            }
        }
    }
}

#[test]
fn planes_add_up_to_the_whole_row() {
    let mut numbers = Numbers(3);
    let (query, row) = (numbers.take(200), numbers.take(200));
    let mut bytes = vec![0; row.len() * 4];
    element::encode(Element::F32, &row, &mut bytes);
    for kernels in Kernels::available() {
        for op in OPS {
            let mut out = [Acc::default()];
            for dims in [0..64, 64..100, 100..200] {
                let rows = Rows {
                    element: Element::F32,
                    bytes: &bytes[dims.start * 4..dims.end * 4],
                    stride: dims.len() * 4,
                    scales: &[],
                };
                kernels.accumulate(op, &query[dims], &rows, &mut out).unwrap();
            }
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let (sums, errors) = reference(op, &query, &row);
            assert!((f64::from(out[0].a) - sums[0]).abs() <= errors[0]);
            assert!((f64::from(out[0].b) - sums[1]).abs() <= errors[1]);
        }
    }
}

#[test]
fn near_neighbours_keep_their_relative_accuracy_under_l2() {
    // Far from the origin, and nearer to each other than f32 could tell from norms and products.
    let query: Vec<f32> = (0..96).map(|i| 1000.0 + i as f32).collect();
    let row: Vec<f32> = query.iter().map(|q| q + 0.0078125).collect();
    let mut bytes = vec![0; row.len() * 4];
    element::encode(Element::F32, &row, &mut bytes);
    let rows = Rows { element: Element::F32, bytes: &bytes, stride: 384, scales: &[] };
    for kernels in Kernels::available() {
        let mut out = [Acc::default()];
        kernels.accumulate(Op::L2, &query, &rows, &mut out).unwrap();
        assert_eq!(out[0].a, 96.0 * 0.0078125 * 0.0078125, "{}", kernels.name());
    }
}

#[test]
fn infinity_and_nan_are_passed_on() {
    for bad in [f32::INFINITY, f32::NAN] {
        for dims in [1, 5, 16, 33, 200] {
            for at in [0, dims / 2, dims - 1] {
                let mut row = vec![1.0; dims];
                row[at] = bad;
                let mut bytes = vec![0; row.len() * 4];
                element::encode(Element::F32, &row, &mut bytes);
                let rows = Rows { element: Element::F32, bytes: &bytes, stride: dims * 4, scales: &[] };
                for kernels in Kernels::available() {
                    for op in OPS {
                        let mut out = [Acc::default()];
                        kernels.accumulate(op, &vec![1.0; dims], &rows, &mut out).unwrap();
                        assert!(!out[0].a.is_finite(), "{} {op:?} {bad} at {at}", kernels.name());
                    }
                }
            }
        }
    }
}

#[test]
fn rows_that_are_not_there_are_refused_and_nothing_is_added() {
    let bytes = [0u8; 64];
    let rows =
        |len: usize, stride, scales| Rows { element: Element::F32, bytes: &bytes[..len], stride, scales };
    let query = [1.0; 4];
    for kernels in Kernels::available() {
        let mut out = [Acc::default(); 4];
        let mut run = |rows: Rows<'_>, n: usize| kernels.accumulate(Op::L2, &query, &rows, &mut out[..n]);
        assert!(run(rows(63, 16, &[]), 4).is_err(), "one byte short");
        assert!(run(rows(64, 15, &[]), 4).is_err(), "rows that overlap");
        assert!(run(rows(64, 17, &[]), 4).is_err(), "a stride beyond the end");
        assert!(run(rows(64, usize::MAX / 2, &[]), 4).is_err(), "an offset that overflows");
        assert!(run(rows(64, 16, &[1.0; 3]), 4).is_err(), "a scale short");
        assert!(run(rows(0, 0, &[]), 0).is_ok(), "no rows need no bytes");
        assert_eq!(out, [Acc::default(); 4]);
        let mut run = |rows: Rows<'_>, n: usize| kernels.accumulate(Op::L2, &query, &rows, &mut out[..n]);
        assert!(run(rows(64, 16, &[]), 4).is_ok());
        assert!(run(rows(16, 0, &[]), 1).is_ok(), "one row needs no stride");
        assert!(run(rows(16, usize::MAX, &[]), 1).is_ok(), "nor is an absurd one looked at");
        let long = Rows { element: Element::I8, bytes: &[0; 128], stride: usize::MAX, scales: &[] };
        assert!(kernels.accumulate(Op::L2, &[0.0; 128], &long, &mut out[..1]).is_ok());
        let error = kernels.accumulate(Op::Dot, &query, &rows(63, 16, &[]), &mut out).unwrap_err();
        assert!(error.to_string().contains("4 rows of 4 dimensions"), "{error}");
    }
}

#[test]
fn a_forced_table_is_taken_or_the_next_slower_one() {
    let best = Kernels::available().last().unwrap().name();
    assert_eq!(Kernels::choose(None).name(), best);
    assert_eq!(Kernels::choose(Some("quantum")).name(), best);
    for (i, name) in NAMES.iter().enumerate() {
        let expected = NAMES[..=i].iter().rfind(|name| Kernels::by_name(name).is_some()).unwrap();
        assert_eq!(Kernels::choose(Some(name)).name(), *expected);
    }
    assert!(Kernels::by_name("quantum").is_none());
}

#[cfg(target_arch = "aarch64")]
#[test]
fn the_table_with_inner_products_of_bytes_is_there_when_the_processor_has_them_and_the_plain_one_always() {
    let has = std::arch::is_aarch64_feature_detected!("dotprod");
    assert_eq!(Kernels::by_name("dotprod").is_some(), has);
    assert_eq!(Kernels::choose(Some("neon")).name(), "neon");
    assert_eq!(Kernels::choose(None).name(), if has { "dotprod" } else { "neon" });
}

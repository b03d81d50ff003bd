//! How fast each table of kernels goes through 64 MiB of rows, in bytes a second.
//!
//! `cargo bench -p foretaste-benches --bench kernels`; a filter such as `l2/f32/384` picks a case.
//! Reads from: generated rows. Writes to: criterion's report. Never: a file.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use foretaste_query::kernel::{Acc, Kernels, Op, Rows};
use foretaste_storage::bytes::AlignedBuf;
use foretaste_storage::element;
use foretaste_storage::layout::{Element, Layout};

const BYTES: usize = 64 << 20;
/// Rows of one call, as in a flat scan.
const RUN: usize = 256;

fn kernels(criterion: &mut Criterion) {
    for (element, name) in [(Element::F32, "f32"), (Element::F16, "f16"), (Element::I8, "i8")] {
        for dims in [384usize, 784] {
            let stride = Layout { levels: vec![dims as u32], element, variance: None }.stride(0);
            let n = BYTES / stride;
            let query: Vec<f32> = (0..dims).map(|i| (i as f32 * 0.37).sin()).collect();
            let (mut plane, mut scales, mut row) =
                (AlignedBuf::with_capacity(n * stride), Vec::new(), Vec::new());
            for i in 0..n {
                row.resize(dims * element.size(), 0);
                let values: Vec<f32> = query.iter().map(|q| q + ((i % 97) as f32 - 48.0) * 0.01).collect();
                scales.push(element::encode(element, &values, &mut row));
                plane.extend_from_slice(&row);
                plane.pad();
            }
            for (op, op_name) in [(Op::Dot, "dot"), (Op::L2, "l2"), (Op::DotNorm, "dot_norm")] {
                let mut group = criterion.benchmark_group(format!("{op_name}/{name}/{dims}"));
                group.throughput(Throughput::Bytes((n * stride) as u64)).sample_size(10);
                group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500));
                for table in Kernels::available() {
                    group.bench_function(BenchmarkId::from_parameter(table.name()), |bencher| {
                        let mut out = vec![Acc::default(); RUN];
                        bencher.iter(|| {
                            for (part, scales) in plane.chunks(RUN * stride).zip(scales.chunks(RUN)) {
                                let rows = Rows { element, bytes: part, stride, scales };
                                let done = table.accumulate(op, &query, &rows, &mut out[..scales.len()]);
                                assert!(done.is_ok());
                            }
                            black_box(&mut out);
                        });
                    });
                }
                group.finish();
            }
        }
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);

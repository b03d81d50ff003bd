//! Seeds of search indexes: small real ones of both kinds.
//!
//! Reads from: vectors made here. Writes to: the seeds' bytes. Never: a random number.

use std::ops::Range;

use foretaste_fuzz_bodies::{ANN_SECTIONS, join};
use foretaste_query::index::{HnswParams, IvfParams, RotationKind, Source, Spec, Strip, Task, build};
use foretaste_query::metric::Metric;
use foretaste_storage::bytes::Span;
use foretaste_storage::layout::Element;

use crate::Seeds;

struct Rows {
    bytes: Vec<u8>,
    dims: usize,
    levels: [u32; 1],
}

impl Source for Rows {
    fn rows(&self) -> u32 {
        (self.bytes.len() / (4 * self.dims)) as u32
    }
    fn element(&self) -> Element {
        Element::F32
    }
    fn levels(&self) -> &[u32] {
        &self.levels
    }
    fn strips<'a>(
        &'a self,
        rows: Range<u32>,
        _: usize,
        out: &mut Vec<Strip<'a>>,
    ) -> foretaste_storage::Result<()> {
        let stride = 4 * self.dims;
        let bytes = &self.bytes[rows.start as usize * stride..rows.end as usize * stride];
        out.push(Strip { dims: 0..self.dims, bytes: Span::Borrowed(bytes), stride });
        Ok(())
    }
    fn width(&self, _: u32) -> usize {
        self.dims
    }
    fn uniform_width(&self) -> Option<usize> {
        Some(self.dims)
    }
    fn scale(&self, _: u32) -> f32 {
        1.0
    }
}

/// An index of every kind and metric over a few rows.
pub fn indexes() -> Seeds {
    let hnsw = |edge_bits| Spec::Hnsw(HnswParams { m: 2, ef_construction: 8, edge_bits });
    let ivf = Spec::Ivf(IvfParams { nlist: Some(3) });
    let cases = [
        ("graph", hnsw(Some(1)), 40, 2),
        ("graph_cosine", hnsw(None), 50, 0),
        ("graph_compact", hnsw(Some(0)), 90, 1),
        ("cells", ivf, 40, 2),
        ("cells_dot", ivf, 70, 1),
    ];
    let seed = |(name, spec, rows, metric): (&str, Spec, usize, u8)| {
        let dims = 5;
        let number = |i: usize| ((i * 7919 % 1009) as f32 / 500.0 - 1.0) * (1 + i % 4) as f32;
        let bytes = (0..rows * dims).flat_map(|i| number(i).to_le_bytes()).collect();
        let source = Rows { bytes, dims, levels: [dims as u32] };
        let task = Task {
            metric: [Metric::Cosine, Metric::Dot, Metric::L2][usize::from(metric)],
            spec,
            rotation: RotationKind::Pca,
            threads: 1,
            seed: 1,
            progress: &|_, _| true,
        };
        let built = build(&source, &task).expect("sound rows").expect("nobody cancels");
        let mut parts = Vec::new();
        for (kind, _) in built.sections() {
            let mut bytes = Vec::new();
            let gather = &mut |some: &[u8]| {
                bytes.extend_from_slice(some);
                Ok(())
            };
            built.write(kind, gather).expect("memory");
            let tag = ANN_SECTIONS.iter().position(|known| *known == kind).expect("a known section");
            parts.push((tag as u8, bytes));
        }
        let rows = (rows as u16).to_le_bytes();
        (name.to_string(), join(&[metric, rows[0], rows[1]], &parts))
    };
    cases.map(seed).into()
}

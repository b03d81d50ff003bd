use std::ops::Range;

use foretaste_storage::layout::Element;
use foretaste_storage::{Error, Result, limits};

use super::*;
use crate::index::{HnswParams, RotationKind, Source, Strip, Task};

/// More rows than a graph may have, none of which can be read.
struct Huge;

impl Source for Huge {
    fn rows(&self) -> u32 {
        limits::GRAPH_NODES as u32 + 1
    }
    fn element(&self) -> Element {
        Element::F32
    }
    fn levels(&self) -> &[u32] {
        &[4]
    }
    fn strips<'a>(&'a self, _: Range<u32>, _: usize, _: &mut Vec<Strip<'a>>) -> Result<()> {
        Err(Error::Poisoned { why: "read".into() })
    }
    fn width(&self, _: u32) -> usize {
        4
    }
    fn uniform_width(&self) -> Option<usize> {
        Some(4)
    }
    fn scale(&self, _: u32) -> f32 {
        1.0
    }
}

#[test]
fn more_rows_or_larger_parameters_than_the_limits_are_refused_before_a_row_is_read() {
    let refused = |params: HnswParams| {
        let task = Task {
            metric: Metric::L2,
            spec: Spec::Hnsw(params),
            rotation: RotationKind::Pca,
            threads: 1,
            seed: 0,
            progress: &|_, _| true,
        };
        match build(&Huge, &task) {
            Err(Error::LimitExceeded { limit, found, .. }) => (limit, found),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("built"),
        }
    };
    let usual = HnswParams::default();
    assert_eq!(refused(usual), (limits::GRAPH_NODES, limits::GRAPH_NODES + 1));
    let m = limits::GRAPH_LINKS as u32 + 1;
    assert_eq!(refused(HnswParams { m, ..usual }), (limits::GRAPH_LINKS, u64::from(m)));
    let ef_construction = limits::GRAPH_CANDIDATES as u32 + 1;
    let expected = (limits::GRAPH_CANDIDATES, u64::from(ef_construction));
    assert_eq!(refused(HnswParams { ef_construction, ..usual }), expected);
}

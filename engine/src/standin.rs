//! Stands in for the query crate's search indexes until they are there: a sum of each row's bytes.
//!
//! Reads from: a source's rows. Writes to: sections. Never: a search.

use foretaste_query::index::{Source, Spec, Stage, Task};
use foretaste_query::metric::Metric;
use foretaste_storage::Result;
use foretaste_storage::section::{SectionFile, SectionKind};

#[derive(Debug)]
pub struct Built {
    head: Vec<u8>,
    rows: Vec<u8>,
}

impl Built {
    pub fn sections(&self) -> Vec<(SectionKind, u64)> {
        vec![(SectionKind::AnnHead, self.head.len() as u64), (SectionKind::AnnRows, self.rows.len() as u64)]
    }

    pub fn write(&self, kind: SectionKind, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let bytes = if kind == SectionKind::AnnHead { &self.head } else { &self.rows };
        bytes.chunks(1 << 16).try_for_each(out)
    }
}

pub fn build(source: &dyn Source, task: &Task<'_>) -> Result<Option<Built>> {
    let (n, dims) = (source.rows(), source.levels().last().map_or(0, |l| *l as usize));
    let mut rows = Vec::new();
    for start in (0..n).step_by(64) {
        if !(task.progress)(Stage::Link, f64::from(start) / f64::from(n.max(1))) {
            return Ok(None);
        }
        let (range, mut strips) = (start..(start + 64).min(n), Vec::new());
        source.strips(range.clone(), dims, &mut strips)?;
        for row in 0..range.len() {
            let sum = |s: &foretaste_query::index::Strip<'_>| -> u64 {
                let bytes = s.bytes.get(row * s.stride..(row + 1) * s.stride).unwrap_or_default();
                bytes.iter().map(|b| u64::from(*b)).sum()
            };
            rows.extend(strips.iter().map(sum).sum::<u64>().to_le_bytes());
        }
    }
    let head = foretaste_storage::codec::meta::encode(&task.spec)?;
    Ok((task.progress)(Stage::Link, 1.0).then_some(Built { head, rows }))
}

#[derive(Debug)]
pub struct Index {
    spec: Spec,
    bytes: u64,
}

impl Index {
    pub fn open(file: SectionFile, rows: u32, _metric: Metric) -> Result<Index> {
        let missing = || file.file().corrupt(0, "there is no head");
        let head = file.get(SectionKind::AnnHead, 0).ok_or_else(missing)?;
        let all = file.expect(SectionKind::AnnRows, 0, u64::from(rows) * 8)?;
        let bytes = head.get(0, head.len().min(100))?;
        let spec = foretaste_storage::codec::meta::decode(bytes, head.file_name(), head.offset())?;
        Ok(Index { spec, bytes: head.len() + all.len() })
    }

    pub fn spec(&self) -> Spec {
        self.spec
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

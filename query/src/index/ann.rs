//! A search index of one sealed segment: built from its rows (`build`), written as sections, opened from them and searched.
//!
//! Whatever the kind, an index gives candidates with estimated distances; which of them are read exactly is the caller's
//! business, who is told how good the estimates are.
//!
//! Reads from: an index file. Writes to: candidates.
//! Never: a row number that is not one of the segment's.

mod build;
mod session;

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bincode::{Decode, Encode};
use foretaste_storage::codec::meta;
use foretaste_storage::section::{Section, SectionFile, SectionKind};
use foretaste_storage::{Result, limits};

use crate::codes::edges::EdgeShape;
use crate::codes::{CodedQuery, Rotation};
use crate::index::codec::Codec;
use crate::index::hnsw;
use crate::index::ivf;
use crate::index::space::Space;
use crate::index::{Accept, Spec};
use crate::kernel::codes::CODE_ALIGN;
use crate::metric::Metric;

pub use build::{Built, HeldOut, build};
pub use session::Session;

const VERSION: u16 = 2;

/// A row that an index found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The row of the segment.
    pub row: u32,
    /// The estimate of its squared distance in the index's space; see [`Index::distance`].
    pub squared: f32,
}

/// What an index is asked.
pub struct Ask<'a> {
    /// The query, or its first numbers.
    pub vector: &'a [f32],
    /// How many candidates a graph's beam keeps.
    pub ef: usize,
    /// How many cells an inverted file goes through, at least; it goes on while it has found fewer than `wanted`.
    pub nprobe: usize,
    /// How many of the nearest candidates will be taken. An inverted file finds no more than these surely.
    pub wanted: usize,
    /// Which rows may be found; deleted rows are refused here too.
    pub accept: Option<&'a Accept<'a>>,
    /// Which part of the rows is thought to pass a filter. A graph then looks for those, and takes its way through the
    /// others; without it, `accept` should refuse few.
    pub share: Option<f32>,
    /// A row that is neither found nor gone through, so that a search for its neighbours is like one for those of a query that is no row.
    pub without: Option<u32>,
    /// Asked from time to time whether to give up.
    pub cancel: &'a dyn Fn() -> bool,
    /// Most steps to take; the cells that are being gone through then are finished. With `share`, in the time of so many steps
    /// all rows that pass could be compared: a graph gives up early when it will need more, and has found nothing then.
    pub steps: u64,
}

/// What a search in an index did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walk {
    /// Nodes or rows whose codes were compared, of an inverted file those of all rows of its cells.
    pub steps: u64,
    /// Of these, the ones whose 8-bit codes were compared.
    pub compared: u64,
    /// Cells gone through.
    pub cells: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// Whether it was stopped before it was done, by its steps or by the caller.
    pub stopped: bool,
}

/// An open index.
#[derive(Debug)]
pub struct Index {
    head: Head,
    codec: Codec,
    kind: Kind,
    bytes: u64,
}

#[derive(Debug)]
enum Kind {
    Graph { view: hnsw::View, rows: Arc<Section> },
    Cells(ivf::View),
}

/// Memory that searches use again; one for each thread that searches.
#[derive(Debug, Default)]
pub struct Scratch {
    query: CodedQuery,
    graph: hnsw::Scratch,
    cells: ivf::Scratch,
    pub(crate) found: Vec<Found>,
}

/// The section `AnnHead`.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
struct Head {
    version: u16,
    spec: Spec,
    metric: u8,
    rows: u32,
    /// Dimensions of a stored vector.
    dims: u32,
    /// Largest norm of a row, for the inner product.
    radius: f32,
    edge_bits: u8,
    edge_dims: u32,
    /// Nodes of each upper layer, from the lowest.
    layers: Vec<u32>,
    /// Nodes from which all others can be reached.
    starts: Vec<u32>,
    /// How many nodes a search of a graph's base layer starts from.
    entries: u32,
    /// Cells of an inverted file.
    cells: u32,
    /// How far low-bit estimates of an inverted file may be off; see `ivf::View`.
    slack: f32,
    /// Root mean square of the relative error of estimated squared distances between neighbours.
    error: f32,
}

impl Index {
    /// Opens an index over `rows` rows that are compared by `metric`.
    ///
    /// # Errors
    /// `Corrupt` when the file contradicts itself or is for other rows; `Io`.
    pub fn open(file: &SectionFile, rows: u32, metric: Metric) -> Result<Index> {
        let refuse = |why: String| file.file().corrupt(0, why);
        let section = |kind: SectionKind| {
            file.get(kind, 0).ok_or_else(|| refuse(format!("there is no section {kind:?}")))
        };
        let head = section(SectionKind::AnnHead)?;
        limits::check("metadata record in bytes", head.len(), limits::RECORD_BYTES)?;
        let head: Head = meta::decode(head.get(0, head.len())?, head.file_name(), head.offset())?;
        if head.version != VERSION || head.rows != rows || head.metric != metric as u8 {
            let why = format!(
                "the index is version {} for {} rows and metric {}, not {VERSION} for {rows} and {}",
                head.version, head.rows, head.metric, metric as u8
            );
            return Err(refuse(why));
        }
        if u64::from(head.dims) > limits::DIMENSION {
            return Err(refuse("the index is beyond the limits".to_string()));
        }
        let space = Space::new(metric, head.dims as usize, head.radius);
        let codec = section(SectionKind::AnnCodec)?;
        let rotation = Rotation::decode(codec.get(0, codec.len())?, space.dims())
            .filter(|r| r.prefix() <= space.dims() && head.radius.is_finite())
            .ok_or_else(|| codec.corrupt(0, "the rotation contradicts itself"))?;
        let edges = match (head.edge_bits, head.edge_dims as usize) {
            (0, _) => None,
            (bits @ (1 | 2 | 4), dims)
                if dims.is_multiple_of(32) && dims <= rotation.prefix().next_multiple_of(32) =>
            {
                Some(EdgeShape { bits, dims })
            }
            other => return Err(refuse(format!("edges cannot be coded in {other:?}"))),
        };
        let stride = rotation.prefix().next_multiple_of(CODE_ALIGN);
        let kind = match (head.spec, edges) {
            (Spec::Hnsw(params), edges) if u64::from(params.m) <= limits::GRAPH_LINKS => {
                let shape = hnsw::shape(&params, stride, edges);
                let starts = (head.starts.clone(), head.entries);
                let view = hnsw::View::open(file, rows, shape, &head.layers, starts)?;
                Kind::Graph { view, rows: file.expect(SectionKind::AnnRows, 0, u64::from(rows) * 8)? }
            }
            (Spec::Ivf(_), Some(edges)) => {
                let layout = ivf::Layout { rows, cells: head.cells, stride, edges };
                Kind::Cells(ivf::View::open(file, layout, head.slack)?)
            }
            (spec, edges) => return Err(refuse(format!("there is no index {spec:?} with codes {edges:?}"))),
        };
        let bytes = file.file().file_len();
        Ok(Index { codec: Codec { space, rotation, edges }, head, kind, bytes })
    }

    /// What it is, with its parameters.
    pub fn spec(&self) -> Spec {
        self.head.spec
    }

    /// Bytes of its file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Rows it is over.
    pub fn rows(&self) -> u32 {
        self.head.rows
    }

    /// How many cells an inverted file has; 0 for a graph.
    pub fn cells(&self) -> u32 {
        self.head.cells
    }

    /// Dimensions of the vectors it is over.
    pub fn dims(&self) -> usize {
        self.head.dims as usize
    }

    /// Root mean square of the relative error of estimated squared distances between neighbours, measured when it was built.
    pub fn error(&self) -> f32 {
        self.head.error
    }

    /// The largest norm of a row, which is only known for the inner product.
    pub fn radius(&self) -> Option<f32> {
        (self.codec.space.metric() == Metric::Dot).then(|| self.codec.space.radius())
    }

    /// The metric's distance that an estimate stands for, for a query of norm `norm`.
    pub fn distance(&self, squared: f32, norm: f64) -> f64 {
        self.codec.space.distance(squared, norm)
    }

    /// Finds rows near `ask.vector`, leaving them in `scratch`; see [`Scratch::nearest`]. [`Index::start`] does the same in steps.
    ///
    /// # Errors
    /// `Corrupt` when bytes it meets are damaged; `Io`; those of `ask.accept`.
    pub fn search(&self, ask: &Ask<'_>, scratch: &mut Scratch) -> Result<Walk> {
        /// Steps between two questions whether to give up.
        const STRIDE: u64 = 256;
        let mut session = self.start(ask, scratch)?;
        while session.advance(ask, STRIDE, scratch)? {}
        session.finish(ask, scratch)
    }

    /// About how many steps a search with [`Ask::share`] takes; `None` when it makes no difference, as for an inverted file.
    pub fn steps_among(&self, ef: usize, share: f32) -> Option<u64> {
        matches!(self.kind, Kind::Graph { .. }).then(|| hnsw::Effort::new(ef, share, 0, 0).steps())
    }

    /// Bytes that comparing one row by its code reads; `None` when a row's code cannot be found by the row.
    pub fn row_code_bytes(&self) -> Option<u64> {
        match &self.kind {
            Kind::Graph { view, .. } => Some(view.base.shape.code_bytes() as u64),
            Kind::Cells(_) => None,
        }
    }

    /// Compares `rows` with `vector` by their codes, leaving them in `scratch`, and says how many there were; all of them,
    /// unless `cancel` said to give up. Where [`Index::row_code_bytes`] says that it cannot be done, none is found.
    ///
    /// # Errors
    /// `Corrupt` when bytes it meets are damaged; `Io`.
    pub fn compare(
        &self,
        vector: &[f32],
        rows: &mut dyn Iterator<Item = u32>,
        cancel: &dyn Fn() -> bool,
        scratch: &mut Scratch,
    ) -> Result<u64> {
        scratch.found.clear();
        if let Kind::Graph { view, rows: numbers } = &self.kind {
            self.codec.query(vector, &mut scratch.query);
            hnsw::compare(view, numbers, &scratch.query, rows, cancel, &mut scratch.found)?;
            self.check_rows(numbers, scratch)?;
        }
        Ok(scratch.found.len() as u64)
    }

    fn check_rows(&self, numbers: &Section, scratch: &Scratch) -> Result<()> {
        let rows = self.head.rows;
        match scratch.found.iter().find(|f| f.row >= rows) {
            Some(found) => Err(numbers.corrupt(0, format!("a node is row {} of {rows}", found.row))),
            None => Ok(()),
        }
    }
}

thread_local! {
    static SPARE: Cell<Vec<Scratch>> = const { Cell::new(Vec::new()) };
}

/// Most scratches that a thread keeps for later searches.
const SPARES: usize = 4;

/// A scratch for one search; its memory serves a later search of the thread that drops it.
#[derive(Debug, Default)]
pub struct Lent(Scratch);

impl Deref for Lent {
    type Target = Scratch;
    fn deref(&self) -> &Scratch {
        &self.0
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut spare = SPARE.take();
        if spare.len() < SPARES {
            spare.push(std::mem::take(&mut self.0));
        }
        SPARE.set(spare);
    }
}

impl Scratch {
    /// One that an earlier search of this thread left, or a new one.
    pub fn lend() -> Lent {
        let mut spare = SPARE.take();
        let scratch = spare.pop().unwrap_or_default();
        SPARE.set(spare);
        Lent(scratch)
    }

    /// Puts another number in the place of each row's estimate.
    ///
    /// # Errors
    /// The first of `estimate`.
    pub fn estimate_again(&mut self, mut estimate: impl FnMut(&Found) -> Result<f32>) -> Result<()> {
        self.found.iter_mut().try_for_each(|found| {
            found.squared = estimate(found)?;
            Ok(())
        })
    }

    /// How many rows were found.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether none was found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `count` nearest rows found, nearest first, by estimated distance and then row.
    pub fn nearest(&mut self, count: usize) -> &[Found] {
        self.ordered(count);
        self.found.truncate(count);
        &self.found
    }

    /// [`Scratch::nearest`], with the others kept for another call.
    pub fn ordered(&mut self, count: usize) -> &[Found] {
        let order = |a: &Found, b: &Found| a.squared.total_cmp(&b.squared).then(a.row.cmp(&b.row));
        let count = count.min(self.found.len());
        if count > 0 && self.found.len() > count {
            self.found.select_nth_unstable_by(count - 1, order);
        }
        let nearest = self.found.get_mut(..count).unwrap_or_default();
        nearest.sort_unstable_by(order);
        nearest
    }
}

#[cfg(test)]
mod tests;

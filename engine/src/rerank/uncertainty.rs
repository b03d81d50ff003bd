//! The surest of the nearest first.
//!
//! Reads from: the list, the sums of its rows' variances. Writes to: the list's order. Never: a row that was not in the list.

use foretaste_storage::Result as Stored;

use crate::error::Result;
use crate::rerank::{List, Refine, Step, check_variance};
use crate::revision::Stage;
use crate::schema::Schema;
use crate::session::{Ground, Halt, Row};

/// Orders the nearest rows by their uncertainty alone, least first: by the sum of their variances over the dimensions that were
/// compared, whatever their distance. Equal ones keep their order.
///
/// As a ranking this is poor: of the 100 nearest by 384-dimensional sentence vectors it makes an nDCG@10 of .056 where their own
/// order has .658 (`docs/measurements.md`). It is here because it has been proposed and should be measured rather than believed, and for
/// lists that are short already, where all rows would do. What is mostly meant is [`crate::Search::max_uncertainty`], which leaves
/// uncertain rows out, or [`crate::Csd`] with a small weight, which holds them back.
///
/// ```
/// # use foretaste::{Database, Metric, RowVariance, Schema, Variance};
/// use foretaste::Uncertainty;
///
/// # fn run(path: &std::path::Path) -> foretaste::Result<()> {
/// # let db = Database::open(path.join("notes.ft"))?;
/// # let docs = db.create_collection("docs", Schema::new(2, Metric::L2).variance(Variance::Scalar))?;
/// # let mut batch = docs.batch();
/// # batch.upsert("near", &[0.0, 1.0]).variance(&RowVariance::Variance(vec![0.5]));
/// # batch.upsert("sure", &[0.0, 2.0]).variance(&RowVariance::Variance(vec![0.1]));
/// # batch.commit()?;
/// let hits = docs.search(&[0.0, 0.0]).k(1).rerank(Uncertainty::new().among(2)).run()?;
/// assert_eq!(hits[0].id.to_string(), "sure");
/// # Ok(()) }
/// # run(tempfile::tempdir().unwrap().path()).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uncertainty {
    among: Option<usize>,
}

impl Uncertainty {
    /// The surest first.
    pub fn new() -> Uncertainty {
        Uncertainty::default()
    }

    /// Chooses from so many of the best rows: as many as are wanted, unless said otherwise, so that only their order changes.
    pub fn among(mut self, rows: usize) -> Uncertainty {
        self.among = Some(rows);
        self
    }

    pub(super) fn check(self, schema: &Schema) -> Result<()> {
        check_variance(schema)
    }

    pub(super) fn keep(self, k: usize) -> usize {
        self.among.unwrap_or(k).max(k)
    }

    pub(super) fn work(self) -> Work {
        Work(self)
    }
}

pub(super) struct Work(Uncertainty);

impl Refine for Work {
    fn step(&mut self, ground: &Ground<'_>, list: &mut List, _: &Halt<'_>) -> Result<Step> {
        list.rows.truncate(self.0.keep(ground.request.k));
        let surest = |row: &Row| -> Stored<Row> {
            let score = 0.0 - f64::from(ground.trace(row.row, ground.request.last_dims)?);
            Ok(Row { score, stage: Stage::Rerank, ..*row })
        };
        list.rows = list.rows.iter().map(surest).collect::<Stored<Vec<Row>>>()?;
        list.rows.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(Step::Done)
    }
}

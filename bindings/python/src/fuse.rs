//! Several ranked lists as one: the stage `Fuse` as a Python class.
//!
//! Reads from: Python's arguments. Writes to: `foretaste::Fuse`. Never: a change to a stage that somebody has.

use foretaste::Fusion;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::input;

/// How little the first ranks stand out in `rrf`: the published value.
const KAPPA: f64 = 60.0;
/// How many come into the second round of `runoff`.
const FINALISTS: usize = 10;

/// Fuses the search's list with those of other query vectors, of further vector fields and of full-text searches, which `vector`,
/// `field` and `text` add.
///
/// `fusion` is "rrf" (sums of weight / (kappa + rank); Cormack, Clarke and Büttcher, 2009), "zscore" (sums of scores as z-scores of
/// their lists), "minmax" (sums of scores from the least that could be to the best of the list; cosine alone), "borda" (sums of
/// ranks), "copeland" (majorities of pairs), "kemeny" (the order of the first ten that contradicts the lists least) or "runoff"
/// (median ranks, then majorities among the `finalists`, 10: one list of three or more may be arbitrarily bad).
///
/// `weight` is how much the search's own list counts. `depth` rows of each list count, and at least as many as are wanted. Rows
/// that fewer than `min_votes` lists have are left out. `kappa` is 60 unless said otherwise.
///
///     docs.search(q, rerank=ft.Fuse("rrf").vector(q2).text("body", "quick fox", weight=0.5))
#[pyclass(frozen, module = "foretaste")]
pub struct Fuse {
    pub stage: foretaste::Fuse,
    /// How the lists become one.
    #[pyo3(get)]
    fusion: String,
    /// How much the search's own list counts.
    #[pyo3(get)]
    weight: f64,
    /// How many rows of each list count.
    #[pyo3(get)]
    depth: usize,
    /// How many lists must have a row.
    #[pyo3(get)]
    min_votes: usize,
    /// The lists besides the search's own, as they were asked for.
    others: Vec<String>,
}

impl Fuse {
    fn with(&self, stage: foretaste::Fuse, other: String) -> Fuse {
        let others = self.others.iter().cloned().chain([other]).collect();
        let Fuse { weight, depth, min_votes, .. } = *self;
        Fuse { stage, fusion: self.fusion.clone(), weight, depth, min_votes, others }
    }
}

#[pymethods]
impl Fuse {
    #[new]
    #[pyo3(signature = (
        fusion = "rrf", *, weight = 1.0, depth = 100, min_votes = 1, kappa = None, finalists = None
    ))]
    fn new(
        fusion: &str,
        weight: f64,
        depth: usize,
        min_votes: usize,
        kappa: Option<f64>,
        finalists: Option<usize>,
    ) -> PyResult<Fuse> {
        let kind = match fusion {
            "rrf" => Fusion::Rrf { kappa: kappa.unwrap_or(KAPPA) },
            "zscore" => Fusion::ZScore,
            "minmax" => Fusion::MinMax,
            "borda" => Fusion::Borda,
            "copeland" => Fusion::Copeland,
            "kemeny" => Fusion::Kemeny,
            "runoff" => Fusion::RunOff { finalists: finalists.unwrap_or(FINALISTS) },
            other => {
                return Err(PyValueError::new_err(format!(
                    "fusion is one of rrf, zscore, minmax, borda, copeland, kemeny, runoff, not {other:?}"
                )));
            }
        };
        if kappa.is_some() && fusion != "rrf" {
            return Err(PyValueError::new_err("kappa is for rrf alone"));
        }
        if finalists.is_some() && fusion != "runoff" {
            return Err(PyValueError::new_err("finalists are for runoff alone"));
        }
        let stage = foretaste::Fuse::new(kind).weight(weight).depth(depth).min_votes(min_votes);
        Ok(Fuse { stage, fusion: fusion.to_string(), weight, depth, min_votes, others: Vec::new() })
    }

    /// A stage with one more list: the rows nearest to another query vector.
    #[pyo3(signature = (v, weight = 1.0))]
    fn vector(&self, v: &Bound<'_, PyAny>, weight: f64) -> PyResult<Fuse> {
        let numbers = input::query(v)?;
        let numbers = numbers.as_slice().unwrap_or_default();
        let stage = self.stage.clone().vector(numbers, weight);
        Ok(self.with(stage, format!(".vector(<{} numbers>, weight={weight:?})", numbers.len())))
    }

    /// A stage with one more list: the rows whose vectors in a further field are nearest to `v`.
    #[pyo3(signature = (field, v, weight = 1.0))]
    fn field(&self, field: &str, v: &Bound<'_, PyAny>, weight: f64) -> PyResult<Fuse> {
        let numbers = input::query(v)?;
        let numbers = numbers.as_slice().unwrap_or_default();
        let stage = self.stage.clone().field(field, numbers, weight);
        Ok(self.with(stage, format!(".field({field:?}, <{} numbers>, weight={weight:?})", numbers.len())))
    }

    /// A stage with one more list: the best rows by BM25 of the words in a full-text field.
    #[pyo3(signature = (field, words, weight = 1.0))]
    fn text(&self, field: &str, words: &str, weight: f64) -> Fuse {
        let stage = self.stage.clone().text(field, words, weight);
        self.with(stage, format!(".text({field:?}, {words:?}, weight={weight:?})"))
    }

    fn __repr__(&self) -> String {
        let Fuse { fusion, weight, depth, min_votes, others, .. } = self;
        let own = format!("weight={weight:?}, depth={depth}, min_votes={min_votes}");
        format!("Fuse({fusion:?}, {own}){}", others.concat())
    }
}

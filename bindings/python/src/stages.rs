//! Stages behind a search as small Python classes, and the argument `rerank`.
//!
//! Reads from: Python's arguments. Writes to: `foretaste::Rerank`. Never: a ranking of its own.

use std::sync::{Arc, OnceLock};

use foretaste::{Measure, Rerank, Schema};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::fuse::Fuse;
use crate::scorer::Scorer;
use crate::{input, json};

/// A schedule of levels: the search compares the first numbers and keeps so many rows, each further step compares these by more
/// numbers and keeps fewer.
///
/// `steps` are pairs of (dimensions, rows kept), dimensions ascending; each is the length of a level of the collection. The first
/// is the search itself, whatever `dims` says. Kusupati et al., "Matryoshka Representation Learning" (NeurIPS 2022).
///
///     docs.search(q, rerank=ft.Levels([(64, 200), (384, 50)]))
///     docs.search(q, rerank=ft.Levels.auto(0.95)).schedule        # chosen from the rows
#[pyclass(frozen, module = "foretaste")]
pub struct Levels {
    /// Pairs of (dimensions, rows kept), a new list; empty when they are chosen for a recall.
    #[pyo3(get)]
    steps: Vec<(usize, usize)>,
    /// The recall that they are chosen for, by `Levels.auto`; None when they are given.
    #[pyo3(get)]
    recall: Option<f64>,
}

/// Orders the nearest rows by their uncertainty alone, least first: by the sum of their variances over the dimensions that were
/// compared, whatever their distance.
///
/// It chooses from the `among` best rows: as many as are wanted when None, so that only their order changes. As a ranking of many
/// rows it is poor: it is for lists that are short already. What is mostly meant is `max_uncertainty` of the search, which leaves
/// uncertain rows out, or `Csd` with a small weight. For collections with variances.
#[pyclass(frozen, module = "foretaste")]
pub struct Uncertainty {
    /// How many of the best rows it chooses from; None for as many as are wanted.
    #[pyo3(get)]
    among: Option<usize>,
}

/// Ranks by the squared distance and `weight` times the row's total variance: the closed-form sampled distance of PCME++ (Chun,
/// ICLR 2024, arXiv 2305.18171), without what the query's variance adds to all rows alike.
///
/// As the first stage it is part of the search itself. For collections with variances, by cosine or l2. 1 is the published weight;
/// 0 ranks by the means alone.
#[pyclass(frozen, module = "foretaste")]
pub struct Csd {
    /// What the total variance counts for.
    #[pyo3(get)]
    weight: f64,
}

/// Ranks by another distance between normal distributions: "wasserstein", "bhattacharyya", "expected_likelihood" or
/// "log_likelihood". Rows are read in the order of their means until a bound says that no later one can be among the nearest.
///
/// For collections with variances, by cosine or l2. The variances of the query are `query_variance` of the search.
#[pyclass(frozen, module = "foretaste")]
pub struct Gaussian {
    /// The distance's name.
    #[pyo3(get)]
    measure: String,
    kind: Measure,
}

/// Orders by nearness and by difference from what stands before (maximal marginal relevance; Carbonell and Goldstein, 1998).
///
/// With `lambda_` 1 the order stays, with 0 only difference counts. It chooses from the `among` best rows: four times as many as are
/// wanted when None.
#[pyclass(frozen, module = "foretaste")]
pub struct Mmr {
    /// 1 keeps the order, 0 is difference alone.
    #[pyo3(get)]
    lambda_: f64,
    /// How many of the best rows it chooses from; None for four times as many as are wanted.
    #[pyo3(get)]
    among: Option<usize>,
}

/// Orders the nearest rows by late interaction: each token of the query counts with its largest dot product with a token of the row
/// (ColBERT: Khattab and Zaharia, 2020, arXiv 2004.12832). Rows without a token matrix come behind the others.
///
/// `tokens` are the query's, an array of shape (tokens, numbers of a token). It orders the `among` nearest rows, and at least as
/// many as are wanted. For collections with `tokens`.
#[pyclass(frozen, module = "foretaste")]
pub struct MaxSim {
    numbers: Vec<f32>,
    width: usize,
    /// How many of the nearest rows it orders.
    #[pyo3(get)]
    among: usize,
}

/// What a scorer has raised that ends the program rather than the reranking.
pub type Raised = Arc<OnceLock<PyErr>>;

/// The stages of one search.
pub struct Stages {
    pub list: Vec<Rerank>,
    pub raised: Raised,
    /// Numbers of a token in the collection, if it keeps any.
    token_dim: Option<usize>,
    /// What of one query's own is in them.
    own: Option<&'static str>,
}

impl Stages {
    /// From the argument `rerank` of a search in a collection with this schema: a stage, or a list of them.
    pub fn new(rerank: Option<&Bound<'_, PyAny>>, schema: &Schema) -> PyResult<Stages> {
        Stages::of(rerank, token_dim(schema), Raised::default())
    }

    /// The same, where the collection's tokens are known, and what scorers before have raised.
    pub fn of(
        rerank: Option<&Bound<'_, PyAny>>,
        token_dim: Option<usize>,
        raised: Raised,
    ) -> PyResult<Stages> {
        let mut stages = Stages { list: Vec::new(), raised, token_dim, own: None };
        let Some(rerank) = rerank else { return Ok(stages) };
        if rerank.is_instance_of::<PyList>() || rerank.is_instance_of::<PyTuple>() {
            for stage in rerank.try_iter()? {
                stages.add(&stage?)?;
            }
        } else {
            stages.add(rerank)?;
        }
        Ok(stages)
    }

    /// The same for `search_batch`, whose queries must have nothing of their own in a stage.
    pub fn of_many(rerank: Option<&Bound<'_, PyAny>>, schema: &Schema) -> PyResult<Stages> {
        let stages = Stages::new(rerank, schema)?;
        if let Some(own) = stages.own {
            let why =
                format!("a {own} is for one query; search_batch takes the other stages, search takes it");
            return Err(PyValueError::new_err(why));
        }
        Ok(stages)
    }

    fn add(&mut self, stage: &Bound<'_, PyAny>) -> PyResult<()> {
        let stage = if let Ok(levels) = stage.cast::<Levels>() {
            levels.get().stage().into()
        } else if let Ok(csd) = stage.cast::<Csd>() {
            foretaste::Csd::new(csd.get().weight).into()
        } else if let Ok(gaussian) = stage.cast::<Gaussian>() {
            foretaste::Gaussian::new(gaussian.get().kind).into()
        } else if let Ok(uncertainty) = stage.cast::<Uncertainty>() {
            let stage = foretaste::Uncertainty::new();
            uncertainty.get().among.map_or(stage, |rows| stage.among(rows)).into()
        } else if let Ok(mmr) = stage.cast::<Mmr>() {
            let (lambda, among) = (mmr.get().lambda_, mmr.get().among);
            let mmr = foretaste::Mmr::new(lambda);
            among.map_or(mmr, |rows| mmr.among(rows)).into()
        } else if let Ok(scorer) = stage.cast::<Scorer>() {
            self.own = Some("Scorer");
            scorer.get().stage(stage.py(), Arc::clone(&self.raised)).into()
        } else if let Ok(maxsim) = stage.cast::<MaxSim>() {
            self.own = Some("MaxSim");
            maxsim.get().stage(stage.py(), self.token_dim)?.into()
        } else if let Ok(fuse) = stage.cast::<Fuse>() {
            self.own = Some("Fuse");
            fuse.get().stage.clone().into()
        } else {
            return Err(PyTypeError::new_err(format!(
                "rerank is a stage, or a list of stages: Levels, Csd, Gaussian, Uncertainty, Mmr, MaxSim, Fuse, Scorer; not a {}",
                json::type_name(stage)
            )));
        };
        self.list.push(stage);
        Ok(())
    }
}

/// Numbers of a token of a collection, if it keeps any.
pub fn token_dim(schema: &Schema) -> Option<usize> {
    schema.token_kind().map(|(dim, _)| dim)
}

impl Levels {
    fn stage(&self) -> foretaste::Levels {
        let given = || foretaste::Levels::new(self.steps.iter().copied());
        self.recall.map_or_else(given, foretaste::Levels::auto)
    }
}

impl MaxSim {
    fn stage(&self, py: Python<'_>, token_dim: Option<usize>) -> PyResult<foretaste::MaxSim> {
        input::check_width(py, self.width, token_dim)?;
        Ok(foretaste::MaxSim::new(&self.numbers).among(self.among))
    }
}

#[pymethods]
impl Levels {
    #[new]
    fn new(steps: Vec<(usize, usize)>) -> Levels {
        Levels { steps, recall: None }
    }

    /// The cheapest steps, of the collection's levels, that find this part of the nearest rows by all dimensions, above 0 and at most 1,
    /// as far as can be expected: `schedule` of the answer says which they are.
    ///
    /// They come from a sample of the rows, taken by the first such search, and used by all later ones. Where indexes lead to most
    /// rows, or rows are few, there is one step, of all dimensions.
    #[staticmethod]
    fn auto(recall: f64) -> PyResult<Levels> {
        if !(recall > 0.0 && recall <= 1.0) {
            let why = format!("recall is a number above 0 and at most 1, not {recall}");
            return Err(PyValueError::new_err(why));
        }
        Ok(Levels { steps: Vec::new(), recall: Some(recall) })
    }

    fn __repr__(&self) -> String {
        match self.recall {
            Some(recall) => format!("Levels.auto({recall:?})"),
            None => format!("Levels({:?})", self.steps),
        }
    }
}

#[pymethods]
impl Uncertainty {
    #[new]
    #[pyo3(signature = (among = None))]
    fn new(among: Option<usize>) -> Uncertainty {
        Uncertainty { among }
    }

    fn __repr__(&self) -> String {
        self.among.map_or("Uncertainty()".to_string(), |rows| format!("Uncertainty(among={rows})"))
    }
}

#[pymethods]
impl Csd {
    #[new]
    #[pyo3(signature = (weight = 1.0))]
    fn new(weight: f64) -> Csd {
        Csd { weight }
    }

    fn __repr__(&self) -> String {
        format!("Csd(weight={:?})", self.weight)
    }
}

#[pymethods]
impl Gaussian {
    #[new]
    fn new(measure: String) -> PyResult<Gaussian> {
        let kind = match measure.as_str() {
            "wasserstein" => Measure::Wasserstein,
            "bhattacharyya" => Measure::Bhattacharyya,
            "expected_likelihood" => Measure::ExpectedLikelihood,
            "log_likelihood" => Measure::LogLikelihood,
            _ => {
                return Err(PyValueError::new_err(format!(
                    "measure is one of \"wasserstein\", \"bhattacharyya\", \"expected_likelihood\" and \"log_likelihood\", not \
                     {measure:?}"
                )));
            }
        };
        Ok(Gaussian { measure, kind })
    }

    fn __repr__(&self) -> String {
        format!("Gaussian({:?})", self.measure)
    }
}

#[pymethods]
impl Mmr {
    #[new]
    #[pyo3(signature = (lambda_, among = None))]
    fn new(lambda_: f64, among: Option<usize>) -> PyResult<Mmr> {
        if !(0.0..=1.0).contains(&lambda_) {
            return Err(PyValueError::new_err(format!("lambda_ is a number from 0 to 1, not {lambda_}")));
        }
        Ok(Mmr { lambda_, among })
    }

    fn __repr__(&self) -> String {
        let among = self.among.map_or(String::new(), |rows| format!(", among={rows}"));
        format!("Mmr({:?}{among})", self.lambda_)
    }
}

#[pymethods]
impl MaxSim {
    #[new]
    #[pyo3(signature = (tokens, among = 100))]
    fn new(tokens: &Bound<'_, PyAny>, among: usize) -> PyResult<MaxSim> {
        let tokens = input::matrix(tokens, "tokens")?;
        let width = tokens.shape().get(1).copied().unwrap_or(0);
        Ok(MaxSim { numbers: tokens.as_slice().unwrap_or_default().to_vec(), width, among })
    }

    /// The query's tokens, as a new float32 array with one token a row.
    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let rows = self.numbers.len().checked_div(self.width).unwrap_or(0);
        PyArray1::from_slice(py, &self.numbers).reshape([rows, self.width])
    }

    fn __repr__(&self) -> String {
        let rows = self.numbers.len().checked_div(self.width).unwrap_or(0);
        format!("MaxSim(<{rows} tokens of {}>, among={})", self.width, self.among)
    }
}

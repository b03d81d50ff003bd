//! A Python function as an expensive scorer.
//!
//! Reads from: the function. Writes to: `foretaste::Scored`. Never: the interpreter's lock held but in the function; an exception
//! that ends the program taken for a failed scorer.

use std::sync::{Arc, OnceLock};

use foretaste::{Key, Scored, ScorerError};
use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::{hits, input, json};

/// Reranks by an expensive scorer, on a budget of ids scored: a cross-encoder, a language model, anything that scores ids.
///
/// `fn` is called with a list of at most `batch` ids, each of the type it was written with, and gives as many numbers in their
/// order, larger is better: an array, or anything that numpy makes one of. What the query is, it knows from the caller. At most
/// `budget` ids are scored; rows that are not come behind those that are.
///
/// `mode` "adaptive" scores in rounds, and searches between them with a query that is estimated anew from the scores (AXN: Yadav and
/// others, 2024, arXiv 2405.03651). "retrieve" scores the head of the list in its order, and only as far as the answer is read.
///
/// An exception in `fn` ends the reranking with the best answer so far: `problem` of the answer has its text, and
/// `stopped_because` is "scorer_failed". What is no `Exception`, as `KeyboardInterrupt`, comes out of the search.
///
/// With a `version` the database remembers the scores: what they depend on beside the query and the row, as the model and its
/// prompt. A score is remembered for the version, the query's vector (or `query_key`, a str or bytes, instead: the text of the question),
/// and the row as it was written; a row that is written again is scored again. Rows that were scored have their scores at once, and the
/// budget is for others: an answer asked again begins where it ended. `cost["scores_remembered"]` counts them,
/// `Database.forget_scores` forgets them, `remembered_scores` of `open` bounds them.
///
///     texts = {"a": "…", "b": "…"}
///     ft.Scorer(lambda ids: model.predict([(question, texts[id]) for id in ids]), budget=100)
///     ft.Scorer(score, version="cross-encoder-1", query_key=question)
#[pyclass(frozen, module = "foretaste")]
pub struct Scorer {
    /// The function.
    #[pyo3(get, name = "fn")]
    function: Py<PyAny>,
    /// Most ids that are scored.
    #[pyo3(get)]
    budget: usize,
    adaptive: bool,
    /// Most ids that the function is asked for at once.
    #[pyo3(get)]
    batch: usize,
    /// What the scores are remembered by, or None.
    #[pyo3(get)]
    version: Option<String>,
    query_key: Option<QueryKey>,
}

/// What a query is called; it is given back as it came.
#[derive(FromPyObject)]
enum QueryKey {
    Text(String),
    Bytes(Vec<u8>),
}

/// The function, called in one search.
struct Calls {
    function: Py<PyAny>,
    raised: Arc<OnceLock<PyErr>>,
}

impl Scorer {
    /// It as a stage of one search; `raised` takes what must come out of the search.
    pub fn stage(&self, py: Python<'_>, raised: Arc<OnceLock<PyErr>>) -> Scored {
        let calls = Calls { function: self.function.clone_ref(py), raised };
        let mut scored = Scored::new(calls).budget(self.budget).batch(self.batch);
        if let Some(version) = &self.version {
            scored = scored.version(version);
        }
        scored = match &self.query_key {
            Some(QueryKey::Text(text)) => scored.query_key(text),
            Some(QueryKey::Bytes(bytes)) => scored.query_key(bytes),
            None => scored,
        };
        if self.adaptive { scored.adaptive() } else { scored }
    }
}

#[pymethods]
impl Scorer {
    #[new]
    #[pyo3(signature = (r#fn, budget = 200, mode = "adaptive", batch = 32, version = None, query_key = None))]
    fn new(
        r#fn: &Bound<'_, PyAny>,
        budget: usize,
        mode: &str,
        batch: usize,
        version: Option<String>,
        query_key: Option<QueryKey>,
    ) -> PyResult<Scorer> {
        if !r#fn.is_callable() {
            let name = json::type_name(r#fn);
            return Err(PyTypeError::new_err(format!("fn is a function of ids, not a {name}")));
        }
        let adaptive = match mode {
            "adaptive" => true,
            "retrieve" => false,
            other => {
                let why = format!("mode is \"adaptive\" or \"retrieve\", not {other:?}");
                return Err(PyValueError::new_err(why));
            }
        };
        if batch == 0 {
            return Err(PyValueError::new_err("batch is at least 1"));
        }
        if query_key.is_some() && version.is_none() {
            let why = "query_key is what scores are remembered by, beside a version; give that, too";
            return Err(PyValueError::new_err(why));
        }
        Ok(Scorer { function: r#fn.clone().unbind(), budget, adaptive, batch, version, query_key })
    }

    /// "adaptive" or "retrieve".
    #[getter]
    fn mode(&self) -> &'static str {
        if self.adaptive { "adaptive" } else { "retrieve" }
    }

    /// What scores are remembered by instead of the query's vector, a str or bytes; or None.
    #[getter]
    fn query_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        Some(match self.query_key.as_ref()? {
            QueryKey::Text(text) => PyString::new(py, text).into_any(),
            QueryKey::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        })
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let function = self.function.bind(py).repr().map(|text| text.to_string()).unwrap_or_default();
        let Scorer { budget, batch, .. } = self;
        let version = self.version.as_ref().map_or(String::new(), |version| format!(", version={version:?}"));
        format!("Scorer({function}, budget={budget}, mode={:?}, batch={batch}{version})", self.mode())
    }

    // A bound method whose object keeps the scorer is a cycle, which the object's dict breaks.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)
    }
}

impl Calls {
    fn call(&self, py: Python<'_>, ids: &[Key]) -> PyResult<Vec<f64>> {
        let scores = self.function.bind(py).call1((hits::list(py, ids.iter())?,))?;
        input::numbers(&scores, "float64", "scores are an array of one number an id")
    }
}

impl foretaste::Scorer for Calls {
    fn score(&self, ids: &[Key]) -> Result<Vec<f64>, ScorerError> {
        if self.raised.get().is_some() {
            return Err("it was interrupted".into());
        }
        Python::attach(|py| {
            self.call(py, ids).map_err(|error| {
                let text = error.to_string();
                if !error.is_instance_of::<PyException>(py) {
                    // The first one counts; there is no second call after it.
                    let _ = self.raised.set(error);
                }
                text.into()
            })
        })
    }
}

//! Arguments out of Python: ids, vectors, token matrices, a query, a filter.
//!
//! Reads from: Python's and numpy's objects. Writes to: what the facade takes.
//! Never: a copy of a float32 array that lies in C order.

use foretaste::lang::Filter;
use foretaste::{Error, Key};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyInt, PyString};

use crate::{errors, json};

static CONTIGUOUS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// One query vector: `object`'s own memory where it is a float32 array in C order, else converted.
pub fn query<'py>(object: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray1<'py, f32>> {
    vector(object, "a query is one vector, an array of one dimension")
}

/// The numbers of one row, in the same way; a single number is an array of one.
pub fn row<'py>(object: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArray1<'py, f32>> {
    vector(object, "it is an array of one dimension, or None")
}

fn vector<'py>(object: &Bound<'py, PyAny>, what: &str) -> PyResult<PyReadonlyArray1<'py, f32>> {
    if let Ok(array) = object.cast::<PyArray1<f32>>()
        && array.is_c_contiguous()
    {
        return array.try_readonly().map_err(|e| PyValueError::new_err(e.to_string()));
    }
    let array = contiguous(object)?.cast_into::<PyArray1<f32>>().map_err(|e| {
        let shape = shape(&e.into_inner());
        PyValueError::new_err(format!("{what}, not of shape {shape}"))
    })?;
    Ok(array.readonly())
}

/// Rows of float32 numbers in C order: `object`'s own memory where it has that form.
pub fn matrix<'py>(object: &Bound<'py, PyAny>, what: &str) -> PyResult<PyReadonlyArray2<'py, f32>> {
    if let Ok(array) = object.cast::<PyArray2<f32>>()
        && array.is_c_contiguous()
    {
        return array.try_readonly().map_err(|e| PyValueError::new_err(e.to_string()));
    }
    let array = contiguous(object)?.cast_into::<PyArray2<f32>>().map_err(|e| {
        let shape = shape(&e.into_inner());
        PyValueError::new_err(format!("{what} have the shape (rows, dimensions), not {shape}"))
    })?;
    Ok(array.readonly())
}

/// As many rows as given of float32 numbers, of an array of one dimension (one number a row) or two.
pub fn columns<'py>(object: &Bound<'py, PyAny>, rows: usize) -> PyResult<PyReadonlyArray2<'py, f32>> {
    let array = contiguous(object)?;
    let given: Vec<usize> = array.getattr("shape")?.extract()?;
    if given.first() != Some(&rows) || given.len() > 2 {
        let shape = shape(&array);
        return Err(PyValueError::new_err(format!(
            "{rows} ids, and variances of shape {shape}; one row an id"
        )));
    }
    let width = given.get(1).copied().unwrap_or(1);
    matrix(&array.call_method1("reshape", (rows, width))?, "variances")
}

/// Numbers of one dimension; a single one is an array of one. `what` says what they must be.
pub fn numbers<T: numpy::Element + Copy>(
    object: &Bound<'_, PyAny>,
    dtype: &str,
    what: &str,
) -> PyResult<Vec<T>> {
    let array = converted(object, dtype)?.cast_into::<PyArray1<T>>().map_err(|e| {
        let shape = shape(&e.into_inner());
        PyValueError::new_err(format!("{what}, not of shape {shape}"))
    })?;
    Ok(array.readonly().as_array().to_vec())
}

/// The token matrices of the rows with these ids, the first of which is row `first` of its batch: each an array of one token a row,
/// or None, as an empty one is.
pub fn tokens<'py>(
    matrices: &Bound<'py, PyAny>,
    ids: &[Key],
    first: usize,
) -> PyResult<Vec<Option<PyReadonlyArray2<'py, f32>>>> {
    let mut found = Vec::with_capacity(ids.len());
    for (i, tokens) in matrices.try_iter()?.enumerate() {
        let tokens = tokens?;
        if tokens.is_none() || tokens.len().is_ok_and(|tokens| tokens == 0) {
            found.push(None);
            continue;
        }
        let py = tokens.py();
        let taken = matrix(&tokens, "tokens").map_err(|e| {
            if !e.is_instance_of::<PyValueError>(py) && !e.is_instance_of::<PyTypeError>(py) {
                return e;
            }
            let id = ids.get(i).map(Key::to_string).unwrap_or_default();
            let why = e.value(py).to_string();
            errors::of(py, &Error::BadTokens { row: first + i, id, why })
        });
        found.push(Some(taken?));
    }
    if found.len() == ids.len() {
        return Ok(found);
    }
    let (rows, given) = (ids.len(), found.len());
    Err(PyValueError::new_err(format!("{rows} ids and {given} token matrices; one an id, or None")))
}

/// The tokens of a query, for a collection whose tokens are `dim` numbers, if it keeps any.
pub fn query_tokens<'py>(
    tokens: &Bound<'py, PyAny>,
    dim: Option<usize>,
) -> PyResult<PyReadonlyArray2<'py, f32>> {
    let tokens = matrix(tokens, "tokens")?;
    check_width(tokens.py(), tokens.shape().get(1).copied().unwrap_or(0), dim)?;
    Ok(tokens)
}

/// Tokens of another length than the collection's may come out even, and are refused.
pub fn check_width(py: Python<'_>, width: usize, dim: Option<usize>) -> PyResult<()> {
    match dim.filter(|dim| *dim != width) {
        None => Ok(()),
        Some(dim) => {
            let why = format!("tokens of {width} numbers given, {dim} expected");
            Err(errors::of(py, &Error::BadRequest { what: "tokens", why }))
        }
    }
}

fn contiguous<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    converted(object, "float32")
}

fn converted<'py>(object: &Bound<'py, PyAny>, dtype: &str) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let function = CONTIGUOUS
        .get_or_try_init(py, || Ok::<_, PyErr>(py.import("numpy")?.getattr("ascontiguousarray")?.unbind()))?;
    function.bind(py).call1((object, dtype))
}

fn shape(array: &Bound<'_, PyAny>) -> String {
    array.getattr("shape").map(|shape| shape.to_string()).unwrap_or_default()
}

/// Ids: an integer array, or an iterable of ints and strs.
pub fn keys(ids: &Bound<'_, PyAny>) -> PyResult<Vec<Key>> {
    if let Ok(array) = ids.cast::<PyArray1<i64>>() {
        let array = array.readonly();
        return Ok(array.as_array().iter().map(|id| Key::Int(*id)).collect());
    }
    if ids.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("ids are a list or an array, even a single one: [\"a\"]"));
    }
    // numpy's other arrays are quicker as lists.
    let plain = if ids.hasattr("dtype")? { ids.call_method0("tolist")? } else { ids.clone() };
    let iterator = plain.try_iter().map_err(|_| {
        PyTypeError::new_err(format!(
            "ids are a list of ints or strs or an integer array, not a {}",
            json::type_name(ids)
        ))
    })?;
    iterator.map(|id| key(&id?)).collect()
}

/// One id: an int of 64 bits or a str.
pub fn key(id: &Bound<'_, PyAny>) -> PyResult<Key> {
    if let Ok(text) = id.cast::<PyString>() {
        return Ok(Key::from(text.to_cow()?.as_ref()));
    }
    // numpy's integers are no ints, and have an index; a float has none, and a bool is a mistake.
    if !id.is_instance_of::<PyBool>() && (id.is_instance_of::<PyInt>() || id.hasattr("__index__")?) {
        return Ok(Key::Int(id.extract::<i64>()?));
    }
    Err(PyTypeError::new_err(format!("an id is an int of 64 bits or a str, not a {}", json::type_name(id))))
}

/// Whether an argument is one id rather than several.
pub fn is_one_key(ids: &Bound<'_, PyAny>) -> bool {
    ids.is_instance_of::<PyString>() || ids.is_instance_of::<PyInt>()
}

/// One id, or several.
pub fn one_or_more(ids: &Bound<'_, PyAny>) -> PyResult<Vec<Key>> {
    if is_one_key(ids) { Ok(vec![key(ids)?]) } else { keys(ids) }
}

/// A filter: its text, or the nested dict that means the same.
pub fn filter(object: &Bound<'_, PyAny>) -> PyResult<Filter> {
    let py = object.py();
    let parsed = if let Ok(text) = object.cast::<PyString>() {
        Filter::parse(&text.to_cow()?)
    } else if object.is_instance_of::<PyDict>() {
        let json = json::from_python(object)
            .map_err(|why| errors::new(py, "BadFilter", &format!("filter: {why}")))?;
        Filter::from_json(&json)
    } else {
        let name = json::type_name(object);
        return Err(PyTypeError::new_err(format!("where is a filter as a str or a dict, not a {name}")));
    };
    parsed.map_err(|e| errors::of(py, &e.into()))
}

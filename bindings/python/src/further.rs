//! Vectors of rows besides their own: in further fields, and in the space that the model is being changed to.
//!
//! Reads from: numpy's arrays and Python's lists. Writes to: rows of the facade's batch.
//! Never: a copy of a float32 array that lies in C order.

use foretaste::{RowMut, RowVariance};
use numpy::{PyArrayDescrMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyMapping;

use crate::{input, schema};

/// Vectors, one a row at most.
pub struct PerRow<'py> {
    given: Given<'py>,
    what: String,
}

enum Given<'py> {
    /// As many as the array has.
    All(PyReadonlyArray2<'py, f32>),
    /// Of any length, or none.
    Each(Vec<Option<PyReadonlyArray1<'py, f32>>>),
}

/// The numbers of vectors, for threads without the interpreter's lock.
pub enum Numbers<'a> {
    /// Rows of this many.
    All(&'a [f32], usize),
    /// Of any length, or none.
    Each(Vec<Option<&'a [f32]>>),
}

/// The vectors of a field, or of the other space, and their variances.
pub struct Further<'py> {
    /// `None` for the other space.
    field: Option<String>,
    vectors: PerRow<'py>,
    variances: Option<PerRow<'py>>,
}

/// The same for threads without the interpreter's lock.
pub struct Vectors<'a> {
    field: Option<&'a str>,
    vectors: Numbers<'a>,
    variances: Option<Numbers<'a>>,
}

/// From the arguments of `upsert`.
pub fn all<'py>(
    fields: Option<&Bound<'py, PyMapping>>,
    variances: Option<&Bound<'py, PyMapping>>,
    changed: Option<&Bound<'py, PyAny>>,
    changed_variances: Option<&Bound<'py, PyAny>>,
) -> PyResult<Vec<Further<'py>>> {
    let mut all = Vec::new();
    let mut variances = variances.map(schema::members).transpose()?.unwrap_or_default();
    for (name, vectors) in fields.map(schema::members).transpose()?.unwrap_or_default() {
        let own =
            variances.iter().position(|(field, _)| *field == name).map(|at| variances.swap_remove(at).1);
        let vectors = PerRow::of(&vectors, &format!("vectors of field {name:?}"))?;
        let what = format!("variances of field {name:?}");
        let variances = own.map(|own| PerRow::of_scalars_too(&own, &what)).transpose()?;
        all.push(Further { field: Some(name), vectors, variances });
    }
    if let Some((name, _)) = variances.first() {
        let why = format!("field_variances has {name:?}, and fields has no vectors for it");
        return Err(PyValueError::new_err(why));
    }
    if let Some(vectors) = changed {
        let vectors = PerRow::of(vectors, "changed vectors")?;
        let own = changed_variances.map(|own| PerRow::of_scalars_too(own, "changed variances"));
        all.push(Further { field: None, vectors, variances: own.transpose()? });
    } else if changed_variances.is_some() {
        return Err(PyValueError::new_err("changed_variances without changed vectors"));
    }
    Ok(all)
}

impl<'py> PerRow<'py> {
    /// From an array of shape (rows, dimensions), or one array of one dimension a row, or None.
    pub fn of(object: &Bound<'py, PyAny>, what: &str) -> PyResult<PerRow<'py>> {
        let given = match array(object) {
            true => Given::All(input::matrix(object, what)?),
            false => Given::Each(each(object, what)?),
        };
        Ok(PerRow { given, what: what.to_string() })
    }

    /// The same where a row may have one number instead of an array of them.
    pub fn of_scalars_too(object: &Bound<'py, PyAny>, what: &str) -> PyResult<PerRow<'py>> {
        let flat = array(object) && object.getattr("ndim")?.extract::<usize>()? == 1;
        let rows = if flat { object.call_method1("reshape", (-1, 1))? } else { object.clone() };
        PerRow::of(&rows, what)
    }

    /// Refuses another number of rows.
    pub fn check(&self, rows: usize) -> PyResult<()> {
        let given = match &self.given {
            Given::All(array) => array.shape().first().copied().unwrap_or(0),
            Given::Each(each) => each.len(),
        };
        if given == rows {
            return Ok(());
        }
        let what = &self.what;
        Err(PyValueError::new_err(format!("{rows} rows and {given} {what}; one a row")))
    }

    /// Refuses rows without any.
    pub fn check_all(&self) -> PyResult<()> {
        let Given::Each(each) = &self.given else { return Ok(()) };
        match each.iter().position(Option::is_none) {
            None => Ok(()),
            Some(row) => Err(PyValueError::new_err(format!("{}: row {row} has none", self.what))),
        }
    }

    /// Their numbers.
    pub fn numbers(&self) -> Numbers<'_> {
        match &self.given {
            Given::All(array) => {
                let width = array.shape().get(1).copied().unwrap_or(0);
                Numbers::All(array.as_slice().unwrap_or_default(), width)
            }
            Given::Each(each) => {
                Numbers::Each(each.iter().map(|row| row.as_ref()?.as_slice().ok()).collect())
            }
        }
    }

    /// Each in memory of its own.
    pub fn owned(&self) -> Vec<Vec<f32>> {
        match self.numbers() {
            Numbers::All(_, 0) => Vec::new(),
            Numbers::All(numbers, width) => numbers.chunks_exact(width).map(<[f32]>::to_vec).collect(),
            Numbers::Each(each) => each.into_iter().map(|row| row.unwrap_or_default().to_vec()).collect(),
        }
    }
}

impl Numbers<'_> {
    /// Those of a row.
    pub fn of(&self, row: usize) -> Option<&[f32]> {
        match self {
            Numbers::All(numbers, width) => numbers.get(row * width..(row + 1) * width),
            Numbers::Each(each) => each.get(row).copied().flatten(),
        }
    }

    /// Those of a row, as variances.
    pub fn variance(&self, row: usize) -> Option<RowVariance> {
        self.of(row).map(|numbers| RowVariance::Variance(numbers.to_vec()))
    }
}

impl Further<'_> {
    /// Refuses another number of rows.
    pub fn check(&self, rows: usize) -> PyResult<()> {
        self.vectors.check(rows)?;
        self.variances.as_ref().map_or(Ok(()), |variances| variances.check(rows))
    }

    /// Their numbers.
    pub fn vectors(&self) -> Vectors<'_> {
        Vectors {
            field: self.field.as_deref(),
            vectors: self.vectors.numbers(),
            variances: self.variances.as_ref().map(PerRow::numbers),
        }
    }
}

impl Vectors<'_> {
    /// Gives a row of a batch its own, if it has one.
    pub fn give<'b>(&self, row: usize, to: RowMut<'b>) -> RowMut<'b> {
        let Some(vector) = self.vectors.of(row) else { return to };
        let variance = self.variances.as_ref().and_then(|variances| variances.variance(row));
        match (self.field, variance) {
            (Some(field), None) => to.field(field, vector),
            (Some(field), Some(variance)) => to.field_with_variance(field, vector, &variance),
            (None, None) => to.changed(vector),
            (None, Some(variance)) => to.changed_with_variance(vector, &variance),
        }
    }
}

/// Whether it is an array of numbers, and not one of objects.
fn array(object: &Bound<'_, PyAny>) -> bool {
    object.cast::<PyUntypedArray>().is_ok_and(|array| array.dtype().kind() != b'O')
}

fn each<'py>(object: &Bound<'py, PyAny>, what: &str) -> PyResult<Vec<Option<PyReadonlyArray1<'py, f32>>>> {
    let py = object.py();
    let mut rows = Vec::new();
    for (row, vector) in object.try_iter()?.enumerate() {
        let vector = vector?;
        if vector.is_none() {
            rows.push(None);
            continue;
        }
        let taken = input::row(&vector).map_err(|e| {
            if !e.is_instance_of::<PyValueError>(py) && !e.is_instance_of::<PyTypeError>(py) {
                return e;
            }
            PyValueError::new_err(format!("{what}, row {row}: {}", e.value(py)))
        });
        rows.push(Some(taken?));
    }
    Ok(rows)
}

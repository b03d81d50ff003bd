//! Python's dicts, lists and numbers to JSON values and back.
//!
//! Reads from: Python's objects, or JSON values. Writes to: the other of the two.
//! Never: a value changed on the way; what JSON does not have is refused, with the path to it.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::Serialize;
use serde_json::{Map, Number, Value};

/// Deepest nesting of a value; serde_json reads no deeper either.
const DEPTH: usize = 100;

/// A Python object as JSON, or the reason why it is none, with the path to what is wrong.
pub fn from_python(object: &Bound<'_, PyAny>) -> Result<Value, String> {
    value(object, DEPTH).map_err(|wrong| {
        let path: String = wrong.path.into_iter().rev().collect();
        let path = path.strip_prefix('.').unwrap_or(&path);
        if path.is_empty() { wrong.why } else { format!("{path}: {}", wrong.why) }
    })
}

struct Wrong {
    /// From the inside out.
    path: Vec<String>,
    why: String,
}

impl Wrong {
    fn new(why: impl Into<String>) -> Wrong {
        Wrong { path: Vec::new(), why: why.into() }
    }

    fn within(mut self, step: String) -> Wrong {
        self.path.push(step);
        self
    }
}

impl From<PyErr> for Wrong {
    fn from(error: PyErr) -> Wrong {
        Wrong::new(error.to_string())
    }
}

fn value(object: &Bound<'_, PyAny>, depth: usize) -> Result<Value, Wrong> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Wrong::new("nested too deep"));
    };
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Value::String(text.to_cow()?.into_owned()));
    }
    if let Ok(flag) = object.cast::<PyBool>() {
        return Ok(Value::Bool(flag.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        return object
            .extract::<i64>()
            .map(Value::from)
            .or_else(|_| object.extract::<u64>().map(Value::from))
            .map_err(|_| Wrong::new("an integer of more than 64 bits"));
    }
    if object.is_instance_of::<PyFloat>() {
        let number = object.extract::<f64>()?;
        return Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| Wrong::new(format!("{number} is no JSON number")));
    }
    if let Ok(dict) = object.cast::<PyDict>() {
        let mut map = Map::new();
        for (key, member) in dict {
            let Ok(key) = key.cast::<PyString>() else {
                return Err(Wrong::new(format!("a key is a {}, not a str", type_name(&key))));
            };
            let key = key.to_cow()?.into_owned();
            let member = value(&member, depth).map_err(|wrong| wrong.within(format!(".{key}")))?;
            map.insert(key, member);
        }
        return Ok(Value::Object(map));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let items = object.try_iter()?.enumerate();
        let item = |(i, item): (usize, PyResult<Bound<'_, PyAny>>)| {
            value(&item?, depth).map_err(|wrong| wrong.within(format!("[{i}]")))
        };
        return Ok(Value::Array(items.map(item).collect::<Result<_, _>>()?));
    }
    // numpy's scalars and arrays.
    match object.hasattr("dtype")?.then(|| object.call_method0("tolist")).transpose()? {
        Some(plain) => value(&plain, depth),
        None => Err(Wrong::new(format!("a {} is no JSON value", type_name(object)))),
    }
}

/// A JSON value as a Python object.
pub fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(flag) => flag.into_bound_py_any(py),
        Value::String(text) => text.into_bound_py_any(py),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => number.into_bound_py_any(py),
            (_, Some(number), _) => number.into_bound_py_any(py),
            (_, _, number) => number.into_bound_py_any(py),
        },
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            Ok(list.into_any())
        }
        Value::Object(map) => {
            let dict = PyDict::new(py);
            for (key, member) in map {
                dict.set_item(key, to_python(py, member)?)?;
            }
            Ok(dict.into_any())
        }
    }
}

/// A report of the facade as a dict.
pub fn of_report<'py>(py: Python<'py>, report: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let value = serde_json::to_value(report).map_err(|e| PyValueError::new_err(e.to_string()))?;
    to_python(py, &value)
}

/// The name of an object's type, for messages.
pub fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "object".to_string(), |name| name.to_string())
}

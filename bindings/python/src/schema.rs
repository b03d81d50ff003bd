//! What a collection holds, out of Python's arguments and back.
//!
//! Reads from: Python's arguments. Writes to: `foretaste::Schema`. Never: a word passed over that it does not know.

use std::collections::BTreeMap;
use std::sync::Arc;

use foretaste::lang::ColumnType;
use foretaste::{
    Analyser, Element, Language, Metric, NoSpace, Recipe, RotationKind, Space, UnknownRecipe, Variance,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyMapping, PyString, PyTuple};

use crate::{errors, json};

const DTYPES: [(&str, Element); 4] =
    [("f32", Element::F32), ("f16", Element::F16), ("bf16", Element::BF16), ("i8", Element::I8)];

const VARIANCES: [(&str, Variance); 4] = [
    ("none", Variance::None),
    ("scalar", Variance::Scalar),
    ("diagonal", Variance::Diagonal),
    ("diagonal-compact", Variance::DiagonalCompact),
];

const ROTATIONS: [(&str, RotationKind); 2] = [("none", RotationKind::None), ("pca", RotationKind::Pca)];

const COLUMNS: [(&str, ColumnType); 4] = [
    ("bool", ColumnType::Bool),
    ("int", ColumnType::Int),
    ("float", ColumnType::Float),
    ("str", ColumnType::Str),
];

/// What vectors are compared by and stored as, unless said otherwise.
const METRIC: &str = "cosine";
const DTYPE: &str = "f32";

/// What a collection holds.
#[pyclass(frozen, module = "foretaste")]
pub struct Schema(pub Arc<foretaste::Schema>);

/// What vectors are: the arguments that a collection, a further field and another space have in common.
pub struct Vectors<'a> {
    pub dim: usize,
    pub metric: &'a str,
    pub levels: Option<Vec<usize>>,
    pub variance: Option<&'a str>,
    pub dtype: &'a str,
    pub rotation: Option<&'a str>,
    pub space: Option<&'a str>,
    /// A recipe by its name, and the numbers of the model's own output.
    pub recipe: Option<(String, usize)>,
}

/// The arguments of `create_collection`.
pub struct Wanted<'a, 'py> {
    pub vectors: Vectors<'a>,
    pub columns: Option<&'a Bound<'py, PyMapping>>,
    pub tokens: Option<&'a Bound<'py, PyAny>>,
    pub text: Option<&'a Bound<'py, PyAny>>,
    pub fields: Option<&'a Bound<'py, PyMapping>>,
}

impl Vectors<'_> {
    /// The schema they ask for.
    pub fn schema(self, py: Python<'_>) -> PyResult<foretaste::Schema> {
        let mut schema = foretaste::Schema::new(self.dim, metric(self.metric)?);
        schema = schema.element(one_of("dtype", self.dtype, &DTYPES)?);
        schema = schema.variance(one_of("variance", self.variance.unwrap_or("none"), &VARIANCES)?);
        if let Some(name) = self.rotation {
            schema = schema.rotation(rotation(name)?);
        }
        if let Some(levels) = self.levels {
            schema = schema.levels(levels);
        }
        if let Some((name, output)) = self.recipe {
            schema = schema.recipe(recipe(&name)?, output);
        }
        Ok(match self.space {
            Some(name) => schema.space(space(py, name)?),
            None => schema,
        })
    }
}

impl Wanted<'_, '_> {
    /// The schema they ask for.
    pub fn schema(self, py: Python<'_>) -> PyResult<foretaste::Schema> {
        let mut schema = self.vectors.schema(py)?;
        if let Some(tokens) = self.tokens {
            let (dim, dtype) = token_kind(tokens)?;
            schema = schema.tokens(dim, dtype);
        }
        for (path, kind) in self.columns.map(members).transpose()?.into_iter().flatten() {
            let kind: String = kind.extract()?;
            schema = schema.column(path, one_of("a column's type", &kind, &COLUMNS)?);
        }
        for (path, analyser) in self.text.map(texts).transpose()?.into_iter().flatten() {
            schema = schema.text_by(path, analyser);
        }
        for (name, options) in self.fields.map(members).transpose()?.into_iter().flatten() {
            let field = field(&name, &options)?;
            schema = schema.field(name, field);
        }
        Ok(schema)
    }
}

#[pymethods]
impl Schema {
    /// The dimension.
    #[getter]
    fn dim(&self) -> usize {
        self.0.dim()
    }

    /// The metric: "cosine", "dot" or "l2".
    #[getter]
    fn metric(&self) -> String {
        self.0.metric().to_string()
    }

    /// The nested lengths at which the vectors may be searched, ascending; the last one is the dimension.
    #[getter]
    fn levels(&self) -> Vec<usize> {
        self.0.level_dims()
    }

    /// How numbers are stored: "f32", "f16", "bf16" or "i8".
    #[getter]
    fn dtype(&self) -> &'static str {
        name_of(self.0.element_type(), &DTYPES)
    }

    /// The variance beside each vector: "scalar", "diagonal", "diagonal-compact", or None.
    #[getter]
    fn variance(&self) -> Option<&'static str> {
        let kind = self.0.variance_kind();
        (kind != Variance::None).then(|| name_of(kind, &VARIANCES))
    }

    /// What the codes of an index are made of: "pca" or "none".
    #[getter]
    fn rotation(&self) -> &'static str {
        name_of(self.0.rotation_kind(), &ROTATIONS)
    }

    /// The typed columns: a new dict from payload paths to "bool", "int", "float" or "str".
    #[getter]
    fn columns(&self) -> BTreeMap<&str, &'static str> {
        self.0.columns().iter().map(|column| (column.path.as_str(), name_of(column.kind, &COLUMNS))).collect()
    }

    /// The numbers of a token and how they are stored, when rows may have token matrices, or None.
    #[getter]
    fn tokens(&self) -> Option<(usize, &'static str)> {
        self.0.token_kind().map(|(dim, element)| (dim, name_of(element, &DTYPES)))
    }

    /// The space that its vectors are of, as "model@version", or None.
    #[getter]
    fn space(&self) -> Option<String> {
        self.0.vector_space().map(Space::to_string)
    }

    /// What is done with a model's own output before it is cut, and of how many numbers that is, as ("layer_norm", 768); or None.
    #[getter]
    fn recipe(&self) -> Option<(&'static str, usize)> {
        self.0.vector_recipe().map(|(recipe, output)| (recipe.name(), output))
    }

    /// The payload paths of the full-text fields, as a new list.
    #[getter]
    fn text_fields(&self) -> Vec<&str> {
        self.0.text_fields().iter().map(|field| field.path.as_str()).collect()
    }

    fn __repr__(&self) -> String {
        format!("<Schema of {} dimensions, {}, {}>", self.0.dim(), self.0.metric(), self.dtype())
    }
}

/// What codes are made of.
pub fn rotation(name: &str) -> PyResult<RotationKind> {
    one_of("rotation", name, &ROTATIONS)
}

/// A metric by its name.
pub fn metric(name: &str) -> PyResult<Metric> {
    let none = |_| PyValueError::new_err(format!("metric is one of cosine, dot, l2, not {name:?}"));
    name.parse().map_err(none)
}

/// A recipe by its name.
fn recipe(name: &str) -> PyResult<Recipe> {
    name.parse().map_err(|e: UnknownRecipe| PyValueError::new_err(e.to_string()))
}

/// A space as "model@version".
pub fn space(py: Python<'_>, name: &str) -> PyResult<Space> {
    name.parse().map_err(|e: NoSpace| errors::new(py, "BadRequest", &e.to_string()))
}

/// How the texts of a field become words: stemmed when there is a language, unless `stem` says otherwise.
pub fn analyser(language: Option<&str>, stem: Option<bool>, accents: bool) -> PyResult<Analyser> {
    let language = language.map(|name| {
        Language::parse(name).ok_or_else(|| {
            PyValueError::new_err(format!(
                "language is the English name of a language that has a stemmer, in small letters, as \"english\", not {name:?}"
            ))
        })
    });
    let analyser = match (language.transpose()?, stem) {
        (Some(language), None | Some(true)) => Analyser::default().stemmed(language),
        (None, Some(true)) => return Err(PyValueError::new_err("stem needs a language, as \"english\"")),
        (_, _) => Analyser::default(),
    };
    Ok(if accents { analyser.with_accents() } else { analyser })
}

/// Numbers of a token, and how they are stored: f16 unless said otherwise.
fn token_kind(tokens: &Bound<'_, PyAny>) -> PyResult<(usize, Element)> {
    if tokens.is_instance_of::<PyInt>() {
        return Ok((tokens.extract()?, Element::F16));
    }
    if !tokens.is_instance_of::<PyTuple>() {
        let name = json::type_name(tokens);
        let why = format!("tokens are the numbers of a token, or a tuple of them and a dtype, not a {name}");
        return Err(PyTypeError::new_err(why));
    }
    let (dim, dtype): (usize, String) = tokens.extract()?;
    Ok((dim, one_of("the dtype of tokens", &dtype, &DTYPES)?))
}

/// Full-text fields: the name of one, a list of them, or a dict with how their texts become words.
fn texts(given: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Analyser)>> {
    if given.is_instance_of::<PyString>() {
        return Ok(vec![(given.extract()?, Analyser::default())]);
    }
    if let Ok(fields) = given.cast::<PyMapping>() {
        let fields = members(fields)?.into_iter();
        return fields.map(|(path, options)| Ok((path, of_options(&options)?))).collect();
    }
    let field = |path: PyResult<Bound<'_, PyAny>>| Ok((path?.extract()?, Analyser::default()));
    given.try_iter()?.map(field).collect()
}

/// A further vector field: a dict of what its vectors are.
fn field(name: &str, options: &Bound<'_, PyAny>) -> PyResult<foretaste::Schema> {
    let Ok(options) = options.cast::<PyMapping>() else {
        let kind = json::type_name(options);
        let why = format!("field {name:?} is a dict of dim, metric and so on, not a {kind}");
        return Err(PyTypeError::new_err(why));
    };
    let (mut dim, mut levels, mut recipe) = (None, None, None);
    let (mut metric, mut dtype) = (None::<String>, None::<String>);
    let (mut variance, mut rotation) = (None::<String>, None::<String>);
    for (option, value) in members(options)? {
        match option.as_str() {
            "dim" => dim = Some(value.extract()?),
            "metric" => metric = value.extract()?,
            "levels" => levels = value.extract()?,
            "variance" => variance = value.extract()?,
            "dtype" => dtype = value.extract()?,
            "rotation" => rotation = value.extract()?,
            "recipe" => recipe = value.extract()?,
            other => {
                let why = format!(
                    "field {name:?} has dim, metric, levels, variance, dtype, rotation and recipe, not {other:?}"
                );
                return Err(PyTypeError::new_err(why));
            }
        }
    }
    let Some(dim) = dim else {
        return Err(PyTypeError::new_err(format!("field {name:?} has no dim")));
    };
    let vectors = Vectors {
        dim,
        metric: metric.as_deref().unwrap_or(METRIC),
        levels,
        variance: variance.as_deref(),
        dtype: dtype.as_deref().unwrap_or(DTYPE),
        rotation: rotation.as_deref(),
        space: None,
        recipe,
    };
    vectors.schema(options.py())
}

/// What a mapping has, in its order.
pub fn members<'py>(mapping: &Bound<'py, PyMapping>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    mapping.items()?.iter().map(|member| member.extract()).collect()
}

fn of_options(options: &Bound<'_, PyAny>) -> PyResult<Analyser> {
    if options.is_none() {
        return Ok(Analyser::default());
    }
    if options.is_instance_of::<PyString>() {
        return analyser(Some(&options.extract::<String>()?), None, false);
    }
    let Ok(options) = options.cast::<PyDict>() else {
        let name = json::type_name(options);
        let why = format!("a full-text field has None, a language, or a dict of options, not a {name}");
        return Err(PyTypeError::new_err(why));
    };
    let (mut language, mut stem, mut accents) = (None::<String>, None, false);
    for (option, value) in options {
        match option.extract::<String>()?.as_str() {
            "language" => language = value.extract()?,
            "stem" => stem = value.extract()?,
            "accents" => accents = value.extract()?,
            other => {
                let why = format!("a full-text field has language, stem and accents, not {other:?}");
                return Err(PyTypeError::new_err(why));
            }
        }
    }
    analyser(language.as_deref(), stem, accents)
}

/// What `given` names among `choices`.
pub fn one_of<T: Copy>(what: &str, given: &str, choices: &[(&str, T)]) -> PyResult<T> {
    choices.iter().find(|(name, _)| *name == given).map(|(_, choice)| *choice).ok_or_else(|| {
        let names = choices.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        PyValueError::new_err(format!("{what} is one of {names}, not {given:?}"))
    })
}

fn name_of<T: PartialEq>(value: T, choices: &[(&'static str, T)]) -> &'static str {
    choices.iter().find(|(_, choice)| *choice == value).map_or("", |(name, _)| name)
}

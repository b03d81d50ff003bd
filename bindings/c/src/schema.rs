//! What a collection holds, and what index its segments should have.
//!
//! A schema is put together by calls rather than read from JSON: the compiler checks them, numbers are numbers, and nothing has to
//! be quoted.
//!
//! Reads from: the caller. Writes to: `foretaste::Schema`, `foretaste::Spec`. Never: a default of its own.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::ffi::c_int;
use std::mem::MaybeUninit;

use foretaste::{
    Analyser, ColumnType, Element, HnswParams, IvfParams, Language, Metric, RotationKind, Spec, Variance,
};

use crate::building::Building;
use crate::ptr::{IndexGiven, Sizes, Text};
use crate::status::{Failure, Result, Status, bad, entry, free, give, some};

/// 1 - cosine.
pub const FT_METRIC_COSINE: u32 = 1;
/// Minus the dot product.
pub const FT_METRIC_DOT: u32 = 2;
/// Euclidean distance.
pub const FT_METRIC_L2: u32 = 3;

/// Numbers are stored as 32-bit floats. The default.
pub const FT_ELEMENT_F32: u32 = 0;
/// As 16-bit floats (IEEE half).
pub const FT_ELEMENT_F16: u32 = 1;
/// As bfloat16.
pub const FT_ELEMENT_BF16: u32 = 2;
/// As 8-bit integers with a scale a vector.
pub const FT_ELEMENT_I8: u32 = 3;

/// No variances. The default.
pub const FT_VARIANCE_NONE: u32 = 0;
/// One number a row: the variance of every dimension.
pub const FT_VARIANCE_SCALAR: u32 = 1;
/// One number a dimension, stored as f16.
pub const FT_VARIANCE_DIAGONAL: u32 = 2;
/// One number a dimension, in 8 bits on a logarithmic scale.
pub const FT_VARIANCE_DIAGONAL_COMPACT: u32 = 3;

/// A column of true and false.
pub const FT_COLUMN_BOOL: u32 = 0;
/// A column of 64-bit integers.
pub const FT_COLUMN_INT: u32 = 1;
/// A column of 64-bit floats.
pub const FT_COLUMN_FLOAT: u32 = 2;
/// A column of text.
pub const FT_COLUMN_STR: u32 = 3;

/// None for few rows, else a graph. The default.
pub const FT_INDEX_AUTO: u32 = 0;
/// None: every row is compared.
pub const FT_INDEX_FLAT: u32 = 1;
/// Cells around centroids (an inverted file).
pub const FT_INDEX_IVF: u32 = 2;
/// A navigable graph (HNSW).
pub const FT_INDEX_HNSW: u32 = 3;

/// The codes of an index are made of principal components. The default.
pub const FT_ROTATION_PCA: u32 = 0;
/// The codes of an index are made of the vectors as they are.
pub const FT_ROTATION_NONE: u32 = 1;

/// `edge_bits` for nodes without codes of their neighbours.
pub const FT_EDGE_BITS_NONE: u32 = 255;

/// What a collection holds, put together by calls. Setters that fail make the creation of the collection fail.
pub struct Schema(pub Building<foretaste::Schema>);

/// An index that is wanted. Set it to zeros, then `size` to its sizeof; what is left 0 is chosen by the library.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Index {
    /// sizeof(ft_index).
    pub size: usize,
    /// One of FT_INDEX_*.
    pub kind: u32,
    /// HNSW: half the links of a node, which are rounded up to a multiple of 32.
    pub m: u32,
    /// HNSW: how many candidates for a node's links are looked for.
    pub ef_construction: u32,
    /// HNSW: bits a dimension of the codes that a node keeps of its neighbours: 1, 2 or 4, or FT_EDGE_BITS_NONE.
    pub edge_bits: u32,
    /// IVF: how many cells.
    pub nlist: u32,
}

/// A new schema: vectors of `dim` 32-bit floats compared by one of FT_METRIC_*.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_new(
    dim: usize,
    metric: u32,
    schema: Option<&mut MaybeUninit<Option<Box<Schema>>>>,
) -> Status {
    entry(|| {
        give(schema, "schema", || Ok(Schema(Building::new(foretaste::Schema::new(dim, metric_of(metric)?)))))
    })
}

/// Frees a schema. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_free(schema: Option<Box<Schema>>) {
    free(schema);
}

/// The nested lengths at which vectors may be searched, stored and cut, ascending; the dimension is added when it is missing.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_levels(schema: Option<&mut Schema>, levels: Sizes, count: usize) -> Status {
    change(schema, |schema| Ok(schema.levels(levels.slice(count, "levels")?.iter().copied())))
}

/// How numbers are stored: one of FT_ELEMENT_*.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_element(schema: Option<&mut Schema>, element: u32) -> Status {
    change(schema, |schema| Ok(schema.element(element_of(element)?)))
}

/// The variance beside each vector: one of FT_VARIANCE_*.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_variance(schema: Option<&mut Schema>, variance: u32) -> Status {
    change(schema, |schema| {
        Ok(schema.variance(match variance {
            FT_VARIANCE_NONE => Variance::None,
            FT_VARIANCE_SCALAR => Variance::Scalar,
            FT_VARIANCE_DIAGONAL => Variance::Diagonal,
            FT_VARIANCE_DIAGONAL_COMPACT => Variance::DiagonalCompact,
            other => return Err(bad(format!("variance is one of FT_VARIANCE_*, not {other}"))),
        }))
    })
}

/// A typed column, one of FT_COLUMN_*, over the documents' values at `path`: filters on it are fast and checked.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_column(schema: Option<&mut Schema>, path: Text, kind: u32) -> Status {
    change(schema, |schema| {
        let kind = match kind {
            FT_COLUMN_BOOL => ColumnType::Bool,
            FT_COLUMN_INT => ColumnType::Int,
            FT_COLUMN_FLOAT => ColumnType::Float,
            FT_COLUMN_STR => ColumnType::Str,
            other => return Err(bad(format!("the type of a column is one of FT_COLUMN_*, not {other}"))),
        };
        Ok(schema.column(path.str("path")?, kind))
    })
}

/// A full-text field over the documents' texts at `path`. Words are cut down to their stems by a `language`, as "english", or not
/// when it is NULL; with `accents` not 0 the accents of Latin and Greek letters count.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_text(
    schema: Option<&mut Schema>,
    path: Text,
    language: Text,
    accents: c_int,
) -> Status {
    change(schema, |schema| {
        let analyser = analyser(language, accents)?;
        Ok(schema.text_by(path.str("path")?, analyser))
    })
}

/// The index that segments have: `ft_index` says which. NULL is FT_INDEX_AUTO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_index(schema: Option<&mut Schema>, index: IndexGiven) -> Status {
    change(schema, |schema| Ok(schema.index(spec(index)?)))
}

/// What the codes of an index are made of: one of FT_ROTATION_*.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_rotation(schema: Option<&mut Schema>, rotation: u32) -> Status {
    change(schema, |schema| match rotation {
        FT_ROTATION_PCA => Ok(schema.rotation(RotationKind::Pca)),
        FT_ROTATION_NONE => Ok(schema.rotation(RotationKind::None)),
        other => Err(bad(format!("rotation is one of FT_ROTATION_*, not {other}"))),
    })
}

/// Rows may have matrices of tokens, each of `dim` numbers stored as one of FT_ELEMENT_*, for late interaction.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_tokens(schema: Option<&mut Schema>, dim: usize, element: u32) -> Status {
    change(schema, |schema| Ok(schema.tokens(dim, element_of(element)?)))
}

/// What the vectors are made by, as "model@version": queries may say the same.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_space(schema: Option<&mut Schema>, space: Text) -> Status {
    change(schema, |schema| Ok(schema.space(space_of(space)?)))
}

/// What is done to a model's own output of `output` numbers before it is cut to the dimension, by its name, as "layer_norm".
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_recipe(schema: Option<&mut Schema>, recipe: Text, output: usize) -> Status {
    change(schema, |schema| {
        let recipe =
            recipe.str("recipe")?.parse().map_err(|e: foretaste::UnknownRecipe| bad(e.to_string()))?;
        Ok(schema.recipe(recipe, output))
    })
}

/// A further vector that rows may have, of its own dimension, metric, element type and index. The field's schema may be freed.
#[unsafe(no_mangle)]
pub extern "C" fn ft_schema_field(schema: Option<&mut Schema>, name: Text, field: Option<&Schema>) -> Status {
    change(schema, |schema| Ok(schema.field(name.str("name")?, some(field, "field")?.0.get()?.clone())))
}

fn change(
    schema: Option<&mut Schema>,
    set: impl FnOnce(foretaste::Schema) -> Result<foretaste::Schema>,
) -> Status {
    entry(|| {
        some(schema, "schema")?.0.set(|schema| {
            *schema = set(schema.clone())?;
            Ok(())
        })
    })
}

/// How texts become words.
pub fn analyser(language: Text, accents: c_int) -> Result<Analyser> {
    let mut analyser = Analyser::default();
    if let Some(name) = language.optional("language")? {
        let unknown = || {
            bad(format!(
                "language is the English name of one that has a stemmer, as \"english\", not {name:?}"
            ))
        };
        analyser = analyser.stemmed(Language::parse(name).ok_or_else(unknown)?);
    }
    Ok(if accents != 0 { analyser.with_accents() } else { analyser })
}

/// The index that is wanted.
pub fn spec(index: IndexGiven) -> Result<Spec> {
    let Some(index) = index.read("index")? else { return Ok(Spec::Auto) };
    let said = |number: u32| (number != 0).then_some(number);
    Ok(match index.kind {
        FT_INDEX_AUTO => Spec::Auto,
        FT_INDEX_FLAT => Spec::Flat,
        FT_INDEX_IVF => Spec::Ivf(IvfParams { nlist: said(index.nlist) }),
        FT_INDEX_HNSW => {
            let usual = HnswParams::default();
            let bits = |bits: u32| match bits {
                FT_EDGE_BITS_NONE => Ok(0),
                1 | 2 | 4 => Ok(bits as u8),
                other => Err(bad(format!("edge_bits is 1, 2, 4 or FT_EDGE_BITS_NONE, not {other}"))),
            };
            Spec::Hnsw(HnswParams {
                m: said(index.m).unwrap_or(usual.m),
                ef_construction: said(index.ef_construction).unwrap_or(usual.ef_construction),
                edge_bits: said(index.edge_bits).map(bits).transpose()?.or(usual.edge_bits),
            })
        }
        other => return Err(bad(format!("the kind of an index is one of FT_INDEX_*, not {other}"))),
    })
}

/// A space by its name.
pub fn space_of(space: Text) -> Result<foretaste::Space> {
    let space = space.str("space")?;
    space.parse().map_err(|e: foretaste::NoSpace| Failure::new(Status::BadRequest, e.to_string()))
}

/// A metric by its number.
pub fn metric_of(metric: u32) -> Result<Metric> {
    match metric {
        FT_METRIC_COSINE => Ok(Metric::Cosine),
        FT_METRIC_DOT => Ok(Metric::Dot),
        FT_METRIC_L2 => Ok(Metric::L2),
        other => Err(bad(format!("metric is one of FT_METRIC_*, not {other}"))),
    }
}

fn element_of(element: u32) -> Result<Element> {
    match element {
        FT_ELEMENT_F32 => Ok(Element::F32),
        FT_ELEMENT_F16 => Ok(Element::F16),
        FT_ELEMENT_BF16 => Ok(Element::BF16),
        FT_ELEMENT_I8 => Ok(Element::I8),
        other => Err(bad(format!("element is one of FT_ELEMENT_*, not {other}"))),
    }
}

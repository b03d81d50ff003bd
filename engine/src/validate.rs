//! The door: what a batch or a query must be before anything is written or compared.
//!
//! Reads from: the caller's vectors, variances, token matrices and payloads. Writes to: nothing.
//! Never: a value changed, or one let in that the element type would store as an infinity.

use std::borrow::Cow;

use foretaste_query::lang::{ColumnType, lookup};
use foretaste_query::metric::Metric;
use foretaste_storage::key::Key;
use foretaste_storage::layout::{Element, VarianceLayout};
use foretaste_storage::limits;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::fields;
use crate::schema::Schema;

/// Where a value stands, for the error that names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub row: usize,
    pub id: &'a Key,
    /// The further vector field, if it is one.
    pub field: Option<&'a str>,
}

impl std::fmt::Display for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.id)?;
        self.field.map_or(Ok(()), |field| write!(f, ", field {field}"))
    }
}

/// A row's vector: the length of a level, finite, within the element type's range, and under cosine not zero as stored.
pub(crate) fn vector(schema: &Schema, vector: &[f32], at: At<'_>) -> Result<()> {
    if schema.layout.levels_for(vector.len()).is_none() {
        let expected = match schema.layout.levels.as_slice() {
            [dim] => dim.to_string(),
            levels => format!("one of {levels:?}"),
        };
        return Err(Error::DimensionMismatch {
            expected,
            got: vector.len(),
            row: at.row,
            id: at.to_string(),
        });
    }
    finite(vector, at.row, &at)?;
    in_range(schema.layout.element, vector, at)?;
    let zero = stored_as_zero(schema.layout.element);
    if schema.metric == Metric::Cosine && vector.iter().all(|v| v.abs() <= zero) {
        return Err(Error::ZeroVector { row: at.row, id: at.to_string() });
    }
    Ok(())
}

/// A vector as it is stored and compared: a model's own output transformed as a whole, then cut; any other as it is.
pub(crate) fn as_stored<'a>(
    schema: &Schema,
    vector: &'a [f32],
    row: usize,
    id: &dyn std::fmt::Display,
) -> Result<Cow<'a, [f32]>> {
    match schema.vector_recipe() {
        Some((recipe, output)) if vector.len() == output => {
            finite(vector, row, id)?;
            let mut whole = vector.to_vec();
            recipe.apply(&mut whole);
            whole.truncate(schema.dim());
            Ok(Cow::Owned(whole))
        }
        _ => Ok(Cow::Borrowed(vector)),
    }
}

/// A query's vector: at least as long as what is searched, finite, under cosine not zero there.
pub(crate) fn query(schema: &Schema, vector: &[f32], dims: usize) -> Result<()> {
    let id = || "query".to_string();
    if vector.len() < dims || vector.len() > schema.dim() {
        let expected =
            if dims == schema.dim() { dims.to_string() } else { format!("{dims} to {}", schema.dim()) };
        return Err(Error::DimensionMismatch { expected, got: vector.len(), row: 0, id: id() });
    }
    finite(vector, 0, &"query")?;
    if schema.metric == Metric::Cosine && vector.iter().take(dims).all(|v| *v == 0.0) {
        return Err(Error::ZeroVector { row: 0, id: id() });
    }
    Ok(())
}

/// A query's variances: one, or one for each dimension compared, or more; finite, none negative.
pub(crate) fn query_variance(values: &[f32], dims: usize) -> Result<()> {
    let bad = |why: String| Err(Error::BadVariance { row: 0, id: "query".into(), why });
    if values.len() != 1 && values.len() < dims {
        return bad(format!("{} variances given, 1 or {dims} expected", values.len()));
    }
    match values.iter().position(|v| !v.is_finite() || *v < 0.0) {
        Some(dim) => bad(format!("the variance of dimension {dim} is {}, which cannot be", values[dim])),
        None => Ok(()),
    }
}

/// A row's variances: as many as the sidecar wants, finite, none negative.
pub(crate) fn variance(schema: &Schema, values: &[f32], dims: usize, at: At<'_>) -> Result<()> {
    let bad = |why: String| Err(Error::BadVariance { row: at.row, id: at.to_string(), why });
    let expected = match schema.layout.variance {
        None => return bad("the collection keeps no variances; create it with `.variance(…)`".into()),
        Some(VarianceLayout::Scalar) => 1,
        Some(VarianceLayout::DiagonalF16 | VarianceLayout::DiagonalLog8) => dims,
    };
    if values.len() != expected {
        return bad(format!("{} variances given, {expected} expected", values.len()));
    }
    match values.iter().position(|v| !v.is_finite() || *v < 0.0) {
        Some(dim) => bad(format!("the variance of dimension {dim} is {}, which cannot be", values[dim])),
        None => Ok(()),
    }
}

/// A row's token matrix: whole tokens of the length the schema says, not too many, finite, within the element type's range.
pub(crate) fn tokens(schema: &Schema, numbers: &[f32], at: At<'_>) -> Result<()> {
    let bad = |why: String| Err(Error::BadTokens { row: at.row, id: at.to_string(), why });
    let Some(layout) = schema.tokens else {
        return bad("the collection keeps no token matrices; create it with `.tokens(…)`".into());
    };
    let dims = layout.dims as usize;
    if !numbers.len().is_multiple_of(dims) {
        return bad(format!("a matrix of {} numbers, and a token has {dims}", numbers.len()));
    }
    let tokens = numbers.len() / dims;
    if tokens as u64 > limits::TOKENS {
        return bad(format!("{tokens} tokens, the limit is {}", limits::TOKENS));
    }
    let place = |i: usize| format!("number {} of token {} is {}", i % dims, i / dims, numbers[i]);
    if let Some(i) = not_finite(numbers) {
        return bad(format!("{}, which is not a finite number", place(i)));
    }
    match beyond(layout.element, numbers) {
        Some((i, name, most)) => bad(format!("{}, and {name} holds at most {most}", place(i))),
        None => Ok(()),
    }
}

/// A query's tokens, `dims` numbers each: finite. The error's row is the token.
pub(crate) fn query_tokens(numbers: &[f32], dims: usize) -> Result<()> {
    match not_finite(numbers) {
        Some(i) => {
            let (row, dim) = (i / dims.max(1), i % dims.max(1));
            Err(Error::NonFinite { row, dim, id: "query token".to_string(), value: numbers[i] })
        }
        None => Ok(()),
    }
}

/// A row's payload: an object whose values fit the declared columns.
pub(crate) fn payload(schema: &Schema, payload: &Value, at: At<'_>) -> Result<()> {
    let bad = |why: String| Err(Error::BadPayload { row: at.row, id: at.to_string(), why });
    if !payload.is_object() {
        return bad("the payload must be a JSON object".into());
    }
    for column in &schema.columns {
        let value = lookup(payload, &fields::column_path(&column.path)?);
        let fits = match (value, column.kind) {
            (None | Some(Value::Null), _) => true,
            (Some(v), ColumnType::Bool) => v.is_boolean(),
            (Some(v), ColumnType::Int) => v.as_i64().is_some(),
            (Some(v), ColumnType::Float) => v.is_number(),
            (Some(v), ColumnType::Str) => v.is_string(),
        };
        if !fits {
            let found = value.map(|v| v.to_string()).unwrap_or_default();
            let found: String = found.chars().take(40).collect();
            return bad(format!("column `{}` is declared {}, found {found}", column.path, column.kind));
        }
    }
    Ok(())
}

/// What would become infinite in its stored form is refused, as infinity is.
fn in_range(element: Element, values: &[f32], at: At<'_>) -> Result<()> {
    match beyond(element, values) {
        None => Ok(()),
        Some((dim, element, limit)) => {
            let (row, id, value) = (at.row, at.to_string(), values[dim]);
            Err(Error::OutOfRange { row, dim, id, value, element, limit })
        }
    }
}

/// The first number that the element type cannot hold, with the type's name and its largest number.
fn beyond(element: Element, values: &[f32]) -> Option<(usize, &'static str, f32)> {
    // The largest number, and the smallest that is rounded beyond it.
    let (name, limit, beyond) = match element {
        Element::F32 | Element::I8 => return None,
        Element::F16 => ("f16", 65_504.0, 65_520.0),
        Element::BF16 => ("bf16", f32::from_bits(0x7f7f_0000), f32::from_bits(0x7f7f_8000)),
    };
    values.iter().position(|v| v.abs() >= beyond).map(|i| (i, name, limit))
}

/// The largest magnitude that is rounded to zero: half of the smallest number the type has.
fn stored_as_zero(element: Element) -> f32 {
    match element {
        // 8-bit rows are scaled by their largest number: only zeros become rows of zeros.
        Element::F32 | Element::I8 => 0.0,
        Element::F16 => 2.980_232_2e-8,
        Element::BF16 => f32::from_bits(0x0000_8000),
    }
}

fn finite(values: &[f32], row: usize, id: &dyn std::fmt::Display) -> Result<()> {
    match not_finite(values) {
        Some(dim) => Err(Error::NonFinite { row, dim, id: id.to_string(), value: values[dim] }),
        None => Ok(()),
    }
}

/// The first number that is not finite.
fn not_finite(values: &[f32]) -> Option<usize> {
    // Zero times a number is zero, times anything else it is not a number. In lanes, without a branch or a wait a number.
    let (chunks, rest) = values.as_chunks::<16>();
    let mut sums = [0f32; 16];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, v)| *sum += v * 0.0);
    }
    if sums.iter().chain(rest).all(|v| v.is_finite()) {
        return None;
    }
    values.iter().position(|v| !v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_bad_number_is_named() {
        let schema = Schema::new(4, Metric::Cosine).levels([2]);
        let at = At { row: 3, id: &Key::from("x"), field: None };
        let err = vector(&schema, &[0., 1., f32::NAN, 0.], at).unwrap_err();
        assert!(matches!(err, Error::NonFinite { row: 3, dim: 2, .. }), "{err}");
        assert!(vector(&schema, &[f32::MAX; 4], at).is_ok());
        assert!(vector(&schema, &[1., 1.], at).is_ok());
        let err = vector(&schema, &[1.; 3], at).unwrap_err();
        assert!(err.to_string().contains("3 dimensions, one of [2, 4] expected"), "{err}");
        assert!(matches!(vector(&schema, &[0.; 4], at), Err(Error::ZeroVector { row: 3, .. })));
        assert!(query(&schema, &[0., 0., 1., 1.], 2).is_err());
        assert!(query(&schema, &[1., f32::INFINITY, 1., 1.], 4).is_err());
    }

    #[test]
    fn what_the_element_type_cannot_hold_is_refused() {
        let at = At { row: 1, id: &Key::Int(9), field: None };
        let schema = |element| Schema::new(2, Metric::Cosine).element(element);
        let err = vector(&schema(Element::F16), &[1.0, -7e4], at).unwrap_err();
        assert!(matches!(err, Error::OutOfRange { row: 1, dim: 1, .. }), "{err}");
        assert!(vector(&schema(Element::F16), &[65_504.0, 1e-12], at).is_ok());
        assert!(matches!(vector(&schema(Element::F16), &[1e-9, 0.0], at), Err(Error::ZeroVector { .. })));
        assert!(vector(&schema(Element::BF16), &[3.4e38, 0.0], at).is_err());
        assert!(vector(&schema(Element::I8), &[1e-30, 0.0], at).is_ok());
        assert!(vector(&schema(Element::F32), &[f32::MAX, 0.0], at).is_ok());
    }

    #[test]
    fn variances_are_counted_and_never_negative() {
        let at = At { row: 0, id: &Key::Int(1), field: None };
        let plain = Schema::new(2, Metric::L2);
        assert!(variance(&plain, &[0.1], 2, at).is_err());
        let scalar = plain.clone().variance(crate::Variance::Scalar);
        assert!(variance(&scalar, &[0.1], 2, at).is_ok() && variance(&scalar, &[0.1, 0.1], 2, at).is_err());
        let diagonal = plain.variance(crate::Variance::Diagonal);
        assert!(variance(&diagonal, &[0.1, 0.0], 2, at).is_ok());
        for bad in [[0.1, -0.1], [f32::NAN, 0.1], [0.1, f32::INFINITY]] {
            assert!(variance(&diagonal, &bad, 2, at).is_err());
        }
    }
}

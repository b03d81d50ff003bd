//! A filter against one row.
//!
//! Reads from: the tree, and a row's fields through [`Fields`]. Writes to: nothing.
//! Never: a third truth value, a conversion between types, or a rounded integer.

use std::borrow::Cow;
use std::cmp::Ordering;

use foretaste_storage::key::KeyRef;

use super::Filter;
use super::ast::{Condition, Expr, Literal, Op, Path, Scalar, Segment, Subject};

/// The fields of one row.
pub trait Fields {
    /// The value at `path`, [`Value::Missing`] where there is none.
    fn get(&self, path: &Path) -> Value<'_>;

    /// The row's key, an `Int` or a `Str`.
    fn key(&self) -> Value<'_>;
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// There is no such field.
    Missing,
    /// JSON's null.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Str(Cow<'a, str>),
    /// The elements of an array, any of which can satisfy a comparison.
    Array(Vec<Value<'a>>),
    /// An object, or an array that is an element of an array: no literal equals it.
    Object,
}

impl<'a> From<KeyRef<'a>> for Value<'a> {
    fn from(key: KeyRef<'a>) -> Value<'a> {
        match key {
            KeyRef::Int(i) => Value::Int(i),
            KeyRef::Str(s) => Value::Str(Cow::Borrowed(s)),
        }
    }
}

/// A row whose payload is a JSON document. Integers beyond `i64` become the nearest `f64`.
#[derive(Debug, Clone)]
pub struct JsonFields<'a> {
    /// The row's key; [`Value::Missing`] when there is none.
    pub key: Value<'a>,
    /// The payload; a payload that is not an object has no fields.
    pub document: &'a serde_json::Value,
}

/// The fields of a document without a key.
pub fn fields_of(document: &serde_json::Value) -> JsonFields<'_> {
    JsonFields { key: Value::Missing, document }
}

impl<'a> JsonFields<'a> {
    /// The fields of the document `document` under `key`.
    pub fn new(key: KeyRef<'a>, document: &'a serde_json::Value) -> JsonFields<'a> {
        JsonFields { key: key.into(), document }
    }
}

impl Fields for JsonFields<'_> {
    fn get(&self, path: &Path) -> Value<'_> {
        value_at(self.document, path)
    }

    fn key(&self) -> Value<'_> {
        self.key.clone()
    }
}

/// What stands at `path` in a document.
pub fn lookup<'a>(document: &'a serde_json::Value, path: &Path) -> Option<&'a serde_json::Value> {
    path.segments().iter().try_fold(document, |value, segment| match segment {
        Segment::Field(name) => value.as_object()?.get(name),
        Segment::Index(index) => value.as_array()?.get(usize::try_from(*index).ok()?),
    })
}

/// What stands at `path` in a document, as a filter sees it.
pub fn value_at<'a>(document: &'a serde_json::Value, path: &Path) -> Value<'a> {
    match lookup(document, path) {
        None => Value::Missing,
        Some(serde_json::Value::Array(elements)) => Value::Array(elements.iter().map(flat).collect()),
        Some(value) => flat(value),
    }
}

/// A value that is not the array a path leads to.
fn flat(json: &serde_json::Value) -> Value<'_> {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => match n.as_i64() {
            Some(i) => Value::Int(i),
            None => n.as_f64().map_or(Value::Object, Value::Float),
        },
        serde_json::Value::String(s) => Value::Str(Cow::Borrowed(s)),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Value::Object,
    }
}

impl Filter {
    /// Whether the row with these fields passes; the module's page defines what each test means.
    pub fn matches(&self, fields: &dyn Fields) -> bool {
        matches(self.expr(), fields)
    }
}

// The recursion is bounded: a `Filter` is at most MAX_DEPTH deep, with one And and one Or on each level.
fn matches(expr: &Expr, fields: &dyn Fields) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|part| matches(part, fields)),
        Expr::Or(parts) => parts.iter().any(|part| matches(part, fields)),
        Expr::Not(part) => !matches(part, fields),
        Expr::Test(test) => {
            let value = match &test.subject {
                Subject::Key => fields.key(),
                Subject::Path(path) => fields.get(path),
            };
            test.condition.holds(&value)
        }
    }
}

impl Condition {
    /// Whether the condition holds for `value`.
    pub fn holds(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Condition::Exists, value) => !matches!(value, Value::Missing),
            (Condition::IsNull { negated }, value) => {
                matches!(value, Value::Missing | Value::Null) != *negated
            }
            (_, Value::Array(elements)) => elements.iter().any(|element| self.holds_for_one(element)),
            (_, value) => self.holds_for_one(value),
        }
    }

    /// Whether a comparison holds for a value, whose elements no longer count.
    fn holds_for_one(&self, value: &Value<'_>) -> bool {
        if matches!(value, Value::Missing | Value::Null) {
            return false;
        }
        match self {
            Condition::Compare { op, literal } => op.accepts(order(value, literal)),
            Condition::In { negated, literals } => {
                literals.iter().any(|literal| order(value, literal) == Some(Ordering::Equal)) != *negated
            }
            Condition::Between { low, high } => {
                Op::Ge.accepts(order(value, low)) && Op::Le.accepts(order(value, high))
            }
            Condition::StartsWith { prefix, .. } => {
                matches!(value, Value::Str(s) if s.starts_with(prefix.as_str()))
            }
            Condition::IsNull { .. } | Condition::Exists => false,
        }
    }
}

impl Op {
    /// Whether the comparison holds for sides of this order; `None` for sides that have none.
    fn accepts(self, order: Option<Ordering>) -> bool {
        match self {
            Op::Eq => order == Some(Ordering::Equal),
            Op::Ne => order != Some(Ordering::Equal),
            Op::Lt => order == Some(Ordering::Less),
            Op::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Op::Gt => order == Some(Ordering::Greater),
            Op::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// The order of a value and a literal; `None` for different types and for NaN.
pub(crate) fn order(value: &Value<'_>, literal: &Literal) -> Option<Ordering> {
    match (value, &literal.scalar) {
        (Value::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Scalar::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Scalar::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Scalar::Float(b)) => int_float(*a, *b),
        (Value::Float(a), Scalar::Int(b)) => int_float(*b, *a).map(Ordering::reverse),
        (Value::Str(a), Scalar::Str(b)) => Some(a.as_ref().cmp(b.as_str())),
        _ => None,
    }
}

/// The order of an integer and a float by their mathematical values.
fn int_float(int: i64, float: f64) -> Option<Ordering> {
    /// 2^63, the first float above every `i64`; its negative is `i64::MIN`.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= BEYOND {
        return Some(Ordering::Less);
    }
    if float < -BEYOND {
        return Some(Ordering::Greater);
    }
    // Exact: the whole part fits, and what was cut off decides only between equals.
    let whole = float.trunc();
    Some(int.cmp(&(whole as i64)).then(whole.partial_cmp(&float)?))
}

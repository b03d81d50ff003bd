//! A filter against the declared types of columns.
//!
//! Reads from: the tree, and the types the caller knows. Writes to: nothing.
//! Never: a complaint about a field without a declared type, because payloads are free in form.

use std::fmt;

use super::Filter;
use super::ast::{Condition, Literal, Path, Scalar, Subject};
use super::error::{FilterError, shown};

/// The type of a column that is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// `true` or `false`.
    Bool,
    /// 64-bit integers.
    Int,
    /// 64-bit floats.
    Float,
    /// Strings.
    Str,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnType::Bool => "bool",
            ColumnType::Int => "int",
            ColumnType::Float => "float",
            ColumnType::Str => "str",
        })
    }
}

impl ColumnType {
    /// Whether a value of this type can be equal to `literal` or ordered with it.
    fn comparable(self, literal: &Scalar) -> bool {
        match literal {
            Scalar::Bool(_) => self == ColumnType::Bool,
            Scalar::Int(_) | Scalar::Float(_) => matches!(self, ColumnType::Int | ColumnType::Float),
            Scalar::Str(_) => self == ColumnType::Str,
        }
    }
}

impl Filter {
    /// Refuses a test that no value of a declared column can satisfy because of its type; `columns` knows the types,
    /// and gives `None` for a path that is no declared column. Integers and floats are compatible.
    ///
    /// # Errors
    /// The first such test: its column, the column's type, and the position of the literal in the text the filter was
    /// parsed from (for a filter given as JSON, in its canonical text).
    ///
    /// ```
    /// use foretaste_query::lang::{ColumnType, Filter, Path};
    ///
    /// let columns = |path: &Path| (*path == Path::field("year")).then_some(ColumnType::Int);
    /// let error = Filter::parse("lang = 'en' and year > '2020'")?.check(&columns).unwrap_err();
    /// assert_eq!(error.at, 23);
    /// assert_eq!(error.why, "column `year` is int and cannot be compared with a string, '2020'");
    /// assert_eq!(error.hint.as_deref(), Some("write 2020 without quotes"));
    /// # Ok::<(), foretaste_query::lang::FilterError>(())
    /// ```
    pub fn check(&self, columns: &dyn Fn(&Path) -> Option<ColumnType>) -> Result<(), FilterError> {
        for test in self.tests() {
            let Subject::Path(path) = &test.subject else { continue };
            let Some(column) = columns(path) else { continue };
            match &test.condition {
                Condition::Compare { literal, .. } if literal.at.0 == test.at.0 => {
                    alone(path, column, literal)?;
                }
                Condition::Compare { literal, .. } => compare(path, column, literal)?,
                Condition::In { literals, .. } => {
                    literals.iter().try_for_each(|literal| compare(path, column, literal))?;
                }
                Condition::Between { low, high } => {
                    compare(path, column, low)?;
                    compare(path, column, high)?;
                }
                Condition::StartsWith { at, .. } if column != ColumnType::Str => {
                    let why =
                        format!("column {} is {column}; `like` is for strings", shown(&path.to_string()));
                    return Err(FilterError::new(at.0, why));
                }
                Condition::StartsWith { .. } | Condition::IsNull { .. } | Condition::Exists => {}
            }
        }
        Ok(())
    }
}

fn compare(path: &Path, column: ColumnType, literal: &Literal) -> Result<(), FilterError> {
    if column.comparable(&literal.scalar) {
        return Ok(());
    }
    let text = shown(&literal.to_string());
    let (path, kind, text) = (shown(&path.to_string()), literal.scalar.kind(), text.trim_matches('`'));
    let error = FilterError::new(
        literal.at.0,
        format!("column {path} is {column} and cannot be compared with {kind}, {text}"),
    );
    Err(match (&literal.scalar, column) {
        (Scalar::Int(_) | Scalar::Float(_), ColumnType::Str) => {
            error.hint(format!("write '{text}' with quotes"))
        }
        (Scalar::Str(s), ColumnType::Int | ColumnType::Float) => match (s.parse::<i64>(), s.parse::<f64>()) {
            (Ok(int), _) => error.hint(format!("write {int} without quotes")),
            (_, Ok(float)) if float.is_finite() => error.hint(format!("write {float:?} without quotes")),
            _ => error,
        },
        (Scalar::Str(s), ColumnType::Bool) if s == "true" || s == "false" => {
            error.hint(format!("write {s} without quotes"))
        }
        _ => error,
    })
}

/// A field that stands alone, which means `= true`.
fn alone(path: &Path, column: ColumnType, literal: &Literal) -> Result<(), FilterError> {
    if column == ColumnType::Bool {
        return Ok(());
    }
    let why = format!("column {} is {column} and needs a comparison", shown(&path.to_string()));
    Err(FilterError::new(literal.at.0, why).hint("only a bool field can stand alone, for `= true`"))
}

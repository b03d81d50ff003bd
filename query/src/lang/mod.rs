//! The filter language: what a caller writes in `.filter("lang = 'en' AND year >= 2020")`.
//!
//! ```text
//! text ──> token ──> parse (operand, pattern) ──> ast ──> check ──> eval
//! JSON ──> json ───────^                          └────> print (canonical text, which parses to the same tree)
//! ```
//!
//! Reads from: text or JSON of a caller, who is not trusted. Writes to: nothing.
//! Never: a panic, unbounded recursion, or a look at where the fields are stored (see [`Fields`]).
//!
//! # Grammar
//!
//! ```text
//! filter     = or ;
//! or         = and , { "or" , and } ;
//! and        = not , { "and" , not } ;
//! not        = "not" , not | "(" , or , ")" | test ;
//! test       = subject , [ condition ] | literal , op , subject | "exists" , subject ;
//! condition  = op , literal
//!            | [ "not" ] , "in" , "(" , [ value , { "," , value } ] , ")"
//!            | "between" , value , "and" , value
//!            | "like" , string
//!            | "is" , [ "not" ] , "null" ;
//! op         = "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ;
//! subject    = "$id" | path ;
//! path       = segment , { "." , segment | "[" , digits , "]" } ;
//! segment    = name | '"' , { any character, '"' doubled } , '"' ;
//! literal    = value | "null" ;
//! value      = string | number | "true" | "false" ;
//! string     = "'" , { any character, "'" doubled } , "'" ;
//! number     = [ "-" ] , digits , [ "." , digits ] , [ ( "e" | "E" ) , [ "+" | "-" ] , digits ] ;
//! name       = a Unicode identifier (XID) or one that starts with "_" ;
//! ```
//!
//! * Words of the language are case-insensitive; a field with such a name is quoted: `"like" = 1`. After a dot no
//!   quotes are needed. Field names are compared byte by byte, without Unicode normalisation.
//! * `a.b` is the member `b` of the object `a`; a member whose own name holds a dot is `"a.b"`; `a[0]` is the first
//!   element of an array. `$id` is the row's key, `id` an ordinary field.
//! * A field alone means `= true`. `2020 <= year` is `year >= 2020`. `a = null` is `a is null`, `a != null` is
//!   `a is not null`; null has no order and is no member of a list.
//! * An integer that fits 64 bits is kept exactly; a larger one, and every number with a point or exponent, is the
//!   nearest `f64`. Numbers beyond the range of `f64` are refused.
//! * `like` takes a prefix: one `%`, at the end. `\%`, `\_` and `\\` stand for the characters themselves.
//! * Dates are strings. ISO 8601 / RFC 3339 dates of one form and one time zone (`2024-05-01`,
//!   `2024-05-01T12:00:00Z`) sort as strings in the order of time.
//!
//! # Meaning
//!
//! Two-valued: each test is true or false, and `not` turns one into the other.
//!
//! | test | field missing | null | other type than the literal | array |
//! | --- | --- | --- | --- | --- |
//! | `a = 1`, `a < 1` (and `<=`, `>`, `>=`) | false | false | false | some element satisfies it |
//! | `a != 1` | false | false | true | some element satisfies it |
//! | `a in (1, 2)` | false | false | false | some element is in the list |
//! | `a not in (1, 2)` | false | false | true | some element is not in the list |
//! | `a between 1 and 2` | false | false | false | some one element lies within, bounds included |
//! | `a like 'x%'` | false | false | false | some element is a string that starts so |
//! | `a is null` | true | true | – | false |
//! | `a is not null` | false | false | – | true |
//! | `exists a` | false | true | – | true |
//!
//! * So `a != 1` asks for a value that differs, while `not a = 1` also holds where `a` is missing; and
//!   `not tag = 'x'` is "no element is 'x'", `tag != 'x'` is "some element is not 'x'".
//! * The elements of an array are judged by the columns to their left: a null element satisfies no comparison, an
//!   empty array none at all. An array or object inside an array, and an object, are values of a type that no literal
//!   has. A path does not reach through an array without an index: `a.b` is missing where `a` is an array.
//! * Integers and floats compare by their mathematical values, without rounding either: `9007199254740993` differs
//!   from `9007199254740992.0`. Strings compare by code points (equally, by bytes of UTF-8). `false < true`.
//! * `a in ()` is false everywhere, `a not in ()` true where `a` holds a value.
//!
//! # Example
//!
//! ```
//! use foretaste_query::lang::{Filter, fields_of};
//!
//! let filter = Filter::parse("lang == 'en' AND 2020 <= year")?;
//! assert_eq!(filter.to_string(), "lang = 'en' and year >= 2020");
//!
//! let document = serde_json::json!({"lang": "en", "year": 2024});
//! assert!(filter.matches(&fields_of(&document)));
//!
//! let text = "lang = 'en' ADN year >= 2020";
//! let error = Filter::parse(text).unwrap_err();
//! assert_eq!(error.at, 12);
//! assert_eq!(error.hint.as_deref(), Some("did you mean `and`?"));
//! assert_eq!(error.render(text), "lang = 'en' ADN year >= 2020\n            ^");
//! # Ok::<(), foretaste_query::lang::FilterError>(())
//! ```

mod ast;
mod check;
mod error;
mod eval;
mod hint;
mod json;
mod operand;
mod parse;
mod pattern;
mod print;
mod token;

pub use ast::{At, Condition, Expr, Literal, Op, Path, Scalar, Segment, Subject, Test};
pub use check::ColumnType;
pub use error::FilterError;
pub(crate) use eval::order;
pub use eval::{Fields, JsonFields, Value, fields_of, lookup, value_at};

/// Longest filter, in bytes, both as written and in canonical form.
pub const MAX_TEXT_BYTES: usize = 64 << 10;
/// Deepest nesting of parentheses and `not`, counted together.
pub const MAX_DEPTH: usize = 64;
/// Most tests of a filter; an `in` list counts as one test for each of its values.
pub const MAX_TERMS: usize = 1024;

/// A parsed filter, within the limits [`MAX_TEXT_BYTES`], [`MAX_DEPTH`] and [`MAX_TERMS`].
///
/// `Display` gives its canonical text, which parses to an equal filter. Positions take no part in equality.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    expr: Expr,
}

impl Filter {
    /// Parses the text of a filter; the module's page has the grammar.
    ///
    /// # Errors
    /// What is wrong, at which byte of `text`, and mostly what to write instead. Text that is empty, or beyond one of
    /// the limits, is an error too.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        parse::filter(text).map(|expr| Filter { expr })
    }

    /// The syntax tree, for planning.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// Every path the filter refers to, from left to right, as often as it stands there; `$id` is not a path.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.tests().filter_map(|test| match &test.subject {
            Subject::Path(path) => Some(path),
            Subject::Key => None,
        })
    }

    /// Every test of the filter, from left to right.
    pub fn tests(&self) -> impl Iterator<Item = &Test> {
        let mut pending = vec![&self.expr];
        std::iter::from_fn(move || {
            loop {
                match pending.pop()? {
                    Expr::And(parts) | Expr::Or(parts) => pending.extend(parts.iter().rev()),
                    Expr::Not(part) => pending.push(part),
                    Expr::Test(test) => return Some(test),
                }
            }
        })
    }
}

impl std::str::FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Filter, FilterError> {
        Filter::parse(text)
    }
}

#[cfg(test)]
pub(crate) mod tests;

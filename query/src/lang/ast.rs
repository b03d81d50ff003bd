//! The syntax tree of a filter.
//!
//! Reads from: nothing. Writes to: nothing.
//! Never: a float that is not finite, an `And` in an `And`, an `Or` in an `Or`, or one of them with fewer than two parts
//! in a tree that [`Filter`](super::Filter) holds.

use super::error::FilterError;
use super::operand;

/// A byte position in the filter's text, for messages. All positions are equal, so that trees compare by meaning.
#[derive(Debug, Clone, Copy, Default)]
pub struct At(pub usize);

impl PartialEq for At {
    fn eq(&self, _: &At) -> bool {
        true
    }
}

impl Eq for At {}

/// A filter or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// All parts hold; at least two.
    And(Vec<Expr>),
    /// Some part holds; at least two.
    Or(Vec<Expr>),
    /// The part does not hold.
    Not(Box<Expr>),
    /// One test of one field.
    Test(Test),
}

/// One test of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What is looked at.
    pub subject: Subject,
    /// Where the subject stands in the text.
    pub at: At,
    /// What must hold for it.
    pub condition: Condition,
}

/// What a test looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The row's key, written `$id`.
    Key,
    /// A place in the row's payload.
    Path(Path),
}

/// What must hold for a value. The module's page says what each means for missing fields, nulls and arrays.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `= 'en'`, `>= 2020`, …
    Compare {
        /// The comparison, with the field on its left.
        op: Op,
        /// The right side.
        literal: Literal,
    },
    /// `in (…)` or `not in (…)`; the list may be empty.
    In {
        /// `not in`.
        negated: bool,
        /// The list.
        literals: Vec<Literal>,
    },
    /// `between low and high`, both included.
    Between {
        /// The lower bound.
        low: Literal,
        /// The upper bound, of the same type (all numbers are of one type here).
        high: Literal,
    },
    /// `like 'prefix%'`.
    StartsWith {
        /// The prefix, without the `%` and with escapes resolved.
        prefix: String,
        /// Where the pattern stands in the text.
        at: At,
    },
    /// `is null` or `is not null`.
    IsNull {
        /// `is not null`.
        negated: bool,
    },
    /// `exists`.
    Exists,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Op {
    /// The comparison with its sides exchanged.
    pub fn flipped(self) -> Op {
        match self {
            Op::Eq => Op::Eq,
            Op::Ne => Op::Ne,
            Op::Lt => Op::Gt,
            Op::Le => Op::Ge,
            Op::Gt => Op::Lt,
            Op::Ge => Op::Le,
        }
    }

    /// The comparison that `text` spells.
    pub(super) fn from_text(text: &str) -> Option<Op> {
        Some(match text {
            "=" | "==" => Op::Eq,
            "!=" | "<>" => Op::Ne,
            "<" => Op::Lt,
            "<=" => Op::Le,
            ">" => Op::Gt,
            ">=" => Op::Ge,
            _ => return None,
        })
    }
}

/// A literal value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Literal {
    /// The value.
    pub scalar: Scalar,
    /// Where it stands in the text; for a field that stands alone, where the field stands.
    pub at: At,
}

/// A literal value.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i64),
    /// Any other number; always finite.
    Float(f64),
    /// A string.
    Str(String),
}

/// A place in a payload document; it starts with a field.
///
/// ```
/// use foretaste_query::lang::{Path, Segment};
///
/// let path = Path::parse(r#"authors[0]."family name""#)?;
/// assert_eq!(path.segments()[1], Segment::Index(0));
/// assert_eq!(path.to_string(), r#"authors[0]."family name""#);
/// # Ok::<(), foretaste_query::lang::FilterError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    segments: Vec<Segment>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// The member of an object.
    Field(String),
    /// The element of an array, counted from zero.
    Index(u32),
}

impl Path {
    /// The member `name` of the document itself; `name` is taken literally.
    pub fn field(name: impl Into<String>) -> Path {
        Path { segments: vec![Segment::Field(name.into())] }
    }

    /// Parses a path as a filter writes it; a word of the language needs no quotes here.
    ///
    /// # Errors
    /// What is wrong and where, as for a filter.
    pub fn parse(text: &str) -> Result<Path, FilterError> {
        operand::path(text)
    }

    /// This path and one step further.
    pub fn then(mut self, segment: Segment) -> Path {
        self.segments.push(segment);
        self
    }

    /// Its longest beginning that consists of at most `most` names; `None` only when that is none.
    ///
    /// ```
    /// use foretaste_query::lang::Path;
    ///
    /// let path = Path::parse("authors[0].name")?;
    /// assert_eq!(path.members(4), Some(Path::field("authors")));
    /// assert_eq!(Path::parse("a.b.c")?.members(2), Some(Path::parse("a.b")?));
    /// assert_eq!(path.members(0), None);
    /// # Ok::<(), foretaste_query::lang::FilterError>(())
    /// ```
    pub fn members(&self, most: usize) -> Option<Path> {
        let names = self.segments.iter().take(most).take_while(|s| matches!(s, Segment::Field(_)));
        let segments: Vec<Segment> = names.cloned().collect();
        (!segments.is_empty()).then_some(Path { segments })
    }

    /// The steps, at least one; the first is a field.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl Expr {
    /// The conjunction of `parts`, flat; a single part is itself.
    pub(super) fn and(parts: Vec<Expr>) -> Expr {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Expr::And(inner) => flat.extend(inner),
                part => flat.push(part),
            }
        }
        single(flat).unwrap_or_else(Expr::And)
    }

    /// The disjunction of `parts`, flat; a single part is itself.
    pub(super) fn or(parts: Vec<Expr>) -> Expr {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Expr::Or(inner) => flat.extend(inner),
                part => flat.push(part),
            }
        }
        single(flat).unwrap_or_else(Expr::Or)
    }
}

/// The only part, or all of them back.
fn single(mut parts: Vec<Expr>) -> Result<Expr, Vec<Expr>> {
    match parts.pop() {
        Some(part) if parts.is_empty() => Ok(part),
        Some(part) => {
            parts.push(part);
            Err(parts)
        }
        None => Err(parts),
    }
}

impl Scalar {
    /// Whether the two can be equal or ordered: numbers with numbers, otherwise the same type.
    pub(super) fn comparable(&self, other: &Scalar) -> bool {
        use Scalar::{Bool, Float, Int, Str};
        matches!(
            (self, other),
            (Int(_) | Float(_), Int(_) | Float(_)) | (Bool(_), Bool(_)) | (Str(_), Str(_))
        )
    }

    /// What a message calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Scalar::Bool(_) => "a truth value",
            Scalar::Int(_) | Scalar::Float(_) => "a number",
            Scalar::Str(_) => "a string",
        }
    }
}

/// Whether `name` can stand without quotes, apart from the words of the language.
pub(super) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(starts_name) && chars.all(continues_name)
}

/// Whether a name can begin with `c`.
pub(super) fn starts_name(c: char) -> bool {
    c == '_' || unicode_ident::is_xid_start(c)
}

/// Whether a name can go on with `c`.
pub(super) fn continues_name(c: char) -> bool {
    unicode_ident::is_xid_continue(c)
}

//! The canonical text of a filter.
//!
//! Reads from: the tree. Writes to: a formatter.
//! Never: more parentheses than the text it was parsed from, so that what was within the limits stays there.

use std::fmt::{self, Display, Write};

use super::ast::{Condition, Expr, Literal, Op, Path, Scalar, Segment, Subject, Test, is_name};
use super::operand::is_keyword;
use super::{Filter, MAX_TEXT_BYTES};

/// The canonical text of `expr`, `None` when it is longer than [`MAX_TEXT_BYTES`].
pub(super) fn canonical(expr: &Expr) -> Option<String> {
    struct Bounded(String);
    impl Write for Bounded {
        fn write_str(&mut self, piece: &str) -> fmt::Result {
            if self.0.len() + piece.len() > MAX_TEXT_BYTES {
                return Err(fmt::Error);
            }
            self.0.push_str(piece);
            Ok(())
        }
    }
    let mut text = Bounded(String::new());
    write!(text, "{expr}").ok()?;
    Some(text.0)
}

impl Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr().fmt(f)
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::And(parts) => joined(f, parts, " and ", |f, part| match part {
                Expr::Or(_) => write!(f, "({part})"),
                part => part.fmt(f),
            }),
            Expr::Or(parts) => joined(f, parts, " or ", |f, part| part.fmt(f)),
            Expr::Not(part) => match &**part {
                Expr::And(_) | Expr::Or(_) => write!(f, "not ({part})"),
                part => write!(f, "not {part}"),
            },
            Expr::Test(test) => test.fmt(f),
        }
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        match &self.condition {
            Condition::Compare { op, literal } => write!(f, "{subject} {op} {literal}"),
            Condition::In { negated, literals } => {
                write!(f, "{subject} {}in (", if *negated { "not " } else { "" })?;
                joined(f, literals, ", ", |f, literal| literal.fmt(f))?;
                f.write_char(')')
            }
            Condition::Between { low, high } => write!(f, "{subject} between {low} and {high}"),
            Condition::StartsWith { prefix, .. } => {
                write!(f, "{subject} like '")?;
                for c in prefix.chars() {
                    match c {
                        '%' | '_' | '\\' => write!(f, "\\{c}")?,
                        '\'' => f.write_str("''")?,
                        c => f.write_char(c)?,
                    }
                }
                f.write_str("%'")
            }
            Condition::IsNull { negated } => {
                write!(f, "{subject} is {}null", if *negated { "not " } else { "" })
            }
            Condition::Exists => write!(f, "exists {subject}"),
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Eq => "=",
            Op::Ne => "!=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
        })
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scalar.fmt(f)
    }
}

impl Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(b) => b.fmt(f),
            Scalar::Int(i) => i.fmt(f),
            // `Debug` is the shortest text that gives the same number back, and it always has a point or an exponent.
            Scalar::Float(x) => write!(f, "{x:?}"),
            Scalar::Str(s) => quoted(f, s, '\''),
        }
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Key => f.write_str("$id"),
            Subject::Path(path) => path.fmt(f),
        }
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.segments().iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Field(name) => {
                    if i > 0 {
                        f.write_char('.')?;
                    }
                    if is_name(name) && (i > 0 || !is_keyword(name)) {
                        f.write_str(name)?;
                    } else {
                        quoted(f, name, '"')?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Path {
    /// Its text with every name in double quotes: the same path has the same text whatever words the language has, and
    /// whatever characters names may have without quotes. What is kept on disk to be compared is kept so.
    ///
    /// ```
    /// use foretaste_query::lang::Path;
    ///
    /// let path = Path::parse("authors[0].name")?;
    /// assert_eq!(path.to_quoted(), r#""authors"[0]."name""#);
    /// assert_eq!(Path::parse(&path.to_quoted())?, path);
    /// # Ok::<(), foretaste_query::lang::FilterError>(())
    /// ```
    pub fn to_quoted(&self) -> String {
        let mut text = String::new();
        for segment in self.segments() {
            match segment {
                Segment::Index(index) => text.push_str(&format!("[{index}]")),
                Segment::Field(name) => {
                    let dot = if text.is_empty() { "" } else { "." };
                    text.push_str(&format!("{dot}\"{}\"", name.replace('"', "\"\"")));
                }
            }
        }
        text
    }
}

/// `text` between `quote`s, with those inside doubled.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str, quote: char) -> fmt::Result {
    f.write_char(quote)?;
    for (i, piece) in text.split(quote).enumerate() {
        if i > 0 {
            f.write_char(quote)?;
            f.write_char(quote)?;
        }
        f.write_str(piece)?;
    }
    f.write_char(quote)
}

fn joined<T>(
    f: &mut fmt::Formatter<'_>,
    parts: &[T],
    separator: &str,
    mut print: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        print(f, part)?;
    }
    Ok(())
}

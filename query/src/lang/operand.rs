//! The two sides of a test: the field, and the literal.
//!
//! Reads from: tokens, through the parser. Writes to: paths and literals.
//! Never: recursion.

use super::ast::{At, Literal, Path, Scalar, Segment, Subject};
use super::error::FilterError;
use super::hint;
use super::parse::Parser;
use super::token::Kind;

type Result<T> = std::result::Result<T, FilterError>;

/// The words of the language; a field of such a name is quoted.
const KEYWORDS: &[&str] =
    &["and", "or", "not", "in", "between", "like", "exists", "is", "null", "true", "false"];

/// Whether `name` is a word of the language, in whatever case.
pub(super) fn is_keyword(name: &str) -> bool {
    KEYWORDS.iter().any(|keyword| name.eq_ignore_ascii_case(keyword))
}

/// A literal as written: null is one too, but has no place in a tree.
pub(super) enum Written {
    Value(Literal),
    Null(usize),
}

/// Parses a path alone; words of the language are names here.
pub(super) fn path(text: &str) -> Result<Path> {
    let mut parser = Parser::new(text)?;
    let path = match parser.field()? {
        Some(segment) => parser.path(segment)?,
        None => return Err(FilterError::new(parser.token.at, "expected the name of a field")),
    };
    match parser.token.kind {
        Kind::End => Ok(path),
        _ => Err(FilterError::new(
            parser.token.at,
            format!("expected `.`, `[` or the end, found {}", parser.found()),
        )
        .hint("a name with other characters than letters, digits and _ takes double quotes")),
    }
}

impl Parser<'_> {
    /// `$id` or a path, when the next token starts one.
    pub fn subject(&mut self) -> Result<Option<Subject>> {
        if self.token.kind == Kind::Key {
            self.advance()?;
            return Ok(Some(Subject::Key));
        }
        if matches!(self.token.kind, Kind::Word(word) if is_keyword(word)) {
            return Ok(None);
        }
        match self.field()? {
            Some(first) => self.path(first).map(|path| Some(Subject::Path(path))),
            None => Ok(None),
        }
    }

    /// One name, when the next token is one.
    fn field(&mut self) -> Result<Option<String>> {
        let name = match self.token.kind {
            Kind::Word(word) => word.to_string(),
            Kind::Quoted(raw) => raw.replace("\"\"", "\""),
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(name))
    }

    /// What follows the first name of a path.
    fn path(&mut self, first: String) -> Result<Path> {
        let mut path = Path::field(first);
        loop {
            if self.token.kind == Kind::Dot {
                self.advance()?;
                let Some(name) = self.field()? else {
                    let error = self.expected("a name after `.`");
                    return Err(match self.token.kind {
                        Kind::Number(_) => error.hint("an element of an array is written tags[0]"),
                        _ => error,
                    });
                };
                path = path.then(Segment::Field(name));
            } else if self.token.kind == Kind::OpenIndex {
                self.advance()?;
                let index = match self.token.kind {
                    Kind::Number(Scalar::Int(index)) => u32::try_from(index).ok(),
                    _ => None,
                };
                let Some(index) = index else {
                    return Err(self
                        .expected("the number of an element")
                        .hint("elements are counted from 0"));
                };
                self.advance()?;
                if self.token.kind != Kind::CloseIndex {
                    return Err(self.expected("`]`"));
                }
                self.advance()?;
                path = path.then(Segment::Index(index));
            } else {
                return Ok(path);
            }
        }
    }

    /// A literal, when the next token is one.
    pub fn written(&mut self) -> Result<Option<Written>> {
        let at = self.token.at;
        let scalar = match &self.token.kind {
            Kind::Str(raw) => Scalar::Str(raw.replace("''", "'")),
            Kind::Number(number) => number.clone(),
            Kind::Word(word) if word.eq_ignore_ascii_case("true") => Scalar::Bool(true),
            Kind::Word(word) if word.eq_ignore_ascii_case("false") => Scalar::Bool(false),
            Kind::Word(word) if word.eq_ignore_ascii_case("null") => {
                self.advance()?;
                return Ok(Some(Written::Null(at)));
            }
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(Written::Value(Literal { scalar, at: At(at) })))
    }

    /// A literal, which must be next; `what` is what a message calls it.
    pub fn value(&mut self, what: &str) -> Result<Written> {
        if let Some(written) = self.written()? {
            return Ok(written);
        }
        let error = self.expected(what);
        Err(match &self.token.kind {
            Kind::Quoted(_) => error.hint(hint::DOUBLE_QUOTES),
            Kind::Word(word) if !is_keyword(word) => error.hint(hint::unquoted_value(word)),
            _ => error,
        })
    }
}

/// The literal for a place where null has no meaning.
pub(super) fn not_null(written: Written) -> Result<Literal> {
    match written {
        Written::Value(literal) => Ok(literal),
        Written::Null(at) => {
            Err(FilterError::new(at, "null equals nothing here").hint("add `or … is null` to the test"))
        }
    }
}

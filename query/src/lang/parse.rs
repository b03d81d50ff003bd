//! Tokens to the syntax tree, by recursive descent.
//!
//! Reads from: tokens. Writes to: the tree.
//! Never: recursion without a count of the depth, or a tree beyond the limits.

use super::ast::{At, Condition, Expr, Literal, Op, Scalar, Subject, Test};
use super::error::{FilterError, shown};
use super::hint;
use super::operand::{Written, not_null};
use super::pattern;
use super::print;
use super::token::{Kind, Lexer, Token};
use super::{MAX_DEPTH, MAX_TERMS, MAX_TEXT_BYTES};

type Result<T> = std::result::Result<T, FilterError>;

/// Parses a whole filter.
pub(super) fn filter(text: &str) -> Result<Expr> {
    let mut parser = Parser::new(text)?;
    if parser.token.kind == Kind::End {
        return Err(
            FilterError::new(parser.token.at, "the filter is empty").hint("leave it out to match every row")
        );
    }
    let expr = parser.disjunction()?;
    parser.finish()?;
    match print::canonical(&expr) {
        Some(_) => Ok(expr),
        None => Err(FilterError::new(
            0,
            format!("the filter's canonical text is longer than {MAX_TEXT_BYTES} bytes"),
        )),
    }
}

/// The parser's state; the fields of tests and their literals are read in `operand`.
pub(super) struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The next token, not yet taken.
    pub token: Token<'a>,
    /// Where the last string ended, to explain an undoubled quote.
    string_end: Option<usize>,
    depth: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    /// At the first token of `text`.
    pub fn new(text: &'a str) -> Result<Parser<'a>> {
        if text.len() > MAX_TEXT_BYTES {
            let at = text.floor_char_boundary(MAX_TEXT_BYTES);
            let why = format!("the filter is {} bytes long, the limit is {MAX_TEXT_BYTES}", text.len());
            return Err(FilterError::new(at, why));
        }
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        Ok(Parser { text, lexer, token, string_end: None, depth: 0, terms: 0 })
    }

    // --- and, or, not, parentheses ---

    fn disjunction(&mut self) -> Result<Expr> {
        let mut parts = vec![self.conjunction()?];
        while self.take_word("or")? {
            parts.push(self.conjunction()?);
        }
        Ok(Expr::or(parts))
    }

    fn conjunction(&mut self) -> Result<Expr> {
        let mut parts = vec![self.unary()?];
        while self.take_word("and")? {
            parts.push(self.unary()?);
        }
        Ok(Expr::and(parts))
    }

    fn unary(&mut self) -> Result<Expr> {
        let at = self.token.at;
        if self.take_word("not")? {
            self.deeper(at)?;
            let part = self.unary()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(part)));
        }
        if self.token.kind == Kind::Open {
            self.deeper(at)?;
            self.advance()?;
            let part = self.disjunction()?;
            if self.token.kind != Kind::Close {
                return Err(self.leftover(Some(at)));
            }
            self.advance()?;
            self.depth -= 1;
            return Ok(part);
        }
        self.test().map(Expr::Test)
    }

    fn deeper(&mut self, at: usize) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(FilterError::new(at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if self.token.kind == Kind::End { Ok(()) } else { Err(self.leftover(None)) }
    }

    /// The error for a token after a complete test, where only `and`, `or` or the end of the group can follow.
    fn leftover(&self, opened: Option<usize>) -> FilterError {
        let at = self.token.at;
        let end = if opened.is_some() { "`)`" } else { "the end" };
        let error = FilterError::new(at, format!("expected `and`, `or` or {end}, found {}", self.found()));
        match (&self.token.kind, opened) {
            (Kind::Word(_), _) if self.string_end == Some(at) => {
                error.hint("a quote inside a string is doubled: 'it''s'")
            }
            (Kind::Word(word), _) => error.maybe_hint(hint::did_you_mean(word, hint::AFTER_TEST)),
            (Kind::Op(_), _) => error.hint("comparisons do not chain; write `a > 1 and a < 5`"),
            (Kind::Comma, _) => error.hint("join tests with `and`"),
            (Kind::End, Some(opened)) => error.hint(format!("the `(` at byte {opened} is not closed")),
            (Kind::Close, None) => error.hint("no `(` is open here"),
            _ => error,
        }
    }

    // --- tests ---

    fn test(&mut self) -> Result<Test> {
        let at = self.token.at;
        self.count_term(at)?;
        if self.take_word("exists")? {
            let at = self.token.at;
            let Some(subject) = self.subject()? else {
                return Err(self.expected("the name of a field after `exists`"));
            };
            return Ok(Test { subject, at: At(at), condition: Condition::Exists });
        }
        if let Some(left) = self.written()? {
            return self.reversed(left);
        }
        let Some(subject) = self.subject()? else {
            let error = self.expected("a test such as `year >= 2020`");
            return Err(match &self.token.kind {
                Kind::Word(word) => {
                    error.hint(format!("a field of that name takes double quotes: \"{word}\""))
                }
                _ => error,
            });
        };
        let condition = self.condition(&subject, at)?;
        Ok(Test { subject, at: At(at), condition })
    }

    /// A test with the literal on its left.
    fn reversed(&mut self, left: Written) -> Result<Test> {
        let Kind::Op(op) = self.token.kind else {
            let in_list = self.word_is("in");
            let error = self.expected("a comparison after the value");
            return Err(if in_list {
                error.hint(
                    "write `tags = 'x'`: a comparison with an array holds when some element satisfies it",
                )
            } else {
                error
            });
        };
        let op_at = self.token.at;
        self.advance()?;
        let at = self.token.at;
        let Some(subject) = self.subject()? else {
            return Err(self.expected("the name of a field").hint("one side of a comparison is a field"));
        };
        let condition = compare(op.flipped(), op_at, left)?;
        Ok(Test { subject, at: At(at), condition })
    }

    /// What follows a subject; nothing at all means `= true`.
    fn condition(&mut self, subject: &Subject, subject_at: usize) -> Result<Condition> {
        let at = self.token.at;
        if let Kind::Op(op) = self.token.kind {
            self.advance()?;
            let right = self.value(&format!("a value after `{op}`"))?;
            return compare(op, at, right);
        }
        if self.take_word("in")? {
            return Ok(Condition::In { negated: false, literals: self.list()? });
        }
        if self.take_word("not")? {
            if self.take_word("in")? {
                return Ok(Condition::In { negated: true, literals: self.list()? });
            }
            return Err(self
                .expected("`in` after `not`")
                .hint("any other `not` stands before the whole test: `not title like 'x%'`"));
        }
        if self.take_word("between")? {
            let low = self.value("a value after `between`")?;
            if !self.take_word("and")? {
                return Err(self.expected("`and` between the bounds").hint("write `between 1 and 5`"));
            }
            let high = self.value("the upper bound")?;
            return between(not_null(low)?, not_null(high)?);
        }
        if self.take_word("like")? {
            let Kind::Str(raw) = self.token.kind else {
                return Err(self
                    .expected("a pattern after `like`")
                    .hint("a pattern is a string: like 'prefix%'"));
            };
            let at = self.token.at;
            let prefix = pattern::prefix(raw, at + 1)?;
            self.advance()?;
            return Ok(Condition::StartsWith { prefix, at: At(at) });
        }
        if self.take_word("is")? {
            let negated = self.take_word("not")?;
            if !self.take_word("null")? {
                return Err(self
                    .expected("`null`")
                    .hint("write `is null` or `is not null`; use `=` for values"));
            }
            return Ok(Condition::IsNull { negated });
        }
        self.alone(subject, subject_at)
    }

    /// A field without a comparison.
    fn alone(&self, subject: &Subject, subject_at: usize) -> Result<Condition> {
        let ends =
            matches!(self.token.kind, Kind::End | Kind::Close) || self.word_is("and") || self.word_is("or");
        if ends && *subject != Subject::Key {
            let literal = Literal { scalar: Scalar::Bool(true), at: At(subject_at) };
            return Ok(Condition::Compare { op: Op::Eq, literal });
        }
        let error = self.expected(&format!("a comparison after {}", shown(&subject.to_string())));
        let guess = match (&self.token.kind, subject) {
            (Kind::Word(word), Subject::Path(path)) => hint::did_you_mean(word, hint::AFTER_FIELD)
                .or_else(|| hint::did_you_mean(&path.to_string(), hint::BEFORE_FIELD)),
            (Kind::Word(word), Subject::Key) => hint::did_you_mean(word, hint::AFTER_FIELD),
            _ => None,
        };
        Err(error.maybe_hint(guess))
    }

    fn list(&mut self) -> Result<Vec<Literal>> {
        if self.token.kind != Kind::Open {
            return Err(self.expected("`(` after `in`").hint("a list is written (1, 2, 3)"));
        }
        self.advance()?;
        let mut literals = Vec::new();
        if self.token.kind != Kind::Close {
            loop {
                if !literals.is_empty() {
                    self.count_term(self.token.at)?;
                }
                let value = self.value("a value of the list")?;
                literals.push(not_null(value)?);
                if self.token.kind != Kind::Comma {
                    break;
                }
                self.advance()?;
            }
        }
        if self.token.kind != Kind::Close {
            return Err(self.expected("`,` or `)` in the list"));
        }
        self.advance()?;
        Ok(literals)
    }

    fn count_term(&mut self, at: usize) -> Result<()> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            let why = format!("more than {MAX_TERMS} tests");
            return Err(
                FilterError::new(at, why).hint("an `in` list counts as one test for each of its values")
            );
        }
        Ok(())
    }

    // --- tokens ---

    /// Takes the next token.
    pub fn advance(&mut self) -> Result<()> {
        self.string_end = matches!(self.token.kind, Kind::Str(_)).then_some(self.token.end);
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn word_is(&self, keyword: &str) -> bool {
        matches!(self.token.kind, Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Takes the next token when it is this word of the language.
    fn take_word(&mut self, keyword: &str) -> Result<bool> {
        let found = self.word_is(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// The next token as a message calls it.
    pub fn found(&self) -> String {
        match self.text.get(self.token.at..self.token.end) {
            Some(token) if !token.is_empty() => shown(token),
            _ => "the end".to_string(),
        }
    }

    /// The error for a next token that is not `what`.
    pub fn expected(&self, what: &str) -> FilterError {
        FilterError::new(self.token.at, format!("expected {what}, found {}", self.found()))
    }
}

/// A comparison with a literal, or the test for null that it spells.
fn compare(op: Op, op_at: usize, right: Written) -> Result<Condition> {
    match (op, right) {
        (op, Written::Value(literal)) => Ok(Condition::Compare { op, literal }),
        (Op::Eq, Written::Null(_)) => Ok(Condition::IsNull { negated: false }),
        (Op::Ne, Written::Null(_)) => Ok(Condition::IsNull { negated: true }),
        (_, Written::Null(_)) => {
            Err(FilterError::new(op_at, "null has no order").hint("write `is null` or `is not null`"))
        }
    }
}

/// A range; bounds of different types would never hold.
pub(super) fn between(low: Literal, high: Literal) -> Result<Condition> {
    if !low.scalar.comparable(&high.scalar) {
        let why = format!("the bounds of `between` are {} and {}", low.scalar.kind(), high.scalar.kind());
        return Err(FilterError::new(high.at.0, why).hint("both bounds have the same type"));
    }
    Ok(Condition::Between { low, high })
}

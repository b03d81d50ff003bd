//! Text to tokens.
//!
//! Reads from: the filter's text. Writes to: nothing.
//! Never: a copy of the text, or more than one token ahead of the parser, so that hostile text costs no memory.

use super::ast::{Op, Scalar, continues_name, starts_name};
use super::error::{FilterError, shown};
use super::hint;

/// One token and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub kind: Kind<'a>,
    /// First byte.
    pub at: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    /// A name or a word of the language.
    Word(&'a str),
    /// What stands between double quotes, quotes inside still doubled.
    Quoted(&'a str),
    /// What stands between single quotes, quotes inside still doubled.
    Str(&'a str),
    /// A number, `Int` or `Float`.
    Number(Scalar),
    /// A comparison.
    Op(Op),
    /// `$id`
    Key,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `[`
    OpenIndex,
    /// `]`
    CloseIndex,
    /// `,`
    Comma,
    /// `.`
    Dot,
    /// After the last token.
    End,
}

/// Cuts a text into tokens, one at a time.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    /// The next token; `End` again and again after the last.
    pub fn next(&mut self) -> Result<Token<'a>, FilterError> {
        self.take_while(char::is_whitespace);
        let at = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token { kind: Kind::End, at, end: at });
        };
        let kind = match first {
            '(' => self.punctuation(Kind::Open),
            ')' => self.punctuation(Kind::Close),
            '[' => self.punctuation(Kind::OpenIndex),
            ']' => self.punctuation(Kind::CloseIndex),
            ',' => self.punctuation(Kind::Comma),
            '.' => self.punctuation(Kind::Dot),
            '\'' => Kind::Str(self.quoted('\'')?),
            '"' => Kind::Quoted(self.quoted('"')?),
            '$' => self.key()?,
            '-' | '0'..='9' => Kind::Number(self.number()?),
            '=' | '<' | '>' | '!' | '&' | '|' | '~' => Kind::Op(self.operator()?),
            c if starts_name(c) => Kind::Word(self.take_while(continues_name)),
            c => return Err(unexpected(at, c)),
        };
        Ok(Token { kind, at, end: self.at })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or("")
    }

    fn punctuation(&mut self, kind: Kind<'a>) -> Kind<'a> {
        self.at += 1;
        kind
    }

    /// What stands between two `quote`s; the current character is the first of them.
    fn quoted(&mut self, quote: char) -> Result<&'a str, FilterError> {
        let opened = self.at;
        let body = self.rest().get(1..).unwrap_or("");
        let mut len = 0;
        loop {
            let rest = body.get(len..).unwrap_or("");
            let Some(found) = rest.find(quote) else {
                let what = if quote == '"' { "name" } else { "string" };
                return Err(FilterError::new(opened, format!("the {what} is not closed"))
                    .hint(format!("end it with {quote}; inside, write {quote}{quote} for the character")));
            };
            len += found;
            let doubled = rest.get(found + 1..).is_some_and(|after| after.starts_with(quote));
            if !doubled {
                self.at += len + 2;
                return Ok(body.get(..len).unwrap_or(""));
            }
            len += 2;
        }
    }

    fn key(&mut self) -> Result<Kind<'a>, FilterError> {
        let at = self.at;
        self.at += 1;
        let name = self.take_while(continues_name);
        if name == "id" {
            return Ok(Kind::Key);
        }
        Err(FilterError::new(at, format!("{} is not known", shown(&format!("${name}"))))
            .hint("`$id` is the row's key; other fields are written without `$`"))
    }

    fn operator(&mut self) -> Result<Op, FilterError> {
        let at = self.at;
        let run = self.take_while(|c| matches!(c, '=' | '<' | '>' | '!' | '&' | '|' | '~'));
        Op::from_text(run).ok_or_else(|| {
            FilterError::new(at, format!("{} is not an operator", shown(run))).maybe_hint(hint::operator(run))
        })
    }

    fn number(&mut self) -> Result<Scalar, FilterError> {
        let at = self.at;
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let mut len = sign + digits(rest, sign);
        if len == sign {
            return Err(FilterError::new(at, "`-` without a number after it")
                .hint("`-` only starts a number; a name that holds one takes double quotes"));
        }
        let mut whole = true;
        if rest.get(len..).is_some_and(|r| r.starts_with('.')) && digits(rest, len + 1) > 0 {
            whole = false;
            len += 1 + digits(rest, len + 1);
        }
        if rest.get(len..).is_some_and(|r| r.starts_with(['e', 'E'])) {
            let signed = rest.get(len + 1..).is_some_and(|r| r.starts_with(['+', '-']));
            let from = len + 1 + usize::from(signed);
            if digits(rest, from) > 0 {
                whole = false;
                len = from + digits(rest, from);
            }
        }
        self.at += len;
        let number = rest.get(..len).unwrap_or("");
        if self.rest().starts_with(|c| continues_name(c) || matches!(c, '.' | '-' | ':')) {
            let end = rest.find(|c: char| !(continues_name(c) || ".-:+".contains(c))).unwrap_or(rest.len());
            let all = rest.get(..end).unwrap_or(rest);
            let hint = if number.len() == 4 && self.rest().starts_with('-') {
                format!("dates are strings: '{all}'")
            } else {
                "a number is like 12, -0.5 or 1e6".to_string()
            };
            return Err(FilterError::new(at, format!("{} is not a number", shown(all)))
                .maybe_hint(Some(hint).filter(|_| all.len() < 40)));
        }
        if let (true, Ok(int)) = (whole, number.parse()) {
            return Ok(Scalar::Int(int));
        }
        match number.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Scalar::Float(float)),
            _ => Err(FilterError::new(at, format!("{} is too large for a number", shown(number)))
                .hint("the largest is about 1.8e308")),
        }
    }
}

/// How many digits stand in `text` at byte `from`.
fn digits(text: &str, from: usize) -> usize {
    text.as_bytes().iter().skip(from).take_while(|b| b.is_ascii_digit()).count()
}

fn unexpected(at: usize, c: char) -> FilterError {
    let error = FilterError::new(at, format!("unexpected character {}", shown(&c.to_string())));
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '`' => {
            error.hint("strings take straight single quotes: 'en'")
        }
        ';' => error.hint("a filter ends without a semicolon"),
        '{' | '[' => error.hint("a list is written (1, 2, 3)"),
        '+' => error.hint("a positive number has no sign"),
        '%' | '*' | '?' => error.hint("a pattern is a string: like 'prefix%'"),
        _ => error.hint("a name with other characters than letters, digits and _ takes double quotes"),
    }
}

//! Text to tokens.
//!
//! Reads from: a statement's text. Writes to: nothing. Never: a copy of the text.

use super::error::{Refused, shown};

/// One token and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// First byte.
    pub at: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind<'a> {
    /// A name, or a word of the language.
    Word(&'a str),
    /// What stands between double quotes, quotes inside still doubled.
    Quoted(&'a str),
    /// What stands between single quotes, quotes inside still doubled.
    Str(&'a str),
    /// A number as it is written.
    Number(&'a str),
    /// A JSON object as it is written, with its braces.
    Object(&'a str),
    /// One of `( ) [ ] , : . ;`
    Sign(char),
    /// Anything else: operators of filters.
    Other(&'a str),
    /// After the last token.
    End,
}

/// Cuts a text into tokens, one at a time.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// Begins at the byte `at` of `text`.
    pub fn new(text: &'a str, at: usize) -> Lexer<'a> {
        Lexer { text, at }
    }

    /// The next token; `End` again and again after the last.
    ///
    /// # Errors
    /// A string, name, object or comment that is not closed; [`Refused::open`] says which. The lexer is then where it begins.
    #[expect(clippy::should_implement_trait, reason = "it gives errors, and tokens without an end")]
    pub fn next(&mut self) -> Result<Token<'a>, Refused> {
        self.blank()?;
        let at = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token { kind: Kind::End, at, end: at });
        };
        let kind = match first {
            '(' | ')' | '[' | ']' | ',' | ':' | '.' | ';' => {
                self.at += 1;
                Kind::Sign(first)
            }
            '\'' => Kind::Str(self.quoted('\'')?),
            '"' => Kind::Quoted(self.quoted('"')?),
            '{' => Kind::Object(self.object()?),
            '0'..='9' => Kind::Number(self.number()),
            '-' if self.rest().get(1..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit())) => {
                Kind::Number(self.number())
            }
            c if starts_name(c) => Kind::Word(self.take_while(continues_name)),
            c if is_operator(c) => Kind::Other(self.take_while(is_operator)),
            c => {
                self.at += c.len_utf8();
                Kind::Other(self.text.get(at..self.at).unwrap_or_default())
            }
        };
        Ok(Token { kind, at, end: self.at })
    }

    /// Where the next token is looked for.
    pub fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// Passes over white space and comments.
    fn blank(&mut self) -> Result<(), Refused> {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest().starts_with("--") {
                self.take_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                let Some(len) = self.rest().find("*/") else {
                    return Err(
                        Refused::open(self.at, "the comment is not closed", '*').hint("end it with */")
                    );
                };
                self.at += len + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<&'a str, Refused> {
        let body = self.rest().get(1..).unwrap_or_default();
        let mut len = 0;
        loop {
            let rest = body.get(len..).unwrap_or_default();
            let Some(found) = rest.find(quote) else {
                let what = if quote == '"' { "name" } else { "string" };
                let hint = format!("end it with {quote}; inside, write {quote}{quote} for the character");
                return Err(Refused::open(self.at, &format!("the {what} is not closed"), quote).hint(hint));
            };
            len += found;
            if !rest.get(found + 1..).is_some_and(|after| after.starts_with(quote)) {
                self.at += len + 2;
                return Ok(body.get(..len).unwrap_or_default());
            }
            len += 2;
        }
    }

    /// A JSON object up to its closing brace; whether it is JSON is found out later.
    fn object(&mut self) -> Result<&'a str, Refused> {
        let rest = self.rest();
        let (mut depth, mut inside, mut escaped) = (0_usize, false, false);
        for (i, c) in rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if inside => escaped = true,
                '"' => inside = !inside,
                '{' if !inside => depth += 1,
                '}' if !inside => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += i + 1;
                        return Ok(rest.get(..=i).unwrap_or_default());
                    }
                }
                _ => {}
            }
        }
        Err(Refused::open(self.at, "the object is not closed", '{').hint("end it with }"))
    }

    fn number(&mut self) -> &'a str {
        let rest = self.rest();
        let digits = |from: usize| rest.bytes().skip(from).take_while(u8::is_ascii_digit).count();
        let mut len = usize::from(rest.starts_with('-'));
        len += digits(len);
        if rest.get(len..).is_some_and(|r| r.starts_with('.')) && digits(len + 1) > 0 {
            len += 1 + digits(len + 1);
        }
        if rest.get(len..).is_some_and(|r| r.starts_with(['e', 'E'])) {
            let from = len + 1 + usize::from(rest.get(len + 1..).is_some_and(|r| r.starts_with(['+', '-'])));
            if digits(from) > 0 {
                len = from + digits(from);
            }
        }
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }
}

impl Token<'_> {
    /// What was found, for a message.
    pub fn found(&self) -> String {
        match self.kind {
            Kind::Word(text) | Kind::Number(text) | Kind::Other(text) => shown(text),
            Kind::Quoted(text) => shown(&format!("\"{text}\"")),
            Kind::Str(text) => shown(&format!("'{text}'")),
            Kind::Object(_) => "an object".to_string(),
            Kind::Sign(sign) => format!("`{sign}`"),
            Kind::End => "the end".to_string(),
        }
    }

    /// Whether it is this word of the language, however it is written.
    pub fn is(&self, word: &str) -> bool {
        matches!(self.kind, Kind::Word(text) if text.eq_ignore_ascii_case(word))
    }
}

/// Whether a name can begin so without quotes.
pub(super) fn starts_name(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

/// Whether a name can go on so without quotes.
pub(super) fn continues_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn is_operator(c: char) -> bool {
    matches!(c, '=' | '<' | '>' | '!' | '&' | '|' | '~')
}

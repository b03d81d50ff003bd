//! Tokens to statements, by recursive descent.
//!
//! What is tried at a place and is not there is remembered until the next token is taken: that is what an error says was
//! expected, and what completion offers.
//!
//! Reads from: tokens. Writes to: the tree. Never: recursion.

mod alter;
pub(super) mod create;
mod rows;
pub(super) mod search;
mod value;

use super::ast::{Name, Optimize, Statement};
use super::error::{Expected, Refused, alternatives};
use super::token::{Kind, Lexer, Token};
use super::words;
use foretaste::lang::At;

type Result<T> = std::result::Result<T, Refused>;

/// Parses one statement, with or without the `;` at its end.
///
/// # Errors
/// What is wrong, where, what could stand there, and mostly what to write instead. In the positions of a filter's errors,
/// too, bytes are counted from the statement's start.
pub fn parse(text: &str) -> Result<Statement> {
    let mut parser = Parser::new(text)?;
    let statement = parser.statement()?;
    parser.finish()?;
    Ok(statement)
}

/// What could stand behind `text`, the beginning of a statement; nothing when that is none.
pub fn expected(text: &str) -> Vec<Expected> {
    let Ok(mut parser) = Parser::new(text) else { return Vec::new() };
    match parser.statement().and_then(|_| parser.finish()) {
        Ok(()) => parser.tried,
        Err(refused) if parser.token.kind == Kind::End => refused.expected,
        Err(_) => Vec::new(),
    }
}

/// The parser's state.
pub(super) struct Parser<'a> {
    pub text: &'a str,
    lexer: Lexer<'a>,
    /// The next token, not yet taken.
    pub token: Token<'a>,
    /// What was tried at this token.
    pub tried: Vec<Expected>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Parser<'a>> {
        let mut lexer = Lexer::new(text, 0);
        let token = lexer.next()?;
        Ok(Parser { text, lexer, token, tried: Vec::new() })
    }

    // --- statements ---

    fn statement(&mut self) -> Result<Statement> {
        if self.take("search")? {
            return Ok(Statement::Search(Box::new(self.search()?)));
        }
        if self.take("insert")? {
            return self.insert().map(Statement::Insert);
        }
        if self.take("get")? {
            return self.get().map(Statement::Get);
        }
        if self.take("delete")? {
            return self.delete().map(Statement::Delete);
        }
        if self.take("create")? {
            return self.create().map(Statement::Create);
        }
        if self.take("drop")? {
            self.need("collection")?;
            let if_exists = self.take("if")?;
            if if_exists {
                self.need("exists")?;
            }
            return Ok(Statement::Drop { name: self.name(Expected::Collection)?, if_exists });
        }
        if self.take("alter")? {
            return self.alter().map(Statement::Alter);
        }
        if self.take("change")? {
            return self.change().map(Statement::Change);
        }
        if self.take("optimize")? {
            return self.optimize().map(Statement::Optimize);
        }
        if self.take("compact")? {
            return self.maybe_name().map(Statement::Compact);
        }
        if self.take("flush")? {
            return self.maybe_name().map(Statement::Flush);
        }
        for (word, of) in [
            ("explain", Statement::Explain as fn(Box<_>) -> Statement),
            ("watch", Statement::Watch as fn(Box<_>) -> Statement),
        ] {
            if self.take(word)? {
                self.need("search")?;
                return Ok(of(Box::new(self.search()?)));
            }
        }
        Err(self.refuse())
    }

    fn optimize(&mut self) -> Result<Optimize> {
        let name = self.name(Expected::Collection)?;
        let index = if self.take("as")? { Some(self.index()?) } else { None };
        let rotation = if self.take("rotation")? { Some(self.rotation()?) } else { None };
        Ok(Optimize { name, index, rotation })
    }

    fn maybe_name(&mut self) -> Result<Option<Name>> {
        match self.token.kind {
            Kind::Word(_) | Kind::Quoted(_) => self.name(Expected::Collection).map(Some),
            _ => {
                self.tried.push(Expected::Collection);
                Ok(None)
            }
        }
    }

    fn finish(&mut self) -> Result<()> {
        let ended = self.take_sign(';')?;
        if self.token.kind == Kind::End {
            return Ok(());
        }
        if ended {
            return Err(Refused::new(self.token.at, "a second statement; here is place for one"));
        }
        Err(self.refuse())
    }

    // --- tokens ---

    /// Goes on to the next token.
    pub fn advance(&mut self) -> Result<Token<'a>> {
        let next = self.lexer.next()?;
        self.tried.clear();
        Ok(std::mem::replace(&mut self.token, next))
    }

    /// The token behind the next one.
    pub fn behind(&self) -> Result<Token<'a>> {
        self.lexer.clone().next()
    }

    /// Whether the next token is this word, which is then taken.
    pub fn take(&mut self, word: &'static str) -> Result<bool> {
        if self.token.is(word) {
            return self.advance().map(|_| true);
        }
        self.tried.push(Expected::Word(word));
        Ok(false)
    }

    /// Whether the next token is this sign, which is then taken.
    pub fn take_sign(&mut self, sign: char) -> Result<bool> {
        if self.token.kind == Kind::Sign(sign) {
            return self.advance().map(|_| true);
        }
        self.tried.push(Expected::Sign(sign));
        Ok(false)
    }

    pub fn need(&mut self, word: &'static str) -> Result<()> {
        if self.take(word)? { Ok(()) } else { Err(self.refuse()) }
    }

    pub fn need_sign(&mut self, sign: char) -> Result<()> {
        if self.take_sign(sign)? { Ok(()) } else { Err(self.refuse()) }
    }

    /// The first of `choices` whose word is next, which is taken.
    pub fn choice<T: Copy>(&mut self, choices: &[(&'static str, T)]) -> Result<Option<T>> {
        for (word, value) in choices {
            if self.take(word)? {
                return Ok(Some(*value));
            }
        }
        Ok(None)
    }

    pub fn need_choice<T: Copy>(&mut self, choices: &[(&'static str, T)]) -> Result<T> {
        self.choice(choices)?.ok_or_else(|| self.refuse())
    }

    /// A name, in quotes or not.
    pub fn name(&mut self, what: Expected) -> Result<Name> {
        let at = At(self.token.at);
        let text = match self.token.kind {
            Kind::Word(text) => text.to_string(),
            Kind::Quoted(text) => text.replace("\"\"", "\""),
            _ => return Err(self.lacks(what)),
        };
        self.advance()?;
        Ok(Name { text, at })
    }

    // --- errors ---

    /// The error for a token that is not `what`.
    pub fn lacks(&mut self, what: Expected) -> Refused {
        self.tried.push(what);
        self.refuse()
    }

    /// The error for a token that is nothing of what was tried.
    pub fn refuse(&self) -> Refused {
        let expected = self.tried.clone();
        let why = format!("expected {}, found {}", alternatives(&expected), self.token.found());
        let hint = self.meant(&expected);
        Refused { expected, hint, ..Refused::new(self.token.at, why) }
    }

    fn meant(&self, expected: &[Expected]) -> Option<String> {
        let words = || {
            expected.iter().filter_map(|one| match one {
                Expected::Word(word) => Some(*word),
                _ => None,
            })
        };
        let names = expected.iter().any(|one| {
            matches!(
                one,
                Expected::Collection | Expected::Field | Expected::TextField | Expected::VectorField
            )
        });
        match self.token.kind {
            Kind::Word(word) => {
                let ours = words::foreign(word)
                    .filter(|ours| words().any(|w| w == *ours) || words().any(|w| w == "search"));
                let near = ours.or_else(|| words::nearest(word, words()));
                near.map(|near| format!("did you mean `{near}`?"))
            }
            Kind::Str(text) if names && words::is_plain(text) => {
                Some(format!("names take no single quotes: {text}"))
            }
            Kind::Quoted(text) if expected.contains(&Expected::Thing("an id")) => {
                Some(format!("double quotes name a field; strings take single quotes: '{text}'"))
            }
            Kind::Other(text) if text.starts_with(['\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}']) => {
                Some("quotes are straight: 'like this'".to_string())
            }
            _ => None,
        }
    }
}

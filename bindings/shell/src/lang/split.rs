//! A stream of text to statements: each up to the `;` that ends it.
//!
//! Reads from: lines as they come. Writes to: nothing.
//! Never: a look at what a statement says; a token read twice, but one that was not closed.

use super::token::{Kind, Lexer};

/// Gathers text until a statement is whole.
#[derive(Debug, Default)]
pub struct Splitter {
    text: String,
    /// Tokens before this byte are whole, and none of them ends a statement.
    seen: usize,
}

/// What waits for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Nothing but blanks and comments.
    Nothing,
    /// A statement.
    Statement,
    /// A quote, a brace or a comment within one.
    Inside(char),
}

impl Splitter {
    /// Adds text behind what is there.
    pub fn push(&mut self, text: &str) {
        self.text += text;
    }

    /// Takes the first whole statement out, with its `;` and with the blanks and comments before it.
    pub fn take(&mut self) -> Option<String> {
        let mut lexer = Lexer::new(&self.text, self.seen);
        loop {
            match lexer.next() {
                Ok(token) if token.kind == Kind::Sign(';') => {
                    let rest = self.text.split_off(token.end);
                    self.seen = 0;
                    return Some(std::mem::replace(&mut self.text, rest));
                }
                // The last word or number may go on in what comes.
                Ok(token) if token.end < self.text.len() && token.kind != Kind::End => self.seen = token.end,
                Ok(_) | Err(_) => return None,
            }
        }
    }

    /// What is left, and how it waits.
    pub fn open(&self) -> Open {
        let mut lexer = Lexer::new(&self.text, 0);
        let first = lexer.next();
        if matches!(&first, Ok(token) if token.kind == Kind::End) {
            return Open::Nothing;
        }
        let mut lexer = Lexer::new(&self.text, self.seen);
        loop {
            match lexer.next() {
                Ok(token) if token.kind == Kind::End => return Open::Statement,
                Ok(_) => {}
                Err(refused) => return refused.open.map_or(Open::Statement, Open::Inside),
            }
        }
    }

    /// Takes out all that is left.
    pub fn rest(&mut self) -> String {
        self.seen = 0;
        std::mem::take(&mut self.text)
    }
}

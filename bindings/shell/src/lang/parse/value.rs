//! Values: numbers, vectors, ids, strings, objects, paths, durations.
//!
//! Reads from: tokens. Writes to: values. Never: a number that is not finite.

use std::str::FromStr;
use std::time::Duration;

use foretaste::Key;
use serde_json::Value;

use super::super::error::{Expected, Refused, shown};
use super::super::token::Kind;
use super::{Parser, Result};

/// Units of time in nanoseconds.
const UNITS: [(&str, u64); 6] = [
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
];
/// A time is shorter than this, in nanoseconds.
const LONGEST: u64 = 1_000_000_000_000_000_000;
/// Digits of a fraction that count.
const PLACES: usize = 12;

impl Parser<'_> {
    /// A string in single quotes.
    pub fn string(&mut self, what: Expected) -> Result<String> {
        let Kind::Str(text) = self.token.kind else { return Err(self.lacks(what)) };
        let text = text.replace("''", "'");
        self.advance()?;
        Ok(text)
    }

    /// A number; `what` it is, for messages.
    pub fn number<T: FromStr>(&mut self, what: &'static str) -> Result<T> {
        let Kind::Number(text) = self.token.kind else { return Err(self.lacks(Expected::Thing(what))) };
        let Ok(number) = text.parse() else {
            return Err(Refused::new(self.token.at, format!("expected {what}, found {}", shown(text))));
        };
        self.advance()?;
        Ok(number)
    }

    /// A number that is not negative and has no fraction.
    pub fn count(&mut self, what: &'static str) -> Result<usize> {
        self.number(what)
    }

    /// One or more of them, with commas; the list ends before a comma that no number follows.
    pub fn counts(&mut self, what: &'static str) -> Result<Vec<usize>> {
        let mut all = vec![self.count(what)?];
        while self.token.kind == Kind::Sign(',') && matches!(self.behind()?.kind, Kind::Number(_)) {
            self.advance()?;
            all.push(self.count(what)?);
        }
        Ok(all)
    }

    /// A number that is finite.
    pub fn float(&mut self, what: &'static str) -> Result<f64> {
        let at = self.token.at;
        let number: f64 = self.number(what)?;
        if number.is_finite() { Ok(number) } else { Err(Refused::new(at, "the number is too large")) }
    }

    pub fn single(&mut self) -> Result<f32> {
        let at = self.token.at;
        let number: f32 = self.number("a number")?;
        if number.is_finite() { Ok(number) } else { Err(Refused::new(at, "the number is too large for f32")) }
    }

    /// `[0.1, 0.2]`
    pub fn vector(&mut self) -> Result<Vec<f32>> {
        if self.token.kind != Kind::Sign('[') {
            return Err(self.lacks(Expected::Thing("a vector such as `[0.1, 0.2]`")));
        }
        self.advance()?;
        let mut numbers = vec![self.single()?];
        while self.take_sign(',')? {
            numbers.push(self.single()?);
        }
        self.need_sign(']')?;
        Ok(numbers)
    }

    /// `[[0.1, 0.2], [0.3, 0.4]]`
    pub fn matrix(&mut self) -> Result<Vec<Vec<f32>>> {
        self.need_sign('[')?;
        let mut rows = vec![self.vector()?];
        while self.take_sign(',')? {
            let at = self.token.at;
            let row = self.vector()?;
            if rows.first().is_some_and(|first| first.len() != row.len()) {
                let first = rows.first().map_or(0, Vec::len);
                let why = format!("a token of {} numbers, and the first one has {first}", row.len());
                return Err(Refused::new(at, why));
            }
            rows.push(row);
        }
        self.need_sign(']')?;
        Ok(rows)
    }

    /// One number, or a vector.
    pub fn one_or_more(&mut self) -> Result<Vec<f32>> {
        if matches!(self.token.kind, Kind::Number(_)) {
            return Ok(vec![self.single()?]);
        }
        self.tried.push(Expected::Thing("a number"));
        self.vector()
    }

    /// A string or an integer.
    pub fn id(&mut self) -> Result<Key> {
        let what = Expected::Thing("an id");
        match self.token.kind {
            Kind::Str(_) => self.string(what).map(Key::from),
            Kind::Number(_) => self.number("an id, which is a string or an integer of 64 bits").map(Key::Int),
            _ => Err(self.lacks(what)),
        }
    }

    pub fn ids(&mut self) -> Result<Vec<Key>> {
        let mut all = vec![self.id()?];
        while self.take_sign(',')? {
            all.push(self.id()?);
        }
        Ok(all)
    }

    /// A JSON object.
    pub fn object(&mut self) -> Result<Value> {
        let Kind::Object(text) = self.token.kind else {
            return Err(self.lacks(Expected::Thing("an object such as `{\"lang\": \"en\"}`")));
        };
        let value = serde_json::from_str(text).map_err(|e| {
            let why = e.to_string();
            let why = why.split(" at line ").next().unwrap_or(&why);
            Refused::new(self.token.at + offset(text, e.line(), e.column()), format!("JSON: {why}"))
                .hint("in JSON, names and strings take double quotes")
        })?;
        self.advance()?;
        Ok(value)
    }

    /// `a.b[0]`, as it is written.
    pub fn path(&mut self, what: Expected) -> Result<String> {
        let mut path = self.segment(what)?;
        loop {
            if self.token.kind == Kind::Sign('.') {
                self.advance()?;
                path.push('.');
                path += &self.segment(Expected::Thing("a name"))?;
            } else if self.token.kind == Kind::Sign('[') {
                self.advance()?;
                path += &format!("[{}]", self.count("the number of an element")?);
                self.need_sign(']')?;
            } else {
                return Ok(path);
            }
        }
    }

    fn segment(&mut self, what: Expected) -> Result<String> {
        let segment = match self.token.kind {
            Kind::Word(text) => text.to_string(),
            Kind::Quoted(text) => format!("\"{text}\""),
            _ => return Err(self.lacks(what)),
        };
        self.advance()?;
        Ok(segment)
    }

    /// `5ms`
    pub fn duration(&mut self) -> Result<Duration> {
        let (at, what) = (self.token.at, Expected::Thing("a time such as `5ms`"));
        let Kind::Number(text) = self.token.kind else { return Err(self.lacks(what)) };
        self.advance()?;
        let unit = self.need_choice(&UNITS)?;
        let nanos = nanos(text, unit).filter(|nanos| *nanos < LONGEST);
        nanos.map(Duration::from_nanos).ok_or_else(|| {
            Refused::new(at, "a time is a number without exponent, not negative, and shorter than 30 years")
        })
    }
}

/// So many of a unit in whole nanoseconds, exactly: a time is printed and read again as the same.
fn nanos(number: &str, unit: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    // Digits behind the twelfth are less than a nanosecond of any unit.
    let part = part.get(..part.len().min(PLACES)).unwrap_or_default();
    let scale = 10_u128.pow(part.len() as u32);
    let digits: u128 = format!("{whole}{part}").parse().ok()?;
    let nanos = digits.checked_mul(u128::from(unit))?.checked_add(scale / 2)? / scale;
    u64::try_from(nanos).ok()
}

/// The byte of a line and column that are counted from 1, as serde_json does, columns in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    text.floor_char_boundary((before + column.saturating_sub(1)).min(text.len().saturating_sub(1)))
}

//! Which rows satisfy a test of the elements of arrays at one path.
//!
//! A comparison is satisfied by a row one of whose elements satisfies it: the rows of all values that do, and those with an
//! array or object in the array where the test holds for values of a type that no literal has. `exists` and `is null`
//! look at no element.
//!
//! Reads from: a segment's elements: values, by binary search, and their rows. Writes to: nothing.
//! Never: a document; rows with a value that only the document has are told apart.

use std::ops::Range;

use foretaste_storage::Result;
use foretaste_storage::section::columns::{ColumnKind, ColumnValue};
use foretaste_storage::section::elements::ElementsView;

use super::rows::{RowSet, set, words_for};
use super::spans::{Sorted, spans};
use crate::lang::{Condition, Value};

/// Of how many values a lower bound of the rows looks at their rows one by one.
const LOOKED_AT: usize = 16;

/// A test of the elements at a path.
#[derive(Debug)]
pub(super) struct Elements<'a> {
    view: ElementsView<'a>,
    wanted: Wanted,
    /// At least and at most how many rows pass.
    counts: (u64, u64),
}

#[derive(Debug)]
enum Wanted {
    /// Rows with something there, null or not.
    There,
    /// Rows with something there that is not null.
    Held,
    /// Rows with nothing there, or null.
    NotHeld,
    /// Rows with one of these values, by number: ascending, apart from each other, none empty.
    Values {
        spans: Vec<Range<u32>>,
        /// And those with an array or object among the elements.
        opaque: bool,
    },
}

/// The values of one type.
struct OfKind<'a> {
    view: ElementsView<'a>,
    kind: ColumnKind,
    first: u32,
    len: u32,
}

impl<'a> OfKind<'a> {
    fn new(view: ElementsView<'a>, kind: ColumnKind) -> OfKind<'a> {
        let values = view.values(kind);
        OfKind { view, kind, first: values.start, len: values.end - values.start }
    }
}

impl Sorted for OfKind<'_> {
    fn kind(&self) -> ColumnKind {
        self.kind
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn value(&self, position: u32) -> Result<ColumnValue<'_>> {
        self.view.value(self.first + position)
    }

    fn partition(&self, positions: Range<u32>, before: impl FnMut(&ColumnValue<'_>) -> bool) -> Result<u32> {
        let values = self.first + positions.start..self.first + positions.end;
        Ok(self.view.partition(values, before)? - self.first)
    }
}

impl<'a> Elements<'a> {
    /// Finds the values that satisfy `condition`.
    pub fn new(view: ElementsView<'a>, condition: &Condition) -> Result<Elements<'a>> {
        let (rows, held) = (u64::from(view.rows()), u64::from(view.held()));
        let known = |wanted, count| Ok(Elements { view, wanted, counts: (count, count) });
        match condition {
            Condition::Exists => return known(Wanted::There, held + u64::from(view.nulls())),
            Condition::IsNull { negated: true } => return known(Wanted::Held, held),
            Condition::IsNull { negated: false } => return known(Wanted::NotHeld, rows - held),
            _ => {}
        }
        let mut found: Vec<Range<u32>> = Vec::new();
        for kind in [ColumnKind::Bool, ColumnKind::Int, ColumnKind::Float, ColumnKind::Str] {
            let sorted = OfKind::new(view, kind);
            for span in spans(&sorted, condition)? {
                let span = sorted.first + span.start..sorted.first + span.end;
                match found.last_mut() {
                    Some(last) if last.end == span.start => last.end = span.end,
                    _ => found.push(span),
                }
            }
        }
        let opaque = condition.holds(&Value::Object);
        let counts = counts(&view, &found, opaque)?;
        Ok(Elements { view, wanted: Wanted::Values { spans: found, opaque }, counts })
    }

    /// At least and at most how many rows pass.
    pub fn counts(&self) -> (u64, u64) {
        self.counts
    }

    /// The rows that surely pass.
    pub fn sure(&self) -> Result<RowSet> {
        let rows = self.view.rows();
        let Wanted::Values { spans, opaque } = &self.wanted else { return self.present() };
        let (mut list, mut words) = (Vec::new(), Vec::new());
        match RowSet::is_list(rows, self.counts.1) {
            true => self.gather(spans, *opaque, |row| list.push(row))?,
            false => {
                words = vec![0; words_for(rows)];
                self.gather(spans, *opaque, |row| set(&mut words, row))?;
            }
        }
        Ok(if words.is_empty() { RowSet::of_rows(rows, list) } else { RowSet::of_words(rows, words) })
    }

    /// The rows whose documents have to be asked, if they are not sure already.
    pub fn unsure(&self) -> Result<RowSet> {
        let mut list = Vec::new();
        if let Wanted::Values { .. } = self.wanted {
            self.view.partial_rows(|row| list.push(row))?;
        }
        Ok(RowSet::of_rows(self.view.rows(), list))
    }

    fn gather(&self, spans: &[Range<u32>], opaque: bool, mut each: impl FnMut(u32)) -> Result<()> {
        spans.iter().try_for_each(|span| self.view.value_rows(span.clone(), &mut each))?;
        if opaque { self.view.opaque_rows(each) } else { Ok(()) }
    }

    /// The rows that have something there, or that have not.
    fn present(&self) -> Result<RowSet> {
        let rows = self.view.rows();
        let bits = self.view.held_bits()?.as_chunks::<8>().0;
        let mut words: Vec<u64> = bits.iter().map(|word| u64::from_le_bytes(*word)).collect();
        if let Wanted::There = self.wanted {
            self.view.null_rows(|row| set(&mut words, row))?;
        }
        let held = RowSet::of_words(rows, words);
        Ok(if let Wanted::NotHeld = self.wanted { held.complement() } else { held })
    }
}

/// At least and at most how many rows have one of these values.
fn counts(view: &ElementsView<'_>, spans: &[Range<u32>], opaque: bool) -> Result<(u64, u64)> {
    let (mut pairs, mut least) = (0, 0);
    for span in spans {
        pairs += u64::from(view.count(span.clone())?);
    }
    for value in spans.iter().cloned().flatten().take(LOOKED_AT) {
        least = least.max(u64::from(view.count(value..value + 1)?));
    }
    let opaque = if opaque { u64::from(view.opaque()) } else { 0 };
    // No row is counted more often than it has values.
    least = least.max(pairs.div_ceil(u64::from(view.most().max(1)))).max(opaque);
    let most = (pairs + opaque + u64::from(view.partial())).min(u64::from(view.held()));
    Ok((least.min(most), most))
}

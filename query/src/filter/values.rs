//! Which rows of one indexed column satisfy a test: ranges of positions in the column's order.
//!
//! Reads from: a column's values, by binary search, and its order. Writes to: nothing.
//! Never: a document; rows whose value only the document has are told apart.

use std::cmp::Ordering;
use std::ops::Range;

use foretaste_storage::Result;
use foretaste_storage::section::columns::order::OrderView;
use foretaste_storage::section::columns::{ColumnKind, ColumnValue, ColumnView};

use super::rows::{RowSet, set, words_for};
use super::spans::{Sorted, common, one, spans};
use crate::lang::Condition;

/// The rows of a column that satisfy a test, or any combination of tests of this column.
#[derive(Debug, Clone)]
pub(super) struct Values<'a> {
    pub column: ColumnView<'a>,
    pub order: OrderView<'a>,
    /// Positions in the order: ascending, apart from each other, none empty. Where one begins or ends, so does a value.
    spans: Vec<Range<u32>>,
    /// Whether rows that say null satisfy it.
    nulls: bool,
    /// Whether rows without anything there satisfy it.
    missing: bool,
    /// Whether rows whose value the column does not hold satisfy it; `None` where their documents have to be asked.
    others: Option<bool>,
}

/// A column in the order of its values.
struct InOrder<'a>(ColumnView<'a>, OrderView<'a>);

impl Sorted for InOrder<'_> {
    fn kind(&self) -> ColumnKind {
        self.0.kind()
    }

    fn len(&self) -> u32 {
        self.1.values()
    }

    fn value(&self, position: u32) -> Result<ColumnValue<'_>> {
        self.0.value(self.1.row(position)?)
    }

    fn partition(&self, positions: Range<u32>, before: impl FnMut(&ColumnValue<'_>) -> bool) -> Result<u32> {
        self.1.partition(&self.0, positions, before)
    }
}

impl<'a> Values<'a> {
    /// Finds the values that satisfy `condition`.
    pub fn new(column: ColumnView<'a>, order: OrderView<'a>, condition: &Condition) -> Result<Values<'a>> {
        let all = || if order.values() == 0 { Vec::new() } else { one(0..order.values()) };
        let of = |spans, nulls, missing, others| Values { column, order, spans, nulls, missing, others };
        Ok(match condition {
            Condition::Exists => of(all(), true, false, Some(true)),
            Condition::IsNull { negated: false } => of(Vec::new(), true, true, Some(false)),
            Condition::IsNull { negated: true } => of(all(), false, false, Some(true)),
            condition => of(spans(&InOrder(column, order), condition)?, false, false, None),
        })
    }

    /// Whether both are of one column.
    pub fn same_column(&self, other: &Values<'_>) -> bool {
        self.column.name() == other.column.name()
    }

    /// The rows that satisfy both, which are of one column.
    pub fn and(mut self, other: &Values<'a>) -> Values<'a> {
        self.spans = common(&self.spans, &other.spans);
        self.nulls &= other.nulls;
        self.missing &= other.missing;
        self.others = match (self.others, other.others) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
        self
    }

    /// The rows that satisfy one or both, which are of one column.
    pub fn or(self, other: &Values<'a>) -> Values<'a> {
        self.not().and(&other.clone().not()).not()
    }

    /// The rows that do not satisfy it.
    pub fn not(mut self) -> Values<'a> {
        self.spans = self.gaps();
        self.nulls = !self.nulls;
        self.missing = !self.missing;
        self.others = self.others.map(|others| !others);
        self
    }

    /// Fewest and most rows that satisfy it.
    pub fn counts(&self) -> (u64, u64) {
        let missing = self.missing_rows();
        let others = u64::from(self.order.others());
        let mut sure: u64 = self.spans.iter().map(|s| u64::from(s.end - s.start)).sum();
        for (holds, count) in [
            (self.nulls, u64::from(self.order.nulls())),
            (self.missing, missing),
            (self.others == Some(true), others),
        ] {
            sure += if holds { count } else { 0 };
        }
        (sure, sure + if self.others.is_none() { others } else { 0 })
    }

    /// The rows that surely satisfy it.
    pub fn sure(&self) -> Result<RowSet> {
        if self.missing && self.missing_rows() > 0 {
            // What is missing stands in no list. Rows that are not sure count here as rows that satisfy the rest.
            let mut rest = self.clone().not();
            rest.others = Some(self.others != Some(true));
            return Ok(rest.sure()?.complement());
        }
        let rows = self.column.rows();
        let (count, _) = self.counts();
        if RowSet::is_list(rows, count) {
            let mut list = Vec::with_capacity(count as usize);
            self.spans.iter().try_for_each(|s| self.order.rows(s.clone(), |row| list.push(row)))?;
            self.lists(|row| list.push(row))?;
            return Ok(RowSet::of_rows(rows, list));
        }
        let gaps = self.gaps();
        let mut words = vec![0; words_for(rows)];
        if self.cost(&gaps) + u64::from(self.order.others()) < self.cost(&self.spans) {
            let validity = self.column.validity()?.chunks_exact(8);
            let valid = validity.map(|w| w.try_into().map(u64::from_le_bytes).unwrap_or_default());
            words.iter_mut().zip(valid).for_each(|(word, valid)| *word = valid);
            let mut without = vec![0; words.len()];
            self.gather(&gaps, &mut without)?;
            // A NaN is a value that is valid, and stands here.
            self.order.other_rows(|row| set(&mut without, row))?;
            words.iter_mut().zip(&without).for_each(|(word, without)| *word &= !without);
        } else {
            self.gather(&self.spans, &mut words)?;
        }
        self.lists(|row| set(&mut words, row))?;
        Ok(RowSet::of_words(rows, words))
    }

    /// The rows whose documents have to be asked.
    pub fn unsure(&self) -> Result<RowSet> {
        let mut list = Vec::new();
        if self.others.is_none() {
            self.order.other_rows(|row| list.push(row))?;
        }
        Ok(RowSet::of_rows(self.column.rows(), list))
    }

    /// What is asked of single rows: the least and greatest value of each span.
    pub fn bounds(&self) -> Result<Vec<(ColumnValue<'a>, ColumnValue<'a>)>> {
        let value = |position| self.column.value(self.order.row(position)?);
        self.spans.iter().map(|s| Ok((value(s.start)?, value(s.end - 1)?))).collect()
    }

    /// Whether `row` satisfies it; `None` where its document has to be asked. `bounds` are [`Values::bounds`].
    pub fn probe(&self, bounds: &[(ColumnValue<'a>, ColumnValue<'a>)], row: u32) -> Result<Option<bool>> {
        let value = self.column.get(row)?;
        if value == ColumnValue::Null {
            return Ok(match (self.order.is_null(row)?, self.order.is_other(row)?) {
                (true, _) => Some(self.nulls),
                (_, true) => self.others,
                _ => Some(self.missing),
            });
        }
        if value.order(&value).is_none() {
            return Ok(self.others);
        }
        let place = bounds.partition_point(|(_, last)| last.order(&value) == Some(Ordering::Less));
        let within = |(first, _): &(ColumnValue<'_>, _)| first.order(&value) != Some(Ordering::Greater);
        Ok(Some(bounds.get(place).is_some_and(within)))
    }

    fn missing_rows(&self) -> u64 {
        let counts = [self.order.values(), self.order.nulls(), self.order.others()];
        u64::from(self.column.rows()) - counts.iter().map(|c| u64::from(*c)).sum::<u64>()
    }

    /// Calls `each` with the rows outside the order that satisfy it, but for those where something is missing.
    fn lists(&self, mut each: impl FnMut(u32)) -> Result<()> {
        if self.nulls {
            self.order.null_rows(&mut each)?;
        }
        if self.others == Some(true) {
            self.order.other_rows(&mut each)?;
        }
        Ok(())
    }

    /// The positions between the spans.
    fn gaps(&self) -> Vec<Range<u32>> {
        let starts = std::iter::once(0).chain(self.spans.iter().map(|s| s.end));
        let ends = self.spans.iter().map(|s| s.start).chain([self.order.values()]);
        starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| start..end).collect()
    }

    /// What gathering the rows of `spans` costs, in rows set one by one.
    fn cost(&self, spans: &[Range<u32>]) -> u64 {
        let words = words_for(self.column.rows()) as u64;
        let of = |part: Part| match part {
            Part::Rows(rows) => u64::from(rows.end - rows.start),
            // Eight words are combined in the time of about one row.
            Part::Bits(_) => words / 8,
        };
        self.parts(spans).map(of).sum()
    }

    /// Sets the bits of the rows of `spans`.
    fn gather(&self, spans: &[Range<u32>], words: &mut [u64]) -> Result<()> {
        for part in self.parts(spans) {
            match (part, self.order.dense()) {
                (Part::Bits(run), Some(dense)) => {
                    let bits = dense.bits(run)?.chunks_exact(8);
                    let bits = bits.map(|w| w.try_into().map(u64::from_le_bytes).unwrap_or_default());
                    words.iter_mut().zip(bits).for_each(|(word, bits)| *word |= bits);
                }
                (Part::Rows(rows), _) => self.order.rows(rows, |row| set(words, row))?,
                (Part::Bits(_), None) => {}
            }
        }
        Ok(())
    }

    /// Cuts `spans` into runs that are kept as bits, and what lies between them.
    fn parts(&self, spans: &[Range<u32>]) -> impl Iterator<Item = Part> {
        let runs = self.order.dense().map_or(&[][..], |dense| dense.runs());
        let mut parts = Vec::with_capacity(spans.len());
        for span in spans {
            let mut at = span.start;
            let first = runs.partition_point(|run| run.start < span.start);
            for (run, number) in runs.iter().zip(0..).skip(first).take_while(|(run, _)| run.end <= span.end) {
                parts.extend((at < run.start).then_some(Part::Rows(at..run.start)));
                parts.push(Part::Bits(number));
                at = run.end;
            }
            parts.extend((at < span.end).then_some(Part::Rows(at..span.end)));
        }
        parts.into_iter()
    }
}

/// A piece of a span.
enum Part {
    /// A frequent value, by the number of its run.
    Bits(usize),
    /// Positions in the order.
    Rows(Range<u32>),
}

//! Which values of a sorted list satisfy a comparison: ranges of positions, found by binary search.
//!
//! Reads from: sorted values. Writes to: nothing. Never: a row.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use foretaste_storage::Result;
use foretaste_storage::section::columns::{ColumnKind, ColumnValue};

use crate::lang::{Condition, Literal, Op, Scalar, Value, order};

/// Values of one type at positions from 0, ascending.
pub(super) trait Sorted {
    /// Their type.
    fn kind(&self) -> ColumnKind;

    /// How many there are.
    fn len(&self) -> u32;

    /// The value at a position.
    fn value(&self, position: u32) -> Result<ColumnValue<'_>>;

    /// The first of `positions` for whose value `before` does not hold, or their end. It must hold for all values up to
    /// some point and for none from there on.
    fn partition(&self, positions: Range<u32>, before: impl FnMut(&ColumnValue<'_>) -> bool) -> Result<u32>;
}

/// A stored value as a filter sees it.
pub(super) fn seen<'v>(value: &ColumnValue<'v>) -> Value<'v> {
    match value {
        ColumnValue::Null => Value::Null,
        ColumnValue::Bool(b) => Value::Bool(*b),
        ColumnValue::Int(i) => Value::Int(*i),
        ColumnValue::Float(x) => Value::Float(*x),
        ColumnValue::Str(s) => Value::Str(Cow::Borrowed(s)),
    }
}

/// The positions whose values satisfy a comparison: ascending, apart from each other, none empty.
pub(super) fn spans(sorted: &impl Sorted, condition: &Condition) -> Result<Vec<Range<u32>>> {
    let all = sorted.len();
    let fits = |literal: &Literal| {
        matches!(
            (sorted.kind(), &literal.scalar),
            (ColumnKind::Bool, Scalar::Bool(_))
                | (ColumnKind::Int | ColumnKind::Float, Scalar::Int(_) | Scalar::Float(_))
                | (ColumnKind::Str, Scalar::Str(_))
        )
    };
    // The first position whose value is not less, and the first that is greater.
    let from =
        |literal: &Literal| sorted.partition(0..all, |v| order(&seen(v), literal) == Some(Ordering::Less));
    let beyond =
        |literal: &Literal| sorted.partition(0..all, |v| order(&seen(v), literal) != Some(Ordering::Greater));
    let equal = |literal: &Literal| -> Result<Range<u32>> {
        let start = from(literal)?;
        let is = |v: &ColumnValue<'_>| order(&seen(v), literal) == Some(Ordering::Equal);
        // Few rows are equal, mostly: the end is looked for in steps that double.
        let (mut low, mut step) = (start, 1);
        let next = |low: u32, step| all.min(low.saturating_add(step));
        while next(low, step) < all && is(&sorted.value(next(low, step))?) {
            low = next(low, step);
            step = step.saturating_mul(2);
        }
        Ok(start..sorted.partition(low..next(low, step), is)?)
    };
    let mut found = match condition {
        Condition::Compare { op: Op::Ne, literal } if !fits(literal) => one(0..all),
        Condition::Compare { literal, .. } if !fits(literal) => Vec::new(),
        Condition::Compare { op, literal } => match op {
            Op::Eq => one(equal(literal)?),
            Op::Ne => {
                let equal = equal(literal)?;
                vec![0..equal.start, equal.end..all]
            }
            Op::Lt => one(0..from(literal)?),
            Op::Le => one(0..beyond(literal)?),
            Op::Gt => one(beyond(literal)?..all),
            Op::Ge => one(from(literal)?..all),
        },
        Condition::In { negated, literals } => {
            let equal = literals.iter().filter(|l| fits(l)).map(equal);
            let mut equal = equal.collect::<Result<Vec<_>>>()?;
            equal.sort_unstable_by_key(|run| run.start);
            equal.dedup();
            equal.retain(|run| !run.is_empty());
            if *negated {
                let starts = std::iter::once(0).chain(equal.iter().map(|run| run.end));
                starts.zip(equal.iter().map(|run| run.start).chain([all])).map(|(s, e)| s..e).collect()
            } else {
                equal
            }
        }
        Condition::Between { low, high } if fits(low) && fits(high) => one(from(low)?..beyond(high)?),
        Condition::StartsWith { prefix, .. } if sorted.kind() == ColumnKind::Str => {
            let text = |v: &ColumnValue<'_>, is: fn(&str, &str) -> bool| match v {
                ColumnValue::Str(s) => is(s, prefix),
                _ => false,
            };
            let start = sorted.partition(0..all, |v| text(v, |s, prefix| s < prefix))?;
            one(start..sorted.partition(start..all, |v| text(v, |s, prefix| s.starts_with(prefix)))?)
        }
        Condition::Between { .. } | Condition::StartsWith { .. } => Vec::new(),
        Condition::Exists | Condition::IsNull { .. } => Vec::new(),
    };
    found.retain(|run| run.start < run.end);
    Ok(found)
}

/// A list of one span.
pub(super) fn one(span: Range<u32>) -> Vec<Range<u32>> {
    std::iter::once(span).collect()
}

/// The positions in both lists of spans.
pub(super) fn common(a: &[Range<u32>], b: &[Range<u32>]) -> Vec<Range<u32>> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut both = Vec::new();
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let run = x.start.max(y.start)..x.end.min(y.end);
        if x.end <= y.end {
            a.next()
        } else {
            b.next()
        };
        both.extend((run.start < run.end).then_some(run));
    }
    both
}

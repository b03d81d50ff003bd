//! The plan of a filter for one segment: what its indexes know of each part, joined.
//!
//! Reads from: the filter's tree, columns, orders, which paths are missing. Writes to: nothing.
//! Never: a row set made before it is asked for.

use std::ops::RangeInclusive;

use foretaste_storage::Result;
use foretaste_storage::key::KeyRef;
use foretaste_storage::section::columns::{ColumnValue, ColumnView};

use super::Indexes;
use super::elements::Elements;
use super::probe::Probe;
use super::rows::RowSet;
use super::spans::seen;
use super::values::Values;
use crate::lang::{Condition, Expr, Filter, Op, Scalar, Subject, Test, Value};

/// Asking one row costs about as much as gathering so many from an order.
const PROBE_COST: u64 = 8;

/// A filter, planned for one segment.
#[derive(Debug)]
pub struct Plan<'a> {
    rows: u32,
    pub(super) root: Node<'a>,
}

/// The rows that pass, or that may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Every row that passes, and no other but some of [`Selection::unsure`].
    pub rows: RowSet,
    /// Those of them of which the indexes do not say whether they pass; `None` when they say it of all.
    pub unsure: Option<RowSet>,
}

/// A part of a filter. Its recursion is bounded as a filter's is.
#[derive(Debug)]
pub(super) enum Node<'a> {
    And(Vec<Node<'a>>),
    Or(Vec<Node<'a>>),
    Not(Box<Node<'a>>),
    /// Tests of a column with an order.
    Values(Values<'a>),
    /// A test of the elements of arrays.
    Elements(Elements<'a>),
    /// A test of a column without one.
    Scan(ColumnView<'a>, &'a Condition),
    /// These rows, by their keys.
    Keys(Vec<u32>),
    /// All rows, or none.
    Always(bool),
    /// Nothing is known of any row.
    Unknown,
}

/// What is known of a part: the rows that surely pass, and those that may besides; no row is in both.
struct Bounds {
    sure: RowSet,
    unsure: RowSet,
}

impl<'a> Plan<'a> {
    /// Looks up what `indexes` know of `filter`. It costs some binary searches for each test.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    pub fn new(filter: &'a Filter, indexes: &'a dyn Indexes) -> Result<Plan<'a>> {
        Ok(Plan { rows: indexes.rows(), root: node(filter.expr(), indexes)? })
    }

    /// At least and at most how many rows pass, deleted ones among them; they are the same when the indexes know
    /// everything of one test. Nothing is read for it.
    pub fn estimate(&self) -> RangeInclusive<u64> {
        let (least, most) = self.root.counts(u64::from(self.rows));
        least..=most
    }

    /// Whether the indexes say nothing: every row has to be asked.
    pub fn is_blind(&self) -> bool {
        matches!(self.root, Node::Unknown)
    }

    /// Whether some part cannot be asked of single rows without gathering all rows that pass it, as is so of elements of
    /// arrays: then [`Plan::select`] costs no more than [`Plan::probe`].
    pub fn is_gathered(&self) -> bool {
        self.root.is_gathered()
    }

    /// The filter, ready to be asked of single rows.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    pub fn probe(&self) -> Result<Probe<'_>> {
        Probe::new(self)
    }

    /// The rows that pass, as far as the indexes know.
    ///
    /// # Errors
    /// `Corrupt` when what it meets is damaged; `Io`.
    pub fn select(&self) -> Result<Selection> {
        let Bounds { sure, unsure } = self.root.bounds(self.rows)?;
        if unsure.is_empty() {
            return Ok(Selection { rows: sure, unsure: None });
        }
        Ok(Selection { rows: sure.or(&unsure), unsure: Some(unsure) })
    }
}

impl Selection {
    /// Asks `passes` of each row that is not sure, ascending, and gives the rows that pass.
    ///
    /// # Errors
    /// Those of `passes`.
    pub fn settle<E>(
        self,
        mut passes: impl FnMut(u32) -> std::result::Result<bool, E>,
    ) -> std::result::Result<RowSet, E> {
        let Some(unsure) = self.unsure else { return Ok(self.rows) };
        let mut refused = Vec::new();
        for row in unsure.iter() {
            if !passes(row)? {
                refused.push(row);
            }
        }
        Ok(self.rows.minus(&RowSet::of_rows(unsure.rows(), refused)))
    }
}

fn node<'a>(expr: &'a Expr, indexes: &'a dyn Indexes) -> Result<Node<'a>> {
    let nodes = |parts: &'a [Expr]| parts.iter().map(|part| node(part, indexes)).collect::<Result<Vec<_>>>();
    Ok(match expr {
        Expr::And(parts) => join(nodes(parts)?, false),
        Expr::Or(parts) => join(nodes(parts)?, true),
        Expr::Not(part) => node(part, indexes)?.not(),
        Expr::Test(test) => match &test.subject {
            Subject::Key => keys(test, indexes)?,
            Subject::Path(path) => match (indexes.column(path), indexes.elements(path)) {
                // Known without a document: what the language says of a missing field.
                (None, Some(elements)) => Node::Elements(Elements::new(elements, &test.condition)?),
                (None, None) if indexes.is_missing(path) => {
                    Node::Always(test.condition.holds(&Value::Missing))
                }
                (None, None) => Node::Unknown,
                (Some(column), _) => match column.order() {
                    Some(order) => Node::Values(Values::new(column, order, &test.condition)?),
                    None => Node::Scan(column, &test.condition),
                },
            },
        },
    })
}

/// The parts joined by `or`, otherwise by `and`: those of one column become one.
fn join(parts: Vec<Node<'_>>, or: bool) -> Node<'_> {
    let mut joined: Vec<Node<'_>> = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Node::Always(always) if always == or => return part,
            Node::Always(_) => continue,
            Node::Unknown if joined.iter().any(|n| matches!(n, Node::Unknown)) => continue,
            Node::Values(values) => {
                let same = joined.iter_mut().find_map(|node| match node {
                    Node::Values(other) if other.same_column(&values) => Some(other),
                    _ => None,
                });
                match same {
                    Some(other) if or => *other = other.clone().or(&values),
                    Some(other) => *other = other.clone().and(&values),
                    None => joined.push(Node::Values(values)),
                }
            }
            part => joined.push(part),
        }
    }
    match joined.pop() {
        None => Node::Always(!or),
        Some(only) if joined.is_empty() => only,
        Some(last) => {
            joined.push(last);
            if or { Node::Or(joined) } else { Node::And(joined) }
        }
    }
}

/// A test of the key: exact where it asks for single keys.
fn keys<'a>(test: &Test, indexes: &dyn Indexes) -> Result<Node<'a>> {
    let (negated, literals) = match &test.condition {
        Condition::Exists | Condition::IsNull { negated: true } => return Ok(Node::Always(true)),
        Condition::IsNull { negated: false } => return Ok(Node::Always(false)),
        Condition::Compare { op: Op::Eq, literal } => (false, std::slice::from_ref(literal)),
        Condition::Compare { op: Op::Ne, literal } => (true, std::slice::from_ref(literal)),
        Condition::In { negated, literals } => (*negated, &literals[..]),
        Condition::Compare { .. } | Condition::Between { .. } | Condition::StartsWith { .. } => {
            return Ok(Node::Unknown);
        }
    };
    let mut rows = Vec::new();
    for literal in literals {
        let key = match &literal.scalar {
            Scalar::Int(i) => KeyRef::Int(*i),
            // Every i64 is less than 2^63, which no cast gives back.
            Scalar::Float(x) if (*x as i64) as f64 == *x && *x < i64::MAX as f64 => KeyRef::Int(*x as i64),
            Scalar::Str(s) => KeyRef::Str(s),
            Scalar::Bool(_) | Scalar::Float(_) => continue,
        };
        rows.extend(indexes.find(key)?);
    }
    let node = Node::Keys(rows);
    Ok(if negated { node.not() } else { node })
}

impl<'a> Node<'a> {
    fn not(self) -> Node<'a> {
        match self {
            Node::Values(values) => Node::Values(values.not()),
            Node::Always(always) => Node::Always(!always),
            Node::Unknown => Node::Unknown,
            Node::Not(part) => *part,
            part => Node::Not(Box::new(part)),
        }
    }

    fn is_gathered(&self) -> bool {
        match self {
            Node::And(parts) | Node::Or(parts) => parts.iter().any(Node::is_gathered),
            Node::Not(part) => part.is_gathered(),
            Node::Elements(_) => true,
            _ => false,
        }
    }

    /// At least and at most how many of `rows` rows pass.
    fn counts(&self, rows: u64) -> (u64, u64) {
        let all = |parts: &[Node<'_>]| parts.iter().map(|part| part.counts(rows)).collect::<Vec<_>>();
        match self {
            Node::And(parts) => {
                let (mut refused, mut most) = (0u64, rows);
                for (least, at_most) in all(parts) {
                    refused = refused.saturating_add(rows - least.min(rows));
                    most = most.min(at_most);
                }
                (rows.saturating_sub(refused), most)
            }
            Node::Or(parts) => {
                let (mut least, mut most) = (0, 0u64);
                for (at_least, at_most) in all(parts) {
                    least = at_least.max(least);
                    most = most.saturating_add(at_most);
                }
                (least, most.min(rows))
            }
            Node::Not(part) => {
                let (least, most) = part.counts(rows);
                (rows - most.min(rows), rows - least.min(rows))
            }
            Node::Values(values) => values.counts(),
            Node::Elements(elements) => elements.counts(),
            Node::Keys(found) => (u64::from(!found.is_empty()), found.len() as u64),
            Node::Always(always) => {
                if *always {
                    (rows, rows)
                } else {
                    (0, 0)
                }
            }
            Node::Scan(..) | Node::Unknown => (0, rows),
        }
    }

    fn bounds(&self, rows: u32) -> Result<Bounds> {
        let none = || RowSet::none(rows);
        Ok(match self {
            Node::And(parts) => return and(parts, rows),
            Node::Or(parts) => {
                let mut any = Bounds { sure: none(), unsure: none() };
                for part in parts {
                    let part = part.bounds(rows)?;
                    any.sure = any.sure.or(&part.sure);
                    any.unsure = any.unsure.or(&part.unsure);
                }
                any.unsure = any.unsure.minus(&any.sure);
                any
            }
            Node::Not(part) => {
                let Bounds { sure, unsure } = part.bounds(rows)?;
                Bounds { sure: sure.or(&unsure).complement(), unsure }
            }
            Node::Values(values) => Bounds { sure: values.sure()?, unsure: values.unsure()? },
            Node::Elements(elements) => {
                let sure = elements.sure()?;
                Bounds { unsure: elements.unsure()?.minus(&sure), sure }
            }
            Node::Keys(found) => Bounds { sure: RowSet::of_rows(rows, found.clone()), unsure: none() },
            Node::Always(true) => Bounds { sure: RowSet::all(rows), unsure: none() },
            Node::Always(false) => Bounds { sure: none(), unsure: none() },
            Node::Unknown => Bounds { sure: none(), unsure: RowSet::all(rows) },
            Node::Scan(..) => ask(self, 0..rows, rows)?,
        })
    }
}

/// The rows that pass all parts. The most selective goes first; when it leaves few rows, those are asked one by one
/// instead of gathering what passes the others.
fn and(parts: &[Node<'_>], rows: u32) -> Result<Bounds> {
    let mut parts: Vec<(u64, &Node<'_>)> =
        parts.iter().map(|part| (part.counts(u64::from(rows)).1, part)).collect();
    // What scans or knows nothing goes last.
    parts.sort_by_key(|(most, part)| (matches!(part, Node::Scan(..) | Node::Unknown), *most));
    let mut parts = parts.into_iter();
    let mut all = match parts.next() {
        Some((_, part)) => part.bounds(rows)?,
        None => Bounds { sure: RowSet::all(rows), unsure: RowSet::none(rows) },
    };
    for (most, part) in parts {
        let left = u64::from(all.sure.len()) + u64::from(all.unsure.len());
        let worth = matches!(part, Node::Values(_) | Node::Scan(..)) && left * PROBE_COST < most;
        let next = match worth {
            true => ask(part, all.sure.iter().chain(all.unsure.iter()), rows)?,
            false => part.bounds(rows)?,
        };
        if all.unsure.is_empty() && next.unsure.is_empty() {
            all.sure = all.sure.and(&next.sure);
            continue;
        }
        let may = next.sure.clone().or(&next.unsure);
        let maybe = all.sure.clone().or(&all.unsure).and(&may);
        all.sure = all.sure.and(&next.sure);
        all.unsure = maybe.minus(&all.sure);
    }
    Ok(all)
}

/// Asks the columns row by row, of those in `among`.
fn ask(node: &Node<'_>, among: impl Iterator<Item = u32>, rows: u32) -> Result<Bounds> {
    let (mut sure, mut unsure) = (Vec::new(), Vec::new());
    let bounds = match node {
        Node::Values(values) => values.bounds()?,
        _ => Vec::new(),
    };
    for row in among {
        let passes = match node {
            Node::Values(values) => values.probe(&bounds, row)?,
            Node::Scan(column, condition) => match column.get(row)? {
                // It does not tell null from missing.
                ColumnValue::Null => None,
                value => Some(condition.holds(&seen(&value))),
            },
            _ => None,
        };
        match passes {
            Some(true) => sure.push(row),
            Some(false) => {}
            None => unsure.push(row),
        }
    }
    Ok(Bounds { sure: RowSet::of_rows(rows, sure), unsure: RowSet::of_rows(rows, unsure) })
}

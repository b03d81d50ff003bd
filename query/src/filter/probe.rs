//! A planned filter asked of single rows.
//!
//! Reads from: a plan, the values of columns. Writes to: nothing.
//! Never: a document; it says which rows have to be asked for theirs.

use foretaste_storage::Result;
use foretaste_storage::section::columns::{ColumnValue, ColumnView};

use super::plan::{Node, Plan};
use super::rows::RowSet;
use super::spans::seen;
use super::values::Values;
use crate::lang::Condition;

/// A filter that can be asked of one row after the other, in any order.
#[derive(Debug)]
pub struct Probe<'a> {
    root: Part<'a>,
}

#[derive(Debug)]
enum Part<'a> {
    And(Vec<Part<'a>>),
    Or(Vec<Part<'a>>),
    Not(Box<Part<'a>>),
    /// With the least and greatest value of each span.
    Values(&'a Values<'a>, Vec<(ColumnValue<'a>, ColumnValue<'a>)>),
    /// The rows that pass, and those of which nothing is known.
    Rows(RowSet, RowSet),
    Scan(ColumnView<'a>, &'a Condition),
    Keys(&'a [u32]),
    Always(bool),
    Unknown,
}

impl<'a> Probe<'a> {
    pub(super) fn new(plan: &'a Plan<'_>) -> Result<Probe<'a>> {
        Ok(Probe { root: part(&plan.root)? })
    }

    /// Whether `row` passes; `None` where its document has to be asked.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row or what it meets is damaged; `Io`.
    #[inline]
    pub fn passes(&self, row: u32) -> Result<Option<bool>> {
        self.root.passes(row)
    }
}

fn part<'a>(node: &'a Node<'_>) -> Result<Part<'a>> {
    let parts = |nodes: &'a [Node<'_>]| nodes.iter().map(part).collect::<Result<Vec<_>>>();
    Ok(match node {
        Node::And(nodes) => Part::And(parts(nodes)?),
        Node::Or(nodes) => Part::Or(parts(nodes)?),
        Node::Not(node) => Part::Not(Box::new(part(node)?)),
        Node::Values(values) => Part::Values(values, values.bounds()?),
        Node::Elements(elements) => Part::Rows(elements.sure()?.into_bits(), elements.unsure()?),
        Node::Scan(column, condition) => Part::Scan(*column, condition),
        Node::Keys(rows) => Part::Keys(rows),
        Node::Always(always) => Part::Always(*always),
        Node::Unknown => Part::Unknown,
    })
}

impl Part<'_> {
    fn passes(&self, row: u32) -> Result<Option<bool>> {
        Ok(match self {
            Part::And(parts) => join(parts, row, false)?,
            Part::Or(parts) => join(parts, row, true)?,
            Part::Not(part) => part.passes(row)?.map(|passes| !passes),
            Part::Values(values, bounds) => values.probe(bounds, row)?,
            Part::Scan(column, condition) => match column.get(row)? {
                // It does not tell null from missing.
                ColumnValue::Null => None,
                value => Some(condition.holds(&seen(&value))),
            },
            Part::Rows(sure, _) if sure.contains(row) => Some(true),
            Part::Rows(_, unsure) => (!unsure.contains(row)).then_some(false),
            Part::Keys(rows) => Some(rows.contains(&row)),
            Part::Always(always) => Some(*always),
            Part::Unknown => None,
        })
    }
}

/// Whether any part passes, or whether all do: `settled` is what one part alone decides.
fn join(parts: &[Part<'_>], row: u32, settled: bool) -> Result<Option<bool>> {
    let mut all = Some(!settled);
    for part in parts {
        match part.passes(row)? {
            Some(passes) if passes == settled => return Ok(Some(settled)),
            Some(_) => {}
            None => all = None,
        }
    }
    Ok(all)
}

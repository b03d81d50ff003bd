//! Whether the elements at one path are what their section promises.
//!
//! Reads from: an open section. Writes to: nothing. Never: a document, so that a value which was never there is not noticed.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::section::columns::{ColumnKind, ColumnValue};
use crate::section::elements::{ElementsView, KINDS};

impl ElementsView<'_> {
    /// Calls `damaged` with the first thing that contradicts what the section promises.
    pub(crate) fn verify(&self, damaged: &mut dyn FnMut(Error)) {
        if let Err(e) = self.verify_values().and_then(|()| self.verify_rows()) {
            damaged(e);
        }
    }

    /// Whether the values of each type ascend.
    fn verify_values(&self) -> Result<()> {
        let wrong = |number: u32, why: &str| {
            Err(self.file.section.corrupt(self.file.places.numbers, format!("value {number} {why}")))
        };
        for kind in KINDS {
            let mut last: Option<ColumnValue<'_>> = None;
            for number in self.values(kind) {
                let value = self.value(number)?;
                let sound = match value {
                    ColumnValue::Float(x) => !x.is_nan(),
                    ColumnValue::Bool(_) => {
                        self.file.section.u64_at(self.file.places.numbers + 8 * u64::from(number))? <= 1
                    }
                    _ => true,
                };
                if !sound || last.is_some_and(|last| last.order(&value) != Some(Ordering::Less)) {
                    return wrong(number, "is not greater than the one before");
                }
                last = Some(value);
            }
        }
        Ok(())
    }

    /// Whether rows ascend, and stand where they may.
    fn verify_rows(&self) -> Result<()> {
        let (file, places) = (self.file, self.file.places);
        let wrong = |why: String| Err(file.section.corrupt(places.starts, why));
        let ascending = |list: &[u32], what: &str| match list.is_sorted_by(|a, b| a < b) {
            true => Ok(()),
            false => Err(file.section.corrupt(places.lists, format!("the rows of {what} do not ascend"))),
        };
        let mut counts = vec![0u32; file.rows as usize];
        let mut list = Vec::new();
        for number in 0..self.values(ColumnKind::Str).end {
            list.clear();
            self.value_rows(number..number + 1, |row| list.push(row))?;
            ascending(&list, "a value")?;
            if list.is_empty() {
                return wrong(format!("value {number} has no row"));
            }
            for row in &list {
                counts.get_mut(*row as usize).into_iter().for_each(|count| *count += 1);
            }
        }
        let most = counts.iter().copied().max().unwrap_or_default();
        if most != file.most {
            return wrong(format!("a row has {most} values, not {}", file.most));
        }
        let bits = self.held_bits()?;
        let held: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
        let beyond = (file.rows as usize..bits.len() * 8).any(|row| match bits.get(row / 8) {
            Some(byte) => byte >> (row % 8) & 1 == 1,
            None => false,
        });
        if held != file.held || beyond {
            return wrong(format!("{held} rows have something there, not {}", file.held));
        }
        for (row, count) in (0..file.rows).zip(&counts) {
            if *count > 0 && !self.is_held(row)? {
                return wrong(format!("row {row} has a value and nothing there"));
            }
        }
        let belong = |rows: Vec<u32>, what, held| -> Result<()> {
            ascending(&rows, what)?;
            for row in rows {
                if self.is_held(row)? != held {
                    return wrong(format!("row {row} does not belong to {what}"));
                }
            }
            Ok(())
        };
        let (mut null, mut opaque, mut partial) = (Vec::new(), Vec::new(), Vec::new());
        self.null_rows(|row| null.push(row))?;
        self.opaque_rows(|row| opaque.push(row))?;
        self.partial_rows(|row| partial.push(row))?;
        belong(null, "null", false)?;
        belong(opaque, "arrays and objects", true)?;
        belong(partial, "values that are not held", true)
    }
}

//! What is put together by several calls. The first of them that fails is remembered, and fails whatever uses the result: a
//! filter or a document that was refused cannot be left out in silence by a caller that does not look.
//!
//! Reads from: setters. Writes to: what uses it. Never: a failed setter forgotten.

use crate::status::{Failure, Result};

/// A value put together by several calls.
#[derive(Debug)]
pub struct Building<T> {
    value: T,
    failed: Option<Failure>,
}

impl<T> Building<T> {
    /// Nothing was said yet.
    pub fn new(value: T) -> Building<T> {
        Building { value, failed: None }
    }

    /// One more call.
    pub fn set(&mut self, change: impl FnOnce(&mut T) -> Result<()>) -> Result<()> {
        let done = change(&mut self.value);
        if let (Err(failure), None) = (&done, &self.failed) {
            self.failed = Some(failure.clone());
        }
        done
    }

    /// The result of all calls.
    pub fn get(&self) -> Result<&T> {
        match &self.failed {
            None => Ok(&self.value),
            Some(failure) => Err(failure.clone()),
        }
    }

    /// The value whatever happened, and what failed first; both begin anew.
    pub fn take(&mut self, next: T) -> (T, Option<Failure>) {
        (std::mem::replace(&mut self.value, next), self.failed.take())
    }
}

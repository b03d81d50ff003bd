//! Token matrices: one after another in the segment's `tokens` file, their offsets in its index file.
//!
//! The header's four numbers are the rows, the numbers of a token, the element type (as in a plane's header) and zero.
//!
//! Reads from: the two files. Writes to: the same, once.
//! Never: a decoded number; stored matrices go through unchanged.

use std::sync::Arc;

use crate::codec::header::Kind;
use crate::error::{Error, Result};
use crate::layout::{Element, TokenLayout};
use crate::names::{Part, TOKENS};
use crate::sealed::SealedFile;
use crate::section::Section;
use crate::section::runs::{Runs, RunsWriter, Written};
use crate::segment::Folder;
use crate::tokens::{Stored, check, check_len};

/// Writes the matrices of a segment's rows as they come.
#[derive(Debug)]
pub(crate) struct TokensWriter<'a> {
    runs: RunsWriter<'a>,
    folder: Folder<'a>,
    /// That of the first matrix.
    layout: Option<TokenLayout>,
}

impl<'a> TokensWriter<'a> {
    /// No matrix yet.
    pub(crate) fn new(folder: Folder<'a>) -> Self {
        TokensWriter { runs: RunsWriter::new(folder, Part::Tokens, Kind::Tokens), folder, layout: None }
    }

    /// Appends the matrix of the next row.
    ///
    /// # Errors
    /// `Corrupt` when it is stored in another way than those before it, or is none; `Io`.
    pub(crate) fn push(&mut self, matrix: Option<Stored<'_>>) -> Result<()> {
        let Some(Stored { layout, bytes }) = matrix else { return self.runs.push(&[]) };
        let first = *self.layout.get_or_insert(layout);
        if first != layout {
            let why = format!("matrices of {layout:?} and of {first:?}");
            return Err(self.folder.corrupt(TOKENS, why));
        }
        check_len(layout, bytes.len() as u64).map_err(|why| self.folder.corrupt(TOKENS, why))?;
        self.runs.push(&bytes)
    }

    /// Syncs the file; nothing when no row has a matrix.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn finish(self) -> Result<Option<Written>> {
        let Some(layout) = self.layout else { return Ok(None) };
        self.runs.finish([layout.dims.into(), layout.element.tag().into(), 0])
    }
}

/// The token matrices of an open segment.
#[derive(Debug)]
pub(crate) struct TokensFile {
    runs: Runs,
    layout: TokenLayout,
}

impl TokensFile {
    /// Puts the file together with its offsets, which were found to be `rows + 1`.
    ///
    /// # Errors
    /// `Corrupt` when the file is of another number of rows, or does not say how its matrices are stored.
    pub(crate) fn new(file: SealedFile, offsets: Arc<Section>, rows: u32) -> Result<TokensFile> {
        let [_, dims, tag, _] = file.aux();
        let layout = u32::try_from(dims).ok().zip(Element::of_tag(tag));
        let layout = layout.map(|(dims, element)| TokenLayout { dims, element });
        match layout.filter(|layout| layout.validate().is_ok()) {
            Some(layout) => Ok(TokensFile { runs: Runs::new(file, offsets, rows)?, layout }),
            None => {
                Err(Error::corrupt(file.name(), 88, format!("tokens of {dims} numbers, stored as {tag}")))
            }
        }
    }

    /// The matrix of a row, `None` when it has none.
    ///
    /// # Errors
    /// `Corrupt` when there is no such row, or its bytes are damaged or no matrix; `Io`.
    pub(crate) fn get(&self, row: u32) -> Result<Option<Stored<'_>>> {
        let bytes = self.runs.get(row, |len| check_len(self.layout, len))?;
        Ok((!bytes.is_empty()).then_some(Stored { layout: self.layout, bytes }))
    }

    /// Calls `damaged` with every bad block of the file, or with the first error among the matrices.
    pub(crate) fn verify(&self, damaged: &mut dyn FnMut(Error)) {
        self.runs.verify(damaged, |row| match self.get(row)? {
            Some(matrix) => Ok(check(matrix.layout, &matrix.bytes)),
            None => Ok(Ok(())),
        });
    }
}

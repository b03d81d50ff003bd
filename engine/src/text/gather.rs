//! The words of rows' documents: of a segment being written, of one without an index, of fresh rows.
//!
//! Reads from: payloads. Writes to: memory. Never: a document parsed twice for one search.

use std::sync::Arc;

use foretaste_query::lang::{Path, lookup};
use foretaste_query::text::{Gathered, Words};
use foretaste_storage::block::Block;
use foretaste_storage::sync::Mutex;
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::fields;
use crate::schema::TextField;

/// The parsed path of a full-text field.
pub(crate) fn path(field: &TextField) -> Result<Path> {
    Path::parse(&field.path).map_err(|e| Error::BadRequest {
        what: "schema",
        why: format!(
            "full-text field `{}` is not a path: {e}; quote odd names with double quotes",
            field.path
        ),
    })
}

/// One field's words, gathered row after row.
pub(crate) struct Gatherer {
    path: Path,
    words: Words,
    pub gathered: Gathered,
}

impl Gatherer {
    pub fn new(field: &TextField, gathered: Gathered) -> Result<Gatherer> {
        Ok(Gatherer { path: path(field)?, words: field.analyser.words(), gathered })
    }

    /// The next row, with its document if it has one.
    pub fn push(&mut self, document: Option<&Json>) {
        let Gatherer { path, words, gathered } = self;
        gathered.next_row();
        let mut text = |text: &str| words.each(text, &mut |word| gathered.push(word));
        match document.and_then(|document| lookup(document, path)) {
            Some(Json::String(one)) => text(one),
            Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).for_each(text),
            _ => {}
        }
    }
}

/// The words of one block of fresh rows, remembered by field.
#[derive(Debug, Default)]
pub(crate) struct FreshTexts(Mutex<Vec<(TextField, Arc<Gathered>)>>);

impl FreshTexts {
    /// The words that the block's rows have in `field`.
    pub fn get(&self, block: &Block, field: &TextField) -> Result<Arc<Gathered>> {
        let known = |all: &[(TextField, Arc<Gathered>)]| {
            all.iter().find(|(f, _)| f == field).map(|(_, gathered)| Arc::clone(gathered))
        };
        if let Some(gathered) = known(&self.0.lock()) {
            return Ok(gathered);
        }
        let mut gatherer = Gatherer::new(field, Gathered::new())?;
        for row in 0..block.rows() {
            gatherer.push(fields::document(block.payload_of(row)).as_ref());
        }
        // Two searches may both have gathered it; one of the equal copies stays.
        let mut all = self.0.lock();
        if let Some(gathered) = known(&all) {
            return Ok(gathered);
        }
        let gathered = Arc::new(gatherer.gathered);
        all.push((field.clone(), Arc::clone(&gathered)));
        Ok(gathered)
    }
}

//! What can be had of a damaged manifest, for repair: the newest record that reads, by a slot or by its file alone.
//!
//! Reads from: the slots and every record in `gen/`. Writes to: a new manifest.
//! Never: a choice made silently; the caller is told which generation it got and why not a newer one.

use std::path::Path;

use crate::codec::check::Uuid;
use crate::codec::header::HEADER_BYTES;
use crate::error::{Error, Result};
use crate::manifest::{self, Record, slots};
use crate::names;
use crate::sealed::Access;
use crate::vfs::Vfs;

/// A generation that can be read.
#[derive(Debug, Clone)]
pub struct Salvaged {
    /// The database's identity.
    pub uuid: Uuid,
    /// The record.
    pub record: Record,
    /// What was wrong with newer ones; empty when this is the newest.
    pub passed_over: Vec<Error>,
}

/// The newest generation whose record reads: the newest slot's, the other slot's, else the newest record in `gen/`.
///
/// # Errors
/// The first damage met, when no record reads at all.
pub fn salvage(vfs: &dyn Vfs, root: &Path) -> Result<Salvaged> {
    let mut passed_over = Vec::new();
    match slots::read(vfs, root) {
        Ok(state) => {
            let named = std::iter::once((state.generation, state.record)).chain(state.older);
            for (generation, file) in named {
                match manifest::load_generation(vfs, root, &state.uuid, generation, &file, Access::Read) {
                    Ok(record) => return Ok(Salvaged { uuid: state.uuid, record, passed_over }),
                    Err(e) => passed_over.push(e),
                }
            }
        }
        Err(e) => passed_over.push(e),
    }
    let folder = root.join(names::GENERATIONS);
    let mut generations: Vec<u64> =
        vfs.read_dir(&folder)?.iter().filter_map(|name| names::parse_generation(name)).collect();
    generations.sort_unstable();
    for generation in generations.into_iter().rev() {
        match uuid_of(vfs, root, generation)
            .and_then(|uuid| Ok((uuid, manifest::load_unnamed(vfs, root, &uuid, generation)?)))
        {
            Ok((uuid, record)) => return Ok(Salvaged { uuid, record, passed_over }),
            Err(e) => passed_over.push(e),
        }
    }
    let nothing = Error::corrupt(Path::new(manifest::MANIFEST), 0, "no generation's record can be read");
    Err(passed_over.into_iter().next().unwrap_or(nothing))
}

/// Makes `record` the newest generation and the manifest whole, whatever it holds now; durable when it returns.
///
/// A crash in the middle leaves a manifest that [`salvage`] passes over for the record's own file.
///
/// # Errors
/// `Corrupt` when the record breaks a rule of [`Record::validate`].
pub fn restore(vfs: &dyn Vfs, root: &Path, uuid: &Uuid, record: &Record) -> Result<()> {
    let file = manifest::write_record(vfs, root, uuid, record)?;
    slots::create(vfs, root, uuid, record.generation, &file)?;
    manifest::sync_root(vfs, root)
}

/// The identity a record's header claims; the checksums that use it prove it.
fn uuid_of(vfs: &dyn Vfs, root: &Path, generation: u64) -> Result<Uuid> {
    let name = names::generation_file(generation);
    let file = vfs.open(&root.join(&name))?;
    if file.len()? < HEADER_BYTES {
        return Err(Error::corrupt(&name, 0, "too short for a header"));
    }
    let mut uuid = Uuid::default();
    file.read_at(16, &mut uuid)?;
    Ok(uuid)
}

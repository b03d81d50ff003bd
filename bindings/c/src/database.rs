//! The database: opened, its collections, its upkeep, closed; and the care of one that nobody has open.
//!
//! Reads from: `foretaste::Database`. Writes to: the same. Never: a decision of its own.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::collection::Collection;
use crate::options::Options;
use crate::progress::{Doing, ProgressFn, Told};
use crate::ptr::{Data, Given, Text, null};
use crate::schema::Schema;
use crate::status::{Result, Status, entry, free, give, give_text, some};

/// An open database. It may be used from any thread, also from several at once. Not in a fork of the process that opened it for
/// writing: such a process has copies of its handles without the threads behind them, and must neither use nor free them.
pub struct Database(pub foretaste::Database);

/// The version of the library, as "0.1.0". Never freed.
#[unsafe(no_mangle)]
pub extern "C" fn ft_version() -> *const c_char {
    const VERSION: &std::ffi::CStr =
        match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(version) => version,
            Err(_) => c"",
        };
    VERSION.as_ptr()
}

/// Opens the database folder at `path`, and creates it when it is missing. `options` may be NULL.
///
/// FT_STATUS_LOCKED when another process has it open for writing, FT_STATUS_NOT_FOUND when it is missing and may not be created,
/// FT_STATUS_CORRUPT, FT_STATUS_FORMAT_TOO_NEW, FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_open(
    path: Text,
    options: Option<&Options>,
    database: Option<&mut MaybeUninit<Option<Box<Database>>>>,
) -> Status {
    entry(|| {
        give(database, "database", || {
            let options = options.map(|options| options.0.get().cloned()).transpose()?;
            Ok(Database(options.unwrap_or_default().open(path_of(path)?)?))
        })
    })
}

/// Ends the background work, seals what is worth it and records how far the log is durable. Afterwards the handle and others of
/// the database can read on and no longer write (FT_STATUS_POISONED). The handle still has to be freed.
///
/// FT_STATUS_IO, FT_STATUS_POISONED; everything acknowledged is safe all the same.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_close(database: Option<&Database>) -> Status {
    entry(|| Ok(some(database, "database")?.0.clone().close()?))
}

/// Frees the handle; NULL is fine. The database is closed when the last of its handles is freed: this one, its collections, their
/// batches, and searches in collections. Only then another process can open it for writing.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_free(database: Option<Box<Database>>) {
    free(database);
}

/// Creates a collection; it is durable when this returns. The schema may be freed or used again.
///
/// FT_STATUS_EXISTS, FT_STATUS_BAD_REQUEST, FT_STATUS_LIMIT_EXCEEDED, FT_STATUS_READ_ONLY.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_create_collection(
    database: Option<&Database>,
    name: Text,
    schema: Option<&Schema>,
    collection: Option<&mut MaybeUninit<Option<Box<Collection>>>>,
) -> Status {
    entry(|| {
        give(collection, "collection", || {
            let schema = some(schema, "schema")?.0.get()?.clone();
            Ok(Collection(some(database, "database")?.0.create_collection(name.str("name")?, schema)?))
        })
    })
}

/// Opens a collection. FT_STATUS_NOT_FOUND names those there are.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_collection(
    database: Option<&Database>,
    name: Text,
    collection: Option<&mut MaybeUninit<Option<Box<Collection>>>>,
) -> Status {
    entry(|| {
        give(collection, "collection", || {
            Ok(Collection(some(database, "database")?.0.collection(name.str("name")?)?))
        })
    })
}

/// Removes a collection with all its rows; snapshots of it stay readable. FT_STATUS_NOT_FOUND, FT_STATUS_READ_ONLY.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_drop_collection(database: Option<&Database>, name: Text) -> Status {
    entry(|| Ok(some(database, "database")?.0.drop_collection(name.str("name")?)?))
}

/// The names of its collections, sorted, as a JSON array of strings.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_collections(
    database: Option<&Database>,
    json: Option<&mut MaybeUninit<Given>>,
) -> Status {
    entry(|| give_text(json, "json", || crate::status::json(&some(database, "database")?.0.collections())))
}

/// What it holds and what it takes on disk, as a JSON object: `collections` is an array of objects with `name`, `rows`, `dim`,
/// `metric`, `segments`, `bytes_live`, `bytes_dead` and more.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_stats(
    database: Option<&Database>,
    json: Option<&mut MaybeUninit<Given>>,
) -> Status {
    entry(|| give_text(json, "json", || crate::status::json(&some(database, "database")?.0.stats()?)))
}

/// Makes segments of all fresh rows, now. FT_STATUS_READ_ONLY, FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_flush(database: Option<&Database>) -> Status {
    entry(|| Ok(some(database, "database")?.0.flush()?))
}

/// Makes as few segments as possible of every collection and gives the space of deleted rows back. `progress` may be NULL; it may
/// read, but a commit from within it could wait for this very call.
///
/// FT_STATUS_CANCELLED when `progress` gave 0: what was done stays done.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_compact(
    database: Option<&Database>,
    progress: ProgressFn,
    data: Data,
) -> Status {
    entry(|| {
        let told = Told(progress, data);
        let count = |done, total| told.count(Doing::Compact, done, total);
        Ok(some(database, "database")?.0.compact(count)?)
    })
}

/// In a database opened to be read, shows what the writer has committed since. Does nothing for a writer.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_refresh(database: Option<&Database>) -> Status {
    entry(|| Ok(some(database, "database")?.0.refresh()?))
}

/// Forgets what a version of a scorer said of rows; with NULL, what all of them said.
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_forget_scores(database: Option<&Database>, version: Text) -> Status {
    entry(|| {
        some(database, "database")?.0.forget_scores(version.optional("version")?);
        Ok(())
    })
}

/// Verifies every byte of the database at `path` without changing anything; a writer may have it open.
///
/// Gives a JSON object: `sound` is true when nothing is damaged, `damage` an array of objects with `file`, `offset` and `why`,
/// `notes` what else is worth knowing; `generation`, `segments`, `rows`, `log_batches` and `bytes` say what was verified. Damage
/// is no error. FT_STATUS_NOT_FOUND; FT_STATUS_CANCELLED when `progress`, which may be NULL, gave 0.
#[unsafe(no_mangle)]
pub extern "C" fn ft_check(
    path: Text,
    progress: ProgressFn,
    data: Data,
    json: Option<&mut MaybeUninit<Given>>,
) -> Status {
    entry(|| {
        give_text(json, "json", || {
            let told = Told(progress, data);
            let mut count = |done, total| told.count(Doing::Check, done, total);
            let options = foretaste::Database::options();
            let report = foretaste::check(&path_of(path)?, &options, &mut count)?;
            let mut fields = serde_json::to_value(&report).unwrap_or(Value::Null);
            if let Value::Object(fields) = &mut fields {
                fields.insert("sound".into(), json!(report.is_sound()));
            }
            Ok(fields.to_string())
        })
    })
}

/// Repairs the database at `path`, which nobody may have open: saves what is whole, and keeps the damaged originals.
///
/// Gives a JSON object: `rows_saved`, `rows_lost` (ids, or places where no id reads), `actions` (what was done, in order; nothing
/// when nothing was damaged) and `quarantine`, the folder of the originals, or null. FT_STATUS_LOCKED, FT_STATUS_NOT_FOUND,
/// FT_STATUS_CORRUPT when there is nothing to begin with.
#[unsafe(no_mangle)]
pub extern "C" fn ft_repair(path: Text, json: Option<&mut MaybeUninit<Given>>) -> Status {
    entry(|| {
        give_text(json, "json", || {
            let options = foretaste::Database::options();
            crate::status::json(&foretaste::repair(&path_of(path)?, &options, &mut |_| ())?)
        })
    })
}

/// A path: any bytes where the system's paths are, otherwise UTF-8.
pub fn path_of(path: Text) -> Result<PathBuf> {
    if path.bytes("path").map_err(|_| null("path"))?.is_empty() {
        return Err(crate::status::bad("path is empty".into()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(path.bytes("path")?)))
    }
    #[cfg(not(unix))]
    {
        Ok(PathBuf::from(path.str("path")?))
    }
}

//! How a database is opened.
//!
//! Reads from: the caller. Writes to: `foretaste::Options`. Never: a default of its own.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::ffi::c_int;
use std::mem::MaybeUninit;

use foretaste::{Access, Durability};

use crate::building::Building;
use crate::status::{Status, bad, entry, free, give, some};

/// A commit returns after its log record is synced to the disk: it survives a power loss. The default.
pub const FT_DURABILITY_SYNC: u32 = 0;
/// A commit returns at once, and is synced at most so many milliseconds later: a power loss may take that much.
pub const FT_DURABILITY_INTERVAL: u32 = 1;
/// A commit returns at once, and the system writes when it likes. Survives a killed process, not a power loss.
pub const FT_DURABILITY_NONE: u32 = 2;

/// Sealed files are mapped into memory. The default.
pub const FT_ACCESS_MAP: u32 = 0;
/// Sealed files are read: for network, removable or untrusted media.
pub const FT_ACCESS_READ: u32 = 1;

/// How a database is opened. Setters that fail make the opening fail.
pub struct Options(pub Building<foretaste::Options>);

/// New options: for writing, created when it is missing, durable.
#[unsafe(no_mangle)]
pub extern "C" fn ft_options_new(options: Option<&mut MaybeUninit<Option<Box<Options>>>>) -> Status {
    entry(|| give(options, "options", || Ok(Options(Building::new(foretaste::Database::options())))))
}

/// Frees options. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn ft_options_free(options: Option<Box<Options>>) {
    free(options);
}

/// With `yes` not 0 it is opened without the right to write: beside a writer, beside other readers, and on read-only media.
#[unsafe(no_mangle)]
pub extern "C" fn ft_options_read_only(options: Option<&mut Options>, yes: c_int) -> Status {
    change(options, |options| Ok(options.read_only(yes != 0)))
}

/// With `yes` 0 a missing database is FT_STATUS_NOT_FOUND instead of created.
#[unsafe(no_mangle)]
pub extern "C" fn ft_options_create(options: Option<&mut Options>, yes: c_int) -> Status {
    change(options, |options| Ok(options.create(yes != 0)))
}

/// When a commit returns: one of FT_DURABILITY_*, with the milliseconds of FT_DURABILITY_INTERVAL.
#[unsafe(no_mangle)]
pub extern "C" fn ft_options_durability(
    options: Option<&mut Options>,
    durability: u32,
    milliseconds: u64,
) -> Status {
    change(options, |options| {
        let durability = match durability {
            FT_DURABILITY_SYNC => Durability::Sync,
            FT_DURABILITY_INTERVAL => Durability::Interval(milliseconds),
            FT_DURABILITY_NONE => Durability::None,
            other => return Err(bad(format!("durability is one of FT_DURABILITY_*, not {other}"))),
        };
        Ok(options.durability(durability))
    })
}

/// How sealed files are read: one of FT_ACCESS_*.
#[unsafe(no_mangle)]
pub extern "C" fn ft_options_access(options: Option<&mut Options>, access: u32) -> Status {
    change(options, |options| match access {
        FT_ACCESS_MAP => Ok(options.access(Access::Map)),
        FT_ACCESS_READ => Ok(options.access(Access::Read)),
        other => Err(bad(format!("access is one of FT_ACCESS_*, not {other}"))),
    })
}

/// With `yes` 0 sealing and compaction happen within the commits that make them due, and indexes are built by
/// `ft_collection_optimize` alone; otherwise threads of the library's own do both.
#[unsafe(no_mangle)]
pub extern "C" fn ft_options_background(options: Option<&mut Options>, yes: c_int) -> Status {
    change(options, |options| Ok(options.background(yes != 0)))
}

/// Bytes of fresh rows that a collection gathers before they become a segment: 64 MiB unless said otherwise, at least 64 KiB.
#[unsafe(no_mangle)]
pub extern "C" fn ft_options_seal_bytes(options: Option<&mut Options>, bytes: u64) -> Status {
    change(options, |options| Ok(options.seal_bytes(bytes)))
}

/// How many threads build a search index (all cores, unless said otherwise), and where its random choices begin (0).
#[unsafe(no_mangle)]
pub extern "C" fn ft_options_build(options: Option<&mut Options>, threads: usize, seed: u64) -> Status {
    change(options, |options| {
        let options = options.build_seed(seed);
        Ok(if threads == 0 { options } else { options.build_threads(threads) })
    })
}

/// How many scores of expensive scorers are remembered: 1,000,000 unless said otherwise; 0 remembers none.
#[unsafe(no_mangle)]
pub extern "C" fn ft_options_remembered_scores(options: Option<&mut Options>, most: u64) -> Status {
    change(options, |options| Ok(options.remembered_scores(most)))
}

fn change(
    options: Option<&mut Options>,
    set: impl FnOnce(foretaste::Options) -> crate::status::Result<foretaste::Options>,
) -> Status {
    entry(|| {
        some(options, "options")?.0.set(|options| {
            *options = set(options.clone())?;
            Ok(())
        })
    })
}

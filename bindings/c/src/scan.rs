//! All rows of a snapshot, one after the other.
//!
//! Reads from: `foretaste::Snapshot::scan`. Writes to: records. Never: a row read before it is asked for.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::mem::MaybeUninit;

use self_cell::self_cell;

use crate::collection::Snapshot;
use crate::ptr::null;
use crate::record::Record;
use crate::status::{Status, entry, free, give, some};

type Rest<'a> = Box<dyn Iterator<Item = foretaste::Result<foretaste::Record>> + Send + 'a>;

self_cell!(
    struct Rows {
        owner: foretaste::Snapshot,
        #[not_covariant]
        dependent: Rest,
    }
);

/// A way through all rows of a snapshot. One thread may use it at a time. It outlives the handles of the database.
pub struct Scan(Rows);

/// Begins to go through all rows that a snapshot sees, in the order of storage. The snapshot may be freed.
#[unsafe(no_mangle)]
pub extern "C" fn ft_scan_new(
    snapshot: Option<&Snapshot>,
    scan: Option<&mut MaybeUninit<Option<Box<Scan>>>>,
) -> Status {
    entry(|| {
        give(scan, "scan", || {
            let snapshot = some(snapshot, "snapshot")?.0.clone();
            Ok(Scan(Rows::new(snapshot, |snapshot| Box::new(snapshot.scan()))))
        })
    })
}

/// Frees it; NULL is fine. Records that it gave stay.
#[unsafe(no_mangle)]
pub extern "C" fn ft_scan_free(scan: Option<Box<Scan>>) {
    free(scan);
}

/// The next row, which is freed by `ft_record_free`; NULL with FT_STATUS_OK at the end. FT_STATUS_CORRUPT when a row's bytes are
/// damaged; the next call goes on behind it.
#[unsafe(no_mangle)]
pub extern "C" fn ft_scan_next(
    scan: Option<&mut Scan>,
    record: Option<&mut MaybeUninit<Option<Box<Record>>>>,
) -> Status {
    entry(|| {
        let record = record.ok_or_else(|| null("record"))?.write(None);
        let next = some(scan, "scan")?.0.with_dependent_mut(|_, rest| rest.next()).transpose()?;
        *record = next.map(Record::new).transpose()?.map(Box::new);
        Ok(())
    })
}

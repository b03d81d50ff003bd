//! How a call ends: a status for the program, a message for people, and no panic that crosses the border.
//!
//! The message is kept a thread: it needs no freeing, cannot be forgotten, and no other thread changes it. Every call that gives a
//! status sets it, to nothing when the call went well, so that it cannot be taken for that of another call.
//!
//! Reads from: `foretaste::Error`. Writes to: the thread's last message. Never: a panic passed on to C.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use foretaste::Error;

use crate::ptr::{Given, null};

/// The result inside the library.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What a call came to. `ft_last_error` says it in words. Later versions may have more of them.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is done.
    Ok = 0,
    /// There is no such database, collection, field or row.
    NotFound = 1,
    /// A collection of this name exists already.
    Exists = 2,
    /// Another process has the database open for writing.
    Locked = 3,
    /// A file is damaged; the message names it and the place.
    Corrupt = 4,
    /// The database was written by a newer version of the format.
    FormatTooNew = 5,
    /// A vector has the wrong number of dimensions.
    DimensionMismatch = 6,
    /// A vector or variance has a NaN or an infinity.
    NonFinite = 7,
    /// A number is larger than the collection's element type can hold.
    OutOfRange = 8,
    /// A vector of zeros, in a collection that compares directions.
    ZeroVector = 9,
    /// A variance is negative, of the wrong length, or not expected.
    BadVariance = 10,
    /// A token matrix does not fit the collection.
    BadTokens = 11,
    /// A document is not a JSON object, or does not have the types that columns declare.
    BadPayload = 12,
    /// The same id stands twice in one batch.
    DuplicateId = 13,
    /// A filter cannot be read; the message says at which byte.
    BadFilter = 14,
    /// A schema, option or request that cannot be served.
    BadRequest = 15,
    /// The database was opened to be read.
    ReadOnly = 16,
    /// A callback or a canceller said so.
    Cancelled = 17,
    /// A size is beyond what the format or the memory allows.
    LimitExceeded = 18,
    /// Writing has stopped after a failure, or the database was closed.
    Poisoned = 19,
    /// A file to import cannot be read.
    Import = 20,
    /// The operating system refused an operation.
    Io = 21,
    /// An argument is NULL where it must not be, not UTF-8, or not one of the values there are.
    BadArgument = 22,
    /// What there is does not fit into the room that was given.
    TooSmall = 23,
    /// The library has a fault. What was committed is safe; the handles of the call should be freed.
    Panicked = 24,
    /// An error that this interface has no name for yet.
    Other = 25,
}

/// A call that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// For the program.
    pub status: Status,
    /// For people.
    pub message: String,
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// What went wrong in the last call of this thread that gave a status: empty after FT_STATUS_OK, never NULL. It is valid until the
/// thread's next such call; copy it to keep it. The `_free` functions leave it as it is.
#[unsafe(no_mangle)]
pub extern "C" fn ft_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// The name of a status, as "NOT_FOUND"; "UNKNOWN" for a number that is none. Never NULL, and never freed.
#[unsafe(no_mangle)]
pub extern "C" fn ft_status_name(status: i32) -> *const c_char {
    const NAMES: [&CStr; 26] = [
        c"OK",
        c"NOT_FOUND",
        c"EXISTS",
        c"LOCKED",
        c"CORRUPT",
        c"FORMAT_TOO_NEW",
        c"DIMENSION_MISMATCH",
        c"NON_FINITE",
        c"OUT_OF_RANGE",
        c"ZERO_VECTOR",
        c"BAD_VARIANCE",
        c"BAD_TOKENS",
        c"BAD_PAYLOAD",
        c"DUPLICATE_ID",
        c"BAD_FILTER",
        c"BAD_REQUEST",
        c"READ_ONLY",
        c"CANCELLED",
        c"LIMIT_EXCEEDED",
        c"POISONED",
        c"IMPORT",
        c"IO",
        c"BAD_ARGUMENT",
        c"TOO_SMALL",
        c"PANICKED",
        c"OTHER",
    ];
    usize::try_from(status).ok().and_then(|at| NAMES.get(at)).unwrap_or(&c"UNKNOWN").as_ptr()
}

/// Frees text that the library gave as a `char *`. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn ft_string_free(text: Given) {
    text.free();
}

/// Does a call's work and says what came of it.
pub fn entry(work: impl FnOnce() -> Result<()>) -> Status {
    let done = catch_unwind(AssertUnwindSafe(work));
    let (status, message) = match done {
        Ok(Ok(())) => (Status::Ok, String::new()),
        Ok(Err(failure)) => (failure.status, failure.message),
        Err(panic) => {
            let message = format!("the library has a fault: {}", words(&*panic));
            // What was thrown may itself panic when it is dropped.
            std::mem::forget(panic);
            (Status::Panicked, message)
        }
    };
    let message = CString::new(message.replace('\0', "\u{fffd}")).unwrap_or_default();
    // A thread that ends has no last message any more.
    let _ = LAST.try_with(|last| *last.borrow_mut() = message);
    status
}

/// Frees a handle.
pub fn free<T>(handle: Option<Box<T>>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(handle))) {
        std::mem::forget(panic);
    }
}

/// The handle, if it is not NULL.
pub fn some<T>(handle: Option<T>, what: &str) -> Result<T> {
    handle.ok_or_else(|| null(what))
}

/// Makes what the caller wants a handle of; NULL stands there until it is made.
pub fn give<T>(
    out: Option<&mut MaybeUninit<Option<Box<T>>>>,
    what: &str,
    make: impl FnOnce() -> Result<T>,
) -> Result<()> {
    let out = out.ok_or_else(|| null(what))?.write(None);
    *out = Some(Box::new(make()?));
    Ok(())
}

/// Makes a text that the caller wants; NULL stands there until it is made.
pub fn give_text(
    out: Option<&mut MaybeUninit<Given>>,
    what: &str,
    make: impl FnOnce() -> Result<String>,
) -> Result<()> {
    let out = out.ok_or_else(|| null(what))?.write(Given::none());
    *out = Given::new(c_string(make()?)?);
    Ok(())
}

/// Text as C has it.
pub fn c_string(text: String) -> Result<CString> {
    CString::new(text).map_err(|_| Failure::new(Status::Other, "a text has a NUL byte within".into()))
}

/// A report as JSON.
pub fn json<T: serde::Serialize>(report: &T) -> Result<String> {
    serde_json::to_string(report).map_err(|e| Failure::new(Status::Other, format!("as JSON: {e}")))
}

/// An argument that cannot be.
pub fn bad(message: String) -> Failure {
    Failure::new(Status::BadArgument, message)
}

impl Failure {
    /// With these words.
    pub fn new(status: Status, message: String) -> Failure {
        Failure { status, message }
    }

    /// Too little room.
    pub fn too_small(message: String) -> Failure {
        Failure::new(Status::TooSmall, message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let status = match &error {
            Error::NotFound { .. } => Status::NotFound,
            Error::Exists { .. } => Status::Exists,
            Error::Locked { .. } => Status::Locked,
            Error::Corrupt { .. } => Status::Corrupt,
            Error::FormatTooNew { .. } => Status::FormatTooNew,
            Error::DimensionMismatch { .. } => Status::DimensionMismatch,
            Error::NonFinite { .. } => Status::NonFinite,
            Error::OutOfRange { .. } => Status::OutOfRange,
            Error::ZeroVector { .. } => Status::ZeroVector,
            Error::BadVariance { .. } => Status::BadVariance,
            Error::BadTokens { .. } => Status::BadTokens,
            Error::BadPayload { .. } => Status::BadPayload,
            Error::DuplicateId { .. } => Status::DuplicateId,
            Error::BadFilter { .. } => Status::BadFilter,
            Error::BadRequest { .. } => Status::BadRequest,
            Error::ReadOnly { .. } => Status::ReadOnly,
            Error::Cancelled => Status::Cancelled,
            Error::LimitExceeded { .. } => Status::LimitExceeded,
            Error::Poisoned { .. } => Status::Poisoned,
            Error::Import(_) => Status::Import,
            Error::Io { .. } => Status::Io,
            _ => Status::Other,
        };
        Failure::new(status, error.to_string())
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> String {
        LAST.with(|last| last.borrow().to_string_lossy().into_owned())
    }

    fn name(status: Status) -> String {
        // Debug has the name in another spelling: NotFound is NOT_FOUND.
        let spelt = format!("{status:?}");
        let mut name = String::new();
        for (i, c) in spelt.chars().enumerate() {
            if i > 0 && c.is_uppercase() {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
        }
        name
    }

    #[test]
    fn a_panic_becomes_a_status_and_the_next_call_starts_anew() {
        assert_eq!(entry(|| panic!("at {}", 7)), Status::Panicked);
        assert!(last().contains("at 7"), "{}", last());
        assert_eq!(entry(|| Err(bad("one\0two".into()))), Status::BadArgument);
        assert_eq!(last(), "one\u{fffd}two");
        assert_eq!(entry(|| Ok(())), Status::Ok);
        assert_eq!(last(), "");
    }

    #[test]
    fn every_error_of_the_facade_has_a_status_of_its_own() {
        let text = String::new;
        let errors = [
            Error::NotFound { what: text() },
            Error::Exists { name: text() },
            Error::Locked { pid: None, path: "p".into() },
            Error::Corrupt { file: "f".into(), offset: 0, why: text() },
            Error::FormatTooNew { file: "f".into(), found: 2, supported: 1 },
            Error::DimensionMismatch { expected: text(), got: 1, row: 0, id: text() },
            Error::NonFinite { row: 0, dim: 0, id: text(), value: 0.0 },
            Error::OutOfRange { row: 0, dim: 0, id: text(), value: 0.0, element: "f16", limit: 1.0 },
            Error::ZeroVector { row: 0, id: text() },
            Error::BadVariance { row: 0, id: text(), why: text() },
            Error::BadTokens { row: 0, id: text(), why: text() },
            Error::BadPayload { row: 0, id: text(), why: text() },
            Error::DuplicateId { id: text(), first: 0, second: 1 },
            Error::BadFilter { at: 0, why: text(), hint: None },
            Error::BadRequest { what: "w", why: text() },
            Error::ReadOnly { what: "w" },
            Error::Cancelled,
            Error::LimitExceeded { what: "w", limit: 1, found: 2 },
            Error::Poisoned { why: text() },
        ];
        for (i, error) in errors.into_iter().enumerate() {
            let status = Failure::from(error).status;
            assert_eq!(status as usize, i + 1, "{status:?}");
        }
    }

    #[test]
    fn every_status_has_its_name() {
        let all = [Status::Ok, Status::NotFound, Status::Import, Status::Io, Status::BadArgument];
        for status in all.into_iter().chain([Status::TooSmall, Status::Panicked, Status::Other]) {
            let at = ft_status_name(status as i32);
            assert_eq!(crate::ptr::Text::from_c(at), name(status));
        }
        for none in [-1, 26, i32::MAX] {
            assert_eq!(crate::ptr::Text::from_c(ft_status_name(none)), "UNKNOWN");
        }
    }
}

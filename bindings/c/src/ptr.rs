//! What C gives and takes, as Rust has it: pointers with lengths, text, structs that may grow, callbacks. All unsafe code of the
//! C interface is in this file, but for the attribute that gives a function its name.
//!
//! These types stand in the signatures of the exported functions, so their values come from C. What cannot be seen of a
//! pointer the header makes the caller's promise: it is NULL, or there is as much behind it as the call says, for as long as the
//! call lasts (for the data of callbacks: as long as what they were given to). Handles need no code here: a pointer that may be
//! NULL is an `Option<&T>`, one that is given back an `Option<Box<T>>`.
//!
//! Reads from: the caller's memory. Writes to: the caller's memory. Never: NULL or a misaligned pointer followed, a byte beyond a
//! length that was given, a reference that outlives its call.
#![expect(unsafe_code, reason = "pointers from C are followed here, and nowhere else")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::MaybeUninit;

use crate::status::{Failure, Result, bad};

/// Values of the caller's, read while a call lasts.
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub struct Array<T>(*const T);

/// Room of the caller's for values.
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub struct Room<T>(*mut T);

/// UTF-8 text: the caller's, which ends with a NUL byte unless a length is given, or the library's in a struct it fills.
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub struct Text(*const c_char);

/// Text that the library gave and takes back.
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub struct Given(*mut c_char);

/// A struct of the caller's whose first member is its size: an older or newer one than the library's.
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub struct Grown<T>(*const T);

/// Room for such a struct.
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub struct GrownRoom<T>(*mut T);

/// What a callback is called with beside what it is told.
#[repr(transparent)]
#[derive(Debug, Clone, Copy)]
pub struct Data(*mut c_void);

// SAFETY: the header says of every callback that it, and what its data points to, may be used from the threads that the search
// is used from; the library itself never follows this pointer.
unsafe impl Send for Data {}
// SAFETY: as above.
unsafe impl Sync for Data {}

/// A struct that begins with its own size and grows at its end.
///
/// # Safety
/// `repr(C)`, its first member a `usize`, and zeros are a value of it.
pub unsafe trait Growing: Copy {}

/// The names by which signatures have them; `cbindgen.toml` says what they are in C.
pub type Floats = Array<f32>;
pub type Integers = Array<i64>;
pub type Sizes = Array<usize>;
pub type IdArray = Array<crate::id::Id>;
pub type FieldArray = Array<crate::batch::FieldVector>;
pub type ScoreRoom = Room<f64>;
pub type FloatRoom = Room<f32>;
pub type ScorerGiven = Grown<crate::stages::ScorerSpec>;
pub type CountRoom = Room<usize>;
pub type HitRoom = Room<crate::hits::Hit>;
pub type CharRoom = Room<c_char>;
pub type RowGiven = Grown<crate::batch::Row>;
pub type IndexGiven = Grown<crate::schema::Index>;
pub type ImportGiven = Grown<crate::import::ImportSpec>;
pub type ImportedRoom = GrownRoom<crate::import::Imported>;
pub type ShapeRoom = GrownRoom<crate::import::FileShape>;
pub type FitGiven = Grown<crate::adapter::FitSpec>;
pub type InfoRoom = GrownRoom<crate::hits::Info>;
pub type RecordRoom = GrownRoom<crate::record::RecordView>;

// SAFETY: `repr(C)`, begins with `size: usize`, and has numbers, pointers that may be NULL and arrays of these alone.
unsafe impl Growing for crate::batch::Row {}
// SAFETY: as above.
unsafe impl Growing for crate::schema::Index {}
// SAFETY: as above; a function that is NULL is `None`.
unsafe impl Growing for crate::stages::ScorerSpec {}
// SAFETY: as above.
unsafe impl Growing for crate::import::ImportSpec {}
// SAFETY: as above.
unsafe impl Growing for crate::import::FileShape {}
// SAFETY: as above.
unsafe impl Growing for crate::import::Imported {}
// SAFETY: as above.
unsafe impl Growing for crate::adapter::FitSpec {}
// SAFETY: as above; 0 is a value of both of its enums.
unsafe impl Growing for crate::hits::Info {}
// SAFETY: as above.
unsafe impl Growing for crate::record::RecordView {}

impl<T: Copy> Array<T> {
    /// The library's own values, for the caller to read as long as they live.
    pub fn of(values: &[T]) -> Array<T> {
        Array(values.as_ptr())
    }

    /// No values.
    pub fn none() -> Array<T> {
        Array(std::ptr::null())
    }

    /// Whether there is nothing behind it.
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The `len` values, where `len` is what the same call gave beside it.
    pub fn slice(&self, len: usize, what: &str) -> Result<&[T]> {
        if len == 0 {
            return Ok(&[]);
        }
        check(self.0, len, what)?;
        // SAFETY: not NULL, aligned, not longer than memory can be (`check`), and the caller's promise: `len` values that nobody
        // changes while the call lasts, which is as long as the argument that is borrowed here.
        Ok(unsafe { std::slice::from_raw_parts(self.0, len) })
    }
}

impl<T: Copy> Room<T> {
    /// The library's own room, for the caller to fill while a callback lasts.
    pub fn of(values: &mut [T]) -> Room<T> {
        Room(values.as_mut_ptr())
    }

    /// Refuses room for `len` values that is NULL.
    pub fn check(self, len: usize, what: &str) -> Result<()> {
        if len == 0 { Ok(()) } else { check(self.0, len, what) }
    }

    /// Copies `values` to its beginning; there is `room` for so many.
    pub fn fill(self, room: usize, values: &[T], what: &str) -> Result<()> {
        if values.len() > room {
            let why = format!("{what} has room for {room}, and there are {}", values.len());
            return Err(Failure::too_small(why));
        }
        self.check(values.len(), what)?;
        if !values.is_empty() {
            // SAFETY: not NULL and aligned (`check`), and the caller's promise: room for at least as many values, which nobody
            // else uses meanwhile; it is the caller's own memory and so apart from `values`.
            unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.0, values.len()) };
        }
        Ok(())
    }
}

impl<T: Copy> Room<T> {
    /// The room behind its first `values`.
    pub fn behind(self, values: usize) -> Room<T> {
        Room(self.0.wrapping_add(values))
    }
}

impl CharRoom {
    /// Copies `bytes` to its beginning; there is `room` for so many.
    pub fn fill_bytes(self, room: usize, bytes: &[u8], what: &str) -> Result<()> {
        Room(self.0.cast::<u8>()).fill(room, bytes, what)
    }

    /// Where the text at `offset` of it begins.
    pub fn text_at(self, offset: usize) -> Text {
        Text(self.0.wrapping_add(offset))
    }
}

impl Text {
    /// Text of the library's, for the caller to read as long as it lives.
    pub fn of(text: &CStr) -> Text {
        Text(text.as_ptr())
    }

    /// The same, where the bytes are not all of a C string.
    pub fn at(bytes: &[u8], offset: usize) -> Text {
        Text(bytes.as_ptr().wrapping_add(offset).cast())
    }

    /// What a function gave, for tests.
    #[cfg(test)]
    pub fn from_c(at: *const c_char) -> String {
        Text(at).str("text").map(str::to_string).unwrap_or_default()
    }

    /// No text.
    pub fn none() -> Text {
        Text(std::ptr::null())
    }

    /// The text, if it is not NULL.
    pub fn optional(&self, what: &str) -> Result<Option<&str>> {
        if self.0.is_null() { Ok(None) } else { self.str(what).map(Some) }
    }

    /// The text.
    pub fn str(&self, what: &str) -> Result<&str> {
        std::str::from_utf8(self.bytes(what)?).map_err(|e| bad(format!("{what} is not UTF-8: {e}")))
    }

    /// Its bytes without the NUL at their end.
    pub fn bytes(&self, what: &str) -> Result<&[u8]> {
        if self.0.is_null() {
            return Err(null(what));
        }
        // SAFETY: not NULL, and the caller's promise: bytes up to a NUL byte that nobody changes while the call lasts.
        Ok(unsafe { CStr::from_ptr(self.0) }.to_bytes())
    }

    /// The text of `len` bytes, where `len` is what the same call gave beside it.
    pub fn str_of(&self, len: usize, what: &str) -> Result<&str> {
        if self.0.is_null() {
            return Err(null(what));
        }
        if len > isize::MAX as usize {
            return Err(bad(format!("the length of {what} is {len}")));
        }
        // SAFETY: not NULL, not longer than memory can be, and the caller's promise: `len` bytes that nobody changes meanwhile.
        let bytes = unsafe { std::slice::from_raw_parts(self.0.cast::<u8>(), len) };
        std::str::from_utf8(bytes).map_err(|e| bad(format!("{what} is not UTF-8: {e}")))
    }
}

impl Given {
    /// Text that the caller has to give back.
    pub fn new(text: CString) -> Given {
        Given(text.into_raw())
    }

    /// No text.
    pub fn none() -> Given {
        Given(std::ptr::null_mut())
    }

    /// Frees it; NULL is fine.
    pub fn free(self) {
        if !self.0.is_null() {
            // SAFETY: the caller's promise: it came from `Given::new`, its length was not changed, and it is given back once.
            drop(unsafe { CString::from_raw(self.0) });
        }
    }
}

impl<T: Growing> Grown<T> {
    /// The struct as the library has it: members that the caller's does not have are 0. `None` for NULL.
    pub fn read(self, what: &str) -> Result<Option<T>> {
        if self.0.is_null() {
            return Ok(None);
        }
        let size = size_at(self.0, what)?;
        let known = size_of::<T>().min(size);
        if size > known {
            let rest = Array(self.0.cast::<u8>().wrapping_add(known));
            if rest.slice(size - known, what)?.iter().any(|byte| *byte != 0) {
                let why = format!(
                    "{what} is of a newer header than this library: a member that it does not know is set"
                );
                return Err(bad(why));
            }
        }
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: the caller's promise: `size` bytes at the pointer, of which no more are read than fit; the two do not overlap,
        // as one is here.
        unsafe { std::ptr::copy_nonoverlapping(self.0.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), known) };
        // SAFETY: zeros are a value of it (`Growing`), and the bytes copied over them are those of a value that C made.
        Ok(Some(unsafe { value.assume_init() }))
    }
}

impl<T: Growing> GrownRoom<T> {
    /// Refuses a struct without its size, before anything is done; NULL is fine.
    pub fn check(self, what: &str) -> Result<()> {
        if self.0.is_null() { Ok(()) } else { size_at(self.0, what).map(|_| ()) }
    }

    /// The same as `write`; nothing for NULL.
    pub fn write_if(self, value: &T, what: &str) -> Result<()> {
        if self.0.is_null() { Ok(()) } else { self.write(value, what) }
    }

    /// Writes as much of `value` as the caller's struct has room for, and zeros behind it. The size stays what it is.
    pub fn write(self, value: &T, what: &str) -> Result<()> {
        if self.0.is_null() {
            return Err(null(what));
        }
        let (size, first) = (size_at(self.0, what)?, size_of::<usize>());
        let known = size_of::<T>().min(size);
        let (from, to) = ((&raw const *value).cast::<u8>(), self.0.cast::<u8>());
        // SAFETY: the caller's promise: `size` bytes at the pointer that nobody else uses; `first <= known <= size` (`size_at`), and
        // `known` is at most the size of `value`, which is the library's own.
        unsafe {
            std::ptr::copy_nonoverlapping(from.add(first), to.add(first), known - first);
            std::ptr::write_bytes(to.add(known), 0, size - known);
        }
        Ok(())
    }
}

/// The size that a struct begins with: at least that of its first member, and no more than could be meant.
fn size_at<T>(at: *const T, what: &str) -> Result<usize> {
    check(at, 1, what)?;
    // SAFETY: not NULL and aligned (`check`); the caller's promise: the struct begins with its size.
    let size = unsafe { at.cast::<usize>().read() };
    if size < 2 * size_of::<usize>() || size > 1 << 16 {
        return Err(bad(format!("the size of {what} is {size}; set it to sizeof before the call")));
    }
    Ok(size)
}

fn check<T>(at: *const T, len: usize, what: &str) -> Result<()> {
    if at.is_null() {
        return Err(null(what));
    }
    if !at.is_aligned() {
        return Err(bad(format!("{what} is not aligned as its type must be")));
    }
    match len.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(()),
        _ => Err(bad(format!("the length of {what} is {len}, which no memory holds"))),
    }
}

/// What is said of an argument that is NULL.
pub fn null(what: &str) -> Failure {
    bad(format!("{what} is NULL"))
}

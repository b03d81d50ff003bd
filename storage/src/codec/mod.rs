//! Bounded little-endian codecs: the cursor that never reads past its end, checksums, the file header, small records.
//!
//! Reads from: bytes of any origin, hostile ones too. Writes to: byte buffers.
//! Never: an allocation larger than the input justifies, native-endian integers, a struct cast from bytes.

pub mod check;
pub mod cursor;
pub mod header;
pub mod meta;

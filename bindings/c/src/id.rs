//! Ids, as C has them: a number or text.
//!
//! Reads from: the caller's structs, the facade's keys. Writes to: the same. Never: a number taken for text, or a struct of zeros
//! for an id.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use foretaste::Key;

use crate::ptr::Text;
use crate::status::{Result, bad};

/// The id is `number`.
pub const FT_ID_INT: u32 = 1;
/// The id is `len` bytes at `text`.
pub const FT_ID_TEXT: u32 = 2;

/// The id of a row: a 64-bit integer, or UTF-8 text of at most 1,024 bytes. `ft_id_int` and `ft_id_text` make one.
///
/// In what the library fills, `text` is also ended by a NUL byte, and belongs to the handle that the struct was read from.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Id {
    /// FT_ID_INT or FT_ID_TEXT.
    pub kind: u32,
    /// The number; 0 for text.
    pub number: i64,
    /// The text; NULL for a number.
    pub text: Text,
    /// The bytes of the text, without the NUL.
    pub len: usize,
}

/// The ids of several rows, with the bytes of their texts in one place.
#[derive(Debug, Default)]
pub struct Ids {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Number(i64),
    Text { offset: usize, len: usize },
}

/// The id `number`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_id_int(number: i64) -> Id {
    Id { kind: FT_ID_INT, number, text: Text::none(), len: 0 }
}

/// The id `text`, which ends with a NUL byte. It is not copied: it has to stay as long as the id is used. For NULL the id is one
/// that every call refuses.
#[unsafe(no_mangle)]
pub extern "C" fn ft_id_text(text: Text) -> Id {
    let len = text.bytes("id").map_or(0, <[u8]>::len);
    Id { kind: FT_ID_TEXT, number: 0, text, len }
}

impl Id {
    /// It as the facade has it.
    pub fn key(&self) -> Result<Key> {
        match self.kind {
            FT_ID_INT => Ok(Key::Int(self.number)),
            FT_ID_TEXT => Ok(Key::Str(self.text.str_of(self.len, "the text of an id")?.to_string())),
            other => Err(bad(format!("the kind of an id is {other}; use ft_id_int or ft_id_text"))),
        }
    }
}

impl Id {
    /// It in words.
    pub fn named(&self) -> String {
        self.key().map_or_else(|_| "the row".to_string(), |key| format!("row {key}"))
    }
}

impl Ids {
    /// Of these keys, in their order.
    pub fn new<'a>(keys: impl Iterator<Item = &'a Key>) -> Ids {
        let mut ids = Ids::default();
        for key in keys {
            ids.push(key);
        }
        ids
    }

    /// One more.
    pub fn push(&mut self, key: &Key) {
        match key {
            Key::Int(number) => self.places.push(Place::Number(*number)),
            Key::Str(text) => {
                let offset = self.bytes.len();
                self.bytes.extend_from_slice(text.as_bytes());
                self.bytes.push(0);
                self.places.push(Place::Text { offset, len: text.len() });
            }
        }
    }

    /// The bytes of all texts, each ended by a NUL.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The id at `place`, with its text in the bytes here.
    pub fn get(&self, place: usize) -> Option<Id> {
        self.at(place, |offset| Text::at(&self.bytes, offset))
    }

    /// The id at `place`, with its text where `text` says that the byte at an offset is.
    pub fn at(&self, place: usize, text: impl FnOnce(usize) -> Text) -> Option<Id> {
        Some(match *self.places.get(place)? {
            Place::Number(number) => ft_id_int(number),
            Place::Text { offset, len } => Id { kind: FT_ID_TEXT, number: 0, text: text(offset), len },
        })
    }

    /// All of them.
    pub fn all(&self) -> Vec<Id> {
        (0..self.places.len()).filter_map(|place| self.get(place)).collect()
    }
}

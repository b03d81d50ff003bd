//! How an input is split into numbers and parts.
//!
//! Reads from: the input. Writes to: nothing. Never: an input refused; what is missing is zero or empty.

/// Takes small numbers from the front of an input.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Input { rest: data }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte; zero at the end.
    pub fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    /// The next two bytes as a number.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A number below `bound`, which is at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// The next `len` bytes, or as many as there are.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// The next part: a tag, a length of two bytes, and the bytes.
    pub fn part(&mut self) -> Option<(u8, &'a [u8])> {
        if self.is_empty() {
            return None;
        }
        let (tag, len) = (self.byte(), self.short());
        Some((tag, self.take(usize::from(len))))
    }
}

/// The input whose parts these are, behind `head`: the inverse of what the bodies do, for writing seeds.
///
/// A part longer than 65,535 bytes is cut.
pub fn join(head: &[u8], parts: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = head.to_vec();
    for (tag, bytes) in parts {
        let len = bytes.len().min(usize::from(u16::MAX));
        out.push(*tag);
        out.extend((len as u16).to_le_bytes());
        out.extend(bytes.iter().take(len));
    }
    out
}

//! The record of a node: all that a search needs of it, in one piece.
//!
//! | at | bytes | holds |
//! | --- | --- | --- |
//! | 0 | 4 | row of the segment |
//! | 4 | 4 | f32: step of the node's code |
//! | 8 | 4 | f32: squared norm that the code stands for |
//! | 12 | 4 | f32: squared norm of the tail |
//! | 16 | stride | the node's 8-bit code |
//! | then | 4 x degree | the neighbours' node numbers; `u32::MAX` where there is none |
//! | then | per 32 neighbours | a bundle of their codes relative to the node (see `codes::edges`), unless edges have no codes |
//!
//! The length is a multiple of 64.
//!
//! Reads from: a node's bytes. Writes to: the same. Never: an offset that depends on what the bytes say.

use crate::codes::edges::EdgeShape;
use crate::codes::rows::RowCode;
use crate::kernel::codes::BUNDLE;

/// Where the parts of a record lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes of an 8-bit code, a multiple of 64.
    pub stride: usize,
    /// Neighbours of a node, a multiple of 32.
    pub degree: usize,
    /// How edges are coded.
    pub edges: Option<EdgeShape>,
}

const HEAD: usize = 16;

impl Shape {
    fn neighbors_at(self) -> usize {
        HEAD + self.stride
    }

    fn bundles_at(self) -> usize {
        self.neighbors_at() + 4 * self.degree
    }

    /// Bytes of a record.
    pub fn bytes(self) -> usize {
        let bundles = self.edges.map_or(0, |e| self.degree / BUNDLE * e.bytes());
        (self.bundles_at() + bundles).next_multiple_of(64)
    }

    /// Bytes of a record that comparing its node reads.
    pub fn code_bytes(self) -> usize {
        self.neighbors_at()
    }

    /// Writes all but the bundles.
    pub fn write(self, out: &mut [u8], row: u32, code: RowCode<'_>, neighbors: &[u32]) {
        out[..4].copy_from_slice(&row.to_le_bytes());
        out[4..8].copy_from_slice(&code.step.to_le_bytes());
        out[8..12].copy_from_slice(&code.norm.to_le_bytes());
        out[12..16].copy_from_slice(&code.tail.to_le_bytes());
        for (out, code) in out[HEAD..].iter_mut().zip(code.code) {
            *out = *code as u8;
        }
        let places = out[self.neighbors_at()..self.bundles_at()].chunks_exact_mut(4);
        for (i, place) in places.enumerate() {
            place.copy_from_slice(&neighbors.get(i).copied().unwrap_or(u32::MAX).to_le_bytes());
        }
    }

    /// Bundle `number` of a record, to be written.
    pub fn bundle_mut(self, out: &mut [u8], number: usize) -> &mut [u8] {
        let bytes = self.edges.map_or(0, EdgeShape::bytes);
        let at = self.bundles_at() + number * bytes;
        &mut out[at..at + bytes]
    }

    /// A view of a record; `None` when the bytes are not as many.
    #[inline]
    pub fn read(self, bytes: &[u8]) -> Option<Node<'_>> {
        (bytes.len() == self.bytes()).then_some(Node { shape: self, bytes })
    }
}

/// A node's record.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    shape: Shape,
    bytes: &'a [u8],
}

impl<'a> Node<'a> {
    #[inline]
    fn word(self, at: usize) -> u32 {
        let word = self.bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
        u32::from_le_bytes(word.unwrap_or_default())
    }

    /// All of the record, for prefetching.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    pub fn row(self) -> u32 {
        self.word(0)
    }

    #[inline]
    pub fn code(self) -> RowCode<'a> {
        let code = self.bytes.get(HEAD..self.shape.neighbors_at()).unwrap_or_default();
        RowCode {
            code: bytemuck::cast_slice(code),
            step: f32::from_bits(self.word(4)),
            norm: f32::from_bits(self.word(8)),
            tail: f32::from_bits(self.word(12)),
        }
    }

    /// The bytes of the node's own code, for prefetching.
    #[inline]
    pub fn code_bytes(self) -> &'a [u8] {
        self.bytes.get(..self.shape.neighbors_at()).unwrap_or_default()
    }

    /// Neighbour `i`, which may be beyond the graph when the bytes are hostile.
    #[inline]
    pub fn neighbor(self, i: usize) -> u32 {
        self.word(self.shape.neighbors_at() + 4 * i)
    }

    #[inline]
    pub fn bundle(self, number: usize) -> &'a [u8] {
        let bytes = self.shape.edges.map_or(0, EdgeShape::bytes);
        let at = self.shape.bundles_at() + number * bytes;
        self.bytes.get(at..at + bytes).unwrap_or_default()
    }
}

//! Which nodes a search has met.
//!
//! Reads from: node numbers. Writes to: its own memory. Never: more work to forget than it was to remember.

/// The nodes that a search has met: one bit a node, and the words to clear afterwards.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    words: Vec<u64>,
    touched: Vec<u32>,
    nodes: usize,
}

impl Seen {
    /// Forgets all and knows `nodes` nodes.
    pub fn reset(&mut self, nodes: usize) {
        for word in self.touched.drain(..) {
            if let Some(word) = self.words.get_mut(word as usize) {
                *word = 0;
            }
        }
        self.nodes = nodes;
        if self.words.len() < nodes.div_ceil(64) {
            self.words.resize(nodes.div_ceil(64), 0);
        }
    }

    /// Marks a node; false when it was marked before or is none.
    #[inline]
    pub fn mark(&mut self, node: u32) -> bool {
        let Some(word) = self.words.get_mut(node as usize / 64) else { return false };
        let bit = 1u64 << (node % 64);
        if *word & bit != 0 || node as usize >= self.nodes {
            return false;
        }
        if *word == 0 {
            self.touched.push(node / 64);
        }
        *word |= bit;
        true
    }
}

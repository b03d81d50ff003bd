//! A navigable graph with upper layers (HNSW: Malkov and Yashunin, 2018), built in bulk and searched on codes.
//!
//! A node's record holds its own 8-bit code, its neighbours' numbers, and low-bit codes of the neighbours relative to it, so
//! that one read per step gives the node's distance and estimates for all its neighbours (as SymphonyQG does: Gou et al.,
//! 2025, there with 1 bit of all dimensions; here with few bits of a prefix that holds most of the energy).
//!
//! `partition` (candidates) → `link` (pruning) → `refine` (candidates by search) → `reach` (no row left out) → `build` → the
//! records that `view` opens and `search` walks, or `filtered` among the rows that pass a filter; `compare` finds single rows.
//!
//! Reads from: codes of a source's rows, or index sections. Writes to: index sections.
//! Never: a link outside the graph followed, whatever the bytes say.

mod build;
mod compare;
mod effort;
mod entries;
mod filtered;
mod link;
mod look;
mod partition;
mod pool;
mod reach;
mod record;
mod refine;
mod search;
mod seen;
mod view;

pub(crate) use build::{Graph, build, shape};
pub(crate) use compare::{compare, node_of};
pub(crate) use effort::Effort;
pub(crate) use entries::{MOST as MOST_ENTRIES, truth};
pub(crate) use filtered::Filtered;
pub(crate) use pool::Pool;
pub(crate) use search::{Beam, Scratch};
pub(crate) use view::View;

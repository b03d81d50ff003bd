//! Several ranked lists to be made one: which, and how.
//!
//! Reads from: the caller. Writes to: `foretaste::Fuse`. Never: a ranking of its own.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::mem::MaybeUninit;

use foretaste::Fusion;

use crate::building::Building;
use crate::ptr::{Floats, Text};
use crate::status::{Result, Status, bad, entry, free, give, some};

/// Sums of weight / (kappa + rank) (reciprocal rank fusion; Cormack, Clarke and Büttcher, 2009). The parameter is kappa: how little
/// the first ranks stand out; 0 is the published 60.
pub const FT_FUSION_RRF: u32 = 1;
/// Sums of weighted scores as z-scores of their lists.
pub const FT_FUSION_ZSCORE: u32 = 2;
/// Sums of weighted scores, from the least that could be (-1 for a cosine, 0 for full text) to the best of the list. For cosines alone.
pub const FT_FUSION_MINMAX: u32 = 3;
/// Sums of ranks.
pub const FT_FUSION_BORDA: u32 = 4;
/// Majorities of pairs.
pub const FT_FUSION_COPELAND: u32 = 5;
/// The order of the first ten that contradicts the lists least; beyond them Borda's.
pub const FT_FUSION_KEMENY: u32 = 6;
/// Median ranks, then a run-off by majorities: one list of three or more may be arbitrarily bad. The parameter is how many come into
/// the second round; 0 is 10.
pub const FT_FUSION_RUN_OFF: u32 = 7;

/// Ranked lists that are to become one: the search's own, and those that are added. One thread may prepare it at a time. Setters that
/// fail make `ft_rerank_fuse` fail.
pub struct Fuse(pub Building<foretaste::Fuse>);

/// A fusion of so far the search's own list alone, by one of FT_FUSION_* with its parameter; 0 for those that have none.
#[unsafe(no_mangle)]
pub extern "C" fn ft_fuse_new(
    fusion: u32,
    parameter: f64,
    fuse: Option<&mut MaybeUninit<Option<Box<Fuse>>>>,
) -> Status {
    entry(|| {
        give(fuse, "fuse", || {
            if !(parameter >= 0.0 && parameter.is_finite()) {
                return Err(bad(format!(
                    "the parameter of a fusion is finite and not negative, not {parameter}"
                )));
            }
            let said = parameter > 0.0;
            let fusion = match fusion {
                FT_FUSION_RRF => Fusion::Rrf { kappa: if said { parameter } else { KAPPA } },
                FT_FUSION_RUN_OFF => {
                    Fusion::RunOff { finalists: if said { whole(parameter)? } else { FINALISTS } }
                }
                _ if said => return Err(bad(format!("fusion {fusion} has no parameter; give 0"))),
                FT_FUSION_ZSCORE => Fusion::ZScore,
                FT_FUSION_MINMAX => Fusion::MinMax,
                FT_FUSION_BORDA => Fusion::Borda,
                FT_FUSION_COPELAND => Fusion::Copeland,
                FT_FUSION_KEMENY => Fusion::Kemeny,
                other => return Err(bad(format!("fusion is one of FT_FUSION_*, not {other}"))),
            };
            Ok(Fuse(Building::new(foretaste::Fuse::new(fusion))))
        })
    })
}

/// Frees a fusion. NULL is fine. Stages made of it stay.
#[unsafe(no_mangle)]
pub extern "C" fn ft_fuse_free(fuse: Option<Box<Fuse>>) {
    free(fuse);
}

/// How much the search's own list counts: 1 unless said otherwise; finite and not negative.
#[unsafe(no_mangle)]
pub extern "C" fn ft_fuse_weight(fuse: Option<&mut Fuse>, weight: f64) -> Status {
    change(fuse, |fuse| Ok(fuse.weight(weight)))
}

/// One more list: the rows nearest to another query vector of `dim` numbers, which are copied.
#[unsafe(no_mangle)]
pub extern "C" fn ft_fuse_vector(fuse: Option<&mut Fuse>, vector: Floats, dim: usize, weight: f64) -> Status {
    change(fuse, |fuse| Ok(fuse.vector(vector.slice(dim, "vector")?, weight)))
}

/// One more list: the rows whose vectors in a further field are nearest to `vector`, of `dim` numbers, which are copied.
#[unsafe(no_mangle)]
pub extern "C" fn ft_fuse_field(
    fuse: Option<&mut Fuse>,
    field: Text,
    vector: Floats,
    dim: usize,
    weight: f64,
) -> Status {
    change(fuse, |fuse| Ok(fuse.field(field.str("field")?, vector.slice(dim, "vector")?, weight)))
}

/// One more list: the best rows by BM25 of the words in a full-text field.
#[unsafe(no_mangle)]
pub extern "C" fn ft_fuse_text(fuse: Option<&mut Fuse>, field: Text, words: Text, weight: f64) -> Status {
    change(fuse, |fuse| Ok(fuse.text(field.str("field")?, words.str("words")?, weight)))
}

/// How many rows of each list count: 100 unless said otherwise, and at least as many as are wanted.
#[unsafe(no_mangle)]
pub extern "C" fn ft_fuse_depth(fuse: Option<&mut Fuse>, rows: usize) -> Status {
    change(fuse, |fuse| Ok(fuse.depth(rows)))
}

/// Only rows that at least so many of the lists have. There may then be fewer hits than are wanted.
#[unsafe(no_mangle)]
pub extern "C" fn ft_fuse_min_votes(fuse: Option<&mut Fuse>, lists: usize) -> Status {
    change(fuse, |fuse| Ok(fuse.min_votes(lists)))
}

/// The published value.
const KAPPA: f64 = 60.0;
/// How many come into the second round when nothing else was said.
const FINALISTS: usize = 10;

fn whole(parameter: f64) -> Result<usize> {
    if parameter.fract() != 0.0 || parameter > f64::from(u32::MAX) {
        return Err(bad(format!("so many come into the second round: a whole number, not {parameter}")));
    }
    Ok(parameter as usize)
}

fn change(fuse: Option<&mut Fuse>, set: impl FnOnce(foretaste::Fuse) -> Result<foretaste::Fuse>) -> Status {
    entry(|| {
        some(fuse, "fuse")?.0.set(|fuse| {
            *fuse = set(fuse.clone())?;
            Ok(())
        })
    })
}

//! A live answer: one revision after the other.
//!
//! Reads from: `foretaste::Answer`. Writes to: `hits`. Never: work between two calls.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::mem::MaybeUninit;

use crate::hits::Hits;
use crate::ptr::{Floats, null};
use crate::search::Canceller;
use crate::status::{Status, entry, free, give, some};

/// A search on its way. One thread may use it at a time; its canceller may be used from any other. It outlives the handles of the
/// database.
pub struct Answer(pub foretaste::Answer);

/// Frees an answer; NULL is fine. All its work ends.
#[unsafe(no_mangle)]
pub extern "C" fn ft_answer_free(answer: Option<Box<Answer>>) {
    free(answer);
}

/// Goes on until the list has changed, and gives it: the best hits so far, with what is settled of them. After the last revision,
/// the one whose `stopped` says why, it is FT_STATUS_OK and `revision` is NULL. Each revision is freed by `ft_hits_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_answer_next(
    answer: Option<&mut Answer>,
    revision: Option<&mut MaybeUninit<Option<Box<Hits>>>>,
) -> Status {
    entry(|| {
        let revision = revision.ok_or_else(|| null("revision"))?.write(None);
        *revision = some(answer, "answer")?.0.next()?.map(|next| Box::new(Hits::revision(next)));
        Ok(())
    })
}

/// The hits beyond those given so far: as many as were wanted, with none when there are no more. An answer that is not at its end is
/// brought there first.
#[unsafe(no_mangle)]
pub extern "C" fn ft_answer_page(
    answer: Option<&mut Answer>,
    page: Option<&mut MaybeUninit<Option<Box<Hits>>>>,
) -> Status {
    entry(|| give(page, "page", || Ok(Hits::revision(some(answer, "answer")?.0.page()?))))
}

/// Goes on with another query: the same filter, effort and stages, from the beginning. What was spent stays counted.
#[unsafe(no_mangle)]
pub extern "C" fn ft_answer_requery(answer: Option<&mut Answer>, query: Floats, dim: usize) -> Status {
    entry(|| Ok(some(answer, "answer")?.0.requery(query.slice(dim, "query")?)?))
}

/// Something that cancels it from any thread: the next revision is then the last, with what was found by then.
#[unsafe(no_mangle)]
pub extern "C" fn ft_answer_canceller(
    answer: Option<&Answer>,
    canceller: Option<&mut MaybeUninit<Option<Box<Canceller>>>>,
) -> Status {
    entry(|| give(canceller, "canceller", || Ok(Canceller(some(answer, "answer")?.0.canceller()))))
}

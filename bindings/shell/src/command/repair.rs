//! `foretaste repair`: saves what is whole of a damaged database.

use std::path::Path;

use foretaste::Options;

use crate::output::{Outcome, Output, clean, count, say};

/// Lost rows that are named to a person.
const SHOWN: usize = 20;

/// Repairs a database and says what was done and what is lost.
pub fn run(db: &Path, out: &mut Output) -> Outcome {
    say(format!("writing to {}", db.display()));
    let repaired = foretaste::repair(db, &Options::default(), &mut |step| say(clean(step)))?;
    if out.json {
        return out.json(&repaired);
    }
    out.line(format!("{} rows saved", count(repaired.rows_saved)))?;
    repaired.actions.iter().try_for_each(|action| out.line(format!("did: {}", clean(action))))?;
    repaired.rows_lost.iter().take(SHOWN).try_for_each(|lost| out.line(format!("lost: {}", clean(lost))))?;
    let more = repaired.rows_lost.len().saturating_sub(SHOWN) as u64;
    if more > 0 {
        out.line(format!("lost: {} more; --json names all of them", count(more)))?;
    }
    match &repaired.quarantine {
        Some(folder) => out.line(format!("damaged files are kept in {}", folder.display())),
        None => Ok(()),
    }
}

//! `foretaste repair`: saves what is whole of a damaged database.

use std::path::Path;

use foretaste::Options;

use crate::output::{Outcome, Output, clean, count, say};

/// Repairs a database and says what was done and what is lost.
pub fn run(db: &Path, out: &mut Output) -> Outcome {
    say(format!("writing to {}", db.display()));
    let repaired = foretaste::repair(db, &Options::default(), &mut |step| say(clean(step)))?;
    if out.json {
        return out.json(&repaired);
    }
    out.line(format!("{} rows saved", count(repaired.rows_saved)))?;
    repaired.actions.iter().try_for_each(|action| out.line(format!("did: {}", clean(action))))?;
    repaired.rows_lost.iter().try_for_each(|lost| out.line(format!("lost: {}", clean(lost))))?;
    match &repaired.quarantine {
        Some(folder) => out.line(format!("damaged files are kept in {}", folder.display())),
        None => Ok(()),
    }
}

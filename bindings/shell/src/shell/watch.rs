//! `watch`: a search again and again, shown whenever its answer has changed.

use std::thread;
use std::time::{Duration, Instant};

use foretaste::Error;
use foretaste_shell::lang::Search;

use super::ask::Ask;
use super::grid::Grid;
use super::query::{answers, by_words, placed, row};
use super::{Done, Shell, Stop};
use crate::interrupt;
use crate::output::say;

/// How often Ctrl-C is looked for.
const LOOK: Duration = Duration::from_millis(20);

impl Shell {
    /// Repeats a search until the user wants an end.
    pub(super) fn watch(&mut self, search: &Search) -> Done {
        if !self.database.is_read_only() {
            self.note(
                "this session is the only one that writes; `.open --readonly PATH` watches another process",
            );
        }
        self.note("Ctrl-C ends it");
        let mut shown: Option<Grid> = None;
        loop {
            match self.once_more(search) {
                Ok(grid) if shown.as_ref() == Some(&grid) => {}
                Ok(grid) => {
                    if shown.is_some() {
                        self.out.print("\n")?;
                    }
                    self.show(&grid)?;
                    shown = Some(grid);
                }
                Err(stop) if self.interactive && is_interrupt(&stop) => return Ok(()),
                Err(stop) => return Err(stop),
            }
            let next = Instant::now() + self.settings.interval;
            while Instant::now() < next {
                if interrupt::wanted() {
                    return if self.interactive { Ok(()) } else { Err(Error::Cancelled.into()) };
                }
                thread::sleep(LOOK);
            }
            if let Err(e) = self.database.refresh() {
                say(format!("cannot look for news: {e}"));
            }
        }
    }

    fn once_more(&self, search: &Search) -> Done<Grid> {
        match self.ask(search)? {
            Ask::Words(words) => {
                let hits = words.run_with(&interrupt::wanted).map_err(|e| placed(e, search))?;
                by_words(&hits, search)
            }
            Ask::Vectors { mut all, uncertain } => {
                let mut grid = answers(search, uncertain);
                if let Some(one) = all.pop() {
                    for hit in one.run_with(&interrupt::wanted).map_err(|e| placed(e, search))?.iter() {
                        grid.rows.push(row(hit, search, uncertain)?);
                    }
                }
                Ok(grid)
            }
        }
    }
}

fn is_interrupt(stop: &Stop) -> bool {
    matches!(stop, Stop::Failed(failure) if failure.is_interrupt())
}

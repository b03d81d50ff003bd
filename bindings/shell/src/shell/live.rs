//! A search at a terminal: its hits are drawn in place while they settle, and the settled table stays.

use foretaste::Revision;
use foretaste_shell::lang::Search;

use super::cell::Cell;
use super::grid::Grid;
use super::query::{answers, placed, row};
use super::{Done, Shell, Stop};
use crate::output::say;
use crate::repaint::{repaint, summary};

impl Shell {
    /// Answers a search revision by revision.
    pub(super) fn live(&mut self, asked: foretaste::Search, search: &Search, uncertain: bool) -> Done {
        let failed = |e| placed(e, search);
        let mut answer = asked.start().map_err(failed)?;
        let mode = self.settings.mode;
        let draw =
            |revision: &Revision| Ok::<_, Stop>(settling(revision, search, uncertain)?.write(mode, true)?);
        let Some(settled) = repaint(&mut answer, self.settings.pace, failed, draw)? else { return Ok(()) };
        self.show(&settling(&settled.revision, search, uncertain)?)?;
        if let Some(problem) = &settled.revision.problem {
            say(format!("note: {problem}"));
        }
        self.note(&summary(&settled));
        Ok(())
    }
}

/// The hits of a revision: which are settled, how sure each is, how each was compared.
fn settling(revision: &Revision, search: &Search, uncertain: bool) -> Done<Grid> {
    let mut grid = answers(search, uncertain);
    grid.columns.insert(0, " ".to_string());
    grid.columns.insert(4, "p".to_string());
    grid.columns.insert(5, "stage".to_string());
    for (i, hit) in revision.hits.iter().enumerate() {
        let mut cells = row(hit, search, uncertain)?;
        cells.insert(0, if i < revision.settled { "✓" } else { "·" }.into());
        cells.insert(4, hit.p_final.map(|p| Cell::Text(format!("{p:.2}"))).unwrap_or(Cell::Null));
        cells.insert(5, hit.stage.name().into());
        grid.rows.push(cells);
    }
    Ok(grid)
}

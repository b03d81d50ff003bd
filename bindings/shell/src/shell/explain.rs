//! `explain`: how each part of the collection is gone through, why, and what it cost; for words, which these are.

use foretaste::{Decision, TextSearch, TextWay, Way};
use foretaste_shell::lang::Search;

use super::ask::Ask;
use super::cell::Cell;
use super::grid::Grid;
use super::query::placed;
use super::{Done, Shell};
use crate::interrupt;
use crate::output::say;

impl Shell {
    /// Carries a search out, and shows its plan instead of its hits.
    pub(super) fn explain(&mut self, search: &Search) -> Done {
        self.last = Some(search.clone());
        let mut all = match self.ask(search)? {
            Ask::Vectors { all, .. } => all,
            Ask::Words(words) => return self.explain_words(words, search),
        };
        let Some(one) = all.pop() else { return Ok(()) };
        let hits = one.run_with(&interrupt::wanted).map_err(|e| placed(e, search))?;
        let mut plan = Grid::new([
            "part",
            "rows",
            "deleted",
            "matching",
            "way",
            "scan_us",
            "matches_us",
            "index_us",
            "note",
        ]);
        for (i, decision) in hits.plan.iter().enumerate() {
            plan.rows.push(part(i, decision));
        }
        self.show(&plan)?;
        let mut cost = Grid::new([
            "rows_compared",
            "index_steps",
            "rows_refused",
            "bytes_read",
            "scorer_calls",
            "scores_remembered",
            "elapsed_us",
            "estimated_recall",
            "recall_lower_bound",
            "ended",
        ]);
        cost.rows.push(vec![
            Cell::count(hits.cost.rows_exact),
            Cell::count(hits.cost.index_steps),
            Cell::count(hits.cost.rows_refused),
            Cell::count(hits.cost.bytes_read),
            Cell::count(hits.cost.scorer_calls),
            Cell::count(hits.cost.scores_remembered),
            Cell::count(hits.cost.elapsed.as_micros() as u64),
            hits.estimated_recall.into(),
            hits.recall_lower_bound.into(),
            hits.stopped_because.name().into(),
        ]);
        self.out.print("\n")?;
        // Nine figures side by side are too wide for a person's screen.
        let people = self.settings.mode.is_for_people();
        self.show(&if people { cost.turned("cost") } else { cost })?;
        if !hits.schedule.is_empty() {
            let mut schedule = Grid::new(["dims", "rows_kept"]);
            let step =
                |(dims, rows): &(usize, usize)| vec![Cell::count(*dims as u64), Cell::count(*rows as u64)];
            schedule.rows.extend(hits.schedule.iter().map(step));
            self.out.print("\n")?;
            self.show(&schedule)?;
        }
        if let Some(problem) = &hits.problem {
            say(format!("note: {problem}"));
        }
        Ok(())
    }

    /// The words of a search by words alone, how each part was gone through, and what it cost.
    fn explain_words(&mut self, asked: TextSearch, search: &Search) -> Done {
        let hits = asked.run_with(&interrupt::wanted).map_err(|e| placed(e, search))?;
        let mut words = Grid::new(["word", "times", "rows"]);
        for of in &hits.words {
            words.rows.push(vec![
                of.word.as_str().into(),
                Cell::count(of.times.into()),
                Cell::count(of.rows),
            ]);
        }
        self.show(&words)?;
        self.out.print("\n")?;
        let mut plan = Grid::new(["part", "rows", "deleted", "way", "scored", "refused"]);
        for (number, part) in hits.parts.iter().enumerate() {
            let way = match part.way {
                TextWay::Index => "index",
                TextWay::Documents => "documents",
                TextWay::Fresh => "fresh words",
                _ => "",
            };
            plan.rows.push(vec![
                Cell::count(number as u64),
                Cell::count(part.rows),
                Cell::count(part.dead),
                way.into(),
                Cell::count(part.scored),
                Cell::count(part.refused),
            ]);
        }
        self.show(&plan)?;
        self.out.print("\n")?;
        let mut cost = Grid::new(["rows_scored", "rows_refused", "elapsed_us"]);
        cost.rows.push(vec![
            Cell::count(hits.cost.rows_scored),
            Cell::count(hits.cost.rows_refused),
            Cell::count(hits.cost.elapsed.as_micros() as u64),
        ]);
        self.show(&cost)
    }
}

fn part(number: usize, decision: &Decision) -> Vec<Cell> {
    let matching = decision.matching.map(|(least, most)| {
        Cell::Text(if least == most { least.to_string() } else { format!("{least} to {most}") })
    });
    let way = match decision.way {
        Way::Scan => "scan".to_string(),
        Way::Matches => "matches".to_string(),
        Way::Codes => "codes of matches".to_string(),
        Way::Index { ef, cells: 0 } => format!("hnsw, ef {ef}"),
        Way::Index { cells, .. } => format!("ivf, {cells} cells"),
    };
    let cost = |nanos: Option<u64>| nanos.map_or(Cell::Null, |nanos| Cell::count(nanos.div_ceil(1000)));
    let [scan, matches, index] = decision.costs.map(cost);
    vec![
        Cell::count(number as u64),
        Cell::count(decision.rows),
        Cell::count(decision.dead),
        matching.unwrap_or(Cell::Null),
        Cell::Text(way),
        scan,
        matches,
        index,
        if decision.fell_back { "the index found too few; the matches were read" } else { "" }.into(),
    ]
}

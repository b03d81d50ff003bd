//! A search and the stages behind it, as one: what there is to see next.
//!
//! Reads from: `session`, the stages. Writes to: looks. Never: a row of a stage before the one before it has ended.

use std::collections::HashSet;

use foretaste_query::index::RowRef;

use crate::error::Result;
use crate::plan::Decision;
use crate::request::{MAX_K, Request};
use crate::rerank::{List, Problem, Refine, Rerank, Step};
use crate::revision::{Stage, StoppedBecause};
use crate::search::Cost;
use crate::session::{Confidence, Ground, Halt, Look, Row, Session};

/// A search on its way through its stages.
pub(crate) struct Live<'a> {
    ground: Ground<'a>,
    session: Session<'a>,
    /// Stages that have not ended, the next one last.
    stages: Vec<Box<dyn Refine>>,
    list: List,
    phase: Phase,
    problem: Option<Problem>,
    /// Whether there is or was a stage.
    refined: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Searching,
    Refining,
    Done,
}

impl<'a> Live<'a> {
    /// A search that has not begun; `spent` was spent before.
    pub fn new(ground: Ground<'a>, spent: Cost) -> Result<Live<'a>> {
        let stages = (0..).zip(&ground.request.stages);
        let mut stages: Vec<_> =
            stages.filter_map(|(i, stage): (usize, &Rerank)| stage.work(i == 0)).collect();
        stages.reverse();
        let session = Session::new(ground)?;
        let (list, phase) = (List { spent, ..List::default() }, Phase::Searching);
        Ok(Live {
            ground,
            session,
            stages,
            list,
            phase,
            problem: None,
            refined: !ground.request.stages.is_empty(),
        })
    }

    /// One more stage, behind all others.
    pub fn add(&mut self, stage: &Rerank) {
        self.stages.splice(0..0, stage.work(false));
        self.refined = true;
        if self.phase == Phase::Done {
            (self.phase, self.problem) = (Phase::Refining, None);
        }
    }

    /// The next rows, none of which is among `shown`: those that a stage has ranked already, then those that the search finds.
    ///
    /// # Errors
    /// Those of reading.
    pub fn page(&mut self, shown: &HashSet<RowRef>, halt: &Halt<'_>) -> Result<Look> {
        let k = self.ground.request.k;
        let mut rows: Vec<Row> =
            self.list.rows.iter().filter(|row| !shown.contains(&row.row)).take(k).copied().collect();
        if rows.len() < k {
            let mut request = self.ground.request.clone();
            let most = (shown.len() + rows.len()).saturating_add(k).min(MAX_K);
            (request.k, request.keep) = (most, most);
            request.ef = request.ef.max(most.saturating_mul(2));
            request.stages.clear();
            let (more, cost) = self.ground.nearest(self.ground.query, &request, halt)?;
            self.list.spent.add(&cost);
            let had: HashSet<RowRef> = rows.iter().map(|row| row.row).collect();
            let new = more.into_iter().filter(|row| !shown.contains(&row.row) && !had.contains(&row.row));
            rows.extend(new.take(k - rows.len()));
        }
        let whole = if rows.len() < k { StoppedBecause::Exhausted } else { StoppedBecause::Complete };
        let stopped = Some(halt.why().unwrap_or(whole));
        let stage = rows.iter().map(|row| row.stage).max().unwrap_or(Stage::Exact);
        Ok(Look { stage, settled: rows.len(), rows, confidence: Confidence::default(), stopped })
    }

    /// Goes through to the end without showing anything in between.
    ///
    /// # Errors
    /// Those of reading.
    pub fn run(&mut self, halt: &Halt<'_>) -> Result<Look> {
        self.list.rows = self.session.run(halt)?;
        unsure(self.ground.request, &mut self.list.rows);
        self.phase = Phase::Refining;
        while self.refine(halt)? {}
        Ok(self.end(halt))
    }

    /// What there is to see next; `None` after the end.
    ///
    /// # Errors
    /// Those of reading; it is at its end then.
    pub fn next(&mut self, halt: &Halt<'_>) -> Result<Option<Look>> {
        let next = match self.phase {
            Phase::Searching => self.search(halt),
            Phase::Refining => match self.refine(halt) {
                Ok(true) => Ok(self.look(None)),
                Ok(false) => Ok(self.end(halt)),
                Err(e) => Err(e),
            },
            Phase::Done => return Ok(None),
        };
        if next.is_err() {
            self.phase = Phase::Done;
        }
        next.map(Some)
    }

    fn search(&mut self, halt: &Halt<'_>) -> Result<Look> {
        let Some(mut look) = self.session.next(halt)? else { return Ok(self.end(halt)) };
        unsure(self.ground.request, &mut look.rows);
        if look.stopped.is_some() {
            self.list.rows = std::mem::take(&mut look.rows);
            if self.stages.is_empty() || halt.why().is_some() {
                return Ok(self.end(halt));
            }
            self.phase = Phase::Refining;
            return Ok(self.look(None));
        }
        if !self.stages.is_empty() {
            // A stage may put any row before these.
            look.settled = 0;
        }
        Ok(look)
    }

    /// Takes a step of a stage; false when there is nothing left to do.
    fn refine(&mut self, halt: &Halt<'_>) -> Result<bool> {
        let Some(stage) = self.stages.last_mut() else { return Ok(false) };
        if halt.asked() {
            return Ok(false);
        }
        match stage.step(&self.ground, &mut self.list, halt)? {
            Step::More => return Ok(true),
            Step::Done => {}
            Step::Failed(problem) => self.problem = Some(problem),
        }
        self.stages.pop();
        self.list.settled = 0;
        Ok(!self.stages.is_empty())
    }

    fn end(&mut self, halt: &Halt<'_>) -> Look {
        self.phase = Phase::Done;
        let short = self.list.rows.len() < self.ground.request.k;
        let whole = if short { StoppedBecause::Exhausted } else { StoppedBecause::Complete };
        let whole = if self.problem.is_some() { StoppedBecause::ScorerFailed } else { whole };
        self.look(Some(halt.why().unwrap_or(whole)))
    }

    fn look(&self, stopped: Option<StoppedBecause>) -> Look {
        // It is of the search; of what a stage made of it nothing is known.
        let confidence = match self.refined {
            false => self.session.confidence(&self.list.rows, true),
            true => Confidence::default(),
        };
        let k = self.ground.request.k;
        let rows = self.list.rows.get(..k).unwrap_or(&self.list.rows).to_vec();
        // After the end nothing changes any more.
        // What a stage has settled another one may move.
        let ahead = self.stages.len() > 1;
        let settled = match stopped {
            Some(_) => rows.len(),
            None if ahead => 0,
            None => self.list.settled.min(rows.len()),
        };
        let stage = rows.iter().map(|row| row.stage).max().unwrap_or(Stage::Exact);
        Look { stage, rows, settled, confidence, stopped }
    }

    /// What went wrong in a stage.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        let mut cost = self.session.cost();
        cost.add(&self.list.spent);
        cost
    }

    /// How each part is gone through.
    pub fn decisions(&self) -> Vec<Decision> {
        self.session.decisions()
    }
}

/// By a schedule's first dimensions it is not known how far rows are by its last ones.
fn unsure(request: &Request, rows: &mut [Row]) {
    if request.dims < request.last_dims {
        rows.iter_mut().for_each(|row| row.error = f64::INFINITY);
    }
}

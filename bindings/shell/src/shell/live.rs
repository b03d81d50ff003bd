//! A search at a terminal: its hits are drawn in place while they settle, and the settled table stays.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use foretaste::{Answer, Canceller, Cost, Revision, Stage, StoppedBecause};
use foretaste_shell::lang::Search;

use super::cell::Cell;
use super::grid::Grid;
use super::query::{answers, placed, row};
use super::{Done, Shell};
use crate::interrupt;
use crate::output::{Outcome, bytes, count, plural, say, style};

/// Time between two drawings, at least: faster ones would only flicker, and the search waits for each.
const FRAME: Duration = Duration::from_millis(40);
/// How often Ctrl-C is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// What stands on the screen and is drawn over.
#[derive(Default)]
struct Frame {
    lines: usize,
}

impl Shell {
    /// Answers a search revision by revision.
    pub(super) fn live(&mut self, asked: foretaste::Search, search: &Search, uncertain: bool) -> Done {
        let mut answer = asked.start().map_err(|e| placed(e, search))?;
        let (canceller, ended) = (answer.canceller(), AtomicBool::new(false));
        thread::scope(|scope| {
            let listener = scope.spawn(|| listen(&canceller, &ended));
            let done = self.draw_all(&mut answer, search, uncertain);
            ended.store(true, Ordering::Relaxed);
            listener.thread().unpark();
            done
        })
    }

    fn draw_all(&mut self, answer: &mut Answer, search: &Search, uncertain: bool) -> Done {
        let (started, pace) = (Instant::now(), self.settings.pace);
        let (mut frame, mut first, mut drawn) = (Frame::default(), None, None::<Instant>);
        let mut last = None;
        while let Some(revision) = answer.next().map_err(|e| placed(e, search))? {
            let first = *first.get_or_insert(revision.cost.elapsed);
            let rested = drawn.unwrap_or(started).elapsed() >= FRAME;
            if revision.stopped_because.is_none() && (rested || !pace.is_zero()) {
                let grid = settling(&revision, search, uncertain)?;
                let text = grid.write(self.settings.mode, true)? + &progress(&revision, first);
                frame.draw(&text)?;
                drawn = Some(Instant::now());
                hold(pace);
                if interrupt::wanted() {
                    // At once: the next step may be the last one, and over before the listener looks.
                    answer.canceller().cancel();
                }
            }
            last = Some((revision, first));
        }
        frame.draw("")?;
        let Some((mut revision, first)) = last else { return Ok(()) };
        if revision.stopped_because == Some(StoppedBecause::ScorerFailed) && interrupt::wanted() {
            // It was the interrupt that the scorer failed by.
            (revision.stopped_because, revision.problem) = (Some(StoppedBecause::Cancelled), None);
        }
        self.show(&settling(&revision, search, uncertain)?)?;
        if let Some(problem) = &revision.problem {
            say(format!("note: {problem}"));
        }
        self.note(&summary(&revision, first));
        Ok(())
    }
}

impl Frame {
    /// Draws over what was drawn before; nothing takes it off the screen.
    fn draw(&mut self, text: &str) -> Outcome {
        let (height, width) = console::Term::stdout().size();
        let most = usize::from(height).saturating_sub(2).max(1);
        let lines: Vec<&str> = text.lines().collect();
        // The last line says how far it is, so it is the rows before it that are left out.
        let (rows, status) = lines.split_at(lines.len().saturating_sub(1));
        let shown: Vec<&str> = rows.iter().take(most.saturating_sub(1)).chain(status).copied().collect();
        let mut screen = String::new();
        if self.lines > 0 {
            screen += &format!("\u{1b}[{}A", self.lines);
        }
        for line in &shown {
            // A line that wrapped would be two to draw over.
            let line = console::truncate_str(line, usize::from(width), "…");
            screen += &format!("\r\u{1b}[K{line}\n");
        }
        screen += "\u{1b}[J";
        if self.lines == 0 && shown.is_empty() {
            return Ok(());
        }
        self.lines = shown.len();
        let mut out = std::io::stdout().lock();
        out.write_all(screen.as_bytes())?;
        Ok(out.flush()?)
    }
}

/// Hands Ctrl-C on to an answer until that has ended.
fn listen(canceller: &Canceller, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        if interrupt::wanted() {
            canceller.cancel();
        }
        thread::park_timeout(LOOK);
    }
}

/// Waits so long, but no longer than the user wants.
fn hold(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until && !interrupt::wanted() {
        thread::sleep(LOOK.min(time));
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
        cells.insert(5, stage(hit.stage).into());
        grid.rows.push(cells);
    }
    Ok(grid)
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Sketch => "sketch",
        Stage::Beam => "beam",
        Stage::Refine => "refine",
        Stage::Exact => "exact",
        Stage::Rerank => "rerank",
    }
}

/// How far an answer is.
fn progress(revision: &Revision, first: Duration) -> String {
    let (n, of) = (revision.settled, revision.hits.len());
    let text = format!(
        "{}: {n} of {of} settled{}, first after {}, now {}",
        stage(revision.stage),
        recall(revision),
        time(first),
        time(revision.cost.elapsed)
    );
    format!("{}\n", style().dim().apply_to(text))
}

/// What the settled answer is worth and what it cost.
fn summary(revision: &Revision, first: Duration) -> String {
    let ended = match revision.stopped_because {
        None | Some(StoppedBecause::Complete | StoppedBecause::Exhausted) => "settled after",
        Some(StoppedBecause::Deadline) => "the best so far when the time was over, after",
        Some(StoppedBecause::Budget) => "the best so far when the budget was spent, after",
        Some(StoppedBecause::Cancelled) => "cancelled: the best so far, after",
        Some(StoppedBecause::ScorerFailed) => "the best so far when the scorer failed, after",
    };
    format!(
        "{}, first after {}, {ended} {}{}; {} compared, {}{}",
        plural(revision.hits.len() as u64, "hit"),
        time(first),
        time(revision.cost.elapsed),
        recall(revision),
        plural(revision.cost.rows_exact, "row"),
        bytes(revision.cost.bytes_read),
        scored(&revision.cost)
    )
}

/// How many rows a scorer was asked for, and how many it was not, as their scores were remembered.
fn scored(cost: &Cost) -> String {
    match (cost.scorer_calls, cost.scores_remembered) {
        (0, 0) => String::new(),
        (calls, 0) => format!(", {} scored", plural(calls, "row")),
        (calls, known) => format!(", {} scored and {} remembered", plural(calls, "row"), count(known)),
    }
}

fn recall(revision: &Revision) -> String {
    match (revision.estimated_recall, revision.recall_lower_bound) {
        (Some(recall), Some(low)) => format!(", recall about {recall:.2}, at least {low:.2}"),
        (Some(recall), None) => format!(", recall about {recall:.2}"),
        _ => String::new(),
    }
}

fn time(time: Duration) -> String {
    let micros = time.as_micros() as u64;
    if micros < 10_000 { format!("{} µs", count(micros)) } else { format!("{} ms", count(micros / 1000)) }
}

//! An answer at a terminal: what is drawn of it is drawn over in place while it settles, and Ctrl-C ends it with the best so far.
//!
//! Reads from: the answer. Writes to: standard output, by the terminal's controls. Never: what stays when it is settled; that is the
//! caller's.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use foretaste::{Answer, Canceller, Cost, Error, Revision, StoppedBecause};

use crate::interrupt;
use crate::output::{Failure, Outcome, bytes, count, plural, style};

/// Time between two drawings, at least: faster ones would only flicker, and the search waits for each.
const FRAME: Duration = Duration::from_millis(40);
/// How often Ctrl-C is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// The last revision of an answer, and when its first one came.
pub struct Settled {
    pub revision: Revision,
    pub first: Duration,
}

/// What stands on the screen and is drawn over.
#[derive(Default)]
struct Frame {
    lines: usize,
}

/// Reads an answer to its end, or until Ctrl-C has ended it with the best so far, and hands `each` revision on, with the time of the
/// first. `failed` is what an error of the search comes to.
pub fn follow<E>(
    answer: &mut Answer,
    failed: impl Fn(Error) -> E,
    mut each: impl FnMut(&Answer, Revision, Duration) -> Result<(), E>,
) -> Result<(), E> {
    let (canceller, ended, mut first) = (answer.canceller(), AtomicBool::new(false), None);
    let mut all = || {
        while let Some(revision) = answer.next().map_err(&failed)? {
            let first = *first.get_or_insert(revision.cost.elapsed);
            each(answer, revision, first)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let listener = scope.spawn(|| listen(&canceller, &ended));
        let done = all();
        ended.store(true, Ordering::Relaxed);
        listener.thread().unpark();
        done
    })
}

/// Follows an answer and draws what `text` makes of each revision, with how far it is below, each for `pace` or longer. What was drawn is
/// gone afterwards. `None` when nothing came.
pub fn repaint<E: From<Failure>>(
    answer: &mut Answer,
    pace: Duration,
    failed: impl Fn(Error) -> E,
    mut text: impl FnMut(&Revision) -> Result<String, E>,
) -> Result<Option<Settled>, E> {
    let (mut frame, mut drawn, mut last) = (Frame::default(), Instant::now(), None);
    follow(answer, failed, |answer, revision, first| {
        if revision.stopped_because.is_none() && (drawn.elapsed() >= FRAME || !pace.is_zero()) {
            frame.draw(&(text(&revision)? + &progress(&revision, first)))?;
            drawn = Instant::now();
            hold(pace);
            if interrupt::wanted() {
                // At once: the next step may be the last one, and over before the listener looks.
                answer.canceller().cancel();
            }
        }
        last = Some(Settled { revision, first });
        Ok(())
    })?;
    frame.draw("")?;
    if let Some(Settled { revision, .. }) = &mut last
        && revision.stopped_because == Some(StoppedBecause::ScorerFailed)
        && interrupt::wanted()
    {
        // It was the interrupt that the scorer failed by.
        (revision.stopped_because, revision.problem) = (Some(StoppedBecause::Cancelled), None);
    }
    Ok(last)
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

/// How far an answer is.
pub fn progress(revision: &Revision, first: Duration) -> String {
    let (n, of) = (revision.settled, revision.hits.len());
    let text = format!(
        "{}: {n} of {of} settled{}, first after {}, now {}",
        revision.stage.name(),
        recall(revision),
        time(first),
        time(revision.cost.elapsed)
    );
    format!("{}\n", style().dim().apply_to(text))
}

/// What the settled answer is worth and what it cost.
pub fn summary(settled: &Settled) -> String {
    let Settled { revision, first } = settled;
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
        time(*first),
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

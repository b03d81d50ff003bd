//! Progress on standard error: a bar that redraws itself when that is a terminal, and nothing otherwise.

use std::time::{Duration, Instant};

use foretaste::{BuildStage, Progress as Optimizing, Step};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{bytes, count};

/// How often a bar is drawn while nothing is reported.
const TICK: Duration = Duration::from_millis(200);

/// The progress of one piece of work.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    unit: &'static str,
}

impl Progress {
    /// Starts it. `unit` is what is counted: `rows`, `bytes`.
    pub fn start(what: &str, unit: &'static str) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        bar.set_style(style);
        bar.set_prefix(what.to_string());
        bar.enable_steady_tick(TICK);
        Progress { bar, started: Instant::now(), unit }
    }

    /// Says what it is about now.
    pub fn name(&self, what: &'static str) {
        self.bar.set_prefix(what);
    }

    /// Shows how far it is: `done` of `total` units, `read` bytes.
    pub fn show(&self, done: u64, total: Option<u64>, read: Option<u64>) {
        let seconds = self.seconds();
        let rate = |n: u64| (n as f64 / seconds) as u64;
        let mut message = match self.unit {
            "bytes" => format!("{} ({}/s)", bytes(done), bytes(rate(done))),
            unit => format!("{} {unit} ({}/s)", count(done), count(rate(done))),
        };
        if let Some(read) = read {
            message += &format!(", {}/s", bytes(rate(read)));
        }
        if let Some(total) = total.filter(|total| *total > 0) {
            self.bar.set_length(total);
            self.bar.set_position(done.min(total));
            message += &format!(", {} %", done.min(total).saturating_mul(100) / total);
        }
        self.bar.set_message(message);
    }

    /// Shows a share of work that is measured in something else than its unit: the bytes of a file of unknown rows.
    pub fn show_share(&self, done: u64, read: u64, total: u64) {
        self.show(done, None, Some(read));
        self.bar.set_length(total.max(1));
        self.bar.set_position(read.min(total));
    }

    /// Shows how far an optimizing has come, and what is being done.
    pub fn optimizing(&self, now: &Optimizing) {
        self.name(match now.step {
            Step::Compact => "merging",
            Step::Index(BuildStage::Train) => "training",
            Step::Index(BuildStage::Encode) => "encoding",
            Step::Index(BuildStage::Cells) => "clustering",
            Step::Index(BuildStage::Link) => "linking",
            Step::Index(BuildStage::Measure) => "measuring",
            _ => "optimizing",
        });
        self.show((now.part * now.rows as f64) as u64, Some(now.rows), None);
    }

    /// Seconds since the start, never zero.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64().max(1e-6)
    }

    /// Takes the bar off the screen.
    pub fn end(self) -> f64 {
        self.bar.finish_and_clear();
        self.seconds()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

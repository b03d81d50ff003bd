//! What a session is set to.

use std::str::FromStr;
use std::time::Duration;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Table,
    Box,
    Csv,
    Tsv,
    Json,
    Jsonl,
    Line,
    Markdown,
}

/// The modes by name.
pub const MODES: [(&str, Mode); 8] = [
    ("table", Mode::Table),
    ("box", Mode::Box),
    ("csv", Mode::Csv),
    ("tsv", Mode::Tsv),
    ("json", Mode::Json),
    ("jsonl", Mode::Jsonl),
    ("line", Mode::Line),
    ("markdown", Mode::Markdown),
];

impl Mode {
    /// Its name.
    pub fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }

    /// Whether a person reads it, so that long values are shortened.
    pub fn is_for_people(self) -> bool {
        matches!(self, Mode::Table | Mode::Box | Mode::Line | Mode::Markdown)
    }
}

impl FromStr for Mode {
    type Err = ();

    fn from_str(name: &str) -> Result<Mode, ()> {
        MODES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode).ok_or(())
    }
}

/// What `.set` sets.
pub const NAMES: [&str; 8] = [
    "embed",
    "embed_many",
    "embed_timeout",
    "scorer",
    "scorer_version",
    "scorer_timeout",
    "pace",
    "interval",
];

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    pub mode: Mode,
    pub timer: bool,
    /// Whether bars and settling answers are drawn.
    pub progress: bool,
    pub echo: bool,
    pub bail: bool,
    /// The command that makes a vector of a text.
    pub embed: Option<String>,
    /// The command that runs on, and makes vectors of many texts.
    pub embed_many: Option<String>,
    /// How long it may take.
    pub embed_timeout: Duration,
    /// The command that scores rows, of which version it is, and how long a batch may take.
    pub scorer: Option<String>,
    pub scorer_version: Option<String>,
    pub scorer_timeout: Duration,
    /// How long each revision of an answer is shown at least.
    pub pace: Duration,
    /// How often a watched search is repeated.
    pub interval: Duration,
}

impl Settings {
    /// The usual ones.
    pub fn new(interactive: bool) -> Settings {
        Settings {
            mode: if interactive { Mode::Box } else { Mode::Table },
            timer: false,
            progress: true,
            echo: false,
            bail: false,
            embed: None,
            embed_many: None,
            embed_timeout: Duration::from_secs(30),
            scorer: None,
            scorer_version: None,
            scorer_timeout: Duration::from_secs(60),
            pace: Duration::ZERO,
            interval: Duration::from_millis(500),
        }
    }
}

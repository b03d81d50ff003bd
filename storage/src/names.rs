//! The names of a database's files and folders, and what a name found on the disk stands for.
//!
//! Numbers are decimal, padded with zeros to six digits, and longer when they need to be. Every path is relative to the
//! database folder. Reads from: nothing. Writes to: nothing.
//! Never: a second spelling of a name; the parsers take exactly what the makers give.

use std::path::PathBuf;

use crate::limits;

/// The folder of the write-ahead logs.
pub const LOGS: &str = "log";
/// The folder of the generations' records.
pub const GENERATIONS: &str = "gen";
/// The folder of the segments, each a folder itself.
pub const SEGMENTS: &str = "seg";
/// The folder of the segments' deleted rows.
pub const TOMBSTONES: &str = "tomb";
/// A segment's index file, within its folder.
pub const INDEX: &str = "index";
/// A segment's documents, within its folder.
pub const PAYLOAD: &str = "payload";
/// A segment's token matrices, within its folder.
pub const TOKENS: &str = "tokens";

const PLANE: &str = "plane.";
const VARIANCE: &str = "variance.";
const ANN: &str = "ann.";
const TRUST: &str = "trust.";
const TEXT: &str = "text.";

/// What a file in a segment's folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `index`.
    Index,
    /// `plane.N`: the vectors of level N.
    Plane(usize),
    /// `variance.N`: the variances of level N.
    Variance(usize),
    /// `payload`.
    Payload,
    /// `tokens`.
    Tokens,
    /// `ann.N`: search index number N.
    Ann(u64),
    /// `text.N`: full-text index number N.
    Text(u64),
    /// `trust.N`: how far search index number N can be trusted.
    Trust(u64),
}

impl Part {
    /// The file's name within the segment's folder.
    pub fn name(self) -> String {
        match self {
            Part::Index => INDEX.to_string(),
            Part::Plane(level) => format!("{PLANE}{level}"),
            Part::Variance(level) => format!("{VARIANCE}{level}"),
            Part::Payload => PAYLOAD.to_string(),
            Part::Tokens => TOKENS.to_string(),
            Part::Ann(number) => format!("{ANN}{number}"),
            Part::Text(number) => format!("{TEXT}{number}"),
            Part::Trust(number) => format!("{TRUST}{number}"),
        }
    }

    /// What `name` in a segment's folder is; `None` when it is none of its files.
    pub fn parse(name: &str) -> Option<Part> {
        let part = match name {
            INDEX => Part::Index,
            PAYLOAD => Part::Payload,
            TOKENS => Part::Tokens,
            _ => match name.split_at_checked(name.find('.')? + 1)? {
                (PLANE, level) => Part::Plane(level.parse().ok()?),
                (VARIANCE, level) => Part::Variance(level.parse().ok()?),
                (ANN, number) => Part::Ann(number.parse().ok().filter(|n| *n <= limits::NUMBER)?),
                (TEXT, number) => Part::Text(number.parse().ok().filter(|n| *n <= limits::NUMBER)?),
                (TRUST, number) => Part::Trust(number.parse().ok().filter(|n| *n <= limits::NUMBER)?),
                _ => return None,
            },
        };
        (part.name() == name).then_some(part)
    }
}

/// The folder of segment `id`: `seg/000042`.
pub fn segment_dir(id: u64) -> PathBuf {
    PathBuf::from(SEGMENTS).join(number(id))
}

/// Write-ahead log `id`: `log/000017.log`.
pub fn log_file(id: u64) -> PathBuf {
    PathBuf::from(LOGS).join(format!("{}.log", number(id)))
}

/// The record of `generation`: `gen/000042`.
pub fn generation_file(generation: u64) -> PathBuf {
    PathBuf::from(GENERATIONS).join(number(generation))
}

/// The deleted rows of `segment`, in `version`: `tomb/000042-000007`.
pub fn tombstone_file(segment: u64, version: u64) -> PathBuf {
    PathBuf::from(TOMBSTONES).join(format!("{}-{}", number(segment), number(version)))
}

/// The segment whose folder is called `name` in `seg/`.
pub fn parse_segment(name: &str) -> Option<u64> {
    parse_number(name)
}

/// The log that is called `name` in `log/`.
pub fn parse_log(name: &str) -> Option<u64> {
    parse_number(name.strip_suffix(".log")?)
}

/// The generation whose record is called `name` in `gen/`.
pub fn parse_generation(name: &str) -> Option<u64> {
    parse_number(name)
}

/// Segment and version of the tombstones that are called `name` in `tomb/`.
pub fn parse_tombstone(name: &str) -> Option<(u64, u64)> {
    let (segment, version) = name.split_once('-')?;
    Some((parse_number(segment)?, parse_number(version)?))
}

fn number(n: u64) -> String {
    format!("{n:06}")
}

fn parse_number(name: &str) -> Option<u64> {
    let n = name.parse().ok()?;
    (number(n) == name && n <= limits::NUMBER).then_some(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn file_name(path: &Path) -> &str {
        path.file_name().and_then(|n| n.to_str()).unwrap()
    }

    #[test]
    fn every_name_parses_back_to_its_numbers() {
        for n in [0, 7, 42, 999_999, 1_000_000, limits::NUMBER] {
            assert_eq!(parse_segment(file_name(&segment_dir(n))), Some(n));
            assert_eq!(parse_log(file_name(&log_file(n))), Some(n));
            assert_eq!(parse_generation(file_name(&generation_file(n))), Some(n));
            assert_eq!(parse_tombstone(file_name(&tombstone_file(n, 3))), Some((n, 3)));
            assert_eq!(parse_tombstone(file_name(&tombstone_file(3, n))), Some((3, n)));
        }
        for part in
            [Part::Index, Part::Payload, Part::Tokens, Part::Plane(0), Part::Plane(15), Part::Variance(3)]
        {
            assert_eq!(Part::parse(&part.name()), Some(part));
        }
        for number in [0, 7, 1_000_000, limits::NUMBER] {
            for part in [Part::Ann(number), Part::Text(number), Part::Trust(number)] {
                assert_eq!(Part::parse(&part.name()), Some(part));
            }
        }
        assert_eq!(Part::Ann(17).name(), "ann.17");
        assert_eq!(Part::Text(18).name(), "text.18");
        assert_eq!(Part::parse(&Part::Ann(limits::NUMBER + 1).name()), None);
        assert_eq!(Part::parse(&Part::Text(limits::NUMBER + 1).name()), None);
        assert_eq!(segment_dir(42), Path::new("seg/000042"));
        assert_eq!(log_file(17), Path::new("log/000017.log"));
        assert_eq!(tombstone_file(42, 7), Path::new("tomb/000042-000007"));
    }

    #[test]
    fn other_spellings_are_not_names() {
        for bad in [
            "",
            "42",
            "0000042",
            "+00042",
            "00004x",
            "000042 ",
            "18446744073709551616",
            "18446744073709551615",
            "-00001",
        ] {
            assert_eq!(parse_segment(bad), None, "{bad}");
            assert_eq!(parse_log(&format!("{bad}.log")), None, "{bad}");
            assert_eq!(parse_tombstone(&format!("{bad}-000001")), None, "{bad}");
            assert_eq!(parse_tombstone(&format!("000001-{bad}")), None, "{bad}");
        }
        for bad in ["000017", "000017.LOG", "000017.log.log", ".log"] {
            assert_eq!(parse_log(bad), None, "{bad}");
        }
        for bad in ["plane.", "plane.01", "plane.+1", "plane.-1", "variance", "Index", "index/", "plane.1.2"]
        {
            assert_eq!(Part::parse(bad), None, "{bad}");
        }
        for bad in ["text", "text.", "text.01", "Text.1", "text.1.2"] {
            assert_eq!(Part::parse(bad), None, "{bad}");
        }
        for bad in ["ann", "ann.", "ann.01", "ann.000017", "ann.+1", "ann.x", "Ann.1", "ann.1.2", ".1", "é.1"]
        {
            assert_eq!(Part::parse(bad), None, "{bad}");
        }
    }
}

//! Verifies a segment: every byte of every file, then what the files say of each other.
//!
//! Reads from: every file that the reference names, and the folder. Writes to: nothing.
//! Never: a cross-check of bytes whose checksums do not match, which would report one damage many times.

use crate::codec::header::Kind;
use crate::error::{Error, Result};
use crate::names::Part;
use crate::section::columns::ColumnFile;
use crate::section::elements::ElementsFile;
use crate::segment::Segment;
use crate::variance;

impl Segment {
    /// Reads and checks everything, calling `damaged` with each damage. Returns the names in the segment's folder that
    /// its reference does not name.
    ///
    /// Every block of every file is verified anew. Where those of the index are whole, its parts are compared with each
    /// other and with the files: keys valid and each found at its row, versions and levels within bounds, scales
    /// finite, traces the sums of the variances, offsets ascending, strings UTF-8. Of each such part the first
    /// contradiction is reported.
    pub fn verify(&self, damaged: &mut dyn FnMut(Error)) -> Vec<String> {
        let mut whole = true;
        self.index.file().verify(&mut |e| {
            whole = false;
            damaged(e);
        });
        if whole {
            self.keys.verify(damaged);
            for result in [self.verify_versions(), self.verify_levels(), self.verify_scales()] {
                result.unwrap_or_else(&mut *damaged);
            }
            match self.column_files() {
                Ok(columns) => columns.iter().map(ColumnFile::view).for_each(|c| c.verify(damaged)),
                Err(e) => damaged(e),
            }
            match self.element_files() {
                Ok(elements) => elements.iter().map(ElementsFile::view).for_each(|e| e.verify(damaged)),
                Err(e) => damaged(e),
            }
            self.paths().map(|_| ()).unwrap_or_else(&mut *damaged);
        }
        let mut variances_whole = true;
        self.verify_ann(damaged);
        self.verify_trust(damaged);
        self.verify_text(damaged);
        for file in &self.reference().files {
            let part = Part::parse(&file.name);
            let result = self.verify_file(part, &file.name, whole, &mut |e| {
                variances_whole &= !matches!(part, Some(Part::Variance(_)));
                damaged(e);
            });
            if let Err(e) = result {
                variances_whole &= !matches!(part, Some(Part::Variance(_)));
                damaged(e);
            }
        }
        if whole && variances_whole {
            self.verify_traces().unwrap_or_else(&mut *damaged);
        }
        match self.folder().vfs.read_dir(&self.folder().path()) {
            Ok(names) => {
                names.into_iter().filter(|n| self.reference().files.iter().all(|f| f.name != *n)).collect()
            }
            Err(e) => {
                damaged(e);
                Vec::new()
            }
        }
    }

    /// Verifies one file but the index, with its contents when the index is whole.
    fn verify_file(
        &self,
        part: Option<Part>,
        name: &str,
        index_whole: bool,
        damaged: &mut dyn FnMut(Error),
    ) -> Result<()> {
        let kind = match part {
            Some(Part::Index | Part::Ann(_) | Part::Text(_) | Part::Trust(_)) => return Ok(()),
            Some(Part::Plane(level)) => {
                if let Some(plane) = self.plane(level)? {
                    plane.verify(damaged);
                    return Ok(());
                }
                Kind::Plane
            }
            Some(Part::Variance(level)) => {
                if let Some(plane) = self.variance_plane(level)? {
                    plane.verify(damaged);
                    return Ok(());
                }
                Kind::Variance
            }
            Some(Part::Payload) => match self.payload_file()? {
                Some(payload) if index_whole => {
                    payload.verify(damaged);
                    return Ok(());
                }
                _ => Kind::Payload,
            },
            Some(Part::Tokens) => match self.tokens_file()? {
                Some(tokens) if index_whole => {
                    tokens.verify(damaged);
                    return Ok(());
                }
                _ => Kind::Tokens,
            },
            None => return Err(self.folder().corrupt(name, "the manifest names a file that no segment has")),
        };
        // Not of use to the current layout, or not to be compared with a damaged index; its bytes still count.
        if let Some(file) = self.reference().files.iter().find(|f| f.name == name) {
            self.folder().open(file, kind, self.access())?.verify(damaged);
        }
        Ok(())
    }

    fn verify_versions(&self) -> Result<()> {
        let bounds = self.meta.first_version..=self.meta.last_version;
        for row in 0..self.rows() {
            let version = self.version(row)?;
            if !bounds.contains(&version) {
                let why = format!("row {row} has version {version}, the segment {bounds:?}");
                return Err(self.versions.corrupt(u64::from(row) * 8, why));
            }
        }
        Ok(())
    }

    fn verify_levels(&self) -> Result<()> {
        let Some(levels) = &self.levels else { return Ok(()) };
        (0..self.rows()).try_for_each(|row| self.written_levels(levels, row).map(|_| ()))
    }

    fn verify_scales(&self) -> Result<()> {
        let Some(scales) = &self.scales else { return Ok(()) };
        for row in 0..self.rows() {
            if !self.scale(row)?.is_finite() {
                return Err(scales.corrupt(u64::from(row) * 4, format!("row {row}'s scale is not finite")));
            }
        }
        Ok(())
    }

    fn verify_traces(&self) -> Result<()> {
        let Some(section) = &self.traces else { return Ok(()) };
        let mut sums = Vec::new();
        for row in 0..self.rows() {
            let has = usize::from(self.levels_of(row)?);
            let mut stored = Vec::with_capacity(has);
            for level in 0..has {
                stored.push(crate::rows::Rows::variance(self, row, level)?);
            }
            sums.clear();
            variance::traces(self.layout(), has, |l| stored.get(l).map_or(&[][..], |s| s), &mut sums);
            let found = self.traces(row)?.unwrap_or_default();
            if found.len() != sums.len() || found.iter().zip(&sums).any(|(a, b)| !close(*a, *b)) {
                let at = u64::from(row) * 4 * self.meta.layout.levels.len() as u64;
                let why = format!("row {row} has traces {found:?}, its variances sum up to {sums:?}");
                return Err(section.corrupt(at, why));
            }
        }
        Ok(())
    }
}

/// Whether two sums are the same but for the rounding of another machine's mathematics library.
fn close(a: f32, b: f32) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 * a.abs().max(b.abs())
}

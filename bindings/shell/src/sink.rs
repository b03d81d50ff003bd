//! A file being exported: written beside its place, and put there when all of it is on the disk.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "exported files lie outside the database folder"
)]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::output::{Failure, Outcome};

/// The file being written. Dropped before [`Sink::finish`], it leaves nothing behind.
pub struct Sink {
    /// `None` once it is finished.
    stream: Option<Stream>,
    part: PathBuf,
    place: PathBuf,
}

enum Stream {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Sink {
    /// Begins a file that will be at `place`.
    pub fn create(place: &Path, gzip: bool) -> Outcome<Sink> {
        let mut part = place.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(|e| failed(place, &e))?;
        let file = BufWriter::with_capacity(1 << 20, file);
        let stream = if gzip {
            Stream::Gzip(Box::new(GzEncoder::new(file, Compression::default())))
        } else {
            Stream::Plain(file)
        };
        Ok(Sink { stream: Some(stream), part, place: place.to_path_buf() })
    }

    /// Puts the whole file in its place, in one step.
    pub fn finish(mut self) -> Outcome {
        self.complete().map_err(|e| failed(&self.place, &e))
    }

    fn complete(&mut self) -> io::Result<()> {
        let file = match self.stream.take() {
            None => return Ok(()),
            Some(Stream::Plain(file)) => file,
            Some(Stream::Gzip(stream)) => stream.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&self.part, &self.place)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Some(Stream::Plain(file)) => file.write(bytes),
            Some(Stream::Gzip(stream)) => stream.write(bytes),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Some(Stream::Plain(file)) => file.flush(),
            Some(Stream::Gzip(stream)) => stream.flush(),
            None => Ok(()),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // After `finish` there is no such file any more, and nobody is left to hear of an error.
        let _ = fs::remove_file(&self.part);
    }
}

/// Why `place` could not be written.
pub fn failed(place: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", place.display()))
}

//! Dot commands about files: databases, scripts, imports, exports, where results go.

use std::path::Path;

use clap::Parser;

use super::usage;
use crate::args::{ExportFile, ImportFile};
use crate::command::{export, import};
use crate::output::{Failure, Output};
use crate::shell::{Done, Shell, open};

/// `.import FILE COLLECTION [OPTIONS]`
#[derive(Debug, Parser)]
#[command(name = ".import", no_binary_name = true, disable_version_flag = true)]
struct Import {
    #[command(flatten)]
    from: ImportFile,
    /// The collection, which is created when it is missing.
    collection: String,
}

/// `.export COLLECTION FILE [OPTIONS]`
#[derive(Debug, Parser)]
#[command(name = ".export", no_binary_name = true, disable_version_flag = true)]
struct Export {
    /// The collection.
    collection: String,
    #[command(flatten)]
    to: ExportFile,
}

impl Shell {
    pub(super) fn open_other(&mut self, _: &str, words: &[String]) -> Done {
        let (readonly, path) = match words {
            [flag, path] if flag == "--readonly" => (true, path),
            [path] => (false, path),
            _ => return Err(usage("open")),
        };
        // The one before is closed first: it may be the same, and is kept open when the other cannot be opened.
        let (other, scratch) = match open(Some(Path::new(path)), readonly) {
            Err(_) if self.database.path() == Path::new(path) => {
                self.database.clone().close()?;
                open(Some(Path::new(path)), readonly)?
            }
            opened => opened?,
        };
        let before = std::mem::replace(&mut self.database, other);
        if !before.is_read_only() {
            before.close()?;
        }
        self.scratch = scratch;
        self.last = None;
        Ok(())
    }

    pub(super) fn import(&mut self, _: &str, words: &[String]) -> Done {
        let args = parsed::<Import>(words)?;
        let reader = import::open(&args.from)?;
        let mut out = Output::new(false);
        Ok(import::load(&self.database, &args.collection, &args.from, reader, &mut out)?)
    }

    pub(super) fn export(&mut self, _: &str, words: &[String]) -> Done {
        let args = parsed::<Export>(words)?;
        let collection = self.database.collection(&args.collection)?;
        Ok(export::write(&collection, &args.to, &mut Output::new(false))?)
    }

    pub(super) fn read_file(&mut self, _: &str, words: &[String]) -> Done {
        let [file] = words else { return Err(usage("read")) };
        Ok(self.read(Path::new(file))?)
    }

    pub(super) fn output(&mut self, _: &str, words: &[String]) -> Done {
        match words {
            [] => Ok(self.out.redirect(None)?),
            [file] if file == "stdout" => Ok(self.out.redirect(None)?),
            [file] => Ok(self.out.redirect(Some(Path::new(file)))?),
            _ => Err(usage("output")),
        }
    }

    pub(super) fn once(&mut self, _: &str, words: &[String]) -> Done {
        let [file] = words else { return Err(usage("once")) };
        Ok(self.out.once(Path::new(file))?)
    }
}

/// Arguments as the command line reads them.
fn parsed<T: Parser>(words: &[String]) -> Done<T> {
    T::try_parse_from(words).map_err(|e| {
        let text = e.to_string();
        let text =
            text.strip_prefix("error: ").unwrap_or(&text).lines().next().unwrap_or_default().to_string();
        Failure::new(text).into()
    })
}

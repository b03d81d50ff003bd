//! Files of vectors into collections.
//!
//! Reads from: foreign files, by `foretaste::import`. Writes to: a collection. Never: a row twice; a collection made for a file that
//! cannot be read.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::path::PathBuf;

use foretaste::import::{self, Format, ImportError, LoadOptions, Options, Reader};
use foretaste::{Error, Metric};

use crate::collection::Collection;
use crate::database::{Database, path_of};
use crate::progress::{ProgressFn, Told};
use crate::ptr::{Data, ImportGiven, ImportedRoom, ShapeRoom, Text};
use crate::schema::{FT_METRIC_COSINE, FT_METRIC_DOT, FT_METRIC_L2, Schema};
use crate::status::{Failure, Result, Status, bad, entry, some};

/// A file to import, and what of it. Set it to zeros, then `size` to its sizeof and `path`; the rest may stay 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ImportSpec {
    /// sizeof(ft_import).
    pub size: usize,
    /// The file.
    pub path: Text,
    /// Its format: "hdf5" (in the ANN-benchmarks layout), "npy", "npz", "fvecs", "bvecs", "ivecs", "parquet", "jsonl" or "csv"; NULL when
    /// the file's extension says it.
    pub format: Text,
    /// The dataset, array, field or column that holds the vectors; NULL is the format's usual one. In CSV, "v*" is every column whose
    /// name starts with v, in file order.
    pub vector: Text,
    /// The dataset, array, field or column that holds the ids; NULL is the format's usual one. Rows without ids get their number in the
    /// file, from 0.
    pub id: Text,
    /// Rows of one batch, which is one durable commit; 0 is 4,096 or about 8 MiB, whichever is less.
    pub batch_rows: usize,
    /// Only the file's first rows, this many; 0 is all.
    pub limit: u64,
}

/// What a file has. Set `size` to sizeof(ft_file_shape) before `ft_import_look`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FileShape {
    /// sizeof(ft_file_shape).
    pub size: usize,
    /// Numbers of a vector; 0 when the file has no rows.
    pub dim: usize,
    /// How many rows; UINT64_MAX when the format does not say.
    pub rows: u64,
    /// The metric that the file asks for, one of FT_METRIC_*; 0 when it says none.
    pub metric: u32,
}

/// What an import did. Set `size` to sizeof(ft_imported) before.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Imported {
    /// sizeof(ft_imported).
    pub size: usize,
    /// Rows of the file written by this call.
    pub rows: u64,
    /// Rows that an interrupted call had written before; they were passed over.
    pub rows_before: u64,
    /// Batches committed.
    pub batches: u64,
    /// Bytes of the file read.
    pub bytes: u64,
}

/// What an import is asked for.
struct Asked {
    path: PathBuf,
    options: Options,
    batch_rows: Option<usize>,
    limit: Option<u64>,
}

/// What is in the file: only as much of it is read as that needs. FT_STATUS_IMPORT names the file and what is wrong with it.
#[unsafe(no_mangle)]
pub extern "C" fn ft_import_look(import: ImportGiven, shape: ShapeRoom) -> Status {
    entry(|| {
        let reader = Asked::new(import)?.open()?;
        let all = FileShape {
            size: 0,
            dim: reader.dim(),
            rows: reader.rows().unwrap_or(u64::MAX),
            metric: metric(&*reader).map_or(0, |metric| match metric {
                Metric::Cosine => FT_METRIC_COSINE,
                Metric::Dot => FT_METRIC_DOT,
                Metric::L2 => FT_METRIC_L2,
            }),
        };
        shape.write(&all, "shape")
    })
}

/// Writes the rows of a file into a collection, batch by batch, and seals them: all is durable when this returns. Of rows with one id
/// the last one stays.
///
/// `progress` is told after every commit (FT_DOING_IMPORT), and may be NULL; when it gives 0 this is FT_STATUS_CANCELLED, and what was
/// committed stays. After that, and after any other interruption, the same call goes on where it was: every row is in once.
/// `imported` may be NULL.
///
/// FT_STATUS_IMPORT for what is wrong with the file, after the whole rows before it were committed; what `ft_batch_commit` gives for
/// what is wrong with a row, whose number is then that in the file; FT_STATUS_READ_ONLY, FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_import(
    collection: Option<&Collection>,
    import: ImportGiven,
    progress: ProgressFn,
    data: Data,
    imported: ImportedRoom,
) -> Status {
    entry(|| {
        let asked = Asked::new(import)?;
        imported.check("imported")?;
        let collection = &some(collection, "collection")?.0;
        asked.load(collection, asked.open()?, Told(progress, data), imported)
    })
}

/// The same into the collection of that name, which is created when it is missing: by `schema`, or, when that is NULL, for vectors as
/// long as the file's, with the metric that the file asks for, or the cosine. `schema` is not looked at when the collection is there.
///
/// A file that cannot be opened, or has no rows at all (FT_STATUS_IMPORT), leaves no collection behind; nor does one whose vectors are
/// of another length than the schema's levels (FT_STATUS_DIMENSION_MISMATCH).
#[unsafe(no_mangle)]
pub extern "C" fn ft_database_import(
    database: Option<&Database>,
    name: Text,
    import: ImportGiven,
    schema: Option<&Schema>,
    progress: ProgressFn,
    data: Data,
    imported: ImportedRoom,
) -> Status {
    entry(|| {
        let (database, name) = (&some(database, "database")?.0, name.str("name")?);
        let asked = Asked::new(import)?;
        imported.check("imported")?;
        let schema = schema.map(|schema| schema.0.get().cloned()).transpose()?;
        let reader = asked.open()?;
        if reader.dim() == 0 {
            let why = format!("{} has no rows", asked.path.display());
            return Err(Failure::new(Status::Import, why));
        }
        let collection = match database.collection(name) {
            Err(Error::NotFound { .. }) => {
                schema.as_ref().map_or(Ok(()), |schema| fits(schema, &*reader))?;
                let usual =
                    || foretaste::Schema::new(reader.dim(), metric(&*reader).unwrap_or(Metric::Cosine));
                database.create_collection(name, schema.unwrap_or_else(usual))?
            }
            there => there?,
        };
        asked.load(&collection, reader, Told(progress, data), imported)
    })
}

impl Asked {
    fn new(import: ImportGiven) -> Result<Asked> {
        let given = some(import.read("import")?, "import")?;
        let own = |name: Text, what| Ok::<_, Failure>(name.optional(what)?.map(str::to_string));
        let format = given.format.optional("format")?.map(str::parse::<Format>).transpose();
        Ok(Asked {
            path: path_of(given.path)?,
            options: Options {
                vector: own(given.vector, "vector")?,
                id: own(given.id, "id")?,
                format: format.map_err(|e| bad(e.to_string()))?,
            },
            batch_rows: (given.batch_rows > 0).then_some(given.batch_rows),
            limit: (given.limit > 0).then_some(given.limit),
        })
    }

    fn open(&self) -> Result<Box<dyn Reader>> {
        Ok(import::open(&self.path, &self.options)?)
    }

    fn load(
        &self,
        collection: &foretaste::Collection,
        mut reader: Box<dyn Reader>,
        told: Told,
        imported: ImportedRoom,
    ) -> Result<()> {
        let mark = Some(import::mark_name(&self.path, &self.options)?);
        let options = LoadOptions { batch_rows: self.batch_rows, mark, limit: self.limit };
        let loaded = import::load(collection, &mut *reader, &options, &mut |now| told.import(now))?;
        let all = Imported {
            size: 0,
            rows: loaded.rows,
            rows_before: loaded.rows_before,
            batches: loaded.batches,
            bytes: loaded.bytes,
        };
        imported.write_if(&all, "imported")
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Failure {
        Error::from(error).into()
    }
}

/// Refuses a schema that no vector of the file fits; what a recipe makes of them is known when they are read.
fn fits(schema: &foretaste::Schema, reader: &dyn Reader) -> Result<()> {
    let (levels, dim) = (schema.level_dims(), reader.dim());
    if schema.vector_recipe().is_some() || levels.contains(&dim) {
        return Ok(());
    }
    let why = format!("the file has vectors of {dim} numbers, the schema levels of {levels:?}");
    Err(Failure::new(Status::DimensionMismatch, why))
}

fn metric(reader: &dyn Reader) -> Option<Metric> {
    reader.metric_hint().and_then(|hint| hint.parse().ok())
}

//! Files to import.
//!
//! The first byte says how many rows are read at a time, the second how many are skipped and which names are asked
//! for; the rest is the file.
//!
//! Reads from: the input. Writes to: nothing. Never: half a row; rows that depend on how many were read at a time.

use foretaste::import::{Format, ImportError, Options, Reader, Rows, open_bytes};

use crate::input::Input;

/// Rows and numbers looked at: damage can make a reader promise very many (fill values, repeated pages).
const MOST_ROWS: usize = 2_000;
const MOST_NUMBERS: usize = 1 << 20;

const VECTOR_NAMES: [&str; 4] = ["", "vec", "v*", "train"];
const ID_NAMES: [&str; 4] = ["", "ids", "names", "id"];

/// Reads an HDF5 file.
pub fn import_hdf5(data: &[u8]) {
    import(Format::Hdf5, data);
}

/// Reads a NumPy array.
pub fn import_npy(data: &[u8]) {
    import(Format::Npy, data);
}

/// Reads an archive of NumPy arrays.
pub fn import_npz(data: &[u8]) {
    import(Format::Npz, data);
}

/// Reads rows of a length and numbers: the first byte also chooses among `fvecs`, `bvecs` and `ivecs`.
pub fn import_fvecs(data: &[u8]) {
    let formats = [Format::Fvecs, Format::Bvecs, Format::Ivecs];
    let choice = usize::from(data.first().copied().unwrap_or_default()) % formats.len();
    import(formats[choice], data);
}

/// Reads a Parquet file.
pub fn import_parquet(data: &[u8]) {
    import(Format::Parquet, data);
}

/// Reads JSON lines, plain or compressed.
pub fn import_jsonl(data: &[u8]) {
    import(Format::Jsonl, data);
}

/// Reads comma-separated values, plain or compressed.
pub fn import_csv(data: &[u8]) {
    import(Format::Csv, data);
}

fn import(format: Format, data: &[u8]) {
    let mut input = Input::new(data);
    let (step, choice) = (usize::from(input.byte()) + 1, usize::from(input.byte()));
    let named = |name: &str| (!name.is_empty()).then(|| name.to_string());
    let options = Options {
        vector: named(VECTOR_NAMES[choice % 4]),
        id: named(ID_NAMES[choice / 4 % 4]),
        format: None,
    };
    let skip = choice / 16;
    let open = || open_bytes(format, input.rest().to_vec(), &options);
    let all = open().map(|mut reader| read(&mut *reader, 64));
    let again = open().map(|mut reader| read(&mut *reader, step));
    let skipped = open().and_then(|mut reader| {
        reader.skip(skip as u64)?;
        Ok(read(&mut *reader, step))
    });
    let (Ok(all), Ok(again)) = (all, again) else { return };
    if let (Ok(()), Ok(())) = (&all.end, &again.end) {
        assert_same(&all, &again, 0);
    }
    if let (Ok(()), Ok(skipped)) = (&all.end, skipped)
        && skipped.end.is_ok()
    {
        assert_same(&all, &skipped, skip);
    }
}

/// What was read of a file, and how that ended.
struct Found {
    rows: Rows,
    dim: usize,
    /// Whether the file's end was reached; otherwise enough was read.
    complete: bool,
    end: Result<(), ImportError>,
}

fn read(reader: &mut dyn Reader, step: usize) -> Found {
    let dim = reader.dim();
    assert!(dim as u64 <= foretaste_storage::limits::DIMENSION);
    let most = MOST_ROWS.min(MOST_NUMBERS / dim.max(1)).max(1);
    let mut found = Found { rows: Rows::default(), dim, complete: false, end: Ok(()) };
    while found.rows.len() < most {
        let before = found.rows.len();
        let result = reader.read(step.min(most - before), &mut found.rows);
        assert_eq!(found.rows.vectors.len(), found.rows.len() * dim, "half a row");
        assert_eq!(found.rows.payloads.len(), found.rows.len());
        assert!(found.rows.payloads.iter().flatten().all(serde_json::Value::is_object));
        match (reader.bytes_read(), reader.bytes_total()) {
            (read, Some(total)) => assert!(read <= total, "{read} of {total} bytes read"),
            _ => assert!(reader.rows().is_some(), "no way to tell how far it is"),
        }
        match result {
            Ok(0) => {
                found.complete = true;
                break;
            }
            Ok(rows) => assert_eq!(rows, found.rows.len() - before),
            Err(e) => {
                assert!(e.to_string().starts_with("input."), "{e}");
                found.end = Err(e);
                break;
            }
        }
    }
    if found.complete
        && let Some(rows) = reader.rows()
    {
        assert!(found.rows.first + found.rows.len() as u64 <= rows || found.rows.is_empty());
    }
    found
}

/// `part` is `all` without the first `skip` rows, as far as both were read.
fn assert_same(all: &Found, part: &Found, skip: usize) {
    let (all_rows, part_rows) = (all.rows.len().saturating_sub(skip), part.rows.len());
    assert!(part_rows == all_rows || !all.complete || !part.complete, "{all_rows} and {part_rows} rows");
    let rows = all_rows.min(part_rows);
    for row in 0..rows {
        assert_eq!(all.rows.ids.get(skip + row), part.rows.ids.get(row), "row {row} after {skip}");
        assert_eq!(all.rows.payloads.get(skip + row), part.rows.payloads.get(row), "row {row} after {skip}");
    }
    let bits = |found: &Found, from: usize| -> Vec<u32> {
        let start = from * found.dim;
        found.rows.vectors.iter().skip(start).take(rows * found.dim).map(|x| x.to_bits()).collect()
    };
    assert_eq!(bits(all, skip), bits(part, 0), "vectors depend on how they are read");
}

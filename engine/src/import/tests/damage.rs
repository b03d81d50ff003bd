//! Files cut short and bytes flipped: an error or an answer, never a panic.

use proptest::prelude::*;

use super::*;

/// Opens, skips and reads a damaged file; whatever comes, each batch is made of whole rows.
fn try_read(format: Format, bytes: Vec<u8>, options: &Options, skip: u64) -> Result<u64> {
    let mut reader = open_bytes(format, bytes, options)?;
    reader.skip(skip)?;
    let mut total = 0;
    let mut rows = Rows::default();
    // Damage can make a reader promise very many rows (fill values); a few thousand show enough.
    while total < 5_000 {
        rows.clear();
        let result = reader.read(64, &mut rows);
        assert_eq!(rows.vectors.len(), rows.len() * reader.dim());
        assert_eq!(rows.payloads.len(), rows.len());
        match result? {
            0 => break,
            n => assert_eq!(n, rows.len()),
        }
        total += rows.len() as u64;
    }
    Ok(total)
}

#[test]
fn a_file_cut_at_any_length_gives_an_error_or_fewer_rows() {
    for (name, format, bytes, options) in fixtures() {
        let step = if bytes.len() > 4_000 { 7 } else { 1 };
        for len in (0..bytes.len()).step_by(step) {
            match try_read(format, bytes[..len].to_vec(), &options, 0) {
                Ok(rows) => assert!(rows <= ROWS as u64, "{name} cut to {len}: {rows} rows"),
                Err(e) => assert!(e.to_string().starts_with("input."), "{name}: {e}"),
            }
        }
    }
}

#[test]
fn binary_files_cut_short_never_read_as_whole() {
    for (name, format, bytes, options) in fixtures() {
        if matches!(format, Format::Npy | Format::Npz | Format::Parquet) {
            for len in (0..bytes.len()).step_by(3) {
                let cut = try_read(format, bytes[..len].to_vec(), &options, 0);
                assert!(cut.is_err(), "{name} cut to {len}: {cut:?}");
            }
        }
    }
}

#[test]
fn any_byte_replaced_is_an_error_or_an_answer() {
    for (_, format, bytes, options) in fixtures() {
        // Headers are at the ends of every format here; the middle is sampled by the random test.
        let ends = (0..bytes.len()).filter(|i| *i < 700 || *i + 700 > bytes.len());
        for at in ends {
            for value in [0x00, 0xff, 0x80] {
                let mut bytes = bytes.clone();
                bytes[at] = if bytes[at] == value { !value } else { value };
                let _ = try_read(format, bytes, &options, 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_damage_is_an_error_or_an_answer(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        skip in 0u64..40,
    ) {
        let all = fixtures();
        let (_, format, mut bytes, options) = which.get(&all).clone();
        for (at, value) in &edits {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        let _ = try_read(format, bytes, &options, skip);
    }

    #[test]
    fn random_bytes_are_an_error_or_an_answer(
        format in prop::sample::select(Format::ALL.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = try_read(format, bytes, &Options::default(), 0);
    }
}

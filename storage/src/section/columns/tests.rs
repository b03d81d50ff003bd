//! Orders and bits of columns: what is written is right, and what is not right is noticed or harmless.

use proptest::prelude::*;

use super::*;
use crate::sealed::Access;
use crate::section::columns::order::Sorted;
use crate::section::tests::written;
use crate::section::{SectionKind, SectionWriter};

/// The sections of a column: itself, its order, its bits.
fn sections(column: &Column) -> [Option<Vec<u8>>; 3] {
    let sorted = Sorted::new(column);
    let bits = dense::encode(column, &sorted);
    [Some(column.encode().unwrap()), Some(sorted.encode(column)), bits]
}

fn file(sections: &[Option<Vec<u8>>; 3], access: Access) -> SectionFile {
    let mut writer = SectionWriter::new();
    let kinds = [SectionKind::Column, SectionKind::ColumnOrder, SectionKind::ColumnBits];
    for (kind, bytes) in kinds.into_iter().zip(sections) {
        bytes.iter().for_each(|bytes| writer.add(kind, 0, bytes.clone()));
    }
    written(writer, access)
}

/// Few values in many rows, some null and some of another kind.
fn columns(rows: &[(u8, i8)]) -> Vec<Column> {
    fn some<T>(row: &(u8, i8), value: T) -> Option<T> {
        (row.0 > 1).then_some(value)
    }
    let float = |i: i8| match i {
        -128 => f64::NAN,
        -127 => -0.0,
        i => f64::from(i) / 4.0,
    };
    let texts = ["", "a", "ab", "é", "zzzzzzzz", "zzzzzzzzz", "zzzzzzzz\0"];
    let text = |i: i8| texts[i.unsigned_abs() as usize % texts.len()].to_string();
    let values = [
        ColumnValues::Bool(rows.iter().map(|r| some(r, r.1 % 3 == 0)).collect()),
        ColumnValues::Int(rows.iter().map(|r| some(r, i64::from(r.1))).collect()),
        ColumnValues::Int(rows.iter().map(|r| some(r, i64::from(r.1) << 40)).collect()),
        ColumnValues::Float(rows.iter().map(|r| some(r, float(r.1))).collect()),
        ColumnValues::Str(rows.iter().map(|r| some(r, text(r.1))).collect()),
    ];
    let listed = |kind: i8| {
        let rows = rows.iter().zip(0u32..);
        rows.filter(move |(r, _)| r.0 == 0 && r.1.rem_euclid(3) == kind)
            .map(|(_, row)| row)
            .collect::<Vec<_>>()
    };
    values.map(|v| Column { nulls: listed(0), others: listed(1), ..Column::new("c", v) }).to_vec()
}

fn rows() -> impl Strategy<Value = Vec<(u8, i8)>> {
    let narrow = proptest::collection::vec((0u8..9, -3i8..4), 1100..1400);
    let wide = proptest::collection::vec((0u8..9, any::<i8>()), 0..200);
    prop_oneof![narrow, wide]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn an_order_has_every_row_once_by_its_value(rows in rows(), map in any::<bool>()) {
        let access = if map { Access::Map } else { Access::Read };
        for column in columns(&rows) {
            let open = ColumnFile::open(&file(&sections(&column), access), 0, rows.len() as u32).unwrap();
            let view = open.view();
            view.verify(&mut |e| panic!("{e}"));
            let order = view.order().unwrap();
            let mut found = Vec::new();
            order.rows(0..order.values(), |row| found.push(row)).unwrap();
            let comparable = |row: &u32| {
                let value = column.values.get(*row);
                value.order(&value).is_some()
            };
            let mut expected: Vec<u32> = (0..rows.len() as u32).filter(comparable).collect();
            expected.sort_by(|a, b| column.values.get(*a).order(&column.values.get(*b)).unwrap());
            prop_assert_eq!(&found, &expected);
            for row in 0..rows.len() as u32 {
                prop_assert_eq!(order.is_null(row).unwrap(), column.nulls.contains(&row));
                let nan = column.values.get(row) != ColumnValue::Null && !comparable(&row);
                prop_assert_eq!(order.is_other(row).unwrap(), nan || column.others.contains(&row));
            }
            // Every value that is frequent enough has bits, and no other.
            let least = rows.len().div_ceil(dense::FREQUENT as usize);
            let same = |a: &u32, b: &u32| column.values.get(*a).order(&column.values.get(*b)) == Some(Ordering::Equal);
            let runs = expected.chunk_by(same).filter(|run| run.len() >= least).count();
            let expected = if rows.len() < 1024 { 0 } else { runs };
            prop_assert_eq!(order.dense().map_or(0, |dense| dense.runs().len()), expected);
        }
    }

    #[test]
    fn forged_orders_and_bits_name_no_row_that_is_not_there(
        rows in rows(),
        which in 0usize..5,
        flips in proptest::collection::vec((1usize..3, any::<prop::sample::Index>(), any::<u8>()), 1..9),
        head in any::<bool>(),
        cut in 0usize..3,
    ) {
        let right = sections(&columns(&rows)[which]);
        let mut forged = right.clone();
        for (section, at, to) in flips {
            let Some(bytes) = &mut forged[section] else { continue };
            let len = if head { 64.min(bytes.len()) } else { bytes.len() };
            let at = at.index(len);
            bytes[at] = to;
        }
        if let Some(bytes) = &mut forged[1 + cut % 2] && cut > 0 {
            bytes.pop();
        }
        let Ok(open) = ColumnFile::open(&file(&forged, Access::Map), 0, rows.len() as u32) else { return Ok(()) };
        let (view, order) = (open.view(), open.view().order().unwrap());
        let mut damage = 0;
        view.verify(&mut |_| damage += 1);
        // Whether a row without a value says null, the column cannot know.
        let values = |sections: &[Option<Vec<u8>>; 3]| {
            let order = sections[1].clone().unwrap_or_default();
            let end = 16 + 4 * u32::from_le_bytes(order[4..8].try_into().unwrap()) as usize;
            (order[..8].to_vec(), order[16..end].to_vec(), sections[2].clone())
        };
        prop_assert!(damage > 0 || values(&forged) == values(&right));
        prop_assert!(damage == 0 || forged != right);
        let within = |row: u32| assert!((row as usize) < rows.len());
        let _ = order.rows(0..order.values(), within);
        let _ = order.null_rows(within);
        let _ = order.other_rows(within);
        for position in 0..order.values() + 2 {
            let row = order.row(position);
            prop_assert!(row.map_or(true, |row| position < order.values() && (row as usize) < rows.len()));
        }
        let dense = order.dense();
        for number in 0..dense.map_or(0, |dense| dense.runs().len()) {
            prop_assert!(dense.unwrap().bits(number).is_ok());
        }
        prop_assert!(dense.is_none_or(|dense| dense.bits(dense.runs().len()).is_err()));
    }
}

#[test]
fn a_column_without_an_order_is_read_as_before() {
    let column = &columns(&[(2, 1), (0, 0), (2, 3)])[1];
    let [column, ..] = sections(column);
    let open = ColumnFile::open(&file(&[column, None, None], Access::Map), 0, 3).unwrap();
    assert!(open.view().order().is_none());
    assert_eq!(open.view().get(2).unwrap(), ColumnValue::Int(3));
    open.view().verify(&mut |e| panic!("{e}"));
}

#[test]
fn bits_of_more_values_than_the_limit_are_refused() {
    let rows: Vec<(u8, i8)> = (0..1024).map(|i| (2, (i % 32) as i8)).collect();
    let [column, order, bits] = sections(&columns(&rows)[1]);
    let mut bits = bits.unwrap();
    assert_eq!(u64::from(bits[4]), limits::DENSE_VALUES, "as many as there can be");
    bits[4] += 1;
    bits.resize(8 + 33 * (8 + 128), 0);
    let open = ColumnFile::open(&file(&[column, order, Some(bits)], Access::Map), 0, 1024);
    assert!(open.is_err());
}

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::bytes::{AlignedBuf, Bytes};
use crate::key::{Key, KeyRef};
use crate::layout::{Element, Layout, TokenLayout};
use crate::rows::Rows;
use crate::tokens::Matrix;
use crate::{element, limits};

fn layout(element: Element, variance: Option<VarianceLayout>) -> Layout {
    Layout { levels: vec![2, 5], element, variance }
}

fn parse(bytes: &[u8]) -> crate::Result<Block> {
    let mut buf = AlignedBuf::with_capacity(bytes.len());
    buf.extend_from_slice(bytes);
    Block::parse(Bytes::from(buf), Path::new("log/000001.log"), 0)
}

fn example() -> Block {
    let rows = [
        RowInput {
            key: KeyRef::Int(7),
            vector: &[1., 2., 3., 4., 5.],
            variance: Some(&[0.5; 5]),
            tokens: Some(Matrix {
                layout: TokenLayout { dims: 2, element: Element::I8 },
                numbers: &[0.5, -1.0, 300.0, 7.0, 0.0, 0.0],
            }),
            payload: b"{\"a\":1}",
        },
        RowInput { key: KeyRef::Str("x"), vector: &[-1., 0.5], variance: None, tokens: None, payload: b"" },
    ];
    let mark = Mark { name: "import".into(), position: 9 };
    encode(
        &layout(Element::F32, Some(VarianceLayout::DiagonalF16)),
        &rows,
        &[KeyRef::Str("gone")],
        Some(&mark),
    )
    .unwrap()
}

#[test]
fn a_block_gives_back_what_was_encoded() {
    let block = parse(example().bytes()).unwrap();
    let layout = layout(Element::F32, Some(VarianceLayout::DiagonalF16));
    assert_eq!((block.rows(), block.deletes(), block.width()), (2, 1, 5));
    assert_eq!(block.key(2), KeyRef::Str("gone"));
    assert_eq!(block.mark().unwrap().position, 9);
    let rows = BlockRows { block: &block, layout: &layout, first: 100 };
    assert_eq!(rows.version(1).unwrap(), 101);
    assert_eq!((rows.levels(0).unwrap(), rows.levels(1).unwrap()), (2, 1));
    let mut back = Vec::new();
    element::decode(Element::F32, &rows.vector(0, 0).unwrap(), 1.0, &mut back);
    element::decode(Element::F32, &rows.vector(0, 1).unwrap(), 1.0, &mut back);
    assert_eq!(back, [1., 2., 3., 4., 5.]);
    assert_eq!(rows.variance(0, 1).unwrap().len(), 6);
    assert_eq!(rows.variance(1, 0).unwrap().to_vec(), [0; 4]);
    assert_eq!((&*rows.payload(0).unwrap(), &*rows.payload(1).unwrap()), (&b"{\"a\":1}"[..], &b""[..]));
}

#[test]
fn a_damaged_block_is_an_error_or_a_block_never_a_panic() {
    let good = example().bytes().to_vec();
    for len in 0..good.len() {
        let _ = parse(&good[..len]);
    }
    for at in 0..good.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            if let Ok(block) = parse(&bad) {
                for row in 0..block.rows() {
                    let _ =
                        (block.key(row), block.payload_of(row), block.variance_of(row), block.width_of(row));
                    let mut numbers = Vec::new();
                    if let Some(matrix) = block.tokens_of(row) {
                        matrix.decode(&mut numbers);
                        assert!(numbers.len().is_multiple_of(matrix.layout.dims as usize));
                    }
                }
            }
        }
    }
}

#[test]
fn token_matrices_come_back_and_a_block_without_them_is_as_it_was_before_there_were_any() {
    let block = parse(example().bytes()).unwrap();
    let layout = TokenLayout { dims: 2, element: Element::I8 };
    assert_eq!(block.token_layout(), Some(layout));
    let (mut numbers, matrix) = (Vec::new(), block.tokens_of(0).unwrap());
    matrix.decode(&mut numbers);
    let expected = [0.5, -1.0, 300.0, 7.0, 0.0, 0.0];
    for (number, (found, wanted)) in numbers.iter().zip(expected).enumerate() {
        let step = if number < 2 { 1.0 } else { 300.0 } / 127.0;
        assert!((found - wanted).abs() <= step / 2.0, "{found} for {wanted}");
    }
    assert_eq!(numbers.len(), expected.len());
    assert!(block.tokens_of(1).is_none() && block.tokens_of(2).is_none());

    let plain =
        RowInput { key: KeyRef::Int(1), vector: &[1., 2.], variance: None, tokens: None, payload: b"" };
    let block = encode(&self::layout(Element::F32, None), &[plain], &[], None).unwrap();
    assert_eq!((&block.bytes()[20..32], &block.bytes()[104..128]), (&[0; 12][..], &[0; 24][..]));
    assert!(block.token_layout().is_none() && block.tokens_of(0).is_none());
}

#[test]
fn matrices_that_do_not_go_together_are_refused() {
    let row = |key, dims, numbers| {
        let layout = TokenLayout { dims, element: Element::F32 };
        let tokens = Some(Matrix { layout, numbers });
        RowInput { key: KeyRef::Int(key), vector: &[1., 2.], variance: None, tokens, payload: b"" }
    };
    let layout = layout(Element::F32, None);
    let refused = |rows: &[RowInput<'_>]| encode(&layout, rows, &[], None).is_err();
    assert!(!refused(&[row(1, 2, &[1.0; 4]), row(2, 2, &[1.0; 2])]));
    assert!(refused(&[row(1, 2, &[1.0; 4]), row(2, 4, &[1.0; 4])]));
    assert!(refused(&[row(1, 2, &[1.0; 3])]));
    assert!(refused(&[row(1, 0, &[])]));
}

#[test]
fn hostile_token_sections_are_errors() {
    let good = example().bytes().to_vec();
    let u32_at = |at: usize| u32::from_le_bytes(good[at..at + 4].try_into().unwrap());
    let (offsets, tokens) = (u32_at(104), u32_at(112));
    assert_eq!((u32_at(108), u32_at(116)), (12, 18), "two rows; three tokens of two codes and a scale");
    let changed = |changes: &[(usize, u32)]| {
        let mut bad = good.clone();
        changes.iter().for_each(|(at, value)| bad[*at..*at + 4].copy_from_slice(&value.to_le_bytes()));
        parse(&bad)
    };
    assert!(changed(&[]).is_ok());
    for (what, changes) in [
        ("tokens of no number", &[(20, 0)][..]),
        ("tokens of too many numbers", &[(20, limits::TOKEN_DIMENSION as u32 + 1)]),
        ("an unknown element", &[(24, 9)]),
        ("tokens of which a matrix holds no whole number", &[(20, 3)]),
        ("matrices without offsets", &[(104, 0), (108, 0)]),
        ("offsets without matrices", &[(112, 0), (116, 0)]),
        ("too few offsets", &[(108, 8)]),
        ("offsets that descend", &[(offsets as usize + 4, 24), (offsets as usize + 8, 18)]),
        ("offsets that begin late", &[(offsets as usize, 6)]),
        ("a matrix that reaches beyond the block", &[(116, 1 << 20), (offsets as usize + 8, 1 << 20)]),
        ("sections that overlap", &[(112, offsets)]),
        ("a scale that is no number", &[(tokens as usize + 2, f32::NAN.to_bits())]),
    ] {
        let parsed = changed(changes);
        assert!(matches!(parsed, Err(crate::Error::Corrupt { .. })), "{what}: {parsed:?}");
    }
}

#[test]
fn batches_beyond_the_limits_are_refused() {
    let l = layout(Element::F32, None);
    let long = "k".repeat(limits::KEY_BYTES as usize + 1);
    assert!(encode(&l, &[], &[KeyRef::Str(&long)], None).is_err());
    let payload = vec![b' '; limits::PAYLOAD_BYTES as usize + 1];
    let row =
        RowInput { key: KeyRef::Int(0), vector: &[0., 0.], variance: None, tokens: None, payload: &payload };
    assert!(encode(&l, &[row], &[], None).is_err());
    let row = RowInput { payload: &payload[1..], ..row };
    assert!(encode(&l, &[row; 65], &[], None).is_err(), "65 x 16 MiB are more than a batch may have");
    let layout = TokenLayout { dims: 1, element: Element::F16 };
    let long = vec![0.0; limits::TOKENS as usize + 1];
    let with = |numbers| RowInput { tokens: Some(Matrix { layout, numbers }), payload: b"", ..row };
    let refused = encode(&l, &[with(&long)], &[], None);
    assert!(matches!(refused, Err(crate::Error::LimitExceeded { limit: limits::TOKENS, .. })), "{refused:?}");
    assert!(encode(&l, &[with(&long[1..])], &[], None).is_ok());
    let deletes = vec![KeyRef::Int(1); limits::BATCH_OPS as usize + 1];
    assert!(encode(&l, &[], &deletes, None).is_err());
}

proptest! {
    #[test]
    fn any_batch_reads_back(
        rows in proptest::collection::vec((any::<bool>(), any::<i64>(), ".{0,8}", prop::bool::ANY, prop::array::uniform5(-100f32..100.)), 0..20),
        deletes in proptest::collection::vec(".{0,12}", 0..5),
        element in prop::sample::select(vec![Element::F32, Element::F16, Element::BF16, Element::I8]),
    ) {
        let keys: Vec<Key> = rows.iter().map(|r| if r.0 { Key::Int(r.1) } else { Key::Str(r.2.clone()) }).collect();
        let inputs: Vec<RowInput<'_>> = rows.iter().zip(&keys).map(|(r, k)| RowInput {
            key: k.as_ref(), vector: if r.3 { &r.4[..2] } else { &r.4 }, variance: None, tokens: None, payload: r.2.as_bytes(),
        }).collect();
        let deletes: Vec<KeyRef<'_>> = deletes.iter().map(|d| KeyRef::Str(d)).collect();
        let layout = layout(element, None);
        let block = encode(&layout, &inputs, &deletes, None).unwrap();
        for (i, input) in inputs.iter().enumerate() {
            let row = i as u32;
            prop_assert_eq!(block.key(row), input.key);
            prop_assert_eq!(block.payload_of(row), input.payload);
            prop_assert_eq!(block.width_of(row), input.vector.len());
            let view = BlockRows { block: &block, layout: &layout, first: 0 };
            let (mut stored, mut back) = (vec![0; input.vector.len() * element.size()], Vec::new());
            let scale = element::encode(element, input.vector, &mut stored);
            prop_assert_eq!(view.scale(row).unwrap(), scale);
            for level in 0..view.levels(row).unwrap() as usize {
                back.extend_from_slice(&view.vector(row, level).unwrap());
            }
            prop_assert_eq!(back, stored);
        }
        for (i, key) in deletes.iter().enumerate() {
            prop_assert_eq!(block.key(block.rows() + i as u32), *key);
        }
    }
}

use super::*;

fn line(recall: f32, low: f32) -> Line {
    Line { recall, low, settled: low, right: [recall; PARTS] }
}

/// Recall rises by a hundredth from reach to reach, from 0.8 on.
fn trust() -> Trust {
    let table: Vec<Line> =
        (0..REACHES.len()).map(|i| line(0.8 + 0.01 * i as f32, 0.5 + 0.02 * i as f32)).collect();
    Trust { looks: vec![table.clone(); COUNTS.len()], ends: vec![table; COUNTS.len()], queries: 99 }
}

#[test]
fn farther_is_surer_and_what_was_not_measured_is_not_promised() {
    let trust = trust();
    let at = |reach| trust.end(10, reach).unwrap();
    assert_eq!((at(0.0).recall, at(0.0).low, at(0.0).settled), (0.0, 0.0, 0));
    let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(close(at(1.0).recall, 0.86) && close(at(1.0).low, 0.62) && at(1.0).settled == 6);
    // Between two reaches the mean grows and the bound does not.
    assert!(close(at(1.025).recall, 0.865) && close(at(1.025).low, 0.62));
    assert!(close(at(f32::INFINITY).recall, 0.99) && close(at(1e9).right(9), 0.99));
    let mut before = at(0.0);
    for reach in (0..600).map(|i| i as f32 / 100.0) {
        let now = at(reach);
        assert!(now.recall >= before.recall && now.low >= before.low && now.settled >= before.settled);
        before = now;
    }
    // 99 queries and one that finds nothing.
    assert_eq!(trust.reach(10, 0.80), Some(0.7));
    assert_eq!(trust.reach(10, 0.85), Some(1.0));
    assert_eq!(trust.reach(10, 0.9999), Some(f32::INFINITY));
}

#[test]
fn the_table_for_the_number_of_rows_most_like_the_one_wanted_is_taken() {
    let mut trust = trust();
    for (which, table) in trust.ends.iter_mut().enumerate() {
        table.iter_mut().for_each(|line| line.recall = which as f32 / 10.0);
    }
    let recall = |count| (trust.end(count, 2.0).unwrap().recall * 10.0).round();
    assert_eq!(
        [0, 1, 3, 4, 10, 30, 33, 100, 5000].map(recall),
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    );
}

#[test]
fn a_table_is_what_was_encoded_and_nonsense_is_none() {
    let (name, trust) = (Path::new("trust.1"), trust());
    let bytes = trust.encode().unwrap();
    assert_eq!(Trust::decode(&bytes, name).unwrap(), trust);
    for len in 0..bytes.len() {
        assert!(matches!(Trust::decode(&bytes[..len], name), Err(Error::Corrupt { .. })), "{len}");
    }
    let mut wrong = [trust.clone(), trust.clone(), trust];
    wrong[0].ends.pop();
    wrong[1].looks[1].pop();
    wrong[2].ends[0][3].low = f32::NAN;
    for wrong in wrong {
        assert!(matches!(Trust::decode(&wrong.encode().unwrap(), name), Err(Error::Corrupt { .. })));
    }
}

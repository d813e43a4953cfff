//! Metrics by hand, and what must hold for all of them.

use super::*;
use proptest::prelude::*;

fn confusion(classes: usize, samples: &[(u32, u32)]) -> Confusion {
    let mut confusion = Confusion::new(classes).unwrap();
    for &(label, predicted) in samples {
        confusion.add(label, predicted).unwrap();
    }
    confusion
}

/// Class 0: 2 of 3 found, and 1 of the 3 answers 0 is wrong. Class 1: 1 found, 1 unanswered.
/// Class 2: never found. Class 3: never seen, never said.
fn by_hand() -> Confusion {
    confusion(4, &[(0, 0), (0, 0), (0, 1), (1, 1), (1, NO_ANSWER), (2, 0)])
}

#[test]
fn scores_by_hand() {
    let c = by_hand();
    assert_eq!((c.correct(), c.total(), c.unanswered()), (3, 6, 1));
    assert_eq!((c.accuracy(), c.count(0, 1), c.count(1, 0)), (0.5, 1, 0));
    let (third, half) = (1.0 / 3.0, 0.5);
    let scores = |precision, recall, f1| Scores { precision, recall, f1 };
    assert_eq!(c.scores(0), scores(2.0 * third, 2.0 * third, 2.0 * third));
    assert_eq!(c.scores(1), scores(half, half, half));
    assert_eq!(c.scores(2), Scores::default());
    assert_eq!(c.scores(3), Scores::default());
    let mean = (2.0 / 3.0 + 0.5) / 4.0;
    assert_eq!(c.macro_scores(), scores(mean, mean, mean));
}

#[test]
fn nothing_counted_scores_nothing() {
    let c = Confusion::new(1).unwrap();
    assert_eq!((c.accuracy(), c.macro_scores()), (0.0, Scores::default()));
    assert_eq!(c.accuracy_interval(), Interval { low: 0.0, high: 1.0 });
}

#[test]
fn a_table() {
    let expected = "\
label  0  1  2  3  none   recall
    0  2  1  0  0     0  66.67 %
    1  0  1  0  0     1  50.00 %
    2  1  0  0  0     0   0.00 %
    3  0  0  0  0     0   0.00 %";
    assert_eq!(by_hand().to_string(), expected);
    let answered = confusion(2, &[(0, 0), (1, 1)]).to_string();
    assert_eq!(answered, "label  0  1    recall\n    0  1  0  100.00 %\n    1  0  1  100.00 %");
}

#[test]
fn what_is_no_class_is_refused() {
    let mut c = Confusion::new(2).unwrap();
    let error = c.add(2, 0).unwrap_err().to_string();
    assert_eq!(error, "the label 2 is none of the 2 classes (hint: classes are counted from 0)");
    assert!(c.add(NO_ANSWER, 0).unwrap_err().to_string().contains("the label 4294967295"));
    assert!(c.add(0, 7).unwrap_err().to_string().contains("the prediction 7"));
    assert_eq!(c.total(), 0);
    assert!(Confusion::new(0).is_err() && Confusion::new(257).is_err());
    assert!(Confusion::new(256).unwrap().add(255, 255).is_ok());
}

#[test]
fn top_k_by_hand() {
    let logits = [0.1, 0.5, 0.4, 2.0, 2.0, 1.0];
    let top = |labels: &[u32], k| top_k_accuracy(&logits, labels, 3, k).unwrap();
    // Ranks 1 and 1, then 0 and 2. In the second row the two 2.0 tie, and the first one leads.
    assert_eq!([0, 1, 2, 3].map(|k| top(&[2, 1], k)), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!([0, 1, 2, 3].map(|k| top(&[1, 2], k)), [0.0, 0.5, 0.5, 1.0]);
    assert_eq!(top_k_accuracy(&[f32::NAN, 1.0], &[1], 2, 2), Ok(0.0));
    assert_eq!(top_k_accuracy(&[], &[], 3, 1), Ok(0.0));
    assert!(top_k_accuracy(&logits, &[0, 3], 3, 1).is_err());
    assert!(top_k_accuracy(&logits, &[0], 3, 1).unwrap_err().to_string().contains("6 logits"));
    assert!(top_k_accuracy(&[], &[0, 0], usize::MAX, 1).is_err());
}

/// Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
#[test]
fn wilson_by_the_book() {
    let cases = [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ];
    for (correct, total, low, high) in cases {
        let found = wilson_95(correct, total);
        assert!((found.low - low).abs() < 5e-5 && (found.high - high).abs() < 5e-5, "{found:?}");
    }
    assert_eq!(wilson_95(20, 20).high, 1.0);
}

#[test]
fn a_file_is_not_believed() {
    let json = serde_json::to_string(&by_hand()).unwrap();
    assert_eq!(
        json,
        r#"{"counts":[[2,1,0,0],[0,1,0,0],[1,0,0,0],[0,0,0,0]],"unanswered":[0,1,0,0]}"#
    );
    assert_eq!(serde_json::from_str::<Confusion>(&json).unwrap(), by_hand());
    let broken = [
        r#"{"counts":[],"unanswered":[]}"#,
        r#"{"counts":[[1,2],[3]],"unanswered":[0,0]}"#,
        r#"{"counts":[[1]],"unanswered":[]}"#,
        r#"{"counts":[[9223372036854775808]],"unanswered":[0]}"#,
    ];
    for json in broken {
        assert!(serde_json::from_str::<Confusion>(json).is_err(), "{json}");
    }
}

proptest! {
    #[test]
    fn top_1_is_the_accuracy_of_argmax(
        // Few different values, so that there are ties, and one of them no number.
        rows in prop::collection::vec((prop::array::uniform4(0u8..4), 0u32..4), 1..20),
    ) {
        let values = [0.0, 1.0, 2.0, f32::NAN];
        let logits: Vec<f32> = rows.iter().flat_map(|(x, _)| x.map(|i| values[i as usize])).collect();
        let labels: Vec<u32> = rows.iter().map(|(_, label)| *label).collect();
        let mut answers = vec![0; rows.len()];
        glassbox_cpu::reference::argmax(&mut answers, &logits, [rows.len(), 4]);
        let samples: Vec<_> = labels.iter().copied().zip(answers).collect();
        let confusion = confusion(4, &samples);
        prop_assert_eq!(top_k_accuracy(&logits, &labels, 4, 1).unwrap(), confusion.accuracy());
        let top: Vec<f64> = (0..5).map(|k| top_k_accuracy(&logits, &labels, 4, k).unwrap()).collect();
        prop_assert!(top.is_sorted());
    }

    #[test]
    fn scores_lie_between_0_and_1(
        samples in prop::collection::vec((0u32..5, prop_oneof![0u32..5, Just(NO_ANSWER)]), 0..60),
    ) {
        let c = confusion(5, &samples);
        prop_assert_eq!(c.total(), samples.len() as u64);
        let Interval { low, high } = c.accuracy_interval();
        prop_assert!(low <= c.accuracy() && c.accuracy() <= high);
        // The mean of the recalls, weighted by how often a class occurs, is the accuracy.
        let weighted: f64 = (0..5).map(|k| c.scores(k).recall * c.labelled(k) as f64).sum();
        prop_assert!((weighted - c.correct() as f64).abs() < 1e-9);
        for s in (0..5).map(|k| c.scores(k)).chain([c.macro_scores()]) {
            prop_assert!([s.precision, s.recall, s.f1].iter().all(|x| (0.0..=1.0).contains(x)));
        }
    }

    #[test]
    fn an_interval_holds_its_accuracy(correct: u64, wrong: u64) {
        let total = correct.saturating_add(wrong);
        let Interval { low, high } = wilson_95(correct, total);
        let p = ratio(correct, total);
        prop_assert!(0.0 <= low && low <= p && p <= high && high <= 1.0);
    }
}

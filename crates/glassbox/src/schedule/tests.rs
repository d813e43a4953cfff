//! Rates by hand, against PyTorch's formulas, and the text form both ways.

use super::*;
use proptest::prelude::*;

fn rates(text: &str, base: f32, total: u64) -> Vec<f32> {
    let schedule: Schedule = text.parse().unwrap();
    (0..=total + 1).map(|step| schedule.rate(base, step, total)).collect()
}

#[test]
fn by_hand() {
    assert_eq!(rates("constant", 0.1, 2), [0.1; 4]);
    assert_eq!(rates("step:2:0.5", 1.0, 5), [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25]);
    // cos(π/4) = √2/2
    assert_eq!(rates("cosine", 1.0, 4), [1.0, 0.853_553_4, 0.5, 0.146_446_62, 0.0, 0.0]);
    assert_eq!(rates("cosine:0.5", 2.0, 2), [2.0, 1.5, 1.0, 1.0]);
    assert_eq!(rates("warmup:4:constant", 1.0, 5), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!(rates("warmup:2:cosine", 1.0, 4), [0.5, 1.0, 1.0, 0.5, 0.0, 0.0]);
    // Up for 5 steps from 1/2, the summit at step 4, down for 5 to 1/8.
    assert_eq!(rates("one-cycle:0.5:2:4", 1.0, 10)[4], 1.0);
    let [first, middle, last] = [0, 2, 9].map(|i| rates("one-cycle:0.5:2:4", 1.0, 10)[i]);
    assert_eq!([first, middle, last], [0.5, 0.75, 0.125]);
    assert_eq!(rates("one-cycle:0.5:2:4", 1.0, 10)[9..], [0.125; 3]);
}

/// `OneCycleLR`'s own words, with the system's cosine: the summit of 10 steps at 30 % is step 2.
#[test]
fn one_cycle_with_the_defaults_of_pytorch() {
    let (start, end) = (1.0f64 / 25.0, 1.0 / 25.0 / 1e4);
    let between = |from: f64, to: f64, x: f64| {
        to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * x).cos())
    };
    for (step, &found) in rates("one-cycle", 1.0, 10)[..10].iter().enumerate() {
        let step = step as f64;
        let expected = match step <= 2.0 {
            true => between(start, 1.0, step / 2.0),
            false => between(1.0, end, (step - 2.0) / 7.0),
        };
        // 0.3 is not a binary fraction: PyTorch has it in f64, this library in f32.
        assert!((f64::from(found) - expected).abs() < 1e-7 + 1e-6 * expected, "step {step}");
    }
}

#[test]
fn the_cosine_is_good_to_1e_15() {
    for i in 0..=100_000u32 {
        let x = f64::from(i) / 1e5;
        let (found, system) = (cos_pi(x), (std::f64::consts::PI * x).cos());
        assert!((found - system).abs() < 1e-15, "cos({x}π) is {system:e}, found {found:e}");
    }
    assert_eq!([0.0, 0.5, 1.0].map(cos_pi), [1.0, 0.0, -1.0]);
    // 1/2, (√6 + √2)/4 and (√5 − 1)/4, which owe nothing to any cosine.
    let exact = [(1.0 / 3.0, 0.5), (1.0 / 12.0, 0.965_925_826_289_068_3)];
    for (x, cos) in exact.into_iter().chain([(0.4, 0.309_016_994_374_947_45)]) {
        assert!((cos_pi(x) - cos).abs() < 1e-15);
        assert!((cos_pi(1.0 - x) + cos).abs() < 1e-15);
    }
}

#[test]
fn powers() {
    assert_eq!([0, 1, 2, 3, 10].map(|n| power(2.0, n)), [1.0, 2.0, 4.0, 8.0, 1024.0]);
    assert_eq!(power(0.5, u64::MAX), 0.0);
}

#[test]
fn a_text_that_is_no_schedule_says_why() {
    let cases = [
        ("", "there is no schedule \"\" (hint: one of constant, step:EVERY"),
        ("cosin", "there is no schedule \"cosin\""),
        ("step:10", "the schedule \"step:10\" has the wrong number of parts (hint: write step:"),
        ("warmup:5", "(hint: write warmup:STEPS:SCHEDULE"),
        ("warmup:5:", "there is no schedule \"\""),
        ("warmup:5:step:1", "the schedule \"step:1\" has the wrong number of parts"),
        ("warmup:5:warmup:5:cosine", "a warm-up cannot follow a warm-up"),
        ("warmup:-5:cosine", "\"-5\" is not a number of warm-up steps (hint: it is a whole number"),
        ("step:0:0.5", "\"0\" is not a number of steps"),
        ("step:9:nan", "\"nan\" is not a factor (hint: it is a number above 0)"),
        ("cosine:2", "\"2\" is not an end fraction"),
        ("one-cycle:0.3", "(hint: write one-cycle or one-cycle:WARM_UP"),
        ("one-cycle:0.3:25:inf", "\"inf\" is not a final divisor"),
    ];
    for (text, expected) in cases {
        let error = text.parse::<Schedule>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn in_a_file_a_schedule_is_its_text() {
    let json = serde_json::to_string(&Schedule::one_cycle()).unwrap();
    assert_eq!(json, "\"one-cycle\"");
    assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), Schedule::one_cycle());
    assert!(serde_json::from_str::<Schedule>("\"step:0:1\"").is_err());
}

fn any_plain() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        Just(Schedule::Constant),
        (1u64.., 1e-6f32..2.0).prop_map(|(every, factor)| Schedule::Step { every, factor }),
        (0f32..=1.0).prop_map(|end_fraction| Schedule::Cosine { end_fraction }),
        (0f32..=1.0, 1f32..1e6, 1f32..1e6).prop_map(|(warm_up_fraction, start_div, final_div)| {
            Schedule::OneCycle { warm_up_fraction, start_div, final_div }
        }),
        Just(Schedule::one_cycle()),
    ]
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    (any_plain(), prop::option::of(1u64..)).prop_map(|(then, warm_up)| match warm_up {
        Some(steps) => Schedule::WarmUp { steps, then: Box::new(then) },
        None => then,
    })
}

proptest! {
    #[test]
    fn the_text_form_goes_both_ways(schedule in any_schedule()) {
        prop_assert_eq!(schedule.to_string().parse(), Ok(schedule));
    }

    #[test]
    fn every_rate_is_a_number_and_stays_after_the_end(
        schedule in any_schedule(), step: u64, total in prop_oneof![0u64..20, any::<u64>()],
    ) {
        let rate = schedule.rate(0.1, step, total);
        prop_assert!(rate.is_finite() && rate >= 0.0, "{}", rate);
        if let Some(after) = total.checked_add(1) {
            prop_assert_eq!(schedule.rate(0.1, after, total), schedule.rate(0.1, total, total));
        }
    }

    #[test]
    fn no_text_is_a_panic(text in "[a-z0-9:.-]{0,40}|(warmup:|step:|cosine:|one-cycle:|[0-9]:){0,9}") {
        let _ = text.parse::<Schedule>();
    }
}

//! The schedules against the rates that PyTorch used, recorded by tools/golden.py.

use glassbox::schedule::Schedule;
use serde_json::Value;

/// What each recorded scheduler is called here.
const NAMES: [(&str, &str); 3] =
    [("StepLR", "step:6:0.5"), ("CosineAnnealingLR", "cosine:0.01"), ("OneCycleLR", "one-cycle")];

/// Rates here are `f32`, and so are settings such as 0.3: a few roundings, of the base rate's size.
const TOLERANCE: f64 = 2e-7 * 0.1;

#[test]
fn the_rates_are_those_of_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("golden/schedules.json")).unwrap();
    let recorded = golden["schedules"].as_array().unwrap();
    for (name, text) in NAMES {
        let schedule: Schedule = text.parse().unwrap();
        let case = recorded.iter().find(|case| case["name"] == name).expect(name);
        let rates = case["rates"].as_array().unwrap();
        assert_eq!(rates.len(), 20, "{name}");
        for (step, expected) in rates.iter().enumerate() {
            let found = f64::from(schedule.rate(0.1, step as u64, 20));
            let expected = expected.as_f64().unwrap();
            assert!((found - expected).abs() < TOLERANCE, "{name} {step}: {found}, not {expected}");
        }
    }
}

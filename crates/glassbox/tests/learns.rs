//! It learns: MNIST to the accuracy that is promised, the built-in digits with no data at all.
//!
//! The real MNIST is looked for in `GLASSBOX_DATA` and the cache; without it a test says loudly that
//! it was skipped. The promise over five seeds takes minutes: `cargo test --release -p glassbox
//! --test learns -- --ignored`.

use glassbox::data::{DataPair, LoadOptions, load};
use glassbox::{Device, Event, Loss, PlanName, Result, Samples, Settings, Sink, Trainer, evaluate};
use std::sync::atomic::AtomicBool;

/// The real MNIST, or a loud word that there is none.
#[expect(clippy::print_stderr)]
fn mnist(test: &str) -> Option<DataPair> {
    match load("mnist", &LoadOptions::from_env()) {
        Ok(data) => Some(data),
        Err(why) => {
            eprintln!("SKIPPED: {test} needs the real MNIST. {why}");
            None
        }
    }
}

/// Keeps what a run says of its untrained network.
struct Untrained(Option<[f64; 2]>);

impl Sink for Untrained {
    fn event(&mut self, event: &Event) -> Result<()> {
        if let Event::Started { untrained: Some(pair), .. } = event {
            self.0 = Some(*pair);
        }
        Ok(())
    }
}

/// The accuracy on the test images after training.
fn trained(settings: Settings, data: &DataPair) -> f64 {
    let device = Device::cpu(None).unwrap();
    let (plan, _) = PlanName::Auto.choose(&settings, &device).unwrap();
    let samples = Samples::new(data.train.clone()).unwrap();
    let mut trainer = Trainer::new(settings, device.clone(), plan, samples, None).unwrap();
    let mut untrained = Untrained(None);
    trainer.run(&mut untrained, &AtomicBool::new(false)).unwrap();
    let [loss, expected] = untrained.0.expect("a new run says how bad it is");
    assert_eq!(expected, Loss::untrained(10));
    assert!((loss - expected).abs() < 0.3, "untrained loss {loss}, ln 10 is {expected}");
    evaluate(trainer.network_mut(), &device, &Samples::new(data.test.clone()).unwrap())
        .unwrap()
        .accuracy
}

/// Trains once, and holds the accuracy against what is promised.
fn check(what: &str, settings: Settings, data: &DataPair, least: f64) -> f64 {
    let seed = settings.seed;
    let accuracy = trained(settings, data);
    assert!(accuracy >= least, "{what}, seed {seed}: {accuracy}, at least {least} was promised");
    accuracy
}

#[test]
fn mnist_in_three_epochs() {
    let Some(data) = mnist("mnist_in_three_epochs") else { return };
    let few = |settings| Settings { epochs: 3, ..settings };
    check("brief, 3 epochs", few(Settings::brief()), &data, 0.955);
    check("best, 3 epochs", few(Settings::best()), &data, 0.97);
}

#[test]
#[ignore = "minutes: ten trainings of ten epochs or more"]
fn mnist_as_promised() {
    let Some(data) = mnist("mnist_as_promised") else { return };
    let seeds = |what, settings: Settings, least| -> Vec<f64> {
        let one = |seed| check(what, Settings { seed, ..settings.clone() }, &data, least);
        (0..5).map(one).collect()
    };
    seeds("best", Settings::best(), 0.98);
    let brief = seeds("brief", Settings::brief(), 0.968);
    assert!(brief.iter().sum::<f64>() >= 5.0 * 0.974, "brief, on average: {brief:?}");
}

#[test]
fn the_built_in_digits() {
    let data = load("digits", &LoadOptions::default()).unwrap();
    check("digits, 3 epochs", Settings { epochs: 3, ..Settings::best() }, &data, 0.97);
}

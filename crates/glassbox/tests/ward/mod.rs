//! What patients and healthy runs share: data, runs with a doctor, and cures that are taken from the doctor's words.
#![allow(dead_code)] // Each test file uses its own part of this.

pub mod healthy;

use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::data::digits;
use glassbox::{
    Answers, Device, Doctor, Error, Event, Finding, Init, Inputs, PlanName, Reduction, Result,
    Rule, Samples, Schedule, Settings, Sink, Trainer,
};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

/// A run to be looked at.
#[derive(Clone)]
pub struct Case {
    pub name: &'static str,
    pub settings: Settings,
    pub samples: Samples,
}

/// What a run with a doctor came to.
pub struct Seen {
    pub findings: Vec<Finding>,
    pub measured: Vec<(&'static str, Option<f64>)>,
    pub accuracy: Option<f64>,
    pub loss: Option<f64>,
    pub error: Option<Error>,
}

#[derive(Default)]
struct Ears {
    warnings: Vec<Finding>,
    epoch: Option<glassbox::EpochRecord>,
}

impl Sink for Ears {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event.clone() {
            Event::Warning { step, code, what, cause, cure } => {
                self.warnings.push(Finding { step, code, what, cause, cure });
            }
            Event::Epoch(record) => self.epoch = Some(record),
            _ => {}
        }
        Ok(())
    }
}

/// Trains with a doctor.
pub fn examine(case: &Case) -> Seen {
    let (settings, device) = (case.settings.clone(), Device::cpu(Some(1)).unwrap());
    let (plan, _) = PlanName::Auto.choose_for(&case.samples, &settings, &device).unwrap();
    let mut trainer = Trainer::new(settings, device, plan, case.samples.clone(), None).unwrap();
    // A busy machine is no reason to find anything else.
    trainer.look_inside_at_any_cost();
    let mut ears = Ears::default();
    let error = trainer.run(&mut ears, &AtomicBool::new(false)).err();
    let doctor = trainer.doctor().expect("it looks inside");
    if error.is_none() {
        assert_eq!(doctor.findings(), ears.warnings, "{}: once each", case.name);
    }
    let mut aside = Doctor::new(trainer.settings(), Some(case.samples.clone().into()));
    aside.check_labels();
    let aside = aside.measured().filter(|(rule, _)| rule.code == "labels-shuffled");
    let epoch = ears.epoch;
    Seen {
        findings: ears.warnings,
        measured: doctor.measured().chain(aside).map(|(rule, worst)| (rule.code, worst)).collect(),
        accuracy: epoch.and_then(|epoch| epoch.train_accuracy),
        loss: epoch.map(|epoch| epoch.train_loss),
        error,
    }
}

/// The settings that the first piece of the doctor's advice asks for.
pub fn take(cure: &str, settings: &Settings) -> Settings {
    let mut cured = settings.clone();
    let advice = cure.split(';').next().unwrap_or_default();
    let words: Vec<&str> = advice.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    for pair in words.windows(2) {
        match pair[0] {
            "--lr" => cured.lr = pair[1].parse().unwrap(),
            "--init" if pair[1] == "he" => cured.init = Init::He,
            "--init" if pair[1] == "xavier" => cured.init = Init::Xavier,
            "--reduction" if pair[1] == "mean" => cured.reduction = Reduction::Mean,
            "--patience" => cured.patience = Some(pair[1].parse().unwrap()),
            "--model" => cured.model = pair[1].to_string(),
            word => assert!(!word.starts_with("--"), "unknown advice: {advice}"),
        }
    }
    assert_ne!(&cured, settings, "no advice to take: {cure}");
    cured
}

/// Settings to begin with: a small network for digits, plain descent on the mean, at a constant rate.
pub fn plain() -> Settings {
    Settings {
        model: "784-32-relu-10".to_string(),
        epochs: 10,
        batch: 32,
        lr: 0.1,
        weight_decay: 0.0,
        optimizer: Rule::Sgd,
        schedule: Schedule::Constant,
        ..Settings::best()
    }
}

/// So many digits, from number `first` on.
pub fn digits_from(first: u32, count: usize) -> Samples {
    static ALL: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    let (pixels, labels) = ALL.get_or_init(|| digits::generate(digits::SEED, 0, 4000));
    let rows = first as usize..first as usize + count;
    let labels = labels[rows.clone()].iter().map(|&label| label.into()).collect();
    let pixels = &pixels[rows.start * digits::PIXELS..rows.end * digits::PIXELS];
    Samples::images(pixels.to_vec(), labels, digits::PIXELS, 10)
}

pub fn some_digits(count: usize) -> Samples {
    digits_from(0, count)
}

/// The same samples with inputs that are numbers: pixels times a factor.
pub fn as_numbers(samples: Samples, factor: f32) -> Samples {
    let pixels = samples.pixels().expect("they are pixels");
    let numbers = pixels.iter().map(|&pixel| f32::from(pixel) * factor).collect();
    Samples { inputs: Inputs::Numbers(numbers), ..samples }
}

/// Numbers in ±1, each a function of the seed and its place.
pub fn noise(seed: u64) -> impl Fn(usize) -> f32 {
    let stream = Philox::new(seed, Purpose::Test, 0, 7);
    move |place| 2.0 * stream.uniform(place as u64) - 1.0
}

/// Points of the plane with the class that `class` gives them.
pub fn plane(count: usize, seed: u64, classes: usize, class: impl Fn(f32, f32) -> u32) -> Samples {
    let noise = noise(seed);
    let numbers: Vec<f32> = (0..2 * count).map(noise).collect();
    let labels = numbers.chunks(2).map(|point| class(point[0], point[1])).collect();
    let answers = Answers::Classes { labels, classes };
    Samples { inputs: Inputs::Numbers(numbers), answers, width: 2 }
}

/// Three spirals.
pub fn spirals(count: usize, seed: u64) -> Samples {
    let noise = noise(seed);
    let (mut numbers, mut labels) = (Vec::new(), Vec::new());
    for i in 0..count {
        let class = i % 3;
        let t = (i / 3) as f32 / (count / 3) as f32;
        let angle = 4.0 * t + 2.094 * class as f32 + 0.1 * noise(i);
        numbers.extend([1.5 * t * angle.cos(), 1.5 * t * angle.sin()]);
        labels.push(class as u32);
    }
    Samples {
        inputs: Inputs::Numbers(numbers),
        answers: Answers::Classes { labels, classes: 3 },
        width: 2,
    }
}

/// Values that are functions of inputs in ±1.
pub fn values<const O: usize>(
    count: usize,
    width: usize,
    seed: u64,
    value: impl Fn(&[f32]) -> [f32; O],
) -> Samples {
    let numbers: Vec<f32> = (0..width * count).map(noise(seed)).collect();
    let values = numbers.chunks(width).flat_map(value).collect();
    Samples {
        inputs: Inputs::Numbers(numbers),
        answers: Answers::Values { values, width: O },
        width,
    }
}

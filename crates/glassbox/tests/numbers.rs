//! Samples that are no images: inputs that are numbers, and answers that are values.

use glassbox::{
    Answers, Device, Ending, Event, Inputs, LossName, Network, PlanName, Result, Rule, Samples,
    Settings, Sink, Trainer, evaluate::mean_squared_error,
};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn settings(model: &str) -> Settings {
    Settings { model: model.to_string(), batch: 7, epochs: 3, ..Settings::best() }
}

fn images(count: u32) -> Samples {
    let pixels = (0..count * 12).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    Samples::images(pixels, (0..count).map(|i| i % 3).collect(), 12, 3)
}

/// The same images as numbers.
fn as_numbers(images: &Samples) -> Samples {
    let pixels = images.pixels().unwrap().iter();
    let numbers = pixels.map(|&pixel| f32::from(pixel) / 255.0).collect();
    Samples { inputs: Inputs::Numbers(numbers), ..images.clone() }
}

fn trainer(settings: &Settings, device: &Device, samples: Samples) -> Result<Trainer> {
    let are_pixels = samples.pixels().is_some();
    let (plan, _) = PlanName::Auto.choose_for(are_pixels, settings, device)?;
    Trainer::new(settings.clone(), device.clone(), plan, samples, None)
}

fn run(trainer: &mut Trainer) -> Ending {
    trainer.run(&mut (), &AtomicBool::new(false)).unwrap()
}

#[test]
fn pixels_and_the_numbers_that_they_stand_for_train_to_the_same_bits() {
    for device in [Device::Reference, Device::cpu(Some(2)).unwrap()] {
        for validation in [0.0, 0.2] {
            let settings = Settings { validation, ..settings("12-9-relu-3") };
            let mut pixels = trainer(&settings, &device, images(50)).unwrap();
            let mut numbers = trainer(&settings, &device, as_numbers(&images(50))).unwrap();
            run(&mut pixels);
            run(&mut numbers);
            assert_eq!(pixels.network().sha256(), numbers.network().sha256());
            assert_eq!(pixels.progress().best, numbers.progress().best);
            let found = pixels.judge(&images(30)).unwrap();
            assert_eq!(found, numbers.judge(&as_numbers(&images(30))).unwrap());
        }
    }
}

#[test]
fn whole_steps_take_pixels_and_say_so() {
    let (settings, device) = (settings("12-9-relu-3"), Device::cpu(Some(1)).unwrap());
    let error = PlanName::Fused.choose_for(false, &settings, &device).err().unwrap().to_string();
    assert!(error.contains("the inputs are numbers") && error.contains("hint"), "{error}");
    let (plan, why) = PlanName::Auto.choose_for(false, &settings, &device).unwrap();
    assert_eq!(plan.name(), "layered");
    assert!(why.unwrap().contains("the inputs are numbers"));
    // A plan that was chosen for other samples does not misread these.
    let (plan, _) = PlanName::Auto.choose(&settings, &device).unwrap();
    let numbers = as_numbers(&images(50));
    let mut trainer = Trainer::new(settings, device, plan, numbers, None).unwrap();
    let error = trainer.run(&mut (), &AtomicBool::new(false)).unwrap_err().to_string();
    assert!(error.contains("the inputs are numbers"), "{error}");
}

/// y = (x₀ + 2 x₁, x₀ − x₁) of points in the square.
fn plane(count: u32) -> Samples {
    let (mut inputs, mut values) = (Vec::new(), Vec::new());
    for i in 0..count {
        let [a, b] = [i * 37 % 101, i * 53 % 97].map(|n| n as f32 / 50.0 - 1.0);
        inputs.extend([a, b]);
        values.extend([a + 2.0 * b, a - b]);
    }
    let answers = Answers::Values { values, width: 2 };
    Samples { inputs: Inputs::Numbers(inputs), answers, width: 2 }
}

#[derive(Default)]
struct Heard {
    validation: Vec<f64>,
    accuracies: usize,
    idle: usize,
}

impl Sink for Heard {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Started { untrained, .. } => assert_eq!(*untrained, None),
            Event::Step { epoch_accuracy, .. } => {
                self.accuracies += usize::from(epoch_accuracy.is_some());
            }
            Event::Epoch(record) => {
                self.validation.extend(record.validation_loss);
                self.accuracies += usize::from(record.train_accuracy.is_some());
                self.accuracies += usize::from(record.validation_accuracy.is_some());
            }
            _ => {}
        }
        Ok(())
    }

    fn idle(&mut self) {
        self.idle += 1;
    }
}

#[test]
fn values_are_learned_and_the_epoch_of_the_least_loss_is_the_result() {
    let settings = Settings {
        epochs: 20,
        lr: 0.05,
        loss: LossName::MeanSquaredError,
        validation: 0.25,
        optimizer: Rule::named("adam").unwrap(),
        weight_decay: 0.0,
        ..settings("2-16-tanh-2")
    };
    let mut ends = Vec::new();
    for device in [Device::Reference, Device::cpu(Some(2)).unwrap()] {
        let mut trainer = trainer(&settings, &device, plane(80)).unwrap();
        let mut heard = Heard::default();
        trainer.run(&mut heard, &AtomicBool::new(false)).unwrap();
        assert!(heard.idle > 0);
        assert_eq!((heard.accuracies, heard.validation.len()), (0, 20));
        let least = heard.validation.iter().copied().fold(f64::INFINITY, f64::min);
        let best = trainer.progress().best.clone().unwrap();
        assert_eq!((best.loss, best.accuracy), (least, None));
        assert_eq!(heard.validation[best.epoch as usize - 1], least);
        // Within the square, whose values have a mean square of about 2.
        let error = mean_squared_error(trainer.network_mut(), &device, &plane(101)).unwrap();
        assert!(error < 0.02, "{error}");
        ends.push(trainer.network().sha256());
    }
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn what_a_network_cannot_say_is_refused() {
    let device = Device::cpu(Some(1)).unwrap();
    let values = Settings { loss: LossName::MeanSquaredError, ..settings("2-4-relu-3") };
    let error = trainer(&values, &device, plane(20)).err().unwrap().to_string();
    assert!(error.contains("2 inputs and 2 values"), "{error}");
    // Values and classes are not taken for each other.
    let classes = settings("2-4-relu-2");
    let mut trainer = trainer(&classes, &device, plane(20)).unwrap();
    let error = trainer.run(&mut (), &AtomicBool::new(false)).unwrap_err().to_string();
    assert!(error.contains("cross-entropy takes class indices"), "{error}");
}

#[test]
fn a_run_may_begin_with_a_network_that_has_learned() {
    let (device, settings) = (Device::cpu(Some(1)).unwrap(), settings("12-9-relu-3"));
    let begin = |network: &Network| {
        let (plan, _) = PlanName::Auto.choose(&settings, &device).unwrap();
        let (network, samples) = (network.clone(), Arc::new(images(50)));
        Trainer::of(network, settings.clone(), device.clone(), plan, samples, None).unwrap()
    };
    let new = Network::new(&settings.model, settings.init, settings.seed).unwrap();
    let mut first = begin(&new);
    run(&mut first);
    let mut same = trainer(&settings, &device, images(50)).unwrap();
    run(&mut same);
    assert_eq!(first.network().sha256(), same.network().sha256());
    let mut second = begin(first.network());
    run(&mut second);
    let found = |trainer: &mut Trainer| trainer.judge(&images(50)).unwrap().loss;
    assert!(found(&mut second) < found(&mut first));
}

#[test]
fn who_looks_at_parameters_sees_what_they_were() {
    let device = Device::cpu(Some(1)).unwrap();
    let mut trainer = trainer(&settings("12-9-relu-3"), &device, images(50)).unwrap();
    let seen: Vec<_> = trainer.network().parameters().map(|(_, p)| p.value.share()).collect();
    let before: Vec<Vec<f32>> = seen.iter().map(|numbers| numbers.to_vec()).collect();
    run(&mut trainer);
    for ((seen, before), (_, now)) in seen.iter().zip(&before).zip(trainer.network().parameters()) {
        assert_eq!(**seen, *before);
        assert_ne!(now.value.data(), &before[..]);
    }
    // While nobody changes them, there is one copy.
    let (_, weight) = trainer.network().parameters().next().unwrap();
    assert_eq!(weight.value.share().as_ptr(), weight.value.data().as_ptr());
}

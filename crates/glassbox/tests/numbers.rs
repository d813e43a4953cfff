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
    let (plan, _) = PlanName::Auto.choose_for(&samples, settings, device)?;
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
    let error = PlanName::Fused
        .choose_for(&as_numbers(&images(9)), &settings, &device)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("the inputs are numbers") && error.contains("hint"), "{error}");
    let (plan, why) =
        PlanName::Auto.choose_for(&as_numbers(&images(9)), &settings, &device).unwrap();
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

/// Everything that trains and judges on numbers, on the simulated driver.
mod on_a_gpu {
    use super::*;
    use glassbox::cuda::{DevicePointer, Inputs as Given};
    use glassbox::plan::Batches;
    use glassbox::{Loss, Moment, Optimizer, Reduction};

    fn gpu() -> Device {
        glassbox_cuda_sim::install_default();
        Device::cuda(0).unwrap()
    }

    #[test]
    fn numbers_stay_there_and_train_to_the_bits_of_the_cpu() {
        let settings = Settings { validation: 0.2, ..settings("12-9-relu-3") };
        let mut ends = Vec::new();
        for device in [Device::cpu(Some(1)).unwrap(), gpu()] {
            let mut trainer = trainer(&settings, &device, as_numbers(&images(50))).unwrap();
            run(&mut trainer);
            let found = trainer.judge(&as_numbers(&images(30))).unwrap();
            ends.push((trainer.network().sha256(), found));
        }
        assert_eq!(ends[0], ends[1]);
        let (plan, why) =
            PlanName::Auto.choose_for(&as_numbers(&images(9)), &settings, &gpu()).unwrap();
        assert_eq!(plan.name(), "layered");
        assert!(!why.unwrap().contains("go to the GPU and back"));
    }

    /// The batches of a training, one by one, their inputs on the host and on the device in turn.
    #[test]
    fn batches_that_are_handed_over_are_a_training() {
        let device = gpu();
        let Device::Cuda(cuda) = &device else { unreachable!() };
        let loss = Loss::CrossEntropy(Reduction::Sum);
        for rule in [Rule::Sgd, Rule::named("nesterov").unwrap(), Rule::named("adam").unwrap()] {
            let mut network =
                Network::new("12-9-relu-dropout0.3-3", Default::default(), 1).unwrap();
            let mut optimizer = Optimizer::new(rule, 0.01, &network);
            let (mut same, mut same_optimizer) = (network.clone(), optimizer.clone());
            let mut batches = Batches::new(&device, &network, &optimizer, loss, 11).unwrap();
            for step in 0..24 {
                // Every size once and again, more of them than are kept.
                let (rows, lr) = (1 + (step as usize * 7) % 11, 0.05);
                let samples = Arc::new(as_numbers(&images(rows as u32 + step)));
                let order: Vec<u32> = (step..step + rows as u32).collect();
                let Inputs::Numbers(numbers) = &samples.inputs else { unreachable!() };
                let numbers = &numbers[step as usize * 12..];
                let labels = &samples.labels().unwrap()[step as usize..];
                let there = cuda.engine().upload(numbers).unwrap();
                let pointer = DevicePointer { address: there.address(), len: numbers.len() };
                let x = if step % 2 == 0 { Given::Host(numbers) } else { Given::Device(pointer) };
                let moment = Moment { seed: 7, step };
                let found = batches.step(&mut optimizer, x, labels, lr, moment).unwrap();

                let steps = glassbox::plan::Steps {
                    device: &Device::Reference,
                    loss,
                    samples: &samples,
                    order: &order,
                    batch: rows,
                    rates: &[lr],
                    clip: None,
                    moment,
                };
                let mut plan = glassbox::plan::Layered::default();
                use glassbox::Plan;
                let expected = plan.run(&mut same, &mut same_optimizer, &steps).unwrap()[0];
                assert_eq!(found, expected, "{rule} step {step}");
                if step % 5 == 4 {
                    batches.store(&mut network, &mut optimizer).unwrap();
                    assert_eq!(network.sha256(), same.sha256());
                    assert_eq!(optimizer.memory(), same_optimizer.memory());
                }
            }
            assert_eq!(optimizer.steps(), 24);
        }
    }

    #[test]
    fn a_batch_that_does_not_fit_is_refused_and_changes_nothing() {
        let device = gpu();
        let loss = Loss::CrossEntropy(Reduction::Mean);
        let mut network = Network::new("4-3", Default::default(), 1).unwrap();
        let mut optimizer = Optimizer::new(Rule::Sgd, 0.0, &network);
        let before = network.sha256();
        let mut batches = Batches::new(&device, &network, &optimizer, loss, 5).unwrap();
        let moment = Moment { seed: 0, step: 0 };
        let numbers = [1.0; 24];
        let nowhere = Given::Device(DevicePointer { address: 64, len: 4 });
        for (x, labels, text) in [
            (Given::Host(&numbers), &[0u32; 6][..], "as there is room for"),
            (Given::Host(&numbers[..0]), &[], "as there is room for"),
            (Given::Host(&numbers[..4]), &[0, 0], "as there is room for"),
            (Given::Host(&numbers[..4]), &[3], "label 3"),
            (nowhere, &[0], "hint"),
            (Given::Host(&[f32::NAN; 4]), &[0], ""),
        ] {
            match batches.step(&mut optimizer, x, labels, 0.1, moment) {
                Ok(result) => assert!(text.is_empty() && result.loss.is_nan()),
                Err(error) => assert!(error.to_string().contains(text), "{error}"),
            }
        }
        batches.store(&mut network, &mut optimizer).unwrap();
        assert_eq!((network.sha256(), optimizer.steps()), (before, 0));
        // What the engine has not, or what is no GPU.
        let squared = Loss::MeanSquaredError(Reduction::Mean);
        for (device, loss) in [(&device, squared), (&Device::Reference, loss)] {
            assert!(Batches::new(device, &network, &optimizer, loss, 5).is_err());
        }
    }
}

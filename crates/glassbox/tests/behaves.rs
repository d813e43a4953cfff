//! Training does what it says: numbers that no comparison of devices with each other would miss.

use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::data::{DataPair, Dataset, Split};
use glassbox::{
    Device, Ending, Error, Event, Init, Loss, Moment, Network, Optimizer, PlanName, Reduction,
    Result, Run, RunRecord, Samples, Settings, Sink, Targets, Tensor, Trainer, evaluate,
};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Samples whose class stands in their pixels, more or less.
fn samples(count: u32, seed: u64) -> Samples {
    let stream = Philox::new(seed, Purpose::Test, 1, 0);
    let labels: Vec<u32> = (0..count).map(|i| stream.below(i.into(), 3)).collect();
    let pixel = |i: u32, j: u32| {
        let noise = stream.bits(u64::from(1000 + i * 6 + j)) % 200;
        (noise + if labels[i as usize] == j / 2 { 55 } else { 0 }) as u8
    };
    let pixels = (0..count).flat_map(|i| (0..6).map(move |j| (i, j))).map(|(i, j)| pixel(i, j));
    Samples::images(pixels.collect(), labels, 6, 3)
}

fn settings() -> Settings {
    let model = "6-9-tanh-3".to_string();
    Settings { model, batch: 10, lr: 0.5, reduction: Reduction::Mean, ..Settings::brief() }
}

fn trainer(settings: Settings, samples: Samples) -> Trainer {
    let (plan, _) = PlanName::Layered.choose(&settings, &Device::Reference).unwrap();
    Trainer::new(settings, Device::Reference, plan, samples, None).unwrap()
}

fn run(trainer: &mut Trainer, sink: &mut dyn Sink) -> Result<Ending> {
    trainer.run(sink, &AtomicBool::new(false))
}

#[test]
fn dropout_differs_from_step_to_step_and_from_layer_to_layer() {
    let mut network = Network::new("50-dropout0.5-dropout0.5", Init::Zero, 0).unwrap();
    let ones = Tensor::new(&[4, 50], vec![1.0; 200]).unwrap();
    let mut masks = |step, seed| {
        let moment = Some(Moment { seed, step });
        network.forward_at(&Device::Reference, &ones, moment).unwrap();
        let [first, second] = [0, 1].map(|layer| network.activations()[layer].data().to_vec());
        let both: Vec<bool> = second.iter().map(|&x| x != 0.0).collect();
        (first.iter().map(|&x| x != 0.0).collect::<Vec<bool>>(), both)
    };
    let (first, both) = masks(0, 0);
    let kept = first.iter().filter(|&&kept| kept).count();
    assert!((60..140).contains(&kept), "{kept} of 200 kept");
    assert_ne!(first, both, "the second layer left out what the first did, and nothing else");
    assert_ne!(first, masks(1, 0).0, "every step has the same mask");
    assert_ne!(first, masks(0, 1).0, "every seed has the same mask");
    assert_eq!(first, masks(0, 0).0);
}

#[test]
fn clipped_gradients_have_the_norm_that_was_asked_for() {
    let mut network = Network::new("3-4-relu-2", Init::Xavier, 1).unwrap();
    let x = Tensor::new(&[2, 3], vec![3.0, -1.0, 2.0, 0.5, 4.0, -2.0]).unwrap();
    let loss = Loss::CrossEntropy(Reduction::Sum);
    let norm = |network: &Network| {
        let squares = network.parameters().flat_map(|(_, p)| p.gradient.values());
        squares.map(|g| g * g).sum::<f64>().sqrt()
    };
    for (limit, is_clipped) in [(0.01, true), (1e6, false)] {
        network.forward(&Device::Reference, &x).unwrap();
        let targets = Targets::Classes(&[0, 1]);
        network.backward(&Device::Reference, loss, &x, targets, None).unwrap();
        let before = norm(&network);
        let said = Optimizer::clip(&Device::Reference, &mut network, limit).unwrap();
        assert!((said - before).abs() <= 1e-6 * before);
        let expected = if is_clipped { f64::from(limit) } else { before };
        assert!((norm(&network) - expected).abs() <= 1e-6 * expected);
    }
}

#[test]
fn an_evaluation_counts_every_sample_once() {
    for count in [1, 499, 500, 501, 1003] {
        let samples = samples(count, 3);
        let mut network = Network::new("6-5-tanh-3", Init::Xavier, 2).unwrap();
        let found = evaluate(&mut network, &Device::Reference, &samples).unwrap();
        let pixels = samples.pixels().unwrap().iter().map(|&pixel| f32::from(pixel) / 255.0);
        let x = Tensor::new(&[count as usize, 6], pixels.collect()).unwrap();
        let logits = network.forward(&Device::Reference, &x).unwrap().data().to_vec();
        let (mut correct, mut loss) = (0, 0.0);
        for (row, &label) in logits.chunks(3).zip(samples.labels().unwrap()) {
            let label = label as usize;
            correct += u32::from((0..3).all(|j| j == label || row[j] < row[label]));
            let sum: f64 = row.iter().map(|&z| f64::from(z).exp()).sum();
            loss += sum.ln() - f64::from(row[label]);
        }
        assert_eq!(found.confusion.total(), u64::from(count));
        assert!((found.accuracy - f64::from(correct) / f64::from(count)).abs() < 1e-12);
        assert!((found.loss - loss / f64::from(count)).abs() < 1e-5);
    }
}

#[test]
fn validation_samples_are_drawn_from_the_seed_and_are_not_trained_on() {
    let all = samples(200, 5);
    let (training, validation) = all.clone().split(0.25, 0);
    assert_eq!((training.len(), validation.len()), (150, 50));
    assert_ne!(validation, all.clone().split(0.25, 1).1);
    assert_eq!(validation, all.clone().split(0.25, 0).1);
    let images = |samples: &Samples| -> Vec<Vec<u8>> {
        samples.pixels().unwrap().chunks(6).map(<[u8]>::to_vec).collect()
    };
    let mut parts = [images(&training), images(&validation)].concat();
    let mut whole = images(&all);
    parts.sort();
    whole.sort();
    assert_eq!(parts, whole);
}

/// Keeps the validation accuracy of each epoch.
struct Accuracies(Vec<f64>);

impl Sink for Accuracies {
    fn event(&mut self, event: &Event) -> Result<()> {
        if let Event::Epoch(record) = event {
            self.0.extend(record.validation_accuracy);
        }
        Ok(())
    }
}

#[test]
fn the_best_epoch_is_the_result_and_patience_is_counted_from_it() {
    for seed in 0..6 {
        let all = samples(300, seed);
        let settings =
            Settings { seed, validation: 0.3, patience: Some(2), epochs: 60, ..settings() };
        let mut trainer = trainer(settings, all.clone());
        let mut seen = Accuracies(Vec::new());
        let ending = run(&mut trainer, &mut seen).unwrap();
        let best = seen.0.iter().copied().fold(0.0, f64::max);
        let first_best = seen.0.iter().position(|&accuracy| accuracy == best).unwrap();
        match ending {
            Ending::EarlyStop => assert_eq!(seen.0.len(), first_best + 1 + 2),
            _ => assert_eq!(seen.0.len(), 60),
        }
        let (_, validation) = all.split(0.3, seed);
        let result = evaluate(trainer.network_mut(), &Device::Reference, &validation).unwrap();
        assert_eq!(result.accuracy, best, "seed {seed}: the result is not the best epoch");
    }
}

#[test]
fn a_network_that_is_not_finite_is_an_error_and_no_result() {
    let settings =
        Settings { lr: 3e38, reduction: Reduction::Sum, max_steps: Some(1), ..settings() };
    let error = run(&mut trainer(settings, samples(50, 0)), &mut ()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Diverged { step: 1, .. }), "{text}");
    assert!(text.contains("hint") && text.contains("no checkpoint yet"), "{text}");
    assert!(text.contains("--reduction mean"), "{text}");
    let error =
        run(&mut trainer(Settings { lr: 3e38, ..self::settings() }, samples(50, 0)), &mut ());
    let text = error.unwrap_err().to_string();
    assert!(text.contains("inputs around 0") && !text.contains("--reduction"), "{text}");
}

#[test]
fn validation_on_no_samples_is_an_error() {
    let of = |validation| {
        let settings = Settings { validation, ..settings() };
        let (plan, _) = PlanName::Layered.choose(&settings, &Device::Reference).unwrap();
        Trainer::new(settings, Device::Reference, plan, samples(50, 0), None)
    };
    let text = of(0.009).err().unwrap().to_string();
    assert!(text.contains("--validation") && text.contains("of 50 samples none"), "{text}");
    assert!(of(0.02).is_ok() && of(0.0).is_ok());
}

#[test]
fn backward_before_forward_is_an_error() {
    let mut network = Network::new("3-2", Init::Xavier, 0).unwrap();
    let x = Tensor::zeros(&[2, 3]);
    let loss = Loss::CrossEntropy(Reduction::Mean);
    let targets = Targets::Classes(&[0, 1]);
    let error = network.backward(&Device::Reference, loss, &x, targets, None).unwrap_err();
    assert!(error.to_string().contains("forward"), "{error}");
}

#[test]
fn a_gradient_check_of_nan_does_not_pass() {
    let mut network = Network::new("3-4-relu-2", Init::Xavier, 0).unwrap();
    network.parameters_mut().next().unwrap().value.set(0, f64::NAN);
    let x = Tensor::new(&[1, 3], vec![1.0; 3]).unwrap();
    let loss = Loss::CrossEntropy(Reduction::Mean);
    let checked = glassbox::check_gradients(&network, loss, &x, Targets::Classes(&[0]), 9, 0);
    assert!(checked.unwrap_err().to_string().contains("not finite"));
}

/// A Ctrl-C may come while the data are read. What it leaves is a run, and can be gone on with.
#[test]
fn a_run_stopped_before_its_first_step_resumes_to_the_bits_of_one_that_was_not() {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings { model: "6-5-relu-3".to_string(), epochs: 2, ..settings() };
    let plan = || PlanName::Layered.choose(&settings, &Device::Reference).unwrap().0;
    let half = |split, count| {
        let samples = samples(count, 4);
        let images = samples.pixels().unwrap().to_vec();
        let labels = samples.labels().unwrap().iter().map(|&label| label as u8).collect();
        Dataset { name: "six".to_string(), split, images, labels, rows: 2, cols: 3, classes: 3 }
    };
    let data = || DataPair {
        train: half(Split::Train, 60).into(),
        test: half(Split::Test, 20).into(),
        source: "this test".to_string(),
        files: Vec::new(),
        note: None,
    };
    let begin = |folder: &Path, is_stopped: bool| {
        let run = Run::create(folder, settings.clone(), data(), Device::Reference, plan());
        run.unwrap().train(&mut (), &AtomicBool::new(is_stopped)).unwrap()
    };
    let expected = begin(&home.path().join("whole"), false);
    let folder = home.path().join("stopped");
    let stopped = begin(&folder, true);
    assert_eq!((stopped.ending, stopped.steps), (Ending::Interrupted, 0));
    assert_eq!((stopped.train_loss, stopped.train_accuracy), (None, None));
    for is_stopped in [true, false] {
        let record = RunRecord::read(&folder).unwrap();
        let (mut run, notes) =
            Run::resume(&folder, record, data(), Device::Reference, plan()).unwrap();
        assert!(notes.iter().any(|note| note == "resumed at step 0"), "{notes:?}");
        let report = run.train(&mut (), &AtomicBool::new(is_stopped)).unwrap();
        assert_eq!(report.model_sha256 == expected.model_sha256, !is_stopped);
    }
}

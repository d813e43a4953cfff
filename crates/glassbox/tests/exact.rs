//! The same bits everywhere: a training gives one SHA-256 on the definition and on the fast engine
//! with every instruction set and number of threads, and on a simulated GPU, however its steps are handed to the plan.

use glassbox::cpu::fast::{Engine, Simd};
use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::data::{LoadOptions, digits, load};
use glassbox::plan::Steps;
use glassbox::{
    Device, Init, Loss, Moment, Network, Optimizer, PlanName, Reduction, Rule, Samples, Schedule,
    Settings, Tensor, Trainer, evaluate, infer,
};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

const THREADS: [usize; 4] = [1, 2, 3, 5];

/// The fast engine in every form this CPU can run.
fn cpus() -> Vec<Device> {
    let engine = |simd, threads| Device::Cpu(Arc::new(Engine::new(simd, threads)));
    let sets = Simd::available().into_iter();
    sets.flat_map(|simd| THREADS.map(|threads| engine(simd, threads))).collect()
}

/// The same, and a GPU.
fn engines() -> Vec<Device> {
    cpus().into_iter().chain([gpu()]).collect()
}

/// The simulated GPU, or with `GLASSBOX_CUDA_REAL=1` the machine's own.
fn gpu() -> Device {
    static GPU: OnceLock<Device> = OnceLock::new();
    GPU.get_or_init(|| {
        glassbox_cuda_sim::install_default();
        Device::cuda(0).expect("a GPU, simulated or real")
    })
    .clone()
}

/// The first of the built-in digits.
fn some_digits(count: u32) -> Samples {
    let (pixels, labels) = digits::generate(digits::SEED, 0, count);
    let labels = labels.into_iter().map(u32::from).collect();
    Samples::images(pixels, labels, digits::PIXELS, 10)
}

/// Samples of an odd width: bytes from Philox, every third of them zero.
fn odd_samples(count: usize, width: usize, classes: u32) -> Samples {
    let stream = Philox::new(7, Purpose::Test, 0, 0);
    let pixel = |i| if i % 3 == 0 { 0 } else { stream.below(i as u64, 256) as u8 };
    let pixels = (0..count * width).map(pixel).collect();
    let label = |i| stream.below((count * width + i) as u64, classes);
    Samples::images(pixels, (0..count).map(label).collect(), width, classes as usize)
}

/// A setting of few steps to vary; every number stands here, so that recipes may change.
fn base() -> Settings {
    Settings {
        epochs: 1,
        max_steps: Some(6),
        batch: 32,
        lr: 0.05,
        reduction: Reduction::Mean,
        optimizer: Rule::Nesterov { momentum: 0.9 },
        schedule: Schedule::Cosine { end_fraction: 0.0 },
        ..Settings::brief()
    }
}

/// Trains, and returns the SHA-256 of the parameters.
fn trained(settings: &Settings, device: &Device, plan: PlanName, samples: &Samples) -> String {
    let (plan, _) = plan.choose(settings, device).unwrap();
    let (settings, device, samples) = (settings.clone(), device.clone(), samples.clone());
    let mut trainer = Trainer::new(settings, device, plan, samples, None).unwrap();
    let fresh = trainer.network().sha256();
    trainer.run(&mut (), &AtomicBool::new(false)).unwrap();
    let hash = trainer.network().sha256();
    assert_ne!(hash, fresh, "the training changed nothing, so it proves nothing");
    assert_eq!(trainer.network().first_not_finite(), None);
    hash
}

/// Trains on the definition and on every engine; all must end in the same bits.
fn check(what: &str, settings: &Settings, samples: &Samples) -> String {
    check_on(engines(), what, settings, samples)
}

fn check_on(devices: Vec<Device>, what: &str, settings: &Settings, samples: &Samples) -> String {
    let expected = trained(settings, &Device::Reference, PlanName::Layered, samples);
    for device in devices {
        for plan in [PlanName::Layered, PlanName::Auto] {
            let found = trained(settings, &device, plan, samples);
            assert_eq!(found, expected, "{what} on {device:?}, plan {plan}");
        }
    }
    expected
}

#[test]
fn every_optimizer_and_reduction() {
    let samples = some_digits(200);
    let mut seen = Vec::new();
    for name in ["sgd", "momentum", "nesterov", "adam", "adamw"] {
        for (reduction, lr) in [(Reduction::Mean, 0.01), (Reduction::Sum, 0.002)] {
            let optimizer = Rule::named(name).unwrap();
            let settings = Settings { optimizer, reduction, lr, weight_decay: 0.01, ..base() };
            seen.push(check(&format!("{name} {reduction:?}"), &settings, &samples));
        }
    }
    seen.sort();
    seen.dedup();
    // Each setting has an effect of its own, or this test would not see one that has none.
    assert_eq!(seen.len(), 10);
}

#[test]
fn every_schedule_clipping_and_initialisation() {
    let samples = some_digits(200);
    let mut seen = vec![trained(&base(), &Device::Reference, PlanName::Layered, &samples)];
    for schedule in ["constant", "step:2:0.5", "one-cycle", "warmup:3:cosine"] {
        let settings = Settings { schedule: schedule.parse().unwrap(), ..base() };
        seen.push(check(schedule, &settings, &samples));
    }
    for clip in [0.01, 0.5] {
        seen.push(check("clip", &Settings { clip: Some(clip), ..base() }, &samples));
    }
    for init in [Init::He, Init::Lecun, Init::Uniform] {
        seen.push(check(&format!("{init:?}"), &Settings { init, ..base() }, &samples));
    }
    seen.push(check("another seed", &Settings { seed: 1, ..base() }, &samples));
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn odd_networks_batches_and_a_partial_last_one() {
    let samples = odd_samples(83, 50, 7);
    for model in [
        "50-33-leaky0.1-17-gelu-dropout0.3-7",
        "50-dropout0.5-31-sigmoid-29-tanh-7",
        "50-1-relu-7",
        "50-7-softmax",
        "50-13-relu-7-logsoftmax",
        "50-65-relu-63-relu-7",
    ] {
        for batch in [1, 7, 19, 82, 100] {
            let (model, max_steps) = (model.to_string(), Some(13));
            let settings = Settings { model, batch, epochs: 2, max_steps, ..base() };
            check(&format!("{} by {batch}", settings.model), &settings, &samples);
        }
    }
}

#[test]
fn validation_and_evaluation() {
    let samples = some_digits(600);
    let settings = Settings { validation: 0.3, epochs: 2, max_steps: None, ..base() };
    check("validation", &settings, &samples);
    let judged = |device: &Device| {
        let mut network = Network::new(&settings.model, Init::He, 3).unwrap();
        evaluate(&mut network, device, &samples).unwrap()
    };
    let expected = judged(&Device::Reference);
    for device in engines() {
        let found = judged(&device);
        assert_eq!(found.loss.to_bits(), expected.loss.to_bits(), "{device:?}");
        assert_eq!(found, expected, "{device:?}");
    }
}

#[test]
fn inference_from_bytes_gives_the_numbers_of_forward() {
    // Many zeros, and none; more images than a call takes at a time, and one alone.
    for (model, width, zeros) in [("49-33-relu-10", 49, true), ("7-5-gelu-3", 7, false)] {
        let mut network = Network::new(model, Init::He, 3).unwrap();
        for count in [1, 67, 501] {
            let pixels: Vec<u8> = (0..count * width)
                .map(|i| if zeros && i % 5 > 0 { 0 } else { 1 + (i * 31 % 255) as u8 })
                .collect();
            let x = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
            let x = Tensor::new(&[count, width], x).unwrap();
            let expected = network.forward(&Device::Reference, &x).unwrap().data().to_vec();
            for device in engines().iter().chain([&Device::Reference]) {
                let mut out = Tensor::zeros(&[0, network.output_width()]);
                infer(&mut network, device, &pixels, &mut out).unwrap();
                assert_eq!(out.shape()[0], count);
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(out.data()), bits(&expected), "{model}, {count} images");
            }
        }
        let mut out = Tensor::zeros(&[0, network.output_width()]);
        let error = infer(&mut network, &Device::Reference, &[1; 50], &mut out).unwrap_err();
        assert!(error.to_string().contains("50"), "{error}");
        let mut narrow = Tensor::zeros(&[0, 2]);
        let pixels = vec![1; width];
        let error = infer(&mut network, &Device::Reference, &pixels, &mut narrow).unwrap_err();
        assert!(error.to_string().contains("as wide"), "{error}");
        let mut wide = Tensor::zeros(&[0, network.output_width()]).to_f64();
        let error = infer(&mut network, &Device::Reference, &pixels, &mut wide).unwrap_err();
        assert!(error.to_string().contains("f32"), "{error}");
    }
}

#[test]
fn however_steps_are_handed_to_the_plan() {
    let samples = Arc::new(odd_samples(83, 50, 7));
    let order = Philox::new(3, Purpose::Shuffle, 0, 0).permutation(83);
    let (batch, rates) = (10, [0.1, 0.09, 0.08, 0.07, 0.06, 0.05, 0.04, 0.03, 0.02]);
    let run = |text: &str, clip: Option<f32>, at_once: usize, device: &Device| {
        let settings = Settings { model: text.to_string(), clip, ..base() };
        let mut network = Network::new(text, Init::Xavier, 3).unwrap();
        let mut optimizer = Optimizer::new(Rule::named("adam").unwrap(), 0.01, &network);
        let (mut plan, _) = PlanName::Auto.choose(&settings, device).unwrap();
        let mut losses = Vec::new();
        let parts = order.chunks(at_once * batch).zip(rates.chunks(at_once));
        for (part, (order, rates)) in parts.enumerate() {
            let steps = Steps {
                device,
                loss: Loss::CrossEntropy(Reduction::Mean),
                samples: &samples,
                order,
                batch,
                rates,
                clip,
                moment: Moment { seed: 3, step: (part * at_once) as u32 },
            };
            losses.extend(plan.run(&mut network, &mut optimizer, &steps).unwrap());
        }
        (network.sha256(), losses)
    };
    for (text, clip) in [
        ("50-33-leaky0.1-17-gelu-dropout0.3-7", Some(1.0)),
        ("50-dropout0.2-33-leaky0.1-17-gelu-dropout0.3-7-logsoftmax", None),
        ("50-33-leaky0.1-17-gelu-7", None),
        ("50-33-tanh-7", None),
    ] {
        let expected = run(text, clip, 1, &Device::Reference);
        assert_eq!(expected.1.len(), 9);
        assert_eq!(expected.1.iter().map(|step| step.count).sum::<u32>(), 83);
        for at_once in [1, 2, 3, 4, 9, 100] {
            for device in [Device::Reference, Device::cpu(Some(2)).unwrap(), gpu()] {
                let found = run(text, clip, at_once, &device);
                assert_eq!(found, expected, "{text}, {at_once} at once on {device:?}");
            }
        }
    }
}

/// The bits of a short fixed training. They are the same on every machine, and change only when the
/// arithmetic, the random numbers or the built-in digits do. If that is meant, put the SHA-256 that
/// this test prints here, and a line in CHANGELOG.md: everyone's models change with it.
const GOLDEN: &str = "5f38d894a8c123c006d941cef3c296b53c962ae62e573bbe52738c8b100f2c66";

#[test]
fn the_bits_are_those_of_the_record() {
    let settings = Settings { seed: 42, epochs: 10, max_steps: Some(20), ..base() };
    let found = check("the record", &settings, &some_digits(500));
    assert_eq!(found, GOLDEN, "the arithmetic has changed; see the comment at GOLDEN");
}

/// `GLASSBOX_DATA` or the cache; without MNIST the test says loudly that it proves nothing.
#[test]
#[expect(clippy::print_stderr)]
fn three_hundred_steps_on_mnist() {
    let data = match load("mnist", &LoadOptions::from_env()) {
        Ok(data) => data,
        Err(why) => {
            eprintln!("SKIPPED: three_hundred_steps_on_mnist needs the real MNIST. {why}");
            return;
        }
    };
    let samples = Samples::new(data.train).unwrap();
    let settings = Settings { max_steps: Some(300), ..Settings::best() };
    // A simulated GPU would take a minute; the command line's test gives it fifty steps.
    check_on(cpus(), "300 steps on MNIST", &settings, &samples);
}

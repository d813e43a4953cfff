//! Looking inside steps: what is seen is true, it costs little, and training does not depend on it.

use glassbox::plan::{Plan, Steps};
use glassbox::{
    Device, Event, LayerInside, Moment, PlanName, Result, Rule, Samples, Settings, Sink, Spread,
    Trainer,
};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[derive(Default)]
struct Seen {
    insides: Vec<(u64, Vec<LayerInside>)>,
    steps: u64,
}

impl Sink for Seen {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Inside { step, layers } => self.insides.push((*step, layers.clone())),
            Event::Finished { step, .. } => self.steps = *step,
            _ => {}
        }
        Ok(())
    }
}

fn samples() -> Arc<Samples> {
    let pixels = (0..200 * 12u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    Arc::new(Samples::images(pixels, (0..200).map(|i| i % 3).collect(), 12, 3))
}

fn settings(model: &str) -> Settings {
    let optimizer = Rule::named("adam").unwrap();
    Settings {
        model: model.to_string(),
        batch: 9,
        epochs: 20,
        optimizer,
        lr: 0.01,
        ..Settings::best()
    }
}

fn train(settings: &Settings, device: &Device, looks: bool) -> (String, Seen) {
    let (plan, _) = PlanName::Auto.choose(settings, device).unwrap();
    let mut trainer =
        Trainer::new(settings.clone(), device.clone(), plan, samples(), None).unwrap();
    if looks {
        trainer.look_inside();
    }
    let mut seen = Seen::default();
    trainer.run(&mut seen, &AtomicBool::new(false)).unwrap();
    (trainer.network().sha256(), seen)
}

#[test]
fn training_does_not_depend_on_being_looked_at() {
    glassbox_cuda_sim::install_default();
    for model in ["12-9-relu-3", "12-7-tanh-dropout0.3-5-relu-3"] {
        let settings = settings(model);
        for device in [Device::Reference, Device::cpu(Some(2)).unwrap(), Device::cuda(0).unwrap()] {
            let (unseen, nothing) = train(&settings, &device, false);
            let (seen, all) = train(&settings, &device, true);
            assert_eq!(unseen, seen, "{model} {device:?}");
            assert!(nothing.insides.is_empty());
            assert_eq!((all.steps, all.insides.len() >= 4), (460, true));
        }
    }
}

#[test]
fn the_first_steps_are_seen_and_later_ones_ever_more_rarely() {
    let (_, seen) = train(&settings("12-9-relu-3"), &Device::cpu(Some(1)).unwrap(), true);
    let steps: Vec<u64> = seen.insides.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps[..4], [1, 2, 4, 8]);
    assert!(steps.is_sorted() && steps.len() < 30, "{steps:?}");
}

/// What is seen of a step, against the step itself.
#[test]
fn what_is_seen_is_what_happens() {
    let (settings, device) = (settings("12-9-relu-3"), Device::cpu(Some(1)).unwrap());
    let (_, seen) = train(&settings, &device, true);
    let (step, layers) = &seen.insides[0];
    assert_eq!((*step, layers.len()), (1, 3));

    let mut network =
        glassbox::Network::new(&settings.model, settings.init, settings.seed).unwrap();
    let mut optimizer =
        glassbox::Optimizer::new(settings.optimizer, settings.weight_decay, &network);
    let before = network.clone();
    let stream = glassbox::cpu::reference::philox::Philox::new(
        settings.seed,
        glassbox::cpu::reference::philox::Purpose::Shuffle,
        0,
        0,
    );
    let rate = settings.schedule.rate(settings.lr, 0, 460);
    let steps = Steps {
        device: &device,
        loss: settings.loss(),
        samples: &samples(),
        order: &stream.permutation(200)[..9],
        batch: 9,
        rates: &[rate],
        clip: None,
        moment: Moment { seed: settings.seed, step: 0 },
    };
    glassbox::plan::Layered::default().run(&mut network, &mut optimizer, &steps).unwrap();
    for (index, (layer, output)) in layers.iter().zip(network.activations()).enumerate() {
        assert_eq!((layer.index, &layer.output), (index, &Spread::of(output.data())));
        assert_eq!(layer.gradient, Spread::of(network.output_gradients()[index].data()));
    }
    let names: Vec<_> = layers.iter().map(|layer| layer.layer.as_str()).collect();
    assert_eq!(names, ["dense", "relu", "dense"]);
    let seen = layers.iter().flat_map(|layer| &layer.parameters);
    for ((old, new), seen) in before.parameters().zip(network.parameters()).zip(seen) {
        assert_eq!(seen.value, Spread::of(old.1.value.data()));
        assert_eq!(seen.gradient, Spread::of(new.1.gradient.data()));
        let norm = |numbers: &mut dyn Iterator<Item = f32>| {
            numbers.map(|x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
        };
        let old_data = old.1.value.data();
        let moved = norm(&mut new.1.value.data().iter().zip(old_data).map(|(a, b)| a - b));
        let ratio = (seen.value.norm > 0.0).then(|| moved / norm(&mut old_data.iter().copied()));
        assert_eq!(seen.update_ratio.is_some(), ratio.is_some());
        if let (Some(found), Some(expected)) = (seen.update_ratio, ratio) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            assert!(found > 0.0);
        }
    }
    let relu = &network.activations()[1];
    let dead = (0..9).filter(|&unit| {
        let column: Vec<f32> = (0..9).map(|row| relu.data()[row * 9 + unit]).collect();
        column.iter().all(|x| (x - column[0]).abs() <= 1e-6)
    });
    assert_eq!(layers[1].stuck, Some([dead.count() as u32, 9]));
    assert_eq!(layers[0].stuck, None);
}

#[test]
fn a_spread_counts_every_number_once() {
    let numbers: Vec<f32> = (0..1000).map(|i| i as f32 / 999.0).collect();
    let spread = Spread::of(&numbers);
    assert_eq!((spread.range, spread.bins.iter().sum::<u32>()), ([0.0, 1.0], 1000));
    assert!(spread.bins.iter().all(|&bin| (30..=33).contains(&bin)), "{:?}", spread.bins);
    assert!((spread.mean - 0.5).abs() < 1e-6 && (spread.deviation - 0.2890).abs() < 1e-3);
    assert!(
        (spread.norm - numbers.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt()).abs() < 1e-4
    );

    let odd = Spread::of(&[f32::NAN, 1.0, f32::INFINITY, -1.0, f32::NEG_INFINITY]);
    assert_eq!((odd.not_finite, odd.range, odd.bins.iter().sum::<u32>()), (3, [-1.0, 1.0], 2));
    for same in [&[][..], &[2.5], &[2.5; 7], &[f32::NAN]] {
        let spread = Spread::of(same);
        let finite = same.iter().filter(|x| x.is_finite()).count() as u32;
        assert_eq!(spread.bins.iter().sum::<u32>(), finite, "{same:?}");
        assert!(spread.mean.is_finite() && spread.deviation == 0.0 && spread.norm.is_finite());
    }
    // Of many numbers some are looked at, and all are in the norm.
    let mut many = vec![1.0; 250_000];
    many[249_999] = f32::NAN;
    let spread = Spread::of(&many);
    assert!(spread.bins.iter().sum::<u32>() <= 4096 && spread.not_finite == 1);
    assert_eq!(spread.norm, f64::from(249_999u32).sqrt());
    let extreme = Spread::of(&[f32::MAX, f32::MIN, 0.0]);
    assert_eq!(extreme.bins.iter().sum::<u32>(), 3);
    assert!(extreme.norm.is_finite());
}

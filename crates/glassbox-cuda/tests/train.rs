//! Whole runs of steps on the device give the bits of the same steps on the CPU.

mod common;

use common::{assert_same, engine, numbers};
use glassbox_cpu::fast::{self, Simd};
use glassbox_cpu::fused as cpu;
use glassbox_cpu::reference;
use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cuda::ops::{Activation, AdamStep};
use glassbox_cuda::train::{Data, Optimizer, Part, Rule, Session, Steps, Way};
use std::sync::Arc;

/// Images of which most pixels are zero, their classes, and an order in which to take them.
struct Images {
    pixels: Vec<u8>,
    labels: Vec<u32>,
    order: Vec<u32>,
    inputs: usize,
}

fn images(inputs: usize, classes: usize, count: usize) -> Images {
    let stream = Philox::new(5, Purpose::Test, 3, 0);
    let pixel = |i: usize| {
        let bits = stream.bits(i as u64);
        if bits.is_multiple_of(4) { (bits >> 8) as u8 } else { 0 }
    };
    let pixels = (0..count * inputs).map(pixel).collect();
    let labels = (0..count).map(|image| stream.below(image as u64, classes as u32)).collect();
    let order = Philox::new(6, Purpose::Shuffle, 0, 0).permutation(count as u32);
    Images { pixels, labels, order, inputs }
}

/// A perceptron: each parameter with two arrays of memory.
type Parameters = Vec<Vec<f32>>;

fn parameters(inputs: usize, widths: &[usize], memories: usize) -> Parameters {
    let (mut arrays, mut i) = (Vec::new(), inputs);
    for (layer, &o) in widths.iter().enumerate() {
        for (part, len) in [i * o, o].into_iter().enumerate() {
            let drawn = numbers((10 * layer + part) as u64, len);
            arrays.push(drawn.iter().map(|x| x * 0.5).collect());
            arrays.extend((0..memories).map(|_| vec![0.0; len]));
        }
        i = o;
    }
    arrays
}

/// A rule for each step, for both engines.
fn rules(which: usize, decay: f32, steps: usize) -> (Vec<Rule>, Vec<cpu::Rule>) {
    let rule = |step: usize| {
        let (lr, mu) = (0.1 / (1.0 + step as f32), 0.9);
        let adam = reference::AdamStep::new(lr / 10.0, [0.9, 0.999], 1e-8, decay, step as u64 + 1);
        let reference::AdamStep { beta1, beta2, epsilon, step_size, sqrt_correction, keep } = adam;
        let same = AdamStep { beta1, beta2, epsilon, step_size, sqrt_correction, keep };
        let (here, there) = match which {
            0 => (Optimizer::Sgd { lr }, cpu::Optimizer::Sgd { lr }),
            1 => (Optimizer::Momentum { lr, mu }, cpu::Optimizer::Momentum { lr, mu }),
            2 => (Optimizer::Nesterov { lr, mu }, cpu::Optimizer::Nesterov { lr, mu }),
            _ => (Optimizer::Adam(same), cpu::Optimizer::Adam(adam)),
        };
        (Rule { optimizer: here, decay }, cpu::Rule { optimizer: there, decay })
    };
    (0..steps).map(rule).unzip()
}

const MEMORIES: [usize; 4] = [0, 1, 1, 2];

type Kind = Option<(Activation, reference::Activation)>;

/// Trains a perceptron of these layers on both engines, in both ways where there are two.
fn check(images: &Images, layers: &[(usize, Kind)], batch: usize, which: usize, is_mean: bool) {
    let widths: Vec<usize> = layers.iter().map(|layer| layer.0).collect();
    let memories = MEMORIES[which];
    let steps = images.order.len().div_ceil(batch);
    let (rules, cpu_rules) = rules(which, if which == 1 { 0.01 } else { 0.0 }, steps);
    let before = parameters(images.inputs, &widths, memories);

    let mut expected = before.clone();
    let outcomes = on_cpu(images, layers, batch, &cpu_rules, is_mean, &mut expected, memories);

    let (engine, Images { pixels, labels, order, inputs }) = (engine(), images);
    let data = Arc::new(Data::new(engine, pixels, labels, *inputs).unwrap());
    let mut parts = Vec::new();
    for &(outputs, kind) in layers {
        parts.push(Part::Dense { outputs });
        parts.extend(kind.map(|(kind, _)| Part::Activation(kind)));
    }
    let mut session = Session::new(engine, &data, &parts, memories, batch, is_mean, 0).unwrap();
    let ways = if session.way() == Way::Fused { 2 } else { 1 };
    for way in 0..ways {
        if way == 1 {
            session.set_layered();
        }
        let what = format!("{layers:?}, batch {batch}, rule {which}, {:?}", session.way());
        let arrays: Vec<&[f32]> = before.iter().map(|array| &array[..]).collect();
        session.load(&arrays).unwrap();
        let steps = Steps { order, rules: &rules, seed: 0, first: 0 };
        let seen = session.run(&steps).unwrap();
        let mut found = before.clone();
        session
            .store(&mut found.iter_mut().map(|array| &mut array[..]).collect::<Vec<_>>())
            .unwrap();
        assert_eq!(seen.len(), outcomes.len(), "{what}");
        for (a, b) in seen.iter().zip(&outcomes) {
            assert_same(&[a.loss], &[b.loss], &what);
            assert_eq!((a.correct, a.count), (b.correct, b.count), "{what}");
        }
        for (found, expected) in found.iter().zip(&expected) {
            assert_same(found, expected, &what);
        }
    }
}

fn on_cpu(
    images: &Images,
    layers: &[(usize, Kind)],
    batch: usize,
    rules: &[cpu::Rule],
    is_mean: bool,
    parameters: &mut Parameters,
    memories: usize,
) -> Vec<cpu::Outcome> {
    let mut arrays = parameters.iter_mut().map(|array| &mut array[..]);
    let mut take = || arrays.by_ref().take(1 + memories).collect::<Vec<_>>();
    let mut layer = |&(outputs, kind): &(usize, Kind)| {
        let (weight, bias) = (take(), take());
        cpu::Layer { outputs, activation: kind.map(|kind| kind.1), weight, bias }
    };
    let mut layers: Vec<_> = layers.iter().map(&mut layer).collect();
    let (sum, mean) = (reference::Reduction::Sum, reference::Reduction::Mean);
    let steps = cpu::Steps {
        pixels: &images.pixels,
        inputs: images.inputs,
        labels: &images.labels,
        order: &images.order,
        batch,
        reduction: if is_mean { mean } else { sum },
        rules,
    };
    cpu::train(&fast::Engine::new(Simd::best(), 1), &steps, &mut layers)
}

const RELU: Kind = Some((Activation::Relu, reference::Activation::Relu));
const TANH: Kind = Some((Activation::Tanh, reference::Activation::Tanh));
const GELU: Kind = Some((Activation::Gelu, reference::Activation::Gelu));

#[test]
fn one_hidden_layer() {
    for which in 0..4 {
        check(&images(70, 10, 23), &[(33, RELU), (10, None)], 8, which, true);
    }
    check(&images(17, 3, 9), &[(5, GELU), (3, None)], 4, 0, false);
    check(&images(1, 1, 3), &[(1, None), (1, None)], 2, 0, true);
}

#[test]
fn wide_inputs_and_many_units() {
    // More pixels than are listed at once, and more units than a block has threads.
    check(&images(1100, 4, 5), &[(150, RELU), (4, None)], 3, 0, true);
}

#[test]
fn other_depths() {
    check(&images(20, 5, 12), &[(5, None)], 5, 3, true);
    check(&images(20, 5, 12), &[(9, TANH), (7, RELU), (5, None)], 5, 1, true);
    check(&images(20, 5, 12), &[(9, RELU), (5, RELU)], 5, 2, false);
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run() {
    let images = images(12, 3, 20);
    let (mut rules, mut cpu_rules) = rules(0, 0.0, 4);
    rules[1].optimizer = Optimizer::Sgd { lr: f32::INFINITY };
    cpu_rules[1].optimizer = cpu::Optimizer::Sgd { lr: f32::INFINITY };
    let (before, layers) = (parameters(12, &[6, 3], 0), [(6, RELU), (3, None)]);
    let mut expected = before.clone();
    let outcomes = on_cpu(&images, &layers, 5, &cpu_rules, true, &mut expected, 0);
    assert_eq!(outcomes.len(), 3);
    let data = Data::new(engine(), &images.pixels, &images.labels, 12).unwrap();
    let parts = [
        Part::Dense { outputs: 6 },
        Part::Activation(Activation::Relu),
        Part::Dense { outputs: 3 },
    ];
    let mut session = Session::new(engine(), &Arc::new(data), &parts, 0, 5, true, 0).unwrap();
    for way in [Way::Fused, Way::Layered] {
        assert_eq!(session.way(), way);
        session.load(&before.iter().map(|array| &array[..]).collect::<Vec<_>>()).unwrap();
        let steps = Steps { order: &images.order, rules: &rules, seed: 0, first: 0 };
        assert_eq!(session.run(&steps).unwrap().len(), 3);
        let mut found = before.clone();
        session
            .store(&mut found.iter_mut().map(|array| &mut array[..]).collect::<Vec<_>>())
            .unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert_same(found, expected, &format!("{way:?}"));
        }
        session.set_layered();
    }
}

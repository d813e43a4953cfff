//! Whole runs of steps on the device give the bits of the same steps on the CPU.

mod common;

use common::{assert_same, engine, numbers};
use glassbox_cpu::fast::{self, Simd};
use glassbox_cpu::fused as cpu;
use glassbox_cpu::reference;
use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cuda::ops::{Activation, AdamStep};
use glassbox_cuda::train::{Data, Optimizer, Part, Rule, Session, Steps, Way, way};
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

/// Trains a perceptron of these layers on both engines, in both ways where there are two. Returns the losses.
fn check(
    images: &Images,
    layers: &[(usize, Kind)],
    batch: usize,
    which: usize,
    is_mean: bool,
) -> Vec<f32> {
    let widths: Vec<usize> = layers.iter().map(|layer| layer.0).collect();
    let before = parameters(images.inputs, &widths, MEMORIES[which]);
    check_from(before, images, layers, batch, which, is_mean)
}

/// The same, beginning with these parameters.
fn check_from(
    before: Parameters,
    images: &Images,
    layers: &[(usize, Kind)],
    batch: usize,
    which: usize,
    is_mean: bool,
) -> Vec<f32> {
    let memories = MEMORIES[which];
    let steps = images.order.len().div_ceil(batch);
    let (rules, cpu_rules) = rules(which, if which == 1 { 0.01 } else { 0.0 }, steps);

    let mut expected = before.clone();
    let outcomes = on_cpu(images, layers, batch, &cpu_rules, is_mean, &mut expected, memories);

    let (engine, Images { pixels, labels, order, inputs }) = (engine(), images);
    let data = Arc::new(Data::new(engine, pixels, labels, *inputs).unwrap());
    let parts = parts(layers);
    let mut session = Session::new(engine, &data, &parts, memories, batch, is_mean).unwrap();
    let ways: &[&str] =
        if session.way() == Way::Fused { &["early", "in turn", "layered"] } else { &["layered"] };
    for &way in ways {
        match way {
            "early" => assert_eq!(session.starts_early(), engine.context().starts_early()),
            "in turn" => session.set_in_turn(),
            _ => session.set_layered(),
        }
        assert!(way == "early" || !session.starts_early());
        let what = format!("{layers:?}, batch {batch}, rule {which}, {way}");
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
    outcomes.iter().map(|outcome| outcome.loss).collect()
}

fn parts(layers: &[(usize, Kind)]) -> Vec<Part> {
    let of = |&(outputs, kind): &(usize, Kind)| {
        [Some(Part::Dense { outputs }), kind.map(|(kind, _)| Part::Activation(kind))]
    };
    layers.iter().flat_map(of).flatten().collect()
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
    // More steps than one graph has, and a smaller one at the end.
    check(&images(17, 3, 45), &[(5, GELU), (3, None)], 2, 0, false);
    check(&images(1, 1, 3), &[(1, None), (1, None)], 2, 0, true);
}

/// Numbers that are not finite where a zero meets them: what skips too many zeros or too few gives another result.
#[test]
fn numbers_that_are_none() {
    let mut images = images(20, 5, 12);
    // Pixel 0 is zero in all images.
    images.pixels.iter_mut().step_by(20).for_each(|pixel| *pixel = 0);
    let layers = [(9, RELU), (5, None)];
    for odd in [f32::INFINITY, f32::NAN, f32::MAX, 1e-42] {
        // The weights of pixel 0.
        let mut before = parameters(20, &[9, 5], 0);
        before[0][..9].fill(odd);
        check_from(before, &images, &layers, 5, 0, false);
        // The weights behind a unit that never fires.
        let mut before = parameters(20, &[9, 5], 0);
        before[1][3] = -1e3;
        before[2][3 * 5..4 * 5].fill(odd);
        check_from(before, &images, &layers, 5, 0, false);
    }
}

/// The same where pixels are listed in several pieces, more than once.
#[test]
fn numbers_that_are_none_in_wide_layers() {
    let mut images = images(1300, 3, 4);
    images.pixels.iter_mut().step_by(1300).for_each(|pixel| *pixel = 0);
    let mut before = parameters(1300, &[130, 3], 0);
    before[0][..130].fill(f32::NAN);
    check_from(before, &images, &[(130, RELU), (3, None)], 3, 0, false);
}

/// Infinities that meet a gradient of a logit that is exactly zero.
#[test]
fn infinities_where_gradients_are_zero() {
    let mut images = images(20, 4, 12);
    // Class 2 is so improbable that its probability is zero, and no image is of it.
    images.labels.iter_mut().filter(|label| **label == 2).for_each(|label| *label = 0);
    let improbable = || {
        let mut before = parameters(20, &[9, 4], 0);
        before[3][2] = -1e4;
        before
    };
    let layers = [(9, None), (4, None)];
    // An infinite weight to its logit, of a unit that is zero and has a gradient nevertheless.
    let mut before = improbable();
    before[0].iter_mut().skip(3).step_by(9).for_each(|w| *w = 0.0);
    before[1][3] = 0.0;
    before[2][3 * 4 + 2] = f32::INFINITY;
    let losses = check_from(before, &images, &layers, 5, 0, false);
    assert!(losses[0].is_finite(), "{losses:?}");
    // An infinite unit, from which all weights are zero.
    let mut before = improbable();
    before[1][3] = f32::INFINITY;
    before[2][3 * 4..4 * 4].fill(0.0);
    let losses = check_from(before, &images, &layers, 5, 0, false);
    assert!(losses[0].is_finite(), "{losses:?}");
}

/// Gradients that overflow where a zero meets them, in both layers.
#[test]
fn gradients_that_overflow() {
    let mut images = images(20, 4, 12);
    images.pixels.iter_mut().step_by(20).for_each(|pixel| *pixel = 0);
    // Sums of hidden units are tiny, so logits are finite; weights of alternating signs make the gradients of images of
    // odd classes infinite.
    let mut before = parameters(20, &[9, 4], 0);
    before[0].iter_mut().for_each(|w| *w = 1e-30 * w.abs());
    before[1].fill(1e-30);
    before[1][2] = -1.0;
    before[2] = (0..36).map(|i| if i % 2 == 0 { 3e38 } else { -3e38 }).collect();
    let mut after = before.clone();
    let layers = [(9, RELU), (4, None)];
    let (_, cpu_rules) = rules(0, 0.0, 1);
    let first = Images { order: images.order[..5].to_vec(), ..images };
    on_cpu(&first, &layers, 5, &cpu_rules, false, &mut after, 0);
    let overflowed = after[0].iter().filter(|w| !w.is_finite()).count();
    assert!((1..180).contains(&overflowed), "{overflowed} weights of 180 overflow");
    check_from(before, &first, &layers, 5, 0, false);
}

/// Gradients that vanish to a zero whose sign would change that of a weight, and logits that are all the same, of which
/// the first is the answer.
#[test]
fn gradients_that_vanish_and_ties() {
    let images = images(20, 4, 12);
    let mut before = parameters(20, &[9, 4], 0);
    before[0].fill(-0.0);
    before[1].fill(1.0);
    before[2].iter_mut().for_each(|w| *w = w.signum() * 1e-45);
    check_from(before, &images, &[(9, RELU), (4, None)], 5, 0, true);
    let mut before = parameters(20, &[9, 4], 0);
    before.iter_mut().for_each(|array| array.fill(0.0));
    check_from(before, &images, &[(9, RELU), (4, None)], 5, 0, true);
    // A hidden unit so small that its products underflow, of weights that are −0.
    let mut before = parameters(20, &[9, 4], 0);
    before[0].fill(-1e-30);
    before[1].fill(1e-40);
    before[2].fill(-0.0);
    check_from(before, &images, &[(9, None), (4, None)], 5, 0, true);
    // Gradients of weights that are −0 end as −0 unless they are turned. Of w1: the darkest pixels, and gradients of hidden
    // units that are the smallest number, or none.
    let mut dark = images;
    dark.pixels.iter_mut().for_each(|pixel| *pixel = (*pixel).min(1));
    let mut before = parameters(20, &[40, 4], 0);
    before[0].fill(-0.0);
    before[1].fill(1.0);
    before[2].iter_mut().for_each(|w| *w = w.signum() * 1e-45);
    check_from(before, &dark, &[(40, RELU), (4, None)], 5, 0, false);
    // Of w2: hidden units that are the smallest number, in batches of whole tiles and others.
    for batch in [5, 16] {
        let mut before = parameters(20, &[9, 4], 0);
        before[0].fill(0.0);
        before[1].fill(1e-45);
        before[2].fill(-0.0);
        check_from(before, &dark, &[(9, None), (4, None)], batch, 0, true);
    }
}

#[test]
fn wide_inputs_and_many_units() {
    // More pixels than are listed at once, and more units than a block has threads.
    check(&images(1300, 4, 5), &[(150, RELU), (4, None)], 3, 0, true);
}

/// Whole tiles of 128 units and others, rows of weights that begin at multiples of 16 bytes and others, and outputs that
/// fill a block and a warp or not. One image is blank, so that nothing is left in shared memory.
#[test]
fn units_and_outputs() {
    for (inputs, h, kind, o) in [
        (70, 128, RELU, 9),
        (70, 132, TANH, 12),
        (70, 256, RELU, 8),
        (70, 260, GELU, 32),
        (7, 1024, RELU, 3),
        (7, 1025, RELU, 3),
        (70, 9, RELU, 33),
    ] {
        let mut images = images(inputs, o, 5);
        images.pixels[..inputs].fill(0);
        check(&images, &[(h, kind), (o, None)], 3, 0, true);
    }
}

#[test]
fn which_networks_two_kernels_take() {
    for (h, o, expected) in [
        (1024, 32, Way::Fused),
        (1025, 32, Way::Layered),
        (1024, 33, Way::Layered),
        (1, 1, Way::Fused),
    ] {
        assert_eq!(way(&parts(&[(h, RELU), (o, None)])), expected, "{h}, {o}");
        assert_eq!(way(&parts(&[(h, None), (o, None)])), expected, "{h}, {o}");
    }
    assert_eq!(way(&parts(&[(5, RELU), (5, RELU)])), Way::Layered);
}

/// Batches that are looked at in one go and in several, and with more images than a block has threads.
#[test]
fn large_batches() {
    for (batch, count) in [(64, 128), (70, 150), (260, 300)] {
        check(&images(6, 3, count), &[(5, RELU), (3, None)], batch, 0, true);
    }
}

/// As many pixels that are not zero as are asked for at once, as many as are listed at once, and more, and none at all; and a
/// pixel that is not zero in as many images as are looked at in one go.
#[test]
fn bright_images_and_blank_ones() {
    for (inputs, count, batch) in [(64, 5, 2), (128, 5, 2), (1280, 5, 2), (1300, 5, 2), (9, 65, 64)]
    {
        let mut images = images(inputs, 3, count);
        images.pixels.iter_mut().for_each(|pixel| *pixel |= 1);
        images.order = (0..count as u32).collect();
        images.pixels[(count - 1) * inputs..].fill(0);
        check(&images, &[(5, RELU), (3, None)], batch, 0, true);
    }
}

/// Losses so large that their sum might overflow, and losses whose sum does: that ends the run.
#[test]
fn large_losses() {
    // All images seem to be of class 0. The last five of the first batch are not, in the second size images beyond the
    // threads of a block, nor is the last one of the second batch: that one would change weights, if the run went on.
    for batch in [10, 265] {
        let count = 2 * batch;
        let is_other = |image: usize| (batch - 5..batch).contains(&image) || image + 1 == count;
        let images = Images {
            labels: (0..count).map(|image| u32::from(is_other(image))).collect(),
            order: (0..count as u32).collect(),
            ..images(6, 2, count)
        };
        for (logit, steps, is_finite) in [(2e30, 2, true), (f32::MAX / 2.0, 1, false)] {
            let mut before = parameters(6, &[5, 2], 0);
            before[3][0] = logit;
            let losses = check_from(before, &images, &[(5, RELU), (2, None)], batch, 0, false);
            assert!(losses[0] >= 1e30 && losses[0].is_finite() == is_finite, "{losses:?}");
            assert_eq!(losses.len(), steps, "{losses:?}");
        }
    }
}

#[test]
fn other_depths() {
    check(&images(20, 5, 12), &[(5, None)], 5, 3, true);
    check(&images(20, 5, 12), &[(9, TANH), (7, RELU), (5, None)], 5, 1, true);
    check(&images(20, 5, 12), &[(9, RELU), (5, RELU)], 5, 2, false);
}

/// The simulated driver is one of a chip and a CUDA that let kernels start early, unless the environment says otherwise.
#[test]
fn kernels_start_early_where_they_can() {
    let context = engine().context();
    let cuda = glassbox_cuda::version().unwrap();
    assert_eq!(context.starts_early(), context.capability() >= 90 && cuda >= 12030);
    let is_told = |name| std::env::var_os(name).is_some();
    if !["GLASSBOX_SIM_CAPABILITY", "GLASSBOX_SIM_DRIVER", "GLASSBOX_CUDA_REAL"].iter().any(is_told)
    {
        assert!(context.starts_early());
    }
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
    let mut session = Session::new(engine(), &Arc::new(data), &parts, 0, 5, true).unwrap();
    // A session can be used again, also one whose run ended after an odd number of steps.
    for way in [Way::Fused, Way::Fused, Way::Layered, Way::Layered] {
        if way == Way::Layered {
            session.set_layered();
        }
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
    }
}

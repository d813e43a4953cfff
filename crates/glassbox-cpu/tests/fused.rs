//! Steps taken in one call give the bits of the same steps by the definition, operation by
//! operation: on every instruction set, for any number of threads, on odd shapes.

use glassbox_cpu::fast::{Engine, Simd};
use glassbox_cpu::fused::{self, Layer, Optimizer, Outcome, Rule, Steps};
use glassbox_cpu::reference::philox::{Philox, Purpose};
use glassbox_cpu::reference::{self, Activation, AdamStep, Reduction};

/// A network with the optimizer's memory: for each layer its weights and its biases, and the arrays
/// that go with them.
#[derive(Clone)]
struct Network {
    inputs: usize,
    shape: Vec<(usize, Option<Activation>)>,
    weights: Vec<Vec<Vec<f32>>>,
    biases: Vec<Vec<Vec<f32>>>,
}

/// Images with their classes, and the order in which to take them.
struct Data {
    pixels: Vec<u8>,
    labels: Vec<u32>,
    order: Vec<u32>,
    batch: usize,
}

struct Random(Philox, u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(Philox::new(seed, Purpose::Test, 7, 0), 0)
    }

    fn below(&mut self, end: usize) -> usize {
        self.1 += 1;
        self.0.below(self.1, end as u32) as usize
    }

    fn number(&mut self) -> f32 {
        self.1 += 1;
        2.0 * self.0.uniform(self.1) - 1.0
    }
}

impl Network {
    fn new(inputs: usize, shape: &[(usize, Option<Activation>)], memories: usize) -> Network {
        let mut random = Random::new(inputs as u64);
        let mut network =
            Network { inputs, shape: shape.to_vec(), weights: Vec::new(), biases: Vec::new() };
        let mut before = inputs;
        for &(outputs, _) in shape {
            let limit = (6.0 / (before + outputs) as f32).sqrt();
            let mut drawn = |len| (0..len).map(|_| limit * random.number()).collect::<Vec<_>>();
            let (weight, bias) = (drawn(before * outputs), drawn(outputs));
            let with_memory = |first: Vec<f32>| {
                let zeros = vec![0.0; first.len()];
                [vec![first], vec![zeros; memories]].concat()
            };
            network.weights.push(with_memory(weight));
            network.biases.push(with_memory(bias));
            before = outputs;
        }
        network
    }

    /// One step by the definition.
    fn step(&mut self, data: &Data, order: &[u32], rule: Rule, reduction: Reduction) -> Outcome {
        let b = order.len();
        let mut x = vec![0.0; b * self.inputs];
        reference::gather(&mut x, &data.pixels, order, self.inputs);
        let labels: Vec<u32> = order.iter().map(|&image| data.labels[image as usize]).collect();
        let (mut inputs, mut sums) = (vec![x], Vec::new());
        for (layer, &(o, kind)) in self.shape.iter().enumerate() {
            let (x, i) = (&inputs[layer], self.width(layer));
            let mut sum = vec![0.0; b * o];
            reference::matmul(&mut sum, x, &self.weights[layer][0], [b, i, o]);
            reference::add_bias(&mut sum, &self.biases[layer][0], [b, o]);
            let mut y = sum.clone();
            if let Some(kind) = kind {
                reference::activation(kind, &mut y, &sum);
            }
            sums.push(sum);
            inputs.push(y);
        }
        let (last, o) = (self.shape.len() - 1, self.shape[self.shape.len() - 1].0);
        let logits = &inputs[last + 1];
        let mut answers = vec![0; b];
        reference::argmax(&mut answers, logits, [b, o]);
        let correct = answers.iter().zip(&labels).filter(|(a, b)| a == b).count() as u32;
        let loss = reference::cross_entropy(logits, &labels, [b, o], reduction);
        let outcome = Outcome { loss, correct, count: b as u32 };
        if !loss.is_finite() {
            return outcome;
        }
        let mut dy = vec![0.0; b * o];
        reference::cross_entropy_backward(&mut dy, logits, &labels, [b, o], reduction);
        for layer in (0..=last).rev() {
            let ((o, kind), i) = (self.shape[layer], self.width(layer));
            if let Some(kind) = kind {
                let given = dy.clone();
                let (x, y) = (&sums[layer], &inputs[layer + 1]);
                reference::activation_backward(kind, &mut dy, &given, x, y);
            }
            let mut dw = vec![0.0; i * o];
            reference::matmul_at(&mut dw, &inputs[layer], &dy, [i, b, o]);
            let mut db = vec![0.0; o];
            reference::add_bias_backward(&mut db, &dy, [b, o]);
            let mut dx = vec![0.0; b * i];
            reference::matmul_bt(&mut dx, &dy, &self.weights[layer][0], [b, o, i]);
            change(&mut self.weights[layer], dw, rule);
            change(&mut self.biases[layer], db, rule);
            dy = dx;
        }
        outcome
    }

    fn width(&self, layer: usize) -> usize {
        if layer == 0 { self.inputs } else { self.shape[layer - 1].0 }
    }

    /// All steps by the definition.
    fn by_definition(&mut self, data: &Data, rules: &[Rule], reduction: Reduction) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (order, &rule) in data.order.chunks(data.batch).zip(rules) {
            outcomes.push(self.step(data, order, rule, reduction));
            if !outcomes[outcomes.len() - 1].loss.is_finite() {
                break;
            }
        }
        outcomes
    }

    /// All steps in one call.
    fn fused(
        &mut self,
        engine: &Engine,
        data: &Data,
        rules: &[Rule],
        reduction: Reduction,
    ) -> Vec<Outcome> {
        let inputs = self.inputs;
        let mut layers = self.layers();
        let steps = Steps {
            pixels: &data.pixels,
            inputs,
            labels: &data.labels,
            order: &data.order,
            batch: data.batch,
            reduction,
            rules,
        };
        fused::train(engine, &steps, &mut layers)
    }

    /// The layers as the engine takes them.
    fn layers(&mut self) -> Vec<Layer<'_>> {
        let parameters = self.weights.iter_mut().zip(&mut self.biases).zip(&self.shape);
        parameters
            .map(|((weight, bias), &(outputs, activation))| {
                let (weight, bias) = (as_slices(weight), as_slices(bias));
                Layer { outputs, activation, weight, bias }
            })
            .collect()
    }

    fn numbers(&self) -> impl Iterator<Item = &f32> {
        self.weights.iter().chain(&self.biases).flatten().flatten()
    }
}

fn as_slices(arrays: &mut [Vec<f32>]) -> Vec<&mut [f32]> {
    arrays.iter_mut().map(|array| &mut array[..]).collect()
}

fn change(arrays: &mut [Vec<f32>], mut g: Vec<f32>, rule: Rule) {
    let (w, memory) = arrays.split_at_mut(1);
    let w = &mut w[0];
    if rule.decay != 0.0 {
        reference::add_scaled(&mut g, rule.decay, w);
    }
    match (rule.optimizer, memory) {
        (Optimizer::Sgd { lr }, _) => reference::sgd(w, &g, lr),
        (Optimizer::Momentum { lr, mu }, [v, ..]) => reference::momentum(w, v, &g, lr, mu),
        (Optimizer::Nesterov { lr, mu }, [v, ..]) => reference::nesterov(w, v, &g, lr, mu),
        (Optimizer::Adam(step), [m, v]) => reference::adam(w, m, v, &g, &step),
        _ => panic!("no memory for {rule:?}"),
    }
}

/// Images of which `percent` pixels are not zero; pixel 0 is zero in all of them.
fn data(inputs: usize, classes: usize, count: usize, batch: usize, percent: usize) -> Data {
    let mut random = Random::new((inputs + 1000 * count + percent) as u64);
    let images = 3 * count / 2 + 1;
    let mut pixels: Vec<u8> = (0..images * inputs)
        .map(|_| if random.below(100) < percent { 1 + random.below(255) as u8 } else { 0 })
        .collect();
    if percent < 100 {
        pixels.iter_mut().step_by(inputs).for_each(|pixel| *pixel = 0);
    }
    let labels = (0..images).map(|_| random.below(classes) as u32).collect();
    let order = (0..count).map(|_| random.below(images) as u32).collect();
    Data { pixels, labels, order, batch }
}

/// A rule for each step, with a rate that changes.
fn rules(which: usize, decay: f32, steps: usize) -> Vec<Rule> {
    let rule = |step: usize| {
        let lr = 0.1 / (1.0 + step as f32);
        let optimizer = match which {
            0 => Optimizer::Sgd { lr },
            1 => Optimizer::Momentum { lr, mu: 0.9 },
            2 => Optimizer::Nesterov { lr, mu: 0.9 },
            _ => {
                let (betas, t) = ([0.9, 0.999], step as u64 + 1);
                Optimizer::Adam(AdamStep::new(lr / 10.0, betas, 1e-8, decay, t))
            }
        };
        Rule { optimizer, decay }
    };
    (0..steps).map(rule).collect()
}

/// How many arrays beside the weights an optimizer has.
fn memories(which: usize) -> usize {
    [0, 1, 1, 2][which]
}

fn every_engine() -> impl Iterator<Item = Engine> {
    let sets = [Simd::available(), vec![Simd::portable_wide()]].concat();
    let pairs = sets.into_iter().flat_map(|simd| [1, 2, 3, 5].map(|threads| (simd, threads)));
    pairs.map(|(simd, threads)| Engine::new(simd, threads))
}

fn check(network: &Network, data: &Data, rules: &[Rule], reduction: Reduction, what: &str) {
    let mut expected = network.clone();
    let outcomes = expected.by_definition(data, rules, reduction);
    for engine in every_engine() {
        let mut found = network.clone();
        let what = format!("{what}, {}, {} threads", engine.simd(), engine.threads());
        let seen = found.fused(&engine, data, rules, reduction);
        assert_eq!(seen.len(), outcomes.len(), "{what}");
        for (step, (a, b)) in seen.iter().zip(&outcomes).enumerate() {
            let same = a.loss.to_bits() == b.loss.to_bits() || a.loss.is_nan() && b.loss.is_nan();
            let same = same && (a.correct, a.count) == (b.correct, b.count);
            assert!(same, "{what}: step {step} saw {a:?}, defined {b:?}");
        }
        let differ =
            |(a, b): &(&f32, &f32)| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan());
        let found = found.numbers().zip(expected.numbers()).enumerate();
        if let Some((place, (a, b))) = found.into_iter().find(|(_, pair)| differ(pair)) {
            panic!("{what}: number {place} is {a:e}, defined {b:e}");
        }
    }
}

const RELU: Option<Activation> = Some(Activation::Relu);

#[test]
fn odd_shapes_batches_and_densities() {
    let kinds = [
        None,
        RELU,
        Some(Activation::LeakyRelu(-0.1)),
        Some(Activation::Sigmoid),
        Some(Activation::Tanh),
        Some(Activation::Gelu),
    ];
    let mut random = Random::new(1);
    let widths = [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 129];
    let batches = [1, 2, 5, 6, 7, 63, 64, 65, 130];
    for case in 0..60 {
        let inputs = [1, 3, 63, 64, 65, 130, 200][random.below(7)];
        let depth = 1 + random.below(4);
        let mut layer = |_| (widths[random.below(widths.len())], kinds[random.below(6)]);
        let shape: Vec<_> = (0..depth).map(&mut layer).collect();
        let classes = shape[depth - 1].0;
        let batch = batches[random.below(batches.len())];
        let (steps, percent) = (1 + random.below(3), [0, 10, 20, 50, 100][random.below(5)]);
        let count = (batch * steps - random.below(batch)).max(1);
        let data = data(inputs, classes, count, batch, percent);
        let which = random.below(4);
        let decay = if random.below(2) == 0 { 0.0 } else { 0.01 };
        let rules = rules(which, decay, count.div_ceil(batch));
        let reduction = if random.below(2) == 0 { Reduction::Mean } else { Reduction::Sum };
        let network = Network::new(inputs, &shape, memories(which));
        let what =
            format!("case {case}: {inputs} to {shape:?}, {count} by {batch}, {percent} %, {which}");
        check(&network, &data, &rules, reduction, &what);
    }
}

#[test]
fn the_headline_network() {
    for (percent, which) in [(19, 0), (19, 2), (100, 0), (100, 3)] {
        let network = Network::new(784, &[(128, RELU), (10, None)], memories(which));
        let data = data(784, 10, 150, 64, percent);
        check(&network, &data, &rules(which, 2e-4, 3), Reduction::Mean, "784-128-10");
    }
}

/// A rate that is not finite makes weights of zero gradient NaN, too, and ends the call in the next
/// step; a negative one changes the sign of zeros.
#[test]
fn rates_that_are_none() {
    for (percent, count, batch) in [(20, 30, 10), (20, 310, 130), (100, 30, 10)] {
        for lr in [f32::INFINITY, f32::NAN, -0.5, -0.0, 0.0] {
            let mut network = Network::new(70, &[(20, RELU), (10, None)], 0);
            network.weights[0][0][..20].fill(-0.0);
            let data = data(70, 10, count, batch, percent);
            let mut rules = rules(0, 0.0, 3);
            rules[1].optimizer = Optimizer::Sgd { lr };
            check(&network, &data, &rules, Reduction::Sum, &format!("rate {lr}"));
            let steps = network.clone().by_definition(&data, &rules, Reduction::Sum).len();
            assert_eq!(steps, 3);
            if !lr.is_finite() {
                let mut network = Network::new(70, &[(20, RELU), (10, None)], 2);
                let mut rules = self::rules(3, 0.01, 3);
                rules[0].optimizer = Optimizer::Adam(AdamStep::new(lr, [0.9, 0.999], 1e-8, 0.0, 1));
                check(&network, &data, &rules, Reduction::Sum, &format!("adam, rate {lr}"));
                assert_eq!(network.by_definition(&data, &rules, Reduction::Sum).len(), 2);
            }
        }
    }
}

/// Numbers that are not finite where a zero meets them, and sums that overflow: what skips too many
/// zeros or too few gives another result.
#[test]
fn numbers_that_are_none() {
    // An odd number of pixels, too, and more images than a word has bits.
    for (percent, inputs, count, batch) in [(20, 70, 20, 10), (20, 71, 140, 130), (100, 70, 20, 10)]
    {
        for odd in [f32::INFINITY, f32::NAN, f32::MAX, -1e38, 1e-42] {
            for which in 0..4 {
                let mut network =
                    Network::new(inputs, &[(20, RELU), (12, RELU), (10, None)], memories(which));
                let data = data(inputs, 10, count, batch, percent);
                let rules = rules(which, 0.0, 2);
                // Weights of a pixel that is always zero; not so among the dense inputs.
                network.weights[0][0][..20].fill(odd);
                check(&network, &data, &rules, Reduction::Sum, &format!("pixel {odd:e}"));
                // Weights behind a unit that never fires.
                network.weights[0][0][..20].fill(0.0);
                network.biases[0][0][3] = -1e3;
                network.weights[1][0][3 * 12..4 * 12].fill(odd);
                network.biases[1][0][5] = -1e3;
                network.weights[2][0][5 * 10..6 * 10].fill(odd);
                check(&network, &data, &rules, Reduction::Sum, &format!("unit {odd:e}"));
                // Gradients too large for their sums, in the first layer too.
                network.biases[1][0][5] = 0.0;
                network.weights[1][0].iter_mut().for_each(|w| *w *= 1e-3);
                network.weights[2][0].iter_mut().for_each(|w| *w *= 1e37);
                check(&network, &data, &rules, Reduction::Sum, &format!("large {odd:e}"));
            }
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_changes_nothing_and_ends_the_call() {
    let mut network = Network::new(9, &[(4, RELU), (3, None)], 0);
    let data = data(9, 3, 30, 10, 100);
    network.biases[1][0][0] = f32::NAN;
    let (mut after, engine) = (network.clone(), Engine::new(Simd::best(), 2));
    let outcomes = after.fused(&engine, &data, &rules(0, 0.0, 3), Reduction::Mean);
    assert_eq!(outcomes.len(), 1);
    assert!(outcomes[0].loss.is_nan());
    assert!(after.numbers().zip(network.numbers()).all(|(a, b)| a.to_bits() == b.to_bits()));
}

/// Gradients that overflow where a zero meets them, and gradients that vanish to a negative zero,
/// which would change the sign of a weight that is one.
#[test]
fn gradients_that_overflow_or_vanish() {
    // A last batch of few images finds what the one before left behind.
    let sizes: [(usize, usize); 6] =
        [(20, 10), (140, 130), (65, 64), (66, 64), (67, 64), (131, 65)];
    for (percent, (count, batch)) in
        sizes.into_iter().flat_map(|size| [20, 50, 100].map(|p| (p, size)))
    {
        let steps = count.div_ceil(batch);
        let mut data = data(70, 10, count, batch, percent);
        data.pixels.iter_mut().for_each(|pixel| *pixel = (*pixel).min(100));
        let mut network = Network::new(70, &[(20, RELU), (12, RELU), (10, None)], 0);
        network.biases[0][0][..10].fill(-1e3);
        // Images of odd classes overflow, in all units of the first layer but those that never fire.
        network.weights[1][0].fill(1e-30);
        network.biases[1][0].fill(1e-30);
        let signs = (0..120).map(|i| if i % 2 == 0 { 3e38 } else { -3e38 });
        network.weights[2][0] = signs.collect();
        check(&network, &data, &rules(0, 0.0, steps), Reduction::Sum, "overflow");
        network.step(&data, &data.order[..batch], rules(0, 0.0, 1)[0], Reduction::Sum);
        let overflowed = network.weights[0][0].iter().filter(|w| !w.is_finite()).count();
        assert!((1..=70 * 10).contains(&overflowed), "{overflowed} of {count} by {batch}");

        let mut network = Network::new(70, &[(20, RELU), (10, None)], 0);
        network.weights[0][0].fill(-0.0);
        network.biases[0][0].fill(1.0);
        network.weights[1][0].iter_mut().for_each(|w| *w = w.signum() * 1e-45);
        check(&network, &data, &rules(0, 0.0, steps), Reduction::Mean, "vanish");
    }
}

/// The outputs of many images at once, by the definition.
#[test]
fn outputs_of_many_images() {
    let shapes = [
        vec![(10, None)],
        vec![(17, Some(Activation::Gelu)), (3, RELU)],
        vec![(64, RELU), (31, Some(Activation::Tanh)), (10, None)],
    ];
    for (inputs, percent) in [(70, 20), (70, 100), (1, 100), (784, 19)] {
        for shape in &shapes {
            for count in [1, 63, 64, 65, 300] {
                let mut network = Network::new(inputs, shape, 0);
                // What a zero meets is left out, whatever it is.
                network.weights[0][0][0] = if percent < 100 { f32::NAN } else { f32::MAX };
                // Sums that underflow, to a zero whose sign the bias would keep.
                network.weights[0][0]
                    .iter_mut()
                    .skip(1)
                    .step_by(shape[0].0)
                    .for_each(|w| *w = -1e-45);
                network.biases[0][0].iter_mut().skip(1).for_each(|b| *b = -0.0);
                let mut data = data(inputs, 2, count, 1, percent);
                data.pixels.iter_mut().for_each(|pixel| *pixel = (*pixel).min(100));
                let pixels = &data.pixels[..count * inputs];
                let order: Vec<u32> = (0..count as u32).collect();
                let mut x = vec![0.0; count * inputs];
                reference::gather(&mut x, pixels, &order, inputs);
                for (layer, &(o, kind)) in shape.iter().enumerate() {
                    let (mut sum, i) = (vec![0.0; count * o], network.width(layer));
                    reference::matmul(&mut sum, &x, &network.weights[layer][0], [count, i, o]);
                    reference::add_bias(&mut sum, &network.biases[layer][0], [count, o]);
                    x = sum.clone();
                    if let Some(kind) = kind {
                        reference::activation(kind, &mut x, &sum);
                    }
                }
                for engine in every_engine() {
                    let mut found = vec![9.0; x.len()];
                    fused::infer(&engine, &mut found, pixels, inputs, &network.layers());
                    let same = |(a, b): (&f32, &f32)| {
                        a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
                    };
                    let (simd, threads) = (engine.simd(), engine.threads());
                    let is_same = found.iter().zip(&x).all(same);
                    assert!(is_same, "{inputs} to {shape:?}, {count} images, {simd}, {threads}");
                }
            }
        }
    }
}

//! Whole training steps of a multilayer perceptron in one call, with the bits of the same steps
//! taken operation by operation.
//!
//! What makes it fast, beside the loops:
//!
//! - Zeros among the inputs are found once a batch, as bits, and skipped in both directions.
//! - The gradient of the first layer's input is never computed, and no gradient of a weight is ever
//!   written to memory: it changes the weight while it is in registers.
//! - Weights lie as the loops read them, from the first step of a call to the last.
//! - Threads meet twice a step, however deep the network is, and as many take part as are fastest
//!   where others want the cores as well. Each owns columns of the first layer:
//!   their outputs, gradients and updates. Between the meetings each takes some images through all
//!   other layers and back. After the second each changes some rows of the other layers' weights.
//!
//! Every element is still one chain in its order, see [`crate::reference::matmul`]: owners split
//! rows and columns, never a chain.

mod activate;
mod barrier;
mod dense;
mod head;
mod infer;
mod inputs;
mod pace;
mod room;
mod rule;
mod sparse;
mod work;

pub use infer::infer;
pub use rule::{Optimizer, Rule};

use crate::area;
use crate::fast::Engine;
use crate::fast::dispatch::Kernel;
use crate::fast::pool::lock;
use crate::fast::vector::Vector;
use crate::reference::{Activation, Reduction};
use inputs::Source;
use pace::Choice;
pub(crate) use pace::Pace;
use room::Room;
use std::iter;
use std::ops::Range;
use std::sync::PoisonError;
use std::time::Instant;

/// The share of non-zeros among the inputs from which skipping the zeros costs more than it saves.
const DENSE: f64 = 0.6;

/// One layer: y = f(x·W + b).
pub struct Layer<'a> {
    /// Output features.
    pub outputs: usize,
    /// f, if it is not the identity.
    pub activation: Option<Activation>,
    /// W (i,o), then as many arrays of its size as the optimizer remembers.
    pub weight: Vec<&'a mut [f32]>,
    /// b (o), then as many arrays of its size as the optimizer remembers.
    pub bias: Vec<&'a mut [f32]>,
}

/// Steps to take, with softmax and cross-entropy as the loss.
pub struct Steps<'a> {
    /// Images of `inputs` bytes.
    pub pixels: &'a [u8],
    /// Bytes an image.
    pub inputs: usize,
    /// The class of each image.
    pub labels: &'a [u32],
    /// The images to take, in order; the last batch may be smaller than the others.
    pub order: &'a [u32],
    /// Images a step.
    pub batch: usize,
    /// How the losses of a batch become one number.
    pub reduction: Reduction,
    /// What each step does with its gradients.
    pub rules: &'a [Rule],
}

/// What a step saw, before it changed the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The loss of the batch.
    pub loss: f32,
    /// Images that were classified rightly.
    pub correct: u32,
    /// Images.
    pub count: u32,
}

/// Takes the steps, on as many of the engine's threads as are fastest. Ends early after a step whose
/// loss is not finite, before it changes anything.
///
/// # Panics
/// If a length is wrong, or an image or a label out of range.
pub fn train(engine: &Engine, steps: &Steps, layers: &mut [Layer]) -> Vec<Outcome> {
    check(steps, layers);
    if engine.threads() == 1 {
        return train_with(&mut Pace::new(1), engine, steps, layers);
    }
    let mut pace = lock(&engine.pace);
    pace.set_shape(iter::once(steps.inputs).chain(layers.iter().map(|l| l.outputs)).collect());
    train_with(&mut *pace, engine, steps, layers)
}

fn train_with(
    choice: &mut dyn Choice,
    engine: &Engine,
    steps: &Steps,
    layers: &mut [Layer],
) -> Vec<Outcome> {
    let labels: Vec<u32> = steps.order.iter().map(|&i| steps.labels[i as usize]).collect();
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(steps.rules.len());
    let is_over = |outcomes: &[Outcome]| {
        let has_failed = outcomes.last().is_some_and(|last| !last.loss.is_finite());
        has_failed || outcomes.len() == steps.rules.len()
    };
    while !is_over(&outcomes) {
        let threads = choice.threads();
        let mut room = Room::new(engine.simd(), threads, steps, layers);
        room.load(layers);
        while !is_over(&outcomes) && choice.threads() == threads {
            let begun = Instant::now();
            let work = room.work(outcomes.len(), steps, &labels, layers, choice);
            engine.pool.run(threads, &|thread| work.run(thread));
            let taken = work.taken.into_inner().unwrap_or_else(PoisonError::into_inner);
            let found = work.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
            // Of a single step there is no more to know than how long all took.
            let (images, time) = match taken {
                (0, _) => (found.iter().map(|seen| seen.count as usize).sum(), begun.elapsed()),
                taken => taken,
            };
            choice.add(images, time);
            outcomes.extend(found);
        }
        room.store(layers);
    }
    outcomes
}

fn check(steps: &Steps, layers: &[Layer]) {
    let images = steps.labels.len();
    assert_eq!(steps.pixels.len(), area(images, steps.inputs), "pixels");
    assert!(steps.order.iter().all(|&image| (image as usize) < images), "an image is out of range");
    assert!(steps.batch > 0 && steps.order.len().div_ceil(steps.batch) == steps.rules.len());
    let arrays = 1 + steps.rules.iter().map(|rule| rule.memories()).max().unwrap_or(0);
    let classes = check_layers(steps.inputs, layers, arrays);
    assert!(
        steps.labels.iter().all(|&label| (label as usize) < classes),
        "a label is out of range"
    );
    // Their numbers are compared as `f32`.
    assert!(classes <= 1 << 24, "too many classes");
}

/// Checks the lengths of at least `least` arrays of each parameter. Returns the outputs of the last.
fn check_layers(mut inputs: usize, layers: &[Layer], least: usize) -> usize {
    assert!(inputs > 0 && !layers.is_empty(), "a network without layers");
    for layer in layers {
        let outputs = layer.outputs;
        assert!(outputs > 0, "a layer without features");
        let is_fit = |count: usize| (least..=3).contains(&count);
        assert!(is_fit(layer.weight.len()) && is_fit(layer.bias.len()), "memory");
        assert!(layer.weight.iter().all(|array| array.len() == area(inputs, outputs)), "weight");
        assert!(layer.bias.iter().all(|array| array.len() == outputs), "bias");
        inputs = outputs;
    }
    inputs
}

/// The distance between rows of a matrix of `columns` columns: whole panels, and a little more, so
/// that the rows of a column do not fall into the same few places of the cache.
fn stride(columns: usize, width: usize) -> usize {
    columns.next_multiple_of(width) + 16
}

/// The share of `thread` in `count` things.
fn share(count: usize, threads: usize, thread: usize) -> Range<usize> {
    count * thread / threads..count * (thread + 1) / threads
}

/// The share of non-zeros among some images.
fn density(source: Source) -> f64 {
    let (images, width) = (source.order.len(), source.width);
    let count = |pixels: &[u8]| pixels.iter().filter(|&&pixel| pixel != 0).count();
    let found: usize = (0..images).map(|row| count(source.image(row))).sum();
    found as f64 / (images * width) as f64
}

/// How many lanes an instruction set has.
struct Lanes;

impl Kernel for Lanes {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> usize {
        V::LANES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fast::dispatch::Simd;
    use crate::reference::AdamStep;
    use std::time::Duration;

    /// Another number of threads at each opportunity.
    struct Script {
        numbers: Vec<usize>,
        place: usize,
    }

    impl Choice for Script {
        fn threads(&self) -> usize {
            self.numbers[self.place % self.numbers.len()]
        }

        fn is_due(&self, _: usize, _: Duration) -> bool {
            true
        }

        fn add(&mut self, _: usize, _: Duration) {
            self.place += 1;
        }
    }

    /// What training made of a small network: its numbers, and what the steps saw.
    fn trained(
        choice: &mut dyn Choice,
        (simd, optimizer, percent): (Simd, Optimizer, usize),
    ) -> (Vec<Vec<f32>>, Vec<Outcome>) {
        let (inputs, widths, batch, count) = (70, [33, 17, 10], 5, 203);
        let engine = Engine::new(simd, 8);
        let pixel = |i: usize| if i * 37 % 100 < percent { (1 + i * i % 255) as u8 } else { 0 };
        let pixels: Vec<u8> = (0..count * inputs).map(pixel).collect();
        let labels: Vec<u32> = (0..count as u32).map(|image| image * image % 10).collect();
        let order: Vec<u32> = (0..count as u32).rev().collect();
        let rules = vec![Rule { optimizer, decay: 0.01 }; count.div_ceil(batch)];
        let reduction = Reduction::Mean;
        let steps = Steps {
            pixels: &pixels,
            inputs,
            labels: &labels,
            order: &order,
            batch,
            reduction,
            rules: &rules,
        };
        let mut numbers = Vec::new();
        let mut before = inputs;
        for outputs in widths {
            let start = |i: usize| ((i * 7919) % 201) as f32 / 1000.0 - 0.1;
            numbers.push((0..before * outputs).map(start).collect());
            numbers.extend(vec![vec![0.0; before * outputs]; 2]);
            numbers.extend([vec![0.1; outputs], vec![0.0; outputs], vec![0.0; outputs]]);
            before = outputs;
        }
        let mut arrays = numbers.iter_mut().map(|array: &mut Vec<f32>| &mut array[..]);
        let mut three = || arrays.by_ref().take(3).collect::<Vec<_>>();
        let activation = Some(Activation::Relu);
        let mut layers: Vec<Layer> = widths
            .iter()
            .map(|&outputs| Layer { outputs, activation, weight: three(), bias: three() })
            .collect();
        let outcomes = train_with(choice, &engine, &steps, &mut layers);
        drop(layers);
        (numbers, outcomes)
    }

    #[test]
    fn another_number_of_threads_after_each_step_changes_no_bit() {
        let adam = AdamStep::new(0.01, [0.9, 0.999], 1e-8, 0.01, 3);
        let optimizers = [Optimizer::Momentum { lr: 0.1, mu: 0.9 }, Optimizer::Adam(adam)];
        for simd in Simd::available() {
            for job in optimizers.iter().flat_map(|&o| [20, 100].map(|percent| (simd, o, percent)))
            {
                let expected = trained(&mut Pace::new(1), job);
                assert_eq!(expected.1.len(), 41);
                let mut script = Script { numbers: vec![3, 1, 8, 8, 2, 5, 1], place: 0 };
                assert_eq!(trained(&mut script, job), expected, "{} {}", job.0, job.2);
                assert_eq!(script.place, 41);
            }
        }
    }
}
